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
#include <stdio.h>
#include <stdlib.h>

#include "orders.h"

enum { SLOTS = 2, N_MCACHES = 2 };
#define GHOST __attribute__((no_sanitize_thread))
#define CHECK ORDERS_CHECK
static _Noreturn void unexpected(const char *property) {
  orders_fail(property);
  abort();
}
#include "../../one_span.h"

/* --- the start ------------------------------------------------------------------------------------------ */

/* What thread 0 does, a letter a step: A allocates, H allocates and hands over, F frees its lowest block. */
static const char *const scripts[] = {"A", "AA", "F", "FA", "H"};
enum { N_SCRIPTS = sizeof scripts / sizeof scripts[0] };

static struct {
  enum place place;
  enum slot_state slot[SLOTS];
  uint32_t given; /* the slot that thread 1 frees, or NONE */
  const char *script;
} start;

static uint64_t mailbox;

static uint64_t block[SLOTS]; /* the user's memory */
static bool live[SLOTS];      /* ghosts: who has which block */
static bool owners[SLOTS];
static uint64_t handed_over;

/* --- the layers below ------------------------------------------------------------------------------------- */

GHOST _Noreturn void os_fatal(const char *function, const char *what, uintptr_t addr) {
  (void)function;
  (void)what;
  (void)addr;
  unexpected("false-report");
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
/* --- the threads ---------------------------------------------------------------------------------------------- */

static GHOST void give_back(uint32_t slot) {
  orders_touch(&block[slot], sizeof block[slot], true);
  live[slot] = false;
  heap_free(address_of(span, slot), "free");
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
    handed_over++;
  }
}

/* --- checks --------------------------------------------------------------------------------------------------- */

static GHOST void check_transition(const void *addr, uint64_t old, uint64_t new_value) {
  if (addr == &span->ctl) check_step(vs_tls_mcache == home, old, new_value);
}

static GHOST void final_check(void) {
  uint32_t expected = 0;
  running = false;
  check_end();
  hold_mcache(home);
  for (uint32_t slot = 0; slot < SLOTS; slot++) expected += !live[slot];
  while (allocate() != NONE) expected--;
  ORDERS_CHECK(expected == 0, "freed-slot-lost");
}

static GHOST void use_mcache(int thread) { hold_mcache(&mcaches[thread]); }

/* --- the state before each execution --------------------------------------------------------------------------- */

static GHOST void reset(void) {
  put_span(start.place, start.slot);
  mailbox = 0;
  for (uint32_t slot = 0; slot < SLOTS; slot++) {
    live[slot] = start.slot[slot] == LIVE;
    owners[slot] = live[slot] && start.given != slot;
  }
}

/* Says what is shared. The marks are quiet unless a block is handed over: only then could an old one be seen. */
static GHOST void declare(void) {
  orders_forget();
  orders_shared(&span->ctl);
  orders_shared(&span->remote_bits[0]);
  if (*start.script == 'H')
    orders_shared(&span->mark_bits[0]);
  else
    orders_quiet(&span->mark_bits[0], 8);
  orders_shared(&home->inbox);
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
  orders_plain(&home->alloc[SPANCLASS], 8);
  orders_plain(&home->partial[SPANCLASS], sizeof(struct mcache_queue));
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
  declare();
  starts++;
  if (orders_explore(&test, &executions)) return;
  printf("start: span %s, slots %c%c, owner %s, freed by the other: %d\nFAILED %s\n", place_names[start.place],
         slot_letters[start.slot[0]], slot_letters[start.slot[1]], start.script,
         start.given == NONE ? -1 : (int)start.given, orders_failed());
  exit(1);
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
  set_up(N_MCACHES);
  for (int place = 0; place < N_PLACES; place++) {
    for (int states = 0; states < N_SLOT_STATES * N_SLOT_STATES; states++) {
      start.place = (enum place)place;
      start.slot[0] = (enum slot_state)(states / N_SLOT_STATES);
      start.slot[1] = (enum slot_state)(states % N_SLOT_STATES);
      if (start_possible(start.place, start.slot)) choose_rest();
    }
  }
  print_seen(executions);
  printf("reached hands-over %llu\n", (unsigned long long)handed_over);
  printf("OK starts=%llu executions=%llu\n", (unsigned long long)starts, (unsigned long long)executions);
  return 0;
}
