/* SPDX-License-Identifier: Apache-2.0
 *
 * A program linked with -static and libverispan.a: no dynamic linker, no preloading; the library's
 * malloc must be the one that glibc's own objects call. Prints `ok - name` lines like the others.
 */
#define _GNU_SOURCE
#include "../allocator_calls.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int cases, failures;

static void report(const char *name, int ok) {
  printf("%s %d - %s\n", ok ? "ok" : "not ok", ++cases, name);
  fflush(stdout);
  failures += !ok;
}

static char *from_constructor;

__attribute__((constructor)) static void before_main(void) {
  from_constructor = strdup("before main");
}

static int every_size(void) {
  for (size_t n = 0; n < 5000000; n = n + 1 + n / 20) {
    unsigned char *p = t_malloc(n), *q = t_calloc(1, n);
    if (p == NULL || q == NULL || (size_t)p % 16 != 0 || t_usable_size(p) < n) return 0;
    memset(p, 1, t_usable_size(p));
    for (size_t i = 0; i < n; i++)
      if (q[i] != 0) return 0;
    p = t_realloc(p, 2 * n + 1);
    if (p == NULL || (n > 0 && (p[0] != 1 || p[n - 1] != 1))) return 0;
    t_free(p);
    t_free(q);
  }
  return 1;
}

static int every_alignment(void) {
  for (size_t align = 1; align <= (size_t)1 << 21; align *= 2) {
    void *p = NULL, *q = t_aligned_alloc(align, 1000);
    if (q == NULL || (size_t)q % align != 0) return 0;
    if (align >= sizeof p && (t_posix_memalign(&p, align, 5) != 0 || (size_t)p % align != 0))
      return 0;
    t_free(p);
    t_free(q);
  }
  return t_posix_memalign(&(void *){NULL}, 3, 5) == EINVAL;
}

static void *work(void *arg) {
  void *p[64] = {NULL};
  for (size_t i = 0; i < 20000; i++) {
    t_free(p[i % 64]);
    p[i % 64] = t_malloc(i * 37 % 5000);
  }
  for (size_t i = 0; i < 64; i++)
    t_free(p[i]);
  return arg;
}

static int threads(void) {
  pthread_t t[8];
  for (int round = 0; round < 20; round++) {
    for (int i = 0; i < 8; i++)
      if (pthread_create(&t[i], NULL, work, NULL) != 0) return 0;
    for (int i = 0; i < 8; i++)
      pthread_join(t[i], NULL);
  }
  return 1;
}

static void *fork_once(void *arg) {
  int status = -1;
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    work(NULL);
    _exit(0);
  }
  if (child > 0) waitpid(child, &status, 0);
  *(int *)arg |= status;
  return NULL;
}

static int fork_in_threads(void) {
  int status = 0;
  pthread_t worker, forker;
  for (int round = 0; round < 20; round++) {
    if (pthread_create(&worker, NULL, work, NULL) != 0 ||
        pthread_create(&forker, NULL, fork_once, &status) != 0)
      return 0;
    pthread_join(forker, NULL);
    pthread_join(worker, NULL);
  }
  return status == 0;
}

static int libc_uses_it(void) {
  char *text = NULL;
  const int n = asprintf(&text, "%s", from_constructor);
  const int ok = n == 11 && strcmp(text, "before main") == 0;
  t_free(text);
  t_free(from_constructor);
  return ok;
}

int main(void) {
  alarm(60);
  report("static_runs_on_verispan", on_verispan() || getenv("TEST_ALLOCATOR") != NULL);
  report("static_every_size", every_size());
  report("static_every_alignment", every_alignment());
  report("static_libc_uses_it", libc_uses_it());
  report("static_threads", threads());
  report("static_fork_in_threads", fork_in_threads());
  errno = 0;
  report("static_too_big_is_enomem", t_malloc(SIZE_MAX / 2 + 1) == NULL && errno == ENOMEM);
  printf("1..%d\n", cases);
  return failures != 0;
}
