/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks: sizes to small or large, the fast paths of malloc and free, realloc in place, alignment.
 *
 * Addresses are integers, sizes are bytes; no block's contents are read or written here. A result of 0 means that
 * the size is above VS_MAX_SIZE or the system refused memory. Thread-safe.
 *
 * Up: interpose. Down: mcache, mheap, arena, sizeclass.
 * Invariant: none of its own. Claims: C1 C2 C3 C4 C6.
 */
#ifndef VERISPAN_ALLOC_H
#define VERISPAN_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "mcache.h"
#include "sizeclass.h"

/* Blocks of the manual heap are never scanned for pointers. */
static inline uint32_t heap_spanclass(uint32_t sizeclass) { return sizeclass * 2u + 1u; }

/* This thread's active span of a size class. While its cached word is not empty, heap_alloc_cached is malloc: no
 * lock, no atomic, no call. */
static inline struct mspan *heap_active(uint32_t sizeclass) {
  return vs_tls_mcache->alloc[heap_spanclass(sizeclass)];
}

/* A block of a span whose cached word is not empty. */
static inline uintptr_t heap_alloc_cached(struct mspan *s) { return mspan_slot(s, mspan_take(s)); }

/* A block of a size class when the active span has none cached. */
uintptr_t heap_alloc_refill(uint32_t sizeclass);

/* A block of a size class. */
static inline uintptr_t heap_alloc_class(uint32_t sizeclass) {
  struct mspan *s = heap_active(sizeclass);
  return VS_LIKELY(s->alloc_cache != 0) ? heap_alloc_cached(s) : heap_alloc_refill(sizeclass);
}

/* Whether the block of a size class that this thread got last may hold old data. */
static inline bool heap_needzero(uint32_t sizeclass) { return heap_active(sizeclass)->needzero != 0; }

/* A block of more than VS_MAX_SMALL_SIZE bytes, or with an alignment above a page. *zeroed: whether it
 * must read as zeros, and then whether it does. */
uintptr_t heap_alloc_large(size_t size, size_t align, bool *zeroed);

/* A 16-aligned block of size bytes aligned to align, a power of two. */
uintptr_t heap_alloc_aligned(size_t size, size_t align);

/* Frees a block that is not this thread's, is large, is in a full span, or is not a block at all: then prints a
 * line that names function, and aborts. */
void heap_free_slow(uintptr_t p, const char *function);

/* Reports that p, in span s, is not the start of a live block, and aborts. */
void heap_fault(const struct mspan *s, uintptr_t p, const char *function);

/* Frees the block at p, if p is not 0; function is the name that a report gives. */
__attribute__((always_inline)) static inline void heap_free(uintptr_t p, const char *function) {
  struct mspan *s = arena_span(p);
  if (VS_UNLIKELY((vs_load_relaxed_u64(&s->ctl) & 0xffffffffu) != vs_tls_tag)) {
    heap_free_slow(p, function);
    return;
  }
  if (VS_UNLIKELY(!mspan_free(s, p)))
    heap_fault(s, p, function);
  else if (VS_UNLIKELY(s->nkept == 0))
    mcache_emptied(s);
}

/* The same for a further manual heap h: a block of at least size bytes, and *zeroed whether it reads as zeros (for a
 * large one also on entry: whether it must); and its free. */
uintptr_t heap_alloc_further(struct vs_heap *h, size_t size, bool *zeroed);
void heap_free_further(struct vs_heap *h, uintptr_t p, const char *function);

/* Bytes that the block at p can hold; reports and aborts if p is no live block. */
size_t heap_usable(uintptr_t p, const char *function);

/* Whether the block at p, of usable bytes, can stay where it is and hold size bytes without much waste. */
bool heap_resize(uintptr_t p, size_t usable, size_t size);

/* Moves the first size bytes of the block at from, and maybe some behind them, to that at to without copying; what from
 * held is gone then. False, and nothing has changed, where copying is cheaper or the system refuses. */
bool heap_move(uintptr_t from, uintptr_t to, size_t size);

#endif
