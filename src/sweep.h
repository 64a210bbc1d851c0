/* SPDX-License-Identifier: Apache-2.0
 *
 * Sweep tickets and completion in one atomic word (Go's activeSweep, runtime/mgcsweep.go 1.20). A sweeper takes a
 * ticket before it looks for work and gives it back when it is done; one that finds none drains the word, and nobody
 * gets a ticket any more. So "drained and no ticket out" is never true too early, and once true stays so until the
 * next turn. spec/protocol.md has the transitions (S0 to S3).
 *
 *   bit 31       drained: no span is left to be swept
 *   bits 30..0   tickets out
 *
 * Any thread.
 *
 * Up: cycle. Down: ticket.
 * Invariant: TicketsLegal (spec/tickets.acsl). Claims: C8 C9.
 */
#ifndef VERISPAN_SWEEP_H
#define VERISPAN_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "ticket.h"

#define VS_SWEEP_DRAINED 2147483648u

/* S1: takes a ticket. False if there is nothing to sweep. The caller has none. */
/*@ requires valid: \valid(tickets);
    requires none: g_tickets == 0;
    assigns *tickets, g_tickets, g_others;
    ensures taken: \result ==> g_tickets == 1 && !TicketsDrained(*tickets) && 1 <= TicketsOut(*tickets);
    ensures drained: !\result ==> g_tickets == 0 && TicketsDrained(*tickets);
*/
static inline bool sweep_begin(uint64_t *tickets) {
  uint64_t t = ticket_load(tickets);
  /*@ loop invariant seen: t == *tickets && TicketsLegal(t, g_tickets);
      loop invariant none: g_tickets == 0;
      loop assigns t, *tickets, g_tickets, g_others;
      loop variant g_others;
  */
  while (t < VS_SWEEP_DRAINED) {
    if (ticket_cas(tickets, t, t + 1) /*@ ghost (S1) */) return true;
    t = ticket_load(tickets);
  }
  return false;
}

/* S2: gives the caller's ticket back. */
/*@ requires valid: \valid(tickets);
    requires mine: g_tickets == 1;
    assigns *tickets, g_tickets, g_others;
    ensures none: g_tickets == 0;
    ensures rely: TicketsDrained(\at(*tickets, Pre)) ==> TicketsDrained(*tickets) &&
      TicketsOut(*tickets) < TicketsOut(\at(*tickets, Pre));
*/
static inline void sweep_end(uint64_t *tickets) {
  uint64_t t = ticket_load(tickets);
  /*@ loop invariant seen: t == *tickets && TicketsLegal(t, g_tickets);
      loop invariant mine: g_tickets == 1;
      loop invariant rely: TicketsRely(\at(*tickets, Pre), t);
      loop assigns t, *tickets, g_tickets, g_others;
      loop variant g_others;
  */
  while (!ticket_cas(tickets, t, t - 1) /*@ ghost (S2) */) t = ticket_load(tickets);
}

/* S3: says that no span is left to be swept. The caller has a ticket. */
/*@ requires valid: \valid(tickets);
    requires mine: g_tickets == 1;
    assigns *tickets, g_tickets, g_others;
    ensures mine: g_tickets == 1;
    ensures drained: TicketsDrained(*tickets) && 1 <= TicketsOut(*tickets);
*/
static inline void sweep_drain(uint64_t *tickets) {
  uint64_t t = ticket_load(tickets);
  /*@ loop invariant seen: t == *tickets && TicketsLegal(t, g_tickets);
      loop invariant mine: g_tickets == 1;
      loop assigns t, *tickets, g_tickets, g_others;
      loop variant g_others;
  */
  while (t < VS_SWEEP_DRAINED && !ticket_cas(tickets, t, t + VS_SWEEP_DRAINED) /*@ ghost (S3) */)
    t = ticket_load(tickets);
}

/* Whether every span is swept. Then nobody has a ticket. */
/*@ requires valid: \valid(tickets);
    assigns *tickets;
    ensures done: \result ==> TicketsDone(*tickets) && g_tickets == 0;
    ensures kept: TicketsDone(\old(*tickets)) ==> \result;
*/
static inline bool sweep_done(uint64_t *tickets) { return ticket_load(tickets) == VS_SWEEP_DRAINED; }

/* S0: the turn, with no other thread in a call on the heap: every span is unswept. */
/*@ requires valid: \valid(tickets);
    requires done: TicketsDone(*tickets);
    assigns *tickets;
    ensures open: *tickets == 0;
*/
static inline void sweep_turn(uint64_t *tickets) { ticket_store(tickets, 0) /*@ ghost (S0) */; }

#endif
