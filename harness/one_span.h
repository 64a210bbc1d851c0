/* SPDX-License-Identifier: Apache-2.0
 *
 * One small span whose home is thread 0's mcache, for harness/sched/span_threads and harness/relacy/span_orders: every
 * start that the invariants allow, a page heap without spans, and what must hold of the span's place and word.
 *
 * Before it is included: SLOTS, and what small_spans.h needs but SPANS.
 */
#ifndef ONE_SPAN_H
#define ONE_SPAN_H

enum { SPANS = 1 };
#include "small_spans.h"

enum place { ACTIVE, QUEUED, FULL, INBOX, N_PLACES };
static const char *const place_names[] = {"active", "queued", "full", "inbox"};

static struct mspan *const span = spans;
static struct mcache *const home = &mcaches[0];

static struct { uint64_t full_given_up, woken, reclaimed, drained, allocated; } seen;

/* --- the layers below: the page heap has no other span to give ------------------------------------------------- */

struct mspan *mheap_alloc(uint32_t spanclass, uint64_t ctl, struct mheap_cache *cache) {
  (void)spanclass;
  (void)ctl;
  (void)cache;
  return NULL;
}
void mheap_free(struct mspan *s) {
  (void)s;
  unexpected("page-heap-called");
}
void mheap_flush(struct mheap_cache *cache) {
  (void)cache;
  unexpected("page-heap-called");
}

/* --- the start ------------------------------------------------------------------------------------------------- */

/* Whether the invariants allow a place with these slots. */
static bool start_possible(enum place place, const enum slot_state *slots) {
  int count[N_SLOT_STATES] = {0};
  for (int i = 0; i < SLOTS; i++) count[slots[i]]++;
  if (place == FULL) return count[LIVE] == SLOTS;
  if (place == INBOX) return count[CACHED] == 0 && count[FREED] == 0 && count[REMOTE] > 0;
  return true;
}

/* Puts the span with these slots in its place, and nothing else anywhere. */
static GHOST void put_span(enum place place, const enum slot_state *slots) {
  empty_mcaches();
  put_slots(span, SLOTS, slots);
  if (place == ACTIVE) {
    home->alloc[SPANCLASS] = span;
  } else if (place == QUEUED) {
    put_queued(home, span);
  } else if (place == INBOX) {
    home->inbox = span;
  }
  span->ctl = place == FULL    ? spanctl_resting_full(home->id)
              : place == INBOX ? spanctl_unswept(home->id)
                               : spanctl_owned(home->id);
}

/* --- checks ---------------------------------------------------------------------------------------------------- */

/* The table of spec/protocol.md for a span whose home is thread 0's mcache. */
static GHOST void check_step(bool holder, uint64_t old, uint64_t new_value) {
  uint64_t owned = spanctl_owned(home->id), full = spanctl_resting_full(home->id);
  uint64_t unswept = spanctl_unswept(home->id);
  bool gives_up = holder && old == owned && new_value == full;
  bool reclaims = holder && old == full && new_value == owned;
  bool wakes = !holder && old == full && new_value == unswept;
  bool accepts = holder && old == unswept && new_value == owned;
  CHECK(gives_up || reclaims || wakes || accepts, "legal-transition");
  seen.full_given_up += gives_up;
  seen.reclaimed += reclaims;
  seen.woken += wakes;
  seen.drained += accepts;
}

/* Its word at the end, and that it is in the place that the word names. */
static GHOST void check_end(void) {
  uint64_t ctl = span->ctl;
  bool full = ctl == spanctl_resting_full(home->id);
  int inboxes = 0, holders = 0;
  for (int i = 0; i < N_MCACHES; i++) {
    inboxes += times_in_inbox(&mcaches[i], span);
    holders += times_held(&mcaches[i], span);
  }
  CHECK(full || ctl == spanctl_unswept(home->id) || ctl == spanctl_owned(home->id), "legal-end");
  CHECK(inboxes == (ctl == spanctl_unswept(home->id)), "in-one-place");
  CHECK(holders == (ctl == spanctl_owned(home->id)), "in-one-place");
  CHECK(!full || span->remote_bits[0] == 0, "lost-wake-up");
}

static GHOST void print_seen(uint64_t executions) {
  printf("reached end %llu\n", (unsigned long long)executions);
  printf("reached gives-up %llu\n", (unsigned long long)seen.full_given_up);
  printf("reached reclaims %llu\n", (unsigned long long)seen.reclaimed);
  printf("reached wakes %llu\n", (unsigned long long)seen.woken);
  printf("reached drains %llu\n", (unsigned long long)seen.drained);
  printf("reached allocates %llu\n", (unsigned long long)seen.allocated);
}

#endif
