/* SPDX-License-Identifier: Apache-2.0
 * A conservative mark phase over the vs_heap_ API. See collector.h. */
#include "collector.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "verispan.h"

/* A cycle starts when half as much again as lived after the last one was allocated, but not before so many bytes. */
#define LEAST_DISTANCE ((size_t)4 << 20)
static size_t distance_for(size_t lived) {
  size_t grown = lived + lived / 2;
  return grown > LEAST_DISTANCE ? grown : LEAST_DISTANCE;
}

/* The program's own data and bss (ld(1)), and where the stack begins (glibc). */
extern char __data_start[], _end[];
extern void *__libc_stack_end;

static struct vs_heap *heap;
static size_t allocated, distance = LEAST_DISTANCE, live, cycles;

/* Objects reached and not yet scanned. */
struct range {
  uintptr_t *first, *end;
};
static struct range *stack;
static size_t depth, capacity;

static void push(const struct vs_object *o) {
  __builtin_prefetch(o->base);
  if (depth == capacity) {
    capacity = capacity == 0 ? 4096 : 2 * capacity;
    stack = realloc(stack, capacity * sizeof *stack);
    if (stack == NULL) abort();
  }
  stack[depth++] = (struct range){o->base, (uintptr_t *)((char *)o->base + o->size)};
}

/* Not for sanitizers: it reads whole stack frames. */
static void scan(uintptr_t *first, uintptr_t *end) {
  for (uintptr_t *word = first; word < end; word++) {
    struct vs_object o;
    if (*word == 0 || !vs_heap_mark(heap, (void *)*word, &o)) continue;
    live += o.size;
    if (!o.noscan) push(&o);
  }
}

static void drain(void) {
  while (depth > 0) {
    struct range r = stack[--depth];
    scan(r.first, r.end);
  }
}

static uintptr_t *word_at(void *p) { return (uintptr_t *)((uintptr_t)p & ~(sizeof(uintptr_t) - 1)); }

/* The registers that a caller may keep pointers in are in this frame, and so on the stack. */
static __attribute__((noinline)) void collect(void) {
  __builtin_unwind_init();
  live = 0;
  vs_heap_begin_mark(heap);
  scan(word_at(__builtin_frame_address(0)) - 16, __libc_stack_end);
  drain();
  scan(word_at(__data_start), word_at(_end));
  drain();
  distance = distance_for(live);
  allocated = 0;
  cycles++;
  vs_heap_end_mark(heap, distance);
}

static void *allocate(size_t size, unsigned flags) {
  allocated += size;
  if (__builtin_expect(allocated > distance, 0)) collect();
  return vs_heap_malloc(heap, size, flags);
}

void collector_start(void) {
  heap = vs_heap_create(VS_HEAP_COLLECTED);
  if (heap == NULL) abort();
}

void *collector_malloc(size_t size) { return allocate(size, VS_ZERO); }
void *collector_malloc_noscan(size_t size) { return allocate(size, VS_NOSCAN); }
size_t collector_cycles(void) { return cycles; }
