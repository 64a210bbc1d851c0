/* SPDX-License-Identifier: Apache-2.0
 * The page heap. See mheap.h. */
#include "mheap.h"

#include "fit.h"
#include "os.h"
#include "ownership.h"

#include "../spec/mheap.acsl"

struct mheap vs_heap = {.lock = VS_LOCK_INIT, .reclaim = VS_RECLAIM_INIT};

/* A large block that must be zero is zeroed by the system if fewer of its pages than this fraction hold data: zeroing
 * it here would touch them all. */
#define SPARSE_FRACTION 8u

/* A cache takes at most this fraction of the pages in use, and all of them the other one, so that they cost as little
 * memory; no fewer pages than for so many more spans, so that it saves more than it costs. */
#define CACHE_FRACTION 128u
#define CACHES_FRACTION 16u
#define CACHE_MIN_SPANS 2u

/* The arena of a page, which is in the map. */
/*@ requires bound: page < 34359738368;
    requires inv: ArenasInv;
    requires there: vs_arena_map[page / 8192] != \null;
    terminates \true;
    assigns \result \from page, vs_arena_map[0 .. 4194303];
    ensures exact: \result == vs_arena_map[page / 8192] && \result == &g_arenas[page / 8192];
*/
HEAP_LOCKED static struct heap_arena *mheap_arena(uint64_t page) {
  //@ assert at: 0 <= page / 8192 < 4194304 && ArenaAt(page / 8192);
  return vs_arena_map[page / VS_ARENA_PAGES];
}

/* arena_take_descriptor, and one more is in use. */
/*@ requires valid: \valid(a) && \separated(a, &vs_heap);
    requires inv: DescriptorsInv(a);
    requires left: a->nfree > 0 || a->nspans < 8192;
    requires count: vs_heap.spans < 34359738368;
    terminates \true;
    assigns vs_heap.spans, a->nfree, a->nspans;
    assigns \result \from a, a->free[0 .. 8191], a->nfree, a->nspans;
    ensures inv: DescriptorsInv(a);
    ensures own: \exists integer k; 0 <= k < 8192 && \result == &a->span[k] && DescriptorFree{Pre}(a, k) &&
      !DescriptorFree(a, k);
    ensures others: \forall integer k; 0 <= k < 8192 ==> \result != &a->span[k] ==>
      (DescriptorFree(a, k) <==> DescriptorFree{Pre}(a, k));
    ensures count: vs_heap.spans == \old(vs_heap.spans) + 1;
*/
HEAP_LOCKED static struct mspan *mheap_take_descriptor(struct heap_arena *a) {
  vs_heap.spans++;
  return arena_take_descriptor(a);
}

/* arena_put_descriptor, and one less is in use. */
/*@ requires valid: \valid(a) && \separated(a, &vs_heap);
    requires inv: DescriptorsInv(a);
    requires used: \exists integer k; 0 <= k < 8192 && s == &a->span[k] && !DescriptorFree(a, k);
    requires count: 1 <= vs_heap.spans;
    terminates \true;
    assigns vs_heap.spans, a->nfree;
    assigns a->free[0 .. 8191] \from s;
    ensures inv: DescriptorsInv(a);
    ensures free: \forall integer k; 0 <= k < 8192 ==>
      (DescriptorFree(a, k) <==> DescriptorFree{Pre}(a, k) || s == &a->span[k]);
    ensures count: vs_heap.spans == \old(vs_heap.spans) - 1;
*/
HEAP_LOCKED static void mheap_put_descriptor(struct heap_arena *a, struct mspan *s) {
  arena_put_descriptor(a, s);
  vs_heap.spans--;
}

/* Makes npages pages from page first on the span of descriptor s of arena a. The caller owns them, and the descriptor. */
/*@ requires valid: \valid(a) && \separated(a, &vs_empty_span);
    requires bound: first < 34359738368 && 1 <= npages;
    requires own: \exists integer k; 0 <= k < 8192 && s == &a->span[k];
    requires inv: ArenaInv(a, first / 8192);
    requires unmapped: \forall integer q; 0 <= q < 8192 ==> a->head[q] != s;
    requires free: \forall integer q; first % 8192 <= q < 8192 ==> q < first % 8192 + npages ==> a->head[q] == &vs_empty_span;
    terminates \true;
    assigns s->base, s->npages;
    assigns a->head[0 .. 8191] \from s;
    assigns \result \from s;
    ensures inv: ArenaInv(a, first / 8192);
    ensures span: \result == s && s->base == 8192 * first && s->npages == npages;
    ensures set: \forall integer q; first % 8192 <= q < 8192 ==> q < first % 8192 + npages ==> a->head[q] == s;
    ensures frame: \forall integer q; 0 <= q < 8192 ==> !(first % 8192 <= q < first % 8192 + npages) ==>
      a->head[q] == \old(a->head[q]);
*/
static struct mspan *mheap_enter_span(struct heap_arena *a, struct mspan *s, uint64_t first, uint32_t npages) {
  s->base = page_address(first);
  s->npages = npages;
  //@ assert base: s->base == 8192 * first && s->base / 67108864 == first / 8192 && s->base % 8192 == 0;
  //@ assert heads: \forall integer q; 0 <= q < 8192 ==> a->head[q] == \at(a->head[q], Pre);
  /*@ assert others: \forall integer k, q; 0 <= k < 8192 ==> &a->span[k] != s ==>
        (SpanCovers(a, first / 8192, k, q) <==> SpanCovers{Pre}(a, first / 8192, k, q)); */
  /*@ assert mapped: \forall integer k; 0 <= k < 8192 ==> &a->span[k] != s ==>
        SpanMapped{Pre}(a, first / 8192, k) ==> SpanMapped(a, first / 8192, k); */
  //@ assert inv: \forall integer q; 0 <= q < 8192 ==> PageInv{Pre}(a, first / 8192, q) ==> PageInv(a, first / 8192, q);
  //@ assert start: first == first / 8192 * 8192 + first % 8192;
  /*@ assert has: \forall integer q; 0 <= q < 8192 ==>
        (SpanHas(s, q) <==> first % 8192 <= q < first % 8192 + npages); */
  arena_enter(a, s);
  return s;
}

/* A span of npages pages from page first on. */
/*@ requires bound: first < 34359738368 && 1 <= npages;
    requires inv: ArenasInv;
    requires there: vs_arena_map[first / 8192] != \null;
    requires heads: HeadsInv(&g_arenas[first / 8192]);
    requires fits: SpanFits(&g_arenas[first / 8192], first % 8192, npages);
    requires count: vs_heap.spans < 34359738368;
    terminates \true;
    assigns vs_heap.spans, g_arenas[first / 8192].nfree, g_arenas[first / 8192].nspans,
      g_arenas[first / 8192].span[0 .. 8191].base, g_arenas[first / 8192].span[0 .. 8191].npages;
    assigns g_arenas[first / 8192].head[0 .. 8191] \from first, vs_arena_map[0 .. 4194303];
    assigns \result \from first, vs_arena_map[0 .. 4194303];
    ensures order: ArenaOrder(&g_arenas[first / 8192], first / 8192);
    ensures heads: HeadsInv(&g_arenas[first / 8192]);
    ensures span: \result->base == 8192 * first && \result->npages == npages;
    ensures own: \exists integer k; 0 <= k < 8192 && \result == &g_arenas[first / 8192].span[k] &&
      DescriptorFree{Pre}(&g_arenas[first / 8192], k) && !DescriptorFree(&g_arenas[first / 8192], k);
    ensures set: \forall integer q; first % 8192 <= q < 8192 ==> q < first % 8192 + npages ==>
      g_arenas[first / 8192].head[q] == \result;
    ensures frame: \forall integer q; 0 <= q < 8192 ==> !(first % 8192 <= q < first % 8192 + npages) ==>
      g_arenas[first / 8192].head[q] == \old(g_arenas[first / 8192].head[q]);
    ensures count: vs_heap.spans == \old(vs_heap.spans) + 1;
*/
HEAP_LOCKED static struct mspan *mheap_new_span(uint64_t first, uint32_t npages) {
  struct heap_arena *a = mheap_arena(first);
  //@ assert at: 0 <= first / 8192 < 4194304 && ArenaAt(first / 8192);
  //@ assert order: ArenaInv(a, first / 8192) && DescriptorsInv(a);
  //@ ghost Found: ;
  struct mspan *s = mheap_take_descriptor(a);
  //@ assert heads: \forall integer q; 0 <= q < 8192 ==> a->head[q] == \at(a->head[q], Found);
  /*@ assert covers: \forall integer k, q; 0 <= k < 8192 ==>
        (SpanCovers(a, first / 8192, k, q) <==> SpanCovers{Found}(a, first / 8192, k, q)); */
  //@ assert mapped: \forall integer k; 0 <= k < 8192 ==> SpanMapped{Found}(a, first / 8192, k) ==> SpanMapped(a, first / 8192, k);
  //@ assert pages: \forall integer q; 0 <= q < 8192 ==> PageInv{Found}(a, first / 8192, q) ==> PageInv(a, first / 8192, q);
  //@ assert inv: ArenaInv(a, first / 8192);
  //@ assert unmapped: \forall integer q; 0 <= q < 8192 ==> a->head[q] != s;
  //@ ghost Taken: ;
  mheap_enter_span(a, s, first, npages);
  //@ assert back: \forall integer k; 0 <= k < 8192 ==> (DescriptorFree(a, k) <==> DescriptorFree{Taken}(a, k));
  //@ assert stack: StackSame{Taken,Here}(a);
  //@ assert descriptors: DescriptorsInv(a);
  return s;
}

/* Notes that pages were taken, of which clean held no memory before. */
/*@ requires inv: HeapInv;
    requires bound: clean <= 34359738368;
    terminates \true;
    assigns vs_heap.reclaim;
    ensures inv: HeapInv;
    ensures frame: PagesFrame{Pre,Here}(&vs_heap.pages);
*/
HEAP_LOCKED static void mheap_note_taken(uint64_t clean) {
  growth_apart(&vs_heap.pages.space);
  //@ assert counts: ReclaimCounts(vs_heap.pages.used, vs_heap.pages.dirty);
  reclaim_note_taken(&vs_heap.reclaim, clean, vs_heap.pages.used, vs_heap.pages.dirty);
  //@ assert sets: SetsSame{Pre,Here}(&vs_heap.pages.space);
  //@ assert places: \forall integer n; 0 <= n < 4194304 ==> ArenaSame{Pre,Here}(&g_arenas[n]);
  /*@ assert words: \forall integer m, k, w; 0 <= m < 1048576 ==> 0 <= k < 64 ==> 0 <= w < 8 ==> HasBlock(m) ==>
        vs_pages.block[m]->chunk[k].free[w] == \at(vs_pages.block[m]->chunk[k].free[w], Pre) &&
        vs_pages.block[m]->chunk[k].dirty[w] == \at(vs_pages.block[m]->chunk[k].dirty[w], Pre); */
  //@ assert frame: PagesFrame{Pre,Here}(&vs_heap.pages);
}

/* Takes pages for a span, from page on if it is one, and else from new arenas; NULL if refused. */
HEAP_LOCKED static struct mspan *mheap_take(uint64_t page, uint32_t npages, size_t align, uint64_t *dirty) {
  if (page == VS_NO_PAGE) page = pageheap_grow(&vs_heap.pages, npages, align);
  if (page == VS_NO_PAGE) return 0;
  *dirty = pageheap_take(&vs_heap.pages, page, npages);
  struct mspan *s = mheap_new_span(page, npages);
  mheap_note_taken(npages - *dirty);
  return s;
}

/* Returns the pages of a span that nobody knows any more. */
static void mheap_release_span(struct mspan *s) {
  uint64_t npages = s->npages, first = s->base / VS_PAGE_SIZE;
  mheap_lock();
  struct heap_arena *a = mheap_arena(first);
  arena_leave(a, s);
  pageheap_put(&vs_heap.pages, first, npages);
  mheap_put_descriptor(a, s);
  reclaim_note(&vs_heap.reclaim, vs_heap.pages.used, vs_heap.pages.dirty);
  mheap_unlock();
}

/* ---- caches ---- */

/* Puts a cache, which is written, in front of the list of caches: who finds it there finds that too (T-01). */
/*@ requires valid: \valid(c);
    terminates \true;
    assigns vs_heap.caches \from c;
    ensures first: vs_heap.caches == c;
*/
#ifdef __FRAMAC__
HEAP_LOCKED static void mheap_publish_cache(struct mheap_cache *c);
#else
struct mheap_cache *mheap_caches(void) { return __atomic_load_n(&vs_heap.caches, __ATOMIC_ACQUIRE); }
HEAP_LOCKED static void mheap_publish_cache(struct mheap_cache *c) { __atomic_store_n(&vs_heap.caches, c, __ATOMIC_RELEASE); }
#endif

/* Reserves descriptors for the spans of npages pages that the pages of a cache may become. */
HEAP_LOCKED static void mheap_reserve_descriptors(struct mheap_cache *c, uint32_t npages) {
  uint32_t want = bits_count(c->pages.free) / npages;
  if (want > VS_CACHE_DESCRIPTORS) want = VS_CACHE_DESCRIPTORS;
  while (c->nspare < want) {
    c->spare[c->nspare] = mheap_take_descriptor(c->arena);
    vs_store_relaxed_u64(&c->nspare, c->nspare + 1);
  }
}

/* Takes a descriptor out of a cache. */
/*@ requires valid: \valid(c);
    requires some: 1 <= c->nspare <= VS_CACHE_DESCRIPTORS;
    requires there: \valid(c->spare[c->nspare - 1]);
    terminates \true;
    assigns c->nspare;
    assigns \result \from c->spare[0 .. 15], c->nspare;
    ensures one: c->nspare == \old(c->nspare) - 1;
    ensures last: \result == c->spare[c->nspare];
*/
static struct mspan *mheap_pop_descriptor(struct mheap_cache *c) {
  vs_store_relaxed_u64(&c->nspare, c->nspare - 1);
  return c->spare[c->nspare];
}

/* A cache has the given pages of the group that starts at page first now, in place of those that it had. */
HEAP_LOCKED static void mheap_set_pages(struct mheap_cache *c, uint64_t first, uint64_t pages, uint64_t clean) {
  vs_heap.filled_pages += bits_count(pages);
  vs_heap.filled_pages -= c->filled;
  c->filled = bits_count(pages);
  vs_store_relaxed_u64(&c->pages.first, first);
  vs_store_relaxed_u64(&c->pages.free, pages);
  vs_store_relaxed_u64(&c->pages.clean, clean);
}

/* Returns what a cache holds that has pages. */
HEAP_LOCKED static void mheap_flush_cache(struct mheap_cache *c) {
  pageheap_put_group(&vs_heap.pages, c->pages.first, c->pages.free, c->pages.clean);
  mheap_set_pages(c, 0, 0, 0);
  while (c->nspare != 0) mheap_put_descriptor(c->arena, mheap_pop_descriptor(c));
}

/* The free pages that a cache may take of the group of a page, from that page on: bit k is page k of the group. */
/*@ requires inv: HeapInv;
    requires bound: page < 34359738368;
    requires block: HasBlock(page / 32768);
    terminates \true;
    assigns \nothing;
    ensures pages: \forall integer k; 0 <= k < 64 ==> (Bit(\result, k) ==>
      page % 64 <= k < page % 64 + vs_heap.pages.used / 128 && PageFree(page / 64 * 64 + k));
    ensures all: vs_heap.filled_pages + 64 <= vs_heap.pages.used / 16 ==> \forall integer k; page % 64 <= k < 64 ==>
      k < page % 64 + vs_heap.pages.used / 128 ==> PageFree(page / 64 * 64 + k) ==> Bit(\result, k);
    ensures most: \result != 0 ==> vs_heap.filled_pages <= vs_heap.pages.used / 16;
*/
HEAP_LOCKED static uint64_t mheap_cacheable(uint64_t page) {
  uint32_t k = (uint32_t)(page % VS_GROUP_PAGES), w = (uint32_t)(page % VS_CHUNK_PAGES / VS_GROUP_PAGES);
  uint64_t most = vs_heap.pages.used / CACHE_FRACTION, all = vs_heap.pages.used / CACHES_FRACTION;
  uint32_t end = most < VS_GROUP_PAGES - k ? k + (uint32_t)most : VS_GROUP_PAGES;
  if (vs_heap.filled_pages + (end - k) > all) return 0;
  uint64_t free = pagealloc_chunk(page)->free[w];
  //@ ghost uint64_t first = page / 64 * 64;
  //@ assert group: first % 64 == 0 && first <= page < first + 64 && first / 32768 == page / 32768;
  //@ assert parts: page == page / 512 * 512 + page % 512 && page % 512 == 64 * w + page % 64 && first == page - page % 64;
  //@ assert start: first == page / 512 * 512 + 64 * w && 0 <= 64 * w < 512;
  //@ assert chunk: first / 512 == page / 512 && first % 512 == 64 * w;
  //@ assert block: \forall integer j; 0 <= j < 64 ==> (first + j) / 32768 == page / 32768;
  //@ assert chunks: \forall integer j; 0 <= j < 64 ==> (first + j) / 512 == page / 512;
  //@ assert place: \forall integer j; 0 <= j < 64 ==> (first + j) % 512 == 64 * w + j;
  //@ assert word: \forall integer j; 0 <= j < 64 ==> (64 * w + j) / 64 == w && (64 * w + j) % 64 == j;
  /*@ assert bits: \forall integer j; 0 <= j < 64 ==>
        (Bit(free, j) <==> MapBit(&vs_pages.block[page / 32768]->chunk[page / 512 % 64].free[0], 64 * w + j)); */
  //@ assert pages: \forall integer j; 0 <= j < 64 ==> (Bit(free, j) <==> PageFree(first + j));
  return free & bits_below(end) & bits_not(bits_below(k));
}

/* Fills an empty cache with the pages behind the last page of a span of npages pages that was just made, if they are
 * worth it. */
HEAP_LOCKED static void mheap_fill_cache(struct mheap_cache *c, uint64_t last, uint32_t npages) {
  uint64_t first = last / VS_GROUP_PAGES * VS_GROUP_PAGES, pages = mheap_cacheable(last);
  if (bits_count(pages) < CACHE_MIN_SPANS * npages) return;
  struct page_group got = pageheap_take_group(&vs_heap.pages, first, pages);
  mheap_set_pages(c, first, got.pages, got.clean);
  c->arena = mheap_arena(first);
  mheap_reserve_descriptors(c, npages);
  if (!c->listed) {
    c->listed = true;
    c->next = vs_heap.caches;
    mheap_publish_cache(c);
  }
  mheap_note_taken(bits_count(got.clean));
}

/* A span of npages pages out of a cache; NULL if it has no such pages, or no descriptor that it can spare. */
static struct mspan *mheap_take_cached(struct mheap_cache *c, uint32_t npages, uint64_t *dirty) {
  uint64_t clean;
  if (c->nspare == 0 || c->nspare - 1 + npages > bits_count(c->pages.free)) return 0;
  uint32_t k = pagecache_alloc(&c->pages, npages, &clean);
  if (k == VS_GROUP_PAGES) return 0;
  *dirty = npages - bits_count(clean);
  return mheap_enter_span(c->arena, mheap_pop_descriptor(c), c->pages.first + k, npages);
}

/* The same after that was refused: with more descriptors, or else from the page allocator. NULL if the system refused. */
HEAP_LOCKED static struct mspan *mheap_take_refill(struct mheap_cache *c, uint32_t npages, uint64_t *dirty) {
  if (c->pages.free != 0) {
    mheap_reserve_descriptors(c, npages);
    struct mspan *s = mheap_take_cached(c, npages, dirty);
    if (s) return s;
    mheap_flush_cache(c);
  }
  struct mspan *s = mheap_take(fit_arena(npages), npages, 1, dirty);
  if (s) mheap_fill_cache(c, s->base / VS_PAGE_SIZE + npages - 1, npages);
  return s;
}

void mheap_flush(struct mheap_cache *c) {
  if (c->pages.free == 0) return;
  mheap_lock();
  mheap_flush_cache(c);
  mheap_unlock();
}

/* ---- spans ---- */

struct mspan *mheap_alloc(uint32_t spanclass, uint64_t ctl, struct mheap_cache *cache) {
  uint32_t npages = vs_class_pages[spanclass / 2];
  uint64_t dirty = 0;
  struct mspan *s = mheap_take_cached(cache, npages, &dirty);
  if (!s) {
    mheap_lock();
    s = mheap_take_refill(cache, npages, &dirty);
    mheap_unlock();
  }
  if (!s) return 0;
  mspan_init(s, s->base, spanclass, dirty != 0);
  s->next = 0;
  s->prev = 0;
  ownership_begin(s, ctl);
  return s;
}

void mheap_free(struct mspan *s) {
  ownership_end(s);
  mheap_release_span(s);
}

uintptr_t mheap_alloc_large(size_t size, size_t align, bool *zeroed) {
  uint64_t pages = page_count(size);
  uint32_t npages = pages == 0 ? 1 : (uint32_t)pages;
  uint64_t align_pages = align > VS_PAGE_SIZE ? align / VS_PAGE_SIZE : 1;
  uint64_t dirty = 0;
  mheap_lock();
  struct mspan *s = mheap_take(fit_aligned(npages, align_pages), npages, align, &dirty);
  mheap_unlock();
  if (!s) return 0;
  s->spanclass = 0;
  s->elem_size = 0;
  s->nelems = 1;
  bool release = *zeroed && dirty != 0 && dirty < npages / SPARSE_FRACTION;
  if (release && os_release(s->base, (size_t)npages * VS_PAGE_SIZE) == 0) dirty = 0;
  s->needzero = dirty != 0;
  *zeroed = dirty == 0;
  ownership_begin_large(s);
  return s->base;
}

bool mheap_free_large(struct mspan *s) {
  if (!ownership_end_large(s)) return false;
  mheap_release_span(s);
  return true;
}

/* The pages of the arena that a large span starts in between its pages from and to: their span is s, or none. */
/*@ requires valid: \valid_read(s);
    requires bound: from <= to <= 34359738368;
    requires there: s->base / 67108864 < 4194304 && vs_arena_map[s->base / 67108864] != \null;
    requires inv: ArenasInv;
    terminates \true;
    assigns g_arenas[s->base / 67108864].head[0 .. 8191] \from head;
    ensures set: \forall integer q; \old(s->base) % 67108864 / 8192 + from <= q < 8192 ==>
      q < \old(s->base) % 67108864 / 8192 + to ==> g_arenas[\old(s->base) / 67108864].head[q] == head;
    ensures frame: \forall integer q; 0 <= q < 8192 ==>
      !(\old(s->base) % 67108864 / 8192 + from <= q < \old(s->base) % 67108864 / 8192 + to) ==>
      g_arenas[\old(s->base) / 67108864].head[q] == \old(g_arenas[s->base / 67108864].head[q]);
*/
HEAP_LOCKED static void mheap_set_heads(const struct mspan *s, uint64_t from, uint64_t to, struct mspan *head) {
  uint64_t page = arena_page(s->base), first = page + from;
  uint64_t end = page + to < VS_ARENA_PAGES ? page + to : VS_ARENA_PAGES;
  if (first >= VS_ARENA_PAGES) return;
  uint64_t at = s->base / VS_PAGE_SIZE;
  //@ assert number: at / 8192 == s->base / 67108864;
  struct heap_arena *a = mheap_arena(at);
  //@ assert arena: a == &g_arenas[s->base / 67108864];
  arena_set_head(a, (uint32_t)first, (uint32_t)(end - first), head);
}

/* Whether the npages pages from page on are free, or the heap can grow by those that are not its own. */
/*@ requires inv: HeapInv;
    requires bound: page <= 34359738368 && 1 <= npages <= 4294967295;
    terminates \true;
    assigns vs_heap.pages, g_os[0 .. 34359738367], { *BlockPlace(n) | integer n; 0 <= n < 1048576 };
    assigns vs_pages, vs_arena_map[0 .. 4194303], g_arenas[0 .. 4194303] \from page, npages, vs_pages, &vs_empty_span;
    ensures inv: HeapInv;
    ensures guarantee: Guarantee{Pre,Here}(&vs_heap.pages.space);
    ensures free: \result ==> page + npages <= 34359738368 && RunFree(page, page + npages);
*/
HEAP_LOCKED static bool mheap_reach(uint64_t page, uint64_t npages) {
  growth_apart(&vs_heap.pages.space);
  uint64_t run = pagealloc_run(page, npages);
  //@ assert free: \forall integer p; page <= p < page + run ==> PageFree(p);
  //@ assert inside: InsideInv(&vs_heap.pages.space);
  //@ assert there: \forall integer p; page <= p < page + run ==> HeapPage(&vs_heap.pages.space, p);
  if (run == npages) return true;
  //@ ghost Found: ;
  bool grown = pageheap_grow_at(&vs_heap.pages, page + run, npages - run);
  /*@ assert kept: vs_heap.reclaim.peak == \at(vs_heap.reclaim.peak, Found) &&
        vs_heap.reclaim.last_peak == \at(vs_heap.reclaim.last_peak, Found) &&
        vs_heap.reclaim.owed == \at(vs_heap.reclaim.owed, Found) &&
        vs_heap.filled_pages == \at(vs_heap.filled_pages, Found); */
  //@ assert reclaim: ReclaimInv(&vs_heap.reclaim);
  //@ assert filled: vs_heap.filled_pages <= 2147483648;
  //@ assert pages: PageheapInv(&vs_heap.pages);
  //@ assert mine: MineInv(&vs_heap.pages.space);
  //@ assert grown: \forall integer p; page <= p < page + run ==> PageGrown{Found,Here}(&vs_heap.pages.space, p);
  //@ assert heap: \forall integer p; page <= p < page + run ==> HeapPage{Found}(&vs_heap.pages.space, p);
  /*@ assert each: \forall integer p; page <= p < page + run ==> HeapPage{Found}(&vs_heap.pages.space, p) ==>
        PageGrown{Found,Here}(&vs_heap.pages.space, p) ==> (PageFree{Found}(p) <==> PageFree(p)); */
  //@ assert same: \forall integer p; page <= p < page + run ==> (PageFree{Found}(p) <==> PageFree(p));
  //@ assert still: RunFree(page, page + run);
  //@ assert new: grown ==> RunFree(page + run, page + npages);
  //@ assert last: grown ==> HeapPage(&vs_heap.pages.space, page + npages - 1);
  //@ assert bound: grown ==> page + npages <= 34359738368;
  return grown;
}

bool mheap_resize_large(struct mspan *s, uint64_t npages) {
  uint64_t first = s->base / VS_PAGE_SIZE, have = s->npages, clean = 0;
  bool done = true;
  if (npages == have) return true;
  mheap_lock();
  if (npages < have) {
    mheap_set_heads(s, npages, have, &vs_empty_span);
    pageheap_put(&vs_heap.pages, first + npages, have - npages);
  } else if (mheap_reach(first + have, npages - have)) {
    clean = npages - have - pageheap_take(&vs_heap.pages, first + have, npages - have);
    mheap_set_heads(s, have, npages, s);
  } else {
    done = false;
  }
  if (done) {
    s->npages = (uint32_t)npages;
    mheap_note_taken(clean);
  }
  mheap_unlock();
  return done;
}

/* Moves the memory of npages pages, from and into being the first ones. Whether the system did. */
/*@ requires bound: 1 <= npages && from + npages <= 34359738368 && into + npages <= 34359738368;
    requires apart: from + npages <= into || into + npages <= from;
    requires inv: HeapInv;
    requires mine: RunMine(from, from + npages) && RunMine(into, into + npages);
    terminates \true;
    assigns g_os[0 .. 34359738367];
    ensures inv: HeapInv;
*/
static bool mheap_move(uint64_t from, uint64_t into, uint64_t npages) {
  //@ assert first: RunUsed(&vs_heap.pages.space, from, from + npages);
  //@ assert from: OsUsable(8192 * from, 8192 * npages);
  //@ assert second: RunUsed(&vs_heap.pages.space, into, into + npages);
  //@ assert into: OsUsable(8192 * into, 8192 * npages);
  bool moved = os_move(page_address(from), page_address(into), (size_t)npages * VS_PAGE_SIZE) == 0;
  /*@ assert usable: \forall integer x; 0 <= x < 281474976710656 ==> OsPrepared <= \at(g_os[x / 8192], Pre) <= OsReady ==>
        OsPrepared <= g_os[x / 8192] <= OsReady; */
  /*@ assert rest: \forall integer x; 0 <= x < 281474976710656 ==> \at(g_os[x / 8192], Pre) == OsReserved ==>
        g_os[x / 8192] == OsReserved; */
  return moved;
}

bool mheap_move_large(struct mspan *from, struct mspan *to, uint64_t npages) {
  uint64_t first = from->base / VS_PAGE_SIZE;
  if (!mheap_move(first, to->base / VS_PAGE_SIZE, npages)) return false;
  mheap_lock();
  growth_apart(&vs_heap.pages.space);
  //@ ghost Locked: ;
  //@ assert mine: RunMine(first, first + npages);
  pageheap_clean(&vs_heap.pages, first, npages);
  /*@ assert kept: vs_heap.reclaim.peak == \at(vs_heap.reclaim.peak, Locked) &&
        vs_heap.reclaim.last_peak == \at(vs_heap.reclaim.last_peak, Locked) &&
        vs_heap.reclaim.owed == \at(vs_heap.reclaim.owed, Locked) &&
        vs_heap.filled_pages == \at(vs_heap.filled_pages, Locked); */
  mheap_unlock();
  return true;
}

bool mheap_is_dirty(uintptr_t addr) {
  uint64_t page = addr / VS_PAGE_SIZE;
  if (page >= VS_NO_PAGE || !vs_pages.block[page / VS_LEVEL2_PAGES]) return false;
  for (const struct mheap_cache *c = mheap_caches(); c; c = c->next) {
    uint64_t k = page - vs_load_relaxed_u64(&c->pages.first);
    if (k < VS_GROUP_PAGES && bits_test(vs_load_relaxed_u64(&c->pages.clean), (uint32_t)k)) return false;
  }
  uint32_t p = (uint32_t)(page % VS_CHUNK_PAGES);
  return bits_test(pagealloc_chunk(page)->dirty[p / VS_WORD_BITS], p % VS_WORD_BITS);
}
