/* SPDX-License-Identifier: Apache-2.0
 *
 * The page bitmap against a model with a byte for each page.
 */
#include "unit.h"

#include "pagealloc.h"

static struct page_bitmap b;
static struct { unsigned char used, dirty, cold; } page[VS_BITMAP_PAGES];
static uint64_t x;

static int set_up(void **state) {
  (void)state;
  memset(&b, 0xff, sizeof b);
  memset(page, 0, sizeof page);
  pagealloc_init(&b);
  x = 3;
  return 0;
}

/* The answer by looking at every page. */
static uint32_t find(uint32_t npages, uint32_t align) {
  for (uint32_t first = 0; first + npages <= VS_BITMAP_PAGES; first += align) {
    uint32_t n = 0;
    while (n < npages && !page[first + n].used)
      n++;
    if (n == npages) return first;
  }
  return VS_BITMAP_PAGES;
}

static void take(uint32_t first, uint32_t npages) {
  uint32_t dirty = 0;
  for (uint32_t p = first; p < first + npages; p++) {
    dirty += page[p].dirty;
    page[p].used = page[p].dirty = 1;
    page[p].cold = 0;
  }
  assert_int_equal(pagealloc_take(&b, first, npages), dirty);
}

static void put(uint32_t first, uint32_t npages) {
  for (uint32_t p = first; p < first + npages; p++)
    page[p].used = 0;
  pagealloc_put(&b, first, npages);
}

static void agree(void) {
  uint32_t free_pages = 0, run = 0, longest = 0;
  for (uint32_t p = 0; p < VS_BITMAP_PAGES; p++) {
    const uint64_t bit = (uint64_t)1 << p % 64;
    if (!(b.used[p / 64] & bit) != !page[p].used || !(b.dirty[p / 64] & bit) != !page[p].dirty ||
        !(b.cold[p / 64] & bit) != !page[p].cold)
      fail_msg("page %u", p);
    free_pages += !page[p].used;
    run = page[p].used ? 0 : run + 1;
    longest = run > longest ? run : longest;
    assert_true(page[p].used || p >= b.first_free);
  }
  assert_int_equal(b.free_pages, free_pages);
  assert_true(longest <= b.max_run);
}

static void whole_arena_at_once(void **state) {
  (void)state;
  agree();
  assert_int_equal(pagealloc_find(&b, VS_BITMAP_PAGES, 1), 0);
  take(0, VS_BITMAP_PAGES);
  agree();
  assert_int_equal(pagealloc_find(&b, 1, 1), VS_BITMAP_PAGES);
  put(0, VS_BITMAP_PAGES);
  agree();
  assert_int_equal(pagealloc_find(&b, VS_BITMAP_PAGES, 1), 0);
}

static void first_fit_is_the_lowest_run(void **state) {
  (void)state;
  take(0, VS_BITMAP_PAGES);
  put(10, 3);
  put(63, 2);
  put(1000, 70);
  put(VS_BITMAP_PAGES - 1, 1);
  agree();
  assert_int_equal(pagealloc_find(&b, 1, 1), 10);
  assert_int_equal(pagealloc_find(&b, 2, 2), 10);
  assert_int_equal(pagealloc_find(&b, 1, 64), 64);
  assert_int_equal(pagealloc_find(&b, 4, 1), 1000);
  assert_int_equal(pagealloc_find(&b, 64, 8), 1000);
  assert_int_equal(pagealloc_find(&b, 46, 1024), 1024);
  assert_int_equal(pagealloc_find(&b, 47, 1024), VS_BITMAP_PAGES);
  assert_int_equal(pagealloc_find(&b, 71, 1), VS_BITMAP_PAGES);
}

static void run_is_cut_at_the_limit(void **state) {
  (void)state;
  take(100, 5);
  assert_int_equal(pagealloc_run(&b, 0, VS_BITMAP_PAGES), 100);
  assert_int_equal(pagealloc_run(&b, 0, 99), 99);
  assert_int_equal(pagealloc_run(&b, 100, 9), 0);
  assert_int_equal(pagealloc_run(&b, 105, VS_BITMAP_PAGES), VS_BITMAP_PAGES - 105);
}

static void pages_free_for_a_tick_are_cold(void **state) {
  (void)state;
  uint32_t npages = 0;
  take(0, 200);
  put(50, 60);
  put(150, 10);
  assert_int_equal(pagealloc_cold_run(&b, VS_BITMAP_PAGES, 1, &npages), VS_BITMAP_PAGES);
  assert_int_equal(pagealloc_age(&b), 70);
  assert_int_equal(pagealloc_cold_run(&b, VS_BITMAP_PAGES, 1, &npages), 150);
  assert_int_equal(npages, 10);
  assert_int_equal(pagealloc_cold_run(&b, VS_BITMAP_PAGES, 11, &npages), 50);
  assert_int_equal(npages, 60);
  assert_int_equal(pagealloc_cold_run(&b, 155, 1, &npages), 150);
  assert_int_equal(npages, 5);
  pagealloc_released(&b, 50, 60);
  assert_int_equal(pagealloc_cold_run(&b, 150, 1, &npages), VS_BITMAP_PAGES);
  assert_int_equal(pagealloc_take(&b, 50, 60), 0);
  assert_int_equal(pagealloc_age(&b), 10);
}

static void age(void) {
  uint32_t n = 0;
  for (uint32_t p = 0; p < VS_BITMAP_PAGES; p++)
    n += page[p].cold = page[p].dirty && !page[p].used;
  assert_int_equal(pagealloc_age(&b), n);
}

/* Gives back the highest cold run of two pages or more, and checks that it is that. */
static void release(void) {
  uint32_t npages = 0, end = VS_BITMAP_PAGES, start;
  const uint32_t first = pagealloc_cold_run(&b, VS_BITMAP_PAGES, 2, &npages);
  do {
    while (end > 0 && !page[end - 1].cold)
      end--;
    start = end;
    while (start > 0 && page[start - 1].cold)
      start--;
    if (end - start >= 2 || end == 0) break;
    end = start;
  } while (1);
  if (end == 0) {
    assert_int_equal(first, VS_BITMAP_PAGES);
    return;
  }
  assert_int_equal(first, start);
  assert_int_equal(npages, end - start);
  pagealloc_released(&b, first, npages);
  for (uint32_t p = start; p < end; p++)
    page[p].dirty = page[p].cold = 0;
}

static void random_operations_follow_the_model(void **state) {
  (void)state;
  for (uint32_t k = 0; k < 20000; k++) {
    const uint64_t r = unit_random(&x);
    const uint32_t npages = 1 + (uint32_t)(r >> 8) % ((r >> 40) % 10 == 0 ? 600 : 20);
    if (r % 100 < 58) {
      const uint32_t align = (r >> 50) % 5 == 0 ? 1u << (r >> 55) % 8 : 1;
      const uint32_t first = pagealloc_find(&b, npages, align);
      assert_int_equal(first, find(npages, align));
      if (first < VS_BITMAP_PAGES) take(first, npages);
    } else if (r % 100 < 96) {
      const uint32_t first = (uint32_t)(r >> 20) % VS_BITMAP_PAGES;
      uint32_t n = 0;
      while (n < npages && first + n < VS_BITMAP_PAGES && page[first + n].used)
        n++;
      if (n > 0) put(first, n);
    } else if (r % 100 < 98) {
      age();
    } else {
      release();
    }
    if (k % 100 == 0) agree();
  }
  agree();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(whole_arena_at_once, set_up),
      cmocka_unit_test_setup(first_fit_is_the_lowest_run, set_up),
      cmocka_unit_test_setup(run_is_cut_at_the_limit, set_up),
      cmocka_unit_test_setup(pages_free_for_a_tick_are_cold, set_up),
      cmocka_unit_test_setup(random_operations_follow_the_model, set_up),
  };
  return unit_run("pagealloc", tests);
}
