/* SPDX-License-Identifier: Apache-2.0
 *
 * A huge page is not split, even if that makes more pages than were asked for: the claim that it never does is an open
 * goal.
 * Expect: offered ensures few
 */
#include "candidate.h"

/*@ requires valid: \valid_read(c) && \valid(npages);
    requires sep: \separated(npages, c);
    terminates \true;
    assigns *npages;
    ensures free: \result < 512 ==> ChunkIdle(c, \result, *npages);
    ensures few: \result < 512 ==> *npages <= 8;
*/
uint32_t offered(const struct page_chunk *c, uint32_t *npages) { return candidate_find(c, 1, 8, 256, npages); }
