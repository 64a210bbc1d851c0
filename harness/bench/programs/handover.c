/* Larson & Krishnan's server (larson.c) with hand-over between threads that live on: after each
   round every worker takes over the blocks of its neighbour, and so frees what another thread
   allocated, which goes on allocating meanwhile. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "bench_util.h"

enum { WORKERS = 4, BLOCKS = 5000, ROUNDS = 50 };

struct chain {
  struct block blocks[BLOCKS];
  uint64_t rng, sum;
};

static struct chain chains[WORKERS];
static uint64_t operations;
static pthread_barrier_t barrier;

static void chain_work(struct chain *c) {
  for (uint64_t i = 0; i < operations; i++) {
    struct block *b = &c->blocks[rng_below(&c->rng, BLOCKS)];
    c->sum = sum_mix(c->sum, block_drop(b));
    block_make(b, 8 + rng_below(&c->rng, 993), (unsigned char)i);
  }
}

static void *worker(void *argument) {
  struct chain *first = argument;
  for (size_t round = 0; round < ROUNDS; round++) {
    chain_work(&chains[((size_t)(first - chains) + round) % WORKERS]);
    pthread_barrier_wait(&barrier);
  }
  return NULL;
}

int main(int argc, char **argv) {
  operations = bench_scale(argc, argv, 170000);
  uint64_t sum = 0;
  pthread_t threads[WORKERS];
  pthread_barrier_init(&barrier, NULL, WORKERS);
  for (uint32_t w = 0; w < WORKERS; w++) {
    chains[w].rng = w;
    if (pthread_create(&threads[w], NULL, worker, &chains[w]) != 0) bench_die("cannot create a thread");
  }
  for (uint32_t w = 0; w < WORKERS; w++)
    pthread_join(threads[w], NULL);
  for (uint32_t w = 0; w < WORKERS; w++) {
    for (uint32_t i = 0; i < BLOCKS; i++)
      chains[w].sum = sum_mix(chains[w].sum, block_drop(&chains[w].blocks[i]));
    sum = sum_mix(sum, chains[w].sum);
  }
  return bench_finish("handover", sum);
}
