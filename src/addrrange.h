/* SPDX-License-Identifier: Apache-2.0
 *
 * Sets of addresses as sorted ranges [base, limit) that do not touch: what touches is one range (Go's addrRanges,
 * runtime/mranges.go). Nothing here wraps around, whatever the sizes and alignments.
 *
 * The array grows by doubling; the old one is left, as in Go: all old ones together are smaller than the new one.
 *
 * Up: space. Down: os.
 * Invariant: RangesInv (spec/addrrange.acsl). Claims: C7 C10.
 */
#ifndef VERISPAN_ADDRRANGE_H
#define VERISPAN_ADDRRANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os.h"

struct addr_range {
  uintptr_t base;
  uintptr_t limit;
};

struct addr_ranges {
  struct addr_range *range; /* n of them, ascending, and room for capacity */
  uint32_t n;
  uint32_t capacity;
};

#include "../spec/addrrange.acsl"

/* An array of n ranges from the system, or NULL if refused (T-04). */
/*@ requires range: 0 < n <= 0x7fffffff;
    terminates \true;
    assigns \result \from n;
    ensures valid: \result != \null ==> \valid(\result + (0 .. n - 1));
*/
static inline struct addr_range *addrranges_array(uint32_t n) { return os_metadata(n * sizeof(struct addr_range)); }

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
    ensures exact: \result <==> RangesHold(s->range, s->n, base, limit);
*/
bool addrranges_hold(const struct addr_ranges *s, uintptr_t base, uintptr_t limit);

/* Adds [base, limit), not empty, of which nothing is in the set. */
/*@ requires valid: \valid(s);
    requires inv: RangesInv(s);
    requires range: base < limit;
    requires room: s->n < s->capacity;
    requires disjoint: RangesMiss(s->range, s->n, base, limit);
    terminates \true;
    assigns s->n, s->range[0 .. s->n];
    ensures inv: RangesInv(s);
    ensures bound: s->n <= \old(s->n) + 1;
    ensures had: \forall integer x; RangesHave{Pre}(s->range, \old(s->n), x) ==> RangesHave(s->range, s->n, x);
    ensures added: \forall integer x; base <= x < limit ==> RangesHave(s->range, s->n, x);
    ensures exact: \forall integer x; RangesHave(s->range, s->n, x) ==>
      base <= x < limit || RangesHave{Pre}(s->range, \old(s->n), x);
*/
void addrranges_add(struct addr_ranges *s, uintptr_t base, uintptr_t limit);

/* Takes [base, limit), not empty and all of it in the set, out of it. */
/*@ requires valid: \valid(s);
    requires inv: RangesInv(s);
    requires range: base < limit;
    requires room: s->n < s->capacity;
    requires held: RangesHold(s->range, s->n, base, limit);
    terminates \true;
    assigns s->n, s->range[0 .. s->n];
    ensures inv: RangesInv(s);
    ensures bound: s->n <= \old(s->n) + 1;
    ensures kept: \forall integer x; RangesHave{Pre}(s->range, \old(s->n), x) ==> !(base <= x < limit) ==>
      RangesHave(s->range, s->n, x);
    ensures gone: \forall integer x; base <= x < limit ==> !RangesHave(s->range, s->n, x);
    ensures exact: \forall integer x; RangesHave(s->range, s->n, x) ==> RangesHave{Pre}(s->range, \old(s->n), x);
*/
void addrranges_remove(struct addr_ranges *s, uintptr_t base, uintptr_t limit);

/* The lowest address at a multiple of align where size bytes are in the set, or 0. No range begins at 0. */
/*@ requires valid: \valid_read(s);
    requires inv: RangesInv(s);
    requires range: 0 < size && 0 < align;
    requires base: \forall integer k; 0 <= k < s->n ==> 0 < s->range[k].base;
    terminates \true;
    assigns \nothing;
    ensures fits: \result != 0 ==> RangesHold(s->range, s->n, \result, \result + size);
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
    ensures last: s->n > 0 ==> \result == s->range[s->n - 1].limit;
*/
static inline uintptr_t addrranges_end(const struct addr_ranges *s) { return s->n == 0 ? 0 : s->range[s->n - 1].limit; }

/* Bytes in the set. */
/*@ requires valid: \valid_read(s);
    requires inv: RangesInv(s);
    terminates \true;
    assigns \nothing;
    ensures exact: \result == RangesBytes(s->range, s->n);
*/
uint64_t addrranges_bytes(const struct addr_ranges *s);

/* Makes room for another range. False, and nothing has changed, if the system refused. */
/*@ requires valid: \valid(s);
    requires inv: RangesInv(s);
    terminates \true;
    assigns s->range, s->capacity;
    ensures inv: RangesInv(s);
    ensures room: \result ==> s->n < s->capacity;
    ensures refused: !\result ==> s->range == \old(s->range) && s->capacity == \old(s->capacity);
    ensures same: \forall integer k; 0 <= k < s->n ==>
      s->range[k].base == \at(\at(s->range, Pre)[k].base, Pre) && s->range[k].limit == \at(\at(s->range, Pre)[k].limit, Pre);
*/
bool addrranges_room(struct addr_ranges *s);

#endif
