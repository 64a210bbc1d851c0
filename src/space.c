/* SPDX-License-Identifier: Apache-2.0
 * Reserving and preparing address space. Contracts stand in space.h. */
#include "space.h"

uintptr_t space_end(const struct space *s) {
  uintptr_t reserved = addrranges_end(&s->reserved), heap = addrranges_end(&s->heap);
  return reserved > heap ? reserved : heap;
}

/* Where the next range should begin: at a multiple of align at the end of the highest, or 0. */
static uintptr_t space_hint(const struct space *s, size_t align) {
  uintptr_t end = space_end(s);
  if (end == 0) end = os_hint();
  uintptr_t over = end % align, pad = over == 0 ? 0 : align - over;
  return end > UINTPTR_MAX - pad ? 0 : end + pad;
}

uintptr_t space_reserve(struct space *s, size_t size, size_t align) {
  if (s->reserved.n == VS_MAX_RANGES) return 0;
  uintptr_t base = os_reserve(space_hint(s, align), size, align);
  if (base != 0) addrranges_add(&s->reserved, base, base + size);
  return base;
}

void space_unreserve(struct space *s, uintptr_t base, size_t size) {
  if (s->reserved.n == VS_MAX_RANGES) return;
  os_unreserve(base, size);
  addrranges_remove(&s->reserved, base, base + size);
}

bool space_extend(struct space *s, size_t size) {
  uintptr_t end = space_end(s), base = space_reserve(s, size, VS_PAGE_SIZE);
  if (base != 0 && base != end) space_unreserve(s, base, size);
  return base != 0 && base == end;
}

bool space_prepare(struct space *s, uintptr_t base, size_t size) {
  if (s->reserved.n == VS_MAX_RANGES || s->heap.n == VS_MAX_RANGES) return false;
  if (os_prepare(base, size) != 0) return false;
  addrranges_remove(&s->reserved, base, base + size);
  addrranges_add(&s->heap, base, base + size);
  return true;
}
