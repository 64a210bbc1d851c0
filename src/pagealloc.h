/* SPDX-License-Identifier: Apache-2.0
 *
 * The page bitmap of an arena: which pages are in use, which hold old data, which stayed free a while.
 *
 * First fit in address order, with one summary (an upper bound of the longest free run) for the whole arena;
 * Go's radix summaries (runtime/mpagealloc.go) are the page heap's own issue. A page is
 *
 *   used   it belongs to a span
 *   dirty  its memory may hold old data, and is resident; a page that is not dirty reads as zeros
 *   cold   free and dirty since the last tick of the scavenger
 *
 * Page numbers count from the start of the arena. Everything here needs the heap lock.
 *
 * Up: arena, mheap. Down: bits.
 * Invariant: cold pages are free and dirty; free_pages counts the pages not used; no free run is longer
 * than max_run. Claims: C10.
 */
#ifndef VERISPAN_PAGEALLOC_H
#define VERISPAN_PAGEALLOC_H

#include <stdbool.h>
#include <stdint.h>

#define VS_BITMAP_PAGES 8192u
#define VS_BITMAP_WORDS 128u

struct page_bitmap {
  uint64_t used[VS_BITMAP_WORDS];
  uint64_t dirty[VS_BITMAP_WORDS];
  uint64_t cold[VS_BITMAP_WORDS];
  uint32_t free_pages; /* pages not used */
  uint32_t max_run;    /* no free run is longer */
  uint32_t first_free; /* no free page is below */
};

/* Makes all pages free, none dirty. */
void pagealloc_init(struct page_bitmap *b);

/* The lowest run of npages free pages whose first page is a multiple of align (a power of two), or
 * VS_BITMAP_PAGES. Lowers max_run when a complete search has failed. */
uint32_t pagealloc_find(struct page_bitmap *b, uint32_t npages, uint32_t align);

/* Takes the free pages [first, first + npages). How many of them were dirty. */
uint32_t pagealloc_take(struct page_bitmap *b, uint32_t first, uint32_t npages);

/* Returns the used pages [first, first + npages). */
void pagealloc_put(struct page_bitmap *b, uint32_t first, uint32_t npages);

/* Length of the run of free pages that starts at first, at most limit. */
uint32_t pagealloc_run(const struct page_bitmap *b, uint32_t first, uint32_t limit);

/* The highest run of at least min cold pages below page end; its length in *npages, or VS_BITMAP_PAGES if there
 * is none. */
uint32_t pagealloc_cold_run(const struct page_bitmap *b, uint32_t end, uint32_t min, uint32_t *npages);

/* Notes that the memory of free pages [first, first + npages) was given back to the system. */
void pagealloc_released(struct page_bitmap *b, uint32_t first, uint32_t npages);

/* A tick of the scavenger: every page that is free and dirty now is cold. The number of them. */
uint32_t pagealloc_age(struct page_bitmap *b);

#endif
