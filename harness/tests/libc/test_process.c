/* SPDX-License-Identifier: Apache-2.0
 *
 * The allocator in a process with a life: before main, while libraries come and go, in threads
 * that end, in the destructors of thread-local data, across fork from any thread, after main.
 * Runs under LD_PRELOAD and linked with libverispan.a. Each case that could hang has a time limit.
 */
#define _GNU_SOURCE
#include "../allocator_calls.h"
#include "cases.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef DLOPEN_LIBRARY
#error "DLOPEN_LIBRARY is the path of the library that dlopened.c makes"
#endif

extern char **environ;

/* ---- before main ---- */

static char *from_preinit, *from_constructor_101, *from_constructor;

/* Runs before the constructors of any library, libverispan's among them. */
static void in_preinit(int argc, char **argv, char **envp) {
  (void)argc;
  (void)argv;
  (void)envp;
  from_preinit = t_malloc(1000);
  memset(from_preinit, 'p', 1000);
  t_free(t_calloc(100, 100));
}

__attribute__((section(".preinit_array"), used)) static void (*preinit_entry)(int, char **,
                                                                              char **) = in_preinit;

__attribute__((constructor(101))) static void early(void) {
  from_constructor_101 = t_calloc(1, 100000);
  t_free(t_realloc(t_malloc(10), 1000));
}

__attribute__((constructor)) static void late(void) {
  from_constructor = strdup("allocated in a constructor");
}

static void blocks_from_before_main_are_whole(void **state) {
  (void)state;
  assert_non_null(from_preinit);
  for (size_t i = 0; i < 1000; i++)
    assert_int_equal(from_preinit[i], 'p');
  for (size_t i = 0; i < 100000; i++)
    assert_int_equal(from_constructor_101[i], 0);
  assert_string_equal(from_constructor, "allocated in a constructor");
  from_preinit = t_realloc(from_preinit, 5000);
  assert_int_equal(from_preinit[999], 'p');
  t_free(from_preinit);
  t_free(from_constructor_101);
  t_free(from_constructor);
}

/* ---- after main: the destructor runs when everything else has been torn down ---- */

static void *kept_until_exit;

__attribute__((destructor(101))) static void last(void) {
  t_free(kept_until_exit);
  t_free(t_malloc(100));
}

static void at_exit(void) { kept_until_exit = t_realloc(kept_until_exit, 4000); }

static void exit_handlers_may_allocate(void **state) {
  (void)state;
  kept_until_exit = t_malloc(10);
  assert_int_equal(atexit(at_exit), 0);
}

/* ---- libc's own uses ---- */

static void libc_functions_that_allocate(void **state) {
  (void)state;
  for (int i = 0; i < 200; i++) {
    char *text = NULL, *line = NULL;
    size_t size = 0;
    assert_true(asprintf(&text, "%0*d", 1000 + i, i) == 1000 + i);
    t_free(text);
    FILE *f = open_memstream(&text, &size);
    for (int k = 0; k < 1000; k++)
      fprintf(f, "line %d\n", k);
    fclose(f);
    f = fmemopen(text, size, "r");
    size = 0;
    int lines = 0;
    while (getline(&line, &size, f) > 0)
      lines++;
    assert_int_equal(lines, 1000);
    fclose(f);
    t_free(line);
    t_free(text);
    char *path = realpath("/proc/self/..", NULL);
    assert_string_equal(path, "/proc");
    t_free(path);
  }
}

/* ---- threads ---- */

static void run_threads(size_t n, void *(*run)(void *), const pthread_attr_t *attr) {
  pthread_t thread[256];
  assert_true(n <= 256);
  for (size_t i = 0; i < n; i++)
    assert_int_equal(pthread_create(&thread[i], attr, run, (void *)i), 0);
  for (size_t i = 0; i < n; i++) {
    void *result;
    assert_int_equal(pthread_join(thread[i], &result), 0);
    assert_null(result);
  }
}

static void *const failed_work = (void *)1;

/* Allocates and frees in many sizes; returns NULL when nothing was wrong. */
static void *work(void *arg) {
  unsigned char *p[100] = {NULL};
  size_t x = (size_t)arg + 1;
  for (size_t i = 0; i < 5000; i++) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    const size_t k = (x >> 33) % 100;
    if (p[k] != NULL && p[k][0] != (unsigned char)k) return failed_work;
    t_free(p[k]);
    p[k] = t_malloc(1 + (x >> 40) % (i % 50 == 0 ? 300000 : 2000));
    if (p[k] == NULL) return failed_work;
    p[k][0] = (unsigned char)k;
  }
  for (size_t k = 0; k < 100; k++)
    t_free(p[k]);
  return NULL;
}

static void many_threads_at_once(void **state) {
  (void)state;
  run_threads(200, work, NULL);
}

static void threads_one_after_another_do_not_leak(void **state) {
  (void)state;
  struct rusage before, after;
  for (int i = 0; i < 100; i++)
    run_threads(4, work, NULL);
  getrusage(RUSAGE_SELF, &before);
  for (int i = 0; i < 500; i++)
    run_threads(4, work, NULL);
  getrusage(RUSAGE_SELF, &after);
  assert_true(after.ru_maxrss - before.ru_maxrss < 32 * 1024);
}

static void threads_with_the_smallest_stack(void **state) {
  (void)state;
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  assert_int_equal(pthread_attr_setstacksize(&attr, (size_t)PTHREAD_STACK_MIN), 0);
  run_threads(8, work, &attr);
  pthread_attr_destroy(&attr);
}

static void *thread_that_leaves_blocks(void *arg) {
  char ***out = arg;
  *out = t_malloc(1000 * sizeof(char *));
  for (size_t i = 0; i < 1000; i++) {
    (*out)[i] = t_malloc(1 + i * 37);
    memset((*out)[i], (int)(i % 127), 1 + i * 37);
  }
  return NULL;
}

static void blocks_outlive_their_thread(void **state) {
  (void)state;
  for (int round = 0; round < 20; round++) {
    char **blocks = NULL;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, thread_that_leaves_blocks, &blocks), 0);
    pthread_join(thread, NULL);
    for (size_t i = 0; i < 1000; i++) {
      for (size_t j = 0; j < 1 + i * 37; j++)
        if (blocks[i][j] != (char)(i % 127)) fail_msg("block %zu byte %zu", i, j);
      if (i % 3 == 0) {
        blocks[i] = t_realloc(blocks[i], 2 + i * 50);
        assert_int_equal(blocks[i][i * 37], (char)(i % 127));
      }
      t_free(blocks[i]);
    }
    t_free(blocks);
  }
}

/* ---- destructors of thread-local data ---- */

static pthread_key_t key[3];
static atomic_int destructor_runs;

/* Comes back as often as pthreads allows; the allocator's own clean-up may have run before. */
static void key_destructor(void *value) {
  char *p = t_malloc(200);
  memset(p, 1, 200);
  t_free(value);
  atomic_fetch_add(&destructor_runs, 1);
  pthread_setspecific(key[atomic_load(&destructor_runs) % 3], p);
}

static void *thread_with_keys(void *arg) {
  (void)arg;
  for (int i = 0; i < 3; i++)
    pthread_setspecific(key[i], t_malloc(100));
  return work(arg);
}

static void key_destructors_may_allocate_and_free(void **state) {
  (void)state;
  for (int i = 0; i < 3; i++)
    assert_int_equal(pthread_key_create(&key[i], key_destructor), 0);
  for (int i = 0; i < 50; i++)
    run_threads(4, thread_with_keys, NULL);
  assert_true(atomic_load(&destructor_runs) >= 3 * 4 * 50);
  for (int i = 0; i < 3; i++)
    pthread_key_delete(key[i]);
}

static pthread_key_t late_key;
static atomic_int late_failures;

enum { LATE = 3000 };

/* First only frees, as if the thread still had its cache; then uses the heap like any thread. */
static void late_destructor(void *value) {
  void **blocks = value;
  for (size_t i = 0; i < LATE; i++)
    t_free(blocks[i]);
  t_free(blocks);
  for (size_t i = 0; i < 10; i++)
    if (work((void *)i) != NULL) atomic_fetch_add(&late_failures, 1);
}

static void *thread_that_works_in_its_destructor(void *arg) {
  (void)arg;
  void **blocks = t_malloc(LATE * sizeof *blocks);
  for (size_t i = 0; i < LATE; i++)
    blocks[i] = t_malloc(1 + i % 100 * 20);
  pthread_setspecific(late_key, blocks);
  return NULL;
}

/* The allocator has let go of a thread's cache when the destructor runs; a new thread has it now. */
static void key_destructors_work_beside_new_threads(void **state) {
  (void)state;
  pthread_t thread[8];
  assert_int_equal(pthread_key_create(&late_key, late_destructor), 0);
  for (int round = 0; round < 30; round++) {
    for (size_t i = 0; i < 8; i++)
      assert_int_equal(pthread_create(&thread[i], NULL,
                                      i % 2 ? work : thread_that_works_in_its_destructor,
                                      (void *)i),
                       0);
    for (size_t i = 0; i < 8; i++) {
      void *result;
      pthread_join(thread[i], &result);
      assert_null(result);
    }
  }
  assert_int_equal(atomic_load(&late_failures), 0);
  pthread_key_delete(late_key);
}

/* ---- loading libraries ---- */

static void *load_and_unload(void *arg) {
  (void)arg;
  for (int i = 0; i < 50; i++) {
    void *lib = dlopen(DLOPEN_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (lib == NULL) {
      fprintf(stderr, "dlopen: %s\n", dlerror());
      return (void *)1;
    }
    char *(*block)(void) = (char *(*)(void))dlsym(lib, "dlopened_block");
    char *(*tls)(void) = (char *(*)(void))dlsym(lib, "dlopened_thread_block");
    if (block == NULL || tls == NULL || strcmp(block(), "made in a constructor") != 0)
      return (void *)2;
    t_free(tls());
    if (dlclose(lib) != 0) return (void *)3;
    if (dlopen("/nonexistent/library.so", RTLD_NOW) != NULL || dlerror() == NULL) return (void *)4;
  }
  return NULL;
}

static void dlopen_and_dlclose(void **state) {
  (void)state;
  assert_null(load_and_unload(NULL));
  run_threads(4, load_and_unload, NULL);
}

/* ---- fork ---- */

static atomic_int stop_background;

static void *background(void *arg) {
  while (!atomic_load(&stop_background))
    if (work(arg) != NULL) abort();
  return NULL;
}

static void *inherited[500];

/* What a child does: uses blocks of the parent, allocates in all sizes, starts a thread. */
static void child_work(int deep) {
  pthread_t thread;
  void *result = NULL;
  alarm(20);
  for (size_t i = 0; i < 500; i++) {
    if (*(size_t *)inherited[i] != i) _exit(11);
    if (i % 2)
      t_free(inherited[i]);
    else
      inherited[i] = t_realloc(inherited[i], 3000);
  }
  if (work(NULL) != NULL) _exit(12);
  void *large = t_malloc((size_t)50 << 20);
  if (large == NULL) _exit(13);
  t_free(large);
  if (pthread_create(&thread, NULL, work, NULL) != 0) _exit(14);
  pthread_join(thread, &result);
  if (result != NULL) _exit(15);
  if (deep) {
    int status;
    const pid_t grandchild = fork();
    if (grandchild == 0) _exit(work(NULL) == NULL ? 0 : 16);
    if (grandchild < 0 || waitpid(grandchild, &status, 0) != grandchild || status != 0) _exit(17);
  }
  _exit(0);
}

static void *forking_thread(void *arg) {
  for (int i = 0; i < 25; i++) {
    int status = 0;
    const pid_t child = fork();
    if (child == 0) child_work(i % 8 == 0);
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
      fprintf(stderr, "fork: child ended with status %#x (thread %zu, round %d)\n",
              (unsigned)status, (size_t)arg, i);
      return (void *)1;
    }
    if (work(arg) != NULL) return (void *)2;
  }
  return NULL;
}

static void fork_while_other_threads_allocate(void **state) {
  (void)state;
  pthread_t thread[4];
  for (size_t i = 0; i < 500; i++) {
    inherited[i] = t_malloc(i < 250 ? 16 + i * 40 : 200);
    *(size_t *)inherited[i] = i;
  }
  atomic_store(&stop_background, 0);
  for (size_t i = 0; i < 4; i++)
    assert_int_equal(pthread_create(&thread[i], NULL, background, (void *)i), 0);
  run_threads(2, forking_thread, NULL);
  assert_null(forking_thread(NULL));
  atomic_store(&stop_background, 1);
  for (size_t i = 0; i < 4; i++)
    pthread_join(thread[i], NULL);
  for (size_t i = 0; i < 500; i++)
    t_free(inherited[i]);
}

static atomic_int atfork_runs;

static void in_atfork(void) {
  t_free(t_malloc(100));
  t_free(t_malloc(100000));
  atomic_fetch_add(&atfork_runs, 1);
}

static void fork_handlers_may_allocate(void **state) {
  (void)state;
  assert_int_equal(pthread_atfork(in_atfork, in_atfork, in_atfork), 0);
  for (int i = 0; i < 20; i++) {
    int status;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(work(NULL) == NULL ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
  }
  assert_int_equal(atomic_load(&atfork_runs), 40);
}

static void spawn_and_system(void **state) {
  (void)state;
  char *const argv[] = {(char *)(uintptr_t) "true", NULL};
  for (int i = 0; i < 10; i++) {
    pid_t child;
    int status;
    assert_int_equal(posix_spawnp(&child, "true", NULL, NULL, argv, environ), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
  }
  assert_int_equal(system("exit 7"), 7 << 8);
  FILE *f = popen("echo hello", "r");
  char text[16] = "";
  assert_non_null(f);
  assert_non_null(fgets(text, sizeof text, f));
  assert_string_equal(text, "hello\n");
  assert_int_equal(pclose(f), 0);
}

/* ---- the main thread ends first ---- */

static void *ends_the_process(void *arg) {
  pthread_join(*(pthread_t *)arg, NULL);
  exit(work(NULL) == NULL ? 0 : 1);
}

static void main_thread_may_end_first(void **state) {
  (void)state;
  int status;
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    static pthread_t self, other;
    alarm(20);
    self = pthread_self();
    if (pthread_create(&other, NULL, ends_the_process, &self) != 0) _exit(1);
    t_free(t_malloc(100));
    pthread_exit(NULL);
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
}

/* ---- after all this ---- */

extern size_t vs_audit(void (*report)(void *context, const char *violation), void *context)
    __attribute__((weak));

static void say_violation(void *context, const char *violation) {
  (void)context;
  fprintf(stderr, "audit: %s\n", violation);
}

static void audit_finds_nothing(void **state) {
  (void)state;
  if (vs_audit == NULL) skip();
  assert_int_equal(vs_audit(say_violation, NULL), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(runs_on_the_expected_allocator),
      cmocka_unit_test(blocks_from_before_main_are_whole),
      cmocka_unit_test(exit_handlers_may_allocate),
      cmocka_unit_test(libc_functions_that_allocate),
      cmocka_unit_test(many_threads_at_once),
      cmocka_unit_test(threads_one_after_another_do_not_leak),
      cmocka_unit_test(threads_with_the_smallest_stack),
      cmocka_unit_test(blocks_outlive_their_thread),
      cmocka_unit_test(key_destructors_may_allocate_and_free),
      cmocka_unit_test(key_destructors_work_beside_new_threads),
      cmocka_unit_test(dlopen_and_dlclose),
      cmocka_unit_test(fork_while_other_threads_allocate),
      cmocka_unit_test(fork_handlers_may_allocate),
      cmocka_unit_test(spawn_and_system),
      cmocka_unit_test(main_thread_may_end_first),
      cmocka_unit_test(audit_finds_nothing),
  };
  setvbuf(stdout, NULL, _IOLBF, 0);
  alarm(180);
  return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
