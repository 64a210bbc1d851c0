/* SPDX-License-Identifier: Apache-2.0
 *
 * From an address to its span: arenas that exist and that do not, heads at both ends of an arena.
 */
#include "unit.h"

#include "arena.h"

enum { NUMBER = 5 };

static struct heap_arena arena;

static uintptr_t page_address(uint32_t page) {
  return (uintptr_t)NUMBER * VS_ARENA_SIZE + (uintptr_t)page * VS_PAGE_SIZE;
}

static int set_up(void **state) {
  (void)state;
  arena_set_head(&arena, 0, VS_ARENA_PAGES, &vs_empty_span);
  vs_arena_map[NUMBER] = &arena;
  return 0;
}

static void numbers_and_pages_divide_the_address(void **state) {
  (void)state;
  assert_int_equal(arena_number(0), 0);
  assert_int_equal(arena_number(VS_ARENA_SIZE - 1), 0);
  assert_int_equal(arena_number(VS_ARENA_SIZE), 1);
  assert_int_equal(arena_number(((uintptr_t)1 << 48) - 1), VS_ARENA_COUNT - 1);
  assert_true(arena_number((uintptr_t)1 << 48) >= VS_ARENA_COUNT);
  assert_true(arena_number(UINTPTR_MAX) >= VS_ARENA_COUNT);
  assert_int_equal(arena_page(0), 0);
  assert_int_equal(arena_page(VS_PAGE_SIZE - 1), 0);
  assert_int_equal(arena_page(VS_PAGE_SIZE), 1);
  assert_int_equal(arena_page(VS_ARENA_SIZE - 1), VS_ARENA_PAGES - 1);
  assert_int_equal(arena_page(VS_ARENA_SIZE), 0);
}

static void addresses_outside_have_the_empty_span(void **state) {
  (void)state;
  const uintptr_t outside[] = {0,
                               1,
                               4096,
                               page_address(0) - 1,
                               page_address(VS_ARENA_PAGES),
                               ((uintptr_t)1 << 48) - 1,
                               (uintptr_t)1 << 48,
                               UINTPTR_MAX,
                               (uintptr_t)NUMBER * VS_ARENA_SIZE + ((uintptr_t)1 << 48)};
  for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
    assert_ptr_equal(arena_span(outside[i]), &vs_empty_span);
  assert_ptr_equal(arena_span(page_address(100)), &vs_empty_span);
}

static void every_byte_of_a_span_finds_it(void **state) {
  (void)state;
  const uint32_t firsts[] = {0, 77, VS_ARENA_PAGES - 3};
  for (size_t i = 0; i < 3; i++)
    arena_set_head(&arena, firsts[i], 3, &arena.span[i]);
  for (size_t i = 0; i < 3; i++)
    for (uint32_t off = 0; off < 3 * VS_PAGE_SIZE; off += 511)
      assert_ptr_equal(arena_span(page_address(firsts[i]) + off), &arena.span[i]);
  assert_ptr_equal(arena_span(page_address(76)), &vs_empty_span);
  assert_ptr_equal(arena_span(page_address(80)), &vs_empty_span);
  arena_set_head(&arena, 77, 3, &vs_empty_span);
  assert_ptr_equal(arena_span(page_address(78)), &vs_empty_span);
}

/* A free compares the owner: nobody may own the empty span. */
static void nobody_owns_the_empty_span(void **state) {
  (void)state;
  assert_int_equal(vs_empty_span.ctl, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(numbers_and_pages_divide_the_address),
      cmocka_unit_test_setup(addresses_outside_have_the_empty_span, set_up),
      cmocka_unit_test_setup(every_byte_of_a_span_finds_it, set_up),
      cmocka_unit_test(nobody_owns_the_empty_span),
  };
  return unit_run("arena", tests);
}
