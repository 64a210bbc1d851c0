/* SPDX-License-Identifier: Apache-2.0
 *
 * Exhaustive scheduler for compiled code: happens-before and data races (see sched_race.h).
 */
#include "sched_race.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_GRANULES = 4096, GRANULE = 4 };

struct clock {
  uint32_t at[SCHED_MAX_THREADS];
};

enum access { PLAIN_READ, PLAIN_WRITE, ATOMIC_READ, ATOMIC_WRITE, N_ACCESS };

/* When each thread last accessed something, in each of the four ways. */
struct history {
  struct clock last[N_ACCESS];
};

/* What is known of one granule: the history of its bytes, one for all until an access is to a part of
 * them only, and what an acquire load of its present value learns. */
struct granule {
  uintptr_t addr;
  uint64_t generation;
  bool split;
  struct clock released;
  struct history byte[GRANULE]; /* only the first in use while not split */
};

static struct granule granules[N_GRANULES];
static uint64_t generation;
static int n;
static struct clock now[SCHED_MAX_THREADS];      /* what each thread knows */
static struct clock fenced[SCHED_MAX_THREADS];   /* ... knew at its last fence */
static struct clock observed[SCHED_MAX_THREADS]; /* ... will know at its next fence */

static void join(struct clock *into, const struct clock *from) {
  for (int t = 0; t < n; t++) {
    if (into->at[t] < from->at[t]) {
      into->at[t] = from->at[t];
    }
  }
}

void race_reset(int n_threads) {
  generation++;
  n = n_threads;
  memset(now, 0, sizeof now);
  memset(fenced, 0, sizeof fenced);
  memset(observed, 0, sizeof observed);
  for (int t = 0; t < n; t++) {
    now[t].at[t] = 1;
  }
}

static struct granule *granule_of(uintptr_t addr) {
  size_t i = (size_t)((addr * 0x9E3779B97F4A7C15u) >> 32) % N_GRANULES;
  for (int tries = 0; tries < N_GRANULES; tries++, i = (i + 1) % N_GRANULES) {
    struct granule *g = &granules[i];
    if (g->generation != generation) {
      g->split = false;
      memset(&g->released, 0, sizeof g->released);
      memset(&g->byte[0], 0, sizeof g->byte[0]);
      g->addr = addr;
      g->generation = generation;
      return g;
    }
    if (g->addr == addr) {
      return g;
    }
  }
  fprintf(stderr, "sched: more than %d granules of shared memory\n", N_GRANULES);
  exit(2);
}

static void check(int thread, const struct history *h, enum access earlier, uintptr_t addr) {
  for (int t = 0; t < n; t++) {
    if (t != thread && h->last[earlier].at[t] > now[thread].at[t]) {
      char name[48];
      sched_fail("data-race: threads %d and %d on %s", t, thread,
                 sched_describe((const void *)addr, name, sizeof name));
    }
  }
}

/* Enters an access and checks it against the earlier ones of other threads. */
static void enter_history(int thread, struct history *h, enum access access, uintptr_t addr) {
  bool write = access == PLAIN_WRITE || access == ATOMIC_WRITE;
  bool plain = access == PLAIN_READ || access == PLAIN_WRITE;
  check(thread, h, PLAIN_WRITE, addr);
  if (write) {
    check(thread, h, PLAIN_READ, addr);
  }
  if (plain) {
    check(thread, h, ATOMIC_WRITE, addr);
  }
  if (plain && write) {
    check(thread, h, ATOMIC_READ, addr);
  }
  h->last[access].at[thread] = now[thread].at[thread];
}

static void enter(int thread, const volatile void *addr, size_t size, enum access access) {
  uintptr_t first = (uintptr_t)addr, end = first + size;
  for (uintptr_t a = first / GRANULE * GRANULE; a < end; a += GRANULE) {
    struct granule *g = granule_of(a);
    bool whole = first <= a && a + GRANULE <= end;
    if (!whole && !g->split) {
      g->split = true;
      for (int i = 1; i < GRANULE; i++) {
        g->byte[i] = g->byte[0];
      }
    }
    for (uintptr_t i = 0; i < (g->split ? GRANULE : 1); i++) {
      if (whole || (first <= a + i && a + i < end)) {
        enter_history(thread, &g->byte[i], access, a + i);
      }
    }
  }
}

/* What a store of this thread tells those who acquire it. */
static const struct clock *told(int thread, enum sched_order order) {
#ifdef SCHED_BUG_RELAXED_RELEASES /* takes a relaxed store for a release */
  (void)order;
  return &now[thread];
#else
  return order == SCHED_RELEASE || order == SCHED_ACQ_REL ? &now[thread] : &fenced[thread];
#endif
}

static void learn(int thread, const struct clock *released, enum sched_order order) {
  if (order == SCHED_ACQUIRE || order == SCHED_ACQ_REL) {
    join(&now[thread], released);
  } else {
    join(&observed[thread], released);
  }
}

void race_load(int thread, const volatile void *addr, enum sched_order order) {
  if (thread >= 0) {
    enter(thread, addr, sizeof(uint64_t), ATOMIC_READ);
    learn(thread, &granule_of((uintptr_t)addr)->released, order);
  }
}

void race_store(int thread, const volatile void *addr, enum sched_order order) {
  if (thread >= 0) {
    enter(thread, addr, sizeof(uint64_t), ATOMIC_WRITE);
    granule_of((uintptr_t)addr)->released = *told(thread, order);
    now[thread].at[thread]++;
  }
}

void race_update(int thread, const volatile void *addr, enum sched_order order) {
  if (thread >= 0) {
    enter(thread, addr, sizeof(uint64_t), ATOMIC_WRITE);
    struct granule *g = granule_of((uintptr_t)addr);
    struct clock before = g->released;
#ifdef SCHED_BUG_UPDATE_BREAKS /* a read-modify-write ends the release sequence it stands in */
    g->released = *told(thread, order);
#else
    join(&g->released, told(thread, order));
#endif
    learn(thread, &before, order);
    now[thread].at[thread]++;
  }
}

void race_fence(int thread) {
  if (thread >= 0) {
    join(&now[thread], &observed[thread]);
    fenced[thread] = now[thread];
    now[thread].at[thread]++;
  }
}

void race_plain(int thread, const volatile void *addr, size_t size, bool write) {
  if (thread >= 0) {
    enter(thread, addr, size, write ? PLAIN_WRITE : PLAIN_READ);
  }
}
