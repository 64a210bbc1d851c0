/* SPDX-License-Identifier: Apache-2.0
 *
 * The auditor's view of a live heap: statistics, and a check of the invariants that the proofs establish, on the
 * heap as it is: ArenaInv, ChunkInv, the summaries and the page counts, and MspanBits and MspanInv for each span. See
 * verispan.h.
 */
#include <stdbool.h>
#include <stdio.h>

#include "mcache.h"
#include "mheap.h"
#include "verispan.h"

#define EXPORT __attribute__((visibility("default")))

struct audit {
  void (*report)(void *context, const char *violation);
  void *context;
  size_t violations;
  uint64_t used;  /* pages seen in use, and dirty */
  uint64_t dirty;
};

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

/* A span that starts at page. */
static void audit_span(struct audit *audit, const struct mspan *s, uint32_t arena, uint32_t page) {
  if (spanctl_owner(vs_load_relaxed_u64(&s->ctl)) == VS_OWNER_LARGE) return;
  if (!audit_geometry(s))
    audit_fail(audit, "span whose geometry is not its class's", arena, page);
  else if (!audit_bits(s))
    audit_fail(audit, "span whose bits contradict each other", arena, page);
}

/* Whether the bit of page in one of the bitmaps of its chunk is set. */
static bool audit_bit(const uint64_t *map, uint64_t page) {
  uint32_t p = (uint32_t)(page % VS_CHUNK_PAGES);
  return bits_test(map[p / VS_WORD_BITS], p % VS_WORD_BITS);
}

/* Counts a page, and checks its three bits. Whether it is in use. */
VS_REQUIRES(vs_heap.lock) static bool audit_page(struct audit *audit, uint32_t arena, uint32_t page) {
  uint64_t number = (uint64_t)arena * VS_ARENA_PAGES + page;
  const struct page_chunk *c = pagealloc_chunk(number);
  uintptr_t addr = (uintptr_t)number * VS_PAGE_SIZE;
  bool grown = addrranges_hold(&vs_heap.space.heap, addr, addr + VS_PAGE_SIZE);
  bool in_use = grown && !audit_bit(c->free, number), dirty = audit_bit(c->dirty, number);
  audit->used += in_use;
  audit->dirty += dirty;
  if (audit_bit(c->cold, number) && (in_use || !dirty))
    audit_fail(audit, "cold page in use or not dirty", arena, page);
  if (!grown && (dirty || audit_bit(c->free, number))) audit_fail(audit, "page that is not the heap's", arena, page);
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
      audit_span(audit, head, number, page);
    }
    if (in_use != (page < end)) audit_fail(audit, "page in use without a span, or the reverse", number, page);
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
  bool right = up0 < vs_pages.end0;
  for (uint32_t i = 0; i < VS_BLOCK_CHUNKS; i++) right &= b->level4[i] == pagechunk_summarize(b->chunk[i].free);
  for (uint32_t i = 0; i < VS_SUM_CHILDREN; i++)
    right &= b->level3[i] == pagesum_merge(&b->level4[i * VS_SUM_CHILDREN], VS_CHUNK_PAGES);
  right &= vs_pages.level2[number] == pagesum_merge(b->level3, VS_LEVEL3_PAGES);
  right &= vs_pages.level1[up1] == pagesum_merge(&vs_pages.level2[up1 * VS_SUM_CHILDREN], VS_LEVEL2_PAGES);
  return right && vs_pages.level0[up0] == pagesum_merge(&vs_pages.level1[up0 * VS_SUM_CHILDREN], VS_LEVEL1_PAGES);
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
  struct audit audit = {report, context, 0, 0, 0};
  uint64_t covered = 0;
  lock_acquire(&vs_heap.lock);
  for (uint32_t i = 0; i < vs_pages.nblocks; i++) covered = audit_block(&audit, vs_pages.number[i], covered);
  if (audit.used != vs_heap.used_pages) audit_fail(&audit, "count of pages in use", 0, 0);
  if (audit.dirty != vs_heap.dirty_pages) audit_fail(&audit, "count of pages that hold memory", 0, 0);
  lock_release(&vs_heap.lock);
  return audit.violations;
}

EXPORT void vs_stats(struct vs_stats *stats) {
  lock_acquire(&vs_heap.lock);
  stats->reserved = addrranges_bytes(&vs_heap.space.reserved) + addrranges_bytes(&vs_heap.space.heap);
  stats->in_use = vs_heap.used_pages * VS_PAGE_SIZE;
  stats->resident = vs_heap.dirty_pages * VS_PAGE_SIZE;
  stats->released = vs_heap.released_bytes;
  stats->metadata = vs_heap.narenas * sizeof(struct heap_arena) + vs_pages.nblocks * sizeof(struct page_block) +
                    mcache_count() * sizeof(struct mcache);
  stats->arenas = vs_heap.narenas;
  stats->spans = vs_heap.spans;
  stats->mcaches = mcache_count();
  lock_release(&vs_heap.lock);
}

#ifndef VS_SOURCE_SHA256
#error "VS_SOURCE_SHA256 is set by the Makefile"
#endif

EXPORT const char *vs_certificate(void) {
  return "{\"name\":\"verispan\",\"version\":\"" VERISPAN_VERSION "\",\"source_sha256\":\"" VS_SOURCE_SHA256 "\"}";
}
