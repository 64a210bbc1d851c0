/* SPDX-License-Identifier: Apache-2.0
 *
 * When the system refuses. Linked statically with the library, whose system calls go through the __wrap_ functions
 * below: each call that a load of every kind of allocation makes is refused once, in a process of its own, and all calls
 * from each on. What is refused must be NULL with ENOMEM, everything else as ever, the heap sound, and what failed must
 * succeed later. Then the limits that the system itself sets, and what the statistics say during a call.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "verispan.h"

static const size_t MB = (size_t)1 << 20;

/* ---- the system ---- */

static size_t calls, first_refused, last_refused; /* the calls so numbered, from 1 */
static bool always_unmap;
static void (*during_madvise)(void);

static bool refused(void) {
  calls++;
  if (calls < first_refused || calls > last_refused) return false;
  errno = ENOMEM;
  return true;
}

void *__real_mmap(void *addr, size_t size, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *addr, size_t size);
int __real_mprotect(void *addr, size_t size, int prot);
int __real_madvise(void *addr, size_t size, int advice);
void *__real_mremap(void *old, size_t old_size, size_t size, int flags, void *to);
void *__wrap_mmap(void *addr, size_t size, int prot, int flags, int fd, off_t offset);
int __wrap_munmap(void *addr, size_t size);
int __wrap_mprotect(void *addr, size_t size, int prot);
int __wrap_madvise(void *addr, size_t size, int advice);
void *__wrap_mremap(void *old, size_t old_size, size_t size, int flags, void *to);

void *__wrap_mmap(void *addr, size_t size, int prot, int flags, int fd, off_t offset) {
  return refused() ? MAP_FAILED : __real_mmap(addr, size, prot, flags, fd, offset);
}
int __wrap_munmap(void *addr, size_t size) { return refused() && !always_unmap ? -1 : __real_munmap(addr, size); }
int __wrap_mprotect(void *addr, size_t size, int prot) { return refused() ? -1 : __real_mprotect(addr, size, prot); }
int __wrap_madvise(void *addr, size_t size, int advice) {
  if (during_madvise != NULL) during_madvise();
  return refused() ? -1 : __real_madvise(addr, size, advice);
}
void *__wrap_mremap(void *old, size_t old_size, size_t size, int flags, void *to) {
  return refused() ? MAP_FAILED : __real_mremap(old, old_size, size, flags, to);
}

/* ---- blocks, marked every 2 MiB and at their end ---- */

enum { STEP = 2097152, BLOCKS = 1000 };

struct block {
  unsigned char *p;
  size_t size;
};

static struct block held[BLOCKS];
static size_t nheld, failures;

static unsigned char mark(size_t offset) { return (unsigned char)(0x5a ^ offset / STEP ^ offset); }

static void fill(const struct block *b, size_t from) {
  for (size_t i = from / STEP * STEP; i < b->size; i += STEP) b->p[i] = mark(i);
  b->p[b->size - 1] = mark(b->size - 1);
}

static bool kept(const struct block *b, size_t size) {
  for (size_t i = 0; i + 1 < size; i += STEP)
    if (b->p[i] != mark(i)) return false;
  return true;
}

static void require(bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "# call %zu to %zu of %zu refused: %s\n", first_refused, last_refused, calls, what);
  _exit(1);
}

/* NULL comes with ENOMEM, and success leaves errno alone. */
static void *judge(void *p) {
  failures += p == NULL;
  require(errno == (p == NULL ? ENOMEM : 0), "errno");
  errno = 0;
  return p;
}

static void hold(void *p, size_t size) {
  if (judge(p) == NULL) return;
  held[nheld] = (struct block){p, size};
  fill(&held[nheld++], 0);
}

static void hold_zeroed(size_t size) {
  unsigned char *p = judge(t_calloc(1, size));
  for (size_t i = 0; p != NULL && i < size; i += 8192) require(p[i] == 0, "calloc is not zero");
  if (p != NULL) hold(p, size);
}

static void resize(struct block *b, size_t size) {
  const size_t least = size < b->size ? size : b->size;
  unsigned char *p = judge(t_realloc(b->p, size));
  if (p != NULL) b->p = p;
  require(kept(b, least), "realloc lost something");
  if (p == NULL) return;
  b->size = size;
  fill(b, least);
}

static void *small_blocks(void *unused) {
  (void)unused;
  for (int i = 0; i < 60; i++) hold(t_malloc(3000), 3000);
  return NULL;
}

static void from_another_thread(void) {
  pthread_t thread;
  require(pthread_create(&thread, NULL, small_blocks, NULL) == 0, "no thread");
  (void)pthread_join(thread, NULL);
  errno = 0;
}

static void every_kind(void) {
  for (int i = 0; i < 300; i++) hold(t_malloc(1000), 1000);
  from_another_thread();
  hold(t_malloc(5 * MB), 5 * MB);
  hold(t_malloc(200 * MB), 200 * MB);
  hold_zeroed(3 * MB);
  hold(t_memalign(1024 * MB, MB), MB);
  hold(t_memalign(8 * MB, 3 * MB), 3 * MB);
  const size_t grown = nheld;
  hold(t_malloc(2 * MB), 2 * MB);
  if (nheld > grown) {
    struct block *b = &held[grown];
    resize(b, 6 * MB);
    hold(t_malloc(MB), MB);
    resize(b, 90 * MB);
    resize(b, MB);
  }
  for (size_t i = 0; i < nheld; i += 3)
    if (held[i].size > MB) {
      t_free(held[i].p);
      held[i] = held[--nheld];
    }
  malloc_trim(0);
  errno = 0;
  hold_zeroed(6 * MB);
}

static void report(void *context, const char *violation) {
  (void)context;
  fprintf(stderr, "# audit: %s\n", violation);
}

/* Ends the process if something is wrong. The calls that the load made while some were refused. */
static size_t load_with_refusals(size_t first, size_t last) {
  calls = 0;
  first_refused = first;
  last_refused = last;
  errno = 0;
  every_kind();
  const size_t seen = failures, made = calls;
  last_refused = 0;
  require(vs_audit(report, NULL) == 0, "audit after refusals");
  every_kind();
  require(failures == seen, "still refused");
  for (size_t i = 0; i < nheld; i++) require(kept(&held[i], held[i].size), "contents");
  while (nheld > 0) t_free(held[--nheld].p);
  require(vs_audit(report, NULL) == 0, "audit at the end");
  return made;
}

/* In a child: whether it ended well; what it counted in *calls_made and *refusals, if it did. */
static int run(size_t first, size_t last, size_t *calls_made, size_t *refusals) {
  int fd[2], status = -1;
  size_t counts[2] = {0, 0};
  assert_int_equal(pipe(fd), 0);
  const pid_t child = fork();
  if (child == 0) {
    counts[0] = load_with_refusals(first, last);
    counts[1] = failures;
    _exit(write(fd[1], counts, sizeof counts) == sizeof counts ? 0 : 2);
  }
  close(fd[1]);
  const ssize_t got = read(fd[0], counts, sizeof counts);
  close(fd[0]);
  (void)waitpid(child, &status, 0);
  *calls_made = counts[0];
  *refusals = counts[1];
  return got == sizeof counts ? status : -1;
}

static void each_call_is_refused_once(void **state) {
  (void)state;
  size_t total, made, refusals, felt = 0;
  assert_int_equal(run(0, 0, &total, &refusals), 0);
  assert_int_equal(refusals, 0);
  assert_true(total > 30);
  for (size_t n = 1; n <= total; n++) {
    assert_int_equal(run(n, n, &made, &refusals), 0);
    felt += refusals > 0;
  }
  /* Nearly every refusal has a second way; a thread's cache has none. */
  assert_true(felt > 0 && felt < total / 4);
}

static void all_calls_from_each_on_are_refused(void **state) {
  (void)state;
  size_t total, made, refusals, felt = 0;
  assert_int_equal(run(0, 0, &total, &refusals), 0);
  for (size_t n = 1; n <= total; n += 3) {
    assert_int_equal(run(n, SIZE_MAX, &made, &refusals), 0);
    felt += refusals > 0;
  }
  assert_true(felt > 5);
}

/* ---- address space that was not to be used is not kept ---- */

static size_t address_space(void) {
  size_t pages = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  assert_non_null(f);
  assert_int_equal(fscanf(f, "%zu", &pages), 1);
  (void)fclose(f);
  return pages * 4096;
}

/* Address space that the heap does not know of. */
static size_t unaccounted(void) {
  struct vs_stats stats;
  vs_stats(&stats);
  return address_space() - stats.reserved - stats.metadata;
}

static void refused_growth_leaks_no_address_space(void **state) {
  (void)state;
  const size_t before = unaccounted();
  size_t nulls = 0;
  always_unmap = true;
  for (size_t i = 0; i < 60; i++) {
    first_refused = calls + 1 + i % 9;
    last_refused = SIZE_MAX;
    void *p = t_malloc((300 + 50 * i) * MB);
    last_refused = 0;
    nulls += p == NULL;
    assert_true(unaccounted() <= before + MB);
    t_free(p);
  }
  assert_true(nulls > 20);
  assert_int_equal(vs_audit(report, NULL), 0);
}

/* ---- memory on its way to the system is not in use ---- */

static struct vs_stats before_trim;
static size_t looks;

static void look(void) {
  struct vs_stats now;
  vs_stats(&now);
  assert_int_equal(now.in_use, before_trim.in_use);
  assert_int_equal(now.resident, before_trim.resident - (now.released - before_trim.released));
  looks++;
}

static void pages_under_way_are_not_in_use(void **state) {
  (void)state;
  unsigned char *p = t_malloc(5 * MB);
  memset(p, 1, 5 * MB);
  (void)vs_trim();
  t_free(p);
  vs_stats(&before_trim);
  during_madvise = look;
  assert_true(vs_trim() >= 5 * MB);
  during_madvise = NULL;
  assert_true(looks > 1);
}

/* ---- the limits of the system ---- */

/* Bytes got in blocks of size until refused, and freed again. */
static size_t exhaust(size_t size) {
  void **list = NULL;
  size_t got = 0;
  errno = 0;
  for (void **p; (p = t_malloc(size)) != NULL; got += size) {
    memset(p, 1, size);
    *p = list;
    list = p;
  }
  require(errno == ENOMEM, "errno at the limit");
  while (list != NULL) {
    void **next = *list;
    t_free(list);
    list = next;
  }
  require(vs_audit(report, NULL) == 0, "audit at the limit");
  return got;
}

/* How many of size bytes and of half of it a process gets that may take limit bytes more of a resource. */
static void under_limit(int resource, size_t limit, size_t size, size_t got[2]) {
  int fd[2];
  assert_int_equal(pipe(fd), 0);
  const pid_t child = fork();
  if (child == 0) {
    const size_t most = address_space() + limit;
    require(setrlimit(resource, &(struct rlimit){most, most}) == 0, "no limit");
    const size_t counts[2] = {exhaust(size), exhaust(size / 2)};
    _exit(write(fd[1], counts, sizeof counts) == sizeof counts ? 0 : 2);
  }
  close(fd[1]);
  assert_int_equal(read(fd[0], got, 2 * sizeof *got), 2 * sizeof *got);
  close(fd[0]);
  assert_int_equal(waitpid(child, NULL, 0), child);
}

/* An arena's descriptors are 3.7 MiB of address space for 64 MiB; what is left over is less than a block and they. */
static void a_limit_of_address_space_is_used_up(void **state) {
  (void)state;
  static const size_t limits[] = {20, 64, 200};
  static const size_t sizes[] = {1000, 65536, 1000000};
  for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
      size_t got[2];
      under_limit(RLIMIT_AS, limits[i] * MB, sizes[k], got);
      const size_t least = limits[i] * MB - limits[i] * MB / 8 - 6 * MB;
      if (got[0] < least || got[1] < least)
        fail_msg("%zu MiB in blocks of %zu: %zu and %zu KiB", limits[i], sizes[k], got[0] >> 10, got[1] >> 10);
    }
}

static void a_limit_of_data_is_used_up(void **state) {
  (void)state;
  size_t got[2];
  under_limit(RLIMIT_DATA, 100 * MB, 65536, got);
  assert_true(got[0] > 80 * MB && got[1] > 80 * MB);
}

/* Without overcommit (vm.overcommit_memory=2) the system counts private mappings that may be written. */
static size_t charged(void) {
  char line[256], may[8];
  size_t from, to, sum = 0;
  FILE *f = fopen("/proc/self/maps", "r");
  assert_non_null(f);
  while (fgets(line, sizeof line, f) != NULL)
    if (sscanf(line, "%zx-%zx %7s", &from, &to, may) == 3 && may[1] == 'w' && may[3] == 'p') sum += to - from;
  (void)fclose(f);
  return sum;
}

static void reserved_address_space_is_not_charged(void **state) {
  (void)state;
  const size_t before = charged(), space = address_space();
  void *p = t_memalign(1024 * MB, MB);
  assert_non_null(p);
  assert_true(address_space() >= space + 60 * MB);
  assert_true(charged() <= before + 12 * MB);
  t_free(p);
}

static void sizes_beyond_the_largest_are_refused(void **state) {
  (void)state;
  static const size_t sizes[] = {(size_t)1 << 45, PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1, SIZE_MAX - 8191, SIZE_MAX};
  void *p = t_malloc(10 * MB);
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    const size_t space = address_space();
    errno = 0;
    assert_null(t_malloc(sizes[i]));
    assert_int_equal(errno, ENOMEM);
    assert_null(t_calloc(1, sizes[i]));
    assert_null(t_realloc(p, sizes[i]));
    assert_null(t_memalign(4096, sizes[i]));
    assert_null(t_memalign((size_t)1 << 62, sizes[i]));
    assert_true(address_space() <= space + 8 * MB);
  }
  t_free(p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(runs_on_the_expected_allocator),
      cmocka_unit_test(each_call_is_refused_once),
      cmocka_unit_test(all_calls_from_each_on_are_refused),
      cmocka_unit_test(a_limit_of_address_space_is_used_up),
      cmocka_unit_test(a_limit_of_data_is_used_up),
      cmocka_unit_test(reserved_address_space_is_not_charged),
      cmocka_unit_test(sizes_beyond_the_largest_are_refused),
      cmocka_unit_test(refused_growth_leaks_no_address_space),
      cmocka_unit_test(pages_under_way_are_not_in_use),
  };
  setvbuf(stdout, NULL, _IOLBF, 0);
  return cmocka_run_group_tests_name("refusal", tests, NULL, NULL);
}
