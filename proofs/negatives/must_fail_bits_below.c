/* SPDX-License-Identifier: Apache-2.0
 *
 * bits_below(n) does not set bit n: the claim that it does is an open goal.
 * Expect: through ensures exact
 */
#include "bits.h"

/*@ requires bound: n < 64;
    assigns \nothing;
    ensures exact: Bit(\result, n);
*/
uint64_t through(uint32_t n) { return bits_below(n); }
