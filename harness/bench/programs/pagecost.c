/* What a large block costs with few and with many live: COUNT blocks of 40 KiB, of which nobody
   touches the contents; every sixteenth is freed again, so that there are holes everywhere; then blocks are
   allocated and freed in bursts, of the size of the holes and of a size that fits none. Prints the CPU
   nanoseconds of an allocation and its free, in the fastest of many bursts of each kind. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "bench_util.h"

enum { BLOCK = 40960, HOLES = 16, BURST = 64, BURSTS = 500, MAX_COUNT = 1 << 20 };

static void *blocks[MAX_COUNT];

static double cpu_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double burst(size_t size) {
  void *some[BURST];
  double start = cpu_now();
  for (uint32_t i = 0; i < BURST; i++)
    some[i] = xmalloc(size);
  for (uint32_t i = 0; i < BURST; i++)
    free(some[i]);
  return (cpu_now() - start) / BURST;
}

static double fastest(size_t size) {
  double least = burst(size);
  for (uint32_t i = 1; i < BURSTS; i++) {
    double t = burst(size);
    if (t < least) least = t;
  }
  return least;
}

int main(int argc, char **argv) {
  long count = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
  if (count < 1 || count > MAX_COUNT) {
    fprintf(stderr, "usage: %s COUNT\n", argv[0]);
    return 2;
  }
  for (long i = 0; i < count; i++)
    blocks[i] = xmalloc(BLOCK);
  for (long i = 0; i < count; i += HOLES)
    free(blocks[i]);
  printf("%.1f %.1f\n", fastest(BLOCK), fastest(4 * BLOCK));
  return 0;
}
