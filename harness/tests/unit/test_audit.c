/* SPDX-License-Identifier: Apache-2.0
 *
 * The audit sees what is broken: each invariant is violated on a live heap, and put right again.
 */
#include "unit.h"

#include "alloc.h"
#include "mheap.h"
#include "verispan.h"

static uintptr_t small, large;
static char said[200];

static void note(void *context, const char *violation) {
  (void)context;
  snprintf(said, sizeof said, "%s", violation);
}

static int set_up(void **state) {
  bool zeroed;
  (void)state;
  small = heap_alloc_class(20);
  heap_free(heap_alloc_class(20), "test");
  large = heap_alloc_large(100000, 1, &zeroed);
  return small != 0 && large != 0 ? 0 : -1;
}

static int sound(void **state) {
  (void)state;
  heap_free(small, "test");
  heap_free(large, "test");
  return vs_audit(note, NULL) == 0 ? 0 : -1;
}

/* With the value changed the audit must complain; it is restored at once. */
#define MUST_BE_SEEN(place, value)                                                                 \
  do {                                                                                             \
    __typeof__(place) was_ = (place);                                                              \
    (place) = (value);                                                                             \
    said[0] = 0;                                                                                   \
    const size_t n_ = vs_audit(note, NULL);                                                        \
    (place) = was_;                                                                                \
    assert_true(n_ > 0);                                                                           \
    assert_true(said[0] != 0);                                                                     \
    assert_int_equal(vs_audit(note, NULL), 0);                                                     \
  } while (0)

static void sound_heap_has_no_violation(void **state) {
  (void)state;
  assert_int_equal(vs_audit(note, NULL), 0);
  assert_int_equal(vs_audit(NULL, NULL), 0);
}

static void slots_are_checked(void **state) {
  (void)state;
  struct mspan *s = arena_span(small);
  MUST_BE_SEEN(s->mark_bits[0], s->mark_bits[0] & ~(s->mark_bits[0] & (~s->mark_bits[0] + 1)));
  MUST_BE_SEEN(s->alloc_bits[0], 0);
  MUST_BE_SEEN(s->mark_bits[15], 1);
  MUST_BE_SEEN(s->alloc_cache, ~(uint64_t)0);
  MUST_BE_SEEN(s->nkept, (typeof(s->nkept))(s->nkept - 1));
}

static void geometry_is_checked(void **state) {
  (void)state;
  struct mspan *s = arena_span(small);
  MUST_BE_SEEN(s->elem_size, s->elem_size + 8);
  MUST_BE_SEEN(s->div_mul, s->div_mul + 1);
  MUST_BE_SEEN(s->nelems, (typeof(s->nelems))(s->nelems - 1));
  MUST_BE_SEEN(s->spanclass, (typeof(s->spanclass))(s->spanclass + 2));
  MUST_BE_SEEN(s->free_index, s->free_index + 1);
}

static void pages_are_checked(void **state) {
  (void)state;
  struct mspan *s = arena_span(large);
  struct heap_arena *a = vs_arena_map[arena_number(large)];
  const uint32_t page = arena_page(large);
  MUST_BE_SEEN(s->npages, s->npages + 1);
  MUST_BE_SEEN(a->head[page], &vs_empty_span);
  MUST_BE_SEEN(a->head[page + 1], arena_span(small));
  struct page_chunk *c = pagealloc_chunk(large / VS_PAGE_SIZE);
  const uint32_t p = page % VS_CHUNK_PAGES;
  MUST_BE_SEEN(c->free[p / 64], c->free[p / 64] | (uint64_t)1 << p % 64);
  MUST_BE_SEEN(c->free[7], c->free[7] & ~((uint64_t)1 << 63));
  MUST_BE_SEEN(c[1].free[7], c[1].free[7] | (uint64_t)1 << 63);
  MUST_BE_SEEN(c[1].dirty[7], c[1].dirty[7] | (uint64_t)1 << 63);
  MUST_BE_SEEN(vs_heap.pages.space.heap.n, 0);
  MUST_BE_SEEN(c->dirty[p / 64], c->dirty[p / 64] & ~((uint64_t)1 << p % 64));
  MUST_BE_SEEN(vs_heap.pages.used, vs_heap.pages.used + 1);
  MUST_BE_SEEN(vs_heap.pages.dirty, vs_heap.pages.dirty + 1);
}

/* Two caches, each with pages of its own. */
static void caches_are_checked(void **state) {
  (void)state;
  static struct mheap_cache c[2];
  bool zeroed;
  const uintptr_t full = heap_alloc_large((size_t)140 << 20, 1, &zeroed);
  struct mspan *s = mheap_alloc(2 * 20 + 1, spanctl_owned(5), &c[0]);
  struct mspan *t = mheap_alloc(2 * 20 + 1, spanctl_owned(5), &c[1]);
  assert_true(c[0].nspare > 1 && c[0].pages.free != 0 && c[1].pages.free != 0);
  const uint64_t one = c[0].pages.free & -c[0].pages.free, first = c[0].pages.first;
  struct page_chunk *chunk = pagealloc_chunk(first);
  uint64_t *is_free = &chunk->free[first % VS_CHUNK_PAGES / 64];
  MUST_BE_SEEN(c[0].pages.free, c[0].pages.free & ~one);
  MUST_BE_SEEN(c[0].pages.free, 0);
  MUST_BE_SEEN(c[0].pages.clean, c[0].pages.clean | ~c[0].pages.free);
  MUST_BE_SEEN(c[0].pages.first, first + 64);
  MUST_BE_SEEN(*is_free, *is_free | one);
  MUST_BE_SEEN(c[1].pages, c[0].pages);
  MUST_BE_SEEN(c[0].nspare, c[0].nspare - 1);
  MUST_BE_SEEN(c[0].nspare, VS_CACHE_DESCRIPTORS + 1);
  MUST_BE_SEEN(c[0].spare[0], c[0].spare[1]);
  MUST_BE_SEEN(c[0].spare[0], s);
  MUST_BE_SEEN(c[0].spare[0], &c[0].arena->span[VS_ARENA_PAGES]);
  MUST_BE_SEEN(c[0].spare[0]->ctl, spanctl_owned(5));
  MUST_BE_SEEN(c[0].arena->head[c[0].pages.first % VS_ARENA_PAGES + bits_ctz(one)], s);
  MUST_BE_SEEN(c[0].filled, 0);
  MUST_BE_SEEN(vs_heap.filled_pages, vs_heap.filled_pages + 1);
  MUST_BE_SEEN(c[0].arena->nspans, c[0].arena->nspans + 1);
  MUST_BE_SEEN(c[0].arena->nfree, c[0].arena->nfree + 1);
  mheap_free(s);
  mheap_free(t);
  mheap_flush(&c[0]);
  mheap_flush(&c[1]);
  heap_free(full, "test");
}

static void summaries_are_checked(void **state) {
  (void)state;
  const uint64_t page = large / VS_PAGE_SIZE;
  struct page_block *b = vs_pages.block[page / VS_LEVEL2_PAGES];
  MUST_BE_SEEN(b->level4[page / VS_CHUNK_PAGES % 64], 1);
  MUST_BE_SEEN(b->level3[page / VS_LEVEL3_PAGES % 8], 1);
  MUST_BE_SEEN(vs_pages.level2[page / VS_LEVEL2_PAGES], 1);
  MUST_BE_SEEN(vs_pages.level1[page / VS_LEVEL1_PAGES], 1);
  MUST_BE_SEEN(vs_pages.level0[page / VS_LEVEL0_PAGES], 1);
  MUST_BE_SEEN(vs_pages.search, vs_pages.search + VS_LEVEL0_PAGES);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(sound_heap_has_no_violation, set_up, sound),
      cmocka_unit_test_setup_teardown(slots_are_checked, set_up, sound),
      cmocka_unit_test_setup_teardown(geometry_is_checked, set_up, sound),
      cmocka_unit_test_setup_teardown(pages_are_checked, set_up, sound),
      cmocka_unit_test_setup_teardown(caches_are_checked, set_up, sound),
      cmocka_unit_test_setup_teardown(summaries_are_checked, set_up, sound),
  };
  return unit_run("audit", tests);
}
