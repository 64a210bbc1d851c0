/* SPDX-License-Identifier: Apache-2.0
 * The page heap. See mheap.h. */
#include "mheap.h"

#include "os.h"

struct mheap vs_heap = {.lock = VS_LOCK_INIT};
uint32_t vs_arena_list[VS_ARENA_COUNT];

/* Shortest run worth a system call, and pages freed between two looks at the clock. */
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

/* The functions so marked are called with the heap locked. Page bitmaps and free descriptors are reached through
 * mheap_arena, and so with the lock. */
#define HEAP_LOCKED VS_REQUIRES(vs_heap.lock)

HEAP_LOCKED static struct heap_arena *mheap_arena(uint32_t number) { return vs_arena_map[number]; }

static uintptr_t arena_base(uint32_t number) { return (uintptr_t)number * VS_ARENA_SIZE; }

/* Enters n fresh arenas from address base into map and list. False, and nothing has changed, if the system refused
 * memory for their metadata. */
HEAP_LOCKED static bool mheap_enter_arenas(uintptr_t base, uint32_t n) {
  uint32_t number = (uint32_t)(base / VS_ARENA_SIZE);
  struct heap_arena *fresh = os_metadata(sizeof(struct heap_arena) * n);
  if (!fresh) return false;
  for (uint32_t i = 0; i < n; i++) {
    arena_set_head(&fresh[i], 0, VS_ARENA_PAGES, &vs_empty_span);
    pagealloc_init(&fresh[i].pages);
  }
  uint32_t at = vs_heap.narenas;
  while (at > 0 && vs_arena_list[at - 1] > number) {
    vs_arena_list[at - 1 + n] = vs_arena_list[at - 1];
    at--;
  }
  for (uint32_t i = 0; i < n; i++) {
    vs_arena_list[at + i] = number + i;
    __atomic_store_n(&vs_arena_map[number + i], &fresh[i], __ATOMIC_RELEASE);
  }
  vs_heap.narenas += n;
  return true;
}

/* Grows the heap by n adjacent arenas, the first aligned to align bytes; its number, or VS_ARENA_COUNT. */
HEAP_LOCKED static uint32_t mheap_grow(uint32_t n, size_t align) {
  if (n > VS_ARENA_COUNT / 2) return VS_ARENA_COUNT;
  size_t size = (size_t)n * VS_ARENA_SIZE;
  uintptr_t base = os_reserve(size, align > VS_ARENA_SIZE ? align : VS_ARENA_SIZE);
  if (base == 0) return VS_ARENA_COUNT;
  bool entered = base / VS_ARENA_SIZE + n <= VS_ARENA_COUNT && mheap_enter_arenas(base, n);
  if (!entered) os_unreserve(base, size);
  return entered ? (uint32_t)(base / VS_ARENA_SIZE) : VS_ARENA_COUNT;
}

/* Gives cold pages of an arena back to the system, the highest first, until budget pages have gone; what is left
 * of the budget. */
HEAP_LOCKED static uint64_t mheap_scavenge(uint32_t number, uint64_t budget) {
  struct page_bitmap *b = &mheap_arena(number)->pages;
  uint32_t npages = 0;
  uint32_t page = pagealloc_cold_run(b, VS_ARENA_PAGES, MIN_RELEASE_PAGES, &npages);
  while (page < VS_BITMAP_PAGES && budget > 0) {
    size_t size = (size_t)npages * VS_PAGE_SIZE;
    if (os_release(arena_base(number) + (uintptr_t)page * VS_PAGE_SIZE, size) == 0) {
      pagealloc_released(b, page, npages);
      vs_heap.released_bytes += size;
      vs_heap.dirty_pages -= npages;
      budget -= npages < budget ? npages : budget;
    }
    page = pagealloc_cold_run(b, page, MIN_RELEASE_PAGES, &npages);
  }
  return budget;
}

/* After the heap took pages not touched before: bounds the pages that hold memory. */
HEAP_LOCKED static void mheap_bound_free(void) {
  uint64_t limit = vs_heap.peak_pages + vs_heap.peak_pages / IDLE_FRACTION + IDLE_PAGES;
  if (vs_heap.dirty_pages <= limit) return;
  uint64_t budget = vs_heap.dirty_pages - limit + vs_heap.peak_pages / (4 * IDLE_FRACTION);
  for (uint32_t i = vs_heap.narenas; i > 0 && budget > 0; i--) {
    (void)pagealloc_age(&mheap_arena(vs_arena_list[i - 1])->pages);
    budget = mheap_scavenge(vs_arena_list[i - 1], budget);
  }
}

/* Takes free pages of an arena. How many of them may hold old data. */
HEAP_LOCKED static uint32_t mheap_take_run(uint32_t number, uint32_t first, uint32_t npages) {
  uint32_t dirty = pagealloc_take(&mheap_arena(number)->pages, first, npages);
  vs_heap.dirty_pages += npages - dirty;
  return dirty;
}

/* A descriptor for a span of npages pages from page first of arena number on. There is one for each page. */
HEAP_LOCKED static struct mspan *mheap_new_span(uint32_t number, uint32_t first, uint32_t npages) {
  struct heap_arena *a = mheap_arena(number);
  struct mspan *s = a->free_span;
  if (s)
    a->free_span = s->next;
  else
    s = &a->span[a->nspans++];
  s->base = arena_base(number) + (uintptr_t)first * VS_PAGE_SIZE;
  s->npages = npages;
  arena_enter(a, s);
  vs_heap.spans++;
  vs_heap.used_pages += npages;
  if (vs_heap.used_pages > vs_heap.peak_pages) vs_heap.peak_pages = vs_heap.used_pages;
  return s;
}

/* Takes npages pages of one arena for a span; NULL if refused. */
HEAP_LOCKED static struct mspan *mheap_take(uint32_t npages, uint32_t align, uint32_t *dirty) {
  uint32_t page = VS_BITMAP_PAGES, number = 0;
  for (uint32_t i = 0; i < vs_heap.narenas && page == VS_BITMAP_PAGES; i++) {
    number = vs_arena_list[i];
    page = pagealloc_find(&mheap_arena(number)->pages, npages, align);
  }
  if (page == VS_BITMAP_PAGES) {
    number = mheap_grow(1, VS_ARENA_SIZE);
    if (number == VS_ARENA_COUNT) return 0;
    page = 0;
  }
  *dirty = mheap_take_run(number, page, npages);
  struct mspan *s = mheap_new_span(number, page, npages);
  mheap_bound_free();
  return s;
}

/* Whether arenas number .. number + n - 1 exist and are free, the last at least in its first rest pages. */
HEAP_LOCKED static bool mheap_free_arenas(uint32_t number, uint32_t n, uint32_t rest) {
  for (uint32_t i = 0; i < n; i++) {
    struct heap_arena *a = mheap_arena(number + i);
    if (!a) return false;
    uint32_t need = i + 1 < n ? VS_ARENA_PAGES : rest;
    if (pagealloc_run(&a->pages, 0, need) < need) return false;
  }
  return true;
}

/* Takes npages pages from the start of an arena on, over as many arenas as it needs. */
HEAP_LOCKED static struct mspan *mheap_take_arenas(uint32_t npages, size_t align, uint32_t *dirty) {
  uint32_t n = (npages + (VS_ARENA_PAGES - 1)) / VS_ARENA_PAGES;
  uint32_t rest = npages - (n - 1) * VS_ARENA_PAGES;
  uint32_t first = VS_ARENA_COUNT;
  for (uint32_t i = 0; i < vs_heap.narenas && first == VS_ARENA_COUNT; i++) {
    uint32_t number = vs_arena_list[i];
    bool fits = number + n <= VS_ARENA_COUNT && arena_base(number) % align == 0;
    if (fits && mheap_free_arenas(number, n, rest)) first = number;
  }
  if (first == VS_ARENA_COUNT) first = mheap_grow(n, align);
  if (first == VS_ARENA_COUNT) return 0;
  *dirty = 0;
  for (uint32_t i = 0; i < n; i++) {
    uint32_t take = i + 1 < n ? VS_ARENA_PAGES : rest;
    *dirty += mheap_take_run(first + i, 0, take);
  }
  return mheap_new_span(first, 0, npages);
}

/* Returns npages pages from address base on, which no span has any more, to their arenas. */
HEAP_LOCKED static void mheap_put(uintptr_t base, uint64_t npages) {
  while (npages > 0) {
    struct heap_arena *a = mheap_arena((uint32_t)arena_number(base));
    uint32_t page = arena_page(base);
    uint32_t here = npages < VS_ARENA_PAGES - page ? (uint32_t)npages : VS_ARENA_PAGES - page;
    pagealloc_put(&a->pages, page, here);
    base += (uintptr_t)here * VS_PAGE_SIZE;
    npages -= here;
  }
}

HEAP_LOCKED static void mheap_tick(void) {
  vs_heap.freed_since = 0;
  uint64_t now = os_milliseconds();
  if (now - vs_heap.tick < VS_TICK_MS) return;
  vs_heap.tick = now;
  vs_heap.peak_pages = vs_heap.used_pages;
  for (uint32_t i = 0; i < vs_heap.narenas; i++) {
    (void)mheap_scavenge(vs_arena_list[i], NO_BUDGET);
    (void)pagealloc_age(&mheap_arena(vs_arena_list[i])->pages);
  }
}

/* Accounts for and returns the pages of a span that nobody knows any more. */
static void mheap_release_span(struct mspan *s) {
  uint64_t npages = s->npages;
  lock_acquire(&vs_heap.lock);
  struct heap_arena *a = mheap_arena((uint32_t)arena_number(s->base));
  arena_leave(a, s);
  mheap_put(s->base, npages);
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
  uint32_t dirty = 0;
  lock_acquire(&vs_heap.lock);
  struct mspan *s = mheap_take(npages, 1, &dirty);
  lock_release(&vs_heap.lock);
  if (!s) return 0;
  mspan_init(s, s->base, spanclass, dirty != 0);
  s->next = 0;
  s->prev = 0;
  vs_store_release_u64(&s->ctl, ctl); /* M0 */
  return s;
}

void mheap_free(struct mspan *s) {
  vs_store_release_u64(&s->ctl, 0); /* M8 */
  mheap_release_span(s);
}

uintptr_t mheap_alloc_large(size_t size, size_t align, bool *zeroed) {
  uint64_t pages = (size + (VS_PAGE_SIZE - 1)) / VS_PAGE_SIZE;
  uint32_t npages = pages == 0 ? 1 : (uint32_t)pages;
  uint32_t align_pages = align > VS_PAGE_SIZE ? (uint32_t)(align / VS_PAGE_SIZE) : 1;
  bool one_arena = npages <= VS_ARENA_PAGES && align <= VS_ARENA_SIZE;
  uint32_t dirty = 0;
  lock_acquire(&vs_heap.lock);
  struct mspan *s = one_arena ? mheap_take(npages, align_pages, &dirty)
                              : mheap_take_arenas(npages, align, &dirty);
  lock_release(&vs_heap.lock);
  if (!s) return 0;
  s->spanclass = 0;
  s->elem_size = 0;
  s->nelems = 1;
  bool release = *zeroed && dirty != 0 && dirty < npages / SPARSE_FRACTION;
  if (release && os_release(s->base, (size_t)npages * VS_PAGE_SIZE) == 0) dirty = 0;
  s->needzero = dirty != 0;
  *zeroed = dirty == 0;
  vs_store_release_u64(&s->ctl, spanctl_large()); /* M9 */
  return s->base;
}

bool mheap_free_large(struct mspan *s) {
  if (!vs_cas_u64(&s->ctl, spanctl_large(), 0)) return false; /* M10 */
  mheap_release_span(s);
  return true;
}

bool mheap_resize_large(struct mspan *s, uint64_t npages) {
  uint32_t page = arena_page(s->base);
  if (npages > VS_ARENA_PAGES - page || s->npages > VS_ARENA_PAGES - page) return false;
  uint32_t want = (uint32_t)npages, have = s->npages;
  bool done = true;
  lock_acquire(&vs_heap.lock);
  struct heap_arena *a = mheap_arena((uint32_t)arena_number(s->base));
  if (want < have) {
    arena_set_head(a, page + want, have - want, &vs_empty_span);
    mheap_put(s->base + (uintptr_t)want * VS_PAGE_SIZE, have - want);
    vs_heap.freed_since += have - want;
  } else if (pagealloc_run(&a->pages, page + have, want - have) == want - have) {
    (void)mheap_take_run((uint32_t)arena_number(s->base), page + have, want - have);
    arena_set_head(a, page + have, want - have, s);
  } else {
    done = false;
  }
  if (done) {
    vs_heap.used_pages += want;
    vs_heap.used_pages -= have;
    s->npages = want;
  }
  lock_release(&vs_heap.lock);
  return done;
}

void mheap_trim(void) {
  lock_acquire(&vs_heap.lock);
  for (uint32_t i = 0; i < vs_heap.narenas; i++) {
    (void)pagealloc_age(&mheap_arena(vs_arena_list[i])->pages);
    (void)mheap_scavenge(vs_arena_list[i], NO_BUDGET);
  }
  lock_release(&vs_heap.lock);
}
