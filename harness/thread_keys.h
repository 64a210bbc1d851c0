/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of the C library for harnesses: there is one, and a thread that exits says so. Included once, by a harness.
 */
#ifndef THREAD_KEYS_H
#define THREAD_KEYS_H

#include <pthread.h>

static void (*thread_destructor)(void *);

int pthread_key_create(pthread_key_t *key, void (*destructor)(void *)) {
  thread_destructor = destructor;
  *key = 0;
  return 0;
}
int pthread_setspecific(pthread_key_t key, const void *value) {
  (void)key;
  (void)value;
  return 0;
}

/* What the C library does for a thread that exits and has set the key. */
static inline void thread_exits(void) { thread_destructor(NULL); }

#endif
