/* SPDX-License-Identifier: Apache-2.0
 *
 * Undefined behaviour in the library's own inline code, on purpose: a bit beyond the word.
 * UndefinedBehaviorSanitizer must stop it.
 */
#include "bits.h"

int main(int argc, char **argv) {
  (void)argv;
  volatile uint64_t word = bits_one((uint32_t)(63 + argc));
  (void)word;
  return 0;
}
