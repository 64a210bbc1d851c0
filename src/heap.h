/* SPDX-License-Identifier: Apache-2.0
 *
 * Heaps: what the spans of one heap share above the page heap, which is one for all. Each has its own central lists
 * and its own mcaches, one for each thread that uses it. The default heap is the C library's; further ones are
 * made by vs_heap_create and are manual, as the default heap is, or collected (cycle.h).
 *
 * The control word of a span says whose it is. Owners of the default heap are VS_OWNER_NONE, the ids of its mcaches
 * and VS_OWNER_LARGE; of a further manual heap the ids of its mcaches and its own number, VS_OWNER_HEAP + number, which
 * stands for its central lists and its large spans; of a collected heap its own number alone.
 *
 * A heap that was destroyed keeps its number and its mcaches, empty, for the next that is created: a thread's table of
 * mcaches stays true.
 *
 * Up: mcache, mcentral, cycle, alloc. Down: mspan, lock.
 * Invariant: vs_heaps[n]->number == n. Claims: C8 C9.
 */
#ifndef VERISPAN_HEAP_H
#define VERISPAN_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#include "lock.h"
#include "mspan.h"

#define VS_NUM_SPAN_CLASSES (2u * VS_NUM_SIZE_CLASSES)

struct mcache;

/* Of one span class, the spans of a heap that no mcache owns: mcentral.h. */
struct mcentral {
  struct vs_lock lock;
  struct mspan *partial[2] VS_GUARDED_BY(vs_role_central);
  struct mspan *full[2] VS_GUARDED_BY(vs_role_central);
  /* Of a manual heap: whether the partial swept or full unswept set has a span; read atomically without the lock. */
  uint64_t usable VS_GUARDED_BY(vs_role_central);
};

/* Guards the lists of mcaches and of heaps. */
extern struct vs_lock vs_list_lock __attribute__((visibility("hidden")));

/* Most heaps at once, the default heap among them. */
#define VS_MAX_HEAPS 64u

struct vs_heap {
  uint32_t number;                                   /* index in vs_heaps; 0 is the default heap */
  uint32_t owner;                                    /* that control words name when no mcache owns the span */
  bool in_use VS_GUARDED_BY(vs_list_lock);            /* created and not destroyed */
  bool collected;
  bool marking;                                      /* between the two ends of marking */
  uint32_t sweepgen;                                 /* VS_SWEEPGEN; if collected even, 2 more at each turn: it wraps */
  uint64_t allowance;                                /* pages within whose allocation the sweep is to be finished */
  uint64_t turn_pages;                               /* pages of the heap's spans at the turn */
  uint64_t tickets __attribute__((aligned(64)));     /* of sweepers: sweep.h; atomic, as the rest */
  uint64_t sweep_cursor;                             /* unswept sets below it are empty */
  uint64_t swept_pages;                              /* since the turn */
  uint64_t allocated_pages;                          /* of spans taken since the turn */
  uint64_t pages;                                    /* of the spans of a collected heap */
  uint64_t low, high;                                /* its spans lie, and lay, between these addresses */
  uint64_t crossed;                                  /* most borders of arenas that a large span of it crosses */
  struct mcentral central[VS_NUM_SPAN_CLASSES];
  struct mcache *mcaches VS_GUARDED_BY(vs_list_lock); /* all of this heap, linked by heap_next */
  struct mcache *parked VS_GUARDED_BY(vs_list_lock);  /* the last parked first, linked by parked_next */
  struct mcache *look VS_GUARDED_BY(vs_list_lock);    /* the next parked one to look into; NULL: the first */
  uint32_t nparked VS_GUARDED_BY(vs_list_lock);       /* read atomically without the lock */
};

extern struct vs_heap vs_default_heap __attribute__((visibility("hidden")));

/* Heaps ever made, by number; an entry goes from NULL to a heap once. */
extern struct vs_heap *vs_heaps[VS_MAX_HEAPS] __attribute__((visibility("hidden")));

/* Numbers of the sets of swept and of unswept spans in its central lists. */
/*@ requires valid: \valid_read(h);
    terminates \true;
    assigns \nothing;
    ensures bound: \result <= 1;
    ensures exact: \result == h->sweepgen / 2 % 2;
*/
static inline uint32_t heap_swept_set(const struct vs_heap *h) { return h->sweepgen / 2u % 2u; }

/*@ requires valid: \valid_read(h);
    terminates \true;
    assigns \nothing;
    ensures bound: \result <= 1;
    ensures exact: \result == 1 - h->sweepgen / 2 % 2;
*/
static inline uint32_t heap_unswept_set(const struct vs_heap *h) { return 1u - heap_swept_set(h); }

/* A heap without spans; NULL if there are VS_MAX_HEAPS or the system refused memory. sweepgen, even: where a collected
 * heap starts. */
struct vs_heap *heap_create(bool collected, uint32_t sweepgen) VS_EXCLUDES(vs_list_lock);

/* Frees every span of a further heap; its number is free for the next. No other thread is in a call on it. */
void heap_destroy(struct vs_heap *h) VS_EXCLUDES(vs_list_lock);

/* Further heaps ever made. */
uint32_t heap_count(void) VS_EXCLUDES(vs_list_lock);

/* Whether h, any address, is a further heap that was created and not destroyed. */
bool heap_exists(const struct vs_heap *h) VS_EXCLUDES(vs_list_lock);

/* Whether h, which was created, was not destroyed. Takes no lock: who destroys it at the same time has broken its
 * rules. */
/*@ requires valid: \valid_read(h);
    terminates \true;
    assigns \nothing;
    ensures exact: \result <==> h->in_use;
*/
VS_LOCK_UNCHECKED static inline bool heap_in_use(const struct vs_heap *h) { return h->in_use; }

#endif
