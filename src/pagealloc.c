/* SPDX-License-Identifier: Apache-2.0
 * The page bitmap of an arena. See pagealloc.h. */
#include "pagealloc.h"

#include "bits.h"

/* The first page at or after from whose bit in map, flipped by flip, is set; VS_BITMAP_PAGES if none. */
static uint32_t pagealloc_next(const uint64_t *map, uint64_t flip, uint32_t from) {
  uint32_t word = from / VS_WORD_BITS;
  if (word >= VS_BITMAP_WORDS) return VS_BITMAP_PAGES;
  uint64_t bits = (map[word] ^ flip) & ~bits_below(from % VS_WORD_BITS);
  while (bits == 0) {
    word++;
    if (word == VS_BITMAP_WORDS) return VS_BITMAP_PAGES;
    bits = map[word] ^ flip;
  }
  return word * VS_WORD_BITS + bits_ctz(bits);
}

/* One more than the last page below end whose bit in map, flipped by flip, is set; 0 if none. */
static uint32_t pagealloc_last(const uint64_t *map, uint64_t flip, uint32_t end) {
  uint32_t word = end / VS_WORD_BITS;
  uint64_t bits = word < VS_BITMAP_WORDS ? (map[word] ^ flip) & bits_below(end % VS_WORD_BITS) : 0;
  while (bits == 0) {
    if (word == 0) return 0;
    word--;
    bits = map[word] ^ flip;
  }
  return (word + 1) * VS_WORD_BITS - (uint32_t)__builtin_clzll(bits);
}

/* The bits of word that stand for pages of [first, end). */
static uint64_t pagealloc_mask(uint32_t word, uint32_t first, uint32_t end) {
  uint32_t start = word * VS_WORD_BITS;
  uint32_t low = first > start ? first - start : 0;
  uint32_t high = end - start < VS_WORD_BITS ? end - start : VS_WORD_BITS;
  return bits_below(high) & ~bits_below(low);
}

void pagealloc_init(struct page_bitmap *b) {
  for (uint32_t word = 0; word < VS_BITMAP_WORDS; word++) {
    b->used[word] = 0;
    b->dirty[word] = 0;
    b->cold[word] = 0;
  }
  b->free_pages = VS_BITMAP_PAGES;
  b->max_run = VS_BITMAP_PAGES;
  b->first_free = 0;
}

uint32_t pagealloc_run(const struct page_bitmap *b, uint32_t first, uint32_t limit) {
  uint32_t end = pagealloc_next(b->used, 0, first);
  return end - first < limit ? end - first : limit;
}

uint32_t pagealloc_find(struct page_bitmap *b, uint32_t npages, uint32_t align) {
  if (npages > b->max_run) return VS_BITMAP_PAGES;
  uint32_t longest = 0;
  uint32_t page = pagealloc_next(b->used, VS_WORD_ONES, b->first_free);
  b->first_free = page;
  while (page < VS_BITMAP_PAGES) {
    uint32_t end = pagealloc_next(b->used, 0, page);
    uint32_t aligned = (page + align - 1) & ~(align - 1);
    if (aligned < end && end - aligned >= npages) return aligned;
    if (end - page > longest) longest = end - page;
    page = pagealloc_next(b->used, VS_WORD_ONES, end);
  }
  b->max_run = longest;
  return VS_BITMAP_PAGES;
}

uint32_t pagealloc_take(struct page_bitmap *b, uint32_t first, uint32_t npages) {
  uint32_t end = first + npages;
  uint32_t dirty = 0;
  for (uint32_t word = first / VS_WORD_BITS; word * VS_WORD_BITS < end; word++) {
    uint64_t mask = pagealloc_mask(word, first, end);
    dirty += bits_count(b->dirty[word] & mask);
    b->used[word] |= mask;
    b->dirty[word] |= mask;
    b->cold[word] &= ~mask;
  }
  b->free_pages -= npages;
  if (first == b->first_free) b->first_free = end;
  return dirty;
}

void pagealloc_put(struct page_bitmap *b, uint32_t first, uint32_t npages) {
  uint32_t end = first + npages;
  for (uint32_t word = first / VS_WORD_BITS; word * VS_WORD_BITS < end; word++)
    b->used[word] &= ~pagealloc_mask(word, first, end);
  b->free_pages += npages;
  if (first < b->first_free) b->first_free = first;
  uint32_t run = first - pagealloc_last(b->used, 0, first) + pagealloc_run(b, first, VS_BITMAP_PAGES);
  if (run > b->max_run) b->max_run = run;
}

uint32_t pagealloc_cold_run(const struct page_bitmap *b, uint32_t end, uint32_t min, uint32_t *npages) {
  uint32_t stop = pagealloc_last(b->cold, 0, end);
  while (stop > 0) {
    uint32_t start = pagealloc_last(b->cold, VS_WORD_ONES, stop);
    if (stop - start >= min) {
      *npages = stop - start;
      return start;
    }
    stop = pagealloc_last(b->cold, 0, start);
  }
  return VS_BITMAP_PAGES;
}

void pagealloc_released(struct page_bitmap *b, uint32_t first, uint32_t npages) {
  uint32_t end = first + npages;
  for (uint32_t word = first / VS_WORD_BITS; word * VS_WORD_BITS < end; word++) {
    uint64_t mask = pagealloc_mask(word, first, end);
    b->dirty[word] &= ~mask;
    b->cold[word] &= ~mask;
  }
}

uint32_t pagealloc_age(struct page_bitmap *b) {
  uint32_t count = 0;
  for (uint32_t word = 0; word < VS_BITMAP_WORDS; word++) {
    b->cold[word] = b->dirty[word] & ~b->used[word];
    count += bits_count(b->cold[word]);
  }
  return count;
}
