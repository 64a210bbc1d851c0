/* SPDX-License-Identifier: Apache-2.0
 *
 * One small span whose home is thread 0's mcache, for harness/sched/span_threads and harness/relacy/span_orders: every
 * start that the invariants allow, the layers below alloc and mcache, and what must hold of the span's place and word.
 *
 * Before it is included: SLOTS, N_MCACHES; GHOST, an attribute of functions that are no part of what is checked;
 * CHECK(condition, property); and unexpected(property), which ends the execution as failed.
 */
#ifndef ONE_SPAN_H
#define ONE_SPAN_H

#include <stdlib.h>

#include "alloc.h"
#include "mheap.h"
#include "os.h"
#include "ownership.h"
#include "scavenge.h"
#include "thread_keys.h"

enum { SIZE_CLASS = 67, SPANCLASS = SIZE_CLASS * 2 + 1, NONE = SLOTS };
#define BASE (VS_ARENA_SIZE + VS_PAGE_SIZE)

enum slot_state { CACHED, LIVE, FREED, REMOTE, N_SLOT_STATES };
enum place { ACTIVE, QUEUED, FULL, INBOX, N_PLACES };
static const char *const place_names[] = {"active", "queued", "full", "inbox"};

static struct heap_arena arena;
static struct mspan *const span = &arena.span[1];
static struct mcache mcaches[N_MCACHES];
static struct {
  struct mcache *mcache;
  uint32_t tag;
} held[N_MCACHES]; /* what each thread's thread-local variables hold */

static struct { uint64_t full_given_up, woken, reclaimed, drained, allocated; } seen;

/* --- the layers below: the page heap has no other span to give ------------------------------------------------- */

struct mheap vs_heap;
static size_t metadata_used;

void *os_metadata(size_t size) {
  struct mcache *c = &mcaches[metadata_used++];
  return size == sizeof *c && metadata_used <= N_MCACHES ? c : NULL;
}
struct mspan *mheap_alloc(uint32_t spanclass, uint64_t ctl, struct mheap_cache *cache) {
  (void)spanclass;
  (void)ctl;
  (void)cache;
  return NULL;
}
void mheap_free(struct mspan *s) {
  (void)s;
  unexpected("page-heap-called");
}
void mheap_flush(struct mheap_cache *cache) {
  (void)cache;
  unexpected("page-heap-called");
}
uintptr_t mheap_alloc_large(size_t size, size_t align, bool *zeroed) {
  (void)size;
  (void)align;
  (void)zeroed;
  unexpected("page-heap-called");
}
bool mheap_free_large(struct mspan *s) {
  (void)s;
  unexpected("page-heap-called");
}
void scavenge_assist(void) {}
uint64_t scavenge_trim(void) { unexpected("page-heap-called"); }
bool mheap_is_dirty(uintptr_t addr) {
  (void)addr;
  unexpected("page-heap-called");
}
bool mheap_resize_large(struct mspan *s, uint64_t npages) {
  (void)s;
  (void)npages;
  unexpected("page-heap-called");
}
bool mheap_move_large(struct mspan *from, struct mspan *to, uint64_t npages) {
  (void)from;
  (void)to;
  (void)npages;
  unexpected("page-heap-called");
}

/* --- the start ------------------------------------------------------------------------------------------------- */

/* Whether the invariants allow a place with these slots. */
static bool start_possible(enum place place, const enum slot_state *slots) {
  int count[N_SLOT_STATES] = {0};
  for (int i = 0; i < SLOTS; i++) count[slots[i]]++;
  if (place == FULL) return count[LIVE] == SLOTS;
  if (place == INBOX) return count[CACHED] == 0 && count[FREED] == 0 && count[REMOTE] > 0;
  return true;
}

static GHOST void put_slots(const enum slot_state *slots) {
  mspan_init(span, BASE, SPANCLASS, true);
  span->nelems = SLOTS;
  span->nkept = SLOTS;
  span->next = span->prev = NULL;
  span->alloc_bits[0] = VS_WORD_ONES;
  span->mark_bits[0] = bits_below(SLOTS);
  span->alloc_cache = 0;
  for (uint32_t i = 0; i < SLOTS; i++) {
    if (slots[i] == CACHED) {
      span->alloc_cache |= bits_one(i);
      span->mark_bits[0] &= ~bits_one(i);
    } else if (slots[i] == FREED) {
      span->mark_bits[0] &= ~bits_one(i);
      span->nkept--;
    } else if (slots[i] == REMOTE) {
      span->remote_bits[0] |= bits_one(i);
    }
  }
}

/* Puts the span with these slots in its place, and nothing else anywhere. */
static GHOST void put_span(enum place place, const enum slot_state *slots) {
  struct mcache *home = held[0].mcache;
  for (int i = 0; i < N_MCACHES; i++) {
    mcaches[i].alloc[SPANCLASS] = &vs_empty_span;
    mcaches[i].partial[SPANCLASS] = (struct mcache_queue){NULL, NULL};
    mcaches[i].nqueued = 0;
    mcaches[i].inbox = NULL;
  }
  put_slots(slots);
  if (place == ACTIVE) {
    home->alloc[SPANCLASS] = span;
  } else if (place == QUEUED) {
    home->partial[SPANCLASS] = (struct mcache_queue){span, span};
    home->nqueued = 1;
  } else if (place == INBOX) {
    home->inbox = span;
  }
  span->ctl = place == FULL    ? spanctl_resting_full(home->id)
              : place == INBOX ? spanctl_unswept(home->id)
                               : spanctl_owned(home->id);
}

/* Checks mcaches out for all threads, and enters the span in the arena: once. */
static void set_up(void) {
  vs_arena_map[1] = &arena;
  arena_set_head(&arena, 0, VS_ARENA_PAGES, &vs_empty_span);
  for (int i = 0; i < N_MCACHES; i++) {
    struct mspan *s;
    uint32_t slot;
    vs_tls_mcache = &vs_empty_mcache;
    if (mcache_alloc_slow(&vs_default_heap, SPANCLASS, &s, &slot)) abort();
    held[i].mcache = vs_tls_mcache;
    held[i].tag = vs_tls_tag;
  }
  mspan_init(span, BASE, SPANCLASS, true);
  arena_set_head(&arena, 1, span->npages, span);
}

static GHOST void hold_mcache(int thread) {
  vs_tls_mcache = held[thread].mcache;
  vs_tls_tag = held[thread].tag;
}

/* --- checks ---------------------------------------------------------------------------------------------------- */

static GHOST uint32_t slot_of(uintptr_t p) { return (uint32_t)((p - span->base) / span->elem_size); }
static GHOST uintptr_t address_of(uint32_t slot) { return span->base + (uintptr_t)slot * span->elem_size; }

/* The table of spec/protocol.md for a span whose home is thread 0's mcache. */
static GHOST void check_step(bool holder, uint64_t old, uint64_t new_value) {
  uint32_t home = held[0].mcache->id;
  uint64_t owned = spanctl_owned(home), full = spanctl_resting_full(home), unswept = spanctl_unswept(home);
  bool gives_up = holder && old == owned && new_value == full;
  bool reclaims = holder && old == full && new_value == owned;
  bool wakes = !holder && old == full && new_value == unswept;
  bool accepts = holder && old == unswept && new_value == owned;
  CHECK(gives_up || reclaims || wakes || accepts, "legal-transition");
  seen.full_given_up += gives_up;
  seen.reclaimed += reclaims;
  seen.woken += wakes;
  seen.drained += accepts;
}

/* In how many places the span stands: active, in a queue or in an inbox of any mcache. */
static GHOST int places(bool inbox) {
  int n = 0;
  for (int i = 0; i < N_MCACHES; i++) {
    const struct mspan *s = inbox ? mcaches[i].inbox : mcaches[i].partial[SPANCLASS].head;
    n += !inbox && mcaches[i].alloc[SPANCLASS] == span;
    for (int length = 0; s != NULL; s = s->next) {
      n += s == span;
      CHECK(++length <= 1, "in-one-place");
    }
  }
  return n;
}

/* Its word at the end, and that it is in the place that the word names. */
static GHOST void check_end(void) {
  uint64_t ctl = span->ctl;
  uint32_t home = held[0].mcache->id;
  bool full = ctl == spanctl_resting_full(home);
  CHECK(full || ctl == spanctl_unswept(home) || ctl == spanctl_owned(home), "legal-end");
  CHECK(places(true) == (ctl == spanctl_unswept(home)), "in-one-place");
  CHECK(places(false) == (ctl == spanctl_owned(home)), "in-one-place");
  CHECK(!full || span->remote_bits[0] == 0, "lost-wake-up");
}

static GHOST void print_seen(uint64_t executions) {
  printf("reached end %llu\n", (unsigned long long)executions);
  printf("reached gives-up %llu\n", (unsigned long long)seen.full_given_up);
  printf("reached reclaims %llu\n", (unsigned long long)seen.reclaimed);
  printf("reached wakes %llu\n", (unsigned long long)seen.woken);
  printf("reached drains %llu\n", (unsigned long long)seen.drained);
  printf("reached allocates %llu\n", (unsigned long long)seen.allocated);
}

#endif
