/* SPDX-License-Identifier: Apache-2.0
 *
 * The vs_ API of src/verispan.h: blocks, statistics that add up, the audit of a live heap.
 */
#define _GNU_SOURCE
#include "cases.h"

#include "verispan.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCKS = 20000 };

static void *held[BLOCKS];

static void note(void *context, const char *violation) {
  (void)context;
  fprintf(stderr, "audit: %s\n", violation);
}

static void audit_finds_nothing(void) { assert_int_equal(vs_audit(note, NULL), 0); }

static size_t size_of(size_t i) { return i % 1000 == 0 ? 100000 + i * 10 : i * 7919 % 9000; }

static void vs_malloc_is_aligned_and_usable(void **state) {
  (void)state;
  for (size_t n = 0; n < 3000000; n = n + 1 + n / 30) {
    unsigned char *p = vs_malloc(n), *q = vs_calloc(1, n);
    const size_t align = n <= 8 || (n >= 17 && n <= 24) ? 8 : 16;
    assert_non_null(p);
    assert_non_null(q);
    assert_int_equal((uintptr_t)p % align, 0);
    assert_true(vs_usable_size(p) >= n && vs_usable_size(q) >= n);
    memset(p, 0xff, vs_usable_size(p));
    for (size_t i = 0; i < n; i++)
      assert_int_equal(q[i], 0);
    p = vs_realloc(p, 2 * n + 1);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
      assert_int_equal(p[i], 0xff);
    vs_free(p);
    vs_free(q);
  }
  assert_int_equal(vs_usable_size(NULL), 0);
  vs_free(NULL);
}

static void small_blocks_are_packed(void **state) {
  (void)state;
  void *p = vs_malloc(8), *q = vs_malloc(24);
  assert_int_equal(vs_usable_size(p), 8);
  assert_int_equal(vs_usable_size(q), 24);
  vs_free(p);
  vs_free(q);
}

static void errors_are_errno_and_null(void **state) {
  (void)state;
  errno = 0;
  assert_null(vs_malloc(SIZE_MAX));
  assert_int_equal(errno, ENOMEM);
  errno = 0;
  assert_null(vs_malloc((size_t)1 << 45));
  assert_int_equal(errno, ENOMEM);
  errno = 0;
  assert_null(vs_calloc(SIZE_MAX / 2, 3));
  assert_int_equal(errno, ENOMEM);
  errno = 0;
  assert_null(vs_aligned_alloc(24, 100));
  assert_int_equal(errno, EINVAL);
  errno = 0;
  assert_null(vs_aligned_alloc(64, SIZE_MAX - 10));
  assert_int_equal(errno, ENOMEM);
  void *p = vs_malloc(100);
  errno = 0;
  assert_null(vs_realloc(p, SIZE_MAX));
  assert_int_equal(errno, ENOMEM);
  assert_null(vs_realloc(p, 0));
}

static void vs_aligned_alloc_every_power_of_two(void **state) {
  (void)state;
  for (size_t align = 1; align <= (size_t)1 << 21; align *= 2)
    for (size_t n = 0; n < 100000; n = n * 3 + 1) {
      void *p = vs_aligned_alloc(align, n);
      assert_non_null(p);
      assert_int_equal((uintptr_t)p % align, 0);
      assert_true(vs_usable_size(p) >= n);
      vs_free(p);
    }
}

static void both_names_are_one_heap(void **state) {
  (void)state;
  for (size_t n = 1; n < 100000; n *= 3) {
    t_free(vs_malloc(n));
    vs_free(t_malloc(n));
    vs_free(t_realloc(vs_malloc(n), 2 * n));
  }
}

/* in_use must follow what is held: up by at least the bytes taken, down again by most of them. */
static void stats_follow_the_heap(void **state) {
  (void)state;
  struct vs_stats before, full, after;
  size_t bytes = 0;
  vs_stats(&before);
  for (size_t i = 0; i < BLOCKS; i++) {
    held[i] = vs_malloc(size_of(i));
    assert_non_null(held[i]);
    bytes += size_of(i);
  }
  vs_stats(&full);
  assert_true(full.in_use >= before.in_use / 2 + bytes);
  assert_true(full.in_use <= full.resident && full.resident <= full.reserved);
  assert_true(full.in_use <= before.in_use + 2 * bytes);
  assert_true(full.spans > before.spans);
  assert_int_equal(full.reserved, full.arenas * ((uint64_t)64 << 20));
  assert_true(full.mcaches >= 1 && full.metadata > 0);
  audit_finds_nothing();
  for (size_t i = 0; i < BLOCKS; i++)
    vs_free(held[i]);
  vs_stats(&after);
  assert_true(after.in_use < before.in_use + bytes / 4);
  assert_true(after.released >= full.released);
  audit_finds_nothing();
}

/* Each thread takes blocks out of a common table and puts others in. */
static void *churn(void *arg) {
  size_t x = (size_t)arg + 1;
  for (size_t i = 0; i < 200000; i++) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    const size_t k = (x >> 30) % BLOCKS;
    void *p = (x >> 60) < 6 ? NULL : vs_malloc(size_of((x >> 20) % BLOCKS) % 40000);
    vs_free(__atomic_exchange_n(&held[k], p, __ATOMIC_ACQ_REL));
  }
  return NULL;
}

static void audit_after_threads_finds_nothing(void **state) {
  (void)state;
  memset(held, 0, sizeof held);
  for (int round = 0; round < 5; round++) {
    pthread_t t[8];
    for (size_t i = 0; i < 8; i++)
      assert_int_equal(pthread_create(&t[i], NULL, churn, (void *)(i + 8 * (size_t)round)), 0);
    for (size_t i = 0; i < 8; i++)
      pthread_join(t[i], NULL);
    audit_finds_nothing();
  }
  for (size_t i = 0; i < BLOCKS; i++)
    vs_free(held[i]);
  audit_finds_nothing();
}

static size_t resident_bytes(void) {
  size_t whole, pages;
  FILE *f = fopen("/proc/self/statm", "r");
  assert_non_null(f);
  assert_int_equal(fscanf(f, "%zu %zu", &whole, &pages), 2);
  fclose(f);
  return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* ---- destructors of thread-local data run in four rounds; nobody comes after the last ---- */

static pthread_key_t rounds_key;
static atomic_int dirty_callocs;

static void allocate_in_every_round(void *round) {
  unsigned char *block = calloc(1, 40);
  for (int i = 0; block != NULL && i < 40; i++) atomic_fetch_add(&dirty_callocs, block[i] != 0);
  if (block != NULL) memset(block, 1, 40);
  free(block);
  if ((char *)round < (char *)0 + 4) pthread_setspecific(rounds_key, (char *)round + 1);
}

static void *thread_with_late_destructors(void *arg) {
  (void)arg;
  free(malloc(40));
  pthread_setspecific(rounds_key, (char *)0 + 1);
  return NULL;
}

static void late_destructors_leave_no_cache_behind(void **state) {
  (void)state;
  struct vs_stats before, after;
  assert_int_equal(pthread_key_create(&rounds_key, allocate_in_every_round), 0);
  vs_stats(&before);
  for (int i = 0; i < 100; i++) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, thread_with_late_destructors, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
  }
  vs_stats(&after);
  assert_true(after.mcaches <= before.mcaches + 2);
  assert_int_equal(atomic_load(&dirty_callocs), 0);
  assert_int_equal(pthread_key_delete(rounds_key), 0);
}

/* After a peak the pages that stay free go back, without a call that asks for it. */
static void memory_goes_back_to_the_system(void **state) {
  (void)state;
  const size_t before = resident_bytes();
  for (size_t i = 0; i < BLOCKS; i++) {
    held[i] = vs_malloc(10000 + i % 7 * 5000);
    memset(held[i], 1, 10000 + i % 7 * 5000);
  }
  const size_t peak = resident_bytes() - before;
  assert_true(peak > (size_t)400 << 20);
  for (size_t i = 0; i < BLOCKS; i++)
    vs_free(held[i]);
  size_t after = resident_bytes();
  for (int i = 0; i < 2000 && after > before + peak / 4; i++) {
    usleep(5000);
    vs_free(vs_malloc(100000));
    after = resident_bytes();
  }
  if (after > before + peak / 4)
    fail_msg("%zu MiB at the peak, %zu MiB after", peak >> 20, (after - before) >> 20);
  audit_finds_nothing();
}

static void trim_gives_back_what_is_free(void **state) {
  (void)state;
  (void)vs_trim();
  void *p = vs_malloc((size_t)50 << 20);
  memset(p, 1, (size_t)50 << 20);
  vs_free(p);
  assert_true(vs_trim() >= (size_t)50 << 20);
  assert_int_equal(vs_trim(), 0);
  assert_int_equal(malloc_trim(0), 0);
  audit_finds_nothing();
}

static uint64_t resident(void) {
  struct vs_stats stats;
  vs_stats(&stats);
  return stats.resident;
}

/* Freed memory of 40 MiB goes back within five seconds, though nobody allocates. */
static bool goes_back(void) {
  void *p = vs_malloc((size_t)40 << 20);
  memset(p, 1, (size_t)40 << 20);
  const uint64_t full = resident();
  vs_free(p);
  for (int i = 0; i < 500 && resident() > full - ((uint64_t)30 << 20); i++)
    usleep(10000);
  return resident() <= full - ((uint64_t)30 << 20);
}

/* The child of a process with a background thread has none, and may start one. */
static void background_thread_and_fork(void **state) {
  (void)state;
  assert_int_equal(vs_start_scavenger(), 0);
  assert_true(goes_back());
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    alarm(20);
    vs_stop_scavenger();
    if (vs_start_scavenger() != 0 || !goes_back()) _exit(1);
    exit(vs_audit(note, NULL) == 0 ? 0 : 2);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  assert_true(goes_back());
  vs_stop_scavenger();
  audit_finds_nothing();
}

/* The limit that the environment sets: this program again, told which it should be. */
static int limit_is(const char *expected) { return vs_set_memory_limit(0) == strtoul(expected, NULL, 0) ? 0 : 1; }

static void environment_sets_the_limit(void **state) {
  (void)state;
  static const struct { const char *text, *bytes; } rows[] = {
      {"0", "0"}, {"1000", "1000"}, {"1K", "1024"}, {"16M", "16777216"}, {"3G", "3221225472"},
      {"1T", "1099511627776"}, {"99999999999999999999", "-1"}, {"99999999T", "-1"}, {"", "-1"}, {"12Q", "-1"},
      {"1KK", "-1"}, {"-5", "-1"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    int status;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
      if (setenv("VERISPAN_MEMORY_LIMIT", rows[i].text, 1) == 0)
        execl("/proc/self/exe", "test_api", "--limit-is", rows[i].bytes, (char *)NULL);
      _exit(3);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
  }
}

static void certificate_names_the_sources(void **state) {
  (void)state;
  const char *text = vs_certificate();
  assert_non_null(text);
  const char *sum = strstr(text, "\"source_sha256\":\"");
  assert_non_null(sum);
  assert_int_equal(strspn(sum + 17, "0123456789abcdef"), 64);
  assert_non_null(strstr(text, "\"version\":\"" VERISPAN_VERSION "\""));
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "--limit-is") == 0) return limit_is(argv[2]);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(runs_on_the_expected_allocator),
      cmocka_unit_test(vs_malloc_is_aligned_and_usable),
      cmocka_unit_test(small_blocks_are_packed),
      cmocka_unit_test(errors_are_errno_and_null),
      cmocka_unit_test(vs_aligned_alloc_every_power_of_two),
      cmocka_unit_test(both_names_are_one_heap),
      cmocka_unit_test(stats_follow_the_heap),
      cmocka_unit_test(audit_after_threads_finds_nothing),
      cmocka_unit_test(late_destructors_leave_no_cache_behind),
      cmocka_unit_test(memory_goes_back_to_the_system),
      cmocka_unit_test(trim_gives_back_what_is_free),
      cmocka_unit_test(background_thread_and_fork),
      cmocka_unit_test(environment_sets_the_limit),
      cmocka_unit_test(certificate_names_the_sources),
  };
  setvbuf(stdout, NULL, _IOLBF, 0);
  return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
