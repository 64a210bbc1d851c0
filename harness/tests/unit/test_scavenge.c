/* SPDX-License-Identifier: Apache-2.0
 *
 * The scavenger on the real page heap: what goes back to the system and what does not, how fast, and that the heap is
 * sound throughout. Pages that hold memory are counted by the system as well (mincore).
 */
#define _GNU_SOURCE
#include "unit.h"

#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#include "mheap.h"
#include "os.h"
#include "scavenge.h"
#include "verispan.h"

enum { PAGE = 8192, MIB = 1 << 20 };

static void note(void *context, const char *violation) {
  (void)context;
  fprintf(stderr, "audit: %s\n", violation);
}

static void sound(void) { assert_int_equal(vs_audit(note, NULL), 0); }

static struct mspan *take(size_t size) {
  bool zeroed = false;
  const uintptr_t p = mheap_alloc_large(size, 1, &zeroed);
  assert_true(p != 0);
  memset((void *)p, 0xff, (size_t)arena_span(p)->npages * PAGE);
  return arena_span(p);
}

static void give(struct mspan *s) { assert_true(mheap_free_large(s)); }

static uint64_t resident(void) {
  struct vs_stats stats;
  vs_stats(&stats);
  return stats.resident;
}

/* Bytes of a range that the system holds memory for. */
static size_t held(uintptr_t addr, size_t size) {
  static unsigned char page[64 * MIB / 4096];
  size_t n = 0;
  assert_true(size / 4096 <= sizeof page);
  assert_int_equal(mincore((void *)addr, size, page), 0);
  for (size_t i = 0; i < size / 4096; i++)
    n += (page[i] & 1) * (size_t)4096;
  return n;
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void rest(double for_seconds) {
  struct timespec t = {.tv_sec = (time_t)for_seconds, .tv_nsec = (long)((for_seconds - (time_t)for_seconds) * 1e9)};
  nanosleep(&t, NULL);
}

/* Calls scavenge_assist as a program does that goes on allocating, until no more than so many bytes are resident, or so
 * many seconds have passed. */
static void assist(uint64_t until, double most) {
  const double end = seconds() + most;
  while (resident() > until && seconds() < end) {
    scavenge_assist();
    rest(0.002);
  }
}

static int set_up(void **state) {
  (void)state;
  (void)scavenge_set_limit(SIZE_MAX);
  (void)scavenge_trim();
  assert_int_equal(resident(), 0);
  return 0;
}

static void trim_gives_back_what_is_free_and_no_more(void **state) {
  (void)state;
  struct mspan *s[40];
  for (int i = 0; i < 40; i++)
    s[i] = take((size_t)(i + 1) * 100000);
  assert_int_equal(scavenge_trim(), 0);
  uint64_t freed = 0;
  for (int i = 0; i < 40; i += 2) {
    freed += (uint64_t)s[i]->npages * PAGE;
    give(s[i]);
  }
  const uint64_t before = resident();
  assert_int_equal(scavenge_trim(), freed);
  assert_int_equal(resident(), before - freed);
  assert_int_equal(scavenge_trim(), 0);
  sound();
  for (int i = 1; i < 40; i += 2) {
    const unsigned char *p = (const unsigned char *)s[i]->base;
    assert_int_equal(held(s[i]->base, (size_t)s[i]->npages * PAGE), s[i]->npages * (size_t)PAGE);
    for (size_t k = 0; k < (size_t)s[i]->npages * PAGE; k += 4096)
      assert_int_equal(p[k], 0xff);
    give(s[i]);
  }
}

/* More chunks than are looked into at a time had pages that were free, and have none now; below them is one that has. */
static void chunks_without_free_pages_are_passed_over(void **state) {
  (void)state;
  const size_t large = (size_t)600 * MIB;
  bool zeroed = false;
  give(arena_span(mheap_alloc_large(large, 1, &zeroed)));
  (void)scavenge_trim();
  struct mspan *low = take(PAGE), *high = arena_span(mheap_alloc_large(large - MIB, 1, &zeroed));
  const uintptr_t base = high->base;
  assert_true(low->base < base);
  give(high);
  assert_int_equal(mheap_alloc_large(large - MIB, 1, &zeroed), base);
  give(low);
  assert_int_equal(scavenge_trim(), PAGE);
  give(arena_span(base));
  assert_int_equal(scavenge_trim(), large - MIB);
}

static void pages_given_back_read_as_zeros(void **state) {
  (void)state;
  struct mspan *s = take(20 * MIB);
  const uintptr_t base = s->base;
  give(s);
  assert_int_equal(scavenge_trim(), 20 * MIB);
  assert_int_equal(held(base, 20 * MIB), 0);
  bool zeroed = true;
  assert_int_equal(mheap_alloc_large(20 * MIB, 1, &zeroed), base);
  assert_true(zeroed);
  for (size_t k = 0; k < 20 * MIB; k += 512)
    assert_int_equal(((unsigned char *)base)[k], 0);
  give(arena_span(base));
}

/* Three chunks' worth and more, of which a limit asks for a part: the highest pages go. */
static void highest_addresses_go_first(void **state) {
  (void)state;
  struct mspan *low = take(16 * MIB), *high = take(16 * MIB);
  const uintptr_t first = low->base, last = high->base;
  assert_true(first < last);
  give(low);
  give(high);
  (void)scavenge_set_limit(20 * MIB);
  assert_true(resident() <= 20 * MIB);
  assert_int_equal(held(first, 16 * MIB), 16 * MIB);
  assert_true(held(last, 16 * MIB) <= 4 * MIB);
  sound();
}

/* What is above the limit goes at once, and 0.95 of it is reached without haste. */
static void a_soft_limit_is_kept(void **state) {
  (void)state;
  struct mspan *s[32];
  for (int i = 0; i < 32; i++)
    s[i] = take(MIB);
  for (int i = 0; i < 16; i++)
    give(s[i]);
  assert_int_equal(scavenge_set_limit(20 * MIB), SIZE_MAX);
  assert_true(resident() <= 20 * MIB);
  assist(19 * MIB, 5);
  assert_true(resident() <= 19 * MIB);
  give(s[31]);
  s[31] = take(8 * MIB);
  scavenge_assist();
  assert_true(resident() <= (15 + 8) * MIB);
  sound();
  assert_int_equal(scavenge_set_limit(SIZE_MAX), 20 * MIB);
  for (int i = 16; i < 32; i++)
    give(s[i]);
}

/* What is in use may exceed the limit: nothing is refused, and nobody works in vain for ever. */
static void a_limit_below_what_is_in_use(void **state) {
  (void)state;
  struct mspan *s = take(10 * MIB);
  (void)scavenge_set_limit(0);
  struct mspan *t = take(10 * MIB);
  scavenge_assist();
  assert_int_equal(resident(), 20 * MIB);
  give(t);
  assist(10 * MIB, 5);
  assert_int_equal(resident(), 10 * MIB);
  give(s);
  sound();
}

static void the_peak_is_kept_for_a_while_and_then_a_twentieth_above_need(void **state) {
  (void)state;
  struct mspan *small = take(20 * MIB), *peak = take(60 * MIB);
  give(peak);
  assist(0, 0.2);
  assert_int_equal(resident(), 80 * MIB);
  const uint64_t keep = 20 * MIB + MIB + MIB / 2;
  assist(keep, 5);
  assert_true(resident() <= keep);
  give(small);
  sound();
}

/* A heap that goes up and down within a period gives nothing back. */
static void steady_loads_keep_their_memory(void **state) {
  (void)state;
  struct vs_stats before, after;
  vs_stats(&before);
  const double end = seconds() + 1.5;
  while (seconds() < end) {
    struct mspan *s = take(30 * MIB);
    scavenge_assist();
    give(s);
    scavenge_assist();
    rest(0.02);
  }
  vs_stats(&after);
  assert_int_equal(after.released, before.released);
}

/* Swiss cheese of 32 MiB, and a large block that fits into no hole. */
static void holes_are_given_back_when_the_heap_grows(void **state) {
  (void)state;
  enum { BLOCKS = 512 };
  struct mspan *s[BLOCKS];
  for (int i = 0; i < BLOCKS; i++)
    s[i] = take(64 * 1024);
  for (int i = 0; i < BLOCKS; i += 2)
    give(s[i]);
  struct mspan *large = take(16 * MIB);
  scavenge_assist();
  assert_true(resident() <= 32 * MIB + 32 * MIB / 4 + MIB / 2);
  assist(32 * MIB + 32 * MIB / 20 + MIB / 2, 5);
  assert_true(resident() <= 32 * MIB + 32 * MIB / 20 + MIB / 2);
  for (int i = 1; i < BLOCKS; i += 2)
    give(s[i]);
  give(large);
  sound();
}

/* The system refuses to take locked memory: it stays, as dirty as it was. */
static void memory_that_the_system_refuses_stays(void **state) {
  (void)state;
  struct mspan *s = take(40 * 1024), *other = take(40 * 1024);
  const uintptr_t base = s->base;
  if (mlock((void *)base, 4096) != 0) skip();
  give(s);
  give(other);
  assert_true(scavenge_trim() <= 40 * 1024);
  assert_true(resident() >= 40 * 1024);
  assert_true(held(base, 4096) == 4096);
  sound();
  assert_int_equal(munlock((void *)base, 4096), 0);
  (void)scavenge_trim();
  assert_int_equal(resident(), 0);
}

/* Nobody allocates or frees: only the thread gives memory back, and only as long as it runs. */
static void background_thread(void **state) {
  (void)state;
  vs_stop_scavenger();
  give(take(40 * MIB));
  rest(1.2);
  assert_int_equal(resident(), 40 * MIB);
  assert_int_equal(vs_start_scavenger(), 0);
  assert_int_equal(vs_start_scavenger(), 0);
  const double begin = seconds();
  while (resident() > 3 * MIB && seconds() < begin + 10)
    rest(0.05);
  assert_true(resident() <= 3 * MIB);
  vs_stop_scavenger();
  vs_stop_scavenger();
  give(take(40 * MIB));
  rest(1.2);
  assert_int_equal(resident(), 40 * MIB);
  sound();
}

/* ---- threads that take and give while another gives pages back: each page keeps what its owner wrote ---- */

enum { WORKERS = 3, ROUNDS = 4000 };

static int finished, wrong; /* workers; words that were not what they should be */

static void expect(bool right) {
  if (!right) __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
}

static void *work(void *arg) {
  uint64_t x = (uintptr_t)arg;
  struct mspan *mine[8] = {NULL};
  for (int k = 0; k < ROUNDS; k++) {
    const uint64_t r = unit_random(&x);
    struct mspan **m = &mine[r % 8];
    if (*m != NULL) {
      const uint64_t *p = (const uint64_t *)(*m)->base;
      for (size_t i = 0; i < (size_t)(*m)->npages * PAGE / 8; i += 512)
        expect(p[i] == (uintptr_t)arg + (*m)->base);
      expect(mheap_free_large(*m));
      *m = NULL;
    } else {
      bool zeroed = true;
      uint64_t *p = (uint64_t *)mheap_alloc_large(1 + (r >> 8) % 300000, 1, &zeroed);
      *m = arena_span((uintptr_t)p);
      for (size_t i = 0; i < (size_t)(*m)->npages * PAGE / 8; i += 512) {
        expect(!zeroed || p[i] == 0);
        p[i] = (uintptr_t)arg + (*m)->base;
      }
    }
    if (k % 64 == 0) scavenge_assist();
  }
  for (int i = 0; i < 8; i++)
    if (mine[i] != NULL) expect(mheap_free_large(mine[i]));
  __atomic_fetch_add(&finished, 1, __ATOMIC_RELAXED);
  return NULL;
}

static void pages_under_way_are_nobodys(void **state) {
  (void)state;
  pthread_t worker[WORKERS];
  for (int i = 0; i < WORKERS; i++)
    assert_int_equal(pthread_create(&worker[i], NULL, work, (void *)(uintptr_t)(i + 1)), 0);
  while (__atomic_load_n(&finished, __ATOMIC_RELAXED) < WORKERS)
    (void)scavenge_trim();
  for (int i = 0; i < WORKERS; i++)
    assert_int_equal(pthread_join(worker[i], NULL), 0);
  assert_int_equal(wrong, 0);
  sound();
  assert_int_equal(vs_heap.pages.used, 0);
  (void)scavenge_trim();
  assert_int_equal(resident(), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(trim_gives_back_what_is_free_and_no_more, set_up),
      cmocka_unit_test_setup(chunks_without_free_pages_are_passed_over, set_up),
      cmocka_unit_test_setup(pages_given_back_read_as_zeros, set_up),
      cmocka_unit_test_setup(highest_addresses_go_first, set_up),
      cmocka_unit_test_setup(a_soft_limit_is_kept, set_up),
      cmocka_unit_test_setup(a_limit_below_what_is_in_use, set_up),
      cmocka_unit_test_setup(the_peak_is_kept_for_a_while_and_then_a_twentieth_above_need, set_up),
      cmocka_unit_test_setup(steady_loads_keep_their_memory, set_up),
      cmocka_unit_test_setup(holes_are_given_back_when_the_heap_grows, set_up),
      cmocka_unit_test_setup(memory_that_the_system_refuses_stays, set_up),
      cmocka_unit_test_setup(background_thread, set_up),
      cmocka_unit_test_setup(pages_under_way_are_nobodys, set_up),
  };
  return unit_run("scavenge", tests);
}
