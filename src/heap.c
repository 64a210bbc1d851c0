/* SPDX-License-Identifier: Apache-2.0
 * Making and unmaking heaps. See heap.h. */
#include "heap.h"

#include "arena.h"
#include "mcache.h"
#include "mheap.h"
#include "os.h"
#include "ownership.h"
#include "pagealloc.h"
#include "sweep.h"

/* A heap that nobody uses, in use from now on; NULL if there is none. */
VS_REQUIRES(vs_list_lock) static struct vs_heap *heap_claim(void) {
  for (uint32_t n = 1; n < VS_MAX_HEAPS; n++) {
    struct vs_heap *h = vs_heaps[n];
    if (!h) {
      h = os_metadata(sizeof *h);
      if (!h) return 0;
      h->number = n;
      h->owner = VS_OWNER_HEAP + n;
      for (uint32_t spc = 0; spc < VS_NUM_SPAN_CLASSES; spc++) lock_init(&h->central[spc].lock);
      vs_heaps[n] = h;
    }
    if (h->in_use) continue;
    h->in_use = true;
    return h;
  }
  return 0;
}

struct vs_heap *heap_create(bool collected, uint32_t sweepgen) {
  lock_acquire(&vs_list_lock);
  struct vs_heap *h = heap_claim();
  lock_release(&vs_list_lock);
  if (!h) return 0;
  h->collected = collected;
  h->marking = false;
  h->sweepgen = collected ? sweepgen : VS_SWEEPGEN;
  h->allowance = 0;
  h->low = UINT64_MAX;
  h->high = 0;
  h->crossed = 0;
  h->tickets = VS_SWEEP_DRAINED;
  return h;
}

uint32_t heap_count(void) {
  uint32_t n = 1;
  lock_acquire(&vs_list_lock);
  while (n < VS_MAX_HEAPS && vs_heaps[n]) n++;
  lock_release(&vs_list_lock);
  return n - 1;
}

bool heap_exists(const struct vs_heap *h) {
  bool exists = false;
  lock_acquire(&vs_list_lock);
  for (uint32_t n = 1; n < VS_MAX_HEAPS; n++) exists |= h && vs_heaps[n] == h && h->in_use;
  lock_release(&vs_list_lock);
  return exists;
}

/* The spans of heap h that start in an arena, linked before the ones in list. */
static struct mspan *heap_spans_of(const struct vs_heap *h, uint32_t arena, struct mspan *list) {
  const struct heap_arena *a = vs_arena_map[arena];
  for (uint32_t page = 0; a && page < VS_ARENA_PAGES; page++) {
    struct mspan *s = vs_load_ptr(&a->head[page]);
    uint32_t owner = spanctl_owner(vs_load_acquire_u64(&s->ctl));
    if (s == &vs_empty_span || mcache_heap(owner) != h) continue;
    if (s->base != (uintptr_t)arena * VS_ARENA_SIZE + (uintptr_t)page * VS_PAGE_SIZE) continue;
    s->next = list;
    list = s;
  }
  return list;
}

/* All spans of heap h, linked. */
static struct mspan *heap_spans(const struct vs_heap *h) {
  const uint32_t arenas = VS_LEVEL2_PAGES / VS_ARENA_PAGES;
  struct mspan *list = 0;
  mheap_lock();
  for (uint32_t i = 0; i < vs_pages.nblocks; i++)
    for (uint32_t n = 0; n < arenas; n++) list = heap_spans_of(h, vs_pages.number[i] * arenas + n, list);
  mheap_unlock();
  return list;
}

/* No span is left: empties what knew of them. The mcaches stay with their threads. Not checked for the locks of the
 * central lists: no other thread is in a call on the heap. */
VS_LOCK_UNCHECKED static void heap_forget(struct vs_heap *h) VS_REQUIRES(vs_list_lock) {
  for (struct mcache *c = h->mcaches; c; c = c->heap_next) {
    for (uint32_t spc = 0; spc < VS_NUM_SPAN_CLASSES; spc++) {
      c->alloc[spc] = &vs_empty_span;
      c->partial[spc] = (struct mcache_queue){0, 0};
    }
    c->nqueued = 0;
    c->inbox = 0;
    mheap_flush(&c->pages);
  }
  for (uint32_t spc = 0; spc < VS_NUM_SPAN_CLASSES; spc++) {
    struct mcentral *c = &h->central[spc];
    for (uint32_t parity = 0; parity < 2; parity++) c->partial[parity] = c->full[parity] = 0;
    c->usable = 0;
  }
}

void heap_destroy(struct vs_heap *h) {
  struct mspan *s = heap_spans(h);
  while (s) {
    struct mspan *next = s->next;
    ownership_seize(s, h->owner);
    mheap_free(s);
    s = next;
  }
  lock_acquire(&vs_list_lock);
  heap_forget(h);
  h->pages = 0;
  h->collected = false;
  h->in_use = false;
  lock_release(&vs_list_lock);
}
