/* SPDX-License-Identifier: Apache-2.0
 *
 * How a span changes hands: every transition of a control word, and the inbox by which a full span finds its way home.
 * spec/protocol.md has the table (M0, M1, ...) and the argument that no free and no wake-up is lost; each function is
 * proved to make the transitions that it names and no other, and harness/ checks them under every interleaving.
 *
 * A thread has a span while it holds the mcache that the word names, while it has taken the span out of its set, or
 * while nobody else knows of it. Then it knows the word, and calls the functions whose contracts ask for that; the others are
 * for any thread that frees a block of the span.
 *
 * Up: mcache, mcentral, mheap, alloc. Down: mspan, control, atomic.
 * Invariant: the states of spec/protocol.md. Claims: C4 C8 C9.
 */
#ifndef VERISPAN_OWNERSHIP_H
#define VERISPAN_OWNERSHIP_H

#include "control.h"
#include "mspan.h"

#ifdef __FRAMAC__
#include "../spec/protocol_lemmas.acsl"
#endif

/* --- any thread that frees a block ------------------------------------------------------------------------------- */

/* Sets the remote bit of a slot; false if it was set: the slot was freed before. */
/*@ requires valid: \valid(s);
    requires bound: slot < 1024;
    assigns s->remote_bits[slot / 64];
    ensures set: RemoteBit(s, slot);
*/
static inline bool ownership_free(struct mspan *s, uint32_t slot) {
  uint64_t bit = bits_one(slot % VS_WORD_BITS);
  return (vs_fetch_or_u64(&s->remote_bits[slot / VS_WORD_BITS], bit) & bit) == 0;
}

/* M3 and M6, after ownership_free: if the span is full and at rest, makes it unswept. Whether this thread did, and
 * so must bring the span to *owner. */
/*@ requires valid: \valid(s) && \valid(owner);
    assigns s->ctl, *owner, g_others;
    ensures woken: \result ==> CtlOwner(s->ctl) == *owner &&
      (*owner == VS_OWNER_NONE ? IsCentralUnswept(VS_SWEEPGEN, s->ctl) : IsWaking(VS_SWEEPGEN, s->ctl));
    ensures awake: !\result ==> !IsRestingFull(VS_SWEEPGEN, s->ctl) && !IsCentralFull(VS_SWEEPGEN, s->ctl);
*/
static inline bool ownership_wake(struct mspan *s, uint32_t *owner) {
  uint64_t ctl = control_load(&s->ctl) /*@ ghost (VS_SWEEPGEN) */;
  /*@ loop invariant seen: ctl == s->ctl && CtlLegal(VS_SWEEPGEN, ctl);
      loop assigns ctl, s->ctl, *owner, g_others;
      loop variant g_others;
  */
  while (spanctl_full(ctl) && spanctl_sweepgen(ctl) == VS_SWEEPGEN) {
    *owner = spanctl_owner(ctl);
    uint64_t unswept = spanctl_unswept(*owner);
    if (control_cas(&s->ctl, ctl, unswept) /*@ ghost (*owner == VS_OWNER_NONE ? M6 : M3, VS_SWEEPGEN) */) return true;
    ctl = control_load(&s->ctl) /*@ ghost (VS_SWEEPGEN) */;
  }
  return false;
}

/* Puts a span that this thread has just woken into the inbox of its home. */
/*@ requires valid: \valid(inbox) && \valid(s);
    requires sep: \separated(inbox, &s->next);
    requires woken: IsWaking(VS_SWEEPGEN, s->ctl);
    assigns *inbox \from s, *inbox;
    assigns s->next \from *inbox;
    assigns g_others;
    ensures pushed: *inbox == s;
*/
static inline void ownership_push(struct mspan **inbox, struct mspan *s) {
  struct mspan *head;
  /*@ loop assigns head, s->next \from *inbox;
      loop assigns *inbox \from s, *inbox;
      loop assigns g_others;
      loop variant g_others;
  */
  do {
    head = vs_load_ptr(inbox);
    s->next = head;
  } while (!vs_cas_ptr(inbox, head, s));
}

/* M10: frees a large span. False if another free of it came first. */
/*@ requires valid: \valid(s);
    assigns s->ctl, g_others;
    ensures freed: \result ==> IsNoSpan(s->ctl);
*/
static inline bool ownership_end_large(struct mspan *s) {
  return control_cas(&s->ctl, spanctl_large(), 0) /*@ ghost (M10, VS_SWEEPGEN) */;
}

/* --- who has the span -------------------------------------------------------------------------------------------- */

/* M0: makes fresh pages a span whose word is ctl, before others can know of it. */
/*@ requires valid: \valid(s);
    requires fresh: IsNoSpan(s->ctl);
    requires owned: IsOwned(VS_SWEEPGEN, ctl);
    assigns s->ctl;
    ensures exact: s->ctl == ctl;
*/
static inline void ownership_begin(struct mspan *s, uint64_t ctl) {
  control_store_release(&s->ctl, ctl) /*@ ghost (M0, VS_SWEEPGEN) */;
}

/* M8: gives up a span in which nothing is live, before its pages are returned. */
/*@ requires valid: \valid(s);
    requires owned: IsOwned(VS_SWEEPGEN, s->ctl);
    assigns s->ctl;
    ensures none: IsNoSpan(s->ctl);
*/
static inline void ownership_end(struct mspan *s) {
  control_store_release(&s->ctl, 0) /*@ ghost (M8, VS_SWEEPGEN) */;
}

/* M9: makes fresh pages a large span, before others can know of it. */
/*@ requires valid: \valid(s);
    requires fresh: IsNoSpan(s->ctl);
    assigns s->ctl;
    ensures large: IsLarge(VS_SWEEPGEN, s->ctl);
*/
static inline void ownership_begin_large(struct mspan *s) {
  control_store_release(&s->ctl, spanctl_large()) /*@ ghost (M9, VS_SWEEPGEN) */;
}

/* Whether another thread has freed a slot since the last fold. */
/*@ requires valid: \valid_read(s);
    requires bound: s->nelems <= 1024;
    assigns \nothing;
    ensures any: \result <==> \exists integer w; 0 <= w && 64 * w < s->nelems && s->remote_bits[w] != 0;
*/
static inline bool ownership_has_remote(const struct mspan *s) {
  uint64_t any = 0;
  /*@ loop invariant bound: 0 <= word <= 16 && 64 * word < s->nelems + 64;
      loop invariant any: any == 0 <==> \forall integer w; 0 <= w < word ==> s->remote_bits[w] == 0;
      loop assigns word, any;
      loop variant 16 - word;
  */
  for (uint32_t word = 0; word * VS_WORD_BITS < s->nelems; word++)
    any |= vs_load_seq_u64(&s->remote_bits[word]);
  return any != 0;
}

/* M2: takes a full span at rest back for owner. False if another thread has woken it first. */
/*@ requires valid: \valid(s);
    requires mine: IsRestingFull(VS_SWEEPGEN, s->ctl) || IsWaking(VS_SWEEPGEN, s->ctl);
    requires owner: CtlOwner(s->ctl) == owner;
    assigns s->ctl, g_others;
    ensures owned: \result ==> IsOwned(VS_SWEEPGEN, s->ctl) && CtlOwner(s->ctl) == owner;
    ensures woken: !\result ==> IsWaking(VS_SWEEPGEN, s->ctl) && CtlOwner(s->ctl) == owner;
*/
static inline bool ownership_reclaim(struct mspan *s, uint32_t owner) {
  return control_cas(&s->ctl, spanctl_resting_full(owner), spanctl_owned(owner)) /*@ ghost (M2, VS_SWEEPGEN) */;
}

/* M1: leaves a full span at rest with owner as its home. False if a free came in between and it is owned again. */
/*@ requires valid: \valid(s);
    requires bound: s->nelems <= 1024;
    requires mine: IsOwned(VS_SWEEPGEN, s->ctl) && CtlOwner(s->ctl) == owner;
    assigns s->ctl, g_others;
    ensures owned: !\result ==> IsOwned(VS_SWEEPGEN, s->ctl) && CtlOwner(s->ctl) == owner;
    ensures rests: \result ==> CtlOwner(s->ctl) == owner &&
      (IsRestingFull(VS_SWEEPGEN, s->ctl) || IsWaking(VS_SWEEPGEN, s->ctl));
*/
static inline bool ownership_rest(struct mspan *s, uint32_t owner) {
  control_store_seq(&s->ctl, spanctl_resting_full(owner)) /*@ ghost (M1, VS_SWEEPGEN) */;
  return !ownership_has_remote(s) || !ownership_reclaim(s, owner);
}

/* Takes all spans of an inbox, linked by next; NULL if there are none. */
/*@ requires valid: \valid(inbox);
    assigns *inbox \from \nothing;
    assigns \result \from *inbox;
    ensures empty: *inbox == \null;
*/
static inline struct mspan *ownership_take(struct mspan **inbox) {
  return vs_load_ptr(inbox) ? vs_exchange_ptr(inbox, 0) : 0;
}

/* M4: makes a span out of its inbox owned. */
/*@ requires valid: \valid(s);
    requires woken: IsWaking(VS_SWEEPGEN, s->ctl) && CtlOwner(s->ctl) == owner;
    assigns s->ctl;
    ensures owned: IsOwned(VS_SWEEPGEN, s->ctl) && CtlOwner(s->ctl) == owner;
*/
static inline void ownership_accept(struct mspan *s, uint32_t owner) {
  control_store_release(&s->ctl, spanctl_owned(owner)) /*@ ghost (M4, VS_SWEEPGEN) */;
}

/* M5: gives a span to the partial set of the central list, whose lock is held. */
/*@ requires valid: \valid(s);
    requires mine: IsOwned(VS_SWEEPGEN, s->ctl);
    assigns s->ctl;
    ensures given: IsCentralPartial(VS_SWEEPGEN, s->ctl);
*/
static inline void ownership_give_partial(struct mspan *s) {
  control_store_release(&s->ctl, spanctl_resting()) /*@ ghost (M5, VS_SWEEPGEN) */;
}

/* M5: gives a full span to the full set of the central list, whose lock is held; M6 if a free came in between. False if
 * this thread has made it unswept, and so must move it to that set. */
/*@ requires valid: \valid(s);
    requires bound: s->nelems <= 1024;
    requires mine: IsOwned(VS_SWEEPGEN, s->ctl);
    assigns s->ctl, g_others;
    ensures unswept: !\result ==> IsCentralUnswept(VS_SWEEPGEN, s->ctl);
*/
static inline bool ownership_give_full(struct mspan *s) {
  uint64_t full = spanctl_resting_full(VS_OWNER_NONE);
  control_store_seq(&s->ctl, full) /*@ ghost (M5, VS_SWEEPGEN) */;
  return !ownership_has_remote(s) ||
         !control_cas(&s->ctl, full, spanctl_unswept(VS_OWNER_NONE)) /*@ ghost (M6, VS_SWEEPGEN) */;
}

/* M7: makes a span that this thread has taken out of its set owned. */
/*@ requires valid: \valid(s);
    requires taken: IsCentralPartial(VS_SWEEPGEN, s->ctl) || IsCentralUnswept(VS_SWEEPGEN, s->ctl);
    requires owner: 1 <= owner <= VS_OWNER_MAX;
    assigns s->ctl;
    ensures owned: IsOwned(VS_SWEEPGEN, s->ctl) && CtlOwner(s->ctl) == owner;
*/
static inline void ownership_cache(struct mspan *s, uint32_t owner) {
  control_store_release(&s->ctl, spanctl_owned(owner)) /*@ ghost (M7, VS_SWEEPGEN) */;
}

#endif
