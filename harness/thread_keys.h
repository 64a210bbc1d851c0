/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of the C library for harnesses: there is one, and a thread that exits says so. Included once, by a harness.
 */
#ifndef THREAD_KEYS_H
#define THREAD_KEYS_H

#include <pthread.h>
#include <stdint.h>

static void (*thread_destructor)(void *);
static __thread const void *thread_value;

int pthread_key_create(pthread_key_t *key, void (*destructor)(void *)) {
  thread_destructor = destructor;
  *key = 0;
  return 0;
}
int pthread_setspecific(pthread_key_t key, const void *value) {
  (void)key;
  thread_value = value;
  return 0;
}

/* What the C library does for a thread that exits. */
static inline void thread_exits(void) {
  void *value = (void *)(uintptr_t)thread_value;
  thread_value = NULL;
  if (value != NULL) thread_destructor(value);
}

#endif
