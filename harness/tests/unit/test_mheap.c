/* SPDX-License-Identifier: Apache-2.0
 *
 * The page heap on real arenas: spans do not overlap, heads and counts follow, pages come back,
 * large blocks with their alignments, resizing in place. The audit looks on.
 */
#include "unit.h"

#include "mheap.h"
#include "scavenge.h"
#include "verispan.h"

enum { SPANS = 600, PAGE = 8192 };

static void note(void *context, const char *violation) {
  (void)context;
  fprintf(stderr, "audit: %s\n", violation);
}

static void sound(void) { assert_int_equal(vs_audit(note, NULL), 0); }

static struct mheap_cache cache;

/* Pages of spans, and descriptors, without those in the cache. */
static uint64_t used_pages(void) { return vs_heap.pages.used - bits_count(cache.pages.free); }
static uint64_t spans(void) {
  struct vs_stats stats;
  vs_stats(&stats);
  return stats.spans;
}

/* The pages of the arena that a span starts in say whose they are. */
static void is_the_span_of_its_pages(struct mspan *s) {
  for (uint32_t p = 0; p < s->npages && arena_page(s->base) + p < VS_ARENA_PAGES; p++)
    assert_ptr_equal(arena_span(s->base + (uintptr_t)p * PAGE), s);
}

/* And the pages around it do not. */
static void owns_its_pages(struct mspan *s, uint32_t npages) {
  assert_int_equal(s->base % PAGE, 0);
  assert_int_equal(s->npages, npages);
  is_the_span_of_its_pages(s);
  assert_ptr_not_equal(arena_span(s->base - 1), s);
  assert_ptr_not_equal(arena_span(s->base + (uintptr_t)npages * PAGE), s);
}

static void spans_of_every_class(void **state) {
  (void)state;
  struct mspan *s[VS_NUM_SIZE_CLASSES];
  const uint64_t spans_before = spans(), used = used_pages();
  uint64_t pages = 0;
  for (uint32_t c = 1; c < VS_NUM_SIZE_CLASSES; c++) {
    s[c] = mheap_alloc(2 * c + 1, spanctl_owned(7), &cache);
    assert_non_null(s[c]);
    assert_int_equal(s[c]->ctl, spanctl_owned(7));
    assert_int_equal(s[c]->elem_size, vs_class_size[c]);
    pages += vs_class_pages[c];
  }
  for (uint32_t c = 1; c < VS_NUM_SIZE_CLASSES; c++)
    owns_its_pages(s[c], vs_class_pages[c]);
  assert_int_equal(spans(), spans_before + 67);
  assert_int_equal(used_pages(), used + pages);
  sound();
  for (uint32_t c = 1; c < VS_NUM_SIZE_CLASSES; c++) {
    const uintptr_t base = s[c]->base;
    mheap_free(s[c]);
    assert_ptr_equal(arena_span(base), &vs_empty_span);
  }
  assert_int_equal(spans(), spans_before);
  assert_int_equal(used_pages(), used);
  sound();
}

static void reused_pages_need_zeroing(void **state) {
  (void)state;
  scavenge_trim();
  struct mspan *s = mheap_alloc(2 * 32 + 1, spanctl_owned(7), &cache);
  const uintptr_t base = s->base;
  memset((void *)base, 0xff, PAGE);
  mheap_free(s);
  s = mheap_alloc(2 * 32 + 1, spanctl_owned(7), &cache);
  assert_int_equal(s->base, base);
  assert_int_equal(s->needzero, 1);
  mheap_free(s);
  scavenge_trim();
  s = mheap_alloc(2 * 32 + 1, spanctl_owned(7), &cache);
  assert_int_equal(s->base, base);
  for (size_t i = 0; i < PAGE && !s->needzero; i++)
    assert_int_equal(((unsigned char *)base)[i], 0);
  mheap_free(s);
  sound();
}

/* What is called zeroed must read as zeros, and what held data before must not be called so. */
static void large_blocks_tell_whether_they_are_zero(void **state) {
  (void)state;
  const size_t sizes[] = {1, PAGE, 100000, 5000000, (size_t)70 << 20, (size_t)200 << 20};
  for (int round = 0; round < 3; round++)
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
      bool zeroed = false;
      const uintptr_t p = mheap_alloc_large(sizes[i], 1, &zeroed);
      assert_true(p != 0 && p % PAGE == 0);
      const struct mspan *s = arena_span(p);
      assert_int_equal(s->base, p);
      assert_true((uint64_t)s->npages * PAGE >= sizes[i]);
      assert_true((uint64_t)s->npages * PAGE < sizes[i] + PAGE);
      unsigned char *bytes = (unsigned char *)p;
      for (size_t k = 0; zeroed && k < sizes[i]; k += 509)
        assert_int_equal(bytes[k], 0);
      for (size_t k = 0; k < sizes[i]; k += 509)
        bytes[k] = 0xff;
      assert_true(mheap_free_large(arena_span(p)));
      if (round == 1) scavenge_trim();
    }
  sound();
}

/* With blocks of odd lengths kept between them, so that the first free page is seldom aligned. */
static void large_blocks_are_aligned(void **state) {
  (void)state;
  enum { KEPT = 400 };
  uintptr_t kept[KEPT];
  size_t n = 0;
  bool zeroed;
  for (size_t align = 1; align <= (size_t)1 << 29; align *= 2)
    for (size_t size = 1; size < (size_t)150 << 20; size = size * 37 + 11) {
      kept[n] = mheap_alloc_large(1 + n % 7 * PAGE, 1, &zeroed);
      assert_true(kept[n] != 0);
      n++;
      kept[n] = mheap_alloc_large(size, align, &zeroed);
      assert_true(kept[n] != 0);
      assert_int_equal(kept[n] % align, 0);
      n++;
    }
  sound();
  while (n > 0)
    assert_true(mheap_free_large(arena_span(kept[--n])));
  sound();
}

/* Free arenas are there, but most do not start where the block must. */
static void alignment_beyond_an_arena(void **state) {
  (void)state;
  enum { MANY = 8 };
  const size_t size = (size_t)70 << 20;
  uintptr_t p[MANY];
  bool zeroed;
  for (size_t i = 0; i < MANY; i++)
    p[i] = mheap_alloc_large(size, 1, &zeroed);
  for (size_t i = 0; i < MANY; i++)
    assert_true(mheap_free_large(arena_span(p[i])));
  for (size_t i = 0; i < MANY; i++) {
    p[i] = mheap_alloc_large(size, (size_t)1 << (27 + i % 3), &zeroed);
    assert_int_equal(p[i] % ((size_t)1 << (27 + i % 3)), 0);
  }
  for (size_t i = 0; i < MANY; i++)
    assert_true(mheap_free_large(arena_span(p[i])));
  sound();
}

static void second_free_of_a_large_block_is_told(void **state) {
  (void)state;
  bool zeroed;
  struct mspan *s = arena_span(mheap_alloc_large(100000, 1, &zeroed));
  assert_true(mheap_free_large(s));
  assert_false(mheap_free_large(s));
}

static void large_block_grows_and_shrinks_in_place(void **state) {
  (void)state;
  bool zeroed;
  const uintptr_t p = mheap_alloc_large(100 * PAGE, 1, &zeroed);
  struct mspan *s = arena_span(p);
  assert_true(mheap_resize_large(s, 40));
  owns_its_pages(s, 40);
  sound();
  assert_true(mheap_resize_large(s, 100));
  owns_its_pages(s, 100);
  const uintptr_t wall = mheap_alloc_large(PAGE, 1, &zeroed);
  uint64_t most = 100;
  while (most < VS_ARENA_PAGES && mheap_resize_large(s, most + 1))
    most++;
  owns_its_pages(s, (uint32_t)most);
  assert_ptr_not_equal(arena_span(wall), s);
  assert_int_equal(arena_span(wall)->base, wall);
  sound();
  assert_true(mheap_free_large(arena_span(wall)));
  assert_true(mheap_free_large(s));
  sound();
}

/* Three arenas in a row are cut into blocks that do not fit evenly: some cross a border, and are used, shrunk to either
 * side of it and grown back like any other. */
static void large_blocks_cross_the_border_of_arenas(void **state) {
  (void)state;
  enum { BLOCKS = 12, LENGTH = 5000 };
  struct mspan *s[BLOCKS];
  uint32_t crossing = 0;
  bool zeroed;
  assert_true(mheap_free_large(arena_span(mheap_alloc_large((size_t)3 * VS_ARENA_SIZE, VS_ARENA_SIZE, &zeroed))));
  for (int i = 0; i < BLOCKS; i++) {
    s[i] = arena_span(mheap_alloc_large((size_t)LENGTH * PAGE, 1, &zeroed));
    is_the_span_of_its_pages(s[i]);
  }
  sound();
  for (int i = 0; i < BLOCKS; i++) {
    const uint32_t rest = VS_ARENA_PAGES - arena_page(s[i]->base);
    if (rest >= LENGTH) continue;
    crossing++;
    for (uint32_t length = rest - 1; length <= rest + 1; length++) {
      assert_true(length == 0 || mheap_resize_large(s[i], length));
      sound();
      assert_true(mheap_resize_large(s[i], LENGTH));
      is_the_span_of_its_pages(s[i]);
      sound();
    }
  }
  assert_true(crossing > 0);
  for (int i = 0; i < BLOCKS; i++)
    assert_true(mheap_free_large(s[i]));
  sound();
}

/* Spans with slots lie in one arena, also where the lowest free run crosses a border. */
static void spans_of_slots_keep_to_one_arena(void **state) {
  (void)state;
  enum { SPANS_OF_15 = 2 * VS_ARENA_PAGES / 15 };
  static struct mspan *s[SPANS_OF_15];
  uint32_t spanclass = 2;
  bool zeroed;
  while (vs_class_pages[spanclass / 2] < 15)
    spanclass += 2;
  assert_true(mheap_free_large(arena_span(mheap_alloc_large((size_t)3 * VS_ARENA_SIZE, VS_ARENA_SIZE, &zeroed))));
  for (uint32_t i = 0; i < SPANS_OF_15; i++) {
    s[i] = mheap_alloc(spanclass, spanctl_owned(7), &cache);
    assert_true(arena_page(s[i]->base) + s[i]->npages <= VS_ARENA_PAGES);
  }
  sound();
  for (uint32_t i = 0; i < SPANS_OF_15; i++)
    mheap_free(s[i]);
  sound();
}

/* ---- spans out of a cache ---- */

enum { ONE_PAGE = 2 * 1 + 1 }; /* a span class */

/* So much is in use that a cache may take a whole group; what remains free of the arena has never been used. */
static struct mspan *fill_the_heap(void) {
  bool zeroed;
  mheap_flush(&cache);
  const uintptr_t p = mheap_alloc_large((size_t)140 << 20, VS_ARENA_SIZE, &zeroed);
  assert_true(p != 0);
  return arena_span(p);
}

/* With the heap locked, so that an attempt to lock it again would not return. */
static void spans_of_a_cache_need_no_lock(void **state) {
  (void)state;
  struct mspan *full = fill_the_heap(), *s[64];
  const uint64_t used = used_pages(), before = spans();
  s[0] = mheap_alloc(ONE_PAGE, spanctl_owned(7), &cache);
  assert_true(cache.nspare > 0 && bits_count(cache.pages.free) >= cache.nspare);
  const uint32_t n = 1 + (uint32_t)cache.nspare;
  mheap_lock();
  for (uint32_t i = 1; i < n; i++)
    s[i] = mheap_alloc(ONE_PAGE, spanctl_owned(7), &cache);
  mheap_unlock();
  assert_int_equal(cache.nspare, 0);
  for (uint32_t i = 0; i < n; i++) {
    owns_its_pages(s[i], 1);
    assert_true(i == 0 || s[i]->base > s[i - 1]->base);
    assert_int_equal(s[i]->ctl, spanctl_owned(7));
  }
  assert_int_equal(used_pages(), used + n);
  assert_int_equal(spans(), before + n);
  sound();
  const uint64_t pages = cache.pages.free;
  s[n] = mheap_alloc(ONE_PAGE, spanctl_owned(7), &cache);
  assert_int_equal(bits_count(cache.pages.free), bits_count(pages) - 1);
  assert_true(cache.nspare > 0);
  for (uint32_t i = 0; i <= n; i++)
    mheap_free(s[i]);
  sound();
  mheap_flush(&cache);
  assert_true(mheap_free_large(full));
  sound();
}

/* Pages that leave a cache unused have not become dirty, and a cache that was flushed holds nothing. */
static void flushed_pages_are_as_they_were(void **state) {
  (void)state;
  struct mspan *full = fill_the_heap();
  scavenge_trim();
  struct mspan *s = mheap_alloc(ONE_PAGE, spanctl_owned(7), &cache);
  const uint64_t dirty = vs_heap.pages.dirty - bits_count(cache.pages.clean), used = used_pages();
  struct vs_stats stats;
  vs_stats(&stats);
  assert_int_equal(stats.resident, dirty * PAGE);
  assert_int_equal(stats.in_use, used * PAGE);
  assert_true(cache.pages.clean != 0);
  const uintptr_t clean = (cache.pages.first + bits_ctz(cache.pages.clean)) * PAGE;
  assert_false(mheap_is_dirty(clean));
  mheap_flush(&cache);
  assert_false(mheap_is_dirty(clean));
  assert_int_equal(vs_heap.pages.dirty, dirty);
  assert_int_equal(vs_heap.pages.used, used);
  assert_int_equal(cache.pages.free | cache.pages.clean | cache.nspare, 0);
  sound();
  mheap_free(s);
  assert_true(mheap_free_large(full));
  sound();
}

/* A span out of the cache says that it needs zeroing if and only if its pages were in use before. */
static void cached_pages_need_zeroing_once_used(void **state) {
  (void)state;
  struct mspan *full = fill_the_heap(), *s[8];
  uint32_t clean = 0;
  scavenge_trim();
  for (int round = 0; round < 2; round++) {
    s[0] = mheap_alloc(ONE_PAGE, spanctl_owned(7), &cache);
    for (int i = 1; i < 8; i++) {
      const bool dirty = !bits_test(cache.pages.clean, bits_ctz(cache.pages.free));
      s[i] = mheap_alloc(ONE_PAGE, spanctl_owned(7), &cache);
      assert_int_equal(s[i]->needzero, dirty);
      assert_true(dirty || round == 0);
      clean += !dirty;
    }
    for (int i = 0; i < 8; i++)
      mheap_free(s[i]);
    mheap_flush(&cache);
  }
  assert_true(clean > 0);
  assert_true(mheap_free_large(full));
  sound();
}

/* A span that a cache has no run for: what is left goes back, and the cache is filled anew where the span is. */
static void cache_without_a_run_is_flushed(void **state) {
  (void)state;
  struct mspan *full = fill_the_heap(), *s[5];
  uint32_t spanclass = 2;
  while (vs_class_pages[spanclass / 2] < 15)
    spanclass += 2;
  for (uint32_t i = 0; i < 5; i++)
    s[i] = mheap_alloc(spanclass, spanctl_owned(7), &cache);
  for (uint32_t i = 0; i < 5; i++)
    owns_its_pages(s[i], 15);
  sound();
  for (uint32_t i = 1; i < 5; i++)
    assert_int_equal(s[i]->base, s[i - 1]->base + 15 * PAGE);
  for (uint32_t i = 0; i < 5; i++)
    mheap_free(s[i]);
  mheap_flush(&cache);
  assert_true(mheap_free_large(full));
  sound();
}

/* However many there are. */
static void caches_hold_a_fraction_of_the_heap(void **state) {
  (void)state;
  enum { MANY = 100 };
  static struct mheap_cache many[MANY];
  struct mspan *full = fill_the_heap(), *s[MANY];
  uint64_t cached = 0, most = 0;
  for (uint32_t i = 0; i < MANY; i++) {
    s[i] = mheap_alloc(ONE_PAGE, spanctl_owned(7), &many[i]);
    cached += bits_count(many[i].pages.free);
    assert_true(bits_count(many[i].pages.free) <= vs_heap.pages.used / 128);
    assert_true(cached <= vs_heap.pages.used / 16);
  }
  assert_true(cached > vs_heap.pages.used / 17);
  sound();
  for (uint32_t i = 0; i < MANY; i++) {
    mheap_flush(&many[i]);
    mheap_free(s[i]);
    most = many[i].filled > most ? many[i].filled : most;
  }
  assert_int_equal(most | vs_heap.filled_pages, 0);
  s[0] = mheap_alloc(ONE_PAGE, spanctl_owned(7), &many[MANY - 1]);
  assert_true(many[MANY - 1].pages.free != 0);
  mheap_flush(&many[MANY - 1]);
  mheap_free(s[0]);
  assert_true(mheap_free_large(full));
  sound();
}

/* 8 GB of address space in spans of a page: each is its pages' span, half of them go and come again, and all go. */
static void a_million_spans(void **state) {
  (void)state;
  enum { MANY = 1000000, CLASS = 1 };
  struct mspan **s = malloc(MANY * sizeof *s);
  const uint64_t spans_before = spans(), used_before = used_pages();
  assert_non_null(s);
  assert_int_equal(vs_class_pages[CLASS], 1);
  for (uint32_t round = 0; round < 2; round++) {
    for (uint32_t i = 0; i < MANY; i += 1 + round) {
      s[i] = mheap_alloc(2 * CLASS + 1, spanctl_owned(7), &cache);
      assert_non_null(s[i]);
    }
    for (uint32_t i = 0; i < MANY; i++)
      assert_ptr_equal(arena_span(s[i]->base + PAGE - 1), s[i]);
    sound();
    for (uint32_t i = 0; i < MANY; i += 2 - round)
      mheap_free(s[i]);
  }
  assert_int_equal(spans(), spans_before);
  assert_int_equal(used_pages(), used_before);
  sound();
  free(s);
}

static void random_spans_do_not_overlap(void **state) {
  (void)state;
  enum { CACHES = 3 };
  static struct mheap_cache caches[CACHES];
  struct mspan *held[SPANS] = {NULL};
  uint64_t x = 5, out_of_caches = 0;
  for (uint32_t k = 0; k < 30000; k++) {
    const uint64_t r = unit_random(&x);
    struct mspan **h = &held[r % SPANS];
    if (*h != NULL) {
      is_the_span_of_its_pages(*h);
      if (spanctl_owner((*h)->ctl) == VS_OWNER_LARGE)
        assert_true(mheap_free_large(*h));
      else
        mheap_free(*h);
      *h = NULL;
    } else if (r >> 60 < 4) {
      bool zeroed;
      *h = arena_span(mheap_alloc_large(1 + (r >> 20) % 2000000, 1, &zeroed));
    } else {
      struct mheap_cache *c = &caches[(r >> 8) % CACHES];
      const uint64_t spare = c->nspare;
      *h = mheap_alloc(2 * (1 + (uint32_t)(r >> 32) % 67) + 1, spanctl_owned(3), c);
      assert_non_null(*h);
      assert_true(vs_arena_map[arena_number((*h)->base)]->nspans <= VS_ARENA_PAGES);
      out_of_caches += c->nspare + 1 == spare;
      assert_true(arena_page((*h)->base) + (*h)->npages <= VS_ARENA_PAGES);
    }
    if (r >> 48 < 200) mheap_flush(&caches[(r >> 8) % CACHES]);
    if (k % 3000 == 0) sound();
  }
  assert_true(out_of_caches > 100);
  for (uint32_t i = 0; i < SPANS; i++)
    if (held[i] != NULL && spanctl_owner(held[i]->ctl) == VS_OWNER_LARGE)
      assert_true(mheap_free_large(held[i]));
    else if (held[i] != NULL)
      mheap_free(held[i]);
  sound();
  for (uint32_t i = 0; i < CACHES; i++)
    mheap_flush(&caches[i]);
  assert_int_equal(vs_heap.pages.used, 0);
  assert_int_equal(spans(), 0);
  sound();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(spans_of_every_class),
      cmocka_unit_test(reused_pages_need_zeroing),
      cmocka_unit_test(large_blocks_tell_whether_they_are_zero),
      cmocka_unit_test(large_blocks_are_aligned),
      cmocka_unit_test(alignment_beyond_an_arena),
      cmocka_unit_test(second_free_of_a_large_block_is_told),
      cmocka_unit_test(large_block_grows_and_shrinks_in_place),
      cmocka_unit_test(large_blocks_cross_the_border_of_arenas),
      cmocka_unit_test(spans_of_slots_keep_to_one_arena),
      cmocka_unit_test(spans_of_a_cache_need_no_lock),
      cmocka_unit_test(flushed_pages_are_as_they_were),
      cmocka_unit_test(cached_pages_need_zeroing_once_used),
      cmocka_unit_test(cache_without_a_run_is_flushed),
      cmocka_unit_test(caches_hold_a_fraction_of_the_heap),
      cmocka_unit_test(a_million_spans),
      cmocka_unit_test(random_spans_do_not_overlap),
  };
  return unit_run("mheap", tests);
}
