/* SPDX-License-Identifier: Apache-2.0
 *
 * The central lists: per span class, the spans that no mcache owns, in four sets: partial or full, swept or
 * unswept (Go's runtime/mcentral.go). With g the heap's sweepgen, set number (g / 2) mod 2 is the swept one, so
 * that a turn of the cycle swaps the sets without moving a span.
 *
 * A span in a swept set is at rest (d = 0, owner VS_OWNER_NONE); a full one moves to the unswept set by the first
 * free of one of its blocks (d = -2).
 *
 * Each function takes the lock of its span class. Thread-safe.
 *
 * Up: mcache. Down: mheap, mspan, lock.
 * Invariant: every span owned by VS_OWNER_NONE is in exactly one set. Claims: C3 C8 C9.
 */
#ifndef VERISPAN_MCENTRAL_H
#define VERISPAN_MCENTRAL_H

#include "lock.h"
#include "mspan.h"

#define VS_NUM_SPAN_CLASSES (2u * VS_NUM_SIZE_CLASSES)

struct mheap_cache;

struct mcentral {
  struct vs_lock lock;
  struct mspan *partial[2] VS_GUARDED_BY(vs_role_central);
  struct mspan *full[2] VS_GUARDED_BY(vs_role_central);
  /* Spans in the partial swept and full unswept sets; read atomically without the lock. */
  uint64_t usable VS_GUARDED_BY(vs_role_central);
};

/* One per span class. */
extern struct mcentral vs_central[VS_NUM_SPAN_CLASSES];

/* Takes a span of the class that has a slot to hand out, or failing that an empty new one, out of the owner's cache
 * of pages if it has them, and gives it to owner. NULL if the system refused memory. */
struct mspan *mcentral_cache_span(uint32_t spanclass, uint32_t owner, struct mheap_cache *pages)
    VS_EXCLUDES(vs_role_central);

/* The same, but never grows the heap. */
struct mspan *mcentral_cache_span_try(uint32_t spanclass, uint32_t owner) VS_EXCLUDES(vs_role_central);

/* Gives up a span that the caller owns and that is in no queue. */
void mcentral_uncache_span(struct mspan *s) VS_EXCLUDES(vs_role_central);

/* Files a full span that the caller has just moved to d = -2. */
void mcentral_push_unswept(struct mspan *s) VS_EXCLUDES(vs_role_central);

/* Locks and unlocks every central list, for fork. */
void mcentral_lock_all(void) VS_ACQUIRES(vs_role_central);
void mcentral_unlock_all(void) VS_RELEASES(vs_role_central);

#endif
