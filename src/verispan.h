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

/* Checks the invariants of the whole heap, and calls report once for each violation with a line that describes
 * it (report may be NULL). The number of violations: 0 on a sound heap. No other thread may use the heap
 * during the call; report must not allocate. */
size_t vs_audit(void (*report)(void *context, const char *violation), void *context);

/* What is certified of this library: a JSON object with the version and the sha256 of the sources that the
 * certificate in build/certificate.json must name. Static storage. */
const char *vs_certificate(void);

#ifdef __cplusplus
}
#endif

#endif
