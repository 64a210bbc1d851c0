/* SPDX-License-Identifier: Apache-2.0
 *
 * What harness/lower_layers.h and small_spans.h ask of a harness of the scheduler. Included before them.
 */
#ifndef SCHED_SPANS_H
#define SCHED_SPANS_H

#include <stdlib.h>

#include "sched.h"
#include "sched_pthread.h"

/* Counters and the like, which no thread orders: not part of what is checked for races. */
#define GHOST __attribute__((no_sanitize_thread))
#define CHECK SCHED_CHECK

static inline _Noreturn void unexpected(const char *property) {
  sched_fail("%s", property);
  abort();
}

#endif
