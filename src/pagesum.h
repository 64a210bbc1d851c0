/* SPDX-License-Identifier: Apache-2.0
 *
 * The summary of a run of pages in one word: how many of them are free at its start, how many at its end, and the
 * longest run of free pages anywhere in it (Go's pallocSum, runtime/mpagealloc.go).
 *
 *   start + max * 2^21 + end * 2^42        each below 2^21, or
 *   2^63                                   all three are 2^21: a whole entry of the root, free
 *
 * 0 says that no page is free. Summaries of adjacent runs merge into that of their union; a search over adjacent
 * summaries finds the first place where enough pages are free, or the first entry that has it inside.
 *
 * Up: pagechunk, pagealloc. Down: nothing.
 * Invariant: SumFits (spec/pagesum.acsl). Claims: C7 C10.
 */
#ifndef VERISPAN_PAGESUM_H
#define VERISPAN_PAGESUM_H

#include <stdbool.h>
#include <stdint.h>

/* Children of an inner node of the tree of summaries. */
#define VS_SUM_CHILDREN 8u

/* The pages of an entry of the root, and the word that says that they are all free. */
#define VS_SUM_MAX 2097152u
#define VS_SUM_FULL 0x8000000000000000u

#include "../spec/pagesum.acsl"

/* The summary that says so. */
/*@ requires range: start <= max <= 2097152 && end <= max;
    requires full: max == 2097152 ==> start == max && end == max;
    assigns \nothing;
    ensures exact: SumStart(\result) == start && SumMax(\result) == max && SumEnd(\result) == end;
*/
static inline uint64_t pagesum_pack(uint32_t start, uint32_t max, uint32_t end) {
  if (max == VS_SUM_MAX) return VS_SUM_FULL;
  return start + (uint64_t)max * 2097152u + (uint64_t)end * 4398046511104u;
}

/* Free pages at the start of the run. */
/*@ assigns \nothing;
    ensures bound: \result <= 2097152;
    ensures exact: \result == SumStart(sum);
*/
static inline uint32_t pagesum_start(uint64_t sum) {
  return sum == VS_SUM_FULL ? VS_SUM_MAX : (uint32_t)(sum % 2097152u);
}

/* Free pages of the longest run of them. */
/*@ assigns \nothing;
    ensures bound: \result <= 2097152;
    ensures exact: \result == SumMax(sum);
*/
static inline uint32_t pagesum_max(uint64_t sum) {
  return sum == VS_SUM_FULL ? VS_SUM_MAX : (uint32_t)(sum / 2097152u % 2097152u);
}

/* Free pages at the end of the run. */
/*@ assigns \nothing;
    ensures bound: \result <= 2097152;
    ensures exact: \result == SumEnd(sum);
*/
static inline uint32_t pagesum_end(uint64_t sum) {
  return sum == VS_SUM_FULL ? VS_SUM_MAX : (uint32_t)(sum / 4398046511104u % 2097152u);
}

/* The summary of an inner node from those of its children, each of capacity pages. */
/*@ requires valid: \valid_read(child + (0 .. 7));
    requires range: 1 <= capacity <= 262144;
    requires inv: \forall integer i; 0 <= i < 8 ==> SumFits(child[i], capacity);
    terminates \true;
    assigns \nothing;
    ensures inv: SumFits(\result, 8 * capacity);
    ensures start: SumStart(\result) == MergeStart(child, capacity, 8);
    ensures max: SumMax(\result) == MergeMax(child, capacity, 8);
    ensures end: SumEnd(\result) == MergeEnd(child, capacity, 8);
*/
uint64_t pagesum_merge(const uint64_t *child, uint32_t capacity);

/* The first of count entries of capacity pages at which a run of npages free pages is known to end or to be inside, or
 * count. *before is the number of free pages just before that entry. */
/*@ requires valid: \valid_read(sum + (0 .. count - 1)) && \valid(before);
    requires sep: \separated(before, sum + (0 .. count - 1));
    requires range: 1 <= capacity <= 2097152 && count <= 16384 && 1 <= npages;
    requires inv: \forall integer i; 0 <= i < count ==> SumFits(sum[i], capacity);
    terminates \true;
    assigns *before;
    ensures bound: \result <= count;
    ensures before: *before == MergeEnd{Pre}(sum, capacity, \result);
    ensures first: MergeMax{Pre}(sum, capacity, \result) < npages;
    ensures hit: \result < count ==>
      *before + SumStart(\at(sum[\result], Pre)) >= npages || SumMax(\at(sum[\result], Pre)) >= npages;
    ensures none: \result == count <==> MergeMax{Pre}(sum, capacity, count) < npages;
*/
uint32_t pagesum_scan(const uint64_t *sum, uint32_t count, uint32_t capacity, uint64_t npages, uint64_t *before);

#endif
