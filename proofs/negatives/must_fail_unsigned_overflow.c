/* SPDX-License-Identifier: Apache-2.0
 *
 * Unsigned arithmetic that can wrap is an open goal: the proofs run with -warn-unsigned-overflow.
 * Expect: sum rte unsigned overflow
 */
#include <stdint.h>

/*@ assigns \nothing;
    ensures range: a + b <= 0xffffffff ==> \result == a + b;
*/
uint32_t sum(uint32_t a, uint32_t b) { return a + b; }
