/* SPDX-License-Identifier: Apache-2.0
 *
 * The cycle of a collected heap (Go's runtime/mgc.go and mgcsweep.go, as far as they are the allocator's).
 *
 *   cycle_begin_mark   no other thread is in a call on the heap; the sweep is finished, the mcaches are flushed
 *   cycle_mark         any thread: reaches objects; other threads go on allocating, and what they get is reached
 *   cycle_end_mark     no other thread is in a call on the heap: the turn. The mcaches are flushed, sweepgen += 2
 *   sweep              what was not reached is freed span by span: by who needs a span, in proportion to what is
 *                      allocated, by cycle_sweep_step, at the latest by the next cycle_begin_mark
 *
 * A slot is marked if and only if it is live, while objects are marked too (spec/decisions/0007-marked-is-live.md):
 * the markers set remote bits, and the sweep drops the marks of live slots that they did not reach. An object that is
 * allocated while others are marked is born reached: when a word is loaded into a span's cache, or a span with a
 * cached word becomes active, the cached word is or-ed into the remote bits.
 *
 * Every control word names the heap. With d = sweepgen - the heap's, a span is active in an mcache (d = +3), in a
 * swept set of its central list (0), in an unswept one (-2), or in the hands of the thread that sweeps it (-1). The
 * turn makes -2 of every 0 at once. Large spans are of span classes 0 and 1 and always full.
 *
 * Addresses are integers. Sizes are bytes unless they say pages.
 *
 * Up: heap. Down: mcache, mcentral, mheap, mspan, sweep.
 * Invariant: the states of spec/protocol.md; pages == sum of npages of the heap's spans. Claims: C3 C8 C9.
 */
#ifndef VERISPAN_CYCLE_H
#define VERISPAN_CYCLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mcache.h"
#include "verispan.h"

static inline uint32_t cycle_spanclass(size_t size, bool noscan) {
  return sizeclass_of(size == 0 ? 1 : size) * 2u + noscan;
}

/* This thread's active span of a class. While its cached word is not empty its slots are handed out without lock or
 * call. */
static inline struct mspan *cycle_active(const struct vs_heap *h, uint32_t spanclass) {
  const struct mcache *c = vs_tls_further[h->number];
  return VS_LIKELY(c != 0) ? c->alloc[spanclass] : &vs_empty_span;
}

/* A block of at least size bytes, when the active span has none cached or size is above VS_MAX_SMALL_SIZE; 0 if size
 * is above VS_MAX_SIZE or the system refused memory. *zeroed: for a large block whether it must read as zeros; then
 * whether it does. Thread-safe. */
uintptr_t cycle_alloc_slow(struct vs_heap *h, size_t size, bool noscan, bool *zeroed);

/* Whether an address, any address, lies in an object of the heap; and in which. Any thread while objects are marked;
 * at other times when no other thread is in a call on the heap. */
bool cycle_object(const struct vs_heap *h, uintptr_t addr, struct vs_object *object);

/* Reaches the object that an address lies in, if any. Whether it was not reached before; and which. Any thread, while
 * marking. */
bool cycle_mark(struct vs_heap *h, uintptr_t addr, struct vs_object *object);

/* The two ends of marking. allowance: pages within whose allocation the sweep will be finished; 0 if it has time until
 * the next cycle_begin_mark. */
void cycle_begin_mark(struct vs_heap *h);
void cycle_end_mark(struct vs_heap *h, uint64_t allowance);

/* Sweeps one span. Whether there was one. Thread-safe. */
bool cycle_sweep_step(struct vs_heap *h);

/* Sweeps all that is left, and waits for other sweepers. Thread-safe. */
void cycle_finish_sweep(struct vs_heap *h);

#endif
