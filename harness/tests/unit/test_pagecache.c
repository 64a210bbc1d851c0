/* SPDX-License-Identifier: Apache-2.0
 *
 * The page cache: known cases, and random words against loops over the pages.
 */
#include "unit.h"

#include "pagecache.h"

enum { NONE = VS_GROUP_PAGES };
#define ALL UINT64_MAX

/* Where the lowest run of npages set bits is in word. */
static const struct { uint64_t word; uint32_t npages, found; } finds[] = {
    {0, 1, NONE}, {0, 64, NONE}, {0x8000000000000000, 1, 63}, {0xc000010001010000, 2, 62},
    {0xc000010001030000, 2, 16}, {0xe000030001030000, 3, 61}, {0xe000030001070000, 3, 16},
    {0xffff03ff01070000, 16, 48}, {0xffff03ff0107ffff, 16, 0}, {0x0fff03ff01079fff, 16, NONE},
};

static void lowest_run_of_a_word_is_found(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof finds / sizeof finds[0]; i++)
    assert_int_equal(pagecache_find(finds[i].word, finds[i].npages), finds[i].found);
  for (uint32_t n = 1; n <= 64; n++)
    assert_int_equal(pagecache_find(ALL, n), 0);
}

/* Pages of the cache, and clean ones; for each number of pages asked for: where, and how many of them are clean. */
static const struct { uint64_t free, clean; struct { uint32_t npages, page, clean; } got[24]; } allocs[] = {
    {0, 0, {{1, NONE, 0}, {2, NONE, 0}, {3, NONE, 0}, {4, NONE, 0}, {5, NONE, 0}, {11, NONE, 0}, {12, NONE, 0},
            {16, NONE, 0}, {27, NONE, 0}, {32, NONE, 0}, {43, NONE, 0}, {57, NONE, 0}, {64, NONE, 0}, {121, NONE, 0}}},
    {1, 1, {{1, 0, 1}, {1, NONE, 0}, {10, NONE, 0}}},
    {0x8000000000000000, 1, {{1, 63, 0}, {1, NONE, 0}, {10, NONE, 0}}},
    {0x20005555, 0x5505, {{2, NONE, 0}, {1, 0, 1}, {1, 2, 1}, {1, 4, 0}, {1, 6, 0}, {1, 8, 1}, {1, 10, 1}, {1, 12, 1},
                          {1, 14, 1}, {1, 29, 0}, {1, NONE, 0}, {10, NONE, 0}}},
    {3, 0x8000000000000000, {{2, 0, 0}, {2, NONE, 0}, {1, NONE, 0}}},
    {0xc000000000000000, 0xc000000000000000, {{2, 62, 2}, {2, NONE, 0}, {1, NONE, 0}}},
    {0x199980000000, 0x181800000000, {{2, 31, 0}, {2, 35, 2}, {2, 39, 0}, {2, 43, 2}, {2, NONE, 0}}},
    {0x7ffffffffffffc00, 0x3fffc00, {{53, 10, 16}, {53, NONE, 0}, {1, NONE, 0}}},
    {ALL, 0x3fffc00, {{53, 0, 16}, {53, NONE, 0}, {1, 53, 0}}},
    {ALL, ALL, {{64, 0, 64}, {64, NONE, 0}, {1, NONE, 0}}},
    {ALL, ALL, {{5, 0, 5}, {7, 5, 7}, {1, 12, 1}, {23, 13, 23}, {63, NONE, 0}, {3, 36, 3}, {3, 39, 3}, {3, 42, 3},
                {12, 45, 12}, {11, NONE, 0}, {4, 57, 4}, {4, NONE, 0}, {6, NONE, 0}, {36, NONE, 0}, {2, 61, 2},
                {3, NONE, 0}, {1, 63, 1}, {4, NONE, 0}, {2, NONE, 0}, {62, NONE, 0}, {1, NONE, 0}}},
};

static void pages_are_taken_in_the_known_cases(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof allocs / sizeof allocs[0]; i++) {
    struct page_cache c = {.first = 192, .free = allocs[i].free, .clean = allocs[i].clean};
    for (size_t k = 0; k < 24 && allocs[i].got[k].npages != 0; k++) {
      uint64_t clean = ALL;
      assert_int_equal(pagecache_alloc(&c, allocs[i].got[k].npages, &clean), allocs[i].got[k].page);
      assert_int_equal(bits_count(clean), allocs[i].got[k].clean);
    }
    assert_int_equal(c.first, 192);
  }
}

/* The lowest run of npages set bits, by looking at every bit. */
static uint32_t look_for(uint64_t word, uint32_t npages) {
  for (uint32_t i = 0, run = 0; i < 64; i++) {
    run = word >> i & 1 ? run + 1 : 0;
    if (run == npages) return i + 1 - npages;
  }
  return NONE;
}

static void any_cache_is_used_right(void **state) {
  (void)state;
  uint64_t x = 21;
  for (int k = 0; k < 20000; k++) {
    struct page_cache c = {.free = unit_random(&x) | unit_random(&x) | (k % 2 ? unit_random(&x) : 0)};
    c.clean = c.free & unit_random(&x);
    for (int i = 0; i < 40; i++) {
      const struct page_cache was = c;
      const uint32_t npages = 1 + (uint32_t)(unit_random(&x) % (i % 8 ? 12 : 70)), want = look_for(c.free, npages);
      uint64_t clean = ALL, taken = 0;
      assert_int_equal(pagecache_alloc(&c, npages, &clean), want);
      for (uint32_t b = want; want < NONE && b < want + npages; b++)
        taken |= (uint64_t)1 << b;
      assert_int_equal(c.free, was.free & ~taken);
      assert_int_equal(c.clean, was.clean & ~taken);
      assert_int_equal(clean, was.clean & taken);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lowest_run_of_a_word_is_found),
      cmocka_unit_test(pages_are_taken_in_the_known_cases),
      cmocka_unit_test(any_cache_is_used_right),
  };
  return unit_run("pagecache", tests);
}
