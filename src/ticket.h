/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading and writing the word of sweep tickets. Every write says which transition of spec/protocol.md it is, in a ghost
 * argument that only Frama-C sees. The contracts carry guarantee and rely, as in control.h: a write makes the
 * transition that it names, from the word that is there; before each of these operations, and only then, other threads may
 * have taken and given back tickets and said that nothing is left.
 *
 * Any thread, in a call on the heap: there is no turn in between.
 *
 * Up: sweep, control. Down: atomic.
 * Invariant: TicketsLegal (spec/tickets.acsl). Claims: C8 C9.
 */
#ifndef VERISPAN_TICKET_H
#define VERISPAN_TICKET_H

#include "atomic.h"

#ifdef __FRAMAC__

enum ticket_transition { S0, S1, S2, S3 };

#include "../spec/tickets.acsl"

/* How many tickets this thread has. */
//@ ghost extern uint64_t g_tickets;

/* An acquire load. */
/*@ requires valid: \valid(word);
    terminates \true;
    assigns *word;
    ensures exact: \result == *word;
    ensures legal: TicketsLegal(*word, g_tickets);
    ensures rely: TicketsRely(\old(*word), *word);
*/
uint64_t ticket_load(uint64_t *word);

/* Whether the word was expected, and is desired now. */
/*@ requires valid: \valid(word);
    requires guarantee: TicketsStep(s, g_tickets, expected, desired);
    terminates \true;
    assigns *word, g_tickets, g_others;
    ensures won: \result ==> *word == desired && g_tickets == TicketsAfter(s, \old(g_tickets));
    ensures lost: !\result ==> *word != expected && g_tickets == \old(g_tickets);
    ensures legal: TicketsLegal(*word, g_tickets);
    ensures rely: TicketsRely(\old(*word), \result ? expected : *word);
    ensures paid: !\result ==> \old(*word) == expected ==> g_others < \old(g_others);
*/
bool ticket_cas(uint64_t *word, uint64_t expected, uint64_t desired) /*@ ghost (enum ticket_transition s) */;

/* A release store, when no other thread is in a call on the heap. */
/*@ requires valid: \valid(word);
    requires guarantee: s == S0 && TicketsDone(*word) && desired == 0;
    terminates \true;
    assigns *word;
    ensures exact: *word == desired;
*/
void ticket_store(uint64_t *word, uint64_t desired) /*@ ghost (enum ticket_transition s) */;

#else

static inline uint64_t ticket_load(uint64_t *word) { return vs_load_acquire_u64(word); }
static inline bool ticket_cas(uint64_t *word, uint64_t expected, uint64_t desired) {
  return vs_cas_u64(word, expected, desired);
}
static inline void ticket_store(uint64_t *word, uint64_t desired) { vs_store_release_u64(word, desired); }

#endif

#endif
