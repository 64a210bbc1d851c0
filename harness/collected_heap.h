/* SPDX-License-Identifier: Apache-2.0
 *
 * A collected heap with a few small spans of one class, for harness/sched/cycle_threads and
 * harness/relacy/cycle_orders: its start, what threads do to it, and what must hold of each span's word and place.
 *
 * Before it is included: SLOTS, SPANS; N_MCACHES, one for each thread; arena and mcaches; GHOST, an attribute of
 * functions that are no part of what is checked; CHECK(condition, property); and TOUCH(addr, size), a plain write of the
 * checker's own. After it: make_fresh and times_spare, which belong to the page heap in use.
 *
 * Blocks are plain words that a thread writes when it gets one: a block that two threads have is a data race.
 */
#ifndef COLLECTED_HEAP_H
#define COLLECTED_HEAP_H

#include <stdio.h>
#include <stdlib.h>

#include "cycle.h"
#include "mcache.h"
#include "mheap.h"
#include "os.h"
#include "ownership.h"
#include "scavenge.h"
#include "sweep.h"
#include "thread_keys.h"

enum { SIZE_CLASS = 67, SPANCLASS = SIZE_CLASS * 2 + 1 };
#define NUMBER 1u
#define LAST_SWEEPGEN 0xfffffffeu /* wraps at the turn */

/* --- the start ------------------------------------------------------------------------------------------------ */

enum slot_state { FREE, DEAD, HELD, N_SLOT_STATES };

static struct {
  int n_spans; /* at rest; the page heap has the others */
  enum slot_state slot[SPANS][SLOTS];
  bool marking;
  const char *script[N_MCACHES]; /* what each thread does, a letter a step */
} start;

static struct mspan *const spans = &arena.span[0];
static struct vs_heap heap;

/* --- ghosts --------------------------------------------------------------------------------------------------- */

static uint64_t block[SPANS][SLOTS]; /* the program's memory */
static bool held[SPANS][SLOTS];      /* objects that it still uses */
static bool marked[SPANS][SLOTS];    /* a marker was told that it came first */
static int sweeps[SPANS];            /* since the turn */
static bool finished;
static struct { uint64_t swept, kept, freed, rested, activated, fresh, marked, drained; } seen;

/* --- the page heap ------------------------------------------------------------------------------------------------ */

/* Makes a span without slots handed out of its descriptor, whose base is set. */
static void make_fresh(struct mspan *s);

/* How often the page heap has the span's descriptor to give. */
static int times_spare(const struct mspan *s);

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
  CHECK(begins || takes || sweeps_it || keeps || ends || rests, "legal-transition");
  sweeps[n] += sweeps_it;
  CHECK(sweeps[n] <= 1, "swept-once");
  seen.fresh += begins;
  seen.swept += sweeps_it;
  seen.kept += keeps;
  seen.freed += ends;
  seen.rested += rests;
  seen.activated += takes;
}

/* Once every span is swept and no ticket is out, no ticket is taken before the turn. */
static GHOST void check_tickets(uint64_t new_value) {
  CHECK(!finished, "flaps");
  finished = new_value == VS_SWEEP_DRAINED;
  seen.drained += finished;
  for (int n = 0; n < SPANS && finished; n++) CHECK(is_swept(spans[n].ctl), "finished-too-early");
}

/* --- what threads do ---------------------------------------------------------------------------------------------- */

static uintptr_t address_of(int n, uint32_t slot) { return spans[n].base + (uintptr_t)slot * spans[n].elem_size; }

/* A block for the program, which holds on to it; 0 if there is none. */
static uintptr_t allocate(void) {
  struct mspan *active = cycle_active(&heap, SPANCLASS);
  bool zeroed;
  uintptr_t p = active->alloc_cache != 0
                    ? mspan_slot(active, mspan_take(active))
                    : cycle_alloc_slow(&heap, vs_class_size[SIZE_CLASS], SPANCLASS % 2 != 0, &zeroed);
  if (p == 0) return 0;
  struct mspan *s = arena_span(p);
  int n = (int)(s - spans);
  uint32_t slot = (uint32_t)((p - s->base) / s->elem_size);
  CHECK(slot < SLOTS, "slot-in-range");
  TOUCH(&block[n][slot], sizeof block[n][slot]);
  CHECK(!held[n][slot], "handed-out-once");
  held[n][slot] = true;
  return p;
}

/* Marks the first object that was held at the start, by an address inside it. */
static GHOST void mark_first(void) {
  for (int n = 0; n < start.n_spans; n++) {
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
      if (start.slot[n][slot] != HELD) continue;
      if (cycle_mark(&heap, address_of(n, slot) + 5, NULL)) {
        CHECK(!marked[n][slot], "first-twice");
        marked[n][slot] = true;
        seen.marked++;
      }
      return;
    }
  }
}

static GHOST void turn(void) {
  cycle_end_mark(&heap, 0);
  heap.sweep_cursor = 2 * SPANCLASS; /* the sets of other classes are empty: they only make the search long */
  finished = false;
  for (int n = 0; n < SPANS; n++) sweeps[n] = 0;
}

/* Marking ends, with every object marked that was held when it began; what was born later is not looked for. */
static GHOST void end_marking(void) {
  for (int n = 0; n < start.n_spans; n++)
    for (uint32_t slot = 0; slot < SLOTS; slot++)
      if (start.slot[n][slot] == HELD) (void)cycle_mark(&heap, address_of(n, slot), NULL);
  turn();
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

/* In how many places a span is. */
static int places(const struct mspan *s) {
  int found = times_spare(s);
  for (int t = 0; t < N_MCACHES; t++) found += mcaches[t].alloc[SPANCLASS] == s;
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
    CHECK(places(s) == 1, "in-one-place");
    bool active = false;
    for (int t = 0; t < N_MCACHES; t++) active = active || mcaches[t].alloc[SPANCLASS] == s;
    CHECK(active == (s->ctl == word(VS_D_OWNED, false)), "word-names-place");
    CHECK(in_set(c->partial[swept], s) == (s->ctl == word(VS_D_SWEPT, false)), "word-names-place");
    CHECK(in_set(c->full[swept], s) == (s->ctl == word(VS_D_SWEPT, true)), "word-names-place");
    CHECK(in_set(c->partial[1 - swept], s) == (s->ctl == word(VS_D_UNSWEPT, false)), "word-names-place");
    CHECK(in_set(c->full[1 - swept], s) == (s->ctl == word(VS_D_UNSWEPT, true)), "word-names-place");
  }
}

/* Sweeps to the end: what the program holds is live. */
static void check_swept(void) {
  cycle_finish_sweep(&heap);
  check_places();
  for (int n = 0; n < SPANS; n++) {
    CHECK(is_swept(spans[n].ctl), "finished-too-early");
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
      bool live = spans[n].ctl != 0 && bits_test(spans[n].mark_bits[0], slot);
      CHECK(live || !held[n][slot], "object-lost");
    }
  }
  CHECK(sweep_done(&heap.tickets), "ticket-lost");
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

/* The heap with the start's spans, which are in the arena, and no other; the cycle not yet begun or turned. */
static void put_heap(void) {
  struct mcentral *c = &heap.central[SPANCLASS];
  heap.marking = false;
  heap.sweepgen = LAST_SWEEPGEN;
  heap.tickets = VS_SWEEP_DRAINED;
  heap.pages = SPANS * spans[0].npages;
  c->partial[0] = c->partial[1] = c->full[0] = c->full[1] = NULL;
  for (int t = 0; t < N_MCACHES; t++) mcaches[t].alloc[SPANCLASS] = &vs_empty_span;
  for (int n = 0; n < SPANS; n++) {
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
      held[n][slot] = n < start.n_spans && start.slot[n][slot] == HELD;
      marked[n][slot] = false;
    }
    if (n < start.n_spans) put_span(n);
  }
}

/* Begins marking, or turns. */
static void put_phase(void) {
  if (start.marking)
    cycle_begin_mark(&heap);
  else
    turn();
  heap.sweep_cursor = 2 * SPANCLASS;
}

/* The heap's identity, and an mcache checked out for each thread: once. */
static void set_up_heap(void) {
  heap.number = NUMBER;
  heap.owner = VS_OWNER_HEAP + NUMBER;
  heap.collected = true;
  heap.low = 0;
  heap.high = UINT64_MAX;
  vs_heaps[NUMBER] = &heap;
  for (int t = 0; t < N_MCACHES; t++) {
    vs_tls_further[NUMBER] = NULL;
    if (mcache_get(&heap) != &mcaches[t]) abort();
  }
}

static void print_start(void) {
  printf("start: %s, spans", start.marking ? "marking" : "sweeping");
  for (int n = 0; n < start.n_spans; n++) {
    putchar(' ');
    for (int i = 0; i < SLOTS; i++) putchar("FDH"[start.slot[n][i]]);
  }
  printf(", threads");
  for (int t = 0; t < N_MCACHES && start.script[t]; t++) printf(" %s", start.script[t]);
  printf("\n");
}

static void print_seen(uint64_t executions) {
  printf("reached end %llu\n", (unsigned long long)executions);
  printf("reached sweeps %llu\n", (unsigned long long)seen.swept);
  printf("reached keeps %llu\n", (unsigned long long)seen.kept);
  printf("reached frees %llu\n", (unsigned long long)seen.freed);
  printf("reached rests %llu\n", (unsigned long long)seen.rested);
  printf("reached activates %llu\n", (unsigned long long)seen.activated);
  printf("reached fresh %llu\n", (unsigned long long)seen.fresh);
  printf("reached marks %llu\n", (unsigned long long)seen.marked);
  printf("reached finishes %llu\n", (unsigned long long)seen.drained);
}

#endif
