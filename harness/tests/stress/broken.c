/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocators that are broken on purpose, to see the stress test fail: glibc's with one bug, chosen
 * at compile time by -DBUG=<name> and loaded by LD_PRELOAD. BUG_NONE must pass.
 * The bugs strike seldom (one call in a few thousand): a test that only catches frequent ones is
 * of little use.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  BUG_NONE,
  BUG_OVERLAP_WHOLE,  /* a live block is handed out again */
  BUG_OVERLAP_TAIL,   /* a block begins inside the one before */
  BUG_CALLOC_DIRTY,   /* calloc does not zero */
  BUG_CALLOC_LAST,    /* calloc leaves the last byte */
  BUG_MISALIGNED,     /* malloc returns a block aligned to 8 */
  BUG_ALIGN_IGNORED,  /* aligned_alloc forgets the alignment */
  BUG_REALLOC_LOSES,  /* realloc copies 8 bytes too few when it grows */
  BUG_REALLOC_SHRINK, /* realloc to a smaller size copies nothing */
  BUG_SCRIBBLE,       /* free writes into another live block */
  BUG_USABLE_SHORT,   /* usable size below what was asked for */
  BUG_USABLE_LONG,    /* usable size reaches into the next block */
  BUG_LEAK,           /* some frees are forgotten */
  BUG_REMOTE_LEAK,    /* frees by another thread than the one that allocated are forgotten */
  BUG_NULL,           /* malloc fails for no reason */
  BUG_DEADLOCK,       /* a lock is not released */
};

#ifndef BUG
#error "compile with -DBUG=BUG_..."
#endif

extern void *__libc_malloc(size_t size);
extern void __libc_free(void *p);
extern void *__libc_memalign(size_t align, size_t size);

enum { SPARE = 32 }; /* bytes at the end of each glibc block that the caller does not get */

static unsigned calls;
static void *earlier; /* some block that is live */
static int lock;
static __thread char self;

static int seldom(void) { return __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) % 4096 == 0; }

/* glibc's usable size, from the size word in front of the block (its bit 1: block is a mapping). */
static size_t whole_size(void *p) {
  const size_t word = ((size_t *)p)[-1];
  return (word & ~(size_t)7) - (word & 2 ? 16 : 8);
}

/* The last word of a block says which thread allocated it. */
static char **owner_of(void *p) { return (char **)p + whole_size(p) / sizeof(char *) - 1; }

size_t malloc_usable_size(void *p) {
  const size_t size = whole_size(p) - SPARE;
  if (BUG == BUG_USABLE_SHORT && seldom()) return size / 2;
  if (BUG == BUG_USABLE_LONG && seldom()) return size + SPARE + 16;
  return size;
}

void *malloc(size_t size) {
  if (BUG == BUG_NULL && seldom()) return NULL;
  if (BUG == BUG_DEADLOCK) {
    while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
      usleep(1);
    if (!seldom()) __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
  }
  if (BUG == BUG_OVERLAP_WHOLE && earlier != NULL && seldom()) return earlier;
  if (BUG == BUG_OVERLAP_TAIL && earlier != NULL && seldom()) return (char *)earlier + 16;
  char *p = __libc_malloc(size + SPARE);
  if (p == NULL) return NULL;
  *owner_of(p) = &self;
  if (BUG == BUG_MISALIGNED && seldom()) return p + 8;
  if (size >= 64 && size < 1024) earlier = p;
  return p;
}

void free(void *p) {
  if (p == NULL) return;
  if (BUG == BUG_SCRIBBLE && earlier != NULL && earlier != p && seldom())
    ((char *)earlier)[48] ^= 1;
  if (p == earlier) earlier = NULL;
  if (BUG == BUG_LEAK && __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) % 4 == 0) return;
  if (BUG == BUG_REMOTE_LEAK && *owner_of(p) != &self) return;
  __libc_free(p);
}

void *calloc(size_t n, size_t size) {
  char *p = malloc(n * size);
  if (p == NULL) return NULL;
  if (BUG != BUG_CALLOC_DIRTY || !seldom()) memset(p, 0, n * size);
  if (BUG == BUG_CALLOC_LAST && n * size != 0 && seldom()) p[n * size - 1] = 1;
  return p;
}

void *realloc(void *p, size_t size) {
  if (p == NULL) return malloc(size);
  const size_t old = whole_size(p) - SPARE;
  size_t keep = old < size ? old : size;
  char *q = malloc(size);
  if (q == NULL) return NULL;
  if (BUG == BUG_REALLOC_LOSES && size > old && seldom()) keep = keep > 32 ? keep - 32 : 0;
  if (BUG == BUG_REALLOC_SHRINK && size < old && seldom()) keep = 0;
  memcpy(q, p, keep);
  free(p);
  return q;
}

void *aligned_alloc(size_t align, size_t size) {
  if (BUG == BUG_ALIGN_IGNORED) return malloc(size);
  char *p = __libc_memalign(align, size + SPARE);
  if (p != NULL) *owner_of(p) = &self;
  return p;
}
