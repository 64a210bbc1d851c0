/* SPDX-License-Identifier: Apache-2.0
 * Reserving address space with its metadata, and making it the heap's. Contracts stand in growth.h. */
#define VERISPAN_GROWTH_LEMMAS
#include "growth.h"

/* The heap grows to multiples of this many bytes where it can, for fewer system calls. */
#define GROWTH_STEP (VS_CHUNK_PAGES * VS_PAGE_SIZE)

/* Arenas of a block of the page allocator. */
#define GROWTH_BLOCK_ARENAS (VS_LEVEL2_PAGES / VS_ARENA_PAGES)

/* Makes the block of the page allocator that arena n lies in, if there is none. False if the system refused. */
/*@ requires bound: n < 4194304;
    requires inv: PagesInv;
    terminates \true;
    assigns vs_pages.block[n / 4] \from vs_pages.block[n / 4];
    assigns vs_pages.number[0 .. 1048575], vs_pages.nblocks;
    ensures inv: PagesInv;
    ensures there: \result ==> HasBlock(n / 4);
    ensures kept: \forall integer m; 0 <= m < 1048576 ==> HasBlock{Pre}(m) ==> HasBlock(m);
    ensures same: PagesSame{Pre,Here};
*/
static bool growth_enter_block(uint64_t n) {
  if (vs_pages.block[n / GROWTH_BLOCK_ARENAS]) return true;
  //@ assert block: n * 8192 / 32768 == n / 4 && (n * 8192 + 8191) / 32768 == n / 4;
  return pagealloc_provide(n * VS_ARENA_PAGES, VS_ARENA_PAGES);
}

/* Makes arena n part of the map, if it is not. False if the system refused. */
/*@ requires bound: n < 4194304;
    requires inv: ArenasInv;
    terminates \true;
    assigns vs_arena_map[n] \from n;
    assigns g_arenas[n].head[0 .. 8191] \from &vs_empty_span;
    ensures inv: ArenasInv;
    ensures there: \result ==> vs_arena_map[n] != \null;
    ensures kept: ArenasKept{Pre,Here};
*/
static bool growth_enter_arena(uint64_t n) {
  //@ assert before: ArenaAt(n);
  if (vs_arena_map[n]) return true;
  struct heap_arena *fresh = growth_new_arena(n);
  if (!fresh) return false;
  arena_set_head(fresh, 0, VS_ARENA_PAGES, &vs_empty_span);
  //@ assert map: \forall integer m; 0 <= m < 4194304 ==> vs_arena_map[m] == \at(vs_arena_map[m], Pre);
  //@ assert others: \forall integer m; 0 <= m < 4194304 ==> m != n ==> ArenaSame{Pre,Here}(&g_arenas[m]);
  //@ assert kept: \forall integer m; 0 <= m < 4194304 ==> m != n ==> ArenaKept{Pre,Here}(m);
  //@ assert order: ArenaOrder(fresh, n);
  //@ ghost Headed: ;
  growth_publish(n, fresh);
  //@ assert still: \forall integer m; 0 <= m < 4194304 ==> ArenaSame{Headed,Here}(&g_arenas[m]);
  //@ assert rest: \forall integer m; 0 <= m < 4194304 ==> m != n ==> ArenaKept{Pre,Here}(m);
  //@ assert at: \forall integer m; 0 <= m < 4194304 ==> m != n ==> ArenaAt{Pre}(m) ==> ArenaAt(m);
  //@ assert here: ArenaAt(n) && ArenaFresh(fresh);
  return true;
}

/* Provides for the metadata of arena n. False if the system refused; what it did give waits for the next try. */
/*@ requires bound: n < 4194304;
    requires inv: PagesInv && ArenasInv;
    terminates \true;
    assigns vs_pages.block[n / 4] \from vs_pages.block[n / 4];
    assigns vs_pages.number[0 .. 1048575], vs_pages.nblocks;
    assigns vs_arena_map[n] \from n;
    assigns g_arenas[n].head[0 .. 8191] \from &vs_empty_span;
    ensures inv: PagesInv && ArenasInv;
    ensures there: \result ==> ArenaReady(n);
    ensures ready: ReadyKept{Pre,Here};
    ensures kept: ArenasKept{Pre,Here};
    ensures same: PagesSame{Pre,Here};
*/
static bool growth_enter(uint64_t n) {
  if (!growth_enter_block(n)) return false;
  //@ ghost Block: ;
  //@ assert inv: ArenasInv;
  //@ assert ready: ReadyKept{Pre,Here};
  bool entered = growth_enter_arena(n);
  //@ assert blocks: BlocksSame{Block,Here};
  //@ assert same: PagesSame{Block,Here};
  //@ assert kept: ArenasKept{Block,Here};
  //@ assert still: ReadyKept{Block,Here};
  return entered;
}

/* Provides for the metadata of address space. False if the system refused; what it did give waits for the next try. */
/*@ requires range: OsRange(base, size);
    requires inv: PagesInv && ArenasInv;
    terminates \true;
    assigns vs_pages.block[0 .. 1048575] \from vs_pages.block[0 .. 1048575];
    assigns vs_pages.number[0 .. 1048575], vs_pages.nblocks;
    assigns vs_arena_map[0 .. 4194303], g_arenas[0 .. 4194303] \from base, size, &vs_empty_span;
    ensures inv: PagesInv && ArenasInv;
    ensures there: \result ==> ArenasReady(base / 67108864, (base + size - 1) / 67108864 + 1);
    ensures ready: ReadyKept{Pre,Here};
    ensures kept: ArenasKept{Pre,Here};
    ensures same: PagesSame{Pre,Here};
*/
static bool growth_provide(uintptr_t base, size_t size) {
  /*@ loop invariant bound: base / 67108864 <= n <= (base + size - 1) / 67108864 + 1;
      loop invariant inv: PagesInv && ArenasInv;
      loop invariant done: ArenasReady(base / 67108864, n);
      loop invariant ready: ReadyKept{Pre,Here};
      loop invariant kept: ArenasKept{Pre,Here};
      loop invariant same: PagesSame{Pre,Here};
      loop assigns n, vs_pages.block[0 .. 1048575], vs_pages.number[0 .. 1048575], vs_pages.nblocks,
        vs_arena_map[0 .. 4194303], g_arenas[0 .. 4194303];
      loop variant (base + size - 1) / 67108864 - n;
  */
  for (uint64_t n = base / VS_ARENA_SIZE; n <= (base + size - 1) / VS_ARENA_SIZE; n++) {
    bool entered = growth_enter(n);
    //@ assert kept: ArenasKept{LoopCurrent,Here};
    //@ assert all: ArenasKept{Pre,Here};
    if (!entered) return false;
    //@ assert before: ArenasReady(base / 67108864, n);
  }
  return true;
}

/* Provides for the metadata of address space that was just reserved, or else gives it back. */
/*@ requires valid: \valid(s) && \base_addr(s) != \base_addr(&g_arenas[0]);
    requires room: s->reserved.n < 32768;
    requires range: OsRange(base, size);
    requires one: RangesHold(&s->reserved.range[0], s->reserved.n, base, base + size);
    requires inv: SpaceInv(s) && PagesInv && ArenasInv && InsideInv(s);
    requires rest: MetadataBut(s, base, base + size);
    terminates \true;
    assigns s->reserved, g_os[0 .. 34359738367];
    assigns vs_pages.block[0 .. 1048575] \from vs_pages.block[0 .. 1048575];
    assigns vs_pages.number[0 .. 1048575], vs_pages.nblocks;
    assigns vs_arena_map[0 .. 4194303], g_arenas[0 .. 4194303] \from base, size, &vs_empty_span;
    ensures inv: GrowthInv(s);
    ensures same: HeapSame{Pre,Here}(s);
    ensures kept: ArenasKept{Pre,Here};
    ensures one: \result ==> RangesHold(&s->reserved.range[0], s->reserved.n, base, base + size);
    ensures reserved: \result ==> \forall integer x; SpaceReserved(s, x) <==> SpaceReserved{Pre}(s, x);
*/
static bool growth_furnish(struct space *s, uintptr_t base, size_t size) {
  //@ assert owned: \forall integer x; base <= x < base + size ==> SpaceReserved(s, x);
  bool provided = growth_provide(base, size);
  //@ assert same: s->reserved.n == \at(s->reserved.n, Pre) && s->heap.n == \at(s->heap.n, Pre);
  //@ assert reserved: RangesSame{Pre,Here}(&s->reserved.range[0], 0, s->reserved.n);
  //@ assert heap: RangesSame{Pre,Here}(&s->heap.range[0], 0, s->heap.n);
  //@ assert sets: SpaceSame{Pre,Here}(s);
  //@ assert space: SpaceInv(s);
  //@ assert rest: MetadataBut(s, base, base + size);
  //@ assert ready: provided ==> \forall integer x; base <= x < base + size ==> ArenaReady(x / 67108864);
  //@ assert heap: HeapSame{Pre,Here}(s);
  if (provided) return true;
  growth_apart(s);
  //@ ghost Provided: ;
  space_unreserve(s, base, size);
  /*@ assert words: \forall integer m, k, w; 0 <= m < 1048576 ==> 0 <= k < 64 ==> 0 <= w < 8 ==> HasBlock(m) ==>
        vs_pages.block[m]->chunk[k].free[w] == \at(vs_pages.block[m]->chunk[k].free[w], Provided) &&
        vs_pages.block[m]->chunk[k].dirty[w] == \at(vs_pages.block[m]->chunk[k].dirty[w], Provided); */
  //@ assert chunks: ChunksSame{Provided,Here};
  //@ assert levels: Level4Same{Provided,Here} && Level3Same{Provided,Here};
  //@ assert tree: TreeSame{Provided,Here};
  //@ assert places: \forall integer n; 0 <= n < 4194304 ==> ArenaSame{Provided,Here}(&g_arenas[n]);
  //@ assert arenas: ArenasSame{Provided,Here};
  //@ assert inv: PagesInv && ArenasInv;
  //@ assert still: HeapSame{Provided,Here}(s);
  //@ assert furnished: ReadyKept{Provided,Here};
  //@ assert gone: \forall integer x; SpaceReserved(s, x) ==> SpaceReserved{Provided}(s, x) && !(base <= x < base + size);
  //@ assert heaps: \forall integer x; SpaceHeap(s, x) ==> SpaceHeap{Provided}(s, x) && !(base <= x < base + size);
  //@ assert metadata: MetadataInv(s);
  return false;
}

/* Reserves size bytes, with their metadata: at a multiple of align, or, if that is 0, behind the highest range. False if
 * they are not to be had. */
/*@ requires valid: \valid(s) && \base_addr(s) != \base_addr(&g_arenas[0]);
    requires size: 0 < size && size % 8192 == 0;
    requires align: align % 8192 == 0;
    requires inv: GrowthInv(s);
    terminates \true;
    assigns s->reserved, g_os[0 .. 34359738367];
    assigns vs_pages.block[0 .. 1048575] \from vs_pages.block[0 .. 1048575];
    assigns vs_pages.number[0 .. 1048575], vs_pages.nblocks;
    assigns vs_arena_map[0 .. 4194303], g_arenas[0 .. 4194303] \from size, &vs_empty_span;
    ensures inv: GrowthInv(s);
    ensures same: HeapSame{Pre,Here}(s);
    ensures kept: ArenasKept{Pre,Here};
*/
static bool growth_try(struct space *s, size_t size, size_t align) {
  growth_apart(s);
  uintptr_t base = align == 0 ? space_extend(s, size) : space_reserve(s, size, align);
  /*@ assert words: \forall integer m, k, w; 0 <= m < 1048576 ==> 0 <= k < 64 ==> 0 <= w < 8 ==> HasBlock(m) ==>
        vs_pages.block[m]->chunk[k].free[w] == \at(vs_pages.block[m]->chunk[k].free[w], Pre) &&
        vs_pages.block[m]->chunk[k].dirty[w] == \at(vs_pages.block[m]->chunk[k].dirty[w], Pre); */
  //@ assert chunks: ChunksSame{Pre,Here};
  //@ assert levels: Level4Same{Pre,Here} && Level3Same{Pre,Here};
  //@ assert tree: TreeSame{Pre,Here};
  //@ assert places: \forall integer n; 0 <= n < 4194304 ==> ArenaSame{Pre,Here}(&g_arenas[n]);
  //@ assert arenas: ArenasSame{Pre,Here};
  //@ assert kept: ArenasKept{Pre,Here};
  //@ assert inv: PagesInv && ArenasInv;
  //@ assert heap: HeapSame{Pre,Here}(s);
  //@ assert inside: InsideInv(s);
  //@ assert rest: base == 0 ==> MetadataInv(s);
  if (base == 0) return false;
  //@ assert but: MetadataBut(s, base, base + size);
  //@ ghost Reserved: ;
  bool done = growth_furnish(s, base, size);
  //@ assert same: HeapSame{Reserved,Here}(s) && ArenasKept{Reserved,Here};
  return done;
}

/* Reserves size bytes aligned to align, with their metadata: whole arenas if the system gives them, and else as much of
 * one as it gives. False if refused. */
/*@ requires valid: \valid(s) && \base_addr(s) != \base_addr(&g_arenas[0]);
    requires size: 0 < size <= 70368744177664 && size % 131072 == 0;
    requires align: 0 < align && align % 8192 == 0;
    requires inv: GrowthInv(s);
    terminates \true;
    assigns s->reserved, g_os[0 .. 34359738367];
    assigns vs_pages.block[0 .. 1048575] \from vs_pages.block[0 .. 1048575];
    assigns vs_pages.number[0 .. 1048575], vs_pages.nblocks;
    assigns vs_arena_map[0 .. 4194303], g_arenas[0 .. 4194303] \from size, &vs_empty_span;
    ensures inv: GrowthInv(s);
    ensures same: HeapSame{Pre,Here}(s);
    ensures kept: ArenasKept{Pre,Here};
*/
static bool growth_reserve(struct space *s, size_t size, size_t align) {
  size_t want = growth_round_up(size, VS_ARENA_SIZE);
  //@ assert whole: want % 131072 == 0;
  /*@ loop invariant want: size <= want <= 70368811286528 && want % 131072 == 0;
      loop invariant inv: GrowthInv(s);
      loop invariant same: HeapSame{Pre,Here}(s);
      loop invariant kept: ArenasKept{Pre,Here};
      loop assigns want, s->reserved, g_os[0 .. 34359738367], vs_pages.block[0 .. 1048575],
        vs_pages.number[0 .. 1048575], vs_pages.nblocks, vs_arena_map[0 .. 4194303], g_arenas[0 .. 4194303];
      loop variant want;
  */
  for (;;) {
    size_t whole = want % VS_ARENA_SIZE == 0 && align < VS_ARENA_SIZE ? VS_ARENA_SIZE : align;
    bool done = growth_try(s, want, whole);
    //@ assert same: HeapSame{LoopCurrent,Here}(s) && ArenasKept{LoopCurrent,Here};
    //@ assert kept: HeapSame{Pre,Here}(s) && ArenasKept{Pre,Here};
    if (done || want == size) return done;
    want = want / 2 > size ? growth_round_up(want / 2, VS_GROWTH_UNIT) : size;
  }
}

/* The lowest place for size bytes, a multiple of align, in what is reserved, or can be; 0 if refused. */
/*@ requires valid: \valid(s) && \base_addr(s) != \base_addr(&g_arenas[0]);
    requires size: 0 < size <= 70368744177664 && size % 131072 == 0;
    requires align: 0 < align && align % 131072 == 0;
    requires inv: GrowthInv(s);
    terminates \true;
    assigns s->reserved, g_os[0 .. 34359738367];
    assigns vs_pages.block[0 .. 1048575] \from vs_pages.block[0 .. 1048575];
    assigns vs_pages.number[0 .. 1048575], vs_pages.nblocks;
    assigns vs_arena_map[0 .. 4194303], g_arenas[0 .. 4194303] \from size, &vs_empty_span;
    ensures inv: GrowthInv(s);
    ensures same: HeapSame{Pre,Here}(s);
    ensures kept: ArenasKept{Pre,Here};
    ensures one: \result != 0 ==> RangesHold(&s->reserved.range[0], s->reserved.n, \result, \result + size);
    ensures range: \result != 0 ==> OsRange(\result, size);
    ensures unit: \result % 131072 == 0;
    ensures aligned: \exists integer m; \result == m * align;
*/
static uintptr_t growth_place(struct space *s, size_t size, size_t align) {
  //@ assert starts: \forall integer k; 0 <= k < s->reserved.n ==> SpaceReserved(s, s->reserved.range[k].base);
  uintptr_t base = addrranges_find(&s->reserved, size, align);
  if (base == 0 && growth_reserve(s, size, align)) {
    //@ assert now: \forall integer k; 0 <= k < s->reserved.n ==> SpaceReserved(s, s->reserved.range[k].base);
    base = addrranges_find(&s->reserved, size, align);
  }
  //@ assert aligned: \exists integer m; base == m * align && base == 131072 * (m * (align / 131072));
  //@ assert ends: base != 0 ==> SpaceReserved(s, base) && SpaceReserved(s, base + size - 1);
  return base;
}

/* Makes reserved address space the heap's, with what follows up to the next multiple of GROWTH_STEP where it can: how
 * many bytes, or 0 if refused. */
/*@ requires valid: \valid(s);
    requires range: OsRange(base, size);
    requires one: RangesHold(&s->reserved.range[0], s->reserved.n, base, base + size);
    requires inv: SpaceInv(s);
    terminates \true;
    assigns s->reserved, s->heap, g_os[0 .. 34359738367];
    ensures inv: SpaceInv(s);
    ensures refused: \result == 0 ==> SpaceSame{Pre,Here}(s);
    ensures range: \result != 0 ==> size <= \result && OsRange(base, \result);
    ensures was: \result != 0 ==> \forall integer x; base <= x < base + \result ==> SpaceReserved{Pre}(s, x);
    ensures heap: \result != 0 ==> \forall integer x;
      SpaceHeap(s, x) <==> SpaceHeap{Pre}(s, x) || base <= x < base + \result;
    ensures reserved: \result != 0 ==> \forall integer x;
      SpaceReserved(s, x) <==> SpaceReserved{Pre}(s, x) && !(base <= x < base + \result);
*/
static size_t growth_prepare_space(struct space *s, uintptr_t base, size_t size) {
  size_t more = growth_round_up(base + size, GROWTH_STEP) - base;
  //@ assert owned: \forall integer x; base <= x < base + size ==> SpaceReserved(s, x);
  if (addrranges_hold(&s->reserved, base, base + more)) {
    //@ assert all: \forall integer x; base <= x < base + more ==> SpaceReserved(s, x);
    //@ assert last: SpaceReserved(s, base + more - 1);
    if (space_prepare(s, base, more)) return more;
  }
  return space_prepare(s, base, size) ? size : 0;
}

/* Adds pages, whose metadata is there, to those that are free. */
/*@ requires valid: \valid_read(s) && \base_addr(s) != \base_addr(&g_arenas[0]);
    requires bound: first < 34359738368 && 1 <= npages <= 34359738368 - first;
    requires inv: SpaceInv(s) && PagesInv && ArenasInv;
    requires there: HaveBlocks(first, first + npages - 1);
    terminates \true;
    assigns vs_pages.level2[0 .. 1048575], vs_pages.level1[0 .. 131071],
      vs_pages.level0[0 .. 16383], vs_pages.search, vs_pages.end0,
      { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    ensures inv: SpaceInv(s) && PagesInv && ArenasInv;
    ensures space: SpaceSame{Pre,Here}(s);
    ensures arenas: ArenasSame{Pre,Here};
    ensures blocks: BlocksSame{Pre,Here};
    ensures end: \old(vs_pages.end0) <= vs_pages.end0;
    ensures set: RunFree(first, first + npages);
    ensures below: FreeSame{Pre,Here}(0, first);
    ensures above: FreeSame{Pre,Here}(first + npages, 34359738368);
    ensures dirty: DirtySame{Pre,Here}(0, 34359738368);
*/
static void growth_add(const struct space *s, uint64_t first, uint64_t npages) {
  growth_apart(s);
  pagealloc_grow(first, npages);
  //@ assert same: s->reserved.n == \at(s->reserved.n, Pre) && s->heap.n == \at(s->heap.n, Pre);
  //@ assert reserved: RangesSame{Pre,Here}(&s->reserved.range[0], 0, s->reserved.n);
  //@ assert heap: RangesSame{Pre,Here}(&s->heap.range[0], 0, s->heap.n);
  //@ assert sets: SpaceSame{Pre,Here}(s);
  //@ assert inv: SpaceInv(s);
  //@ assert still: \forall integer n; 0 <= n < 4194304 ==> ArenaSame{Pre,Here}(&g_arenas[n]);
  //@ assert map: \forall integer n; 0 <= n < 4194304 ==> vs_arena_map[n] == \at(vs_arena_map[n], Pre);
  //@ assert kept: \forall integer n; 0 <= n < 4194304 ==> ArenaAt{Pre}(n) ==> ArenaKept{Pre,Here}(n);
  //@ assert arenas: ArenasSame{Pre,Here};
}

/* Makes size bytes of reserved address space the heap's, and perhaps some behind them. False if refused. */
/*@ requires valid: \valid(s) && \base_addr(s) != \base_addr(&g_arenas[0]);
    requires range: OsRange(base, size);
    requires one: RangesHold(&s->reserved.range[0], s->reserved.n, base, base + size);
    requires inv: GrowthInv(s);
    terminates \true;
    assigns s->reserved, s->heap, g_os[0 .. 34359738367], vs_pages.level2[0 .. 1048575], vs_pages.level1[0 .. 131071],
      vs_pages.level0[0 .. 16383], vs_pages.search, vs_pages.end0,
      { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    ensures inv: GrowthInv(s);
    ensures end: \old(vs_pages.end0) <= vs_pages.end0;
    ensures grown: HeapGrown{Pre,Here}(s);
    ensures kept: ArenasKept{Pre,Here};
    ensures refused: !\result ==> HeapSame{Pre,Here}(s);
    ensures added: \result ==> RunAdded{Pre,Here}(s, base / 8192, (base + size) / 8192);
*/
static bool growth_prepare(struct space *s, uintptr_t base, size_t size) {
  growth_apart(s);
  size_t more = growth_prepare_space(s, base, size);
  /*@ assert words: \forall integer m, k, w; 0 <= m < 1048576 ==> 0 <= k < 64 ==> 0 <= w < 8 ==> HasBlock(m) ==>
        vs_pages.block[m]->chunk[k].free[w] == \at(vs_pages.block[m]->chunk[k].free[w], Pre) &&
        vs_pages.block[m]->chunk[k].dirty[w] == \at(vs_pages.block[m]->chunk[k].dirty[w], Pre); */
  //@ assert chunks: ChunksSame{Pre,Here};
  //@ assert levels: Level4Same{Pre,Here} && Level3Same{Pre,Here};
  //@ assert tree: TreeSame{Pre,Here};
  //@ assert places: \forall integer n; 0 <= n < 4194304 ==> ArenaSame{Pre,Here}(&g_arenas[n]);
  //@ assert arenas: ArenasSame{Pre,Here};
  //@ assert inv: PagesInv && ArenasInv;
  //@ assert metadata: MetadataInv(s);
  //@ assert pages: PagesSame{Pre,Here};
  if (more == 0) return false;
  //@ ghost Prepared: ;
  //@ assert bytes: base == 8192 * (base / 8192) && more == 8192 * (more / 8192);
  //@ assert first: SpaceReserved{Pre}(s, base) ==> HasBlock(base / 8192 / 32768);
  /*@ assert starts: \forall integer n; base / 8192 / 32768 < n <= (base / 8192 + more / 8192 - 1) / 32768 ==>
        SpaceReserved{Pre}(s, 268435456 * n); */
  /*@ assert blocks: \forall integer n; base / 8192 / 32768 < n <= (base / 8192 + more / 8192 - 1) / 32768 ==>
        SpaceReserved{Pre}(s, 268435456 * n) ==> HasBlock{Pre}(n); */
  /*@ assert later: \forall integer n; base / 8192 / 32768 < n <= (base / 8192 + more / 8192 - 1) / 32768 ==>
        HasBlock{Pre}(n); */
  growth_add(s, base / VS_PAGE_SIZE, more / VS_PAGE_SIZE);
  /*@ assert new: \forall integer p; base / 8192 <= p < base / 8192 + more / 8192 ==>
        !HeapPage{Pre}(s, p) && HeapPage(s, p); */
  /*@ assert old: \forall integer p; p < base / 8192 || base / 8192 + more / 8192 <= p ==>
        (HeapPage{Pre}(s, p) <==> HeapPage(s, p)); */
  //@ assert below: FreeSame{Pre,Here}(0, base / 8192);
  //@ assert above: FreeSame{Pre,Here}(base / 8192 + more / 8192, 34359738368);
  //@ assert dirty: DirtySame{Pre,Here}(0, 34359738368);
  //@ assert grown: HeapGrown{Pre,Here}(s);
  //@ assert known: MetadataInv(s) && InsideInv(s);
  //@ assert run: RunAdded{Pre,Here}(s, base / 8192, base / 8192 + more / 8192);
  return true;
}

uint64_t growth_anywhere(struct space *s, uint32_t npages, size_t align) {
  size_t size = growth_round_up((size_t)npages * VS_PAGE_SIZE, VS_GROWTH_UNIT);
  //@ assert least: npages <= 16 ==> size == 131072;
  size_t unit = align < VS_GROWTH_UNIT ? VS_GROWTH_UNIT : align;
  uintptr_t base = growth_place(s, size, unit);
  //@ ghost Placed: ;
  if (base == 0) return VS_NO_PAGE;
  bool done = growth_prepare(s, base, size);
  //@ assert grown: HeapGrown{Placed,Here}(s) && ArenasKept{Placed,Here};
  //@ assert all: HeapGrown{Pre,Here}(s) && ArenasKept{Pre,Here};
  //@ assert same: !done ==> HeapSame{Placed,Here}(s);
  if (!done) return VS_NO_PAGE;
  uint64_t page = base / VS_PAGE_SIZE;
  //@ assert run: page + npages <= 34359738368 && RunFree(page, page + npages);
  if (align > VS_PAGE_SIZE || size == VS_GROWTH_UNIT) return page;
  uint64_t lowest = pagealloc_find(npages);
  //@ assert lowest: lowest <= page;
  return lowest;
}

bool growth_at(struct space *s, uint64_t page, uint64_t npages) {
  uintptr_t base = page * VS_PAGE_SIZE, end = space_end(s);
  size_t size = growth_round_up(npages * VS_PAGE_SIZE, VS_GROWTH_UNIT);
  //@ assert bytes: size % 8192 == 0;
  bool last = base == end || (base < end && addrranges_hold(&s->reserved, base, end));
  if (last && size > end - base) {
    size_t more = growth_round_up(size - (end - base), VS_ARENA_SIZE);
    //@ assert more: more % 8192 == 0;
    if (!growth_try(s, more, 0)) return false;
  }
  //@ ghost Tried: ;
  //@ assert same: HeapSame{Pre,Here}(s) && ArenasKept{Pre,Here};
  if (!addrranges_hold(&s->reserved, base, base + size)) return false;
  //@ assert ends: SpaceReserved(s, base) && SpaceReserved(s, base + size - 1);
  //@ assert range: OsRange(base, size);
  bool done = growth_prepare(s, base, size);
  //@ assert grown: HeapGrown{Tried,Here}(s) && ArenasKept{Tried,Here};
  //@ assert kept: HeapGrown{Pre,Here}(s) && ArenasKept{Pre,Here};
  //@ assert refused: !done ==> HeapSame{Tried,Here}(s);
  //@ assert added: done ==> RunAdded{Tried,Here}(s, page, page + npages);
  return done;
}
