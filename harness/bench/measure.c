/* Runs one command under an allocator and writes what it cost: wait status, wall, user and system
   seconds, peak KiB.

   A launcher of its own, because the kernel counts the pages of the process that forks into the
   child's peak: from a small static program that floor is about 1 MiB, from Python it would be
   tens. LD_PRELOAD and the other variables are set for the command only. CPU time includes the
   command's own children, the peak is the largest of them. */
/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec * 1e-6; }

static double clock_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char **argv) {
  int first = 2;
  while (first < argc && strcmp(argv[first], "--") != 0)
    first++;
  if (first + 1 >= argc) {
    fprintf(stderr, "usage: %s REPORT [VARIABLE=VALUE]... -- COMMAND [ARGUMENT]...\n", argv[0]);
    return 2;
  }
  double start = clock_now();
  pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 2; i < first; i++)
      putenv(argv[i]);
    execvp(argv[first + 1], argv + first + 1);
    perror(argv[first + 1]);
    _exit(127);
  }
  int status;
  struct rusage usage;
  if (child < 0 || wait4(child, &status, 0, &usage) != child) {
    perror("measure");
    return 2;
  }
  double wall = clock_now() - start;
  FILE *report = fopen(argv[1], "w");
  if (report == NULL) {
    perror(argv[1]);
    return 2;
  }
  fprintf(report, "%d %.6f %.6f %.6f %ld\n", status, wall, seconds(usage.ru_utime),
          seconds(usage.ru_stime), usage.ru_maxrss);
  return fclose(report) == 0 ? 0 : 2;
}
