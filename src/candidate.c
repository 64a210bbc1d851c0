/* SPDX-License-Identifier: Apache-2.0
 * Which pages to give back. Contracts stand in candidate.h. */
#include "candidate.h"

/* x rounded down to a multiple of m. */
/*@ requires range: 1 <= m && x <= 1048576;
    assigns \nothing;
    ensures multiple: \result % m == 0;
    ensures bound: \result <= x < \result + m;
    ensures down: \forall integer i; 0 <= i <= x ==> i % m == 0 ==> i <= \result;
*/
static inline uint32_t candidate_round(uint32_t x, uint32_t m) { return x / m * m; }

/* The start of the last max pages of [low, high), or less, so as not to split a huge page that lies in it. */
/*@ requires bound: low < high <= 512 && 1 <= max && 1 <= huge <= 1048576;
    assigns \nothing;
    ensures bound: low <= \result < high;
    ensures max: high - \result < max + huge;
    ensures least: high - low <= max || high - \result >= max;
    ensures whole: \result == low || high - \result == max || \result % huge == 0;
    ensures huge: \forall integer h; low <= h ==> h % huge == 0 ==> h + huge <= high ==> !(h < \result < h + huge);
*/
static inline uint32_t candidate_cut(uint32_t low, uint32_t high, uint32_t max, uint32_t huge) {
  uint32_t start = high - low > max ? high - max : low;
  uint32_t below = candidate_round(start, huge);
  return below >= low && below + huge <= high ? below : start;
}

/* The same, in whole groups of min pages, of which low and high are borders. */
/*@ requires bound: low < high <= 512 && 1 <= max && 1 <= min <= huge <= 1048576;
    requires groups: low % min == 0 && high % min == 0 && huge % min == 0;
    assigns \nothing;
    ensures bound: low <= \result < high;
    ensures groups: \result % min == 0;
    ensures max: high - \result < max + min + huge;
    ensures huge: \forall integer h; low <= h ==> h % huge == 0 ==> h + huge <= high ==> !(h < \result < h + huge);
*/
static inline uint32_t candidate_cut_groups(uint32_t low, uint32_t high, uint32_t max, uint32_t min, uint32_t huge) {
  uint32_t cut = candidate_cut(low, high, max, huge);
  uint32_t start = candidate_round(cut, min);
  /*@ assert huge: \forall integer h; 0 <= h ==> h % huge == 0 ==> start < h + huge ==>
        (h + huge) % min == 0 && start + min <= h + huge && cut < h + huge; */
  return start;
}

/* The last run of whole groups of min pages whose bits are set: its first page, or 512; its end in *end. */
/*@ requires valid: \valid_read(map + (0 .. 7)) && \valid(end);
    requires sep: \separated(end, map + (0 .. 7));
    requires range: 1 <= min <= 512;
    terminates \true;
    assigns *end;
    ensures bound: \result <= 512;
    ensures hit: \result < 512 ==> \result < *end <= 512 && \result % min == 0 && *end % min == 0 &&
      MapRun{Pre}(map, \result, *end - \result);
    ensures last: \result < 512 ==> \forall integer i; 0 <= i ==> i % min == 0 ==> *end < i + min <= 512 ==>
      !MapRun{Pre}(map, i, min);
    ensures none: \result == 512 ==> \forall integer i; 0 <= i ==> i % min == 0 ==> i + min <= 512 ==>
      !MapRun{Pre}(map, i, min);
    ensures whole: \result < 512 ==> \forall integer i, n; 0 <= i < \result < i + n <= 512 ==> i % min == 0 ==>
      !MapRun{Pre}(map, i, n);
*/
static uint32_t candidate_last_groups(const uint64_t *map, uint32_t min, uint32_t *end) {
  uint32_t stop = VS_CHUNK_PAGES, length = 0;
  uint32_t first = pagechunk_last_run(map, stop, min, &length);
  /*@ loop invariant bound: 0 <= first <= 512 && 0 <= stop <= 512;
      loop invariant hit: first < 512 ==> min <= length && first + length <= stop && MapRun(map, first, length);
      loop invariant left: 0 < first < 512 ==> !MapBit(map, first - 1);
      loop invariant below: first < 512 ==> \forall integer i; first + length < i + min <= stop ==> !MapRun(map, i, min);
      loop invariant none: first == 512 ==> \forall integer i; 0 <= i ==> i + min <= stop ==> !MapRun(map, i, min);
      loop invariant above: \forall integer i; 0 <= i ==> i % min == 0 ==> stop < i + min <= 512 ==>
        !MapRun(map, i, min);
      loop assigns first, stop, length;
      loop variant stop;
  */
  while (first < VS_CHUNK_PAGES) {
    uint32_t low = candidate_round(first + min - 1, min);
    uint32_t high = candidate_round(first + length, min);
    //@ assert straddle: \forall integer i, n; 0 <= i < first < i + n ==> !MapRun(map, i, n);
    //@ assert low: \forall integer i; first <= i ==> i % min == 0 ==> low <= i;
    //@ assert high: \forall integer i; 0 <= i ==> i % min == 0 ==> i + min <= first + length ==> i + min <= high;
    if (low < high) {
      *end = high;
      return low;
    }
    stop = first;
    first = pagechunk_last_run(map, stop, min, &length);
  }
  return VS_CHUNK_PAGES;
}

/* The bits of the pages that are free and dirty. */
/*@ requires valid: \valid_read(c) && \valid(map + (0 .. 7));
    requires sep: \separated(map + (0 .. 7), c);
    terminates \true;
    assigns map[0 .. 7];
    ensures exact: \forall integer i; 0 <= i < 512 ==>
      (MapBit(map, i) <==> MapBit(&c->free[0], i) && MapBit(&c->dirty[0], i));
*/
static void candidate_map(const struct page_chunk *c, uint64_t *map) {
  /*@ loop invariant bound: 0 <= w <= 8;
      loop invariant exact: \forall integer i; 0 <= i < 64 * w ==>
        (MapBit(map, i) <==> MapBit(&c->free[0], i) && MapBit(&c->dirty[0], i));
      loop assigns w, map[0 .. 7];
      loop variant 8 - w;
  */
  for (uint32_t w = 0; w < VS_CHUNK_WORDS; w++) {
    map[w] = c->free[w] & c->dirty[w];
    //@ assert word: \forall integer i; 64 * w <= i < 64 * w + 64 ==> i / 64 == w;
  }
}

uint32_t candidate_find(const struct page_chunk *c, uint32_t min, uint32_t max, uint32_t huge, uint32_t *npages) {
  uint64_t idle[VS_CHUNK_WORDS];
  uint32_t end = 0;
  candidate_map(c, idle);
  //@ assert some: \forall integer i, n; 0 <= i ==> i + n <= 512 ==> MapRun(&idle[0], i, n) ==> ChunkIdle(c, i, n);
  //@ assert all: \forall integer i, n; 0 <= i ==> i + n <= 512 ==> ChunkIdle(c, i, n) ==> MapRun(&idle[0], i, n);
  uint32_t low = candidate_last_groups(idle, min, &end);
  if (low == VS_CHUNK_PAGES) return VS_CHUNK_PAGES;
  uint32_t first = candidate_cut_groups(low, end, max, min, huge);
  //@ assert edge: end + min <= 512 ==> \exists integer j; end <= j < end + min && !MapBit(&idle[0], j);
  //@ assert next: \forall integer k; end < k <= 512 ==> k % min == 0 ==> end + min <= k;
  //@ assert above: \forall integer i, n; 0 <= i < end < i + n <= 512 ==> (i + n) % min == 0 ==> !MapRun(&idle[0], i, n);
  //@ assert border: \forall integer h; 0 <= h ==> h % huge == 0 ==> h % min == 0 && (h + huge) % min == 0;
  /*@ assert huge: \forall integer h; 0 <= h ==> h % huge == 0 ==> h < first < h + huge <= 512 ==>
        !MapRun(&idle[0], h, huge); */
  *npages = end - first;
  return first;
}
