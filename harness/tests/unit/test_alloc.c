/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks and thread caches through alloc.h: classes, alignment, usable size, resizing in place;
 * spans that come back after frees by their owner and by others; adoption of a thread's cache.
 */
#include "unit.h"

#include "alloc.h"
#include "mheap.h"
#include "verispan.h"

#include <pthread.h>

enum { BLOCKS = 5000 };

static uintptr_t block[BLOCKS];

static void sound(void) { assert_int_equal(vs_audit(NULL, NULL), 0); }

static void blocks_of_a_class_do_not_overlap(void **state) {
  (void)state;
  for (uint32_t c = 1; c < VS_NUM_SIZE_CLASSES; c += 3) {
    for (size_t i = 0; i < 1000; i++) {
      block[i] = heap_alloc_class(c);
      assert_true(block[i] != 0);
      memset((void *)block[i], (int)(i % 251), vs_class_size[c]);
      assert_int_equal(heap_usable(block[i], "test"), vs_class_size[c]);
    }
    for (size_t i = 0; i < 1000; i++) {
      const unsigned char *p = (const unsigned char *)block[i];
      assert_int_equal(p[0], i % 251);
      assert_int_equal(p[vs_class_size[c] - 1], i % 251);
      heap_free(block[i], "test");
    }
    sound();
  }
}

static void aligned_blocks(void **state) {
  (void)state;
  for (size_t align = 1; align <= 1u << 21; align *= 2)
    for (size_t size = 0; size < 100000; size = size * 2 + 5) {
      const uintptr_t p = heap_alloc_aligned(size, align);
      assert_true(p != 0);
      assert_int_equal(p % align, 0);
      assert_int_equal(p % 16, 0);
      assert_true(heap_usable(p, "test") >= size);
      heap_free(p, "test");
    }
  sound();
}

static void too_large_is_refused(void **state) {
  (void)state;
  bool zeroed;
  assert_int_equal(heap_alloc_large(VS_MAX_SIZE + 1, 1, &zeroed), 0);
  assert_int_equal(heap_alloc_large(SIZE_MAX, 1, &zeroed), 0);
  assert_int_equal(heap_alloc_aligned(1, (size_t)1 << 63), 0);
  assert_int_equal(heap_alloc_aligned(SIZE_MAX, 16), 0);
}

/* A block stays where it is if the size fits and does not waste more than half. */
static void resize_in_place_only_when_it_fits(void **state) {
  (void)state;
  uintptr_t p = heap_alloc_class(sizeclass_of(1024));
  assert_true(heap_resize(p, 1024, 1024));
  assert_true(heap_resize(p, 1024, 900));
  assert_false(heap_resize(p, 1024, 1025));
  assert_false(heap_resize(p, 1024, 100));
  heap_free(p, "test");
  bool zeroed;
  p = heap_alloc_large(100 * VS_PAGE_SIZE, 1, &zeroed);
  assert_true(heap_resize(p, 100 * VS_PAGE_SIZE, 60 * VS_PAGE_SIZE));
  assert_int_equal(heap_usable(p, "test"), 60 * VS_PAGE_SIZE);
  assert_false(heap_resize(p, 60 * VS_PAGE_SIZE, 100));
  assert_false(heap_resize(p, 60 * VS_PAGE_SIZE, SIZE_MAX));
  heap_free(p, "test");
  sound();
}

/* Frees and allocations of one class without end: the heap must stop growing. */
static void freed_blocks_are_reused(void **state) {
  (void)state;
  uint64_t x = 9, used = 0;
  for (size_t i = 0; i < BLOCKS; i++)
    block[i] = heap_alloc_class(20);
  for (size_t k = 0; k < 1000000; k++) {
    uintptr_t *b = &block[unit_random(&x) % BLOCKS];
    heap_free(*b, "test");
    *b = heap_alloc_class(20);
    if (k == 100000) used = vs_heap.pages.used;
  }
  assert_true(vs_heap.pages.used <= used + used / 4 + 16);
  for (size_t i = 0; i < BLOCKS; i++)
    heap_free(block[i], "test");
  sound();
}

static void *free_all(void *arg) {
  (void)arg;
  for (size_t i = 0; i < BLOCKS; i++)
    heap_free(block[i], "test");
  return NULL;
}

static void join_one(void *(*run)(void *)) {
  pthread_t t;
  assert_int_equal(pthread_create(&t, NULL, run, NULL), 0);
  assert_int_equal(pthread_join(t, NULL), 0);
}

/* This thread owns the spans, another frees every block: the owner finds them again. */
static void blocks_freed_by_another_thread_are_reused(void **state) {
  (void)state;
  uint64_t used = 0;
  for (int round = 0; round < 200; round++) {
    for (size_t i = 0; i < BLOCKS; i++)
      block[i] = heap_alloc_class(15);
    if (round == 20) used = vs_heap.pages.used;
    join_one(free_all);
  }
  assert_true(vs_heap.pages.used <= used + used / 4 + 16);
  sound();
}

static void *use_a_little(void *arg) {
  for (size_t i = 0; i < 300; i++)
    block[i] = heap_alloc_class(1 + (uint32_t)i % 67);
  for (size_t i = 0; i < 300; i++)
    heap_free(block[i], "test");
  return arg;
}

static void caches_of_ended_threads_are_adopted(void **state) {
  (void)state;
  join_one(use_a_little);
  const uint32_t caches = mcache_count();
  const uint64_t used = vs_heap.pages.used;
  for (int i = 0; i < 300; i++)
    join_one(use_a_little);
  assert_int_equal(mcache_count(), caches);
  assert_true(vs_heap.pages.used <= used + used / 4 + 16);
  sound();
}

static pthread_barrier_t all_have_begun;

static void *allocate_share(void *arg) {
  const size_t first = (size_t)arg * (BLOCKS / 8);
  block[first] = heap_alloc_class(40);
  pthread_barrier_wait(&all_have_begun);
  for (size_t i = first + 1; i < first + BLOCKS / 8; i++)
    block[i] = heap_alloc_class(40);
  return NULL;
}

/* Nobody adopts the caches: what they hold must serve other classes all the same. */
static void spans_of_parked_caches_go_back_to_the_heap(void **state) {
  (void)state;
  pthread_t t[8];
  pthread_barrier_init(&all_have_begun, NULL, 8);
  for (size_t i = 0; i < 8; i++)
    assert_int_equal(pthread_create(&t[i], NULL, allocate_share, (void *)i), 0);
  for (size_t i = 0; i < 8; i++)
    pthread_join(t[i], NULL);
  const uint64_t used = vs_heap.pages.used;
  free_all(NULL);
  for (size_t i = 0; i < BLOCKS; i++)
    block[i] = heap_alloc_class(41);
  assert_true(vs_heap.pages.used <= used + used / 2);
  free_all(NULL);
  sound();
}

static uint64_t cached_pages(void) {
  uint64_t pages = 0;
  for (const struct mheap_cache *c = mheap_caches(); c != NULL; c = c->next)
    pages += bits_count(c->pages.free);
  return pages;
}

/* One block a class, so that each takes a span. */
static void *fill_a_cache(void *arg) {
  uintptr_t p[50];
  for (uint32_t c = 1; c < 50; c++)
    p[c] = heap_alloc_class(c);
  for (uint32_t c = 1; c < 50; c++)
    heap_free(p[c], "test");
  return arg;
}

/* With so much in use that a cache takes a whole group: trimming leaves none to threads that ended, nor to this one. */
static void trim_empties_the_caches_of_pages(void **state) {
  (void)state;
  bool zeroed;
  const uintptr_t large = heap_alloc_large((size_t)140 << 20, 1, &zeroed);
  (void)mcache_trim();
  const uint64_t others = cached_pages();
  pthread_t t[4];
  fill_a_cache(NULL);
  assert_true(cached_pages() > others);
  for (size_t i = 0; i < 4; i++)
    assert_int_equal(pthread_create(&t[i], NULL, fill_a_cache, NULL), 0);
  for (size_t i = 0; i < 4; i++)
    pthread_join(t[i], NULL);
  sound();
  (void)mcache_trim();
  assert_int_equal(cached_pages(), 0);
  sound();
  heap_free(large, "test");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(blocks_of_a_class_do_not_overlap),
      cmocka_unit_test(aligned_blocks),
      cmocka_unit_test(too_large_is_refused),
      cmocka_unit_test(resize_in_place_only_when_it_fits),
      cmocka_unit_test(freed_blocks_are_reused),
      cmocka_unit_test(blocks_freed_by_another_thread_are_reused),
      cmocka_unit_test(caches_of_ended_threads_are_adopted),
      cmocka_unit_test(spans_of_parked_caches_go_back_to_the_heap),
      cmocka_unit_test(trim_empties_the_caches_of_pages),
  };
  return unit_run("alloc", tests);
}
