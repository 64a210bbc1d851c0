/* SPDX-License-Identifier: Apache-2.0
 *
 * Not every number is a multiple. Alt-Ergo 2.0.0 proves that each is, unless it is started with -no-NLA
 * (proofs/toolchain/setup.sh); a smoke test of space_hint showed it.
 * Expect: is_multiple ensures always
 */
#include <stdbool.h>
#include <stdint.h>

/*@ requires size: 0 < size;
    assigns \nothing;
    ensures always: \result;
*/
bool is_multiple(uint64_t at, uint64_t size) {
  if (at % size != 0) return false;
  return true;
}
