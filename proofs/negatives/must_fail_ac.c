/* SPDX-License-Identifier: Apache-2.0
 *
 * A bit of one word says nothing of a bit of the next. Alt-Ergo 2.0.0 proves that it does, unless it is started with
 * -no-ac (proofs/toolchain/setup.sh).
 * Expect: next_bit ensures next
 */
#include <stdbool.h>
#include <stdint.h>

struct words {
  uint64_t word[2];
};

/*@ predicate Bit(integer x, integer i) = (x & (1 << i)) != 0;
    lemma Bit_shift_right: \forall integer x, s, j; 0 <= s ==> 0 <= j ==> (Bit(x >> s, j) <==> Bit(x, j + s));
    predicate WordBit{L}(struct words *p, integer i) = Bit(\at(p->word[i / 64], L), i % 64);
*/

/*@ requires valid: \valid_read(p);
    assigns \nothing;
    ensures next: WordBit(p, 0) ==> WordBit(p, 64);
*/
void next_bit(struct words *p) { (void)p; }
