/* SPDX-License-Identifier: Apache-2.0
 * The scavenger. See scavenge.h. */
#include "scavenge.h"

#include "os.h"

/* Shortest run of pages worth a system call, and pages freed between two looks at the clock. */
#define MIN_RELEASE_PAGES 4u
#define FREES_PER_LOOK 128u

/* Pages that may hold memory beyond the recent peak of use while the heap takes new ones: a fraction of it, and some. */
#define IDLE_FRACTION 4u
#define IDLE_PAGES 256u

/* No limit on what a pass of the scavenger gives back. */
#define NO_BUDGET UINT64_MAX

/* Gives cold pages of the chunk that starts at page back to the system, the highest first, until budget pages have
 * gone; what is left of the budget. */
HEAP_LOCKED static uint64_t scavenge_chunk(uint64_t page, uint64_t budget) {
  struct page_chunk *c = pagealloc_chunk(page);
  uint32_t npages = 0;
  uint32_t first = pagechunk_last_run(c->cold, VS_CHUNK_PAGES, MIN_RELEASE_PAGES, &npages);
  while (first < VS_CHUNK_PAGES && budget > 0) {
    if (os_release(page_address(page + first), (size_t)npages * VS_PAGE_SIZE) == 0) {
      pagechunk_released(c, first, npages);
      vs_heap.released_bytes += (uint64_t)npages * VS_PAGE_SIZE;
      vs_heap.dirty_pages -= npages;
      budget -= npages < budget ? npages : budget;
    }
    first = pagechunk_last_run(c->cold, first, MIN_RELEASE_PAGES, &npages);
  }
  return budget;
}

/* Gives free pages back to the system, however short they have been free: the highest first, budget of them. */
HEAP_LOCKED static void scavenge_give_back(uint64_t budget) {
  uint64_t page = pagealloc_idle_chunk(VS_NO_PAGE);
  while (page < VS_NO_PAGE && budget > 0) {
    pagealloc_age(page, MIN_RELEASE_PAGES);
    budget = scavenge_chunk(page, budget);
    page = pagealloc_idle_chunk(page);
  }
}

void scavenge_after_take(void) {
  uint64_t limit = vs_heap.peak_pages + vs_heap.peak_pages / IDLE_FRACTION + IDLE_PAGES;
  if (vs_heap.dirty_pages > limit)
    scavenge_give_back(vs_heap.dirty_pages - limit + vs_heap.peak_pages / (4 * IDLE_FRACTION));
}

HEAP_LOCKED static void scavenge_tick(void) {
  vs_heap.freed_since = 0;
  uint64_t now = os_milliseconds();
  if (now - vs_heap.tick < VS_TICK_MS) return;
  vs_heap.tick = now;
  vs_heap.peak_pages = vs_heap.used_pages;
  uint64_t page = pagealloc_idle_chunk(VS_NO_PAGE);
  while (page < VS_NO_PAGE) {
    (void)scavenge_chunk(page, NO_BUDGET);
    pagealloc_age(page, MIN_RELEASE_PAGES);
    page = pagealloc_idle_chunk(page);
  }
}

void scavenge_after_free(uint64_t npages) {
  vs_heap.freed_since += npages;
  if (vs_heap.freed_since >= FREES_PER_LOOK) scavenge_tick();
}

void scavenge_trim(void) {
  lock_acquire(&vs_heap.lock);
  scavenge_give_back(NO_BUDGET);
  lock_release(&vs_heap.lock);
}
