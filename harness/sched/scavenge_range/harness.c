/* SPDX-License-Identifier: Apache-2.0
 *
 * Pages that go back to the system while the heap is unlocked: the real code of scavenge, idle, mheap, pageheap, pagealloc
 * and the layers between, under every interleaving.
 *
 * Thread 0 gives back what is free (scavenge_trim). Threads 1 and 2 each take a large block, write to it, and free
 * it. The heap is a few pages, each free, and dirty or not: a start for each choice. Only the operating system is
 * replaced: it has no more address space to give, and takes memory back by writing zeros, or refuses to.
 *
 * The memory of a page is a ghost: one plain word. So pages that are given back while somebody uses them are a data
 * race here, and lose what was written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mheap.h"
#include "os.h"
#include "scavenge.h"
#include "sched.h"
#include "sched_pthread.h"
#include "../../no_address_space.h"

#ifndef PAGES
#define PAGES 4 /* of the heap */
#endif
#ifndef FIRST_BLOCK
#define FIRST_BLOCK 2 /* pages that thread 1 takes; thread 2 takes one */
#endif

enum { THREADS = 3, FIRST = VS_LEVEL2_PAGES };

static struct {
  uint32_t dirty; /* bit k: page k is dirty */
  bool refuses;   /* the system takes nothing back */
} start;

static struct heap_arena arena;
static struct page_block page_block;

/* Counters and the like, which no thread orders: not part of what is checked for races. */
#define GHOST __attribute__((no_sanitize_thread))

static uint64_t memory[PAGES]; /* what stands in each page */
static struct { uint64_t returned, refused, taken, none_left, while_away, zeroed; } seen;
static bool away; /* a range is on its way back */

/* --- the operating system ------------------------------------------------------------------------------ */

static uint64_t page_number(uintptr_t addr) { return addr / VS_PAGE_SIZE - FIRST; }

void *os_metadata(size_t size) { return size == sizeof page_block ? &page_block : NULL; }
static _Noreturn void unexpected(const char *name) {
  sched_fail("unexpected: %s", name);
  abort();
}
int os_prepare(uintptr_t addr, size_t size) {
  (void)addr;
  (void)size;
  unexpected("os_prepare");
}
int os_move(uintptr_t from, uintptr_t to, size_t size) {
  (void)from;
  (void)to;
  (void)size;
  unexpected("os_move");
}
void os_unreserve(uintptr_t addr, size_t size) {
  (void)addr;
  (void)size;
}
static GHOST void note_return(bool begins) {
  away = begins;
  seen.refused += begins && start.refuses;
  seen.returned += begins && !start.refuses;
}
int os_release(uintptr_t addr, size_t size) {
  note_return(true);
  sched_ghost(&away, true);
  for (uint64_t i = 0; i < size / VS_PAGE_SIZE && !start.refuses; i++) {
    SCHED_CHECK(page_number(addr) + i < PAGES, "returns-its-own");
    memory[page_number(addr) + i] = 0;
  }
  sched_ghost(&away, true);
  note_return(false);
  return start.refuses ? -1 : 0;
}
uint64_t os_nanoseconds(void) { return 0; }
uint64_t os_thread_nanoseconds(void) { return 0; }
uint64_t os_processors(void) { return 1; }
_Noreturn void os_fatal(const char *function, const char *what, uintptr_t addr) {
  (void)function;
  (void)addr;
  unexpected(what);
}

/* --- the threads --------------------------------------------------------------------------------------- */

static void trimming_thread(void *ctx) {
  (void)ctx;
  (void)scavenge_trim();
}

static GHOST void note_block(bool got, bool zeroed) {
  seen.taken += got;
  seen.none_left += !got;
  seen.while_away += got && away;
  seen.zeroed += got && zeroed;
}

static void using_thread(void *ctx) {
  (void)ctx;
  uint64_t npages = sched_self() == 1 ? FIRST_BLOCK : 1, tag = (uint64_t)sched_self();
  bool zeroed = true;
  uintptr_t p = mheap_alloc_large((size_t)npages * VS_PAGE_SIZE, 1, &zeroed);
  sched_ghost(&away, false);
  note_block(p != 0, zeroed);
  if (p == 0) return;
  uint64_t first = page_number(p);
  SCHED_CHECK(first + npages <= PAGES, "page-of-the-heap");
  for (uint64_t i = first; i < first + npages; i++) {
    SCHED_CHECK(!zeroed || memory[i] == 0, "zero-means-zero");
    memory[i] = tag;
  }
  sched_ghost(memory, false);
  for (uint64_t i = first; i < first + npages; i++) SCHED_CHECK(memory[i] == tag, "contents-kept");
  SCHED_CHECK(mheap_free_large(arena_span(p)), "freed-once");
}

/* --- the state before and after ------------------------------------------------------------------------ */

static void reset(void *ctx) {
  (void)ctx;
  memset(&page_block, 0, sizeof page_block);
  vs_pages.level2[FIRST / VS_LEVEL2_PAGES] = 0;
  vs_pages.level1[FIRST / VS_LEVEL1_PAGES] = 0;
  vs_pages.level0[FIRST / VS_LEVEL0_PAGES] = 0;
  vs_pages.end0 = 0;
  pagealloc_grow(FIRST, PAGES);
  arena_set_head(&arena, 0, PAGES, &vs_empty_span);
  arena.nspans = 0;
  arena.nfree = 0;
  vs_heap.pages.used = vs_heap.pages.dirty = vs_heap.released_bytes = 0;
  for (uint32_t i = 0; i < PAGES; i++) {
    bool dirty = (start.dirty >> i & 1) != 0;
    memory[i] = dirty ? 99 : 0;
    if (!dirty) continue;
    (void)pagealloc_take(FIRST + i, 1);
    pagealloc_put(FIRST + i, 1);
    vs_heap.pages.dirty++;
  }
}

static void final_check(void *ctx) {
  (void)ctx;
  const struct page_chunk *c = pagealloc_chunk(FIRST);
  uint32_t dirty = 0;
  SCHED_CHECK(c->free[0] == bits_below(PAGES), "no-page-lost");
  SCHED_CHECK(pagealloc_find(PAGES) == FIRST, "no-page-lost");
  SCHED_CHECK(page_block.level4[0] == pagechunk_summarize(c->free), "summary-right");
  for (uint32_t i = 0; i < PAGES; i++) {
    SCHED_CHECK(bits_test(c->dirty[0], i) || memory[i] == 0, "zero-means-zero");
    dirty += bits_test(c->dirty[0], i);
  }
  SCHED_CHECK(vs_heap.pages.used == 0 && arena.nspans == arena.nfree && vs_heap.pages.dirty == dirty, "counts-right");
  SCHED_CHECK(dirty == 0 || page_block.idle == 1, "offered-again");
}

int main(void) {
  static struct sched_result result;
  static const struct sched_test test = {.n_threads = THREADS,
                                         .reset = reset,
                                         .thread = {trimming_thread, using_thread, using_thread},
                                         .final = final_check};
  vs_arena_map[FIRST / VS_ARENA_PAGES] = &arena;
  if (!pagealloc_provide(FIRST, PAGES)) abort();
  sched_name(&vs_heap.lock, sizeof vs_heap.lock, "heap lock");
  sched_name(&vs_scavenge_lock, sizeof vs_scavenge_lock, "scavenge lock");
  sched_name(memory, sizeof memory, "memory");
  sched_name(&page_block, sizeof page_block, "page_block");
  for (uint32_t i = 0; i < 2u << PAGES; i++) {
    start.refuses = i >= 1u << PAGES;
    start.dirty = i % (1u << PAGES);
    if (!sched_explore(&test, &result, true)) {
      printf("start: dirty %#x%s\nFAILED %s\n", start.dirty, start.refuses ? ", refused" : "", result.message);
      return 1;
    }
  }
  printf("reached end %llu\n", (unsigned long long)result.executions);
  printf("reached returns %llu\n", (unsigned long long)seen.returned);
  printf("reached refused %llu\n", (unsigned long long)seen.refused);
  printf("reached takes %llu\n", (unsigned long long)seen.taken);
  printf("reached takes-zeroed %llu\n", (unsigned long long)seen.zeroed);
  printf("reached takes-while-away %llu\n", (unsigned long long)seen.while_away);
  printf("reached none-left %llu\n", (unsigned long long)seen.none_left);
  sched_print_ok(&result, 2u << PAGES);
  return 0;
}
