/* SPDX-License-Identifier: Apache-2.0
 *
 * Arenas: 64 MiB of address space each, with the metadata of their pages out of line, found through a sparse
 * map over the 48-bit address space (Go's runtime/mheap.go, heapArena and arenas: L1 0 bits, L2 22 bits).
 *
 * head[] points to the span of each page: the span of an address is two dependent loads. Pages of no span point to
 * vs_empty_span, which nobody owns, so that free needs no test for them (spec/decisions/0004-heads-are-pointers.md).
 * Descriptors are the arena's own and are handed out densely; one stays a descriptor for ever. Of a span longer than
 * the rest of its arena, head[] covers the pages of the arena that it starts in.
 *
 * Page numbers count from the start of the arena. Lookups are safe from any thread for an address of a live
 * block; the map is written under the heap lock, head[] by who owns the pages (mheap.h), atomically, for who looks any
 * address up (cycle.c).
 *
 * Up: mheap, alloc. Down: mspan.
 * Invariant: ArenaInv, ArenaMapInv, DescriptorsInv (spec/arena.acsl). Claims: C1 C4 C10.
 */
#ifndef VERISPAN_ARENA_H
#define VERISPAN_ARENA_H

#include <stdint.h>

#include "mspan.h"

#define VS_ARENA_PAGES 8192u
#define VS_ARENA_SIZE 67108864u
#define VS_ARENA_COUNT 4194304u

struct heap_arena {
  struct mspan *head[VS_ARENA_PAGES]; /* the span of a page, or &vs_empty_span */
  struct mspan span[VS_ARENA_PAGES];  /* descriptors: no more spans than pages */
  struct mspan *free[VS_ARENA_PAGES]; /* descriptors given back, the last at nfree - 1 */
  uint32_t nfree;
  uint32_t nspans;                    /* descriptors ever handed out: those below */
};

#include "../spec/arena.acsl"

/* Arena number -> arena, or NULL; entries go from NULL to an arena once. */
extern struct heap_arena *vs_arena_map[VS_ARENA_COUNT] __attribute__((visibility("hidden")));

/* The number of the arena of an address. At least VS_ARENA_COUNT above the 48-bit address space. */
/*@ assigns \nothing;
    ensures exact: \result == addr / 67108864;
*/
static inline uint64_t arena_number(uintptr_t addr) { return addr / VS_ARENA_SIZE; }

/* The page of an address in its arena. */
/*@ assigns \nothing;
    ensures bound: \result < 8192;
    ensures exact: \result == addr % 67108864 / 8192;
*/
static inline uint32_t arena_page(uintptr_t addr) {
  return (uint32_t)(addr % VS_ARENA_SIZE / VS_PAGE_SIZE);
}

/* The span of an address: its descriptor, or vs_empty_span if it lies in no span. */
/*@ requires valid: \valid_read(&vs_arena_map[0 .. 4194303]);
    requires inv: ArenaMapInv(&vs_arena_map[0]);
    assigns \result \from addr, vs_arena_map[addr / 67108864];
    ensures valid: \valid_read(\result);
    ensures empty: addr / 67108864 >= 4194304 || vs_arena_map[addr / 67108864] == \null ==>
      \result == &vs_empty_span;
    ensures head: addr / 67108864 < 4194304 && vs_arena_map[addr / 67108864] != \null ==>
      \result == vs_arena_map[addr / 67108864]->head[addr % 67108864 / 8192];
    ensures range: \result == &vs_empty_span || \result->base <= addr < \result->base + \result->npages * 8192;
*/
static inline struct mspan *arena_span(uintptr_t addr) {
  uint64_t number = arena_number(addr);
  if (number >= VS_ARENA_COUNT) return &vs_empty_span;
  struct heap_arena *arena = vs_arena_map[number];
  if (!arena) return &vs_empty_span;
  //@ assert page: PageInv(arena, addr / 67108864, addr % 67108864 / 8192);
  return arena->head[arena_page(addr)];
}

/* The pages of a span that lie in the arena where it starts. */
/*@ requires valid: \valid_read(s);
    assigns \nothing;
    ensures bound: \result <= 8192 - s->base % 67108864 / 8192;
    ensures exact: \result == s->npages || \result == 8192 - s->base % 67108864 / 8192 < s->npages;
*/
static inline uint32_t arena_span_pages(const struct mspan *s) {
  uint32_t rest = VS_ARENA_PAGES - arena_page(s->base);
  return s->npages < rest ? s->npages : rest;
}

/* Points the heads of pages [first, first + npages) to s: the span that covers them, or vs_empty_span. */
/*@ requires valid: \valid(a);
    requires bound: first < 8192 && first + npages <= 8192;
    terminates \true;
    assigns a->head[first .. first + npages - 1] \from s;
    ensures set: \forall integer q; first <= q < first + npages ==> a->head[q] == s;
    ensures frame: \forall integer q; 0 <= q < 8192 ==> !(first <= q < first + npages) ==>
      a->head[q] == \old(a->head[q]);
*/
void arena_set_head(struct heap_arena *a, uint32_t first, uint32_t npages, struct mspan *s);

/* Enters span s, whose pages are free and whose descriptor is in use nowhere, in the span map of the arena where it
 * starts. */
/*@ requires valid: \valid(a) && \separated(a, &vs_empty_span);
    requires own: \exists integer k; 0 <= k < 8192 && s == &a->span[k];
    requires inv: ArenaInv(a, s->base / 67108864);
    requires base: s->base % 8192 == 0;
    requires unmapped: \forall integer q; 0 <= q < 8192 ==> a->head[q] != s;
    requires free: \forall integer q; 0 <= q < 8192 ==> SpanHas(s, q) ==> a->head[q] == &vs_empty_span;
    terminates \true;
    assigns a->head[0 .. 8191] \from s;
    ensures inv: ArenaInv(a, s->base / 67108864);
    ensures set: \forall integer q; 0 <= q < 8192 ==> SpanHas(s, q) ==> a->head[q] == s;
    ensures frame: \forall integer q; 0 <= q < 8192 ==> !SpanHas(s, q) ==> a->head[q] == \old(a->head[q]);
*/
void arena_enter(struct heap_arena *a, struct mspan *s);

/* Takes span s out of the span map of the arena where it starts. */
/*@ requires valid: \valid(a) && \separated(a, &vs_empty_span);
    requires own: \exists integer k; 0 <= k < 8192 && s == &a->span[k];
    requires inv: ArenaInv(a, s->base / 67108864);
    requires base: s->base % 8192 == 0;
    requires mapped: \forall integer q; 0 <= q < 8192 ==> SpanHas(s, q) ==> a->head[q] == s;
    terminates \true;
    assigns a->head[0 .. 8191] \from &vs_empty_span;
    ensures inv: ArenaInv(a, s->base / 67108864);
    ensures unmapped: \forall integer q; 0 <= q < 8192 ==> a->head[q] != s;
    ensures free: \forall integer q; 0 <= q < 8192 ==> SpanHas(s, q) ==> a->head[q] == &vs_empty_span;
    ensures frame: \forall integer q; 0 <= q < 8192 ==> !SpanHas(s, q) ==> a->head[q] == \old(a->head[q]);
*/
void arena_leave(struct heap_arena *a, struct mspan *s);

/* Hands out a descriptor, one that was given back if there is one. The caller knows that one is left: there are as many
 * as pages, and each span has a page. The heap is locked. */
/*@ requires valid: \valid(a);
    requires inv: DescriptorsInv(a);
    requires left: a->nfree > 0 || a->nspans < 8192;
    terminates \true;
    assigns a->nfree, a->nspans;
    assigns \result \from a, a->free[0 .. 8191], a->nfree, a->nspans;
    ensures inv: DescriptorsInv(a);
    ensures own: \exists integer k; 0 <= k < 8192 && \result == &a->span[k] && DescriptorFree{Pre}(a, k) &&
      !DescriptorFree(a, k);
    ensures others: \forall integer k; 0 <= k < 8192 ==> \result != &a->span[k] ==>
      (DescriptorFree(a, k) <==> DescriptorFree{Pre}(a, k));
*/
struct mspan *arena_take_descriptor(struct heap_arena *a);

/* Takes back a descriptor that is no span's any more; so not all that were handed out are back. The heap is locked. */
/*@ requires valid: \valid(a);
    requires inv: DescriptorsInv(a);
    requires used: \exists integer k; 0 <= k < 8192 && s == &a->span[k] && !DescriptorFree(a, k);
    terminates \true;
    assigns a->free[0 .. 8191] \from s;
    assigns a->nfree;
    ensures inv: DescriptorsInv(a);
    ensures free: \forall integer k; 0 <= k < 8192 ==>
      (DescriptorFree(a, k) <==> DescriptorFree{Pre}(a, k) || s == &a->span[k]);
*/
void arena_put_descriptor(struct heap_arena *a, struct mspan *s);

#endif
