/* SPDX-License-Identifier: Apache-2.0
 *
 * A run may be longer than any within one child: the claim that it is not is an open goal.
 * Expect: inside ensures most
 */
#include "pagesum.h"

/*@ requires valid: \valid_read(child + (0 .. 7));
    requires inv: \forall integer i; 0 <= i < 8 ==> SumFits(child[i], 512);
    requires most: \forall integer i; 0 <= i < 8 ==> SumMax(child[i]) <= 100;
    terminates \true;
    assigns \nothing;
    ensures inv: SumFits(\result, 4096);
    ensures most: SumMax(\result) <= 100;
*/
uint64_t inside(const uint64_t *child) { return pagesum_merge(child, 512); }
