/* SPDX-License-Identifier: Apache-2.0
 * The OS layer on Linux. See os.h. Neither function allocates through malloc. */
#define _GNU_SOURCE
#include "os.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#if !defined(__linux__) || !defined(__x86_64__)
#error "verispan runs on Linux on x86-64"
#endif

/* No process of x86-64 gets addresses from here on, unless it asks for them. */
#define ADDRESS_END ((uintptr_t)1 << 47)

/* How far below its own code the heap begins: Linux leaves the address space there empty. */
#define HINT_DISTANCE ((uintptr_t)1 << 44)

static uintptr_t os_map(uintptr_t hint, size_t size, int protection) {
  void *p = mmap((void *)hint, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return p == MAP_FAILED ? 0 : (uintptr_t)p;
}

uintptr_t os_hint(void) {
  static const char here;
  uintptr_t addr = (uintptr_t)&here;
  return addr > 2 * HINT_DISTANCE ? addr - HINT_DISTANCE : 0;
}

/* Reserves more than asked and cuts off what is not aligned. */
static uintptr_t os_reserve_wide(size_t size, size_t align) {
  uintptr_t wide = size + align < size ? 0 : os_map(0, size + align, PROT_NONE);
  if (wide == 0) return 0;
  uintptr_t addr = (wide + align - 1) / align * align;
  size_t head = addr - wide, tail = align - head;
  if (head != 0) (void)munmap((void *)wide, head);
  if (tail != 0) (void)munmap((void *)(addr + size), tail);
  return addr;
}

uintptr_t os_reserve(uintptr_t hint, size_t size, size_t align) {
  int saved = errno;
  if (hint % align != 0 || hint > ADDRESS_END || size > ADDRESS_END - hint) hint = 0;
  uintptr_t addr = os_map(hint, size, PROT_NONE);
  if (addr % align != 0) {
    (void)munmap((void *)addr, size);
    addr = os_reserve_wide(size, align);
  }
  errno = saved;
  return addr;
}

void os_unreserve(uintptr_t addr, size_t size) {
  int saved = errno;
  (void)munmap((void *)addr, size);
  errno = saved;
}

/* The range may be several mappings, of which the first ones were changed when a later one is refused. */
int os_prepare(uintptr_t addr, size_t size) {
  int saved = errno;
  int failed = mprotect((void *)addr, size, PROT_READ | PROT_WRITE);
  if (failed) (void)mprotect((void *)addr, size, PROT_NONE);
  errno = saved;
  return failed;
}

void *os_metadata(size_t size) {
  int saved = errno;
  uintptr_t addr = os_map(0, size, PROT_READ | PROT_WRITE);
  if (addr != 0) (void)madvise((void *)addr, size, MADV_NOHUGEPAGE);
  errno = saved;
  return (void *)addr;
}

int os_release(uintptr_t addr, size_t size) {
  int saved = errno;
  int failed = madvise((void *)addr, size, MADV_DONTNEED);
  errno = saved;
  return failed;
}

/* mremap unmaps its destination before it looks at anything else, so that a refusal would leave a hole there. So the
 * pages first go to a place of the system's choice, where they are one mapping; if they cannot go on from there, they
 * are copied. */
int os_move(uintptr_t from, uintptr_t to, size_t size) {
  int saved = errno;
  void *between = mremap((void *)from, size, size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
  int failed = between == MAP_FAILED ? -1 : 0;
  if (!failed && mremap(between, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)to) == MAP_FAILED) {
    void *hole = mmap((void *)to, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (hole == MAP_FAILED) os_fatal("realloc", "the system took back memory of a block", to);
    memcpy((void *)to, between, size);
    (void)munmap(between, size);
  }
  errno = saved;
  return failed;
}

static uint64_t os_clock(clockid_t clock) {
  struct timespec now;
  (void)clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t os_nanoseconds(void) { return os_clock(CLOCK_MONOTONIC_COARSE); }

uint64_t os_thread_nanoseconds(void) { return os_clock(CLOCK_THREAD_CPUTIME_ID); }

uint64_t os_processors(void) {
  int saved = errno;
  cpu_set_t set;
  uint64_t n = sched_getaffinity(0, sizeof set, &set) == 0 ? (uint64_t)CPU_COUNT(&set) : 1;
  errno = saved;
  return n;
}

_Noreturn void os_fatal(const char *function, const char *what, uintptr_t addr) {
  static const char digits[] = "0123456789abcdef";
  char line[256], hex[2 * sizeof addr];
  const char *parts[] = {"verispan: ", function, ": ", what, ": 0x"};
  size_t n = 0, ndigits = 0;
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
    for (const char *c = parts[i]; *c != 0 && n < sizeof line - sizeof hex - 1; c++) line[n++] = *c;
  do {
    hex[ndigits++] = digits[addr % 16];
    addr /= 16;
  } while (addr != 0);
  while (ndigits > 0) line[n++] = hex[--ndigits];
  line[n++] = '\n';
  for (size_t done = 0; done < n;) {
    ssize_t w = write(STDERR_FILENO, line + done, n - done);
    if (w <= 0 && errno != EINTR) break;
    if (w > 0) done += (size_t)w;
  }
  abort();
}
