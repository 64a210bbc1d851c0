/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a span goes: the lowest free pages where one that must start at a multiple, or must not cross the border of an arena,
 * has its place. The lowest run that is long enough is taken if the span fits at its start, and else the lowest one that
 * has a place for the span wherever the run starts.
 *
 * Sizes and addresses are in pages. Everything here needs the heap lock.
 *
 * Up: mheap. Down: pagealloc.
 * Invariant: none. Claims: C1 C6 C10.
 */
#ifndef VERISPAN_FIT_H
#define VERISPAN_FIT_H

#include "arena.h"
#include "pagealloc.h"

#include "../spec/fit.acsl"

/* Most pages that are asked for at once. */
#define VS_FIT_MAX 4294967296u

/* A free place of npages pages that starts at a multiple of align pages, or VS_NO_PAGE. */
/*@ requires range: 1 <= npages <= VS_FIT_MAX && 1 <= align <= VS_FIT_MAX;
    requires inv: PagesInv;
    terminates \true;
    assigns \nothing;
    ensures bound: \result <= 34359738368;
    ensures hit: \result < 34359738368 ==> \result % align == 0 && \result + npages <= 34359738368 &&
      RunFree(\result, \result + npages);
    ensures low: NoRun(npages, \result) || NoRun(npages + align - 1, \result - (align - 1));
*/
uint64_t fit_aligned(uint64_t npages, uint64_t align);

/* A free place of npages pages, no more than an arena has, that lie in one arena; or VS_NO_PAGE. */
/*@ requires range: 1 <= npages <= 8192;
    requires inv: PagesInv;
    terminates \true;
    assigns \nothing;
    ensures bound: \result <= 34359738368;
    ensures hit: \result < 34359738368 ==> \result % 8192 + npages <= 8192 && \result + npages <= 34359738368 &&
      RunFree(\result, \result + npages);
    ensures low: NoRun(npages, \result) || NoRun(2 * npages - 1, \result - (npages - 1));
*/
uint64_t fit_arena(uint64_t npages);

#endif
