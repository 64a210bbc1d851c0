/* SPDX-License-Identifier: Apache-2.0
 *
 * The boundary: the C library's names and the vs_ API over alloc.h. Pointers become integers here, and the only
 * writes to blocks are here: zeroing in calloc, the copy in realloc. Not proved (T-05): thin, and tested in
 * harness/tests/libc.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "background.h"
#include "scavenge.h"
#include "verispan.h"

#define EXPORT __attribute__((visibility("default")))
#define SLOW __attribute__((noinline, cold))

/* The page size that valloc and pvalloc round to. */
#define SYSTEM_PAGE 4096u

/* Whether a block is for libc's entry points (16-aligned always) or for the vs_ API. */
enum boundary { LIBC, NATIVE };

static inline uint32_t class_of(size_t size, enum boundary from) {
  return from == LIBC ? sizeclass_of16(size) : sizeclass_of(size == 0 ? 1 : size);
}

static SLOW void *no_memory(void) {
  errno = ENOMEM;
  return 0;
}

static SLOW void *allocate_slow(size_t size, enum boundary from) {
  bool zeroed = false;
  uintptr_t p = size <= VS_MAX_SMALL_SIZE ? heap_alloc_class(class_of(size, from))
                                          : heap_alloc_large(size, 1, &zeroed);
  return p ? (void *)p : no_memory();
}

/* The first test is class_of's own, which the compiler makes once: small sizes pass one comparison. */
static inline void *allocate(size_t size, enum boundary from) {
  if (VS_UNLIKELY(size > 1024) && size > VS_MAX_SMALL_SIZE) return allocate_slow(size, from);
  struct mspan *s = heap_active(class_of(size, from));
  if (VS_UNLIKELY(s->alloc_cache == 0)) return allocate_slow(size, from);
  return (void *)heap_alloc_cached(s);
}

static inline void *allocate_zeroed(size_t count, size_t size, enum boundary from) {
  size_t bytes;
  if (VS_UNLIKELY(__builtin_mul_overflow(count, size, &bytes))) return no_memory();
  if (bytes <= VS_MAX_SMALL_SIZE) {
    uint32_t sizeclass = class_of(bytes, from);
    uintptr_t p = heap_alloc_class(sizeclass);
    if (!p) return no_memory();
    return heap_needzero(sizeclass) ? memset((void *)p, 0, bytes) : (void *)p;
  }
  bool zeroed = true;
  uintptr_t p = heap_alloc_large(bytes, 1, &zeroed);
  if (!p) return no_memory();
  return zeroed ? (void *)p : memset((void *)p, 0, bytes);
}

static inline void *reallocate(void *block, size_t size, enum boundary from, const char *function) {
  if (!block) return allocate(size, from);
  if (size == 0) {
    heap_free((uintptr_t)block, function);
    return 0;
  }
  size_t usable = heap_usable((uintptr_t)block, function);
  if (heap_resize((uintptr_t)block, usable, size)) return block;
  void *moved = allocate(size, from);
  if (!moved) return 0;
  size_t kept = usable < size ? usable : size;
  if (!heap_move((uintptr_t)block, (uintptr_t)moved, kept)) memcpy(moved, block, kept);
  heap_free((uintptr_t)block, function);
  return moved;
}

static inline bool is_power_of_two(size_t n) { return n != 0 && (n & (n - 1)) == 0; }

static void *allocate_aligned(size_t alignment, size_t size) {
  if (!is_power_of_two(alignment)) {
    errno = EINVAL;
    return 0;
  }
  uintptr_t p = heap_alloc_aligned(size, alignment);
  return p ? (void *)p : no_memory();
}

EXPORT void *malloc(size_t size) { return allocate(size, LIBC); }

EXPORT void free(void *block) { heap_free((uintptr_t)block, "free"); }

EXPORT void *calloc(size_t count, size_t size) { return allocate_zeroed(count, size, LIBC); }

EXPORT void *realloc(void *block, size_t size) { return reallocate(block, size, LIBC, "realloc"); }

EXPORT void *reallocarray(void *block, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) return no_memory();
  return reallocate(block, bytes, LIBC, "reallocarray");
}

EXPORT void *memalign(size_t alignment, size_t size) { return allocate_aligned(alignment, size); }

EXPORT void *aligned_alloc(size_t alignment, size_t size) { return allocate_aligned(alignment, size); }

EXPORT int posix_memalign(void **block, size_t alignment, size_t size) {
  if (!is_power_of_two(alignment) || alignment % sizeof(void *) != 0) return EINVAL;
  uintptr_t p = heap_alloc_aligned(size, alignment);
  if (!p) return ENOMEM;
  *block = (void *)p;
  return 0;
}

EXPORT void *valloc(size_t size) { return allocate_aligned(SYSTEM_PAGE, size); }

EXPORT void *pvalloc(size_t size) {
  size_t bytes;
  if (__builtin_add_overflow(size, SYSTEM_PAGE - 1, &bytes)) return no_memory();
  return allocate_aligned(SYSTEM_PAGE, bytes / SYSTEM_PAGE * SYSTEM_PAGE);
}

EXPORT size_t malloc_usable_size(void *block) {
  return block ? heap_usable((uintptr_t)block, "malloc_usable_size") : 0;
}

/* C23, 7.24.3.4 and 7.24.3.5. The sizes are hints that we do not need. */
EXPORT void free_sized(void *block, size_t size);
EXPORT void free_aligned_sized(void *block, size_t alignment, size_t size);

void free_sized(void *block, size_t size) {
  (void)size;
  heap_free((uintptr_t)block, "free_sized");
}

void free_aligned_sized(void *block, size_t alignment, size_t size) {
  (void)alignment;
  (void)size;
  heap_free((uintptr_t)block, "free_aligned_sized");
}

/* glibc's: gives free memory back to the system; pad is what it may keep. */
EXPORT int malloc_trim(size_t pad);

int malloc_trim(size_t pad) {
  (void)pad;
  return mcache_trim() != 0;
}

EXPORT size_t vs_trim(void) { return mcache_trim(); }

EXPORT size_t vs_set_memory_limit(size_t bytes) { return scavenge_set_limit(bytes); }

EXPORT void *vs_malloc(size_t size) { return allocate(size, NATIVE); }

EXPORT void vs_free(void *block) { heap_free((uintptr_t)block, "vs_free"); }

EXPORT void *vs_calloc(size_t count, size_t size) { return allocate_zeroed(count, size, NATIVE); }

EXPORT void *vs_realloc(void *block, size_t size) {
  return reallocate(block, size, NATIVE, "vs_realloc");
}

EXPORT void *vs_aligned_alloc(size_t alignment, size_t size) {
  return allocate_aligned(alignment, size);
}

EXPORT size_t vs_usable_size(const void *block) {
  return block ? heap_usable((uintptr_t)block, "vs_usable_size") : 0;
}

/* A number of bytes, perhaps with a suffix K, M, G or T; SIZE_MAX if the text is none. */
static size_t parse_bytes(const char *text) {
  size_t bytes = 0;
  for (; *text >= '0' && *text <= '9'; text++)
    if (__builtin_mul_overflow(bytes, 10, &bytes) || __builtin_add_overflow(bytes, (size_t)(*text - '0'), &bytes))
      return SIZE_MAX;
  const char *suffix = *text != 0 ? strchr("KMGT", *text) : 0;
  if (*text != 0 && (!suffix || text[1] != 0)) return SIZE_MAX;
  size_t unit = suffix ? (size_t)1024 << 10 * (suffix - "KMGT") : 1;
  return __builtin_mul_overflow(bytes, unit, &bytes) ? SIZE_MAX : bytes;
}

__attribute__((constructor)) static void read_environment(void) {
  const char *limit = secure_getenv("VERISPAN_MEMORY_LIMIT");
  if (limit && *limit != 0) (void)scavenge_set_limit(parse_bytes(limit));
}

__attribute__((constructor)) static void register_fork_handlers(void) {
  (void)pthread_atfork(mcache_before_fork, mcache_after_fork, mcache_after_fork);
  (void)pthread_atfork(background_before_fork, background_after_fork, background_in_child);
}
