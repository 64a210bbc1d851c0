/* Large blocks: sizes 32 KiB to 64 MiB and lifetimes at random, on one thread or more. One byte of each
   page is written, as whoever uses such a block would at least: what is compared is mapping and
   unmapping, faults on fresh pages, and finding room among blocks of very different sizes. All
   threads together keep at most 384 MiB. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "bench_util.h"

enum { SLOT_BITS = 7, SLOTS = 1 << SLOT_BITS, MAX_THREADS = 8, PAGE = 4096 };

static const uint64_t max_live = (uint64_t)384 << 20;

struct worker {
  pthread_t thread;
  struct block slots[SLOTS];
  uint64_t rng, sum, operations, live, max_live;
};

static struct worker workers[MAX_THREADS];

static void drop(struct worker *w, struct block *b) {
  if (b->data == NULL) return;
  for (uint32_t at = 0; at < b->size; at += PAGE)
    if (b->data[at] != b->tag) bench_die("a block has lost its contents");
  w->live -= b->size;
  w->sum = sum_mix(w->sum, block_drop(b));
}

static void make(struct worker *w, struct block *b, uint32_t size, unsigned char tag) {
  while (w->live + size > w->max_live)
    drop(w, &w->slots[rng_below(&w->rng, SLOTS)]);
  *b = (struct block){.data = xmalloc(size), .size = size, .tag = tag};
  for (uint32_t at = 0; at < size; at += PAGE)
    b->data[at] = tag;
  b->data[size - 1] = tag;
  w->live += size;
}

static void *work(void *argument) {
  struct worker *w = argument;
  for (uint64_t i = 0; i < w->operations; i++) {
    struct block *b = &w->slots[rng_log_uniform(&w->rng, 0, SLOT_BITS)];
    drop(w, b);
    make(w, b, rng_log_uniform(&w->rng, 15, 26), (unsigned char)i);
  }
  for (uint32_t i = 0; i < SLOTS; i++)
    drop(w, &w->slots[i]);
  return NULL;
}

int main(int argc, char **argv) {
  long threads = argc == 3 ? strtol(argv[2], NULL, 10) : 1;
  if (threads < 1 || threads > MAX_THREADS) bench_die("the number of threads is 1 to 8");
  uint64_t operations = bench_scale(argc == 3 ? 2 : argc, argv, 250), sum = 0;
  for (long t = 0; t < threads; t++) {
    workers[t].rng = (uint64_t)t + 26;
    workers[t].operations = operations / (uint64_t)threads;
    workers[t].max_live = max_live / (uint64_t)threads;
    if (pthread_create(&workers[t].thread, NULL, work, &workers[t]) != 0) bench_die("cannot create a thread");
  }
  for (long t = 0; t < threads; t++) {
    pthread_join(workers[t].thread, NULL);
    sum = sum_mix(sum, workers[t].sum);
  }
  return bench_finish("large", sum);
}
