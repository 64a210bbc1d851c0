/* Every thread allocates batches and frees batches, mostly those of others: all go through one queue,
   after Lever & Boreham's xmalloc test (USENIX 2000). In prodcons each thread only allocates or only
   frees; here any thread frees the blocks of any other, and allocates meanwhile. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "bench_util.h"

enum { THREADS = 4, BATCH = 512, QUEUE = 32 };

struct batch {
  struct block blocks[BATCH];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct batch *queue[QUEUE];
static uint32_t head, queued;
static uint64_t batches;

struct worker {
  pthread_t thread;
  uint64_t rng, sum;
};

static struct worker workers[THREADS];

/* Puts b at the queue's end, and takes the oldest batch when the queue was full. */
static struct batch *queue_exchange(struct batch *b) {
  struct batch *oldest = NULL;
  pthread_mutex_lock(&lock);
  if (queued == QUEUE)
    oldest = queue[head];
  else
    queued++;
  queue[head] = b;
  head = (head + 1) % QUEUE;
  pthread_mutex_unlock(&lock);
  return oldest;
}

/* The sum does not depend on who frees what. */
static uint64_t batch_drop(struct batch *b) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < BATCH; i++)
    sum += block_drop(&b->blocks[i]);
  free(b);
  return sum;
}

static void *work(void *argument) {
  struct worker *w = argument;
  for (uint64_t n = 0; n < batches; n++) {
    struct batch *b = xmalloc(sizeof *b);
    for (uint32_t i = 0; i < BATCH; i++)
      block_make(&b->blocks[i], rng_log_uniform(&w->rng, 3, 11), (unsigned char)(n + i));
    b = queue_exchange(b);
    if (b != NULL) w->sum += batch_drop(b);
  }
  return NULL;
}

int main(int argc, char **argv) {
  uint64_t sum = 0;
  batches = bench_scale(argc, argv, 16000);
  for (uint32_t t = 0; t < THREADS; t++) {
    workers[t].rng = t + 11;
    if (pthread_create(&workers[t].thread, NULL, work, &workers[t]) != 0) bench_die("cannot create a thread");
  }
  for (uint32_t t = 0; t < THREADS; t++) {
    pthread_join(workers[t].thread, NULL);
    sum += workers[t].sum;
  }
  for (uint32_t i = 0; i < queued; i++)
    sum += batch_drop(queue[i]);
  return bench_finish("xmalloc", sum);
}
