/* SPDX-License-Identifier: Apache-2.0
 *
 * The control word of a span: sweepgen, owner and the full flag in one atomic 64-bit word, so that a
 * transition is one compare-and-swap and a reader sees one moment.
 *
 *   bits 63..32  sweepgen of the span
 *   bits 31..1   owner: the id of an mcache, or one of VS_OWNER_*
 *   bit  0       full: at rest with every slot handed out
 *
 * With d = sweepgen - the heap's sweepgen (Go's runtime/mheap.go; the manual transitions are ours, DESIGN D6):
 *   +3 owned: the active span of its owner, or in its queue of partial spans
 *    0 at rest: full, known to nobody; or in a set of the central list (owner VS_OWNER_NONE)
 *   -2 needs sweeping: in the inbox of its home, put there by the first free that found it full
 *   -1 being swept
 * The owner may change only at d = +3 or d = -1, and only by its holder.
 *
 * Up: mspan, mcache, mcentral. Down: atomic.
 * Invariant: the table of transitions in spec/protocol.md. Claims: C8, C9.
 */
#ifndef VERISPAN_SPANCTL_H
#define VERISPAN_SPANCTL_H

#include <stdbool.h>
#include <stdint.h>

/* The sweepgen of a manual heap: constant, and odd where that of a collected heap is even. So no word of a collected
 * heap reads as full and at rest in a manual one, to which a thread that was slow after a free might make M3 or M6. */
#define VS_SWEEPGEN 5u

#define VS_OWNER_NONE 0u              /* the default heap's central lists, or no span at all */
#define VS_OWNER_FURTHER 0x20000000u  /* from here on: mcaches of further heaps; below: of the default heap */
#define VS_OWNER_HEAP 0x30000000u     /* and the number of a further heap: its central lists and large spans */
#define VS_OWNER_LARGE 0x40000000u    /* a large span of the default heap: freed by whoever frees its block */

/* What d is, modulo 2^32. */
#define VS_D_OWNED 3u
#define VS_D_SWEPT 0u
#define VS_D_UNSWEPT 4294967294u
#define VS_D_SWEEPING 4294967295u

/* Sweepgens wrap. */
/*@ assigns \nothing;
    ensures exact: \result == (a + b) % 4294967296;
*/
static inline uint32_t spanctl_add(uint32_t a, uint32_t b) {
  return (uint32_t)(((uint64_t)a + b) % 4294967296u);
}

/* The low half of a control word whose span is owned by id and not full: what the owner's free compares. */
/*@ requires owner: owner <= VS_OWNER_LARGE;
    assigns \nothing;
    ensures exact: \result / 2 == owner && \result % 2 == 0;
*/
static inline uint32_t spanctl_tag(uint32_t owner) { return owner * 2u; }

/* The word of three fields. */
/*@ requires owner: owner <= VS_OWNER_LARGE;
    assigns \nothing;
    ensures exact: \result == sweepgen * 4294967296 + owner * 2 + (full ? 1 : 0);
    ensures sweepgen: \result / 4294967296 == sweepgen;
    ensures owner: \result % 4294967296 / 2 == owner;
    ensures full: \result % 2 == (full ? 1 : 0);
*/
static inline uint64_t spanctl_make(uint32_t sweepgen, uint32_t owner, bool full) {
  return sweepgen * 4294967296u + owner * 2u + (full ? 1u : 0u);
}

/* The fields of a word. */
/*@ assigns \nothing;
    ensures exact: \result == ctl % 4294967296 / 2;
*/
static inline uint32_t spanctl_owner(uint64_t ctl) { return (uint32_t)(ctl % 4294967296u) / 2u; }

/*@ assigns \nothing;
    ensures exact: \result <==> ctl % 2 == 1;
*/
static inline bool spanctl_full(uint64_t ctl) { return ctl % 2u != 0; }

/*@ assigns \nothing;
    ensures exact: \result == ctl / 4294967296;
*/
static inline uint32_t spanctl_sweepgen(uint64_t ctl) { return (uint32_t)(ctl / 4294967296u); }

/* Owned by a thread cache. */
/*@ requires owner: owner <= VS_OWNER_LARGE;
    assigns \nothing;
    ensures exact: \result / 4294967296 == VS_SWEEPGEN + 3 && \result % 4294967296 / 2 == owner && \result % 2 == 0;
*/
static inline uint64_t spanctl_owned(uint32_t owner) {
  return spanctl_make(VS_SWEEPGEN + 3u, owner, false);
}

/* At rest and full: known to nobody but its home. */
/*@ requires owner: owner <= VS_OWNER_LARGE;
    assigns \nothing;
    ensures exact: \result / 4294967296 == VS_SWEEPGEN && \result % 4294967296 / 2 == owner && \result % 2 == 1;
*/
static inline uint64_t spanctl_resting_full(uint32_t owner) {
  return spanctl_make(VS_SWEEPGEN, owner, true);
}

/* At rest in a set of the central list. */
/*@ requires owner: owner <= VS_OWNER_LARGE;
    assigns \nothing;
    ensures exact: \result / 4294967296 == VS_SWEEPGEN && \result % 4294967296 / 2 == owner && \result % 2 == 0;
*/
static inline uint64_t spanctl_resting(uint32_t owner) {
  return spanctl_make(VS_SWEEPGEN, owner, false);
}

/* In the inbox of its home. */
/*@ requires owner: owner <= VS_OWNER_LARGE;
    assigns \nothing;
    ensures exact: \result / 4294967296 == VS_SWEEPGEN - 2 && \result % 4294967296 / 2 == owner && \result % 2 == 0;
*/
static inline uint64_t spanctl_unswept(uint32_t owner) {
  return spanctl_make(VS_SWEEPGEN - 2u, owner, false);
}

/* The word of a span of a heap whose sweepgen turns: d from it, which is one of VS_D_*. */
/*@ requires owner: owner <= VS_OWNER_LARGE;
    assigns \nothing;
    ensures exact: \result == (sweepgen + d) % 4294967296 * 4294967296 + owner * 2 + (full ? 1 : 0);
    ensures sweepgen: \result / 4294967296 == (sweepgen + d) % 4294967296;
    ensures owner: \result % 4294967296 / 2 == owner;
    ensures full: \result % 2 == (full ? 1 : 0);
*/
static inline uint64_t spanctl_at(uint32_t sweepgen, uint32_t d, uint32_t owner, bool full) {
  return spanctl_make(spanctl_add(sweepgen, d), owner, full);
}

/* A large span of a further manual heap in use. */
/*@ requires owner: owner <= VS_OWNER_LARGE;
    assigns \nothing;
    ensures exact: \result / 4294967296 == VS_SWEEPGEN - 1 && \result % 4294967296 / 2 == owner && \result % 2 == 1;
*/
static inline uint64_t spanctl_large_of(uint32_t owner) {
  return spanctl_make(VS_SWEEPGEN - 1u, owner, true);
}

/* A large span of the default heap in use. */
/*@ assigns \nothing;
    ensures exact: \result / 4294967296 == VS_SWEEPGEN && \result % 4294967296 / 2 == VS_OWNER_LARGE && \result % 2 == 0;
*/
static inline uint64_t spanctl_large(void) {
  return spanctl_make(VS_SWEEPGEN, VS_OWNER_LARGE, false);
}

#endif
