/* SPDX-License-Identifier: Apache-2.0
 *
 * Compiled code under the weak orders of C11: the interface to relacy.
 *
 * A test is a set-up function, two or three threads and a final check. orders_explore runs the compiled threads in
 * every order of their atomic accesses, and, where C11 lets a load see an older value than the newest, with each: the
 * newest or the one before it. That is relacy's full search (https://www.1024cores.net/home/relacy-race-detector), with
 * its limits: loads look one value back, and the stores to a word take effect in the order in which they run. A test
 * that is too long for every order can bound how often a thread that could go on is made to wait for another.
 *
 * Words that threads share are declared with orders_shared; the memory of such a word holds its newest value, relacy
 * the values before. Regions declared with orders_plain are checked for data races in C11's sense; every other
 * plain access is taken for one to memory that does not change. An atomic access to a word that is not declared is
 * a plain one if a region covers it, and an error if not. Locks are declared with orders_lockable.
 *
 * Up: harness/relacy/<name>/harness.c, atomic_relacy.h. Down: orders.cpp.
 */
#ifndef ORDERS_H
#define ORDERS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ORDERS_MAX_THREADS 3
#define ORDERS_MAX_WORDS 8
#define ORDERS_MAX_REGIONS 32
#define ORDERS_MAX_QUIET 16
#define ORDERS_MAX_LOCKS 4

enum orders_order { ORDERS_RELAXED, ORDERS_ACQUIRE, ORDERS_RELEASE, ORDERS_ACQ_REL, ORDERS_SEQ_CST };

#define ORDERS_ANY 0u

struct orders_test {
  int n_threads;        /* 2 or 3 */
  unsigned preemptions; /* most in an execution; ORDERS_ANY: no bound */
  void (*reset)(void); /* sets up all state; runs before every execution */
  void (*thread[ORDERS_MAX_THREADS])(void);
  void (*final)(void); /* checks the end state */
  /* Sees every write of an atomic operation inside its step; may be NULL. */
  void (*on_write)(const void *addr, uint64_t old, uint64_t new_value);
  /* Runs whenever `thread` goes on: sets what stands for its thread-local state; may be NULL. */
  void (*on_resume)(int thread);
};

/* Declarations; orders_forget takes them all back. Quiet words are shared, but their accesses are no scheduling points
 * and see their newest values: that makes the search smaller, and their orders are not checked. */
void orders_forget(void);
void orders_shared(const void *word);
void orders_quiet(const void *addr, size_t size);
void orders_plain(const void *addr, size_t size);
void orders_lockable(const void *lock);

/* Runs all executions and adds their number to *executions. False at the first that fails; it is then printed. */
bool orders_explore(const struct orders_test *test, uint64_t *executions);

/* --- for threads and final checks --- */

/* Ends the execution as failed. Does not return. */
void orders_fail(const char *property);
#define ORDERS_CHECK(condition, property)                                                          \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      orders_fail(property);                                                                       \
    }                                                                                              \
  } while (0)
/* The name of the property that failed. */
const char *orders_failed(void);

/* A plain access of the checker's own. */
void orders_touch(const void *addr, size_t size, bool write);

/* --- for orders_pthread.h: outside the threads they do nothing --- */

void orders_lock(const void *lock);
void orders_unlock(const void *lock);
/* Lets the others run, in a loop that waits for one of them. */
void orders_yield(void);

/* --- for atomic_relacy.h --- */

uint64_t orders_load(const void *p, enum orders_order order);
void orders_store(void *p, uint64_t v, enum orders_order order);
uint64_t orders_exchange(void *p, uint64_t v, enum orders_order order);
uint64_t orders_fetch_or(void *p, uint64_t v, enum orders_order order);
/* order is that of success; a failure is in the part of it that a load can have. */
bool orders_cas(void *p, uint64_t expected, uint64_t desired, enum orders_order order);

#ifdef __cplusplus
}
#endif

#endif
