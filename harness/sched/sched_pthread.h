/* SPDX-License-Identifier: Apache-2.0
 *
 * The C library's locks for code under the scheduler: a mutex is a lock of its own. Included once, by a harness.
 */
#ifndef SCHED_PTHREAD_H
#define SCHED_PTHREAD_H

#include <pthread.h>

#include "sched.h"

int pthread_mutex_lock(pthread_mutex_t *m) {
  sched_lock(m);
  return 0;
}
int pthread_mutex_unlock(pthread_mutex_t *m) {
  sched_unlock(m);
  return 0;
}

#endif
