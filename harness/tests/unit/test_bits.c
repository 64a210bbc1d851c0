/* SPDX-License-Identifier: Apache-2.0
 *
 * Word operations against loops over the bits, on edge words and on random ones.
 */
#include "unit.h"

#include "bits.h"

static uint64_t sample(size_t i) {
  static uint64_t x = 7;
  if (i < 64) return (uint64_t)1 << i;
  if (i < 128) return ~((uint64_t)1 << (i - 64));
  if (i < 192) return ~(uint64_t)0 << (i - 128);
  const uint64_t r = unit_random(&x);
  return i % 3 == 0 ? r & unit_random(&x) & unit_random(&x) : r;
}

static int bit(uint64_t x, uint32_t i) {
  for (; i > 0; i--)
    x /= 2;
  return (int)(x % 2);
}

static void ctz_is_the_lowest_set_bit(void **state) {
  (void)state;
  for (size_t k = 0; k < 3000; k++) {
    const uint64_t x = sample(k);
    if (x == 0) continue;
    const uint32_t i = bits_ctz(x);
    assert_true(i < 64 && bit(x, i) == 1);
    for (uint32_t j = 0; j < i; j++)
      assert_int_equal(bit(x, j), 0);
  }
}

static void count_is_the_number_of_set_bits(void **state) {
  (void)state;
  assert_int_equal(bits_count(0), 0);
  assert_int_equal(bits_count(VS_WORD_ONES), 64);
  for (size_t k = 0; k < 3000; k++) {
    const uint64_t x = sample(k);
    uint32_t n = 0;
    for (uint32_t j = 0; j < 64; j++)
      n += (uint32_t)bit(x, j);
    assert_int_equal(bits_count(x), n);
  }
}

static void one_test_set_clear_and_not_change_one_bit(void **state) {
  (void)state;
  for (size_t k = 0; k < 500; k++) {
    const uint64_t x = sample(k);
    for (uint32_t i = 0; i < 64; i++)
      for (uint32_t j = 0; j < 64; j++) {
        assert_int_equal(bit(bits_one(i), j), i == j);
        assert_int_equal(bit(bits_set(x, i), j), i == j ? 1 : bit(x, j));
        assert_int_equal(bit(bits_clear(x, i), j), i == j ? 0 : bit(x, j));
        assert_int_equal(bit(bits_not(x), j), !bit(x, j));
        assert_int_equal(bits_test(x, j), bit(x, j));
      }
  }
}

/* A shift by 64 would be undefined: the whole word is a case of its own. */
static void below_is_the_low_bits(void **state) {
  (void)state;
  for (uint32_t n = 0; n <= 64; n++)
    for (uint32_t j = 0; j < 64; j++)
      assert_int_equal(bit(bits_below(n), j), j < n);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ctz_is_the_lowest_set_bit),
      cmocka_unit_test(count_is_the_number_of_set_bits),
      cmocka_unit_test(one_test_set_clear_and_not_change_one_bit),
      cmocka_unit_test(below_is_the_low_bits),
  };
  return unit_run("bits", tests);
}
