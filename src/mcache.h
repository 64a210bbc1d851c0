/* SPDX-License-Identifier: Apache-2.0
 *
 * Per-thread caches of spans (Go's runtime/mcache.go). An mcache owns, per span class, one active span and a
 * queue of partial ones, taken first in first out so that they gather frees. It also is the home of its full
 * spans, which nobody lists: the first free of a block of one brings it back, directly when this thread frees
 * it, through the inbox when another does.
 *
 * A thread checks an mcache out for as long as it lives. When it exits the mcache is parked with its spans, and
 * the next new thread adopts it (as Go's Ms do with Ps). A thread about to grow the heap first takes what parked
 * mcaches have to give.
 *
 * Everything here is for the holder of the mcache, except mcache_notify.
 *
 * Up: alloc. Down: mcentral, mheap, mspan.
 * Invariant: a span that names an mcache as its owner is active there, in its partial queue (d = +3), full
 * (d = 0) or on the way through its inbox (d = -2). Claims: C3 C6 C8 C9.
 */
#ifndef VERISPAN_MCACHE_H
#define VERISPAN_MCACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "heap.h"
#include "mcentral.h"
#include "mheap.h"
#include "mspan.h"

/* Most mcaches, and so most threads that allocate at once, counted for each heap that they use. */
#define VS_MAX_MCACHES 65536u

struct mcache_queue {
  struct mspan *head;
  struct mspan *tail;
};

struct mcache {
  struct mspan *alloc[VS_NUM_SPAN_CLASSES];           /* active spans; vs_empty_span if none */
  struct mcache_queue partial[VS_NUM_SPAN_CLASSES];   /* spans with freed slots, oldest first */
  uint32_t id;                                        /* as owner in control words; 0 in vs_empty_mcache */
  uint32_t nqueued;                                   /* spans in the queues */
  struct vs_heap *heap;                               /* whose spans it caches */
  struct mcache *heap_next;                           /* the heap's other mcaches */
  struct mcache *parked_next;                         /* parked ones */
  struct mheap_cache pages;                           /* for new spans */
  struct mspan *inbox __attribute__((aligned(64)));   /* atomic stack: full spans that others freed in */
};

/* The mcache of a thread that has none: it has no slot to hand out and owns no span. */
extern struct mcache vs_empty_mcache __attribute__((visibility("hidden")));

/* The mcache of the default heap that this thread holds. */
extern __thread struct mcache *vs_tls_mcache
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Its tag: a span whose control word's low half equals it is this thread's, and not full. */
extern __thread uint32_t vs_tls_tag __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Those of further heaps, by number; NULL if it holds none. */
extern __thread struct mcache *vs_tls_further[VS_MAX_HEAPS]
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Mcaches ever made. */
uint32_t mcache_count(void);

/* The heap that an owner belongs to. */
struct vs_heap *mcache_heap(uint32_t owner);

/* The mcache of heap h that this thread holds, and checks out if it has none: then NULL if the system refused
 * memory. One that is got while the thread exits is given back by mcache_done. */
struct mcache *mcache_get(struct vs_heap *h) VS_EXCLUDES(vs_list_lock);
void mcache_done(void) VS_EXCLUDES(vs_list_lock);

/* A slot of span class spanclass of a manual heap for this thread when the active span has none cached; its span
 * in *s. False if the system refused memory. */
bool mcache_alloc_slow(struct vs_heap *h, uint32_t spanclass, struct mspan **s, uint32_t *slot);

/* After a free by the holder in a span that was at rest and full: takes the span back into its queue. */
void mcache_reclaim(struct mcache *c, struct mspan *s);

/* After a free by the holder that left no live slot in s: returns the span's pages unless it is soon needed. */
void mcache_emptied(struct mspan *s);

/* After another thread set a remote bit in s: if s was full, moves it to the inbox of its home. Any thread. */
void mcache_notify(struct mspan *s);

/* Returns every free page to the system, with those that this thread's mcache and parked ones keep. Bytes returned. */
size_t mcache_trim(void);

/* Takes and releases every lock of the allocator, for fork; the child continues with the forking thread only. */
void mcache_before_fork(void);
void mcache_after_fork(void);

#endif
