/* SPDX-License-Identifier: Apache-2.0
 *
 * What is moved from what is left to the total may be more than was left: with left = 0, first = 1 and total = 10 the sum is
 * 11. Alt-Ergo 2.0.0 proves that it is at most 10, unless its tighten_eq_bounds is cut (proofs/toolchain/setup.sh); a false
 * loop invariant of scavenge_trim showed it (spec/decisions/0021-cut-alt-ergo.md).
 * Expect: rest_and_total ensures below
 */
#include <stdint.h>

/*@ logic integer Over(integer a, integer b) = b < a ? a - b : 0; */

/*@ assigns \nothing;
    ensures exact: \result == Over(a, b);
*/
static uint64_t over(uint64_t a, uint64_t b) { return b < a ? a - b : 0; }

/*@ requires sum: left + total <= 10;
    requires small: first <= 1000;
    assigns \nothing;
    ensures below: first + total + \result <= 10;
*/
uint64_t rest_and_total(uint64_t first, uint64_t left, uint64_t total) {
  (void)total;
  return over(left, first);
}
