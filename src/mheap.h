/* SPDX-License-Identifier: Apache-2.0
 *
 * The page heap: spans of pages over the arenas, growth from the OS, and large blocks (after Go's runtime/mheap.go).
 * One lock guards arenas and page allocator; the entries of the span map belong to who owns their pages. Pages of a freed
 * span go back to the page allocator; when they go back to the system, scavenge.h says.
 *
 * Sizes are in pages of 8 KiB unless they say bytes. Thread-safe.
 *
 * A span starts at the lowest place where it fits. One with slots lies in one arena, because an address is looked up in
 * the arena that it lies in; a large one may run on into the next arenas, as only its first address is ever looked up.
 *
 * Address space is reserved by arenas and becomes the heap's step by step, up from its highest address where that can be
 * (spec/decisions/0009-address-space.md).
 *
 * Up: mcentral, mcache, alloc. Down: heaplock, pageheap, arena, fit, pagealloc, pagecache, reclaim, mspan,
 * os.
 * Invariant: a page of the heap is free in its chunk if and only if it belongs to no span and no cache and is not on its way
 * to the system; a page that is not dirty reads as zeros (spec/decisions/0010-zero-pages.md).
 * Claims: C1 C3 C5 C6 C10.
 */
#ifndef VERISPAN_MHEAP_H
#define VERISPAN_MHEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "heaplock.h"
#include "pagealloc.h"
#include "pagecache.h"

#include "../spec/heaplock_spans.acsl"
#include "../spec/mheap.acsl"

/* Most descriptors that a cache holds. */
#define VS_CACHE_DESCRIPTORS 16u

/* What an mcache holds of the page heap, to make spans with slots of it without the lock: free pages of a group of 64,
 * and descriptors of the arena that the group lies in. They are the holder's alone: no search finds the pages, and no
 * block lies in them, so that nobody but a marker's lookup reads the heads of pages that become a span (T-08).
 *
 * There are no more descriptors than pages, so that those of an arena suffice: one for each page. A cache of zeros is
 * empty. It is filled and flushed by its holder with the heap locked. */
struct mheap_cache {
  struct page_cache pages;
  struct heap_arena *arena; /* of the pages */
  struct mspan *spare[VS_CACHE_DESCRIPTORS]; /* descriptors */
  uint64_t nspare;          /* how many; atomic: written by the holder, read by all */
  uint64_t filled;          /* pages that it got when it was last filled, 0 since it was flushed */
  struct mheap_cache *next; /* in the list of caches */
  bool listed;              /* it is in that list */
};

/* A span of class spanclass with no slot handed out, its control word set to ctl; NULL if the system refused. It is
 * made of the caller's cache if that has the pages; else the cache is flushed, and filled again from where the span
 * was found. */
struct mspan *mheap_alloc(uint32_t spanclass, uint64_t ctl, struct mheap_cache *cache) VS_EXCLUDES(vs_heap.lock);

/* Returns what the caller's cache holds. */
void mheap_flush(struct mheap_cache *cache) VS_EXCLUDES(vs_heap.lock);

/* The list of caches that have ever been filled: none leaves it. Takes no lock (T-01). */
/*@ terminates \true;
    assigns \result \from vs_heap.caches;
    ensures exact: \result == vs_heap.caches;
*/
struct mheap_cache *mheap_caches(void);

/* Returns an empty span that no thread and no list knows. */
void mheap_free(struct mspan *s) VS_EXCLUDES(vs_heap.lock);

/* The block of a large span of at least size bytes, aligned to align bytes (a power of two); 0 if the system
 * refused. size <= VS_MAX_SIZE. *zeroed says whether the caller needs zeros, and then whether it reads as zeros. */
uintptr_t mheap_alloc_large(size_t size, size_t align, bool *zeroed) VS_EXCLUDES(vs_heap.lock);

/* Frees the block of a large span. False if another free of it came first. */
bool mheap_free_large(struct mspan *s) VS_EXCLUDES(vs_heap.lock);

/* Makes a large span npages long in place, if it can: with free pages behind it, or by growing the heap there. */
/*@ requires inv: HeapInv;
    requires valid: \valid_read(s);
    requires own: SpanOwn(s, s->base / 8192, s->npages);
    requires bound: 1 <= npages <= 4294967295;
    terminates \true;
    assigns HEAP_STATE \from HEAP_STATE;
    assigns g_mine[0 .. 34359738367];
    ensures inv: HeapInv;
    ensures own: \result ==> SpanOwn(s, \old(s->base) / 8192, npages);
    ensures same: !\result ==> SpanOwn(s, \old(s->base) / 8192, \old(s->npages));
    ensures gone: npages < \old(s->npages) ==>
      NoneMine(\old(s->base) / 8192 + npages, \old(s->base) / 8192 + \old(s->npages));
*/
bool mheap_resize_large(struct mspan *s, uint64_t npages) VS_EXCLUDES(vs_heap.lock);

/* Moves the memory of the first npages pages of a large span to those of another, without copying; those of from read as
 * zeros then. False, and nothing has changed, if the system refused. Both spans are the caller's. */
/*@ requires valid: \valid_read(from) && \valid_read(to);
    requires base: from->base % 8192 == 0 && to->base % 8192 == 0;
    requires bound: 1 <= npages && from->base / 8192 + npages <= 34359738368 && to->base / 8192 + npages <= 34359738368;
    requires apart: from->base + 8192 * npages <= to->base || to->base + 8192 * npages <= from->base;
    requires inv: HeapInv;
    requires mine: RunMine(from->base / 8192, from->base / 8192 + npages) && RunMine(to->base / 8192, to->base / 8192 + npages);
    terminates \true;
    assigns HEAP_STATE \from HEAP_STATE;
    ensures inv: HeapInv;
    ensures mine: MineSame{Pre,Here}(0, 34359738368);
    ensures clean: \result ==> PagesClean(\old(from->base) / 8192, \old(from->base) / 8192 + npages);
    ensures rest: \forall integer p; 0 <= p < 34359738368 ==> Mine(p) ==>
      !(\result && \old(from->base) / 8192 <= p < \old(from->base) / 8192 + npages) ==> (PageDirty(p) <==> PageDirty{Pre}(p));
*/
bool mheap_move_large(struct mspan *from, struct mspan *to, uint64_t npages) VS_EXCLUDES(vs_heap.lock);

/* Whether the page of any address has been part of the heap's spans and may hold their data. Takes no lock. */
bool mheap_is_dirty(uintptr_t addr);

#endif
