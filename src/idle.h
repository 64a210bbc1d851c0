/* SPDX-License-Identifier: Apache-2.0
 *
 * Free pages that hold memory: which of them go back to the system next, taken out of the free pages meanwhile, and
 * returned (Go's runtime/mgcscavenge.go, scavengeOne). How many go says reclaim.h, when they go scavenge.h.
 *
 * Sizes are in pages of 8 KiB. Needs the heap lock.
 *
 * Up: pageheap. Down: candidate, pagealloc.
 * Invariant: PagesInv (spec/pagetree.acsl). Claims: C3 C5 C7 C10.
 */
#ifndef VERISPAN_IDLE_H
#define VERISPAN_IDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "pagealloc.h"

#include "../spec/idle.acsl"

/* At most so many pages go at once, but for a huge page, which is of so many. */
#define VS_RANGE_PAGES 64u
#define VS_HUGE_PAGES 256u

/* Takes the highest free and dirty pages, about want of them, out of the free pages: their first, and how many; 0 if
 * there are none in the chunks looked into. VS_NO_PAGE if there are none at all, or none wanted. */
/*@ requires valid: \valid(npages);
    requires sep: \forall integer n; 0 <= n < 1048576 ==> HasBlock(n) ==> \separated(npages, vs_pages.block[n]);
    requires inv: PagesInv;
    terminates \true;
    assigns *npages, { *BlockPlace(n) | integer n; 0 <= n < 1048576 }, vs_pages.level2[0 .. 1048575],
      vs_pages.level1[0 .. 131071], vs_pages.level0[0 .. 16383], vs_pages.search;
    ensures inv: PagesInv;
    ensures bound: \result <= 34359738368 && *npages <= want + VS_HUGE_PAGES && *npages <= VS_RANGE_PAGES + VS_HUGE_PAGES;
    ensures end: 0 < *npages ==> \result + *npages <= vs_pages.end0 * 2097152 <= 34359738368;
    ensures there: 0 < *npages ==> HaveBlocks(\result, \result + *npages - 1);
    ensures idle: 0 < *npages ==> \forall integer p; \result <= p < \result + *npages ==> PageIdle{Pre}(p);
    ensures taken: 0 < *npages ==> PagesTaken(\result, \result + *npages);
    ensures below: 0 < *npages ==> FreeSame{Pre,Here}(0, \result) && DirtySame{Pre,Here}(0, \result);
    ensures above: 0 < *npages ==> FreeSame{Pre,Here}(\result + *npages, 34359738368) &&
      DirtySame{Pre,Here}(\result + *npages, 34359738368);
    ensures same: *npages == 0 ==> FreeSame{Pre,Here}(0, 34359738368) && DirtySame{Pre,Here}(0, 34359738368);
    ensures highest: 0 < *npages ==> IdleNone{Pre}(\result + *npages, 34359738368);
    ensures none: 0 < want ==> \result == 34359738368 ==> IdleNone{Pre}(0, 34359738368);
*/
uint64_t idle_take(uint64_t want, uint32_t *npages);

/* Returns pages that idle_take took to the free pages; done: their memory is the system's. */
/*@ requires bound: first < 34359738368 && 1 <= npages <= 34359738368 - first;
    requires inv: PagesInv;
    requires there: HaveBlocks(first, first + npages - 1);
    requires end: first + npages <= vs_pages.end0 * 2097152;
    terminates \true;
    assigns *vs_pages.block[first / 32768 .. (first + npages - 1) / 32768],
      vs_pages.level2[first / 32768 .. (first + npages - 1) / 32768],
      vs_pages.level1[first / 262144 .. (first + npages - 1) / 262144],
      vs_pages.level0[first / 2097152 .. (first + npages - 1) / 2097152], vs_pages.search;
    ensures inv: PagesInv;
    ensures set: RunFree(first, first + npages);
    ensures clean: done ==> PagesClean(first, first + npages);
    ensures below: FreeSame{Pre,Here}(0, first) && DirtySame{Pre,Here}(0, first);
    ensures above: FreeSame{Pre,Here}(first + npages, 34359738368) && DirtySame{Pre,Here}(first + npages, 34359738368);
    ensures kept: !done ==> DirtySame{Pre,Here}(0, 34359738368);
    ensures marked: !done ==> \forall integer n, c; 0 <= n < 1048576 ==> 0 <= c < 64 ==>
      first / 512 <= 64 * n + c <= (first + npages - 1) / 512 ==> BlockIdle(n, c);
*/
void idle_put(uint64_t first, uint32_t npages, bool done);

#endif
