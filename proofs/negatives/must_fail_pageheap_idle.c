/* SPDX-License-Identifier: Apache-2.0
 *
 * Pages on their way to the system count as in use: the claim that the count stays the same is an open goal.
 * Expect: unmoved ensures used
 */
#include "pageheap.h"

/*@ requires valid: \valid(h) && \base_addr(h) != \base_addr(&g_arenas[0]);
    requires inv: PageheapInv(h) && MineInv(&h->space);
    terminates \true;
    assigns h->used, h->dirty, vs_pages.level2[0 .. 1048575], vs_pages.level1[0 .. 131071], vs_pages.level0[0 .. 16383],
      vs_pages.search, { *BlockPlace(n) | integer n; 0 <= n < 1048576 }, g_mine[0 .. 34359738367];
    ensures inv: PageheapInv(h);
    ensures used: h->used == \old(h->used);
*/
void unmoved(struct pageheap *h, uint64_t want) { (void)pageheap_take_idle(h, want); }
