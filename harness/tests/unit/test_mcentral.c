/* SPDX-License-Identifier: Apache-2.0
 *
 * The central lists: which set a span is in after it was given up, and who gets it next.
 */
#include "unit.h"

#include "mcache.h"
#include "mheap.h"

enum { CLASS = 32, SPC = 2 * CLASS + 1, ME = 5, OTHER = 6 };

static struct mheap_cache pages;

static struct mspan *new_span(uint32_t spanclass, uint32_t owner) {
  return mheap_alloc(spanclass, spanctl_owned(owner), &pages);
}

static void take_all(struct mspan *s) {
  while (mspan_next_free(s) < s->nelems)
    continue;
}

static void empty_list_has_nothing_to_give(void **state) {
  (void)state;
  for (uint32_t spc = 2; spc < VS_NUM_SPAN_CLASSES; spc++)
    assert_null(mcentral_cache_span(&vs_default_heap, spc, ME));
}

static void fresh_span_is_the_callers(void **state) {
  (void)state;
  struct mspan *s = new_span(SPC, ME);
  assert_non_null(s);
  assert_int_equal(s->ctl, spanctl_owned(ME));
  assert_int_equal(s->elem_size, vs_class_size[CLASS]);
  assert_null(mcentral_cache_span(&vs_default_heap, SPC, OTHER));
  mheap_free(s);
}

static void partial_span_goes_to_the_next_who_asks(void **state) {
  (void)state;
  struct mspan *s = new_span(SPC, ME);
  assert_int_equal(mspan_next_free(s), 0);
  mcentral_uncache_span(&vs_default_heap, s);
  assert_int_equal(s->ctl, spanctl_resting(VS_OWNER_NONE));
  assert_null(mcentral_cache_span(&vs_default_heap, SPC + 2, OTHER));
  assert_ptr_equal(mcentral_cache_span(&vs_default_heap, SPC, OTHER), s);
  assert_int_equal(s->ctl, spanctl_owned(OTHER));
  assert_int_equal(mspan_next_free(s), 1);
  mheap_free(s);
}

static void freed_slots_are_swept_when_a_span_is_given_up(void **state) {
  (void)state;
  struct mspan *s = new_span(SPC, ME);
  take_all(s);
  assert_true(mspan_free(s, mspan_slot(s, 9)));
  mcentral_uncache_span(&vs_default_heap, s);
  assert_ptr_equal(mcentral_cache_span(&vs_default_heap, SPC, OTHER), s);
  assert_int_equal(mspan_next_free(s), 9);
  assert_int_equal(mspan_next_free(s), s->nelems);
  mheap_free(s);
}

/* What a free by another thread does to a full span at rest in the central list. */
static void full_span_comes_back_by_the_first_free(void **state) {
  (void)state;
  struct mspan *s = new_span(SPC, ME);
  take_all(s);
  mcentral_uncache_span(&vs_default_heap, s);
  assert_int_equal(s->ctl, spanctl_resting_full(VS_OWNER_NONE));
  assert_null(mcentral_cache_span(&vs_default_heap, SPC, OTHER));
  (void)vs_fetch_or_u64(&s->remote_bits[0], 4);
  mcache_notify(s);
  assert_int_equal(s->ctl, spanctl_unswept(VS_OWNER_NONE));
  assert_ptr_equal(mcentral_cache_span(&vs_default_heap, SPC, OTHER), s);
  assert_int_equal(s->ctl, spanctl_owned(OTHER));
  assert_int_equal(mspan_fold(s), s->nelems);
  assert_int_equal(mspan_freed(s), 1);
  mheap_free(s);
}

/* A free that came before the span was given up must not be lost. */
static void free_before_giving_up_is_not_lost(void **state) {
  (void)state;
  struct mspan *s = new_span(SPC, ME);
  take_all(s);
  (void)vs_fetch_or_u64(&s->remote_bits[0], 8);
  mcentral_uncache_span(&vs_default_heap, s);
  assert_ptr_equal(mcentral_cache_span(&vs_default_heap, SPC, OTHER), s);
  assert_int_equal(mspan_next_free(s), 3);
  mheap_free(s);
}

static void many_spans_keep_their_place(void **state) {
  (void)state;
  enum { N = 50 };
  struct mspan *s[N];
  for (uint32_t i = 0; i < N; i++) {
    s[i] = new_span(SPC, ME);
    (void)mspan_next_free(s[i]);
  }
  for (uint32_t i = 0; i < N; i++)
    mcentral_uncache_span(&vs_default_heap, s[i]);
  for (uint32_t i = 0; i < N; i++) {
    struct mspan *got = mcentral_cache_span(&vs_default_heap, SPC, OTHER);
    uint32_t k = 0;
    while (k < N && s[k] != got)
      k++;
    assert_true(k < N);
    s[k] = NULL;
    mheap_free(got);
  }
  assert_null(mcentral_cache_span(&vs_default_heap, SPC, OTHER));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(empty_list_has_nothing_to_give),
      cmocka_unit_test(fresh_span_is_the_callers),
      cmocka_unit_test(partial_span_goes_to_the_next_who_asks),
      cmocka_unit_test(freed_slots_are_swept_when_a_span_is_given_up),
      cmocka_unit_test(full_span_comes_back_by_the_first_free),
      cmocka_unit_test(free_before_giving_up_is_not_lost),
      cmocka_unit_test(many_spans_keep_their_place),
  };
  return unit_run("mcentral", tests);
}
