/* SPDX-License-Identifier: Apache-2.0
 * The scavenger. See scavenge.h. */
#include "scavenge.h"

#include "os.h"

/* What scavenge_range says when there is nothing that is due, or that the system would take; more than any pages. */
#define NOTHING UINT64_MAX

/* Nanoseconds until somebody looks again after nothing was due; and that the background thread rests in any case. */
#define REST 250000000u
#define BREATH 10000000u

struct vs_lock vs_scavenge_lock = VS_LOCK_INIT;

/* When paced work may go on, and when there was some last, nanoseconds. Written under vs_scavenge_lock. */
static uint64_t next;
static uint64_t last VS_GUARDED_BY(vs_scavenge_lock);

/* Gives a range of pages back to the system, if some are due. How many went, or NOTHING. */
VS_REQUIRES(vs_scavenge_lock) static uint64_t scavenge_range(enum reclaim_reason why, uint64_t now) {
  bool done = false;
  lock_acquire(&vs_heap.lock);
  reclaim_turn(&vs_heap.reclaim, now, vs_heap.pages.used);
  struct page_run run = pageheap_take_idle(&vs_heap.pages, reclaim_due(&vs_heap.reclaim, why, vs_heap.pages.dirty));
  vs_heap.leaving_pages = run.npages;
  lock_release(&vs_heap.lock);
  if (run.npages != 0) done = os_release(page_address(run.first), (size_t)run.npages * VS_PAGE_SIZE) == 0;
  uint64_t gone = done ? run.npages : run.npages != 0 || run.first == VS_NO_PAGE ? NOTHING : 0;
  lock_acquire(&vs_heap.lock);
  if (run.npages != 0) pageheap_put_idle(&vs_heap.pages, run.first, run.npages, done);
  vs_heap.leaving_pages = 0;
  if (done) vs_heap.released_bytes += (uint64_t)run.npages * VS_PAGE_SIZE;
  reclaim_pay(&vs_heap.reclaim, gone, vs_heap.pages.used, vs_heap.pages.dirty);
  lock_release(&vs_heap.lock);
  return gone;
}

VS_REQUIRES(vs_scavenge_lock) static void scavenge_at_once(uint64_t now) {
  uint64_t left = reclaim_owed(&vs_heap.reclaim);
  while (left != 0) left = pacing_over(left, scavenge_range(RECLAIM_AT_ONCE, now));
}

/* A quantum of paced work, or less if no more is due. */
VS_REQUIRES(vs_scavenge_lock) static void scavenge_paced(uint64_t now) {
  uint64_t start = os_thread_nanoseconds(), quantum = pacing_quantum(pacing_over(now, last)), worked, gone;
  last = now;
  do {
    gone = scavenge_range(RECLAIM_PACED, now);
    worked = os_thread_nanoseconds() - start;
  } while (gone != NOTHING && worked < quantum);
  uint64_t after = pacing_next(vs_load_relaxed_u64(&next), now, worked, os_processors());
  vs_store_relaxed_u64(&next, gone == NOTHING && after < now + REST ? now + REST : after);
}

void scavenge_assist(void) {
  if (!reclaim_wanted(&vs_heap.reclaim)) return;
  uint64_t now = os_nanoseconds();
  bool at_once = reclaim_owed(&vs_heap.reclaim) != 0;
  if ((!at_once && now < vs_load_relaxed_u64(&next)) || !lock_try(&vs_scavenge_lock)) return;
  if (at_once)
    scavenge_at_once(now);
  else
    scavenge_paced(now);
  lock_release(&vs_scavenge_lock);
}

uint64_t scavenge_wait(void) {
  scavenge_assist();
  if (!reclaim_wanted(&vs_heap.reclaim)) return REST;
  uint64_t wait = pacing_over(vs_load_relaxed_u64(&next), os_nanoseconds());
  return wait < BREATH ? BREATH : wait;
}

uint64_t scavenge_trim(void) {
  uint64_t left, gone, total = 0;
  lock_acquire(&vs_heap.lock);
  left = vs_heap.pages.dirty;
  lock_release(&vs_heap.lock);
  do {
    lock_acquire(&vs_scavenge_lock);
    gone = scavenge_range(RECLAIM_ALL, os_nanoseconds());
    lock_release(&vs_scavenge_lock);
    if (gone != NOTHING) total += gone;
    left = pacing_over(left, gone);
  } while (left != 0);
  return total * VS_PAGE_SIZE;
}

size_t scavenge_set_limit(size_t bytes) {
  lock_acquire(&vs_heap.lock);
  size_t before = reclaim_set_limit(&vs_heap.reclaim, bytes, vs_heap.pages.used, vs_heap.pages.dirty);
  lock_release(&vs_heap.lock);
  scavenge_assist();
  return before;
}
