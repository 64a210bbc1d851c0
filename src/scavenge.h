/* SPDX-License-Identifier: Apache-2.0
 *
 * The scavenger: gives the memory of free pages back to the system, highest addresses first (after Go's
 * runtime/mgcscavenge.go), in two ways: at most every VS_TICK_MS, a free of pages gives those back that have stayed
 * free for a whole tick; and a span that takes pages not touched before gives back what would make the memory held
 * exceed the recent peak of pages in use by more than a quarter.
 *
 * Sizes are in pages of 8 KiB unless they say bytes.
 *
 * Up: mheap, interpose. Down: pagealloc, os, lock.
 * Invariant: only free pages are given back. Claims: C5 C10.
 */
#ifndef VERISPAN_SCAVENGE_H
#define VERISPAN_SCAVENGE_H

#include "mheap.h"

/* Least time between two returns of memory to the system. */
#define VS_TICK_MS 250u

/* After the heap took pages that may not have been touched before: bounds the pages that hold memory. */
HEAP_LOCKED void scavenge_after_take(void);

/* After npages pages were freed. */
HEAP_LOCKED void scavenge_after_free(uint64_t npages);

/* Returns every free page to the system, however short it has been free. */
void scavenge_trim(void) VS_EXCLUDES(vs_heap.lock);

#endif
