/* SPDX-License-Identifier: Apache-2.0
 *
 * The shadow heap: one bit per 8 bytes of address space, set while a block that the allocator
 * handed out covers them. It knows nothing of the allocator and takes its memory from mmap, so an
 * overlap that the allocator believes impossible is still seen.
 *
 * A claim sets the bits of a block and fails if one was set; a release clears them and fails if
 * one was clear. The caller claims after malloc returns and releases before it calls free, so two
 * claims of the same bytes are two live blocks that overlap.
 */
#ifndef VERISPAN_TEST_SHADOW_H
#define VERISPAN_TEST_SHADOW_H

#include <stddef.h>

/* Called once, before the first claim. */
void shadow_init(void);

/* Both return 0, or the address of the first 8 bytes that were (not) claimed already. */
size_t shadow_claim(size_t addr, size_t size);
size_t shadow_release(size_t addr, size_t size);

/* Zeroed memory that does not come from the allocator under test. */
void *shadow_map(size_t size);

#endif
