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

/* The first page behind the word of page, at most end. */
/*@ requires bound: page < end <= 512;
    assigns \nothing;
    ensures bound: page < \result <= end;
    ensures exact: \result == end || \result == page / 64 * 64 + 64;
    ensures word: \forall integer i; page <= i < \result ==> i / 64 == page / 64;
*/
static inline uint32_t pagechunk_next_word(uint32_t page, uint32_t end) {
  uint32_t next = page / VS_WORD_BITS * VS_WORD_BITS + VS_WORD_BITS;
  return next < end ? next : end;
}

uint32_t pagechunk_next_set(const uint64_t *map, uint32_t from) {
  uint32_t page = from;
  /*@ loop invariant bound: from <= page <= 512;
      loop invariant first: \forall integer i; from <= i < page ==> !MapBit(map, i);
      loop assigns page;
      loop variant 512 - page;
  */
  while (page < VS_CHUNK_PAGES) {
    uint64_t rest = map[page / VS_WORD_BITS] >> (page % VS_WORD_BITS);
    if (rest != 0) return page + bits_ctz(rest);
    page = pagechunk_next_word(page, VS_CHUNK_PAGES);
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
    uint64_t rest = bits_not(map[page / VS_WORD_BITS]) >> (page % VS_WORD_BITS);
    if (rest != 0) return page + bits_ctz(rest);
    page = pagechunk_next_word(page, VS_CHUNK_PAGES);
  }
  return VS_CHUNK_PAGES;
}

uint32_t pagechunk_find(const uint64_t *map, uint32_t npages) {
  uint32_t page = pagechunk_next_set(map, 0);
  /*@ loop invariant bound: 0 <= page <= 512;
      loop invariant first: \forall integer i; 0 <= i < page ==> i + npages <= 512 ==> !MapRun(map, i, npages);
      loop assigns page;
      loop variant 512 - page;
  */
  while (page < VS_CHUNK_PAGES) {
    uint32_t end = pagechunk_next_clear(map, page);
    if (end - page >= npages) return page;
    page = pagechunk_next_set(map, end);
  }
  return VS_CHUNK_PAGES;
}

uint32_t pagechunk_last_run(const uint64_t *map, uint32_t end, uint32_t npages, uint32_t *length) {
  uint32_t last = VS_CHUNK_PAGES, found = 0;
  uint32_t page = pagechunk_next_set(map, 0);
  while (page < end) {
    uint32_t stop = pagechunk_next_clear(map, page);
    uint32_t here = (stop < end ? stop : end) - page;
    if (here >= npages) {
      last = page;
      found = here;
    }
    page = pagechunk_next_set(map, stop);
  }
  *length = found;
  return last;
}

uint64_t pagechunk_summarize(const uint64_t *map) {
  uint32_t max = 0, tail = 0;
  uint32_t page = pagechunk_next_set(map, 0);
  while (page < VS_CHUNK_PAGES) {
    uint32_t stop = pagechunk_next_clear(map, page);
    if (stop - page > max) max = stop - page;
    if (stop == VS_CHUNK_PAGES) tail = stop - page;
    page = pagechunk_next_set(map, stop);
  }
  return pagesum_pack(pagechunk_next_clear(map, 0), max, tail);
}

void pagechunk_set(uint64_t *map, uint32_t first, uint32_t npages) {
  uint32_t page = first, end = first + npages;
  while (page < end) {
    map[page / VS_WORD_BITS] |= pagechunk_mask(page, end);
    page = pagechunk_next_word(page, end);
  }
}

void pagechunk_clear(uint64_t *map, uint32_t first, uint32_t npages) {
  uint32_t page = first, end = first + npages;
  while (page < end) {
    map[page / VS_WORD_BITS] &= bits_not(pagechunk_mask(page, end));
    page = pagechunk_next_word(page, end);
  }
}

uint32_t pagechunk_count(const uint64_t *map, uint32_t first, uint32_t npages) {
  uint32_t page = first, end = first + npages, count = 0;
  while (page < end) {
    count += bits_count(map[page / VS_WORD_BITS] & pagechunk_mask(page, end));
    page = pagechunk_next_word(page, end);
  }
  return count;
}

uint32_t pagechunk_take(struct page_chunk *c, uint32_t first, uint32_t npages) {
  uint32_t dirty = pagechunk_count(c->dirty, first, npages);
  pagechunk_clear(c->free, first, npages);
  pagechunk_set(c->dirty, first, npages);
  pagechunk_clear(c->cold, first, npages);
  return dirty;
}

void pagechunk_released(struct page_chunk *c, uint32_t first, uint32_t npages) {
  pagechunk_clear(c->dirty, first, npages);
  pagechunk_clear(c->cold, first, npages);
}

void pagechunk_age(struct page_chunk *c) {
  for (uint32_t w = 0; w < VS_CHUNK_WORDS; w++) c->cold[w] = c->free[w] & c->dirty[w];
}
