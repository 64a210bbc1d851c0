/* SPDX-License-Identifier: Apache-2.0
 *
 * Which pages of a chunk to give back to the system next (Go's runtime/mgcscavenge.go, findScavengeCandidate). Apart from
 * pagechunk because its lemmas about multiples would slow down the proofs there.
 *
 * Up: idle. Down: pagechunk.
 * Invariant: none. Claims: C7 C10.
 */
#ifndef VERISPAN_CANDIDATE_H
#define VERISPAN_CANDIDATE_H

#include "pagechunk.h"

#include "../spec/candidate.acsl"

/* The highest free and dirty pages, to be given back to the system: their first, or 512 if there are none; how many in
 * *npages. They are whole groups of min pages (pages of the system; page 0 starts one), and at most max pages rounded
 * up to such groups, or as many more as it takes not to split a huge page (of huge pages) that is free and dirty as a
 * whole. */
/*@ requires valid: \valid_read(c) && \valid(npages);
    requires sep: \separated(npages, c);
    requires range: 1 <= min <= 512 && 1 <= max <= 512 && min <= huge <= 1048576 && huge % min == 0;
    terminates \true;
    assigns *npages;
    ensures bound: \result <= 512;
    ensures hit: \result < 512 ==> 1 <= *npages && \result + *npages <= 512 &&
      \result % min == 0 && (\result + *npages) % min == 0;
    ensures free: \result < 512 ==> ChunkIdle(c, \result, *npages);
    ensures last: \result < 512 ==> \forall integer i; 0 <= i ==> i % min == 0 ==> \result + *npages < i + min <= 512 ==>
      !ChunkIdle(c, i, min);
    ensures none: \result == 512 ==> \forall integer i; 0 <= i ==> i % min == 0 ==> i + min <= 512 ==>
      !ChunkIdle(c, i, min);
    ensures max: \result < 512 ==> *npages < max + min + huge;
    ensures huge: \result < 512 ==> \forall integer h; 0 <= h ==> h % huge == 0 ==> h < \result < h + huge <= 512 ==>
      !ChunkIdle(c, h, huge);
*/
uint32_t candidate_find(const struct page_chunk *c, uint32_t min, uint32_t max, uint32_t huge, uint32_t *npages);

#endif
