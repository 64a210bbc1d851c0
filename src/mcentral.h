/* SPDX-License-Identifier: Apache-2.0
 *
 * The central lists: per span class, the spans that no mcache owns, in four sets: partial or full, swept or
 * unswept (Go's runtime/mcentral.go). With g the heap's sweepgen, set number (g / 2) mod 2 is the swept one, so
 * that a turn of the cycle swaps the sets without moving a span.
 *
 * A span in a swept set is at rest (d = 0), one in an unswept set is not swept (d = -2). In a manual heap g does not
 * change, and a full span moves to the unswept set by the first free of one of its blocks. In a collected heap the turn
 * makes every span unswept.
 *
 * Each function takes the lock of its span class. Thread-safe. To the proof a span is in the caller's hands (InHand) when no
 * other thread has it and it is in no set; what a list's lock guards, and what a thread knows beside it, is HandKept (T-03).
 *
 * Up: mcache, cycle. Down: heap, mspan, ownership, lock.
 * Invariant: CentralInv (spec/mcentral.acsl): a set is linked in both directions, and what is in it fits it by class, word and
 * slots. Every span whose word names its heap, at d = 0 or d = -2, is in exactly one set, but for large spans of manual heaps.
 * Claims: C3 C8 C9.
 */
#ifndef VERISPAN_MCENTRAL_H
#define VERISPAN_MCENTRAL_H

#include "arena.h"
#include "heap.h"
#include "ownership.h"

#ifdef __FRAMAC__
/* As in growth.h: where each arena is to the proof. */
extern struct heap_arena g_arenas[VS_ARENA_COUNT];
#endif

#include "../spec/mcentral.acsl"

/* For contracts: what the locks of the lists of heap h guard, and what others may write meanwhile. */
#define CENTRAL_STATE(h) (h)->central[0 .. 135], g_place[0 .. 34359738367], g_pays[0 .. 34359738367], g_arenas[0 .. 4194303]

/* Folds the remote frees of a span in the caller's hands; a free of a slot that is not live is reported and ends the program. */
/*@ requires valid: \valid(s);
    requires inv: MspanInv(s);
    terminates \true;
    assigns s->remote_bits[0 .. 15], s->mark_bits[0 .. 15], s->nkept;
    ensures inv: MspanInv(s);
*/
void mspan_fold_or_die(struct mspan *s);

/* Takes a span of the class that has a slot to hand out, or failing that one that had its first free since it was full, and
 * gives it to owner; NULL if the list of a manual heap has none. */
/*@ requires heap: HeapOk(h) && h->collected == 0;
    requires class: 2 <= spanclass < 136;
    requires owner: 1 <= owner < VS_OWNER_HEAP;
    terminates \true;
    assigns CENTRAL_STATE(h) \from h, spanclass, CENTRAL_STATE(h);
    assigns \result \from h, spanclass, CENTRAL_STATE(h);
    ensures hand: \result != \null ==> InHand(\result) && !InHand{Pre}(\result);
    ensures class: \result != \null ==> SpanOfClass(\result, spanclass);
    ensures owned: \result != \null ==> IsOwned(VS_SWEEPGEN, \result->ctl) && CtlOwner(\result->ctl) == owner;
    ensures rely: HandKept{Pre,Here};
*/
struct mspan *mcentral_cache_span(struct vs_heap *h, uint32_t spanclass, uint32_t owner)
    VS_EXCLUDES(vs_role_central);

/* Gives up a span of a manual heap that the caller owns and that is in no queue. */
/*@ requires heap: HeapOk(h) && h->collected == 0;
    requires hand: InHand(s);
    requires class: 2 <= s->spanclass < 136 && SpanOfClass(s, s->spanclass);
    requires owned: IsOwned(VS_SWEEPGEN, s->ctl);
    terminates \true;
    assigns CENTRAL_STATE(h) \from h, s, CENTRAL_STATE(h);
    assigns g_others;
    ensures given: !InHand(s);
    ensures rely: HandBut{Pre,Here}(s);
*/
void mcentral_uncache_span(struct vs_heap *h, struct mspan *s) VS_EXCLUDES(vs_role_central);

/* Files a full span that the caller has just moved to d = -2. */
/*@ requires heap: HeapOk(h) && h->collected == 0;
    requires woken: Woken(s) && IsCentralUnswept(VS_SWEEPGEN, s->ctl) && CtlOwner(s->ctl) == h->owner;
    requires class: 2 <= s->spanclass < 136;
    terminates \true;
    assigns CENTRAL_STATE(h) \from h, s, CENTRAL_STATE(h);
    assigns g_woke[s->base / 8192];
    ensures done: g_woke[\old(s->base) / 8192] == 0;
    ensures rely: HandKept{Pre,Here};
*/
void mcentral_push_unswept(struct vs_heap *h, struct mspan *s) VS_EXCLUDES(vs_role_central);

/* Whether a small span that the caller owns has no slot to hand out; if it has, its cached word is not empty then. */
/*@ requires valid: \valid(s);
    requires inv: MspanInv(s);
    terminates \true;
    assigns s->alloc_cache, s->free_index, s->alloc_bits[0 .. 15];
    ensures inv: MspanInv(s);
    ensures full: \result <==> s->alloc_cache == 0;
    ensures none: \result ==> \forall integer i; 0 <= i < s->nelems ==> !SlotAvailable(s, i);
*/
static inline bool mcentral_is_full(struct mspan *s) { return s->alloc_cache == 0 && !mspan_refill(s); }

/* For collected heaps: a span that has slots, at d = 0, which the caller then owns; NULL if there is none. */
/*@ requires heap: HeapOk(h) && h->collected != 0;
    requires class: 2 <= spanclass < 136;
    terminates \true;
    assigns CENTRAL_STATE(h) \from h, spanclass, CENTRAL_STATE(h);
    assigns \result \from h, spanclass, CENTRAL_STATE(h);
    ensures hand: \result != \null ==> InHand(\result) && !InHand{Pre}(\result);
    ensures class: \result != \null ==> SpanOfClass(\result, spanclass) && \result->alloc_cache != 0;
    ensures swept: \result != \null ==> IsSweptPartial(h->sweepgen, \result->ctl) && CtlOwner(\result->ctl) == h->owner;
    ensures rely: HandKept{Pre,Here};
*/
struct mspan *mcentral_pop_swept(struct vs_heap *h, uint32_t spanclass) VS_EXCLUDES(vs_role_central);

/* An unswept span of a collected heap, full or partial at the last sweep, taken at d = -1; NULL if there is none. The caller has a
 * ticket. */
/*@ requires heap: HeapOk(h) && h->collected != 0;
    requires class: spanclass < 136;
    requires ticket: g_tickets == 1;
    terminates \true;
    assigns CENTRAL_STATE(h) \from h, spanclass, CENTRAL_STATE(h);
    assigns g_others;
    assigns \result \from h, spanclass, CENTRAL_STATE(h);
    ensures hand: \result != \null ==> InHand(\result) && !InHand{Pre}(\result);
    ensures class: \result != \null ==> SpanOfClass(\result, spanclass);
    ensures mine: \result != \null ==> IsBeingSwept(h->sweepgen, \result->ctl) && CtlOwner(\result->ctl) == h->owner;
    ensures rely: HandKept{Pre,Here};
*/
struct mspan *mcentral_pop_unswept(struct vs_heap *h, uint32_t spanclass, bool full) VS_EXCLUDES(vs_role_central);

/* Files a span of a collected heap that the caller has just moved to d = 0; if it is not full, with a slot to hand out. */
/*@ requires heap: HeapOk(h) && h->collected != 0;
    requires hand: InHand(s);
    requires class: s->spanclass < 136 && SpanOfClass(s, s->spanclass);
    requires swept: CtlOwner(s->ctl) == h->owner &&
      (full ? IsSweptFull(h->sweepgen, s->ctl) : IsSweptPartial(h->sweepgen, s->ctl) && s->alloc_cache != 0 && 2 <= s->spanclass);
    terminates \true;
    assigns CENTRAL_STATE(h) \from h, s, CENTRAL_STATE(h);
    ensures given: !InHand(s);
    ensures rely: HandBut{Pre,Here}(s);
*/
void mcentral_push_swept(struct vs_heap *h, struct mspan *s, bool full) VS_EXCLUDES(vs_role_central);

/* Locks and unlocks every central list of every heap, for fork. The list of heaps is locked. */
void mcentral_lock_all(void) VS_ACQUIRES(vs_role_central);
void mcentral_unlock_all(void) VS_RELEASES(vs_role_central);

#endif
