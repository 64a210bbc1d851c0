/* Producers and consumers across threads, after Lever & Boreham ("malloc() Performance in a
   Multithreaded Linux Environment", USENIX 2000), whose xmalloc test this follows in kind: no
   block is freed by the thread that allocated it. Batches of messages pass through bounded
   queues, one for each pair of a producer and a consumer. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "bench_util.h"

enum { PAIRS = 2, BATCH = 256, QUEUE = 16 };

struct batch {
  struct block blocks[BATCH];
};

struct queue {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  struct batch *slots[QUEUE];
  uint32_t head, tail;
  uint64_t batches, sum, seed;
};

static struct queue queues[PAIRS];

static void queue_put(struct queue *q, struct batch *b) {
  pthread_mutex_lock(&q->lock);
  while (q->head - q->tail == QUEUE)
    pthread_cond_wait(&q->changed, &q->lock);
  q->slots[q->head++ % QUEUE] = b;
  pthread_cond_signal(&q->changed);
  pthread_mutex_unlock(&q->lock);
}

static struct batch *queue_get(struct queue *q) {
  pthread_mutex_lock(&q->lock);
  while (q->head == q->tail)
    pthread_cond_wait(&q->changed, &q->lock);
  struct batch *b = q->slots[q->tail++ % QUEUE];
  pthread_cond_signal(&q->changed);
  pthread_mutex_unlock(&q->lock);
  return b;
}

static void *produce(void *argument) {
  struct queue *q = argument;
  uint64_t rng = q->seed;
  for (uint64_t n = 0; n < q->batches; n++) {
    struct batch *b = xmalloc(sizeof *b);
    for (uint32_t i = 0; i < BATCH; i++)
      block_make(&b->blocks[i], rng_log_uniform(&rng, 4, 10), (unsigned char)(n + i));
    queue_put(q, b);
  }
  return NULL;
}

static void *consume(void *argument) {
  struct queue *q = argument;
  for (uint64_t n = 0; n < q->batches; n++) {
    struct batch *b = queue_get(q);
    for (uint32_t i = 0; i < BATCH; i++)
      q->sum = sum_mix(q->sum, block_drop(&b->blocks[i]));
    free(b);
  }
  return NULL;
}

int main(int argc, char **argv) {
  uint64_t batches = bench_scale(argc, argv, 30000);
  uint64_t sum = 0;
  pthread_t producers[PAIRS], consumers[PAIRS];
  for (uint32_t p = 0; p < PAIRS; p++) {
    struct queue *q = &queues[p];
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->changed, NULL);
    q->batches = batches;
    q->seed = p + 7;
    if (pthread_create(&producers[p], NULL, produce, q) != 0 ||
        pthread_create(&consumers[p], NULL, consume, q) != 0)
      bench_die("cannot create a thread");
  }
  for (uint32_t p = 0; p < PAIRS; p++) {
    pthread_join(producers[p], NULL);
    pthread_join(consumers[p], NULL);
    sum = sum_mix(sum, queues[p].sum);
  }
  return bench_finish("prodcons", sum);
}
