/* SPDX-License-Identifier: Apache-2.0
 * What the programs over a collector share, beside what they have in common with those of the benchmark. */
#ifndef VERISPAN_GC_PROGRAM_H
#define VERISPAN_GC_PROGRAM_H

#include "../../bench/programs/bench_util.h"
#include "collector.h"

/* The checksum on standard output, which must be every collector's; the cycles on standard error. */
static inline int program_finish(const char *name, uint64_t sum) {
  fprintf(stderr, "%s: %zu cycles\n", name, collector_cycles());
  return bench_finish(name, sum);
}

#endif
