/* SPDX-License-Identifier: Apache-2.0
 *
 * Sweep tickets and completion in one atomic word (Go's activeSweep, runtime/mgcsweep.go 1.20). A sweeper takes a
 * ticket before it looks for work and gives it back when it is done; one that finds none drains the word, and nobody
 * gets a ticket any more. So "drained and no ticket out" is never true too early, and once true stays so until the
 * next turn.
 *
 *   bit 31       drained: no span is left to be swept
 *   bits 30..0   tickets out
 *
 * Any thread.
 *
 * Up: cycle. Down: atomic.
 * Invariant: none. Claims: C8 C9.
 */
#ifndef VERISPAN_SWEEP_H
#define VERISPAN_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "atomic.h"

#define VS_SWEEP_DRAINED 2147483648u

/* Takes a ticket. False if there is nothing to sweep. */
static inline bool sweep_begin(uint64_t *tickets) {
  uint64_t t = vs_load_acquire_u64(tickets);
  while (t < VS_SWEEP_DRAINED) {
    if (vs_cas_u64(tickets, t, t + 1)) return true;
    t = vs_load_acquire_u64(tickets);
  }
  return false;
}

/* Gives a ticket back. */
static inline void sweep_end(uint64_t *tickets) {
  uint64_t t = vs_load_acquire_u64(tickets);
  while (!vs_cas_u64(tickets, t, t - 1)) t = vs_load_acquire_u64(tickets);
}

/* Says that no span is left to be swept. The holder of a ticket. */
static inline void sweep_drain(uint64_t *tickets) {
  uint64_t t = vs_load_acquire_u64(tickets);
  while (t < VS_SWEEP_DRAINED && !vs_cas_u64(tickets, t, t | VS_SWEEP_DRAINED)) t = vs_load_acquire_u64(tickets);
}

/* Whether every span is swept. */
static inline bool sweep_done(const uint64_t *tickets) { return vs_load_acquire_u64(tickets) == VS_SWEEP_DRAINED; }

#endif
