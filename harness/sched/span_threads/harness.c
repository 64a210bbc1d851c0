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
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "mheap.h"
#include "os.h"
#include "ownership.h"
#include "scavenge.h"
#include "sched.h"

#ifndef SLOTS
#define SLOTS 3 /* of the span */
#endif
#ifndef FREERS
#define FREERS 2 /* threads besides the owner */
#endif
#ifndef FREES
#define FREES 1 /* blocks that each frees */
#endif

enum { SIZE_CLASS = 67, N_MCACHES = 1 + FREERS, NONE = SLOTS };
#define SPANCLASS (SIZE_CLASS * 2u + 1u)
#define BASE (VS_ARENA_SIZE + VS_PAGE_SIZE)

/* --- the start ------------------------------------------------------------------------------------ */

enum slot_state { CACHED, LIVE, FREED, REMOTE, N_SLOT_STATES };
enum place { ACTIVE, QUEUED, FULL, INBOX, N_PLACES };

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

static struct heap_arena arena;
static struct mspan *const span = &arena.span[1];
static struct mcache mcaches[N_MCACHES];

static struct {
  struct mcache *mcache;
  uint32_t tag;
} held[N_MCACHES]; /* what each thread's thread-local variables hold */

/* --- ghosts ----------------------------------------------------------------------------------------- */

static uint64_t block[SLOTS]; /* the user's memory */
static uint32_t live[SLOTS];  /* ordered by the accesses to the block itself */
static bool owners[SLOTS];    /* blocks that thread 0 may free */

/* Counters and the like, which no thread orders: not part of what is checked for races. */
#define GHOST __attribute__((no_sanitize_thread))

static bool excused;               /* from the report of a double free */
static int reports[N_MCACHES + 1]; /* of a double free, by each thread and by the final check */

static struct { uint64_t full_given_up, woken, reclaimed, drained, allocated, reported; } seen;

/* --- the layers below ------------------------------------------------------------------------------- */

struct mheap vs_heap;
static size_t metadata_used;

void *os_metadata(size_t size) {
  struct mcache *c = &mcaches[metadata_used++];
  return size == sizeof *c && metadata_used <= N_MCACHES ? c : NULL;
}
GHOST _Noreturn void os_fatal(const char *function, const char *what, uintptr_t addr) {
  (void)function;
  (void)addr;
  if (!start.double_free || strcmp(what, "double free") != 0) {
    sched_fail("false-report: %s", what);
  }
  reports[sched_self() < 0 ? N_MCACHES : sched_self()]++;
  seen.reported++;
  sched_stop();
}
struct mspan *mheap_alloc(uint32_t spanclass, uint64_t ctl, struct mheap_cache *cache) {
  (void)spanclass;
  (void)ctl;
  (void)cache;
  return NULL;
}
static _Noreturn void unexpected(const char *name) {
  sched_fail("unexpected: %s", name);
  abort();
}
void mheap_free(struct mspan *s) {
  (void)s;
  unexpected("mheap_free of the only span of its class");
}
void mheap_flush(struct mheap_cache *cache) {
  (void)cache;
  unexpected("mheap_flush");
}
uintptr_t mheap_alloc_large(size_t size, size_t align, bool *zeroed) {
  (void)size;
  (void)align;
  (void)zeroed;
  unexpected("mheap_alloc_large");
}
bool mheap_free_large(struct mspan *s) {
  (void)s;
  unexpected("mheap_free_large");
}
void scavenge_assist(void) {}
uint64_t scavenge_trim(void) {
  unexpected("scavenge_trim");
}
bool mheap_is_dirty(uintptr_t addr) {
  (void)addr;
  unexpected("mheap_is_dirty");
}
bool mheap_resize_large(struct mspan *s, uint64_t npages) {
  (void)s;
  (void)npages;
  unexpected("mheap_resize_large");
}
int pthread_mutex_lock(pthread_mutex_t *m) {
  sched_lock(m);
  return 0;
}
int pthread_mutex_unlock(pthread_mutex_t *m) {
  sched_unlock(m);
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

/* --- checks --------------------------------------------------------------------------------------------- */

static uint32_t slot_of(uintptr_t p) { return (uint32_t)((p - span->base) / span->elem_size); }
static uintptr_t address_of(uint32_t slot) {
  return span->base + (uintptr_t)slot * span->elem_size;
}

/* The table of transitions (spec/protocol.md) for a span whose home is thread 0's mcache. */
static GHOST void check_transition(void *ctx, const volatile void *addr, uint64_t old,
                                   uint64_t new_value) {
  (void)ctx;
  if (addr != &span->ctl) {
    return;
  }
  uint32_t home = held[0].mcache->id;
  uint64_t owned = spanctl_owned(home), full = spanctl_resting_full(home),
           unswept = spanctl_unswept(home);
  bool holder = sched_self() == 0;
  bool gives_up = holder && old == owned && new_value == full;
  bool reclaims = holder && old == full && new_value == owned;
  bool wakes = !holder && old == full && new_value == unswept;
  bool accepts = holder && old == unswept && new_value == owned;
  SCHED_CHECK(gives_up || reclaims || wakes || accepts, "legal-transition");
  seen.full_given_up += gives_up;
  seen.reclaimed += reclaims;
  seen.woken += wakes;
  seen.drained += accepts;
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
  heap_free(address_of(slot), "free");
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
  for (int i = 0; i < FREES; i++) {
    uint32_t slot = start.given[sched_self() - 1][i];
    if (slot != NONE) {
      give_back(slot);
    }
  }
}

/* In how many places the span stands: active, in a queue or in an inbox of any mcache. */
static int places(bool inbox) {
  int n = 0;
  for (int i = 0; i < N_MCACHES; i++) {
    const struct mspan *s = inbox ? mcaches[i].inbox : mcaches[i].partial[SPANCLASS].head;
    n += !inbox && mcaches[i].alloc[SPANCLASS] == span;
    for (int length = 0; s != NULL; s = s->next) {
      n += s == span;
      SCHED_CHECK(++length <= 1, "in-one-place");
    }
  }
  return n;
}

static void use_mcache(void *ctx, int thread) {
  (void)ctx;
  vs_tls_mcache = held[thread].mcache;
  vs_tls_tag = held[thread].tag;
}

static void final_check(void *ctx) {
  (void)ctx;
  uint64_t ctl = span->ctl;
  uint32_t home = held[0].mcache->id;
  int n_reports = 0;
  for (int i = 0; i < N_MCACHES; i++) {
    n_reports += reports[i];
  }
  if (excused) {
    return;
  }
  if (reports[0] == 0) { /* else thread 0 stands in the middle of a fold */
    bool full = ctl == spanctl_resting_full(home);
    SCHED_CHECK(full || ctl == spanctl_unswept(home) || ctl == spanctl_owned(home), "legal-end");
    SCHED_CHECK(places(true) == (ctl == spanctl_unswept(home)), "in-one-place");
    SCHED_CHECK(places(false) == (ctl == spanctl_owned(home)), "in-one-place");
    SCHED_CHECK(!full || span->remote_bits[0] == 0, "lost-wake-up");
  }
  use_mcache(NULL, 0);
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

static void put_span(void) {
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

static void reset(void *ctx) {
  (void)ctx;
  for (int i = 0; i < N_MCACHES; i++) {
    mcaches[i].alloc[SPANCLASS] = &vs_empty_span;
    mcaches[i].partial[SPANCLASS] = (struct mcache_queue){NULL, NULL};
    mcaches[i].nqueued = 0;
    mcaches[i].inbox = NULL;
  }
  put_span();
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

/* Checks mcaches out for all threads, and enters the span in the arena: once. */
static void set_up(void) {
  vs_arena_map[1] = &arena;
  arena_set_head(&arena, 0, VS_ARENA_PAGES, &vs_empty_span);
  for (int i = 0; i < N_MCACHES; i++) {
    struct mspan *s;
    uint32_t slot;
    vs_tls_mcache = &vs_empty_mcache;
    if (mcache_alloc_slow(&vs_default_heap, SPANCLASS, &s, &slot)) {
      unexpected("a slot from an empty heap");
    }
    held[i].mcache = vs_tls_mcache;
    held[i].tag = vs_tls_tag;
  }
  mspan_init(span, BASE, SPANCLASS, true);
  arena_set_head(&arena, 1, span->npages, span);
  sched_name(&span->ctl, sizeof span->ctl, "ctl");
  sched_name(span->remote_bits, sizeof span->remote_bits, "remote_bits");
  sched_name(span->mark_bits, sizeof span->mark_bits, "mark_bits");
  sched_name(&held[0].mcache->inbox, sizeof(void *), "inbox");
  sched_name(block, sizeof block, "block");
  sched_name(span, sizeof *span, "span");
}

/* --- all starts ---------------------------------------------------------------------------------------- */

static struct sched_result result;
static uint64_t starts;

static void print_start(void) {
  static const char *const place_names[] = {"active", "queued", "full", "inbox"};
  static const char slot_letters[] = "CLFR";
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
                            .on_resume = use_mcache,
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

/* Whether the invariants allow this place with these slots. */
static bool possible(void) {
  int count[N_SLOT_STATES] = {0};
  for (int i = 0; i < SLOTS; i++) {
    count[start.slot[i]]++;
  }
  if (start.place == FULL) {
    return count[LIVE] == SLOTS;
  }
  if (start.place == INBOX) {
    return count[CACHED] == 0 && count[FREED] == 0 && count[REMOTE] > 0;
  }
  return true;
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
    if (possible()) {
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
  set_up();
  for (int i = 0; i < 2 * N_PLACES; i++) {
    start.double_free = i >= N_PLACES;
    start.place = (enum place)(i % N_PLACES);
    choose_slots(0);
  }
  printf("reached end %llu\n", (unsigned long long)result.executions);
  printf("reached gives-up %llu\n", (unsigned long long)seen.full_given_up);
  printf("reached reclaims %llu\n", (unsigned long long)seen.reclaimed);
  printf("reached wakes %llu\n", (unsigned long long)seen.woken);
  printf("reached drains %llu\n", (unsigned long long)seen.drained);
  printf("reached allocates %llu\n", (unsigned long long)seen.allocated);
  printf("reached double-free-report %llu\n", (unsigned long long)seen.reported);
  printf("OK starts=%llu executions=%llu pruned=%llu steps=%llu longest=%u\n",
         (unsigned long long)starts, (unsigned long long)result.executions,
         (unsigned long long)result.pruned, (unsigned long long)result.steps, result.longest);
  return 0;
}
