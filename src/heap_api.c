/* SPDX-License-Identifier: Apache-2.0
 *
 * The boundary of further heaps: the vs_heap_ API of verispan.h over alloc.h and cycle.h. Pointers become integers
 * here, blocks are zeroed and wrong calls are reported here. Not proved (T-05): thin, and tested in
 * harness/tests/unit/test_cycle.
 */
#include <errno.h>
#include <string.h>

#include "alloc.h"
#include "cycle.h"
#include "os.h"
#include "verispan.h"

#define EXPORT __attribute__((visibility("default")))

/* Where a collected heap's sweepgen starts. */
#define FIRST_SWEEPGEN 0u

static _Noreturn void misuse(const char *function, const char *what, const void *p) {
  os_fatal(function, what, (uintptr_t)p);
}

/* What a call that is not one of the fast paths asks of its heap. */
static void check_heap(const struct vs_heap *heap, const char *function) {
  if (!heap_exists(heap)) misuse(function, "not a heap", heap);
}

static void check_collected(const struct vs_heap *heap, const char *function) {
  check_heap(heap, function);
  if (!heap->collected) misuse(function, "not a collected heap", heap);
}

EXPORT struct vs_heap *vs_heap_create(enum vs_heap_kind kind) {
  struct vs_heap *heap = heap_create(kind == VS_HEAP_COLLECTED, FIRST_SWEEPGEN);
  if (!heap) errno = ENOMEM;
  return heap;
}

EXPORT void vs_heap_destroy(struct vs_heap *heap) {
  check_heap(heap, "vs_heap_destroy");
  if (heap->marking) misuse("vs_heap_destroy", "objects are being marked", heap);
  heap_destroy(heap);
}

/* Zeroes a block for size bytes. A small one without a call: every block has 8 bytes, and two stores may overlap. */
static inline void *clear(uintptr_t p, size_t size) {
  char *block = (char *)p;
  if (size <= 8) return memset(block, 0, 8);
  if (size <= 16) {
    (void)memset(block + size - 8, 0, 8);
    return memset(block, 0, 8);
  }
  if (size > 32) return memset(block, 0, size);
  (void)memset(block + size - 16, 0, 16);
  return memset(block, 0, 16);
}

static __attribute__((noinline)) void *allocate_slow(struct vs_heap *heap, size_t size, unsigned flags) {
  if (!heap_in_use(heap)) misuse("vs_heap_malloc", "not a heap", heap);
  bool zeroed = (flags & VS_ZERO) != 0;
  uintptr_t p = heap->collected ? cycle_alloc_slow(heap, size, (flags & VS_NOSCAN) != 0, &zeroed)
                                : heap_alloc_further(heap, size, &zeroed);
  if (p == 0) {
    errno = ENOMEM;
    return 0;
  }
  return (flags & VS_ZERO) != 0 && !zeroed ? clear(p, size) : (void *)p;
}

EXPORT void *vs_heap_malloc(struct vs_heap *heap, size_t size, unsigned flags) {
  if (VS_UNLIKELY(size > VS_MAX_SMALL_SIZE || !heap->collected)) return allocate_slow(heap, size, flags);
  struct mspan *s = cycle_active(heap, cycle_spanclass(size, (flags & VS_NOSCAN) != 0));
  if (VS_UNLIKELY(s->alloc_cache == 0)) return allocate_slow(heap, size, flags);
  uintptr_t p = mspan_slot(s, mspan_take(s));
  return (flags & VS_ZERO) != 0 && s->needzero ? clear(p, size) : (void *)p;
}

EXPORT void vs_heap_free(struct vs_heap *heap, void *block) {
  if (!block) return;
  if (!heap_in_use(heap)) misuse("vs_heap_free", "not a heap", heap);
  if (heap->collected) misuse("vs_heap_free", "block of a collected heap", block);
  heap_free_further(heap, (uintptr_t)block, "vs_heap_free");
}

EXPORT bool vs_heap_object(struct vs_heap *heap, const void *p, struct vs_object *object) {
  return heap->collected && cycle_object(heap, (uintptr_t)p, object);
}

EXPORT bool vs_heap_mark(struct vs_heap *heap, const void *p, struct vs_object *object) {
  if (VS_UNLIKELY(!heap->marking)) misuse("vs_heap_mark", "no objects are being marked", p);
  return cycle_mark(heap, (uintptr_t)p, object);
}

EXPORT void vs_heap_begin_mark(struct vs_heap *heap) {
  check_collected(heap, "vs_heap_begin_mark");
  if (heap->marking) misuse("vs_heap_begin_mark", "objects are being marked", heap);
  cycle_begin_mark(heap);
}

EXPORT void vs_heap_end_mark(struct vs_heap *heap, size_t allowance) {
  check_collected(heap, "vs_heap_end_mark");
  if (!heap->marking) misuse("vs_heap_end_mark", "no objects are being marked", heap);
  cycle_end_mark(heap, (uint64_t)allowance / VS_PAGE_SIZE + (allowance % VS_PAGE_SIZE != 0));
}

EXPORT bool vs_heap_sweep_step(struct vs_heap *heap) {
  check_collected(heap, "vs_heap_sweep_step");
  return cycle_sweep_step(heap);
}

EXPORT void vs_heap_finish_sweep(struct vs_heap *heap) {
  check_collected(heap, "vs_heap_finish_sweep");
  if (!heap->marking) cycle_finish_sweep(heap);
}
