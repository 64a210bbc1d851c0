/* SPDX-License-Identifier: Apache-2.0
 *
 * A freed slot is not available before the next sweep.
 * Expect: free_slot ensures available
 */
#include "mspan.h"

/*@ requires valid: \valid(s);
    requires inv: MspanInv(s);
    requires range: s->base <= addr < s->base + s->npages * 8192;
    assigns s->mark_bits[((addr - s->base) / s->elem_size) / 64], s->nkept;
    ensures available: \result ==> SlotAvailable(s, (addr - s->base) / s->elem_size);
*/
bool free_slot(struct mspan *s, uintptr_t addr) { return mspan_free(s, addr); }
