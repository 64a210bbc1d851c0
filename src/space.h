/* SPDX-License-Identifier: Apache-2.0
 *
 * The address space of the heap: what is reserved and what is prepared for use, each a set of ranges (Go's arena hints
 * and current arena, runtime/malloc.go and mheap.go). The heap grows up from its highest address where the system lets
 * it, so that it is one range, blocks of any size can grow in place, and summaries of pages stay close.
 *
 * Sizes and addresses are in bytes, multiples of VS_PAGE_SIZE. Needs the heap lock.
 *
 * Up: growth, pageheap, audit. Down: addrrange, os.
 * Invariant: SpaceInv (spec/space.acsl): a page of reserved is Reserved, one of heap Prepared or Ready. Claims: C6 C10.
 */
#ifndef VERISPAN_SPACE_H
#define VERISPAN_SPACE_H

#include "addrrange.h"
#include "os.h"
#include "sizeclass.h"

struct space {
  struct addr_ranges reserved; /* not yet for use */
  struct addr_ranges heap;     /* prepared: these are the heap's pages */
};

#include "../spec/space.acsl"

/* The end of the highest range of either kind, or 0. */
/*@ requires valid: \valid_read(s);
    requires inv: SpaceInv(s);
    terminates \true;
    assigns \nothing;
    ensures bound: \result <= 281474976710656;
    ensures highest: \forall integer x; SpaceReserved(s, x) || SpaceHeap(s, x) ==> x < \result;
*/
uintptr_t space_end(const struct space *s);

/* Reserves size bytes aligned to align, next to the highest range where possible: their address; 0 if refused. The set
 * has room for one range more then, so that they can be given back whatever they lie next to. */
/*@ requires valid: \valid(s);
    requires inv: SpaceInv(s);
    requires size: 0 < size && size % 8192 == 0;
    requires align: 0 < align && align % 8192 == 0;
    terminates \true;
    assigns s->reserved, g_os[0 .. 34359738367];
    ensures inv: SpaceInv(s);
    ensures refused: \result == 0 ==> OsSame{Pre,Post} && SpaceSame{Pre,Post}(s);
    ensures range: \result != 0 ==> OsRange(\result, size);
    ensures one: \result != 0 ==> RangesHold(&s->reserved.range[0], s->reserved.n, \result, \result + size);
    ensures room: \result != 0 ==> s->reserved.n < 32768;
    ensures fresh: \result != 0 ==> OsAre{Pre}(\result, size, OsNone) && OsFrame{Pre,Post}(\result, size);
    ensures reserved: \result != 0 ==> \forall integer x;
      SpaceReserved(s, x) <==> SpaceReserved{Pre}(s, x) || \result <= x < \result + size;
    ensures heap: \forall integer x; SpaceHeap(s, x) <==> SpaceHeap{Pre}(s, x);
*/
uintptr_t space_reserve(struct space *s, size_t size, size_t align);

/* Reserves size bytes right behind the highest range: their address; 0 if they are not to be had. */
/*@ requires valid: \valid(s);
    requires inv: SpaceInv(s);
    requires size: 0 < size && size % 8192 == 0;
    terminates \true;
    assigns s->reserved, g_os[0 .. 34359738367];
    ensures inv: SpaceInv(s);
    ensures range: \result != 0 ==> OsRange(\result, size);
    ensures behind: \result != 0 ==> \forall integer x; SpaceReserved{Pre}(s, x) || SpaceHeap{Pre}(s, x) ==> x < \result;
    ensures one: \result != 0 ==> RangesHold(&s->reserved.range[0], s->reserved.n, \result, \result + size);
    ensures room: \result != 0 ==> s->reserved.n < 32768;
    ensures reserved: \forall integer x;
      SpaceReserved(s, x) <==> SpaceReserved{Pre}(s, x) || (\result != 0 && \result <= x < \result + size);
    ensures heap: \forall integer x; SpaceHeap(s, x) <==> SpaceHeap{Pre}(s, x);
*/
uintptr_t space_extend(struct space *s, size_t size);

/* Gives reserved address space back. */
/*@ requires valid: \valid(s);
    requires inv: SpaceInv(s);
    requires room: s->reserved.n < 32768;
    requires range: OsRange(base, size);
    requires one: RangesHold(&s->reserved.range[0], s->reserved.n, base, base + size);
    terminates \true;
    assigns s->reserved, g_os[0 .. 34359738367];
    ensures inv: SpaceInv(s);
    ensures frame: OsFrame{Pre,Post}(base, size);
    ensures reserved: \forall integer x;
      SpaceReserved(s, x) <==> SpaceReserved{Pre}(s, x) && !(base <= x < base + size);
    ensures heap: \forall integer x; SpaceHeap(s, x) <==> SpaceHeap{Pre}(s, x);
*/
void space_unreserve(struct space *s, uintptr_t base, size_t size);

/* Prepares reserved address space: it is the heap's, and reads as zeros. False, and nothing has changed, if refused. */
/*@ requires valid: \valid(s);
    requires inv: SpaceInv(s);
    requires range: OsRange(base, size);
    requires one: RangesHold(&s->reserved.range[0], s->reserved.n, base, base + size);
    terminates \true;
    assigns s->reserved, s->heap, g_os[0 .. 34359738367];
    ensures inv: SpaceInv(s);
    ensures refused: !\result ==> OsSame{Pre,Post} && SpaceSame{Pre,Post}(s);
    ensures still: !\result ==> RangesHold(&s->reserved.range[0], s->reserved.n, base, base + size);
    ensures zero: \result ==> OsAre(base, size, OsPrepared) && OsFrame{Pre,Post}(base, size);
    ensures heap: \result ==> \forall integer x; SpaceHeap(s, x) <==> SpaceHeap{Pre}(s, x) || base <= x < base + size;
    ensures reserved: \result ==> \forall integer x;
      SpaceReserved(s, x) <==> SpaceReserved{Pre}(s, x) && !(base <= x < base + size);
*/
bool space_prepare(struct space *s, uintptr_t base, size_t size);

#endif
