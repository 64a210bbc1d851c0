/* SPDX-License-Identifier: Apache-2.0
 *
 * When paced work may go on: a time in nanoseconds that one thread at a time sets, and every thread reads.
 *
 * Up: scavenge. Down: atomic, os.
 * Invariant: none. Claims: C9.
 */
#ifndef VERISPAN_PACE_H
#define VERISPAN_PACE_H

#include <stdint.h>

#include "atomic.h"
#include "os.h"

/* What is believed of the clocks and the number of processors (T-04); here, as nobody else looks at them. */
/*@ terminates \true;
    assigns \result \from \nothing;
    ensures range: \result <= 4611686018427387904;
*/
uint64_t os_nanoseconds(void);

/*@ terminates \true;
    assigns \result \from \nothing;
    ensures range: \result <= 4611686018427387904;
*/
uint64_t os_thread_nanoseconds(void);

/*@ terminates \true;
    assigns \result \from \nothing;
    ensures range: 1 <= \result <= 1024;
*/
uint64_t os_processors(void);

/* The time; sets it. */
/*@ requires valid: \valid_read(next);
    terminates \true;
    assigns \nothing;
    ensures exact: \result == *next;
*/
static inline uint64_t pace_read(const uint64_t *next) { return vs_load_relaxed_u64(next); }

/*@ requires valid: \valid(next);
    terminates \true;
    assigns *next;
    ensures exact: *next == time;
*/
static inline void pace_set(uint64_t *next, uint64_t time) { vs_store_relaxed_u64(next, time); }

#endif
