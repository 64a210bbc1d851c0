/* SPDX-License-Identifier: Apache-2.0
 *
 * Mutual exclusion. Order: the background thread's, the scavenger's, the list of mcaches, then a central list, then
 * the heap. Nothing is called with a lock held but lower layers and the OS layer. The locks are not recursive.
 *
 * The compiler checks who holds what (clang -Wthread-safety, make check-builds; elsewhere the annotations are empty):
 * data say which lock guards them, functions which lock they need or must not be called with. In C a field cannot
 * name a lock of its own struct: vs_heap is guarded as a whole, and the fields of a central list by a role, which
 * stands for the lock of some central list and is taken and released with it.
 *
 * Up: mcache, mcentral, mheap. Down: the C library.
 * Invariant: none. Claims: C9.
 */
#ifndef VERISPAN_LOCK_H
#define VERISPAN_LOCK_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>

#if defined(__clang__) && !defined(__FRAMAC__)
#define VS_LOCK_ATTRIBUTE(x) __attribute__((x))
#else
#define VS_LOCK_ATTRIBUTE(x)
#endif

#define VS_CAPABILITY VS_LOCK_ATTRIBUTE(capability("lock"))
#define VS_GUARDED_BY(lock) VS_LOCK_ATTRIBUTE(guarded_by(lock))               /* plain accesses need it held */
#define VS_REQUIRES(...) VS_LOCK_ATTRIBUTE(requires_capability(__VA_ARGS__))  /* called with it held */
#define VS_EXCLUDES(...) VS_LOCK_ATTRIBUTE(locks_excluded(__VA_ARGS__))       /* called without it: takes it */
#define VS_ACQUIRES(...) VS_LOCK_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define VS_TRIES(...) VS_LOCK_ATTRIBUTE(try_acquire_capability(true, __VA_ARGS__))
#define VS_RELEASES(...) VS_LOCK_ATTRIBUTE(release_capability(__VA_ARGS__))
#define VS_LOCK_UNCHECKED VS_LOCK_ATTRIBUTE(no_thread_safety_analysis)        /* says beside it why */

struct VS_CAPABILITY vs_lock {
  pthread_mutex_t mutex;
};

#define VS_LOCK_INIT                                                                               \
  { PTHREAD_MUTEX_INITIALIZER }

#ifndef __FRAMAC__
/* Not checked inside: they are what acquiring and releasing means. */
VS_LOCK_UNCHECKED static inline void lock_acquire(struct vs_lock *l) VS_ACQUIRES(*l) {
  (void)pthread_mutex_lock(&l->mutex);
}
VS_LOCK_UNCHECKED static inline bool lock_try(struct vs_lock *l) VS_TRIES(*l) {
  return pthread_mutex_trylock(&l->mutex) == 0;
}
VS_LOCK_UNCHECKED static inline void lock_release(struct vs_lock *l) VS_RELEASES(*l) {
  (void)pthread_mutex_unlock(&l->mutex);
}

/* A fresh lock, before anybody knows of it. */
static inline void lock_init(struct vs_lock *l) { *l = (struct vs_lock)VS_LOCK_INIT; }

/* Lets other threads run, in a loop that waits for one. */
static inline void lock_pause(void) { (void)sched_yield(); }
#endif

/* The lock of some central list; declared for the annotations only. */
struct VS_CAPABILITY vs_role {
  char none;
};
extern struct vs_role vs_role_central;

#endif
