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

/* Puts a range in as number i, and those from there on one place up. */
/*@ requires valid: \valid(s);
    requires inv: RangesValid(s);
    requires room: i <= s->n < s->capacity;
    terminates \true;
    assigns s->n, s->range[i .. s->n];
    ensures count: s->n == \old(s->n) + 1;
    ensures below: RangesMoved{Pre,Post}(s->range, 0, i, 0);
    ensures here: s->range[i].base == base && s->range[i].limit == limit;
    ensures above: RangesMoved{Pre,Post}(s->range, i, \old(s->n), 1);
*/
static void addrranges_insert(struct addr_ranges *s, uint32_t i, uintptr_t base, uintptr_t limit) {
  struct addr_range *r = s->range;
  uint32_t k = s->n;
  /*@ loop invariant bound: i <= k <= s->n;
      loop invariant below: RangesMoved{Pre,Here}(r, 0, k, 0);
      loop invariant above: RangesMoved{Pre,Here}(r, k, s->n, 1);
      loop assigns k, r[i + 1 .. s->n];
      loop variant k;
  */
  while (k > i) {
    r[k] = r[k - 1];
    k--;
  }
  r[i].base = base;
  r[i].limit = limit;
  s->n++;
}

/* Takes range number i out, and those above it one place down. */
/*@ requires valid: \valid(s);
    requires inv: RangesValid(s);
    requires bound: i < s->n;
    terminates \true;
    assigns s->n, s->range[i .. s->n - 2];
    ensures count: s->n == \old(s->n) - 1;
    ensures below: RangesMoved{Pre,Post}(s->range, 0, i, 0);
    ensures above: RangesMoved{Post,Pre}(s->range, i, s->n, 1);
*/
static void addrranges_delete(struct addr_ranges *s, uint32_t i) {
  struct addr_range *r = s->range;
  uint32_t k = i;
  /*@ loop invariant bound: i <= k < s->n;
      loop invariant below: RangesMoved{Pre,Here}(r, 0, i, 0);
      loop invariant moved: RangesMoved{Here,Pre}(r, i, k, 1);
      loop invariant above: RangesMoved{Pre,Here}(r, k + 1, s->n, 0);
      loop assigns k, r[i .. s->n - 2];
      loop variant s->n - k;
  */
  while (k + 1 < s->n) {
    r[k] = r[k + 1];
    //@ assert moved: RangesMoved{Here,Pre}(r, i, k, 1);
    //@ assert here: RangesMoved{Here,Pre}(r, k, k + 1, 1);
    k++;
  }
  s->n--;
}

void addrranges_add(struct addr_ranges *s, uintptr_t base, uintptr_t limit) {
  struct addr_range *r = s->range;
  uint32_t i = addrranges_after(s, base);
  bool down = i > 0 && r[i - 1].limit == base, up = i < s->n && r[i].base == limit;
  if (down && up) {
    r[i - 1].limit = r[i].limit;
    addrranges_delete(s, i);
  } else if (down) {
    r[i - 1].limit = limit;
  } else if (up) {
    r[i].base = base;
  } else {
    addrranges_insert(s, i, base, limit);
  }
}

void addrranges_remove(struct addr_ranges *s, uintptr_t base, uintptr_t limit) {
  uint32_t i = addrranges_after(s, base) - 1;
  struct addr_range *r = &s->range[i];
  uintptr_t end = r->limit;
  if (r->base < base && limit < end) {
    r->limit = base;
    addrranges_insert(s, i + 1, limit, end);
  } else if (r->base < base) {
    r->limit = base;
  } else if (limit < end) {
    r->base = limit;
  } else {
    addrranges_delete(s, i);
  }
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
      loop invariant sum: bytes == RangesBytes(s->range, i);
      loop invariant range: 0 <= bytes && (i > 0 ==> bytes <= s->range[i - 1].limit) && (i == 0 ==> bytes == 0);
      loop assigns i, bytes;
      loop variant s->n - i;
  */
  for (uint32_t i = 0; i < s->n; i++) bytes += s->range[i].limit - s->range[i].base;
  return bytes;
}

bool addrranges_room(struct addr_ranges *s) {
  if (s->n < s->capacity) return true;
  if (s->capacity == 0 || s->capacity > 0x3fffffff) return false;
  uint32_t capacity = 2 * s->capacity;
  struct addr_range *fresh = addrranges_array(capacity);
  if (!fresh) return false;
  /*@ loop invariant bound: 0 <= i <= s->n;
      loop invariant copied: \forall integer k; 0 <= k < i ==>
        fresh[k].base == s->range[k].base && fresh[k].limit == s->range[k].limit;
      loop assigns i, fresh[0 .. s->n - 1];
      loop variant s->n - i;
  */
  for (uint32_t i = 0; i < s->n; i++) fresh[i] = s->range[i];
  s->range = fresh;
  s->capacity = capacity;
  return true;
}
