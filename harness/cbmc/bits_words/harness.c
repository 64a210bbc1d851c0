/* SPDX-License-Identifier: Apache-2.0
 * The single-bit operations of src/bits.h, all words and indices. */
#include "bits.h"
#include "check.h"

static bool bit(uint64_t x, uint32_t j) { return ((x >> j) & 1) == 1; }

int main(void) {
  uint64_t x = nondet_u64();
  uint32_t i = nondet_u32(), j = nondet_u32(), n = nondet_u32();
  ASSUME(i < 64 && j < 64 && n <= 64);
  CHECK(bit(bits_one(i), j) == (j == i), "one");
  CHECK(bits_test(x, i) == bit(x, i), "test");
  CHECK(bit(bits_set(x, i), j) == (bit(x, j) || j == i), "set");
  CHECK(bit(bits_clear(x, i), j) == (bit(x, j) && j != i), "clear");
  CHECK(bit(bits_flip(x, i), j) == (bit(x, j) != (j == i)), "flip");
  CHECK(bit(bits_not(x), j) == !bit(x, j), "not");
  CHECK(bit(bits_below(n), j) == (j < n), "below");
  REACHED_IF(n == 64, "all bits below");
  REACHED("end");
  return 0;
}
