/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads on one small span: the real code of alloc, mcache, mcentral, mspan and ownership under every
 * interleaving.
 *
 * Thread 0 holds the mcache that is the span's home: it allocates (and so refills, folds, sweeps, gives
 * the span up and takes it back) and frees blocks of its own. Threads 1 and 2 hold other mcaches and free
 * blocks that they were given. Only the layers below are replaced: the page heap has no second span to
 * give, os_fatal notes the report, a mutex is the scheduler's.
 *
 * Every start is run that the invariants allow: the span active, queued, at rest and full, or in the
 * inbox; each slot cached, live, freed, or freed by another thread and not yet folded in.
 *
 * Blocks are a ghost: an array of plain words that a thread writes when it gets a block and before it
 * frees it. So a slot that is handed out without the free before it in C11's happens-before is a data
 * race here, as it would be in the user's memory.
 */
#include <stdio.h>
#include <string.h>

#include "sched_spans.h"

#ifndef SLOTS
#define SLOTS 3 /* of the span */
#endif
#ifndef FREERS
#define FREERS 2 /* threads besides the owner */
#endif
#ifndef FREES
#define FREES 1 /* blocks that each frees */
#endif

enum { N_MCACHES = 1 + FREERS };

#include "../../one_span.h"

/* --- the start ------------------------------------------------------------------------------------ */

/* What the owner does, a letter a step: A allocates, F frees its lowest block, and M ends in a refill:
 * it allocates until there is nothing left. */
static const char *const scripts[] = {"AA", "F", "FA"};
enum { N_SCRIPTS = sizeof scripts / sizeof scripts[0] };

static struct {
  enum place place;
  enum slot_state slot[SLOTS];
  uint32_t given[FREERS][FREES]; /* the slots that the other threads free, or NONE */
  const char *script;
  bool double_free; /* threads 1 and 2 free the same block */
} start;

/* --- ghosts ----------------------------------------------------------------------------------------- */

static uint64_t block[SLOTS]; /* the user's memory */
static uint32_t live[SLOTS];  /* ordered by the accesses to the block itself */
static bool owners[SLOTS];    /* blocks that thread 0 may free */

static bool excused;               /* from the report of a double free */
static int reports[N_MCACHES + 1]; /* of a double free, by each thread and by the final check */

static uint64_t double_free_reports;

/* --- the layers below ------------------------------------------------------------------------------- */

GHOST _Noreturn void os_fatal(const char *function, const char *what, uintptr_t addr) {
  (void)function;
  (void)addr;
  if (!start.double_free || strcmp(what, "double free") != 0) {
    sched_fail("false-report: %s", what);
  }
  reports[sched_self() < 0 ? N_MCACHES : sched_self()]++;
  double_free_reports++;
  sched_stop();
}

/* --- checks --------------------------------------------------------------------------------------------- */

static GHOST void check_transition(void *ctx, const volatile void *addr, uint64_t old, uint64_t new_value) {
  (void)ctx;
  if (addr == &span->ctl) check_step(sched_self() == 0, old, new_value);
}

static GHOST void got(uint32_t slot) {
  SCHED_CHECK(slot < SLOTS, "slot-in-range");
  sched_plain(&block[slot], sizeof block[slot], true);
  SCHED_CHECK(live[slot] == 0, "handed-out-once");
  live[slot] = 1;
  seen.allocated++;
}

static void give_back(uint32_t slot) {
  if (!start.double_free) { /* else two threads do this at once */
    sched_plain(&block[slot], sizeof block[slot], true);
  }
  live[slot] = 0;
  heap_free(address_of(span, slot), "free");
}

static bool allocate(void) {
  uintptr_t p = heap_alloc_class(SIZE_CLASS);
  if (p == 0) {
    return false;
  }
  if (start.double_free && slot_of(p) == start.given[0][0]) {
    /* Somebody's block again before the second free, which is then that block's: nothing could tell. */
    excused = true;
    sched_stop();
  }
  got(slot_of(p));
  owners[slot_of(p)] = true;
  return true;
}

static void owner_thread(void *ctx) {
  (void)ctx;
  hold_mcache(home);
  for (const char *step = start.script; *step != 0; step++) {
    if (*step == 'A') {
      (void)allocate();
    }
    while (*step == 'M' && allocate()) {
    }
    for (uint32_t slot = 0; *step == 'F' && slot < SLOTS; slot++) {
      if (owners[slot]) {
        owners[slot] = false;
        give_back(slot);
        break;
      }
    }
  }
}

static void freeing_thread(void *ctx) {
  (void)ctx;
  hold_mcache(&mcaches[sched_self()]);
  for (int i = 0; i < FREES; i++) {
    uint32_t slot = start.given[sched_self() - 1][i];
    if (slot != NONE) {
      give_back(slot);
    }
  }
}

static void final_check(void *ctx) {
  (void)ctx;
  int n_reports = 0;
  for (int i = 0; i < N_MCACHES; i++) {
    n_reports += reports[i];
  }
  if (excused) {
    return;
  }
  if (reports[0] == 0) check_end(); /* else thread 0 stands in the middle of a fold */
  hold_mcache(home);
  if (!start.double_free) {
    uint32_t expected = 0;
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
      expected += live[slot] == 0;
    }
    while (allocate()) {
      expected--;
    }
    SCHED_CHECK(expected == 0, "freed-slot-lost");
  } else {
    SCHED_CHECK(n_reports <= 1, "double-free-once");
    if (n_reports == 0) {
      mspan_fold_or_die(span); /* stops in os_fatal */
      sched_fail("double-free-caught");
    }
  }
}

/* --- the state before each execution -------------------------------------------------------------------- */

static void reset(void *ctx) {
  (void)ctx;
  put_span(start.place, start.slot);
  excused = false;
  memset(reports, 0, sizeof reports);
  for (uint32_t slot = 0; slot < SLOTS; slot++) {
    owners[slot] = start.slot[slot] == LIVE;
    live[slot] = start.slot[slot] == LIVE;
    for (int t = 0; t < FREERS; t++) {
      for (int i = 0; i < FREES; i++) {
        owners[slot] = owners[slot] && start.given[t][i] != slot;
      }
    }
  }
}

static void name_words(void) {
  sched_name(&span->ctl, sizeof span->ctl, "ctl");
  sched_name(span->remote_bits, sizeof span->remote_bits, "remote_bits");
  sched_name(span->mark_bits, sizeof span->mark_bits, "mark_bits");
  sched_name(&home->inbox, sizeof(void *), "inbox");
  sched_name(block, sizeof block, "block");
  sched_name(span, sizeof *span, "span");
}

/* --- all starts ---------------------------------------------------------------------------------------- */

static struct sched_result result;
static uint64_t starts;

static void print_start(void) {
  printf("start: span %s, slots ", place_names[start.place]);
  for (int i = 0; i < SLOTS; i++) {
    putchar(slot_letters[start.slot[i]]);
  }
  printf(", owner %s%s, freed by others:", start.script, start.double_free ? " (double free)" : "");
  for (int t = 0; t < FREERS; t++) {
    for (int i = 0; i < FREES; i++) {
      printf(" %d", start.given[t][i] == NONE ? -1 : (int)start.given[t][i]);
    }
  }
  printf("\n");
}

static void run_start(void) {
  struct sched_test test = {.n_threads = N_MCACHES,
                            .reset = reset,
                            .thread = {owner_thread},
                            .final = final_check,
                            .on_write = check_transition,
                            /* who reports a double free reads the span without owning it */
                            .ignore_plain = start.double_free};
  for (int t = 1; t < N_MCACHES; t++) {
    test.thread[t] = freeing_thread;
  }
  starts++;
  if (!sched_explore(&test, &result, true)) {
    print_start();
    printf("FAILED %s\n", result.message);
    exit(1);
  }
}

/* All choices of blocks for the other threads to free, of those that are live, from the n-th one on. The
 * threads are alike, so that ascending choices are enough. */
static void choose_given(int n) {
  if (n == FREERS * FREES) {
    for (int i = 0; i < N_SCRIPTS; i++) {
      start.script = scripts[i];
      run_start();
    }
    return;
  }
  uint32_t *chosen = &start.given[n / FREES][n % FREES];
  for (uint32_t slot = 0; slot <= NONE; slot++) {
    bool free_to_choose = slot == NONE || start.slot[slot] == LIVE;
    for (int m = 0; m < n && slot != NONE; m++) {
      free_to_choose = free_to_choose && start.given[m / FREES][m % FREES] < slot;
    }
    if (free_to_choose) {
      *chosen = slot;
      choose_given(n + 1);
    }
  }
  *chosen = NONE;
}

/* Threads 1 and 2 free the same block. */
static void choose_double_free(void) {
  for (uint32_t slot = 0; slot < SLOTS && FREERS > 1; slot++) {
    if (start.slot[slot] == LIVE) {
      start.given[0][0] = start.given[FREERS - 1][0] = slot;
      for (int i = 0; i < N_SCRIPTS; i++) {
        start.script = scripts[i];
        run_start();
      }
    }
  }
}

static void choose_slots(int n) {
  if (n == SLOTS) {
    if (start_possible(start.place, start.slot)) {
      for (int i = 0; i < FREERS * FREES; i++) {
        start.given[i / FREES][i % FREES] = NONE;
      }
      if (start.double_free) {
        choose_double_free();
      } else {
        choose_given(0);
      }
    }
    return;
  }
  for (int state = 0; state < N_SLOT_STATES; state++) {
    /* Which slot is in which state matters little: only orders in which the states ascend. */
    if (n == 0 || (int)start.slot[n - 1] <= state) {
      start.slot[n] = (enum slot_state)state;
      choose_slots(n + 1);
    }
  }
}

int main(void) {
  set_up(N_MCACHES);
  name_words();
  for (int i = 0; i < 2 * N_PLACES; i++) {
    start.double_free = i >= N_PLACES;
    start.place = (enum place)(i % N_PLACES);
    choose_slots(0);
  }
  print_seen(result.executions);
  printf("reached double-free-report %llu\n", (unsigned long long)double_free_reports);
  sched_print_ok(&result, starts);
  return 0;
}
