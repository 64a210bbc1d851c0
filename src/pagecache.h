/* SPDX-License-Identifier: Apache-2.0
 *
 * A page cache: the free pages of one group of 64, taken out of the page allocator, from which one thread makes spans
 * without the heap lock (Go's pageCache, runtime/mpagecache.go). Pages leave it only: they are freed to the page
 * allocator, and what is left over goes back there as a whole.
 *
 * Go's scav is clean here. The words are written by the holder alone, and read by any thread that counts pages.
 *
 * Up: mheap. Down: bits, atomic.
 * Invariant: CacheInv (spec/pagecache.acsl): clean pages are in the cache. Claims: C3 C5 C6 C7 C10.
 */
#ifndef VERISPAN_PAGECACHE_H
#define VERISPAN_PAGECACHE_H

#include <stdint.h>

#include "atomic.h"
#include "bits.h"

/* Pages of a group: a bit of a word for each. */
#define VS_GROUP_PAGES 64u

struct page_cache {
  uint64_t first; /* number of the group's first page, a multiple of 64; atomic */
  uint64_t free;  /* bit k: page first + k is in the cache; atomic */
  uint64_t clean; /* bit k: it reads as zeros; atomic */
};

#include "../spec/pagecache.acsl"

/* The first of npages bits in a row that are set in word, the lowest such, or 64. */
/*@ requires range: 1 <= npages <= 64;
    terminates \true;
    assigns \nothing;
    ensures bound: \result <= 64;
    ensures hit: \result < 64 ==> \result + npages <= 64 && WordRun(word, \result, npages);
    ensures first: \forall integer i; 0 <= i < \result ==> !WordRun(word, i, npages);
*/
uint32_t pagecache_find(uint64_t word, uint32_t npages);

/* Takes npages pages in a row out of the cache, the lowest such: the first of them, counted from the first of the group,
 * or 64 if there are none. *clean: which of them are clean. The holder. */
/*@ requires valid: \valid(c) && \valid(clean);
    requires sep: \separated(c, clean);
    requires range: 1 <= npages;
    requires inv: CacheInv(c);
    terminates \true;
    assigns c->free, c->clean, *clean;
    ensures inv: CacheInv(c);
    ensures bound: \result <= 64;
    ensures hit: \result < 64 ==> \result + npages <= 64 && WordRun(\old(c->free), \result, npages);
    ensures first: \forall integer i; 0 <= i < \result ==> !WordRun(\old(c->free), i, npages);
    ensures taken: \result < 64 ==> \forall integer j; 0 <= j < 64 ==>
      (Bit(c->free, j) <==> Bit(\old(c->free), j) && !(\result <= j < \result + npages));
    ensures kept: \result < 64 ==> \forall integer j; 0 <= j < 64 ==>
      (Bit(c->clean, j) <==> Bit(\old(c->clean), j) && !(\result <= j < \result + npages));
    ensures clean: \result < 64 ==> \forall integer j; 0 <= j < 64 ==>
      (Bit(*clean, j) <==> Bit(\old(c->clean), j) && \result <= j < \result + npages);
    ensures refused: \result == 64 ==> c->free == \old(c->free) && c->clean == \old(c->clean) && *clean == 0;
*/
uint32_t pagecache_alloc(struct page_cache *c, uint32_t npages, uint64_t *clean);

#endif
