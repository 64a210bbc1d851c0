/* SPDX-License-Identifier: Apache-2.0
 *
 * A full span that was left at rest need not be at rest any more: another thread may have woken it.
 * Expect: leave ensures asleep
 */
#include "ownership.h"

/*@ requires valid: \valid(s);
    requires bound: s->nelems <= 1024;
    requires mine: IsOwned(VS_SWEEPGEN, s->ctl) && CtlOwner(s->ctl) == owner;
    assigns s->ctl, g_others;
    ensures asleep: \result ==> IsRestingFull(VS_SWEEPGEN, s->ctl);
*/
bool leave(struct mspan *s, uint32_t owner) { return ownership_rest(s, owner); }
