/* SPDX-License-Identifier: Apache-2.0
 *
 * How many pages should go back to the system: the state of the scavenger's policy (after Go's runtime/mgcscavenge.go),
 * of which pacing.h is the arithmetic. Which pages they are says idle.h, when they go scavenge.h.
 *
 * The recent peak is the most that was in use in this period of VS_PERIOD and the one before.
 *
 * Sizes are in pages of 8 KiB unless they say bytes, times in nanoseconds. used are the pages in use, and dirty those that
 * may hold memory. Needs the heap lock, but for reclaim_wanted and reclaim_owed.
 *
 * Up: mheap, scavenge. Down: pacing, sizeclass, atomic.
 * Invariant: ReclaimInv (spec/reclaim.acsl): what is counted are pages of the address space. Claims: C7 C11.
 */
#ifndef VERISPAN_RECLAIM_H
#define VERISPAN_RECLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "atomic.h"
#include "pacing.h"

/* Of a period. */
#define VS_PERIOD 500000000u

/* Which pages to give back: those that must go at once, those that are due without haste, all. */
enum reclaim_reason { RECLAIM_AT_ONCE, RECLAIM_PACED, RECLAIM_ALL };

struct reclaim {
  uint64_t period;    /* when this period began */
  uint64_t peak;      /* most pages in use in this period, and in the one before */
  uint64_t last_peak;
  uint64_t limit;     /* of the pages that may hold memory */
  size_t limit_bytes; /* the same as it was set */
  uint64_t wanted;    /* whether more pages hold memory than those in use explain; atomic: read without the lock */
  uint64_t owed;      /* pages to give back at once; atomic: read without the lock */
};

#define VS_RECLAIM_INIT                                                                            \
  { .limit = VS_NO_LIMIT, .limit_bytes = SIZE_MAX }

#include "../spec/reclaim.acsl"

/* Whether somebody should look what is due. Takes no lock. */
/*@ requires valid: \valid_read(r);
    terminates \true;
    assigns \nothing;
    ensures exact: \result <==> r->wanted != 0;
*/
static inline bool reclaim_wanted(const struct reclaim *r) { return vs_load_relaxed_u64(&r->wanted) != 0; }

/* Pages to give back at once. Takes no lock. */
/*@ requires valid: \valid_read(r);
    terminates \true;
    assigns \nothing;
    ensures exact: \result == r->owed;
*/
static inline uint64_t reclaim_owed(const struct reclaim *r) { return vs_load_relaxed_u64(&r->owed); }

/* Notes what the heap counts now. */
/*@ requires valid: \valid(r);
    requires counts: ReclaimCounts(used, dirty);
    terminates \true;
    assigns r->wanted;
    ensures noted: ReclaimNoted(r, used, dirty);
*/
void reclaim_note(struct reclaim *r, uint64_t used, uint64_t dirty);

/* The same after pages were taken, of which clean held no memory before. */
/*@ requires valid: \valid(r);
    requires counts: ReclaimCounts(used, dirty) && clean <= 34359738368;
    requires inv: ReclaimInv(r);
    terminates \true;
    assigns r->peak, r->wanted, r->owed;
    ensures inv: ReclaimInv(r);
    ensures peak: r->peak == ReclaimMore(\old(r->peak), used);
    ensures kept: clean == 0 ==> r->owed == \old(r->owed);
    ensures owed: clean != 0 ==> r->owed == ReclaimOwed(\old(r->owed), clean, dirty, ReclaimPeak(r), r->limit);
    ensures noted: ReclaimNoted(r, used, dirty);
*/
void reclaim_note_taken(struct reclaim *r, uint64_t clean, uint64_t used, uint64_t dirty);

/* Begins a new period if this one is over. */
/*@ requires valid: \valid(r);
    requires counts: used <= 34359738368;
    requires inv: ReclaimInv(r);
    terminates \true;
    assigns r->period, r->peak, r->last_peak;
    ensures inv: ReclaimInv(r);
    ensures kept: PacingOver(now, \old(r->period)) < VS_PERIOD ==>
      r->period == \old(r->period) && r->peak == \old(r->peak) && r->last_peak == \old(r->last_peak);
    ensures turned: PacingOver(now, \old(r->period)) >= VS_PERIOD ==>
      r->period == now && r->peak == used && r->last_peak == \old(r->peak);
*/
void reclaim_turn(struct reclaim *r, uint64_t now, uint64_t used);

/* How many pages to give back now. */
/*@ requires valid: \valid_read(r);
    requires counts: dirty <= 34359738368;
    requires inv: ReclaimInv(r);
    terminates \true;
    assigns \nothing;
    ensures all: why == RECLAIM_ALL ==> \result == dirty;
    ensures paced: why == RECLAIM_PACED ==> \result == ReclaimExcess(dirty, ReclaimPeak(r), r->limit);
    ensures owed: why == RECLAIM_AT_ONCE ==> \result == ReclaimOwed(r->owed, 0, dirty, ReclaimPeak(r), r->limit);
    ensures bound: \result <= dirty;
*/
uint64_t reclaim_due(const struct reclaim *r, enum reclaim_reason why, uint64_t dirty);

/* Accounts for npages given back; more than there can be if nothing is left to give. */
/*@ requires valid: \valid(r);
    requires counts: ReclaimCounts(used, dirty);
    requires inv: ReclaimInv(r);
    terminates \true;
    assigns r->wanted, r->owed;
    ensures inv: ReclaimInv(r);
    ensures owed: r->owed == PacingOver(\old(r->owed), npages);
    ensures noted: ReclaimNoted(r, used, dirty);
*/
void reclaim_pay(struct reclaim *r, uint64_t npages, uint64_t used, uint64_t dirty);

/* Sets the soft limit for the bytes that may hold memory, SIZE_MAX for none. The one before. */
/*@ requires valid: \valid(r);
    requires counts: ReclaimCounts(used, dirty);
    requires inv: ReclaimInv(r);
    terminates \true;
    assigns r->limit, r->limit_bytes, r->wanted, r->owed;
    ensures inv: ReclaimInv(r);
    ensures before: \result == \old(r->limit_bytes) && r->limit_bytes == bytes;
    ensures limit: bytes < 18446744073709551615 ==> r->limit == bytes / 8192;
    ensures none: bytes == 18446744073709551615 ==> r->limit == VS_NO_LIMIT;
    ensures owed: r->owed == ReclaimOwed(\old(r->owed), 0, dirty, ReclaimPeak(r), r->limit);
    ensures noted: ReclaimNoted(r, used, dirty);
*/
size_t reclaim_set_limit(struct reclaim *r, size_t bytes, uint64_t used, uint64_t dirty);

#endif
