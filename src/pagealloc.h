/* SPDX-License-Identifier: Apache-2.0
 *
 * The page allocator: which pages of the 48-bit address space are free, and where the first run of them is that is
 * long enough (Go's runtime/mpagealloc.go). Pages are numbered by address / 8192; a chunk has 512 of them.
 *
 * Summaries of chunks form a radix tree of five levels, by 14, 3, 3, 3 and 3 bits of the address:
 *
 *   level      0      1      2      3     4
 *   entries    2^14   2^17   2^20   2^23  2^26
 *   pages of   2^21   2^18   2^15   2^12  2^9
 *   an entry   16 GiB 2 GiB  256 MiB 32 MiB 4 MiB
 *
 * Levels 0 to 2 stand complete in memory that reads as zeros until touched. What is below an entry of level 2, two
 * levels of summaries and 64 chunks, is a block, and exists where the heap has been: an entry without a block is 0, and
 * no search goes below it (spec/decisions/0008-tree-below-256-mib.md).
 *
 * A search goes down one path, over 8 entries a level; taking and freeing pages write the path up. The cost depends
 * on neither the number of spans nor the size of the heap. Everything here needs the heap lock.
 *
 * Up: mheap, audit. Down: pagechunk, pagesum, os.
 * Invariant: each summary is that of its pages; no page below search is free. Claims: C3 C10.
 */
#ifndef VERISPAN_PAGEALLOC_H
#define VERISPAN_PAGEALLOC_H

#include <stdbool.h>
#include <stdint.h>

#include "pagechunk.h"

/* The pages of the address space; as the number of a page, none. */
#define VS_NO_PAGE 34359738368u

/* Entries of the levels that are complete; level 2 has as many entries as there can be blocks. */
#define VS_LEVEL0 16384u
#define VS_LEVEL1 131072u
#define VS_LEVEL2 1048576u

/* Pages of an entry of each level. */
#define VS_LEVEL0_PAGES 2097152u
#define VS_LEVEL1_PAGES 262144u
#define VS_LEVEL2_PAGES 32768u
#define VS_LEVEL3_PAGES 4096u

#define VS_BLOCK_CHUNKS 64u

/* 256 MiB of address space: what is below an entry of level 2. */
struct page_block {
  uint64_t level3[8];
  uint64_t level4[VS_BLOCK_CHUNKS];
  uint64_t idle; /* bit k: chunk k may have free and dirty pages */
  struct page_chunk chunk[VS_BLOCK_CHUNKS];
};

struct page_alloc {
  uint64_t level0[VS_LEVEL0];
  uint64_t level1[VS_LEVEL1];
  uint64_t level2[VS_LEVEL2];
  struct page_block *block[VS_LEVEL2];
  uint32_t number[VS_LEVEL2]; /* the numbers of the blocks, ascending */
  uint32_t nblocks;
  uint32_t end0;              /* level 0 is zero from this entry on */
  uint64_t search;            /* no page below is free */
};

extern struct page_alloc vs_pages __attribute__((visibility("hidden")));

/* The chunk of a page, which has a block. */
static inline struct page_chunk *pagealloc_chunk(uint64_t page) {
  return &vs_pages.block[page / VS_LEVEL2_PAGES]->chunk[page / VS_CHUNK_PAGES % VS_BLOCK_CHUNKS];
}

/* Whether a page is free. */
bool pagealloc_is_free(uint64_t page);

/* Provides for the metadata of pages [first, first + npages). False if the system refused; no harm is done. */
bool pagealloc_provide(uint64_t first, uint64_t npages);

/* Makes pages [first, first + npages), whose metadata is provided for, part of the heap: free, and not dirty. */
void pagealloc_grow(uint64_t first, uint64_t npages);

/* The first page of the lowest run of npages free pages, or VS_NO_PAGE. */
uint64_t pagealloc_find(uint64_t npages);

/* Length of the run of free pages that starts at first, at most limit. */
uint64_t pagealloc_run(uint64_t first, uint64_t limit);

/* Takes the free pages [first, first + npages). How many of them were dirty. */
uint64_t pagealloc_take(uint64_t first, uint64_t npages);

/* Returns the pages [first, first + npages), which are in use. */
void pagealloc_put(uint64_t first, uint64_t npages);

/* Returns the pages [first, first + npages), which are in use and whose memory was given back to the system. */
void pagealloc_put_clean(uint64_t first, uint64_t npages);

/* Takes the free pages among the given ones of the group of 64 that starts at page first: which they are, and in *clean
 * which of them are not dirty. Bit k is page first + k. */
uint64_t pagealloc_take_group(uint64_t first, uint64_t pages, uint64_t *clean);

/* Returns the given pages of the group of 64 that starts at page first, which are in use. Those in clean were not touched
 * since pagealloc_take_group called them clean. */
void pagealloc_put_group(uint64_t first, uint64_t pages, uint64_t clean);

/* The first page of the highest chunk below page end that may have free and dirty pages, or VS_NO_PAGE. */
uint64_t pagealloc_idle_chunk(uint64_t end);

/* Notes that the chunk that starts at page has no free and dirty pages. */
void pagealloc_not_idle(uint64_t page);

#endif
