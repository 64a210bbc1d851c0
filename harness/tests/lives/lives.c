/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads and processes that come and go while others allocate, for as long as asked.
 *
 * Modes
 *   churn   short threads, which return, exit or are cancelled while they hold blocks; each frees what dead
 *           ones left. Peak memory stays flat
 *   rings   threads in a ring pass blocks on, resize and free them. Peak memory stays flat, nothing gets lost
 *   forks   threads fork all the time beside others that allocate; children use what they inherited, start threads and
 *           fork
 *   exits   processes end in every way while their threads are at work: exit from any thread, _exit, SIGKILL, the main
 *           thread first
 *
 * Blocks carry a pattern that is checked whenever one is taken up again. Ends with "lives: ok" and what was done, or
 * with "lives: FAIL" and exit status 1; so does a time limit or a signal.
 */
#define _GNU_SOURCE
#include "../allocator_calls.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
  TABLE = 64,            /* blocks that a thread holds at most */
  SHARED = 256,          /* blocks that anyone may take over */
  PATTERN = 32,          /* words of a block with a pattern, and its last one */
  WARM = 2,              /* part of the time after which peak memory must stay flat */
  FLAT = 8 << 20,        /* bytes that it may still grow by, */
  WARM_PEAK = 24 << 20   /* or grow to: on a busy machine it warms up late */
};

struct block {
  uint64_t words, tag;
};

static const char *mode;
static double seconds, started;
static uint64_t least;    /* threads, steps or processes, however long they take */
static unsigned patience; /* seconds that a child has, and the whole beyond those asked for */
static _Atomic uint64_t done, made, dropped;
static atomic_bool stop;
static struct block *_Atomic shared[SHARED];

/* ---- failing ---- */

__attribute__((format(printf, 1, 2))) static _Noreturn void fail(const char *format, ...) {
  char text[300];
  int n = snprintf(text, sizeof text, "lives: FAIL %s: ", mode);
  va_list ap;
  va_start(ap, format);
  n += vsnprintf(text + n, sizeof text - (size_t)n - 1, format, ap);
  va_end(ap);
  text[n++] = '\n';
  (void)!write(STDOUT_FILENO, text, (size_t)n);
  _exit(1);
}

static void on_signal(int sig) {
  fail("%s; %llu done", sig == SIGALRM ? "time limit" : "signal", (unsigned long long)atomic_load(&done));
}

extern size_t vs_audit(void (*report)(void *context, const char *violation), void *context) __attribute__((weak));

static void say_violation(void *context, const char *violation) {
  (void)context;
  fprintf(stderr, "audit: %s\n", violation);
}

static void audit(void) {
  if (vs_audit != NULL && vs_audit(say_violation, NULL) != 0) fail("the audit finds violations");
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool time_is_up(void) { return now() - started > seconds && atomic_load(&done) >= least; }

/* ---- blocks ---- */

static uint64_t next_random(uint64_t *x) {
  uint64_t z = (*x += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* Mostly small, some of tens of kilobytes, few of hundreds. */
static uint64_t some_words(uint64_t *x) {
  const uint64_t r = next_random(x);
  return 2 + (r >> 8) % (r % 256 == 0 ? 40000 : r % 16 == 0 ? 5000 : 64);
}

static uint64_t pattern(const struct block *b, uint64_t word) { return (b->tag + word) * 0x9e3779b97f4a7c15u; }

static void write_pattern(struct block *b, uint64_t from) {
  uint64_t *word = (uint64_t *)b;
  for (uint64_t i = from; i < b->words && i < PATTERN; i++)
    word[i] = pattern(b, i);
  if (b->words > 2) word[b->words - 1] = pattern(b, b->words - 1);
}

static void check_words(const struct block *b, uint64_t words) {
  const uint64_t *word = (const uint64_t *)b;
  for (uint64_t i = 2; i < words && i < PATTERN; i++)
    if (word[i] != pattern(b, i))
      fail("word %llu of a block at %p has changed", (unsigned long long)i, (const void *)b);
}

static void check(const struct block *b) {
  check_words(b, b->words);
  if (b->words > 2 && ((const uint64_t *)b)[b->words - 1] != pattern(b, b->words - 1))
    fail("the last word of a block at %p has changed", (const void *)b);
}

static struct block *make(uint64_t *x) {
  const uint64_t words = some_words(x);
  struct block *b = t_malloc(words * 8);
  if (b == NULL) fail("no memory");
  *b = (struct block){.words = words, .tag = next_random(x)};
  write_pattern(b, 2);
  atomic_fetch_add_explicit(&made, 1, memory_order_relaxed);
  return b;
}

static void drop(struct block *b) {
  if (b == NULL) return;
  check(b);
  t_free(b);
  atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
}

static struct block *resize(struct block *b, uint64_t *x) {
  const uint64_t words = some_words(x);
  check(b);
  b = t_realloc(b, words * 8);
  if (b == NULL) fail("no memory");
  if (words < b->words)
    check_words(b, words);
  else
    check(b);
  b->words = words;
  write_pattern(b, 2);
  return b;
}

/* Puts b where all can take it, and frees what was there. */
static void share(struct block *b, uint64_t *x) { drop(atomic_exchange(&shared[next_random(x) % SHARED], b)); }

static void drop_shared(void) {
  for (size_t i = 0; i < SHARED; i++)
    drop(atomic_exchange(&shared[i], NULL));
}

/* ---- a thread at work ---- */

struct work {
  uint64_t rng;
  struct block *table[TABLE];
};

static struct block *take(struct block **place) {
  struct block *b = *place;
  *place = NULL;
  return b;
}

/* Runs also when the thread is cancelled or exits: part is left to others, the rest freed on the way out. */
static void end_work(void *argument) {
  struct work *w = argument;
  for (size_t i = 0; i < TABLE; i++) {
    if (w->table[i] == NULL) continue;
    if (i % 2 == 0)
      drop(take(&w->table[i]));
    else
      share(take(&w->table[i]), &w->rng);
  }
}

static void step(struct work *w) {
  struct block **b = &w->table[next_random(&w->rng) % TABLE];
  if (*b == NULL)
    *b = make(&w->rng);
  else if (next_random(&w->rng) % 8 == 0)
    *b = resize(*b, &w->rng);
  else if (next_random(&w->rng) % 4 == 0)
    share(take(b), &w->rng);
  else
    drop(take(b));
}

/* Ends by itself after fewer than 97 steps, unless cancelled; by pthread_exit if the seed is even. */
static void *work_steps(void *argument) {
  const uint64_t seed = (uint64_t)(uintptr_t)argument;
  struct work w = {.rng = seed};
  pthread_cleanup_push(end_work, &w);
  for (uint64_t n = seed % 97; n > 0; n--) {
    step(&w);
    pthread_testcancel();
  }
  if (seed % 2 == 0) pthread_exit(NULL);
  pthread_cleanup_pop(1);
  return NULL;
}

/* Until stopped or cancelled. */
static void *work_on(void *argument) {
  struct work w = {.rng = (uint64_t)(uintptr_t)argument};
  pthread_cleanup_push(end_work, &w);
  while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
    step(&w);
    pthread_testcancel();
  }
  pthread_cleanup_pop(1);
  return NULL;
}

static pthread_t start(void *(*run)(void *), uint64_t argument) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, run, (void *)(uintptr_t)argument) != 0) fail("cannot start a thread");
  return thread;
}

/* ---- flat memory ---- */

static long peak_before;

/* In bytes; that of getrusage would count the pages of the process that started this one. */
static long peak(void) {
  char text[4096] = "";
  const int file = open("/proc/self/status", O_RDONLY);
  if (file < 0 || read(file, text, sizeof text - 1) <= 0) fail("cannot read /proc/self/status");
  close(file);
  const char *line = strstr(text, "VmHWM:");
  if (line == NULL) fail("no VmHWM in /proc/self/status");
  return strtol(line + strlen("VmHWM:"), NULL, 10) * 1024;
}

static void warm_up(void) {
  if (peak_before == 0 && now() - started > seconds / WARM) peak_before = peak();
}

static void must_be_flat(void) {
  if (peak_before == 0) fail("no time to warm up");
  const long more = peak() - peak_before;
  if (more > FLAT && peak_before + more > WARM_PEAK) fail("peak memory grew by %ld KiB from %ld KiB on", more / 1024, peak_before / 1024);
}

static void nothing_is_lost(void) {
  drop_shared();
  if (atomic_load(&made) != atomic_load(&dropped)) fail("blocks were lost");
  audit();
}

/* ---- churn ---- */

enum { AT_ONCE = 6 };

static void churn(void) {
  pthread_t thread[AT_ONCE];
  uint64_t x = 1, n = 0;
  for (; n < AT_ONCE || !time_is_up(); n++) {
    if (n >= AT_ONCE) {
      const uint64_t r = next_random(&x);
      if (r % 3 == 0) pthread_cancel(thread[n % AT_ONCE]);
      pthread_join(thread[n % AT_ONCE], NULL);
    }
    thread[n % AT_ONCE] = start(work_steps, next_random(&x));
    atomic_store(&done, n + 1);
    warm_up();
  }
  for (size_t i = 0; i < AT_ONCE; i++)
    pthread_join(thread[i], NULL);
  must_be_flat();
  nothing_is_lost();
}

/* ---- rings ---- */

enum { RING = 6, INBOX = 256 };

static struct inbox {
  pthread_mutex_t lock;
  struct block *slot[INBOX];
  uint32_t first, count;
} inboxes[RING];

static bool pass_on(struct inbox *to, struct block *b) {
  pthread_mutex_lock(&to->lock);
  const bool room = to->count < INBOX;
  if (room) to->slot[(to->first + to->count++) % INBOX] = b;
  pthread_mutex_unlock(&to->lock);
  return room;
}

static struct block *receive(struct inbox *from) {
  struct block *b = NULL;
  pthread_mutex_lock(&from->lock);
  if (from->count > 0) {
    b = from->slot[from->first];
    from->first = (from->first + 1) % INBOX;
    from->count--;
  }
  pthread_mutex_unlock(&from->lock);
  return b;
}

static void *member(void *argument) {
  const size_t me = (size_t)argument;
  uint64_t x = me;
  while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
    struct block *b = next_random(&x) % 4 == 0 ? NULL : receive(&inboxes[me]);
    if (b == NULL) b = make(&x);
    const uint64_t r = next_random(&x) % 16;
    if (r == 0) b = resize(b, &x);
    const bool passed = r < 12 && pass_on(&inboxes[(me + 1) % RING], b);
    if (!passed) drop(b);
    if (!passed && r < 12) sched_yield();
    atomic_fetch_add_explicit(&done, 1, memory_order_relaxed);
  }
  return NULL;
}

static void rings(void) {
  pthread_t thread[RING];
  for (size_t i = 0; i < RING; i++)
    pthread_mutex_init(&inboxes[i].lock, NULL);
  for (size_t i = 0; i < RING; i++)
    thread[i] = start(member, i);
  while (!time_is_up()) {
    usleep(10000);
    warm_up();
  }
  atomic_store(&stop, true);
  for (size_t i = 0; i < RING; i++)
    pthread_join(thread[i], NULL);
  for (size_t i = 0; i < RING; i++)
    for (struct block *b; (b = receive(&inboxes[i])) != NULL;)
      drop(b);
  must_be_flat();
  nothing_is_lost();
}

/* ---- forks ---- */

enum { FORKERS = 2, BESIDE = 2, CHILDREN = 4 };

static void wait_for(pid_t child, int expected) {
  int status = 0;
  if (waitpid(child, &status, 0) != child) fail("waitpid");
  if (status != expected) fail("a child ended with status %#x, not %#x", (unsigned)status, (unsigned)expected);
}

/* No audit: what another thread of the parent was in the midst of stays so. */
static void child_work(uint64_t x) {
  atomic_store(&stop, false);
  drop_shared();
  const pthread_t thread = start(work_steps, next_random(&x));
  (void)work_steps((void *)(uintptr_t)(next_random(&x) % 1000 * 194 + 95)); /* 95 steps, and it returns */
  pthread_join(thread, NULL);
}

static _Noreturn void child_life(uint64_t x) {
  alarm(patience);
  child_work(next_random(&x));
  if (next_random(&x) % 4 == 0) {
    const pid_t grandchild = fork();
    if (grandchild == 0) {
      alarm(patience);
      child_work(next_random(&x));
      _exit(0);
    }
    wait_for(grandchild, 0);
  }
  _exit(0);
}

static void *forker(void *argument) {
  pid_t child[CHILDREN] = {0};
  uint64_t x = (uint64_t)(uintptr_t)argument, n = 0;
  struct work w = {.rng = x};
  for (; !time_is_up(); n++) {
    pid_t *c = &child[n % CHILDREN];
    if (*c != 0) wait_for(*c, 0);
    *c = fork();
    if (*c == 0) child_life(next_random(&x));
    if (*c < 0) fail("cannot fork");
    for (int i = 0; i < 50; i++)
      step(&w);
    atomic_fetch_add(&done, 1);
  }
  for (size_t i = 0; i < CHILDREN; i++)
    if (child[i] != 0) wait_for(child[i], 0);
  end_work(&w);
  return NULL;
}

static void forks(void) {
  pthread_t thread[FORKERS + BESIDE];
  for (size_t i = 0; i < FORKERS + BESIDE; i++)
    thread[i] = start(i < FORKERS ? forker : work_on, i + 1);
  for (size_t i = 0; i < FORKERS + BESIDE; i++) {
    if (i == FORKERS) atomic_store(&stop, true);
    pthread_join(thread[i], NULL);
  }
  nothing_is_lost();
}

/* ---- exits ---- */

enum { WORKERS = 3 };
enum way { BY_THREAD, MAIN_FIRST, AT_A_STROKE, KILLED, BY_MAIN, JOINED, WAYS };

static pthread_key_t key;

static void use_heap(void) {
  uint64_t x = 5;
  for (int i = 0; i < 20; i++)
    share(make(&x), &x);
}

static void at_thread_end(void *value) {
  drop(value);
  use_heap();
}

__attribute__((destructor)) static void at_the_very_end(void) { use_heap(); }

static void *exit_from_thread(void *argument) {
  usleep((useconds_t)(uintptr_t)argument);
  exit(0);
}

/* The process ends with its last thread, which has a block to drop when it does. */
static void *last_thread(void *argument) {
  uint64_t x = (uint64_t)(uintptr_t)argument;
  pthread_setspecific(key, make(&x));
  usleep((useconds_t)(next_random(&x) % 2000));
  use_heap();
  atomic_store(&stop, true);
  return NULL;
}

static void join_all(const pthread_t *thread) {
  for (size_t i = 0; i < WORKERS; i++)
    pthread_cancel(thread[i]);
  for (size_t i = 0; i < WORKERS; i++)
    pthread_join(thread[i], NULL);
  nothing_is_lost();
}

static _Noreturn void end_process(enum way way, uint64_t x, const pthread_t *thread) {
  usleep((useconds_t)(next_random(&x) % 3000));
  switch (way) {
  case BY_THREAD:
    start(exit_from_thread, next_random(&x) % 1000);
    sleep(patience);
    fail("exit did not end the process");
  case MAIN_FIRST:
    start(last_thread, next_random(&x));
    pthread_exit(NULL);
  case AT_A_STROKE:
    _exit(0);
  case KILLED:
    raise(SIGKILL);
    fail("SIGKILL did not end the process");
  case JOINED:
    join_all(thread);
    exit(0);
  default:
    exit(0);
  }
}

static _Noreturn void process_life(enum way way, uint64_t x) {
  pthread_t thread[WORKERS];
  alarm(patience);
  pthread_key_create(&key, at_thread_end);
  atexit(use_heap);
  for (size_t i = 0; i < WORKERS; i++)
    thread[i] = start(work_on, next_random(&x));
  if (way != JOINED && next_random(&x) % 2 == 0) pthread_detach(start(work_steps, next_random(&x) | 1));
  end_process(way, x, thread);
}

static void exits(void) {
  uint64_t x = 3;
  for (uint64_t n = 0; !time_is_up(); n++) {
    const pid_t child = fork();
    if (child < 0) fail("cannot fork");
    if (child == 0) process_life((enum way)(n % WAYS), next_random(&x));
    wait_for(child, n % WAYS == KILLED ? SIGKILL : 0);
    (void)next_random(&x);
    atomic_store(&done, n + 1);
  }
}

static const struct {
  const char *name;
  void (*run)(void);
} modes[] = {{"churn", churn}, {"rings", rings}, {"forks", forks}, {"exits", exits}};

int main(int argc, char **argv) {
  if (argc != 6) {
    fprintf(stderr, "usage: %s churn|rings|forks|exits SECONDS LEAST PATIENCE verispan|any\n", argv[0]);
    return 2;
  }
  mode = argv[1];
  seconds = strtod(argv[2], NULL);
  least = strtoul(argv[3], NULL, 10);
  patience = (unsigned)strtoul(argv[4], NULL, 10);
  if (strcmp(argv[5], "verispan") == 0 && !on_verispan()) fail("this is not verispan");
  signal(SIGALRM, on_signal);
  signal(SIGSEGV, on_signal);
  signal(SIGABRT, on_signal);
  alarm((unsigned)seconds + patience);
  started = now();
  for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
    if (strcmp(modes[i].name, mode) == 0) modes[i].run();
  if (atomic_load(&done) == 0) fail("nothing was done");
  printf("lives: ok %s: %llu done, %llu blocks, %ld KiB at most\n", mode, (unsigned long long)atomic_load(&done),
         (unsigned long long)atomic_load(&made), peak() / 1024);
  return 0;
}
