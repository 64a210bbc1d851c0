/* SPDX-License-Identifier: Apache-2.0
 *
 * How the tests call the allocator: through volatile function pointers, so that the compiler can
 * neither fold a malloc/free pair away nor warn about the misuse that a test is made of; and a way
 * to ask which allocator is underneath, so that a run that silently tested glibc fails.
 */
#ifndef VERISPAN_TEST_ALLOCATOR_CALLS_H
#define VERISPAN_TEST_ALLOCATOR_CALLS_H

#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>

#define TEST_UNUSED __attribute__((unused))

static void *(*volatile t_malloc)(size_t)TEST_UNUSED = malloc;
static void (*volatile t_free)(void *) TEST_UNUSED = free;
static void *(*volatile t_calloc)(size_t, size_t)TEST_UNUSED = calloc;
static void *(*volatile t_realloc)(void *, size_t)TEST_UNUSED = realloc;
static void *(*volatile t_reallocarray)(void *, size_t, size_t)TEST_UNUSED = reallocarray;
static void *(*volatile t_aligned_alloc)(size_t, size_t)TEST_UNUSED = aligned_alloc;
static int (*volatile t_posix_memalign)(void **, size_t, size_t) TEST_UNUSED = posix_memalign;
static void *(*volatile t_memalign)(size_t, size_t)TEST_UNUSED = memalign;
static void *(*volatile t_valloc)(size_t)TEST_UNUSED = valloc;
static void *(*volatile t_pvalloc)(size_t)TEST_UNUSED = pvalloc;
static size_t (*volatile t_usable_size)(void *) TEST_UNUSED = malloc_usable_size;

/* C23 names, which glibc 2.36 does not have. */
extern void free_sized(void *p, size_t size) __attribute__((weak));
extern void free_aligned_sized(void *p, size_t align, size_t size) __attribute__((weak));

/* Present only when verispan is linked in or preloaded. */
extern void *vs_malloc(size_t size) __attribute__((weak));

/* A libc allocator would be taken for verispan if only vs_malloc were there: ask for both. */
static inline TEST_UNUSED int on_verispan(void) {
  return vs_malloc != NULL && free_sized != NULL && free_aligned_sized != NULL;
}

#endif
