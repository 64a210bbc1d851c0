/* SPDX-License-Identifier: Apache-2.0
 *
 * Included by every unit test: cmocka and what it needs. A unit test is a program of its own,
 * linked with the library's objects except interpose.o, so that its own malloc is the system's
 * and the module under test has the heap to itself.
 */
#ifndef VERISPAN_TEST_UNIT_H
#define VERISPAN_TEST_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Lines as they come, so that a crash does not take the reports of earlier cases with it. */
#define unit_run(name, tests)                                                                      \
  (setvbuf(stdout, NULL, _IOLBF, 0), cmocka_run_group_tests_name(name, tests, NULL, NULL))

/* Random numbers that are the same in every run (splitmix64). */
static inline uint64_t unit_random(uint64_t *x) {
  uint64_t z = (*x += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

#endif
