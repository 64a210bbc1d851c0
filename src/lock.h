/* SPDX-License-Identifier: Apache-2.0
 *
 * Mutual exclusion. Order: the list of mcaches, then a central list, then the heap. Nothing is called with a
 * lock held but lower layers and the OS layer. The locks are not recursive.
 *
 * Up: mcache, mcentral, mheap. Down: the C library.
 * Invariant: none. Claims: C9.
 */
#ifndef VERISPAN_LOCK_H
#define VERISPAN_LOCK_H

#include <pthread.h>

struct vs_lock {
  pthread_mutex_t mutex;
};

#define VS_LOCK_INIT                                                                               \
  { PTHREAD_MUTEX_INITIALIZER }

static inline void lock_acquire(struct vs_lock *l) { (void)pthread_mutex_lock(&l->mutex); }
static inline void lock_release(struct vs_lock *l) { (void)pthread_mutex_unlock(&l->mutex); }

#endif
