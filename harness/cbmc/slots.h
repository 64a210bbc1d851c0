/* SPDX-License-Identifier: Apache-2.0
 *
 * What spec/mspan.acsl says of a span's slots, as C: for harnesses that start from any span that meets
 * the invariant. A quantifier over all slots is checked for one slot that may be any.
 *
 * Up: harness/cbmc/mspan_*.  Down: src/mspan.h.
 */
#ifndef HARNESS_SLOTS_H
#define HARNESS_SLOTS_H
#include "check.h"
#include "mspan.h"

/* What is known of one slot. Looked up once: each lookup at an index that may be any costs the solver. */
struct slot {
  bool alloc, mark, cached, remote;
};
static struct slot slot_look(const struct mspan *s, uint32_t i) {
  uint32_t w = i / 64, bit = i % 64;
  struct slot slot = {.alloc = (s->alloc_bits[w] >> bit & 1) == 1,
                      .mark = (s->mark_bits[w] >> bit & 1) == 1,
                      .cached = w == s->free_index / 64 && (s->alloc_cache >> bit & 1) == 1,
                      .remote = (s->remote_bits[w] >> bit & 1) == 1};
  return slot;
}
static bool slot_live(struct slot s) { return s.mark; }
static bool slot_freed(struct slot s) { return s.alloc && !s.mark && !s.cached; }
static bool slot_available(struct slot s) { return !s.alloc || s.cached; }

/* The bits of word w that stand for no slot. */
static uint64_t beyond(const struct mspan *s, uint32_t w) {
  if (s->nelems >= 64 * (w + 1)) {
    return 0;
  }
  return s->nelems <= 64 * w ? VS_WORD_ONES : VS_WORD_ONES << (s->nelems - 64 * w);
}

/* What MspanIndex and MspanBits say of word w. */
static bool word_ok(const struct mspan *s, uint32_t w) {
  uint64_t alloc = s->alloc_bits[w], mark = s->mark_bits[w], none = beyond(s, w);
  return (mark & ~alloc) == 0 && (none & ~alloc) == 0 && (none & mark) == 0 &&
         (w > s->free_index / 64 || alloc == VS_WORD_ONES) &&
         (w != s->free_index / 64 || (s->alloc_cache & (mark | none)) == 0);
}
static bool index_ok(const struct mspan *s) {
  return s->nelems >= 1 && s->nelems <= VS_MAX_SLOTS && s->free_index % 64 == 0 &&
         s->free_index < s->nelems;
}

/* A span with this word in its cache (a constant, where loops start from it: a symbolic one costs
 * minutes) and any other contents that meet the invariant. */
static void any_span(struct mspan *s, uint32_t cached_word) {
  ASSUME(cached_word < VS_SPAN_WORDS);
  s->free_index = 64 * cached_word;
  ASSUME(index_ok(s));
  for (uint32_t w = 0; w < VS_SPAN_WORDS; w++) {
    ASSUME(word_ok(s, w));
  }
}

/* Whether the invariant holds, looked at in one word that may be any. */
static bool slots_ok(const struct mspan *s) {
  uint32_t w = nondet_u32();
  ASSUME(w < VS_SPAN_WORDS);
  return index_ok(s) && word_ok(s, w);
}

#endif
