/* SPDX-License-Identifier: Apache-2.0
 * The arena map and the span map. Contracts stand in arena.h. */
#define VERISPAN_ARENA_STEPS
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

/* The list has room for descriptor s, which is in use: those in it and s are nfree + 1 different ones below nspans. The
 * second loop takes descriptor 0, 1, ... out of a copy of these: each is there at most once, none is left at last. */
/*@ ghost
    /@ requires valid: \valid_read(a);
       requires inv: DescriptorsInv(a);
       requires used: \exists integer k; 0 <= k < 8192 && s == &a->span[k] && !DescriptorFree(a, k);
       assigns \nothing;
       ensures room: a->nfree < a->nspans;
    @/
    static void arena_has_room(struct heap_arena *a, struct mspan *s) {
      struct mspan *rest[8193];
      uint32_t n = 0;
      /@ loop invariant bound: n <= a->nfree;
         loop invariant copy: \forall integer i; 0 <= i < n ==> rest[i] == a->free[i];
         loop assigns n, rest[0 .. 8192];
         loop variant a->nfree - n;
      @/
      while (n < a->nfree) {
        rest[n] = a->free[n];
        n++;
      }
      /@ assert given: \forall integer i; 0 <= i < n ==> DescriptorIn(a, a->free[i], 0, a->nspans); @/
      rest[n] = s;
      n++;
      uint32_t m = 0;
      /@ loop invariant bound: m <= a->nspans && n <= a->nfree + 1;
         loop invariant above: \forall integer i; 0 <= i < n ==> DescriptorIn(a, rest[i], m, a->nspans);
         loop invariant apart: \forall integer i, j; 0 <= i < j < n ==> rest[i] != rest[j];
         loop invariant taken: a->nfree < n + m;
         loop assigns m, n, rest[0 .. 8192];
         loop variant a->nspans - m;
      @/
      while (m < a->nspans) {
        uint32_t i = 0;
        /@ loop invariant bound: i <= n;
           loop invariant none: \forall integer j; 0 <= j < i ==> rest[j] != &a->span[m];
           loop assigns i;
           loop variant n - i;
        @/
        while (i < n && rest[i] != &a->span[m]) i++;
        if (i < n) {
          n--;
          rest[i] = rest[n];
        }
        m++;
      }
      /@ assert empty: n == 0 || DescriptorIn(a, rest[0], m, a->nspans); @/
    }
*/

void arena_put_descriptor(struct heap_arena *a, struct mspan *s) {
  //@ ghost arena_has_room(a, s);
  a->free[a->nfree++] = s;
}
