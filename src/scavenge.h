/* SPDX-License-Identifier: Apache-2.0
 *
 * The scavenger: gives the memory of free pages back to the system, highest addresses first (after Go's
 * runtime/mgcscavenge.go). It works in three ways:
 *
 *   at once      when the heap takes pages that hold no memory yet and more pages hold memory than pacing_bound of
 *                the recent peak of use, as many as were taken; and, for a soft limit, all that is above it
 *   paced        when more do so than pacing_keep of the recent peak, or than 0.95 of the soft limit, in pieces of
 *                pacing_quantum, 1% of the processors' time: in threads that allocate and free, or in the background
 *                thread (background.h)
 *   scavenge_trim   everything
 *
 * How many pages those are says reclaim.h, and which idle.h. A range that is given back is taken out of the free pages,
 * given to the system with the heap unlocked, and then returned to the free pages as not dirty. One range is under way at
 * a time, under vs_scavenge_lock; whoever holds that lock knows that none is.
 *
 * Sizes are in pages of 8 KiB unless they say bytes. Thread-safe.
 *
 * Up: alloc, cycle, mcache, background, audit, interpose. Down: pageheap, reclaim, pacing, mheap, os, lock.
 * Invariant: a page under way is in use, but of no span and in no cache. Claims: C3 C5 C10.
 */
#ifndef VERISPAN_SCAVENGE_H
#define VERISPAN_SCAVENGE_H

#include <stddef.h>

#include "lock.h"
#include "mheap.h"

/* Taken before the heap's lock. */
extern struct vs_lock vs_scavenge_lock;

/* Does some of the work that is due. For threads that allocate or free, where it holds up nobody else. */
void scavenge_assist(void) VS_EXCLUDES(vs_scavenge_lock, vs_heap.lock);

/* The same; when to look again, in nanoseconds from now. For the background thread. */
uint64_t scavenge_wait(void) VS_EXCLUDES(vs_scavenge_lock, vs_heap.lock);

/* Returns every free page to the system, however short it has been free. Bytes returned. */
uint64_t scavenge_trim(void) VS_EXCLUDES(vs_scavenge_lock, vs_heap.lock);

/* The soft limit for the bytes that may hold memory, SIZE_MAX for none. The one before. */
size_t scavenge_set_limit(size_t bytes) VS_EXCLUDES(vs_scavenge_lock, vs_heap.lock);

#endif
