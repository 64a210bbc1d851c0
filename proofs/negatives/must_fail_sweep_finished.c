/* SPDX-License-Identifier: Apache-2.0
 *
 * Who finds nothing left has finished: others may still have a ticket, and a span to sweep.
 * Expect: finish ensures done
 */
#include "sweep.h"

/*@ requires valid: \valid(tickets);
    requires mine: g_tickets == 1;
    assigns *tickets, g_tickets, g_others;
    ensures done: TicketsDone(*tickets);
*/
void finish(uint64_t *tickets) {
  sweep_drain(tickets);
  sweep_end(tickets);
}
