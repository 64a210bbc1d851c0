/* SPDX-License-Identifier: Apache-2.0
 * sizeclass_of and sizeclass_of16, all sizes: the smallest class that holds the size, and the smallest
 * one that is also a multiple of 16. */
#include "sizeclass.h"
#include "check.h"

int main(void) {
  size_t n = nondet_u64();
  uint32_t smaller = nondet_u32();
  ASSUME(n <= VS_MAX_SMALL_SIZE);
  ASSUME(smaller < VS_NUM_SIZE_CLASSES);

  uint32_t c = sizeclass_of(n);
  CHECK(c < VS_NUM_SIZE_CLASSES, "bound");
  CHECK(vs_class_size[c] >= n, "fit");
  CHECK(n == 0 || (c >= 1 && vs_class_size[c - 1] < n), "minimal");

  uint32_t d = sizeclass_of16(n);
  CHECK(d < VS_NUM_SIZE_CLASSES, "bound16");
  CHECK(d >= 1 && vs_class_size[d] >= n, "fit16");
  CHECK(vs_class_size[d] % 16 == 0, "aligned16");
  CHECK(!(smaller >= 1 && smaller < d && vs_class_size[smaller] % 16 == 0) ||
            vs_class_size[smaller] < n,
        "minimal16");
  REACHED_IF(n == 0, "size 0");
  REACHED_IF(n == VS_MAX_SMALL_SIZE && c == VS_NUM_SIZE_CLASSES - 1, "largest size");
  REACHED_IF(c != d, "classes differ");
  REACHED("end");
  return 0;
}
