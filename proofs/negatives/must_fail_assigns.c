/* SPDX-License-Identifier: Apache-2.0
 *
 * A write that the assigns clause does not name is an open goal.
 * Expect: set_low assigns
 */
#include <stdint.h>

struct pair {
  uint32_t low, high;
};

/*@ requires valid: \valid(p);
    assigns p->low;
    ensures range: p->low == v;
*/
void set_low(struct pair *p, uint32_t v)
{
  p->low = v;
  p->high = 0;
}
