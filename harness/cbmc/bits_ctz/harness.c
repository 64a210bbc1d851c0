/* SPDX-License-Identifier: Apache-2.0
 * bits_ctz, all words: the contract that src/bits.h states for WP, on the code the compiler gets. */
#include "bits.h"
#include "check.h"

int main(void) {
  uint64_t x = nondet_u64();
  uint32_t j = nondet_u32();
  ASSUME(x != 0);
  uint32_t r = bits_ctz(x);
  CHECK(r < 64, "bound");
  CHECK(((x >> (r % 64)) & 1) == 1, "hit");
  CHECK(!(j < r && j < 64) || ((x >> (j % 64)) & 1) == 0, "first");
  REACHED_IF(r == 63 && j == 62, "highest bit only");
  REACHED("end");
  return 0;
}
