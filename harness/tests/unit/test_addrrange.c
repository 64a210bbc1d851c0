/* SPDX-License-Identifier: Apache-2.0
 *
 * Sets of addresses: the cases of Go's TestAddrRangesAdd and TestAddrRangesFindSucc (runtime/mranges_test.go), the top
 * of the address space, and random operations against a byte for each address.
 */
#include "unit.h"

#include "addrrange.h"

static struct addr_ranges set;

static int set_up(void **state) {
  (void)state;
  set.n = 0;
  return 0;
}

/* Sorted, not empty, not touching; as many bytes as there should be. */
static void sound(uint64_t bytes) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < set.n; i++) {
    assert_true(set.range[i].base < set.range[i].limit);
    assert_true(i == 0 || set.range[i - 1].limit < set.range[i].base);
    sum += set.range[i].limit - set.range[i].base;
  }
  assert_int_equal(sum, bytes);
  assert_int_equal(addrranges_bytes(&set), bytes);
}

static void is(const struct addr_range *want, uint32_t n) {
  assert_int_equal(set.n, n);
  assert_memory_equal(set.range, want, n * sizeof *want);
}

static void adding_joins_what_touches(void **state) {
  (void)state;
  static const struct {
    struct addr_range add, want[3];
    uint32_t n;
  } steps[] = {
      {{512, 1024}, {{512, 1024}}, 1},
      {{1024, 2048}, {{512, 2048}}, 1},
      {{4096, 8192}, {{512, 2048}, {4096, 8192}}, 2},
      {{3776, 4096}, {{512, 2048}, {3776, 8192}}, 2},
      {{2048, 3776}, {{512, 8192}}, 1},
  };
  uint64_t bytes = 0;
  for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
    addrranges_add(&set, steps[i].add.base, steps[i].add.limit);
    is(steps[i].want, steps[i].n);
    bytes += steps[i].add.limit - steps[i].add.base;
    sound(bytes);
  }
  for (uint64_t i = 0; i < 64; i++) {
    const uintptr_t base = 8192 + 2048 * (i + 1);
    addrranges_add(&set, base, base + 10);
    sound(bytes += 10);
    assert_int_equal(set.n, i + 2);
  }
  for (uint64_t i = 0; i < 63; i++) {
    addrranges_add(&set, 8 + 8 * i, 8 + 8 * i + 4);
    sound(bytes += 4);
    assert_int_equal(set.n, i + 66);
  }
}

static void the_next_range_is_found(void **state) {
  (void)state;
  static const struct {
    struct addr_range range[3];
    uint32_t n;
    struct {
      uintptr_t addr;
      uint32_t after;
    } ask[4];
    uint32_t asks;
  } cases[] = {
      {{{0, 0}}, 0, {{12, 0}}, 1},
      {{{14, 16}}, 1, {{12, 0}, {14, 1}, {16, 1}, {17, 1}}, 4},
      {{{6, 10}, {12, 16}, {19, 22}}, 3, {{3, 0}, {24, 3}, {11, 1}, {9, 1}}, 4},
      {{{0, 10}}, 1, {{0, 1}}, 1},
      {{{UINTPTR_MAX - 5, UINTPTR_MAX}}, 1, {{UINTPTR_MAX, 1}}, 1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    set_up(NULL);
    for (uint32_t k = 0; k < cases[i].n; k++)
      addrranges_add(&set, cases[i].range[k].base, cases[i].range[k].limit);
    for (uint32_t k = 0; k < cases[i].asks; k++)
      assert_int_equal(addrranges_after(&set, cases[i].ask[k].addr), cases[i].ask[k].after);
  }
  static const struct {
    uintptr_t addr;
    uint32_t after;
  } ask[] = {{2, 0}, {535, 100}, {14, 2}, {249, 49}, {25, 5}, {396, 79}, {250, 50}};
  set_up(NULL);
  for (uintptr_t i = 0; i < 100; i++)
    addrranges_add(&set, 5 + 5 * i, 8 + 5 * i);
  for (size_t i = 0; i < sizeof ask / sizeof ask[0]; i++)
    assert_int_equal(addrranges_after(&set, ask[i].addr), ask[i].after);
}

/* Where alignment or size would run past the top, nothing fits. */
static void nothing_wraps_around(void **state) {
  (void)state;
  addrranges_add(&set, 3, 10);
  addrranges_add(&set, UINTPTR_MAX - 99, UINTPTR_MAX);
  assert_int_equal(addrranges_find(&set, 99, 1), UINTPTR_MAX - 99);
  assert_int_equal(addrranges_find(&set, 100, 1), 0);
  assert_int_equal(addrranges_find(&set, UINTPTR_MAX, 1), 0);
  assert_int_equal(addrranges_find(&set, 1, (uintptr_t)1 << 63), 0);
  assert_int_equal(addrranges_find(&set, 1, UINTPTR_MAX), 0);
  assert_int_equal(addrranges_find(&set, 10, 64), UINTPTR_MAX - 63);
  assert_int_equal(addrranges_find(&set, 6, 4), 4);
  assert_int_equal(addrranges_find(&set, 7, 4), UINTPTR_MAX - 99);
  assert_false(addrranges_hold(&set, 5, UINTPTR_MAX));
  assert_true(addrranges_hold(&set, UINTPTR_MAX - 1, UINTPTR_MAX));
  assert_int_equal(addrranges_end(&set), UINTPTR_MAX);
}

enum { ADDRESSES = 400 };

static bool all(const unsigned char *in, uintptr_t base, uintptr_t limit, unsigned char what) {
  while (base < limit && in[base] == what)
    base++;
  return base == limit;
}

static uintptr_t naive_find(const unsigned char *in, size_t size, size_t align) {
  for (uintptr_t a = align; a + size <= ADDRESSES; a += align)
    if (all(in, a, a + size, 1)) return a;
  return 0;
}

static void random_operations_agree_with_a_model(void **state) {
  (void)state;
  unsigned char in[ADDRESSES] = {0};
  uint64_t x = 9, bytes = 0, added = 0, removed = 0;
  for (int k = 0; k < 200000; k++) {
    const uint64_t r = unit_random(&x);
    const uintptr_t base = 1 + r % (ADDRESSES - 1), most = ADDRESSES - base;
    const uintptr_t limit = base + 1 + (r >> 20) % (most < 12 ? most : 12);
    if (limit > ADDRESSES) continue;
    assert_int_equal(addrranges_hold(&set, base, limit), all(in, base, limit, 1));
    const size_t size = 1 + (r >> 40) % 20, align = 1 + (r >> 50) % 9;
    assert_int_equal(addrranges_find(&set, size, align), naive_find(in, size, align));
    if (all(in, base, limit, 0)) {
      addrranges_add(&set, base, limit);
      memset(in + base, 1, limit - base);
      bytes += limit - base;
      added++;
    } else if (all(in, base, limit, 1)) {
      addrranges_remove(&set, base, limit);
      memset(in + base, 0, limit - base);
      bytes -= limit - base;
      removed++;
    }
    sound(bytes);
  }
  assert_true(added > 10000 && removed > 10000);
  for (uintptr_t a = 0; a < ADDRESSES - 1; a++)
    assert_int_equal(addrranges_hold(&set, a, a + 1), in[a]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(adding_joins_what_touches, set_up),
      cmocka_unit_test_setup(the_next_range_is_found, set_up),
      cmocka_unit_test_setup(nothing_wraps_around, set_up),
      cmocka_unit_test_setup(random_operations_agree_with_a_model, set_up),
  };
  return unit_run("addrrange", tests);
}
