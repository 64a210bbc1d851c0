/* SPDX-License-Identifier: Apache-2.0
 * The page cache. Contracts stand in pagecache.h. */
#include "pagecache.h"

uint32_t pagecache_find(uint64_t word, uint32_t npages) {
  uint64_t runs = word; /* bit j: length bits from bit j on are set in word */
  uint32_t length = 1;
  /*@ loop invariant bound: 1 <= length <= npages;
      loop invariant runs: \forall integer j; 0 <= j ==> (Bit(runs, j) <==> WordRun(word, j, length));
      loop assigns runs, length;
      loop variant npages - length;
  */
  while (length < npages) {
    uint32_t step = npages - length < length ? npages - length : length;
    uint64_t later = runs >> step;
    //@ assert later: \forall integer j; 0 <= j ==> (Bit(later, j) <==> WordRun(word, j + step, length));
    runs &= later;
    length += step;
  }
  return runs == 0 ? VS_WORD_BITS : bits_ctz(runs);
}

uint32_t pagecache_alloc(struct page_cache *c, uint32_t npages, uint64_t *clean) {
  uint64_t pages = vs_load_relaxed_u64(&c->free), zeros = vs_load_relaxed_u64(&c->clean);
  uint32_t first = npages <= VS_GROUP_PAGES ? pagecache_find(pages, npages) : VS_GROUP_PAGES;
  if (first == VS_GROUP_PAGES) {
    *clean = 0;
    return first;
  }
  uint64_t taken = bits_below(first + npages) & bits_not(bits_below(first));
  //@ assert taken: \forall integer j; 0 <= j < 64 ==> (Bit(taken, j) <==> first <= j < first + npages);
  vs_store_relaxed_u64(&c->free, pages & bits_not(taken));
  vs_store_relaxed_u64(&c->clean, zeros & bits_not(taken));
  *clean = zeros & taken;
  return first;
}
