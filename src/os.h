/* SPDX-License-Identifier: Apache-2.0
 *
 * The operating system, as the allocator sees it: address space and pages (Go's runtime/mem.go).
 * A range is None, or Ready: readable, writable, zero on first touch and backed by memory only where touched.
 *
 * Sizes and addresses are in bytes and multiples of the system's page size. Thread-safe.
 *
 * Up: mheap, mcache, alloc. Down: the system.
 * Invariant: none. Claims: C5 C6.
 */
#ifndef VERISPAN_OS_H
#define VERISPAN_OS_H

#include <stddef.h>
#include <stdint.h>

/* None -> Ready: size zeroed bytes aligned to align (a power of two, at least a page), or 0 if refused. */
uintptr_t os_reserve(size_t size, size_t align);

/* Ready -> None. */
void os_unreserve(uintptr_t addr, size_t size);

/* None -> Ready, for metadata: zeroed, never given back, kept off huge pages. 0 if refused. */
void *os_metadata(size_t size);

/* Ready -> Ready: gives the memory back; the range reads as zeros again. 0, or -1 and the contents are kept. */
int os_release(uintptr_t addr, size_t size);

/* Nanoseconds of a clock that only goes forward, exact to some milliseconds; and of this thread's processor time. */
uint64_t os_nanoseconds(void);
uint64_t os_thread_nanoseconds(void);

/* Processors that the process may run on, at least 1. */
uint64_t os_processors(void);

/* Prints "verispan: <function>: <what>: 0x<address>" on standard error and aborts. */
_Noreturn void os_fatal(const char *function, const char *what, uintptr_t addr);

#endif
