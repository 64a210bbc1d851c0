/* SPDX-License-Identifier: Apache-2.0
 *
 * A conversion that can lose bits is an open goal: the proofs run with -warn-unsigned-downcast.
 * Expect: low rte unsigned downcast
 */
#include <stdint.h>

/*@ assigns \nothing;
    ensures range: a <= 0xffff ==> \result == a;
*/
uint16_t low(uint32_t a) { return (uint16_t)a; }
