/* SPDX-License-Identifier: Apache-2.0
 *
 * A page heap that gives and takes back spans of one class: those that no thread has are spare.
 *
 * Before it is included: SPANS; make_fresh(s), which makes every slot of a span free; and sched_spans.h.
 */
#ifndef SPARE_SPANS_H
#define SPARE_SPANS_H

#include "mheap.h"
#include "ownership.h"

static struct mspan *spare[SPANS];
static int n_spare;
static uint64_t spare_lock __attribute__((aligned(64)));

struct mspan *mheap_alloc(uint32_t spanclass, uint64_t ctl, struct mheap_cache *cache) {
  (void)spanclass;
  (void)cache;
  sched_lock(&spare_lock);
  struct mspan *s = n_spare > 0 ? spare[--n_spare] : NULL;
  sched_unlock(&spare_lock);
  if (!s) return NULL;
  make_fresh(s);
  ownership_begin(s, ctl);
  return s;
}
void mheap_free(struct mspan *s) {
  ownership_end(s);
  sched_lock(&spare_lock);
  spare[n_spare++] = s;
  sched_unlock(&spare_lock);
}
void mheap_flush(struct mheap_cache *cache) { (void)cache; }

/* How often s is spare. */
static GHOST int times_spare(const struct mspan *s) {
  int times = 0;
  for (int i = 0; i < n_spare; i++) times += spare[i] == s;
  return times;
}

#endif
