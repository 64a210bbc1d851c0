/* SPDX-License-Identifier: Apache-2.0
 *
 * Ownership of spans between threads: the transitions of the control word that more than one thread may attempt,
 * and the inbox by which a full span finds its way home. spec/protocol.md has the table (M1, M2, ...) and the
 * argument that no free and no wake-up is lost; harness/ checks these functions under every interleaving.
 *
 * Up: mcache, mcentral, alloc. Down: mspan, spanctl, atomic.
 * Invariant: the states of spec/protocol.md. Claims: C4 C8 C9.
 */
#ifndef VERISPAN_OWNERSHIP_H
#define VERISPAN_OWNERSHIP_H

#include "mspan.h"

/* Sets the remote bit of a slot; false if it was set: the slot was freed before. Any thread that frees the slot. */
static inline bool ownership_free(struct mspan *s, uint32_t slot) {
  uint64_t bit = bits_one(slot % VS_WORD_BITS);
  return (vs_fetch_or_u64(&s->remote_bits[slot / VS_WORD_BITS], bit) & bit) == 0;
}

/* M3 and M6, after ownership_free: if the span is full and at rest, makes it unswept. Whether this thread did, and
 * so must bring the span to *owner. Any thread. */
static inline bool ownership_wake(struct mspan *s, uint32_t *owner) {
  uint64_t ctl = vs_load_seq_u64(&s->ctl);
  while (spanctl_full(ctl) && spanctl_sweepgen(ctl) == VS_SWEEPGEN) {
    *owner = spanctl_owner(ctl);
    if (vs_cas_u64(&s->ctl, ctl, spanctl_unswept(*owner))) return true; /* M3, M6 */
    ctl = vs_load_seq_u64(&s->ctl);
  }
  return false;
}

/* Whether another thread has freed a slot since the last fold. */
static inline bool ownership_has_remote(const struct mspan *s) {
  uint64_t any = 0;
  for (uint32_t word = 0; word * VS_WORD_BITS < s->nelems; word++)
    any |= vs_load_seq_u64(&s->remote_bits[word]);
  return any != 0;
}

/* M2: takes a full span at rest back for owner. False if another thread has woken it first. */
static inline bool ownership_reclaim(struct mspan *s, uint32_t owner) {
  return vs_cas_u64(&s->ctl, spanctl_resting_full(owner), spanctl_owned(owner)); /* M2 */
}

/* M1: leaves a full span at rest with owner as its home. False if a free came in between and the span is owned again.
 * The holder. */
static inline bool ownership_rest(struct mspan *s, uint32_t owner) {
  vs_store_seq_u64(&s->ctl, spanctl_resting_full(owner)); /* M1 */
  return !ownership_has_remote(s) || !ownership_reclaim(s, owner);
}

/* Puts a span that this thread has just woken into the inbox of its home. Any thread. */
static inline void ownership_push(struct mspan **inbox, struct mspan *s) {
  struct mspan *head;
  do {
    head = vs_load_ptr(inbox);
    s->next = head;
  } while (!vs_cas_ptr(inbox, head, s));
}

/* Takes all spans of an inbox, linked by next; NULL if there are none. The holder. */
static inline struct mspan *ownership_take(struct mspan **inbox) {
  return vs_load_ptr(inbox) ? vs_exchange_ptr(inbox, 0) : 0;
}

/* M4: makes a span out of its inbox owned. The holder. */
static inline void ownership_accept(struct mspan *s, uint32_t owner) {
  vs_store_release_u64(&s->ctl, spanctl_owned(owner)); /* M4 */
}

#endif
