/* SPDX-License-Identifier: Apache-2.0
 *
 * The scheduler's back-end of src/atomic.h (VS_SCHED): each operation is one scheduling point and one
 * indivisible step, with the C11 order that the native back-end gives it.
 *
 * Compile the harness with `-fsanitize=thread` as well (and link sched_tsan.c, not the sanitizer's
 * run-time library): then the plain accesses of the code under test go through sched_plain. In here
 * instrumentation is off, or the accesses would be counted twice.
 *
 * Up: src/atomic.h.  Down: sched.h.
 */
#ifndef ATOMIC_SCHED_H
#define ATOMIC_SCHED_H
#include "sched.h"

#define SCHED_ATOMIC static __attribute__((noinline, unused, no_sanitize_thread))

SCHED_ATOMIC uint64_t sched_load_u64(const uint64_t *p, enum sched_order order) {
  sched_before(p, false, "load");
  uint64_t value = *p;
  sched_loaded(p, order, value);
  return value;
}
SCHED_ATOMIC void sched_store_u64(uint64_t *p, uint64_t v, enum sched_order order) {
  sched_before(p, true, "store");
  uint64_t old = *p;
  *p = v;
  sched_stored(p, order, old, v);
}
SCHED_ATOMIC uint64_t vs_exchange_u64(uint64_t *p, uint64_t v) {
  sched_before(p, true, "exchange");
  uint64_t old = *p;
  *p = v;
  sched_updated(p, SCHED_ACQ_REL, old, v);
  return old;
}
SCHED_ATOMIC uint64_t vs_fetch_or_u64(uint64_t *p, uint64_t v) {
  sched_before(p, true, "fetch_or");
  uint64_t old = *p;
  *p = old | v;
  sched_updated(p, SCHED_ACQ_REL, old, old | v);
  return old;
}
SCHED_ATOMIC bool vs_cas_u64(uint64_t *p, uint64_t expected, uint64_t desired) {
  sched_before(p, true, "cas");
  uint64_t old = *p;
  if (old != expected) {
    sched_loaded(p, SCHED_ACQUIRE, old);
    return false;
  }
  *p = desired;
  sched_updated(p, SCHED_ACQ_REL, old, desired);
  return true;
}
SCHED_ATOMIC struct mspan *vs_load_ptr(struct mspan *const *p) {
  sched_before(p, false, "load");
  struct mspan *value = *p;
  sched_loaded(p, SCHED_ACQUIRE, (uintptr_t)value);
  return value;
}
SCHED_ATOMIC struct mspan *vs_exchange_ptr(struct mspan **p, struct mspan *v) {
  sched_before(p, true, "exchange");
  struct mspan *old = *p;
  *p = v;
  sched_updated(p, SCHED_ACQ_REL, (uintptr_t)old, (uintptr_t)v);
  return old;
}
SCHED_ATOMIC void vs_store_release_ptr(struct mspan **p, struct mspan *v) {
  sched_before(p, true, "store");
  struct mspan *old = *p;
  *p = v;
  sched_stored(p, SCHED_RELEASE, (uintptr_t)old, (uintptr_t)v);
}
SCHED_ATOMIC bool vs_cas_ptr(struct mspan **p, struct mspan *expected, struct mspan *desired) {
  sched_before(p, true, "cas");
  struct mspan *old = *p;
  if (old != expected) {
    sched_loaded(p, SCHED_ACQUIRE, (uintptr_t)old);
    return false;
  }
  *p = desired;
  sched_updated(p, SCHED_ACQ_REL, (uintptr_t)old, (uintptr_t)desired);
  return true;
}

static inline uint64_t vs_load_relaxed_u64(const uint64_t *p) {
  return sched_load_u64(p, SCHED_RELAXED);
}
static inline uint64_t vs_load_acquire_u64(const uint64_t *p) {
  return sched_load_u64(p, SCHED_ACQUIRE);
}
static inline uint64_t vs_load_seq_u64(const uint64_t *p) {
  return sched_load_u64(p, SCHED_ACQUIRE);
}
static inline void vs_store_relaxed_u64(uint64_t *p, uint64_t v) {
  sched_store_u64(p, v, SCHED_RELAXED);
}
static inline void vs_store_release_u64(uint64_t *p, uint64_t v) {
  sched_store_u64(p, v, SCHED_RELEASE);
}
static inline void vs_store_seq_u64(uint64_t *p, uint64_t v) {
  sched_store_u64(p, v, SCHED_RELEASE);
}
static inline void vs_fence_seq(void) { sched_fence(); }

#endif
