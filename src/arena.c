/* SPDX-License-Identifier: Apache-2.0
 * The arena map and the span map. Contracts stand in arena.h. */
#include "arena.h"

struct heap_arena *vs_arena_map[VS_ARENA_COUNT];

void arena_set_head(struct heap_arena *a, uint32_t first, uint32_t npages, struct mspan *s) {
  uint32_t page = first;
  /*@ loop invariant bound: first <= page <= first + npages;
      loop invariant set: \forall integer q; first <= q < page ==> a->head[q] == s;
      loop invariant frame: \forall integer q; 0 <= q < 8192 ==> !(first <= q < page) ==>
        a->head[q] == \at(a->head[q], Pre);
      loop assigns page, a->head[first .. first + npages - 1];
      loop variant first + npages - page;
  */
  while (page < first + npages) {
    vs_store_release_ptr(&a->head[page], s);
    page++;
  }
}

void arena_enter(struct heap_arena *a, struct mspan *s) {
  arena_set_head(a, arena_page(s->base), arena_span_pages(s), s);
  /*@ assert other: s != &vs_empty_span; */
  /*@ assert covers: \forall integer k, q; SpanCovers{Pre}(a, s->base / 67108864, k, q) ==>
        SpanCovers(a, s->base / 67108864, k, q); */
  /*@ assert kept: \forall integer k; 0 <= k < 8192 ==> &a->span[k] != s ==>
        SpanMapped{Pre}(a, s->base / 67108864, k) ==> SpanMapped(a, s->base / 67108864, k); */
  /*@ assert mapped: \forall integer k; s == &a->span[k] ==> SpanMapped(a, s->base / 67108864, k); */
  /*@ assert here: \forall integer q; 0 <= q < 8192 ==> a->head[q] == s ==> PageInv(a, s->base / 67108864, q); */
  /*@ assert there: \forall integer q; 0 <= q < 8192 ==> a->head[q] != s ==>
        PageInv{Pre}(a, s->base / 67108864, q) && a->head[q] == \at(a->head[q], Pre); */
  /*@ assert elsewhere: \forall integer q; 0 <= q < 8192 ==> a->head[q] != s ==>
        PageInv(a, s->base / 67108864, q); */
}

void arena_leave(struct heap_arena *a, struct mspan *s) {
  arena_set_head(a, arena_page(s->base), arena_span_pages(s), &vs_empty_span);
  /*@ assert other: s != &vs_empty_span; */
  /*@ assert covers: \forall integer k, q; SpanCovers{Pre}(a, s->base / 67108864, k, q) ==>
        SpanCovers(a, s->base / 67108864, k, q); */
  /*@ assert kept: \forall integer k; 0 <= k < 8192 ==> &a->span[k] != s ==>
        SpanMapped{Pre}(a, s->base / 67108864, k) ==> SpanMapped(a, s->base / 67108864, k); */
  /*@ assert before: \forall integer q; 0 <= q < 8192 ==> PageInv{Pre}(a, s->base / 67108864, q); */
  /*@ assert free: \forall integer q; 0 <= q < 8192 ==> SpanHas(s, q) ==> a->head[q] == &vs_empty_span; */
  /*@ assert mine: \forall integer q; 0 <= q < 8192 ==> PageInv{Pre}(a, s->base / 67108864, q) ==>
        \at(a->head[q], Pre) == s ==> SpanHas(s, q); */
  /*@ assert own: \forall integer q; 0 <= q < 8192 ==> \at(a->head[q], Pre) == s ==> a->head[q] == &vs_empty_span; */
  /*@ assert there: \forall integer q; 0 <= q < 8192 ==> a->head[q] != &vs_empty_span ==>
        a->head[q] == \at(a->head[q], Pre) && a->head[q] != s; */
  /*@ assert elsewhere: \forall integer q; 0 <= q < 8192 ==> a->head[q] != &vs_empty_span ==>
        PageInv(a, s->base / 67108864, q); */
}

struct mspan *arena_take_descriptor(struct heap_arena *a) {
  return a->nfree > 0 ? a->free[--a->nfree] : &a->span[a->nspans++];
}

void arena_put_descriptor(struct heap_arena *a, struct mspan *s) { a->free[a->nfree++] = s; }
