/* SPDX-License-Identifier: Apache-2.0
 *
 * The library that test_process.c loads and unloads: allocates in its constructor, frees in its
 * destructor, and has thread-local data, for which the dynamic linker itself allocates.
 */
#include "../allocator_calls.h"

#include <string.h>

char *dlopened_block(void);
char *dlopened_thread_block(void);

static char *block;
static __thread char *thread_block;
static __thread char padding[3000];

__attribute__((constructor)) static void on_load(void) {
  block = t_malloc(100);
  strcpy(block, "made in a constructor");
}

__attribute__((destructor)) static void on_unload(void) { t_free(block); }

char *dlopened_block(void) { return block; }

char *dlopened_thread_block(void) {
  padding[0]++;
  thread_block = t_malloc(500);
  return thread_block;
}
