/* SPDX-License-Identifier: Apache-2.0
 * The cycle of a collected heap. See cycle.h. */
#include "cycle.h"

#include "arena.h"
#include "debt.h"
#include "mcache.h"
#include "mheap.h"
#include "os.h"
#include "ownership.h"
#include "scavenge.h"
#include "sweep.h"

/* Unswept spans that an allocation tries before it takes a fresh one, and sweeps for whole ones to come back. */
#define SWEEP_BUDGET 100u

/* What cycle_sweep_one returns when there was nothing to sweep. */
#define NOTHING UINT64_MAX

static uint64_t counter_add(uint64_t *counter, uint64_t change) {
  uint64_t old = vs_load_relaxed_u64(counter);
  while (!vs_cas_u64(counter, old, old + change)) old = vs_load_relaxed_u64(counter);
  return old + change;
}

static uint64_t at_most(uint64_t n, uint64_t most) { return n < most ? n : most; }

/* --- sweeping ---------------------------------------------------------------------------------------- */

/* Folds what was reached and sweeps a span that this thread holds at d = -1. Whether it has a live slot. */
static bool cycle_sweep_span(struct vs_heap *h, struct mspan *s) {
  bool live;
  (void)counter_add(&h->swept_pages, s->npages);
  if (s->elem_size == 0) return vs_exchange_u64(&s->remote_bits[0], 0) != 0;
  live = mspan_fold_reached(s);
  mspan_sweep(s);
  return live;
}

/* Puts a span that this thread holds into a swept set. */
static void cycle_rest(struct vs_heap *h, struct mspan *s) {
  bool full = s->elem_size == 0 || mcentral_is_full(s);
  ownership_swept(s, h->sweepgen, h->owner, full);
  mcentral_push_swept(h, s, full);
}

/* Gives the pages of a dead span that this thread holds back. How many. */
static uint64_t cycle_free(struct vs_heap *h, struct mspan *s) {
  uint64_t npages = s->npages;
  (void)counter_add(&h->pages, 0 - npages);
  mheap_free(s);
  return npages;
}

/* The next unswept span, of any class, taken at d = -1. Nothing enters an unswept set between two turns, so that sets
 * found empty stay so; two threads may write the cursor in either order. */
static struct mspan *cycle_next_unswept(struct vs_heap *h) {
  for (uint64_t k = vs_load_relaxed_u64(&h->sweep_cursor); k < 2 * VS_NUM_SPAN_CLASSES; k++) {
    struct mspan *s = mcentral_pop_unswept(h, (uint32_t)(k / 2), k % 2 == 0);
    if (!s) continue;
    vs_store_relaxed_u64(&h->sweep_cursor, k);
    return s;
  }
  return 0;
}

/* Sweeps one span. The pages that came back by it, or NOTHING. */
static uint64_t cycle_sweep_one(struct vs_heap *h) {
  if (!sweep_begin(&h->tickets)) return NOTHING;
  uint64_t freed = NOTHING;
  struct mspan *s = cycle_next_unswept(h);
  if (!s) {
    sweep_drain(&h->tickets);
  } else if (cycle_sweep_span(h, s)) {
    cycle_rest(h, s);
    freed = 0;
  } else {
    freed = cycle_free(h, s);
  }
  sweep_end(&h->tickets);
  return freed;
}

bool cycle_sweep_step(struct vs_heap *h) { return cycle_sweep_one(h) != NOTHING; }

void cycle_finish_sweep(struct vs_heap *h) {
  while (cycle_sweep_step(h)) continue;
  while (!sweep_done(&h->tickets)) lock_pause();
}

/* Before npages pages more are allocated: brings the sweep as far as it must be. */
static void cycle_pay(struct vs_heap *h, uint64_t npages) {
  if (h->allowance == 0 || sweep_done(&h->tickets)) return;
  uint64_t allocated = counter_add(&h->allocated_pages, npages);
  uint64_t target = debt_target(h->turn_pages, allocated, h->allowance);
  while (vs_load_relaxed_u64(&h->swept_pages) < target && cycle_sweep_step(h)) continue;
}

/* Before the heap grows by npages pages: sweeps until as many came back, or the budget is spent. */
static void cycle_reclaim(struct vs_heap *h, uint64_t npages) {
  uint64_t freed = 0;
  for (uint32_t n = 0; n < SWEEP_BUDGET && freed < npages; n++) {
    uint64_t one = cycle_sweep_one(h);
    if (one == NOTHING) return;
    freed += one;
  }
}

/* --- allocation -------------------------------------------------------------------------------------- */

/* An unswept span of a class, full or partial at the last sweep, that has slots when it is swept. */
static struct mspan *cycle_sweep_for(struct vs_heap *h, uint32_t spanclass, bool full) {
  for (uint32_t n = 0; n < SWEEP_BUDGET; n++) {
    struct mspan *s = mcentral_pop_unswept(h, spanclass, full);
    if (!s) return 0;
    (void)cycle_sweep_span(h, s);
    if (!mcentral_is_full(s)) {
      ownership_activate(s, h->sweepgen, h->owner);
      return s;
    }
    cycle_rest(h, s);
  }
  return 0;
}

/* A span of a class from the central list, with a slot to hand out and owned. */
static struct mspan *cycle_cached_span(struct vs_heap *h, uint32_t spanclass) {
  struct mspan *s = mcentral_pop_swept(h, spanclass);
  if (s) {
    ownership_activate(s, h->sweepgen, h->owner);
    return s;
  }
  if (!sweep_begin(&h->tickets)) return 0;
  s = cycle_sweep_for(h, spanclass, false);
  if (!s) s = cycle_sweep_for(h, spanclass, true);
  sweep_end(&h->tickets);
  return s;
}

/* Makes an atomic word at least, or at most, n. */
static void keep_most(uint64_t *word, uint64_t n) {
  uint64_t old = vs_load_relaxed_u64(word);
  while (n > old && !vs_cas_u64(word, old, n)) old = vs_load_relaxed_u64(word);
}
static void keep_least(uint64_t *word, uint64_t n) {
  uint64_t old = vs_load_relaxed_u64(word);
  while (n < old && !vs_cas_u64(word, old, n)) old = vs_load_relaxed_u64(word);
}

/* A span has become the heap's, and nobody has an address in it: for the count of pages, and for what lookup knows. */
static void cycle_note_span(struct vs_heap *h, const struct mspan *s) {
  uint64_t last = s->base / VS_PAGE_SIZE + s->npages - 1;
  (void)counter_add(&h->pages, s->npages);
  keep_least(&h->low, s->base);
  keep_most(&h->high, (last + 1) * VS_PAGE_SIZE);
  keep_most(&h->crossed, last / VS_ARENA_PAGES - s->base / VS_ARENA_SIZE);
}

/* An owned span of a class with a slot to hand out; NULL if the system refused memory. */
static struct mspan *cycle_span_for(struct vs_heap *h, struct mheap_cache *cache, uint32_t spanclass) {
  uint32_t npages = vs_class_pages[spanclass / 2];
  cycle_pay(h, npages);
  struct mspan *s = cycle_cached_span(h, spanclass);
  if (s) return s;
  cycle_reclaim(h, npages);
  s = mheap_alloc(spanclass, spanctl_at(h->sweepgen, VS_D_OWNED, h->owner, false), cache);
  if (s) cycle_note_span(h, s);
  return s;
}

/* The slots in the cached word of a span will be handed out while objects are marked: they are reached. */
static void cycle_blacken(struct mspan *s) {
  (void)vs_fetch_or_u64(&s->remote_bits[s->free_index / VS_WORD_BITS], s->alloc_cache);
}

/* Makes the cached word of this thread's active span of a class not empty, if need be of another span. */
static struct mspan *cycle_refill(struct vs_heap *h, struct mcache *c, uint32_t spanclass) {
  struct mspan *s = c->alloc[spanclass];
  if (s != &vs_empty_span && mcentral_is_full(s)) {
    c->alloc[spanclass] = &vs_empty_span;
    cycle_rest(h, s);
    s = &vs_empty_span;
  }
  if (s == &vs_empty_span) s = cycle_span_for(h, &c->pages, spanclass);
  if (!s) return 0;
  if (h->marking) cycle_blacken(s);
  c->alloc[spanclass] = s;
  return s;
}

static uintptr_t cycle_alloc_small(struct vs_heap *h, uint32_t spanclass, bool *zeroed) {
  struct mcache *c = mcache_get(h);
  struct mspan *s = c ? cycle_refill(h, c, spanclass) : 0;
  uintptr_t p = s ? mspan_slot(s, mspan_take(s)) : 0;
  *zeroed = s && s->needzero == 0;
  mcache_done();
  return p;
}

static uintptr_t cycle_alloc_large(struct vs_heap *h, size_t size, bool noscan, bool *zeroed) {
  uint64_t npages = page_count(size);
  cycle_pay(h, npages);
  cycle_reclaim(h, npages);
  uintptr_t p = mheap_alloc_large(size, 1, zeroed);
  if (p == 0) return 0;
  struct mspan *s = arena_span(p);
  s->spanclass = noscan;
  vs_store_relaxed_u64(&s->mark_bits[0], 1);
  (void)vs_exchange_u64(&s->remote_bits[0], h->marking);
  cycle_note_span(h, s);
  ownership_swept_large(s, h->sweepgen, h->owner);
  mcentral_push_swept(h, s, true);
  return p;
}

uintptr_t cycle_alloc_slow(struct vs_heap *h, size_t size, bool noscan, bool *zeroed) {
  if (size > VS_MAX_SIZE) return 0;
  uintptr_t p = size > VS_MAX_SMALL_SIZE ? cycle_alloc_large(h, size, noscan, zeroed)
                                         : cycle_alloc_small(h, cycle_spanclass(size, noscan), zeroed);
  scavenge_assist();
  return p;
}

/* --- marking ----------------------------------------------------------------------------------------- */

/* The head of a page. Any address: pages that are no live block's may change hands at the same time. */
static struct mspan *cycle_head(uint64_t arena, uint32_t page) {
  struct heap_arena *a = arena < VS_ARENA_COUNT ? __atomic_load_n(&vs_arena_map[arena], __ATOMIC_ACQUIRE) : 0;
  return a ? vs_load_ptr(&a->head[page]) : &vs_empty_span;
}

/* The span of heap h that an address lies in, or NULL. While h's objects are marked its spans stay its spans, so that
 * one look at the control word tells that the other fields may be read. */
static struct mspan *cycle_span(const struct vs_heap *h, uintptr_t addr) {
  if (addr < vs_load_relaxed_u64(&h->low) || addr >= vs_load_relaxed_u64(&h->high)) return 0;
  uint64_t arena = arena_number(addr);
  struct mspan *s = cycle_head(arena, arena_page(addr));
  uint64_t back = vs_load_relaxed_u64(&h->crossed);
  for (uint64_t n = 1; s == &vs_empty_span && n <= back && n <= arena; n++)
    s = cycle_head(arena - n, VS_ARENA_PAGES - 1);
  if (spanctl_owner(vs_load_acquire_u64(&s->ctl)) != h->owner) return 0;
  return addr - s->base < (uint64_t)s->npages * VS_PAGE_SIZE ? s : 0;
}

/* The slot that an address of a span lies in; nelems if it lies in none. */
static uint32_t cycle_slot(const struct mspan *s, uintptr_t addr) {
  return s->elem_size == 0 ? 0 : mspan_index(s, addr);
}

static bool cycle_live(const struct mspan *s, uint32_t slot) {
  return slot < s->nelems && bits_test(vs_load_relaxed_u64(&s->mark_bits[slot / VS_WORD_BITS]), slot % VS_WORD_BITS);
}

/* What is known of the object in a slot. */
static void cycle_describe(const struct mspan *s, uint32_t slot, struct vs_object *object) {
  bool large = s->elem_size == 0;
  object->base = (void *)(large ? s->base : mspan_slot(s, slot));
  object->size = large ? (size_t)s->npages * VS_PAGE_SIZE : s->elem_size;
  object->noscan = s->spanclass % 2 != 0;
}

bool cycle_mark(struct vs_heap *h, uintptr_t addr, struct vs_object *object) {
  struct mspan *s = cycle_span(h, addr);
  if (!s) return false;
  uint32_t slot = cycle_slot(s, addr);
  if (!cycle_live(s, slot)) return false;
  uint64_t *word = &s->remote_bits[slot / VS_WORD_BITS], bit = bits_one(slot % VS_WORD_BITS);
  if ((vs_load_relaxed_u64(word) & bit) != 0 || (vs_fetch_or_u64(word, bit) & bit) != 0) return false;
  if (object) cycle_describe(s, slot, object);
  return true;
}

bool cycle_object(const struct vs_heap *h, uintptr_t addr, struct vs_object *object) {
  struct mspan *s = cycle_span(h, addr);
  uint32_t slot = s ? cycle_slot(s, addr) : 0;
  if (!s || !cycle_live(s, slot)) return false;
  cycle_describe(s, slot, object);
  return true;
}

/* Gives the active spans of every mcache of the heap to the central lists, and its cached pages back. No other thread
 * is in a call on it. */
static void cycle_flush(struct vs_heap *h) {
  lock_acquire(&vs_list_lock);
  for (struct mcache *c = h->mcaches; c; c = c->heap_next) {
    for (uint32_t spc = 0; spc < VS_NUM_SPAN_CLASSES; spc++) {
      struct mspan *s = c->alloc[spc];
      c->alloc[spc] = &vs_empty_span;
      if (s != &vs_empty_span) cycle_rest(h, s);
    }
    mheap_flush(&c->pages);
  }
  lock_release(&vs_list_lock);
}

void cycle_begin_mark(struct vs_heap *h) {
  cycle_finish_sweep(h);
  cycle_flush(h);
  h->marking = true;
}

/* The turn: every span of the heap rests in a swept set, and the unswept sets are empty. */
void cycle_end_mark(struct vs_heap *h, uint64_t allowance) {
  cycle_flush(h);
  h->marking = false;
  h->sweepgen = spanctl_add(h->sweepgen, 2); /* T2 */
  h->turn_pages = at_most(h->pages, VS_DEBT_MAX);
  h->allowance = at_most(allowance, VS_DEBT_MAX);
  vs_store_relaxed_u64(&h->swept_pages, 0);
  vs_store_relaxed_u64(&h->allocated_pages, 0);
  vs_store_relaxed_u64(&h->sweep_cursor, 0);
  sweep_turn(&h->tickets);
}
