/* SPDX-License-Identifier: Apache-2.0
 *
 * Sets of addresses as sorted ranges [base, limit) that do not touch: what touches is one range (Go's addrRanges,
 * runtime/mranges.go). Nothing here wraps around, whatever the sizes and alignments.
 *
 * A set has a fixed capacity: each range of the heap is a mapping of the process at least, and so is what lies
 * between two of them; Linux allows a process 65530 unless it is told otherwise.
 *
 * Up: space. Down: nothing.
 * Invariant: RangesInv (spec/addrrange.acsl). Claims: C7 C10.
 */
#ifndef VERISPAN_ADDRRANGE_H
#define VERISPAN_ADDRRANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most ranges of a set. */
#define VS_MAX_RANGES 32768u

struct addr_range {
  uintptr_t base;
  uintptr_t limit;
};

struct addr_ranges {
  struct addr_range range[VS_MAX_RANGES]; /* n of them, ascending */
  uint32_t n;
};

#include "../spec/addrrange.acsl"

/* The first range that begins above addr: its number, or n. */
/*@ requires valid: \valid_read(s);
    requires inv: RangesInv(s);
    terminates \true;
    assigns \nothing;
    ensures bound: \result <= s->n;
    ensures below: \forall integer k; 0 <= k < \result ==> s->range[k].base <= addr;
    ensures above: \forall integer k; \result <= k < s->n ==> addr < s->range[k].base;
*/
uint32_t addrranges_after(const struct addr_ranges *s, uintptr_t addr);

/* Whether all of [base, limit), not empty, is in the set. */
/*@ requires valid: \valid_read(s);
    requires inv: RangesInv(s);
    requires range: base < limit;
    terminates \true;
    assigns \nothing;
    ensures exact: \result <==> RangesHold(&s->range[0], s->n, base, limit);
*/
bool addrranges_hold(const struct addr_ranges *s, uintptr_t base, uintptr_t limit);

/* Adds [base, limit), not empty, of which nothing is in the set. */
/*@ requires valid: \valid(s);
    requires inv: RangesInv(s);
    requires range: base < limit;
    requires room: s->n < 32768;
    requires disjoint: RangesMiss(&s->range[0], s->n, base, limit);
    terminates \true;
    assigns s->n, s->range[0 .. s->n];
    ensures inv: RangesInv(s);
    ensures bound: s->n <= \old(s->n) + 1;
    ensures one: RangesHold(&s->range[0], s->n, base, limit);
    ensures had: \forall integer x; RangesHave{Pre}(&s->range[0], \old(s->n), x) ==> RangesHave(&s->range[0], s->n, x);
    ensures added: \forall integer x; base <= x < limit ==> RangesHave(&s->range[0], s->n, x);
    ensures exact: \forall integer x; RangesHave(&s->range[0], s->n, x) ==>
      base <= x < limit || RangesHave{Pre}(&s->range[0], \old(s->n), x);
*/
void addrranges_add(struct addr_ranges *s, uintptr_t base, uintptr_t limit);

/* Takes [base, limit), not empty and all of it in the set, out of it. */
/*@ requires valid: \valid(s);
    requires inv: RangesInv(s);
    requires range: base < limit;
    requires room: s->n < 32768;
    requires held: RangesHold(&s->range[0], s->n, base, limit);
    terminates \true;
    assigns s->n, s->range[0 .. s->n];
    ensures inv: RangesInv(s);
    ensures bound: s->n <= \old(s->n) + 1;
    ensures kept: \forall integer x; RangesHave{Pre}(&s->range[0], \old(s->n), x) ==> !(base <= x < limit) ==>
      RangesHave(&s->range[0], s->n, x);
    ensures gone: \forall integer x; base <= x < limit ==> !RangesHave(&s->range[0], s->n, x);
    ensures exact: \forall integer x; RangesHave(&s->range[0], s->n, x) ==>
      RangesHave{Pre}(&s->range[0], \old(s->n), x);
*/
void addrranges_remove(struct addr_ranges *s, uintptr_t base, uintptr_t limit);

/* The lowest address at a multiple of align where size bytes are in the set, or 0. No range begins at 0. */
/*@ requires valid: \valid_read(s);
    requires inv: RangesInv(s);
    requires range: 0 < size && 0 < align;
    requires base: \forall integer k; 0 <= k < s->n ==> 0 < s->range[k].base;
    terminates \true;
    assigns \nothing;
    ensures fits: \result != 0 ==> RangesHold(&s->range[0], s->n, \result, \result + size);
    ensures aligned: \exists integer m; \result == m * align;
    ensures none: \result == 0 ==> \forall integer k, m; 0 <= k < s->n ==>
      !Fits(s->range[k].base, s->range[k].limit, size, align, m);
    ensures lowest: \result != 0 ==> \forall integer k, m; 0 <= k < s->n ==>
      Fits(s->range[k].base, s->range[k].limit, size, align, m) ==> \result <= m * align;
*/
uintptr_t addrranges_find(const struct addr_ranges *s, size_t size, size_t align);

/* The limit of the highest range, or 0. */
/*@ requires valid: \valid_read(s);
    requires inv: RangesInv(s);
    terminates \true;
    assigns \nothing;
    ensures none: s->n == 0 ==> \result == 0;
    ensures last: s->n > 0 ==> 0 < \result && RangesHave(&s->range[0], s->n, \result - 1);
    ensures highest: \forall integer x; RangesHave(&s->range[0], s->n, x) ==> x < \result;
*/
static inline uintptr_t addrranges_end(const struct addr_ranges *s) { return s->n == 0 ? 0 : s->range[s->n - 1].limit; }

/* Bytes in the set. */
/*@ requires valid: \valid_read(s);
    requires inv: RangesInv(s);
    terminates \true;
    assigns \nothing;
    ensures exact: \result == RangesBytes(&s->range[0], s->n);
*/
uint64_t addrranges_bytes(const struct addr_ranges *s);

#endif
