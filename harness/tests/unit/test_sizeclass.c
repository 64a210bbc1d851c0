/* SPDX-License-Identifier: Apache-2.0
 *
 * Size classes: the table against Go's (runtime/sizeclasses.go, 1.20), the lookup for every size,
 * the division for every offset of every class.
 */
#include "unit.h"

#include "sizeclass.h"

/* Go's classes 1 to 67: bytes, least alignment, magic divisor. */
static const struct {
  uint32_t size, min_align, magic;
} go_class[67] = {
    {8, 8, 0x20000000},        {16, 16, 0x10000000},      {24, 8, 0x0aaaaaab},
    {32, 32, 0x08000000},      {48, 16, 0x05555556},      {64, 64, 0x04000000},
    {80, 16, 0x03333334},      {96, 32, 0x02aaaaab},      {112, 16, 0x02492493},
    {128, 128, 0x02000000},    {144, 16, 0x01c71c72},     {160, 32, 0x0199999a},
    {176, 16, 0x01745d18},     {192, 64, 0x01555556},     {208, 16, 0x013b13b2},
    {224, 32, 0x0124924a},     {240, 16, 0x01111112},     {256, 256, 0x01000000},
    {288, 32, 0x00e38e39},     {320, 64, 0x00cccccd},     {352, 32, 0x00ba2e8c},
    {384, 128, 0x00aaaaab},    {416, 32, 0x009d89d9},     {448, 64, 0x00924925},
    {480, 32, 0x00888889},     {512, 512, 0x00800000},    {576, 64, 0x0071c71d},
    {640, 128, 0x00666667},    {704, 64, 0x005d1746},     {768, 256, 0x00555556},
    {896, 128, 0x00492493},    {1024, 1024, 0x00400000},  {1152, 128, 0x0038e38f},
    {1280, 256, 0x00333334},   {1408, 128, 0x002e8ba3},   {1536, 512, 0x002aaaab},
    {1792, 256, 0x0024924a},   {2048, 2048, 0x00200000},  {2304, 256, 0x001c71c8},
    {2688, 128, 0x00186187},   {3072, 1024, 0x00155556},  {3200, 128, 0x00147ae2},
    {3456, 128, 0x0012f685},   {4096, 4096, 0x00100000},  {4864, 256, 0x000d7944},
    {5376, 256, 0x000c30c4},   {6144, 2048, 0x000aaaab},  {6528, 128, 0x000a0a0b},
    {6784, 128, 0x0009a90f},   {6912, 256, 0x00097b43},   {8192, 8192, 0x00080000},
    {9472, 256, 0x0006eb3f},   {9728, 512, 0x0006bca2},   {10240, 2048, 0x00066667},
    {10880, 128, 0x00060607},  {12288, 4096, 0x00055556}, {13568, 256, 0x0004d488},
    {14336, 2048, 0x0004924a}, {16384, 8192, 0x00040000}, {18432, 2048, 0x00038e39},
    {19072, 128, 0x00036fae},  {20480, 4096, 0x00033334}, {21760, 256, 0x00030304},
    {24576, 8192, 0x0002aaab}, {27264, 128, 0x0002675d},  {28672, 4096, 0x00024925},
    {32768, 8192, 0x00020000},
};

/* Go's lookup tables as runs: the steps first to last give the class. */
struct run {
  uint32_t first, last, sizeclass;
};

static const struct run go_by_8[] = {
    {0, 0, 0},    {1, 1, 1},     {2, 2, 2},      {3, 3, 3},    {4, 4, 4},    {5, 6, 5},
    {7, 8, 6},    {9, 10, 7},    {11, 12, 8},    {13, 14, 9},  {15, 16, 10}, {17, 18, 11},
    {19, 20, 12}, {21, 22, 13},  {23, 24, 14},   {25, 26, 15}, {27, 28, 16}, {29, 30, 17},
    {31, 32, 18}, {33, 36, 19},  {37, 40, 20},   {41, 44, 21}, {45, 48, 22}, {49, 52, 23},
    {53, 56, 24}, {57, 60, 25},  {61, 64, 26},   {65, 72, 27}, {73, 80, 28}, {81, 88, 29},
    {89, 96, 30}, {97, 112, 31}, {113, 128, 32},
};

static const struct run go_by_128[] = {
    {0, 0, 32},     {1, 1, 33},     {2, 2, 34},     {3, 3, 35},     {4, 4, 36},     {5, 6, 37},
    {7, 8, 38},     {9, 10, 39},    {11, 13, 40},   {14, 16, 41},   {17, 17, 42},   {18, 19, 43},
    {20, 24, 44},   {25, 30, 45},   {31, 34, 46},   {35, 40, 47},   {41, 43, 48},   {44, 45, 49},
    {46, 46, 50},   {47, 56, 51},   {57, 66, 52},   {67, 68, 53},   {69, 72, 54},   {73, 77, 55},
    {78, 88, 56},   {89, 98, 57},   {99, 104, 58},  {105, 120, 59}, {121, 136, 60}, {137, 141, 61},
    {142, 152, 62}, {153, 162, 63}, {163, 184, 64}, {185, 205, 65}, {206, 216, 66}, {217, 248, 67},
};

static void sizes_and_magic_are_those_of_go(void **state) {
  (void)state;
  assert_int_equal(VS_NUM_SIZE_CLASSES, 68);
  assert_int_equal(VS_MAX_SMALL_SIZE, 32768);
  assert_int_equal(vs_class_size[0], 0);
  for (size_t i = 0; i < 67; i++) {
    assert_int_equal(vs_class_size[i + 1], go_class[i].size);
    assert_int_equal(vs_class_magic[i + 1], go_class[i].magic);
  }
}

/* Spans are longer than Go's; a block's alignment is that of its size, and at most a page's. */
static void blocks_are_as_aligned_as_those_of_go(void **state) {
  (void)state;
  for (uint32_t c = 1; c < VS_NUM_SIZE_CLASSES; c++) {
    const uint32_t size = vs_class_size[c], lowest = size & (~size + 1);
    assert_int_equal(lowest < 8192 ? lowest : 8192, go_class[c - 1].min_align);
  }
}

static void spans_hold_what_the_table_says(void **state) {
  (void)state;
  for (uint32_t c = 1; c < VS_NUM_SIZE_CLASSES; c++) {
    const uint32_t bytes = vs_class_pages[c] * VS_PAGE_SIZE;
    assert_true(vs_class_pages[c] >= 1 && vs_class_pages[c] <= VS_MAX_SPAN_PAGES);
    assert_int_equal(vs_class_objects[c], bytes / vs_class_size[c]);
    assert_true(vs_class_objects[c] >= 1 && vs_class_objects[c] <= 1024);
  }
}

static void lookup_by_8_is_that_of_go(void **state) {
  (void)state;
  uint32_t next = 0;
  for (size_t r = 0; r < sizeof go_by_8 / sizeof go_by_8[0]; r++) {
    assert_int_equal(go_by_8[r].first, next);
    for (uint32_t i = go_by_8[r].first; i <= go_by_8[r].last; i++) {
      assert_int_equal(sizeclass_of(8 * i), go_by_8[r].sizeclass);
      if (i > 0) assert_int_equal(sizeclass_of(8 * i - 7), go_by_8[r].sizeclass);
    }
    next = go_by_8[r].last + 1;
  }
  assert_int_equal(next, 129);
}

static void lookup_by_128_is_that_of_go(void **state) {
  (void)state;
  uint32_t next = 0;
  for (size_t r = 0; r < sizeof go_by_128 / sizeof go_by_128[0]; r++) {
    assert_int_equal(go_by_128[r].first, next);
    for (uint32_t i = go_by_128[r].first; i <= go_by_128[r].last; i++)
      assert_int_equal(sizeclass_of(1024 + 128 * i), go_by_128[r].sizeclass);
    next = go_by_128[r].last + 1;
  }
  assert_int_equal(next, 249);
}

static void lookup_is_minimal_for_every_size(void **state) {
  (void)state;
  assert_int_equal(sizeclass_of(0), 0);
  for (size_t n = 1; n <= VS_MAX_SMALL_SIZE; n++) {
    const uint32_t c = sizeclass_of(n);
    assert_true(c >= 1 && c < VS_NUM_SIZE_CLASSES);
    assert_true(vs_class_size[c] >= n && vs_class_size[c - 1] < n);
  }
}

static void lookup_of_16_is_the_least_aligned_class(void **state) {
  (void)state;
  for (size_t n = 0; n <= VS_MAX_SMALL_SIZE; n++) {
    uint32_t want = 1;
    while (vs_class_size[want] < n || vs_class_size[want] % 16 != 0)
      want++;
    assert_int_equal(sizeclass_of16(n), want);
  }
}

static void division_is_exact_for_every_offset(void **state) {
  (void)state;
  for (uint32_t c = 1; c < VS_NUM_SIZE_CLASSES; c++) {
    const uint32_t size = vs_class_size[c], magic = vs_class_magic[c];
    for (uint32_t off = 0; off < 131072; off++) {
      const uint64_t product = sizeclass_divide(off, size, magic);
      if (product >> 32 != off / size || ((uint32_t)product < magic) != (off % size == 0))
        fail_msg("offset %u of class %u", off, c);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sizes_and_magic_are_those_of_go),
      cmocka_unit_test(blocks_are_as_aligned_as_those_of_go),
      cmocka_unit_test(spans_hold_what_the_table_says),
      cmocka_unit_test(lookup_by_8_is_that_of_go),
      cmocka_unit_test(lookup_by_128_is_that_of_go),
      cmocka_unit_test(lookup_is_minimal_for_every_size),
      cmocka_unit_test(lookup_of_16_is_the_least_aligned_class),
      cmocka_unit_test(division_is_exact_for_every_offset),
  };
  return unit_run("sizeclass", tests);
}
