/* SPDX-License-Identifier: Apache-2.0
 *
 * Two threads on one small span, the real code of alloc, mcache, mcentral, mspan and ownership under the weak orders
 * of C11: harness/sched/span_threads explores the same code with three threads under sequential consistency.
 *
 * Thread 0 holds the mcache that is the span's home, and allocates and frees; thread 1 frees a block that it was
 * given at the start, or one that thread 0 allocates and hands over through a mailbox (a release store and an
 * acquire load, the least that a program must do). Only the layers below are replaced: the page heap has no second span
 * to give, os_fatal is a failure, and nothing here takes a lock.
 *
 * Blocks are plain words that a thread writes when it gets one and before it frees one: see ownership_orders.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "alloc.h"
#include "mheap.h"
#include "orders.h"
#include "os.h"
#include "ownership.h"
#include "scavenge.h"

enum { SIZE_CLASS = 67, SPANCLASS = SIZE_CLASS * 2 + 1, SLOTS = 2, N_MCACHES = 2, NONE = SLOTS };
#define BASE (VS_ARENA_SIZE + VS_PAGE_SIZE)
#define GHOST __attribute__((no_sanitize_thread))

/* --- the start ------------------------------------------------------------------------------------------ */

enum slot_state { CACHED, LIVE, FREED, REMOTE, N_SLOT_STATES };
enum place { ACTIVE, QUEUED, FULL, INBOX, N_PLACES };

/* What thread 0 does, a letter a step: A allocates, H allocates and hands over, F frees its lowest block. */
static const char *const scripts[] = {"A", "AA", "F", "FA", "H"};
enum { N_SCRIPTS = sizeof scripts / sizeof scripts[0] };

static struct {
  enum place place;
  enum slot_state slot[SLOTS];
  uint32_t given; /* the slot that thread 1 frees, or NONE */
  const char *script;
} start;

static struct heap_arena arena;
static struct mspan *const span = &arena.span[1];
static struct mcache mcaches[N_MCACHES];
static struct { struct mcache *mcache; uint32_t tag; } held[N_MCACHES];
static uint64_t mailbox;

static uint64_t block[SLOTS]; /* the user's memory */
static bool live[SLOTS];      /* ghosts: who has which block */
static bool owners[SLOTS];
static struct { uint64_t full_given_up, woken, reclaimed, drained, allocated, handed_over; } seen;

/* --- the layers below ------------------------------------------------------------------------------------- */

struct mheap vs_heap;
static size_t metadata_used;

void *os_metadata(size_t size) {
  struct mcache *c = &mcaches[metadata_used++];
  return size == sizeof *c && metadata_used <= N_MCACHES ? c : NULL;
}
static _Noreturn void unexpected(const char *property) {
  orders_fail(property);
  abort();
}
GHOST _Noreturn void os_fatal(const char *function, const char *what, uintptr_t addr) {
  (void)function;
  (void)what;
  (void)addr;
  unexpected("false-report");
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
uint64_t scavenge_trim(void) {
  unexpected("page-heap-called");
}
bool mheap_is_dirty(uintptr_t addr) {
  (void)addr;
  unexpected("page-heap-called");
}
bool mheap_resize_large(struct mspan *s, uint64_t npages) {
  (void)s;
  (void)npages;
  unexpected("page-heap-called");
}
static bool running; /* the threads are */
int pthread_mutex_lock(pthread_mutex_t *m) {
  (void)m;
  if (running) unexpected("lock-taken");
  return 0;
}
int pthread_mutex_unlock(pthread_mutex_t *m) {
  (void)m;
  return 0;
}
int pthread_key_create(pthread_key_t *key, void (*destructor)(void *)) {
  (void)destructor;
  *key = 0;
  return 0;
}
int pthread_setspecific(pthread_key_t key, const void *value) {
  (void)key;
  (void)value;
  return 0;
}

/* --- the threads ---------------------------------------------------------------------------------------------- */

static GHOST void use_mcache(int thread) {
  vs_tls_mcache = held[thread].mcache;
  vs_tls_tag = held[thread].tag;
}

static GHOST uint32_t slot_of(uintptr_t p) { return (uint32_t)((p - span->base) / span->elem_size); }

static GHOST void give_back(uint32_t slot) {
  orders_touch(&block[slot], sizeof block[slot], true);
  live[slot] = false;
  heap_free(span->base + (uintptr_t)slot * span->elem_size, "free");
}

/* The slot of a fresh block, or NONE. */
static GHOST uint32_t allocate(void) {
  uintptr_t p = heap_alloc_class(SIZE_CLASS);
  if (p == 0) return NONE;
  uint32_t slot = slot_of(p);
  ORDERS_CHECK(slot < SLOTS, "slot-in-range");
  orders_touch(&block[slot], sizeof block[slot], true);
  ORDERS_CHECK(!live[slot], "handed-out-once");
  live[slot] = true;
  owners[slot] = true;
  seen.allocated++;
  return slot;
}

static GHOST void owner_thread(void) {
  running = true;
  for (const char *step = start.script; *step != 0; step++) {
    uint32_t slot = *step == 'F' ? NONE : allocate();
    if (*step == 'H' && slot != NONE) {
      owners[slot] = false;
      vs_store_release_u64(&mailbox, slot + 1);
    }
    for (slot = 0; *step == 'F' && slot < SLOTS; slot++) {
      if (owners[slot]) {
        owners[slot] = false;
        give_back(slot);
        break;
      }
    }
  }
}

static GHOST void freeing_thread(void) {
  running = true;
  if (start.given != NONE) give_back(start.given);
  uint64_t letter = *start.script == 'H' ? vs_load_acquire_u64(&mailbox) : 0;
  if (letter != 0) {
    give_back((uint32_t)letter - 1);
    seen.handed_over++;
  }
}

/* --- checks --------------------------------------------------------------------------------------------------- */

static GHOST void check_transition(const void *addr, uint64_t old, uint64_t new_value) {
  uint32_t home = held[0].mcache->id;
  uint64_t owned = spanctl_owned(home), full = spanctl_resting_full(home), unswept = spanctl_unswept(home);
  if (addr != &span->ctl) return;
  bool holder = vs_tls_mcache == held[0].mcache;
  bool gives_up = holder && old == owned && new_value == full;
  bool reclaims = holder && old == full && new_value == owned;
  bool wakes = !holder && old == full && new_value == unswept;
  bool accepts = holder && old == unswept && new_value == owned;
  ORDERS_CHECK(gives_up || reclaims || wakes || accepts, "legal-transition");
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
      ORDERS_CHECK(++length <= 1, "in-one-place");
    }
  }
  return n;
}

static GHOST void final_check(void) {
  uint64_t ctl = span->ctl;
  uint32_t home = held[0].mcache->id, expected = 0;
  running = false;
  bool full = ctl == spanctl_resting_full(home);
  ORDERS_CHECK(full || ctl == spanctl_unswept(home) || ctl == spanctl_owned(home), "legal-end");
  ORDERS_CHECK(places(true) == (ctl == spanctl_unswept(home)), "in-one-place");
  ORDERS_CHECK(places(false) == (ctl == spanctl_owned(home)), "in-one-place");
  ORDERS_CHECK(!full || span->remote_bits[0] == 0, "lost-wake-up");
  use_mcache(0);
  for (uint32_t slot = 0; slot < SLOTS; slot++) expected += !live[slot];
  while (allocate() != NONE) expected--;
  ORDERS_CHECK(expected == 0, "freed-slot-lost");
}

/* --- the state before each execution --------------------------------------------------------------------------- */

static GHOST void put_span(void) {
  struct mcache *home = held[0].mcache;
  mspan_init(span, BASE, SPANCLASS, true);
  span->nelems = SLOTS;
  span->nkept = SLOTS;
  span->next = span->prev = NULL;
  span->alloc_bits[0] = VS_WORD_ONES;
  span->mark_bits[0] = bits_below(SLOTS);
  span->alloc_cache = 0;
  for (uint32_t i = 0; i < SLOTS; i++) {
    if (start.slot[i] == CACHED) {
      span->alloc_cache |= bits_one(i);
      span->mark_bits[0] &= ~bits_one(i);
    } else if (start.slot[i] == FREED) {
      span->mark_bits[0] &= ~bits_one(i);
      span->nkept--;
    } else if (start.slot[i] == REMOTE) {
      span->remote_bits[0] |= bits_one(i);
    }
  }
  if (start.place == ACTIVE) {
    home->alloc[SPANCLASS] = span;
  } else if (start.place == QUEUED) {
    home->partial[SPANCLASS] = (struct mcache_queue){span, span};
    home->nqueued = 1;
  } else if (start.place == INBOX) {
    home->inbox = span;
  }
  span->ctl = start.place == FULL    ? spanctl_resting_full(home->id)
              : start.place == INBOX ? spanctl_unswept(home->id)
                                     : spanctl_owned(home->id);
}

static GHOST void reset(void) {
  for (int i = 0; i < N_MCACHES; i++) {
    mcaches[i].alloc[SPANCLASS] = &vs_empty_span;
    mcaches[i].partial[SPANCLASS] = (struct mcache_queue){NULL, NULL};
    mcaches[i].nqueued = 0;
    mcaches[i].inbox = NULL;
  }
  put_span();
  mailbox = 0;
  for (uint32_t slot = 0; slot < SLOTS; slot++) {
    live[slot] = start.slot[slot] == LIVE;
    owners[slot] = live[slot] && start.given != slot;
  }
}

/* Checks mcaches out for both threads and enters the span in the arena: once. */
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

/* Says what is shared. The marks are quiet unless a block is handed over: only then could an old one be seen. */
static GHOST void declare(void) {
  orders_forget();
  orders_shared(&span->ctl);
  orders_shared(&span->remote_bits[0]);
  if (*start.script == 'H')
    orders_shared(&span->mark_bits[0]);
  else
    orders_quiet(&span->mark_bits[0]);
  orders_shared(&held[0].mcache->inbox);
  orders_shared(&mailbox);
  orders_plain(&span->alloc_cache, 8);
  orders_plain(&span->base, 8);
  orders_plain(&span->elem_size, 4);
  orders_plain(&span->div_mul, 4);
  orders_plain(&span->free_index, 4);
  orders_plain(&span->nkept, 4);
  orders_plain(&span->nelems, 2);
  orders_plain(&span->spanclass, 1);
  orders_plain(&span->needzero, 1);
  orders_plain(&span->alloc_bits[0], 8);
  orders_plain(&span->next, 8);
  orders_plain(&span->prev, 8);
  orders_plain(&held[0].mcache->alloc[SPANCLASS], 8);
  orders_plain(&held[0].mcache->partial[SPANCLASS], sizeof(struct mcache_queue));
  for (int i = 0; i < SLOTS; i++) orders_plain(&block[i], sizeof block[i]);
}

/* --- all starts ------------------------------------------------------------------------------------------------- */

static uint64_t starts, executions;

static void run_start(void) {
  static const struct orders_test test = {.n_threads = 2,
                                          .reset = reset,
                                          .thread = {owner_thread, freeing_thread},
                                          .final = final_check,
                                          .on_write = check_transition,
                                          .on_resume = use_mcache};
  static const char *const place_names[] = {"active", "queued", "full", "inbox"};
  declare();
  starts++;
  if (orders_explore(&test, &executions)) return;
  printf("start: span %s, slots %c%c, owner %s, freed by the other: %d\nFAILED %s\n", place_names[start.place],
         "CLFR"[start.slot[0]], "CLFR"[start.slot[1]], start.script, start.given == NONE ? -1 : (int)start.given,
         orders_failed());
  exit(1);
}

/* Whether the invariants allow this place with these slots. */
static bool possible(void) {
  int count[N_SLOT_STATES] = {0};
  for (int i = 0; i < SLOTS; i++) count[start.slot[i]]++;
  if (start.place == FULL) return count[LIVE] == SLOTS;
  if (start.place == INBOX) return count[CACHED] == 0 && count[FREED] == 0 && count[REMOTE] > 0;
  return true;
}

static void choose_rest(void) {
  for (start.given = 0; start.given <= NONE; start.given++) {
    if (start.given != NONE && start.slot[start.given] != LIVE) continue;
    for (int i = 0; i < N_SCRIPTS; i++) {
      start.script = scripts[i];
      /* Thread 1 has one block to free; else there would be nothing to do, or too much. */
      if ((start.given == NONE) == (*start.script == 'H')) run_start();
    }
  }
}

int main(void) {
  set_up();
  for (int place = 0; place < N_PLACES; place++) {
    for (int states = 0; states < N_SLOT_STATES * N_SLOT_STATES; states++) {
      start.place = (enum place)place;
      start.slot[0] = (enum slot_state)(states / N_SLOT_STATES);
      start.slot[1] = (enum slot_state)(states % N_SLOT_STATES);
      if (possible()) choose_rest();
    }
  }
  printf("reached end %llu\n", (unsigned long long)executions);
  printf("reached gives-up %llu\n", (unsigned long long)seen.full_given_up);
  printf("reached reclaims %llu\n", (unsigned long long)seen.reclaimed);
  printf("reached wakes %llu\n", (unsigned long long)seen.woken);
  printf("reached drains %llu\n", (unsigned long long)seen.drained);
  printf("reached allocates %llu\n", (unsigned long long)seen.allocated);
  printf("reached hands-over %llu\n", (unsigned long long)seen.handed_over);
  printf("OK starts=%llu executions=%llu\n", (unsigned long long)starts, (unsigned long long)executions);
  return 0;
}
