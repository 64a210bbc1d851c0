/* SPDX-License-Identifier: Apache-2.0
 *
 * Misuse of the heap, one case a process: `misuse CASE` prints `pointer 0x...`, the pointer that
 * the report must name, and then does the wrong thing. It must not live to exit. Cases whose names
 * begin with `fine_` do nothing wrong, and must exit 0 in silence. `misuse --list` prints each
 * case with what the report may say:
 *   D double free   I pointer into a block   F not a block of this heap   N block never allocated
 */
#define _GNU_SOURCE
#include "../allocator_calls.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SURVIVED = 3, LARGE = 1 << 20 };

static void must(int ok, const char *what) {
  if (!ok) {
    dprintf(STDERR_FILENO, "misuse: the case could not be set up: %s\n", what);
    _exit(4);
  }
}

static void *block(size_t size) {
  void *p = t_malloc(size);
  must(p != NULL, "malloc");
  memset(p, 0x11, size);
  return p;
}

static char *at(void *p, ptrdiff_t offset) { return (char *)((uintptr_t)p + (uintptr_t)offset); }

static void announce(void *p) { dprintf(STDOUT_FILENO, "pointer %#zx\n", (size_t)p); }

static void wrong_free(void *p) {
  announce(p);
  t_free(p);
}

static void wrong_realloc(void *p) {
  announce(p);
  t_free(t_realloc(p, 100));
}

static void *free_in_thread(void *p) {
  t_free(p);
  return NULL;
}

static void in_thread(void *(*run)(void *), void *arg) {
  pthread_t t;
  must(pthread_create(&t, NULL, run, arg) == 0, "pthread_create");
  pthread_join(t, NULL);
}

/* Blocks of a size until the span that p lies in has been swept; each is freed a while later. */
static void go_on_allocating(size_t size) {
  enum { HELD = 4096 };
  static void *held[HELD];
  for (size_t i = 0; i < 2000000; i++) {
    t_free(held[i % HELD]);
    held[i % HELD] = t_malloc(size);
  }
}

/* ---- double free ---- */

static void double_free(void) {
  void *p = block(100);
  t_free(p);
  wrong_free(p);
}

static void double_free_smallest(void) {
  void *p = block(0);
  t_free(p);
  wrong_free(p);
}

static void double_free_largest_class(void) {
  void *p = block(32768);
  t_free(p);
  wrong_free(p);
}

static void double_free_in_full_span(void) {
  void *p[3000];
  for (size_t i = 0; i < 3000; i++)
    p[i] = block(64);
  t_free(p[1000]);
  wrong_free(p[1000]);
}

static void double_free_after_others(void) {
  void *p = block(100), *q[500];
  t_free(p);
  for (size_t i = 0; i < 500; i++)
    q[i] = block(200 + i * 10);
  for (size_t i = 0; i < 500; i++)
    t_free(q[i]);
  wrong_free(p);
}

static void double_free_with_one_between(void) {
  void *p = block(100), *q = block(100);
  t_free(p);
  t_free(q);
  wrong_free(p);
}

static void double_free_aligned(void) {
  void *p = t_aligned_alloc(4096, 100);
  must(p != NULL, "aligned_alloc");
  t_free(p);
  wrong_free(p);
}

static void double_free_large(void) {
  void *p = block(LARGE);
  t_free(p);
  wrong_free(p);
}

/* The memory of p has gone back and serves a large block, which p now points into. */
static void double_free_large_after_reuse(void) {
  void *p[8];
  for (size_t i = 0; i < 8; i++)
    p[i] = block(LARGE);
  for (size_t i = 0; i < 8; i++)
    t_free(p[i]);
  void *q = block(8 * LARGE);
  void *victim = p[0] != q ? p[0] : p[1];
  must(q != NULL, "malloc");
  wrong_free(victim);
}

static void double_free_of_empty_span(void) {
  void *p[20000];
  for (size_t i = 0; i < 20000; i++)
    p[i] = block(320);
  for (size_t i = 0; i < 20000; i++)
    t_free(p[i]);
  wrong_free(p[7]);
}

static void double_free_second_by_other_thread(void) {
  void *p = block(500);
  t_free(p);
  announce(p);
  in_thread(free_in_thread, p);
  go_on_allocating(500);
}

static void double_free_first_by_other_thread(void) {
  void *p = block(500);
  announce(p);
  in_thread(free_in_thread, p);
  t_free(p);
  go_on_allocating(500);
}

static void double_free_twice_by_other_thread(void) {
  void *p = block(500);
  announce(p);
  in_thread(free_in_thread, p);
  in_thread(free_in_thread, p);
  go_on_allocating(500);
}

static void *free_twice(void *p) {
  t_free(p);
  t_free(p);
  return NULL;
}

static void double_free_at_once_in_other_thread(void) {
  void *p = block(500);
  announce(p);
  in_thread(free_twice, p);
  go_on_allocating(500);
}

static void double_free_large_by_other_thread(void) {
  void *p = block(LARGE);
  t_free(p);
  announce(p);
  in_thread(free_in_thread, p);
}

static void *allocate_in_thread(void *out) {
  *(void **)out = block(500);
  return NULL;
}

/* The thread that allocated has ended; its spans wait for another owner. */
static void double_free_after_owner_ended(void) {
  void *p = NULL;
  in_thread(allocate_in_thread, &p);
  t_free(p);
  announce(p);
  t_free(p);
  for (int i = 0; i < 4; i++)
    go_on_allocating(500);
}

static void double_free_by_free_sized(void) {
  void *p = block(100);
  must(free_sized != NULL, "no free_sized");
  free_sized(p, 100);
  announce(p);
  free_sized(p, 100);
}

static void double_free_after_realloc_moved(void) {
  void *p = block(100);
  void *q = t_realloc(p, 100000);
  must(q != NULL && q != p, "realloc moved");
  wrong_free(p);
}

static void double_free_after_realloc_to_zero(void) {
  void *p = block(100);
  must(t_realloc(p, 0) == NULL, "realloc to zero");
  wrong_free(p);
}

static void double_free_in_forked_child(void) {
  void *p = block(100);
  t_free(p);
  const pid_t child = fork();
  if (child == 0) {
    wrong_free(p);
    _exit(SURVIVED);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) abort();
}

/* ---- realloc ---- */

static void realloc_of_freed(void) {
  void *p = block(100);
  t_free(p);
  wrong_realloc(p);
}

static void realloc_of_freed_large(void) {
  void *p = block(LARGE);
  t_free(p);
  wrong_realloc(p);
}

static void realloc_of_interior(void) { wrong_realloc(at(block(100), 16)); }

static void realloc_of_stack(void) {
  char local[64] __attribute__((aligned(16)));
  wrong_realloc(at(local, 16));
}

/* ---- pointers into blocks ---- */

static void interior_1(void) { wrong_free(at(block(100), 1)); }
static void interior_8(void) { wrong_free(at(block(100), 8)); }
static void interior_16(void) { wrong_free(at(block(100), 16)); }
static void interior_half(void) { wrong_free(at(block(1000), 500)); }
static void interior_last(void) { wrong_free(at(block(4000), 3999)); }
static void interior_page(void) { wrong_free(at(block(20000), 8192)); }
static void interior_large_1(void) { wrong_free(at(block(LARGE), 1)); }
static void interior_large_16(void) { wrong_free(at(block(LARGE), 16)); }
static void interior_large_page(void) { wrong_free(at(block(LARGE), 8192)); }
static void interior_large_half(void) { wrong_free(at(block(LARGE), LARGE / 2)); }
static void interior_large_last(void) { wrong_free(at(block(LARGE), LARGE - 1)); }

static void interior_aligned(void) {
  void *p = t_aligned_alloc(65536, 100000);
  must(p != NULL, "aligned_alloc");
  wrong_free(at(p, 16));
}

static void interior_other_thread(void) {
  void *p = at(block(200), 32);
  announce(p);
  in_thread(free_in_thread, p);
}

static void interior_of_freed(void) {
  void *p = block(200);
  t_free(p);
  wrong_free(at(p, 16));
}

/* ---- pointers that are not ours ---- */

static char static_data[256] __attribute__((aligned(64)));
static const char constant_data[256] __attribute__((aligned(64))) = "constant";

static void foreign_stack(void) {
  char local[64] __attribute__((aligned(16)));
  wrong_free(at(local, 0));
}

static void foreign_static(void) { wrong_free(static_data); }
static void foreign_constant(void) { wrong_free((void *)(uintptr_t)constant_data); }
static void foreign_function(void) {
  wrong_free((void *)(uintptr_t)(void (*)(void))foreign_static);
}
static void foreign_small_number(void) { wrong_free((void *)(uintptr_t)16); }
static void foreign_one(void) { wrong_free((void *)(uintptr_t)1); }
static void foreign_page_one(void) { wrong_free((void *)(uintptr_t)4096); }
static void foreign_all_ones(void) { wrong_free((void *)UINTPTR_MAX); }
static void foreign_kernel(void) { wrong_free((void *)(uintptr_t)0xffff800000001000u); }
static void foreign_noncanonical(void) { wrong_free((void *)(uintptr_t)0xdeadbeefdeadbee0u); }
static void foreign_top_of_user(void) { wrong_free((void *)(uintptr_t)0x7ffffffff000u); }
static void foreign_bit_47(void) { wrong_free((void *)(uintptr_t)0x800000000000u); }

/* A pointer that would be right if the upper 16 bits were dropped. */
static void foreign_high_bits(void) {
  wrong_free((void *)((uintptr_t)block(100) | (uintptr_t)1 << 52));
}

static void foreign_mmap(void) {
  void *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  must(p != MAP_FAILED, "mmap");
  wrong_free(at(p, 4096));
}

static void foreign_other_thread(void) {
  announce(static_data);
  in_thread(free_in_thread, static_data);
}

/* ---- places in the heap that hold no block ---- */

/* A rare size, so that its span is fresh: the slot after the second block was never handed out. */
static void never_allocated_slot(void) {
  enum { SIZE = 1792 };
  char *p = block(SIZE), *q = block(SIZE);
  must(q - p == SIZE, "two blocks side by side");
  wrong_free(q + SIZE);
}

/* The last slot of a fresh span, whose word the owner has not loaded yet: its mark is clear. */
static void never_allocated_slot_other_thread(void) {
  char *p = block(8);
  char *page = (char *)((uintptr_t)p & ~(uintptr_t)8191), *last = page + 8192 - 16;
  must(p - page < 4096, "a block in the first half of its span");
  announce(last);
  in_thread(free_in_thread, last);
}

/* A slot of the word that the owner has cached, which malloc hands out next. */
static void cached_slot_other_thread(void) {
  enum { SIZE = 1792 };
  char *p = block(SIZE), *q = block(SIZE);
  must(q - p == SIZE, "two blocks side by side");
  announce(q + SIZE);
  in_thread(free_in_thread, q + SIZE);
}

/* The same slot after it was freed and swept: a double free by another thread. */
static void cached_again_other_thread(void) {
  enum { SIZE = 1792, COUNT = 2000 };
  static char *p[COUNT];
  for (size_t i = 0; i < COUNT; i++) p[i] = block(SIZE);
  for (size_t i = 0; i < COUNT; i++) t_free(p[i]);
  for (size_t n = 0; n < COUNT; n++) {
    char *next = (char *)block(SIZE) + SIZE;
    for (size_t i = n; i < COUNT; i++)
      if (p[i] == next) {
        announce(next);
        in_thread(free_in_thread, next);
      }
  }
}

/* 8192 = 170 * 48 + 32: the last 32 bytes of a page of 48-byte blocks belong to none. */
static void *tail(void) { return at((void *)((uintptr_t)block(48) & ~(uintptr_t)8191), 8192 - 32); }

static void tail_of_span(void) { wrong_free(tail()); }
static void tail_of_span_realloc(void) { wrong_realloc(tail()); }

static void tail_of_span_other_thread(void) {
  void *p = tail();
  announce(p);
  in_thread(free_in_thread, p);
}

/* Free pages: the report may say so, or that whatever was there has been freed. */
static void past_the_end_large(void) {
  char *p = block(LARGE);
  wrong_free(p + LARGE);
}

/* The far end of the heap's first 64 MiB, where nothing was handed out. */
static void unused_page(void) {
  const uintptr_t arena = (uintptr_t)block(100) & ~(((uintptr_t)64 << 20) - 1);
  wrong_free((void *)(arena + ((uintptr_t)63 << 20)));
}

/* The arena after the last: no arena at all. */
static void next_arena(void) {
  const uintptr_t arena = (uintptr_t)block(100) & ~(((uintptr_t)64 << 20) - 1);
  wrong_free((void *)(arena + ((uintptr_t)512 << 30)));
}

/* The report must come also when nobody can read it. */
static void stderr_closed(void) {
  void *p = block(100);
  announce(p);
  t_free(p);
  close(STDERR_FILENO);
  t_free(p);
}

/* ---- nothing wrong ---- */

static void fine_reuse(void) {
  for (size_t round = 0; round < 300; round++)
    for (size_t size = 0; size < 40000; size = size * 9 / 8 + 1) {
      void *p = t_malloc(size), *q = t_malloc(size);
      t_free(p);
      p = t_malloc(size);
      t_free(q);
      t_free(p);
    }
}

static void *remote_pair(void *arg) {
  void **slot = arg;
  for (size_t i = 0; i < 300000; i++) {
    void *mine = t_malloc(1 + i * 31 % 3000);
    void *theirs = __atomic_exchange_n(&slot[i % 64], mine, __ATOMIC_ACQ_REL);
    t_free(theirs);
  }
  return NULL;
}

/* Every block is freed by whichever thread finds it, often while its span is being swept. */
static void fine_remote_frees(void) {
  static void *slot[64];
  pthread_t t[6];
  for (size_t i = 0; i < 6; i++)
    must(pthread_create(&t[i], NULL, remote_pair, slot) == 0, "pthread_create");
  for (size_t i = 0; i < 6; i++)
    pthread_join(t[i], NULL);
  for (size_t i = 0; i < 64; i++)
    t_free(slot[i]);
}

static void fine_threads_that_end(void) {
  for (size_t i = 0; i < 500; i++) {
    void *p = NULL;
    in_thread(allocate_in_thread, &p);
    if (i % 2)
      in_thread(free_in_thread, p);
    else
      t_free(t_realloc(p, 2000));
  }
}

static void fine_fork(void) {
  void *p[1000];
  for (size_t i = 0; i < 1000; i++)
    p[i] = block(1 + i * 13);
  for (int round = 0; round < 10; round++) {
    int status = -1;
    const pid_t child = fork();
    if (child == 0) {
      for (size_t i = 0; i < 1000; i++)
        t_free(p[i]);
      _exit(0);
    }
    waitpid(child, &status, 0);
    must(status == 0, "child");
  }
  for (size_t i = 0; i < 1000; i++)
    t_free(p[i]);
}

static void fine_aligned_and_large(void) {
  for (size_t align = 1; align <= (size_t)1 << 22; align *= 2)
    for (size_t size = 0; size < 3000000; size = size * 3 + 7) {
      void *p = t_aligned_alloc(align, size), *q = t_aligned_alloc(align, size);
      must(p != NULL && q != NULL, "aligned_alloc");
      t_free(p);
      t_free(t_realloc(q, size + 100));
    }
}

static void fine_failed_calls(void) {
  void *p = block(100);
  for (int i = 0; i < 1000; i++) {
    must(t_realloc(p, SIZE_MAX / 2 + 1) == NULL, "realloc refused");
    must(t_calloc(SIZE_MAX, 2) == NULL && t_malloc(SIZE_MAX) == NULL, "refused");
    t_free(NULL);
  }
  t_free(p);
}

#define CASE(name, what)                                                                           \
  { #name, what, name }
static const struct misuse {
  const char *name, *what;
  void (*run)(void);
} all[] = {
    CASE(double_free, "D"),
    CASE(double_free_smallest, "D"),
    CASE(double_free_largest_class, "DFN"),
    CASE(double_free_in_full_span, "D"),
    CASE(double_free_after_others, "D"),
    CASE(double_free_with_one_between, "D"),
    CASE(double_free_aligned, "DFN"),
    CASE(double_free_large, "DFN"),
    CASE(double_free_large_after_reuse, "DFNI"),
    CASE(double_free_of_empty_span, "DFN"),
    CASE(double_free_second_by_other_thread, "D"),
    CASE(double_free_first_by_other_thread, "D"),
    CASE(double_free_twice_by_other_thread, "D"),
    CASE(double_free_at_once_in_other_thread, "D"),
    CASE(double_free_large_by_other_thread, "DFN"),
    CASE(double_free_after_owner_ended, "D"),
    CASE(double_free_by_free_sized, "D"),
    CASE(double_free_after_realloc_moved, "D"),
    CASE(double_free_after_realloc_to_zero, "D"),
    CASE(double_free_in_forked_child, "D"),
    CASE(realloc_of_freed, "D"),
    CASE(realloc_of_freed_large, "DFN"),
    CASE(realloc_of_interior, "I"),
    CASE(realloc_of_stack, "F"),
    CASE(interior_1, "I"),
    CASE(interior_8, "I"),
    CASE(interior_16, "I"),
    CASE(interior_half, "I"),
    CASE(interior_last, "I"),
    CASE(interior_page, "I"),
    CASE(interior_large_1, "I"),
    CASE(interior_large_16, "I"),
    CASE(interior_large_page, "I"),
    CASE(interior_large_half, "I"),
    CASE(interior_large_last, "I"),
    CASE(interior_aligned, "I"),
    CASE(interior_other_thread, "I"),
    CASE(interior_of_freed, "IDFN"),
    CASE(foreign_stack, "F"),
    CASE(foreign_static, "F"),
    CASE(foreign_constant, "F"),
    CASE(foreign_function, "F"),
    CASE(foreign_small_number, "F"),
    CASE(foreign_one, "F"),
    CASE(foreign_page_one, "F"),
    CASE(foreign_all_ones, "F"),
    CASE(foreign_kernel, "F"),
    CASE(foreign_noncanonical, "F"),
    CASE(foreign_top_of_user, "F"),
    CASE(foreign_bit_47, "F"),
    CASE(foreign_high_bits, "F"),
    CASE(foreign_mmap, "F"),
    CASE(foreign_other_thread, "F"),
    CASE(never_allocated_slot, "N"),
    CASE(never_allocated_slot_other_thread, "N"),
    CASE(cached_slot_other_thread, "N"),
    CASE(cached_again_other_thread, "D"),
    CASE(tail_of_span, "F"),
    CASE(tail_of_span_realloc, "F"),
    CASE(tail_of_span_other_thread, "F"),
    CASE(past_the_end_large, "DFN"),
    CASE(unused_page, "F"),
    CASE(next_arena, "F"),
    CASE(stderr_closed, "-"),
    CASE(fine_reuse, ""),
    CASE(fine_remote_frees, ""),
    CASE(fine_threads_that_end, ""),
    CASE(fine_fork, ""),
    CASE(fine_aligned_and_large, ""),
    CASE(fine_failed_calls, ""),
};

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: misuse CASE | --list\n");
    return 2;
  }
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    if (strcmp(argv[1], "--list") == 0) {
      printf("%s %s\n", all[i].name, all[i].what[0] != 0 ? all[i].what : ".");
    } else if (strcmp(argv[1], all[i].name) == 0) {
      must(on_verispan(), "the allocator is not verispan");
      all[i].run();
      return strncmp(argv[1], "fine_", 5) == 0 ? 0 : SURVIVED;
    }
  }
  if (strcmp(argv[1], "--list") == 0) return 0;
  fprintf(stderr, "misuse: no case %s\n", argv[1]);
  return 2;
}
