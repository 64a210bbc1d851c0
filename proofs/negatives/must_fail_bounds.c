/* SPDX-License-Identifier: Apache-2.0
 *
 * A read one past the end of an array inside a struct is an open goal.
 * Expect: last rte index bound
 */
#include <stdint.h>

struct words {
  uint64_t word[4];
  uint64_t next;
};

/*@ requires valid: \valid_read(s);
    requires bound: i <= 4;
    assigns \nothing;
    ensures range: i < 4 ==> \result == s->word[i];
*/
uint64_t last(const struct words *s, uint32_t i) { return s->word[i]; }
