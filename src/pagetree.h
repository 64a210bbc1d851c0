/* SPDX-License-Identifier: Apache-2.0
 *
 * The tree of summaries over the pages of the 48-bit address space (Go's runtime/mpagealloc.go): its data. Pages are
 * numbered by address / 8192; a chunk has 512 of them.
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
 * Up: pagealloc, audit. Down: pagechunk, pagesum.
 * Invariant: PagesInv (spec/pagetree.acsl). Claims: C3 C10.
 */
#ifndef VERISPAN_PAGETREE_H
#define VERISPAN_PAGETREE_H

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

#include "../spec/pagetree.acsl"

#endif
