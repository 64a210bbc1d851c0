/* SPDX-License-Identifier: Apache-2.0
 *
 * How far the sweep of a collected heap must be: who allocates pays for it in proportion (Go's deductSweepCredit,
 * runtime/mgcsweep.go 1.20, in integers).
 *
 * Everything is in pages. Pure and thread-safe.
 *
 * Up: cycle. Down: nothing.
 * Invariant: none. Claims: C7 C8.
 */
#ifndef VERISPAN_DEBT_H
#define VERISPAN_DEBT_H

#include <stdint.h>

/* Largest number of pages that debt_target takes. */
#define VS_DEBT_MAX 0xffffffffu

/* How many of the pages that there were at the turn must be swept when so many pages were allocated since: the same
 * share of them as of the allowance, in which the sweep is to be finished. */
/*@ requires bound: pages <= 0xffffffff && allowance <= 0xffffffff;
    assigns \nothing;
    ensures bound: \result <= pages;
    ensures all: allowance <= allocated ==> \result == pages;
    ensures share: allocated < allowance ==>
      \result * allowance <= pages * allocated < (\result + 1) * allowance;
*/
static inline uint64_t debt_target(uint64_t pages, uint64_t allocated, uint64_t allowance) {
  if (allocated >= allowance) return pages;
  return pages * allocated / allowance;
}

#endif
