/* SPDX-License-Identifier: Apache-2.0
 *
 * verispan: a verified memory allocator. This is its own API; linked as a drop-in malloc, the C library's names
 * do the same on the same heap.
 *
 * Sizes and alignments are in bytes. Every function may be called from any thread at any time, before main and
 * after fork included. A block may be freed by another thread than the one that allocated it. On misuse (a double
 * free, a pointer into a block, a pointer that is not ours) a function prints one line on standard error that
 * names the pointer and what is wrong, and aborts.
 */
#ifndef VERISPAN_H
#define VERISPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VERISPAN_VERSION "0.1.0"

/* A block of at least size bytes, aligned to 16 bytes; to 8 if size is at most 8 or from 17 to 24.
 * NULL with errno ENOMEM if size exceeds 2^45 - 8192 or the system refused memory. vs_malloc(0) is a block. */
void *vs_malloc(size_t size);

/* Frees a block of this heap, whichever function it is from. Does nothing with NULL; keeps errno. */
void vs_free(void *block);

/* A block for count objects of size bytes, all zero. NULL with errno ENOMEM as vs_malloc, and if the product overflows. */
void *vs_calloc(size_t count, size_t size);

/* A block of size bytes with the contents of block, which is freed; vs_malloc(size) if block is NULL. On NULL
 * with errno ENOMEM block is as it was. vs_realloc(block, 0) frees block and returns NULL. */
void *vs_realloc(void *block, size_t size);

/* A block aligned to alignment, a power of two. NULL with errno EINVAL if it is none, ENOMEM as vs_malloc. */
void *vs_aligned_alloc(size_t alignment, size_t size);

/* Bytes that block can hold: at least the size asked for. 0 for NULL. */
size_t vs_usable_size(const void *block);

/* What the heap holds, at some moment during the call. Bytes unless they say otherwise. */
struct vs_stats {
  uint64_t reserved;  /* address space of the heap */
  uint64_t in_use;    /* pages of spans: live blocks, cached and free slots, waste */
  uint64_t resident;  /* pages that may hold memory: in use, or freed and not yet given back */
  uint64_t released;  /* ever given back to the system */
  uint64_t metadata;  /* address space of descriptors and bitmaps, backed where used */
  uint64_t arenas;    /* number of 64 MiB arenas */
  uint64_t spans;     /* number of spans in use */
  uint64_t mcaches;   /* number of thread caches ever made */
};

/* Fills *stats. Takes the heap lock. */
void vs_stats(struct vs_stats *stats);

/* Gives all memory that is free back to the system, however short it has been free, but for pages that other running
 * threads keep, at most 512 KiB each. Bytes given back. */
size_t vs_trim(void);

/* A soft limit for vs_stats' resident, SIZE_MAX for none: pages that are free are given back so as to stay below 0.95 of
 * it without haste, and to stay below it at once when the heap takes more. What is in use may exceed it. The limit
 * before. Without a call it is what the environment variable VERISPAN_MEMORY_LIMIT says (a number of bytes, or with a
 * suffix K, M, G or T of 2^10, 2^20, 2^30 or 2^40), or none. */
size_t vs_set_memory_limit(size_t bytes);

/* Starts a thread that gives free memory back, for programs that neither allocate nor free for seconds; for others those
 * that do see to it. No effect while it runs. It has all signals blocked and takes at most 1% of the processors' time;
 * a child after fork has none. 0, or the error number of pthread_create. vs_stop_scavenger ends it, and returns when it
 * has ended. */
int vs_start_scavenger(void);
void vs_stop_scavenger(void);

/* Checks the invariants of the whole heap, and calls report once for each violation with a line that describes
 * it (report may be NULL). The number of violations: 0 on a sound heap. No other thread may use the heap
 * during the call; report must not allocate. */
size_t vs_audit(void (*report)(void *context, const char *violation), void *context);

/* Further heaps. Each is independent of the others and of the default heap, of which malloc and vs_malloc allocate;
 * all share one page heap. A block belongs to the heap that it was allocated in; only vs_heap_free with that heap
 * frees it.
 *
 * A manual heap is for blocks that die together. A collected one is for a language runtime that marks and sweeps: the
 * embedder finds the live objects, the heap does the rest. Its cycle:
 *
 *   vs_heap_begin_mark(heap);                       the world stops: no other thread is in a call on this heap
 *   vs_heap_mark(heap, p) for all that is live      any threads; others may allocate at the same time
 *   vs_heap_end_mark(heap, allowance);              the world stops again
 *
 * An object that was not reached between the two and is older than vs_heap_begin_mark is dead from vs_heap_end_mark
 * on, and its memory is used again; one allocated in between lives on at least until the next cycle. In the child of a
 * fork a collected heap may be used if no other thread was in a call on it. */
struct vs_heap;
enum vs_heap_kind { VS_HEAP_MANUAL, VS_HEAP_COLLECTED };

/* An empty heap; NULL with errno ENOMEM if 63 further heaps exist or the system refused memory. */
struct vs_heap *vs_heap_create(enum vs_heap_kind kind);

/* Frees the heap with all its blocks. No other thread is in a call on it, then or later; objects are not being marked.
 */
void vs_heap_destroy(struct vs_heap *heap);

/* Flags of vs_heap_malloc. */
#define VS_NOSCAN 1u /* the object will hold no pointers: vs_heap_object says so */
#define VS_ZERO 2u   /* the block must read as zeros */

/* A block of at least size bytes of the heap; alignment, limits and errors as vs_malloc. */
void *vs_heap_malloc(struct vs_heap *heap, size_t size, unsigned flags);

/* Frees a block of a manual heap. Does nothing with NULL. */
void vs_heap_free(struct vs_heap *heap, void *block);

/* Starts marking in a collected heap. The world is stopped. Finishes the sweep of the last cycle. */
void vs_heap_begin_mark(struct vs_heap *heap);

/* An object of a collected heap: its first address, its size, and whether it was allocated with VS_NOSCAN. */
struct vs_object {
  void *base;
  size_t size;
  bool noscan;
};

/* Reaches the object that p, any word, points to or into. Whether it is an object and was not reached before: true for
 * one caller only, who finds it described in *object if object is not NULL. Any thread, between vs_heap_begin_mark and
 * vs_heap_end_mark. */
bool vs_heap_mark(struct vs_heap *heap, const void *p, struct vs_object *object);

/* Whether any word p points to or into an object of a collected heap; then *object describes it. While objects are
 * marked any thread; else no other thread is in a call on the heap, and an object that died is still found until it is
 * swept. */
bool vs_heap_object(struct vs_heap *heap, const void *p, struct vs_object *object);

/* Ends marking: the world is stopped. What is dead is swept as the program allocates; allowance: bytes within whose
 * allocation the sweep is to be finished, such as the distance to the next cycle; with 0 it is only done where a
 * thread needs a span. */
void vs_heap_end_mark(struct vs_heap *heap, size_t allowance);

/* Sweeps a part of what is left to sweep, in whatever thread. Whether there was something. */
bool vs_heap_sweep_step(struct vs_heap *heap);

/* Sweeps all that is left. Does nothing while objects are marked. */
void vs_heap_finish_sweep(struct vs_heap *heap);

/* What is certified of this library: a JSON object with the version and the sha256 of the sources that the
 * certificate in build/certificate.json must name. Static storage. */
const char *vs_certificate(void);

#ifdef __cplusplus
}
#endif

#endif
