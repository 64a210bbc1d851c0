/* Random sizes to 1 MiB and random lifetimes: the same mixture as random4k with buffers of up to 1
   MiB, the range in which allocators pass from size classes to whole pages (Wilson et al. 1995
   on fragmentation under such mixtures). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_util.h"

enum { SLOT_BITS = 10 };

static struct block slots[1 << SLOT_BITS];

int main(int argc, char **argv) {
  uint64_t operations = bench_scale(argc, argv, 300000);
  uint64_t rng = 1048576, sum = 0;
  for (uint64_t i = 0; i < operations; i++) {
    struct block *b = &slots[rng_log_uniform(&rng, 2, SLOT_BITS)];
    sum = sum_mix(sum, block_drop(b));
    block_make(b, rng_log_uniform(&rng, 6, 20), (unsigned char)i);
  }
  for (uint32_t i = 0; i < 1 << SLOT_BITS; i++)
    sum = sum_mix(sum, block_drop(&slots[i]));
  return bench_finish("random1m", sum);
}
