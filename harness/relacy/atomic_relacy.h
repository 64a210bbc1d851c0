/* SPDX-License-Identifier: Apache-2.0
 *
 * relacy's back-end of src/atomic.h (VS_RELACY): each operation with the C11 order that the native back-end gives
 * it. The code under test is compiled as the C that it is, with `-fsanitize=thread`, so that its plain accesses
 * are announced too (orders.cpp takes the place of the sanitizer's library).
 *
 * Up: src/atomic.h. Down: orders.h.
 */
#ifndef ATOMIC_RELACY_H
#define ATOMIC_RELACY_H
#include "orders.h"

/* The native orders of the read-modify-writes. Seeded bugs set weaker ones, to show which are needed. */
#ifndef ORDERS_OF_EXCHANGE
#define ORDERS_OF_EXCHANGE ORDERS_SEQ_CST
#endif
#ifndef ORDERS_OF_FETCH_OR
#define ORDERS_OF_FETCH_OR ORDERS_SEQ_CST
#endif
#ifndef ORDERS_OF_CAS
#define ORDERS_OF_CAS ORDERS_SEQ_CST
#endif
#ifndef ORDERS_OF_LOAD_PTR
#define ORDERS_OF_LOAD_PTR ORDERS_ACQUIRE
#endif
#ifndef ORDERS_OF_EXCHANGE_PTR
#define ORDERS_OF_EXCHANGE_PTR ORDERS_SEQ_CST
#endif
#ifndef ORDERS_OF_CAS_PTR
#define ORDERS_OF_CAS_PTR ORDERS_SEQ_CST
#endif

static inline uint64_t vs_load_relaxed_u64(const uint64_t *p) { return orders_load(p, ORDERS_RELAXED); }
static inline uint64_t vs_load_acquire_u64(const uint64_t *p) { return orders_load(p, ORDERS_ACQUIRE); }
static inline uint64_t vs_load_seq_u64(const uint64_t *p) { return orders_load(p, ORDERS_SEQ_CST); }
static inline void vs_store_relaxed_u64(uint64_t *p, uint64_t v) { orders_store(p, v, ORDERS_RELAXED); }
static inline void vs_store_release_u64(uint64_t *p, uint64_t v) { orders_store(p, v, ORDERS_RELEASE); }
static inline void vs_store_seq_u64(uint64_t *p, uint64_t v) { orders_store(p, v, ORDERS_SEQ_CST); }
static inline uint64_t vs_exchange_u64(uint64_t *p, uint64_t v) { return orders_exchange(p, v, ORDERS_OF_EXCHANGE); }
static inline uint64_t vs_fetch_or_u64(uint64_t *p, uint64_t v) { return orders_fetch_or(p, v, ORDERS_OF_FETCH_OR); }
static inline bool vs_cas_u64(uint64_t *p, uint64_t expected, uint64_t desired) {
  return orders_cas(p, expected, desired, ORDERS_OF_CAS);
}
static inline struct mspan *vs_load_ptr(struct mspan *const *p) {
  return (struct mspan *)(uintptr_t)orders_load(p, ORDERS_OF_LOAD_PTR);
}
static inline void vs_store_release_ptr(struct mspan **p, struct mspan *v) {
  orders_store(p, (uintptr_t)v, ORDERS_RELEASE);
}
static inline struct mspan *vs_exchange_ptr(struct mspan **p, struct mspan *v) {
  return (struct mspan *)(uintptr_t)orders_exchange(p, (uintptr_t)v, ORDERS_OF_EXCHANGE_PTR);
}
static inline bool vs_cas_ptr(struct mspan **p, struct mspan *expected, struct mspan *desired) {
  return orders_cas(p, (uintptr_t)expected, (uintptr_t)desired, ORDERS_OF_CAS_PTR);
}

#endif
