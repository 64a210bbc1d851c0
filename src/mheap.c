/* SPDX-License-Identifier: Apache-2.0
 * The page heap. See mheap.h. */
#include "mheap.h"

#include "os.h"
#include "ownership.h"

struct mheap vs_heap = {.lock = VS_LOCK_INIT};

/* Shortest run of pages worth a system call, and pages freed between two looks at the clock. */
#define MIN_RELEASE_PAGES 4u
#define FREES_PER_LOOK 128u

/* Pages that may hold memory beyond the recent peak of use while the heap takes new ones: a fraction of it, and some. */
#define IDLE_FRACTION 4u
#define IDLE_PAGES 256u

/* A large block that must be zero is zeroed by the system if fewer of its pages than this fraction hold data: zeroing
 * it here would touch them all. */
#define SPARSE_FRACTION 8u

/* No limit on what a pass of the scavenger gives back. */
#define NO_BUDGET UINT64_MAX

/* The functions so marked are called with the heap locked. Chunks and free descriptors are reached through
 * pagealloc and mheap_arena, and so with the lock. */
#define HEAP_LOCKED VS_REQUIRES(vs_heap.lock)

HEAP_LOCKED static struct heap_arena *mheap_arena(uint64_t page) { return vs_arena_map[page / VS_ARENA_PAGES]; }

static uintptr_t page_address(uint64_t page) { return (uintptr_t)page * VS_PAGE_SIZE; }

/* Enters n fresh arenas from page first into the map. False, and nothing has changed, if the system refused memory for
 * their metadata. */
HEAP_LOCKED static bool mheap_enter_arenas(uint64_t first, uint32_t n) {
  if (!pagealloc_provide(first, (uint64_t)n * VS_ARENA_PAGES)) return false;
  struct heap_arena *fresh = os_metadata(sizeof(struct heap_arena) * n);
  if (!fresh) return false;
  for (uint32_t i = 0; i < n; i++) {
    arena_set_head(&fresh[i], 0, VS_ARENA_PAGES, &vs_empty_span);
    __atomic_store_n(&vs_arena_map[first / VS_ARENA_PAGES + i], &fresh[i], __ATOMIC_RELEASE);
  }
  pagealloc_grow(first, (uint64_t)n * VS_ARENA_PAGES);
  vs_heap.narenas += n;
  return true;
}

/* Grows the heap by the arenas that npages pages need, the first aligned to align bytes; its page, or VS_NO_PAGE. */
HEAP_LOCKED static uint64_t mheap_grow(uint32_t npages, size_t align) {
  uint32_t n = npages / VS_ARENA_PAGES + (npages % VS_ARENA_PAGES != 0);
  size_t size = (size_t)n * VS_ARENA_SIZE;
  uintptr_t base = os_reserve(size, align > VS_ARENA_SIZE ? align : VS_ARENA_SIZE);
  if (base == 0) return VS_NO_PAGE;
  bool entered = base / VS_ARENA_SIZE + n <= VS_ARENA_COUNT && mheap_enter_arenas(base / VS_PAGE_SIZE, n);
  if (!entered) os_unreserve(base, size);
  return entered ? base / VS_PAGE_SIZE : VS_NO_PAGE;
}

/* Gives cold pages of the chunk that starts at page back to the system, the highest first, until budget pages have
 * gone; what is left of the budget. */
HEAP_LOCKED static uint64_t mheap_scavenge(uint64_t page, uint64_t budget) {
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
HEAP_LOCKED static void mheap_give_back(uint64_t budget) {
  uint64_t page = pagealloc_idle_chunk(VS_NO_PAGE);
  while (page < VS_NO_PAGE && budget > 0) {
    pagealloc_age(page, MIN_RELEASE_PAGES);
    budget = mheap_scavenge(page, budget);
    page = pagealloc_idle_chunk(page);
  }
}

/* After the heap took pages not touched before: bounds the pages that hold memory. */
HEAP_LOCKED static void mheap_bound_free(void) {
  uint64_t limit = vs_heap.peak_pages + vs_heap.peak_pages / IDLE_FRACTION + IDLE_PAGES;
  if (vs_heap.dirty_pages > limit)
    mheap_give_back(vs_heap.dirty_pages - limit + vs_heap.peak_pages / (4 * IDLE_FRACTION));
}

/* A descriptor for a span of npages pages from page first on. Each arena has one for each of its pages. */
HEAP_LOCKED static struct mspan *mheap_new_span(uint64_t first, uint32_t npages) {
  struct heap_arena *a = mheap_arena(first);
  struct mspan *s = a->free_span;
  if (s)
    a->free_span = s->next;
  else
    s = &a->span[a->nspans++];
  s->base = page_address(first);
  s->npages = npages;
  arena_enter(a, s);
  vs_heap.spans++;
  vs_heap.used_pages += npages;
  if (vs_heap.used_pages > vs_heap.peak_pages) vs_heap.peak_pages = vs_heap.used_pages;
  return s;
}

/* Takes free pages. How many of them may hold old data. */
HEAP_LOCKED static uint64_t mheap_take_pages(uint64_t first, uint32_t npages) {
  uint64_t dirty = pagealloc_take(first, npages);
  vs_heap.dirty_pages += npages - dirty;
  return dirty;
}

/* The lowest free place for a span of npages pages that starts at a multiple of align pages; for align > 1, the first
 * such place in the lowest run that has one wherever it starts. VS_NO_PAGE if there is none. */
HEAP_LOCKED static uint64_t mheap_fit(uint32_t npages, uint64_t align) {
  uint64_t page = pagealloc_find(npages);
  if (page == VS_NO_PAGE || page % align == 0) return page;
  page = pagealloc_find(npages + align - 1);
  return page == VS_NO_PAGE ? page : (page + align - 1) / align * align;
}

/* The lowest free place for a span of npages pages in one arena; where that run crosses a border, the first such place
 * in the lowest run that has one wherever the border is. VS_NO_PAGE if there is none. */
HEAP_LOCKED static uint64_t mheap_fit_arena(uint32_t npages) {
  uint64_t page = pagealloc_find(npages);
  if (page == VS_NO_PAGE || page % VS_ARENA_PAGES + npages <= VS_ARENA_PAGES) return page;
  page = pagealloc_find(2 * (uint64_t)npages - 1);
  if (page == VS_NO_PAGE || page % VS_ARENA_PAGES + npages <= VS_ARENA_PAGES) return page;
  return (page / VS_ARENA_PAGES + 1) * VS_ARENA_PAGES;
}

/* Takes pages for a span, from page on if it is one, and else from new arenas; NULL if refused. */
HEAP_LOCKED static struct mspan *mheap_take(uint64_t page, uint32_t npages, size_t align, uint64_t *dirty) {
  if (page == VS_NO_PAGE) page = mheap_grow(npages, align);
  if (page == VS_NO_PAGE) return 0;
  *dirty = mheap_take_pages(page, npages);
  struct mspan *s = mheap_new_span(page, npages);
  mheap_bound_free();
  return s;
}

HEAP_LOCKED static void mheap_tick(void) {
  vs_heap.freed_since = 0;
  uint64_t now = os_milliseconds();
  if (now - vs_heap.tick < VS_TICK_MS) return;
  vs_heap.tick = now;
  vs_heap.peak_pages = vs_heap.used_pages;
  uint64_t page = pagealloc_idle_chunk(VS_NO_PAGE);
  while (page < VS_NO_PAGE) {
    (void)mheap_scavenge(page, NO_BUDGET);
    pagealloc_age(page, MIN_RELEASE_PAGES);
    page = pagealloc_idle_chunk(page);
  }
}

/* Accounts for and returns the pages of a span that nobody knows any more. */
static void mheap_release_span(struct mspan *s) {
  uint64_t npages = s->npages, first = s->base / VS_PAGE_SIZE;
  lock_acquire(&vs_heap.lock);
  struct heap_arena *a = mheap_arena(first);
  arena_leave(a, s);
  pagealloc_put(first, npages);
  s->next = a->free_span;
  a->free_span = s;
  vs_heap.spans--;
  vs_heap.used_pages -= npages;
  vs_heap.freed_since += npages;
  if (vs_heap.freed_since >= FREES_PER_LOOK) mheap_tick();
  lock_release(&vs_heap.lock);
}

struct mspan *mheap_alloc(uint32_t spanclass, uint64_t ctl) {
  uint32_t npages = vs_class_pages[spanclass / 2];
  uint64_t dirty = 0;
  lock_acquire(&vs_heap.lock);
  struct mspan *s = mheap_take(mheap_fit_arena(npages), npages, 1, &dirty);
  lock_release(&vs_heap.lock);
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
  uint64_t pages = (size + (VS_PAGE_SIZE - 1)) / VS_PAGE_SIZE;
  uint32_t npages = pages == 0 ? 1 : (uint32_t)pages;
  uint64_t align_pages = align > VS_PAGE_SIZE ? align / VS_PAGE_SIZE : 1;
  uint64_t dirty = 0;
  lock_acquire(&vs_heap.lock);
  struct mspan *s = mheap_take(mheap_fit(npages, align_pages), npages, align, &dirty);
  lock_release(&vs_heap.lock);
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
HEAP_LOCKED static void mheap_set_heads(struct mspan *s, uint64_t from, uint64_t to, struct mspan *head) {
  uint64_t page = arena_page(s->base);
  uint64_t first = page + from < VS_ARENA_PAGES ? page + from : VS_ARENA_PAGES;
  uint64_t end = page + to < VS_ARENA_PAGES ? page + to : VS_ARENA_PAGES;
  arena_set_head(mheap_arena(s->base / VS_PAGE_SIZE), (uint32_t)first, (uint32_t)(end - first), head);
}

bool mheap_resize_large(struct mspan *s, uint64_t npages) {
  uint64_t first = s->base / VS_PAGE_SIZE, have = s->npages;
  bool done = true;
  if (npages == have) return true;
  lock_acquire(&vs_heap.lock);
  if (npages < have) {
    mheap_set_heads(s, npages, have, &vs_empty_span);
    pagealloc_put(first + npages, have - npages);
    vs_heap.freed_since += have - npages;
  } else if (pagealloc_run(first + have, npages - have) == npages - have) {
    (void)mheap_take_pages(first + have, (uint32_t)(npages - have));
    mheap_set_heads(s, have, npages, s);
  } else {
    done = false;
  }
  if (done) {
    vs_heap.used_pages += npages;
    vs_heap.used_pages -= have;
    s->npages = (uint32_t)npages;
  }
  lock_release(&vs_heap.lock);
  return done;
}

bool mheap_is_dirty(uintptr_t addr) {
  uint64_t page = addr / VS_PAGE_SIZE;
  if (page >= VS_NO_PAGE || !vs_pages.block[page / VS_LEVEL2_PAGES]) return false;
  uint32_t p = (uint32_t)(page % VS_CHUNK_PAGES);
  return bits_test(pagealloc_chunk(page)->dirty[p / VS_WORD_BITS], p % VS_WORD_BITS);
}

void mheap_trim(void) {
  lock_acquire(&vs_heap.lock);
  mheap_give_back(NO_BUDGET);
  lock_release(&vs_heap.lock);
}
