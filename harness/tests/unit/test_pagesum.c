/* SPDX-License-Identifier: Apache-2.0
 *
 * Summaries: packed words, and merge and search of adjacent summaries against the pages they stand for.
 */
#include "unit.h"

#include "pagesum.h"

enum { CAPACITY = 6, ENTRIES = 8, PAGES = CAPACITY * ENTRIES };

static void packed_words_give_their_parts_back(void **state) {
  (void)state;
  static const uint32_t parts[][3] = {
      {0, 0, 0}, {512, 512, 512}, {1, 2, 1}, {0, 2097151, 0}, {2097151, 2097151, 2097150}, {2097152, 2097152, 2097152},
  };
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    const uint64_t sum = pagesum_pack(parts[i][0], parts[i][1], parts[i][2]);
    assert_int_equal(pagesum_start(sum), parts[i][0]);
    assert_int_equal(pagesum_max(sum), parts[i][1]);
    assert_int_equal(pagesum_end(sum), parts[i][2]);
  }
  assert_int_equal(pagesum_pack(0, 0, 0), 0);
  assert_int_equal(pagesum_pack(3, 5, 4), 3 | (uint64_t)5 << 21 | (uint64_t)4 << 42);
  assert_int_equal(pagesum_pack(VS_SUM_MAX, VS_SUM_MAX, VS_SUM_MAX), (uint64_t)1 << 63);
}

/* The summary of n pages, by looking at each. */
static uint64_t naive(const unsigned char *is_free, uint32_t n) {
  uint32_t start = 0, max = 0, run = 0;
  while (start < n && is_free[start])
    start++;
  for (uint32_t p = 0; p < n; p++) {
    run = is_free[p] ? run + 1 : 0;
    max = run > max ? run : max;
  }
  return pagesum_pack(start, max, run);
}

static void entries(uint64_t *x, unsigned char *is_free, uint64_t *sum) {
  const uint64_t odds = unit_random(x) % 20;
  for (uint32_t p = 0; p < PAGES; p++)
    is_free[p] = unit_random(x) % 20 > odds;
  for (uint32_t i = 0; i < ENTRIES; i++)
    sum[i] = naive(is_free + i * CAPACITY, CAPACITY);
}

static void merge_is_the_summary_of_the_union(void **state) {
  (void)state;
  uint64_t x = 7, sum[ENTRIES];
  unsigned char is_free[PAGES];
  for (int k = 0; k < 20000; k++) {
    entries(&x, is_free, sum);
    assert_int_equal(pagesum_merge(sum, CAPACITY), naive(is_free, PAGES));
  }
  for (uint32_t i = 0; i < ENTRIES; i++)
    sum[i] = pagesum_pack(262144, 262144, 262144);
  assert_int_equal(pagesum_merge(sum, 262144), VS_SUM_FULL);
}

/* The entry that a search must stop at: the first run that is long enough ends at its start, or starts in it. */
static void scan_stops_at_the_first_place(void **state) {
  (void)state;
  uint64_t x = 8, sum[ENTRIES], before;
  unsigned char is_free[PAGES];
  for (int k = 0; k < 20000; k++) {
    entries(&x, is_free, sum);
    const uint32_t npages = 1 + (uint32_t)(unit_random(&x) % (PAGES / 2)), count = (uint32_t)(k % (ENTRIES + 1));
    uint32_t first = 0, run = 0;
    while (first + run < count * CAPACITY && run < npages) {
      if (is_free[first + run]) {
        run++;
      } else {
        first += run + 1;
        run = 0;
      }
    }
    const uint32_t i = pagesum_scan(sum, count, CAPACITY, npages, &before);
    if (run < npages) {
      assert_int_equal(i, count);
    } else {
      assert_int_equal(i, (first + npages - 1) / CAPACITY);
      assert_true(first >= i * CAPACITY || first == i * CAPACITY - before);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(packed_words_give_their_parts_back),
      cmocka_unit_test(merge_is_the_summary_of_the_union),
      cmocka_unit_test(scan_stops_at_the_first_place),
  };
  return unit_run("pagesum", tests);
}
