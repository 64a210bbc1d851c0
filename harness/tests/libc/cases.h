/* SPDX-License-Identifier: Apache-2.0
 *
 * What the cmocka programs of this folder share: cmocka itself, and the case that fails when the
 * program does not run on the allocator it was meant to test.
 */
#ifndef VERISPAN_TEST_CASES_H
#define VERISPAN_TEST_CASES_H

#include "../allocator_calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* TEST_ALLOCATOR=glibc is for trying the tests themselves; anything else means verispan. */
static void runs_on_the_expected_allocator(void **state) {
  (void)state;
  const char *want = getenv("TEST_ALLOCATOR");
  const int want_glibc = want != NULL && strcmp(want, "glibc") == 0;
  assert_int_equal(on_verispan(), !want_glibc);
}

#endif
