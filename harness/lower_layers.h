/* SPDX-License-Identifier: Apache-2.0
 *
 * What lies below alloc and mcache in the harnesses on a few small spans: memory for mcaches, a page heap without large
 * blocks. Where spans come from and go to is left to who includes it.
 *
 * Before it is included: N_MCACHES; and unexpected(property), which ends the execution as failed.
 */
#ifndef LOWER_LAYERS_H
#define LOWER_LAYERS_H

#include <stdlib.h>

#include "arena.h"
#include "mcache.h"
#include "mheap.h"
#include "os.h"
#include "scavenge.h"
#include "thread_keys.h"

static struct heap_arena arena;
static struct mcache mcaches[N_MCACHES];
static size_t metadata_used, metadata_end = N_MCACHES;
struct mheap vs_heap;

void *os_metadata(size_t size) {
  if (size != sizeof *mcaches || metadata_used == metadata_end) return NULL;
  return &mcaches[metadata_used++];
}
uintptr_t mheap_alloc_large(size_t size, size_t align, bool *zeroed) {
  (void)size;
  (void)align;
  (void)zeroed;
  unexpected("page-heap-called");
}
bool mheap_free_large(struct mspan *s) {
  (void)s;
  unexpected("page-heap-called");
}
bool mheap_is_dirty(uintptr_t addr) {
  (void)addr;
  unexpected("page-heap-called");
}
bool mheap_resize_large(struct mspan *s, uint64_t npages) {
  (void)s;
  (void)npages;
  unexpected("page-heap-called");
}
bool mheap_move_large(struct mspan *from, struct mspan *to, uint64_t npages) {
  (void)from;
  (void)to;
  (void)npages;
  unexpected("page-heap-called");
}
void scavenge_assist(void) {}
uint64_t scavenge_trim(void) { return 0; }

/* Enters n spans of a class in the arena, one behind the other. Once. */
static void enter_spans(struct mspan *spans, uint32_t n, uint32_t spanclass) {
  vs_arena_map[1] = &arena;
  arena_set_head(&arena, 0, VS_ARENA_PAGES, &vs_empty_span);
  for (uint32_t page = 1; n > 0; n--, page += spans->npages, spans++) {
    mspan_init(spans, VS_ARENA_SIZE + (uintptr_t)page * VS_PAGE_SIZE, spanclass, true);
    arena_set_head(&arena, page, spans->npages, spans);
  }
}

#endif
