/* SPDX-License-Identifier: Apache-2.0
 *
 * A page taken is not free any more: the claim that it still is is an open goal.
 * Expect: twice ensures still
 */
#include "pagechunk.h"

/*@ requires valid: \valid(c);
    requires bound: page < 512;
    requires free: MapRun(&c->free[0], page, 1);
    terminates \true;
    assigns c->free[0 .. 7], c->dirty[0 .. 7];
    ensures still: MapBit(&c->free[0], page);
*/
uint32_t twice(struct page_chunk *c, uint32_t page) { return pagechunk_take(c, page, 1); }
