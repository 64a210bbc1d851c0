/* SPDX-License-Identifier: Apache-2.0
 *
 * Of two areas side by side, a run may lie across the border: the claim that none is longer than those within is an open goal.
 * Expect: longest_apart ensures longest
 */
#include "pagetree.h"

/*@ requires order: a <= b <= c;
    requires both: Longest(m, a, b) && Longest(m, b, c);
    terminates \true;
    assigns \nothing;
    ensures exact: \result == m;
    ensures longest: Longest(m, a, c);
*/
uint64_t longest_apart(uint64_t m, uint64_t a, uint64_t b, uint64_t c) { return m; }
