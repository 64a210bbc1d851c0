/* SPDX-License-Identifier: Apache-2.0
 *
 * Exhaustive scheduler for compiled code: the search.
 *
 * Two executions that differ only in the order of independent steps (different addresses, or both
 * reading) are equivalent. The search runs one execution of every equivalence class: source-DPOR with
 * sleep sets (Abdulla, Aronis, Jonsson, Sagonas: "Optimal dynamic partial order reduction", POPL 2014,
 * algorithm 1). It is stateless: to try another thread at some step it starts the program again and
 * replays the steps before.
 *
 * sched_race.c holds the other half, C11's happens-before and the data races; it does not influence
 * the search. selftest/ compares the search with a full enumeration of random programs; the
 * SCHED_BUG_* switches break it on purpose for that test and have no other use.
 */
#define _GNU_SOURCE /* dl_iterate_phdr */
#include "sched.h"

#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched_race.h"

enum { STACK_SIZE = 128 * 1024, N_LOCATIONS = 1024, N_NAMES = 64 };

/* Entry t is 1 + the index of the last step of thread t that comes before, 0 if none does. "Before" is
 * the order of dependent steps here, unlike the clocks of sched_race.c. */
struct step_clock {
  uint32_t at[SCHED_MAX_THREADS];
};

enum op_kind { OP_READ, OP_WRITE, OP_LOCK, OP_UNLOCK };

struct op {
  const volatile void *addr;
  enum op_kind kind;
  const char *what;
};

/* One step of the current execution and, with its sets, one node of the search tree. */
struct step {
  int thread;              /* which thread runs here in the current execution ... */
  struct op op;            /* ... what it does ... */
  struct step_clock clock; /* ... and which steps come before it */
  uint32_t enabled;        /* sets of threads: can run here */
  uint32_t done;           /* have run here, in this execution or an earlier one */
  uint32_t backtrack;      /* must run here */
  uint32_t sleep;          /* need not run here: all of it has been seen from another node */
  struct op next[SCHED_MAX_THREADS]; /* what each enabled thread would do here */
};

/* The latest steps on one address. */
struct location {
  const volatile void *addr;
  uint64_t execution;               /* the record is of this execution, or void */
  int last_write;                   /* index of a step, -1 for none */
  int last_read[SCHED_MAX_THREADS]; /* since that write */
  int last_lock;                    /* index of a step */
  int holder;                       /* thread that has locked it, or -1 */
  struct step_clock write_clock, read_clock;
};

struct context {
  void *stack_pointer;
};

static const struct sched_test *test;
static struct sched_result *result;
static struct step steps[SCHED_MAX_STEPS + 1];
static int n_steps;
static struct step_clock thread_clock[SCHED_MAX_THREADS];
static struct location locations[N_LOCATIONS];
static uint64_t execution; /* numbers executions over the life of the process */

static struct context scheduler;
static struct context coroutine[SCHED_MAX_THREADS + 1]; /* the last one runs `final` */
static char *stack[SCHED_MAX_THREADS + 1];
static bool finished[SCHED_MAX_THREADS + 1];
static struct op pending[SCHED_MAX_THREADS + 1];
static int running = -1;
static bool failed;
static bool tracing;

static struct {
  const char *start;
  size_t size;
  const char *name;
} names[N_NAMES];
static int n_names;

/* --- thread-local variables --------------------------------------------------------------------- */

/* Those of the program, where the compiled code finds them; `reset` leaves them as in `initial`. */
static struct {
  char *block;
  size_t size;
  char *initial;
  char *own[SCHED_MAX_THREADS + 1];
} locals;

/* The program itself is the first of the objects. */
static int find_locals(struct dl_phdr_info *program, size_t size, void *unused) {
  (void)size;
  (void)unused;
#ifdef SCHED_BUG_SHARED_LOCALS /* finds none: one set for all threads */
  return 1;
#endif
  for (int i = 0; i < program->dlpi_phnum; i++) {
    if (program->dlpi_phdr[i].p_type == PT_TLS) {
      locals.block = program->dlpi_tls_data;
      locals.size = program->dlpi_phdr[i].p_memsz;
    }
  }
  return 1;
}

static void *allocate(size_t size) {
  void *p = malloc(size);
  if (p == NULL) {
    fprintf(stderr, "sched: out of memory\n");
    exit(2);
  }
  return p;
}

static void locals_copy(char *to, const char *from) {
  if (locals.size > 0) {
    memcpy(to, from, locals.size);
  }
}

static void locals_reset(void) {
  if (locals.initial == NULL) {
    dl_iterate_phdr(find_locals, NULL);
    locals.initial = allocate(locals.size + 1);
    for (int i = 0; i <= SCHED_MAX_THREADS; i++) {
      locals.own[i] = allocate(locals.size + 1);
    }
  }
  locals_copy(locals.initial, locals.block);
  for (int i = 0; i <= SCHED_MAX_THREADS; i++) {
    locals_copy(locals.own[i], locals.block);
  }
}

static bool is_local(const volatile void *addr) {
  return (uintptr_t)addr - (uintptr_t)locals.block < locals.size;
}

/* --- coroutines --------------------------------------------------------------------------------- */

/* Saves what the x86-64 ABI lets a callee keep on the old stack, goes on with the new one. */
__attribute__((naked, noinline)) static void context_switch(struct context *from
                                                            __attribute__((unused)),
                                                            struct context *to
                                                            __attribute__((unused))) {
  __asm__ volatile("push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
                   "mov %rsp, (%rdi)\n mov (%rsi), %rsp\n"
                   "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n");
}

static _Noreturn void coroutine_leave(void) {
  finished[running] = true;
  context_switch(&coroutine[running], &scheduler);
  abort(); /* nobody resumes a finished coroutine */
}

static void coroutine_main(void) {
  if (running < test->n_threads) {
    test->thread[running](test->ctx);
  } else {
    test->final(test->ctx);
  }
  coroutine_leave();
}

static void coroutine_resume(int i) {
  locals_copy(locals.block, locals.own[i]);
  running = i;
  context_switch(&scheduler, &coroutine[i]);
  running = -1;
  locals_copy(locals.own[i], locals.block);
  locals_copy(locals.block, locals.initial);
}

/* Runs coroutine i up to its first atomic access. */
static void coroutine_start(int i) {
  if (stack[i] == NULL) {
    stack[i] = allocate(STACK_SIZE);
  }
  void **top = (void **)(void *)(stack[i] + STACK_SIZE - 64);
  top = (void **)((uintptr_t)top & ~(uintptr_t)15);
  *--top = NULL; /* return address of coroutine_main: none */
  *--top = (void *)(uintptr_t)coroutine_main;
  for (int reg = 0; reg < 6; reg++) {
    *--top = NULL;
  }
  coroutine[i].stack_pointer = top;
  finished[i] = false;
  coroutine_resume(i);
}

/* --- names and printing ------------------------------------------------------------------------- */

void sched_name(const volatile void *addr, size_t size, const char *name) {
  for (int i = 0; i < n_names; i++) {
    if (names[i].start == (const char *)(uintptr_t)addr) {
      names[i].size = size;
      names[i].name = name;
      return;
    }
  }
  if (n_names < N_NAMES) {
    names[n_names].start = (const char *)(uintptr_t)addr;
    names[n_names].size = size;
    names[n_names].name = name;
    n_names++;
  }
}

const char *sched_describe(const volatile void *addr, char *buffer, size_t size) {
  const char *p = (const char *)(uintptr_t)addr;
  for (int i = 0; i < n_names; i++) {
    if (p >= names[i].start && p < names[i].start + names[i].size) {
      size_t offset = (size_t)(p - names[i].start);
      if (offset == 0) {
        snprintf(buffer, size, "%s", names[i].name);
      } else {
        snprintf(buffer, size, "%s+%zu", names[i].name, offset);
      }
      return buffer;
    }
  }
  snprintf(buffer, size, "%p", (void *)(uintptr_t)addr);
  return buffer;
}

static void trace(const char *arrow, uint64_t old, uint64_t value) {
  if (tracing && sched_self() >= 0) {
    char name[48];
    printf("  %3d  thread %d  %-10s %-24s ", n_steps, running, pending[running].what,
           sched_describe(pending[running].addr, name, sizeof name));
    if (arrow == NULL) {
      printf("= %#llx\n", (unsigned long long)value);
    } else {
      printf("%#llx %s %#llx\n", (unsigned long long)old, arrow, (unsigned long long)value);
    }
  }
}

static struct location *location_of(const volatile void *addr) {
  size_t i = (size_t)(((uintptr_t)addr * 0x9E3779B97F4A7C15u) >> 32) % N_LOCATIONS;
  for (int tries = 0; tries < N_LOCATIONS; tries++, i = (i + 1) % N_LOCATIONS) {
    struct location *l = &locations[i];
    if (l->execution != execution) {
      memset(l, 0, sizeof *l);
      l->addr = addr;
      l->execution = execution;
      l->last_write = -1;
      l->last_lock = -1;
      l->holder = -1;
      for (int t = 0; t < SCHED_MAX_THREADS; t++) {
        l->last_read[t] = -1;
      }
      return l;
    }
    if (l->addr == addr) {
      return l;
    }
  }
  fprintf(stderr, "sched: more than %d atomic addresses\n", N_LOCATIONS);
  exit(2);
}

/* --- what threads call -------------------------------------------------------------------------- */

void sched_stop(void) {
  if (running < 0) {
    fprintf(stderr, "sched: sched_stop outside a thread\n");
    exit(2);
  }
  coroutine_leave();
}

int sched_self(void) { return running >= 0 && running < test->n_threads ? running : -1; }

void sched_fail(const char *format, ...) {
  if (!failed) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(result->message, sizeof result->message, format, arguments);
    va_end(arguments);
    failed = true;
    if (tracing) {
      printf("  %3d  thread %d  FAILS: %s\n", n_steps, running, result->message);
    }
  }
  if (running >= 0) {
    coroutine_leave();
  }
}

static void wait_for_turn(const volatile void *addr, enum op_kind kind, const char *what) {
  if (sched_self() >= 0) {
    pending[running] = (struct op){addr, kind, what};
    context_switch(&coroutine[running], &scheduler);
  }
}

void sched_before(const volatile void *addr, bool may_write, const char *what) {
  wait_for_turn(addr, may_write ? OP_WRITE : OP_READ, what);
}

void sched_ghost(const volatile void *addr, bool write) {
  sched_before(addr, write, "ghost");
  if (tracing && sched_self() >= 0) {
    char name[48];
    printf("  %3d  thread %d  %-10s %s\n", n_steps, running, "ghost",
           sched_describe(addr, name, sizeof name));
  }
}

void sched_loaded(const volatile void *addr, enum sched_order order, uint64_t value) {
  trace(NULL, 0, value);
  race_load(sched_self(), addr, order);
}

static void tell_write(const volatile void *addr, uint64_t old, uint64_t value) {
  if (sched_self() >= 0 && test->on_write != NULL) {
    test->on_write(test->ctx, addr, old, value);
  }
}

void sched_stored(const volatile void *addr, enum sched_order order, uint64_t old, uint64_t value) {
  trace(":=", old, value);
  race_store(sched_self(), addr, order);
  tell_write(addr, old, value);
}

void sched_updated(const volatile void *addr, enum sched_order order, uint64_t old,
                   uint64_t value) {
  trace("->", old, value);
  race_update(sched_self(), addr, order);
  tell_write(addr, old, value);
}

void sched_lock(const volatile void *addr) {
  wait_for_turn(addr, OP_LOCK, "lock");
  if (sched_self() >= 0) {
    location_of(addr)->holder = running;
    trace("by", 0, (uint64_t)running);
    race_update(running, addr, SCHED_ACQ_REL);
  }
}

void sched_unlock(const volatile void *addr) {
  wait_for_turn(addr, OP_UNLOCK, "unlock");
  if (sched_self() >= 0) {
    if (location_of(addr)->holder != running) {
      sched_fail("unlock: the lock is not held by this thread");
    }
    location_of(addr)->holder = -1;
    trace("by", 0, (uint64_t)running);
    race_update(running, addr, SCHED_ACQ_REL);
  }
}

bool sched_holds(const volatile void *addr) { return running >= 0 && location_of(addr)->holder == running; }

void sched_fence(void) { race_fence(sched_self()); }

void sched_plain(const volatile void *addr, size_t size, bool write) {
  if (sched_self() >= 0 && !test->ignore_plain && !is_local(addr)) {
    race_plain(running, addr, size, write);
  }
}

/* --- the search ----------------------------------------------------------------------------------- */

static bool dependent(const struct op *a, const struct op *b) {
  return a->addr == b->addr && (a->kind != OP_READ || b->kind != OP_READ);
}

static uint32_t bit(int thread) { return (uint32_t)1 << thread; }

static int lowest(uint32_t set) { return __builtin_ctz(set); }

static void clock_join(struct step_clock *into, const struct step_clock *from) {
  for (int t = 0; t < test->n_threads; t++) {
    if (into->at[t] < from->at[t]) {
      into->at[t] = from->at[t];
    }
  }
}

/* Does step `early` come before step `late` in the order of dependent steps? */
static bool comes_before(int early, int late) {
  return steps[late].clock.at[steps[early].thread] > (uint32_t)early;
}

/* Steps `early` and `late` race: they are dependent and nothing orders them. Makes sure that an
 * execution in which they come in the other order starts at `early`: one in which the first step there
 * is an initial of v, the steps after `early` that do not depend on it, followed by `late`. */
static void reverse(int early, int late) {
  struct step *node = &steps[early];
  int v[SCHED_MAX_STEPS];
  int n_v = 0;
  uint32_t seen = 0;
  uint32_t initials = 0;
  for (int j = early + 1; j <= late; j++) {
    if (j < late && comes_before(early, j)) {
      continue;
    }
    if ((seen & bit(steps[j].thread)) == 0) {
      seen |= bit(steps[j].thread);
      bool initial = true;
      for (int k = 0; k < n_v && initial; k++) {
        initial = !comes_before(v[k], j);
      }
      if (initial) {
        initials |= bit(steps[j].thread);
      }
    }
    v[n_v++] = j;
  }
  if ((initials & (node->backtrack | node->sleep)) == 0) {
#ifdef SCHED_BUG_DROP_BACKTRACK /* forgets one backtrack point in sixteen */
    static unsigned int count;
    if (++count % 16 == 0) {
      return;
    }
#endif
    node->backtrack |= bit(lowest(initials));
  }
}

/* Enters step i into the clocks and reverses its races with earlier steps. */
static void record(int i, bool new_step) {
  struct step *s = &steps[i];
  struct location *l = location_of(s->op.addr);
  int racing[SCHED_MAX_THREADS + 1] = {0};
  int n_racing = 0;
  struct step_clock *clock = &thread_clock[s->thread];
  bool write = s->op.kind != OP_READ;
  if (s->op.kind == OP_LOCK) {
    /* Could have come before the last lock, not between that and its unlock. */
#ifndef SCHED_BUG_LOCK_ORDER /* a lock does not race with another thread's */
    if (l->last_lock >= 0 && steps[l->last_lock].thread != s->thread &&
        clock->at[steps[l->last_lock].thread] <= (uint32_t)l->last_lock) {
      racing[n_racing++] = l->last_lock;
    }
#endif
    l->last_lock = i;
  } else if (s->op.kind != OP_UNLOCK && l->last_write >= 0 &&
             steps[l->last_write].thread != s->thread &&
             clock->at[steps[l->last_write].thread] <= (uint32_t)l->last_write) {
    racing[n_racing++] = l->last_write;
  }
#ifndef SCHED_BUG_READ_WRITE /* a write does not race with earlier reads */
  for (int t = 0; t < test->n_threads && write; t++) {
    if (t != s->thread && l->last_read[t] >= 0 && clock->at[t] <= (uint32_t)l->last_read[t]) {
      racing[n_racing++] = l->last_read[t];
    }
  }
#endif
  clock_join(clock, &l->write_clock);
  if (write) {
    clock_join(clock, &l->read_clock);
  }
  clock->at[s->thread] = (uint32_t)i + 1;
  if (write) {
    l->write_clock = *clock;
    l->last_write = i;
    for (int t = 0; t < test->n_threads; t++) {
      l->last_read[t] = -1;
    }
  } else {
    clock_join(&l->read_clock, clock);
    l->last_read[s->thread] = i;
  }
  s->clock = *clock;
  if (new_step) {
    for (int k = 0; k < n_racing; k++) {
      reverse(racing[k], i);
    }
  }
}

/* Makes step i a new node of the tree; false if everything from here on has been seen already. */
static bool open_node(int i, uint32_t enabled) {
  struct step *s = &steps[i];
  s->enabled = enabled;
  s->done = 0;
  s->sleep = 0;
  for (int t = 0; t < test->n_threads; t++) {
    s->next[t] = pending[t];
  }
  if (i > 0) {
    const struct step *parent = &steps[i - 1];
    uint32_t covered = parent->sleep | (parent->done & ~bit(parent->thread));
    for (int t = 0; t < test->n_threads; t++) {
      bool wakes = dependent(&parent->next[t], &parent->op);
#ifdef SCHED_BUG_NEVER_WAKE /* a dependent step does not wake a sleeping thread */
      wakes = false;
#endif
      if ((covered & bit(t)) != 0 && !wakes) {
        s->sleep |= bit(t);
      }
    }
  }
  uint32_t awake = enabled & ~s->sleep;
  if (awake == 0) {
    return false;
  }
  s->thread = lowest(awake);
  s->backtrack = bit(s->thread);
  return true;
}

/* The threads that can go on; fails at a deadlock. */
static uint32_t enabled_threads(void) {
  uint32_t set = 0;
  bool waiting = false;
  for (int t = 0; t < test->n_threads; t++) {
    if (!finished[t]) {
      if (pending[t].kind == OP_LOCK && location_of(pending[t].addr)->holder >= 0) {
        waiting = true;
      } else {
        set |= bit(t);
      }
    }
  }
  if (set == 0 && waiting) {
    sched_fail("deadlock");
  }
  return set;
}

static void set_up(void) {
  execution++;
  failed = false;
  n_steps = 0;
  memset(thread_clock, 0, sizeof thread_clock);
  race_reset(test->n_threads);
  test->reset(test->ctx);
  locals_reset();
  for (int t = 0; t < test->n_threads && !failed; t++) {
    coroutine_start(t);
  }
}

/* Runs one execution; its first `n_replay` steps are given. False if it was given up as a repetition. */
static bool run_once(int n_replay) {
  set_up();
  uint32_t enabled;
  while (!failed && (enabled = enabled_threads()) != 0) {
    struct step *s = &steps[n_steps];
    if (n_steps == SCHED_MAX_STEPS) {
      sched_fail("execution longer than %d steps", SCHED_MAX_STEPS);
      break;
    }
    if (n_steps >= n_replay && !open_node(n_steps, enabled)) {
      return false;
    }
    const struct op *now = &pending[s->thread];
    if (n_steps < n_replay &&
        (now->addr != s->next[s->thread].addr || now->kind != s->next[s->thread].kind)) {
      fprintf(stderr, "sched: the test is not deterministic\n");
      exit(2);
    }
    s->op = *now;
    s->done |= bit(s->thread);
    record(n_steps, n_steps >= n_replay - 1);
    coroutine_resume(s->thread);
    n_steps++;
    result->steps++;
  }
  if (!failed && test->final != NULL) {
    coroutine_start(test->n_threads);
  }
  return true;
}

/* The deepest node with a thread still to be run; sets it up and returns the length of the replay, or
 * -1 at the end of the search. */
static int next_branch(void) {
  for (int i = n_steps - 1; i >= 0; i--) {
    uint32_t todo = steps[i].backtrack & ~steps[i].done & ~steps[i].sleep;
    if (todo != 0) {
      steps[i].thread = lowest(todo);
      return i + 1;
    }
  }
  return -1;
}

static void print_failure(void) {
  char message[sizeof result->message];
  memcpy(message, result->message, sizeof message);
  printf("failing execution (%d steps): %s\n", n_steps, message);
  int length = n_steps;
  tracing = true;
  set_up();
  for (int i = 0; i < length && !failed; i++) {
    coroutine_resume(steps[i].thread);
    n_steps++;
  }
  if (!failed && test->final != NULL) {
    coroutine_start(test->n_threads);
  }
  tracing = false;
  if (strcmp(message, result->message) != 0) {
    printf("  the replay ends differently: the test is not deterministic\n");
  }
}

bool sched_explore(const struct sched_test *the_test, struct sched_result *the_result,
                   bool verbose) {
  test = the_test;
  result = the_result;
  if (test->n_threads < 1 || test->n_threads > SCHED_MAX_THREADS) {
    fprintf(stderr, "sched: %d threads, not 1 to %d\n", test->n_threads, SCHED_MAX_THREADS);
    exit(2);
  }
  for (int n_replay = 0; n_replay >= 0; n_replay = next_branch()) {
    if (run_once(n_replay)) {
      result->executions++;
    } else {
      result->pruned++;
    }
    if ((uint32_t)n_steps > result->longest) {
      result->longest = (uint32_t)n_steps;
    }
    if (failed) {
      result->failed = true;
      if (verbose) {
        print_failure();
      }
      return false;
    }
  }
  return true;
}

void sched_print_ok(const struct sched_result *total, uint64_t starts) {
  printf("OK starts=%llu executions=%llu pruned=%llu steps=%llu longest=%u\n", (unsigned long long)starts,
         (unsigned long long)total->executions, (unsigned long long)total->pruned, (unsigned long long)total->steps,
         total->longest);
}
