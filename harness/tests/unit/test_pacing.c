/* SPDX-License-Identifier: Apache-2.0
 *
 * The scavenger's arithmetic: goals, the soft limit, and the share of time that paced work takes (Go's TestScavenger,
 * with work and clock simulated).
 */
#include "unit.h"

#include "pacing.h"

static const uint64_t second = 1000000000;

static void goals_are_a_twentieth_and_a_quarter_above_the_peak(void **state) {
  (void)state;
  assert_int_equal(pacing_keep(0), 64);
  assert_int_equal(pacing_keep(1000), 1114);
  assert_int_equal(pacing_bound(1000), 1314);
  assert_int_equal(pacing_excess(1114, 1000, VS_NO_LIMIT), 0);
  assert_int_equal(pacing_excess(2000, 1000, VS_NO_LIMIT), 886);
  assert_int_equal(pacing_excess(2000, 1000, 100), 2000 - 95);
}

/* 0.95 of the limit and not 95 times as much (Go 1.19 to 1.21, issue 62449). */
static void limit_goal_is_nineteen_twentieths(void **state) {
  (void)state;
  static const uint64_t rows[][2] = {
      {0, 0}, {1, 0}, {19, 18}, {20, 19}, {21, 19}, {100, 95}, {12345, 11727}, {VS_NO_LIMIT, VS_NO_LIMIT},
      {VS_NO_LIMIT - 1, VS_NO_LIMIT / 20 * 19 + 14 * 19 / 20},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    assert_int_equal(pacing_limit_goal(rows[i][0]), rows[i][1]);
}

static void what_is_owed_is_bounded_by_growth_but_for_the_limit(void **state) {
  (void)state;
  assert_int_equal(pacing_owed(0, 10, 1314, 1000, VS_NO_LIMIT), 0);
  assert_int_equal(pacing_owed(0, 10, 1318, 1000, VS_NO_LIMIT), 4);
  assert_int_equal(pacing_owed(0, 10, 2000, 1000, VS_NO_LIMIT), 10);
  assert_int_equal(pacing_owed(90, 10, 2000, 1000, VS_NO_LIMIT), 100);
  assert_int_equal(pacing_owed(0, 10, 2000, 1000, 1200), 800);
  assert_int_equal(pacing_owed(0, 0, 2000, 1000, 0), 2000);
}

/* Does work in pieces of up to half a millisecond, each as soon as it may be, after a time without work. At any time no
 * more is done than the share of the time and of the ten seconds before it, and a piece; and in the end no less. */
static void work(uint64_t total, uint64_t cpus, uint64_t idle) {
  enum { MOST = 510000 };
  uint64_t next = 50 * second, now = next + idle, start = now, done = 0, x = 7;
  while (done < total) {
    if (now < next) now = next;
    const uint64_t piece = 10000 + unit_random(&x) % 500000;
    next = pacing_next(next, now, piece, cpus);
    now += piece;
    done += piece;
    assert_true(done <= (now - start + VS_PACE_SAVED) * cpus / 100 + MOST);
  }
  assert_true(done + MOST >= (now - start) * cpus / 100);
}

/* 64 MiB less 3 pages at 10 microseconds for 4 KiB, and a hundred times that. */
static void paced_work_takes_one_percent(void **state) {
  (void)state;
  const uint64_t total = (16384 - 6) * 10000ull;
  for (uint64_t cpus = 1; cpus <= 64; cpus *= 2) {
    work(total, cpus, 0);
    work(total, cpus, 100 * second);
    work(100 * total, cpus, 0);
    work(100 * total, cpus, 100 * second);
  }
}

/* At most ten seconds' worth is saved up, however long nothing was done. */
static void saved_time_is_bounded(void **state) {
  (void)state;
  const uint64_t now = 1000 * second;
  assert_int_equal(pacing_next(0, now, 100000000, 1), now);
  assert_int_equal(pacing_next(0, now, 110000000, 1), now + second);
  assert_int_equal(pacing_next(0, now, 200000000, 2), now);
  assert_int_equal(pacing_next(now, now, 1000000, 1), now + 100000000);
  assert_int_equal(pacing_next(0, 5, 1000000, 1), 100000000);
}

/* Half a millisecond to eight, and a sixteenth of the time since the last work between. */
static void stalls_are_bounded(void **state) {
  (void)state;
  assert_int_equal(pacing_quantum(0), 500000);
  assert_int_equal(pacing_quantum(8000000), 500000);
  assert_int_equal(pacing_quantum(16000000), 1000000);
  assert_int_equal(pacing_quantum(100 * second), 8000000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(goals_are_a_twentieth_and_a_quarter_above_the_peak),
      cmocka_unit_test(limit_goal_is_nineteen_twentieths),
      cmocka_unit_test(what_is_owed_is_bounded_by_growth_but_for_the_limit),
      cmocka_unit_test(paced_work_takes_one_percent),
      cmocka_unit_test(saved_time_is_bounded),
      cmocka_unit_test(stalls_are_bounded),
  };
  return unit_run("pacing", tests);
}
