/* SPDX-License-Identifier: Apache-2.0
 *
 * Exhaustive scheduler for compiled code: happens-before and data races.
 *
 * Vector clocks follow C11's happens-before (release and acquire operations, release sequences
 * through read-modify-writes as in C20, sequentially consistent fences). Two accesses to the same
 * bytes race when one of them writes, one of them is plain, and neither happens before the other.
 * An atomic access counts as one of 8 bytes.
 *
 * Up: sched.c.  Down: sched_fail.
 */
#ifndef SCHED_RACE_H
#define SCHED_RACE_H
#include "sched.h"

void race_reset(int n_threads); /* before each execution */

/* `thread` is -1 outside the threads (set-up and final check): nothing races there. */
void race_load(int thread, const volatile void *addr, enum sched_order order);
void race_store(int thread, const volatile void *addr, enum sched_order order);
void race_update(int thread, const volatile void *addr, enum sched_order order);
void race_fence(int thread);
void race_plain(int thread, const volatile void *addr, size_t size, bool write);

/* A name for an address, from sched_name's list; for messages. */
const char *sched_describe(const volatile void *addr, char *buffer, size_t size);

#endif
