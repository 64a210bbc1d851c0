/* SPDX-License-Identifier: Apache-2.0
 *
 * A data race inside the library, on purpose: two threads take from one span as if both owned it.
 * ThreadSanitizer must report it, or it does not see into the library's objects.
 */
#include "mspan.h"

#include <pthread.h>
#include <stdlib.h>

static struct mspan span;

static void *take(void *arg) {
  (void)arg;
  for (int i = 0; i < 100; i++)
    if (mspan_next_free(&span) >= span.nelems) abort();
  return NULL;
}

int main(void) {
  pthread_t t;
  mspan_init(&span, 8192, 3, false);
  if (pthread_create(&t, NULL, take, NULL) != 0) return 2;
  take(NULL);
  pthread_join(t, NULL);
  return 0;
}
