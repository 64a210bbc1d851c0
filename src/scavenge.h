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
 * Up: alloc, cycle, mcache, background, audit, interpose. Down: heaplock, pageheap, reclaim, pacing, pace, os, lock.
 * Invariant: a page under way is in use, but of no span and in no cache. Claims: C3 C5 C10.
 */
#ifndef VERISPAN_SCAVENGE_H
#define VERISPAN_SCAVENGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heaplock.h"
#include "lock.h"

/* Taken before the heap's lock. */
extern struct vs_lock vs_scavenge_lock;

/* When paced work may go on, and when there was some last, nanoseconds. Written with the lock held; the first is read without
 * it, atomically. */
extern uint64_t vs_scavenge_next __attribute__((visibility("hidden")));
extern uint64_t vs_scavenge_last VS_GUARDED_BY(vs_scavenge_lock) __attribute__((visibility("hidden")));

/* Takes the scavenger's lock, if nobody has it; gives it back. T-03. */
/*@ terminates \true;
    assigns vs_scavenge_next, vs_scavenge_last;
*/
#ifdef __FRAMAC__
void scavenge_lock(void);
#else
static inline void scavenge_lock(void) VS_ACQUIRES(vs_scavenge_lock) { lock_acquire(&vs_scavenge_lock); }
#endif

/*@ terminates \true;
    assigns vs_scavenge_next, vs_scavenge_last;
    assigns \result \from \nothing;
*/
#ifdef __FRAMAC__
bool scavenge_try(void);
#else
static inline bool scavenge_try(void) VS_TRIES(vs_scavenge_lock) { return lock_try(&vs_scavenge_lock); }
#endif

/*@ terminates \true;
    assigns \nothing;
*/
#ifdef __FRAMAC__
void scavenge_unlock(void);
#else
static inline void scavenge_unlock(void) VS_RELEASES(vs_scavenge_lock) { lock_release(&vs_scavenge_lock); }
#endif

/* Bytes, or as many as can be said. */
/*@ terminates \true;
    assigns \nothing;
    ensures exact: a + b <= 18446744073709551615 ==> \result == a + b;
    ensures most: a + b > 18446744073709551615 ==> \result == 18446744073709551615;
*/
static inline uint64_t scavenge_sum(uint64_t a, uint64_t b) { return b < UINT64_MAX - a ? a + b : UINT64_MAX; }

/* Does some of the work that is due. For threads that allocate or free, where it holds up nobody else. */
/*@ requires inv: HeapInv;
    terminates \true;
    assigns HEAP_STATE \from HEAP_STATE;
    assigns vs_scavenge_next, vs_scavenge_last, g_mine[0 .. 34359738367];
    ensures inv: HeapInv;
    ensures rely: OwnKept{Pre,Here};
    ensures mine: MineSame{Pre,Here}(0, 34359738368);
*/
void scavenge_assist(void) VS_EXCLUDES(vs_scavenge_lock, vs_heap.lock);

/* The same; when to look again, in nanoseconds from now. For the background thread. */
/*@ requires inv: HeapInv;
    terminates \true;
    assigns HEAP_STATE \from HEAP_STATE;
    assigns vs_scavenge_next, vs_scavenge_last, g_mine[0 .. 34359738367];
    ensures inv: HeapInv;
    ensures rely: OwnKept{Pre,Here};
    ensures mine: MineSame{Pre,Here}(0, 34359738368);
*/
uint64_t scavenge_wait(void) VS_EXCLUDES(vs_scavenge_lock, vs_heap.lock);

/* Returns every free page to the system, however short it has been free. Bytes returned. */
/*@ requires inv: HeapInv;
    terminates \true;
    assigns HEAP_STATE \from HEAP_STATE;
    assigns vs_scavenge_next, vs_scavenge_last, g_mine[0 .. 34359738367];
    ensures inv: HeapInv;
    ensures rely: OwnKept{Pre,Here};
    ensures mine: MineSame{Pre,Here}(0, 34359738368);
*/
uint64_t scavenge_trim(void) VS_EXCLUDES(vs_scavenge_lock, vs_heap.lock);

/* The soft limit for the bytes that may hold memory, SIZE_MAX for none. The one before. */
/*@ requires inv: HeapInv;
    terminates \true;
    assigns HEAP_STATE \from HEAP_STATE;
    assigns vs_scavenge_next, vs_scavenge_last, g_mine[0 .. 34359738367];
    ensures inv: HeapInv;
    ensures rely: OwnKept{Pre,Here};
    ensures mine: MineSame{Pre,Here}(0, 34359738368);
*/
size_t scavenge_set_limit(size_t bytes) VS_EXCLUDES(vs_scavenge_lock, vs_heap.lock);

#endif
