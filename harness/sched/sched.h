/* SPDX-License-Identifier: Apache-2.0
 *
 * Exhaustive scheduler for compiled code: the interface.
 *
 * A test is a set-up function, a few threads and a final check. sched_explore runs the compiled
 * threads again and again, each time in another order of their atomic accesses, until every order
 * that could make a difference has been run (source-DPOR with sleep sets, see sched.c), or a check
 * has failed. The threads are coroutines of one process; a thread runs alone from one atomic access
 * to the next. Accesses that are not atomic are no scheduling points: vector clocks show that they
 * do not race (in C11's sense), which is what makes it enough to interleave the atomic ones.
 *
 * What it shows: every execution under sequential consistency of the given threads from the given
 * start, for any values and pointers, without a bound on either. What it does not: stale values that
 * a relaxed or acquire load may see under a weaker model (CBMC's TSO and relacy are for these).
 *
 * Thread-local variables of the program are each thread's own, and not shared: no scheduling point, no
 * race. All threads and the final check start with what `reset` left in them.
 *
 * Rules for a test: threads are deterministic, do not spin without bound, block only in sched_lock,
 * and reach shared state only through atomic_sched.h, through instrumented accesses (sched_tsan.c),
 * or, for the checker's own bookkeeping, after sched_ghost. A deadlock is a failure.
 *
 * Up: harness/sched/<name>/harness.c, atomic_sched.h.  Down: nothing but the C library.
 */
#ifndef SCHED_H
#define SCHED_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCHED_MAX_THREADS 6
#define SCHED_MAX_STEPS                                                                            \
  400 /* an execution with more atomic steps is a failure, never cut silently */

/* C11 orders, as far as the race detector tells them apart (seq_cst = acquire and release). */
enum sched_order { SCHED_RELAXED, SCHED_ACQUIRE, SCHED_RELEASE, SCHED_ACQ_REL };

struct sched_test {
  int n_threads;
  void (*reset)(void *ctx); /* sets up all shared state; runs before every execution */
  void (*thread[SCHED_MAX_THREADS])(void *ctx);
  void (*final)(void *ctx); /* checks the end state; may be NULL */
  /* Sees every write of an atomic operation inside its step; may be NULL. */
  void (*on_write)(void *ctx, const volatile void *addr, uint64_t old, uint64_t new_value);
  void *ctx;
  bool ignore_plain; /* plain accesses are not looked at: no data race is found */
};

struct sched_result {
  uint64_t executions; /* complete executions: one for each equivalence class of orders */
  uint64_t pruned;     /* started, then found to repeat an earlier one */
  uint64_t steps;
  uint32_t longest; /* steps of the longest execution */
  bool failed;
  char message[160]; /* the failed check */
};

/* Runs all executions, adds its counts to *result; false at the first failing one, whose schedule is
 * then printed on stdout if `verbose`. */
bool sched_explore(const struct sched_test *test, struct sched_result *result, bool verbose);

/* The last line of a harness that has passed. */
void sched_print_ok(const struct sched_result *result, uint64_t starts);

/* --- for threads and final checks ------------------------------------------------------------- */

/* Ends the execution as failed. Does not return when called from a thread or from `final`. */
void sched_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define SCHED_CHECK(condition, name)                                                               \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      sched_fail("%s", (name));                                                                    \
    }                                                                                              \
  } while (0)

int sched_self(void); /* number of the running thread, -1 outside */

/* Ends the running thread, or the final check, here and now; the execution goes on without it. */
_Noreturn void sched_stop(void);

/* Scheduling point for the checker's own shared state: call before touching what `addr` stands for. */
void sched_ghost(const volatile void *addr, bool write);

/* A name for an address in printed schedules. */
void sched_name(const volatile void *addr, size_t size, const char *name);

/* --- for atomic_sched.h and sched_tsan.c ------------------------------------------------------- */

/* Before an atomic access: hands control to the scheduler, returns when the access may happen. */
void sched_before(const volatile void *addr, bool may_write, const char *what);
/* After it: what was read, and, if it wrote, what; moves the happens-before clocks. */
void sched_loaded(const volatile void *addr, enum sched_order order, uint64_t value);
void sched_stored(const volatile void *addr, enum sched_order order, uint64_t old, uint64_t value);
void sched_updated(const volatile void *addr, enum sched_order order, uint64_t old, uint64_t value);
void sched_fence(void); /* sequentially consistent */
/* A lock at addr, not recursive. Outside the threads both do nothing. */
void sched_lock(const volatile void *addr);
void sched_unlock(const volatile void *addr);
/* Whether the running thread has locked it. */
bool sched_holds(const volatile void *addr);
/* A plain access; not a scheduling point. */
void sched_plain(const volatile void *addr, size_t size, bool write);

#endif
