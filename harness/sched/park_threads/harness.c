/* SPDX-License-Identifier: Apache-2.0
 *
 * Mcaches that change hands, and the central lists: the real code of alloc, mcache, mcentral, mspan and ownership under
 * every interleaving, in five scenes.
 *
 *   park     a thread exits, and so parks its mcache, while others free blocks of the span that has its home there
 *   adopt    threads without an mcache take parked ones, while one is being parked, flushed by others, or freed into
 *   central  a span on the central list, or on its way there: first frees by two threads, threads that take it
 *   lists    two spans, several mcaches: threads that flush parked mcaches to the central list and take from there
 *   new      threads for which no mcache is parked, or not for each, and that get a new one
 *
 * A thread parks by the destructor that mcache registers with the C library. Only the layers below are replaced:
 * the page heap has the spans that are given back to it and no others, os_fatal notes the report, a mutex is the
 * scheduler's. The system has memory for new mcaches in the last scene only: else a thread that finds none parked gets no block.
 *
 * Every start is run that the invariants allow: each place that a scene names for its spans, each state of their slots,
 * each parked mcache as the one to look into next.
 *
 * Blocks are plain words that a thread writes when it gets one and before it frees it: see span_threads.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched_spans.h"

/* MADE of the mcaches there are at the start, the others a thread may make. */
enum { SPANS = 2, SLOTS = 3, MADE = 3, N_MCACHES = 5, MAX_THREADS = 4, NOBODY = -1 };
#include "../../small_spans.h"

/* Of src/mcache.c, edited: what an execution leaves in them must not be there in the next. */
extern struct mcache *by_number[VS_MAX_MCACHES];
extern uint32_t ncaches;

static void make_fresh(struct mspan *s);
#include "spare_spans.h"

/* --- the scenes ------------------------------------------------------------------------------------------------ */

enum place { ACTIVE, QUEUED, FULL, INBOX, CENTRAL, CENTRAL_FULL, CENTRAL_UNSWEPT, N_PLACES };
static const char place_letters[] = "aqficCu";

/* What a thread does, a letter a step: A allocates, F frees its lowest block, T trims, X exits; what comes after that,
 * another destructor does. Whoever frees before it allocates is given a block at the start. */
struct thread {
  const char *script;
  int mcache; /* that it holds, or NOBODY */
};

static const struct scene {
  const char *name;
  int n_spans;
  uint32_t n_slots;
  const char *places; /* where the spans may stand, by place_letters */
  int n_homes;        /* the first mcaches may be at home to them */
  int n_mcaches;      /* those that no thread holds are parked */
  struct thread thread[MAX_THREADS];
  bool double_free; /* the blocks to be freed are one */
  size_t n_new;     /* mcaches that the system has memory for */
} scenes[] = {
    {"park", 1, 3, "aqfi", 1, 1, {{"AX", 0}, {"F", NOBODY}, {"F", NOBODY}}, false, 0},
    {"park", 1, 3, "aqfi", 1, 1, {{"FX", 0}, {"F", NOBODY}, {"F", NOBODY}}, false, 0},
    {"park", 1, 3, "aqfi", 1, 1, {{"XF", 0}, {"F", NOBODY}, {"F", NOBODY}}, false, 0},
    {"park", 1, 3, "aqfi", 1, 1, {{"XA", 0}, {"F", NOBODY}, {"F", NOBODY}}, false, 0},
    {"park", 1, 3, "aqfi", 1, 1, {{"XAF", 0}, {"F", NOBODY}}, false, 0},
    {"park", 2, 2, "f", 1, 1, {{"X", 0}, {"F", NOBODY}, {"F", NOBODY}}, false, 0},
    {"adopt", 2, 2, "f", 1, 1, {{"A", NOBODY}, {"F", NOBODY}, {"F", NOBODY}}, false, 0},
    {"adopt", 1, 2, "aqfi", 1, 1, {{"X", 0}, {"AA", NOBODY}, {"F", NOBODY}}, false, 0},
    {"adopt", 1, 2, "aqfi", 1, 1, {{"X", 0}, {"A", NOBODY}, {"F", NOBODY}, {"F", NOBODY}}, false, 0},
    {"adopt", 1, 2, "aqfi", 1, 1, {{"XF", 0}, {"A", NOBODY}, {"F", NOBODY}}, false, 0},
    {"adopt", 1, 2, "aqfi", 1, 1, {{"XA", 0}, {"AF", NOBODY}}, false, 0},
    {"adopt", 1, 2, "aqfi", 1, 1, {{"X", 0}, {"AX", NOBODY}, {"A", NOBODY}}, false, 0},
    {"adopt", 1, 2, "aqfi", 1, 2, {{"X", 0}, {"A", NOBODY}, {"A", 1}}, false, 0},
    {"adopt", 1, 2, "aqfi", 1, 2, {{"A", NOBODY}, {"A", NOBODY}, {"F", NOBODY}}, false, 0},
    {"adopt", 1, 2, "aqfi", 2, 3, {{"A", NOBODY}, {"A", 2}}, false, 0},
    {"adopt", 1, 2, "aqfi", 1, 2, {{"A", NOBODY}, {"A", 1}, {"F", NOBODY}}, false, 0},
    {"adopt", 1, 2, "aqfi", 1, 1, {{"A", NOBODY}, {"T", NOBODY}, {"F", NOBODY}}, false, 0},
    {"central", 1, 3, "cCu", 1, 2, {{"A", 0}, {"A", 1}, {"F", NOBODY}, {"F", NOBODY}}, false, 0},
    {"central", 1, 2, "cCu", 1, 2, {{"A", 0}, {"F", NOBODY}, {"F", NOBODY}}, true, 0},
    {"central", 1, 2, "aqfi", 1, 1, {{"T", NOBODY}, {"F", NOBODY}, {"F", NOBODY}}, false, 0},
    {"central", 1, 2, "aqfi", 1, 2, {{"T", NOBODY}, {"A", 1}, {"F", NOBODY}}, false, 0},
    {"lists", 2, 2, "qcCu", 1, 3, {{"AF", 1}, {"AF", 2}}, false, 0},
    {"lists", 2, 2, "qcCu", 1, 3, {{"X", 0}, {"A", 1}, {"A", 2}}, false, 0},
    {"lists", 2, 2, "qcCu", 1, 2, {{"T", NOBODY}, {"AX", 1}}, false, 0},
    {"lists", 2, 2, "aqfi", 2, 2, {{"A", NOBODY}, {"AF", NOBODY}}, false, 0},
    {"lists", 2, 2, "aqficCu", 1, 2, {{"A", 1}, {"F", NOBODY}}, false, 0},
    {"lists", 2, 2, "qC", 1, 2, {{"A", 1}, {"F", NOBODY}, {"F", NOBODY}}, false, 0},
    {"new", 1, 2, "aqfi", 1, 1, {{"A", NOBODY}, {"A", NOBODY}, {"F", NOBODY}}, false, 1},
    {"new", 1, 2, "aqfi", 1, 1, {{"X", 0}, {"AX", NOBODY}, {"F", NOBODY}}, false, 1},
    {"new", 1, 2, "aqfi", 1, 1, {{"XA", 0}, {"A", NOBODY}}, false, 1},
    {"new", 1, 3, "cCu", 0, 0, {{"AAA", NOBODY}, {"F", NOBODY}, {"F", NOBODY}}, false, 1},
    {"new", 1, 2, "cCu", 0, 0, {{"AX", NOBODY}, {"A", NOBODY}, {"F", NOBODY}}, false, 2},
    {"new", 2, 2, "cu", 0, 0, {{"AAA", NOBODY}, {"AF", NOBODY}}, false, 2},
};
enum { N_SCENES = sizeof scenes / sizeof scenes[0] };

static struct {
  const struct scene *scene;
  int n_threads;
  struct {
    enum place place;
    int home;
    enum slot_state slot[SLOTS];
    int owner[SLOTS]; /* the thread that has the block, or NOBODY: the program's, but not freed */
  } span[SPANS];
  int look; /* number of the mcache to look into next, or NOBODY: from the first */
} start;

/* --- ghosts ---------------------------------------------------------------------------------------------------- */

static uint64_t block[SPANS][SLOTS]; /* the user's memory */
static bool live[SPANS][SLOTS];
static int owner[SPANS][SLOTS];
static struct mcache *kept[MAX_THREADS]; /* the mcache that each thread holds at the end */
static bool excused;                     /* from the report of a double free */
static int reports;

enum { M0, M1, M2, M3, M4, M5, M6, M7, M8, N_TRANSITIONS };
static uint64_t made[N_TRANSITIONS];
static struct { uint64_t parks, adopts, makes, wakes_parked, wakes_new, accepts_parked, second_look, reports, none; } seen;

/* --- the layers below ------------------------------------------------------------------------------------------ */

GHOST _Noreturn void os_fatal(const char *function, const char *what, uintptr_t addr) {
  (void)function;
  (void)addr;
  if (!start.scene->double_free || strcmp(what, "double free") != 0) sched_fail("false-report: %s", what);
  reports++;
  seen.reports++;
  sched_stop();
}

static GHOST void make_fresh(struct mspan *s) {
  static const enum slot_state cached[SLOTS] = {CACHED, CACHED, CACHED};
  put_slots(s, start.scene->n_slots, cached);
}

/* --- the table ------------------------------------------------------------------------------------------------- */

#define LIST (&vs_default_heap.central[SPANCLASS])

static GHOST bool is_parked(const struct mcache *c) {
  int length = 0;
  for (const struct mcache *p = vs_default_heap.parked; p != NULL; p = p->parked_next) {
    CHECK(++length <= N_MCACHES, "one-holder");
    if (p == c) return true;
  }
  return false;
}

/* Whether the running thread has the spans of mcache c: it holds c, or c is parked and it has the list locked. */
static GHOST bool has_mcache(const struct mcache *c) {
  return vs_tls_mcache == c || (sched_holds(&vs_list_lock.mutex) && is_parked(c));
}

static GHOST bool is_filed(const struct mspan *s) {
  int times = 0;
  for (int set = 0; set < 2; set++) times += times_in_list(LIST->partial[set], s) + times_in_list(LIST->full[set], s);
  return times != 0;
}

/* The transition of spec/protocol.md between two words that are mcache c's or the central list's, if the running thread
 * may make it now. */
static GHOST int transition_of(const struct mspan *s, const struct mcache *c, uint64_t old, uint64_t new_value) {
  const uint64_t owned = spanctl_owned(c->id), full = spanctl_resting_full(c->id), waking = spanctl_unswept(c->id);
  const uint64_t partial = spanctl_resting(0), central_full = spanctl_resting_full(0), unswept = spanctl_unswept(0);
  bool mine = has_mcache(c), locked = sched_holds(&LIST->lock.mutex);
  if (old == 0 && new_value == owned && mine) return M0;
  if (old == owned && new_value == full && mine) return M1;
  if (old == full && new_value == owned && mine) return M2;
  if (old == full && new_value == waking) return M3;
  if (old == waking && new_value == owned && mine) return M4;
  if (old == owned && (new_value == partial || new_value == central_full) && mine && locked) return M5;
  if (old == central_full && new_value == unswept) return M6;
  if ((old == partial || old == unswept) && new_value == owned && mine && !is_filed(s)) return M7;
  if (old == owned && new_value == 0 && mine) return M8;
  return N_TRANSITIONS;
}

static GHOST void check_write(void *ctx, const volatile void *addr, uint64_t old, uint64_t new_value) {
  (void)ctx;
  for (int n = 0; n < SPANS; n++) {
    if (addr != &spans[n].ctl) continue;
    uint32_t id = spanctl_owner(old) != 0 ? spanctl_owner(old) : spanctl_owner(new_value);
    CHECK(id <= N_MCACHES, "legal-transition");
    const struct mcache *c = &mcaches[id == 0 ? 0 : id - 1];
    int t = transition_of(&spans[n], c, old, new_value);
    if (t == N_TRANSITIONS) unexpected("legal-transition");
    made[t]++;
    seen.wakes_parked += t == M3 && is_parked(c);
    seen.wakes_new += t == M3 && c >= &mcaches[MADE];
    seen.accepts_parked += t == M4 && is_parked(c);
    seen.second_look += t == M6 && sched_holds(&LIST->lock.mutex);
  }
}

/* --- the threads ----------------------------------------------------------------------------------------------- */

static int span_number(uintptr_t p) { return (int)(arena_span(p) - spans); }

static GHOST void got(uintptr_t p) {
  int n = span_number(p);
  uint32_t slot = slot_of(p);
  CHECK(slot < start.scene->n_slots, "slot-in-range");
  if (start.scene->double_free && start.span[n].owner[slot] != NOBODY) {
    /* The block again before the second free, which is then that block's: nothing could tell. */
    excused = true;
    sched_stop();
  }
  sched_plain(&block[n][slot], sizeof block[n][slot], true);
  CHECK(!live[n][slot], "handed-out-once");
  live[n][slot] = true;
  owner[n][slot] = sched_self();
}

/* A block for the running thread. Whether there was one. */
static bool allocate(void) {
  uintptr_t p = heap_alloc_class(SIZE_CLASS);
  if (p != 0) got(p);
  return p != 0;
}

/* Takes the lowest block of the running thread from it; 0 if it has none. */
static GHOST uintptr_t let_go(void) {
  for (int n = 0; n < start.scene->n_spans; n++) {
    for (uint32_t slot = 0; slot < start.scene->n_slots; slot++) {
      bool shared = start.scene->double_free && start.span[n].owner[slot] != NOBODY;
      if (!shared && owner[n][slot] != sched_self()) continue;
      if (!shared) sched_plain(&block[n][slot], sizeof block[n][slot], true); /* else two threads do this at once */
      owner[n][slot] = NOBODY;
      live[n][slot] = false;
      return address_of(&spans[n], slot);
    }
  }
  return 0;
}

/* Not a ghost: nothing of the allocator that is inlined may be one. */
static void give_back(void) { heap_free(let_go(), "free"); }

static GHOST bool holds_none(void) { return vs_tls_mcache == &vs_empty_mcache; }

static GHOST void thread(void *ctx) {
  (void)ctx;
  const struct thread *self = &start.scene->thread[sched_self()];
  hold_mcache(self->mcache == NOBODY ? NULL : &mcaches[self->mcache]);
  for (const char *step = self->script; *step != 0; step++) {
    bool none = holds_none();
    if (*step == 'A') seen.none += !allocate();
    if (*step == 'F') give_back();
    if (*step == 'T') (void)mcache_trim();
    if (*step == 'X') thread_exits();
    seen.adopts += none && !holds_none() && vs_tls_mcache < &mcaches[MADE];
    seen.makes += none && !holds_none() && vs_tls_mcache >= &mcaches[MADE];
    seen.parks += !none && holds_none();
  }
  kept[sched_self()] = holds_none() ? NULL : vs_tls_mcache;
}

/* --- the end --------------------------------------------------------------------------------------------------- */

/* Whether mcache i is of the scene, or was made. */
static bool is_there(int i) { return i < MADE ? i < start.scene->n_mcaches : (size_t)i < metadata_used; }

/* Each of these is parked, or one thread holds it that has not exited. */
static void check_mcaches(void) {
  uint32_t n_parked = 0;
  for (int t = 0; t < start.n_threads; t++)
    CHECK(kept[t] == NULL || strchr(start.scene->thread[t].script, 'X') == NULL, "one-holder");
  for (int i = 0; i < N_MCACHES; i++) {
    if (!is_there(i)) continue;
    int holders = is_parked(&mcaches[i]);
    n_parked += (uint32_t)holders;
    for (int t = 0; t < start.n_threads; t++) holders += kept[t] == &mcaches[i];
    CHECK(holders == 1, "one-holder");
  }
  CHECK(n_parked == vs_default_heap.nparked, "one-holder");
  CHECK(vs_default_heap.look == NULL || is_parked(vs_default_heap.look), "one-holder");
}

/* Each span is in one place, the one that its word names. */
static void check_place(const struct mspan *s) {
  uint32_t swept = heap_swept_set(&vs_default_heap), unswept = 1 - swept;
  int total = times_spare(s);
  CHECK(times_spare(s) == (s->ctl == 0), "word-names-place");
  for (int i = 0; (size_t)i < metadata_used; i++) {
    const struct mcache *c = &mcaches[i];
    bool full = s->ctl == spanctl_resting_full(c->id);
    CHECK(times_held(c, s) == (s->ctl == spanctl_owned(c->id)), "word-names-place");
    CHECK(times_in_inbox(c, s) == (s->ctl == spanctl_unswept(c->id)), "word-names-place");
    CHECK(!full || s->remote_bits[0] == 0, "lost-wake-up");
    total += times_held(c, s) + times_in_inbox(c, s) + full;
  }
  int partial = times_in_list(LIST->partial[swept], s), woken = times_in_list(LIST->full[unswept], s);
  int full = times_in_list(LIST->full[swept], s);
  CHECK(partial == (s->ctl == spanctl_resting(0)), "word-names-place");
  CHECK(full == (s->ctl == spanctl_resting_full(0)), "word-names-place");
  CHECK(woken == (s->ctl == spanctl_unswept(0)), "word-names-place");
  CHECK(times_in_list(LIST->partial[unswept], s) == 0, "word-names-place");
  CHECK(!full || s->remote_bits[0] == 0, "lost-wake-up");
  CHECK(total + partial + full + woken == 1, "in-one-place");
}

static void check_places(void) {
  for (int n = 0; n < start.scene->n_spans; n++) check_place(&spans[n]);
}

static void forget_parked(void) {
  vs_default_heap.parked = vs_default_heap.look = NULL;
  vs_default_heap.nparked = 0;
}

/* Every slot is in use, or some mcache can hand it out. */
static void check_slots(void) {
  forget_parked();
  for (int i = 0; (size_t)i < metadata_used; i++) {
    hold_mcache(&mcaches[i]);
    while (allocate()) continue;
  }
  for (int n = 0; n < start.scene->n_spans; n++)
    for (uint32_t slot = 0; slot < start.scene->n_slots; slot++) CHECK(live[n][slot], "slot-lost");
}

/* A block was freed by two threads, and not handed out between them: one of them was told, or the next fold tells. */
static void check_reports(void) {
  CHECK(reports <= 1, "double-free-once");
  if (reports != 0) return;
  mspan_fold_or_die(spans); /* stops in os_fatal */
  sched_fail("double-free-caught");
}

static void final_check(void *ctx) {
  (void)ctx;
  if (excused) return;
  if (reports == 0) { /* else somebody stands in the middle of a step */
    check_mcaches();
    check_places();
  }
  if (start.scene->double_free)
    check_reports();
  else
    check_slots();
}

/* --- the state before each execution --------------------------------------------------------------------------- */

static void set_add(struct mspan **set, struct mspan *s) {
  s->next = *set;
  if (s->next) s->next->prev = s;
  *set = s;
}

static void queue_add(struct mcache *c, struct mspan *s) {
  struct mcache_queue *q = &c->partial[SPANCLASS];
  if (q->tail == NULL) {
    put_queued(c, s);
    return;
  }
  q->tail->next = s;
  s->prev = q->tail;
  q->tail = s;
  c->nqueued++;
}

static void put_span(int n) {
  struct mspan *s = &spans[n];
  struct mcache *c = &mcaches[start.span[n].home];
  uint32_t swept = heap_swept_set(&vs_default_heap);
  put_slots(s, start.scene->n_slots, start.span[n].slot);
  switch (start.span[n].place) {
  case ACTIVE:
    c->alloc[SPANCLASS] = s;
    s->ctl = spanctl_owned(c->id);
    break;
  case QUEUED:
    queue_add(c, s);
    s->ctl = spanctl_owned(c->id);
    break;
  case FULL:
    s->ctl = spanctl_resting_full(c->id);
    break;
  case INBOX:
    s->next = c->inbox;
    c->inbox = s;
    s->ctl = spanctl_unswept(c->id);
    break;
  case CENTRAL:
    set_add(&LIST->partial[swept], s);
    LIST->usable = 1;
    s->ctl = spanctl_resting(0);
    break;
  case CENTRAL_FULL:
    set_add(&LIST->full[swept], s);
    s->ctl = spanctl_resting_full(0);
    break;
  default:
    set_add(&LIST->full[1 - swept], s);
    LIST->usable = 1;
    s->ctl = spanctl_unswept(0);
  }
}

static bool is_held(int mcache) {
  for (int t = 0; t < start.n_threads; t++)
    if (start.scene->thread[t].mcache == mcache) return true;
  return false;
}

static void park_rest(void) {
  forget_parked();
  for (int i = 0; i < start.scene->n_mcaches; i++) {
    if (is_held(i)) continue;
    mcaches[i].parked_next = vs_default_heap.parked;
    vs_default_heap.parked = &mcaches[i];
    vs_default_heap.nparked++;
  }
  if (start.look != NOBODY) vs_default_heap.look = &mcaches[start.look];
}

/* As after set_up: none is new. */
static void forget_new(void) {
  metadata_end = MADE + start.scene->n_new;
  if (metadata_used == MADE) return;
  memset(&mcaches[MADE], 0, (N_MCACHES - MADE) * sizeof mcaches[0]);
  memset(&by_number[MADE + 1], 0, (N_MCACHES - MADE) * sizeof by_number[0]);
  ncaches = MADE;
  vs_default_heap.mcaches = &mcaches[MADE - 1];
  metadata_used = MADE;
}

static void reset(void *ctx) {
  (void)ctx;
  excused = false;
  reports = 0;
  n_spare = 0;
  LIST->partial[0] = LIST->partial[1] = LIST->full[0] = LIST->full[1] = NULL;
  LIST->usable = 0;
  empty_mcaches();
  forget_new();
  park_rest();
  for (int n = 0; n < start.scene->n_spans; n++) {
    put_span(n);
    for (uint32_t slot = 0; slot < start.scene->n_slots; slot++) {
      live[n][slot] = start.span[n].slot[slot] == LIVE;
      owner[n][slot] = start.span[n].owner[slot];
    }
  }
}

static void name_words(void) {
  for (int n = 0; n < SPANS; n++) {
    sched_name(&spans[n].ctl, sizeof spans[n].ctl, "ctl");
    sched_name(spans[n].remote_bits, sizeof spans[n].remote_bits, "remote_bits");
    sched_name(spans[n].mark_bits, sizeof spans[n].mark_bits, "mark_bits");
    sched_name(&spans[n], sizeof spans[n], "span");
  }
  for (int i = 0; i < N_MCACHES; i++) {
    sched_name(&mcaches[i].inbox, sizeof mcaches[i].inbox, "inbox");
    sched_name(&mcaches[i], sizeof mcaches[i], "mcache");
  }
  sched_name(&vs_list_lock, sizeof vs_list_lock, "list lock");
  sched_name(&LIST->lock, sizeof LIST->lock, "central lock");
  sched_name(&LIST->usable, sizeof LIST->usable, "usable");
  sched_name(LIST, sizeof *LIST, "central list");
  sched_name(&spare_lock, sizeof spare_lock, "page heap");
  sched_name(&vs_default_heap.nparked, sizeof vs_default_heap.nparked, "nparked");
  sched_name(&vs_default_heap.parked, sizeof vs_default_heap.parked, "parked");
  sched_name(&vs_default_heap.look, sizeof vs_default_heap.look, "look");
  sched_name(by_number, sizeof by_number, "by number");
  sched_name(&ncaches, sizeof ncaches, "ncaches");
  sched_name(&vs_default_heap.mcaches, sizeof vs_default_heap.mcaches, "mcaches");
  sched_name(block, sizeof block, "block");
}

/* --- all starts ------------------------------------------------------------------------------------------------ */

static struct sched_result result;
static uint64_t starts;

static void print_start(void) {
  printf("start: %s%s, spans", start.scene->name, start.scene->double_free ? " (double free)" : "");
  for (int n = 0; n < start.scene->n_spans; n++) {
    printf(" (%c%d ", place_letters[start.span[n].place], start.span[n].home);
    for (uint32_t i = 0; i < start.scene->n_slots; i++) {
      putchar(slot_letters[start.span[n].slot[i]]);
      if (start.span[n].owner[i] != NOBODY) printf("%d", start.span[n].owner[i]);
    }
    printf(")");
  }
  printf(", threads");
  for (int t = 0; t < start.n_threads; t++) {
    printf(" %s", start.scene->thread[t].script);
    if (start.scene->thread[t].mcache != NOBODY) printf("(%d)", start.scene->thread[t].mcache);
  }
  printf(", look %d\n", start.look);
}

static void run_start(void) {
  struct sched_test test = {.n_threads = start.n_threads,
                            .reset = reset,
                            .final = final_check,
                            .on_write = check_write,
                            /* who reports a double free reads the span without owning it */
                            .ignore_plain = start.scene->double_free};
  for (int t = 0; t < start.n_threads; t++) test.thread[t] = thread;
  starts++;
  if (sched_explore(&test, &result, true)) return;
  print_start();
  printf("FAILED %s\n", result.message);
  exit(1);
}

static void choose_look(void) {
  for (start.look = NOBODY; start.look < start.scene->n_mcaches; start.look++)
    if (start.look == NOBODY || !is_held(start.look)) run_start();
}

/* Whether a thread is given a block. */
static bool is_given(int t) {
  const char *step = start.scene->thread[t].script;
  while (*step != 0 && *step != 'A' && *step != 'F') step++;
  return *step == 'F';
}

/* Gives the live blocks from the first-th one on to the threads. Whether there are enough. */
static bool give_blocks(int first) {
  int live_blocks = 0, t = 0;
  for (int n = 0; n < start.scene->n_spans; n++) {
    for (uint32_t slot = 0; slot < start.scene->n_slots; slot++) {
      start.span[n].owner[slot] = NOBODY;
      if (start.span[n].slot[slot] != LIVE || live_blocks++ < first) continue;
      while (t < start.n_threads && !is_given(t)) t++;
      if (t < start.n_threads) start.span[n].owner[slot] = t++;
      if (start.scene->double_free) t = start.n_threads;
    }
  }
  while (t < start.n_threads && !is_given(t)) t++;
  return t == start.n_threads;
}

static void choose_blocks(void) {
  bool any = false;
  for (int t = 0; t < start.n_threads; t++) any = any || is_given(t);
  for (int first = 0; give_blocks(first); first++) {
    choose_look();
    if (!any) break;
  }
}

/* Whether the invariants allow the place of a span with its slots. */
static bool possible(int n) {
  int count[N_SLOT_STATES] = {0};
  for (uint32_t i = 0; i < start.scene->n_slots; i++) count[start.span[n].slot[i]]++;
  switch (start.span[n].place) {
  case FULL:
  case CENTRAL_FULL: return count[LIVE] == (int)start.scene->n_slots;
  case INBOX:
  case CENTRAL_UNSWEPT: return count[CACHED] == 0 && count[FREED] == 0 && count[REMOTE] > 0;
  case CENTRAL: return count[CACHED] > 0 && count[FREED] == 0; /* it was swept on its way there */
  default: return true;
  }
}

/* Which slot is in which state matters little: only orders in which the states ascend. */
static void choose_slots(int n, uint32_t i) {
  if (i == start.scene->n_slots) {
    if (!possible(n)) return;
    if (n + 1 == start.scene->n_spans)
      choose_blocks();
    else
      choose_slots(n + 1, 0);
    return;
  }
  for (int state = 0; state < N_SLOT_STATES; state++) {
    start.span[n].slot[i] = (enum slot_state)state;
    if (i == 0 || (int)start.span[n].slot[i - 1] <= state) choose_slots(n, i + 1);
  }
}

/* Places and homes of the spans from the n-th on. An mcache has one active span. */
static void choose_places(int n) {
  if (n == start.scene->n_spans) {
    choose_slots(0, 0);
    return;
  }
  for (const char *place = start.scene->places; *place != 0; place++) {
    start.span[n].place = (enum place)(strchr(place_letters, *place) - place_letters);
    int homes = start.span[n].place < CENTRAL ? start.scene->n_homes : 1;
    for (start.span[n].home = 0; start.span[n].home < homes; start.span[n].home++) {
      bool twice = n > 0 && start.span[n].place == ACTIVE && start.span[0].place == ACTIVE &&
                   start.span[n].home == start.span[0].home;
      if (!twice) choose_places(n + 1);
    }
  }
}

int main(void) {
  static const char *const names[] = {"begins",        "gives-up",      "reclaims", "wakes", "accepts",
                                      "gives-central", "wakes-central", "caches",   "ends"};
  set_up(MADE);
  name_words();
  for (int i = 0; i < N_SCENES; i++) {
    start.scene = &scenes[i];
    start.n_threads = 0;
    while (start.n_threads < MAX_THREADS && start.scene->thread[start.n_threads].script) start.n_threads++;
    choose_places(0);
  }
  printf("reached end %llu\n", (unsigned long long)result.executions);
  for (int t = 0; t < N_TRANSITIONS; t++) printf("reached %s %llu\n", names[t], (unsigned long long)made[t]);
  printf("reached parks %llu\n", (unsigned long long)seen.parks);
  printf("reached adopts %llu\n", (unsigned long long)seen.adopts);
  printf("reached makes %llu\n", (unsigned long long)seen.makes);
  printf("reached wakes-new %llu\n", (unsigned long long)seen.wakes_new);
  printf("reached wakes-parked %llu\n", (unsigned long long)seen.wakes_parked);
  printf("reached accepts-parked %llu\n", (unsigned long long)seen.accepts_parked);
  printf("reached second-look %llu\n", (unsigned long long)seen.second_look);
  printf("reached double-free-report %llu\n", (unsigned long long)seen.reports);
  printf("reached none-left %llu\n", (unsigned long long)seen.none);
  sched_print_ok(&result, starts);
  return 0;
}
