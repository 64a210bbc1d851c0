/* SPDX-License-Identifier: Apache-2.0
 * The central lists. See mcentral.h. */
#include "mcentral.h"

#include "heap.h"
#include "mheap.h"
#include "os.h"
#include "ownership.h"

struct vs_heap vs_default_heap = {.owner = VS_OWNER_NONE,
                                  .sweepgen = VS_SWEEPGEN,
                                  .central = {[0 ... VS_NUM_SPAN_CLASSES - 1] = {.lock = VS_LOCK_INIT}}};
struct vs_heap *vs_heaps[VS_MAX_HEAPS] = {&vs_default_heap};

/* The role is no lock: nothing in them shows that it is taken. */
VS_LOCK_UNCHECKED static void mcentral_lock(struct mcentral *c) VS_ACQUIRES(c->lock, vs_role_central) {
  lock_acquire(&c->lock);
}
VS_LOCK_UNCHECKED static void mcentral_unlock(struct mcentral *c) VS_RELEASES(c->lock, vs_role_central) {
  lock_release(&c->lock);
}

static void set_push(struct mspan **set, struct mspan *s) VS_REQUIRES(vs_role_central) {
  s->prev = 0;
  s->next = *set;
  if (s->next) s->next->prev = s;
  *set = s;
}

static void set_remove(struct mspan **set, struct mspan *s) VS_REQUIRES(vs_role_central) {
  if (s->prev)
    s->prev->next = s->next;
  else
    *set = s->next;
  if (s->next) s->next->prev = s->prev;
  s->next = 0;
  s->prev = 0;
}

static struct mspan *set_pop(struct mspan **set) VS_REQUIRES(vs_role_central) {
  struct mspan *s = *set;
  if (s) set_remove(set, s);
  return s;
}

/* Counts a span into or out of the sets that mcentral_cache_span_try takes from. */
static void usable_add(struct mcentral *c, int change) VS_REQUIRES(c->lock, vs_role_central) {
  vs_store_relaxed_u64(&c->usable, c->usable + (uint64_t)(int64_t)change);
}

/* Moves a full span that was woken to the unswept set. */
static void set_woken(struct vs_heap *h, struct mcentral *c, struct mspan *s) VS_REQUIRES(c->lock, vs_role_central) {
  set_remove(&c->full[heap_swept_set(h)], s);
  set_push(&c->full[heap_unswept_set(h)], s);
  usable_add(c, 1);
}

void mspan_fold_or_die(struct mspan *s) {
  uint32_t slot = mspan_fold(s);
  if (slot < s->nelems) os_fatal("free", "double free", mspan_slot(s, slot));
}

struct mspan *mcentral_cache_span_try(struct vs_heap *h, uint32_t spanclass, uint32_t owner) {
  struct mcentral *c = &h->central[spanclass];
  if (vs_load_relaxed_u64(&c->usable) == 0) return 0;
  mcentral_lock(c);
  struct mspan *s = set_pop(&c->partial[heap_swept_set(h)]);
  if (!s) s = set_pop(&c->full[heap_unswept_set(h)]);
  if (s) usable_add(c, -1);
  mcentral_unlock(c);
  if (s) ownership_cache(s, owner);
  return s;
}

struct mspan *mcentral_cache_span(struct vs_heap *h, uint32_t spanclass, uint32_t owner, struct mheap_cache *pages) {
  struct mspan *s = mcentral_cache_span_try(h, spanclass, owner);
  return s ? s : mheap_alloc(spanclass, spanctl_owned(owner), pages);
}

void mcentral_uncache_span(struct vs_heap *h, struct mspan *s) {
  struct mcentral *c = &h->central[s->spanclass];
  mspan_fold_or_die(s);
  if (mspan_freed(s) != 0) mspan_sweep(s);
  bool full = mcentral_is_full(s);
  mcentral_lock(c);
  if (full) {
    set_push(&c->full[heap_swept_set(h)], s);
    if (!ownership_give_full(s, h->owner)) set_woken(h, c, s);
  } else {
    set_push(&c->partial[heap_swept_set(h)], s);
    usable_add(c, 1);
    ownership_give_partial(s, h->owner);
  }
  mcentral_unlock(c);
}

void mcentral_push_unswept(struct vs_heap *h, struct mspan *s) {
  struct mcentral *c = &h->central[s->spanclass];
  mcentral_lock(c);
  set_woken(h, c, s);
  mcentral_unlock(c);
}

struct mspan *mcentral_pop_swept(struct vs_heap *h, uint32_t spanclass) {
  struct mcentral *c = &h->central[spanclass];
  mcentral_lock(c);
  struct mspan *s = set_pop(&c->partial[heap_swept_set(h)]);
  mcentral_unlock(c);
  return s;
}

struct mspan *mcentral_pop_unswept(struct vs_heap *h, uint32_t spanclass, bool full) {
  struct mcentral *c = &h->central[spanclass];
  mcentral_lock(c);
  struct mspan **set = full ? &c->full[heap_unswept_set(h)] : &c->partial[heap_unswept_set(h)];
  struct mspan *s = set_pop(set);
  while (s && !ownership_sweep(s, h->sweepgen, h->owner, full)) s = set_pop(set);
  mcentral_unlock(c);
  return s;
}

void mcentral_push_swept(struct vs_heap *h, struct mspan *s, bool full) {
  struct mcentral *c = &h->central[s->spanclass];
  mcentral_lock(c);
  set_push(full ? &c->full[heap_swept_set(h)] : &c->partial[heap_swept_set(h)], s);
  mcentral_unlock(c);
}

/* All of them at once: not checked inside, the checker tells no two locks of an array apart. */
VS_LOCK_UNCHECKED void mcentral_lock_all(void) {
  for (uint32_t n = 0; n < VS_MAX_HEAPS && vs_heaps[n]; n++)
    for (uint32_t i = 0; i < VS_NUM_SPAN_CLASSES; i++) lock_acquire(&vs_heaps[n]->central[i].lock);
}

VS_LOCK_UNCHECKED void mcentral_unlock_all(void) {
  for (uint32_t n = 0; n < VS_MAX_HEAPS && vs_heaps[n]; n++)
    for (uint32_t i = 0; i < VS_NUM_SPAN_CLASSES; i++) lock_release(&vs_heaps[n]->central[i].lock);
}
