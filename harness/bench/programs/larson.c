/* A server after Larson & Krishnan ("Memory Allocation for Long-Running Server Applications", ISMM
   1998): each worker thread replaces blocks of random size in its array, then ends and hands the
   array to a new thread, which therefore frees blocks that others allocated. Fixed work instead
   of fixed time, so that CPU time can be compared. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "bench_util.h"

enum { WORKERS = 4, BLOCKS = 5000, GENERATIONS = 50 };

struct chain {
  struct block blocks[BLOCKS];
  uint64_t rng, sum, operations;
};

static struct chain chains[WORKERS];

static void *chain_work(void *argument) {
  struct chain *c = argument;
  for (uint64_t i = 0; i < c->operations; i++) {
    struct block *b = &c->blocks[rng_below(&c->rng, BLOCKS)];
    c->sum = sum_mix(c->sum, block_drop(b));
    block_make(b, 8 + rng_below(&c->rng, 993), (unsigned char)i);
  }
  return NULL;
}

static void *chain_run(void *argument) {
  struct chain *c = argument;
  for (uint32_t g = 0; g < GENERATIONS; g++) {
    pthread_t worker;
    if (pthread_create(&worker, NULL, chain_work, c) != 0) bench_die("cannot create a thread");
    pthread_join(worker, NULL);
  }
  return NULL;
}

int main(int argc, char **argv) {
  uint64_t operations = bench_scale(argc, argv, 170000);
  uint64_t sum = 0;
  pthread_t threads[WORKERS];
  for (uint32_t w = 0; w < WORKERS; w++) {
    chains[w].rng = w;
    chains[w].operations = operations;
    if (pthread_create(&threads[w], NULL, chain_run, &chains[w]) != 0)
      bench_die("cannot create a thread");
  }
  for (uint32_t w = 0; w < WORKERS; w++) {
    pthread_join(threads[w], NULL);
    for (uint32_t i = 0; i < BLOCKS; i++)
      chains[w].sum = sum_mix(chains[w].sum, block_drop(&chains[w].blocks[i]));
    sum = sum_mix(sum, chains[w].sum);
  }
  return bench_finish("larson", sum);
}
