/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads on a collected heap: the real code of cycle, mcache, mcentral, mspan, ownership and sweep under every
 * interleaving, in the two phases of a cycle.
 *
 *   sweeping  after a turn, threads sweep and allocate: two sweepers for one span, sweepers against an allocator, and who
 *             is last and says that the sweep is finished
 *   marking   between begin and end of marking, threads mark (two of them the same object) and allocate
 *
 * What the embedder does while the others are stopped, beginning and end of marking, runs before and after the threads.
 * After them another whole cycle is run, in which the objects that the program still holds are marked: they survive, and
 * every other slot is there to be handed out, once.
 *
 * Every start is run of one or two spans of one class at rest: each slot free, dead (not reached in the cycle), or held. Only
 * the layers below are replaced: the page heap has one more span to give, os_fatal is a failure, a mutex is the
 * scheduler's. The heap's sweepgen wraps at the turn.
 */
#include "sched.h"
#include "sched_pthread.h"

enum { SLOTS = 2, SPANS = 3, MAX_THREADS = 3 };

/* Counters and the like, which no thread orders: not part of what is checked for races. */
#define GHOST __attribute__((no_sanitize_thread))
#define CHECK SCHED_CHECK
#define TOUCH(addr, size) sched_plain(addr, size, true)
#include "../../collected_heap.h"

/* --- the layers below ----------------------------------------------------------------------------------------- */

struct mheap vs_heap;
static struct mspan *spare[SPANS]; /* what the page heap has to give */
static int n_spare;
static uint64_t spare_lock __attribute__((aligned(64)));

void *os_metadata(size_t size) { return mcache_memory(size); }
_Noreturn void os_fatal(const char *function, const char *what, uintptr_t addr) {
  (void)function;
  (void)addr;
  sched_fail("false-report: %s", what);
  abort();
}
static _Noreturn void unexpected(void) {
  sched_fail("page-heap-called");
  abort();
}
static GHOST void fresh_span(struct mspan *s) {
  mspan_init(s, s->base, SPANCLASS, true);
  s->nelems = SLOTS;
  s->nkept = SLOTS;
  s->next = s->prev = NULL;
  s->alloc_bits[0] = VS_WORD_ONES;
  s->alloc_cache = bits_below(SLOTS);
}
struct mspan *mheap_alloc(uint32_t spanclass, uint64_t ctl, struct mheap_cache *cache) {
  (void)spanclass;
  (void)cache;
  sched_lock(&spare_lock);
  struct mspan *s = n_spare > 0 ? spare[--n_spare] : NULL;
  sched_unlock(&spare_lock);
  if (!s) return NULL;
  fresh_span(s);
  ownership_begin(s, ctl);
  return s;
}
void mheap_free(struct mspan *s) {
  ownership_end(s);
  sched_lock(&spare_lock);
  spare[n_spare++] = s;
  sched_unlock(&spare_lock);
}
void mheap_flush(struct mheap_cache *cache) { (void)cache; }
uintptr_t mheap_alloc_large(size_t size, size_t align, bool *zeroed) {
  (void)size;
  (void)align;
  (void)zeroed;
  unexpected();
}
static int places_below(const struct mspan *s) {
  int found = 0;
  for (int i = 0; i < n_spare; i++) found += spare[i] == s;
  return found;
}
void scavenge_assist(void) {}
uint64_t scavenge_trim(void) { unexpected(); }

static GHOST void check_write(void *ctx, const volatile void *addr, uint64_t old, uint64_t new_value) {
  (void)ctx;
  if (addr == &heap.tickets) check_tickets(new_value);
  for (int n = 0; n < SPANS; n++)
    if (addr == &spans[n].ctl) check_step(n, old, new_value);
}

/* --- the threads ------------------------------------------------------------------------------------------------ */

static void thread(void *ctx) {
  (void)ctx;
  /* A allocates, S sweeps a span, M marks the first object held. */
  for (const char *step = start.script[sched_self()]; *step != 0; step++) {
    if (*step == 'A') (void)allocate();
    if (*step == 'S') (void)cycle_sweep_step(&heap);
    if (*step == 'M') mark_first();
  }
}

static void use_mcache(void *ctx, int number) {
  (void)ctx;
  vs_tls_further[NUMBER] = &mcaches[number];
}

static void mark_all(void) {
  for (int n = 0; n < SPANS; n++)
    for (uint32_t slot = 0; slot < SLOTS; slot++)
      if (held[n][slot]) (void)cycle_mark(&heap, address_of(n, slot), NULL);
}

static void final_check(void *ctx) {
  (void)ctx;
  use_mcache(NULL, 0);
  if (start.marking) end_marking();
  check_places();
  check_swept();
  /* A cycle without other threads, with an object born while it marks: only what is held survives, and every other slot
   * can be had. */
  cycle_begin_mark(&heap);
  check_places();
  mark_all();
  (void)allocate();
  turn();
  check_places();
  check_swept();
  uint32_t n_held = 0, got = 0;
  for (int n = 0; n < SPANS; n++)
    for (uint32_t slot = 0; slot < SLOTS; slot++) n_held += held[n][slot];
  while (allocate()) got++;
  SCHED_CHECK(n_held + got == SPANS * SLOTS, "slot-lost");
}

/* --- the state before each execution ------------------------------------------------------------------------------ */

static void reset(void *ctx) {
  (void)ctx;
  n_spare = 0;
  for (int n = start.n_spans; n < SPANS; n++) {
    spans[n].ctl = 0;
    spare[n_spare++] = &spans[n];
  }
  put_heap();
  put_phase();
}

/* Enters the spans in the arena: once. */
static void set_up(void) {
  vs_arena_map[1] = &arena;
  arena_set_head(&arena, 0, VS_ARENA_PAGES, &vs_empty_span);
  for (int n = 0; n < SPANS; n++) {
    uint32_t npages = vs_class_pages[SIZE_CLASS];
    spans[n].base = VS_ARENA_SIZE + (1 + (uintptr_t)n * npages) * VS_PAGE_SIZE;
    spans[n].npages = npages;
    arena_set_head(&arena, 1 + (uint32_t)n * npages, npages, &spans[n]);
    fresh_span(&spans[n]);
    sched_name(&spans[n].ctl, sizeof spans[n].ctl, "ctl");
    sched_name(spans[n].remote_bits, sizeof spans[n].remote_bits, "remote_bits");
    sched_name(spans[n].mark_bits, sizeof spans[n].mark_bits, "mark_bits");
  }
  set_up_heap();
  sched_name(&heap.tickets, sizeof heap.tickets, "tickets");
  sched_name(&heap.sweep_cursor, sizeof heap.sweep_cursor, "sweep_cursor");
  sched_name(block, sizeof block, "block");
}

/* --- all starts ----------------------------------------------------------------------------------------------------- */

static struct sched_result result;
static uint64_t starts;

static void run_start(void) {
  struct sched_test test = {.reset = reset, .final = final_check, .on_write = check_write, .on_resume = use_mcache};
  while (test.n_threads < MAX_THREADS && start.script[test.n_threads]) test.thread[test.n_threads++] = thread;
  starts++;
  if (sched_explore(&test, &result, true)) return;
  print_start();
  printf("FAILED %s\n", result.message);
  exit(1);
}

static bool all_held(void) {
  bool all = true;
  for (int n = 0; n < start.n_spans; n++) all = all && start.slot[n][0] == HELD;
  return all;
}

static void run_scripts(void) {
  static const char *const sweeping[][MAX_THREADS] = {{"S", "S"}, {"A", "S"}, {"A", "A"}};
  static const char *const marking[][MAX_THREADS] = {{"M", "M", "A"}, {"MA", "M"}, {"AA", "A"}};
  const char *const(*scripts)[MAX_THREADS] = start.marking ? marking : sweeping;
  for (int i = 0; i < 3; i++) {
    /* Threads that find nothing and take a fresh span meet at the page heap only, after a long search. */
    if (!start.marking && i > 0 && all_held() && start.n_spans + i > 2) continue;
    for (int t = 0; t < MAX_THREADS; t++) start.script[t] = scripts[i][t];
    run_start();
  }
}

/* A number that orders the states of a span. */
static int order_of(const enum slot_state *slot) { return (int)slot[0] * N_SLOT_STATES + (int)slot[SLOTS - 1]; }

/* Which slot of a span, and which span, is in which state matters little: only orders in which the states ascend. */
static void choose_slots(int n, int i) {
  if (n == start.n_spans) {
    if (n == 1 || order_of(start.slot[0]) <= order_of(start.slot[1])) run_scripts();
    return;
  }
  for (int state = 0; state < N_SLOT_STATES; state++) {
    bool ascends = i == 0 || (int)start.slot[n][i - 1] <= state;
    start.slot[n][i] = (enum slot_state)state;
    if (ascends) choose_slots(i + 1 == SLOTS ? n + 1 : n, (i + 1) % SLOTS);
  }
}

int main(void) {
  set_up();
  for (int i = 0; i < 4; i++) {
    start.marking = i % 2 != 0;
    start.n_spans = 1 + i / 2;
    choose_slots(0, 0);
  }
  print_seen(result.executions);
  printf("OK starts=%llu executions=%llu pruned=%llu steps=%llu longest=%u\n", (unsigned long long)starts,
         (unsigned long long)result.executions, (unsigned long long)result.pruned, (unsigned long long)result.steps,
         result.longest);
  return 0;
}
