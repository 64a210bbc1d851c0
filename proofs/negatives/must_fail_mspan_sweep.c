/* SPDX-License-Identifier: Apache-2.0
 *
 * A sweep keeps live slots only: a slot that was freed, or in the cache, is not live after it.
 * Expect: sweep ensures kept
 */
#include "mspan.h"

/*@ requires valid: \valid(s);
    requires inv: MspanInv(s);
    assigns s->alloc_cache, s->free_index, s->nkept, s->needzero, s->mark_bits[0 .. 15], s->alloc_bits[0 .. 15];
    ensures kept: \forall integer i; 0 <= i < s->nelems ==> AllocBit{Pre}(s, i) ==> SlotLive(s, i);
*/
void sweep(struct mspan *s) { mspan_sweep(s); }
