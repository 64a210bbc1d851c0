/* Random sizes to 4 KiB and random lifetimes. Sizes and lifetimes are spread over orders of
   magnitude, as the traces of Grunwald & Zorn ("CustoMalloc", 1993) and the survey of Wilson,
   Johnstone, Neely & Boles (1995) report: most objects are small and die young, a few are large
   or stay. A slot number that is log-uniform gives such lifetimes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_util.h"

enum { SLOT_BITS = 15 };

static struct block slots[1 << SLOT_BITS];

int main(int argc, char **argv) {
  uint64_t operations = bench_scale(argc, argv, 14000000);
  uint64_t rng = 4096, sum = 0;
  for (uint64_t i = 0; i < operations; i++) {
    struct block *b = &slots[rng_log_uniform(&rng, 4, SLOT_BITS)];
    sum = sum_mix(sum, block_drop(b));
    block_make(b, rng_log_uniform(&rng, 4, 12), (unsigned char)i);
  }
  for (uint32_t i = 0; i < 1 << SLOT_BITS; i++)
    sum = sum_mix(sum, block_drop(&slots[i]));
  return bench_finish("random4k", sum);
}
