/* SPDX-License-Identifier: Apache-2.0
 *
 * How a span changes hands: every transition of a control word, and the inbox by which a full span finds its way home.
 * spec/protocol.md has the table (M0, M1, ...) and the argument that no free and no wake-up is lost; each function is
 * proved to make the transitions that it names and no other, and harness/ checks them under every interleaving.
 *
 * A thread has a span while it holds the mcache that the word names, while it has taken the span out of its set, or
 * while nobody else knows of it. Then it knows the word, and calls the functions whose contracts ask for that; the
 * others are for any thread that frees a block of the span.
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
/*@ requires valid: \valid(&s->ctl) && \valid(owner);
    assigns s->ctl, *owner, g_others;
    ensures woken: \result ==> CtlOwner(s->ctl) == *owner &&
      (CtlHeap(s->ctl) ? IsCentralUnswept(VS_SWEEPGEN, s->ctl) : IsWaking(VS_SWEEPGEN, s->ctl));
    ensures awake: !\result ==> !IsRestingFull(VS_SWEEPGEN, s->ctl) && !IsCentralFull(VS_SWEEPGEN, s->ctl);
*/
static inline bool ownership_wake(struct mspan *s, uint32_t *owner) {
  uint64_t ctl = control_load(&s->ctl);
  /*@ loop invariant seen: ctl == s->ctl && CtlLegal(ctl);
      loop assigns ctl, s->ctl, *owner, g_others;
      loop variant g_others;
  */
  while (spanctl_full(ctl) && spanctl_sweepgen(ctl) == VS_SWEEPGEN) {
    *owner = spanctl_owner(ctl);
    //@ ghost enum control_transition made = 0 < *owner && *owner < VS_OWNER_HEAP ? M3 : M6;
    if (control_cas(&s->ctl, ctl, spanctl_unswept(*owner)) /*@ ghost (made, VS_SWEEPGEN) */) return true;
    ctl = control_load(&s->ctl);
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
/*@ requires valid: \valid(&s->ctl);
    assigns s->ctl, g_others;
    ensures freed: \result ==> IsNoSpan(s->ctl);
*/
static inline bool ownership_end_large(struct mspan *s) {
  return control_cas(&s->ctl, spanctl_large(), 0) /*@ ghost (M10, VS_SWEEPGEN) */;
}

/* M12: the same of a further heap, whose owner is given, and then M10. */
/*@ requires valid: \valid(&s->ctl);
    requires owner: VS_OWNER_HEAP <= owner < VS_OWNER_LARGE;
    assigns s->ctl, g_others;
    ensures freed: \result ==> IsLarge(VS_SWEEPGEN, s->ctl);
*/
static inline bool ownership_end_further_large(struct mspan *s, uint32_t owner) {
  return control_cas(&s->ctl, spanctl_large_of(owner), spanctl_large()) /*@ ghost (M12, VS_SWEEPGEN) */;
}

/* --- who has the span -------------------------------------------------------------------------------------------- */

/* M0 and T0: makes fresh pages a span whose word is ctl, at d = +3, before others can know of it. */
/*@ requires valid: \valid(&s->ctl);
    requires fresh: IsNoSpan(s->ctl);
    requires owned: IsOwned(VS_SWEEPGEN, ctl) || (CtlFurther(ctl) && !CtlFull(ctl));
    assigns s->ctl;
    ensures exact: s->ctl == ctl;
*/
static inline void ownership_begin(struct mspan *s, uint64_t ctl) {
  //@ ghost enum control_transition made = ctl % 4294967296u / 2 < VS_OWNER_HEAP ? M0 : T0;
  //@ ghost uint32_t g = (ctl / 4294967296u + 4294967293u) % 4294967296u;
  //@ assert owned: CtlAt(g, ctl, 3);
  control_store_release(&s->ctl, ctl) /*@ ghost (made, g) */;
}

/* M8 and T5: gives up a span in which nothing is live, at d = +3 or d = -1, before its pages are returned. */
/*@ requires valid: \valid(&s->ctl);
    requires owned: IsOwned(VS_SWEEPGEN, s->ctl) || (CtlFurther(s->ctl) && !CtlFull(s->ctl));
    assigns s->ctl;
    ensures none: IsNoSpan(s->ctl);
*/
static inline void ownership_end(struct mspan *s) {
  //@ ghost enum control_transition made = s->ctl % 4294967296u / 2 < VS_OWNER_HEAP ? M8 : T5;
  //@ ghost uint32_t g = (s->ctl / 4294967296u + (made == M8 ? 4294967293u : 1u)) % 4294967296u;
  //@ assert mine: CtlAt(g, s->ctl, made == M8 ? 3 : -1);
  control_store_release(&s->ctl, 0) /*@ ghost (made, g) */;
}

/* M9: makes fresh pages a large span, before others can know of it. */
/*@ requires valid: \valid(&s->ctl);
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
/*@ requires valid: \valid(&s->ctl);
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
/*@ requires valid: \valid(&s->ctl);
    requires woken: IsWaking(VS_SWEEPGEN, s->ctl) && CtlOwner(s->ctl) == owner;
    assigns s->ctl;
    ensures owned: IsOwned(VS_SWEEPGEN, s->ctl) && CtlOwner(s->ctl) == owner;
*/
static inline void ownership_accept(struct mspan *s, uint32_t owner) {
  control_store_release(&s->ctl, spanctl_owned(owner)) /*@ ghost (M4, VS_SWEEPGEN) */;
}

/* M5: gives a span to the partial set of the central list, whose lock is held. */
/*@ requires valid: \valid(&s->ctl);
    requires mine: IsOwned(VS_SWEEPGEN, s->ctl);
    requires owner: owner == VS_OWNER_NONE || VS_OWNER_HEAP <= owner < VS_OWNER_LARGE;
    assigns s->ctl;
    ensures given: IsCentralPartial(VS_SWEEPGEN, s->ctl) && CtlOwner(s->ctl) == owner;
*/
static inline void ownership_give_partial(struct mspan *s, uint32_t owner) {
  control_store_release(&s->ctl, spanctl_resting(owner)) /*@ ghost (M5, VS_SWEEPGEN) */;
}

/* M5: gives a full span to the full set of the central list, whose lock is held; M6 if a free came in between. False if
 * this thread has made it unswept, and so must move it to that set. */
/*@ requires valid: \valid(s);
    requires bound: s->nelems <= 1024;
    requires mine: IsOwned(VS_SWEEPGEN, s->ctl);
    requires owner: owner == VS_OWNER_NONE || VS_OWNER_HEAP <= owner < VS_OWNER_LARGE;
    assigns s->ctl, g_others;
    ensures unswept: !\result ==> IsCentralUnswept(VS_SWEEPGEN, s->ctl) && CtlOwner(s->ctl) == owner;
*/
static inline bool ownership_give_full(struct mspan *s, uint32_t owner) {
  uint64_t full = spanctl_resting_full(owner);
  control_store_seq(&s->ctl, full) /*@ ghost (M5, VS_SWEEPGEN) */;
  return !ownership_has_remote(s) ||
         !control_cas(&s->ctl, full, spanctl_unswept(owner)) /*@ ghost (M6, VS_SWEEPGEN) */;
}

/* M7: makes a span that this thread has taken out of its set owned. */
/*@ requires valid: \valid(&s->ctl);
    requires taken: IsCentralPartial(VS_SWEEPGEN, s->ctl) || IsCentralUnswept(VS_SWEEPGEN, s->ctl);
    requires owner: 1 <= owner < VS_OWNER_HEAP;
    assigns s->ctl;
    ensures owned: IsOwned(VS_SWEEPGEN, s->ctl) && CtlOwner(s->ctl) == owner;
*/
static inline void ownership_cache(struct mspan *s, uint32_t owner) {
  control_store_release(&s->ctl, spanctl_owned(owner)) /*@ ghost (M7, VS_SWEEPGEN) */;
}

/* M11: makes a large span that this thread has just got one of a further heap, whose owner is given. */
/*@ requires valid: \valid(&s->ctl);
    requires mine: IsLarge(VS_SWEEPGEN, s->ctl);
    requires owner: VS_OWNER_HEAP <= owner < VS_OWNER_LARGE;
    assigns s->ctl;
    ensures given: IsFurtherLarge(VS_SWEEPGEN, s->ctl) && CtlOwner(s->ctl) == owner;
*/
static inline void ownership_give_large(struct mspan *s, uint32_t owner) {
  control_store_release(&s->ctl, spanctl_large_of(owner)) /*@ ghost (M11, VS_SWEEPGEN) */;
}

/* --- spans of a collected heap, whose sweepgen and owner are given -------------------------------------------- */

/* T3: takes an unswept span to sweep it. False if another thread has. The holder of a ticket. */
/*@ requires valid: \valid(&s->ctl);
    requires ticket: g_tickets == 1;
    requires heap: sweepgen % 2 == 0 && VS_OWNER_HEAP <= owner < VS_OWNER_LARGE;
    assigns s->ctl, g_others;
    ensures mine: \result ==> IsBeingSwept(sweepgen, s->ctl) && CtlOwner(s->ctl) == owner;
*/
static inline bool ownership_sweep(struct mspan *s, uint32_t sweepgen, uint32_t owner, bool full) {
  uint64_t unswept = spanctl_at(sweepgen, VS_D_UNSWEPT, owner, full);
  uint64_t sweeping = spanctl_at(sweepgen, VS_D_SWEEPING, owner, false);
  return control_cas(&s->ctl, unswept, sweeping) /*@ ghost (T3, sweepgen) */;
}

/* T1 and T4: makes a span out of a swept set, or one that this thread has swept, active. */
/*@ requires valid: \valid(&s->ctl);
    requires heap: sweepgen % 2 == 0 && VS_OWNER_HEAP <= owner < VS_OWNER_LARGE;
    requires mine: IsSweptPartial(sweepgen, s->ctl) || IsBeingSwept(sweepgen, s->ctl);
    requires owner: CtlOwner(s->ctl) == owner;
    assigns s->ctl;
    ensures active: IsActive(sweepgen, s->ctl) && CtlOwner(s->ctl) == owner;
*/
static inline void ownership_activate(struct mspan *s, uint32_t sweepgen, uint32_t owner) {
  //@ ghost enum control_transition made = s->ctl / 4294967296u == sweepgen ? T1 : T4;
  control_store_release(&s->ctl, spanctl_at(sweepgen, VS_D_OWNED, owner, false)) /*@ ghost (made, sweepgen) */;
}

/* T6: leaves a span that was active, or that this thread has swept, at rest, before it is pushed onto a swept set. */
/*@ requires valid: \valid(&s->ctl);
    requires heap: sweepgen % 2 == 0 && VS_OWNER_HEAP <= owner < VS_OWNER_LARGE;
    requires mine: IsActive(sweepgen, s->ctl) || IsBeingSwept(sweepgen, s->ctl);
    requires owner: CtlOwner(s->ctl) == owner;
    assigns s->ctl;
    ensures rests: full ? IsSweptFull(sweepgen, s->ctl) : IsSweptPartial(sweepgen, s->ctl);
    ensures whose: CtlOwner(s->ctl) == owner;
*/
static inline void ownership_swept(struct mspan *s, uint32_t sweepgen, uint32_t owner, bool full) {
  control_store_release(&s->ctl, spanctl_at(sweepgen, VS_D_SWEPT, owner, full)) /*@ ghost (T6, sweepgen) */;
}

/* T7: gives a large span that this thread has just got to the heap, before it is pushed onto a swept set. */
/*@ requires valid: \valid(&s->ctl);
    requires heap: sweepgen % 2 == 0 && VS_OWNER_HEAP <= owner < VS_OWNER_LARGE;
    requires mine: IsLarge(VS_SWEEPGEN, s->ctl);
    assigns s->ctl;
    ensures rests: IsSweptFull(sweepgen, s->ctl) && CtlOwner(s->ctl) == owner;
*/
static inline void ownership_swept_large(struct mspan *s, uint32_t sweepgen, uint32_t owner) {
  control_store_release(&s->ctl, spanctl_at(sweepgen, VS_D_SWEPT, owner, true)) /*@ ghost (T7, sweepgen) */;
}

/* T8: takes a span of a further heap, in any state, to return it. No other thread is in a call on the heap. */
/*@ requires valid: \valid(&s->ctl);
    requires owner: VS_OWNER_HEAP <= owner < VS_OWNER_LARGE;
    requires span: CtlLegal(s->ctl) && !IsNoSpan(s->ctl);
    assigns s->ctl;
    ensures mine: IsBeingSwept(VS_SWEEPGEN, s->ctl);
*/
static inline void ownership_seize(struct mspan *s, uint32_t owner) {
  control_store_release(&s->ctl, spanctl_at(VS_SWEEPGEN, VS_D_SWEEPING, owner, false)) /*@ ghost (T8, VS_SWEEPGEN) */;
}

#endif
