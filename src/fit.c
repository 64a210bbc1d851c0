/* SPDX-License-Identifier: Apache-2.0
 * Where a span goes. Contracts stand in fit.h. */
#define VERISPAN_PAGETREE_LEMMAS
#include "fit.h"

#include "../spec/multiples.acsl"

/* The least multiple of align that is not below page. */
/*@ requires range: page <= 34359738368 && 1 <= align <= VS_FIT_MAX;
    assigns \nothing;
    ensures multiple: \result % align == 0;
    ensures least: page <= \result < page + align;
*/
static uint64_t fit_round_up(uint64_t page, uint64_t align) {
  uint64_t rest = page % align;
  if (rest == 0) return page;
  uint64_t up = page + (align - rest);
  //@ assert next: up == (page / align + 1) * align;
  //@ assert multiple: up % align == 0;
  return up;
}

uint64_t fit_aligned(uint64_t npages, uint64_t align) {
  uint64_t page = pagealloc_find(npages);
  if (page == VS_NO_PAGE || page % align == 0) return page;
  page = pagealloc_find(npages + align - 1);
  return page == VS_NO_PAGE ? page : fit_round_up(page, align);
}

uint64_t fit_arena(uint64_t npages) {
  uint64_t page = pagealloc_find(npages);
  if (page == VS_NO_PAGE || page % VS_ARENA_PAGES + npages <= VS_ARENA_PAGES) return page;
  page = pagealloc_find(2 * npages - 1);
  if (page == VS_NO_PAGE || page % VS_ARENA_PAGES + npages <= VS_ARENA_PAGES) return page;
  uint64_t border = (page / VS_ARENA_PAGES + 1) * VS_ARENA_PAGES;
  //@ assert near: page < border < page + npages;
  //@ assert free: RunFree(border, border + npages);
  return border;
}
