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
 * Each function takes the lock of its span class. Thread-safe.
 *
 * Up: mcache, cycle. Down: mheap, mspan, lock.
 * Invariant: every span whose word names its heap, at d = 0 or d = -2, is in exactly one set, but for large spans
 * of manual heaps. Claims: C3 C8 C9.
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

struct vs_heap;

/* Takes a span of the class that has a slot to hand out, or failing that an empty new one, out of the owner's cache
 * of pages if it has them, and gives it to owner. NULL if the system refused memory. */
struct mspan *mcentral_cache_span(struct vs_heap *h, uint32_t spanclass, uint32_t owner, struct mheap_cache *pages)
    VS_EXCLUDES(vs_role_central);

/* The same, but never grows the heap. */
struct mspan *mcentral_cache_span_try(struct vs_heap *h, uint32_t spanclass, uint32_t owner)
    VS_EXCLUDES(vs_role_central);

/* Gives up a span that the caller owns and that is in no queue. */
void mcentral_uncache_span(struct vs_heap *h, struct mspan *s) VS_EXCLUDES(vs_role_central);

/* Files a full span that the caller has just moved to d = -2. */
void mcentral_push_unswept(struct vs_heap *h, struct mspan *s) VS_EXCLUDES(vs_role_central);

/* Whether a small span that the caller owns has no slot to hand out; if it has, its cached word is not empty then. */
static inline bool mcentral_is_full(struct mspan *s) { return s->alloc_cache == 0 && !mspan_refill(s); }

/* For collected heaps: a span that has slots, at d = 0, which the caller then owns; NULL if there is none. */
struct mspan *mcentral_pop_swept(struct vs_heap *h, uint32_t spanclass) VS_EXCLUDES(vs_role_central);

/* An unswept span, full or partial at the last sweep, taken at d = -1; NULL if there is none. The caller has a
 * ticket. */
struct mspan *mcentral_pop_unswept(struct vs_heap *h, uint32_t spanclass, bool full) VS_EXCLUDES(vs_role_central);

/* Files a span that the caller has just moved to d = 0. */
void mcentral_push_swept(struct vs_heap *h, struct mspan *s, bool full) VS_EXCLUDES(vs_role_central);

/* Locks and unlocks every central list of every heap, for fork. The list of heaps is locked. */
void mcentral_lock_all(void) VS_ACQUIRES(vs_role_central);
void mcentral_unlock_all(void) VS_RELEASES(vs_role_central);

#endif
