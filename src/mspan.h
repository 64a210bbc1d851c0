/* SPDX-License-Identifier: Apache-2.0
 *
 * A span: a run of pages cut into slots of one size, and everything that is known of each slot.
 *
 * A slot is in one of four states, told by its alloc bit, its mark bit and the cached word:
 *
 *   free    alloc 0, mark 0   handed out by a later word of this span
 *   cached  alloc 1, mark 0   bit set in alloc_cache: next to be handed out
 *   live    alloc 1, mark 1   handed out
 *   freed   alloc 1, mark 0   not cached: available after the next sweep, and not before
 *
 * A slot is marked if and only if it is live, so that any thread can tell a live block by one bit
 * (spec/decisions/0007-marked-is-live.md). free_index is the first slot of the word in alloc_cache, a multiple of
 * 64. Loading a word takes all its free slots into the cache; bits past nelems are set in alloc_bits and clear in
 * mark_bits, so that no slot past the end is ever cached or freed. This is Go's freeindex, allocCache and allocBits
 * (runtime/mbitmap.go, malloc.go 1.20) with the shifted cache replaced by a fixed one:
 * spec/decisions/0002-fixed-cache-word.md says how S1 to S5 of Go's rules read here.
 *
 * The owner of a span alone calls these functions, except mspan_slot and mspan_index, which read fields that
 * do not change while the span is in use. Addresses are integers; user memory is never touched.
 *
 * Up: mcache, mcentral, mheap, alloc. Down: bits, sizeclass, atomic.
 * Invariant: MspanInv, nkept == nelems - #{slot: freed} and the states above (spec/mspan.acsl).
 * Claims: C1 C2 C3 C4 C6 C7 C8.
 */
#ifndef VERISPAN_MSPAN_H
#define VERISPAN_MSPAN_H

#include <stdbool.h>
#include <stdint.h>

#include "atomic.h"
#include "bits.h"
#include "sizeclass.h"
#include "spanctl.h"

/* Most slots of a span, and the words that hold a bit for each. */
#define VS_MAX_SLOTS 1024u
#define VS_SPAN_WORDS 16u

/* What is wrong with an address given to free. */
enum vs_fault {
  VS_OK = 0,
  VS_FAULT_DOUBLE_FREE, /* the slot is freed */
  VS_FAULT_INTERIOR,    /* the address is inside a block */
  VS_FAULT_FOREIGN,     /* no span, or the unused tail of one */
  VS_FAULT_NOT_LIVE     /* the slot is not handed out: never, or not since a sweep */
};

/* 7 cache lines. With spans of an odd number of pages, descriptors spread over all sets of a cache.
 * The first line serves malloc, and free in the first 128 slots. */
struct mspan {
  uint64_t alloc_cache;                 /* free slots of the word at free_index */
  uintptr_t base;                       /* address of the first page */
  uint64_t ctl;                         /* control word, atomic: spanctl.h */
  uint32_t elem_size;                   /* bytes of a slot; 0 in a large span */
  uint32_t div_mul;                     /* ceiling of 2^32 / elem_size */
  uint32_t free_index;                  /* first slot of the cached word */
  uint32_t nkept;                       /* slots not freed since the last sweep */
  uint16_t nelems;                      /* slots */
  uint8_t spanclass;                    /* size class * 2 + noscan */
  uint8_t needzero;                     /* a free slot may hold old data */
  uint32_t npages;                      /* length in pages */
  uint64_t mark_bits[VS_SPAN_WORDS];    /* live: survives the next sweep; written by the owner, read by all */
  uint64_t alloc_bits[VS_SPAN_WORDS];   /* not free, as of the last sweep or the loading of the word */
  uint64_t remote_bits[VS_SPAN_WORDS];  /* freed by another thread, or reached; not yet folded in; atomic */
  struct mspan *next;                   /* in a queue of partial spans, a central set or an inbox */
  struct mspan *prev;                   /* in a queue of partial spans or a central set */
};

#include "../spec/mspan.acsl"

/* A span without slots and without an owner: it stands for a missing span, so that the fast paths need no test. Its
 * needzero is set, because calloc asks it after a thread on its way out has parked the span that the block is from. */
extern struct mspan vs_empty_span __attribute__((visibility("hidden")));

/* Slots freed since the last sweep. */
/*@ requires valid: \valid_read(s);
    requires count: s->nkept <= s->nelems;
    assigns \nothing;
    ensures exact: \result == s->nelems - s->nkept;
*/
static inline uint32_t mspan_freed(const struct mspan *s) { return s->nelems - s->nkept; }

/* The address of a slot. */
/*@ requires valid: \valid_read(s);
    requires inv: MspanGeom(s);
    requires bound: slot < s->nelems;
    assigns \nothing;
    ensures exact: \result == s->base + slot * s->elem_size;
    ensures range: s->base <= \result && \result + s->elem_size <= s->base + s->npages * 8192;
*/
static inline uintptr_t mspan_slot(const struct mspan *s, uint32_t slot) {
  return s->base + (uintptr_t)slot * s->elem_size;
}

/* The slot that an address of the span lies in; nelems if it lies in the unused tail. */
/*@ requires valid: \valid_read(s);
    requires inv: MspanGeom(s);
    requires range: s->base <= addr < s->base + s->npages * 8192;
    assigns \nothing;
    ensures bound: 0 <= \result <= s->nelems;
    ensures exact: \result == (addr - s->base) / s->elem_size;
*/
static inline uint32_t mspan_index(const struct mspan *s, uintptr_t addr) {
  uint32_t off = (uint32_t)(addr - s->base);
  //@ assert bound: 0 <= off / s->elem_size <= s->nelems;
  return (uint32_t)(sizeclass_divide(off, s->elem_size, s->div_mul) / 4294967296u);
}

/* Hands out the lowest cached slot. The body of malloc. */
/*@ requires valid: \valid(s);
    requires inv: MspanInv(s);
    requires cached: s->alloc_cache != 0;
    assigns s->alloc_cache, s->mark_bits[s->free_index / 64];
    ensures inv: MspanInv(s);
    ensures bound: 0 <= \result < s->nelems;
    ensures fresh: SlotCached{Pre}(s, \result) && !SlotLive{Pre}(s, \result) && SlotLive(s, \result);
    ensures first: \forall integer i; 0 <= i < \result ==> !SlotAvailable{Pre}(s, i);
    ensures frame: \forall integer i; 0 <= i < s->nelems ==> i != \result ==>
      (SlotCached(s, i) <==> SlotCached{Pre}(s, i)) && (SlotFree(s, i) <==> SlotFree{Pre}(s, i)) &&
      (SlotLive(s, i) <==> SlotLive{Pre}(s, i)) && (SlotFreed(s, i) <==> SlotFreed{Pre}(s, i));
*/
static inline uint32_t mspan_take(struct mspan *s) {
  uint64_t cache = s->alloc_cache;
  uint32_t first = s->free_index;
  uint32_t bit = bits_ctz(cache);
  uint32_t word = first / VS_WORD_BITS;
  uint64_t *marks = s->mark_bits;
  //@ assert word: s->free_index == 64 * (s->free_index / 64);
  //@ assert slot: (s->free_index + bit) / 64 == s->free_index / 64 && (s->free_index + bit) % 64 == bit;
  //@ assert cached: SlotCached(s, s->free_index + bit);
  //@ assert bound: s->free_index + bit < s->nelems;
  s->alloc_cache = bits_flip(cache, bit);
  vs_store_relaxed_u64(&marks[word], bits_set(marks[word], bit));
  //@ assert alloc: \forall integer i; 0 <= i < 1024 ==> (AllocBit(s, i) <==> AllocBit{Pre}(s, i));
  /*@ assert mark: \forall integer i; 0 <= i < 1024 ==>
        (MarkBit(s, i) <==> MarkBit{Pre}(s, i) || i == s->free_index + bit); */
  /*@ assert cache: \forall integer i; 0 <= i < 1024 ==>
        (SlotCached(s, i) <==> SlotCached{Pre}(s, i) && i != s->free_index + bit); */
  //@ assert taken: Taken{Pre,Here}(s, s->free_index + bit);
  //@ assert freed: \forall integer i; 0 <= i < 1024 ==> (SlotFreed(s, i) <==> SlotFreed{Pre}(s, i));
  //@ assert same: FreedCount(s, s->nelems) == FreedCount{Pre}(s, s->nelems);
  //@ assert geom: MspanGeom(s) && MspanIndex(s);
  //@ assert marks: MspanMarks(s);
  //@ assert bits: MspanBits(s);
  //@ assert count: MspanCount(s);
  return first + bit;
}

/* Frees the block at addr; the owner's path and the body of free. False if addr is not the start of a live
 * block: then nothing has changed, and mspan_fault says what is wrong. */
/*@ requires valid: \valid(s);
    requires inv: MspanInv(s);
    requires range: s->base <= addr < s->base + s->npages * 8192;
    assigns s->mark_bits[((addr - s->base) / s->elem_size) / 64], s->nkept;
    ensures inv: MspanInv(s);
    ensures live: \result <==> (addr - s->base) % s->elem_size == 0 &&
      (addr - s->base) / s->elem_size < s->nelems && SlotLive{Pre}(s, (addr - s->base) / s->elem_size);
    ensures freed: \result ==> SlotFreed(s, (addr - s->base) / s->elem_size) && s->nkept == \old(s->nkept) - 1;
    ensures caught: !\result ==> s->nkept == \old(s->nkept) &&
      (\forall integer w; 0 <= w < 16 ==> s->mark_bits[w] == \old(s->mark_bits[w]));
    ensures frame: \forall integer i; 0 <= i < 1024 ==> i != (addr - s->base) / s->elem_size ==>
      (MarkBit(s, i) <==> MarkBit{Pre}(s, i));
*/
static inline bool mspan_free(struct mspan *s, uintptr_t addr) {
  uint32_t off = (uint32_t)(addr - s->base);
  uint64_t product = sizeclass_divide(off, s->elem_size, s->div_mul);
  if (product % 4294967296u >= s->div_mul) return false;
  uint32_t slot = (uint32_t)(product / 4294967296u);
  //@ assert slot: off == addr - s->base && slot == off / s->elem_size;
  //@ assert bound: slot <= s->nelems && slot < 1024;
  uint32_t word = slot / VS_WORD_BITS, bit = slot % VS_WORD_BITS;
  uint64_t marks = vs_load_relaxed_u64(&s->mark_bits[word]);
  if (!bits_test(marks, bit)) return false;
  //@ assert live: SlotLive(s, slot) && slot < s->nelems;
  vs_store_relaxed_u64(&s->mark_bits[word], bits_clear(marks, bit));
  //@ assert based: s->base == \at(s->base, Pre);
  //@ assert alloc: \forall integer i; 0 <= i < 1024 ==> (AllocBit(s, i) <==> AllocBit{Pre}(s, i));
  //@ assert frame: \forall integer i; 0 <= i < 1024 ==> i != slot ==> (MarkBit(s, i) <==> MarkBit{Pre}(s, i));
  //@ assert freed: SlotFreed(s, slot) && !SlotFreed{Pre}(s, slot);
  //@ assert others: \forall integer i; 0 <= i < 1024 ==> i != slot ==> (SlotFreed(s, i) <==> SlotFreed{Pre}(s, i));
  //@ assert more: FreedCount(s, s->nelems) == FreedCount{Pre}(s, s->nelems) + 1;
  s->nkept--;
  //@ assert still: \forall integer i; 0 <= i < 1024 ==> i != slot ==> (SlotFreed(s, i) <==> SlotFreed{Pre}(s, i));
  //@ assert again: FreedCount(s, s->nelems) == FreedCount{Pre}(s, s->nelems) + 1;
  //@ assert unmarked: Unmarked{Pre,Here}(s);
  //@ assert geom: MspanGeom(s) && MspanIndex(s);
  //@ assert marks: MspanMarks(s);
  //@ assert bits: MspanBits(s);
  //@ assert count: MspanCount(s);
  return true;
}

/* What is wrong with freeing addr, which mspan_free has refused. */
/*@ requires valid: \valid_read(s);
    requires inv: MspanInv(s);
    requires range: s->base <= addr < s->base + s->npages * 8192;
    terminates \true;
    assigns \nothing;
    ensures interior: \result == VS_FAULT_INTERIOR <==> (addr - s->base) % s->elem_size != 0;
    ensures foreign: \result == VS_FAULT_FOREIGN <==> (addr - s->base) % s->elem_size == 0 &&
      (addr - s->base) / s->elem_size >= s->nelems;
    ensures freed: \result == VS_FAULT_DOUBLE_FREE <==> (addr - s->base) % s->elem_size == 0 &&
      (addr - s->base) / s->elem_size < s->nelems && SlotFreed(s, (addr - s->base) / s->elem_size);
    ensures available: \result == VS_FAULT_NOT_LIVE <==> (addr - s->base) % s->elem_size == 0 &&
      (addr - s->base) / s->elem_size < s->nelems && SlotAvailable(s, (addr - s->base) / s->elem_size);
    ensures ok: \result == VS_OK <==> (addr - s->base) % s->elem_size == 0 &&
      (addr - s->base) / s->elem_size < s->nelems && SlotLive(s, (addr - s->base) / s->elem_size);
*/
enum vs_fault mspan_fault(const struct mspan *s, uintptr_t addr);

/* Makes s a fresh span of class spanclass at base, every slot free, the first word cached.
 * The caller has set neither owner nor queue links; dirty says that the pages may hold old data. */
/*@ requires valid: \valid(s);
    requires class: 2 <= spanclass < 2 * VS_NUM_SIZE_CLASSES;
    requires base: base % 8192 == 0 && 8192 <= base <= 0x1000000000000 - 131072;
    terminates \true;
    assigns s->alloc_cache, s->base, s->elem_size, s->div_mul, s->free_index, s->nkept, s->nelems, s->spanclass,
      s->needzero, s->npages, s->mark_bits[0 .. 15], s->alloc_bits[0 .. 15], s->remote_bits[0 .. 15];
    ensures inv: MspanInv(s);
    ensures fresh: \forall integer i; 0 <= i < s->nelems ==> SlotAvailable(s, i) && !SlotLive(s, i) && !SlotFreed(s, i);
    ensures geom: s->base == base && s->spanclass == spanclass && s->elem_size == vs_class_size[spanclass / 2] &&
      s->npages == vs_class_pages[spanclass / 2];
    ensures remote: \forall integer i; 0 <= i < 1024 ==> !RemoteBit(s, i);
    ensures dirty: s->needzero != 0 <==> dirty;
*/
void mspan_init(struct mspan *s, uintptr_t base, uint32_t spanclass, bool dirty);

/* Loads the next word that has a free slot into the empty cache. Whether there was one. */
/*@ requires valid: \valid(s);
    requires inv: MspanInv(s);
    requires empty: s->alloc_cache == 0;
    terminates \true;
    assigns s->alloc_cache, s->free_index, s->alloc_bits[0 .. 15];
    ensures inv: MspanInv(s);
    ensures hit: \result <==> s->alloc_cache != 0;
    ensures full: !\result ==> \forall integer i; 0 <= i < s->nelems ==> !SlotAvailable(s, i);
    ensures frame: \forall integer i; 0 <= i < s->nelems ==>
      (SlotAvailable(s, i) <==> SlotAvailable{Pre}(s, i)) && (SlotLive(s, i) <==> SlotLive{Pre}(s, i)) &&
      (SlotFreed(s, i) <==> SlotFreed{Pre}(s, i));
*/
bool mspan_refill(struct mspan *s);

/* Hands out the lowest available slot, or nelems if there is none. */
/*@ requires valid: \valid(s);
    requires inv: MspanInv(s);
    terminates \true;
    assigns s->alloc_cache, s->free_index, s->mark_bits[0 .. 15], s->alloc_bits[0 .. 15];
    ensures inv: MspanInv(s);
    ensures bound: 0 <= \result <= s->nelems;
    ensures fresh: \result < s->nelems ==> SlotAvailable{Pre}(s, \result) && SlotLive(s, \result);
    ensures first: \forall integer i; 0 <= i < \result ==> !SlotAvailable{Pre}(s, i);
    ensures frame: \forall integer i; 0 <= i < s->nelems ==> i != \result ==>
      (SlotAvailable(s, i) <==> SlotAvailable{Pre}(s, i)) && (SlotLive(s, i) <==> SlotLive{Pre}(s, i)) &&
      (SlotFreed(s, i) <==> SlotFreed{Pre}(s, i));
*/
uint32_t mspan_next_free(struct mspan *s);

/* Folds the frees of other threads into the mark bits: each slot whose remote bit is set becomes freed.
 * nelems, or the lowest slot that was freed and not live: the allocator must then stop. */
/*@ requires valid: \valid(s);
    requires inv: MspanInv(s);
    requires remote: MspanRemote(s);
    terminates \true;
    assigns s->remote_bits[0 .. 15], s->mark_bits[0 .. 15], s->nkept;
    ensures inv: MspanInv(s);
    ensures bound: 0 <= \result <= s->nelems;
    ensures folded: \result == s->nelems ==> \forall integer i; 0 <= i < s->nelems ==>
      !RemoteBit(s, i) && (SlotLive(s, i) <==> SlotLive{Pre}(s, i) && !RemoteBit{Pre}(s, i));
    ensures honest: (\forall integer i; 0 <= i < s->nelems ==> RemoteBit{Pre}(s, i) ==> SlotLive{Pre}(s, i)) ==>
      \result == s->nelems;
    ensures caught: \result < s->nelems ==> RemoteBit{Pre}(s, \result) && !SlotLive{Pre}(s, \result);
    ensures first: \forall integer i; 0 <= i < \result ==> RemoteBit{Pre}(s, i) ==> SlotLive{Pre}(s, i);
    ensures frame: \forall integer i; 0 <= i < s->nelems ==> (SlotLive(s, i) ==> SlotLive{Pre}(s, i)) &&
      (SlotLive{Pre}(s, i) && !RemoteBit{Pre}(s, i) ==> SlotLive(s, i));
*/
uint32_t mspan_fold(struct mspan *s);

/* Folds what the markers of a collected heap have reached into the mark bits: each live slot that they did not reach
 * becomes freed. A slot that is not live stays so, reached or not. Whether a live slot is left. */
/*@ requires valid: \valid(s);
    requires inv: MspanInv(s);
    terminates \true;
    assigns s->remote_bits[0 .. 15], s->mark_bits[0 .. 15], s->nkept;
    ensures inv: MspanInv(s);
    ensures kept: \forall integer i; 0 <= i < s->nelems ==>
      (SlotLive(s, i) <==> SlotLive{Pre}(s, i) && RemoteBit{Pre}(s, i));
    ensures folded: \forall integer i; 0 <= i < s->nelems ==> !RemoteBit(s, i);
    ensures live: \result <==> \exists integer i; 0 <= i < s->nelems && SlotLive(s, i);
*/
bool mspan_fold_reached(struct mspan *s);

/* Sweeps: every live slot stays, every other becomes available. */
/*@ requires valid: \valid(s);
    requires inv: MspanInv(s);
    terminates \true;
    assigns s->alloc_cache, s->free_index, s->nkept, s->needzero, s->alloc_bits[0 .. 15];
    ensures inv: MspanInv(s);
    ensures live: \forall integer i; 0 <= i < s->nelems ==> (SlotLive(s, i) <==> SlotLive{Pre}(s, i));
    ensures available: \forall integer i; 0 <= i < s->nelems ==> (SlotAvailable(s, i) <==> !SlotLive{Pre}(s, i));
    ensures count: s->nkept == s->nelems;
    ensures dirty: s->needzero != 0 <==> \old(s->needzero) != 0 || \old(s->nkept) != s->nelems;
*/
void mspan_sweep(struct mspan *s);

#endif
