/* SPDX-License-Identifier: Apache-2.0
 *
 * A collected heap for C programs of one thread: what Boehm's collector is to them, on a verispan heap. Conservative:
 * every aligned word of the stack, the registers, the program's own globals and of objects that may hold pointers, is
 * taken for a pointer if it points to or into an object.
 *
 * With -DUSE_BOEHM the same names are Boehm's.
 */
#ifndef VERISPAN_GC_COLLECTOR_H
#define VERISPAN_GC_COLLECTOR_H

#include <stddef.h>

#ifdef USE_BOEHM

#include <gc.h>

static inline void collector_start(void) { GC_INIT(); }
static inline void *collector_malloc(size_t size) { return GC_MALLOC(size); }
static inline void *collector_malloc_noscan(size_t size) { return GC_MALLOC_ATOMIC(size); }
static inline size_t collector_cycles(void) { return GC_get_gc_no(); }

#else

/* Before anything is allocated. */
void collector_start(void);

/* An object of size bytes, all zero, that may hold pointers; and one that will not, whose contents are indeterminate.
 * NULL if the system refused memory. */
void *collector_malloc(size_t size);
void *collector_malloc_noscan(size_t size);

/* Cycles so far. */
size_t collector_cycles(void);

#endif

#endif
