/* SPDX-License-Identifier: Apache-2.0
 * The page heap. See mheap.h. */
#include "mheap.h"

#include "fit.h"
#include "os.h"
#include "ownership.h"

struct mheap vs_heap = {.lock = VS_LOCK_INIT, .reclaim = VS_RECLAIM_INIT};

/* A large block that must be zero is zeroed by the system if fewer of its pages than this fraction hold data: zeroing
 * it here would touch them all. */
#define SPARSE_FRACTION 8u

/* A cache takes at most this fraction of the pages in use, and all of them the other one, so that they cost as little
 * memory; no fewer pages than for so many more spans, so that it saves more than it costs. */
#define CACHE_FRACTION 128u
#define CACHES_FRACTION 16u
#define CACHE_MIN_SPANS 2u

/* The arena of a page, which is in the map. */
/*@ requires bound: page < 34359738368;
    requires inv: ArenasInv;
    requires there: vs_arena_map[page / 8192] != \null;
    terminates \true;
    assigns \result \from page, vs_arena_map[0 .. 4194303];
    ensures exact: \result == vs_arena_map[page / 8192] && \result == &g_arenas[page / 8192];
*/
HEAP_LOCKED static struct heap_arena *mheap_arena(uint64_t page) {
  //@ assert at: 0 <= page / 8192 < 4194304 && ArenaAt(page / 8192);
  return vs_arena_map[page / VS_ARENA_PAGES];
}

/* Notes that pages were taken, of which clean held no memory before, or returned. */
/*@ requires inv: HeapInv;
    requires bound: clean <= 34359738368;
    terminates \true;
    assigns vs_heap.reclaim;
    ensures inv: HeapInv;
    ensures frame: PagesFrame{Pre,Here}(&vs_heap.pages);
*/
HEAP_LOCKED static void mheap_note_taken(uint64_t clean) {
  growth_apart(&vs_heap.pages.space);
  //@ assert counts: ReclaimCounts(vs_heap.pages.used, vs_heap.pages.dirty);
  reclaim_note_taken(&vs_heap.reclaim, clean, vs_heap.pages.used, vs_heap.pages.dirty);
  //@ assert sets: SetsSame{Pre,Here}(&vs_heap.pages.space);
  //@ assert places: \forall integer n; 0 <= n < 4194304 ==> ArenaSame{Pre,Here}(&g_arenas[n]);
  /*@ assert words: \forall integer m, k, w; 0 <= m < 1048576 ==> 0 <= k < 64 ==> 0 <= w < 8 ==> HasBlock(m) ==>
        vs_pages.block[m]->chunk[k].free[w] == \at(vs_pages.block[m]->chunk[k].free[w], Pre) &&
        vs_pages.block[m]->chunk[k].dirty[w] == \at(vs_pages.block[m]->chunk[k].dirty[w], Pre); */
  //@ assert frame: PagesFrame{Pre,Here}(&vs_heap.pages);
}

/* An arena of which page q pays for no descriptor has one left: there are as many as pages. The second loop takes descriptor
 * 0, 1, ... out of a copy of those that the other pages pay for: each is there, none is left for the last one. */
/*@ ghost
    /@ requires valid: \valid_read(a);
       requires bound: n < 4194304 && q < 8192;
       requires inv: DescriptorsInv(a);
       requires paid: PaidInv(a, n);
       requires free: g_pays[8192 * n + q] == \null;
       assigns \nothing;
       ensures left: a->nfree > 0 || a->nspans < 8192;
    @/
    static void mheap_has_room(struct heap_arena *a, uint64_t n, uint32_t q) {
      if (a->nfree > 0 || a->nspans < 8192) return;
      struct mspan *rest[8192];
      uint32_t m = 0;
      /@ assert used: \forall integer k; 0 <= k < 8192 ==> !DescriptorFree(a, k); @/
      /@ loop invariant bound: m <= 8192;
         loop invariant copy: \forall struct mspan *s, integer q; 0 <= q < m ==> g_pays[8192 * n + q] == s ==>
           AmongThem(&rest[0], m, s);
         loop invariant same: \forall integer q; 0 <= q < m ==> rest[q] == g_pays[8192 * n + q];
         loop invariant given: \forall integer i; 0 <= i < m ==> rest[i] == \null || DescriptorOf(a, rest[i]);
         loop assigns m, rest[0 .. 8191];
         loop variant 8192 - m;
      @/
      while (m < 8192) {
        /@ assert pays: g_pays[8192 * n + m] == \null || DescriptorOf(a, g_pays[8192 * n + m]); @/
        rest[m] = g_pays[8192 * n + m];
        /@ assert last: AmongThem(&rest[0], m + 1, rest[m]); @/
        /@ assert old: \forall struct mspan *s; AmongThem{LoopCurrent}(&rest[0], m, s) ==> AmongThem(&rest[0], m + 1, s); @/
        m++;
      }
      /@ assert each: \forall integer k; 0 <= k < 8192 ==> Paid(n, &a->span[k]); @/
      /@ assert all: \forall struct mspan *s; Paid(n, s) ==> AmongThem(&rest[0], 8192, s); @/
      /@ assert gap: rest[q] == \null; @/
      Full: ;
      m = 8191;
      rest[q] = rest[m];
      /@ assert rest: \forall struct mspan *s; s != \null ==> AmongThem{Full}(&rest[0], 8192, s) ==> AmongThem(&rest[0], m, s); @/
      uint32_t k = 0;
      /@ loop invariant bound: k + m == 8191;
         loop invariant above: \forall integer j; k <= j < 8192 ==> AmongThem(&rest[0], m, &a->span[j]);
         loop invariant given: \forall integer i; 0 <= i < m ==> rest[i] == \null || DescriptorOf(a, rest[i]);
         loop assigns k, m, rest[0 .. 8191];
         loop variant m;
      @/
      while (m > 0) {
        uint32_t i = 0;
        /@ loop invariant bound: i <= m;
           loop invariant none: \forall integer j; 0 <= j < i ==> rest[j] != &a->span[k];
           loop assigns i;
           loop variant m - i;
        @/
        while (i < m && rest[i] != &a->span[k]) i++;
        /@ assert found: AmongThem(&rest[0], m, &a->span[k]); @/
        m--;
        rest[i] = rest[m];
        k++;
      }
      /@ assert none: AmongThem(&rest[0], 0, &a->span[8191]); @/
    }
*/

/* Free pages for a span: from page on if it is one, and else of new arenas. VS_NO_PAGE if refused. */
/*@ requires pages: 1 <= npages && page <= 34359738368;
    requires free: page < 34359738368 ==> page + npages <= 34359738368 && RunFree(page, page + npages);
    requires align: 0 < align && (align < 131072 || align % 131072 == 0);
    requires inv: HeapInv;
    terminates \true;
    assigns vs_heap.pages, g_os[0 .. 34359738367], { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    assigns vs_pages, vs_arena_map[0 .. 4194303], g_arenas[0 .. 4194303] \from page, npages, vs_pages, &vs_empty_span;
    ensures inv: HeapInv;
    ensures guarantee: Guarantee{Pre,Here}(&vs_heap.pages.space) && SpansGuarantee{Pre,Here}(&vs_heap.pages.space);
    ensures bound: \result <= 34359738368;
    ensures free: \result < 34359738368 ==> \result + npages <= 34359738368 && RunFree(\result, \result + npages);
*/
HEAP_LOCKED static uint64_t mheap_find(uint64_t page, uint32_t npages, size_t align) {
  if (page != VS_NO_PAGE) return page;
  growth_apart(&vs_heap.pages.space);
  page = pageheap_grow(&vs_heap.pages, npages, align);
  /*@ assert kept: vs_heap.reclaim.peak == \at(vs_heap.reclaim.peak, Pre) &&
        vs_heap.reclaim.last_peak == \at(vs_heap.reclaim.last_peak, Pre) &&
        vs_heap.reclaim.owed == \at(vs_heap.reclaim.owed, Pre) &&
        vs_heap.filled_pages == \at(vs_heap.filled_pages, Pre); */
  //@ assert reclaim: ReclaimInv(&vs_heap.reclaim);
  //@ assert filled: vs_heap.filled_pages <= 2147483648;
  //@ assert pays: PaysSame{Pre,Here};
  //@ assert metadata: MetadataInv{Pre}(&vs_heap.pages.space) && ArenasInv{Pre} && ArenasInv;
  //@ assert more: UsedKept{Pre,Here}(&vs_heap.pages.space);
  //@ assert theirs: SpansGuarantee{Pre,Here}(&vs_heap.pages.space);
  return page;
}

/* Takes the npages free pages from page on. How many of them may hold old data. */
/*@ requires pages: page < 34359738368 && 1 <= npages <= 34359738368 - page;
    requires free: RunFree(page, page + npages);
    requires inv: HeapInv;
    terminates \true;
    assigns vs_heap.pages.used, vs_heap.pages.dirty, vs_pages.level2[0 .. 1048575], vs_pages.level1[0 .. 131071],
      vs_pages.level0[0 .. 16383], vs_pages.search, { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    assigns g_mine[page .. page + npages - 1];
    ensures inv: HeapInv;
    ensures guarantee: Guarantee{Pre,Here}(&vs_heap.pages.space) && SpansGuarantee{Pre,Here}(&vs_heap.pages.space);
    ensures count: \result <= npages;
    ensures mine: RunMine(page, page + npages) && RunUsed(&vs_heap.pages.space, page, page + npages);
    ensures spanless: RunSpanless(page, page + npages);
    ensures arenas: ArenasKept{Pre,Here};
*/
HEAP_LOCKED static uint64_t mheap_take_pages(uint64_t page, uint32_t npages) {
  growth_apart(&vs_heap.pages.space);
  //@ assert inside: InsideInv(&vs_heap.pages.space) && MetadataInv(&vs_heap.pages.space) && ArenasInv;
  /*@ assert heap: \forall integer p; page <= p < page + npages ==> PageFree(p) ==>
        HeapPage(&vs_heap.pages.space, p) && !PageUsed(&vs_heap.pages.space, p); */
  //@ assert spanless: RunSpanless(page, page + npages);
  uint64_t dirty = pageheap_take(&vs_heap.pages, page, npages);
  /*@ assert kept: vs_heap.reclaim.peak == \at(vs_heap.reclaim.peak, Pre) &&
        vs_heap.reclaim.last_peak == \at(vs_heap.reclaim.last_peak, Pre) &&
        vs_heap.reclaim.owed == \at(vs_heap.reclaim.owed, Pre) &&
        vs_heap.filled_pages == \at(vs_heap.filled_pages, Pre); */
  //@ assert reclaim: ReclaimInv(&vs_heap.reclaim);
  //@ assert filled: vs_heap.filled_pages <= 2147483648;
  //@ assert inv: HeapInv;
  //@ assert pays: PaysSame{Pre,Here};
  //@ assert arenas: ArenasSame{Pre,Here} && ArenasKept{Pre,Here} && ArenasInv;
  //@ assert more: UsedKept{Pre,Here}(&vs_heap.pages.space);
  //@ assert spans: SpansInv(&vs_heap.pages.space);
  //@ assert theirs: SpansGuarantee{Pre,Here}(&vs_heap.pages.space);
  return dirty;
}

/* Hands out a descriptor of arena a, which a page of it pays for from now on: this thread's, and without a span. */
/*@ requires bound: page < 34359738368;
    requires inv: HeapInv;
    requires arena: a == vs_arena_map[page / 8192];
    requires mine: Mine(page);
    requires spanless: RunSpanless(page, page + 1);
    terminates \true;
    assigns g_arenas[page / 8192].nfree, g_arenas[page / 8192].nspans;
    assigns g_pays[page] \from page, vs_arena_map[0 .. 4194303];
    assigns \result \from page, vs_arena_map[0 .. 4194303];
    ensures inv: HeapInv;
    ensures pays: \result != \null && g_pays[page] == \result && NoSpan(page / 8192, page % 8192);
    ensures own: DescriptorOf(&g_arenas[page / 8192], \result);
    ensures fresh: !Paid{Pre}(page / 8192, \result);
    ensures elsewhere: SpansElsewhere{Pre,Here}(page, page + 1);
    ensures frame: SpansFrame{Pre,Here}(&vs_heap.pages);
    ensures guarantee: Guarantee{Pre,Here}(&vs_heap.pages.space) && SpansGuarantee{Pre,Here}(&vs_heap.pages.space);
*/
HEAP_LOCKED static struct mspan *mheap_take_descriptor(struct heap_arena *a) /*@ ghost (uint64_t page) */ {
  //@ ghost uint64_t n = page / 8192;
  //@ assert number: 0 <= n < 4194304 && PageIs(page, n, page % 8192);
  //@ assert order: ArenasInv && SpansAt(n);
  //@ assert at: ArenaAt(n);
  //@ assert used: PageUsed(&vs_heap.pages.space, page) && vs_arena_map[n] != \null;
  growth_apart(&vs_heap.pages.space);
  //@ assert few: vs_heap.pages.space.reserved.n <= 32768 && vs_heap.pages.space.heap.n <= 32768;
  //@ assert arena: a == &g_arenas[n] && ArenaInv(a, n) && DescriptorsInv(a) && PaidInv(a, n) && HeadsInv(a);
  //@ ghost mheap_has_room(a, n, page % 8192);
  struct mspan *s = arena_take_descriptor(a);
  //@ assert fresh: DescriptorOf(a, s) && s != \null && s != &vs_empty_span;
  //@ assert unpaid: !Paid{Pre}(n, s);
  //@ ghost g_pays[page] = s;
  //@ assert pays: \forall integer p; 0 <= p < 34359738368 ==> p != page ==> g_pays[p] == \at(g_pays[p], Pre);
#include "../spec/one_arena.acsl"
  //@ assert headsame: \forall integer q; 0 <= q < 8192 ==> g_arenas[n].head[q] == \at(g_arenas[page / 8192].head[q], Pre);
  /*@ assert covers: \forall integer k, q; 0 <= k < 8192 ==> (SpanCovers(a, n, k, q) <==> SpanCovers{Pre}(a, n, k, q)); */
  //@ assert mapspans: \forall integer k; 0 <= k < 8192 ==> SpanMapped{Pre}(a, n, k) ==> SpanMapped(a, n, k);
  //@ assert pageinv: \forall integer q; 0 <= q < 8192 ==> PageInv{Pre}(a, n, q) ==> PageInv(a, n, q);
  //@ assert here: ArenaAt(n);
  //@ assert arenas: ArenasInv;
  //@ assert apart: \forall integer q; 0 <= q < 8192 ==> q != page % 8192 ==> g_pays[8192 * n + q] != s;
  //@ assert unmapped: \forall integer q; 0 <= q < 8192 ==> a->head[q] != s;
  /*@ assert alsopaid: \forall struct mspan *t; t != s ==> t != \null ==> (Paid{Pre}(n, t) <==> Paid(n, t)); */
  //@ assert nowpaid: Paid(n, s);
  //@ assert paid: PaidInv(&g_arenas[n], n);
  //@ assert once: PaidOnce(n);
  //@ assert heads: HeadsInv(&g_arenas[n]);
  //@ assert payer: PayerInv(&g_arenas[n], n);
  //@ assert near: \forall integer q; 0 <= q < 8192 ==> HeadKept{Pre,Here}(n, q);
  //@ assert located: OthersWhere{Pre,Here}(vs_arena_map[n], s) && PaidInv{Pre}(vs_arena_map[n], n);
  //@ assert beside: NearKept{Pre,Here}(n, page, page + 1);
  //@ assert elsewhere: SpansElsewhere{Pre,Here}(page, page + 1);
#include "../spec/one_arena_heap.acsl"
  return s;
}

/* Takes back descriptor s of arena a, which a page of it paid for that is this thread's; no span has it any more. */
/*@ requires bound: page < 34359738368;
    requires inv: HeapInv;
    requires arena: a == vs_arena_map[page / 8192];
    requires mine: Mine(page);
    requires pays: s != \null && g_pays[page] == s && NoSpan(page / 8192, page % 8192);
    terminates \true;
    assigns g_arenas[page / 8192].nfree;
    assigns g_pays[page], g_arenas[page / 8192].free[0 .. 8191] \from s;
    ensures inv: HeapInv;
    ensures spanless: RunSpanless(page, page + 1);
    ensures elsewhere: SpansElsewhere{Pre,Here}(page, page + 1);
    ensures frame: SpansFrame{Pre,Here}(&vs_heap.pages);
    ensures guarantee: Guarantee{Pre,Here}(&vs_heap.pages.space) && SpansGuarantee{Pre,Here}(&vs_heap.pages.space);
*/
HEAP_LOCKED static void mheap_put_descriptor(struct heap_arena *a, struct mspan *s) /*@ ghost (uint64_t page) */ {
  //@ ghost uint64_t n = page / 8192;
  //@ assert number: 0 <= n < 4194304 && PageIs(page, n, page % 8192);
  //@ assert order: ArenasInv && SpansAt(n);
  //@ assert at: ArenaAt(n);
  //@ assert used: PageUsed(&vs_heap.pages.space, page) && vs_arena_map[n] != \null;
  growth_apart(&vs_heap.pages.space);
  //@ assert few: vs_heap.pages.space.reserved.n <= 32768 && vs_heap.pages.space.heap.n <= 32768;
  //@ assert arena: a == &g_arenas[n] && ArenaInv(a, n) && DescriptorsInv(a) && PaidInv(a, n) && HeadsInv(a) && PayerInv(a, n);
  //@ assert descriptor: Paid(n, s) && DescriptorOf(a, s) && s != &vs_empty_span;
  //@ assert once: \forall integer q; 0 <= q < 8192 ==> q != page % 8192 ==> g_pays[8192 * n + q] != s;
  //@ assert unmapped: \forall integer q; 0 <= q < 8192 ==> a->head[q] != s;
  arena_put_descriptor(a, s);
  //@ ghost g_pays[page] = 0;
  //@ assert pays: \forall integer p; 0 <= p < 34359738368 ==> p != page ==> g_pays[p] == \at(g_pays[p], Pre);
#include "../spec/one_arena.acsl"
  //@ assert headsame: \forall integer q; 0 <= q < 8192 ==> g_arenas[n].head[q] == \at(g_arenas[page / 8192].head[q], Pre);
  /*@ assert covers: \forall integer k, q; 0 <= k < 8192 ==> (SpanCovers(a, n, k, q) <==> SpanCovers{Pre}(a, n, k, q)); */
  //@ assert mapspans: \forall integer k; 0 <= k < 8192 ==> SpanMapped{Pre}(a, n, k) ==> SpanMapped(a, n, k);
  //@ assert pageinv: \forall integer q; 0 <= q < 8192 ==> PageInv{Pre}(a, n, q) ==> PageInv(a, n, q);
  //@ assert here: ArenaAt(n);
  //@ assert arenas: ArenasInv;
  /*@ assert alsopaid: \forall struct mspan *t; t != s ==> t != \null ==> (Paid{Pre}(n, t) <==> Paid(n, t)); */
  //@ assert not: \forall integer q; 0 <= q < 8192 ==> g_pays[8192 * n + q] != s;
  //@ assert unpaid: !Paid(n, s);
  //@ assert paid: PaidInv(&g_arenas[n], n);
  //@ assert still: PaidOnce(n);
  //@ assert heads: HeadsInv(&g_arenas[n]);
  //@ assert payer: PayerInv(&g_arenas[n], n);
  //@ assert near: \forall integer q; 0 <= q < 8192 ==> HeadKept{Pre,Here}(n, q);
  //@ assert located: OthersWhere{Pre,Here}(vs_arena_map[n], s) && PaidInv{Pre}(vs_arena_map[n], n);
  //@ assert beside: NearKept{Pre,Here}(n, page, page + 1);
  //@ assert elsewhere: SpansElsewhere{Pre,Here}(page, page + 1);
#include "../spec/one_arena_heap.acsl"
}

/* Makes npages pages from page first on, which are this thread's, the span of descriptor s, which page first pays for. a is
 * the arena that they start in. */
/*@ requires bound: first < 34359738368 && 1 <= npages <= 34359738368 - first;
    requires inv: HeapInv;
    requires arena: a == vs_arena_map[first / 8192];
    requires mine: RunMine(first, first + npages);
    requires pays: s != \null && g_pays[first] == s && NoSpan(first / 8192, first % 8192);
    requires spanless: RunSpanless(first + 1, first + npages);
    terminates \true;
    assigns g_arenas[first / 8192].span[0 .. 8191].base, g_arenas[first / 8192].span[0 .. 8191].npages;
    assigns g_arenas[first / 8192].head[0 .. 8191] \from s;
    ensures inv: HeapInv;
    ensures own: SpanOwn(s, first, npages);
    ensures elsewhere: SpansElsewhere{Pre,Here}(first, first + npages);
    ensures frame: SpansFrame{Pre,Here}(&vs_heap.pages);
    ensures guarantee: Guarantee{Pre,Here}(&vs_heap.pages.space) && SpansGuarantee{Pre,Here}(&vs_heap.pages.space);
*/
static void mheap_enter_span(struct heap_arena *a, struct mspan *s, uint64_t first, uint32_t npages) {
  //@ ghost uint64_t n = first / 8192;
  //@ assert number: 0 <= n < 4194304 && PageIs(first, n, first % 8192);
  //@ assert order: ArenasInv && SpansAt(n);
  //@ assert at: ArenaAt(n);
  //@ assert used: PageUsed(&vs_heap.pages.space, first) && vs_arena_map[n] != \null;
  growth_apart(&vs_heap.pages.space);
  //@ assert few: vs_heap.pages.space.reserved.n <= 32768 && vs_heap.pages.space.heap.n <= 32768;
  //@ assert arena: a == &g_arenas[n] && ArenaInv(a, n) && DescriptorsInv(a) && PaidInv(a, n) && HeadsInv(a) && PayerInv(a, n);
  //@ assert descriptor: Paid(n, s) && DescriptorOf(a, s) && s != &vs_empty_span;
  //@ assert once: \forall integer q; 0 <= q < 8192 ==> q != first % 8192 ==> g_pays[8192 * n + q] != s;
  //@ assert unmapped: \forall integer q; 0 <= q < 8192 ==> a->head[q] != s;
  /*@ assert within: \forall integer q; first % 8192 < q < 8192 ==> q < first % 8192 + npages ==>
        first + 1 <= 8192 * n + q < first + npages; */
  //@ assert none: \forall integer q; first % 8192 < q < 8192 ==> q < first % 8192 + npages ==> NoSpan(n, q);
  //@ assert free: \forall integer q; first % 8192 <= q < 8192 ==> q < first % 8192 + npages ==> a->head[q] == &vs_empty_span;
  //@ assert had: \forall integer p; first < p < first + npages ==> g_pays[p] == \null && NoSpan(p / 8192, p % 8192);
  s->base = page_address(first);
  s->npages = npages;
  //@ assert base: s->base == 8192 * first && s->base / 67108864 == first / 8192 && s->base % 8192 == 0;
  //@ assert samehead: \forall integer q; 0 <= q < 8192 ==> a->head[q] == \at(a->head[q], Pre);
  /*@ assert covers: \forall integer k, q; 0 <= k < 8192 ==> &a->span[k] != s ==>
        (SpanCovers(a, first / 8192, k, q) <==> SpanCovers{Pre}(a, first / 8192, k, q)); */
  /*@ assert mapspans: \forall integer k; 0 <= k < 8192 ==> &a->span[k] != s ==>
        SpanMapped{Pre}(a, first / 8192, k) ==> SpanMapped(a, first / 8192, k); */
  //@ assert pageinv: \forall integer q; 0 <= q < 8192 ==> PageInv{Pre}(a, first / 8192, q) ==> PageInv(a, first / 8192, q);
  //@ assert start: first == first / 8192 * 8192 + first % 8192;
  /*@ assert has: \forall integer q; 0 <= q < 8192 ==>
        (SpanHas(s, q) <==> first % 8192 <= q < first % 8192 + npages); */
  arena_enter(a, s);
  //@ assert stack: StackSame{Pre,Here}(a);
  //@ assert descriptors: DescriptorsInv(a);
  //@ assert back: \forall integer k; 0 <= k < 8192 ==> (DescriptorFree(a, k) <==> DescriptorFree{Pre}(a, k));
  //@ assert pays: \forall integer p; 0 <= p < 34359738368 ==> g_pays[p] == \at(g_pays[p], Pre);
#include "../spec/one_arena.acsl"
  //@ assert here: ArenaAt(n);
  //@ assert arenas: ArenasInv;
  /*@ assert stay: \forall integer q; 0 <= q < 8192 ==> g_arenas[n].head[q] == \at(g_arenas[first / 8192].head[q], Pre) ||
        (g_arenas[n].head[q] == s && \at(g_arenas[first / 8192].head[q], Pre) == &vs_empty_span); */
  //@ assert whose: \forall integer q; first % 8192 <= q < 8192 ==> q < first % 8192 + npages ==> vs_arena_map[n]->head[q] == s;
  //@ assert nothing: \forall integer q; 0 <= q < 8192 ==> g_pays[8192 * n + q] != &vs_empty_span;
  //@ assert samepaid: \forall struct mspan *t; Paid{Pre}(n, t) <==> Paid(n, t);
  //@ assert paid: PaidInv(&g_arenas[n], n);
  //@ assert still: PaidOnce(n);
  //@ assert heads: HeadsInv(&g_arenas[n]);
  //@ assert payer: PayerInv(&g_arenas[n], n);
  //@ assert near: \forall integer q; 0 <= q < 8192 ==> !(first % 8192 <= q < first % 8192 + npages) ==> HeadKept{Pre,Here}(n, q);
  //@ assert located: OthersWhere{Pre,Here}(vs_arena_map[n], s) && PaidInv{Pre}(vs_arena_map[n], n);
  //@ assert beside: NearKept{Pre,Here}(n, first, first + npages);
  //@ assert elsewhere: SpansElsewhere{Pre,Here}(first, first + npages);
#include "../spec/one_arena_heap.acsl"
  /*@ assert beyond: \forall integer p; first < p < first + npages ==> p / 8192 != n ==>
        0 <= p / 8192 < 4194304 && 0 <= p % 8192 < 8192 && NoSpan(p / 8192, p % 8192); */
  //@ assert own: SpanOwn(s, first, npages);
}

/* A span that was just made, and how many of its pages may hold old data; or NULL. */
struct fresh_span {
  struct mspan *span;
  uint64_t dirty;
};

/* Takes pages for a span, from page on if it is one, and else of new arenas; NULL if refused. */
/*@ requires pages: 1 <= npages && page <= 34359738368;
    requires free: page < 34359738368 ==> page + npages <= 34359738368 && RunFree(page, page + npages);
    requires align: 0 < align && (align < 131072 || align % 131072 == 0);
    requires inv: HeapInv;
    terminates \true;
    assigns vs_heap.pages, vs_heap.reclaim, g_os[0 .. 34359738367],
      { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    assigns vs_pages, vs_arena_map[0 .. 4194303], g_arenas[0 .. 4194303] \from page, npages, vs_pages, &vs_empty_span;
    assigns g_mine[0 .. 34359738367];
    assigns g_pays[0 .. 34359738367] \from page, npages, vs_arena_map[0 .. 4194303];
    assigns \result \from page, npages, align, vs_heap, vs_arena_map[0 .. 4194303];
    ensures inv: HeapInv;
    ensures guarantee: Guarantee{Pre,Here}(&vs_heap.pages.space) && SpansGuarantee{Pre,Here}(&vs_heap.pages.space);
    ensures dirty: \result.dirty <= npages;
    ensures own: \result.span != \null ==> SpanOwn(\result.span, \result.span->base / 8192, npages);
*/
HEAP_LOCKED static struct fresh_span mheap_take(uint64_t page, uint32_t npages, size_t align) {
  struct fresh_span got = {0, 0};
  uint64_t first = mheap_find(page, npages, align);
  if (first == VS_NO_PAGE) return got;
  got.dirty = mheap_take_pages(first, npages);
  //@ assert pages: Guarantee{Pre,Here}(&vs_heap.pages.space) && SpansGuarantee{Pre,Here}(&vs_heap.pages.space);
  //@ assert number: 0 <= first < 34359738368 && MetadataInv(&vs_heap.pages.space);
  //@ assert there: PageUsed(&vs_heap.pages.space, first) && vs_arena_map[first / 8192] != \null;
  struct heap_arena *a = mheap_arena(first);
  got.span = mheap_take_descriptor(a) /*@ ghost (first) */;
  mheap_enter_span(a, got.span, first, npages);
  //@ assert span: Guarantee{Pre,Here}(&vs_heap.pages.space) && SpansGuarantee{Pre,Here}(&vs_heap.pages.space);
  //@ ghost Made: ;
  mheap_note_taken(npages - got.dirty);
  //@ assert noted: Guarantee{Made,Here}(&vs_heap.pages.space) && SpansGuarantee{Made,Here}(&vs_heap.pages.space);
  //@ assert kept: RunKept{Made,Here}(first, first + npages) && RunMine(first, first + npages);
  //@ assert own: SpanOwn(got.span, first, npages);
  return got;
}

/* Ends span s, from page first on, where arena a is: its pages, which stay this thread's, have none then, and the first pays
 * for s still. */
/*@ requires inv: HeapInv;
    requires bound: first < 34359738368;
    requires arena: a == vs_arena_map[first / 8192];
    requires own: SpanOwn(s, first, s->npages);
    terminates \true;
    assigns g_arenas[first / 8192].head[0 .. 8191] \from &vs_empty_span;
    ensures inv: HeapInv;
    ensures pays: g_pays[first] == s && NoSpan(first / 8192, first % 8192);
    ensures none: RunSpanless(first + 1, first + s->npages);
    ensures elsewhere: SpansElsewhere{Pre,Here}(first, first + s->npages);
    ensures frame: SpansFrame{Pre,Here}(&vs_heap.pages);
    ensures guarantee: Guarantee{Pre,Here}(&vs_heap.pages.space) && SpansGuarantee{Pre,Here}(&vs_heap.pages.space);
*/
HEAP_LOCKED static void mheap_leave_span(struct heap_arena *a, struct mspan *s) /*@ ghost (uint64_t first) */ {
  //@ ghost uint64_t n = first / 8192;
  //@ assert number: 0 <= n < 4194304 && PageIs(first, n, first % 8192);
  //@ assert order: ArenasInv && SpansAt(n);
  //@ assert at: ArenaAt(n);
  growth_apart(&vs_heap.pages.space);
  //@ assert few: vs_heap.pages.space.reserved.n <= 32768 && vs_heap.pages.space.heap.n <= 32768;
  //@ assert arena: a == &g_arenas[n] && ArenaInv(a, n) && DescriptorsInv(a) && PaidInv(a, n) && HeadsInv(a) && PayerInv(a, n);
  //@ assert descriptor: Paid(n, s) && DescriptorOf(a, s) && s != &vs_empty_span;
  //@ assert once: \forall integer q; 0 <= q < 8192 ==> q != first % 8192 ==> g_pays[8192 * n + q] != s;
  //@ assert base: s->base / 67108864 == first / 8192 && s->base % 8192 == 0;
  //@ assert start: first == first / 8192 * 8192 + first % 8192;
  /*@ assert has: \forall integer q; 0 <= q < 8192 ==>
        (SpanHas(s, q) <==> first % 8192 <= q < first % 8192 + s->npages); */
  arena_leave(a, s);
  //@ assert stack: StackSame{Pre,Here}(a);
  //@ assert descriptors: DescriptorsInv(a);
  //@ assert back: \forall integer k; 0 <= k < 8192 ==> (DescriptorFree(a, k) <==> DescriptorFree{Pre}(a, k));
  //@ assert length: s->npages == \at(s->npages, Pre);
  //@ assert pays: \forall integer p; 0 <= p < 34359738368 ==> g_pays[p] == \at(g_pays[p], Pre);
#include "../spec/one_arena.acsl"
  //@ assert here: ArenaAt(n);
  //@ assert arenas: ArenasInv;
  /*@ assert stay: \forall integer q; 0 <= q < 8192 ==> g_arenas[n].head[q] == &vs_empty_span ||
        (g_arenas[n].head[q] == \at(g_arenas[first / 8192].head[q], Pre) && g_arenas[n].head[q] != s); */
  /*@ assert went: \forall integer q; 0 <= q < 8192 ==> g_arenas[n].head[q] == \at(g_arenas[first / 8192].head[q], Pre) ||
        \at(g_arenas[first / 8192].head[q], Pre) == s; */
  //@ assert nothing: \forall integer q; 0 <= q < 8192 ==> g_pays[8192 * n + q] != &vs_empty_span;
  //@ assert samepaid: \forall struct mspan *t; Paid{Pre}(n, t) <==> Paid(n, t);
  //@ assert paid: PaidInv(&g_arenas[n], n);
  //@ assert still: PaidOnce(n);
  //@ assert heads: HeadsInv(&g_arenas[n]);
  //@ assert payer: PayerInv(&g_arenas[n], n);
  /*@ assert near: \forall integer q; 0 <= q < 8192 ==> !(first % 8192 <= q < first % 8192 + s->npages) ==>
        HeadKept{Pre,Here}(n, q); */
  //@ assert located: OthersWhere{Pre,Here}(vs_arena_map[n], s) && PaidInv{Pre}(vs_arena_map[n], n);
  //@ assert beside: NearKept{Pre,Here}(n, first, first + s->npages);
  //@ assert elsewhere: SpansElsewhere{Pre,Here}(first, first + s->npages);
#include "../spec/one_arena_heap.acsl"
  /*@ assert none: \forall integer p; first < p < first + s->npages ==> PageIs(p, p / 8192, p % 8192) &&
        0 <= p / 8192 < 4194304 && g_pays[p] == \null && NoSpan(p / 8192, p % 8192); */
}

/* Returns the npages pages from page first on, which are this thread's and have no span. */
/*@ requires pages: first < 34359738368 && 1 <= npages <= 34359738368 - first;
    requires inv: HeapInv;
    requires mine: RunMine(first, first + npages);
    requires spanless: RunSpanless(first, first + npages);
    terminates \true;
    assigns vs_heap.pages.used, vs_heap.pages.dirty, vs_pages.level2[0 .. 1048575], vs_pages.level1[0 .. 131071],
      vs_pages.level0[0 .. 16383], vs_pages.search, { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    assigns g_mine[first .. first + npages - 1];
    ensures inv: HeapInv;
    ensures arenas: ArenasKept{Pre,Here};
    ensures guarantee: Guarantee{Pre,Here}(&vs_heap.pages.space) && SpansGuarantee{Pre,Here}(&vs_heap.pages.space);
    ensures gone: NoneMine(first, first + npages);
*/
HEAP_LOCKED static void mheap_put_pages(uint64_t first, uint64_t npages) {
  growth_apart(&vs_heap.pages.space);
  //@ assert metadata: MetadataInv(&vs_heap.pages.space) && ArenasInv;
  pageheap_put(&vs_heap.pages, first, npages);
  /*@ assert kept: vs_heap.reclaim.peak == \at(vs_heap.reclaim.peak, Pre) &&
        vs_heap.reclaim.last_peak == \at(vs_heap.reclaim.last_peak, Pre) &&
        vs_heap.reclaim.owed == \at(vs_heap.reclaim.owed, Pre) &&
        vs_heap.filled_pages == \at(vs_heap.filled_pages, Pre); */
  //@ assert arenas: ArenasInv && ArenasKept{Pre,Here};
  //@ assert pays: PaysSame{Pre,Here};
  //@ assert spans: SpansInv(&vs_heap.pages.space);
  //@ assert theirs: SpansGuarantee{Pre,Here}(&vs_heap.pages.space);
  //@ assert inv: HeapInv;
}

/* Returns the pages of a span that nobody else knows any more. */
/*@ requires inv: HeapInv;
    requires valid: \valid_read(s);
    requires own: SpanOwn(s, s->base / 8192, s->npages);
    terminates \true;
    assigns HEAP_STATE \from HEAP_STATE;
    assigns g_mine[s->base / 8192 .. s->base / 8192 + s->npages - 1];
    ensures inv: HeapInv;
    ensures gone: NoneMine(\old(s->base) / 8192, \old(s->base) / 8192 + \old(s->npages));
*/
static void mheap_release_span(struct mspan *s) {
  uint64_t npages = s->npages, first = s->base / VS_PAGE_SIZE;
  //@ assert before: SpanOwn(s, first, npages) && MetadataInv(&vs_heap.pages.space) && MineInv(&vs_heap.pages.space);
  //@ ghost Before: ;
  mheap_lock();
  //@ assert kept: RunKept{Before,Here}(first, first + npages) && RunMine(first, first + npages);
  //@ assert own: SpanOwn(s, first, npages);
  struct heap_arena *a = mheap_arena(first);
  mheap_leave_span(a, s) /*@ ghost (first) */;
  //@ ghost Left: ;
  mheap_put_descriptor(a, s) /*@ ghost (first) */;
  /*@ assert each: \forall integer p; first < p < first + npages ==> SpanKept{Left,Here}(p) ==> g_pays[p] == \null &&
        NoSpan(p / 8192, p % 8192); */
  //@ assert mine: RunMine(first, first + npages) && RunSpanless(first, first + npages);
  mheap_put_pages(first, npages);
  mheap_note_taken(0);
  mheap_unlock();
}

/* ---- caches ---- */

/* Puts a cache, which is written, in front of the list of caches: who finds it there finds that too (T-01). */
/*@ requires valid: \valid(c);
    terminates \true;
    assigns vs_heap.caches \from c;
    ensures first: vs_heap.caches == c;
*/
#ifdef __FRAMAC__
HEAP_LOCKED static void mheap_publish_cache(struct mheap_cache *c);
#else
struct mheap_cache *mheap_caches(void) { return __atomic_load_n(&vs_heap.caches, __ATOMIC_ACQUIRE); }
HEAP_LOCKED static void mheap_publish_cache(struct mheap_cache *c) { __atomic_store_n(&vs_heap.caches, c, __ATOMIC_RELEASE); }
#endif

/* Reserves descriptors for the spans of npages pages that the pages of a cache may become. */
HEAP_LOCKED static void mheap_reserve_descriptors(struct mheap_cache *c, uint32_t npages) {
  uint32_t want = bits_count(c->pages.free) / npages;
  if (want > VS_CACHE_DESCRIPTORS) want = VS_CACHE_DESCRIPTORS;
  while (c->nspare < want) {
    c->spare[c->nspare] = arena_take_descriptor(c->arena);
    vs_store_relaxed_u64(&c->nspare, c->nspare + 1);
  }
}

/* Takes a descriptor out of a cache. */
/*@ requires valid: \valid(c);
    requires some: 1 <= c->nspare <= VS_CACHE_DESCRIPTORS;
    requires there: \valid(c->spare[c->nspare - 1]);
    terminates \true;
    assigns c->nspare;
    assigns \result \from c->spare[0 .. 15], c->nspare;
    ensures one: c->nspare == \old(c->nspare) - 1;
    ensures last: \result == c->spare[c->nspare];
*/
static struct mspan *mheap_pop_descriptor(struct mheap_cache *c) {
  vs_store_relaxed_u64(&c->nspare, c->nspare - 1);
  return c->spare[c->nspare];
}

/* A cache has the given pages of the group that starts at page first now, in place of those that it had. */
HEAP_LOCKED static void mheap_set_pages(struct mheap_cache *c, uint64_t first, uint64_t pages, uint64_t clean) {
  vs_heap.filled_pages += bits_count(pages);
  vs_heap.filled_pages -= c->filled;
  c->filled = bits_count(pages);
  vs_store_relaxed_u64(&c->pages.first, first);
  vs_store_relaxed_u64(&c->pages.free, pages);
  vs_store_relaxed_u64(&c->pages.clean, clean);
}

/* Returns what a cache holds that has pages. */
HEAP_LOCKED static void mheap_flush_cache(struct mheap_cache *c) {
  pageheap_put_group(&vs_heap.pages, c->pages.first, c->pages.free, c->pages.clean);
  mheap_set_pages(c, 0, 0, 0);
  while (c->nspare != 0) arena_put_descriptor(c->arena, mheap_pop_descriptor(c));
}

/* The free pages that a cache may take of the group of a page, from that page on: bit k is page k of the group. */
/*@ requires inv: HeapInv;
    requires bound: page < 34359738368;
    requires block: HasBlock(page / 32768);
    terminates \true;
    assigns \nothing;
    ensures pages: \forall integer k; 0 <= k < 64 ==> (Bit(\result, k) ==>
      page % 64 <= k < page % 64 + vs_heap.pages.used / 128 && PageFree(page / 64 * 64 + k));
    ensures all: vs_heap.filled_pages + 64 <= vs_heap.pages.used / 16 ==> \forall integer k; page % 64 <= k < 64 ==>
      k < page % 64 + vs_heap.pages.used / 128 ==> PageFree(page / 64 * 64 + k) ==> Bit(\result, k);
    ensures most: \result != 0 ==> vs_heap.filled_pages <= vs_heap.pages.used / 16;
*/
HEAP_LOCKED static uint64_t mheap_cacheable(uint64_t page) {
  uint32_t k = (uint32_t)(page % VS_GROUP_PAGES), w = (uint32_t)(page % VS_CHUNK_PAGES / VS_GROUP_PAGES);
  uint64_t most = vs_heap.pages.used / CACHE_FRACTION, all = vs_heap.pages.used / CACHES_FRACTION;
  uint32_t end = most < VS_GROUP_PAGES - k ? k + (uint32_t)most : VS_GROUP_PAGES;
  if (vs_heap.filled_pages + (end - k) > all) return 0;
  uint64_t free = pagealloc_chunk(page)->free[w];
  //@ ghost uint64_t first = page / 64 * 64;
  //@ assert group: first % 64 == 0 && first <= page < first + 64 && first / 32768 == page / 32768;
  //@ assert parts: page == page / 512 * 512 + page % 512 && page % 512 == 64 * w + page % 64 && first == page - page % 64;
  //@ assert start: first == page / 512 * 512 + 64 * w && 0 <= 64 * w < 512;
  //@ assert chunk: first / 512 == page / 512 && first % 512 == 64 * w;
  //@ assert block: \forall integer j; 0 <= j < 64 ==> (first + j) / 32768 == page / 32768;
  //@ assert chunks: \forall integer j; 0 <= j < 64 ==> (first + j) / 512 == page / 512;
  //@ assert place: \forall integer j; 0 <= j < 64 ==> (first + j) % 512 == 64 * w + j;
  //@ assert word: \forall integer j; 0 <= j < 64 ==> (64 * w + j) / 64 == w && (64 * w + j) % 64 == j;
  /*@ assert bits: \forall integer j; 0 <= j < 64 ==>
        (Bit(free, j) <==> MapBit(&vs_pages.block[page / 32768]->chunk[page / 512 % 64].free[0], 64 * w + j)); */
  //@ assert pages: \forall integer j; 0 <= j < 64 ==> (Bit(free, j) <==> PageFree(first + j));
  //@ assert end: \forall integer j; k <= j < 64 ==> (j < end <==> j < page % 64 + vs_heap.pages.used / 128);
  free &= bits_below(end) & bits_not(bits_below(k));
  //@ assert got: \forall integer j; 0 <= j < 64 ==> (Bit(free, j) <==> PageFree(first + j) && k <= j < end);
  return free;
}

/* Fills an empty cache with the pages behind the last page of a span of npages pages that was just made, if they are
 * worth it. */
HEAP_LOCKED static void mheap_fill_cache(struct mheap_cache *c, uint64_t last, uint32_t npages) {
  uint64_t first = last / VS_GROUP_PAGES * VS_GROUP_PAGES, pages = mheap_cacheable(last);
  if (bits_count(pages) < CACHE_MIN_SPANS * npages) return;
  struct page_group got = pageheap_take_group(&vs_heap.pages, first, pages);
  mheap_set_pages(c, first, got.pages, got.clean);
  c->arena = mheap_arena(first);
  mheap_reserve_descriptors(c, npages);
  if (!c->listed) {
    c->listed = true;
    c->next = vs_heap.caches;
    mheap_publish_cache(c);
  }
  mheap_note_taken(bits_count(got.clean));
}

/* A span of npages pages out of a cache; NULL if it has no such pages, or no descriptor that it can spare. */
static struct mspan *mheap_take_cached(struct mheap_cache *c, uint32_t npages, uint64_t *dirty) {
  uint64_t clean;
  if (c->nspare == 0 || c->nspare - 1 + npages > bits_count(c->pages.free)) return 0;
  uint32_t k = pagecache_alloc(&c->pages, npages, &clean);
  if (k == VS_GROUP_PAGES) return 0;
  *dirty = npages - bits_count(clean);
  struct mspan *s = mheap_pop_descriptor(c);
  mheap_enter_span(c->arena, s, c->pages.first + k, npages);
  return s;
}

/* The same after that was refused: with more descriptors, or else from the page allocator. NULL if the system refused. */
HEAP_LOCKED static struct mspan *mheap_take_refill(struct mheap_cache *c, uint32_t npages, uint64_t *dirty) {
  if (c->pages.free != 0) {
    mheap_reserve_descriptors(c, npages);
    struct mspan *s = mheap_take_cached(c, npages, dirty);
    if (s) return s;
    mheap_flush_cache(c);
  }
  struct fresh_span got = mheap_take(fit_arena(npages), npages, 1);
  if (got.span) mheap_fill_cache(c, got.span->base / VS_PAGE_SIZE + npages - 1, npages);
  *dirty = got.dirty;
  return got.span;
}

void mheap_flush(struct mheap_cache *c) {
  if (c->pages.free == 0) return;
  mheap_lock();
  mheap_flush_cache(c);
  mheap_unlock();
}

/* ---- spans ---- */

struct mspan *mheap_alloc(uint32_t spanclass, uint64_t ctl, struct mheap_cache *cache) {
  uint32_t npages = vs_class_pages[spanclass / 2];
  uint64_t dirty = 0;
  struct mspan *s = mheap_take_cached(cache, npages, &dirty);
  if (!s) {
    mheap_lock();
    s = mheap_take_refill(cache, npages, &dirty);
    mheap_unlock();
  }
  if (!s) return 0;
  mspan_init(s, s->base, spanclass, dirty != 0);
  s->next = 0;
  s->prev = 0;
  ownership_begin(s, ctl);
  return s;
}

void mheap_free(struct mspan *s) {
  ownership_end(s);
  mheap_release_span(s);
}

uintptr_t mheap_alloc_large(size_t size, size_t align, bool *zeroed) {
  uint64_t pages = page_count(size);
  uint32_t npages = pages == 0 ? 1 : (uint32_t)pages;
  uint64_t align_pages = align > VS_PAGE_SIZE ? align / VS_PAGE_SIZE : 1;
  mheap_lock();
  struct fresh_span got = mheap_take(fit_aligned(npages, align_pages), npages, align);
  mheap_unlock();
  struct mspan *s = got.span;
  uint64_t dirty = got.dirty;
  if (!s) return 0;
  s->spanclass = 0;
  s->elem_size = 0;
  s->nelems = 1;
  bool release = *zeroed && dirty != 0 && dirty < npages / SPARSE_FRACTION;
  if (release && os_release(s->base, (size_t)npages * VS_PAGE_SIZE) == 0) dirty = 0;
  s->needzero = dirty != 0;
  *zeroed = dirty == 0;
  ownership_begin_large(s);
  return s->base;
}

bool mheap_free_large(struct mspan *s) {
  if (!ownership_end_large(s)) return false;
  mheap_release_span(s);
  return true;
}

/* The pages of the arena that a large span starts in between its pages from and to: their span is s, or none. */
/*@ requires valid: \valid_read(s);
    requires bound: from <= to <= 34359738368;
    requires there: s->base / 67108864 < 4194304 && vs_arena_map[s->base / 67108864] != \null;
    requires inv: ArenasInv;
    terminates \true;
    assigns g_arenas[s->base / 67108864].head[0 .. 8191] \from head;
    ensures set: \forall integer q; \old(s->base) % 67108864 / 8192 + from <= q < 8192 ==>
      q < \old(s->base) % 67108864 / 8192 + to ==> g_arenas[\old(s->base) / 67108864].head[q] == head;
    ensures frame: \forall integer q; 0 <= q < 8192 ==>
      !(\old(s->base) % 67108864 / 8192 + from <= q < \old(s->base) % 67108864 / 8192 + to) ==>
      g_arenas[\old(s->base) / 67108864].head[q] == \old(g_arenas[s->base / 67108864].head[q]);
*/
HEAP_LOCKED static void mheap_set_heads(const struct mspan *s, uint64_t from, uint64_t to, struct mspan *head) {
  uint64_t page = arena_page(s->base), first = page + from;
  uint64_t end = page + to < VS_ARENA_PAGES ? page + to : VS_ARENA_PAGES;
  if (first >= VS_ARENA_PAGES) return;
  uint64_t at = s->base / VS_PAGE_SIZE;
  //@ assert number: at / 8192 == s->base / 67108864;
  struct heap_arena *a = mheap_arena(at);
  //@ assert arena: a == &g_arenas[s->base / 67108864];
  arena_set_head(a, (uint32_t)first, (uint32_t)(end - first), head);
}

/* Whether the npages pages from page on are free, or the heap can grow by those that are not its own. */
/*@ requires inv: HeapInv;
    requires bound: page <= 34359738368 && 1 <= npages <= 4294967295;
    terminates \true;
    assigns vs_heap.pages, g_os[0 .. 34359738367], { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    assigns vs_pages, vs_arena_map[0 .. 4194303], g_arenas[0 .. 4194303] \from page, npages, vs_pages, &vs_empty_span;
    ensures inv: HeapInv;
    ensures guarantee: Guarantee{Pre,Here}(&vs_heap.pages.space) && SpansGuarantee{Pre,Here}(&vs_heap.pages.space);
    ensures arenas: ArenasKept{Pre,Here};
    ensures free: \result ==> page + npages <= 34359738368 && RunFree(page, page + npages);
*/
HEAP_LOCKED static bool mheap_reach(uint64_t page, uint64_t npages) {
  growth_apart(&vs_heap.pages.space);
  uint64_t run = pagealloc_run(page, npages);
  //@ assert free: \forall integer p; page <= p < page + run ==> PageFree(p);
  //@ assert inside: InsideInv(&vs_heap.pages.space);
  //@ assert there: \forall integer p; page <= p < page + run ==> HeapPage(&vs_heap.pages.space, p);
  if (run == npages) return true;
  //@ ghost Found: ;
  bool grown = pageheap_grow_at(&vs_heap.pages, page + run, npages - run);
  /*@ assert kept: vs_heap.reclaim.peak == \at(vs_heap.reclaim.peak, Found) &&
        vs_heap.reclaim.last_peak == \at(vs_heap.reclaim.last_peak, Found) &&
        vs_heap.reclaim.owed == \at(vs_heap.reclaim.owed, Found) &&
        vs_heap.filled_pages == \at(vs_heap.filled_pages, Found); */
  //@ assert reclaim: ReclaimInv(&vs_heap.reclaim);
  //@ assert filled: vs_heap.filled_pages <= 2147483648;
  //@ assert pages: PageheapInv(&vs_heap.pages);
  //@ assert mine: MineInv(&vs_heap.pages.space);
  //@ assert pays: PaysSame{Found,Here};
  //@ assert metadata: MetadataInv{Found}(&vs_heap.pages.space) && ArenasInv{Found} && ArenasInv;
  //@ assert more: UsedKept{Found,Here}(&vs_heap.pages.space);
  //@ assert spans: SpansInv(&vs_heap.pages.space);
  //@ assert theirs: SpansGuarantee{Found,Here}(&vs_heap.pages.space);
  //@ assert grown: \forall integer p; page <= p < page + run ==> PageGrown{Found,Here}(&vs_heap.pages.space, p);
  //@ assert heap: \forall integer p; page <= p < page + run ==> HeapPage{Found}(&vs_heap.pages.space, p);
  /*@ assert each: \forall integer p; page <= p < page + run ==> HeapPage{Found}(&vs_heap.pages.space, p) ==>
        PageGrown{Found,Here}(&vs_heap.pages.space, p) ==> (PageFree{Found}(p) <==> PageFree(p)); */
  //@ assert same: \forall integer p; page <= p < page + run ==> (PageFree{Found}(p) <==> PageFree(p));
  //@ assert still: RunFree(page, page + run);
  //@ assert new: grown ==> RunFree(page + run, page + npages);
  //@ assert last: grown ==> HeapPage(&vs_heap.pages.space, page + npages - 1);
  //@ assert bound: grown ==> page + npages <= 34359738368;
  return grown;
}

/* In the arena where span s starts: makes s the head of the pages that it gets by becoming npages pages long, and of those that
 * it loses none. */
/*@ requires valid: \valid_read(s);
    requires bound: npages <= 34359738368;
    requires there: s->base / 67108864 < 4194304 && vs_arena_map[s->base / 67108864] != \null;
    requires inv: ArenasInv;
    terminates \true;
    assigns g_arenas[s->base / 67108864].head[0 .. 8191] \from s, &vs_empty_span;
    ensures more: \forall integer q; \old(s->base) % 67108864 / 8192 + \old(s->npages) <= q < 8192 ==>
      q < \old(s->base) % 67108864 / 8192 + npages ==> g_arenas[\old(s->base) / 67108864].head[q] == s;
    ensures fewer: \forall integer q; \old(s->base) % 67108864 / 8192 + npages <= q < 8192 ==>
      q < \old(s->base) % 67108864 / 8192 + \old(s->npages) ==> g_arenas[\old(s->base) / 67108864].head[q] == &vs_empty_span;
    ensures frame: \forall integer q; 0 <= q < 8192 ==>
      !(\old(s->base) % 67108864 / 8192 + \old(s->npages) <= q < \old(s->base) % 67108864 / 8192 + npages) ==>
      !(\old(s->base) % 67108864 / 8192 + npages <= q < \old(s->base) % 67108864 / 8192 + \old(s->npages)) ==>
      g_arenas[\old(s->base) / 67108864].head[q] == \old(g_arenas[s->base / 67108864].head[q]);
*/
HEAP_LOCKED static void mheap_move_end(struct mspan *s, uint64_t npages) {
  if (npages < s->npages)
    mheap_set_heads(s, npages, s->npages, &vs_empty_span);
  else
    mheap_set_heads(s, s->npages, npages, s);
}

/* Makes span s, from page first on, npages pages long: those that it leaves stay this thread's, those that it comes to have
 * are. Before or then it ends at page end. */
/*@ requires bound: first < 34359738368 && 1 <= npages <= 34359738368 - first;
    requires end: first + npages <= end && first + s->npages <= end && (end == first + npages || end == first + s->npages);
    requires inv: HeapInv;
    requires valid: \valid_read(s);
    requires own: SpanOwn(s, first, s->npages);
    requires more: RunMine(first + s->npages, first + npages) && RunSpanless(first + s->npages, first + npages);
    terminates \true;
    assigns g_arenas[first / 8192].span[0 .. 8191].npages;
    assigns g_arenas[first / 8192].head[0 .. 8191] \from s;
    ensures inv: HeapInv;
    ensures own: SpanOwn(s, first, npages);
    ensures left: RunSpanless(first + npages, first + \old(s->npages));
    ensures frame: SpansFrame{Pre,Here}(&vs_heap.pages);
    ensures guarantee: Guarantee{Pre,Here}(&vs_heap.pages.space) && SpansGuarantee{Pre,Here}(&vs_heap.pages.space);
*/
HEAP_LOCKED static void mheap_set_length(struct mspan *s, uint32_t npages) /*@ ghost (uint64_t first, uint64_t end) */ {
  //@ ghost uint64_t n = first / 8192;
  //@ assert number: 0 <= n < 4194304 && PageIs(first, n, first % 8192);
  //@ assert order: ArenasInv && SpansAt(n);
  //@ assert at: ArenaAt(n);
  growth_apart(&vs_heap.pages.space);
  //@ assert few: vs_heap.pages.space.reserved.n <= 32768 && vs_heap.pages.space.heap.n <= 32768;
  //@ ghost struct heap_arena *a = vs_arena_map[n];
  //@ assert arena: a == &g_arenas[n] && ArenaInv(a, n) && DescriptorsInv(a) && PaidInv(a, n) && HeadsInv(a) && PayerInv(a, n);
  //@ assert descriptor: Paid(n, s) && DescriptorOf(a, s) && s != &vs_empty_span;
  //@ assert once: \forall integer q; 0 <= q < 8192 ==> q != first % 8192 ==> g_pays[8192 * n + q] != s;
  //@ assert start: first == first / 8192 * 8192 + first % 8192;
  /*@ assert base: s->base / 67108864 == first / 8192 && s->base % 8192 == 0 && s->base % 67108864 / 8192 == first % 8192; */
  //@ ghost uint32_t have = s->npages;
  //@ assert all: RunMine(first, end);
  //@ assert spanhas: \forall integer q; 0 <= q < 8192 ==> (SpanHas(s, q) <==> first % 8192 <= q < first % 8192 + have);
  //@ assert mapped: \forall integer q; 0 <= q < 8192 ==> PageInv(a, first / 8192, q) ==> a->head[q] == s ==> SpanHas(s, q);
  //@ assert its: \forall integer q; 0 <= q < 8192 ==> a->head[q] == s ==> first % 8192 <= q < first % 8192 + have;
  /*@ assert behind: \forall integer q; 0 <= q < 8192 ==> first % 8192 + have <= q < first % 8192 + npages ==>
        first + have <= 8192 * n + q < first + npages && NoSpan(n, q) && a->head[q] == &vs_empty_span; */
  mheap_move_end(s, npages);
  s->npages = npages;
  //@ assert is: \forall integer q; first % 8192 <= q < 8192 ==> q < first % 8192 + npages ==> a->head[q] == s;
  /*@ assert left: \forall integer q; 0 <= q < 8192 ==> first % 8192 + npages <= q < first % 8192 + have ==>
        a->head[q] == &vs_empty_span; */
  /*@ assert rest: \forall integer q; 0 <= q < 8192 ==> !(first <= 8192 * n + q < end) ==>
        a->head[q] == \at(g_arenas[first / 8192].head[q], Pre); */
  //@ assert length: s->npages == npages && s->base == 8192 * first;
  //@ assert stack: StackSame{Pre,Here}(a);
  //@ assert descriptors: DescriptorsInv(a);
  //@ assert back: \forall integer k; 0 <= k < 8192 ==> (DescriptorFree(a, k) <==> DescriptorFree{Pre}(a, k));
  /*@ assert stay: \forall integer q; 0 <= q < 8192 ==> a->head[q] == \at(g_arenas[first / 8192].head[q], Pre) ||
        (a->head[q] == s && \at(g_arenas[first / 8192].head[q], Pre) == &vs_empty_span) ||
        (a->head[q] == &vs_empty_span && \at(g_arenas[first / 8192].head[q], Pre) == s && q != first % 8192); */
  /*@ assert covers: \forall integer k, q; 0 <= k < 8192 ==> &a->span[k] != s ==>
        (SpanCovers(a, first / 8192, k, q) <==> SpanCovers{Pre}(a, first / 8192, k, q)); */
  /*@ assert has: \forall integer k, q; 0 <= k < 8192 ==> 0 <= q < 8192 ==> s == &a->span[k] ==>
        (SpanCovers(a, first / 8192, k, q) <==> first % 8192 <= q < first % 8192 + npages); */
  /*@ assert mapspans: \forall integer k; 0 <= k < 8192 ==> &a->span[k] != s ==>
        SpanMapped{Pre}(a, first / 8192, k) ==> SpanMapped(a, first / 8192, k); */
  //@ assert mapown: \forall integer k; 0 <= k < 8192 ==> s == &a->span[k] ==> SpanMapped(a, first / 8192, k);
  //@ assert ownpages: \forall integer q; 0 <= q < 8192 ==> a->head[q] == s ==> PageInv(a, first / 8192, q);
  /*@ assert pageinv: \forall integer q; 0 <= q < 8192 ==> a->head[q] != s ==> PageInv{Pre}(a, first / 8192, q) ==>
        PageInv(a, first / 8192, q); */
  //@ assert pays: \forall integer p; 0 <= p < 34359738368 ==> g_pays[p] == \at(g_pays[p], Pre);
#include "../spec/one_arena.acsl"
  //@ assert here: ArenaAt(n);
  //@ assert arenas: ArenasInv;
  //@ assert nothing: \forall integer q; 0 <= q < 8192 ==> g_pays[8192 * n + q] != &vs_empty_span;
  //@ assert samepaid: \forall struct mspan *t; Paid{Pre}(n, t) <==> Paid(n, t);
  //@ assert paid: PaidInv(&g_arenas[n], n);
  //@ assert still: PaidOnce(n);
  //@ assert heads: HeadsInv(&g_arenas[n]);
  //@ assert payown: \forall integer p; 0 <= p < 8192 ==> g_pays[8192 * n + p] == s ==> p == first % 8192;
  /*@ assert were: \forall integer q; 0 <= q < 8192 ==> a->head[q] != s ==> a->head[q] != &vs_empty_span ==>
        \at(g_arenas[first / 8192].head[q], Pre) == a->head[q]; */
  /*@ assert are: \forall integer q; 0 <= q < 8192 ==> \at(g_arenas[first / 8192].head[q], Pre) != s ==>
        \at(g_arenas[first / 8192].head[q], Pre) != &vs_empty_span ==> a->head[q] == \at(g_arenas[first / 8192].head[q], Pre); */
  /*@ assert payerpre: \forall integer p, q; 0 <= p < 8192 ==> 0 <= q < 8192 ==> g_pays[8192 * n + p] != \null ==>
        \at(g_arenas[first / 8192].head[q], Pre) == g_pays[8192 * n + p] ==>
        \at(g_arenas[first / 8192].head[p], Pre) == g_pays[8192 * n + p]; */
  /*@ assert paywas: \forall integer p, q; 0 <= p < 8192 ==> 0 <= q < 8192 ==> g_pays[8192 * n + p] != \null ==>
        g_pays[8192 * n + p] != s ==> a->head[q] == g_pays[8192 * n + p] ==>
        \at(g_arenas[first / 8192].head[q], Pre) == g_pays[8192 * n + p]; */
  /*@ assert paystays: \forall integer p; 0 <= p < 8192 ==> g_pays[8192 * n + p] != \null ==> g_pays[8192 * n + p] != s ==>
        \at(g_arenas[first / 8192].head[p], Pre) == g_pays[8192 * n + p] ==> a->head[p] == g_pays[8192 * n + p]; */
  //@ assert payer: PayerInv(&g_arenas[n], n);
  //@ assert near: \forall integer q; 0 <= q < 8192 ==> !(first <= 8192 * n + q < end) ==> HeadKept{Pre,Here}(n, q);
  //@ assert apart: \forall integer q; 0 <= q < 8192 ==> !(first <= 8192 * n + q < end) ==> g_pays[8192 * n + q] != s;
  //@ assert located: OthersWhere{Pre,Here}(vs_arena_map[n], s) && PaidInv{Pre}(vs_arena_map[n], n);
  //@ assert paidsame: PaysAt{Pre,Here}(n);
  /*@ assert nearby: \forall integer q; 0 <= q < 8192 ==> HeadKept{Pre,Here}(n, q) ==> g_pays[8192 * n + q] != s ==>
        SpanKept{Pre,Here}(8192 * n + q); */
  //@ assert beside: NearKept{Pre,Here}(n, first, end);
  //@ assert elsewhere: SpansElsewhere{Pre,Here}(first, end);
#include "../spec/one_arena_heap.acsl"
  /*@ assert beyond: \forall integer p; first < p < end ==> PageIs(p, p / 8192, p % 8192) && 0 <= p / 8192 < 4194304 &&
        g_pays[p] == \null && (p / 8192 != n ==> NoSpan(p / 8192, p % 8192)); */
  //@ assert own: SpanOwn(s, first, npages);
  /*@ assert none: \forall integer p; first + npages <= p < first + have ==> g_pays[p] == \null && NoSpan(p / 8192, p % 8192); */
}

/* Makes span s, from page first on, shorter: it has its first npages pages then, the rest is returned. */
/*@ requires inv: HeapInv;
    requires bound: first < 34359738368;
    requires valid: \valid_read(s);
    requires own: SpanOwn(s, first, s->npages);
    requires less: 1 <= npages < s->npages;
    terminates \true;
    assigns vs_heap.pages, vs_heap.reclaim, vs_pages, { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    assigns g_arenas[0 .. 4194303] \from s, first, npages;
    assigns g_mine[0 .. 34359738367];
    ensures inv: HeapInv;
    ensures own: SpanOwn(s, first, npages);
    ensures gone: NoneMine(first + npages, first + \old(s->npages));
    ensures guarantee: Guarantee{Pre,Here}(&vs_heap.pages.space) && SpansGuarantee{Pre,Here}(&vs_heap.pages.space);
*/
HEAP_LOCKED static void mheap_shrink(struct mspan *s, uint64_t first, uint32_t npages) {
  uint64_t have = s->npages;
  mheap_set_length(s, npages) /*@ ghost (first, first + have) */;
  //@ assert metadata: MetadataInv(&vs_heap.pages.space) && MineInv(&vs_heap.pages.space) && SpansInv(&vs_heap.pages.space);
  //@ ghost Cut: ;
  mheap_put_pages(first + npages, have - npages);
  //@ assert both: Guarantee{Pre,Here}(&vs_heap.pages.space) && SpansGuarantee{Pre,Here}(&vs_heap.pages.space);
  //@ assert pays: PaysSame{Cut,Here};
  //@ assert kept: RunKept{Cut,Here}(first, first + npages) && RunMine(first, first + npages);
  //@ assert own: SpanOwn(s, first, npages);
  //@ ghost Put: ;
  mheap_note_taken(0);
  //@ assert noted: Guarantee{Put,Here}(&vs_heap.pages.space) && SpansGuarantee{Put,Here}(&vs_heap.pages.space);
}

/* Makes span s, from page first on, npages pages long, if the pages behind it are free or the heap can grow
 * there. Whether it is. */
/*@ requires inv: HeapInv;
    requires bound: first < 34359738368;
    requires valid: \valid_read(s);
    requires own: SpanOwn(s, first, s->npages);
    requires more: s->npages < npages;
    terminates \true;
    assigns vs_heap.pages, vs_heap.reclaim, g_os[0 .. 34359738367], { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    assigns vs_pages, vs_arena_map[0 .. 4194303], g_arenas[0 .. 4194303] \from s, first, npages, vs_pages, &vs_empty_span;
    assigns g_mine[0 .. 34359738367];
    ensures inv: HeapInv;
    ensures own: \result ==> SpanOwn(s, first, npages);
    ensures same: !\result ==> SpanOwn(s, first, \old(s->npages));
    ensures guarantee: Guarantee{Pre,Here}(&vs_heap.pages.space) && SpansGuarantee{Pre,Here}(&vs_heap.pages.space);
*/
HEAP_LOCKED static bool mheap_stretch(struct mspan *s, uint64_t first, uint32_t npages) {
  uint32_t have = s->npages;
  //@ assert metadata: MetadataInv(&vs_heap.pages.space) && MineInv(&vs_heap.pages.space) && SpansInv(&vs_heap.pages.space);
  bool reached = mheap_reach(first + have, npages - have);
  //@ assert pays: PaysSame{Pre,Here};
  //@ assert kept: RunKept{Pre,Here}(first, first + have) && RunMine(first, first + have);
  //@ assert own: SpanOwn(s, first, have);
  if (!reached) return false;
  //@ ghost Reached: ;
  //@ assert there: MetadataInv(&vs_heap.pages.space) && MineInv(&vs_heap.pages.space) && SpansInv(&vs_heap.pages.space);
  uint64_t dirty = mheap_take_pages(first + have, npages - have);
  //@ assert both: Guarantee{Pre,Here}(&vs_heap.pages.space) && SpansGuarantee{Pre,Here}(&vs_heap.pages.space);
  //@ assert alsopays: PaysSame{Reached,Here};
  //@ assert keeps: RunKept{Reached,Here}(first, first + have) && RunMine(first, first + have);
  //@ assert still: SpanOwn(s, first, have);
  mheap_set_length(s, npages) /*@ ghost (first, first + npages) */;
  //@ assert longer: Guarantee{Pre,Here}(&vs_heap.pages.space) && SpansGuarantee{Pre,Here}(&vs_heap.pages.space);
  //@ ghost Set: ;
  mheap_note_taken(npages - have - dirty);
  //@ assert noted: Guarantee{Set,Here}(&vs_heap.pages.space) && SpansGuarantee{Set,Here}(&vs_heap.pages.space);
  return true;
}

bool mheap_resize_large(struct mspan *s, uint64_t npages) {
  uint64_t first = s->base / VS_PAGE_SIZE, have = s->npages;
  if (npages == have) return true;
  //@ assert before: SpanOwn(s, first, have) && MetadataInv(&vs_heap.pages.space) && MineInv(&vs_heap.pages.space);
  //@ ghost Before: ;
  mheap_lock();
  //@ assert kept: RunKept{Before,Here}(first, first + have) && RunMine(first, first + have);
  //@ assert own: SpanOwn(s, first, have);
  bool done = true;
  if (npages < have)
    mheap_shrink(s, first, (uint32_t)npages);
  else
    done = mheap_stretch(s, first, (uint32_t)npages);
  mheap_unlock();
  return done;
}

/* Moves the memory of npages pages, from and into being the first ones. Whether the system did. */
/*@ requires bound: 1 <= npages && from + npages <= 34359738368 && into + npages <= 34359738368;
    requires apart: from + npages <= into || into + npages <= from;
    requires inv: HeapInv;
    requires mine: RunMine(from, from + npages) && RunMine(into, into + npages);
    terminates \true;
    assigns g_os[0 .. 34359738367];
    ensures inv: HeapInv;
*/
static bool mheap_move(uint64_t from, uint64_t into, uint64_t npages) {
  //@ assert first: RunUsed(&vs_heap.pages.space, from, from + npages);
  //@ assert from: OsUsable(8192 * from, 8192 * npages);
  //@ assert second: RunUsed(&vs_heap.pages.space, into, into + npages);
  //@ assert into: OsUsable(8192 * into, 8192 * npages);
  bool moved = os_move(page_address(from), page_address(into), (size_t)npages * VS_PAGE_SIZE) == 0;
  /*@ assert usable: \forall integer x; 0 <= x < 281474976710656 ==> OsPrepared <= \at(g_os[x / 8192], Pre) <= OsReady ==>
        OsPrepared <= g_os[x / 8192] <= OsReady; */
  /*@ assert rest: \forall integer x; 0 <= x < 281474976710656 ==> \at(g_os[x / 8192], Pre) == OsReserved ==>
        g_os[x / 8192] == OsReserved; */
  //@ assert pages: PageheapInv(&vs_heap.pages);
  //@ assert mine: MineInv(&vs_heap.pages.space);
  //@ assert spans: SpansInv(&vs_heap.pages.space);
  return moved;
}

bool mheap_move_large(struct mspan *from, struct mspan *to, uint64_t npages) {
  uint64_t first = from->base / VS_PAGE_SIZE;
  if (!mheap_move(first, to->base / VS_PAGE_SIZE, npages)) return false;
  mheap_lock();
  growth_apart(&vs_heap.pages.space);
  //@ ghost Locked: ;
  //@ assert mine: RunMine(first, first + npages);
  pageheap_clean(&vs_heap.pages, first, npages);
  /*@ assert kept: vs_heap.reclaim.peak == \at(vs_heap.reclaim.peak, Locked) &&
        vs_heap.reclaim.last_peak == \at(vs_heap.reclaim.last_peak, Locked) &&
        vs_heap.reclaim.owed == \at(vs_heap.reclaim.owed, Locked) &&
        vs_heap.filled_pages == \at(vs_heap.filled_pages, Locked); */
  //@ assert pays: PaysSame{Locked,Here};
  //@ assert metadata: MetadataInv{Locked}(&vs_heap.pages.space) && ArenasInv{Locked} && ArenasInv;
  //@ assert more: UsedKept{Locked,Here}(&vs_heap.pages.space);
  //@ assert spans: SpansInv(&vs_heap.pages.space);
  mheap_unlock();
  return true;
}

bool mheap_is_dirty(uintptr_t addr) {
  uint64_t page = addr / VS_PAGE_SIZE;
  if (page >= VS_NO_PAGE || !vs_pages.block[page / VS_LEVEL2_PAGES]) return false;
  for (const struct mheap_cache *c = mheap_caches(); c; c = c->next) {
    uint64_t k = page - vs_load_relaxed_u64(&c->pages.first);
    if (k < VS_GROUP_PAGES && bits_test(vs_load_relaxed_u64(&c->pages.clean), (uint32_t)k)) return false;
  }
  uint32_t p = (uint32_t)(page % VS_CHUNK_PAGES);
  return bits_test(pagealloc_chunk(page)->dirty[p / VS_WORD_BITS], p % VS_WORD_BITS);
}
