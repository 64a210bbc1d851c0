/* Frees in the order of allocation: a queue of messages, the opposite of lifo, and the order that
   keeps every free list and every span partly in use for longest (Wilson, Johnstone, Neely &
   Boles 1995). The queue's length wanders. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_util.h"

enum { RING = 1 << 16 };

static struct block ring[RING];

int main(int argc, char **argv) {
  uint64_t bursts = bench_scale(argc, argv, 14000);
  uint64_t rng = 2, sum = 0;
  uint32_t head = 0, tail = 0;
  for (uint64_t i = 0; i < bursts; i++) {
    uint32_t wanted = rng_below(&rng, RING);
    uint32_t burst = 1 + rng_below(&rng, 4096);
    for (; burst > 0 && head - tail < RING; burst--, head++)
      block_make(&ring[head % RING], rng_log_uniform(&rng, 3, 10), (unsigned char)head);
    for (uint32_t n = 0; n < 4096 && head - tail > wanted; n++, tail++)
      sum = sum_mix(sum, block_drop(&ring[tail % RING]));
  }
  for (; tail != head; tail++)
    sum = sum_mix(sum, block_drop(&ring[tail % RING]));
  return bench_finish("fifo", sum);
}
