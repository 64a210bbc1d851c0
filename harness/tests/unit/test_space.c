/* SPDX-License-Identifier: Apache-2.0
 *
 * Address space on the real system, where its sets are nearly full: what was reserved can always be given back.
 */
#define _GNU_SOURCE
#include "unit.h"

#include <errno.h>
#include <sys/mman.h>

#include "space.h"

enum { PAGE = 8192 };

static struct space space;

/* Makes n ranges of the set that nobody has reserved, at low addresses that the system gives to none. */
static void fill(struct addr_ranges *s, uint32_t n) {
  s->n = n;
  for (uint32_t i = 0; i < n; i++) {
    s->range[i].base = 1 + 2 * (uintptr_t)i;
    s->range[i].limit = 2 + 2 * (uintptr_t)i;
  }
}

static bool mapped(uintptr_t addr) {
  unsigned char in[2];
  return mincore((void *)addr, PAGE, in) == 0 || errno != ENOMEM;
}

static bool reserved(uintptr_t base, size_t size) { return addrranges_hold(&space.reserved, base, base + size); }

/* There is always a place for the range that is left over when a part is given back from the middle of one. */
static void full_set(void **state) {
  (void)state;
  fill(&space.reserved, VS_MAX_RANGES - 2);
  space.heap.n = 0;
  const uintptr_t base = space_reserve(&space, 4 * PAGE, PAGE);
  assert_true(base != 0 && reserved(base, 4 * PAGE) && mapped(base));
  assert_int_equal(space_reserve(&space, PAGE, PAGE), 0);
  space_unreserve(&space, base + PAGE, PAGE);
  assert_int_equal(space.reserved.n, VS_MAX_RANGES);
  assert_false(mapped(base + PAGE));
  assert_true(reserved(base, PAGE) && !reserved(base + PAGE, PAGE) && reserved(base + 2 * PAGE, 2 * PAGE));
  assert_int_equal(munmap((void *)base, 4 * PAGE), 0);
}

/* What cannot lie behind the highest range is not kept. */
static void extend(void **state) {
  (void)state;
  space.reserved.n = space.heap.n = 0;
  const uintptr_t base = space_reserve(&space, 4 * PAGE, PAGE);
  assert_true(base != 0);
  const uintptr_t wall = base + 6 * PAGE;
  assert_ptr_equal(mmap((void *)wall, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0), wall);
  assert_int_equal(space_extend(&space, 4 * PAGE), 0);
  assert_true(space.reserved.n == 1 && space_end(&space) == base + 4 * PAGE);
  assert_int_equal(space_extend(&space, 2 * PAGE), base + 4 * PAGE);
  assert_true(space.reserved.n == 1 && reserved(base, 6 * PAGE));
  assert_true(space_prepare(&space, base + PAGE, PAGE));
  memset((void *)(base + PAGE), 0xff, PAGE);
  assert_true(addrranges_hold(&space.heap, base + PAGE, base + 2 * PAGE));
  assert_int_equal(munmap((void *)base, 7 * PAGE), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(full_set), cmocka_unit_test(extend)};
  return unit_run("space", tests);
}
