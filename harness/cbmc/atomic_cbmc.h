/* SPDX-License-Identifier: Apache-2.0
 *
 * CBMC's back-end of src/atomic.h (VS_CBMC).
 *
 * Each operation is one shared access, or several in one atomic section; a store has its own atomic
 * section because CBMC otherwise takes a store to an array element at a symbolic index for a
 * read-modify-write of the whole object, and reports a lost update that no machine shows.
 * CBMC's own __atomic_* are full fences whatever order they are given. With VS_CBMC_FENCES the orders
 * are modelled for --mm tso and --mm pso: a relaxed access is a plain one, release and acquire fence
 * on their side of the access, read-modify-writes and sequentially consistent stores fence fully, as
 * the native back-end's code does on x86-64.
 *
 * A harness may define VS_CBMC_ON_UPDATE(p, old, new_value) and VS_CBMC_ON_STORE(p, new_value) before it
 * includes the code: they are expanded inside the atomic section of each read-modify-write and each store
 * of a word. ON_STORE must not read shared memory: a section that reads and writes orders what is
 * before and after it, and a store's delay would be lost (bug "no-fence" of span_states shows it is not).
 *
 * Up: src/atomic.h.  Down: CBMC.
 */
#ifndef ATOMIC_CBMC_H
#define ATOMIC_CBMC_H
#include <stdbool.h>
#include <stdint.h>

#ifndef VS_CBMC_ON_UPDATE
#define VS_CBMC_ON_UPDATE(p, old, new_value) ((void)0)
#endif
#ifndef VS_CBMC_ON_STORE
#define VS_CBMC_ON_STORE(p, new_value) ((void)0)
#endif

#ifdef VS_CBMC_FENCES
#define VS_CBMC_BEFORE_RELEASE() __CPROVER_fence("WWfence", "RWfence")
#define VS_CBMC_AFTER_ACQUIRE() __CPROVER_fence("RRfence", "RWfence")
#define VS_CBMC_FULL_FENCE() __CPROVER_fence("WWfence", "RRfence", "RWfence", "WRfence")
#else
#define VS_CBMC_BEFORE_RELEASE() ((void)0)
#define VS_CBMC_AFTER_ACQUIRE() ((void)0)
#define VS_CBMC_FULL_FENCE() ((void)0)
#endif

static inline uint64_t vs_load_relaxed_u64(const uint64_t *p) {
  uint64_t value = *p;
  return value;
}
static inline uint64_t vs_load_acquire_u64(const uint64_t *p) {
  uint64_t value = *p;
  VS_CBMC_AFTER_ACQUIRE();
  return value;
}
static inline uint64_t vs_load_seq_u64(const uint64_t *p) { return vs_load_acquire_u64(p); }

static inline void vs_store_relaxed_u64(uint64_t *p, uint64_t v) {
  __CPROVER_atomic_begin();
  VS_CBMC_ON_STORE(p, v);
  *p = v;
  __CPROVER_atomic_end();
}
static inline void vs_store_release_u64(uint64_t *p, uint64_t v) {
  VS_CBMC_BEFORE_RELEASE();
  vs_store_relaxed_u64(p, v);
}
static inline void vs_store_seq_u64(uint64_t *p, uint64_t v) {
  vs_store_release_u64(p, v);
  VS_CBMC_FULL_FENCE();
}
static inline uint64_t vs_exchange_u64(uint64_t *p, uint64_t v) {
  VS_CBMC_FULL_FENCE();
  __CPROVER_atomic_begin();
  uint64_t old = *p;
  VS_CBMC_ON_UPDATE(p, old, v);
  *p = v;
  __CPROVER_atomic_end();
  VS_CBMC_FULL_FENCE();
  return old;
}
static inline uint64_t vs_fetch_or_u64(uint64_t *p, uint64_t v) {
  VS_CBMC_FULL_FENCE();
  __CPROVER_atomic_begin();
  uint64_t old = *p;
  VS_CBMC_ON_UPDATE(p, old, old | v);
  *p = old | v;
  __CPROVER_atomic_end();
  VS_CBMC_FULL_FENCE();
  return old;
}
static inline bool vs_cas_u64(uint64_t *p, uint64_t expected, uint64_t desired) {
  VS_CBMC_FULL_FENCE();
  __CPROVER_atomic_begin();
  uint64_t old = *p;
  bool hit = old == expected;
  if (hit) {
    VS_CBMC_ON_UPDATE(p, old, desired);
    *p = desired;
  }
  __CPROVER_atomic_end();
  VS_CBMC_FULL_FENCE();
  return hit;
}
static inline struct mspan *vs_load_ptr(struct mspan *const *p) {
  struct mspan *value = *p;
  VS_CBMC_AFTER_ACQUIRE();
  return value;
}
static inline void vs_store_release_ptr(struct mspan **p, struct mspan *v) {
  VS_CBMC_BEFORE_RELEASE();
  *p = v;
}
static inline struct mspan *vs_exchange_ptr(struct mspan **p, struct mspan *v) {
  VS_CBMC_FULL_FENCE();
  __CPROVER_atomic_begin();
  struct mspan *old = *p;
  *p = v;
  __CPROVER_atomic_end();
  VS_CBMC_FULL_FENCE();
  return old;
}
static inline bool vs_cas_ptr(struct mspan **p, struct mspan *expected, struct mspan *desired) {
  VS_CBMC_FULL_FENCE();
  __CPROVER_atomic_begin();
  bool hit = *p == expected;
  if (hit) {
    *p = desired;
  }
  __CPROVER_atomic_end();
  VS_CBMC_FULL_FENCE();
  return hit;
}
static inline void vs_fence_seq(void) { VS_CBMC_FULL_FENCE(); }

#endif
