/* SPDX-License-Identifier: Apache-2.0
 * Blocks: the paths that are not fast. See alloc.h. */
#include "alloc.h"

#include "mheap.h"
#include "os.h"
#include "ownership.h"
#include "scavenge.h"

/* A block is moved when it shrinks to less than half; below this many bytes it never is. */
#define MIN_SHRINK 64u

/* Fewest bytes that realloc moves by their page tables, to pages that hold no memory yet
 * (spec/decisions/0009-address-space.md). Blocks of that many are large. */
#define MIN_MOVE (1u << 20)

uintptr_t heap_alloc_refill(uint32_t sizeclass) {
  struct mspan *s;
  uint32_t slot;
  if (!mcache_alloc_slow(&vs_default_heap, heap_spanclass(sizeclass), &s, &slot)) return 0;
  scavenge_assist();
  return mspan_slot(s, slot);
}

uintptr_t heap_alloc_large(size_t size, size_t align, bool *zeroed) {
  if (size > VS_MAX_SIZE || align > VS_MAX_SIZE) return 0;
  uintptr_t p = mheap_alloc_large(size, align, zeroed);
  scavenge_assist();
  return p;
}

/* This thread's mcache of a further heap. */
static struct mcache *heap_mcache(const struct vs_heap *h) {
  struct mcache *c = vs_tls_further[h->number];
  return c ? c : &vs_empty_mcache;
}

static uintptr_t heap_alloc_large_further(struct vs_heap *h, size_t size, bool *zeroed) {
  uintptr_t p = heap_alloc_large(size, 1, zeroed);
  if (p != 0) ownership_give_large(arena_span(p), h->owner);
  return p;
}

uintptr_t heap_alloc_further(struct vs_heap *h, size_t size, bool *zeroed) {
  if (size > VS_MAX_SMALL_SIZE) return heap_alloc_large_further(h, size, zeroed);
  uint32_t spanclass = heap_spanclass(sizeclass_of(size == 0 ? 1 : size)), slot;
  struct mspan *s = heap_mcache(h)->alloc[spanclass];
  if (s->alloc_cache != 0)
    slot = mspan_take(s);
  else if (mcache_alloc_slow(h, spanclass, &s, &slot))
    scavenge_assist();
  else
    return 0;
  *zeroed = s->needzero == 0;
  return mspan_slot(s, slot);
}

uintptr_t heap_alloc_aligned(size_t size, size_t align) {
  bool zeroed = false;
  if (size > VS_MAX_SMALL_SIZE || align > VS_PAGE_SIZE) return heap_alloc_large(size, align, &zeroed);
  uint32_t sizeclass = sizeclass_of16(size);
  while (sizeclass < VS_NUM_SIZE_CLASSES && vs_class_size[sizeclass] % align != 0) sizeclass++;
  return heap_alloc_class(sizeclass);
}

static _Noreturn void heap_report(enum vs_fault fault, const struct mspan *s, uintptr_t p,
                                  const char *function) {
  switch (fault) {
  case VS_FAULT_INTERIOR: os_fatal(function, "pointer into a block, not to its start", p);
  case VS_FAULT_DOUBLE_FREE: os_fatal(function, "double free", p);
  case VS_FAULT_NOT_LIVE:
    os_fatal(function, s->needzero ? "double free" : "block was never allocated", p);
  default: os_fatal(function, "not a block of this heap", p);
  }
}

/* A thread that is not the owner may read bits that are changing, and find the slot live again. */
void heap_fault(const struct mspan *s, uintptr_t p, const char *function) {
  enum vs_fault fault = mspan_fault(s, p);
  heap_report(fault == VS_OK ? VS_FAULT_DOUBLE_FREE : fault, s, p, function);
}

/* What is wrong with an address that lies in no span: its page was freed, or it never was ours. */
static _Noreturn void heap_fault_page(uintptr_t p, const char *function) {
  bool dirty = mheap_is_dirty(p);
  os_fatal(function, dirty ? "double free" : "not a block of this heap", p);
}

/* The slot of a small span whose block starts at p; reports and aborts if p starts none. */
static uint32_t heap_slot(const struct mspan *s, uintptr_t p, const char *function) {
  uint32_t off = (uint32_t)(p - s->base);
  uint64_t product = sizeclass_divide(off, s->elem_size, s->div_mul);
  uint32_t slot = (uint32_t)(product / 4294967296u);
  if (product % 4294967296u >= s->div_mul) heap_report(VS_FAULT_INTERIOR, s, p, function);
  if (slot >= s->nelems) heap_report(VS_FAULT_FOREIGN, s, p, function);
  return slot;
}

/* Whether the mark of a slot is set: false only if the slot is free or freed. Any thread. */
static bool heap_marked(const struct mspan *s, uint32_t slot) {
  uint64_t marks = vs_load_relaxed_u64(&s->mark_bits[slot / VS_WORD_BITS]);
  return bits_test(marks, slot % VS_WORD_BITS);
}

/* Frees a block of a span that this thread does not own. */
static void heap_free_remote(struct mspan *s, uintptr_t p, const char *function) {
  uint32_t slot = heap_slot(s, p, function);
  if (!heap_marked(s, slot)) heap_fault(s, p, function);
  if (!ownership_free(s, slot)) heap_report(VS_FAULT_DOUBLE_FREE, s, p, function);
  mcache_notify(s);
}

/* Frees a block of a span whose home this thread holds and that is full. */
static void heap_free_full(struct mcache *c, struct mspan *s, uintptr_t p, const char *function) {
  if (!mspan_free(s, p)) heap_fault(s, p, function);
  mcache_reclaim(c, s);
  if (s->nkept == 0) mcache_emptied(s);
}

static void heap_free_large(struct mspan *s, uintptr_t p, const char *function) {
  if (p != s->base) heap_report(VS_FAULT_INTERIOR, s, p, function);
  if (!mheap_free_large(s)) heap_report(VS_FAULT_DOUBLE_FREE, s, p, function);
  scavenge_assist();
}

/* A large span of a further manual heap: its word tells whose it is. */
static void heap_free_large_further(const struct vs_heap *h, struct mspan *s, uintptr_t p, const char *function) {
  if (p != s->base) heap_report(VS_FAULT_INTERIOR, s, p, function);
  if (!ownership_end_further_large(s, h->owner)) heap_report(VS_FAULT_DOUBLE_FREE, s, p, function);
  (void)mheap_free_large(s);
  scavenge_assist();
}

/* Frees a block of a small span that this thread's mcache c of its heap need not own. */
static inline void heap_free_small(struct mcache *c, struct mspan *s, uint64_t ctl, uintptr_t p, const char *function) {
  if (spanctl_owner(ctl) == c->id && c->id != 0)
    heap_free_full(c, s, p, function);
  else
    heap_free_remote(s, p, function);
}

void heap_free_slow(uintptr_t p, const char *function) {
  if (p == 0) return;
  struct mspan *s = arena_span(p);
  uint64_t ctl = vs_load_acquire_u64(&s->ctl);
  if (ctl == 0) heap_fault_page(p, function);
  if (spanctl_owner(ctl) < VS_OWNER_FURTHER)
    heap_free_small(vs_tls_mcache, s, ctl, p, function);
  else if (spanctl_owner(ctl) == VS_OWNER_LARGE)
    heap_free_large(s, p, function);
  else
    heap_report(VS_FAULT_FOREIGN, s, p, function);
}

void heap_free_further(struct vs_heap *h, uintptr_t p, const char *function) {
  struct mspan *s = arena_span(p);
  struct mcache *c = heap_mcache(h);
  uint64_t ctl = vs_load_acquire_u64(&s->ctl);
  if (ctl == 0) heap_fault_page(p, function);
  if (mcache_heap(spanctl_owner(ctl)) != h)
    heap_report(VS_FAULT_FOREIGN, s, p, function);
  else if (s->elem_size == 0)
    heap_free_large_further(h, s, p, function);
  else if (ctl != spanctl_owned(c->id))
    heap_free_small(c, s, ctl, p, function);
  else if (!mspan_free(s, p))
    heap_fault(s, p, function);
  else if (s->nkept == 0)
    mcache_emptied(s);
}

size_t heap_usable(uintptr_t p, const char *function) {
  struct mspan *s = arena_span(p);
  uint64_t ctl = vs_load_acquire_u64(&s->ctl);
  if (ctl == 0) heap_fault_page(p, function);
  if (spanctl_owner(ctl) >= VS_OWNER_FURTHER) {
    if (spanctl_owner(ctl) != VS_OWNER_LARGE) heap_report(VS_FAULT_FOREIGN, s, p, function);
    if (p != s->base) heap_report(VS_FAULT_INTERIOR, s, p, function);
    return (size_t)s->npages * VS_PAGE_SIZE;
  }
  if (!heap_marked(s, heap_slot(s, p, function))) heap_fault(s, p, function);
  return s->elem_size;
}

bool heap_resize(uintptr_t p, size_t usable, size_t size) {
  if (usable <= VS_MAX_SMALL_SIZE) return size <= usable && (size > usable / 2 || usable <= MIN_SHRINK);
  if (size <= VS_MAX_SMALL_SIZE || size > VS_MAX_SIZE) return false;
  uint64_t npages = page_count(size);
  return npages == usable / VS_PAGE_SIZE || mheap_resize_large(arena_span(p), npages);
}

bool heap_move(uintptr_t from, uintptr_t to, size_t size) {
  struct mspan *s = arena_span(to);
  if (size < MIN_MOVE || s->needzero) return false;
  return mheap_move_large(arena_span(from), s, page_count(size));
}
