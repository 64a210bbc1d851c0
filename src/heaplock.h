/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of the page heap and the lock that guards it.
 *
 * The proof takes other threads into account where the lock is taken: what it guards is then anything that keeps HeapInv, but
 * of the pages that this thread has, and of their spans, nothing is different (OwnKept). That may be believed (T-03) because
 * every thread proves the other side: HeapInv where it gives the lock back and between its critical sections, and of each call
 * that takes, returns or cleans pages, that it does so to none that are another thread's (Guarantee, in spec/pageheap.acsl),
 * and of each that makes or ends a span or deals with descriptors, that it leaves the spans of others' pages as they are
 * (SpansGuarantee, in spec/spans.acsl).
 *
 * Up: mheap, scavenge, audit, heap, mcache. Down: pageheap, reclaim, lock.
 * Invariant: HeapInv (spec/heaplock.acsl). Claims: C3 C6 C9 C10.
 */
#ifndef VERISPAN_HEAPLOCK_H
#define VERISPAN_HEAPLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "lock.h"
#include "pageheap.h"
#include "reclaim.h"

/* The largest block: one page less than 2^45 bytes. */
#define VS_MAX_SIZE ((1ull << 45) - VS_PAGE_SIZE)

struct mheap_cache;

struct mheap {
  struct vs_lock lock;
  struct pageheap pages;    /* used: of spans, in caches, and on their way to the system */
  uint64_t leaving_pages;   /* pages on their way to the system (scavenge.h) */
  uint64_t released_bytes;  /* bytes ever returned to the system; at most UINT64_MAX is shown */
  uint64_t filled_pages;    /* pages that caches got when they were last filled */
  struct reclaim reclaim;   /* how many pages should go back to the system */
  struct mheap_cache *caches; /* that have ever been filled; atomic: read without the lock */
};

extern struct mheap vs_heap;
extern struct mheap vs_heap VS_GUARDED_BY(vs_heap.lock);

/* The functions so marked are called with the heap locked. Chunks and free descriptors are reached through
 * pagealloc and the arenas, and so with the lock. */
#define HEAP_LOCKED VS_REQUIRES(vs_heap.lock)

#include "../spec/spans.acsl"
#include "../spec/heaplock.acsl"

/* For contracts: what the heap's lock guards, and the lock. */
#define HEAP_STATE                                                                                 \
  vs_heap, vs_pages, g_os[0 .. 34359738367], { *BlockPlace(n) | integer n; 0 <= n < 1048576 }, \
      vs_arena_map[0 .. 4194303], g_arenas[0 .. 4194303], g_pays[0 .. 34359738367]

/* Locks the page heap: T-03. */
/*@ requires inv: HeapInv;
    terminates \true;
    assigns HEAP_STATE \from HEAP_STATE;
    ensures inv: HeapInv;
    ensures rely: OwnKept{Pre,Here};
*/
#ifdef __FRAMAC__
void mheap_lock(void);
#else
static inline void mheap_lock(void) VS_ACQUIRES(vs_heap.lock) { lock_acquire(&vs_heap.lock); }
#endif

/* Gives the lock back: T-03. */
/*@ requires inv: HeapInv;
    terminates \true;
    assigns \nothing;
    ensures inv: HeapInv;
*/
#ifdef __FRAMAC__
void mheap_unlock(void);
#else
static inline void mheap_unlock(void) VS_RELEASES(vs_heap.lock) { lock_release(&vs_heap.lock); }
#endif

/* The address of a page. */
/*@ requires bound: page <= 34359738368;
    terminates \true;
    assigns \nothing;
    ensures exact: \result == page * 8192;
*/
static inline uintptr_t page_address(uint64_t page) { return (uintptr_t)page * VS_PAGE_SIZE; }

/* Pages that size bytes need. */
/*@ requires bound: size <= VS_MAX_SIZE;
    terminates \true;
    assigns \nothing;
    ensures enough: size <= \result * 8192 < size + 8192;
*/
static inline uint64_t page_count(size_t size) { return (size + (VS_PAGE_SIZE - 1)) / VS_PAGE_SIZE; }

#endif
