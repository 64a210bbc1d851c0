/* SPDX-License-Identifier: Apache-2.0
 *
 * Random operations on the allocator, each checked against a shadow heap: no overlap, alignment,
 * contents, zeroing by calloc, usable size, realloc that keeps what it must, memory that stays
 * flat. Built for the libc names (and run under LD_PRELOAD), and with STRESS_VS for the vs_ names.
 *
 * Modes
 *   mix     each thread works on its own table of blocks and hands some to other threads
 *   pairs   half of the threads allocate, the other half check and free
 *   churn   generations of threads that exit and leave their blocks to the next generation
 *   ladder  one thread, every size to beyond the largest class, freed in several orders
 *
 * A failure prints the mode, seed, thread and operation number and exits 1; so does a time limit
 * or a signal. With one thread the seed reproduces the failure.
 */
#define _GNU_SOURCE
#include "shadow.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef STRESS_VS
#include "verispan.h"
#define m_malloc vs_malloc
#define m_free vs_free
#define m_calloc vs_calloc
#define m_realloc vs_realloc
#define m_aligned_alloc vs_aligned_alloc
#define m_usable_size vs_usable_size
enum { LEAST_ALIGN = 8 };
#else
#define m_malloc malloc
#define m_free free
#define m_calloc calloc
#define m_realloc realloc
#define m_aligned_alloc aligned_alloc
#define m_usable_size malloc_usable_size
extern void *vs_malloc(size_t size) __attribute__((weak));
extern size_t vs_audit(void (*report)(void *context, const char *violation), void *context)
    __attribute__((weak));
enum { LEAST_ALIGN = 16 };
#endif

enum {
  MAX_THREADS = 64,
  TABLE = 4096,      /* blocks a thread holds at most */
  RING = 256,        /* blocks on their way to a thread */
  PHASE = 1 << 16,   /* operations between growing and shrinking */
  FULL_FILL = 512,   /* blocks to this length carry the pattern in every word */
  EDGE_WORDS = 16,   /* longer ones in so many words at each end ... */
  STAMP_WORDS = 128, /* ... and in one word of so many between */
  CHURN_OPS = 20000, /* operations of one thread of one generation */
  CHURN_WARM = 12,   /* generations until memory must be flat: two times growing and shrinking */
};

struct block {
  unsigned char *p;
  size_t size;   /* bytes asked for */
  size_t length; /* bytes used and claimed in the shadow: size, or the usable size */
  uint64_t tag;
  int full; /* pattern in every word */
};

struct ring {
  int lock;
  unsigned head, count;
  struct block slot[RING];
};

struct worker {
  struct ring inbox;
  struct block table[TABLE];
  uint64_t rng;
  uint64_t ops, ops_goal;
  unsigned index;
  pthread_t thread;
  char pad[128];
};

static struct worker *workers;
static struct worker director = {.index = MAX_THREADS}; /* the main thread, in messages */
static unsigned n_threads = 1;
static uint64_t seed = 1, total_ops = 1000000;
static size_t max_size = (size_t)4 << 20;
static const char *mode = "mix";
static int producers_done;

/* ---- failing ---- */

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...) {
  char line[512];
  va_list ap;
  va_start(ap, fmt);
  int n = vsnprintf(line, sizeof line, fmt, ap);
  va_end(ap);
  if (n > 0)
    (void)!write(STDOUT_FILENO, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

#define FAIL(w, ...)                                                                               \
  do {                                                                                             \
    say("stress: FAIL mode=%s threads=%u seed=%llu thread=%u op=%llu: ", mode, n_threads,          \
        (unsigned long long)seed, (w)->index, (unsigned long long)(w)->ops);                       \
    say(__VA_ARGS__);                                                                              \
    say("\n");                                                                                     \
    _exit(1);                                                                                      \
  } while (0)

static void on_signal(int sig) {
  say("stress: FAIL mode=%s threads=%u seed=%llu: %s; operations so far:", mode, n_threads,
      (unsigned long long)seed, sig == SIGALRM ? "time limit" : strsignal(sig));
  for (unsigned i = 0; i < n_threads; i++)
    say(" %llu", (unsigned long long)workers[i].ops);
  say("\n");
  _exit(1);
}

static void say_violation(void *context, const char *violation) {
  (void)context;
  say("stress: audit: %s\n", violation);
}

/* The allocator's own check of its invariants, where it has one; no other thread is running. */
static void audit(const struct worker *w) {
#ifndef STRESS_VS
  if (vs_audit == NULL) return;
#endif
  const size_t violations = vs_audit(say_violation, NULL);
  if (violations != 0) FAIL(w, "the audit found %zu violations", violations);
}

/* ---- random ---- */

static uint64_t rnd(struct worker *w) {
  uint64_t z = (w->rng += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static size_t below(struct worker *w, size_t n) {
  return (size_t)((unsigned __int128)rnd(w) * n >> 64);
}

/* Skewed: six of ten blocks to 128 bytes, one of 4096 to max_size; often just around a power. */
static size_t random_size(struct worker *w) {
  static const struct {
    unsigned upto;
    size_t limit;
  } skew[] = {
      {2458, 129}, {3400, 1025}, {3900, 8193}, {4060, 32769}, {4093, 65537}, {4095, 262145},
  };
  const unsigned draw = (unsigned)below(w, 4096);
  size_t size = 0;
  unsigned i = 0;
  while (i < sizeof skew / sizeof skew[0] && draw >= skew[i].upto)
    i++;
  size = below(w, i < sizeof skew / sizeof skew[0] ? skew[i].limit : max_size);
  if (below(w, 16) == 0 && size >= 8)
    size = ((size_t)1 << (63 - __builtin_clzll(size))) - 1 + below(w, 3);
  return size;
}

/* ---- pattern ---- */

static uint64_t word_of(uint64_t tag, size_t i) { return tag + i * 0x9e3779b97f4a7c15u; }

/* The next word index after i that carries the pattern in a block of n words. */
static size_t next_stamp(size_t i, size_t n, int full) {
  i++;
  if (full || i < EDGE_WORDS || i + EDGE_WORDS >= n) return i;
  const size_t stamp = (i + STAMP_WORDS - 1) / STAMP_WORDS * STAMP_WORDS;
  return stamp + EDGE_WORDS < n ? stamp : n - EDGE_WORDS;
}

static void fill(struct block *b) {
  const size_t n = b->length / 8;
  for (size_t i = 0; i < n; i = next_stamp(i, n, b->full)) {
    const uint64_t v = word_of(b->tag, i);
    memcpy(b->p + 8 * i, &v, 8);
  }
  const uint64_t last = word_of(b->tag, n);
  memcpy(b->p + 8 * n, &last, b->length % 8);
}

/* Checks the first `limit` bytes of a pattern that was written for b, at address p. */
static void verify(struct worker *w, const struct block *b, const unsigned char *p, size_t limit,
                   const char *when) {
  const size_t n = b->length / 8;
  for (size_t i = 0; i < n && 8 * i + 8 <= limit; i = next_stamp(i, n, b->full)) {
    const uint64_t want = word_of(b->tag, i);
    uint64_t have;
    memcpy(&have, p + 8 * i, 8);
    if (have != want)
      FAIL(w, "contents changed (%s): block %p size %zu offset %zu: %016llx, not %016llx", when,
           (const void *)p, b->size, 8 * i, (unsigned long long)have, (unsigned long long)want);
  }
  if (limit == b->length) {
    const uint64_t last = word_of(b->tag, n);
    if (memcmp(p + 8 * n, &last, b->length % 8) != 0)
      FAIL(w, "contents changed (%s): last bytes of block %p size %zu", when, (const void *)p,
           b->size);
  }
}

static void verify_zero(struct worker *w, const unsigned char *p, size_t size) {
  if (size != 0 && (p[0] != 0 || memcmp(p, p + 1, size - 1) != 0)) {
    size_t i = 0;
    while (p[i] == 0)
      i++;
    FAIL(w, "calloc: block %p size %zu is not zero at offset %zu", (const void *)p, size, i);
  }
}

/* ---- operations ---- */

/* Takes a block the allocator returned into the shadow and gives it a pattern. */
static void take(struct worker *w, struct block *b, void *p, size_t size, size_t align,
                 const char *op) {
  const size_t addr = (size_t)p;
  if (p == NULL) FAIL(w, "%s(%zu) returned NULL, errno %d", op, size, errno);
  if (addr % align != 0 || addr % LEAST_ALIGN != 0)
    FAIL(w, "%s(%zu): %p is not aligned to %zu", op, size, p, align);
  b->p = p;
  b->size = size;
  b->length = size;
  b->tag = rnd(w);
  if (b->tag % 4 == 0) {
    b->length = m_usable_size(p);
    if (b->length < size)
      FAIL(w, "usable size of %p is %zu, %zu were asked for", p, b->length, size);
  }
  b->full = b->length <= FULL_FILL || (b->length <= 65536 && b->tag % 16 < 2);
  /* A block of no bytes still is an address of its own. */
  const size_t at = shadow_claim(addr, b->length != 0 ? b->length : 1);
  if (at != 0) FAIL(w, "%s(%zu): %p overlaps a live block at %#zx", op, size, p, at);
  fill(b);
}

static void let_go(struct worker *w, struct block *b) {
  const size_t at = shadow_release((size_t)b->p, b->length != 0 ? b->length : 1);
  if (at != 0)
    FAIL(w, "the test lost block %p size %zu (shadow clear at %#zx)", (void *)b->p, b->size, at);
}

static void op_alloc(struct worker *w, struct block *b) {
  const size_t size = random_size(w);
  const size_t draw = below(w, 64);
  w->ops++;
  if (draw < 44) {
    take(w, b, m_malloc(size), size, LEAST_ALIGN, "malloc");
  } else if (draw < 56) {
    const size_t count = draw % 2 ? 1 + below(w, 9) : 1;
    void *p = m_calloc(count, size / count);
    if (p != NULL) verify_zero(w, p, size / count * count);
    take(w, b, p, size / count * count, LEAST_ALIGN, "calloc");
  } else if (draw < 62) {
    const size_t align = (size_t)1 << below(w, below(w, 32) == 0 ? 22 : 13);
    take(w, b, m_aligned_alloc(align, size), size, align, "aligned_alloc");
  } else {
    take(w, b, m_realloc(NULL, size), size, LEAST_ALIGN, "realloc(NULL)");
  }
}

static void op_free(struct worker *w, struct block *b) {
  verify(w, b, b->p, b->length, "free");
  let_go(w, b);
  w->ops++;
  m_free(b->p);
  b->p = NULL;
}

static void op_realloc(struct worker *w, struct block *b) {
  struct block old = *b;
  const size_t draw = below(w, 4);
  size_t size = draw == 0 ? random_size(w) : old.size / 2 + below(w, old.size + 2);
  if (size == 0) size = 1;
  if (size > max_size) size = max_size;
  verify(w, &old, old.p, old.length, "before realloc");
  let_go(w, b);
  w->ops++;
  void *p = m_realloc(old.p, size);
  if (p == NULL)
    FAIL(w, "realloc(%p of %zu, %zu) returned NULL, errno %d", (void *)old.p, old.size, size,
         errno);
  size_t keep = old.size < size ? old.size : size;
  verify(w, &old, p, keep, "realloc");
  take(w, b, p, size, LEAST_ALIGN, "realloc");
}

/* ---- handing over ---- */

static void ring_lock(struct ring *r) {
  while (__atomic_exchange_n(&r->lock, 1, __ATOMIC_ACQUIRE))
    sched_yield();
}

static void ring_unlock(struct ring *r) { __atomic_store_n(&r->lock, 0, __ATOMIC_RELEASE); }

static int ring_put(struct ring *r, const struct block *b) {
  int ok = 0;
  ring_lock(r);
  if (r->count < RING) {
    r->slot[(r->head + r->count) % RING] = *b;
    __atomic_store_n(&r->count, r->count + 1, __ATOMIC_RELAXED);
    ok = 1;
  }
  ring_unlock(r);
  return ok;
}

static int ring_get(struct ring *r, struct block *b) {
  int ok = 0;
  if (__atomic_load_n(&r->count, __ATOMIC_RELAXED) == 0) return 0;
  ring_lock(r);
  if (r->count > 0) {
    *b = r->slot[r->head];
    r->head = (r->head + 1) % RING;
    __atomic_store_n(&r->count, r->count - 1, __ATOMIC_RELAXED);
    ok = 1;
  }
  ring_unlock(r);
  return ok;
}

/* ---- modes ---- */

/* One step of mix: some slot of the table, and now and then the inbox. */
static void mix_step(struct worker *w) {
  struct block got;
  struct block *b = &w->table[below(w, TABLE)];
  const int growing = (w->ops / PHASE) % 2 == 0;
  const size_t draw = below(w, 64);
  if (b->p == NULL) {
    if (growing || draw < 16)
      op_alloc(w, b);
    else if (draw < 32 && n_threads > 1 && ring_get(&w->inbox, &got))
      op_free(w, &got);
  } else if (draw < 8 && n_threads > 1) {
    struct worker *to = &workers[below(w, n_threads)];
    if (to != w && ring_put(&to->inbox, b)) b->p = NULL;
  } else if (draw < 16 && n_threads > 1 && ring_get(&w->inbox, &got)) {
    struct block mine = *b;
    *b = got;
    op_free(w, &mine);
  } else if (draw < 24) {
    op_realloc(w, b);
  } else if (draw < 26) {
    verify(w, b, b->p, b->length, "look");
  } else if (!growing || draw < 36) {
    op_free(w, b);
  }
}

static void free_table(struct worker *w) {
  for (size_t i = 0; i < TABLE; i++)
    if (w->table[i].p != NULL) op_free(w, &w->table[i]);
}

static void *mix_thread(void *arg) {
  struct worker *w = arg;
  struct block got;
  while (w->ops < w->ops_goal)
    mix_step(w);
  free_table(w);
  while (ring_get(&w->inbox, &got))
    op_free(w, &got);
  return NULL;
}

static size_t resident_bytes(void) {
  char text[128];
  const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  const ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  if (n <= 0) {
    say("stress: cannot read /proc/self/statm\n");
    _exit(2);
  }
  text[n] = 0;
  const char *second = strchr(text, ' ');
  return second == NULL ? 0 : strtoul(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

/* Memory after a warm-up bounds the memory of the rest of the run. */
static size_t flat_bound, flat_warm, flat_peak;

static void flat_sample(struct worker *w, int warm) {
  const size_t now = resident_bytes();
  if (warm) {
    if (now > flat_warm) flat_warm = now;
    flat_bound = flat_warm + flat_warm / 2 + ((size_t)16 << 20);
  } else if (now > flat_bound) {
    FAIL(w, "memory is not flat: %zu MiB resident, %zu MiB after the warm-up", now >> 20,
         flat_warm >> 20);
  }
  if (now > flat_peak) flat_peak = now;
}

static void *produce_thread(void *arg) {
  struct worker *w = arg;
  struct block b = {0};
  struct worker *consumers = workers + n_threads / 2;
  uint64_t next_sample = 0;
  while (w->ops < w->ops_goal) {
    op_alloc(w, &b);
    while (!ring_put(&consumers[below(w, n_threads - n_threads / 2)].inbox, &b))
      sched_yield();
    if (w->index == 0 && w->ops >= next_sample) {
      flat_sample(w, w->ops < w->ops_goal / 4);
      next_sample += w->ops_goal / 64 + 1;
    }
  }
  __atomic_fetch_add(&producers_done, 1, __ATOMIC_RELEASE);
  return NULL;
}

static void *consume_thread(void *arg) {
  struct worker *w = arg;
  struct block b;
  for (;;) {
    const int last = __atomic_load_n(&producers_done, __ATOMIC_ACQUIRE) == (int)(n_threads / 2);
    if (ring_get(&w->inbox, &b))
      op_free(w, &b);
    else if (last)
      return NULL;
    else
      sched_yield();
  }
}

static pthread_key_t churn_key;

/* A thread of one generation: works on the blocks its predecessor left, leaves its own behind. */
static void *churn_thread(void *arg) {
  struct worker *w = arg;
  const uint64_t until = w->ops + CHURN_OPS;
  pthread_setspecific(churn_key, w);
  while (w->ops < until)
    mix_step(w);
  return NULL;
}

/* The thread goes on after the allocator has let go of its cache, which a new thread may have now. */
static void churn_destructor(void *arg) {
  struct worker *w = arg;
  const uint64_t until = w->ops + CHURN_OPS / 4;
  for (size_t i = 0; i < TABLE; i += 4)
    if (w->table[i].p != NULL) op_free(w, &w->table[i]);
  while (w->ops < until)
    mix_step(w);
}

static void start(struct worker *w, void *(*run)(void *)) {
  const int e = pthread_create(&w->thread, NULL, run, w);
  if (e != 0) FAIL(w, "pthread_create: %s", strerror(e));
}

static void join(struct worker *w) {
  const int e = pthread_join(w->thread, NULL);
  if (e != 0) FAIL(w, "pthread_join: %s", strerror(e));
}

static void mode_mix(void) {
  for (unsigned i = 0; i < n_threads; i++)
    start(&workers[i], mix_thread);
  for (unsigned i = 0; i < n_threads; i++)
    join(&workers[i]);
  struct block got;
  for (unsigned i = 0; i < n_threads; i++)
    while (ring_get(&workers[i].inbox, &got))
      op_free(&workers[i], &got);
}

static void mode_pairs(void) {
  for (unsigned i = 0; i < n_threads; i++)
    start(&workers[i], i < n_threads / 2 ? produce_thread : consume_thread);
  for (unsigned i = 0; i < n_threads; i++)
    join(&workers[i]);
}

/* Each thread is joined and followed by another while the rest go on; now and then all are joined. */
static void mode_churn(void) {
  const uint64_t generations = total_ops / ((uint64_t)n_threads * CHURN_OPS * 5 / 4) + 1;
  m_free(m_malloc(1)); /* the allocator's thread key comes first, and so does its destructor */
  if (pthread_key_create(&churn_key, churn_destructor) != 0) FAIL(&director, "pthread_key_create");
  for (uint64_t g = 0; g < generations; g++) {
    const int together = g % 16 == 0;
    for (unsigned i = 0; i < n_threads; i++) {
      if (g > 0) join(&workers[i]);
      if (!together) start(&workers[i], churn_thread);
    }
    flat_sample(&director, g < CHURN_WARM || g < generations / 4);
    if (together) {
      audit(&director);
      for (unsigned i = 0; i < n_threads; i++)
        start(&workers[i], churn_thread);
    }
  }
  for (unsigned i = 0; i < n_threads; i++)
    join(&workers[i]);
  for (unsigned i = 0; i < n_threads; i++)
    free_table(&workers[i]);
  mode_mix();
}

/* Frees the first n blocks of the table in one of four orders. */
static void free_ordered(struct worker *w, size_t n, size_t order) {
  for (size_t k = 0; k < n; k++) {
    size_t i = k;
    if (order == 1)
      i = n - 1 - k;
    else if (order == 2)
      i = k < (n + 1) / 2 ? 2 * k : 2 * (k - (n + 1) / 2) + 1;
    else if (order == 3)
      i = below(w, n);
    if (w->table[i].p != NULL) op_free(w, &w->table[i]);
  }
  free_table(w);
}

static void mode_ladder(void) {
  struct worker *w = &workers[0];
  size_t size = 0;
  while (w->ops < total_ops) {
    const size_t n = 2 + below(w, size < 2048 ? 300 : 20);
    const int zeroed = below(w, 3) == 0;
    for (size_t i = 0; i < n; i++) {
      void *p = zeroed ? m_calloc(1, size) : m_malloc(size);
      w->ops++;
      if (p != NULL && zeroed) verify_zero(w, p, size);
      take(w, &w->table[i], p, size, LEAST_ALIGN, zeroed ? "calloc" : "malloc");
    }
    free_ordered(w, n, below(w, 4));
    size = size < 40000 ? size + 1 + size / 512 : 0;
  }
}

/* ---- main ---- */

static uint64_t number(const char *text) {
  char *end;
  errno = 0;
  const double v = strtod(text, &end);
  if (end == text || *end != 0 || errno != 0 || v < 0 || v > 1e18) {
    fprintf(stderr, "stress: not a number: %s\n", text);
    exit(2);
  }
  return v < 9e15 ? (uint64_t)v : strtoull(text, NULL, 10);
}

static void usage(void) {
  fputs("usage: stress [--mode mix|pairs|churn|ladder] [--threads N] [--ops N] [--seed N]\n"
        "              [--max-size BYTES] [--limit SECONDS] [--expect any|verispan]\n",
        stderr);
  exit(2);
}

static unsigned limit_seconds = 600;
static const char *expect = "any";

static void parse(int argc, char **argv) {
  static const struct option options[] = {
      {"mode", 1, NULL, 'm'},   {"threads", 1, NULL, 't'},  {"ops", 1, NULL, 'o'},
      {"seed", 1, NULL, 's'},   {"max-size", 1, NULL, 'x'}, {"limit", 1, NULL, 'l'},
      {"expect", 1, NULL, 'e'}, {NULL, 0, NULL, 0},
  };
  int c;
  while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
    switch (c) {
    case 'm':
      mode = optarg;
      break;
    case 't':
      n_threads = (unsigned)number(optarg);
      break;
    case 'o':
      total_ops = number(optarg);
      break;
    case 's':
      seed = number(optarg);
      break;
    case 'x':
      max_size = number(optarg);
      break;
    case 'l':
      limit_seconds = (unsigned)number(optarg);
      break;
    case 'e':
      expect = optarg;
      break;
    default:
      usage();
    }
  }
  if (optind != argc || n_threads < 1 || n_threads > MAX_THREADS || max_size < 2) usage();
}

static void check_allocator(void) {
#ifndef STRESS_VS
  if (strcmp(expect, "verispan") == 0 && vs_malloc == NULL) {
    say("stress: FAIL: the allocator is not verispan\n");
    exit(1);
  }
#endif
  if (strcmp(expect, "any") != 0 && strcmp(expect, "verispan") != 0) usage();
}

static double seconds_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char **argv) {
  static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM};
  parse(argc, argv);
  check_allocator();
  shadow_init();
  workers = shadow_map(sizeof(struct worker) * n_threads);
  for (unsigned i = 0; i < n_threads; i++) {
    workers[i].index = i;
    workers[i].rng = seed * 0x632be59bd9b4e019u + i;
    workers[i].ops_goal = total_ops / n_threads;
  }
  for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
    signal(fatal[i], on_signal);
  alarm(limit_seconds);

  const double t0 = seconds_now();
  if (strcmp(mode, "mix") == 0)
    mode_mix();
  else if (strcmp(mode, "pairs") == 0 && n_threads >= 2)
    mode_pairs();
  else if (strcmp(mode, "churn") == 0)
    mode_churn();
  else if (strcmp(mode, "ladder") == 0 && n_threads == 1)
    mode_ladder();
  else
    usage();
  const double t = seconds_now() - t0;
  audit(&director);

  uint64_t done = 0;
  for (unsigned i = 0; i < n_threads; i++)
    done += workers[i].ops;
  say("stress: ok mode=%s threads=%u seed=%llu ops=%llu seconds=%.1f ops/s=%.0f resident=%zu MiB\n",
      mode, n_threads, (unsigned long long)seed, (unsigned long long)done, t, (double)done / t,
      resident_bytes() >> 20);
  return 0;
}
