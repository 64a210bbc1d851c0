/* SPDX-License-Identifier: Apache-2.0
 *
 * Bitmaps of a chunk: known cases, and random bitmaps against loops over the pages.
 */
#include "unit.h"

#include "candidate.h"

enum { PAGES = VS_CHUNK_PAGES };

static bool bit(const uint64_t *map, uint32_t p) { return map[p / 64] >> p % 64 & 1; }

/* Sets the bits that a description lists: [5+2][9+1] is pages 5, 6 and 9. */
static void describe(uint64_t *map, const char *at) {
  memset(map, 0, PAGES / 8);
  while (*at == '[') {
    const uint32_t first = (uint32_t)strtoul(at + 1, (char **)&at, 10);
    const uint32_t npages = (uint32_t)strtoul(at + 1, (char **)&at, 10);
    for (uint32_t p = first; p < first + npages; p++)
      map[p / 64] |= (uint64_t)1 << p % 64;
    at++;
  }
}

static void complement(uint64_t *map) {
  for (uint32_t w = 0; w < VS_CHUNK_WORDS; w++)
    map[w] = ~map[w];
}

static void bits_are(const uint64_t *map, const char *description) {
  uint64_t want[VS_CHUNK_WORDS];
  describe(want, description);
  assert_memory_equal(map, want, sizeof want);
}

static void ranges_are_set_and_cleared(void **state) {
  (void)state;
  static const char *const rows[] = {"[0+1]", "[511+1]", "[129+5]", "[128+128]", "[0+321]", "[319+193]", "[0+512]"};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    uint64_t map[VS_CHUNK_WORDS] = {0};
    const uint32_t first = (uint32_t)strtoul(rows[i] + 1, NULL, 10);
    const uint32_t npages = (uint32_t)strtoul(strchr(rows[i], '+'), NULL, 10);
    pagechunk_set(map, first, npages);
    bits_are(map, rows[i]);
    complement(map);
    pagechunk_set(map, 0, PAGES);
    pagechunk_clear(map, first, npages);
    complement(map);
    bits_are(map, rows[i]);
    pagechunk_set(map, first, 0);
    pagechunk_clear(map, first, 0);
    bits_are(map, rows[i]);
  }
}

/* Counts over {first, pages, set bits}. */
static const struct { const char *set; uint32_t count[11][3]; } counts[] = {
    {"",
     {{0, 1, 0}, {5, 3, 0}, {2, 11, 0}, {129, 256, 0}, {0, 512, 0}}},
    {"[0+512]",
     {{0, 1, 1}, {5, 3, 3}, {2, 11, 11}, {129, 256, 256}, {0, 512, 512}}},
    {"[256+256]",
     {{0, 1, 0}, {5, 3, 0}, {2, 11, 0}, {255, 1, 0}, {256, 1, 1}, {266, 1, 1}, {255, 2, 1}, {128, 128, 0},
      {128, 129, 1}, {129, 256, 129}, {0, 512, 256}}},
    {"[0+111]",
     {{0, 1, 1}, {5, 3, 3}, {2, 11, 11}, {110, 2, 1}, {99, 50, 12}, {110, 1, 1}, {111, 1, 0}, {99, 1, 1},
      {120, 1, 0}, {256, 256, 0}, {0, 512, 111}}},
    {"[1+3][5+1][7+1][10+2][13+1][15+4][21+1][23+1][26+2][30+5][36+2][40+3][44+6][51+1][53+2]"
     "[58+3][63+1][67+2][71+10][84+1][89+7][99+2][103+1][107+2][111+1][113+1][115+1][118+1]"
     "[120+2][125+5]",
     {{0, 11, 6}, {0, 64, 39}, {13, 64, 40}, {64, 64, 34}, {0, 128, 73}, {1, 128, 74}, {0, 512, 75}}},
};

static void bits_of_a_range_are_counted(void **state) {
  (void)state;
  uint64_t map[VS_CHUNK_WORDS];
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
    describe(map, counts[i].set);
    for (size_t k = 0; k < 11 && counts[i].count[k][1] != 0; k++)
      assert_int_equal(pagechunk_count(map, counts[i].count[k][0], counts[i].count[k][1]), counts[i].count[k][2]);
  }
}

/* Pages in use; length of the runs asked for; where each is found, 512 for none; pages in use after. */
static const struct { const char *used; uint32_t npages; int found[8]; const char *after; } finds[] = {
    {"", 1, {0, 1, 2, 3, 4, 5, -1}, "[0+6]"},
    {"", 2, {0, 2, 4, 6, 8, 10, -1}, "[0+12]"},
    {"", 5, {0, 5, 10, 15, 20, -1}, "[0+25]"},
    {"", 64, {0, 64, 128, -1}, "[0+192]"},
    {"", 65, {0, 65, 130, -1}, "[0+195]"},
    {"[0+32][64+32][100+412]", 64, {512, -1}, "[0+32][64+32][100+412]"},
    {"[0+512]", 1, {512, 512, -1}, "[0+512]"},
    {"[0+512]", 2, {512, 512, -1}, "[0+512]"},
    {"[0+512]", 5, {512, 512, -1}, "[0+512]"},
    {"[0+512]", 65, {512, 512, -1}, "[0+512]"},
    {"[0+253][254+258]", 1, {253, 512, -1}, "[0+512]"},
    {"[0+253][255+257]", 2, {253, 512, -1}, "[0+512]"},
    {"[0+253][258+254]", 5, {253, 512, -1}, "[0+512]"},
    {"[0+225][290+222]", 65, {225, 512, -1}, "[0+512]"},
    {"[0+185][331+1]", 161, {332, -1}, "[0+185][331+162]"},
};

static void lowest_run_is_found_and_taken(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof finds / sizeof finds[0]; i++) {
    struct page_chunk c = {0};
    describe(c.free, finds[i].used);
    complement(c.free);
    for (const int *found = finds[i].found; *found >= 0; found++) {
      const uint32_t page = pagechunk_find(c.free, finds[i].npages);
      assert_int_equal(page, *found);
      if (page < PAGES) assert_int_equal(pagechunk_take(&c, page, finds[i].npages), 0);
    }
    complement(c.free);
    bits_are(c.free, finds[i].after);
  }
}

/* One word of free pages, a length, and where in the word the lowest run of it starts; 64 for none. */
static const struct { uint64_t word; uint32_t npages, found; } words[] = {
    {0x8000000000000000, 1, 63}, {0xc000010001010000, 2, 62}, {0xc000010001030000, 2, 16}, {0xe000030001030000, 3, 61},
    {0xe000030001070000, 3, 16}, {0xffff03ff01070000, 16, 48}, {0xffff03ff0107ffff, 16, 0}, {0x0fff03ff01079fff, 16, 64},
};

static void word_is_searched(uint64_t word, uint32_t npages, uint32_t found) {
  for (uint32_t w = 0; w < VS_CHUNK_WORDS; w++) {
    uint64_t map[VS_CHUNK_WORDS] = {0};
    map[w] = word;
    assert_int_equal(pagechunk_find(map, npages), found < 64 ? w * 64 + found : PAGES);
  }
}

static void lowest_run_of_a_word_is_found(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    word_is_searched(words[i].word, words[i].npages, words[i].found);
  for (uint32_t n = 1; n <= 64; n++) {
    word_is_searched(0xffffffffffffffff, n, 0);
    word_is_searched(0, n, 64);
  }
}

/* Free pages; frees of so many pages at each place; free pages after. */
static const struct { const char *before; uint32_t npages; int places[8]; const char *after; } frees[] = {
    {"[0+32][64+32][100+1]", 1, {32, -1}, "[0+33][64+32][100+1]"},
    {"", 1, {0, 1, 2, 3, 4, 5, -1}, "[0+6]"},
    {"", 2, {0, 2, 4, 6, 8, 10, -1}, "[0+12]"},
    {"", 5, {0, 5, 10, 15, 20, -1}, "[0+25]"},
    {"", 64, {0, 64, 128, -1}, "[0+192]"},
    {"", 65, {0, 65, 130, -1}, "[0+195]"},
};

static void freed_pages_are_free(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof frees / sizeof frees[0]; i++) {
    uint64_t map[VS_CHUNK_WORDS];
    describe(map, frees[i].before);
    for (const int *place = frees[i].places; *place >= 0; place++)
      pagechunk_set(map, (uint32_t)*place, frees[i].npages);
    bits_are(map, frees[i].after);
  }
}

static const struct { const char *is_free; uint32_t start, max, end; } sums[] = {
    {"", 0, 0, 0},
    {"[0+10]", 10, 10, 0},
    {"[472+40]", 0, 40, 40},
    {"[0+11][489+23]", 11, 23, 23},
    {"[0+4][50+100][508+4]", 4, 100, 4},
    {"[1+20][35+241][462+30]", 0, 241, 0},
    {"[35+2][40+5][100+5]", 0, 5, 0},
    {"[2+1]", 0, 1, 0},
    {"[0+512]", 512, 512, 512},
};

static void known_chunks_are_summarized(void **state) {
  (void)state;
  uint64_t map[VS_CHUNK_WORDS];
  for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) {
    describe(map, sums[i].is_free);
    assert_int_equal(pagechunk_summarize(map), pagesum_pack(sums[i].start, sums[i].max, sums[i].end));
  }
}

/* Every answer about one bitmap, by looking at every page. */
static void answers_are_right(const uint64_t *map, uint64_t r) {
  uint32_t start = 0, max = 0, run = 0, found = PAGES, last = PAGES, length = 0, got = 0;
  const uint32_t npages = 1 + (uint32_t)(r % (r >> 60 == 0 ? 512 : 12)), end = (uint32_t)(r >> 20) % (PAGES + 1);
  while (start < PAGES && bit(map, start))
    start++;
  for (uint32_t p = 0; p < PAGES; p++) {
    run = bit(map, p) ? run + 1 : 0;
    max = run > max ? run : max;
    if (run == npages && found == PAGES) found = p + 1 - npages;
    if (p < end && run >= npages) {
      last = p + 1 - run;
      length = run;
    }
  }
  assert_int_equal(pagechunk_summarize(map), pagesum_pack(start, max, run));
  assert_int_equal(pagechunk_find(map, npages), found);
  assert_int_equal(pagechunk_last_run(map, end, npages, &got), last);
  assert_int_equal(got, length);
  uint32_t set = end, clear = end;
  while (set < PAGES && !bit(map, set))
    set++;
  while (clear < PAGES && bit(map, clear))
    clear++;
  assert_int_equal(pagechunk_next_set(map, end), set);
  assert_int_equal(pagechunk_next_clear(map, end), clear);
}

static void any_bitmap_is_read_right(void **state) {
  (void)state;
  static const uint64_t patterns[] = {
      0x0, 0xffffffffffffffff, 0xaa, 0xaaaaaaaaaaaaaaaa, 0x80000000aaaaaaaa, 0xaaaaaaaa00000001,
      0xbbbbbbbbbbbbbbbb, 0x80000000bbbbbbbb, 0xbbbbbbbb00000001, 0xcccccccccccccccc, 0x4444444444444444,
      0x4040404040404040, 0x4000400040004000, 0x1000404044ccaaff,
  };
  uint64_t x = 9, map[VS_CHUNK_WORDS];
  for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
    for (uint32_t w = 0; w < VS_CHUNK_WORDS; w++)
      map[w] = patterns[i];
    for (int k = 0; k < 50; k++)
      answers_are_right(map, unit_random(&x));
  }
  for (int k = 0; k < 20000; k++) {
    for (uint32_t w = 0; w < VS_CHUNK_WORDS; w++)
      map[w] = k % 3 == 0 ? unit_random(&x) : unit_random(&x) & unit_random(&x) & unit_random(&x);
    if (k % 2 == 0) complement(map);
    answers_are_right(map, unit_random(&x));
  }
}

/* Pages taken are dirty, and stay so when they are freed. */
static void life_of_a_page(void **state) {
  (void)state;
  struct page_chunk c = {0};
  pagechunk_set(c.free, 0, PAGES);
  assert_int_equal(pagechunk_take(&c, 0, 200), 0);
  bits_are(c.dirty, "[0+200]");
  pagechunk_set(c.free, 50, 60);
  bits_are(c.dirty, "[0+200]");
  assert_int_equal(pagechunk_take(&c, 50, 60), 60);
  bits_are(c.free, "[200+312]");
}

/* ---- what the scavenger is offered (vectors of Go's FindScavengeCandidate; "scavenged" is "not dirty" here) ---- */

/* More than a chunk: there are no huge pages. */
enum { NONE_HUGE = 1024 };

/* Given pages in use and pages that are not dirty, of max pages in groups of min: the candidate. Pages in use are dirty
 * in the heap; that they are not here shows that only free ones count. */
static void candidate(const char *used, const char *clean, uint32_t min, uint32_t max, uint32_t huge, uint32_t first,
                      uint32_t npages) {
  struct page_chunk c;
  uint32_t got = 0;
  describe(c.free, used);
  describe(c.dirty, clean);
  complement(c.free);
  complement(c.dirty);
  assert_int_equal(candidate_find(&c, min, max, huge, &got), first);
  if (first < PAGES) assert_int_equal(got, npages);
}

/* The same with numbers in the description. */
#define WITH(...) (snprintf(text, sizeof text, __VA_ARGS__), text)

static void candidates_of_single_pages(void **state) {
  (void)state;
  candidate("[0+40][42+470]", "[0+41][42+470]", 1, PAGES, NONE_HUGE, 41, 1);
  candidate("[0+63][65+20][87+425]", "[86+1]", 1, PAGES, NONE_HUGE, 85, 1);
}

static void candidates_of_groups(void **state) {
  (void)state;
  char text[64];
  for (uint32_t m = 1; m <= 64; m *= 2) {
    candidate("", "", m, PAGES, NONE_HUGE, 0, PAGES);
    candidate("", "[0+512]", m, PAGES, NONE_HUGE, PAGES, 0);
    candidate("[0+512]", "[256+256]", m, PAGES, NONE_HUGE, PAGES, 0);
    candidate(WITH("[%u+%u]", m, PAGES - m), "", m, PAGES, NONE_HUGE, 0, m);
    candidate(WITH("[0+%u]", PAGES - m), "", m, PAGES, NONE_HUGE, PAGES - m, m);
    candidate(WITH("[0+%u][%u+%u]", 64 - m, 64 + m, 448 - m), "", m, 2 * m, NONE_HUGE, 64 - m, 2 * m);
    candidate(WITH("[64+64][%u+%u]", 128 + 3 * m, 384 - 3 * m), "[1+10]", m, 3 * m, NONE_HUGE, 128, 3 * m);
    candidate(WITH("[64+62][127+1][%u+%u]", 128 + 3 * m, 384 - 3 * m), "[1+10]", m, 3 * m, NONE_HUGE, 128, 3 * m);
    candidate("", WITH("[0+%u]", PAGES - m), m, 1, NONE_HUGE, PAGES - m, m);
    if (m <= 8) {
      candidate(WITH("[0+40][%u+%u]", 40 + m, 472 - m), "", m, PAGES, NONE_HUGE, 40, m);
      candidate(WITH("[0+40][%u+%u]", 40 + m, 472 - m), "[40+1]", m, PAGES, NONE_HUGE, PAGES, 0);
    }
    if (m == 1) continue;
    candidate("", WITH("[0+%u]", PAGES - (2 * m - 1)), m, m == 2 ? 1 : m - 2, NONE_HUGE, PAGES - m, m);
    candidate(WITH("[0+%u][64+5][70+11][82+430]", 64 - m), "", m, m, NONE_HUGE, 64 - m, m);
    candidate(WITH("[0+%u][64+63][%u+%u]", 64 - m, 127 + m, 385 - m), "", m, PAGES, NONE_HUGE, 64 - m, m);
    candidate("", "", m, 1, NONE_HUGE, PAGES - m, m);
  }
}

static void huge_pages_are_not_split(void **state) {
  (void)state;
  char text[64];
  for (uint32_t b = 2; b <= 2 * PAGES; b *= 2) {
    if (b < PAGES) candidate(WITH("[%u+%u]", b + 2, PAGES - b - 2), "", 1, 3, b, 0, b + 2);
    if (3 * b < PAGES && b > 10)
      candidate(WITH("[0+%u][%u+%u]", b - 10, 2 * b + 10, PAGES - 2 * b - 10), "", 1, 12, b, b, b + 10);
    if (b < PAGES) candidate(WITH("[0+%u]", PAGES - b), "", 1, 1, b, PAGES - b, b);
    if (b == PAGES) candidate("", "", 1, 1, b, 0, PAGES);
    if (b > PAGES) candidate("", "", 1, 1, b, PAGES - 1, 1);
  }
}

/* The candidate by looking at every page: the highest run of whole groups, its last max pages, moved down to the start
 * of a huge page if that is in the run to its end. */
static void any_candidate_is_right(void **state) {
  (void)state;
  uint64_t x = 11;
  for (int k = 0; k < 30000; k++) {
    struct page_chunk c;
    const uint32_t min = 1u << unit_random(&x) % 7, max = 1 + (uint32_t)(unit_random(&x) % PAGES);
    const uint32_t huge = min << unit_random(&x) % 7;
    for (uint32_t w = 0; w < VS_CHUNK_WORDS; w++) {
      c.free[w] = unit_random(&x) | (k % 3 != 0 ? unit_random(&x) | unit_random(&x) | unit_random(&x) : 0);
      c.dirty[w] = k % 5 == 0 ? unit_random(&x) : ~(uint64_t)0 << (unit_random(&x) % 64);
    }
    bool whole[PAGES];
    for (uint32_t p = 0; p < PAGES; p++) {
      whole[p] = true;
      for (uint32_t q = p / min * min; q < p / min * min + min; q++)
        whole[p] = whole[p] && bit(c.free, q) && bit(c.dirty, q);
    }
    uint32_t end = PAGES, got = 0;
    while (end > 0 && !whole[end - 1])
      end--;
    uint32_t low = end;
    while (low > 0 && whole[low - 1])
      low--;
    uint32_t first = end - low > max ? (end - max) / min * min : low;
    const uint32_t below = first / huge * huge;
    if (below >= low && below + huge <= end) first = below;
    assert_int_equal(candidate_find(&c, min, max, huge, &got), end == 0 ? PAGES : first);
    if (end != 0) assert_int_equal(got, end - first);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ranges_are_set_and_cleared),
      cmocka_unit_test(bits_of_a_range_are_counted),
      cmocka_unit_test(lowest_run_is_found_and_taken),
      cmocka_unit_test(lowest_run_of_a_word_is_found),
      cmocka_unit_test(freed_pages_are_free),
      cmocka_unit_test(known_chunks_are_summarized),
      cmocka_unit_test(any_bitmap_is_read_right),
      cmocka_unit_test(life_of_a_page),
      cmocka_unit_test(candidates_of_single_pages),
      cmocka_unit_test(candidates_of_groups),
      cmocka_unit_test(huge_pages_are_not_split),
      cmocka_unit_test(any_candidate_is_right),
  };
  return unit_run("pagechunk", tests);
}
