/* SPDX-License-Identifier: Apache-2.0
 *
 * The pages of the heap, and how many there are of each kind: every page that is taken or returned is counted here.
 * In use + free = all that the heap has, at any moment; in use are the pages of spans, those in caches, and those whose
 * memory is on its way to the system (idle.h).
 *
 * Sizes are in pages of 8 KiB. Needs the heap lock.
 *
 * Up: mheap, scavenge, audit. Down: growth, idle, pagealloc.
 * Invariant: PageheapInv (spec/pageheap.acsl): GrowthInv, and the counts are those of the pages; MineInv: the
 * pages that a thread has are in use. Guarantee: what a call does to pages in use, it does to the caller's. Claims: C3 C5 C6 C10.
 */
#ifndef VERISPAN_PAGEHEAP_H
#define VERISPAN_PAGEHEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "growth.h"
#include "idle.h"

struct pageheap {
  struct space space;
  uint64_t used;  /* pages in use */
  uint64_t dirty; /* pages that may hold memory, in use or not */
};

/* Pages of a group of 64, and which of them read as zeros; bit k is the group's first page + k. */
struct page_group {
  uint64_t pages;
  uint64_t clean;
};

/* npages pages from page first on; VS_NO_PAGE and 0: none, and none to look for. */
struct page_run {
  uint64_t first;
  uint32_t npages;
};

#include "../spec/pageheap.acsl"

/* Takes the free pages [first, first + npages). How many of them may hold old data. */
/*@ requires valid: \valid(h) && \base_addr(h) != \base_addr(&g_arenas[0]);
    requires bound: first < 34359738368 && 1 <= npages <= 34359738368 - first;
    requires inv: PageheapInv(h) && MineInv(&h->space);
    requires free: RunFree(first, first + npages);
    terminates \true;
    assigns h->used, h->dirty, vs_pages.level2[0 .. 1048575], vs_pages.level1[0 .. 131071], vs_pages.level0[0 .. 16383],
      vs_pages.search, { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    assigns g_mine[first .. first + npages - 1];
    ensures inv: PageheapInv(h) && MineInv(&h->space);
    ensures guarantee: Guarantee{Pre,Here}(&h->space);
    ensures around: AroundSame{Pre,Here}(&h->space);
    ensures count: \result == DirtyCount{Pre}(first, npages) <= npages;
    ensures used: h->used == \old(h->used) + npages;
    ensures dirty: h->dirty == \old(h->dirty) + npages - \result;
    ensures mine: RunMine(first, first + npages);
    ensures taken: PagesTaken(first, first + npages) && RunUsed(&h->space, first, first + npages);
    ensures others: OthersSame{Pre,Here}(first, first + npages);
*/
uint64_t pageheap_take(struct pageheap *h, uint64_t first, uint64_t npages);

/* Returns the pages [first, first + npages), which are the caller's. */
/*@ requires valid: \valid(h) && \base_addr(h) != \base_addr(&g_arenas[0]);
    requires bound: first < 34359738368 && 1 <= npages <= 34359738368 - first;
    requires inv: PageheapInv(h) && MineInv(&h->space);
    requires mine: RunMine(first, first + npages);
    terminates \true;
    assigns h->used, h->dirty, vs_pages.level2[0 .. 1048575], vs_pages.level1[0 .. 131071], vs_pages.level0[0 .. 16383],
      vs_pages.search, { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    assigns g_mine[first .. first + npages - 1];
    ensures inv: PageheapInv(h) && MineInv(&h->space);
    ensures guarantee: Guarantee{Pre,Here}(&h->space);
    ensures around: AroundSame{Pre,Here}(&h->space);
    ensures used: h->used == \old(h->used) - npages && h->dirty == \old(h->dirty);
    ensures gone: NoneMine(first, first + npages);
    ensures free: RunFree(first, first + npages);
    ensures others: OthersSame{Pre,Here}(first, first + npages);
    ensures dirty: DirtySame{Pre,Here}(0, 34359738368);
*/
void pageheap_put(struct pageheap *h, uint64_t first, uint64_t npages);

/* Takes the free pages among the given ones of the group of 64 that starts at page first, which is in an arena: which they
 * are, and which of them read as zeros. */
/*@ requires valid: \valid(h) && \base_addr(h) != \base_addr(&g_arenas[0]);
    requires bound: first < 34359738368 && first % 64 == 0;
    requires block: HasBlock(first / 32768);
    requires inv: PageheapInv(h) && MineInv(&h->space);
    terminates \true;
    assigns h->used, h->dirty, vs_pages.level2[0 .. 1048575], vs_pages.level1[0 .. 131071], vs_pages.level0[0 .. 16383],
      vs_pages.search, { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    assigns g_mine[first .. first + 63];
    ensures inv: PageheapInv(h) && MineInv(&h->space);
    ensures guarantee: Guarantee{Pre,Here}(&h->space);
    ensures around: AroundSame{Pre,Here}(&h->space);
    ensures taken: \forall integer k; 0 <= k < 64 ==>
      (Bit(\result.pages, k) <==> Bit(pages, k) && PageFree{Pre}(first + k));
    ensures clean: \forall integer k; 0 <= k < 64 ==>
      (Bit(\result.clean, k) <==> Bit(\result.pages, k) && !PageDirty{Pre}(first + k));
    ensures mine: \forall integer k; 0 <= k < 64 ==> (Mine(first + k) <==> Mine{Pre}(first + k) || Bit(\result.pages, k));
    ensures used_dirty: GroupTaken(&h->space, first, \result.pages);
    ensures others: OthersSame{Pre,Here}(first, first + 64);
    ensures used: h->used == \old(h->used) + BitCount(\result.pages, 64);
    ensures dirty: h->dirty == \old(h->dirty) + BitCount(\result.clean, 64);
*/
struct page_group pageheap_take_group(struct pageheap *h, uint64_t first, uint64_t pages);

/* Returns the given pages of the group of 64 that starts at page first, which has some page in use. Those in clean were
 * not touched since pageheap_take_group called them clean. */
/*@ requires valid: \valid(h) && \base_addr(h) != \base_addr(&g_arenas[0]);
    requires bound: first < 34359738368 && first % 64 == 0;
    requires some: \exists integer k; 0 <= k < 64 && PageUsed(&h->space, first + k);
    requires mine: \forall integer k; 0 <= k < 64 ==> Bit(pages, k) ==> Mine(first + k) && PageDirty(first + k);
    requires clean: \forall integer k; 0 <= k < 64 ==> Bit(clean, k) ==> Bit(pages, k);
    requires inv: PageheapInv(h) && MineInv(&h->space);
    terminates \true;
    assigns h->used, h->dirty, vs_pages.level2[0 .. 1048575], vs_pages.level1[0 .. 131071], vs_pages.level0[0 .. 16383],
      vs_pages.search, { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    assigns g_mine[first .. first + 63];
    ensures inv: PageheapInv(h) && MineInv(&h->space);
    ensures guarantee: Guarantee{Pre,Here}(&h->space);
    ensures around: AroundSame{Pre,Here}(&h->space);
    ensures gone: \forall integer k; 0 <= k < 64 ==> (Mine(first + k) <==> Mine{Pre}(first + k) && !Bit(pages, k));
    ensures free: \forall integer k; 0 <= k < 64 ==> (PageFree(first + k) <==> PageFree{Pre}(first + k) || Bit(pages, k));
    ensures dirty: \forall integer k; 0 <= k < 64 ==>
      (PageDirty(first + k) <==> PageDirty{Pre}(first + k) && !Bit(clean, k));
    ensures others: OthersSame{Pre,Here}(first, first + 64);
    ensures used: h->used == \old(h->used) - BitCount(pages, 64);
    ensures less: h->dirty == \old(h->dirty) - BitCount(clean, 64);
*/
void pageheap_put_group(struct pageheap *h, uint64_t first, uint64_t pages, uint64_t clean);

/* Notes that the pages [first, first + npages), which are the caller's, hold no memory any more. */
/*@ requires valid: \valid(h) && \base_addr(h) != \base_addr(&g_arenas[0]);
    requires bound: first < 34359738368 && 1 <= npages <= 34359738368 - first;
    requires mine: RunMine(first, first + npages);
    requires inv: PageheapInv(h) && MineInv(&h->space);
    terminates \true;
    assigns h->used, h->dirty, { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    ensures inv: PageheapInv(h) && MineInv(&h->space);
    ensures guarantee: Guarantee{Pre,Here}(&h->space);
    ensures around: AroundSame{Pre,Here}(&h->space);
    ensures clean: PagesClean(first, first + npages);
    ensures others: DirtySame{Pre,Here}(0, first) && DirtySame{Pre,Here}(first + npages, 34359738368);
    ensures free: FreeSame{Pre,Here}(0, 34359738368);
    ensures used: h->used == \old(h->used);
    ensures dirty: h->dirty == \old(h->dirty) - DirtyCount{Pre}(first, npages);
*/
void pageheap_clean(struct pageheap *h, uint64_t first, uint64_t npages);

/* Takes free and dirty pages to give them back to the system: idle_take. */
/*@ requires valid: \valid(h) && \base_addr(h) != \base_addr(&g_arenas[0]);
    requires inv: PageheapInv(h) && MineInv(&h->space);
    terminates \true;
    assigns h->used, h->dirty, vs_pages.level2[0 .. 1048575], vs_pages.level1[0 .. 131071], vs_pages.level0[0 .. 16383],
      vs_pages.search, { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    assigns g_mine[0 .. 34359738367];
    ensures inv: PageheapInv(h) && MineInv(&h->space);
    ensures guarantee: Guarantee{Pre,Here}(&h->space);
    ensures around: AroundSame{Pre,Here}(&h->space);
    ensures bound: \result.npages <= want + VS_HUGE_PAGES && \result.npages <= VS_RANGE_PAGES + VS_HUGE_PAGES;
    ensures used: h->used == \old(h->used) + \result.npages && h->dirty == \old(h->dirty);
    ensures mine: 0 < \result.npages ==> RunMine(\result.first, \result.first + \result.npages) &&
      MineSame{Pre,Here}(0, \result.first) && MineSame{Pre,Here}(\result.first + \result.npages, 34359738368);
    ensures were: 0 < \result.npages ==> NoneMine{Pre}(\result.first, \result.first + \result.npages);
    ensures none: \result.npages == 0 ==> MineSame{Pre,Here}(0, 34359738368);
    ensures taken: 0 < \result.npages ==> \result.first + \result.npages <= 34359738368 &&
      PagesTaken(\result.first, \result.first + \result.npages) &&
      RunUsed(&h->space, \result.first, \result.first + \result.npages);
    ensures others: 0 < \result.npages ==> OthersSame{Pre,Here}(\result.first, \result.first + \result.npages);
    ensures same: \result.npages == 0 ==> PagesSame{Pre,Here};
*/
struct page_run pageheap_take_idle(struct pageheap *h, uint64_t want);

/* Returns the pages that pageheap_take_idle took: idle_put. */
/*@ requires valid: \valid(h) && \base_addr(h) != \base_addr(&g_arenas[0]);
    requires bound: first < 34359738368 && 1 <= npages <= 34359738368 - first;
    requires inv: PageheapInv(h) && MineInv(&h->space);
    requires mine: RunMine(first, first + npages) && PagesTaken(first, first + npages);
    terminates \true;
    assigns h->used, h->dirty, vs_pages.level2[0 .. 1048575], vs_pages.level1[0 .. 131071], vs_pages.level0[0 .. 16383],
      vs_pages.search, { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    assigns g_mine[first .. first + npages - 1];
    ensures inv: PageheapInv(h) && MineInv(&h->space);
    ensures guarantee: Guarantee{Pre,Here}(&h->space);
    ensures around: AroundSame{Pre,Here}(&h->space);
    ensures used: h->used == \old(h->used) - npages;
    ensures dirty: h->dirty == \old(h->dirty) - (done ? npages : 0);
    ensures gone: NoneMine(first, first + npages);
    ensures free: RunFree(first, first + npages);
    ensures clean: done ==> PagesClean(first, first + npages);
    ensures kept: !done ==> DirtySame{Pre,Here}(0, 34359738368);
    ensures others: OthersSame{Pre,Here}(first, first + npages);
*/
void pageheap_put_idle(struct pageheap *h, uint64_t first, uint32_t npages, bool done);

/* growth_anywhere: no page in use is another one then. */
/*@ requires valid: \valid(h) && \base_addr(h) != \base_addr(&g_arenas[0]);
    requires pages: 1 <= npages;
    requires align: 0 < align && (align < 131072 || align % 131072 == 0);
    requires inv: PageheapInv(h) && MineInv(&h->space);
    terminates \true;
    assigns h->space.reserved, h->space.heap, g_os[0 .. 34359738367];
    assigns vs_pages.block[0 .. 1048575] \from vs_pages.block[0 .. 1048575];
    assigns vs_pages.number[0 .. 1048575], vs_pages.nblocks, vs_pages.level2[0 .. 1048575], vs_pages.level1[0 .. 131071],
      vs_pages.level0[0 .. 16383], vs_pages.search, vs_pages.end0, { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    assigns vs_arena_map[0 .. 4194303], g_arenas[0 .. 4194303] \from npages, &vs_empty_span;
    ensures inv: PageheapInv(h) && MineInv(&h->space);
    ensures guarantee: Guarantee{Pre,Here}(&h->space);
    ensures grown: HeapGrown{Pre,Here}(&h->space);
    ensures kept: ArenasKept{Pre,Here};
    ensures counts: h->used == \old(h->used) && h->dirty == \old(h->dirty);
    ensures bound: \result <= 34359738368;
    ensures free: \result < 34359738368 ==> \result + npages <= 34359738368 && RunFree(\result, \result + npages);
    ensures arena: \result < 34359738368 ==> npages <= 16 ==> \result % 16 == 0;
    ensures aligned: \result < 34359738368 ==> 131072 <= align ==> \exists integer m; 8192 * \result == m * align;
    ensures refused: \result == 34359738368 ==> HeapSame{Pre,Here}(&h->space);
*/
uint64_t pageheap_grow(struct pageheap *h, uint32_t npages, size_t align);

/* growth_at: no page in use is another one then. */
/*@ requires valid: \valid(h) && \base_addr(h) != \base_addr(&g_arenas[0]);
    requires pages: page <= 34359738368 && 1 <= npages <= 4294967295;
    requires inv: PageheapInv(h) && MineInv(&h->space);
    terminates \true;
    assigns h->space.reserved, h->space.heap, g_os[0 .. 34359738367];
    assigns vs_pages.block[0 .. 1048575] \from vs_pages.block[0 .. 1048575];
    assigns vs_pages.number[0 .. 1048575], vs_pages.nblocks, vs_pages.level2[0 .. 1048575], vs_pages.level1[0 .. 131071],
      vs_pages.level0[0 .. 16383], vs_pages.search, vs_pages.end0, { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    assigns vs_arena_map[0 .. 4194303], g_arenas[0 .. 4194303] \from npages, &vs_empty_span;
    ensures inv: PageheapInv(h) && MineInv(&h->space);
    ensures guarantee: Guarantee{Pre,Here}(&h->space);
    ensures grown: HeapGrown{Pre,Here}(&h->space);
    ensures kept: ArenasKept{Pre,Here};
    ensures counts: h->used == \old(h->used) && h->dirty == \old(h->dirty);
    ensures refused: !\result ==> HeapSame{Pre,Here}(&h->space);
    ensures added: \result ==> RunAdded{Pre,Here}(&h->space, page, page + npages);
*/
bool pageheap_grow_at(struct pageheap *h, uint64_t page, uint64_t npages);

#endif
