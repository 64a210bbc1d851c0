/* SPDX-License-Identifier: Apache-2.0
 *
 * An address may lie in no span: the claim that its span starts at or below it is an open goal.
 * Expect: base_of ensures range
 */
#include "arena.h"

/*@ requires valid: \valid_read(&vs_arena_map[0 .. 4194303]);
    requires inv: ArenaMapInv(&vs_arena_map[0]);
    assigns \nothing;
    ensures range: \result <= addr;
*/
uint64_t base_of(uintptr_t addr) { return arena_span(addr)->base; }
