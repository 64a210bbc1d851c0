/* SPDX-License-Identifier: Apache-2.0
 *
 * glibc's allocator with one bug, chosen by -DBUG=<name> and loaded by LD_PRELOAD, to see each mode of lives.c fail.
 * BUG_NONE must pass.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  BUG_NONE,
  BUG_DEAD_CACHE,  /* what a thread has cached is lost when it ends */
  BUG_CANCEL,      /* a thread can be cancelled while it holds the lock */
  BUG_REMOTE,      /* a block freed by another thread than the one that allocated is handed out twice */
  BUG_REMOTE_LEAK, /* such a block is forgotten */
  BUG_FORK,        /* a child may find the lock held, by a thread that it does not have */
  BUG_EXIT,        /* the allocator is torn down at exit, while threads still use it */
};

#ifndef BUG
#error "compile with -DBUG=BUG_..."
#endif

extern void *__libc_malloc(size_t size);
extern void __libc_free(void *p);
extern void *__libc_realloc(void *p, size_t size);

enum { SPARE = 32, SMALL = 64, EVERY = 4 };

static atomic_uint calls;
static atomic_flag lock = ATOMIC_FLAG_INIT;
static void *_Atomic again;
static atomic_int torn_down;
static __thread char self, *cache;

/* After the program's own destructors; other threads may still run. */
__attribute__((destructor)) static void tear_down(void) {
  atomic_store(&torn_down, 1);
  if (BUG == BUG_EXIT) usleep(20000);
}

static int at_times(void) { return atomic_fetch_add(&calls, 1) % EVERY == 0; }

/* The last word of a block, beyond what the caller got, says which thread allocated it. Bit 1 of the word in front of
 * it: the block is a mapping. */
static char **owner_of(void *p) {
  const size_t word = ((size_t *)p)[-1];
  return (char **)p + ((word & ~(size_t)7) - (word & 2 ? 16 : 8)) / sizeof(char *) - 1;
}

static void *locked_malloc(size_t size) {
  while (atomic_flag_test_and_set(&lock))
    usleep(1);
  void *p = __libc_malloc(size);
  if (at_times()) BUG == BUG_CANCEL ? pthread_testcancel() : (void)usleep(100);
  atomic_flag_clear(&lock);
  return p;
}

void *malloc(size_t size) {
  if (BUG == BUG_EXIT && atomic_load(&torn_down)) abort();
  if (BUG == BUG_DEAD_CACHE && cache == NULL) cache = memset(__libc_malloc(32768), 1, 32768);
  void *twice = BUG == BUG_REMOTE && size <= SMALL ? atomic_load(&again) : NULL;
  if (twice != NULL) {
    if (at_times()) atomic_store(&again, NULL);
    return twice;
  }
  void *p = BUG == BUG_CANCEL || BUG == BUG_FORK ? locked_malloc(size + SPARE) : __libc_malloc(size + SPARE);
  if (p != NULL) *owner_of(p) = &self;
  return p;
}

void free(void *p) {
  if (p == NULL || p == atomic_load(&again)) return;
  if (BUG == BUG_REMOTE || BUG == BUG_REMOTE_LEAK) {
    const int spoilt = *owner_of(p) != &self && (BUG == BUG_REMOTE_LEAK || at_times());
    if (spoilt && BUG == BUG_REMOTE) atomic_store(&again, p);
    if (spoilt) return;
  }
  __libc_free(p);
}

void *realloc(void *p, size_t size) {
  void *q = __libc_realloc(p, size + SPARE);
  if (q != NULL) *owner_of(q) = &self;
  return q;
}
