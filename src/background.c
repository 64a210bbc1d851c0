/* SPDX-License-Identifier: Apache-2.0
 * The scavenger's thread. See background.h. */
#define _GNU_SOURCE
#include "background.h"

#include <signal.h>
#include <stdbool.h>
#include <time.h>

#include "scavenge.h"
#include "verispan.h"

#define EXPORT __attribute__((visibility("default")))

static struct vs_lock thread_lock = VS_LOCK_INIT;
static pthread_cond_t stopped VS_GUARDED_BY(thread_lock) = PTHREAD_COND_INITIALIZER;
static pthread_t thread VS_GUARDED_BY(thread_lock);
static bool running VS_GUARDED_BY(thread_lock);
static uintptr_t generation VS_GUARDED_BY(thread_lock); /* of the thread that runs; others end */

/* Sleeps so many nanoseconds, or until vs_stop_scavenger. */
VS_REQUIRES(thread_lock) static void background_sleep(uint64_t nanoseconds) {
  struct timespec until;
  (void)clock_gettime(CLOCK_MONOTONIC, &until);
  uint64_t end = (uint64_t)until.tv_nsec + nanoseconds;
  until.tv_sec += (time_t)(end / 1000000000u);
  until.tv_nsec = (long)(end % 1000000000u);
  (void)pthread_cond_clockwait(&stopped, &thread_lock.mutex, CLOCK_MONOTONIC, &until);
}

static void *background_run(void *arg) {
  uintptr_t mine = (uintptr_t)arg;
  lock_acquire(&thread_lock);
  while (generation == mine) {
    lock_release(&thread_lock);
    uint64_t wait = scavenge_wait();
    lock_acquire(&thread_lock);
    if (generation == mine) background_sleep(wait);
  }
  lock_release(&thread_lock);
  return 0;
}

/* Signals are for the program's own threads. */
EXPORT int vs_start_scavenger(void) {
  int failed = 0;
  sigset_t all, saved;
  (void)sigfillset(&all);
  lock_acquire(&thread_lock);
  if (!running) {
    generation++;
    (void)pthread_sigmask(SIG_SETMASK, &all, &saved);
    failed = pthread_create(&thread, 0, background_run, (void *)generation);
    (void)pthread_sigmask(SIG_SETMASK, &saved, 0);
    running = failed == 0;
  }
  lock_release(&thread_lock);
  return failed;
}

EXPORT void vs_stop_scavenger(void) {
  lock_acquire(&thread_lock);
  bool ran = running;
  pthread_t last = thread;
  running = false;
  generation++;
  (void)pthread_cond_signal(&stopped);
  lock_release(&thread_lock);
  if (ran) (void)pthread_join(last, 0);
}

void background_before_fork(void) VS_ACQUIRES(thread_lock, vs_scavenge_lock) {
  lock_acquire(&thread_lock);
  scavenge_lock();
}

void background_after_fork(void) VS_RELEASES(thread_lock, vs_scavenge_lock) {
  scavenge_unlock();
  lock_release(&thread_lock);
}

void background_in_child(void) VS_RELEASES(thread_lock, vs_scavenge_lock) {
  running = false;
  generation++;
  stopped = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
  background_after_fork();
}
