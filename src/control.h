/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading and writing control words. Every write says which transition of spec/protocol.md it is, in a ghost argument
 * that only Frama-C sees; the other is the heap's sweepgen. The contracts carry guarantee and rely:
 *
 *   guarantee  the precondition of a write: the transition leads from the word that is there to the one written, and
 *              a store is made only where no other thread may write
 *   rely       what is known after: before each of these operations, and only then, other threads may have made the
 *              transitions that spec/protocol.acsl leaves to them
 *
 * A thread that has not got the span knows nothing of its word but that it is a legal one.
 *
 * Up: ownership. Down: ticket, atomic.
 * Invariant: CtlLegal (spec/protocol.acsl). Claims: C8 C9.
 */
#ifndef VERISPAN_CONTROL_H
#define VERISPAN_CONTROL_H

#include "atomic.h"
#include "spanctl.h"
#include "ticket.h"

#ifdef __FRAMAC__

enum control_transition { M0, M1, M2, M3, M4, M5, M6, M7, M8, M9, M10, M11, M12, T0, T1, T3, T4, T5, T6, T7, T8 };

#include "../spec/protocol.acsl"

/* Sequentially consistent. Any thread. */
/*@ requires valid: \valid(ctl);
    terminates \true;
    assigns *ctl;
    ensures exact: \result == *ctl;
    ensures rely: CtlLegal(*ctl);
*/
uint64_t control_load(uint64_t *ctl);

/* A release store. */
/*@ requires valid: \valid(ctl);
    requires guarantee: CtlStep(t, g, *ctl, word);
    requires alone: CtlStored(t) && CtlHeapOf(t, g);
    terminates \true;
    assigns *ctl;
    ensures exact: *ctl == word;
*/
void control_store_release(uint64_t *ctl, uint64_t word) /*@ ghost (enum control_transition t, uint32_t g) */;

/* A sequentially consistent store. */
/*@ requires valid: \valid(ctl);
    requires guarantee: CtlStep(t, g, *ctl, word);
    requires alone: CtlStored(t) && CtlHeapOf(t, g);
    terminates \true;
    assigns *ctl;
    ensures exact: *ctl == word;
*/
void control_store_seq(uint64_t *ctl, uint64_t word) /*@ ghost (enum control_transition t, uint32_t g) */;

/* Whether the word was expected, and is desired now. */
/*@ requires valid: \valid(ctl);
    requires guarantee: CtlStep(t, g, expected, desired);
    requires heap: CtlHeapOf(t, g);
    requires ticket: t == T3 ==> g_tickets == 1;
    terminates \true;
    assigns *ctl, g_others;
    ensures won: \result ==> *ctl == desired && (!CtlAnyone(t) ==> CtlRely(g, \old(*ctl), expected));
    ensures lost: !\result ==> *ctl != expected && CtlLegal(*ctl);
    ensures rely: !\result ==> !CtlAnyone(t) ==> CtlRely(g, \old(*ctl), *ctl);
    ensures paid: !\result ==> \old(*ctl) == expected ==> g_others < \old(g_others);
*/
bool control_cas(uint64_t *ctl, uint64_t expected, uint64_t desired)
    /*@ ghost (enum control_transition t, uint32_t g) */;

#else

static inline uint64_t control_load(uint64_t *ctl) { return vs_load_seq_u64(ctl); }
static inline void control_store_release(uint64_t *ctl, uint64_t word) { vs_store_release_u64(ctl, word); }
static inline void control_store_seq(uint64_t *ctl, uint64_t word) { vs_store_seq_u64(ctl, word); }
static inline bool control_cas(uint64_t *ctl, uint64_t expected, uint64_t desired) {
  return vs_cas_u64(ctl, expected, desired);
}

#endif

#endif
