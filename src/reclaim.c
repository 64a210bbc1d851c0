/* SPDX-License-Identifier: Apache-2.0
 * The state of the scavenger's policy. Contracts stand in reclaim.h. */
#include "reclaim.h"

#include "sizeclass.h"

/* The most pages in use lately. */
/*@ requires valid: \valid_read(r);
    assigns \nothing;
    ensures exact: \result == ReclaimPeak(r);
*/
static uint64_t reclaim_peak(const struct reclaim *r) { return r->peak > r->last_peak ? r->peak : r->last_peak; }

void reclaim_note(struct reclaim *r, uint64_t used, uint64_t dirty) {
  bool want = pacing_excess(dirty, used, r->limit) != 0;
  vs_store_relaxed_u64(&r->wanted, want);
}

void reclaim_note_taken(struct reclaim *r, uint64_t clean, uint64_t used, uint64_t dirty) {
  if (used > r->peak) r->peak = used;
  if (clean != 0) {
    uint64_t owed = pacing_owed(reclaim_owed(r), clean, dirty, reclaim_peak(r), r->limit);
    vs_store_relaxed_u64(&r->owed, owed);
  }
  reclaim_note(r, used, dirty);
}

void reclaim_turn(struct reclaim *r, uint64_t now, uint64_t used) {
  if (pacing_over(now, r->period) < VS_PERIOD) return;
  r->period = now;
  r->last_peak = r->peak;
  r->peak = used;
}

uint64_t reclaim_due(const struct reclaim *r, enum reclaim_reason why, uint64_t dirty) {
  if (why == RECLAIM_ALL) return dirty;
  if (why == RECLAIM_PACED) return pacing_excess(dirty, reclaim_peak(r), r->limit);
  return pacing_owed(reclaim_owed(r), 0, dirty, reclaim_peak(r), r->limit);
}

void reclaim_pay(struct reclaim *r, uint64_t npages, uint64_t used, uint64_t dirty) {
  vs_store_relaxed_u64(&r->owed, pacing_over(reclaim_owed(r), npages));
  reclaim_note(r, used, dirty);
}

size_t reclaim_set_limit(struct reclaim *r, size_t bytes, uint64_t used, uint64_t dirty) {
  size_t before = r->limit_bytes;
  r->limit_bytes = bytes;
  r->limit = bytes == SIZE_MAX ? VS_NO_LIMIT : bytes / VS_PAGE_SIZE;
  vs_store_relaxed_u64(&r->owed, reclaim_due(r, RECLAIM_AT_ONCE, dirty));
  reclaim_note(r, used, dirty);
  return before;
}
