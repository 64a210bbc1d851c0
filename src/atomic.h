/* SPDX-License-Identifier: Apache-2.0
 *
 * Atomic operations: every access to memory that two threads may touch at once goes through these.
 *
 * Back-ends: native (the compiler's builtins); Frama-C (contracts without bodies, trust item T-01);
 * the exhaustive scheduler (VS_SCHED, harness/sched/atomic_sched.h); CBMC (VS_CBMC,
 * harness/cbmc/atomic_cbmc.h); relacy (VS_RELACY, harness/relacy/atomic_relacy.h). Words are 64-bit and
 * naturally aligned.
 *
 * Up: every layer. Down: the compiler.
 * Invariant: none. Claims: C9.
 */
#ifndef VERISPAN_ATOMIC_H
#define VERISPAN_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

struct mspan;

#if defined(VS_SCHED)
#include "atomic_sched.h"
#elif defined(VS_CBMC)
#include "atomic_cbmc.h"
#elif defined(VS_RELACY)
#include "atomic_relacy.h"
#elif defined(__FRAMAC__)

/* In these contracts no other thread moves between two statements of a caller that owns the word; where
 * others may write (remote-free words, the control word), the caller's contract says what is left to chance. */

/*@ requires valid: \valid_read(p);
    terminates \true;
    assigns \nothing;
    ensures exact: \result == *p; */
uint64_t vs_load_relaxed_u64(const uint64_t *p);

/*@ requires valid: \valid_read(p);
    terminates \true;
    assigns \nothing;
    ensures exact: \result == *p; */
uint64_t vs_load_acquire_u64(const uint64_t *p);

/*@ requires valid: \valid(p);
    terminates \true;
    assigns *p;
    ensures exact: *p == v; */
void vs_store_relaxed_u64(uint64_t *p, uint64_t v);

/*@ requires valid: \valid(p);
    terminates \true;
    assigns *p;
    ensures exact: *p == v; */
void vs_store_release_u64(uint64_t *p, uint64_t v);

/*@ requires valid: \valid(p);
    terminates \true;
    assigns *p;
    ensures exact: *p == v && \result == \old(*p); */
uint64_t vs_exchange_u64(uint64_t *p, uint64_t v);

/*@ requires valid: \valid(p);
    terminates \true;
    assigns *p \from v;
    ensures exact: *p == v; */
void vs_store_release_ptr(struct mspan **p, struct mspan *v);

/*@ requires valid: \valid_read(p);
    terminates \true;
    assigns \nothing;
    ensures exact: \result == *p; */
uint64_t vs_load_seq_u64(const uint64_t *p);

/* Other threads may have written the word before. */
/*@ requires valid: \valid(p);
    terminates \true;
    assigns *p;
    ensures exact: *p == (\result | v); */
uint64_t vs_fetch_or_u64(uint64_t *p, uint64_t v);

/* How often other threads will still get in the way of this one: a compare-and-swap that fails although the word was
 * as expected when this thread last looked has been overtaken. */
//@ ghost extern uint64_t g_others;

/*@ requires valid: \valid_read(p);
    terminates \true;
    assigns \result \from *p;
    ensures exact: \result == *p; */
struct mspan *vs_load_ptr(struct mspan *const *p);

/*@ requires valid: \valid(p);
    terminates \true;
    assigns *p \from v;
    assigns \result \from *p;
    ensures exact: *p == v; */
struct mspan *vs_exchange_ptr(struct mspan **p, struct mspan *v);

/*@ requires valid: \valid(p);
    terminates \true;
    assigns *p \from *p, desired;
    assigns g_others;
    ensures won: \result ==> *p == desired;
    ensures lost: !\result ==> *p != expected;
    ensures paid: !\result ==> \old(*p) == expected ==> g_others < \old(g_others); */
bool vs_cas_ptr(struct mspan **p, struct mspan *expected, struct mspan *desired);

#else

static inline uint64_t vs_load_relaxed_u64(const uint64_t *p) {
  return __atomic_load_n(p, __ATOMIC_RELAXED);
}
static inline uint64_t vs_load_acquire_u64(const uint64_t *p) {
  return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}
static inline uint64_t vs_load_seq_u64(const uint64_t *p) {
  return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}
static inline void vs_store_relaxed_u64(uint64_t *p, uint64_t v) {
  __atomic_store_n(p, v, __ATOMIC_RELAXED);
}
static inline void vs_store_release_u64(uint64_t *p, uint64_t v) {
  __atomic_store_n(p, v, __ATOMIC_RELEASE);
}
static inline void vs_store_seq_u64(uint64_t *p, uint64_t v) {
  __atomic_store_n(p, v, __ATOMIC_SEQ_CST);
}
static inline uint64_t vs_exchange_u64(uint64_t *p, uint64_t v) {
  return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);
}
static inline uint64_t vs_fetch_or_u64(uint64_t *p, uint64_t v) {
  return __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST);
}
static inline bool vs_cas_u64(uint64_t *p, uint64_t expected, uint64_t desired) {
  return __atomic_compare_exchange_n(p, &expected, desired, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST);
}
static inline struct mspan *vs_load_ptr(struct mspan *const *p) {
  return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}
static inline void vs_store_release_ptr(struct mspan **p, struct mspan *v) {
  __atomic_store_n(p, v, __ATOMIC_RELEASE);
}
static inline struct mspan *vs_exchange_ptr(struct mspan **p, struct mspan *v) {
  return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);
}
static inline bool vs_cas_ptr(struct mspan **p, struct mspan *expected, struct mspan *desired) {
  return __atomic_compare_exchange_n(p, &expected, desired, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST);
}

#endif

#endif
