/* SPDX-License-Identifier: Apache-2.0
 *
 * A cache with as many pages as asked for need not have them in a row: the claim that it gives them is an open goal.
 * Expect: enough ensures given
 */
#include "pagecache.h"

/*@ requires valid: \valid(c) && \valid(clean);
    requires sep: \separated(c, clean);
    requires inv: CacheInv(c);
    requires two: \exists integer i, j; 0 <= i < j < 64 && Bit(c->free, i) && Bit(c->free, j);
    terminates \true;
    assigns c->free, c->clean, *clean;
    ensures inv: CacheInv(c);
    ensures given: \result < 64;
*/
uint32_t enough(struct page_cache *c, uint64_t *clean) { return pagecache_alloc(c, 2, clean); }
