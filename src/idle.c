/* SPDX-License-Identifier: Apache-2.0
 * Free pages that hold memory. Contracts stand in idle.h. */
#define VERISPAN_PAGETREE_LEMMAS
#include "idle.h"

#include "candidate.h"

/* Pages of the system are groups of so many of ours. */
#define SYSTEM_PAGES 1u

/* Chunks that are looked into at a time. */
#define LOOKS 64u

/* The last free and dirty pages of the chunk that starts at page chunk: the first of them counted from there, or 512;
 * how many in *npages. */
/*@ requires valid: \valid(npages);
    requires bound: chunk < 34359738368 && chunk % 512 == 0;
    requires inv: BlocksInv;
    requires block: HasBlock(chunk / 32768) && \separated(npages, vs_pages.block[chunk / 32768]);
    requires range: 1 <= max <= VS_RANGE_PAGES;
    terminates \true;
    assigns *npages;
    ensures bound: \result <= 512;
    ensures hit: \result < 512 ==> 1 <= *npages <= max + VS_HUGE_PAGES && \result + *npages <= 512;
    ensures idle: \result < 512 ==> \forall integer p; chunk + \result <= p < chunk + \result + *npages ==> PageIdle(p);
    ensures last: \result < 512 ==> \forall integer p; chunk + \result + *npages <= p < chunk + 512 ==> !PageIdle(p);
    ensures none: \result == 512 ==> \forall integer p; chunk <= p < chunk + 512 ==> !PageIdle(p);
*/
static uint32_t idle_look(uint64_t chunk, uint32_t max, uint32_t *npages) {
  const struct page_chunk *c = pagealloc_chunk(chunk);
  uint32_t first = candidate_find(c, SYSTEM_PAGES, max, VS_HUGE_PAGES, npages);
  //@ assert none: first == 512 ==> \forall integer q; 0 <= q < 512 ==> !ChunkIdle(c, q, 1);
  //@ assert above: first < 512 ==> \forall integer q; first + *npages <= q < 512 ==> !ChunkIdle(c, q, 1);
  /*@ assert one: \forall integer q; 0 <= q < 512 ==> MapBit(&c->free[0], q) ==> MapBit(&c->dirty[0], q) ==>
        ChunkIdle(c, q, 1); */
  /*@ assert places: \forall integer p; chunk <= p < chunk + 512 ==>
        p / 32768 == chunk / 32768 && p / 512 % 64 == chunk / 512 % 64 && p % 512 == p - chunk; */
  /*@ assert pages: \forall integer p; chunk <= p < chunk + 512 ==>
        (PageIdle(p) <==> MapBit(&c->free[0], p - chunk) && MapBit(&c->dirty[0], p - chunk)); */
  return first;
}

/* The highest free and dirty pages, at most max and as many more as it takes not to split a huge page: as idle_take,
 * but they stay free. */
/*@ requires valid: \valid(npages);
    requires sep: \forall integer n; 0 <= n < 1048576 ==> HasBlock(n) ==> \separated(npages, vs_pages.block[n]);
    requires range: 1 <= max <= VS_RANGE_PAGES;
    requires inv: PagesInv;
    terminates \true;
    assigns *npages, { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    ensures inv: PagesInv;
    ensures bound: \result <= 34359738368 && *npages <= max + VS_HUGE_PAGES;
    ensures hit: 0 < *npages ==> \result % 512 + *npages <= 512 && \result < 34359738368;
    ensures idle: 0 < *npages ==> \forall integer p; \result <= p < \result + *npages ==> PageIdle{Pre}(p);
    ensures highest: 0 < *npages ==> IdleNone{Pre}(\result + *npages, 34359738368);
    ensures none: \result == 34359738368 ==> *npages == 0 && IdleNone{Pre}(0, 34359738368);
    ensures kept: IdleKept{Pre,Here}(0, 34359738368);
    ensures same: ChunksSame{Pre,Here};
*/
static uint64_t idle_find(uint32_t max, uint32_t *npages) {
  uint64_t chunk = pagealloc_idle_chunk(VS_NO_PAGE);
  /*@ loop invariant bound: 0 <= i <= LOOKS && chunk <= 34359738368;
      loop invariant chunk: chunk < 34359738368 ==> chunk % 512 == 0 && HasBlock(chunk / 32768);
      loop invariant inv: PagesInv;
      loop invariant same: ChunksSame{Pre,Here};
      loop invariant above: chunk < 34359738368 ==> IdleNone{Pre}(chunk + 512, 34359738368);
      loop invariant none: chunk == 34359738368 ==> IdleNone{Pre}(0, 34359738368);
      loop invariant below: \forall integer p; 0 <= p < chunk + 512 <= 34359738368 ==>
        (PageMarked(p) <==> PageMarked{Pre}(p));
      loop invariant kept: IdleKept{Pre,Here}(0, 34359738368);
      loop assigns i, chunk, *npages, { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
      loop variant LOOKS - i;
  */
  for (uint32_t i = 0; i < LOOKS && chunk < VS_NO_PAGE; i++) {
    uint32_t first = idle_look(chunk, max, npages);
    //@ assert same: FreeSame{Pre,Here}(0, 34359738368) && DirtySame{Pre,Here}(0, 34359738368);
    if (first < VS_CHUNK_PAGES) return chunk + first;
    pagealloc_not_idle(chunk);
    /*@ assert marks: \forall integer p; 0 <= p < 34359738368 ==> p < chunk || chunk + 512 <= p ==>
          (PageMarked(p) <==> PageMarked{LoopCurrent}(p)); */
    //@ assert kept: IdleKept{Pre,Here}(0, 34359738368);
    //@ ghost uint64_t looked = chunk;
    chunk = pagealloc_idle_chunk(chunk);
    /*@ assert chunks: \forall integer p; 0 <= p < looked ==> 0 <= p / 32768 < 1048576 && 0 <= p / 512 % 64 < 64 &&
          64 * (p / 32768) + p / 512 % 64 == p / 512 < looked / 512; */
    /*@ assert skipped: \forall integer p; 0 <= p < looked ==> chunk == 34359738368 || chunk + 512 <= p ==>
          !PageMarked(p); */
    /*@ assert before: \forall integer p; 0 <= p < looked ==> chunk == 34359738368 || chunk + 512 <= p ==>
          !PageMarked{Pre}(p); */
  }
  *npages = 0;
  return chunk;
}

/* As many of the wanted pages as go at once. */
/*@ requires some: 0 < want;
    assigns \nothing;
    ensures bound: 1 <= \result <= VS_RANGE_PAGES && \result <= want;
*/
static uint32_t idle_most(uint64_t want) { return want < VS_RANGE_PAGES ? (uint32_t)want : VS_RANGE_PAGES; }

/* Takes free pages of one chunk. */
/*@ requires bound: first < 34359738368 && 1 <= npages <= 512 - first % 512;
    requires inv: PagesInv;
    requires free: RunFree(first, first + npages);
    terminates \true;
    assigns *vs_pages.block[first / 32768 .. (first + npages - 1) / 32768],
      vs_pages.level2[first / 32768 .. (first + npages - 1) / 32768],
      vs_pages.level1[first / 262144 .. (first + npages - 1) / 262144],
      vs_pages.level0[first / 2097152 .. (first + npages - 1) / 2097152], vs_pages.search;
    ensures inv: PagesInv;
    ensures there: HaveBlocks(first, first + npages - 1);
    ensures end: first + npages <= vs_pages.end0 * 2097152 <= 34359738368;
    ensures taken: PagesTaken(first, first + npages);
    ensures below: FreeSame{Pre,Here}(0, first) && DirtySame{Pre,Here}(0, first);
    ensures above: FreeSame{Pre,Here}(first + npages, 34359738368) && DirtySame{Pre,Here}(first + npages, 34359738368);
*/
static void idle_claim(uint64_t first, uint32_t npages) {
  //@ assert free: PageFree(first) && PageFree(first + npages - 1);
  //@ assert one: (first + npages - 1) / 32768 == first / 32768;
  //@ assert end: first + npages <= vs_pages.end0 * 2097152 <= 34359738368;
  (void)pagealloc_take(first, npages);
  //@ assert blocks: BlocksSame{Pre,Here};
}

uint64_t idle_take(uint64_t want, uint32_t *npages) {
  *npages = 0;
  if (want == 0) return VS_NO_PAGE;
  uint64_t first = idle_find(idle_most(want), npages);
  //@ assert same: FreeSame{Pre,Here}(0, 34359738368) && DirtySame{Pre,Here}(0, 34359738368);
  if (*npages == 0) return first;
  //@ assert free: RunFree(first, first + *npages);
  //@ ghost Found: ;
  idle_claim(first, *npages);
  //@ assert same: *npages == \at(*npages, Found);
  return first;
}

void idle_put(uint64_t first, uint32_t npages, bool done) {
  if (done)
    pagealloc_put_clean(first, npages);
  else
    pagealloc_put(first, npages);
}
