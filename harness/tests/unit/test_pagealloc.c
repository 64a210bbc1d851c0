/* SPDX-License-Identifier: Apache-2.0
 *
 * The page allocator against the cases that are known to be hard, and against a model with a byte for each page.
 */
#include <sys/mman.h>

#include "unit.h"

#include "candidate.h"
#include "pagealloc.h"

enum { PAGES = VS_CHUNK_PAGES };

/* The chunk that the cases call B. */
static const uint64_t base = 0xc000;

static int set_up(void **state) {
  (void)state;
  for (uint32_t i = 0; i < vs_pages.nblocks; i++) {
    const uint32_t k = vs_pages.number[i];
    munmap(vs_pages.block[k], sizeof(struct page_block));
    vs_pages.block[k] = NULL;
    vs_pages.level2[k] = vs_pages.level1[k / 8] = vs_pages.level0[k / 64] = 0;
  }
  vs_pages.nblocks = vs_pages.end0 = 0;
  vs_pages.search = 0;
  return 0;
}

/* ---- every summary and every hint, from the bits alone ---- */

/* The summary of pages [first, first + npages). */
static uint64_t summary(uint64_t first, uint64_t npages) {
  uint64_t start = npages, max = 0, run = 0;
  for (uint64_t p = first; p < first + npages; p++) {
    if (vs_pages.block[p / VS_LEVEL2_PAGES] == NULL) {
      run = 0;
      if (start == npages) start = p - first;
      p += VS_LEVEL2_PAGES - 1;
      continue;
    }
    const bool is_free = pagealloc_is_free(p);
    run = is_free ? run + 1 : 0;
    max = run > max ? run : max;
    if (!is_free && start == npages) start = p - first;
  }
  return max == VS_SUM_MAX ? VS_SUM_FULL : start | max << 21 | run << 42;
}

static void agree(void) {
  for (uint32_t i = 0; i < vs_pages.nblocks; i++) {
    const uint64_t k = vs_pages.number[i];
    const struct page_block *b = vs_pages.block[k];
    assert_true(i == 0 || vs_pages.number[i - 1] < k);
    for (uint32_t c = 0; c < 64; c++)
      assert_int_equal(b->level4[c], summary(k * VS_LEVEL2_PAGES + c * PAGES, PAGES));
    for (uint32_t c = 0; c < 8; c++)
      assert_int_equal(b->level3[c], summary(k * VS_LEVEL2_PAGES + c * VS_LEVEL3_PAGES, VS_LEVEL3_PAGES));
    assert_int_equal(vs_pages.level2[k], summary(k * VS_LEVEL2_PAGES, VS_LEVEL2_PAGES));
    assert_int_equal(vs_pages.level1[k / 8], summary(k / 8 * VS_LEVEL1_PAGES, VS_LEVEL1_PAGES));
    assert_int_equal(vs_pages.level0[k / 64], summary(k / 64 * VS_LEVEL0_PAGES, VS_LEVEL0_PAGES));
    assert_true(k / 64 < vs_pages.end0);
    for (uint64_t p = k * VS_LEVEL2_PAGES; p < (k + 1) * VS_LEVEL2_PAGES && p < vs_pages.search; p++)
      assert_false(pagealloc_is_free(p));
  }
}

/* ---- cases: chunks as "B+1:[5+2][9+1]", pages 5, 6 and 9 of the chunk behind B; B: has none ---- */

static uint64_t read_chunk(const char **at) {
  assert_int_equal(**at, 'B');
  ++*at;
  return (base + (**at == '+' ? strtoul(*at + 1, (char **)at, 0) : 0)) * PAGES;
}

/* Calls visit for each range of a description, and grown for each chunk. */
static void describe(const char *at, void (*grown)(uint64_t), void (*visit)(uint64_t, uint64_t)) {
  while (*at != 0) {
    const uint64_t chunk = read_chunk(&at);
    if (grown != NULL) grown(chunk);
    for (at++; *at == '[';) {
      const uint64_t first = strtoul(at + 1, (char **)&at, 10), npages = strtoul(at + 1, (char **)&at, 10);
      visit(chunk + first, npages);
      at++;
    }
    if (*at == ';') at++;
  }
}

static void grow(uint64_t chunk) {
  assert_true(pagealloc_provide(chunk, PAGES));
  pagealloc_grow(chunk, PAGES);
}

static void take(uint64_t first, uint64_t npages) { (void)pagealloc_take(first, npages); }
static void make_dirty(uint64_t first) { memset(pagealloc_chunk(first)->dirty, 0xff, sizeof pagealloc_chunk(first)->dirty); }
static bool is_dirty(uint64_t page) {
  return pagealloc_chunk(page)->dirty[page % PAGES / 64] >> page % 64 & 1;
}

/* Those of the pages that are free: what is in use is dirty. */
static void make_clean(uint64_t first, uint64_t npages) {
  for (uint64_t p = first; p < first + npages; p++)
    if (pagealloc_is_free(p)) pagechunk_clear(pagealloc_chunk(p)->dirty, (uint32_t)(p % PAGES), 1);
}

/* Pages that have been clean still are if nobody took them. */
static uint64_t clean_pages;
static void is_clean_if_free(uint64_t first, uint64_t npages) {
  for (uint64_t p = first; p < first + npages; p++) {
    assert_int_equal(is_dirty(p), !pagealloc_is_free(p));
    clean_pages += !is_dirty(p);
  }
}

static void all_are_dirty(uint64_t first, uint64_t npages) {
  for (uint64_t p = first; p < first + npages; p++)
    assert_true(is_dirty(p));
}

/* The pages in use that a description lists, as a count and as a check of each. */
static uint64_t listed;
static void is_used(uint64_t first, uint64_t npages) {
  listed += npages;
  for (uint64_t p = first; p < first + npages; p++)
    assert_false(pagealloc_is_free(p));
}

static void used_pages_are(const char *description) {
  uint64_t used = 0;
  listed = 0;
  describe(description, NULL, is_used);
  for (const char *at = description; *at != 0; at += strcspn(at, "B")) {
    const uint64_t chunk = read_chunk(&at);
    for (uint64_t p = chunk; p < chunk + PAGES; p++)
      used += !pagealloc_is_free(p);
  }
  assert_int_equal(used, listed);
  agree();
}

/* Of the chunks that a description names, the pages that it lists and that are still free, and no others, are clean. */
static void clean_pages_are(const char *description) {
  uint64_t clean = 0;
  clean_pages = 0;
  describe(description, NULL, is_clean_if_free);
  for (const char *at = description; *at != 0; at += strcspn(at, "B")) {
    const uint64_t chunk = read_chunk(&at);
    for (uint64_t p = chunk; p < chunk + PAGES; p++)
      clean += !is_dirty(p);
  }
  assert_int_equal(clean, clean_pages);
}

/* used and clean before; calls as "<pages>>B,<page>,<of them clean>" or "<pages>>fail"; used after. */
static const struct { const char *used, *clean, *calls, *after; } allocs[] = {
    {"B:", "B:[0+1][2+2]", "1>B,0,1;1>B,1,0;1>B,2,1;1>B,3,1;1>B,4,0", "B:[0+5]"},
    {"B:[0+512];B+1:[0+512];B+2:[0+511]", "B:[0+512];B+1:[0+512];B+2:[0+512]", "1>B+2,511,1",
     "B:[0+512];B+1:[0+512];B+2:[0+512]"},
    {"B:[0+512];B+0xff:", "B:[0+512];B+0xff:[0+512]", "1>B+0xff,0,1", "B:[0+512];B+0xff:[0+1]"},
    {"B:", "B:[0+3][7+1]", "2>B,0,2;2>B,2,1;2>B,4,0;2>B,6,1;2>B,8,0", "B:[0+10]"},
    {"B:[0+511];B+1:[1+511]", "B:[511+1];B+1:", "2>B,511,1", "B:[0+512];B+1:[0+512]"},
    {"B:", "B:[0+8][9+1][17+5]", "5>B,0,5;5>B,5,4;5>B,10,0;5>B,15,3;5>B,20,2", "B:[0+25]"},
    {"B:", "B:[21+1][63+65]", "64>B,0,2;64>B,64,64;64>B,128,0", "B:[0+192]"},
    {"B:", "B:[129+1]", "65>B,0,0;65>B,65,1;65>B,130,0", "B:[0+195]"},
    {"B:", "B:[10+1]", "509>B,0,1;509>fail;1>B,509,0;2>B,510,0;1>fail;509>fail", "B:[0+512]"},
    {"B:", "B:[0+1][511+1]", "512>B,0,2;512>fail;1>fail", "B:[0+512]"},
    {"B:[0+256];B+1:[256+256]", "B:;B+1:[3+100]", "512>B,256,100;512>fail;1>fail",
     "B:[0+512];B+1:[0+512]"},
    {"B:[0+256];B+1:", "B:[0+512];B+1:[0+512]", "513>B,256,513;512>fail;1>B+1,257,1",
     "B:[0+512];B+1:[0+258]"},
    {"B:;B+1:", "B:;B+1:", "1024>B,0,0;1024>fail;1>fail", "B:[0+512];B+1:[0+512]"},
    {"B:;B+0x40:;B+0x41:", "B:[0+512];B+0x40:;B+0x41:", "1024>B+0x40,0,0;21>B,0,21;1>B,21,1",
     "B:[0+22];B+0x40:[0+512];B+0x41:[0+512]"},
    {"B:[0+256];B+1:;B+2:[256+256]", "B:[0+7];B+1:[3+5][121+10];B+2:[268+2]",
     "1024>B,256,15;1024>fail;1>fail", "B:[0+512];B+1:[0+512];B+2:[0+512]"},
    {"B:[0+512];B+1:[0+384];B+2:[0+384];B+3:", "B:[0+512];B+1:[256+129];B+2:[170+1];B+3:[341+1]",
     "640>B+2,384,1;640>fail;1>B+1,384,1", "B:[0+512];B+1:[0+385];B+2:[0+512];B+3:[0+512]"},
    {"B:;B+1:;B+2:;B+3:;B+4:;B+5:;B+6:;B+7:",
     "B:[50+1];B+1:[31+1];B+2:[7+1];B+3:[200+1];B+4:[3+1];B+5:[51+1];B+6:[20+1];B+7:[1+1]",
     "3589>B,0,8;3589>fail;1>B+7,5,0",
     "B:[0+512];B+1:[0+512];B+2:[0+512];B+3:[0+512];B+4:[0+512];B+5:[0+512];B+6:[0+512];B+7:[0+6]"},
    {"B+0x1ff:;B+0x100000:", "B+0x1ff:;B+0x100000:",
     "511>B+0x1ff,0,0;1>B+0x1ff,511,0;1>B+0x100000,0,0;511>B+0x100000,1,0;1>fail",
     "B+0x1ff:[0+512];B+0x100000:[0+512]"},
    {"B:[0+511];B+0x100503:[0+502][511+1];B+0x200000:", "B:;B+0x100503:;B+0x200000:",
     "1>B,511,0;100>B+0x200000,0,0;9>B+0x100503,502,0", "B:[0+512];B+0x100503:[0+512];B+0x200000:[0+100]"},
};

static void one_call(const char **at) {
  const uint64_t npages = strtoul(*at, (char **)at, 10), found = pagealloc_find(npages);
  ++*at;
  if (**at == 'f') {
    assert_int_equal(found, VS_NO_PAGE);
    *at += strlen("fail");
    return;
  }
  const uint64_t chunk = read_chunk(at), page = strtoul(*at + 1, (char **)at, 10);
  const uint64_t clean = strtoul(*at + 1, (char **)at, 10);
  assert_int_equal(found, chunk + page);
  assert_int_equal(pagealloc_take(found, npages), npages - clean);
}

static void first_fit_in_the_known_cases(void **state) {
  for (size_t i = 0; i < sizeof allocs / sizeof allocs[0]; i++) {
    set_up(state);
    describe(allocs[i].used, grow, take);
    describe(allocs[i].clean, make_dirty, make_clean);
    agree();
    for (const char *at = allocs[i].calls; *at != 0; at += *at == ';')
      one_call(&at);
    used_pages_are(allocs[i].after);
    clean_pages_are(allocs[i].clean);
  }
}

/* Frees of npages at each place; used after. */
static const struct { uint64_t npages; const char *used, *places, *after; } frees[] = {
    {1, "B:[0+512]", "B,0 B,1 B,2 B,3 B,4", "B:[5+507]"},
    {1, "B:[0+512];B+1:[0+512];B+2:[0+512]", "B,256 B+1,0 B+2,511",
     "B:[0+256][257+255];B+1:[1+511];B+2:[0+511]"},
    {2, "B:[0+512]", "B,0 B,2 B,4 B,6 B,8", "B:[10+502]"},
    {2, "B:[511+1];B+1:[0+1]", "B,511", "B:;B+1:"},
    {5, "B:[0+512]", "B,0 B,5 B,10 B,15 B,20", "B:[25+487]"},
    {64, "B:[0+512]", "B,0 B,64 B,128", "B:[192+320]"},
    {65, "B:[0+512]", "B,0 B,65 B,130", "B:[195+317]"},
    {512, "B:[0+512]", "B,0", "B:"},
    {512, "B:[256+256];B+1:[0+256]", "B,256", "B:;B+1:"},
    {513, "B:[0+512];B+1:[0+512]", "B,256", "B:[0+256];B+1:[257+255]"},
    {1024, "B:[0+512];B+1:[0+512]", "B,0", "B:;B+1:"},
    {1024, "B:[0+512];B+1:[0+512];B+2:[0+512]", "B,256", "B:[0+256];B+1:;B+2:[256+256]"},
    {3589, "B:[0+512];B+1:[0+512];B+2:[0+512];B+3:[0+512];B+4:[0+512];B+5:[0+512];B+6:[0+512];B+7:[0+512]",
     "B,0", "B:;B+1:;B+2:;B+3:;B+4:;B+5:;B+6:;B+7:[5+507]"},
};

static void pages_come_back_in_the_known_cases(void **state) {
  for (size_t i = 0; i < sizeof frees / sizeof frees[0]; i++) {
    set_up(state);
    describe(frees[i].used, grow, take);
    for (const char *at = frees[i].places; *at != 0; at += *at == ' ') {
      const uint64_t chunk = read_chunk(&at);
      pagealloc_put(chunk + strtoul(at + 1, (char **)&at, 10), frees[i].npages);
    }
    used_pages_are(frees[i].after);
    describe(frees[i].used, NULL, all_are_dirty);
  }
}

/* Of four chunks, one size of run until none is left. */
static void every_page_can_be_taken(void **state) {
  static const struct { uint64_t npages, times; } rows[] = {
      {1, 2048}, {2, 1024}, {3, 682}, {4, 512}, {5, 409}, {8, 256}, {16, 128},
      {64, 32}, {1024, 2}, {1025, 1}, {2048, 1}, {2049, 0},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    set_up(state);
    for (uint64_t c = 0; c < 4; c++)
      grow((base + c) * PAGES);
    for (uint64_t k = 0; k < rows[i].times; k++) {
      assert_int_equal(pagealloc_find(rows[i].npages), base * PAGES + k * rows[i].npages);
      take(base * PAGES + k * rows[i].npages, rows[i].npages);
    }
    assert_int_equal(pagealloc_find(rows[i].npages), VS_NO_PAGE);
    for (uint64_t p = 0; p < 4 * PAGES; p++)
      assert_int_equal(pagealloc_is_free(base * PAGES + p), p >= rows[i].times * rows[i].npages);
    agree();
  }
}

enum { END = 0x7fffffff };

/* Chunks that the heap grows by, in this order and the reverse; the ranges that it then has, in chunks. */
static const struct { uint64_t chunks[34], ranges[34][2]; } grows[] = {
    {{0, END}, {{0, 1}}},
    {{0, 1, END}, {{0, 2}}},
    {{0, 1, 2, 3, 4, END}, {{0, 5}}},
    {{0, 2, 4, END}, {{0, 1}, {2, 3}, {4, 5}}},
    {{0, 1, 2, 4, END}, {{0, 3}, {4, 5}}},
    {{0, 1, 0x10, 0x21, END}, {{0, 2}, {0x10, 0x11}, {0x21, 0x22}}},
    {{0,  2,  4,  6,  8,  10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32,
      34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62, 64, END},
     {{0, 1},   {2, 3},   {4, 5},   {6, 7},   {8, 9},   {10, 11}, {12, 13}, {14, 15}, {16, 17}, {18, 19}, {20, 21},
      {22, 23}, {24, 25}, {26, 27}, {28, 29}, {30, 31}, {32, 33}, {34, 35}, {36, 37}, {38, 39}, {40, 41}, {42, 43},
      {44, 45}, {46, 47}, {48, 49}, {50, 51}, {52, 53}, {54, 55}, {56, 57}, {58, 59}, {60, 61}, {62, 63}, {64, 65}}},
    {{0, 0x100000, END}, {{0, 1}, {0x100000, 0x100001}}},
};

/* Each range is free from its start to its end, and together they are all that is free. */
static void ranges_are(const uint64_t (*ranges)[2]) {
  uint64_t chunks = 0, free_pages = 0;
  for (; (*ranges)[1] != 0; ranges++) {
    const uint64_t first = (*ranges)[0], n = (*ranges)[1] - first;
    assert_int_equal(pagealloc_run((base + first) * PAGES, VS_NO_PAGE), n * PAGES);
    chunks += n;
  }
  for (uint32_t i = 0; i < vs_pages.nblocks; i++)
    for (uint64_t p = 0; p < VS_LEVEL2_PAGES; p++)
      free_pages += pagealloc_is_free(vs_pages.number[i] * (uint64_t)VS_LEVEL2_PAGES + p);
  assert_int_equal(free_pages, chunks * PAGES);
  agree();
}

static void heap_is_what_it_grew_by(void **state) {
  for (size_t i = 0; i < sizeof grows / sizeof grows[0]; i++) {
    size_t n = 0;
    set_up(state);
    for (; grows[i].chunks[n] != END; n++)
      grow((base + grows[i].chunks[n]) * PAGES);
    ranges_are(grows[i].ranges);
    set_up(state);
    while (n-- > 0)
      grow((base + grows[i].chunks[n]) * PAGES);
    ranges_are(grows[i].ranges);
  }
}

static void all_is_taken_and_returned_again(void **state) {
  (void)state;
  for (uint64_t c = 0; c < 8; c++)
    grow((base + c) * PAGES);
  for (int k = 0; k < 5; k++) {
    const uint64_t npages = k == 3 ? 1 : 8 * PAGES;
    assert_int_equal(pagealloc_find(npages), base * PAGES);
    take(base * PAGES, npages);
    agree();
    pagealloc_put(base * PAGES, npages);
    agree();
  }
}

/* A run over a border of the root, and one that fills an entry of it. */
static void runs_as_long_as_an_entry_of_the_root(void **state) {
  (void)state;
  const uint64_t first = 3 * (uint64_t)VS_LEVEL0_PAGES, npages = 2 * (uint64_t)VS_LEVEL0_PAGES;
  assert_true(pagealloc_provide(first - PAGES, npages));
  pagealloc_grow(first - PAGES, npages);
  assert_int_equal(vs_pages.level0[3], VS_SUM_FULL);
  assert_int_equal(pagealloc_find(npages), first - PAGES);
  assert_int_equal(pagealloc_find(npages + 1), VS_NO_PAGE);
  assert_int_equal(pagealloc_run(first, npages), npages - PAGES);
  take(first - 10, 30);
  assert_int_equal(pagealloc_find(npages - PAGES - 20), first + 20);
  assert_int_equal(pagealloc_find(npages - PAGES - 19), VS_NO_PAGE);
  pagealloc_put(first - 10, 30);
  assert_int_equal(pagealloc_find(npages), first - PAGES);
}

static void run_is_cut_at_the_limit(void **state) {
  (void)state;
  const uint64_t first = base * PAGES;
  for (uint64_t c = 0; c < 3; c++)
    grow(first + c * PAGES);
  take(first + 600, 5);
  assert_int_equal(pagealloc_run(first, 2000), 600);
  assert_int_equal(pagealloc_run(first, 599), 599);
  assert_int_equal(pagealloc_run(first + 600, 9), 0);
  assert_int_equal(pagealloc_run(first + 605, 5000), 3 * PAGES - 605);
  assert_int_equal(pagealloc_run(first + 3 * PAGES, 9), 0);
  assert_int_equal(pagealloc_run(VS_NO_PAGE, 9), 0);
}

/* ---- groups of 64 pages, as page caches take and return them ---- */

enum { GROUP = 64 };
#define ALL UINT64_MAX

/* Used and clean before; the groups with free pages, the lowest first: where, the pages, the clean ones; used after. */
static const struct { const char *used, *clean; struct { uint64_t chunk, page, pages, clean; } got[4]; const char *after; } groups[] = {
    {"B:", "B:[1+1][64+64]", {{0, 0, ALL, 2}, {0, 64, ALL, ALL}, {0, 128, ALL, 0}, {0, 192, ALL, 0}}, "B:[0+256]"},
    {"B:[0+512];B+1:[0+512];B+2:[0+448]", "B:;B+1:;B+2:", {{2, 448, ALL, 0}}, "B:[0+512];B+1:[0+512];B+2:[0+512]"},
    {"B:[0+512];B+0xff:", "B:[0+512];B+0xff:[31+67]", {{0xff, 0, ALL, 0xffffffff80000000}}, "B:[0+512];B+0xff:[0+64]"},
    {"B:[0+32][33+31][96+32]", "B:[1+4][31+5][66+2]",
     {{0, 0, 0x100000000, 0x100000000}, {0, 64, 0xffffffff, 0xc}}, "B:[0+128]"},
    {"B:[0+512]", "B:", {{0, 0, 0, 0}}, "B:[0+512]"},
    {"B:[0+1][10+2]", "B:[0+4][11+1]", {{0, 0, 0xfffffffffffff3fe, 0xe}}, "B:[0+64]"},
    {"B+0x1ff:[0+511];B+0x100000:[1+511]", "B+0x1ff:;B+0x100000:",
     {{0x1ff, 448, 0x8000000000000000, 0}, {0x100000, 0, 1, 0}}, "B+0x1ff:[0+512];B+0x100000:[0+512]"},
};

static void groups_are_taken_in_the_known_cases(void **state) {
  for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
    set_up(state);
    describe(groups[i].used, grow, take);
    describe(groups[i].clean, make_dirty, make_clean);
    for (size_t k = 0; k < 4 && groups[i].got[k].pages != 0; k++) {
      uint64_t clean = 0;
      const uint64_t first = pagealloc_find(1) / GROUP * GROUP;
      assert_int_equal(first, (base + groups[i].got[k].chunk) * PAGES + groups[i].got[k].page);
      assert_int_equal(pagealloc_take_group(first, ALL, &clean), groups[i].got[k].pages);
      assert_int_equal(clean, groups[i].got[k].clean);
    }
    used_pages_are(groups[i].after);
  }
}

/* Every page of a chunk is used and dirty; pages of a group that come back are free, and some of them clean. */
static void groups_are_returned(void **state) {
  (void)state;
  uint64_t x = 17;
  grow(base * PAGES);
  for (int k = 0; k < 102; k++) {
    struct page_chunk *c = pagealloc_chunk(base * PAGES);
    const uint64_t pages = k == 0 ? 0 : k == 1 ? ALL : unit_random(&x), clean = pages & (k == 1 ? ALL : unit_random(&x));
    const uint64_t w = unit_random(&x) % 8;
    pagechunk_set(c->free, 0, PAGES);
    take(base * PAGES, PAGES);
    pagealloc_put_group(base * PAGES + w * GROUP, pages, clean);
    assert_int_equal(c->free[w], pages);
    assert_int_equal(c->dirty[w], ~clean);
    assert_int_equal(pagechunk_count(c->free, 0, PAGES), bits_count(pages));
    assert_int_equal(pagechunk_count(c->dirty, 0, PAGES), PAGES - bits_count(clean));
    agree();
  }
}

/* What was freed is offered to the scavenger, the highest chunk first, until it has no more to give. */
static void idle_chunks_from_the_top(void **state) {
  (void)state;
  const uint64_t far = (base + 0x1000) * PAGES;
  grow(base * PAGES);
  grow(far);
  grow(far + PAGES);
  assert_int_equal(pagealloc_idle_chunk(VS_NO_PAGE), VS_NO_PAGE);
  take(base * PAGES, PAGES);
  take(far, 2 * PAGES);
  pagealloc_put(base * PAGES + 7, 100);
  pagealloc_put(far + PAGES - 4, 7);
  assert_int_equal(pagealloc_idle_chunk(VS_NO_PAGE), far + PAGES);
  assert_int_equal(pagealloc_idle_chunk(far + PAGES), far);
  assert_int_equal(pagealloc_idle_chunk(far), base * PAGES);
  assert_int_equal(pagealloc_idle_chunk(base * PAGES), VS_NO_PAGE);
  pagealloc_not_idle(far + PAGES);
  assert_int_equal(pagealloc_idle_chunk(VS_NO_PAGE), far);
  pagealloc_not_idle(far);
  assert_int_equal(pagealloc_idle_chunk(VS_NO_PAGE), base * PAGES);
}

/* Pages whose memory was given back are free, and neither dirty nor offered again. */
static void clean_pages_are_not_offered(void **state) {
  (void)state;
  grow(base * PAGES);
  grow((base + 1) * PAGES);
  take(base * PAGES, 2 * PAGES);
  pagealloc_put_clean(base * PAGES + 500, 20);
  agree();
  assert_int_equal(pagealloc_idle_chunk(VS_NO_PAGE), VS_NO_PAGE);
  assert_int_equal(pagealloc_find(20), base * PAGES + 500);
  pagealloc_put(base * PAGES + 499, 1);
  assert_int_equal(pagealloc_idle_chunk(VS_NO_PAGE), base * PAGES);
  assert_int_equal(pagealloc_take(base * PAGES + 499, 21), 1);
}

/* Ranges that are freed, from chunk and page to chunk and page, and what the scavenger then finds, chunk and page, each
 * chunk once (Go's TestScavengeIndex, with the pages compared). */
static const struct { uint32_t freed[2][4], found[9][2]; } indexes[] = {
    {{{0, 3, 0, 4}}, {{0, 3}}},
    {{{0, 9, 0, 14}}, {{0, 13}}},
    {{{0, 0, 1, 0}}, {{0, 511}}},
    {{{0, 128, 1, 128}}, {{1, 127}, {0, 511}}},
    {{{7, 128, 8, 129}}, {{8, 128}, {7, 511}}},
    {{{6, 11, 13, 15}}, {{13, 14}, {12, 511}, {11, 511}, {10, 511}, {9, 511}, {8, 511}, {7, 511}, {6, 511}}},
    {{{4, 0, 7, 0}, {5, 0, 9, 0}}, {{8, 511}, {7, 511}, {6, 511}, {5, 511}, {4, 511}}},
    {{{3, 0, 4, 0}, {35, 0, 36, 0}}, {{35, 511}, {3, 511}}},
};

static void idle_pages_in_the_known_cases(void **state) {
  for (size_t i = 0; i < sizeof indexes / sizeof indexes[0]; i++) {
    set_up(state);
    for (uint64_t chunk = base; chunk < base + 64; chunk++)
      grow(chunk * PAGES);
    take(base * PAGES, 64 * PAGES);
    for (size_t k = 0; k < 2; k++) {
      const uint32_t *r = indexes[i].freed[k];
      const uint64_t first = (base + r[0]) * PAGES + r[1], end = (base + r[2]) * PAGES + r[3];
      if (end > first) pagealloc_put(first, end - first);
    }
    for (size_t k = 0; k < 9 && indexes[i].found[k][1] != 0; k++) {
      const uint64_t chunk = pagealloc_idle_chunk(VS_NO_PAGE);
      uint32_t npages = 0;
      assert_int_equal(chunk, (base + indexes[i].found[k][0]) * PAGES);
      assert_int_equal(candidate_find(pagealloc_chunk(chunk), 1, 1, 1024, &npages), indexes[i].found[k][1]);
      pagealloc_not_idle(chunk);
    }
    assert_int_equal(pagealloc_idle_chunk(VS_NO_PAGE), VS_NO_PAGE);
  }
}

/* ---- random operations ---- */

enum { MODEL_CHUNKS = 40, MODEL = MODEL_CHUNKS * PAGES };

/* Chunks 0 to 19 end a block, the others begin the next one, behind a gap. */
static struct { unsigned char used, dirty; } model[MODEL];
static uint64_t place(uint64_t p) {
  return (base + 0x2c + p / PAGES + (p >= 20 * PAGES ? 0x40 : 0)) * PAGES + p % PAGES;
}

static uint64_t model_run(uint64_t first, uint64_t limit) {
  const uint64_t end = first < 20 * PAGES ? 20 * PAGES : MODEL;
  uint64_t n = 0;
  while (n < limit && first + n < end && !model[first + n].used)
    n++;
  return n;
}

static uint64_t model_find(uint64_t npages) {
  for (uint64_t p = 0; p < MODEL;) {
    const uint64_t n = model_run(p, npages);
    if (n == npages) return place(p);
    p += n > 0 ? n : 1;
  }
  return VS_NO_PAGE;
}

static void model_take(uint64_t first, uint64_t npages) {
  uint64_t dirty = 0;
  for (uint64_t p = first; p < first + npages; p++) {
    dirty += model[p].dirty;
    model[p].used = model[p].dirty = 1;
  }
  assert_int_equal(pagealloc_take(place(first), npages), dirty);
}

/* Takes the wanted pages of a group, and returns some of them. */
static void model_take_group(uint64_t first, uint64_t wanted, uint64_t returned) {
  uint64_t pages = 0, clean = 0, got = 0;
  for (uint64_t k = 0; k < GROUP; k++) {
    const uint64_t p = first + k, one = (uint64_t)1 << k;
    if (model[p].used || (wanted & one) == 0) continue;
    pages |= one;
    clean |= model[p].dirty ? 0 : one;
    model[p].used = (returned & one) == 0;
    model[p].dirty |= model[p].used;
  }
  assert_int_equal(pagealloc_take_group(place(first), wanted, &got), pages);
  assert_int_equal(got, clean);
  pagealloc_put_group(place(first), pages & returned, clean & returned);
}

static void model_agrees(void) {
  for (uint64_t p = 0; p < MODEL; p++)
    assert_int_equal(pagealloc_is_free(place(p)), !model[p].used);
  agree();
}

static void random_operations_follow_the_model(void **state) {
  (void)state;
  uint64_t x = 3;
  memset(model, 0, sizeof model);
  for (uint64_t c = 0; c < MODEL_CHUNKS; c++)
    grow(place(c * PAGES));
  for (uint32_t k = 0; k < 60000; k++) {
    const uint64_t r = unit_random(&x), npages = 1 + (r >> 8) % (r >> 40 & 15 ? 20 : r >> 44 & 3 ? 700 : 6000);
    const uint64_t first = (r >> 20) % MODEL;
    if (r % 100 < 52) {
      const uint64_t found = pagealloc_find(npages);
      assert_int_equal(found, model_find(npages));
      if (found == VS_NO_PAGE) continue;
      uint64_t p = found - place(0);
      model_take(p < 20 * PAGES ? p : p - 0x40 * PAGES, npages);
    } else if (r % 100 < 56) {
      const uint64_t n = model_run(first, npages);
      assert_int_equal(pagealloc_run(place(first), npages), n);
      if (n > 0) model_take(first, n);
    } else if (r % 100 < 60) {
      model_take_group(first / GROUP * GROUP, unit_random(&x) | unit_random(&x), unit_random(&x));
    } else {
      const uint64_t end = first < 20 * PAGES ? 20 * PAGES : MODEL;
      uint64_t n = 0;
      for (; n < npages && first + n < end && model[first + n].used; n++)
        model[first + n].used = 0;
      if (n > 0) pagealloc_put(place(first), n);
    }
    if (k % 2000 == 0) model_agrees();
  }
  model_agrees();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(first_fit_in_the_known_cases, set_up),
      cmocka_unit_test_setup(pages_come_back_in_the_known_cases, set_up),
      cmocka_unit_test_setup(every_page_can_be_taken, set_up),
      cmocka_unit_test_setup(heap_is_what_it_grew_by, set_up),
      cmocka_unit_test_setup(all_is_taken_and_returned_again, set_up),
      cmocka_unit_test_setup(runs_as_long_as_an_entry_of_the_root, set_up),
      cmocka_unit_test_setup(run_is_cut_at_the_limit, set_up),
      cmocka_unit_test_setup(groups_are_taken_in_the_known_cases, set_up),
      cmocka_unit_test_setup(groups_are_returned, set_up),
      cmocka_unit_test_setup(idle_chunks_from_the_top, set_up),
      cmocka_unit_test_setup(clean_pages_are_not_offered, set_up),
      cmocka_unit_test(idle_pages_in_the_known_cases),
      cmocka_unit_test_setup(random_operations_follow_the_model, set_up),
  };
  return unit_run("pagealloc", tests);
}
