/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations on 64-bit words: the lowest set bit, the number of set bits, and single bits by index.
 *
 * Up: mspan, pagealloc. Down: the compiler's builtins.
 * Invariant: none. Claims: C7.
 */
#ifndef VERISPAN_BITS_H
#define VERISPAN_BITS_H

#include <stdbool.h>
#include <stdint.h>

#include "hint.h"

#include "../spec/bits.acsl"
#include "../spec/words.acsl"

/* Bits of a word. */
#define VS_WORD_BITS 64u

/* All bits set. */
#define VS_WORD_ONES 0xffffffffffffffffu

/* Index of the lowest set bit. The contract is proved by CBMC for all words (harness/cbmc/bits_ctz, T-02). */
/*@ requires range: x != 0;
    terminates \true;
    assigns \nothing;
    ensures bound: 0 <= \result < 64;
    ensures hit: Bit(x, \result);
    ensures first: \forall integer j; 0 <= j < \result ==> !Bit(x, j);
*/
#ifdef __FRAMAC__
uint32_t bits_ctz(uint64_t x);
#else
static inline uint32_t bits_ctz(uint64_t x) { return (uint32_t)__builtin_ctzll(x); }
#endif

/* Number of set bits. The contract is proved by CBMC for all words (harness/cbmc/bits_count, T-02).
 * Algorithm: Warren, Hacker's Delight, 2nd edition, section 5-1. */
/*@ terminates \true;
    assigns \nothing;
    ensures bound: 0 <= \result <= 64;
    ensures count: \result == BitCount(x, 64);
*/
#ifdef __FRAMAC__
uint32_t bits_count(uint64_t x);
#else
static inline uint32_t bits_count(uint64_t x) {
  x = x - ((x >> 1) & 0x5555555555555555u);
  x = (x & 0x3333333333333333u) + ((x >> 2) & 0x3333333333333333u);
  x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
  x = x + (x >> 8);
  x = x + (x >> 16);
  x = x + (x >> 32);
  return (uint32_t)(x & 127u);
}
#endif

/* The word whose only set bit is bit i. */
/*@ requires bound: i < 64;
    assigns \nothing;
    ensures exact: \forall integer j; 0 <= j < 64 ==> (Bit(\result, j) <==> j == i);
*/
static inline uint64_t bits_one(uint32_t i) { return (uint64_t)1 << i; }

/* Whether bit i of x is set. */
/*@ requires bound: i < 64;
    assigns \nothing;
    ensures exact: \result <==> Bit(x, i);
*/
static inline bool bits_test(uint64_t x, uint32_t i) { return (x & ((uint64_t)1 << i)) != 0; }

/* x with bit i set. */
/*@ requires bound: i < 64;
    assigns \nothing;
    ensures exact: \forall integer j; 0 <= j < 64 ==> (Bit(\result, j) <==> Bit(x, j) || j == i);
*/
static inline uint64_t bits_set(uint64_t x, uint32_t i) { return x | bits_one(i); }

/* x with bit i clear. */
/*@ requires bound: i < 64;
    assigns \nothing;
    ensures exact: \forall integer j; 0 <= j < 64 ==> (Bit(\result, j) <==> Bit(x, j) && j != i);
*/
static inline uint64_t bits_clear(uint64_t x, uint32_t i) { return x & ~bits_one(i); }

/* x with bit i flipped: where bits_one(i) is at hand, cheaper than setting or clearing it. */
/*@ requires bound: i < 64;
    assigns \nothing;
    ensures exact: \forall integer j; 0 <= j < 64 ==> (Bit(\result, j) <==> (Bit(x, j) <==> j != i));
*/
static inline uint64_t bits_flip(uint64_t x, uint32_t i) { return x ^ bits_one(i); }

/* The complement of x. */
/*@ assigns \nothing;
    ensures exact: \forall integer j; 0 <= j < 64 ==> (Bit(\result, j) <==> !Bit(x, j));
*/
static inline uint64_t bits_not(uint64_t x) { return ~x; }

/* The word whose lowest n bits are set. */
/*@ requires bound: n <= 64;
    assigns \nothing;
    ensures exact: \forall integer j; 0 <= j < 64 ==> (Bit(\result, j) <==> j < n);
*/
static inline uint64_t bits_below(uint32_t n) {
  return n == 0 ? 0 : bits_not(0) >> (VS_WORD_BITS - n);
}

#endif
