/* SPDX-License-Identifier: Apache-2.0
 *
 * The libc entry points, one call at a time: return values, errno, alignment, overflow, zero
 * sizes, NULL, contents over realloc, zeroes from calloc. Runs under LD_PRELOAD and linked with
 * libverispan.a; where glibc answers otherwise, the case says so and is skipped on glibc.
 */
#define _GNU_SOURCE
#include "../allocator_calls.h"
#include "cases.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIBC_ALIGN = 16, MARK = 12345 };

static volatile size_t too_big = (size_t)PTRDIFF_MAX + 1;

static void assert_aligned(const void *p, size_t align) {
  assert_non_null(p);
  assert_int_equal((size_t)p % align, 0);
}

/* The call that just returned p refused the size. */
static void assert_no_memory(const void *p) {
  assert_null(p);
  assert_int_equal(errno, ENOMEM);
}

static void fill(unsigned char *p, size_t n, unsigned salt) {
  for (size_t i = 0; i < n; i++)
    p[i] = (unsigned char)(i * 7 + salt + i / 251);
}

static size_t first_change(const unsigned char *p, size_t n, unsigned salt) {
  size_t i = 0;
  while (i < n && p[i] == (unsigned char)(i * 7 + salt + i / 251))
    i++;
  return i;
}

/* Sizes around every power of two and every few bytes: hits each class at both ends. */
static size_t next_size(size_t n) { return n < 2100 ? n + 1 : n < 34000 ? n + 61 : n + n / 7; }

/* ---- malloc ---- */

static void malloc_of_zero_is_a_block_of_its_own(void **state) {
  (void)state;
  void *p[64];
  for (size_t i = 0; i < 64; i++) {
    p[i] = t_malloc(0);
    assert_aligned(p[i], LIBC_ALIGN);
    for (size_t j = 0; j < i; j++)
      assert_ptr_not_equal(p[i], p[j]);
  }
  for (size_t i = 0; i < 64; i++)
    t_free(p[i]);
}

static void malloc_above_ptrdiff_max_is_enomem(void **state) {
  (void)state;
  const size_t sizes[] = {PTRDIFF_MAX,     too_big,         too_big + 1,
                          SIZE_MAX - 8192, SIZE_MAX - 4096, SIZE_MAX - 15,
                          SIZE_MAX - 7,    SIZE_MAX - 1,    SIZE_MAX};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    errno = 0;
    assert_no_memory(t_malloc(sizes[i]));
    errno = 0;
    assert_no_memory(t_calloc(1, sizes[i]));
    errno = 0;
    assert_no_memory(t_realloc(NULL, sizes[i]));
    errno = 0;
    assert_no_memory(t_aligned_alloc(64, sizes[i]));
    errno = 0;
    assert_no_memory(t_aligned_alloc(1 << 20, sizes[i]));
    errno = 0;
    assert_no_memory(t_memalign(8192, sizes[i]));
    errno = 0;
    assert_no_memory(t_valloc(sizes[i]));
    errno = 0;
    assert_no_memory(t_pvalloc(sizes[i]));
  }
}

static void malloc_every_size_is_aligned_and_usable(void **state) {
  (void)state;
  for (size_t n = 0; n < 5000000; n = next_size(n)) {
    unsigned char *p = t_malloc(n);
    unsigned char *q = t_malloc(n);
    assert_aligned(p, LIBC_ALIGN);
    assert_aligned(q, LIBC_ALIGN);
    const size_t usable = t_usable_size(p);
    assert_true(usable >= n);
    fill(q, n, 3);
    memset(p, 0xa5, usable);
    assert_int_equal(first_change(q, n, 3), n);
    t_free(p);
    assert_int_equal(first_change(q, n, 3), n);
    t_free(q);
  }
}

static void malloc_of_gigabytes(void **state) {
  (void)state;
  for (size_t n = (size_t)32 << 20; n <= (size_t)4 << 30; n *= 2) {
    unsigned char *p = t_malloc(n);
    assert_aligned(p, LIBC_ALIGN);
    assert_true(t_usable_size(p) >= n);
    p[0] = 1;
    p[n / 2] = 2;
    p[n - 1] = 3;
    assert_int_equal(p[0] + p[n / 2] + p[n - 1], 6);
    t_free(p);
  }
}

/* ---- calloc ---- */

static void calloc_overflow_is_enomem(void **state) {
  (void)state;
  const size_t pairs[][2] = {
      {SIZE_MAX, SIZE_MAX},    {SIZE_MAX / 2 + 1, 2},
      {2, SIZE_MAX / 2 + 1},   {(size_t)1 << 32, (size_t)1 << 32},
      {SIZE_MAX / 16 + 2, 16}, {((size_t)1 << 32) + 1, ((size_t)1 << 32) - 1},
      {too_big / 8, 8}};
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
    errno = 0;
    assert_no_memory(t_calloc(pairs[i][0], pairs[i][1]));
  }
}

static void calloc_of_nothing_is_a_block(void **state) {
  (void)state;
  void *a = t_calloc(0, 0), *b = t_calloc(0, SIZE_MAX), *c = t_calloc(SIZE_MAX, 0);
  assert_aligned(a, LIBC_ALIGN);
  assert_aligned(b, LIBC_ALIGN);
  assert_aligned(c, LIBC_ALIGN);
  assert_true(a != b && b != c && a != c);
  t_free(a);
  t_free(b);
  t_free(c);
}

/* Dirties blocks of a size, frees them, and takes more of that size until some are reused. */
static void calloc_zeroes_reused_memory(void **state) {
  (void)state;
  size_t reused = 0;
  for (size_t n = 1; n < 3000000; n = next_size(n + n / 16)) {
    enum { K = 40 };
    unsigned char *p[K];
    uintptr_t was[K];
    const size_t k = n > 65536 ? 4 : K;
    for (size_t i = 0; i < k; i++) {
      p[i] = t_malloc(n);
      assert_non_null(p[i]);
      memset(p[i], 0xff, t_usable_size(p[i]));
      was[i] = (uintptr_t)p[i];
    }
    for (size_t i = 0; i < k; i++)
      t_free(p[i]);
    for (size_t i = 0; i < k; i++) {
      p[i] = t_calloc(1 + i % 2, n / (1 + i % 2));
      assert_aligned(p[i], LIBC_ALIGN);
      for (size_t j = 0; j < k; j++)
        reused += was[j] == (uintptr_t)p[i];
      for (size_t j = 0; j < n / (1 + i % 2) * (1 + i % 2); j++)
        if (p[i][j] != 0) fail_msg("calloc of %zu: byte %zu is %d", n, j, p[i][j]);
    }
    for (size_t i = 0; i < k; i++)
      t_free(p[i]);
  }
  assert_true(reused > 100);
}

/* ---- free ---- */

static void free_of_null_does_nothing(void **state) {
  (void)state;
  errno = MARK;
  t_free(NULL);
  assert_int_equal(errno, MARK);
}

static void free_keeps_errno(void **state) {
  (void)state;
  for (size_t n = 1; n < (size_t)256 << 20; n *= 3) {
    unsigned char *p[3];
    for (size_t i = 0; i < 3; i++) {
      p[i] = t_malloc(n);
      assert_non_null(p[i]);
      p[i][0] = p[i][n - 1] = 1;
    }
    for (size_t i = 0; i < 3; i++) {
      errno = MARK;
      t_free(p[i]);
      assert_int_equal(errno, MARK);
    }
  }
}

static void free_sized_forms_free(void **state) {
  (void)state;
  if (!on_verispan()) skip();
  for (size_t i = 0; i < 200000; i++) {
    errno = MARK;
    free_sized(t_malloc(100 + i % 3000), 100 + i % 3000);
    free_aligned_sized(t_aligned_alloc(256, 512), 256, 512);
    assert_int_equal(errno, MARK);
  }
  free_sized(NULL, 7);
  free_aligned_sized(NULL, 64, 7);
}

/* ---- realloc ---- */

static void realloc_of_null_is_malloc(void **state) {
  (void)state;
  void *p = t_realloc(NULL, 100), *q = t_realloc(NULL, 0);
  assert_aligned(p, LIBC_ALIGN);
  assert_aligned(q, LIBC_ALIGN);
  assert_true(p != q && t_usable_size(p) >= 100);
  t_free(p);
  t_free(q);
}

static void realloc_to_zero_frees(void **state) {
  (void)state;
  struct rusage before, after;
  assert_null(t_realloc(t_malloc(100), 0));
  getrusage(RUSAGE_SELF, &before);
  for (size_t i = 0; i < 100000; i++) {
    unsigned char *p = t_malloc(10000);
    p[0] = p[5000] = 1;
    assert_null(t_realloc(p, 0));
  }
  getrusage(RUSAGE_SELF, &after);
  assert_true(after.ru_maxrss - before.ru_maxrss < 100 * 1024);
}

static void realloc_keeps_contents(void **state) {
  (void)state;
  for (size_t n = 1; n < 3000000; n = next_size(n + n / 9)) {
    const size_t others[] = {1, n / 3 + 1, n - n / 16, n + 1, n + n / 8, 2 * n, 5 * n + 100};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
      const size_t m = others[i];
      unsigned char *p = t_malloc(n);
      assert_non_null(p);
      fill(p, n, (unsigned)i);
      unsigned char *q = t_realloc(p, m);
      assert_aligned(q, LIBC_ALIGN);
      assert_true(t_usable_size(q) >= m);
      assert_int_equal(first_change(q, n < m ? n : m, (unsigned)i), n < m ? n : m);
      memset(q, 0x5a, m);
      t_free(q);
    }
  }
}

static void realloc_that_grows_byte_by_byte(void **state) {
  (void)state;
  unsigned char *p = NULL;
  for (size_t n = 1; n < 20000; n++) {
    p = t_realloc(p, n);
    assert_aligned(p, LIBC_ALIGN);
    p[n - 1] = (unsigned char)((n - 1) * 7 + 9 + (n - 1) / 251);
  }
  assert_int_equal(first_change(p, 19999, 9), 19999);
  t_free(p);
}

static void realloc_that_fails_leaves_the_block(void **state) {
  (void)state;
  for (size_t n = 1; n < 1000000; n = n * 3 + 1) {
    unsigned char *p = t_malloc(n);
    assert_non_null(p);
    fill(p, n, 1);
    errno = 0;
    assert_no_memory(t_realloc(p, too_big));
    errno = 0;
    assert_no_memory(t_realloc(p, SIZE_MAX));
    errno = 0;
    assert_no_memory(t_reallocarray(p, SIZE_MAX / 2, 3));
    assert_int_equal(first_change(p, n, 1), n);
    t_free(p);
  }
}

static void realloc_of_an_aligned_block(void **state) {
  (void)state;
  for (size_t align = 16; align <= (size_t)1 << 21; align *= 2) {
    unsigned char *p = t_aligned_alloc(align, 3000);
    assert_aligned(p, align);
    fill(p, 3000, 4);
    p = t_realloc(p, 50000);
    assert_aligned(p, LIBC_ALIGN);
    assert_int_equal(first_change(p, 3000, 4), 3000);
    p = t_realloc(p, 10);
    assert_int_equal(first_change(p, 10, 4), 10);
    t_free(p);
  }
}

static void reallocarray_multiplies_and_checks(void **state) {
  (void)state;
  const size_t pairs[][2] = {
      {SIZE_MAX, 2}, {(size_t)1 << 32, (size_t)1 << 32}, {SIZE_MAX / 2 + 1, 2}, {too_big / 4, 4}};
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
    errno = 0;
    assert_no_memory(t_reallocarray(NULL, pairs[i][0], pairs[i][1]));
  }
  unsigned char *p = t_reallocarray(NULL, 100, 7);
  assert_aligned(p, LIBC_ALIGN);
  assert_true(t_usable_size(p) >= 700);
  fill(p, 700, 5);
  p = t_reallocarray(p, 1000, 70);
  assert_int_equal(first_change(p, 700, 5), 700);
  assert_true(t_usable_size(p) >= 70000);
  t_free(p);
}

/* ---- alignment ---- */

static const size_t aligned_sizes[] = {0,     1,     8,     15,     24,      63,     64,
                                       100,   1000,  4095,  4096,   8000,    8192,   20000,
                                       32768, 32769, 65537, 100000, 1 << 20, 3000001};
enum { ALIGNED_SIZES = sizeof aligned_sizes / sizeof aligned_sizes[0] };

static void use_and_free_aligned(unsigned char *p, size_t align, size_t n) {
  assert_aligned(p, align);
  assert_aligned(p, LIBC_ALIGN);
  const size_t usable = t_usable_size(p);
  assert_true(usable >= n);
  memset(p, 0x77, usable);
  t_free(p);
}

static void aligned_alloc_every_power_of_two(void **state) {
  (void)state;
  for (size_t align = 1; align <= (size_t)1 << 21; align *= 2)
    for (size_t i = 0; i < ALIGNED_SIZES; i++)
      use_and_free_aligned(t_aligned_alloc(align, aligned_sizes[i]), align, aligned_sizes[i]);
}

static void memalign_every_power_of_two(void **state) {
  (void)state;
  for (size_t align = 1; align <= (size_t)1 << 21; align *= 2)
    for (size_t i = 0; i < ALIGNED_SIZES; i++)
      use_and_free_aligned(t_memalign(align, aligned_sizes[i]), align, aligned_sizes[i]);
}

static void posix_memalign_every_power_of_two(void **state) {
  (void)state;
  for (size_t align = sizeof(void *); align <= (size_t)1 << 21; align *= 2)
    for (size_t i = 0; i < ALIGNED_SIZES; i++) {
      void *p = NULL;
      errno = MARK;
      assert_int_equal(t_posix_memalign(&p, align, aligned_sizes[i]), 0);
      use_and_free_aligned(p, align, aligned_sizes[i]);
    }
}

static const size_t bad_alignments[] = {0,  3,  5,   6,    7,    9,    12,       24,          40,
                                        48, 96, 100, 4095, 4097, 8191, SIZE_MAX, SIZE_MAX - 1};
enum { BAD_ALIGNMENTS = sizeof bad_alignments / sizeof bad_alignments[0] };

/* glibc 2.36 rounds a bad alignment up instead. */
static void aligned_alloc_bad_alignment_is_einval(void **state) {
  (void)state;
  if (!on_verispan()) skip();
  for (size_t i = 0; i < BAD_ALIGNMENTS; i++) {
    errno = 0;
    assert_null(t_aligned_alloc(bad_alignments[i], 100));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_null(t_memalign(bad_alignments[i], 100));
    assert_int_equal(errno, EINVAL);
  }
}

static void posix_memalign_bad_alignment_is_einval(void **state) {
  void *const before = (void *)state;
  const size_t small[] = {1, 2, 4};
  for (size_t i = 0; i < BAD_ALIGNMENTS + 3; i++) {
    const size_t align = i < BAD_ALIGNMENTS ? bad_alignments[i] : small[i - BAD_ALIGNMENTS];
    void *p = before;
    errno = MARK;
    assert_int_equal(t_posix_memalign(&p, align, 100), EINVAL);
    assert_ptr_equal(p, before);
    assert_int_equal(errno, MARK);
  }
}

/* glibc sets errno too. */
static void posix_memalign_without_memory_is_enomem(void **state) {
  void *const before = (void *)state;
  const size_t sizes[] = {too_big, SIZE_MAX - 100, SIZE_MAX};
  for (size_t align = sizeof(void *); align != 0; align *= 2)
    for (size_t i = 0; i < 3; i++) {
      void *p = before;
      errno = MARK;
      assert_int_equal(t_posix_memalign(&p, align, sizes[i]), ENOMEM);
      assert_ptr_equal(p, before);
      if (on_verispan()) assert_int_equal(errno, MARK);
    }
}

static void alignment_beyond_the_address_space_is_enomem(void **state) {
  (void)state;
  for (size_t align = (size_t)1 << 48; align != 0; align *= 2) {
    errno = 0;
    assert_no_memory(t_aligned_alloc(align, 100));
  }
}

static void valloc_and_pvalloc_are_page_aligned(void **state) {
  (void)state;
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  for (size_t i = 0; i < ALIGNED_SIZES; i++) {
    const size_t n = aligned_sizes[i];
    use_and_free_aligned(t_valloc(n), page, n);
    use_and_free_aligned(t_pvalloc(n), page, (n + page - 1) / page * page);
  }
}

/* ---- usable size ---- */

static void usable_size_of_null_is_zero(void **state) {
  (void)state;
  assert_int_equal(t_usable_size(NULL), 0);
}

static void usable_size_does_not_change(void **state) {
  (void)state;
  for (size_t n = 0; n < 1000000; n = next_size(n + n / 5)) {
    void *p = t_malloc(n);
    const size_t usable = t_usable_size(p);
    memset(p, 0xff, usable);
    assert_int_equal(t_usable_size(p), usable);
    t_free(p);
  }
}

/* ---- when the operating system refuses ---- */

/* In a child with little address space left: NULL and ENOMEM, blocks stay whole, free helps. */
static void exhaust(size_t block) {
  enum { MOST = 4000000 };
  struct rlimit limit;
  char text[64];
  FILE *f = fopen("/proc/self/statm", "r");
  if (f == NULL || fgets(text, sizeof text, f) == NULL) _exit(90);
  fclose(f);
  limit.rlim_cur = limit.rlim_max =
      strtoul(text, NULL, 10) * (rlim_t)sysconf(_SC_PAGESIZE) + ((rlim_t)300 << 20);
  if (setrlimit(RLIMIT_AS, &limit) != 0) _exit(91);

  void **chain = NULL;
  size_t n = 0, seen = 0;
  void **p;
  while (errno = 0, n < MOST && (p = t_malloc(block)) != NULL) {
    memset(p, 0xee, block);
    *p = chain;
    chain = p;
    n++;
  }
  if (n == MOST || errno != ENOMEM) _exit(92);
  if (n * block < (size_t)100 << 20) _exit(98);
  for (int i = 0; i < 3; i++) {
    errno = 0;
    if (t_calloc(1, (size_t)200 << 20) != NULL || errno != ENOMEM) _exit(93);
  }
  if (block >= 4096 && t_realloc(chain, (size_t)200 << 20) != NULL) _exit(94);
  while (chain != NULL) {
    void **next = *chain;
    for (size_t i = sizeof(void *); i < block; i++)
      if (((unsigned char *)chain)[i] != 0xee) _exit(95);
    t_free(chain);
    chain = next;
    seen++;
  }
  if (seen != n) _exit(96);
  for (size_t i = 0; i < n / 2; i++) {
    p = t_malloc(block);
    if (p == NULL) _exit(97);
    *p = chain;
    chain = p;
  }
  _exit(0);
}

static void out_of_memory_is_enomem_and_not_the_end(void **state) {
  (void)state;
  const size_t blocks[] = {128, 4096, 30000, 1000000, 20000000};
  for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
    const pid_t child = fork();
    int status;
    assert_true(child >= 0);
    if (child == 0) exhaust(blocks[i]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (status != 0) fail_msg("blocks of %zu: child status %#x", blocks[i], (unsigned)status);
  }
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(runs_on_the_expected_allocator),
      /* First: address space that later cases leave reserved would blunt the limit. */
      cmocka_unit_test(out_of_memory_is_enomem_and_not_the_end),
      cmocka_unit_test(malloc_of_zero_is_a_block_of_its_own),
      cmocka_unit_test(malloc_above_ptrdiff_max_is_enomem),
      cmocka_unit_test(malloc_every_size_is_aligned_and_usable),
      cmocka_unit_test(malloc_of_gigabytes),
      cmocka_unit_test(calloc_overflow_is_enomem),
      cmocka_unit_test(calloc_of_nothing_is_a_block),
      cmocka_unit_test(calloc_zeroes_reused_memory),
      cmocka_unit_test(free_of_null_does_nothing),
      cmocka_unit_test(free_keeps_errno),
      cmocka_unit_test(free_sized_forms_free),
      cmocka_unit_test(realloc_of_null_is_malloc),
      cmocka_unit_test(realloc_to_zero_frees),
      cmocka_unit_test(realloc_keeps_contents),
      cmocka_unit_test(realloc_that_grows_byte_by_byte),
      cmocka_unit_test(realloc_that_fails_leaves_the_block),
      cmocka_unit_test(realloc_of_an_aligned_block),
      cmocka_unit_test(reallocarray_multiplies_and_checks),
      cmocka_unit_test(aligned_alloc_every_power_of_two),
      cmocka_unit_test(memalign_every_power_of_two),
      cmocka_unit_test(posix_memalign_every_power_of_two),
      cmocka_unit_test(aligned_alloc_bad_alignment_is_einval),
      cmocka_unit_test(posix_memalign_bad_alignment_is_einval),
      cmocka_unit_test(posix_memalign_without_memory_is_enomem),
      cmocka_unit_test(alignment_beyond_the_address_space_is_enomem),
      cmocka_unit_test(valloc_and_pvalloc_are_page_aligned),
      cmocka_unit_test(usable_size_of_null_is_zero),
      cmocka_unit_test(usable_size_does_not_change),
  };
  return cmocka_run_group_tests_name("boundary", tests, NULL, NULL);
}
