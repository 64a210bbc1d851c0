/* Shared by the benchmark programs: scale from argv, a deterministic generator, blocks that are
   written when they are allocated and checked when they are freed, and the checksum that each
   program prints at its end. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_UTIL_H
#define BENCH_UTIL_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline _Noreturn void bench_die(const char *what) {
  fprintf(stderr, "bench: %s\n", what);
  exit(2);
}

/* The scale is a percentage of the default amount of work; the live set does not depend on it. */
static inline uint64_t bench_scale(int argc, char **argv, uint64_t amount) {
  if (argc < 2) return amount;
  char *end;
  long percent = strtol(argv[1], &end, 10);
  if (argc > 2 || *argv[1] == '\0' || *end != '\0' || percent < 1 || percent > 100000) {
    fprintf(stderr, "usage: %s [scale in percent, 1..100000]\n", argv[0]);
    exit(2);
  }
  uint64_t scaled = amount * (uint64_t)percent / 100;
  return scaled > 0 ? scaled : 1;
}

/* SplitMix64 (Steele, Lea & Flood, OOPSLA 2014). */
static inline uint64_t rng_next(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* In [0, n), n < 2^32. */
static inline uint32_t rng_below(uint64_t *state, uint32_t n) {
  return (uint32_t)(((rng_next(state) >> 32) * n) >> 32);
}

/* In [2^lo, 2^hi), each power of two equally likely: many small, few large. */
static inline uint32_t rng_log_uniform(uint64_t *state, uint32_t lo, uint32_t hi) {
  uint32_t base = (uint32_t)1 << (lo + rng_below(state, hi - lo));
  return base + rng_below(state, base);
}

static inline uint64_t sum_mix(uint64_t sum, uint64_t value) {
  return (sum ^ value) * 0x100000001b3u + (sum >> 29);
}

static inline void *xmalloc(size_t size) {
  void *p = malloc(size);
  if (p == NULL) bench_die("out of memory");
  return p;
}

/* A block with its size and the byte that was written to its first, its last and one byte of each
   cache line. */
struct block {
  unsigned char *data;
  uint32_t size;
  unsigned char tag;
};

static inline void block_fill(struct block *b) {
  for (uint32_t i = 0; i < b->size; i += 64)
    b->data[i] = b->tag;
  b->data[b->size - 1] = b->tag;
}

static inline void block_make(struct block *b, uint32_t size, unsigned char tag) {
  b->data = xmalloc(size);
  b->size = size;
  b->tag = tag;
  block_fill(b);
}

/* Frees b if it holds a block; returns what it adds to the checksum. */
static inline uint64_t block_drop(struct block *b) {
  if (b->data == NULL) return 0;
  if (b->data[0] != b->tag || b->data[b->size - 1] != b->tag)
    bench_die("a block has lost its contents");
  uint64_t value = (uint64_t)b->size * 256 + b->data[b->size - 1];
  free(b->data);
  b->data = NULL;
  return value;
}

static inline int bench_finish(const char *name, uint64_t sum) {
  printf("%s %016llx\n", name, (unsigned long long)sum);
  return 0;
}

#endif
