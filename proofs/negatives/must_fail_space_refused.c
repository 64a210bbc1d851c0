/* SPDX-License-Identifier: Apache-2.0
 *
 * The system may refuse to prepare what is reserved: the claim that the range is the heap's anyway is an open goal.
 * Expect: unchecked ensures heap
 */
#include "space.h"

/*@ requires valid: \valid(s);
    requires inv: SpaceInv(s);
    requires range: OsRange(base, size);
    requires one: RangesHold(&s->reserved.range[0], s->reserved.n, base, base + size);
    terminates \true;
    assigns s->reserved, s->heap, g_os[0 .. 34359738367];
    ensures inv: SpaceInv(s);
    ensures heap: \forall integer x; base <= x < base + size ==> SpaceHeap(s, x);
*/
void unchecked(struct space *s, uintptr_t base, size_t size) { (void)space_prepare(s, base, size); }
