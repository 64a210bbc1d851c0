/* SPDX-License-Identifier: Apache-2.0
 *
 * The page allocator: which pages are free, and where the first run of them is that is long enough (Go's
 * runtime/mpagealloc.go). A search goes down one path of the tree of src/pagetree.h, over 8 entries a level; taking and
 * freeing pages write the path up. Everything here needs the heap lock.
 *
 * Up: growth, fit, idle, pageheap, mheap, audit. Down: pagetree, pagechunk, pagesum, os.
 * Invariant: PagesInv (spec/pagetree.acsl): each summary is that of its pages; no page below search is free. Claims: C3 C10.
 */
#ifndef VERISPAN_PAGEALLOC_H
#define VERISPAN_PAGEALLOC_H

#include <stdbool.h>
#include <stdint.h>

#include "os.h"
#include "pagetree.h"

/* Fresh memory for block n, all zeros, or NULL if the system refused: os_metadata for the type, because a cast from void
 * is beyond the proof (T-04). */
/*@ requires bound: n < 1048576;
    requires once: !HasBlock(n);
    terminates \true;
    assigns \result \from n;
    ensures place: \result == \null || \result == BlockPlace(n);
    ensures valid: \result != \null ==> \valid(\result);
    ensures fresh: \result != \null ==> \forall integer m; 0 <= m < 1048576 ==> HasBlock(m) ==>
      \base_addr(\result) != \base_addr(vs_pages.block[m]);
    ensures sums: \result != \null ==> (\forall integer i; 0 <= i < 64 ==> \result->level4[i] == 0) &&
      (\forall integer i; 0 <= i < 8 ==> \result->level3[i] == 0);
    ensures bits: \result != \null ==> \forall integer i, w; 0 <= i < 64 ==> 0 <= w < 8 ==>
      \result->chunk[i].free[w] == 0 && \result->chunk[i].dirty[w] == 0;
    ensures idle: \result != \null ==> \result->idle == 0;
*/
#ifdef __FRAMAC__
struct page_block *pagealloc_new_block(uint64_t n);
#else
static inline struct page_block *pagealloc_new_block(uint64_t n) {
  (void)n;
  return os_metadata(sizeof(struct page_block));
}
#endif

/* The chunk of a page, which has a block. */
/*@ requires bound: page < 34359738368;
    requires inv: BlocksInv;
    requires block: HasBlock(page / 32768);
    assigns \result \from vs_pages.block[page / 32768];
    ensures exact: \result == &vs_pages.block[page / 32768]->chunk[page / 512 % 64];
*/
static inline struct page_chunk *pagealloc_chunk(uint64_t page) {
  return &vs_pages.block[page / VS_LEVEL2_PAGES]->chunk[page / VS_CHUNK_PAGES % VS_BLOCK_CHUNKS];
}

/* Whether a page is free. */
/*@ requires bound: page < 34359738368;
    requires inv: BlocksInv;
    terminates \true;
    assigns \nothing;
    ensures exact: \result <==> PageFree(page);
*/
bool pagealloc_is_free(uint64_t page);

/* Provides for the metadata of pages [first, first + npages). False if the system refused; no harm is done. */
/*@ requires bound: first < 34359738368 && 1 <= npages <= 34359738368 - first;
    requires inv: PagesInv;
    terminates \true;
    assigns vs_pages.block[first / 32768 .. (first + npages - 1) / 32768]
      \from vs_pages.block[first / 32768 .. (first + npages - 1) / 32768];
    assigns vs_pages.number[0 .. 1048575], vs_pages.nblocks;
    ensures inv: PagesInv;
    ensures there: \result ==> HaveBlocks(first, first + npages - 1);
    ensures free: FreeSame{Pre,Here}(0, 34359738368);
    ensures dirty: DirtySame{Pre,Here}(0, 34359738368);
*/
bool pagealloc_provide(uint64_t first, uint64_t npages);

/* Makes pages [first, first + npages), whose metadata is provided for, part of the heap: free, and not dirty. */
/*@ requires bound: first < 34359738368 && 1 <= npages <= 34359738368 - first;
    requires inv: PagesInv;
    requires there: HaveBlocks(first, first + npages - 1);
    terminates \true;
    assigns *vs_pages.block[first / 32768 .. (first + npages - 1) / 32768],
      vs_pages.level2[first / 32768 .. (first + npages - 1) / 32768],
      vs_pages.level1[first / 262144 .. (first + npages - 1) / 262144],
      vs_pages.level0[first / 2097152 .. (first + npages - 1) / 2097152], vs_pages.search, vs_pages.end0;
    ensures inv: PagesInv;
    ensures end: \old(vs_pages.end0) <= vs_pages.end0;
    ensures set: RunFree(first, first + npages);
    ensures below: FreeSame{Pre,Here}(0, first);
    ensures above: FreeSame{Pre,Here}(first + npages, 34359738368);
    ensures dirty: DirtySame{Pre,Here}(0, 34359738368);
*/
void pagealloc_grow(uint64_t first, uint64_t npages);

/* The first page of the lowest run of npages free pages, or VS_NO_PAGE. */
/*@ requires inv: PagesInv;
    requires range: 1 <= npages;
    terminates \true;
    assigns \nothing;
    ensures bound: \result <= 34359738368;
    ensures hit: \result < 34359738368 ==> \result + npages <= 34359738368 && RunFree(\result, \result + npages);
    ensures lowest: NoRun(npages, \result);
*/
uint64_t pagealloc_find(uint64_t npages);

/* Length of the run of free pages that starts at first, at most limit. */
/*@ requires bound: first <= 34359738368 && limit <= 34359738368;
    requires inv: BlocksInv;
    terminates \true;
    assigns \nothing;
    ensures bound: \result <= limit && first + \result <= 34359738368;
    ensures free: RunFree(first, first + \result);
    ensures all: \result < limit ==> first + \result < 34359738368 ==> !PageFree(first + \result);
*/
uint64_t pagealloc_run(uint64_t first, uint64_t limit);

/* Takes the free pages [first, first + npages). How many of them were dirty. */
/*@ requires bound: first < 34359738368 && 1 <= npages <= 34359738368 - first;
    requires inv: PagesInv;
    requires free: RunFree(first, first + npages);
    terminates \true;
    assigns *vs_pages.block[first / 32768 .. (first + npages - 1) / 32768],
      vs_pages.level2[first / 32768 .. (first + npages - 1) / 32768],
      vs_pages.level1[first / 262144 .. (first + npages - 1) / 262144],
      vs_pages.level0[first / 2097152 .. (first + npages - 1) / 2097152], vs_pages.search;
    ensures inv: PagesInv;
    ensures count: \result == DirtyCount{Pre}(first, npages);
    ensures taken: PagesTaken(first, first + npages);
    ensures below: FreeSame{Pre,Here}(0, first) && DirtySame{Pre,Here}(0, first);
    ensures above: FreeSame{Pre,Here}(first + npages, 34359738368) &&
      DirtySame{Pre,Here}(first + npages, 34359738368);
*/
uint64_t pagealloc_take(uint64_t first, uint64_t npages);

/* Returns the pages [first, first + npages), which are in use. */
/*@ requires bound: first < 34359738368 && 1 <= npages <= 34359738368 - first;
    requires inv: PagesInv;
    requires there: HaveBlocks(first, first + npages - 1);
    requires end: first + npages <= vs_pages.end0 * 2097152;
    terminates \true;
    assigns *vs_pages.block[first / 32768 .. (first + npages - 1) / 32768],
      vs_pages.level2[first / 32768 .. (first + npages - 1) / 32768],
      vs_pages.level1[first / 262144 .. (first + npages - 1) / 262144],
      vs_pages.level0[first / 2097152 .. (first + npages - 1) / 2097152], vs_pages.search;
    ensures inv: PagesInv;
    ensures set: RunFree(first, first + npages);
    ensures below: FreeSame{Pre,Here}(0, first);
    ensures above: FreeSame{Pre,Here}(first + npages, 34359738368);
    ensures dirty: DirtySame{Pre,Here}(0, 34359738368);
    ensures idle: \forall integer n, c; 0 <= n < 1048576 ==> 0 <= c < 64 ==>
      first / 512 <= 64 * n + c <= (first + npages - 1) / 512 ==> BlockIdle(n, c);
*/
void pagealloc_put(uint64_t first, uint64_t npages);

/* Notes that the pages [first, first + npages) hold no memory any more. How many of them may have held some. */
/*@ requires bound: first < 34359738368 && 1 <= npages <= 34359738368 - first;
    requires inv: PagesInv;
    requires there: HaveBlocks(first, first + npages - 1);
    terminates \true;
    assigns vs_pages.block[first / 32768 .. (first + npages - 1) / 32768]->chunk[0 .. 63].dirty[0 .. 7];
    ensures inv: PagesInv;
    ensures count: \result == DirtyCount{Pre}(first, npages);
    ensures clean: PagesClean(first, first + npages);
    ensures below: DirtySame{Pre,Here}(0, first);
    ensures above: DirtySame{Pre,Here}(first + npages, 34359738368);
    ensures free: FreeSame{Pre,Here}(0, 34359738368);
*/
uint64_t pagealloc_clean(uint64_t first, uint64_t npages);

/* Returns the pages [first, first + npages), which are in use and whose memory was given back to the system. */
/*@ requires bound: first < 34359738368 && 1 <= npages <= 34359738368 - first;
    requires inv: PagesInv;
    requires there: HaveBlocks(first, first + npages - 1);
    requires end: first + npages <= vs_pages.end0 * 2097152;
    terminates \true;
    assigns *vs_pages.block[first / 32768 .. (first + npages - 1) / 32768],
      vs_pages.level2[first / 32768 .. (first + npages - 1) / 32768],
      vs_pages.level1[first / 262144 .. (first + npages - 1) / 262144],
      vs_pages.level0[first / 2097152 .. (first + npages - 1) / 2097152], vs_pages.search;
    ensures inv: PagesInv;
    ensures set: RunFree(first, first + npages);
    ensures clean: PagesClean(first, first + npages);
    ensures below: FreeSame{Pre,Here}(0, first) && DirtySame{Pre,Here}(0, first);
    ensures above: FreeSame{Pre,Here}(first + npages, 34359738368) &&
      DirtySame{Pre,Here}(first + npages, 34359738368);
*/
void pagealloc_put_clean(uint64_t first, uint64_t npages);

/* Takes the free pages among the given ones of the group of 64 that starts at page first: which they are, and in *clean
 * which of them are not dirty. Bit k is page first + k. */
/*@ requires bound: first < 34359738368 && first % 64 == 0;
    requires valid: \valid(clean);
    requires sep: \forall integer n; 0 <= n < 1048576 ==> HasBlock(n) ==> \separated(clean, vs_pages.block[n]);
    requires inv: PagesInv;
    requires block: HasBlock(first / 32768);
    terminates \true;
    assigns *vs_pages.block[first / 32768], vs_pages.level2[first / 32768], vs_pages.level1[first / 262144],
      vs_pages.level0[first / 2097152], *clean;
    ensures inv: PagesInv;
    ensures taken: \forall integer k; 0 <= k < 64 ==> (Bit(\result, k) <==> Bit(pages, k) && PageFree{Pre}(first + k));
    ensures clean: \forall integer k; 0 <= k < 64 ==>
      (Bit(*clean, k) <==> Bit(\result, k) && !PageDirty{Pre}(first + k));
    ensures free: \forall integer k; 0 <= k < 64 ==> (PageFree(first + k) <==> PageFree{Pre}(first + k) && !Bit(pages, k));
    ensures dirty: \forall integer k; 0 <= k < 64 ==>
      (PageDirty(first + k) <==> PageDirty{Pre}(first + k) || Bit(\result, k));
    ensures below: FreeSame{Pre,Here}(0, first) && DirtySame{Pre,Here}(0, first);
    ensures above: FreeSame{Pre,Here}(first + 64, 34359738368) && DirtySame{Pre,Here}(first + 64, 34359738368);
*/
uint64_t pagealloc_take_group(uint64_t first, uint64_t pages, uint64_t *clean);

/* Returns the given pages of the group of 64 that starts at page first, which are in use. Those in clean were not touched
 * since pagealloc_take_group called them clean. */
/*@ requires bound: first < 34359738368 && first % 64 == 0;
    requires inv: PagesInv;
    requires block: HasBlock(first / 32768);
    requires end: first < vs_pages.end0 * 2097152;
    requires used: \forall integer k; 0 <= k < 64 ==> Bit(pages, k) ==> !PageFree(first + k);
    requires clean: \forall integer k; 0 <= k < 64 ==> Bit(clean, k) ==> Bit(pages, k);
    terminates \true;
    assigns *vs_pages.block[first / 32768], vs_pages.level2[first / 32768], vs_pages.level1[first / 262144],
      vs_pages.level0[first / 2097152], vs_pages.search;
    ensures inv: PagesInv;
    ensures free: \forall integer k; 0 <= k < 64 ==> (PageFree(first + k) <==> PageFree{Pre}(first + k) || Bit(pages, k));
    ensures dirty: \forall integer k; 0 <= k < 64 ==>
      (PageDirty(first + k) <==> PageDirty{Pre}(first + k) && !Bit(clean, k));
    ensures idle: pages != clean ==> BlockIdle(first / 32768, first / 512 % 64);
    ensures below: FreeSame{Pre,Here}(0, first) && DirtySame{Pre,Here}(0, first);
    ensures above: FreeSame{Pre,Here}(first + 64, 34359738368) && DirtySame{Pre,Here}(first + 64, 34359738368);
*/
void pagealloc_put_group(uint64_t first, uint64_t pages, uint64_t clean);

/* The first page of the highest chunk below page end that may have free and dirty pages, or VS_NO_PAGE. */
/*@ requires bound: end <= 34359738368;
    requires inv: BlocksInv && ListInv;
    terminates \true;
    assigns \nothing;
    ensures bound: \result == 34359738368 || (\result % 512 == 0 && \result + 512 <= end);
    ensures idle: \result < 34359738368 ==> BlockIdle(\result / 32768, \result / 512 % 64);
    ensures highest: \forall integer n, c; 0 <= n < 1048576 ==> 0 <= c < 64 ==> 64 * n + c < end / 512 ==>
      \result == 34359738368 || \result / 512 < 64 * n + c ==> !BlockIdle(n, c);
*/
uint64_t pagealloc_idle_chunk(uint64_t end);

/* Notes that the chunk that starts at page has no free and dirty pages. */
/*@ requires bound: page < 34359738368;
    requires inv: PagesInv;
    requires block: HasBlock(page / 32768);
    terminates \true;
    assigns vs_pages.block[page / 32768]->idle;
    ensures inv: PagesInv;
    ensures idle: !BlockIdle(page / 32768, page / 512 % 64);
    ensures others: \forall integer n, c; 0 <= n < 1048576 ==> 0 <= c < 64 ==>
      n != page / 32768 || c != page / 512 % 64 ==> (BlockIdle(n, c) <==> BlockIdle{Pre}(n, c));
    ensures same: ChunksSame{Pre,Here};
*/
void pagealloc_not_idle(uint64_t page);

#endif
