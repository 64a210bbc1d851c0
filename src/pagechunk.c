/* SPDX-License-Identifier: Apache-2.0
 * The bitmaps of a chunk. Contracts stand in pagechunk.h. */
#include "pagechunk.h"

/* The bits of the word of page that stand for pages of [page, end). */
/*@ requires bound: page < end <= 512;
    assigns \nothing;
    ensures exact: \forall integer j; 0 <= j < 64 ==> (Bit(\result, j) <==> page % 64 <= j && page / 64 * 64 + j < end);
*/
static inline uint64_t pagechunk_mask(uint32_t page, uint32_t end) {
  uint32_t start = page / VS_WORD_BITS * VS_WORD_BITS;
  uint32_t high = end - start < VS_WORD_BITS ? end - start : VS_WORD_BITS;
  return bits_below(high) & bits_not(bits_below(page % VS_WORD_BITS));
}

/* How many of pages [page, end) are in the word of page. */
/*@ requires bound: page < end <= 512;
    assigns \nothing;
    ensures bound: 1 <= \result <= end - page;
    ensures exact: page + \result == end || page + \result == page / 64 * 64 + 64;
    ensures word: \forall integer i; page <= i < page + \result ==> i / 64 == page / 64;
*/
static inline uint32_t pagechunk_in_word(uint32_t page, uint32_t end) {
  uint32_t rest = VS_WORD_BITS - page % VS_WORD_BITS;
  return rest < end - page ? rest : end - page;
}

/* The bits of a word from bit low on, lowest first. */
/*@ requires bound: low < 64;
    assigns \nothing;
    ensures exact: \forall integer j; low <= j < 64 ==> (Bit(\result, j - low) <==> Bit(word, j));
    ensures short: \forall integer j; 64 - low <= j < 64 ==> !Bit(\result, j);
*/
static inline uint64_t pagechunk_rest(uint64_t word, uint32_t low) {
  uint64_t rest = word >> low;
  //@ assert shift: \forall integer j; 0 <= j ==> (Bit(rest, j) <==> Bit(word, j + low));
  return rest;
}

uint32_t pagechunk_next_set(const uint64_t *map, uint32_t from) {
  uint32_t page = from;
  /*@ loop invariant bound: from <= page <= 512;
      loop invariant first: \forall integer i; from <= i < page ==> !MapBit(map, i);
      loop assigns page;
      loop variant 512 - page;
  */
  while (page < VS_CHUNK_PAGES) {
    uint64_t rest = pagechunk_rest(map[page / VS_WORD_BITS], page % VS_WORD_BITS);
    /*@ assert place: \forall integer i; page <= i < page / 64 * 64 + 64 ==>
          i / 64 == page / 64 && page % 64 <= i % 64 < 64 && i % 64 - page % 64 == i - page; */
    /*@ assert word: \forall integer j; page % 64 <= j < 64 ==>
          (Bit(rest, j - page % 64) <==> Bit(map[page / 64], j)); */
    /*@ assert rest: \forall integer i; page <= i < page / 64 * 64 + 64 ==>
          (Bit(rest, i - page) <==> MapBit(map, i)); */
    if (rest != 0) return page + bits_ctz(rest);
    //@ assert none: \forall integer i; page <= i < page / 64 * 64 + 64 ==> !MapBit(map, i);
    page += pagechunk_in_word(page, VS_CHUNK_PAGES);
  }
  return VS_CHUNK_PAGES;
}

uint32_t pagechunk_next_clear(const uint64_t *map, uint32_t from) {
  uint32_t page = from;
  /*@ loop invariant bound: from <= page <= 512;
      loop invariant first: \forall integer i; from <= i < page ==> MapBit(map, i);
      loop assigns page;
      loop variant 512 - page;
  */
  while (page < VS_CHUNK_PAGES) {
    uint64_t rest = pagechunk_rest(bits_not(map[page / VS_WORD_BITS]), page % VS_WORD_BITS);
    /*@ assert place: \forall integer i; page <= i < page / 64 * 64 + 64 ==>
          i / 64 == page / 64 && page % 64 <= i % 64 < 64 && i % 64 - page % 64 == i - page; */
    /*@ assert word: \forall integer j; page % 64 <= j < 64 ==>
          (Bit(rest, j - page % 64) <==> !Bit(map[page / 64], j)); */
    /*@ assert rest: \forall integer i; page <= i < page / 64 * 64 + 64 ==>
          (Bit(rest, i - page) <==> !MapBit(map, i)); */
    if (rest != 0) return page + bits_ctz(rest);
    //@ assert none: \forall integer i; page <= i < page / 64 * 64 + 64 ==> MapBit(map, i);
    page += pagechunk_in_word(page, VS_CHUNK_PAGES);
  }
  return VS_CHUNK_PAGES;
}

uint32_t pagechunk_find(const uint64_t *map, uint32_t npages) {
  uint32_t page = pagechunk_next_set(map, 0);
  //@ assert start: \forall integer i; 0 <= i < page ==> !MapBit(map, i) && !MapRun(map, i, npages);
  /*@ loop invariant bound: 0 <= page <= 512;
      loop invariant set: page < 512 ==> MapBit(map, page);
      loop invariant first: \forall integer i; 0 <= i < page ==> i + npages <= 512 ==> !MapRun(map, i, npages);
      loop assigns page;
      loop variant 512 - page;
  */
  while (page < VS_CHUNK_PAGES) {
    uint32_t end = pagechunk_next_clear(map, page);
    if (end - page >= npages) return page;
    /*@ assert short: \forall integer i; page <= i < end ==> i + npages <= 512 ==>
          i <= end < i + npages && !MapBit(map, end) && !MapRun(map, i, npages); */
    uint32_t next = pagechunk_next_set(map, end);
    //@ assert gap: \forall integer i; end <= i < next ==> !MapBit(map, i) && !MapRun(map, i, npages);
    page = next;
  }
  return VS_CHUNK_PAGES;
}

uint32_t pagechunk_last_run(const uint64_t *map, uint32_t end, uint32_t npages, uint32_t *length) {
  uint32_t last = VS_CHUNK_PAGES, found = 0;
  uint32_t page = pagechunk_next_set(map, 0);
  //@ assert start: \forall integer i; 0 <= i < page ==> !MapBit(map, i) && !MapRun(map, i, npages);
  /*@ loop invariant bound: 0 <= page <= 512 && last <= 512;
      loop invariant set: page < 512 ==> MapBit(map, page);
      loop invariant edge: 0 < page < 512 ==> !MapBit(map, page - 1);
      loop invariant hit: last < 512 ==> npages <= found && last + found <= end && MapRun(map, last, found);
      loop invariant whole: last < 512 ==> (0 < last ==> !MapBit(map, last - 1)) &&
        (last + found < end ==> !MapBit(map, last + found));
      loop invariant last: last < 512 ==> \forall integer i; 0 <= i < page ==> last + found < i + npages <= end ==>
        !MapRun(map, i, npages);
      loop invariant none: last == 512 ==> \forall integer i; 0 <= i < page ==> i + npages <= end ==>
        !MapRun(map, i, npages);
      loop assigns page, last, found;
      loop variant 512 - page;
  */
  while (page < end) {
    uint32_t stop = pagechunk_next_clear(map, page);
    uint32_t here = (stop < end ? stop : end) - page;
    /*@ assert before: \forall integer i; 0 <= i < page ==> page < i + npages ==>
          i <= page - 1 < i + npages && !MapRun(map, i, npages); */
    /*@ assert short: \forall integer i; page <= i < stop ==> page + here < i + npages <= end ==>
          i <= stop < i + npages && !MapBit(map, stop) && !MapRun(map, i, npages); */
    if (here >= npages) {
      last = page;
      found = here;
    }
    uint32_t next = pagechunk_next_set(map, stop);
    //@ assert gap: \forall integer i; stop <= i < next ==> !MapBit(map, i) && !MapRun(map, i, npages);
    page = next;
  }
  *length = found;
  return last;
}

uint64_t pagechunk_summarize(const uint64_t *map) {
  uint32_t max = 0, tail = 0;
  uint32_t page = pagechunk_next_set(map, 0);
  //@ assert none: \forall integer i; 0 <= i < page ==> !MapBit(map, i);
  //@ assert empty: MapRun(map, 0, 0);
  /*@ loop invariant bound: 0 <= page <= 512 && 0 <= max <= 512 && 0 <= tail <= 512;
      loop invariant set: page < 512 ==> MapBit(map, page);
      loop invariant edge: 0 < page < 512 ==> !MapBit(map, page - 1);
      loop invariant max: \exists integer i; 0 <= i && i + max <= 512 && MapRun(map, i, max);
      loop invariant longest: \forall integer i, n; 0 <= i < page ==> i + n <= 512 ==> max < n ==> !MapRun(map, i, n);
      loop invariant tail: page == 512 ==> MapRun(map, 512 - tail, tail) && (tail < 512 ==> !MapBit(map, 511 - tail));
      loop invariant zero: page < 512 ==> tail == 0;
      loop assigns page, max, tail;
      loop variant 512 - page;
  */
  while (page < VS_CHUNK_PAGES) {
    uint32_t stop = pagechunk_next_clear(map, page);
    //@ assert run: MapRun(map, page, stop - page) && page + (stop - page) <= 512;
    if (stop - page > max) max = stop - page;
    if (stop == VS_CHUNK_PAGES) tail = stop - page;
    /*@ assert short: \forall integer i, n; page <= i < stop ==> i + n <= 512 ==> max < n ==>
          i <= stop < i + n && !MapBit(map, stop) && !MapRun(map, i, n); */
    uint32_t next = pagechunk_next_set(map, stop);
    //@ assert gap: \forall integer i; stop <= i < next ==> !MapBit(map, i);
    //@ assert none: \forall integer i, n; stop <= i < next ==> max < n ==> !MapRun(map, i, n);
    page = next;
  }
  uint32_t start = pagechunk_next_clear(map, 0);
  //@ assert head: MapRun(map, 0, start);
  //@ assert start: start <= max;
  //@ assert tail: MapRun(map, 512 - tail, tail) && tail <= max;
  //@ assert full: max == 512 ==> MapRun(map, 0, 512) && start == 512 && tail == 512;
  return pagesum_pack(start, max, tail);
}

/* Sets the bits of the pages of [page, end) in the word of page. */
/*@ requires valid: \valid(map + (0 .. 7));
    requires bound: page < end <= 512;
    assigns map[page / 64];
    ensures here: \forall integer i; 0 <= i < 512 ==> i / 64 == page / 64 ==>
      (MapBit(map, i) <==> MapBit{Pre}(map, i) || page <= i < end);
    ensures other: \forall integer i; 0 <= i < 512 ==> i / 64 != page / 64 ==> MapSame{Pre,Here}(map, i);
*/
static inline void pagechunk_set_word(uint64_t *map, uint32_t page, uint32_t end) {
  uint64_t mask = pagechunk_mask(page, end);
  map[page / VS_WORD_BITS] |= mask;
  //@ assert mask: \forall integer i; 0 <= i < 512 ==> i / 64 == page / 64 ==> (Bit(mask, i % 64) <==> page <= i < end);
}

/* Clears the bits of the pages of [page, end) in the word of page. */
/*@ requires valid: \valid(map + (0 .. 7));
    requires bound: page < end <= 512;
    assigns map[page / 64];
    ensures here: \forall integer i; 0 <= i < 512 ==> i / 64 == page / 64 ==>
      (MapBit(map, i) <==> MapBit{Pre}(map, i) && !(page <= i < end));
    ensures other: \forall integer i; 0 <= i < 512 ==> i / 64 != page / 64 ==> MapSame{Pre,Here}(map, i);
*/
static inline void pagechunk_clear_word(uint64_t *map, uint32_t page, uint32_t end) {
  uint64_t mask = bits_not(pagechunk_mask(page, end));
  map[page / VS_WORD_BITS] &= mask;
  /*@ assert mask: \forall integer i; 0 <= i < 512 ==> i / 64 == page / 64 ==>
        (Bit(mask, i % 64) <==> !(page <= i < end)); */
}

void pagechunk_set(uint64_t *map, uint32_t first, uint32_t npages) {
  uint32_t page = first, end = first + npages;
  /*@ loop invariant bound: first <= page <= end;
      loop invariant set: \forall integer i; first <= i < page ==> MapBit(map, i);
      loop invariant frame: \forall integer i; 0 <= i < 512 ==> !(first <= i < page) ==> MapSame{Pre,Here}(map, i);
      loop assigns page, map[0 .. 7];
      loop variant end - page;
  */
  while (page < end) {
    pagechunk_set_word(map, page, end);
    page += pagechunk_in_word(page, end);
  }
}

void pagechunk_clear(uint64_t *map, uint32_t first, uint32_t npages) {
  uint32_t page = first, end = first + npages;
  /*@ loop invariant bound: first <= page <= end;
      loop invariant clear: \forall integer i; first <= i < page ==> !MapBit(map, i);
      loop invariant frame: \forall integer i; 0 <= i < 512 ==> !(first <= i < page) ==> MapSame{Pre,Here}(map, i);
      loop assigns page, map[0 .. 7];
      loop variant end - page;
  */
  while (page < end) {
    pagechunk_clear_word(map, page, end);
    page += pagechunk_in_word(page, end);
  }
}

/* How many bits of npages pages from page on are set, all in the word of page. */
/*@ requires valid: \valid_read(map + (0 .. 7));
    requires bound: page < 512 && 1 <= npages <= 64 && page % 64 + npages <= 64;
    assigns \nothing;
    ensures bound: \result <= npages;
    ensures count: \result == MapCount(map, page, npages);
*/
static inline uint32_t pagechunk_count_word(const uint64_t *map, uint32_t page, uint32_t npages) {
  uint64_t bits = map[page / VS_WORD_BITS] & pagechunk_mask(page, page + npages);
  /*@ assert bits: \forall integer j; 0 <= j < 64 ==>
        (Bit(bits, j) <==> page % 64 <= j < page % 64 + npages && Bit(map[page / 64], j)); */
  //@ assert word: BitCount(bits, page % 64 + npages) == MapCount(map, page, npages);
  //@ assert tail: BitCount(bits, 64) == BitCount(bits, page % 64 + npages);
  return bits_count(bits);
}

uint32_t pagechunk_count(const uint64_t *map, uint32_t first, uint32_t npages) {
  uint32_t done = 0, count = 0;
  /*@ loop invariant bound: 0 <= done <= npages && 0 <= count <= done;
      loop invariant count: count == MapCount(map, first, done);
      loop assigns done, count;
      loop variant npages - done;
  */
  while (done < npages) {
    uint32_t here = pagechunk_in_word(first + done, first + npages);
    /*@ assert split: MapCount(map, first, done + here) ==
          MapCount(map, first, done) + MapCount(map, first + done, here); */
    count += pagechunk_count_word(map, first + done, here);
    done += here;
  }
  return count;
}

/* Makes pages [first, first + npages) pages in use. */
/*@ requires valid: \valid(c);
    requires bound: first <= 512 && npages <= 512 - first;
    terminates \true;
    assigns c->free[0 .. 7], c->dirty[0 .. 7];
    ensures taken: \forall integer i; first <= i < first + npages ==>
      !MapBit(&c->free[0], i) && MapBit(&c->dirty[0], i);
    ensures free: \forall integer i; 0 <= i < 512 ==> !(first <= i < first + npages) ==>
      MapSame{Pre,Here}(&c->free[0], i);
    ensures dirty: \forall integer i; 0 <= i < 512 ==> !(first <= i < first + npages) ==>
      MapSame{Pre,Here}(&c->dirty[0], i);
*/
static void pagechunk_use(struct page_chunk *c, uint32_t first, uint32_t npages) {
  pagechunk_clear(c->free, first, npages);
  //@ assert same: \forall integer w; 0 <= w < 8 ==> c->dirty[w] == \at(c->dirty[w], Pre);
  pagechunk_set(c->dirty, first, npages);
}

uint32_t pagechunk_take(struct page_chunk *c, uint32_t first, uint32_t npages) {
  uint32_t dirty = pagechunk_count(c->dirty, first, npages);
  pagechunk_use(c, first, npages);
  return dirty;
}

uint64_t pagechunk_take_group(struct page_chunk *c, uint32_t w, uint64_t pages, uint64_t *clean) {
  uint64_t taken = c->free[w] & pages, left = c->free[w] & bits_not(pages);
  uint64_t dirty = c->dirty[w] | taken, zeros = taken & bits_not(c->dirty[w]);
  //@ assert word: \forall integer k; 0 <= k < 64 ==> (64 * w + k) / 64 == w && (64 * w + k) % 64 == k;
  /*@ assert before: \forall integer k; 0 <= k < 64 ==> (MapBit(&c->free[0], 64 * w + k) <==> Bit(c->free[w], k)) &&
        (MapBit(&c->dirty[0], 64 * w + k) <==> Bit(c->dirty[w], k)); */
  //@ assert taken: \forall integer k; 0 <= k < 64 ==> (Bit(taken, k) <==> Bit(pages, k) && Bit(c->free[w], k));
  //@ assert left: \forall integer k; 0 <= k < 64 ==> (Bit(left, k) <==> Bit(c->free[w], k) && !Bit(pages, k));
  //@ assert dirty: \forall integer k; 0 <= k < 64 ==> (Bit(dirty, k) <==> Bit(c->dirty[w], k) || Bit(taken, k));
  //@ assert zeros: \forall integer k; 0 <= k < 64 ==> (Bit(zeros, k) <==> Bit(taken, k) && !Bit(c->dirty[w], k));
  *clean = zeros;
  c->free[w] = left;
  c->dirty[w] = dirty;
  //@ assert kept: c->free[w] == left && *clean == zeros;
  /*@ assert now: \forall integer k; 0 <= k < 64 ==> (MapBit(&c->free[0], 64 * w + k) <==> Bit(left, k)) &&
        (MapBit(&c->dirty[0], 64 * w + k) <==> Bit(dirty, k)); */
  //@ assert fewer: \forall integer k; 0 <= k < 64 ==> Bit(left, k) ==> Bit(\at(c->free[w], Pre), k);
  return taken;
}

void pagechunk_put_group(struct page_chunk *c, uint32_t w, uint64_t pages, uint64_t clean) {
  //@ assert word: \forall integer k; 0 <= k < 64 ==> (64 * w + k) / 64 == w && (64 * w + k) % 64 == k;
  c->free[w] |= pages;
  c->dirty[w] &= bits_not(clean);
}
