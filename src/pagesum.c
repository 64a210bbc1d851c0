/* SPDX-License-Identifier: Apache-2.0
 * Merge and search of summaries. Contracts stand in pagesum.h. */
#include "pagesum.h"

uint64_t pagesum_merge(const uint64_t *child, uint32_t capacity) {
  uint32_t start = 0, max = 0, end = 0, done = 0;
  /*@ loop invariant bound: 0 <= i <= 8 && done == i * capacity;
      loop invariant start: start == MergeStart(child, capacity, i);
      loop invariant max: max == MergeMax(child, capacity, i);
      loop invariant end: end == MergeEnd(child, capacity, i);
      loop invariant range: start <= max <= done && end <= max;
      loop invariant full: (start == done <==> max == done) && (end == done <==> max == done);
      loop assigns i, start, max, end, done;
      loop variant 8 - i;
  */
  for (uint32_t i = 0; i < VS_SUM_CHILDREN; i++) {
    uint32_t s = pagesum_start(child[i]), m = pagesum_max(child[i]), e = pagesum_end(child[i]);
    //@ assert fits: s <= m <= capacity && e <= m && (s == capacity <==> m == capacity);
    if (start == done) start += s;
    if (end + s > max) max = end + s;
    if (m > max) max = m;
    end = e == capacity ? end + capacity : e;
    done += capacity;
  }
  return pagesum_pack(start, max, end);
}

uint32_t pagesum_scan(const uint64_t *sum, uint32_t count, uint32_t capacity, uint64_t npages, uint64_t *before) {
  uint64_t run = 0;
  uint32_t i = 0;
  /*@ loop invariant bound: 0 <= i <= count;
      loop invariant run: run == MergeEnd(sum, capacity, i);
      loop invariant first: MergeMax(sum, capacity, i) < npages;
      loop invariant range: 0 <= run <= i * capacity;
      loop assigns i, run;
      loop variant count - i;
  */
  while (i < count) {
    //@ assert fits: SumFits(sum[i], capacity);
    if (run + pagesum_start(sum[i]) >= npages || pagesum_max(sum[i]) >= npages) break;
    uint32_t end = pagesum_end(sum[i]);
    run = end == capacity ? run + capacity : end;
    i++;
  }
  //@ assert more: i < count ==> npages <= MergeMax(sum, capacity, i + 1) <= MergeMax(sum, capacity, count);
  *before = run;
  return i;
}
