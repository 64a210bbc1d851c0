/* SPDX-License-Identifier: Apache-2.0
 *
 * The page heap: spans of pages over the arenas, growth from the OS, and large blocks (after Go's runtime/mheap.go).
 * One lock guards arenas, span map and page allocator. Pages of a freed span go back to the page allocator; when they
 * go back to the system, scavenge.h says.
 *
 * Sizes are in pages of 8 KiB unless they say bytes. Thread-safe.
 *
 * A span starts at the lowest place where it fits. One with slots lies in one arena, because an address is looked up in
 * the arena that it lies in; a large one may run on into the next arenas, as only its first address is ever looked up.
 *
 * Up: mcentral, mcache, alloc. Down: arena, pagealloc, scavenge, mspan, os, lock.
 * Invariant: a page of an arena is free in its chunk if and only if it belongs to no span. Claims: C1 C3 C5 C6 C10.
 */
#ifndef VERISPAN_MHEAP_H
#define VERISPAN_MHEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "lock.h"
#include "pagealloc.h"
#include "space.h"

/* The largest block: one page less than 2^45 bytes. */
#define VS_MAX_SIZE ((1ull << 45) - VS_PAGE_SIZE)

struct mheap {
  struct vs_lock lock;
  uint32_t narenas;         /* arenas with metadata */
  struct space space;
  uint64_t used_pages;      /* pages of spans */
  uint64_t peak_pages;      /* most of them since the last tick */
  uint64_t dirty_pages;     /* pages that may hold memory, used or not */
  uint64_t freed_since;     /* pages freed since the clock was last read */
  uint64_t released_bytes;  /* bytes ever returned to the system */
  uint64_t tick;            /* time of the last tick, milliseconds */
  uint64_t spans;           /* spans in use */
};

extern struct mheap vs_heap;
extern struct mheap vs_heap VS_GUARDED_BY(vs_heap.lock);

/* The functions so marked are called with the heap locked. Chunks and free descriptors are reached through
 * pagealloc and the arenas, and so with the lock. */
#define HEAP_LOCKED VS_REQUIRES(vs_heap.lock)

static inline uintptr_t page_address(uint64_t page) { return (uintptr_t)page * VS_PAGE_SIZE; }

/* A span of class spanclass with no slot handed out, its control word set to ctl; NULL if the system refused. */
struct mspan *mheap_alloc(uint32_t spanclass, uint64_t ctl) VS_EXCLUDES(vs_heap.lock);

/* Returns an empty span that no thread and no list knows. */
void mheap_free(struct mspan *s) VS_EXCLUDES(vs_heap.lock);

/* The block of a large span of at least size bytes, aligned to align bytes (a power of two); 0 if the system
 * refused. size <= VS_MAX_SIZE. *zeroed says whether the caller needs zeros, and then whether it reads as zeros. */
uintptr_t mheap_alloc_large(size_t size, size_t align, bool *zeroed) VS_EXCLUDES(vs_heap.lock);

/* Frees the block of a large span. False if another free of it came first. */
bool mheap_free_large(struct mspan *s) VS_EXCLUDES(vs_heap.lock);

/* Makes a large span npages long in place, if it can: with free pages behind it, or by growing the heap there. */
bool mheap_resize_large(struct mspan *s, uint64_t npages) VS_EXCLUDES(vs_heap.lock);

/* Moves the memory of the first npages pages of a large span to those of another, without copying; those of from read as
 * zeros then. False, and nothing has changed, if the system refused. */
bool mheap_move_large(struct mspan *from, struct mspan *to, uint64_t npages) VS_EXCLUDES(vs_heap.lock);

/* Whether the page of any address has been part of the heap's spans and may hold their data. Takes no lock. */
bool mheap_is_dirty(uintptr_t addr);

#endif
