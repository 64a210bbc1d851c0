/* Frees in the reverse order of allocation: the stack-like phases ("ramps" and "peaks") that
   Wilson, Johnstone, Neely & Boles (1995) describe, as a recursive program or a parser makes
   them. The height of the stack wanders. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_util.h"

enum { HEIGHT = 100000 };

static struct block stack[HEIGHT];

int main(int argc, char **argv) {
  uint64_t peaks = bench_scale(argc, argv, 4500);
  uint64_t rng = 1, sum = 0;
  uint32_t height = 0;
  for (uint64_t i = 0; i < peaks; i++) {
    uint32_t top = rng_log_uniform(&rng, 6, 16) + height / 2;
    for (; height < top && height < HEIGHT; height++)
      block_make(&stack[height], rng_log_uniform(&rng, 3, 9), (unsigned char)height);
    uint32_t bottom = rng_below(&rng, height);
    while (height > bottom)
      sum = sum_mix(sum, block_drop(&stack[--height]));
  }
  while (height > 0)
    sum = sum_mix(sum, block_drop(&stack[--height]));
  return bench_finish("lifo", sum);
}
