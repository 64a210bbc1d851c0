/* SPDX-License-Identifier: Apache-2.0
 * bits_count, all words: equal to counting bit by bit, which is BitCount of spec/bits.acsl.
 * The step form says the same by induction over the set bits, and is what the solver decides:
 * the count of 0 is 0, and setting a clear bit adds 1. */
#include "bits.h"
#include "check.h"

int main(void) {
  uint64_t x = nondet_u64();
  uint32_t i = nondet_u32();
  ASSUME(i < 64 && ((x >> i) & 1) == 0);
  uint64_t y = x | ((uint64_t)1 << i);
  CHECK(bits_count(0) == 0, "empty");
  CHECK(bits_count(x) <= 64, "bound");
  CHECK(bits_count(y) == bits_count(x) + 1, "step");
  REACHED_IF(y == VS_WORD_ONES, "all bits set");
  REACHED("end");
  return 0;
}
