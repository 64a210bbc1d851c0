/* SPDX-License-Identifier: Apache-2.0
 *
 * The auditor's view of a live heap: statistics, and a check of the invariants that the proofs establish, on the heap
 * as it is: ArenaInv, ChunkInv, CacheInv, the summaries and the page counts (each page of the heap is free, a span's
 * or in one cache), MspanBits and MspanInv for each span, and the places of the spans of collected heaps. See
 * verispan.h.
 */
#include <stdbool.h>
#include <stdio.h>

#include "mcache.h"
#include "mheap.h"
#include "scavenge.h"
#include "verispan.h"

#define EXPORT __attribute__((visibility("default")))

struct audit {
  void (*report)(void *context, const char *violation);
  void *context;
  size_t violations;
  uint64_t used;  /* pages seen in use, and dirty */
  uint64_t dirty;
  uint64_t loose; /* pages seen in use, but not by a span */
  uint64_t spans; /* spans seen */
  uint64_t pages[VS_MAX_HEAPS]; /* of the spans of each heap */
};

/* What all caches hold. */
struct audit_cached {
  uint64_t pages;
  uint64_t clean;
  uint64_t descriptors;
  uint64_t filled;
};

/* Each cache at some moment during the call. */
VS_REQUIRES(vs_heap.lock) static struct audit_cached audit_cached(void) {
  struct audit_cached sum = {0, 0, 0, 0};
  for (const struct mheap_cache *c = mheap_caches(); c; c = c->next) {
    sum.pages += bits_count(vs_load_relaxed_u64(&c->pages.free));
    sum.clean += bits_count(vs_load_relaxed_u64(&c->pages.clean));
    sum.descriptors += vs_load_relaxed_u64(&c->nspare);
    sum.filled += c->filled;
  }
  return sum;
}

static void audit_fail(struct audit *audit, const char *what, uint32_t arena, uint32_t page) {
  char line[160];
  audit->violations++;
  if (!audit->report) return;
  (void)snprintf(line, sizeof line, "%s: arena %u page %u", what, arena, page);
  audit->report(audit->context, line);
}

/* MspanBits and the count of MspanInv, for words of a small span. */
static bool audit_bits(const struct mspan *s) {
  uint32_t freed = 0;
  for (uint32_t slot = 0; slot < VS_MAX_SLOTS; slot++) {
    uint32_t word = slot / VS_WORD_BITS, bit = slot % VS_WORD_BITS;
    bool alloc = bits_test(s->alloc_bits[word], bit);
    bool mark = bits_test(vs_load_relaxed_u64(&s->mark_bits[word]), bit);
    bool cached = word == s->free_index / VS_WORD_BITS && bits_test(s->alloc_cache, bit);
    if (mark && !alloc) return false;
    if (cached && (mark || slot >= s->nelems)) return false;
    if (slot < s->free_index + VS_WORD_BITS && !alloc) return false;
    if (slot >= s->nelems && (!alloc || mark)) return false;
    freed += alloc && !mark && !cached && slot < s->nelems;
  }
  return freed == mspan_freed(s);
}

static bool audit_geometry(const struct mspan *s) {
  uint32_t sizeclass = s->spanclass / 2u;
  return sizeclass >= 1 && sizeclass < VS_NUM_SIZE_CLASSES && s->elem_size == vs_class_size[sizeclass] &&
         s->npages == vs_class_pages[sizeclass] && s->nelems == vs_class_objects[sizeclass] &&
         s->div_mul == vs_class_magic[sizeclass] && s->free_index % VS_WORD_BITS == 0 &&
         s->free_index < s->nelems;
}

/* The heap that a control word names, or NULL. */
static const struct vs_heap *audit_heap_of(uint64_t ctl) {
  uint32_t owner = spanctl_owner(ctl);
  if (owner >= VS_OWNER_HEAP && owner != VS_OWNER_LARGE)
    return owner - VS_OWNER_HEAP < VS_MAX_HEAPS ? vs_heaps[owner - VS_OWNER_HEAP] : 0;
  if (owner >= VS_OWNER_FURTHER && owner != VS_OWNER_LARGE && owner - VS_OWNER_FURTHER > mcache_count()) return 0;
  return mcache_heap(owner);
}

/* Whether a span of heap h may have this control word: h's sweepgen, or that with one of the other values of d. */
static bool audit_word(const struct vs_heap *h, uint64_t ctl) {
  uint32_t gen = spanctl_sweepgen(ctl), now = h->sweepgen;
  if (h->collected && spanctl_owner(ctl) != h->owner) return false;
  if (!h->collected && ctl == spanctl_large_of(h->owner)) return true;
  if (gen == spanctl_add(now, VS_D_OWNED)) return !spanctl_full(ctl);
  return gen == now || gen == spanctl_add(now, VS_D_UNSWEPT);
}

/* A span that starts at page. */
static void audit_span(struct audit *audit, const struct mspan *s, uint32_t arena, uint32_t page) {
  uint64_t ctl = vs_load_relaxed_u64(&s->ctl);
  const struct vs_heap *h = audit_heap_of(ctl);
  if (!h || !audit_word(h, ctl)) {
    audit_fail(audit, "span whose control word is not its heap's", arena, page);
    return;
  }
  audit->pages[h->number] += s->npages;
  if (s->elem_size == 0) return;
  if (!audit_geometry(s))
    audit_fail(audit, "span whose geometry is not its class's", arena, page);
  else if (!audit_bits(s))
    audit_fail(audit, "span whose bits contradict each other", arena, page);
}

/* The pages of the spans in a set of a collected heap, all of which have word ctl. */
static uint64_t audit_set(struct audit *audit, const struct mspan *s, uint64_t ctl) {
  uint64_t pages = 0;
  for (const struct mspan *prev = 0; s; prev = s, s = s->next) {
    uint32_t arena = (uint32_t)arena_number(s->base), page = arena_page(s->base);
    if (s->ctl != ctl) audit_fail(audit, "span that is in the wrong set", arena, page);
    if (s->prev != prev) audit_fail(audit, "span whose links contradict each other", arena, page);
    pages += s->npages;
  }
  return pages;
}

/* A collected heap: each of its spans is in one set, or active in one mcache. Not checked for locks: no other thread
 * uses it. */
VS_LOCK_UNCHECKED static void audit_heap(struct audit *audit, const struct vs_heap *h) {
  uint64_t pages = 0;
  for (uint32_t spc = 0; spc < VS_NUM_SPAN_CLASSES; spc++) {
    const struct mcentral *c = &h->central[spc];
    for (uint32_t full = 0; full < 2; full++) {
      struct mspan *const *sets = full ? c->full : c->partial;
      pages += audit_set(audit, sets[heap_swept_set(h)], spanctl_at(h->sweepgen, VS_D_SWEPT, h->owner, full));
      pages += audit_set(audit, sets[heap_unswept_set(h)], spanctl_at(h->sweepgen, VS_D_UNSWEPT, h->owner, full));
    }
    for (const struct mcache *m = h->mcaches; m; m = m->heap_next) pages += m->alloc[spc]->npages;
  }
  if (pages != h->pages) audit_fail(audit, "pages of a collected heap in no set or in two", h->number, 0);
  if (audit->pages[h->number] != h->pages) audit_fail(audit, "count of a collected heap's pages", h->number, 0);
}

/* Whether the bit of page in one of the bitmaps of its chunk is set. */
static bool audit_bit(const uint64_t *map, uint64_t page) {
  uint32_t p = (uint32_t)(page % VS_CHUNK_PAGES);
  return bits_test(map[p / VS_WORD_BITS], p % VS_WORD_BITS);
}

/* Counts a page, and checks its two bits. Whether it is in use. */
VS_REQUIRES(vs_heap.lock) static bool audit_page(struct audit *audit, uint32_t arena, uint32_t page) {
  uint64_t number = (uint64_t)arena * VS_ARENA_PAGES + page;
  const struct page_chunk *c = pagealloc_chunk(number);
  uintptr_t addr = (uintptr_t)number * VS_PAGE_SIZE;
  bool grown = addrranges_hold(&vs_heap.pages.space.heap, addr, addr + VS_PAGE_SIZE);
  bool in_use = grown && !audit_bit(c->free, number), dirty = audit_bit(c->dirty, number);
  audit->used += in_use;
  audit->dirty += dirty;
  if (!grown && (dirty || audit_bit(c->free, number))) audit_fail(audit, "page that is not the heap's", arena, page);
  if (in_use && !dirty) audit_fail(audit, "page in use that is not dirty", arena, page);
  if (grown && !in_use && number < vs_pages.search) audit_fail(audit, "free page that no search finds", arena, page);
  return in_use;
}

/* The pages of an arena. covered: pages at its start that a span of an earlier arena holds. */
VS_REQUIRES(vs_heap.lock) static uint64_t audit_arena(struct audit *audit, uint32_t number, uint64_t covered) {
  struct heap_arena *a = vs_arena_map[number];
  uint64_t end = covered; /* first page behind the last span seen */
  for (uint32_t page = 0; page < VS_ARENA_PAGES; page++) {
    const struct mspan *head = a->head[page];
    uintptr_t addr = (uintptr_t)number * VS_ARENA_SIZE + (uintptr_t)page * VS_PAGE_SIZE;
    bool covers = addr - head->base < (uint64_t)head->npages * VS_PAGE_SIZE;
    bool in_use = audit_page(audit, number, page);
    if (head != &vs_empty_span && head->base == addr) {
      if (page < end) audit_fail(audit, "span inside a span", number, page);
      end = (uint64_t)page + head->npages;
      audit->spans++;
      audit_span(audit, head, number, page);
    }
    if (!in_use && page < end) audit_fail(audit, "free page in a span", number, page);
    audit->loose += in_use && page >= end;
    if (page >= covered && (head != &vs_empty_span) != (page < end))
      audit_fail(audit, "page whose head is not its span", number, page);
    if (head != &vs_empty_span && !covers)
      audit_fail(audit, "head that does not cover its page", number, page);
  }
  return end > VS_ARENA_PAGES ? end - VS_ARENA_PAGES : 0;
}

/* The summaries below and above an entry of level 2. */
static bool audit_summaries(uint32_t number) {
  const struct page_block *b = vs_pages.block[number];
  uint32_t up1 = number / VS_SUM_CHILDREN, up0 = up1 / VS_SUM_CHILDREN;
  bool right = up0 < vs_pages.end0 || vs_pages.level0[up0] == 0; /* provided for, and the growth was refused */
  for (uint32_t i = 0; i < VS_BLOCK_CHUNKS; i++) right &= b->level4[i] == pagechunk_summarize(b->chunk[i].free);
  for (uint32_t i = 0; i < VS_SUM_CHILDREN; i++)
    right &= b->level3[i] == pagesum_merge(&b->level4[i * VS_SUM_CHILDREN], VS_CHUNK_PAGES);
  right &= vs_pages.level2[number] == pagesum_merge(b->level3, VS_LEVEL3_PAGES);
  right &= vs_pages.level1[up1] == pagesum_merge(&vs_pages.level2[up1 * VS_SUM_CHILDREN], VS_LEVEL2_PAGES);
  return right && vs_pages.level0[up0] == pagesum_merge(&vs_pages.level1[up0 * VS_SUM_CHILDREN], VS_LEVEL1_PAGES);
}

/* Whether no other cache behind c in the list has a page of c. */
static bool audit_apart(const struct mheap_cache *c) {
  for (const struct mheap_cache *d = c->next; d; d = d->next)
    if (d->pages.first == c->pages.first && (d->pages.free & c->pages.free) != 0) return false;
  return true;
}

/* The descriptors of a cache: no more than it has pages, of its arena, of no span, and none of them twice. */
static bool audit_descriptors(const struct mheap_cache *c) {
  if (c->nspare > VS_CACHE_DESCRIPTORS || c->nspare > bits_count(c->pages.free)) return false;
  for (uint64_t i = 0; i < c->nspare; i++) {
    const struct mspan *s = c->spare[i];
    if (s < &c->arena->span[0] || s >= &c->arena->span[VS_ARENA_PAGES]) return false;
    if (vs_load_relaxed_u64(&s->ctl) != 0) return false;
    for (uint64_t k = 0; k < i; k++)
      if (c->spare[k] == s) return false;
  }
  return true;
}

/* A cache: its pages are not free, no span's and no other cache's. */
VS_REQUIRES(vs_heap.lock) static void audit_cache(struct audit *audit, const struct mheap_cache *c) {
  uint32_t arena = (uint32_t)(c->pages.first / VS_ARENA_PAGES), page = (uint32_t)(c->pages.first % VS_ARENA_PAGES);
  if ((c->pages.clean & ~c->pages.free) != 0 || page % VS_GROUP_PAGES != 0 || !audit_apart(c))
    audit_fail(audit, "cache whose pages are not its own", arena, page);
  if (c->filled < bits_count(c->pages.free)) audit_fail(audit, "cache with more pages than it got", arena, page);
  if (!audit_descriptors(c)) audit_fail(audit, "cache whose descriptors are not its own", arena, page);
  for (uint32_t k = 0; k < VS_GROUP_PAGES; k++) {
    if (!bits_test(c->pages.free, k)) continue;
    if (audit_bit(pagealloc_chunk(c->pages.first)->free, c->pages.first + k) ||
        c->arena != vs_arena_map[arena] || c->arena->head[page + k] != &vs_empty_span)
      audit_fail(audit, "cached page that is free or a span's", arena, page + k);
  }
}

/* Adds up the arenas with metadata, each of which lies in a block of the page allocator, and the descriptors handed out. */
VS_REQUIRES(vs_heap.lock) static void audit_arenas(uint64_t *arenas, uint64_t *descriptors) {
  *arenas = *descriptors = 0;
  for (uint32_t i = 0; i < vs_pages.nblocks; i++) {
    uint64_t first = (uint64_t)vs_pages.number[i] * VS_LEVEL2_PAGES / VS_ARENA_PAGES;
    for (uint64_t n = first; n < first + VS_LEVEL2_PAGES / VS_ARENA_PAGES; n++) {
      const struct heap_arena *a = vs_arena_map[n];
      if (!a) continue;
      *arenas += 1;
      *descriptors += a->nspans - a->nfree;
    }
  }
}

/* The caches, and the counts of what they hold and the rest of the heap has not. */
VS_REQUIRES(vs_heap.lock) static void audit_counts(struct audit *audit) {
  struct audit_cached cached = audit_cached();
  uint64_t arenas, descriptors;
  audit_arenas(&arenas, &descriptors);
  for (const struct mheap_cache *c = mheap_caches(); c; c = c->next) audit_cache(audit, c);
  if (audit->used != vs_heap.pages.used) audit_fail(audit, "count of pages in use", 0, 0);
  if (audit->dirty != vs_heap.pages.dirty) audit_fail(audit, "count of pages that hold memory", 0, 0);
  if (audit->loose != cached.pages) audit_fail(audit, "count of pages in use without a span", 0, 0);
  if (cached.filled != vs_heap.filled_pages) audit_fail(audit, "count of pages that caches got", 0, 0);
  if (audit->spans + cached.descriptors != descriptors) audit_fail(audit, "count of spans", 0, 0);
}

/* The arenas of a block. covered: as in audit_arena. */
VS_REQUIRES(vs_heap.lock) static uint64_t audit_block(struct audit *audit, uint32_t number, uint64_t covered) {
  uint32_t first = number * (VS_LEVEL2_PAGES / VS_ARENA_PAGES);
  if (!audit_summaries(number)) audit_fail(audit, "summary that is not that of its pages", first, 0);
  for (uint32_t arena = first; arena < first + VS_LEVEL2_PAGES / VS_ARENA_PAGES; arena++)
    if (vs_arena_map[arena]) covered = audit_arena(audit, arena, covered);
  return covered;
}

EXPORT size_t vs_audit(void (*report)(void *context, const char *violation), void *context) {
  struct audit audit = {.report = report, .context = context};
  uint64_t covered = 0;
  scavenge_lock();
  mheap_lock();
  for (uint32_t i = 0; i < vs_pages.nblocks; i++) covered = audit_block(&audit, vs_pages.number[i], covered);
  audit_counts(&audit);
  mheap_unlock();
  scavenge_unlock();
  for (uint32_t n = 1; n < VS_MAX_HEAPS && vs_heaps[n]; n++)
    if (vs_heaps[n]->collected) audit_heap(&audit, vs_heaps[n]);
  return audit.violations;
}

EXPORT void vs_stats(struct vs_stats *stats) {
  uint64_t heaps = heap_count();
  mheap_lock();
  struct audit_cached cached = audit_cached();
  stats->reserved = addrranges_bytes(&vs_heap.pages.space.reserved) + addrranges_bytes(&vs_heap.pages.space.heap);
  stats->in_use = (vs_heap.pages.used - cached.pages - vs_heap.leaving_pages) * VS_PAGE_SIZE;
  stats->resident = (vs_heap.pages.dirty - cached.clean) * VS_PAGE_SIZE;
  stats->released = vs_heap.released_bytes;
  audit_arenas(&stats->arenas, &stats->spans);
  stats->spans -= cached.descriptors;
  stats->metadata = stats->arenas * sizeof(struct heap_arena) + vs_pages.nblocks * sizeof(struct page_block) +
                    mcache_count() * sizeof(struct mcache) + heaps * sizeof(struct vs_heap);
  stats->mcaches = mcache_count();
  mheap_unlock();
}

#ifndef VS_SOURCE_SHA256
#error "VS_SOURCE_SHA256 is set by the Makefile"
#endif

EXPORT const char *vs_certificate(void) {
  return "{\"name\":\"verispan\",\"version\":\"" VERISPAN_VERSION "\",\"source_sha256\":\"" VS_SOURCE_SHA256 "\"}";
}
