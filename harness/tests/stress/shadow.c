/* SPDX-License-Identifier: Apache-2.0
 *
 * Shadow heap: two levels, 2^25 leaves of 4 MiB of address space each, made on first use.
 */
#define _GNU_SOURCE
#include "shadow.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
  GRANULE = 8,
  LEAF_SHIFT = 22,
  LEAF_WORDS = (1 << LEAF_SHIFT) / GRANULE / 64,
  ROOT_BITS = 47 - LEAF_SHIFT,
};

static uint64_t **root;

void *shadow_map(size_t size) {
  void *p =
      mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    perror("shadow_map: mmap");
    exit(2);
  }
  return p;
}

void shadow_init(void) { root = shadow_map(sizeof(uint64_t *) << ROOT_BITS); }

static uint64_t *shadow_leaf(size_t addr) {
  uint64_t **slot = &root[addr >> LEAF_SHIFT];
  uint64_t *leaf = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
  if (leaf == NULL) {
    uint64_t *fresh = shadow_map(LEAF_WORDS * sizeof(uint64_t));
    if (__atomic_compare_exchange_n(slot, &leaf, fresh, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
      leaf = fresh;
    else
      munmap(fresh, LEAF_WORDS * sizeof(uint64_t));
  }
  return leaf;
}

/* Applies to every granule of [addr, addr+size); wants them all clear (claim) or all set. */
static size_t shadow_change(size_t addr, size_t size, int claim) {
  size_t granule = addr / GRANULE;
  const size_t end = (addr + size + GRANULE - 1) / GRANULE;
  if (addr >> 47 != 0 || (end * GRANULE) >> 47 != 0) return addr;
  while (granule < end) {
    const size_t bit = granule % 64;
    const size_t left = end - granule;
    const size_t n = left < 64 - bit ? left : 64 - bit;
    const uint64_t ones = n == 64 ? ~(uint64_t)0 : ((uint64_t)1 << n) - 1;
    const uint64_t mask = ones << bit;
    uint64_t *word = &shadow_leaf(granule * GRANULE)[granule / 64 % LEAF_WORDS];
    uint64_t wrong;
    if (claim)
      wrong = __atomic_fetch_or(word, mask, __ATOMIC_RELAXED) & mask;
    else
      wrong = ~__atomic_fetch_and(word, ~mask, __ATOMIC_RELAXED) & mask;
    if (wrong != 0) return (granule - bit + (size_t)__builtin_ctzll(wrong)) * GRANULE;
    granule += n;
  }
  return 0;
}

size_t shadow_claim(size_t addr, size_t size) { return shadow_change(addr, size, 1); }

size_t shadow_release(size_t addr, size_t size) { return shadow_change(addr, size, 0); }
