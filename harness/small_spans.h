/* SPDX-License-Identifier: Apache-2.0
 *
 * A few small spans of the default heap, and threads that may hold mcaches: the states of slots, who holds what.
 *
 * Before it is included: SPANS, SLOTS, N_MCACHES; GHOST, an attribute of functions that are no part of what is checked;
 * CHECK(condition, property); and what lower_layers.h needs.
 */
#ifndef SMALL_SPANS_H
#define SMALL_SPANS_H

#include "alloc.h"
#include "lower_layers.h"
#include "ownership.h"

enum { SIZE_CLASS = 67, SPANCLASS = SIZE_CLASS * 2 + 1, NONE = SLOTS };

enum slot_state { CACHED, LIVE, FREED, REMOTE, N_SLOT_STATES };
static const char slot_letters[] = "CLFR";

static struct mspan *const spans = &arena.span[1];

/* Makes s a fresh span of so many slots, all of them in one state or another. */
static GHOST void put_slots(struct mspan *s, uint32_t slots, const enum slot_state *state) {
  mspan_init(s, s->base, SPANCLASS, true);
  s->nelems = (uint16_t)slots;
  s->nkept = slots;
  s->next = s->prev = NULL;
  s->alloc_bits[0] = VS_WORD_ONES;
  s->mark_bits[0] = bits_below(slots);
  s->alloc_cache = 0;
  for (uint32_t i = 0; i < slots; i++) {
    if (state[i] == CACHED) {
      s->alloc_cache |= bits_one(i);
      s->mark_bits[0] &= ~bits_one(i);
    } else if (state[i] == FREED) {
      s->mark_bits[0] &= ~bits_one(i);
      s->nkept--;
    } else if (state[i] == REMOTE) {
      s->remote_bits[0] |= bits_one(i);
    }
  }
}

/* Takes every span away from the mcaches. */
static GHOST void empty_mcaches(void) {
  for (int i = 0; i < N_MCACHES; i++) {
    mcaches[i].alloc[SPANCLASS] = &vs_empty_span;
    mcaches[i].partial[SPANCLASS] = (struct mcache_queue){NULL, NULL};
    mcaches[i].nqueued = 0;
    mcaches[i].inbox = NULL;
  }
}

/* Puts s, alone, in the queue of c. */
static GHOST void put_queued(struct mcache *c, struct mspan *s) {
  c->partial[SPANCLASS] = (struct mcache_queue){s, s};
  c->nqueued = 1;
}

/* Makes c the mcache of the running thread, which gives it back when it exits; NULL: none. */
static GHOST void hold_mcache(struct mcache *c) {
  vs_tls_mcache = c ? c : &vs_empty_mcache;
  vs_tls_tag = c ? spanctl_tag(c->id) : 0xffffffffu;
  thread_value = c;
}

/* Makes the first n mcaches, and enters the spans in the arena: once. */
static void set_up(int n) {
  enter_spans(spans, SPANS, SPANCLASS);
  for (int i = 0; i < n; i++) {
    hold_mcache(NULL);
    if (mcache_get(&vs_default_heap) != &mcaches[i]) abort();
  }
}

static GHOST uint32_t slot_of(uintptr_t p) {
  const struct mspan *s = arena_span(p);
  return (uint32_t)((p - s->base) / s->elem_size);
}
static GHOST uintptr_t address_of(const struct mspan *s, uint32_t slot) {
  return s->base + (uintptr_t)slot * s->elem_size;
}

/* How often s stands in the inbox of c; or in its queue, or as its active span. No list is longer than the spans. */
static GHOST int times_in_list(const struct mspan *list, const struct mspan *s) {
  int times = 0;
  for (int length = 0; list != NULL; list = list->next) {
    times += list == s;
    CHECK(++length <= SPANS, "in-one-place");
  }
  return times;
}
static GHOST int times_in_inbox(const struct mcache *c, const struct mspan *s) { return times_in_list(c->inbox, s); }
static GHOST int times_held(const struct mcache *c, const struct mspan *s) {
  return (c->alloc[SPANCLASS] == s) + times_in_list(c->partial[SPANCLASS].head, s);
}

#endif
