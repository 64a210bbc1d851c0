/* SPDX-License-Identifier: Apache-2.0
 *
 * A span that was given up to its central list is in no thread's hands.
 * Expect: given ensures mine
 */
#include "mcentral.h"

/*@ requires heap: HeapOk(h) && h->collected == 0;
    requires hand: InHand(s);
    requires class: 2 <= s->spanclass < 136 && SpanOfClass(s, s->spanclass);
    requires owned: IsOwned(VS_SWEEPGEN, s->ctl);
    terminates \true;
    assigns CENTRAL_STATE(h) \from h, s, CENTRAL_STATE(h);
    assigns g_others;
    ensures mine: InHand(s);
*/
void given(struct vs_heap *h, struct mspan *s) { mcentral_uncache_span(h, s); }
