/* SPDX-License-Identifier: Apache-2.0
 * An operating system with no address space to give, for harnesses whose page heap has all that it needs. */
#ifndef NO_ADDRESS_SPACE_H
#define NO_ADDRESS_SPACE_H

#include "os.h"

uintptr_t os_hint(void) { return 0; }
uintptr_t os_reserve(uintptr_t hint, size_t size, size_t align) {
  (void)hint;
  (void)size;
  (void)align;
  return 0;
}

#endif
