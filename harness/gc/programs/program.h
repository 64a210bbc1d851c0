/* SPDX-License-Identifier: Apache-2.0
 * What the programs over a collector share: scale, random numbers, the checksum that they print. */
#ifndef VERISPAN_GC_PROGRAM_H
#define VERISPAN_GC_PROGRAM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector.h"

static inline _Noreturn void die(const char *what) {
  fprintf(stderr, "gc: %s\n", what);
  exit(2);
}

/* A percentage of the amount of work; what lives at once does not depend on it. */
static inline uint64_t program_scale(int argc, char **argv, uint64_t amount) {
  long percent = argc > 1 ? strtol(argv[1], NULL, 10) : 100;
  if (argc > 2 || percent < 1 || percent > 100000) die("usage: PROGRAM [scale in percent, 1..100000]");
  return amount * (uint64_t)percent / 100 + 1;
}

/* SplitMix64 (Steele, Lea & Flood, OOPSLA 2014). */
static inline uint64_t random_next(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static inline uint64_t sum_mix(uint64_t sum, uint64_t value) { return (sum ^ value) * 0x100000001b3u + (sum >> 29); }

/* The checksum on standard output, which must be every collector's; the cycles on standard error. */
static inline int program_finish(const char *name, uint64_t sum) {
  printf("%s %016llx\n", name, (unsigned long long)sum);
  fprintf(stderr, "%s: %zu cycles\n", name, collector_cycles());
  return 0;
}

#endif
