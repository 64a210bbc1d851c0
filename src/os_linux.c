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

static uintptr_t os_map(size_t size) {
  void *p = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? 0 : (uintptr_t)p;
}

/* Maps more than asked and cuts off what is not aligned. */
uintptr_t os_reserve(size_t size, size_t align) {
  int saved = errno;
  uintptr_t addr = os_map(size);
  if (addr != 0 && addr % align != 0) {
    (void)munmap((void *)addr, size);
    uintptr_t wide = size + align < size ? 0 : os_map(size + align);
    addr = 0;
    if (wide != 0) {
      addr = (wide + align - 1) / align * align;
      size_t head = addr - wide, tail = align - head;
      if (head != 0) (void)munmap((void *)wide, head);
      if (tail != 0) (void)munmap((void *)(addr + size), tail);
    }
  }
  errno = saved;
  return addr;
}

void os_unreserve(uintptr_t addr, size_t size) {
  int saved = errno;
  (void)munmap((void *)addr, size);
  errno = saved;
}

void *os_metadata(size_t size) {
  int saved = errno;
  uintptr_t addr = os_map(size);
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
