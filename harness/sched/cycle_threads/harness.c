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
#include "sched_spans.h"

enum { SLOTS = 2, SPANS = 3, N_MCACHES = 3 };
#define TOUCH(addr, size) sched_plain(addr, size, true)
#include "../../lower_layers.h"
#include "../../collected_heap.h"
#include "spare_spans.h"

/* --- the layers below ----------------------------------------------------------------------------------------- */

_Noreturn void os_fatal(const char *function, const char *what, uintptr_t addr) {
  (void)function;
  (void)addr;
  sched_fail("false-report: %s", what);
  abort();
}
static GHOST void make_fresh(struct mspan *s) {
  mspan_init(s, s->base, SPANCLASS, true);
  s->nelems = SLOTS;
  s->nkept = SLOTS;
  s->next = s->prev = NULL;
  s->alloc_bits[0] = VS_WORD_ONES;
  s->alloc_cache = bits_below(SLOTS);
}

static GHOST void check_write(void *ctx, const volatile void *addr, uint64_t old, uint64_t new_value) {
  (void)ctx;
  if (addr == &heap.tickets) check_tickets(new_value);
  for (int n = 0; n < SPANS; n++)
    if (addr == &spans[n].ctl) check_step(n, old, new_value);
}

/* --- the threads ------------------------------------------------------------------------------------------------ */

static void hold_mcache(int number) { vs_tls_further[NUMBER] = &mcaches[number]; }

static void thread(void *ctx) {
  (void)ctx;
  hold_mcache(sched_self());
  /* A allocates, S sweeps a span, M marks the first object held. */
  for (const char *step = start.script[sched_self()]; *step != 0; step++) {
    if (*step == 'A') (void)allocate();
    if (*step == 'S') (void)cycle_sweep_step(&heap);
    if (*step == 'M') mark_first();
  }
}

static void mark_all(void) {
  for (int n = 0; n < SPANS; n++)
    for (uint32_t slot = 0; slot < SLOTS; slot++)
      if (held[n][slot]) (void)cycle_mark(&heap, address_of(n, slot), NULL);
}

static void final_check(void *ctx) {
  (void)ctx;
  hold_mcache(0);
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
  enter_spans(spans, SPANS, SPANCLASS);
  for (int n = 0; n < SPANS; n++) {
    make_fresh(&spans[n]);
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
  struct sched_test test = {.reset = reset, .final = final_check, .on_write = check_write};
  while (test.n_threads < N_MCACHES && start.script[test.n_threads]) test.thread[test.n_threads++] = thread;
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
  static const char *const sweeping[][N_MCACHES] = {{"S", "S"}, {"A", "S"}, {"A", "A"}};
  static const char *const marking[][N_MCACHES] = {{"M", "M", "A"}, {"MA", "M"}, {"AA", "A"}};
  const char *const(*scripts)[N_MCACHES] = start.marking ? marking : sweeping;
  for (int i = 0; i < 3; i++) {
    /* Threads that find nothing and take a fresh span meet at the page heap only, after a long search. */
    if (!start.marking && i > 0 && all_held() && start.n_spans + i > 2) continue;
    for (int t = 0; t < N_MCACHES; t++) start.script[t] = scripts[i][t];
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
  sched_print_ok(&result, starts);
  return 0;
}
