/* Growth by realloc: vectors that grow by half, strings that grow by a line, interleaved so that
   few can grow in place; a finished vector is trimmed to its length, read once and freed. The
   pattern of interpreters' arrays and string builders. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_util.h"

enum { VECTORS = 1024 };

struct vector {
  unsigned char *data;
  uint32_t length, capacity, limit;
  uint32_t linear; /* grows by a fixed step instead of by half */
};

static struct vector vectors[VECTORS];

static void vector_resize(struct vector *v, uint32_t capacity) {
  v->data = realloc(v->data, capacity);
  if (v->data == NULL) bench_die("out of memory");
  v->capacity = capacity;
}

static void vector_append(struct vector *v, uint32_t count, unsigned char byte) {
  if (v->length + count > v->capacity) {
    uint32_t step = v->linear ? 64 : v->capacity / 2 + 16;
    vector_resize(v, v->capacity + (step > count ? step : count));
  }
  memset(v->data + v->length, byte, count);
  v->length += count;
}

static uint64_t vector_finish(struct vector *v) {
  uint64_t sum = v->length;
  vector_resize(v, v->length);
  for (uint32_t i = 0; i < v->length; i += 16)
    sum = sum_mix(sum, v->data[i]);
  free(v->data);
  v->data = NULL;
  return sum;
}

static void vector_start(struct vector *v, uint64_t *rng) {
  v->linear = rng_below(rng, 4) == 0;
  v->limit = rng_log_uniform(rng, 5, v->linear ? 12 : 18);
  v->length = v->capacity = 0;
}

int main(int argc, char **argv) {
  uint64_t appends = bench_scale(argc, argv, 45000000);
  uint64_t rng = 3, sum = 0;
  for (uint32_t i = 0; i < VECTORS; i++)
    vector_start(&vectors[i], &rng);
  for (uint64_t i = 0; i < appends; i++) {
    struct vector *v = &vectors[rng_log_uniform(&rng, 0, 10)];
    vector_append(v, 1 + rng_below(&rng, 96), (unsigned char)i);
    if (v->length >= v->limit) {
      sum = sum_mix(sum, vector_finish(v));
      vector_start(v, &rng);
    }
  }
  for (uint32_t i = 0; i < VECTORS; i++)
    if (vectors[i].length > 0) sum = sum_mix(sum, vector_finish(&vectors[i]));
  return bench_finish("realloc", sum);
}
