/* SPDX-License-Identifier: Apache-2.0
 *
 * How the heap grows (Go's mheap.grow and sysAlloc): address space is reserved by arenas, with the metadata of its pages,
 * and becomes the heap's step by step, up from its highest address where that can be (spec/decisions/0009-address-space.md).
 * Growth adds pages and changes none that the heap has.
 *
 * Sizes and addresses are in bytes, multiples of VS_PAGE_SIZE. Needs the heap lock.
 *
 * Up: pageheap. Down: arena, space, pagealloc, os.
 * Invariant: GrowthInv (spec/growth.acsl): what is reserved or the heap's has its metadata; only the heap's pages are free.
 * Claims: C3 C5 C6 C10.
 */
#ifndef VERISPAN_GROWTH_H
#define VERISPAN_GROWTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "pagealloc.h"
#include "space.h"

#ifdef __FRAMAC__
/* Where each arena is once it is made, to the proof: no object of the program, and memory that overlaps none (T-04). */
extern struct heap_arena g_arenas[VS_ARENA_COUNT];
#endif

#include "../spec/growth.acsl"

/* Fresh memory for arena n, all zeros, or NULL if the system refused: os_metadata for the type, because a cast from
 * void is beyond the proof (T-04). */
/*@ requires bound: n < 4194304;
    requires once: vs_arena_map[n] == \null;
    terminates \true;
    assigns \result \from n;
    ensures place: \result == \null || \result == &g_arenas[n];
    ensures zero: \result != \null ==> g_arenas[n].nfree == 0 && g_arenas[n].nspans == 0;
*/
#ifdef __FRAMAC__
struct heap_arena *growth_new_arena(uint64_t n);
#else
static inline struct heap_arena *growth_new_arena(uint64_t n) {
  (void)n;
  return os_metadata(sizeof(struct heap_arena));
}
#endif

/* Enters arena a, whose map of spans is written, in the map: who finds it there finds that too (T-01). */
/*@ requires bound: n < 4194304;
    terminates \true;
    assigns vs_arena_map[n] \from a;
    ensures exact: vs_arena_map[n] == a;
*/
#ifdef __FRAMAC__
void growth_publish(uint64_t n, struct heap_arena *a);
#else
static inline void growth_publish(uint64_t n, struct heap_arena *a) {
  __atomic_store_n(&vs_arena_map[n], a, __ATOMIC_RELEASE);
}
#endif

/* No block of the page allocator, there or yet to be made, overlaps the space or an arena (T-12). Said for the proof alone. */
/*@ requires inv: BlocksInv;
    terminates \true;
    assigns \nothing;
    ensures apart: \forall integer n; 0 <= n < 1048576 ==>
      \base_addr(vs_pages.block[n]) != \base_addr(s) && \base_addr(vs_pages.block[n]) != \base_addr(&g_arenas[0]);
    ensures places: \forall integer n; 0 <= n < 1048576 ==>
      \base_addr(BlockPlace(n)) != \base_addr(s) && \base_addr(BlockPlace(n)) != \base_addr(&g_arenas[0]);
*/
#ifdef __FRAMAC__
void growth_apart(const struct space *s);
#else
static inline void growth_apart(const struct space *s) { (void)s; }
#endif

/* Runs of pages that the heap grows by begin and end at multiples of this many bytes: a span with slots, which is no
 * longer, lies in one arena then. */
#define VS_GROWTH_UNIT (16u * VS_PAGE_SIZE)

/* The least multiple of unit that is not below n. */
/*@ requires range: 0 < unit && n + unit <= 18446744073709551615;
    terminates \true;
    assigns \nothing;
    ensures least: n <= \result < n + unit;
    ensures multiple: \exists integer m; \result == m * unit;
*/
static inline uint64_t growth_round_up(uint64_t n, uint64_t unit) { return (n + unit - 1) / unit * unit; }

/* Grows the heap by a run of free pages that npages pages fit in, aligned to align bytes and, if they are no more than a
 * VS_GROWTH_UNIT, in one arena. The lowest place where they fit then, or VS_NO_PAGE if refused. */
/*@ requires valid: \valid(s) && \base_addr(s) != \base_addr(&g_arenas[0]);
    requires pages: 1 <= npages;
    requires align: 0 < align && (align < 131072 || align % 131072 == 0);
    requires inv: GrowthInv(s);
    terminates \true;
    assigns s->reserved, s->heap, g_os[0 .. 34359738367];
    assigns vs_pages.block[0 .. 1048575] \from vs_pages.block[0 .. 1048575];
    assigns vs_pages.number[0 .. 1048575], vs_pages.nblocks, vs_pages.level2[0 .. 1048575], vs_pages.level1[0 .. 131071],
      vs_pages.level0[0 .. 16383], vs_pages.search, vs_pages.end0, { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    assigns vs_arena_map[0 .. 4194303], g_arenas[0 .. 4194303] \from npages, &vs_empty_span;
    ensures inv: GrowthInv(s);
    ensures end: \old(vs_pages.end0) <= vs_pages.end0;
    ensures grown: HeapGrown{Pre,Here}(s);
    ensures kept: ArenasKept{Pre,Here};
    ensures bound: \result <= 34359738368;
    ensures free: \result < 34359738368 ==> \result + npages <= 34359738368 && RunFree(\result, \result + npages);
    ensures arena: \result < 34359738368 ==> npages <= 16 ==> \result % 16 == 0;
    ensures aligned: \result < 34359738368 ==> 131072 <= align ==> \exists integer m; 8192 * \result == m * align;
    ensures refused: \result == 34359738368 ==> HeapSame{Pre,Here}(s);
*/
uint64_t growth_anywhere(struct space *s, uint32_t npages, size_t align);

/* Grows the heap by the npages pages from page on, which are not the heap's, and perhaps some behind them. False if they
 * are not to be had. */
/*@ requires valid: \valid(s) && \base_addr(s) != \base_addr(&g_arenas[0]);
    requires pages: page <= 34359738368 && 1 <= npages <= 4294967295;
    requires inv: GrowthInv(s);
    terminates \true;
    assigns s->reserved, s->heap, g_os[0 .. 34359738367];
    assigns vs_pages.block[0 .. 1048575] \from vs_pages.block[0 .. 1048575];
    assigns vs_pages.number[0 .. 1048575], vs_pages.nblocks, vs_pages.level2[0 .. 1048575], vs_pages.level1[0 .. 131071],
      vs_pages.level0[0 .. 16383], vs_pages.search, vs_pages.end0, { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    assigns vs_arena_map[0 .. 4194303], g_arenas[0 .. 4194303] \from npages, &vs_empty_span;
    ensures inv: GrowthInv(s);
    ensures end: \old(vs_pages.end0) <= vs_pages.end0;
    ensures grown: HeapGrown{Pre,Here}(s);
    ensures kept: ArenasKept{Pre,Here};
    ensures refused: !\result ==> HeapSame{Pre,Here}(s);
    ensures added: \result ==> RunAdded{Pre,Here}(s, page, page + npages);
*/
bool growth_at(struct space *s, uint64_t page, uint64_t npages);

#endif
