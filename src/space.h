/* SPDX-License-Identifier: Apache-2.0
 *
 * The address space of the heap: what is reserved and what is prepared for use, each a set of ranges (Go's arena hints
 * and current arena, runtime/malloc.go and mheap.go). The heap grows up from its highest address where the system lets
 * it, so that it is one range, blocks of any size can grow in place, and summaries of pages stay close.
 *
 * Sizes and addresses are in bytes, multiples of VS_PAGE_SIZE. Needs the heap lock.
 *
 * Up: mheap, audit. Down: addrrange, os.
 * Invariant: SpaceInv (spec/space.acsl): a page of reserved is Reserved, one of heap Prepared or Ready. Claims: C6 C10.
 */
#ifndef VERISPAN_SPACE_H
#define VERISPAN_SPACE_H

#include "addrrange.h"
#include "sizeclass.h"

struct space {
  struct addr_ranges reserved; /* not yet for use */
  struct addr_ranges heap;     /* prepared: these are the heap's pages */
};

#include "../spec/space.acsl"

/* The end of the highest range of either kind, or 0. */
uintptr_t space_end(const struct space *s);

/* Reserves size bytes aligned to align, next to the highest range where possible: their address; 0 if refused. */
uintptr_t space_reserve(struct space *s, size_t size, size_t align);

/* Reserves size bytes right behind the highest range. False if they are not to be had. */
bool space_extend(struct space *s, size_t size);

/* Gives reserved address space back; keeps it if there is no room to say so. */
void space_unreserve(struct space *s, uintptr_t base, size_t size);

/* Prepares reserved address space: it is the heap's. False, and nothing has changed, if refused. */
bool space_prepare(struct space *s, uintptr_t base, size_t size);

#endif
