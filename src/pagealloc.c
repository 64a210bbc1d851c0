/* SPDX-License-Identifier: Apache-2.0
 * The tree of summaries over the chunks. Contracts stand in pagealloc.h. */
#define VERISPAN_PAGETREE_LEMMAS
#include "pagealloc.h"

struct page_alloc vs_pages;

/*@ assigns \nothing;
    ensures least: \result <= a && \result <= b && (\result == a || \result == b);
*/
static uint64_t pagealloc_min(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* The part of pages [page, end) in the chunk of page. */
/*@ requires bound: page < end <= 34359738368;
    assigns \nothing;
    ensures bound: 1 <= \result <= end - page && page % 512 + \result <= 512;
*/
static uint32_t pagealloc_here(uint64_t page, uint64_t end) {
  return (uint32_t)pagealloc_min(VS_CHUNK_PAGES - page % VS_CHUNK_PAGES, end - page);
}

bool pagealloc_is_free(uint64_t page) {
  if (!vs_pages.block[page / VS_LEVEL2_PAGES]) return false;
  uint32_t p = (uint32_t)(page % VS_CHUNK_PAGES);
  return bits_test(pagealloc_chunk(page)->free[p / VS_WORD_BITS], p % VS_WORD_BITS);
}

/* ---- summaries: an entry of each level from what is below it ---- */

/* The summary of chunk i. */
/*@ requires bound: i < 67108864;
    requires block: HasBlock(i / 64);
    requires inv: BlocksInv && Level4But(i / 64, i % 64);
    terminates \true;
    assigns vs_pages.block[i / 64]->level4[i % 64];
    ensures inv: Level4Inv;
    ensures same: ChunksSame{Pre,Here};
    ensures free: FreeSame{Pre,Here}(0, 34359738368);
*/
static void pagealloc_sum4(uint64_t i) {
  struct page_block *b = vs_pages.block[i / VS_BLOCK_CHUNKS];
  uint64_t c = i % VS_BLOCK_CHUNKS;
  uint64_t sum = pagechunk_summarize(b->chunk[c].free);
  //@ assert map: SumOfMap(sum, &vs_pages.block[i / 64]->chunk[c].free[0]);
  //@ assert sum: \forall integer p; p == 32768 * (i / 64) + 512 * c ==> SumOf(sum, p, 512);
  b->level4[c] = sum;
  /*@ assert words: \forall integer m, k, w; 0 <= m < 1048576 ==> 0 <= k < 64 ==> 0 <= w < 8 ==> HasBlock(m) ==>
        vs_pages.block[m]->chunk[k].free[w] == \at(vs_pages.block[m]->chunk[k].free[w], Pre) &&
        vs_pages.block[m]->chunk[k].dirty[w] == \at(vs_pages.block[m]->chunk[k].dirty[w], Pre); */
  //@ assert same: ChunksSame{Pre,Here};
  //@ assert free: FreeSame{Pre,Here}(0, 34359738368);
  /*@ assert other: \forall integer m, k; 0 <= m < 1048576 ==> 0 <= k < 64 ==> HasBlock(m) ==> m != i / 64 || k != c ==>
        vs_pages.block[m]->level4[k] == \at(vs_pages.block[m]->level4[k], Pre); */
  //@ assert rest: Level4But(i / 64, i % 64);
  //@ assert here: \forall integer p; p == 32768 * (i / 64) + 512 * c ==> SumOf(sum, p, 512);
}

/* The summary of 8 entries of a level from entry first on, of capacity pages each and the first of which starts at
 * page. */
/*@ requires valid: \valid_read(level + (first .. first + 7));
    requires range: 1 <= capacity <= 262144;
    requires below: \forall integer j; first <= j < first + 8 ==>
      SumOf(level[j], page + (j - first) * capacity, capacity);
    terminates \true;
    assigns \nothing;
    ensures sum: SumOf(\result, page, 8 * capacity);
*/
static uint64_t pagealloc_merge(const uint64_t *level, uint64_t first, uint32_t capacity)
/*@ ghost (uint64_t page) */
{
  //@ assert fits: \forall integer j; first <= j < first + 8 ==> SumFits(level[j], capacity);
  /*@ assert at: \forall integer j, p; first <= j < first + 8 ==> p == page + (j - first) * capacity ==>
        SumAt(level, j, p, capacity); */
  //@ assert sums: SumsOf(level + first, page, capacity, 8);
  return pagesum_merge(&level[first], capacity);
}

/* Entry i of level 3, of 8 chunks. */
/*@ requires bound: i < 8388608;
    requires block: HasBlock(i / 8);
    requires inv: BlocksInv && Level4Inv;
    terminates \true;
    assigns vs_pages.block[i / 8]->level3[i % 8];
    ensures inv: Level4Inv;
    ensures here: SumOf(vs_pages.block[i / 8]->level3[i % 8], 4096 * i, 4096);
    ensures other: \forall integer n, c; 0 <= n < 1048576 ==> 0 <= c < 8 ==> HasBlock(n) ==> n != i / 8 || c != i % 8 ==>
      vs_pages.block[n]->level3[c] == \at(vs_pages.block[n]->level3[c], Pre);
    ensures same: ChunksSame{Pre,Here};
    ensures free: FreeSame{Pre,Here}(0, 34359738368);
*/
static void pagealloc_sum3(uint64_t i) {
  struct page_block *b = vs_pages.block[i / VS_SUM_CHILDREN];
  uint64_t c = i % VS_SUM_CHILDREN;
  //@ assert index: i == 8 * (i / 8) + c && 0 <= c < 8 && 0 <= i / 8 < 1048576;
  /*@ assert below: \forall integer j; 8 * c <= j < 8 * c + 8 ==>
        SumOf(b->level4[j], 4096 * i + (j - 8 * c) * 512, 512); */
  uint64_t sum = pagealloc_merge(b->level4, c * VS_SUM_CHILDREN, VS_CHUNK_PAGES) /*@ ghost (i * VS_LEVEL3_PAGES) */;
  b->level3[c] = sum;
  /*@ assert words: \forall integer m, k, w; 0 <= m < 1048576 ==> 0 <= k < 64 ==> 0 <= w < 8 ==> HasBlock(m) ==>
        vs_pages.block[m]->chunk[k].free[w] == \at(vs_pages.block[m]->chunk[k].free[w], Pre) &&
        vs_pages.block[m]->chunk[k].dirty[w] == \at(vs_pages.block[m]->chunk[k].dirty[w], Pre); */
  //@ assert same: ChunksSame{Pre,Here};
  //@ assert free: FreeSame{Pre,Here}(0, 34359738368);
  //@ assert level4: Level4Same{Pre,Here};
}

/* Entry i of level 2, a block. */
/*@ requires bound: i < 1048576;
    requires block: HasBlock(i);
    requires inv: BlocksInv && Level3Inv;
    terminates \true;
    assigns \nothing;
    ensures sum: SumOf(\result, 32768 * i, 32768);
*/
static uint64_t pagealloc_sum2(uint64_t i) {
  return pagealloc_merge(vs_pages.block[i]->level3, 0, VS_LEVEL3_PAGES) /*@ ghost (i * VS_LEVEL2_PAGES) */;
}

/* Entry i of level 1. */
/*@ requires bound: i < 131072;
    requires inv: Level2Inv;
    terminates \true;
    assigns \nothing;
    ensures sum: SumOf(\result, 262144 * i, 262144);
*/
static uint64_t pagealloc_sum1(uint64_t i) {
  return pagealloc_merge(vs_pages.level2, i * VS_SUM_CHILDREN, VS_LEVEL2_PAGES) /*@ ghost (i * VS_LEVEL1_PAGES) */;
}

/* Entry i of level 0. */
/*@ requires bound: i < 16384;
    requires inv: Level1Inv;
    terminates \true;
    assigns \nothing;
    ensures sum: SumOf(\result, 2097152 * i, 2097152);
*/
static uint64_t pagealloc_sum0(uint64_t i) {
  return pagealloc_merge(vs_pages.level1, i * VS_SUM_CHILDREN, VS_LEVEL1_PAGES) /*@ ghost (i * VS_LEVEL0_PAGES) */;
}

/* ---- summaries: each level from the one below, for pages [first, last] whose bits have changed ---- */

/*@ requires bound: first <= last < 34359738368;
    requires there: HaveBlocks(first, last);
    requires inv: BlocksInv && Level4Inv && Level3But(first, last);
    terminates \true;
    assigns vs_pages.block[first / 32768 .. last / 32768]->level3[0 .. 7];
    ensures inv: Level4Inv && Level3Inv;
    ensures same: ChunksSame{Pre,Here};
    ensures free: FreeSame{Pre,Here}(0, 34359738368);
*/
static void pagealloc_update3(uint64_t first, uint64_t last) {
  /*@ loop invariant bound: first / 4096 <= i <= last / 4096 + 1;
      loop invariant inv: Level4Inv;
      loop invariant done: Level3But(4096 * i, last);
      loop invariant same: ChunksSame{Pre,Here};
      loop invariant free: FreeSame{Pre,Here}(0, 34359738368);
      loop assigns i, vs_pages.block[first / 32768 .. last / 32768]->level3[0 .. 7];
      loop variant last / 4096 - i;
  */
  for (uint64_t i = first / VS_LEVEL3_PAGES; i <= last / VS_LEVEL3_PAGES; i++) {
    //@ assert block: first / 32768 <= i / 8 <= last / 32768 && HasBlock(i / 8);
    pagealloc_sum3(i);
    //@ assert free: FreeSame{LoopCurrent,Here}(0, 34359738368);
    //@ assert done: Level3But(4096 * (i + 1), last);
  }
}

/*@ requires bound: first <= last < 34359738368;
    requires there: HaveBlocks(first, last);
    requires inv: BlocksInv && Level3Inv && Level2But(first, last);
    terminates \true;
    assigns vs_pages.level2[first / 32768 .. last / 32768];
    ensures inv: Level2Inv;
    ensures free: FreeSame{Pre,Here}(0, 34359738368);
*/
static void pagealloc_update2(uint64_t first, uint64_t last) {
  /*@ loop invariant bound: first / 32768 <= i <= last / 32768 + 1;
      loop invariant inv: BlocksInv && Level3Inv;
      loop invariant done: Level2But(32768 * i, last);
      loop invariant free: FreeSame{Pre,Here}(0, 34359738368);
      loop assigns i, vs_pages.level2[first / 32768 .. last / 32768];
      loop variant last / 32768 - i;
  */
  for (uint64_t i = first / VS_LEVEL2_PAGES; i <= last / VS_LEVEL2_PAGES; i++) {
    vs_pages.level2[i] = pagealloc_sum2(i);
    //@ assert free: FreeSame{LoopCurrent,Here}(0, 34359738368);
    //@ assert here: SumOf(vs_pages.level2[i], 32768 * i, 32768);
    /*@ assert rest: \forall integer j, p; 0 <= j < 1048576 ==> j != i ==> p == 32768 * j ==>
          p + 32768 <= 32768 * i || last < p ==> SumOf(vs_pages.level2[j], p, 32768); */
    //@ assert done: Level2But(32768 * (i + 1), last);
  }
}

/*@ requires bound: first <= last < 34359738368;
    requires inv: Level2Inv && Level1But(first, last);
    terminates \true;
    assigns vs_pages.level1[first / 262144 .. last / 262144];
    ensures inv: Level1Inv;
    ensures free: FreeSame{Pre,Here}(0, 34359738368);
*/
static void pagealloc_update1(uint64_t first, uint64_t last) {
  /*@ loop invariant bound: first / 262144 <= i <= last / 262144 + 1;
      loop invariant inv: Level2Inv;
      loop invariant done: Level1But(262144 * i, last);
      loop invariant free: FreeSame{Pre,Here}(0, 34359738368);
      loop assigns i, vs_pages.level1[first / 262144 .. last / 262144];
      loop variant last / 262144 - i;
  */
  for (uint64_t i = first / VS_LEVEL1_PAGES; i <= last / VS_LEVEL1_PAGES; i++) {
    vs_pages.level1[i] = pagealloc_sum1(i);
    //@ assert free: FreeSame{LoopCurrent,Here}(0, 34359738368);
    //@ assert here: SumOf(vs_pages.level1[i], 262144 * i, 262144);
    /*@ assert rest: \forall integer j, p; 0 <= j < 131072 ==> j != i ==> p == 262144 * j ==>
          p + 262144 <= 262144 * i || last < p ==> SumOf(vs_pages.level1[j], p, 262144); */
    //@ assert done: Level1But(262144 * (i + 1), last);
  }
}

/*@ requires bound: first <= last < 34359738368;
    requires inv: Level1Inv && Level0But(first, last);
    terminates \true;
    assigns vs_pages.level0[first / 2097152 .. last / 2097152];
    ensures inv: Level0Inv;
    ensures free: FreeSame{Pre,Here}(0, 34359738368);
*/
static void pagealloc_update0(uint64_t first, uint64_t last) {
  /*@ loop invariant bound: first / 2097152 <= i <= last / 2097152 + 1;
      loop invariant inv: Level1Inv;
      loop invariant done: Level0But(2097152 * i, last);
      loop invariant free: FreeSame{Pre,Here}(0, 34359738368);
      loop assigns i, vs_pages.level0[first / 2097152 .. last / 2097152];
      loop variant last / 2097152 - i;
  */
  for (uint64_t i = first / VS_LEVEL0_PAGES; i <= last / VS_LEVEL0_PAGES; i++) {
    vs_pages.level0[i] = pagealloc_sum0(i);
    //@ assert free: FreeSame{LoopCurrent,Here}(0, 34359738368);
    //@ assert here: SumOf(vs_pages.level0[i], 2097152 * i, 2097152);
    /*@ assert rest: \forall integer j, p; 0 <= j < 16384 ==> j != i ==> p == 2097152 * j ==>
          p + 2097152 <= 2097152 * i || last < p ==> SumOf(vs_pages.level0[j], p, 2097152); */
    //@ assert done: Level0But(2097152 * (i + 1), last);
  }
}

/*@ requires bound: first <= last < 34359738368;
    requires there: HaveBlocks(first, last);
    requires inv: BlocksInv && Level4Inv && Level3But(first, last) && Level2But(first, last) && Level1But(first, last) &&
      Level0But(first, last);
    requires lists: SearchInv && EndInv && ListInv;
    terminates \true;
    assigns vs_pages.block[first / 32768 .. last / 32768]->level3[0 .. 7],
      vs_pages.level2[first / 32768 .. last / 32768],
      vs_pages.level1[first / 262144 .. last / 262144],
      vs_pages.level0[first / 2097152 .. last / 2097152];
    ensures inv: PagesInv;
    ensures free: FreeSame{Pre,Here}(0, 34359738368);
    ensures dirty: DirtySame{Pre,Here}(0, 34359738368);
*/
static void pagealloc_update(uint64_t first, uint64_t last) {
  pagealloc_update3(first, last);
  //@ assert level2: Level2But(first, last) && Level1But(first, last) && Level0But(first, last);
  //@ ghost Three: ;
  pagealloc_update2(first, last);
  //@ assert level1: Level1But(first, last) && Level0But(first, last);
  pagealloc_update1(first, last);
  //@ assert level0: Level0But(first, last);
  pagealloc_update0(first, last);
  //@ assert free: FreeSame{Three,Here}(0, 34359738368);
  //@ assert below: Level4Inv && Level3Inv;
  //@ assert above2: Level2Inv;
  //@ assert above1: Level1Inv;
  //@ assert same: ChunksSame{Pre,Here};
  //@ assert pages: FreeSame{Pre,Here}(0, 34359738368);
  //@ assert blocks: BlocksSame{Pre,Here} && NumbersSame{Pre,Here};
  //@ assert lists: BlocksInv && SearchInv && EndInv && ListInv;
}

/* ---- growth ---- */

/* Makes room in the list of blocks for one that is not in it: where its number belongs. */
/*@ requires bound: number < 1048576;
    requires inv: ListBut(number);
    terminates \true;
    assigns vs_pages.number[0 .. 1048575], vs_pages.nblocks;
    ensures bound: \result <= \old(vs_pages.nblocks) && vs_pages.nblocks == \old(vs_pages.nblocks) + 1;
    ensures room: vs_pages.nblocks <= 1048576;
    ensures low: \forall integer i; 0 <= i < \result ==>
      vs_pages.number[i] == \old(vs_pages.number[i]) && vs_pages.number[i] < number;
    ensures high: \forall integer i; \result < i < vs_pages.nblocks ==>
      vs_pages.number[i] == \old(vs_pages.number[i - 1]) && number < vs_pages.number[i];
    ensures last: 0 < \result ==> \at(vs_pages.number[\result - 1], Pre) < number;
    ensures next: \result < \old(vs_pages.nblocks) ==> number < \at(vs_pages.number[\result], Pre);
*/
static uint32_t pagealloc_make_room(uint32_t number) {
  //@ assert least: \forall integer i; 0 <= i < vs_pages.nblocks ==> vs_pages.number[0] + i <= vs_pages.number[i];
  /*@ assert most: \forall integer i; 0 <= i < vs_pages.nblocks ==>
        vs_pages.number[i] + (vs_pages.nblocks - 1 - i) <= vs_pages.number[vs_pages.nblocks - 1]; */
  //@ assert full: vs_pages.nblocks == 1048576 ==> vs_pages.number[number] == number;
  uint32_t at = vs_pages.nblocks++;
  /*@ loop invariant bound: at <= \at(vs_pages.nblocks, Pre);
      loop invariant low: \forall integer i; 0 <= i < at ==> vs_pages.number[i] == \at(vs_pages.number[i], Pre);
      loop invariant high: \forall integer i; at < i < vs_pages.nblocks ==>
        vs_pages.number[i] == \at(vs_pages.number[i - 1], Pre) && number < vs_pages.number[i];
      loop invariant next: at < \at(vs_pages.nblocks, Pre) ==> number < \at(vs_pages.number[\at(at, Here)], Pre);
      loop assigns at, vs_pages.number[0 .. 1048575];
      loop variant at;
  */
  for (; at > 0 && vs_pages.number[at - 1] > number; at--) vs_pages.number[at] = vs_pages.number[at - 1];
  return at;
}

/* Enters a block into the list of blocks. */
/*@ requires bound: number < 1048576;
    requires block: HasBlock(number);
    requires inv: ListBut(number);
    terminates \true;
    assigns vs_pages.number[0 .. 1048575], vs_pages.nblocks;
    ensures inv: ListInv;
*/
static void pagealloc_list(uint32_t number) {
  uint32_t at = pagealloc_make_room(number);
  vs_pages.number[at] = number;
  /*@ assert there: \forall integer i; 0 <= i < vs_pages.nblocks ==>
        vs_pages.number[i] < 1048576 && HasBlock(vs_pages.number[i]); */
  //@ assert below: \forall integer i; 0 <= i < at ==> vs_pages.number[i] + (at - i) <= number;
  //@ assert above: \forall integer i; at < i < vs_pages.nblocks ==> number + (i - at) <= vs_pages.number[i];
  /*@ assert kept: \forall integer i; at <= i < \at(vs_pages.nblocks, Pre) ==>
        vs_pages.number[i + 1] == \at(vs_pages.number[i], Pre); */
  //@ assert here: vs_pages.number[at] == number && at < vs_pages.nblocks;
  /*@ assert ascending: \forall integer i, j; 0 <= i <= j < vs_pages.nblocks ==>
        vs_pages.number[i] + (j - i) <= vs_pages.number[j]; */
  /*@ assert all: \forall integer n; 0 <= n < 1048576 ==> HasBlock(n) ==>
        \exists integer i; 0 <= i < vs_pages.nblocks && vs_pages.number[i] == n; */
}

/* Makes block i, which is not there. False if the system refused. */
/*@ requires bound: i < 1048576;
    requires none: !HasBlock(i);
    requires inv: PagesInv;
    terminates \true;
    assigns vs_pages.block[i] \from vs_pages.block[i];
    assigns vs_pages.number[0 .. 1048575], vs_pages.nblocks;
    ensures inv: PagesInv;
    ensures there: \result ==> HasBlock(i);
    ensures free: FreeSame{Pre,Here}(0, 34359738368);
    ensures dirty: DirtySame{Pre,Here}(0, 34359738368);
*/
static bool pagealloc_add_block(uint32_t i) {
  struct page_block *b = pagealloc_new_block(i);
  if (!b) return false;
  /*@ assert zero: \forall integer c, q; 0 <= c < 64 ==> 0 <= q < 512 ==>
        b->chunk[c].free[q / 64] == 0 && b->chunk[c].dirty[q / 64] == 0; */
  /*@ assert clear: \forall integer c, q; 0 <= c < 64 ==> 0 <= q < 512 ==>
        !MapBit(&b->chunk[c].free[0], q) && !MapBit(&b->chunk[c].dirty[0], q); */
  vs_pages.block[i] = b;
  //@ assert blocks: BlocksInv;
  /*@ assert new: \forall integer c, q; 0 <= c < 64 ==> 0 <= q < 512 ==> !ChunkFree(i, c, q) && !ChunkDirty(i, c, q); */
  /*@ assert free: \forall integer n, c, q; 0 <= n < 1048576 ==> 0 <= c < 64 ==> 0 <= q < 512 ==>
        (ChunkFree{Pre}(n, c, q) <==> ChunkFree(n, c, q)); */
  /*@ assert dirty: \forall integer n, c, q; 0 <= n < 1048576 ==> 0 <= c < 64 ==> 0 <= q < 512 ==>
        (ChunkDirty{Pre}(n, c, q) <==> ChunkDirty(n, c, q)); */
  //@ assert pages: FreeSame{Pre,Here}(0, 34359738368) && DirtySame{Pre,Here}(0, 34359738368);
  //@ assert none: \forall integer p; 32768 * i <= p < 32768 * i + 32768 ==> !PageFree(p);
  //@ assert level4: Level4Inv;
  //@ assert level3: Level3Inv;
  //@ assert above: Level2Inv && Level1Inv && Level0Inv;
  //@ assert ends: SearchInv && EndInv;
  //@ assert list: ListBut(i);
  //@ ghost Made: ;
  pagealloc_list(i);
  //@ assert same: BlocksSame{Made,Here} && Level4Same{Made,Here} && Level3Same{Made,Here} && UpperSame{Made,Here};
  //@ assert kept: FreeSame{Made,Here}(0, 34359738368) && DirtySame{Made,Here}(0, 34359738368);
  //@ assert tree: Level4Inv && Level3Inv && Level2Inv && Level1Inv && Level0Inv;
  return true;
}

bool pagealloc_provide(uint64_t first, uint64_t npages) {
  uint64_t last = first + npages - 1;
  /*@ loop invariant bound: first / 32768 <= i <= last / 32768 + 1;
      loop invariant inv: PagesInv;
      loop invariant there: \forall integer j; first / 32768 <= j < i ==> HasBlock(j);
      loop invariant free: FreeSame{Pre,Here}(0, 34359738368);
      loop invariant dirty: DirtySame{Pre,Here}(0, 34359738368);
      loop assigns i, vs_pages.block[first / 32768 .. last / 32768], vs_pages.number[0 .. 1048575], vs_pages.nblocks;
      loop variant last / 32768 - i;
  */
  for (uint64_t i = first / VS_LEVEL2_PAGES; i <= last / VS_LEVEL2_PAGES; i++)
    if (!vs_pages.block[i] && !pagealloc_add_block((uint32_t)i)) return false;
  return true;
}

/* Sets the free bits of npages pages of chunk i from its page first on. */
/*@ requires bound: i < 67108864 && first <= 512 && npages <= 512 - first;
    requires block: HasBlock(i / 64);
    requires inv: BlocksInv && Level4Inv;
    terminates \true;
    assigns vs_pages.block[i / 64]->chunk[i % 64].free[0 .. 7];
    ensures inv: Level4But(i / 64, i % 64);
    ensures set: RunFree(512 * i + first, 512 * i + first + npages);
    ensures below: FreeSame{Pre,Here}(0, 512 * i + first);
    ensures above: FreeSame{Pre,Here}(512 * i + first + npages, 34359738368);
    ensures dirty: DirtySame{Pre,Here}(0, 34359738368);
*/
static void pagealloc_set_chunk(uint64_t i, uint32_t first, uint32_t npages) {
  struct page_chunk *c = &vs_pages.block[i / VS_BLOCK_CHUNKS]->chunk[i % VS_BLOCK_CHUNKS];
  pagechunk_set(c->free, first, npages);
  /*@ assert words: \forall integer w; 0 <= w < 8 ==>
        c->dirty[w] == \at(vs_pages.block[i / 64]->chunk[i % 64].dirty[w], Pre); */
  //@ assert index: i == 64 * (i / 64) + i % 64 && 0 <= i % 64 < 64 && 0 <= i / 64 < 1048576;
  //@ assert from: PageAt(512 * i + first, i / 64, i % 64, first);
  //@ assert to: PageAt(512 * i + first + npages, i / 64, i % 64, first + npages);
  /*@ assert far: \forall integer m, k, w; 0 <= m < 1048576 ==> 0 <= k < 64 ==> 0 <= w < 8 ==> HasBlock(m) ==>
        m != i / 64 ==>
        vs_pages.block[m]->chunk[k].free[w] == \at(vs_pages.block[m]->chunk[k].free[w], Pre) &&
        vs_pages.block[m]->chunk[k].dirty[w] == \at(vs_pages.block[m]->chunk[k].dirty[w], Pre); */
  /*@ assert near: \forall integer k, w; 0 <= k < 64 ==> 0 <= w < 8 ==> k != i % 64 ==>
        vs_pages.block[i / 64]->chunk[k].free[w] == \at(vs_pages.block[i / 64]->chunk[k].free[w], Pre) &&
        vs_pages.block[i / 64]->chunk[k].dirty[w] == \at(vs_pages.block[i / 64]->chunk[k].dirty[w], Pre); */
  //@ assert blocks: BlocksSame{Pre,Here} && Level4Same{Pre,Here};
  //@ assert other: ChunksBut{Pre,Here}(i / 64, i % 64);
  /*@ assert bit: \forall integer q; 0 <= q < 512 ==> (MapSame{Pre,Here}(&c->free[0], q) <==>
        (ChunkFree{Pre}(i / 64, i % 64, q) <==> ChunkFree(i / 64, i % 64, q))); */
  //@ assert mine: FreeBut{Pre,Here}(i / 64, i % 64, first, first + npages);
  //@ assert bits: DirtyBut{Pre,Here}(i / 64, i % 64, 512, 512);
  //@ assert run: MapRun(&vs_pages.block[i / 64]->chunk[i % 64].free[0], first, npages);
  //@ assert start: 512 * i == 32768 * (i / 64) + 512 * (i % 64);
  //@ assert below: FreeSame{Pre,Here}(0, 512 * i + first);
  //@ assert above: FreeSame{Pre,Here}(512 * i + first + npages, 34359738368);
}

/* Sets the free bits of pages [first, end). */
/*@ requires bound: first < end <= 34359738368;
    requires inv: BlocksInv && Level4Inv;
    requires there: HaveBlocks(first, end - 1);
    terminates \true;
    assigns vs_pages.block[first / 32768 .. (end - 1) / 32768]->chunk[0 .. 63].free[0 .. 7],
      vs_pages.block[first / 32768 .. (end - 1) / 32768]->level4[0 .. 63];
    ensures inv: Level4Inv;
    ensures set: RunFree(first, end);
    ensures below: FreeSame{Pre,Here}(0, first);
    ensures above: FreeSame{Pre,Here}(end, 34359738368);
    ensures dirty: DirtySame{Pre,Here}(0, 34359738368);
    ensures level3: Level3Same{Pre,Here};
*/
static void pagealloc_set_pages(uint64_t first, uint64_t end) {
  uint64_t page = first;
  /*@ loop invariant bound: first <= page <= end;
      loop invariant inv: Level4Inv;
      loop invariant set: RunFree(first, page);
      loop invariant below: FreeSame{Pre,Here}(0, first);
      loop invariant above: FreeSame{Pre,Here}(page, 34359738368);
      loop invariant dirty: DirtySame{Pre,Here}(0, 34359738368);
      loop invariant level3: Level3Same{Pre,Here};
      loop assigns page, vs_pages.block[first / 32768 .. (end - 1) / 32768]->chunk[0 .. 63].free[0 .. 7],
        vs_pages.block[first / 32768 .. (end - 1) / 32768]->level4[0 .. 63];
      loop variant end - page;
  */
  while (page < end) {
    uint32_t npages = pagealloc_here(page, end);
    //@ assert block: first / 32768 <= page / 512 / 64 <= (end - 1) / 32768 && HasBlock(page / 512 / 64);
    //@ assert page: page == 512 * (page / 512) + page % 512;
    pagealloc_set_chunk(page / VS_CHUNK_PAGES, (uint32_t)(page % VS_CHUNK_PAGES), npages);
    //@ assert level3: Level3Same{LoopCurrent,Here};
    //@ assert here: FreeSame{LoopCurrent,Here}(0, page) && FreeSame{LoopCurrent,Here}(page + npages, 34359738368);
    //@ ghost Set: ;
    pagealloc_sum4(page / VS_CHUNK_PAGES);
    //@ assert level3: Level3Same{Set,Here};
    //@ assert blocks: BlocksSame{Pre,LoopCurrent} && BlocksSame{LoopCurrent,Set} && BlocksSame{Set,Here};
    //@ assert free: FreeSame{Set,Here}(0, page) && FreeSame{Set,Here}(page + npages, 34359738368);
    //@ assert below: FreeSame{LoopCurrent,Here}(0, page);
    //@ assert above: FreeSame{LoopCurrent,Here}(page + npages, 34359738368);
    page += npages;
  }
}

/* Makes pages [first, end) free, and brings the summaries up to date. */
/*@ requires bound: first < end <= 34359738368;
    requires inv: PagesInv;
    requires there: HaveBlocks(first, end - 1);
    requires end: end <= vs_pages.end0 * 2097152;
    terminates \true;
    assigns vs_pages.block[first / 32768 .. (end - 1) / 32768]->chunk[0 .. 63].free[0 .. 7],
      vs_pages.block[first / 32768 .. (end - 1) / 32768]->level4[0 .. 63],
      vs_pages.block[first / 32768 .. (end - 1) / 32768]->level3[0 .. 7],
      vs_pages.level2[first / 32768 .. (end - 1) / 32768],
      vs_pages.level1[first / 262144 .. (end - 1) / 262144],
      vs_pages.level0[first / 2097152 .. (end - 1) / 2097152], vs_pages.search;
    ensures inv: PagesInv;
    ensures set: RunFree(first, end);
    ensures below: FreeSame{Pre,Here}(0, first);
    ensures above: FreeSame{Pre,Here}(end, 34359738368);
    ensures dirty: DirtySame{Pre,Here}(0, 34359738368);
*/
static void pagealloc_set_free(uint64_t first, uint64_t end) {
  pagealloc_set_pages(first, end);
  vs_pages.search = pagealloc_min(vs_pages.search, first);
  //@ assert blocks: BlocksSame{Pre,Here} && NumbersSame{Pre,Here} && UpperSame{Pre,Here};
  //@ assert levels: BlocksInv && Level4Inv && Level3Same{Pre,Here};
  //@ assert set: RunFree(first, end);
  //@ assert below: FreeSame{Pre,Here}(0, first);
  //@ assert above: FreeSame{Pre,Here}(end, 34359738368);
  //@ assert same: DirtySame{Pre,Here}(0, 34359738368);
  //@ assert lists: SearchInv && EndInv && ListInv;
  //@ assert lower: Level3But(first, end - 1) && Level2But(first, end - 1);
  //@ assert upper: Level1But(first, end - 1) && Level0But(first, end - 1);
  //@ ghost Set: ;
  pagealloc_update(first, end - 1);
  //@ assert free: FreeSame{Set,Here}(0, 34359738368);
  //@ assert dirty: DirtySame{Set,Here}(0, 34359738368);
}

/* Makes level 0 reach as far as page last. The first page that the heap ever had is where searches start. */
/*@ requires bound: first <= last < 34359738368;
    requires inv: PagesInv;
    terminates \true;
    assigns vs_pages.search, vs_pages.end0;
    ensures inv: PagesInv;
    ensures end: last < vs_pages.end0 * 2097152 && \old(vs_pages.end0) <= vs_pages.end0;
    ensures free: FreeSame{Pre,Here}(0, 34359738368);
    ensures dirty: DirtySame{Pre,Here}(0, 34359738368);
*/
static void pagealloc_reach(uint64_t first, uint64_t last) {
  uint32_t end0 = (uint32_t)(last / VS_LEVEL0_PAGES + 1);
  if (vs_pages.end0 == 0) vs_pages.search = first;
  if (end0 > vs_pages.end0) vs_pages.end0 = end0;
  //@ assert same: BlocksSame{Pre,Here} && NumbersSame{Pre,Here} && UpperSame{Pre,Here};
  //@ assert free: FreeSame{Pre,Here}(0, 34359738368) && DirtySame{Pre,Here}(0, 34359738368);
  //@ assert low: BlocksInv && Level4Inv && Level3Inv;
  //@ assert high: Level2Inv && Level1Inv && Level0Inv;
}

void pagealloc_grow(uint64_t first, uint64_t npages) {
  pagealloc_reach(first, first + npages - 1);
  pagealloc_set_free(first, first + npages);
}

/* ---- search ---- */

/* Where a search over the entries of a level ends: done at the start of a run, or of VS_NO_PAGE; or at the start of
 * the entry that has the run inside. */
struct page_place {
  uint64_t page;
  bool done;
};

/* One step of a search: over count entries of a level, of capacity pages each, the first of which starts at
 * page. */
/*@ requires valid: \valid_read(sum + (0 .. count - 1));
    requires range: 1 <= capacity <= 2097152 && 1 <= count <= 16384 && 1 <= npages;
    requires bound: page + count * capacity <= 34359738368;
    requires sums: SumsOf(sum, page, capacity, count);
    requires lowest: NoRun(npages, page);
    terminates \true;
    assigns \nothing;
    ensures hit: \result.done ==> \result.page != 34359738368 ==> \result.page + npages <= page + count * capacity &&
      RunFree(\result.page, \result.page + npages) && NoRun(npages, \result.page);
    ensures none: \result.done ==> \result.page == 34359738368 ==> Longest(npages - 1, page, page + count * capacity);
    ensures inside: !\result.done ==> page <= \result.page && \result.page + capacity <= page + count * capacity &&
      (\exists integer k; EntryAt(k, count, capacity, \result.page - page)) &&
      !Longest(npages - 1, \result.page, \result.page + capacity) && NoRun(npages, \result.page);
*/
static struct page_place pagealloc_step(const uint64_t *sum, uint32_t count, uint32_t capacity, uint64_t npages,
                                        uint64_t page) {
  uint64_t before = 0;
  uint32_t i = pagesum_scan(sum, count, capacity, npages, &before);
  struct page_place place = {.page = VS_NO_PAGE, .done = true};
  //@ assert prefix: SumsOf{Pre}(sum, page, capacity, i);
  //@ assert end: EndOf{Pre}(before, page, page + i * capacity);
  //@ assert longest: Longest{Pre}(npages - 1, page, page + i * capacity);
  if (i == count) return place;
  //@ assert entry: EntryAt(i, count, capacity, i * capacity);
  //@ assert area: i * capacity + capacity <= count * capacity;
  place.page = page + (uint64_t)i * capacity;
  place.done = before + pagesum_start(sum[i]) >= npages;
  //@ assert sum: SumOf{Pre}(\at(sum[\at(i, Here)], Pre), page + i * capacity, capacity);
  //@ assert inside: !place.done ==> !Longest{Pre}(npages - 1, place.page, place.page + capacity);
  //@ assert rest: !place.done ==> NoRun{Pre}(npages, place.page);
  if (place.done) place.page -= before;
  //@ assert lowest: place.done ==> NoRun{Pre}(npages, place.page);
  //@ assert run: place.done ==> RunFree{Pre}(place.page, place.page + npages);
  return place;
}

/* The lowest run of npages pages, which lies in the chunk that starts at page. */
/*@ requires bound: page < 34359738368 && page % 512 == 0 && 1 <= npages;
    requires block: HasBlock(page / 32768);
    requires inv: BlocksInv;
    requires inside: !Longest(npages - 1, page, page + 512);
    requires lowest: NoRun(npages, page);
    terminates \true;
    assigns \nothing;
    ensures hit: \result + npages <= 34359738368 && RunFree(\result, \result + npages);
    ensures lowest: NoRun(npages, \result);
*/
static uint64_t pagealloc_find_in_chunk(uint64_t page, uint64_t npages) {
  //@ assert start: page == 32768 * (page / 32768) + 512 * (page / 512 % 64);
  uint32_t p = pagechunk_find(pagealloc_chunk(page)->free, (uint32_t)npages);
  /*@ assert runs: \forall integer i, j; page <= i ==> i + npages <= j ==> j <= page + 512 ==> RunFree(i, j) ==>
        MapRun(&vs_pages.block[page / 32768]->chunk[page / 512 % 64].free[0], i - page, npages); */
  //@ assert found: p < 512;
  //@ assert first: \forall integer q; page <= q < page + p ==> !RunFree(q, q + npages);
  return page + p;
}

/* The lowest run of npages pages, which lies in the block that starts at page. */
/*@ requires bound: page < 34359738368 && page % 32768 == 0 && 1 <= npages;
    requires inv: BlocksInv && Level4Inv && Level3Inv;
    requires inside: !Longest(npages - 1, page, page + 32768);
    requires lowest: NoRun(npages, page);
    terminates \true;
    assigns \nothing;
    ensures hit: \result + npages <= 34359738368 && RunFree(\result, \result + npages);
    ensures lowest: NoRun(npages, \result);
*/
static uint64_t pagealloc_find_in_block(uint64_t page, uint64_t npages) {
  //@ assert block: HasBlock(page / 32768);
  struct page_block *b = vs_pages.block[page / VS_LEVEL2_PAGES];
  //@ assert sums3: SumsOf(&b->level3[0], page, 4096, 8);
  struct page_place at = pagealloc_step(b->level3, VS_SUM_CHILDREN, VS_LEVEL3_PAGES, npages, page);
  if (at.done) return at.page;
  //@ assert aligned: at.page % 4096 == 0 && at.page / 32768 == page / 32768;
  uint64_t chunk = at.page / VS_CHUNK_PAGES % VS_BLOCK_CHUNKS;
  /*@ assert at4: \forall integer j, p; chunk <= j < chunk + 8 ==> p == at.page + (j - chunk) * 512 ==>
        SumAt(&b->level4[0], j, p, 512); */
  //@ assert sums4: SumsOf(&b->level4[chunk], at.page, 512, 8);
  at = pagealloc_step(&b->level4[chunk], VS_SUM_CHILDREN, VS_CHUNK_PAGES, npages, at.page);
  if (at.done) return at.page;
  //@ assert chunk: at.page % 512 == 0 && at.page / 32768 == page / 32768;
  return pagealloc_find_in_chunk(at.page, npages);
}

uint64_t pagealloc_find(uint64_t npages) {
  uint32_t first = (uint32_t)(vs_pages.search / VS_LEVEL0_PAGES);
  //@ assert lowest: NoRun(npages, first * 2097152);
  //@ assert empty: first >= vs_pages.end0 ==> \forall integer p; 0 <= p < 34359738368 ==> !PageFree(p);
  if (first >= vs_pages.end0) return VS_NO_PAGE;
  /*@ assert at0: \forall integer j, p; first <= j < first + (vs_pages.end0 - first) ==>
        p == first * 2097152 + (j - first) * 2097152 ==> SumAt(&vs_pages.level0[0], j, p, 2097152); */
  //@ assert sums0: SumsOf(&vs_pages.level0[first], first * 2097152, 2097152, vs_pages.end0 - first);
  struct page_place at = pagealloc_step(&vs_pages.level0[first], vs_pages.end0 - first, VS_LEVEL0_PAGES, npages,
                                        (uint64_t)first * VS_LEVEL0_PAGES);
  if (at.done) return at.page;
  //@ assert aligned0: at.page % 2097152 == 0 && at.page < 34359738368;
  /*@ assert at1: \forall integer j, p; at.page / 262144 <= j < at.page / 262144 + 8 ==>
        p == at.page + (j - at.page / 262144) * 262144 ==> SumAt(&vs_pages.level1[0], j, p, 262144); */
  //@ assert sums1: SumsOf(&vs_pages.level1[at.page / 262144], at.page, 262144, 8);
  at = pagealloc_step(&vs_pages.level1[at.page / VS_LEVEL1_PAGES], VS_SUM_CHILDREN, VS_LEVEL1_PAGES, npages, at.page);
  if (at.done) return at.page;
  //@ assert aligned1: at.page % 262144 == 0 && at.page < 34359738368;
  /*@ assert at2: \forall integer j, p; at.page / 32768 <= j < at.page / 32768 + 8 ==>
        p == at.page + (j - at.page / 32768) * 32768 ==> SumAt(&vs_pages.level2[0], j, p, 32768); */
  //@ assert sums2: SumsOf(&vs_pages.level2[at.page / 32768], at.page, 32768, 8);
  at = pagealloc_step(&vs_pages.level2[at.page / VS_LEVEL2_PAGES], VS_SUM_CHILDREN, VS_LEVEL2_PAGES, npages, at.page);
  if (at.done) return at.page;
  //@ assert aligned2: at.page % 32768 == 0 && at.page < 34359738368;
  return pagealloc_find_in_block(at.page, npages);
}

uint64_t pagealloc_run(uint64_t first, uint64_t limit) {
  uint64_t page = first, end = pagealloc_min(first + limit, VS_NO_PAGE);
  /*@ loop invariant bound: first <= page <= 34359738368;
      loop invariant free: RunFree(first, page);
      loop assigns page;
      loop variant end - page;
  */
  while (page < end && pagealloc_is_free(page)) {
    uint32_t p = (uint32_t)(page % VS_CHUNK_PAGES);
    uint32_t stop = pagechunk_next_clear(pagealloc_chunk(page)->free, p);
    //@ assert run: RunFree(512 * (page / 512) + p, 512 * (page / 512) + stop);
    page += stop - p;
  }
  return pagealloc_min(page, end) - first;
}

/* ---- taking and returning pages ---- */

/* Takes npages free pages of chunk i from its page first on. How many of them were dirty. */
/*@ requires bound: i < 67108864 && first <= 512 && npages <= 512 - first;
    requires block: HasBlock(i / 64);
    requires inv: BlocksInv && Level4Inv;
    requires free: RunFree(512 * i + first, 512 * i + first + npages);
    terminates \true;
    assigns vs_pages.block[i / 64]->chunk[i % 64].free[0 .. 7], vs_pages.block[i / 64]->chunk[i % 64].dirty[0 .. 7];
    ensures inv: Level4But(i / 64, i % 64);
    ensures count: \result == DirtyCount{Pre}(512 * i + first, npages);
    ensures taken: PagesTaken(512 * i + first, 512 * i + first + npages);
    ensures below: FreeSame{Pre,Here}(0, 512 * i + first) && DirtySame{Pre,Here}(0, 512 * i + first);
    ensures above: FreeSame{Pre,Here}(512 * i + first + npages, 34359738368) &&
      DirtySame{Pre,Here}(512 * i + first + npages, 34359738368);
*/
static uint32_t pagealloc_take_chunk(uint64_t i, uint32_t first, uint32_t npages) {
  struct page_chunk *c = &vs_pages.block[i / VS_BLOCK_CHUNKS]->chunk[i % VS_BLOCK_CHUNKS];
  //@ assert parts: 512 * i + first == 32768 * (i / 64) + 512 * (i % 64) + first && 0 <= i % 64 < 64;
  //@ assert run: MapRun(&vs_pages.block[i / 64]->chunk[i % 64].free[0], first, npages);
  uint32_t dirty = pagechunk_take(c, first, npages);
  //@ assert index: i == 64 * (i / 64) + i % 64 && 0 <= i % 64 < 64 && 0 <= i / 64 < 1048576;
  //@ assert from: PageAt(512 * i + first, i / 64, i % 64, first);
  //@ assert to: PageAt(512 * i + first + npages, i / 64, i % 64, first + npages);
  /*@ assert far: \forall integer m, k, w; 0 <= m < 1048576 ==> 0 <= k < 64 ==> 0 <= w < 8 ==> HasBlock(m) ==>
        m != i / 64 ==>
        vs_pages.block[m]->chunk[k].free[w] == \at(vs_pages.block[m]->chunk[k].free[w], Pre) &&
        vs_pages.block[m]->chunk[k].dirty[w] == \at(vs_pages.block[m]->chunk[k].dirty[w], Pre); */
  /*@ assert near: \forall integer k, w; 0 <= k < 64 ==> 0 <= w < 8 ==> k != i % 64 ==>
        vs_pages.block[i / 64]->chunk[k].free[w] == \at(vs_pages.block[i / 64]->chunk[k].free[w], Pre) &&
        vs_pages.block[i / 64]->chunk[k].dirty[w] == \at(vs_pages.block[i / 64]->chunk[k].dirty[w], Pre); */
  //@ assert blocks: BlocksSame{Pre,Here} && Level4Same{Pre,Here};
  //@ assert other: ChunksBut{Pre,Here}(i / 64, i % 64);
  /*@ assert bit: \forall integer q; 0 <= q < 512 ==> (MapSame{Pre,Here}(&c->free[0], q) <==>
        (ChunkFree{Pre}(i / 64, i % 64, q) <==> ChunkFree(i / 64, i % 64, q))); */
  /*@ assert bit_dirty: \forall integer q; 0 <= q < 512 ==> (MapSame{Pre,Here}(&c->dirty[0], q) <==>
        (ChunkDirty{Pre}(i / 64, i % 64, q) <==> ChunkDirty(i / 64, i % 64, q))); */
  //@ assert mine: FreeBut{Pre,Here}(i / 64, i % 64, first, first + npages);
  //@ assert bits: DirtyBut{Pre,Here}(i / 64, i % 64, first, first + npages);
  /*@ assert taken: \forall integer q; first <= q < first + npages ==>
        !ChunkFree(i / 64, i % 64, q) && ChunkDirty(i / 64, i % 64, q); */
  //@ assert start: 512 * i == 32768 * (i / 64) + 512 * (i % 64);
  /*@ assert pages: \forall integer p; 512 * i <= p < 512 * i + 512 ==>
        (PageFree(p) <==> ChunkFree(i / 64, i % 64, p - 512 * i)) &&
        (PageDirty(p) <==> ChunkDirty(i / 64, i % 64, p - 512 * i)); */
  //@ assert below: FreeSame{Pre,Here}(0, 512 * i + first) && DirtySame{Pre,Here}(0, 512 * i + first);
  //@ assert above: FreeSame{Pre,Here}(512 * i + first + npages, 34359738368);
  return dirty;
}

/* Takes the free pages [first, end). How many of them were dirty. */
/*@ requires bound: first < end <= 34359738368;
    requires inv: BlocksInv && Level4Inv;
    requires there: HaveBlocks(first, end - 1);
    requires free: RunFree(first, end);
    terminates \true;
    assigns vs_pages.block[first / 32768 .. (end - 1) / 32768]->chunk[0 .. 63].free[0 .. 7],
      vs_pages.block[first / 32768 .. (end - 1) / 32768]->chunk[0 .. 63].dirty[0 .. 7],
      vs_pages.block[first / 32768 .. (end - 1) / 32768]->level4[0 .. 63];
    ensures inv: Level4Inv;
    ensures count: \result == DirtyCount{Pre}(first, end - first);
    ensures taken: PagesTaken(first, end);
    ensures below: FreeSame{Pre,Here}(0, first) && DirtySame{Pre,Here}(0, first);
    ensures above: FreeSame{Pre,Here}(end, 34359738368) && DirtySame{Pre,Here}(end, 34359738368);
    ensures level3: Level3Same{Pre,Here};
*/
static uint64_t pagealloc_take_pages(uint64_t first, uint64_t end) {
  uint64_t dirty = 0, page = first;
  /*@ loop invariant bound: first <= page <= end;
      loop invariant inv: Level4Inv;
      loop invariant count: dirty == DirtyCount{Pre}(first, page - first) && dirty <= page - first;
      loop invariant taken: PagesTaken(first, page);
      loop invariant below: FreeSame{Pre,Here}(0, first) && DirtySame{Pre,Here}(0, first);
      loop invariant above: FreeSame{Pre,Here}(page, 34359738368) && DirtySame{Pre,Here}(page, 34359738368);
      loop invariant level3: Level3Same{Pre,Here};
      loop assigns page, dirty, vs_pages.block[first / 32768 .. (end - 1) / 32768]->chunk[0 .. 63].free[0 .. 7],
        vs_pages.block[first / 32768 .. (end - 1) / 32768]->chunk[0 .. 63].dirty[0 .. 7],
        vs_pages.block[first / 32768 .. (end - 1) / 32768]->level4[0 .. 63];
      loop variant end - page;
  */
  while (page < end) {
    uint32_t npages = pagealloc_here(page, end);
    //@ assert block: first / 32768 <= page / 512 / 64 <= (end - 1) / 32768 && HasBlock(page / 512 / 64);
    //@ assert page: page == 512 * (page / 512) + page % 512;
    //@ assert free: RunFree(page, page + npages);
    //@ assert count: DirtyCount(page, npages) == DirtyCount{Pre}(page, npages) && 0 <= DirtyCount(page, npages) <= npages;
    //@ assert spans: Spans(first, page, page - first) && Spans(page - first, page + npages - first, npages);
    /*@ assert split: DirtyCount{Pre}(first, page + npages - first) ==
          DirtyCount{Pre}(first, page - first) + DirtyCount{Pre}(page, npages); */
    dirty += pagealloc_take_chunk(page / VS_CHUNK_PAGES, (uint32_t)(page % VS_CHUNK_PAGES), npages);
    //@ assert sum: dirty == DirtyCount{Pre}(first, page + npages - first) && dirty <= page + npages - first;
    //@ assert level3: Level3Same{LoopCurrent,Here};
    //@ assert here: FreeSame{LoopCurrent,Here}(0, page) && FreeSame{LoopCurrent,Here}(page + npages, 34359738368);
    //@ assert bits: DirtySame{LoopCurrent,Here}(0, page) && DirtySame{LoopCurrent,Here}(page + npages, 34359738368);
    //@ assert taken: PagesTaken(page, page + npages);
    //@ ghost Taken: ;
    pagealloc_sum4(page / VS_CHUNK_PAGES);
    //@ assert level3: Level3Same{Taken,Here};
    //@ assert blocks: BlocksSame{Pre,LoopCurrent} && BlocksSame{LoopCurrent,Taken} && BlocksSame{Taken,Here};
    //@ assert free: FreeSame{Taken,Here}(0, 34359738368) && DirtySame{Taken,Here}(0, 34359738368);
    //@ assert below: FreeSame{LoopCurrent,Here}(0, page) && DirtySame{LoopCurrent,Here}(0, page);
    //@ assert above: FreeSame{LoopCurrent,Here}(page + npages, 34359738368);
    //@ assert above: DirtySame{LoopCurrent,Here}(page + npages, 34359738368);
    //@ assert taken: PagesTaken(first, page + npages);
    page += npages;
  }
  return dirty;
}

/* A search that would start at page first starts at page end. */
/*@ requires inv: Level4Inv;
    terminates \true;
    assigns vs_pages.search;
    ensures exact: vs_pages.search == (\old(vs_pages.search) == first ? end : \old(vs_pages.search));
    ensures inv: Level4Inv;
    ensures free: FreeSame{Pre,Here}(0, 34359738368);
    ensures dirty: DirtySame{Pre,Here}(0, 34359738368);
*/
static void pagealloc_skip(uint64_t first, uint64_t end) {
  if (vs_pages.search == first) vs_pages.search = end;
  //@ assert same: ChunksSame{Pre,Here} && Level4Same{Pre,Here};
  //@ assert free: FreeSame{Pre,Here}(0, 34359738368);
}

uint64_t pagealloc_take(uint64_t first, uint64_t npages) {
  uint64_t end = first + npages;
  uint64_t dirty = pagealloc_take_pages(first, end);
  //@ ghost Pages: ;
  pagealloc_skip(first, end);
  //@ assert blocks: BlocksSame{Pre,Here} && NumbersSame{Pre,Here} && UpperSame{Pre,Here};
  //@ assert levels: BlocksInv && Level4Inv && Level3Same{Pre,Here};
  //@ assert same: FreeSame{Pages,Here}(0, 34359738368) && DirtySame{Pages,Here}(0, 34359738368);
  //@ assert taken: PagesTaken(first, end);
  //@ assert below: FreeSame{Pre,Here}(0, first) && DirtySame{Pre,Here}(0, first);
  //@ assert above: FreeSame{Pre,Here}(end, 34359738368) && DirtySame{Pre,Here}(end, 34359738368);
  //@ assert fewer: \forall integer p; 0 <= p < 34359738368 ==> PageFree(p) ==> PageFree{Pre}(p);
  //@ assert lists: SearchInv && EndInv && ListInv;
  //@ assert tree: Level3But(first, end - 1) && Level2But(first, end - 1) && Level1But(first, end - 1) && Level0But(first, end - 1);
  //@ ghost Taken: ;
  pagealloc_update(first, end - 1);
  //@ assert same: FreeSame{Taken,Here}(0, 34359738368) && DirtySame{Taken,Here}(0, 34359738368);
  return dirty;
}

/* Notes that chunk i may have pages to give back. */
/*@ requires bound: i < 67108864;
    requires block: HasBlock(i / 64);
    requires inv: BlocksInv;
    terminates \true;
    assigns vs_pages.block[i / 64]->idle;
    ensures idle: BlockIdle(i / 64, i % 64);
    ensures other: \forall integer m, k; 0 <= m < 1048576 ==> 0 <= k < 64 ==> m != i / 64 || k != i % 64 ==>
      (BlockIdle{Pre}(m, k) <==> BlockIdle(m, k));
    ensures same: ChunksSame{Pre,Here} && Level4Same{Pre,Here} && Level3Same{Pre,Here};
*/
static void pagealloc_mark_idle(uint64_t i) {
  struct page_block *b = vs_pages.block[i / VS_BLOCK_CHUNKS];
  b->idle = bits_set(b->idle, (uint32_t)(i % VS_BLOCK_CHUNKS));
}

/* Notes that the chunks of pages [first, last] may have pages to give back. */
/*@ requires bound: first <= last < 34359738368;
    requires there: HaveBlocks(first, last);
    requires inv: PagesInv;
    terminates \true;
    assigns vs_pages.block[first / 32768 .. last / 32768]->idle;
    ensures inv: PagesInv;
    ensures free: FreeSame{Pre,Here}(0, 34359738368);
    ensures dirty: DirtySame{Pre,Here}(0, 34359738368);
    ensures idle: \forall integer n, c; 0 <= n < 1048576 ==> 0 <= c < 64 ==>
      first / 512 <= 64 * n + c <= last / 512 ==> BlockIdle(n, c);
*/
static void pagealloc_mark_range(uint64_t first, uint64_t last) {
  /*@ loop invariant bound: first / 512 <= i <= last / 512 + 1;
      loop invariant idle: \forall integer n, c; 0 <= n < 1048576 ==> 0 <= c < 64 ==> first / 512 <= 64 * n + c < i ==>
        BlockIdle(n, c);
      loop invariant same: ChunksSame{Pre,Here} && Level4Same{Pre,Here} && Level3Same{Pre,Here};
      loop assigns i, vs_pages.block[first / 32768 .. last / 32768]->idle;
      loop variant last / 512 - i;
  */
  for (uint64_t i = first / VS_CHUNK_PAGES; i <= last / VS_CHUNK_PAGES; i++) {
    //@ assert block: first / 32768 <= i / 64 <= last / 32768 && HasBlock(i / 64);
    pagealloc_mark_idle(i);
  }
  //@ assert free: FreeSame{Pre,Here}(0, 34359738368);
}

void pagealloc_put(uint64_t first, uint64_t npages) {
  pagealloc_set_free(first, first + npages);
  //@ ghost Set: ;
  pagealloc_mark_range(first, first + npages - 1);
  //@ assert same: FreeSame{Set,Here}(0, 34359738368) && DirtySame{Set,Here}(0, 34359738368);
}

/* Notes that npages pages of chunk i from its page first on are not dirty. How many of them were. */
/*@ requires bound: i < 67108864 && first <= 512 && npages <= 512 - first;
    requires block: HasBlock(i / 64);
    requires inv: BlocksInv;
    terminates \true;
    assigns vs_pages.block[i / 64]->chunk[i % 64].dirty[0 .. 7];
    ensures count: \result == DirtyCount{Pre}(512 * i + first, npages);
    ensures clean: PagesClean(512 * i + first, 512 * i + first + npages);
    ensures below: DirtySame{Pre,Here}(0, 512 * i + first);
    ensures above: DirtySame{Pre,Here}(512 * i + first + npages, 34359738368);
    ensures free: FreeSame{Pre,Here}(0, 34359738368);
    ensures levels: Level4Same{Pre,Here} && Level3Same{Pre,Here};
*/
static uint32_t pagealloc_clean_chunk(uint64_t i, uint32_t first, uint32_t npages) {
  struct page_chunk *c = &vs_pages.block[i / VS_BLOCK_CHUNKS]->chunk[i % VS_BLOCK_CHUNKS];
  //@ assert parts: 512 * i + first == 32768 * (i / 64) + 512 * (i % 64) + first && 0 <= i % 64 < 64;
  uint32_t dirty = pagechunk_count(c->dirty, first, npages);
  //@ assert count: dirty == DirtyCount(512 * i + first, npages);
  pagechunk_clear(c->dirty, first, npages);
  /*@ assert words: \forall integer w; 0 <= w < 8 ==>
        c->free[w] == \at(vs_pages.block[i / 64]->chunk[i % 64].free[w], Pre); */
  //@ assert index: i == 64 * (i / 64) + i % 64 && 0 <= i % 64 < 64 && 0 <= i / 64 < 1048576;
  //@ assert from: PageAt(512 * i + first, i / 64, i % 64, first);
  //@ assert to: PageAt(512 * i + first + npages, i / 64, i % 64, first + npages);
  /*@ assert far: \forall integer m, k, w; 0 <= m < 1048576 ==> 0 <= k < 64 ==> 0 <= w < 8 ==> HasBlock(m) ==>
        m != i / 64 ==>
        vs_pages.block[m]->chunk[k].free[w] == \at(vs_pages.block[m]->chunk[k].free[w], Pre) &&
        vs_pages.block[m]->chunk[k].dirty[w] == \at(vs_pages.block[m]->chunk[k].dirty[w], Pre); */
  /*@ assert near: \forall integer k, w; 0 <= k < 64 ==> 0 <= w < 8 ==> k != i % 64 ==>
        vs_pages.block[i / 64]->chunk[k].free[w] == \at(vs_pages.block[i / 64]->chunk[k].free[w], Pre) &&
        vs_pages.block[i / 64]->chunk[k].dirty[w] == \at(vs_pages.block[i / 64]->chunk[k].dirty[w], Pre); */
  //@ assert blocks: BlocksSame{Pre,Here} && Level4Same{Pre,Here} && Level3Same{Pre,Here};
  //@ assert other: ChunksBut{Pre,Here}(i / 64, i % 64);
  /*@ assert bit: \forall integer q; 0 <= q < 512 ==> (MapSame{Pre,Here}(&c->dirty[0], q) <==>
        (ChunkDirty{Pre}(i / 64, i % 64, q) <==> ChunkDirty(i / 64, i % 64, q))); */
  //@ assert mine: DirtyBut{Pre,Here}(i / 64, i % 64, first, first + npages);
  //@ assert bits: FreeBut{Pre,Here}(i / 64, i % 64, 512, 512);
  //@ assert clean: \forall integer q; first <= q < first + npages ==> !ChunkDirty(i / 64, i % 64, q);
  //@ assert start: 512 * i == 32768 * (i / 64) + 512 * (i % 64);
  /*@ assert pages: \forall integer p; 512 * i <= p < 512 * i + 512 ==>
        (PageDirty(p) <==> ChunkDirty(i / 64, i % 64, p - 512 * i)); */
  //@ assert below: DirtySame{Pre,Here}(0, 512 * i + first);
  //@ assert above: DirtySame{Pre,Here}(512 * i + first + npages, 34359738368);
  return dirty;
}

/* Notes that pages [first, end) are not dirty. How many of them were. */
/*@ requires bound: first < end <= 34359738368;
    requires inv: BlocksInv;
    requires there: HaveBlocks(first, end - 1);
    terminates \true;
    assigns vs_pages.block[first / 32768 .. (end - 1) / 32768]->chunk[0 .. 63].dirty[0 .. 7];
    ensures count: \result == DirtyCount{Pre}(first, end - first);
    ensures clean: PagesClean(first, end);
    ensures below: DirtySame{Pre,Here}(0, first);
    ensures above: DirtySame{Pre,Here}(end, 34359738368);
    ensures free: FreeSame{Pre,Here}(0, 34359738368);
    ensures levels: Level4Same{Pre,Here} && Level3Same{Pre,Here};
*/
static uint64_t pagealloc_clean_pages(uint64_t first, uint64_t end) {
  uint64_t dirty = 0, page = first;
  /*@ loop invariant bound: first <= page <= end;
      loop invariant count: dirty == DirtyCount{Pre}(first, page - first) && dirty <= page - first;
      loop invariant clean: PagesClean(first, page);
      loop invariant below: DirtySame{Pre,Here}(0, first);
      loop invariant above: DirtySame{Pre,Here}(page, 34359738368);
      loop invariant free: FreeSame{Pre,Here}(0, 34359738368);
      loop invariant levels: Level4Same{Pre,Here} && Level3Same{Pre,Here};
      loop assigns page, dirty, vs_pages.block[first / 32768 .. (end - 1) / 32768]->chunk[0 .. 63].dirty[0 .. 7];
      loop variant end - page;
  */
  while (page < end) {
    uint32_t npages = pagealloc_here(page, end);
    //@ assert block: first / 32768 <= page / 512 / 64 <= (end - 1) / 32768 && HasBlock(page / 512 / 64);
    //@ assert page: page == 512 * (page / 512) + page % 512;
    //@ assert count: DirtyCount(page, npages) == DirtyCount{Pre}(page, npages) && 0 <= DirtyCount(page, npages) <= npages;
    //@ assert spans: Spans(first, page, page - first) && Spans(page - first, page + npages - first, npages);
    /*@ assert split: DirtyCount{Pre}(first, page + npages - first) ==
          DirtyCount{Pre}(first, page - first) + DirtyCount{Pre}(page, npages); */
    dirty += pagealloc_clean_chunk(page / VS_CHUNK_PAGES, (uint32_t)(page % VS_CHUNK_PAGES), npages);
    //@ assert blocks: BlocksSame{Pre,LoopCurrent} && BlocksSame{LoopCurrent,Here};
    //@ assert below: DirtySame{LoopCurrent,Here}(0, page);
    //@ assert above: DirtySame{LoopCurrent,Here}(page + npages, 34359738368);
    page += npages;
  }
  return dirty;
}

uint64_t pagealloc_clean(uint64_t first, uint64_t npages) {
  uint64_t dirty = pagealloc_clean_pages(first, first + npages);
  //@ assert blocks: BlocksSame{Pre,Here} && NumbersSame{Pre,Here} && UpperSame{Pre,Here};
  return dirty;
}

void pagealloc_put_clean(uint64_t first, uint64_t npages) {
  (void)pagealloc_clean(first, npages);
  //@ ghost Cleaned: ;
  pagealloc_set_free(first, first + npages);
  //@ assert same: DirtySame{Cleaned,Here}(0, 34359738368);
  //@ assert clean: PagesClean(first, first + npages);
}

/* ---- groups ---- */

/*@ requires bound: first < 34359738368;
    assigns \nothing;
    ensures exact: \result == first % 512 / 64;
*/
static uint32_t pagealloc_group(uint64_t first) { return (uint32_t)(first % VS_CHUNK_PAGES / VS_WORD_BITS); }

/* pagealloc_take_group, but for the summaries. */
/*@ requires bound: first < 34359738368 && first % 64 == 0;
    requires valid: \valid(clean);
    requires sep: \forall integer n; 0 <= n < 1048576 ==> HasBlock(n) ==> \separated(clean, vs_pages.block[n]);
    requires inv: BlocksInv && Level4Inv;
    requires block: HasBlock(first / 32768);
    terminates \true;
    assigns vs_pages.block[first / 32768]->chunk[first / 512 % 64].free[0 .. 7],
      vs_pages.block[first / 32768]->chunk[first / 512 % 64].dirty[0 .. 7], *clean;
    ensures inv: Level4But(first / 32768, first / 512 % 64);
    ensures taken: \forall integer k; 0 <= k < 64 ==> (Bit(\result, k) <==> Bit(pages, k) && PageFree{Pre}(first + k));
    ensures clean: \forall integer k; 0 <= k < 64 ==>
      (Bit(*clean, k) <==> Bit(\result, k) && !PageDirty{Pre}(first + k));
    ensures free: \forall integer k; 0 <= k < 64 ==> (PageFree(first + k) <==> PageFree{Pre}(first + k) && !Bit(pages, k));
    ensures dirty: \forall integer k; 0 <= k < 64 ==>
      (PageDirty(first + k) <==> PageDirty{Pre}(first + k) || Bit(\result, k));
    ensures below: FreeSame{Pre,Here}(0, first) && DirtySame{Pre,Here}(0, first);
    ensures above: FreeSame{Pre,Here}(first + 64, 34359738368) && DirtySame{Pre,Here}(first + 64, 34359738368);
    ensures level3: Level3Same{Pre,Here};
    ensures fewer: \forall integer p; 0 <= p < 34359738368 ==> PageFree(p) ==> PageFree{Pre}(p);
*/
static uint64_t pagealloc_take_bits(uint64_t first, uint64_t pages, uint64_t *clean) {
  //@ assert ranges: 0 <= first / 32768 < 1048576 && 0 <= first / 512 % 64 < 64 && 0 <= first % 512 / 64 < 8;
  //@ assert from: PageAt(first, first / 32768, first / 512 % 64, 64 * (first % 512 / 64));
  //@ assert to: PageAt(first + 64, first / 32768, first / 512 % 64, 64 * (first % 512 / 64) + 64);
  uint64_t taken = pagechunk_take_group(pagealloc_chunk(first), pagealloc_group(first), pages, clean);
  /*@ assert taken: \forall integer k; 0 <= k < 64 ==>
        (Bit(taken, k) <==> Bit(pages, k) && ChunkFree{Pre}(first / 32768, first / 512 % 64, 64 * (first % 512 / 64) + k)); */
  /*@ assert before: \forall integer k; 0 <= k < 64 ==>
        (PageFree{Pre}(first + k) <==> ChunkFree{Pre}(first / 32768, first / 512 % 64, 64 * (first % 512 / 64) + k)); */
  //@ assert all: \forall integer k; 0 <= k < 64 ==> (Bit(taken, k) <==> Bit(pages, k) && PageFree{Pre}(first + k));
  /*@ assert far: \forall integer m, k, w; 0 <= m < 1048576 ==> 0 <= k < 64 ==> 0 <= w < 8 ==> HasBlock(m) ==>
        m != first / 32768 ==>
        vs_pages.block[m]->chunk[k].free[w] == \at(vs_pages.block[m]->chunk[k].free[w], Pre) &&
        vs_pages.block[m]->chunk[k].dirty[w] == \at(vs_pages.block[m]->chunk[k].dirty[w], Pre); */
  /*@ assert near: \forall integer k, w; 0 <= k < 64 ==> 0 <= w < 8 ==> k != first / 512 % 64 ==>
        vs_pages.block[first / 32768]->chunk[k].free[w] == \at(vs_pages.block[first / 32768]->chunk[k].free[w], Pre) &&
        vs_pages.block[first / 32768]->chunk[k].dirty[w] == \at(vs_pages.block[first / 32768]->chunk[k].dirty[w], Pre); */
  //@ assert blocks: BlocksSame{Pre,Here} && Level4Same{Pre,Here} && Level3Same{Pre,Here};
  //@ assert other: ChunksBut{Pre,Here}(first / 32768, first / 512 % 64);
  //@ assert mine: FreeBut{Pre,Here}(first / 32768, first / 512 % 64, 64 * (first % 512 / 64), 64 * (first % 512 / 64) + 64);
  //@ assert bits: DirtyBut{Pre,Here}(first / 32768, first / 512 % 64, 64 * (first % 512 / 64), 64 * (first % 512 / 64) + 64);
  //@ assert below: FreeSame{Pre,Here}(0, first) && DirtySame{Pre,Here}(0, first);
  //@ assert above: FreeSame{Pre,Here}(first + 64, 34359738368) && DirtySame{Pre,Here}(first + 64, 34359738368);
  /*@ assert pages: \forall integer k; 0 <= k < 64 ==>
        (PageFree(first + k) <==> ChunkFree(first / 32768, first / 512 % 64, 64 * (first % 512 / 64) + k)); */
  /*@ assert dirty: \forall integer k; 0 <= k < 64 ==> (PageDirty{Pre}(first + k) <==>
        ChunkDirty{Pre}(first / 32768, first / 512 % 64, 64 * (first % 512 / 64) + k)); */
  /*@ assert marks: \forall integer k; 0 <= k < 64 ==> (PageDirty(first + k) <==>
        ChunkDirty(first / 32768, first / 512 % 64, 64 * (first % 512 / 64) + k)); */
  /*@ assert mine_fewer: \forall integer q; 0 <= q < 512 ==>
        ChunkFree(first / 32768, first / 512 % 64, q) ==> ChunkFree{Pre}(first / 32768, first / 512 % 64, q); */
  /*@ assert fewer: \forall integer m, k, q; 0 <= m < 1048576 ==> 0 <= k < 64 ==> 0 <= q < 512 ==>
        ChunkFree(m, k, q) ==> ChunkFree{Pre}(m, k, q); */
  return taken;
}

uint64_t pagealloc_take_group(uint64_t first, uint64_t pages, uint64_t *clean) {
  uint64_t taken = pagealloc_take_bits(first, pages, clean);
  //@ assert chunk: first / 512 / 64 == first / 32768;
  /*@ assert last: (first + 63) / 32768 == first / 32768 && (first + 63) / 262144 == first / 262144 &&
        (first + 63) / 2097152 == first / 2097152; */
  //@ ghost Bits: ;
  pagealloc_sum4(first / VS_CHUNK_PAGES);
  //@ assert blocks: BlocksSame{Pre,Here} && NumbersSame{Pre,Here} && UpperSame{Pre,Here};
  //@ assert level3: Level3Same{Bits,Here};
  //@ assert levels: BlocksInv && Level4Inv && Level3Same{Pre,Here};
  //@ assert clean: *clean == \at(*clean, Bits);
  //@ assert same: FreeSame{Bits,Here}(0, 34359738368) && DirtySame{Bits,Here}(0, 34359738368);
  //@ assert below: FreeSame{Pre,Here}(0, first) && DirtySame{Pre,Here}(0, first);
  //@ assert above: FreeSame{Pre,Here}(first + 64, 34359738368) && DirtySame{Pre,Here}(first + 64, 34359738368);
  //@ assert fewer: \forall integer p; 0 <= p < 34359738368 ==> PageFree(p) ==> PageFree{Pre}(p);
  //@ assert lists: SearchInv && EndInv && ListInv;
  /*@ assert tree: Level3But(first, first + 63) && Level2But(first, first + 63) && Level1But(first, first + 63) &&
        Level0But(first, first + 63); */
  //@ ghost Summed: ;
  pagealloc_update(first, first + 63);
  //@ assert clean: *clean == \at(*clean, Summed);
  //@ assert same: FreeSame{Summed,Here}(0, 34359738368) && DirtySame{Summed,Here}(0, 34359738368);
  return taken;
}

/* pagealloc_put_group, but for the summaries and the search. */
/*@ requires bound: first < 34359738368 && first % 64 == 0;
    requires inv: BlocksInv && Level4Inv;
    requires block: HasBlock(first / 32768);
    requires used: \forall integer k; 0 <= k < 64 ==> Bit(pages, k) ==> !PageFree(first + k);
    requires clean: \forall integer k; 0 <= k < 64 ==> Bit(clean, k) ==> Bit(pages, k);
    terminates \true;
    assigns vs_pages.block[first / 32768]->chunk[first / 512 % 64].free[0 .. 7],
      vs_pages.block[first / 32768]->chunk[first / 512 % 64].dirty[0 .. 7];
    ensures inv: Level4But(first / 32768, first / 512 % 64);
    ensures free: \forall integer k; 0 <= k < 64 ==> (PageFree(first + k) <==> PageFree{Pre}(first + k) || Bit(pages, k));
    ensures dirty: \forall integer k; 0 <= k < 64 ==>
      (PageDirty(first + k) <==> PageDirty{Pre}(first + k) && !Bit(clean, k));
    ensures below: FreeSame{Pre,Here}(0, first) && DirtySame{Pre,Here}(0, first);
    ensures above: FreeSame{Pre,Here}(first + 64, 34359738368) && DirtySame{Pre,Here}(first + 64, 34359738368);
    ensures level3: Level3Same{Pre,Here};
*/
static void pagealloc_put_bits(uint64_t first, uint64_t pages, uint64_t clean) {
  //@ assert ranges: 0 <= first / 32768 < 1048576 && 0 <= first / 512 % 64 < 64 && 0 <= first % 512 / 64 < 8;
  //@ assert from: PageAt(first, first / 32768, first / 512 % 64, 64 * (first % 512 / 64));
  //@ assert to: PageAt(first + 64, first / 32768, first / 512 % 64, 64 * (first % 512 / 64) + 64);
  pagechunk_put_group(pagealloc_chunk(first), pagealloc_group(first), pages, clean);
  /*@ assert far: \forall integer m, k, w; 0 <= m < 1048576 ==> 0 <= k < 64 ==> 0 <= w < 8 ==> HasBlock(m) ==>
        m != first / 32768 ==>
        vs_pages.block[m]->chunk[k].free[w] == \at(vs_pages.block[m]->chunk[k].free[w], Pre) &&
        vs_pages.block[m]->chunk[k].dirty[w] == \at(vs_pages.block[m]->chunk[k].dirty[w], Pre); */
  /*@ assert near: \forall integer k, w; 0 <= k < 64 ==> 0 <= w < 8 ==> k != first / 512 % 64 ==>
        vs_pages.block[first / 32768]->chunk[k].free[w] == \at(vs_pages.block[first / 32768]->chunk[k].free[w], Pre) &&
        vs_pages.block[first / 32768]->chunk[k].dirty[w] == \at(vs_pages.block[first / 32768]->chunk[k].dirty[w], Pre); */
  //@ assert blocks: BlocksSame{Pre,Here} && Level4Same{Pre,Here} && Level3Same{Pre,Here};
  //@ assert other: ChunksBut{Pre,Here}(first / 32768, first / 512 % 64);
  //@ assert mine: FreeBut{Pre,Here}(first / 32768, first / 512 % 64, 64 * (first % 512 / 64), 64 * (first % 512 / 64) + 64);
  //@ assert bits: DirtyBut{Pre,Here}(first / 32768, first / 512 % 64, 64 * (first % 512 / 64), 64 * (first % 512 / 64) + 64);
  //@ assert below: FreeSame{Pre,Here}(0, first) && DirtySame{Pre,Here}(0, first);
  //@ assert above: FreeSame{Pre,Here}(first + 64, 34359738368) && DirtySame{Pre,Here}(first + 64, 34359738368);
  /*@ assert pages: \forall integer k; 0 <= k < 64 ==>
        (PageFree(first + k) <==> ChunkFree(first / 32768, first / 512 % 64, 64 * (first % 512 / 64) + k)) &&
        (PageFree{Pre}(first + k) <==> ChunkFree{Pre}(first / 32768, first / 512 % 64, 64 * (first % 512 / 64) + k)); */
  /*@ assert dirty: \forall integer k; 0 <= k < 64 ==>
        (PageDirty(first + k) <==> ChunkDirty(first / 32768, first / 512 % 64, 64 * (first % 512 / 64) + k)) &&
        (PageDirty{Pre}(first + k) <==> ChunkDirty{Pre}(first / 32768, first / 512 % 64, 64 * (first % 512 / 64) + k)); */
}

void pagealloc_put_group(uint64_t first, uint64_t pages, uint64_t clean) {
  pagealloc_put_bits(first, pages, clean);
  //@ assert chunk: first / 512 / 64 == first / 32768;
  /*@ assert last: (first + 63) / 32768 == first / 32768 && (first + 63) / 262144 == first / 262144 &&
        (first + 63) / 2097152 == first / 2097152; */
  //@ assert end: first + 64 <= vs_pages.end0 * 2097152;
  //@ ghost Bits: ;
  pagealloc_sum4(first / VS_CHUNK_PAGES);
  //@ ghost Sum: ;
  vs_pages.search = pagealloc_min(vs_pages.search, first);
  //@ assert search: ChunksSame{Sum,Here} && Level4Same{Sum,Here};
  //@ assert blocks: BlocksSame{Pre,Here} && NumbersSame{Pre,Here} && UpperSame{Pre,Here};
  //@ assert level3: Level3Same{Bits,Here};
  //@ assert levels: BlocksInv && Level4Inv && Level3Same{Pre,Here};
  //@ assert same: FreeSame{Bits,Here}(0, 34359738368) && DirtySame{Bits,Here}(0, 34359738368);
  //@ assert below: FreeSame{Pre,Here}(0, first) && DirtySame{Pre,Here}(0, first);
  //@ assert above: FreeSame{Pre,Here}(first + 64, 34359738368) && DirtySame{Pre,Here}(first + 64, 34359738368);
  //@ assert lists: SearchInv && EndInv && ListInv;
  /*@ assert tree: Level3But(first, first + 63) && Level2But(first, first + 63) && Level1But(first, first + 63) &&
        Level0But(first, first + 63); */
  //@ ghost Summed: ;
  pagealloc_update(first, first + 63);
  //@ assert same: FreeSame{Summed,Here}(0, 34359738368) && DirtySame{Summed,Here}(0, 34359738368);
  //@ ghost Updated: ;
  if (pages != clean) pagealloc_mark_range(first, first);
  //@ assert same: FreeSame{Updated,Here}(0, 34359738368) && DirtySame{Updated,Here}(0, 34359738368);
}

/* ---- pages to give back ---- */

/* The highest set bit of x below bit n, or 64. */
/*@ assigns \nothing;
    ensures hit: \result != 64 ==> \result < 64 && \result < n && Bit(x, \result);
    ensures highest: \result != 64 ==> \forall integer j; \result < j < 64 ==> j < n ==> !Bit(x, j);
    ensures none: \result == 64 ==> \forall integer j; 0 <= j < 64 ==> j < n ==> !Bit(x, j);
*/
static uint32_t pagealloc_top(uint64_t x, uint64_t n) {
  uint32_t top = (uint32_t)pagealloc_min(n, VS_WORD_BITS);
  /*@ loop invariant bound: top <= 64 && top <= n;
      loop invariant clear: \forall integer j; top <= j < 64 ==> j < n ==> !Bit(x, j);
      loop assigns top;
      loop variant top;
  */
  while (top > 0 && !bits_test(x, top - 1)) top--;
  return top == 0 ? VS_WORD_BITS : top - 1;
}

/* How many blocks start below page end: they are the first in the list. */
/*@ requires inv: ListInv;
    assigns \nothing;
    ensures bound: \result <= vs_pages.nblocks;
    ensures below: \forall integer i; 0 <= i < \result ==> vs_pages.number[i] * 32768 < end;
    ensures above: \forall integer i; \result <= i < vs_pages.nblocks ==> end <= vs_pages.number[i] * 32768;
*/
static uint32_t pagealloc_blocks_below(uint64_t end) {
  uint32_t low = 0, high = vs_pages.nblocks;
  /*@ loop invariant bound: low <= high <= vs_pages.nblocks;
      loop invariant below: \forall integer i; 0 <= i < low ==> vs_pages.number[i] * 32768 < end;
      loop invariant above: \forall integer i; high <= i < vs_pages.nblocks ==> end <= vs_pages.number[i] * 32768;
      loop assigns low, high;
      loop variant high - low;
  */
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if ((uint64_t)vs_pages.number[middle] * VS_LEVEL2_PAGES < end)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

uint64_t pagealloc_idle_chunk(uint64_t end) {
  uint32_t i = pagealloc_blocks_below(end);
  /*@ loop invariant bound: i <= vs_pages.nblocks;
      loop invariant below: \forall integer j; 0 <= j < i ==> vs_pages.number[j] * 32768 < end;
      loop invariant none: \forall integer j, k; i <= j < vs_pages.nblocks ==> 0 <= k < 64 ==>
        64 * vs_pages.number[j] + k < end / 512 ==> !BlockIdle(vs_pages.number[j], k);
      loop assigns i;
      loop variant i;
  */
  for (; i > 0; i--) {
    uint32_t number = vs_pages.number[i - 1];
    uint64_t base = (uint64_t)number * VS_LEVEL2_PAGES;
    uint32_t k = pagealloc_top(vs_pages.block[number]->idle, (end - base) / VS_CHUNK_PAGES);
    //@ assert chunks: (end - base) / 512 == end / 512 - 64 * number;
    /*@ assert here: \forall integer c; 0 <= c < 64 ==> 64 * number + c < end / 512 ==> k == 64 || k < c ==>
          !BlockIdle(number, c); */
    /*@ assert listed: \forall integer m; number < m < 1048576 ==> HasBlock(m) ==>
          \exists integer j; i <= j < vs_pages.nblocks && vs_pages.number[j] == m; */
    /*@ assert above: \forall integer m, c; number < m < 1048576 ==> 0 <= c < 64 ==> 64 * m + c < end / 512 ==>
          !BlockIdle(m, c); */
    if (k < VS_BLOCK_CHUNKS) return base + (uint64_t)k * VS_CHUNK_PAGES;
  }
  return VS_NO_PAGE;
}

void pagealloc_not_idle(uint64_t page) {
  struct page_block *b = vs_pages.block[page / VS_LEVEL2_PAGES];
  b->idle = bits_clear(b->idle, (uint32_t)(page / VS_CHUNK_PAGES % VS_BLOCK_CHUNKS));
  /*@ assert words: \forall integer m, k, w; 0 <= m < 1048576 ==> 0 <= k < 64 ==> 0 <= w < 8 ==> HasBlock(m) ==>
        vs_pages.block[m]->chunk[k].free[w] == \at(vs_pages.block[m]->chunk[k].free[w], Pre) &&
        vs_pages.block[m]->chunk[k].dirty[w] == \at(vs_pages.block[m]->chunk[k].dirty[w], Pre); */
  //@ assert same: ChunksSame{Pre,Here} && Level4Same{Pre,Here} && Level3Same{Pre,Here};
  //@ assert free: FreeSame{Pre,Here}(0, 34359738368);
}
