/* SPDX-License-Identifier: Apache-2.0
 * The tree of summaries over the chunks. See pagealloc.h. */
#include "pagealloc.h"

#include "os.h"

struct page_alloc vs_pages;

static uint64_t pagealloc_min(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* The part of pages [page, end) in the chunk of page. */
static uint32_t pagealloc_here(uint64_t page, uint64_t end) {
  return (uint32_t)pagealloc_min(VS_CHUNK_PAGES - page % VS_CHUNK_PAGES, end - page);
}

bool pagealloc_is_free(uint64_t page) {
  if (!vs_pages.block[page / VS_LEVEL2_PAGES]) return false;
  uint32_t p = (uint32_t)(page % VS_CHUNK_PAGES);
  return bits_test(pagealloc_chunk(page)->free[p / VS_WORD_BITS], p % VS_WORD_BITS);
}

/* ---- summaries: each level from the one below, for pages [first, last] whose bits have changed ---- */

static void pagealloc_update4(uint64_t first, uint64_t last) {
  for (uint64_t i = first / VS_CHUNK_PAGES; i <= last / VS_CHUNK_PAGES; i++) {
    struct page_block *b = vs_pages.block[i / VS_BLOCK_CHUNKS];
    b->level4[i % VS_BLOCK_CHUNKS] = pagechunk_summarize(b->chunk[i % VS_BLOCK_CHUNKS].free);
  }
}

static void pagealloc_update3(uint64_t first, uint64_t last) {
  for (uint64_t i = first / VS_LEVEL3_PAGES; i <= last / VS_LEVEL3_PAGES; i++) {
    struct page_block *b = vs_pages.block[i / VS_SUM_CHILDREN];
    uint64_t k = i % VS_SUM_CHILDREN;
    b->level3[k] = pagesum_merge(&b->level4[k * VS_SUM_CHILDREN], VS_CHUNK_PAGES);
  }
}

static void pagealloc_update2(uint64_t first, uint64_t last) {
  for (uint64_t i = first / VS_LEVEL2_PAGES; i <= last / VS_LEVEL2_PAGES; i++)
    vs_pages.level2[i] = pagesum_merge(vs_pages.block[i]->level3, VS_LEVEL3_PAGES);
}

static void pagealloc_update1(uint64_t first, uint64_t last) {
  for (uint64_t i = first / VS_LEVEL1_PAGES; i <= last / VS_LEVEL1_PAGES; i++)
    vs_pages.level1[i] = pagesum_merge(&vs_pages.level2[i * VS_SUM_CHILDREN], VS_LEVEL2_PAGES);
}

static void pagealloc_update0(uint64_t first, uint64_t last) {
  for (uint64_t i = first / VS_LEVEL0_PAGES; i <= last / VS_LEVEL0_PAGES; i++)
    vs_pages.level0[i] = pagesum_merge(&vs_pages.level1[i * VS_SUM_CHILDREN], VS_LEVEL1_PAGES);
}

static void pagealloc_update(uint64_t first, uint64_t npages) {
  uint64_t last = first + npages - 1;
  pagealloc_update4(first, last);
  pagealloc_update3(first, last);
  pagealloc_update2(first, last);
  pagealloc_update1(first, last);
  pagealloc_update0(first, last);
}

/* ---- growth ---- */

/* Enters a block into the list of blocks. */
static void pagealloc_list(uint32_t number) {
  uint32_t at = vs_pages.nblocks++;
  for (; at > 0 && vs_pages.number[at - 1] > number; at--) vs_pages.number[at] = vs_pages.number[at - 1];
  vs_pages.number[at] = number;
}

bool pagealloc_provide(uint64_t first, uint64_t npages) {
  for (uint64_t i = first / VS_LEVEL2_PAGES; i <= (first + npages - 1) / VS_LEVEL2_PAGES; i++) {
    if (vs_pages.block[i]) continue;
    vs_pages.block[i] = os_metadata(sizeof(struct page_block));
    if (!vs_pages.block[i]) return false;
    pagealloc_list((uint32_t)i);
  }
  return true;
}

/* Sets the free bits of pages [first, first + npages), and brings the summaries up to date. */
static void pagealloc_set_free(uint64_t first, uint64_t npages) {
  uint64_t end = first + npages;
  for (uint64_t page = first; page < end; page += pagealloc_here(page, end))
    pagechunk_set(pagealloc_chunk(page)->free, (uint32_t)(page % VS_CHUNK_PAGES), pagealloc_here(page, end));
  if (first < vs_pages.search) vs_pages.search = first;
  pagealloc_update(first, npages);
}

void pagealloc_grow(uint64_t first, uint64_t npages) {
  uint32_t end0 = (uint32_t)((first + npages - 1) / VS_LEVEL0_PAGES + 1);
  if (vs_pages.end0 == 0) vs_pages.search = first;
  if (end0 > vs_pages.end0) vs_pages.end0 = end0;
  pagealloc_set_free(first, npages);
}

/* ---- search ---- */

/* One step of a search: over count entries of a level, of capacity pages each, the first of which starts at *page.
 * True if the search ends here: *page is the start of a run of npages, or VS_NO_PAGE. False if the run is in
 * the entry that starts at *page. */
static bool pagealloc_step(const uint64_t *sum, uint32_t count, uint32_t capacity, uint64_t npages, uint64_t *page) {
  uint64_t before = 0;
  uint32_t i = pagesum_scan(sum, count, capacity, npages, &before);
  *page += (uint64_t)i * capacity;
  if (i == count) {
    *page = VS_NO_PAGE;
    return true;
  }
  if (before + pagesum_start(sum[i]) < npages) return false;
  *page -= before;
  return true;
}

uint64_t pagealloc_find(uint64_t npages) {
  uint32_t first = (uint32_t)(vs_pages.search / VS_LEVEL0_PAGES);
  if (first >= vs_pages.end0) return VS_NO_PAGE;
  uint64_t page = (uint64_t)first * VS_LEVEL0_PAGES;
  if (pagealloc_step(&vs_pages.level0[first], vs_pages.end0 - first, VS_LEVEL0_PAGES, npages, &page)) return page;
  if (pagealloc_step(&vs_pages.level1[page / VS_LEVEL1_PAGES], VS_SUM_CHILDREN, VS_LEVEL1_PAGES, npages, &page))
    return page;
  if (pagealloc_step(&vs_pages.level2[page / VS_LEVEL2_PAGES], VS_SUM_CHILDREN, VS_LEVEL2_PAGES, npages, &page))
    return page;
  struct page_block *b = vs_pages.block[page / VS_LEVEL2_PAGES];
  if (pagealloc_step(b->level3, VS_SUM_CHILDREN, VS_LEVEL3_PAGES, npages, &page)) return page;
  uint64_t chunk = page / VS_CHUNK_PAGES % VS_BLOCK_CHUNKS;
  if (pagealloc_step(&b->level4[chunk], VS_SUM_CHILDREN, VS_CHUNK_PAGES, npages, &page)) return page;
  return page + pagechunk_find(pagealloc_chunk(page)->free, (uint32_t)npages);
}

uint64_t pagealloc_run(uint64_t first, uint64_t limit) {
  uint64_t page = first, end = pagealloc_min(first + limit, VS_NO_PAGE);
  while (page < end && pagealloc_is_free(page)) {
    uint32_t p = (uint32_t)(page % VS_CHUNK_PAGES);
    page += pagechunk_next_clear(pagealloc_chunk(page)->free, p) - p;
  }
  return pagealloc_min(page, end) - first;
}

/* ---- taking and returning pages ---- */

uint64_t pagealloc_take(uint64_t first, uint64_t npages) {
  uint64_t end = first + npages, dirty = 0;
  for (uint64_t page = first; page < end; page += pagealloc_here(page, end))
    dirty += pagechunk_take(pagealloc_chunk(page), (uint32_t)(page % VS_CHUNK_PAGES), pagealloc_here(page, end));
  if (first == vs_pages.search) vs_pages.search = end;
  pagealloc_update(first, npages);
  return dirty;
}

static void pagealloc_mark_idle(uint64_t page) {
  struct page_block *b = vs_pages.block[page / VS_LEVEL2_PAGES];
  b->idle = bits_set(b->idle, (uint32_t)(page / VS_CHUNK_PAGES % VS_BLOCK_CHUNKS));
}

void pagealloc_put(uint64_t first, uint64_t npages) {
  uint64_t end = first + npages;
  for (uint64_t page = first; page < end; page += pagealloc_here(page, end)) pagealloc_mark_idle(page);
  pagealloc_set_free(first, npages);
}

void pagealloc_put_clean(uint64_t first, uint64_t npages) {
  uint64_t end = first + npages;
  for (uint64_t page = first; page < end; page += pagealloc_here(page, end))
    pagechunk_clear(pagealloc_chunk(page)->dirty, (uint32_t)(page % VS_CHUNK_PAGES), pagealloc_here(page, end));
  pagealloc_set_free(first, npages);
}

/* ---- groups ---- */

static uint32_t pagealloc_group(uint64_t page) { return (uint32_t)(page % VS_CHUNK_PAGES / VS_WORD_BITS); }

uint64_t pagealloc_take_group(uint64_t first, uint64_t pages, uint64_t *clean) {
  uint64_t taken = pagechunk_take_group(pagealloc_chunk(first), pagealloc_group(first), pages, clean);
  pagealloc_update(first, VS_WORD_BITS);
  return taken;
}

void pagealloc_put_group(uint64_t first, uint64_t pages, uint64_t clean) {
  pagechunk_put_group(pagealloc_chunk(first), pagealloc_group(first), pages, clean);
  if (first < vs_pages.search) vs_pages.search = first;
  if (pages != clean) pagealloc_mark_idle(first);
  pagealloc_update(first, VS_WORD_BITS);
}

/* ---- pages to give back ---- */

/* The highest set bit of x below bit n, or 64. */
static uint32_t pagealloc_top(uint64_t x, uint64_t n) {
  uint32_t top = (uint32_t)pagealloc_min(n, VS_WORD_BITS);
  while (top > 0 && !bits_test(x, top - 1)) top--;
  return top == 0 ? VS_WORD_BITS : top - 1;
}

/* How many blocks start below page end: they are the first in the list. */
static uint32_t pagealloc_blocks_below(uint64_t end) {
  uint32_t low = 0, high = vs_pages.nblocks;
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
  for (uint32_t i = pagealloc_blocks_below(end); i > 0; i--) {
    uint32_t number = vs_pages.number[i - 1];
    uint64_t base = (uint64_t)number * VS_LEVEL2_PAGES;
    uint32_t k = pagealloc_top(vs_pages.block[number]->idle, (end - base) / VS_CHUNK_PAGES);
    if (k < VS_BLOCK_CHUNKS) return base + (uint64_t)k * VS_CHUNK_PAGES;
  }
  return VS_NO_PAGE;
}

void pagealloc_not_idle(uint64_t page) {
  struct page_block *b = vs_pages.block[page / VS_LEVEL2_PAGES];
  b->idle = bits_clear(b->idle, (uint32_t)(page / VS_CHUNK_PAGES % VS_BLOCK_CHUNKS));
}
