/* SPDX-License-Identifier: Apache-2.0
 *
 * A loop that need not end is an open goal: every function must terminate.
 * Expect: halves terminates
 */
#include <stdint.h>

/*@ assigns \nothing;
    ensures range: \result <= 1;
*/
uint32_t halves(uint32_t a)
{
  /*@ loop assigns a; */
  while (a > 1) a = a / 2 + a % 2;
  return a;
}
