/* SPDX-License-Identifier: Apache-2.0
 *
 * The operating system, as the allocator sees it: address space and its pages (Go's runtime/mem.go). A page is
 *
 *   None      not ours
 *   Reserved  ours, but an access faults; costs address space and nothing else, under any setting of overcommit
 *   Prepared  may be used; reads as zeros and holds no memory
 *   Ready     may be used; holds memory and keeps what is written
 *
 *   None --reserve--> Reserved --prepare--> Prepared --a write--> Ready --release--> Prepared
 *   Reserved --unreserve--> None        Ready, Prepared --move (its place)--> Prepared
 *
 * Linux needs no call to make a prepared page ready. The states are ghost: g_os in spec/os.acsl. Metadata is not in
 * them: os_metadata takes it from None to Ready, all zeros, for good.
 *
 * Sizes and addresses are in bytes and multiples of VS_PAGE_SIZE, 8 KiB, which the system's page size divides. A
 * refusal changes no state and leaves errno alone. Thread-safe.
 *
 * Up: mheap, space, scavenge, pagealloc, mcache, alloc. Down: the system.
 * Invariant: none. Claims: C5 C6.
 */
#ifndef VERISPAN_OS_H
#define VERISPAN_OS_H

#include <stddef.h>
#include <stdint.h>

#include "../spec/os.acsl"

/* A good place for the heap to begin and grow up from, or 0; differs from run to run. */
/*@ terminates \true;
    assigns \result \from \nothing;
*/
uintptr_t os_hint(void);

/* None -> Reserved: size bytes aligned to align, at hint if that is free and not 0, else anywhere; or 0 if refused. */
/*@ requires size: 0 < size && size % 8192 == 0;
    requires align: 0 < align && align % 8192 == 0;
    terminates \true;
    assigns \result, g_os[0 .. 34359738367] \from hint, size, align, g_os[0 .. 34359738367];
    ensures refused: \result == 0 ==> OsSame{Pre,Post};
    ensures range: \result != 0 ==> OsRange(\result, size);
    ensures aligned: \exists integer m; \result == m * align;
    ensures fresh: \result != 0 ==> OsAre{Pre}(\result, size, OsNone) && OsAre(\result, size, OsReserved);
    ensures frame: \result != 0 ==> OsFrame{Pre,Post}(\result, size);
*/
uintptr_t os_reserve(uintptr_t hint, size_t size, size_t align);

/* Reserved -> None. */
/*@ requires range: OsRange(addr, size);
    requires owned: OsAre(addr, size, OsReserved);
    terminates \true;
    assigns g_os[0 .. 34359738367] \from addr, size, g_os[0 .. 34359738367];
    ensures none: OsAre(addr, size, OsNone);
    ensures frame: OsFrame{Pre,Post}(addr, size);
*/
void os_unreserve(uintptr_t addr, size_t size);

/* Reserved -> Prepared: 0, or -1 if refused. */
/*@ requires range: OsRange(addr, size);
    requires owned: OsAre(addr, size, OsReserved);
    terminates \true;
    assigns \result, g_os[0 .. 34359738367] \from addr, size, g_os[0 .. 34359738367];
    ensures refused: \result != 0 ==> OsSame{Pre,Post};
    ensures zero: \result == 0 ==> OsAre(addr, size, OsPrepared);
    ensures frame: \result == 0 ==> OsFrame{Pre,Post}(addr, size);
*/
int os_prepare(uintptr_t addr, size_t size);

/* Ready or Prepared -> Prepared: gives the memory back. 0, or -1 and the contents are kept. */
/*@ requires range: OsRange(addr, size);
    requires owned: OsUsable(addr, size);
    terminates \true;
    assigns \result, g_os[0 .. 34359738367] \from addr, size, g_os[0 .. 34359738367];
    ensures refused: \result != 0 ==> OsSame{Pre,Post};
    ensures zero: \result == 0 ==> OsAre(addr, size, OsPrepared);
    ensures frame: \result == 0 ==> OsFrame{Pre,Post}(addr, size);
*/
int os_release(uintptr_t addr, size_t size);

/* Moves the memory of one range to another, whose own is given back: from becomes Prepared, to is what from was. Nobody
 * may touch either meanwhile. 0, or -1 if refused: then copying will have to do. */
/*@ requires range: OsRange(from, size) && OsRange(to, size);
    requires sep: from + size <= to || to + size <= from;
    requires owned: OsUsable(from, size) && OsUsable(to, size);
    terminates \true;
    assigns \result, g_os[0 .. 34359738367] \from from, to, size, g_os[0 .. 34359738367];
    ensures refused: \result != 0 ==> OsSame{Pre,Post};
    ensures zero: \result == 0 ==> OsAre(from, size, OsPrepared);
    ensures owned: \result == 0 ==> OsUsable(to, size);
    ensures frame: \result == 0 ==> \forall integer x; 0 <= x < 281474976710656 ==> !(from <= x < from + size) ==>
      !(to <= x < to + size) ==> g_os[x / 8192] == \old(g_os[x / 8192]);
*/
int os_move(uintptr_t from, uintptr_t to, size_t size);

/* None -> Ready, for metadata: zeroed, never given back, kept off huge pages; size in bytes. NULL if refused. */
/*@ terminates \true;
    assigns \result \from size;
*/
void *os_metadata(size_t size);

/* Nanoseconds of a clock that only goes forward, exact to some milliseconds; and of this thread's processor time. */
uint64_t os_nanoseconds(void);
uint64_t os_thread_nanoseconds(void);

/* Processors that the process may run on, at least 1. */
uint64_t os_processors(void);

/* Prints "verispan: <function>: <what>: 0x<address>" on standard error and aborts. */
_Noreturn void os_fatal(const char *function, const char *what, uintptr_t addr);

#endif
