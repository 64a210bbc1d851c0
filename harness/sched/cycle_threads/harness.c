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
 *
 * Blocks are plain words that a thread writes when it gets one: see span_threads.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cycle.h"
#include "sched_spans.h"
#include "sweep.h"

enum { SIZE_CLASS = 67, SPANCLASS = SIZE_CLASS * 2, SLOTS = 2, SPANS = 3, MAX_THREADS = 3, N_MCACHES = MAX_THREADS };
#include "../../lower_layers.h"

static void make_fresh(struct mspan *s);
#include "spare_spans.h"

#define NUMBER 1u
#define LAST_SWEEPGEN 0xfffffffeu

/* --- the start ------------------------------------------------------------------------------------------------ */

enum slot_state { FREE, DEAD, HELD, N_SLOT_STATES };

static struct {
  int n_spans; /* at rest; the page heap has the others */
  enum slot_state slot[SPANS][SLOTS];
  bool marking;
  const char *script[MAX_THREADS]; /* a letter a step: A allocates, S sweeps a span, M marks the first object held */
} start;

static struct mspan *const spans = &arena.span[1];
static struct vs_heap heap;

/* --- ghosts --------------------------------------------------------------------------------------------------- */

static uint64_t block[SPANS][SLOTS]; /* the program's memory */
static bool held[SPANS][SLOTS];      /* objects that it still uses */
static bool marked[SPANS][SLOTS];    /* a marker was told that it came first */
static int sweeps[SPANS];            /* since the turn */
static bool finished;
static struct { uint64_t swept, kept, freed, rested, activated, fresh, marked, drained; } seen;

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

/* --- the table ------------------------------------------------------------------------------------------------- */

static GHOST uint64_t word(uint32_t d, bool full) { return spanctl_at(heap.sweepgen, d, heap.owner, full); }
static GHOST bool is_at(uint64_t ctl, uint32_t d) { return ctl == word(d, false) || ctl == word(d, true); }
static GHOST bool is_swept(uint64_t ctl) {
  return ctl == 0 || is_at(ctl, VS_D_SWEPT) || ctl == word(VS_D_OWNED, false);
}

/* The table of spec/protocol.md, T0 to T6 without the turn. */
static GHOST void check_step(int n, uint64_t old, uint64_t new_value) {
  uint64_t active = word(VS_D_OWNED, false), sweeping = word(VS_D_SWEEPING, false);
  bool begins = old == 0 && new_value == active;
  bool takes = old == word(VS_D_SWEPT, false) && new_value == active;
  bool sweeps_it = is_at(old, VS_D_UNSWEPT) && new_value == sweeping;
  bool keeps = old == sweeping && new_value == active;
  bool ends = old == sweeping && new_value == 0;
  bool rests = (old == active || old == sweeping) && is_at(new_value, VS_D_SWEPT);
  SCHED_CHECK(begins || takes || sweeps_it || keeps || ends || rests, "legal-transition");
  sweeps[n] += sweeps_it;
  SCHED_CHECK(sweeps[n] <= 1, "swept-once");
  seen.fresh += begins;
  seen.swept += sweeps_it;
  seen.kept += keeps;
  seen.freed += ends;
  seen.rested += rests;
  seen.activated += takes;
}

/* Once every span is swept and no ticket is out, no ticket is taken before the turn. */
static GHOST void check_tickets(uint64_t new_value) {
  SCHED_CHECK(!finished, "flaps");
  finished = new_value == VS_SWEEP_DRAINED;
  seen.drained += finished;
  for (int n = 0; n < SPANS && finished; n++) SCHED_CHECK(is_swept(spans[n].ctl), "finished-too-early");
}

static GHOST void check_write(void *ctx, const volatile void *addr, uint64_t old, uint64_t new_value) {
  (void)ctx;
  if (addr == &heap.tickets) check_tickets(new_value);
  for (int n = 0; n < SPANS; n++)
    if (addr == &spans[n].ctl) check_step(n, old, new_value);
}

/* --- the threads ------------------------------------------------------------------------------------------------ */

static uintptr_t address_of(int n, uint32_t slot) { return spans[n].base + (uintptr_t)slot * spans[n].elem_size; }

/* A block for the program, which holds on to it. Whether there was one. */
static bool allocate(void) {
  struct mspan *active = cycle_active(&heap, SPANCLASS);
  bool zeroed;
  uintptr_t p = active->alloc_cache != 0 ? mspan_slot(active, mspan_take(active))
                                         : cycle_alloc_slow(&heap, vs_class_size[SIZE_CLASS], false, &zeroed);
  if (p == 0) return false;
  int n = (int)((p - spans[0].base) / ((uintptr_t)spans[0].npages * VS_PAGE_SIZE));
  uint32_t slot = (uint32_t)((p - spans[n].base) / spans[n].elem_size);
  SCHED_CHECK(slot < SLOTS, "slot-in-range");
  sched_plain(&block[n][slot], sizeof block[n][slot], true);
  SCHED_CHECK(!held[n][slot], "handed-out-once");
  held[n][slot] = true;
  return true;
}

/* Marks the first object that was held at the start, by an address inside it. */
static GHOST void mark_first(void) {
  for (int n = 0; n < start.n_spans; n++) {
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
      if (start.slot[n][slot] != HELD) continue;
      if (cycle_mark(&heap, address_of(n, slot) + 5, NULL)) {
        SCHED_CHECK(!marked[n][slot], "first-twice");
        marked[n][slot] = true;
        seen.marked++;
      }
      return;
    }
  }
}

static void hold_mcache(int number) { vs_tls_further[NUMBER] = &mcaches[number]; }

static void thread(void *ctx) {
  (void)ctx;
  hold_mcache(sched_self());
  for (const char *step = start.script[sched_self()]; *step != 0; step++) {
    if (*step == 'A') (void)allocate();
    if (*step == 'S') (void)cycle_sweep_step(&heap);
    if (*step == 'M') mark_first();
  }
}

/* --- the embedder, and the end ----------------------------------------------------------------------------------- */

/* In how many places a span is. */
static int places(const struct mspan *s) {
  int found = times_spare(s);
  for (int t = 0; t < MAX_THREADS; t++) found += mcaches[t].alloc[SPANCLASS] == s;
  for (int parity = 0; parity < 2; parity++) {
    for (const struct mspan *p = heap.central[SPANCLASS].partial[parity]; p; p = p->next) found += p == s;
    for (const struct mspan *p = heap.central[SPANCLASS].full[parity]; p; p = p->next) found += p == s;
  }
  return found;
}

static bool in_set(const struct mspan *set, const struct mspan *s) {
  for (; set; set = set->next)
    if (set == s) return true;
  return false;
}

/* Each span is in one place, the one that its word names. */
static void check_places(void) {
  const struct mcentral *c = &heap.central[SPANCLASS];
  uint32_t swept = heap.sweepgen / 2 % 2;
  for (int n = 0; n < SPANS; n++) {
    const struct mspan *s = &spans[n];
    SCHED_CHECK(places(s) == 1, "in-one-place");
    bool active = false;
    for (int t = 0; t < MAX_THREADS; t++) active = active || mcaches[t].alloc[SPANCLASS] == s;
    SCHED_CHECK(active == (s->ctl == word(VS_D_OWNED, false)), "word-names-place");
    SCHED_CHECK(in_set(c->partial[swept], s) == (s->ctl == word(VS_D_SWEPT, false)), "word-names-place");
    SCHED_CHECK(in_set(c->full[swept], s) == (s->ctl == word(VS_D_SWEPT, true)), "word-names-place");
    SCHED_CHECK(in_set(c->partial[1 - swept], s) == (s->ctl == word(VS_D_UNSWEPT, false)), "word-names-place");
    SCHED_CHECK(in_set(c->full[1 - swept], s) == (s->ctl == word(VS_D_UNSWEPT, true)), "word-names-place");
  }
}

static void turn(void) {
  cycle_end_mark(&heap, 0);
  heap.sweep_cursor = 2 * SPANCLASS; /* the sets of other classes are empty: they only make the search long */
  finished = false;
  for (int n = 0; n < SPANS; n++) sweeps[n] = 0;
}

static void mark_all(void) {
  for (int n = 0; n < SPANS; n++)
    for (uint32_t slot = 0; slot < SLOTS; slot++)
      if (held[n][slot]) (void)cycle_mark(&heap, address_of(n, slot), NULL);
}

/* Marking ends, with every object marked that was held when it began; what was born later is not looked for. */
static void end_marking(void) {
  for (int n = 0; n < start.n_spans; n++)
    for (uint32_t slot = 0; slot < SLOTS; slot++)
      if (start.slot[n][slot] == HELD) (void)cycle_mark(&heap, address_of(n, slot), NULL);
  turn();
}

/* Sweeps to the end: what the program holds is live. */
static void check_swept(void) {
  cycle_finish_sweep(&heap);
  check_places();
  for (int n = 0; n < SPANS; n++) {
    SCHED_CHECK(is_swept(spans[n].ctl), "finished-too-early");
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
      bool live = spans[n].ctl != 0 && bits_test(spans[n].mark_bits[0], slot);
      SCHED_CHECK(live || !held[n][slot], "object-lost");
    }
  }
  SCHED_CHECK(sweep_done(&heap.tickets), "ticket-lost");
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

/* A span at rest, its free slots in the cached word. */
static void put_span(int n) {
  struct mspan *s = &spans[n];
  struct mcentral *c = &heap.central[SPANCLASS];
  make_fresh(s);
  for (uint32_t i = 0; i < SLOTS; i++) {
    if (start.slot[n][i] == FREE) continue;
    s->alloc_cache &= ~bits_one(i);
    s->mark_bits[0] |= bits_one(i);
    if (start.slot[n][i] == HELD && !start.marking) s->remote_bits[0] |= bits_one(i);
  }
  bool full = s->alloc_cache == 0;
  struct mspan **set = full ? &c->full[heap.sweepgen / 2 % 2] : &c->partial[heap.sweepgen / 2 % 2];
  s->ctl = word(VS_D_SWEPT, full);
  s->next = *set;
  if (s->next) s->next->prev = s;
  *set = s;
}

static void reset(void *ctx) {
  (void)ctx;
  struct mcentral *c = &heap.central[SPANCLASS];
  heap.marking = false;
  heap.sweepgen = LAST_SWEEPGEN;
  heap.tickets = VS_SWEEP_DRAINED;
  heap.pages = SPANS * spans[0].npages;
  c->partial[0] = c->partial[1] = c->full[0] = c->full[1] = NULL;
  for (int t = 0; t < MAX_THREADS; t++) mcaches[t].alloc[SPANCLASS] = &vs_empty_span;
  n_spare = 0;
  for (int n = 0; n < SPANS; n++) {
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
      held[n][slot] = n < start.n_spans && start.slot[n][slot] == HELD;
      marked[n][slot] = false;
    }
    if (n < start.n_spans) {
      put_span(n);
    } else {
      spans[n].ctl = 0;
      spare[n_spare++] = &spans[n];
    }
  }
  if (start.marking)
    cycle_begin_mark(&heap);
  else
    turn();
  heap.sweep_cursor = 2 * SPANCLASS;
}

/* Checks mcaches out for all threads, and enters the spans in the arena: once. */
static void set_up(void) {
  heap.number = NUMBER;
  heap.owner = VS_OWNER_HEAP + NUMBER;
  heap.collected = true;
  heap.low = 0;
  heap.high = UINT64_MAX;
  vs_heaps[NUMBER] = &heap;
  enter_spans(spans, SPANS, SPANCLASS);
  for (int n = 0; n < SPANS; n++) {
    make_fresh(&spans[n]);
    sched_name(&spans[n].ctl, sizeof spans[n].ctl, "ctl");
    sched_name(spans[n].remote_bits, sizeof spans[n].remote_bits, "remote_bits");
    sched_name(spans[n].mark_bits, sizeof spans[n].mark_bits, "mark_bits");
  }
  for (int t = 0; t < MAX_THREADS; t++) {
    vs_tls_further[NUMBER] = NULL;
    if (mcache_get(&heap) != &mcaches[t]) abort();
  }
  sched_name(&heap.tickets, sizeof heap.tickets, "tickets");
  sched_name(&heap.sweep_cursor, sizeof heap.sweep_cursor, "sweep_cursor");
  sched_name(block, sizeof block, "block");
}

/* --- all starts ----------------------------------------------------------------------------------------------------- */

static struct sched_result result;
static uint64_t starts;

static void print_start(void) {
  printf("start: %s, spans", start.marking ? "marking" : "sweeping");
  for (int n = 0; n < start.n_spans; n++) {
    putchar(' ');
    for (int i = 0; i < SLOTS; i++) putchar("FDH"[start.slot[n][i]]);
  }
  printf(", threads");
  for (int t = 0; t < MAX_THREADS && start.script[t]; t++) printf(" %s", start.script[t]);
  printf("\n");
}

static void run_start(void) {
  struct sched_test test = {.reset = reset, .final = final_check, .on_write = check_write};
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
  printf("reached end %llu\n", (unsigned long long)result.executions);
  printf("reached sweeps %llu\n", (unsigned long long)seen.swept);
  printf("reached keeps %llu\n", (unsigned long long)seen.kept);
  printf("reached frees %llu\n", (unsigned long long)seen.freed);
  printf("reached rests %llu\n", (unsigned long long)seen.rested);
  printf("reached activates %llu\n", (unsigned long long)seen.activated);
  printf("reached fresh %llu\n", (unsigned long long)seen.fresh);
  printf("reached marks %llu\n", (unsigned long long)seen.marked);
  printf("reached finishes %llu\n", (unsigned long long)seen.drained);
  sched_print_ok(&result, starts);
  return 0;
}
