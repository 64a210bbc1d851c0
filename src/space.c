/* SPDX-License-Identifier: Apache-2.0
 * Reserving and preparing address space. Contracts stand in space.h. */
#include "space.h"

uintptr_t space_end(const struct space *s) {
  uintptr_t reserved = addrranges_end(&s->reserved), heap = addrranges_end(&s->heap);
  return reserved > heap ? reserved : heap;
}

/* Where the next range should begin: at a multiple of align at the end of the highest, or 0. */
/*@ requires valid: \valid_read(s);
    requires inv: SpaceInv(s);
    requires align: 0 < align;
    terminates \true;
    assigns \nothing;
    ensures aligned: \exists integer m; \result == m * align;
*/
static uintptr_t space_hint(const struct space *s, size_t align) {
  uintptr_t end = space_end(s);
  if (end == 0) end = os_hint();
  uintptr_t over = end % align, pad = over == 0 ? 0 : align - over;
  //@ assert here: over == 0 ==> end + pad == end / align * align;
  //@ assert next: over != 0 ==> end + pad == (end / align + 1) * align;
  //@ assert multiple: \exists integer m; end + pad == m * align;
  //@ assert zero: 0 == 0 * align;
  return end > UINTPTR_MAX - pad ? 0 : end + pad;
}

uintptr_t space_reserve(struct space *s, size_t size, size_t align) {
  if (s->reserved.n >= VS_MAX_RANGES - 1) return 0;
  //@ assert starts: \forall integer k; 0 <= k < s->reserved.n ==> SpaceReserved(s, s->reserved.range[k].base);
  uintptr_t base = os_reserve(space_hint(s, align), size, align);
  if (base == 0) return 0;
  //@ assert miss: \forall integer x; SpaceReserved(s, x) ==> !(base <= x < base + size);
  /*@ assert before: \forall integer k; 0 <= k < s->reserved.n ==>
        !(s->reserved.range[k].base <= base < s->reserved.range[k].limit); */
  //@ assert after: \forall integer k; 0 <= k < s->reserved.n ==> !(base <= s->reserved.range[k].base < base + size);
  //@ assert old: \forall integer x; SpaceReserved{Pre}(s, x) ==> g_os[x / 8192] == OsReserved;
  //@ assert new: \forall integer x; base <= x < base + size ==> g_os[x / 8192] == OsReserved;
  //@ assert heap: \forall integer x; SpaceHeap(s, x) ==> OsPrepared <= g_os[x / 8192] <= OsReady;
  addrranges_add(&s->reserved, base, base + size);
  //@ assert same: s->heap.n == \at(s->heap.n, Pre) && RangesSame{Pre,Here}(&s->heap.range[0], 0, s->heap.n);
  //@ assert still: \forall integer x; SpaceHeap(s, x) <==> SpaceHeap{Pre}(s, x);
  //@ assert both: \forall integer x; SpaceReserved(s, x) ==> base <= x < base + size || SpaceReserved{Pre}(s, x);
  return base;
}

void space_unreserve(struct space *s, uintptr_t base, size_t size) {
  //@ assert owned: \forall integer x; base <= x < base + size ==> SpaceReserved(s, x);
  os_unreserve(base, size);
  //@ assert heap: \forall integer x; SpaceHeap(s, x) ==> OsPrepared <= g_os[x / 8192] <= OsReady;
  addrranges_remove(&s->reserved, base, base + size);
  //@ assert same: s->heap.n == \at(s->heap.n, Pre) && RangesSame{Pre,Here}(&s->heap.range[0], 0, s->heap.n);
  //@ assert apart: RangesInv(&s->heap);
  //@ assert still: \forall integer x; SpaceHeap(s, x) <==> SpaceHeap{Pre}(s, x);
  //@ assert left: \forall integer x; SpaceReserved(s, x) <==> SpaceReserved{Pre}(s, x) && !(base <= x < base + size);
  //@ assert reserved: \forall integer x; SpaceReserved(s, x) ==> g_os[x / 8192] == OsReserved;
}

uintptr_t space_extend(struct space *s, size_t size) {
  uintptr_t end = space_end(s), base = space_reserve(s, size, VS_PAGE_SIZE);
  if (base == 0 || base == end) return base;
  //@ assert new: \forall integer x; base <= x < base + size ==> !SpaceReserved{Pre}(s, x);
  space_unreserve(s, base, size);
  return 0;
}

/* Makes [base, limit) the heap's in the sets alone. */
/*@ requires valid: \valid(s);
    requires inv: RangesInv(&s->reserved) && RangesInv(&s->heap);
    requires room: s->heap.n < 32768;
    requires range: base < limit;
    requires disjoint: RangesMiss(&s->heap.range[0], s->heap.n, base, limit);
    terminates \true;
    assigns s->heap;
    ensures inv: RangesInv(&s->reserved) && RangesInv(&s->heap);
    ensures reserved: \forall integer x; SpaceReserved(s, x) <==> SpaceReserved{Pre}(s, x);
    ensures heap: \forall integer x; SpaceHeap(s, x) <==> base <= x < limit || SpaceHeap{Pre}(s, x);
*/
static void space_enter(struct space *s, uintptr_t base, uintptr_t limit) {
  addrranges_add(&s->heap, base, limit);
  //@ assert rest: RangesSame{Pre,Here}(&s->reserved.range[0], 0, s->reserved.n);
  //@ assert full: \forall integer k; 0 <= k < s->reserved.n ==> s->reserved.range[k].base < s->reserved.range[k].limit;
  /*@ assert order: \forall integer j, k; 0 <= j < k < s->reserved.n ==>
        s->reserved.range[j].limit < s->reserved.range[k].base; */
}

bool space_prepare(struct space *s, uintptr_t base, size_t size) {
  if (s->reserved.n == VS_MAX_RANGES || s->heap.n == VS_MAX_RANGES) return false;
  //@ assert owned: \forall integer x; base <= x < base + size ==> SpaceReserved(s, x);
  //@ assert starts: \forall integer k; 0 <= k < s->heap.n ==> SpaceHeap(s, s->heap.range[k].base);
  //@ assert miss: \forall integer x; SpaceHeap(s, x) ==> !(base <= x < base + size);
  /*@ assert before: \forall integer k; 0 <= k < s->heap.n ==>
        !(s->heap.range[k].base <= base < s->heap.range[k].limit); */
  //@ assert after: \forall integer k; 0 <= k < s->heap.n ==> !(base <= s->heap.range[k].base < base + size);
  if (os_prepare(base, size) != 0) return false;
  //@ assert old: \forall integer x; SpaceHeap{Pre}(s, x) ==> OsPrepared <= g_os[x / 8192] <= OsReady;
  //@ assert new: \forall integer x; base <= x < base + size ==> g_os[x / 8192] == OsPrepared;
  addrranges_remove(&s->reserved, base, base + size);
  //@ assert same: s->heap.n == \at(s->heap.n, Pre) && RangesSame{Pre,Here}(&s->heap.range[0], 0, s->heap.n);
  //@ assert apart: RangesInv(&s->heap);
  //@ assert still: \forall integer x; SpaceHeap(s, x) <==> SpaceHeap{Pre}(s, x);
  //@ assert left: \forall integer x; SpaceReserved(s, x) <==> SpaceReserved{Pre}(s, x) && !(base <= x < base + size);
  space_enter(s, base, base + size);
  //@ assert rest: \forall integer x; SpaceReserved(s, x) <==> SpaceReserved{Pre}(s, x) && !(base <= x < base + size);
  //@ assert both: \forall integer x; SpaceHeap(s, x) <==> base <= x < base + size || SpaceHeap{Pre}(s, x);
  return true;
}
