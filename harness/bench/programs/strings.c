/* Strings in a hash table, as perl and gawk in Detlefs, Dosser & Zorn ("Memory Allocation Costs in
   Large C and C++ Programs", 1994) use them: lines are composed, split into words, each word is
   a key with a list of the lines it was in; a table grows by rehashing, entries are deleted, the
   results are joined. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_util.h"

enum { WORDS = 60000, LINE_WORDS = 12, REPORT = 65536 };

struct posting {
  struct posting *next;
  uint64_t line;
};

struct entry {
  struct entry *next;
  char *key;
  struct posting *lines;
  uint32_t hash, count;
};

struct table {
  struct entry **buckets;
  uint32_t size, used;
};

static uint32_t string_hash(const char *s) {
  uint32_t h = 2166136261u;
  for (; *s != '\0'; s++)
    h = (h ^ (unsigned char)*s) * 16777619u;
  return h ^ (h >> 15);
}

static char *string_copy(const char *s, size_t length) {
  char *copy = xmalloc(length + 1);
  memcpy(copy, s, length);
  copy[length] = '\0';
  return copy;
}

/* The word of a number: its length depends on the number only, from 2 to about 20 letters. */
static char *word_make(uint32_t number) {
  char text[64];
  uint32_t length = 0;
  uint64_t bits = number;
  uint64_t wanted = 2 + rng_next(&bits) % 18;
  for (uint64_t left = rng_next(&bits); length < wanted; left /= 23)
    text[length++] = (char)('a' + left % 23);
  return string_copy(text, length);
}

static char *string_join(char *a, const char *b) {
  size_t la = strlen(a), lb = strlen(b);
  char *joined = xmalloc(la + lb + 2);
  memcpy(joined, a, la);
  joined[la] = ' ';
  memcpy(joined + la + 1, b, lb + 1);
  free(a);
  return joined;
}

static void table_grow(struct table *t) {
  uint32_t size = t->size == 0 ? 64 : t->size * 2;
  struct entry **buckets = calloc(size, sizeof(struct entry *));
  if (buckets == NULL) bench_die("out of memory");
  for (uint32_t i = 0; i < t->size; i++) {
    for (struct entry *e = t->buckets[i], *next; e != NULL; e = next) {
      next = e->next;
      e->next = buckets[e->hash % size];
      buckets[e->hash % size] = e;
    }
  }
  free(t->buckets);
  t->buckets = buckets;
  t->size = size;
}

static struct entry *table_find(struct table *t, const char *key, size_t length) {
  char *copy = string_copy(key, length);
  uint32_t hash = string_hash(copy);
  if (t->used >= t->size) table_grow(t);
  for (struct entry *e = t->buckets[hash % t->size]; e != NULL; e = e->next) {
    if (e->hash == hash && strcmp(e->key, copy) == 0) {
      free(copy);
      return e;
    }
  }
  struct entry *e = xmalloc(sizeof *e);
  *e = (struct entry){t->buckets[hash % t->size], copy, NULL, hash, 0};
  t->buckets[hash % t->size] = e;
  t->used++;
  return e;
}

static void entry_add(struct entry *e, uint64_t line) {
  struct posting *p = xmalloc(sizeof *p);
  p->next = e->lines;
  p->line = line;
  e->lines = p;
  e->count++;
}

static uint64_t entry_free(struct entry *e) {
  uint64_t sum = e->hash;
  for (struct posting *p = e->lines, *next; p != NULL; p = next) {
    next = p->next;
    sum = sum_mix(sum, p->line);
    free(p);
  }
  free(e->key);
  free(e);
  return sum;
}

/* Deletes the entries of the buckets from first on, one in step. */
static uint64_t table_purge(struct table *t, uint32_t first, uint32_t step) {
  uint64_t sum = 0;
  for (uint32_t i = first; i < t->size; i += step) {
    for (struct entry *e = t->buckets[i], *next; e != NULL; e = next) {
      next = e->next;
      sum = sum_mix(sum, entry_free(e));
      t->used--;
    }
    t->buckets[i] = NULL;
  }
  return sum;
}

static char *line_make(uint64_t *rng) {
  char *line = word_make(rng_log_uniform(rng, 4, 16) % WORDS);
  for (uint32_t n = 1 + rng_below(rng, LINE_WORDS); n > 0; n--) {
    char *word = word_make(rng_log_uniform(rng, 4, 16) % WORDS);
    line = string_join(line, word);
    free(word);
  }
  return line;
}

static void line_index(struct table *t, const char *line, uint64_t number) {
  for (const char *word = line; *word != '\0';) {
    size_t length = strcspn(word, " ");
    entry_add(table_find(t, word, length), number);
    word += length + (word[length] == ' ');
  }
}

int main(int argc, char **argv) {
  uint64_t lines = bench_scale(argc, argv, 450000);
  uint64_t rng = 5, sum = 0;
  struct table t = {NULL, 0, 0};
  for (uint64_t n = 0; n < lines; n++) {
    char *line = line_make(&rng);
    line_index(&t, line, n);
    free(line);
    if (n % REPORT == REPORT - 1)
      sum = sum_mix(sum, table_purge(&t, (uint32_t)(n / REPORT) % 4, 4));
  }
  sum = sum_mix(sum, table_purge(&t, 0, 1));
  free(t.buckets);
  return bench_finish("strings", sum);
}
