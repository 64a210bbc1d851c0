/* SPDX-License-Identifier: Apache-2.0
 *
 * How much memory the heap keeps beyond what is in use, and how much time giving back the rest may take: the
 * arithmetic of the scavenger's policy (after Go's runtime/mgcscavenge.go and mgcpacer.go), without its state (reclaim.h).
 *
 * Sizes are in pages of 8 KiB unless they say bytes, times in nanoseconds.
 *
 * Up: reclaim, scavenge. Down: nothing.
 * Invariant: none. Claims: C7 C11.
 */
#ifndef VERISPAN_PACING_H
#define VERISPAN_PACING_H

#include <stdint.h>

#include "../spec/pacing.acsl"

/* Kept beyond the recent peak of use: a twentieth of it, and half a MiB; while the heap grows a quarter, because pages
 * that are given back without pacing may be wanted soon. */
#define VS_KEEP_FRACTION 20u
#define VS_GROWTH_FRACTION 4u
#define VS_KEEP_PAGES 64u

/* Of the time of one processor, the part that goes into giving memory back: 1 in 100. */
#define VS_PACE 100u

/* What was not used of that time is saved up for at most ten seconds, so that after a quiet time much can go soon. */
#define VS_PACE_SAVED 10000000000u

/* A thread does paced work for at most so long in a row: a part of the time since there was some last, but no less than
 * half a millisecond and no more than eight. */
#define VS_QUANTUM_PART 16u
#define VS_QUANTUM_LEAST 500000u
#define VS_QUANTUM_MOST 8000000u

/* No limit: more pages than there are. */
#define VS_NO_LIMIT 0xffffffffffffffffu

/* a - b, or 0. */
/*@ terminates \true;
    assigns \nothing;
    ensures exact: \result == PacingOver(a, b);
*/
static inline uint64_t pacing_over(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

/* Pages that may hold memory when at most peak pages were in use lately. */
/*@ requires range: peak <= 34359738368;
    terminates \true;
    assigns \nothing;
    ensures exact: \result == PacingKeep(peak);
*/
static inline uint64_t pacing_keep(uint64_t peak) { return peak + peak / VS_KEEP_FRACTION + VS_KEEP_PAGES; }

/* The same while the heap grows. */
/*@ requires range: peak <= 34359738368;
    terminates \true;
    assigns \nothing;
    ensures exact: \result == PacingBound(peak);
*/
static inline uint64_t pacing_bound(uint64_t peak) { return peak + peak / VS_GROWTH_FRACTION + VS_KEEP_PAGES; }

/* Of a soft limit, the part that is aimed at without haste: 0.95 of it, rounded down. */
/*@ terminates \true;
    assigns \nothing;
    ensures exact: limit < VS_NO_LIMIT ==> \result == limit * 95 / 100;
    ensures none: limit == VS_NO_LIMIT ==> \result == VS_NO_LIMIT;
*/
static inline uint64_t pacing_limit_goal(uint64_t limit) {
  return limit == VS_NO_LIMIT ? limit : limit - limit / 20 - (limit % 20 != 0);
}

/* Pages to give back without haste when dirty pages hold memory. */
/*@ requires range: peak <= 34359738368;
    terminates \true;
    assigns \nothing;
    ensures bound: \result <= dirty;
    ensures keep: dirty - \result <= PacingKeep(peak);
    ensures limit: limit < VS_NO_LIMIT ==> dirty - \result <= limit * 95 / 100;
    ensures least: \result > 0 ==> dirty - \result == PacingKeep(peak) || dirty - \result == limit * 95 / 100;
*/
static inline uint64_t pacing_excess(uint64_t dirty, uint64_t peak, uint64_t limit) {
  uint64_t keep = pacing_keep(peak), goal = pacing_limit_goal(limit);
  return pacing_over(dirty, keep < goal ? keep : goal);
}

/* Pages to give back at once, of which owed were so before, after grown pages more have come to hold memory: what is
 * above the limit; and of what is above pacing_bound, as much as the heap has grown. */
/*@ requires range: peak <= 34359738368 && owed <= 34359738368 && grown <= 34359738368;
    terminates \true;
    assigns \nothing;
    ensures limit: dirty <= limit || dirty - \result <= limit;
    ensures bound: \result <= dirty;
    ensures growth: \result <= PacingOver(dirty, limit) || dirty - \result >= PacingBound(peak);
    ensures grown: \result <= PacingOver(dirty, limit) || \result <= owed + grown;
    ensures least: dirty > PacingBound(peak) ==> \result >= owed + grown || dirty - \result <= PacingBound(peak);
*/
static inline uint64_t pacing_owed(uint64_t owed, uint64_t grown, uint64_t dirty, uint64_t peak, uint64_t limit) {
  uint64_t above = pacing_over(dirty, pacing_bound(peak)), must = pacing_over(dirty, limit);
  uint64_t due = owed + grown < above ? owed + grown : above;
  return due > must ? due : must;
}

/* When paced work may go on, after some that took worked and ended at now; before it, it might from time next on. The
 * work done between any two times is at most cpus / VS_PACE of the time between them and VS_PACE_SAVED more, and one
 * piece of work, because each piece moves this time on by VS_PACE / cpus times itself and none starts before it. */
/*@ requires range: now <= 4611686018427387904 && next <= 4611686018427387904 &&
      worked <= 1000000000000 && 1 <= cpus <= 1000000;
    terminates \true;
    assigns \nothing;
    ensures paid: \result >= next + worked * VS_PACE / cpus;
    ensures saved: \result >= now - VS_PACE_SAVED + worked * VS_PACE / cpus;
    ensures least: \result == next + worked * VS_PACE / cpus ||
      \result == PacingOver(now, VS_PACE_SAVED) + worked * VS_PACE / cpus;
*/
static inline uint64_t pacing_next(uint64_t next, uint64_t now, uint64_t worked, uint64_t cpus) {
  uint64_t saved = pacing_over(now, VS_PACE_SAVED);
  return (next > saved ? next : saved) + worked * VS_PACE / cpus;
}

/* How long a thread may do paced work in a row when the last was so long ago. */
/*@ terminates \true;
    assigns \nothing;
    ensures bound: VS_QUANTUM_LEAST <= \result <= VS_QUANTUM_MOST;
    ensures part: \result == VS_QUANTUM_LEAST || \result <= since / VS_QUANTUM_PART;
    ensures most: \result == VS_QUANTUM_MOST || since / VS_QUANTUM_PART <= \result;
*/
static inline uint64_t pacing_quantum(uint64_t since) {
  uint64_t part = since / VS_QUANTUM_PART;
  if (part < VS_QUANTUM_LEAST) return VS_QUANTUM_LEAST;
  return part < VS_QUANTUM_MOST ? part : VS_QUANTUM_MOST;
}

#endif
