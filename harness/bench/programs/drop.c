/* A peak, and what stays of it: 400 MiB of blocks of 64 bytes to 1 MiB, written in full, of which nine
   in ten, chosen at random, are freed. Then the program sleeps, or goes on with a small steady load: of
   the blocks to 32 KiB, ten are replaced every 10 ms, and the live bytes stay what they are.
   Prints these at once, and after 1, 5 and 30 seconds the anonymous memory resident. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "bench_util.h"

enum { MAX_BLOCKS = 1 << 16, BURST = 10, PAUSE_MS = 10, LOW_BITS = 6, HIGH_BITS = 20, STEADY = 32768 };

static const uint64_t peak_bytes = (uint64_t)400 << 20;
static const double looks[] = {1, 5, 30};

static struct block blocks[MAX_BLOCKS];
static uint64_t live;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void pause_a_little(void) {
  struct timespec t = {.tv_nsec = PAUSE_MS * 1000000};
  nanosleep(&t, NULL);
}

static uint64_t resident(void) {
  char line[128];
  unsigned long long kib = 0;
  FILE *f = fopen("/proc/self/status", "r");
  if (f == NULL) bench_die("cannot open /proc/self/status");
  while (kib == 0 && fgets(line, sizeof line, f) != NULL)
    if (sscanf(line, "RssAnon: %llu kB", &kib) == 1) break;
  fclose(f);
  return kib * 1024;
}

static void make(struct block *b, uint32_t size) {
  block_make(b, size, (unsigned char)size);
  live += size;
}

static void drop(struct block *b) {
  live -= b->size;
  (void)block_drop(b);
}

static uint32_t climb(uint64_t *rng) {
  uint32_t n = 0;
  while (live < peak_bytes && n < MAX_BLOCKS)
    make(&blocks[n++], rng_log_uniform(rng, LOW_BITS, HIGH_BITS));
  return n;
}

/* The survivors, moved to the front of the array. */
static uint32_t fall(uint64_t *rng, uint32_t n) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < n; i++) {
    if (rng_below(rng, 10) != 0)
      drop(&blocks[i]);
    else
      blocks[kept++] = blocks[i];
  }
  return kept;
}

/* A block of the same size takes the place of one freed just before, so that the live bytes stay. */
static void steady(uint64_t *rng, uint32_t n) {
  for (uint32_t i = 0; i < BURST;) {
    struct block *b = &blocks[rng_below(rng, n)];
    if (b->size > STEADY) continue;
    i++;
    drop(b);
    make(b, b->size);
  }
}

int main(int argc, char **argv) {
  if (argc != 2 || (strcmp(argv[1], "sleeps") != 0 && strcmp(argv[1], "works") != 0)) {
    fprintf(stderr, "usage: %s sleeps|works\n", argv[0]);
    return 2;
  }
  uint64_t rng = 10;
  uint32_t n = fall(&rng, climb(&rng));
  double start = now();
  printf("%llu\n", (unsigned long long)live);
  fflush(stdout);
  for (size_t i = 0; i < sizeof looks / sizeof looks[0]; i++) {
    while (now() - start < looks[i]) {
      pause_a_little();
      if (argv[1][0] == 'w') steady(&rng, n);
    }
    printf(" %llu", (unsigned long long)resident());
  }
  printf("\n");
  return 0;
}
