/* SPDX-License-Identifier: Apache-2.0
 * Taking, returning and counting the pages of the heap. Contracts stand in pageheap.h. */
#define VERISPAN_PAGETREE_LEMMAS
#define VERISPAN_GROWTH_LEMMAS
#define VERISPAN_PAGEHEAP_LEMMAS
#include "pageheap.h"

/* Notes how many pages there are of each kind now. */
/*@ requires valid: \valid(h) && \base_addr(h) != \base_addr(&g_arenas[0]);
    requires inv: GrowthInv(&h->space) && ReachInv(&h->space);
    requires used: used == UsedCount(&h->space, 0, 34359738368);
    requires dirty: dirty == DirtyCount(0, 34359738368);
    terminates \true;
    assigns h->used, h->dirty;
    ensures inv: PageheapInv(h);
    ensures set: h->used == used && h->dirty == dirty;
    ensures around: AroundSame{Pre,Here}(&h->space);
    ensures pages: PagesSame{Pre,Here};
*/
static void pageheap_count(struct pageheap *h, uint64_t used, uint64_t dirty) {
  growth_apart(&h->space);
  //@ assert bound: h->space.reserved.n <= 32768 && h->space.heap.n <= 32768;
  h->used = used;
  h->dirty = dirty;
  //@ assert sets: SetsSame{Pre,Here}(&h->space);
  //@ assert states: StatesSame{Pre,Here};
  //@ assert places: \forall integer n; 0 <= n < 4194304 ==> ArenaSame{Pre,Here}(&g_arenas[n]);
  //@ assert around: AroundSame{Pre,Here}(&h->space);
  /*@ assert words: \forall integer m, k, w; 0 <= m < 1048576 ==> 0 <= k < 64 ==> 0 <= w < 8 ==> HasBlock(m) ==>
        vs_pages.block[m]->chunk[k].free[w] == \at(vs_pages.block[m]->chunk[k].free[w], Pre) &&
        vs_pages.block[m]->chunk[k].dirty[w] == \at(vs_pages.block[m]->chunk[k].dirty[w], Pre); */
  //@ assert chunks: ChunksSame{Pre,Here};
  //@ assert levels: Level4Same{Pre,Here} && Level3Same{Pre,Here};
  //@ assert tree: TreeSame{Pre,Here};
  //@ assert inv: PagesInv;
  //@ assert pages: PagesSame{Pre,Here};
  //@ assert heap: HeapSame{Pre,Here}(&h->space);
  //@ assert inside: InsideInv(&h->space);
  //@ assert growth: GrowthInv(&h->space) && ReachInv(&h->space);
  //@ assert used: UsedSame{Pre,Here}(&h->space, 0, 34359738368);
  //@ assert counts: CountsInv(h);
}

/* From now on pages are this thread's, or are not: npages pages from page first on; the given ones of a group of 64. */
/*@ ghost
    /@ requires bound: first + npages <= 34359738368;
       assigns g_mine[first .. first + npages - 1];
       ensures mine: mine != 0 ==> RunMine(first, first + npages);
       ensures gone: mine == 0 ==> NoneMine(first, first + npages);
    @/
    static void pageheap_own(uint64_t first, uint64_t npages, signed char mine) {
      uint64_t n = 0;
      /@ loop invariant bound: n <= npages;
         loop invariant set: \forall integer p; first <= p < first + n ==> g_mine[p] == mine;
         loop assigns n, g_mine[first .. first + npages - 1];
         loop variant npages - n;
      @/
      while (n < npages) {
        g_mine[first + n] = mine;
        n++;
      }
    }
    /@ requires bound: first + 64 <= 34359738368;
       assigns g_mine[first .. first + 63];
       ensures set: \forall integer k; 0 <= k < 64 ==> Bit(pages, k) ==> g_mine[first + k] == mine;
       ensures rest: \forall integer k; 0 <= k < 64 ==> !Bit(pages, k) ==> g_mine[first + k] == \old(g_mine[first + k]);
    @/
    static void pageheap_own_group(uint64_t first, uint64_t pages, signed char mine) {
      uint32_t n = 0;
      /@ loop invariant bound: n <= 64;
         loop invariant set: \forall integer k; 0 <= k < n ==> Bit(pages, k) ==> g_mine[first + k] == mine;
         loop invariant rest: \forall integer k; 0 <= k < 64 ==> (Bit(pages, k) ==> n <= k) ==>
           g_mine[first + k] == \at(g_mine[first + k], Pre);
         loop assigns n, g_mine[first .. first + 63];
         loop variant 64 - n;
      @/
      while (n < 64) {
        /@ assert bit: Bit(pages >> n, 0) <==> Bit(pages, n); @/
        if (((pages >> n) & 1) != 0) g_mine[first + n] = mine;
        n++;
      }
    }
*/

/* Takes pages, whatever the counts say. How many of them may hold old data. */
/*@ requires valid: \valid_read(s) && \base_addr(s) != \base_addr(&g_arenas[0]);
    requires bound: first < 34359738368 && 1 <= npages <= 34359738368 - first;
    requires inv: GrowthInv(s) && ReachInv(s);
    requires free: RunFree(first, first + npages);
    terminates \true;
    assigns vs_pages.level2[0 .. 1048575], vs_pages.level1[0 .. 131071], vs_pages.level0[0 .. 16383], vs_pages.search,
      { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    ensures inv: GrowthInv(s) && ReachInv(s);
    ensures count: \result == DirtyCount{Pre}(first, npages);
    ensures around: AroundSame{Pre,Here}(s);
    ensures taken: PagesTaken(first, first + npages) && RunUsed(s, first, first + npages);
    ensures others: OthersSame{Pre,Here}(first, first + npages);
*/
static uint64_t pageheap_take_run(const struct space *s, uint64_t first, uint64_t npages) {
  growth_apart(s);
  uint64_t dirty = pagealloc_take(first, npages);
  //@ assert lengths: s->reserved.n == \at(s->reserved.n, Pre) && s->heap.n == \at(s->heap.n, Pre);
  //@ assert bases: \forall integer i; s->reserved.range[i].base == \at(s->reserved.range[i].base, Pre);
  //@ assert limits: \forall integer i; s->reserved.range[i].limit == \at(s->reserved.range[i].limit, Pre);
  //@ assert starts: \forall integer i; s->heap.range[i].base == \at(s->heap.range[i].base, Pre);
  //@ assert ends: \forall integer i; s->heap.range[i].limit == \at(s->heap.range[i].limit, Pre);
  //@ assert sets: SetsSame{Pre,Here}(s);
  //@ assert states: StatesSame{Pre,Here};
  //@ assert places: \forall integer n; 0 <= n < 4194304 ==> ArenaSame{Pre,Here}(&g_arenas[n]);
  //@ assert around: AroundSame{Pre,Here}(s);
  //@ assert heap: \forall integer p; first <= p < first + npages ==> HeapPage{Pre}(s, p);
  //@ assert taken: RunUsed(s, first, first + npages);
  //@ assert inside: InsideInv(s);
  return dirty;
}

uint64_t pageheap_take(struct pageheap *h, uint64_t first, uint64_t npages) {
  growth_apart(&h->space);
  uint64_t dirty = pageheap_take_run(&h->space, first, npages);
  //@ assert counts: h->used == \at(h->used, Pre) && h->dirty == \at(h->dirty, Pre);
  //@ assert before: Spans(0, first, first) && Spans(first, first + npages, npages);
  //@ assert behind: Spans(first + npages, 34359738368, 34359738368 - first - npages);
  /*@ assert used: UsedCount(&h->space, 0, 34359738368) ==
        UsedCount{Pre}(&h->space, 0, 34359738368) + npages <= 34359738368; */
  /*@ assert dirty: DirtyCount(0, 34359738368) ==
        DirtyCount{Pre}(0, 34359738368) + npages - DirtyCount{Pre}(first, npages) <= 34359738368; */
  //@ assert some: 0 <= DirtyCount{Pre}(first, npages) <= npages;
  //@ ghost Taken: ;
  pageheap_count(h, h->used + npages, h->dirty + (npages - dirty));
  //@ assert same: AroundSame{Taken,Here}(&h->space) && OthersSame{Taken,Here}(first, first + npages);
  //@ ghost pageheap_own(first, npages, 1);
  //@ assert theirs: TheirsKept{Pre,Here}(&h->space, first, first + npages);
  //@ assert rest: MineSame{Pre,Here}(0, first) && MineSame{Pre,Here}(first + npages, 34359738368);
  return dirty;
}

/* Returns pages, whatever the counts say. */
/*@ requires valid: \valid_read(s) && \base_addr(s) != \base_addr(&g_arenas[0]);
    requires bound: first < 34359738368 && 1 <= npages <= 34359738368 - first;
    requires used: RunUsed(s, first, first + npages);
    requires inv: GrowthInv(s) && ReachInv(s);
    terminates \true;
    assigns vs_pages.level2[0 .. 1048575], vs_pages.level1[0 .. 131071], vs_pages.level0[0 .. 16383], vs_pages.search,
      { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    ensures inv: GrowthInv(s) && ReachInv(s);
    ensures around: AroundSame{Pre,Here}(s);
    ensures free: RunFree(first, first + npages);
    ensures others: OthersSame{Pre,Here}(first, first + npages);
    ensures dirty: DirtySame{Pre,Here}(0, 34359738368);
*/
static void pageheap_put_run(const struct space *s, uint64_t first, uint64_t npages) {
  growth_apart(s);
  //@ assert there: HaveBlocks(first, first + npages - 1);
  //@ assert last: PageUsed(s, first + npages - 1);
  //@ assert heap: \forall integer p; first <= p < first + npages ==> HeapPage(s, p);
  pagealloc_put(first, npages);
  //@ assert lengths: s->reserved.n == \at(s->reserved.n, Pre) && s->heap.n == \at(s->heap.n, Pre);
  //@ assert bases: \forall integer i; s->reserved.range[i].base == \at(s->reserved.range[i].base, Pre);
  //@ assert limits: \forall integer i; s->reserved.range[i].limit == \at(s->reserved.range[i].limit, Pre);
  //@ assert starts: \forall integer i; s->heap.range[i].base == \at(s->heap.range[i].base, Pre);
  //@ assert ends: \forall integer i; s->heap.range[i].limit == \at(s->heap.range[i].limit, Pre);
  //@ assert sets: SetsSame{Pre,Here}(s);
  //@ assert states: StatesSame{Pre,Here};
  //@ assert places: \forall integer n; 0 <= n < 4194304 ==> ArenaSame{Pre,Here}(&g_arenas[n]);
  //@ assert around: AroundSame{Pre,Here}(s);
  //@ assert others: OthersSame{Pre,Here}(first, first + npages);
  //@ assert inside: InsideInv(s);
}

void pageheap_put(struct pageheap *h, uint64_t first, uint64_t npages) {
  growth_apart(&h->space);
  //@ assert mine: RunUsed(&h->space, first, first + npages);
  pageheap_put_run(&h->space, first, npages);
  //@ assert counts: h->used == \at(h->used, Pre) && h->dirty == \at(h->dirty, Pre);
  //@ assert before: Spans(0, first, first) && Spans(first, first + npages, npages);
  //@ assert behind: Spans(first + npages, 34359738368, 34359738368 - first - npages);
  /*@ assert used: UsedCount(&h->space, 0, 34359738368) ==
        UsedCount{Pre}(&h->space, 0, 34359738368) - npages; */
  //@ assert all: Spans(0, 34359738368, 34359738368);
  /*@ assert dirty: DirtyCount(0, 34359738368) ==
        DirtyCount{Pre}(0, 34359738368) + 0; */
  //@ ghost Put: ;
  pageheap_count(h, h->used - npages, h->dirty);
  //@ assert same: AroundSame{Put,Here}(&h->space) && OthersSame{Put,Here}(first, first + npages);
  //@ ghost pageheap_own(first, npages, 0);
  //@ assert theirs: TheirsKept{Pre,Here}(&h->space, first, first + npages);
  //@ assert rest: MineSame{Pre,Here}(0, first) && MineSame{Pre,Here}(first + npages, 34359738368);
}

/* pageheap_take_group, whatever the counts say. */
/*@ requires valid: \valid_read(s) && \base_addr(s) != \base_addr(&g_arenas[0]);
    requires bound: first < 34359738368 && first % 64 == 0;
    requires block: HasBlock(first / 32768);
    requires inv: GrowthInv(s) && ReachInv(s);
    terminates \true;
    assigns vs_pages.level2[0 .. 1048575], vs_pages.level1[0 .. 131071], vs_pages.level0[0 .. 16383], vs_pages.search,
      { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    ensures inv: GrowthInv(s) && ReachInv(s);
    ensures around: AroundSame{Pre,Here}(s);
    ensures taken: \forall integer k; 0 <= k < 64 ==>
      (Bit(\result.pages, k) <==> Bit(pages, k) && PageFree{Pre}(first + k));
    ensures clean: \forall integer k; 0 <= k < 64 ==>
      (Bit(\result.clean, k) <==> Bit(\result.pages, k) && !PageDirty{Pre}(first + k));
    ensures mine: GroupTaken(s, first, \result.pages);
    ensures others: OthersSame{Pre,Here}(first, first + 64);
    ensures used: UsedBits{Pre,Here}(s, \result.pages, first, 64);
    ensures dirty: DirtyBits{Pre,Here}(\result.clean, first, 64);
*/
static struct page_group pageheap_take_bits(const struct space *s, uint64_t first, uint64_t pages) {
  growth_apart(s);
  struct page_group taken;
  taken.pages = pagealloc_take_group(first, pages, &taken.clean);
  //@ assert lengths: s->reserved.n == \at(s->reserved.n, Pre) && s->heap.n == \at(s->heap.n, Pre);
  //@ assert bases: \forall integer i; s->reserved.range[i].base == \at(s->reserved.range[i].base, Pre);
  //@ assert limits: \forall integer i; s->reserved.range[i].limit == \at(s->reserved.range[i].limit, Pre);
  //@ assert starts: \forall integer i; s->heap.range[i].base == \at(s->heap.range[i].base, Pre);
  //@ assert ends: \forall integer i; s->heap.range[i].limit == \at(s->heap.range[i].limit, Pre);
  //@ assert sets: SetsSame{Pre,Here}(s);
  //@ assert states: StatesSame{Pre,Here};
  //@ assert places: \forall integer n; 0 <= n < 4194304 ==> ArenaSame{Pre,Here}(&g_arenas[n]);
  //@ assert around: AroundSame{Pre,Here}(s);
  /*@ assert heap: \forall integer k; 0 <= k < 64 ==> Bit(taken.pages, k) ==> HeapPage{Pre}(s, first + k); */
  /*@ assert free: \forall integer p; first <= p < first + 64 ==>
        (PageFree(p) <==> PageFree{Pre}(p) && !Bit(pages, p - first)); */
  /*@ assert dirty: \forall integer p; first <= p < first + 64 ==>
        (PageDirty(p) <==> PageDirty{Pre}(p) || Bit(taken.pages, p - first)); */
  //@ assert was: \forall integer p; first <= p < first + 64 ==> Bit(taken.pages, p - first) ==> HeapPage{Pre}(s, p);
  //@ assert inside: InsideInv(s);
  return taken;
}

struct page_group pageheap_take_group(struct pageheap *h, uint64_t first, uint64_t pages) {
  growth_apart(&h->space);
  struct page_group taken = pageheap_take_bits(&h->space, first, pages);
  //@ assert counts: h->used == \at(h->used, Pre) && h->dirty == \at(h->dirty, Pre);
  //@ assert before: Spans(0, first, first) && Spans(first, first + 64, 64);
  //@ assert behind: Spans(first + 64, 34359738368, 34359738368 - first - 64);
  /*@ assert used: UsedCount(&h->space, 0, 34359738368) ==
        UsedCount{Pre}(&h->space, 0, 34359738368) + BitCount(taken.pages, 64) <= 34359738368; */
  /*@ assert dirty: DirtyCount(0, 34359738368) ==
        DirtyCount{Pre}(0, 34359738368) + BitCount(taken.clean, 64) <= 34359738368; */
  //@ ghost Taken: ;
  pageheap_count(h, h->used + bits_count(taken.pages), h->dirty + bits_count(taken.clean));
  //@ assert same: AroundSame{Taken,Here}(&h->space) && OthersSame{Taken,Here}(first, first + 64);
  //@ assert group: UsedSame{Taken,Here}(&h->space, first, first + 64) && DirtySame{Taken,Here}(first, first + 64);
  /*@ assert each: \forall integer p; first <= p < first + 64 ==>
        (PageUsed(&h->space, p) <==> PageUsed{Pre}(&h->space, p) || Bit(taken.pages, p - first)); */
  /*@ assert touched: \forall integer p; first <= p < first + 64 ==> !Bit(taken.pages, p - first) ==>
        DirtyOne(p) == DirtyOne{Pre}(p); */
  /*@ assert dirtied: \forall integer p; first <= p < first + 64 ==> !Bit(taken.pages, p - first) ==>
        (PageDirty(p) <==> PageDirty{Pre}(p)); */
  //@ assert were: \forall integer p; first <= p < first + 64 ==> Bit(taken.pages, p - first) ==> PageFree{Pre}(p);
  //@ ghost pageheap_own_group(first, taken.pages, 1);
  /*@ assert mine: \forall integer p; first <= p < first + 64 ==>
        (Mine(p) <==> Mine{Pre}(p) || Bit(taken.pages, p - first)); */
  //@ assert mine_used: MineUsed(&h->space, first, first + 64);
  //@ assert theirs: TheirsKept{Pre,Here}(&h->space, first, first + 64);
  //@ assert rest: MineSame{Pre,Here}(0, first) && MineSame{Pre,Here}(first + 64, 34359738368);
  return taken;
}

/* pageheap_put_group, whatever the counts say. */
/*@ requires valid: \valid_read(s) && \base_addr(s) != \base_addr(&g_arenas[0]);
    requires bound: first < 34359738368 && first % 64 == 0;
    requires some: \exists integer k; 0 <= k < 64 && PageUsed(s, first + k);
    requires mine: GroupTaken(s, first, pages);
    requires clean: \forall integer k; 0 <= k < 64 ==> Bit(clean, k) ==> Bit(pages, k);
    requires inv: GrowthInv(s) && ReachInv(s);
    terminates \true;
    assigns vs_pages.level2[0 .. 1048575], vs_pages.level1[0 .. 131071], vs_pages.level0[0 .. 16383], vs_pages.search,
      { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    ensures inv: GrowthInv(s) && ReachInv(s);
    ensures around: AroundSame{Pre,Here}(s);
    ensures free: \forall integer k; 0 <= k < 64 ==> (PageFree(first + k) <==> PageFree{Pre}(first + k) || Bit(pages, k));
    ensures dirty: \forall integer k; 0 <= k < 64 ==>
      (PageDirty(first + k) <==> PageDirty{Pre}(first + k) && !Bit(clean, k));
    ensures others: OthersSame{Pre,Here}(first, first + 64);
    ensures used: UsedBits{Here,Pre}(s, pages, first, 64);
    ensures cleaned: DirtyBits{Here,Pre}(clean, first, 64);
*/
static void pageheap_put_bits(const struct space *s, uint64_t first, uint64_t pages, uint64_t clean) {
  growth_apart(s);
  //@ assert block: \forall integer k; 0 <= k < 64 ==> (first + k) / 32768 == first / 32768;
  /*@ assert each: \forall integer k; 0 <= k < 64 ==> PageUsed(s, first + k) ==>
        RunUsed(s, first + k, first + k + 1) && 0 <= first + k < 34359738368; */
  //@ assert have: \forall integer k; 0 <= k < 64 ==> PageUsed(s, first + k) ==> HaveBlocks(first + k, first + k);
  //@ assert there: HasBlock(first / 32768) && first < vs_pages.end0 * 2097152;
  /*@ assert heap: \forall integer k; 0 <= k < 64 ==> Bit(pages, k) ==> HeapPage(s, first + k); */
  pagealloc_put_group(first, pages, clean);
  //@ assert lengths: s->reserved.n == \at(s->reserved.n, Pre) && s->heap.n == \at(s->heap.n, Pre);
  //@ assert bases: \forall integer i; s->reserved.range[i].base == \at(s->reserved.range[i].base, Pre);
  //@ assert limits: \forall integer i; s->reserved.range[i].limit == \at(s->reserved.range[i].limit, Pre);
  //@ assert starts: \forall integer i; s->heap.range[i].base == \at(s->heap.range[i].base, Pre);
  //@ assert ends: \forall integer i; s->heap.range[i].limit == \at(s->heap.range[i].limit, Pre);
  //@ assert sets: SetsSame{Pre,Here}(s);
  //@ assert states: StatesSame{Pre,Here};
  //@ assert places: \forall integer n; 0 <= n < 4194304 ==> ArenaSame{Pre,Here}(&g_arenas[n]);
  //@ assert arenas: ArenasSame{Pre,Here};
  //@ assert around: AroundSame{Pre,Here}(s);
  /*@ assert free: \forall integer p; first <= p < first + 64 ==>
        (PageFree(p) <==> PageFree{Pre}(p) || Bit(pages, p - first)); */
  /*@ assert dirty: \forall integer p; first <= p < first + 64 ==>
        (PageDirty(p) <==> PageDirty{Pre}(p) && !Bit(clean, p - first)); */
  //@ assert was: \forall integer p; first <= p < first + 64 ==> Bit(pages, p - first) ==> HeapPage{Pre}(s, p);
  //@ assert inside: InsideInv(s);
}

void pageheap_put_group(struct pageheap *h, uint64_t first, uint64_t pages, uint64_t clean) {
  growth_apart(&h->space);
  //@ assert mine: GroupTaken(&h->space, first, pages);
  pageheap_put_bits(&h->space, first, pages, clean);
  //@ assert counts: h->used == \at(h->used, Pre) && h->dirty == \at(h->dirty, Pre);
  //@ assert before: Spans(0, first, first) && Spans(first, first + 64, 64);
  //@ assert behind: Spans(first + 64, 34359738368, 34359738368 - first - 64);
  /*@ assert used: UsedCount(&h->space, 0, 34359738368) ==
        UsedCount{Pre}(&h->space, 0, 34359738368) - BitCount(pages, 64); */
  /*@ assert dirty: DirtyCount(0, 34359738368) ==
        DirtyCount{Pre}(0, 34359738368) - BitCount(clean, 64); */
  //@ ghost Put: ;
  pageheap_count(h, h->used - bits_count(pages), h->dirty - bits_count(clean));
  //@ assert same: AroundSame{Put,Here}(&h->space) && OthersSame{Put,Here}(first, first + 64);
  //@ assert group: UsedSame{Put,Here}(&h->space, first, first + 64) && DirtySame{Put,Here}(first, first + 64);
  /*@ assert each: \forall integer p; first <= p < first + 64 ==>
        (PageUsed(&h->space, p) <==> PageUsed{Pre}(&h->space, p) && !Bit(pages, p - first)); */
  /*@ assert cleaned: \forall integer p; first <= p < first + 64 ==> !Bit(pages, p - first) ==>
        (PageDirty(p) <==> PageDirty{Pre}(p)); */
  //@ ghost pageheap_own_group(first, pages, 0);
  //@ assert were: \forall integer p; first <= p < first + 64 ==> Bit(pages, p - first) ==> Mine{Pre}(p);
  /*@ assert mine: \forall integer p; first <= p < first + 64 ==>
        (Mine(p) <==> Mine{Pre}(p) && !Bit(pages, p - first)); */
  //@ assert mine_used: MineUsed(&h->space, first, first + 64);
  //@ assert theirs: TheirsKept{Pre,Here}(&h->space, first, first + 64);
  //@ assert rest: MineSame{Pre,Here}(0, first) && MineSame{Pre,Here}(first + 64, 34359738368);
}

/* pageheap_clean, whatever the counts say. How many of the pages may have held memory. */
/*@ requires valid: \valid_read(s) && \base_addr(s) != \base_addr(&g_arenas[0]);
    requires bound: first < 34359738368 && 1 <= npages <= 34359738368 - first;
    requires used: RunUsed(s, first, first + npages);
    requires inv: GrowthInv(s) && ReachInv(s);
    terminates \true;
    assigns { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    ensures inv: GrowthInv(s) && ReachInv(s);
    ensures around: AroundSame{Pre,Here}(s);
    ensures count: \result == DirtyCount{Pre}(first, npages);
    ensures clean: PagesClean(first, first + npages);
    ensures others: DirtySame{Pre,Here}(0, first) && DirtySame{Pre,Here}(first + npages, 34359738368);
    ensures free: FreeSame{Pre,Here}(0, 34359738368);
*/
static uint64_t pageheap_clean_run(const struct space *s, uint64_t first, uint64_t npages) {
  growth_apart(s);
  //@ assert there: HaveBlocks(first, first + npages - 1);
  uint64_t dirty = pagealloc_clean(first, npages);
  //@ assert lengths: s->reserved.n == \at(s->reserved.n, Pre) && s->heap.n == \at(s->heap.n, Pre);
  //@ assert bases: \forall integer i; s->reserved.range[i].base == \at(s->reserved.range[i].base, Pre);
  //@ assert limits: \forall integer i; s->reserved.range[i].limit == \at(s->reserved.range[i].limit, Pre);
  //@ assert starts: \forall integer i; s->heap.range[i].base == \at(s->heap.range[i].base, Pre);
  //@ assert ends: \forall integer i; s->heap.range[i].limit == \at(s->heap.range[i].limit, Pre);
  //@ assert sets: SetsSame{Pre,Here}(s);
  //@ assert states: StatesSame{Pre,Here};
  //@ assert places: \forall integer n; 0 <= n < 4194304 ==> ArenaSame{Pre,Here}(&g_arenas[n]);
  //@ assert around: AroundSame{Pre,Here}(s);
  //@ assert inside: InsideInv(s);
  return dirty;
}

void pageheap_clean(struct pageheap *h, uint64_t first, uint64_t npages) {
  growth_apart(&h->space);
  //@ assert mine: RunUsed(&h->space, first, first + npages);
  uint64_t dirty = pageheap_clean_run(&h->space, first, npages);
  //@ assert counts: h->used == \at(h->used, Pre) && h->dirty == \at(h->dirty, Pre);
  //@ assert before: Spans(0, first, first) && Spans(first, first + npages, npages);
  //@ assert behind: Spans(first + npages, 34359738368, 34359738368 - first - npages);
  //@ assert all: Spans(0, 34359738368, 34359738368);
  /*@ assert used: UsedCount(&h->space, 0, 34359738368) ==
        UsedCount{Pre}(&h->space, 0, 34359738368) + 0; */
  /*@ assert dirty: DirtyCount(0, 34359738368) ==
        DirtyCount{Pre}(0, 34359738368) - DirtyCount{Pre}(first, npages); */
  //@ ghost Cleaned: ;
  pageheap_count(h, h->used, h->dirty - dirty);
  //@ assert same: AroundSame{Cleaned,Here}(&h->space) && FreeSame{Cleaned,Here}(0, 34359738368);
}

uint64_t pageheap_grow(struct pageheap *h, uint32_t npages, size_t align) {
  growth_apart(&h->space);
  uint64_t page = growth_anywhere(&h->space, npages, align);
  //@ assert counts: h->used == \at(h->used, Pre) && h->dirty == \at(h->dirty, Pre);
  //@ assert all: Spans(0, 34359738368, 34359738368);
  //@ assert same: UsedCount(&h->space, 0, 34359738368) == UsedCount{Pre}(&h->space, 0, 34359738368);
  return page;
}

bool pageheap_grow_at(struct pageheap *h, uint64_t page, uint64_t npages) {
  growth_apart(&h->space);
  bool done = growth_at(&h->space, page, npages);
  //@ assert counts: h->used == \at(h->used, Pre) && h->dirty == \at(h->dirty, Pre);
  //@ assert all: Spans(0, 34359738368, 34359738368);
  //@ assert same: UsedCount(&h->space, 0, 34359738368) == UsedCount{Pre}(&h->space, 0, 34359738368);
  return done;
}

/* pageheap_take_idle, whatever the counts say. */
/*@ requires valid: \valid_read(s) && \base_addr(s) != \base_addr(&g_arenas[0]);
    requires inv: GrowthInv(s) && ReachInv(s);
    terminates \true;
    assigns vs_pages.level2[0 .. 1048575], vs_pages.level1[0 .. 131071], vs_pages.level0[0 .. 16383],
      vs_pages.search, { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    ensures inv: GrowthInv(s) && ReachInv(s);
    ensures around: AroundSame{Pre,Here}(s);
    ensures bound: \result.npages <= want + VS_HUGE_PAGES && \result.npages <= VS_RANGE_PAGES + VS_HUGE_PAGES;
    ensures taken: 0 < \result.npages ==> \result.first + \result.npages <= 34359738368 &&
      PagesTaken(\result.first, \result.first + \result.npages) &&
      RunUsed(s, \result.first, \result.first + \result.npages);
    ensures were: RunFree{Pre}(\result.first, \result.first + \result.npages);
    ensures others: 0 < \result.npages ==> OthersSame{Pre,Here}(\result.first, \result.first + \result.npages);
    ensures dirty: DirtySame{Pre,Here}(0, 34359738368);
    ensures same: \result.npages == 0 ==> PagesSame{Pre,Here};
*/
static struct page_run pageheap_take_idle_run(const struct space *s, uint64_t want) {
  growth_apart(s);
  struct page_run run;
  run.first = idle_take(want, &run.npages);
  //@ assert lengths: s->reserved.n == \at(s->reserved.n, Pre) && s->heap.n == \at(s->heap.n, Pre);
  //@ assert bases: \forall integer i; s->reserved.range[i].base == \at(s->reserved.range[i].base, Pre);
  //@ assert limits: \forall integer i; s->reserved.range[i].limit == \at(s->reserved.range[i].limit, Pre);
  //@ assert starts: \forall integer i; s->heap.range[i].base == \at(s->heap.range[i].base, Pre);
  //@ assert ends: \forall integer i; s->heap.range[i].limit == \at(s->heap.range[i].limit, Pre);
  //@ assert sets: SetsSame{Pre,Here}(s);
  //@ assert states: StatesSame{Pre,Here};
  //@ assert places: \forall integer n; 0 <= n < 4194304 ==> ArenaSame{Pre,Here}(&g_arenas[n]);
  //@ assert around: AroundSame{Pre,Here}(s);
  //@ assert idle: 0 < run.npages ==> \forall integer p; run.first <= p < run.first + run.npages ==> HeapPage{Pre}(s, p);
  //@ assert inside: InsideInv(s);
  return run;
}

struct page_run pageheap_take_idle(struct pageheap *h, uint64_t want) {
  growth_apart(&h->space);
  struct page_run run = pageheap_take_idle_run(&h->space, want);
  //@ assert counts: h->used == \at(h->used, Pre) && h->dirty == \at(h->dirty, Pre);
  //@ assert all: Spans(0, 34359738368, 34359738368);
  //@ assert before: Spans(0, run.first, run.first) && Spans(run.first, run.first + run.npages, run.npages);
  //@ assert behind: Spans(run.first + run.npages, 34359738368, 34359738368 - run.first - run.npages);
  //@ assert none: run.npages == 0 ==> UsedSame{Pre,Here}(&h->space, 0, 34359738368);
  /*@ assert used: UsedCount(&h->space, 0, 34359738368) ==
        UsedCount{Pre}(&h->space, 0, 34359738368) + run.npages <= 34359738368; */
  /*@ assert dirty: DirtyCount(0, 34359738368) == DirtyCount{Pre}(0, 34359738368); */
  //@ ghost Taken: ;
  pageheap_count(h, h->used + run.npages, h->dirty);
  //@ assert taken: 0 < run.npages ==> PagesTaken(run.first, run.first + run.npages);
  //@ assert mine: 0 < run.npages ==> RunUsed(&h->space, run.first, run.first + run.npages);
  /*@ assert same: AroundSame{Taken,Here}(&h->space) &&
        (0 < run.npages ==> OthersSame{Taken,Here}(run.first, run.first + run.npages)); */
  //@ ghost if (run.npages != 0) pageheap_own(run.first, run.npages, 1);
  //@ assert theirs: 0 < run.npages ==> TheirsKept{Pre,Here}(&h->space, run.first, run.first + run.npages);
  /*@ assert rest: 0 < run.npages ==> MineSame{Pre,Here}(0, run.first) &&
        MineSame{Pre,Here}(run.first + run.npages, 34359738368); */
  return run;
}

/* pageheap_put_idle, whatever the counts say. */
/*@ requires valid: \valid_read(s) && \base_addr(s) != \base_addr(&g_arenas[0]);
    requires bound: first < 34359738368 && 1 <= npages <= 34359738368 - first;
    requires inv: GrowthInv(s) && ReachInv(s);
    requires used: RunUsed(s, first, first + npages);
    terminates \true;
    assigns vs_pages.level2[0 .. 1048575], vs_pages.level1[0 .. 131071], vs_pages.level0[0 .. 16383],
      vs_pages.search, { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    ensures inv: GrowthInv(s) && ReachInv(s);
    ensures around: AroundSame{Pre,Here}(s);
    ensures free: RunFree(first, first + npages);
    ensures clean: done ==> PagesClean(first, first + npages);
    ensures kept: !done ==> DirtySame{Pre,Here}(0, 34359738368);
    ensures others: OthersSame{Pre,Here}(first, first + npages);
*/
static void pageheap_put_idle_run(const struct space *s, uint64_t first, uint32_t npages, bool done) {
  growth_apart(s);
  //@ assert there: HaveBlocks(first, first + npages - 1);
  //@ assert last: PageUsed(s, first + npages - 1);
  //@ assert heap: \forall integer p; first <= p < first + npages ==> HeapPage(s, p);
  idle_put(first, npages, done);
  //@ assert lengths: s->reserved.n == \at(s->reserved.n, Pre) && s->heap.n == \at(s->heap.n, Pre);
  //@ assert bases: \forall integer i; s->reserved.range[i].base == \at(s->reserved.range[i].base, Pre);
  //@ assert limits: \forall integer i; s->reserved.range[i].limit == \at(s->reserved.range[i].limit, Pre);
  //@ assert starts: \forall integer i; s->heap.range[i].base == \at(s->heap.range[i].base, Pre);
  //@ assert ends: \forall integer i; s->heap.range[i].limit == \at(s->heap.range[i].limit, Pre);
  //@ assert sets: SetsSame{Pre,Here}(s);
  //@ assert states: StatesSame{Pre,Here};
  //@ assert places: \forall integer n; 0 <= n < 4194304 ==> ArenaSame{Pre,Here}(&g_arenas[n]);
  //@ assert around: AroundSame{Pre,Here}(s);
  //@ assert others: OthersSame{Pre,Here}(first, first + npages);
  //@ assert inside: InsideInv(s);
}

void pageheap_put_idle(struct pageheap *h, uint64_t first, uint32_t npages, bool done) {
  growth_apart(&h->space);
  //@ assert mine: RunUsed(&h->space, first, first + npages);
  pageheap_put_idle_run(&h->space, first, npages, done);
  //@ assert counts: h->used == \at(h->used, Pre) && h->dirty == \at(h->dirty, Pre);
  //@ assert all: Spans(0, 34359738368, 34359738368);
  //@ assert before: Spans(0, first, first) && Spans(first, first + npages, npages);
  //@ assert behind: Spans(first + npages, 34359738368, 34359738368 - first - npages);
  /*@ assert used: UsedCount(&h->space, 0, 34359738368) == UsedCount{Pre}(&h->space, 0, 34359738368) - npages; */
  /*@ assert were: DirtyCount{Pre}(first, npages) == npages; */
  /*@ assert dirty: DirtyCount(0, 34359738368) == DirtyCount{Pre}(0, 34359738368) - (done ? npages : 0); */
  //@ ghost Put: ;
  pageheap_count(h, h->used - npages, h->dirty - (done ? npages : 0));
  //@ assert same: AroundSame{Put,Here}(&h->space) && OthersSame{Put,Here}(first, first + npages);
  //@ ghost pageheap_own(first, npages, 0);
  //@ assert theirs: TheirsKept{Pre,Here}(&h->space, first, first + npages);
  //@ assert rest: MineSame{Pre,Here}(0, first) && MineSame{Pre,Here}(first + npages, 34359738368);
}
