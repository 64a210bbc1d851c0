/* SPDX-License-Identifier: Apache-2.0
 *
 * What a CBMC harness is written with. A harness sets up inputs, calls the code, and checks; its
 * properties have names, by which harness.json says which of them a seeded bug must break.
 *
 * harness/bmc.py compiles it twice more. With VACUITY every CHECK disappears and each REACHED(name)
 * becomes an assertion that cannot hold: if CBMC does not refute all of them, some assumption has
 * emptied the harness. Write REACHED at the end and wherever an interesting case has just happened.
 *
 * Up: harness/cbmc/<name>/harness.c.  Down: CBMC.
 */
#ifndef HARNESS_CHECK_H
#define HARNESS_CHECK_H
#include <stdbool.h>
#include <stdint.h>

#define ASSUME(condition) __CPROVER_assume(condition)

#ifdef VACUITY
#define CHECK(condition, name) ((void)0)
#define REACHED(name) __CPROVER_assert(0, "reached " name)
#define REACHED_IF(condition, name) __CPROVER_assert(!(condition), "reached " name)
#else
#define CHECK(condition, name) __CPROVER_assert((condition), name)
#define REACHED(name) ((void)0)
#define REACHED_IF(condition, name) ((void)0)
#endif

/* Any value; CBMC takes functions of this name without a body so. */
uint64_t nondet_u64(void);
uint32_t nondet_u32(void);
uint16_t nondet_u16(void);
uint8_t nondet_u8(void);
bool nondet_bool(void);

#endif
