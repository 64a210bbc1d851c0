/* SPDX-License-Identifier: Apache-2.0
 *
 * The C library's locks for code under relacy: a mutex is one of relacy's. Included once, by a harness.
 */
#ifndef ORDERS_PTHREAD_H
#define ORDERS_PTHREAD_H

#include <pthread.h>
#include <sched.h>

#include "orders.h"

int pthread_mutex_lock(pthread_mutex_t *m) {
  orders_lock(m);
  return 0;
}
int pthread_mutex_unlock(pthread_mutex_t *m) {
  orders_unlock(m);
  return 0;
}
int sched_yield(void) {
  orders_yield();
  return 0;
}

#endif
