/* SPDX-License-Identifier: Apache-2.0
 *
 * Strings in a hash table that forgets: lines are composed of words by joining them, indexed by word in chained
 * buckets, and dropped with the table's older half. Nothing is freed; strings hold no pointers.
 */
#include "program.h"

enum { WORDS = 60000, LINE_WORDS = 12, BUCKETS = 32768, LINES_KEPT = 20000 };

struct posting {
  struct posting *next;
  char *line;
};

struct entry {
  struct entry *next;
  char *key;
  struct posting *lines;
  uint32_t hash, count;
};

static struct entry **table;

static void *make(size_t size) {
  void *p = collector_malloc(size);
  if (p == NULL) bench_die("out of memory");
  return p;
}

static char *string_make(size_t length) {
  char *s = collector_malloc_noscan(length + 1);
  if (s == NULL) bench_die("out of memory");
  s[length] = 0;
  return s;
}

/* The word of a number has from 2 to 19 letters. */
static char *word_make(uint64_t number) {
  uint64_t bits = number;
  size_t length = 2 + rng_next(&bits) % 18;
  char *s = string_make(length);
  uint64_t left = rng_next(&bits);
  for (size_t i = 0; i < length; i++, left = left / 23 + i) s[i] = (char)('a' + left % 23);
  return s;
}

static char *join(const char *a, const char *b) {
  size_t la = strlen(a), lb = strlen(b);
  char *s = string_make(la + 1 + lb);
  memcpy(s, a, la);
  s[la] = ' ';
  memcpy(s + la + 1, b, lb);
  return s;
}

static char *line_make(uint64_t *random) {
  uint64_t r = rng_next(random);
  char *line = word_make(r % WORDS);
  for (uint64_t n = r / WORDS % LINE_WORDS; n > 0; n--) {
    r = rng_next(random);
    line = join(line, word_make(r % (r / WORDS % 4 == 0 ? WORDS : 500)));
  }
  return line;
}

static uint32_t hash_of(const char *s, size_t length) {
  uint32_t h = 2166136261u;
  for (size_t i = 0; i < length; i++) h = (h ^ (unsigned char)s[i]) * 16777619u;
  return h ^ (h >> 15);
}

static struct entry *find(const char *word, size_t length) {
  uint32_t hash = hash_of(word, length);
  for (struct entry *e = table[hash % BUCKETS]; e != NULL; e = e->next)
    if (e->hash == hash && strncmp(e->key, word, length) == 0 && e->key[length] == 0) return e;
  struct entry *e = make(sizeof *e);
  e->key = string_make(length);
  memcpy(e->key, word, length);
  e->hash = hash;
  e->next = table[hash % BUCKETS];
  table[hash % BUCKETS] = e;
  return e;
}

static void index_line(char *line) {
  for (const char *word = line; *word != 0;) {
    size_t length = strcspn(word, " ");
    struct entry *e = find(word, length);
    struct posting *p = make(sizeof *p);
    p->next = e->lines;
    p->line = line;
    e->lines = p;
    e->count++;
    word += length + (word[length] == ' ');
  }
}

/* Drops every other bucket. What was in it. */
static uint64_t forget(uint64_t sum, uint32_t first) {
  for (uint32_t b = first; b < BUCKETS; b += 2) {
    for (const struct entry *e = table[b]; e != NULL; e = e->next) {
      sum = sum_mix(sum, e->hash ^ e->count);
      for (const struct posting *p = e->lines; p != NULL; p = p->next) sum = sum_mix(sum, strlen(p->line));
    }
    table[b] = NULL;
  }
  return sum;
}

int main(int argc, char **argv) {
  uint64_t lines = bench_scale(argc, argv, 450000), random = 5, sum = 0;
  collector_start();
  table = make(BUCKETS * sizeof(struct entry *));
  for (uint64_t n = 1; n <= lines; n++) {
    index_line(line_make(&random));
    if (n % LINES_KEPT == 0) sum = forget(sum, n / LINES_KEPT % 2);
  }
  sum = forget(forget(sum, 0), 1);
  return program_finish("strings", sum);
}
