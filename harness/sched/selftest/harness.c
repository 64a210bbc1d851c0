/* SPDX-License-Identifier: Apache-2.0
 *
 * The exhaustive scheduler against a full enumeration, on random small programs.
 *
 * The enumeration below shares no code with the scheduler: it interprets the same program by plain
 * recursion over all interleavings, without any reduction, and knows happens-before from its
 * definition (reads-from, release sequences, fences), without vector clocks. Compared:
 *   classes  the set of equivalence classes of executions (by who saw which version of what) is the
 *            same, and the scheduler runs exactly one execution of each;
 *   races    the scheduler reports a data race exactly in the programs in which one is possible;
 *   deadlocks  likewise.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../sched.h"

enum {
  MAX_THREADS = 4,
  MAX_LENGTH = 5,
  MAX_EVENTS = MAX_THREADS * MAX_LENGTH,
  N_ATOMIC = 3,
  N_PLAIN = 2,
  N_LOCKS = 2,
  N_VARIABLES = N_ATOMIC + N_PLAIN + N_LOCKS,
  MAX_CLASSES = 1 << 16
};

enum kind { LOAD, STORE, EXCHANGE, CAS, FENCE, PLAIN_LOAD, PLAIN_STORE, LOCK, UNLOCK };

struct instruction {
  enum kind kind;
  enum sched_order order;
  int variable;
  uint64_t value;
  uint64_t expected; /* of a CAS */
  int condition;     /* 0: always; 1, 2: only if the last value read is even, odd */
};

struct program {
  int n_threads;
  int length;
  struct instruction code[MAX_THREADS][MAX_LENGTH];
};

static struct program program;

/* --- random programs ----------------------------------------------------------------------------- */

static uint64_t seed;
static uint32_t pick(uint32_t n) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return (uint32_t)((seed >> 20) % n);
}

/* Turns the program into one that passes a message: thread 0 starts with a plain store, the last thread
 * ends with a plain load of the same variable if it has read something odd, and whatever is between
 * them goes through one atomic variable. Chance alone makes few programs in which that is no race. */
static void make_message(void) {
  for (int t = 0; t < program.n_threads; t++) {
    for (int i = 0; i < program.length; i++) {
      struct instruction *in = &program.code[t][i];
      in->variable = 0;
      if (in->kind == PLAIN_LOAD || in->kind == PLAIN_STORE) {
        in->kind = t == program.n_threads - 1 ? LOAD : EXCHANGE;
      }
    }
  }
  program.code[0][0] = (struct instruction){.kind = PLAIN_STORE, .variable = N_ATOMIC, .value = 1};
  program.code[program.n_threads - 1][program.length - 1] =
      (struct instruction){.kind = PLAIN_LOAD, .variable = N_ATOMIC, .condition = 2};
}

/* Turns some of a thread's operations into lock and unlock of one or two locks: well nested or crossed,
 * never twice the same without an unlock, never unlocked by who has not locked. */
static void add_locks(int t) {
  bool held[N_LOCKS] = {false};
  for (int i = 0; i < program.length; i++) {
    int l = (int)pick(N_LOCKS);
    if (pick(2) == 0) {
      program.code[t][i] = (struct instruction){.kind = held[l] ? UNLOCK : LOCK,
                                                .order = SCHED_ACQ_REL,
                                                .variable = N_ATOMIC + N_PLAIN + l};
      held[l] = !held[l];
    }
  }
}

static void make_program(uint64_t number, bool with_plain) {
  seed = number * 0x9E3779B97F4A7C15u + 1;
  static const int shapes[][2] = {{2, 2}, {2, 3}, {2, 4}, {2, 5}, {3, 2}, {3, 3}, {4, 2}};
  const int *shape = shapes[pick(7)];
  program.n_threads = shape[0];
  program.length = shape[1];
  for (int t = 0; t < program.n_threads; t++) {
    for (int i = 0; i < program.length; i++) {
      struct instruction *in = &program.code[t][i];
      static const enum kind kinds[] = {LOAD,       LOAD,        LOAD,        STORE,
                                        STORE,      EXCHANGE,    CAS,         PLAIN_LOAD,
                                        PLAIN_LOAD, PLAIN_STORE, PLAIN_STORE, FENCE};
      in->kind = kinds[pick(with_plain ? 12 : 7)];
      static const enum sched_order loads[] = {SCHED_RELAXED, SCHED_ACQUIRE};
      static const enum sched_order stores[] = {SCHED_RELAXED, SCHED_RELEASE};
      static const enum sched_order updates[] = {SCHED_RELAXED, SCHED_ACQUIRE, SCHED_RELEASE,
                                                 SCHED_ACQ_REL};
      in->order = in->kind == LOAD    ? loads[pick(2)]
                  : in->kind == STORE ? stores[pick(2)]
                                      : updates[pick(4)];
      bool plain = in->kind == PLAIN_LOAD || in->kind == PLAIN_STORE;
      in->variable = plain && pick(8) != 0 ? N_ATOMIC + (int)pick(N_PLAIN)
                                           : (int)pick(with_plain ? 2 : N_ATOMIC);
      in->value = 1 + pick(3);
      in->expected = pick(3);
      in->condition = pick(4) == 0 ? 1 + (int)pick(2) : 0;
    }
  }
  if (with_plain && pick(2) == 0) {
    make_message();
  } else if (pick(2) == 0) {
    for (int t = 0; t < program.n_threads; t++) {
      add_locks(t);
    }
  }
}

static bool skipped(const struct instruction *in, uint64_t last_read) {
  return in->condition != 0 && (int)(last_read & 1) != in->condition - 1;
}

/* --- equivalence classes ------------------------------------------------------------------------ */

struct classes {
  uint64_t *key;
  size_t n;
};
static uint64_t reference_keys[MAX_CLASSES], scheduler_keys[MAX_CLASSES];
static struct classes reference = {reference_keys, 0}, scheduled = {scheduler_keys, 0};

static uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 31)) * 0x7FB5D329728EA185u;
  x = (x ^ (x >> 27)) * 0x81DADEF4BC2DD44Du;
  return x ^ (x >> 33);
}

/* Adds up over the events of an execution to a key of its class. */
static uint64_t event_key(int thread, int index, int variable, uint64_t version) {
  return mix((uint64_t)thread + 8 * (uint64_t)index + 64 * (uint64_t)variable +
             1024 * (version + 1));
}

static void classes_add(struct classes *c, uint64_t key) {
  if (c->n == MAX_CLASSES) {
    fprintf(stderr, "selftest: too many executions\n");
    exit(2);
  }
  c->key[c->n++] = key;
}

static int compare_keys(const void *a, const void *b) {
  uint64_t x, y;
  memcpy(&x, a, sizeof x);
  memcpy(&y, b, sizeof y);
  return x < y ? -1 : x > y;
}

/* Sorts; drops repetitions if `distinct`. */
static void classes_sort(struct classes *c, bool distinct) {
  qsort(c->key, c->n, sizeof c->key[0], compare_keys);
  size_t kept = 0;
  for (size_t i = 0; i < c->n; i++) {
    if (!distinct || kept == 0 || c->key[kept - 1] != c->key[i]) {
      c->key[kept++] = c->key[i];
    }
  }
  c->n = kept;
}

/* --- the reference: all interleavings, by recursion ------------------------------------------------ */

struct event {
  int thread;
  enum kind kind;
  enum sched_order order;
  int variable;
  bool reads, writes, plain;
  int reads_from; /* index of the atomic write that was read, -1 for the start value */
};

struct state {
  int pc[MAX_THREADS];
  uint64_t last_read[MAX_THREADS];
  uint64_t value[N_VARIABLES], version[N_VARIABLES];
  int writer[N_VARIABLES];
  uint64_t key;
  int n_events;
};

static struct event events[MAX_EVENTS];
static bool reference_race, reference_deadlock;

static bool releases(enum sched_order o) { return o == SCHED_RELEASE || o == SCHED_ACQ_REL; }
static bool acquires(enum sched_order o) { return o == SCHED_ACQUIRE || o == SCHED_ACQ_REL; }

static bool is_fence(int i) { return events[i].kind == FENCE; }

/* before[i]: the set of events that happen before event i. */
static void happens_before(int n, uint32_t before[]) {
  for (int i = 0; i < n; i++) {
    before[i] = 0;
    for (int j = 0; j < i; j++) {
      if (events[j].thread == events[i].thread) {
        before[i] |= before[j] | (1u << j);
      }
    }
    /* r: an atomic read through which event i acquires: i itself, or, if i is a fence, one before it */
    for (int r = 0; r <= i; r++) {
      bool through = r == i ? acquires(events[i].order) && !is_fence(i)
                            : is_fence(i) && events[r].thread == events[i].thread;
      if (!through || !events[r].reads || events[r].plain) {
        continue;
      }
      /* w: the writes whose release sequence r read from */
      for (int w = events[r].reads_from; w >= 0; w = events[w].reads ? events[w].reads_from : -1) {
        if (releases(events[w].order)) {
          before[i] |= before[w] | (1u << w);
        }
        for (int f = 0; f < w; f++) {
          if (is_fence(f) && events[f].thread == events[w].thread) {
            before[i] |= before[f] | (1u << f);
          }
        }
      }
    }
  }
}

static void look_for_races(int n) {
  uint32_t before[MAX_EVENTS];
  happens_before(n, before);
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < i; j++) {
      const struct event *a = &events[i], *b = &events[j];
      if (a->thread != b->thread && !is_fence(i) && !is_fence(j) && a->variable == b->variable &&
          (a->writes || b->writes) && (a->plain || b->plain) && (before[i] & (1u << j)) == 0) {
        reference_race = true;
      }
    }
  }
}

static void reference_step(struct state *s, int t) {
  const struct instruction *in = &program.code[t][s->pc[t]++];
  if (skipped(in, s->last_read[t])) {
    return;
  }
  int v = in->variable;
  struct event *e = &events[s->n_events];
  *e = (struct event){
      .thread = t, .kind = in->kind, .order = in->order, .variable = v, .reads_from = -1};
  e->plain = in->kind == PLAIN_LOAD || in->kind == PLAIN_STORE;
  bool lock = in->kind == LOCK || in->kind == UNLOCK;
  e->reads =
      in->kind == LOAD || in->kind == EXCHANGE || in->kind == CAS || in->kind == PLAIN_LOAD || lock;
  uint64_t old = s->value[v];
  if (in->kind == FENCE) {
    s->n_events++;
    return;
  }
  if (e->reads && !e->plain) {
    e->reads_from = s->writer[v];
  }
  bool may_write = in->kind == STORE || in->kind == EXCHANGE || in->kind == CAS ||
                   in->kind == PLAIN_STORE || lock;
  e->writes = may_write && !(in->kind == CAS && old != in->expected);
  if (e->reads && !lock) {
    s->last_read[t] = old;
  }
  if (e->writes) {
    s->value[v] = lock ? in->kind == LOCK : in->value;
    s->writer[v] = e->plain ? -1 : s->n_events;
  }
  if (!e->plain) {
    s->key += event_key(t, s->pc[t], v, s->version[v]);
    s->version[v] += may_write; /* a failing CAS takes its place in the order all the same */
  }
  s->n_events++;
}

static void reference_explore(const struct state *s) {
  bool ended = true, waiting = false;
  for (int t = 0; t < program.n_threads; t++) {
    const struct instruction *in = &program.code[t][s->pc[t]];
    if (s->pc[t] < program.length && in->kind == LOCK && s->value[in->variable] != 0) {
      waiting = true;
    } else if (s->pc[t] < program.length) {
      ended = false;
      struct state next = *s;
      reference_step(&next, t);
      reference_explore(&next);
    }
  }
  reference_deadlock |= ended && waiting;
  if (ended) {
    look_for_races(s->n_events);
    classes_add(&reference, s->key);
    if (reference.n == MAX_CLASSES) {
      classes_sort(&reference, true);
    }
  }
}

/* --- the same program under the scheduler ---------------------------------------------------------- */

static uint64_t variable[N_VARIABLES], version[N_VARIABLES], scheduler_key;

static void scheduled_reset(void *ctx) {
  (void)ctx;
  memset(variable, 0, sizeof variable);
  memset(version, 0, sizeof version);
  scheduler_key = 0;
}

static uint64_t scheduled_step(const struct instruction *in, int t, int index, uint64_t last_read) {
  uint64_t *p = &variable[in->variable];
  if (in->kind == FENCE) {
    sched_fence();
    return last_read;
  }
  if (in->kind == PLAIN_LOAD) {
    sched_plain(p, sizeof *p, false);
    return *p;
  }
  if (in->kind == PLAIN_STORE) {
    sched_plain(p, sizeof *p, true);
    *p = in->value;
    return last_read;
  }
  if (in->kind == LOCK || in->kind == UNLOCK) {
    in->kind == LOCK ? sched_lock(p) : sched_unlock(p);
    scheduler_key += event_key(t, index + 1, in->variable, version[in->variable]++);
    return last_read;
  }
  sched_before(p, in->kind != LOAD, "access");
  uint64_t old = *p;
  scheduler_key += event_key(t, index + 1, in->variable, version[in->variable]);
  version[in->variable] += in->kind != LOAD;
  if (in->kind == LOAD || (in->kind == CAS && old != in->expected)) {
    sched_loaded(p, in->order, old);
    return old;
  }
  *p = in->value;
  if (in->kind == STORE) {
    sched_stored(p, in->order, old, in->value);
    return last_read;
  }
  sched_updated(p, in->order, old, in->value);
  return old;
}

static void scheduled_thread(void *ctx) {
  (void)ctx;
  int t = sched_self();
  uint64_t last_read = 0;
  for (int i = 0; i < program.length; i++) {
    if (!skipped(&program.code[t][i], last_read)) {
      last_read = scheduled_step(&program.code[t][i], t, i, last_read);
    }
  }
}

static void scheduled_final(void *ctx) {
  (void)ctx;
  classes_add(&scheduled, scheduler_key);
}

/* --- comparison ------------------------------------------------------------------------------------ */

static struct sched_result explore(void) {
  struct sched_test test = {
      .n_threads = program.n_threads, .reset = scheduled_reset, .final = scheduled_final};
  for (int t = 0; t < program.n_threads; t++) {
    test.thread[t] = scheduled_thread;
  }
  struct sched_result result = {0};
  sched_explore(&test, &result, false);
  return result;
}

struct counts {
  uint64_t executions, races, deadlocks;
};

static void compare(uint64_t number, bool with_plain, struct counts *counts) {
  make_program(number, with_plain);
  reference.n = scheduled.n = 0;
  reference_race = reference_deadlock = false;
  struct state start = {0};
  for (int v = 0; v < N_VARIABLES; v++) {
    start.writer[v] = -1;
  }
  reference_explore(&start);
  classes_sort(&reference, true);
  struct sched_result result = explore();
  classes_sort(&scheduled, false);
  bool deadlock = result.failed && strcmp(result.message, "deadlock") == 0;
  counts->executions += result.executions;
  counts->races += result.failed && !deadlock;
  counts->deadlocks += deadlock;
  if ((result.failed && !deadlock && !reference_race) || (!result.failed && reference_race)) {
    printf("FAILED races: program %llu: %s\n", (unsigned long long)number,
           reference_race ? "a data race was missed" : result.message);
    exit(1);
  }
  if ((deadlock && !reference_deadlock) || (!result.failed && reference_deadlock)) {
    printf("FAILED deadlocks: program %llu: %s\n", (unsigned long long)number,
           reference_deadlock ? "a deadlock was missed" : "there is none");
    exit(1);
  }
  if (!result.failed &&
      (reference.n != scheduled.n ||
       memcmp(reference.key, scheduled.key, reference.n * sizeof reference.key[0]) != 0)) {
    printf("FAILED classes: program %llu: %zu executions, %zu classes exist\n",
           (unsigned long long)number, scheduled.n, reference.n);
    exit(1);
  }
}

static void endless_thread(void *ctx) {
  (void)ctx;
  for (;;) {
    sched_before(&variable[0], true, "access");
  }
}

/* An execution without end is a failure. */
static void check_step_limit(void) {
  struct sched_test test = {.n_threads = 1, .reset = scheduled_reset, .thread = {endless_thread}};
  struct sched_result result = {0};
  if (sched_explore(&test, &result, false) || strstr(result.message, "longer than") == NULL) {
    printf("FAILED step-limit: an endless execution was accepted\n");
    exit(1);
  }
}

static __thread int local = 7;
static uint64_t meeting;

/* Counts in its own variable, while the others do. */
static void counting_thread(void *ctx) {
  (void)ctx;
  for (int i = 0; i < 3; i++) {
    SCHED_CHECK(local == 7 + i, "each has its own");
    sched_plain(&local, sizeof local, true);
    local++;
    sched_ghost(&meeting, true);
  }
}

/* Thread-local variables are each thread's own: not shared, no race, and as the set-up left them. */
static void check_locals(void) {
  struct sched_test test = {
      .n_threads = 2, .reset = scheduled_reset, .thread = {counting_thread, counting_thread}};
  struct sched_result result = {0};
  if (!sched_explore(&test, &result, false) || result.executions != 20) {
    printf("FAILED locals: %s after %llu executions\n", result.message,
           (unsigned long long)result.executions);
    exit(1);
  }
}

int main(void) {
  enum { N_PROGRAMS = 3000 };
  struct counts atomic = {0}, plain = {0};
  check_step_limit();
  for (uint64_t i = 0; i < N_PROGRAMS; i++) {
    compare(i, false, &atomic);
    compare(N_PROGRAMS + i, true, &plain);
  }
  check_locals();
  printf("reached several-classes %llu\n", (unsigned long long)(atomic.executions - N_PROGRAMS));
  printf("reached deadlock %llu\n", (unsigned long long)atomic.deadlocks);
  printf("reached race %llu\nreached no-race %llu\n", (unsigned long long)plain.races,
         (unsigned long long)(N_PROGRAMS - plain.races));
  printf("OK programs=%d executions=%llu deadlocks=%llu; with plain accesses: programs=%d "
         "executions=%llu "
         "races=%llu\n",
         N_PROGRAMS, (unsigned long long)atomic.executions, (unsigned long long)atomic.deadlocks,
         N_PROGRAMS, (unsigned long long)plain.executions, (unsigned long long)plain.races);
  return 0;
}
