/* SPDX-License-Identifier: Apache-2.0
 * Sorted ranges of addresses. Contracts stand in addrrange.h. */
#include "addrrange.h"

uint32_t addrranges_after(const struct addr_ranges *s, uintptr_t addr) {
  uint32_t low = 0, high = s->n;
  /*@ loop invariant bound: 0 <= low <= high <= s->n;
      loop invariant below: \forall integer k; 0 <= k < low ==> s->range[k].base <= addr;
      loop invariant above: \forall integer k; high <= k < s->n ==> addr < s->range[k].base;
      loop assigns low, high;
      loop variant high - low;
  */
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (s->range[middle].base <= addr)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

bool addrranges_hold(const struct addr_ranges *s, uintptr_t base, uintptr_t limit) {
  uint32_t i = addrranges_after(s, base);
  return i > 0 && limit <= s->range[i - 1].limit;
}

/* Moves ranges number i to n - 1 one place up, and writes one in place i. */
/*@ requires valid: \valid(r + (0 .. n));
    requires bound: i <= n < 32768;
    terminates \true;
    assigns r[i .. n];
    ensures here: r[i].base == base && r[i].limit == limit;
    ensures same: RangesSame{Pre,Post}(r, 0, i);
    ensures up: RangesUp{Pre,Post}(r, i, n);
    ensures came: RangesCame{Pre,Post}(r, i, n);
*/
static void addrranges_write(struct addr_range *r, uint32_t i, uint32_t n, uintptr_t base, uintptr_t limit) {
  uint32_t k = n;
  /*@ loop invariant bound: i <= k <= n;
      loop invariant same: RangesSame{Pre,Here}(r, 0, k);
      loop invariant up: RangesUp{Pre,Here}(r, k, n);
      loop assigns k, r[i + 1 .. n];
      loop variant k;
  */
  while (k > i) {
    r[k] = r[k - 1];
    k--;
  }
  r[i].base = base;
  r[i].limit = limit;
}

/* Puts a range in as number i, between its neighbours, and those from there on one place up. */
/*@ requires valid: \valid(s);
    requires inv: RangesInv(s);
    requires room: i <= s->n < 32768;
    requires range: base < limit;
    requires below: i > 0 ==> s->range[i - 1].limit < base;
    requires above: i < s->n ==> limit < s->range[i].base;
    terminates \true;
    assigns s->n, s->range[0 .. s->n];
    ensures inv: RangesInv(s);
    ensures count: s->n == \old(s->n) + 1;
    ensures here: s->range[i].base == base && s->range[i].limit == limit;
    ensures below: RangesSame{Pre,Post}(&s->range[0], 0, i);
    ensures had: \forall integer x; RangesHave{Pre}(&s->range[0], \old(s->n), x) ==> RangesHave(&s->range[0], s->n, x);
    ensures added: \forall integer x; base <= x < limit ==> RangesHave(&s->range[0], s->n, x);
    ensures exact: \forall integer x; RangesHave(&s->range[0], s->n, x) ==>
      base <= x < limit || RangesHave{Pre}(&s->range[0], \old(s->n), x);
*/
static void addrranges_insert(struct addr_ranges *s, uint32_t i, uintptr_t base, uintptr_t limit) {
  struct addr_range *r = s->range;
  //@ assert low: \forall integer j; 0 <= j < i ==> r[j].limit < base;
  //@ assert high: \forall integer j; i <= j < s->n ==> limit < r[j].base;
  addrranges_write(r, i, s->n, base, limit);
  //@ assert same: RangesSame{Pre,Here}(r, 0, i);
  //@ assert came: RangesCame{Pre,Here}(r, i, s->n);
  //@ assert up: RangesUp{Pre,Here}(r, i, s->n);
  //@ assert apart: RangesApart(r, s->n + 1);
  s->n++;
}

/* Takes range number i out, and those above it one place down. */
/*@ requires valid: \valid(s);
    requires inv: RangesInv(s);
    requires bound: i < s->n;
    terminates \true;
    assigns s->n, s->range[0 .. s->n - 1];
    ensures inv: RangesInv(s);
    ensures count: s->n == \old(s->n) - 1;
    ensures below: RangesSame{Pre,Post}(&s->range[0], 0, i);
    ensures above: RangesUp{Post,Pre}(&s->range[0], i, s->n);
    ensures kept: \forall integer x; RangesHave{Pre}(&s->range[0], \old(s->n), x) ==>
      !(\old(s->range[i].base) <= x < \old(s->range[i].limit)) ==> RangesHave(&s->range[0], s->n, x);
    ensures gone: \forall integer x; \old(s->range[i].base) <= x < \old(s->range[i].limit) ==>
      !RangesHave(&s->range[0], s->n, x);
    ensures exact: \forall integer x; RangesHave(&s->range[0], s->n, x) ==>
      RangesHave{Pre}(&s->range[0], \old(s->n), x);
*/
static void addrranges_delete(struct addr_ranges *s, uint32_t i) {
  struct addr_range *r = s->range;
  uint32_t k = i;
  /*@ loop invariant bound: i <= k < s->n;
      loop invariant below: RangesSame{Pre,Here}(r, 0, i);
      loop invariant moved: RangesUp{Here,Pre}(r, i, k);
      loop invariant above: RangesSame{Pre,Here}(r, k + 1, s->n);
      loop assigns k, r[i .. s->n - 2];
      loop variant s->n - k;
  */
  while (k + 1 < s->n) {
    r[k] = r[k + 1];
    //@ assert kept: RangesSame{LoopCurrent,Here}(r, 0, k) && RangesSame{LoopCurrent,Here}(r, k + 1, s->n);
    //@ assert moved: RangesUp{Here,Pre}(r, i, k);
    //@ assert here: RangesUp{Here,Pre}(r, k, k + 1);
    k++;
  }
  //@ assert up: RangesUp{Here,Pre}(r, i, s->n - 1);
  //@ assert came: RangesCame{Here,Pre}(r, i, s->n - 1);
  //@ assert apart: RangesApart(r, s->n - 1);
  s->n--;
}

void addrranges_add(struct addr_ranges *s, uintptr_t base, uintptr_t limit) {
  uint32_t i = addrranges_after(s, base);
  //@ assert apart: (i > 0 ==> s->range[i - 1].limit <= base) && (i < s->n ==> limit <= s->range[i].base);
  if (i < s->n && s->range[i].base == limit) {
    limit = s->range[i].limit;
    addrranges_delete(s, i);
  }
  //@ assert still: (i > 0 ==> s->range[i - 1].limit <= base) && (i < s->n ==> limit < s->range[i].base);
  if (i > 0 && s->range[i - 1].limit == base) {
    base = s->range[i - 1].base;
    i--;
    addrranges_delete(s, i);
  }
  //@ assert last: i > 0 ==> s->range[i - 1].limit < base;
  //@ assert below: \forall integer j; 0 <= j < i ==> s->range[j].limit < base;
  addrranges_insert(s, i, base, limit);
}

void addrranges_remove(struct addr_ranges *s, uintptr_t base, uintptr_t limit) {
  uint32_t i = addrranges_after(s, base) - 1;
  uintptr_t first = s->range[i].base, end = s->range[i].limit;
  //@ assert here: first <= base && limit <= end;
  //@ assert above: i + 1 < s->n ==> end < s->range[i + 1].base;
  addrranges_delete(s, i);
  //@ assert before: i > 0 ==> s->range[i - 1].limit < first;
  //@ assert behind: i < s->n ==> end < s->range[i].base;
  if (limit < end) addrranges_insert(s, i, limit, end);
  //@ assert next: i < s->n ==> base < s->range[i].base;
  //@ assert still: i > 0 ==> s->range[i - 1].limit < first;
  if (first < base) addrranges_insert(s, i, first, base);
}

/* The lowest multiple of align at which size bytes are in [base, limit), or 0. */
/*@ requires range: 0 < base < limit && 0 < size && 0 < align;
    terminates \true;
    assigns \nothing;
    ensures fits: \result != 0 ==> base <= \result && \result + size <= limit;
    ensures aligned: \exists integer m; \result == m * align;
    ensures none: \result == 0 ==> \forall integer m; !Fits(base, limit, size, align, m);
    ensures lowest: \result != 0 ==> \forall integer m; base <= m * align ==> \result <= m * align;
*/
static uintptr_t addrrange_fit(uintptr_t base, uintptr_t limit, size_t size, size_t align) {
  uintptr_t over = base % align, pad = over == 0 ? 0 : align - over;
  //@ assert here: over == 0 ==> base + pad == base / align * align;
  //@ assert next: over != 0 ==> base + pad == (base / align + 1) * align;
  //@ assert multiple: \exists integer m; base + pad == m * align;
  //@ assert over: base == base / align * align + over;
  //@ assert above: over != 0 ==> \forall integer m; base <= m * align ==> base / align * align < m * align;
  //@ assert least: \forall integer m; base <= m * align ==> base + pad <= m * align;
  //@ assert zero: 0 == 0 * align;
  if (limit - base < pad || limit - base - pad < size) return 0;
  return base + pad;
}

uintptr_t addrranges_find(const struct addr_ranges *s, size_t size, size_t align) {
  /*@ loop invariant bound: 0 <= i <= s->n;
      loop invariant none: \forall integer k, m; 0 <= k < i ==>
        !Fits(s->range[k].base, s->range[k].limit, size, align, m);
      loop assigns i;
      loop variant s->n - i;
  */
  for (uint32_t i = 0; i < s->n; i++) {
    uintptr_t addr = addrrange_fit(s->range[i].base, s->range[i].limit, size, align);
    if (addr != 0) return addr;
  }
  return 0;
}

uint64_t addrranges_bytes(const struct addr_ranges *s) {
  uint64_t bytes = 0;
  /*@ loop invariant bound: 0 <= i <= s->n;
      loop invariant sum: bytes == RangesBytes(&s->range[0], i);
      loop invariant range: 0 <= bytes && (i > 0 ==> bytes <= s->range[i - 1].limit) && (i == 0 ==> bytes == 0);
      loop assigns i, bytes;
      loop variant s->n - i;
  */
  for (uint32_t i = 0; i < s->n; i++) bytes += s->range[i].limit - s->range[i].base;
  return bytes;
}
