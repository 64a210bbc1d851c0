/* SPDX-License-Identifier: Apache-2.0
 *
 * Exhaustive scheduler for compiled code: plain accesses.
 *
 * `-fsanitize=thread` makes the compiler announce every access to memory by a call. This file
 * takes the place of the sanitizer's run-time library and hands the calls to the scheduler's race
 * detector. So the code under test is checked for data races without a change to its source.
 *
 * Up: code compiled with -fsanitize=thread.  Down: sched.h.
 */
#include "sched.h"

/* The compiler's interface: names and types are fixed. */

/* Relaxed loads and stores by the compiler's builtins, where the code does without atomic.h. */
#define RELAXED(bits)                                                                              \
  uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *p, int order);          \
  uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *p, int order) {         \
    (void)order;                                                                                   \
    sched_before(p, false, "load");                                                                \
    uint##bits##_t value = *p;                                                                     \
    sched_loaded(p, SCHED_RELAXED, value);                                                         \
    return value;                                                                                  \
  }                                                                                                \
  void __tsan_atomic##bits##_store(volatile uint##bits##_t *p, uint##bits##_t value, int order);   \
  void __tsan_atomic##bits##_store(volatile uint##bits##_t *p, uint##bits##_t value, int order) {  \
    (void)order;                                                                                   \
    sched_before(p, true, "store");                                                                \
    uint##bits##_t old = *p;                                                                       \
    *p = value;                                                                                    \
    sched_stored(p, SCHED_RELAXED, old, value);                                                    \
  }

RELAXED(32)
RELAXED(64)

#define ACCESS(size)                                                                               \
  void __tsan_read##size(void *addr);                                                              \
  void __tsan_read##size(void *addr) { sched_plain(addr, size, false); }                           \
  void __tsan_unaligned_read##size(void *addr);                                                    \
  void __tsan_unaligned_read##size(void *addr) { sched_plain(addr, size, false); }                 \
  void __tsan_write##size(void *addr);                                                             \
  void __tsan_write##size(void *addr) { sched_plain(addr, size, true); }                           \
  void __tsan_unaligned_write##size(void *addr);                                                   \
  void __tsan_unaligned_write##size(void *addr) { sched_plain(addr, size, true); }

ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)

void __tsan_read_range(void *addr, size_t size);
void __tsan_read_range(void *addr, size_t size) { sched_plain(addr, size, false); }
void __tsan_write_range(void *addr, size_t size);
void __tsan_write_range(void *addr, size_t size) { sched_plain(addr, size, true); }
void __tsan_func_entry(void *caller);
void __tsan_func_entry(void *caller) { (void)caller; }
void __tsan_func_exit(void);
void __tsan_func_exit(void) {}
void __tsan_init(void);
void __tsan_init(void) {}
