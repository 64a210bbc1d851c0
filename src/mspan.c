/* SPDX-License-Identifier: Apache-2.0
 * Slots of a span: refill of the cached word, fold of remote frees, sweep. Contracts stand in mspan.h. */
#include "mspan.h"

struct mspan vs_empty_span = {.needzero = 1};

/* Words that hold a bit of some slot. */
/*@ requires valid: \valid_read(s);
    requires bound: 1 <= s->nelems <= 1024;
    assigns \nothing;
    ensures bound: 1 <= \result <= 16;
    ensures exact: \result * 64 >= s->nelems && (\result - 1) * 64 < s->nelems;
*/
static inline uint32_t mspan_words(const struct mspan *s) {
  return ((uint32_t)s->nelems + (VS_WORD_BITS - 1)) / VS_WORD_BITS;
}

enum vs_fault mspan_fault(const struct mspan *s, uintptr_t addr) {
  uint32_t off = (uint32_t)(addr - s->base);
  uint64_t product = sizeclass_divide(off, s->elem_size, s->div_mul);
  uint32_t slot = (uint32_t)(product / 4294967296u);
  //@ assert slot: off == addr - s->base && slot == off / s->elem_size;
  if (product % 4294967296u >= s->div_mul) return VS_FAULT_INTERIOR;
  if (slot >= s->nelems) return VS_FAULT_FOREIGN;
  uint32_t word = slot / VS_WORD_BITS, bit = slot % VS_WORD_BITS;
  if (bits_test(vs_load_relaxed_u64(&s->mark_bits[word]), bit)) return VS_OK;
  if (word == s->free_index / VS_WORD_BITS && bits_test(s->alloc_cache, bit)) return VS_FAULT_NOT_LIVE;
  return bits_test(s->alloc_bits[word], bit) ? VS_FAULT_DOUBLE_FREE : VS_FAULT_NOT_LIVE;
}

/* Takes the free slots of a word into the empty cache. What free_index says on entry is of no account. */
/*@ requires valid: \valid(s);
    requires geom: MspanGeom(s);
    requires marks: MspanMarks(s);
    requires count: MspanCount(s);
    requires empty: s->alloc_cache == 0;
    requires bound: 64 * word < s->nelems;
    requires skipped: \forall integer i; 0 <= i < 64 * word ==> AllocBit(s, i);
    assigns s->alloc_cache, s->free_index, s->alloc_bits[word];
    ensures inv: MspanInv(s);
    ensures index: s->free_index == 64 * word;
    ensures hit: \forall integer i; 64 * word <= i < 64 * word + 64 ==> (SlotCached(s, i) <==> SlotFree{Pre}(s, i));
    ensures zero: s->alloc_cache == 0 ==> \old(s->alloc_bits[word]) == VS_WORD_ONES;
    ensures frame: \forall integer i; 0 <= i < s->nelems ==>
      (SlotAvailable(s, i) <==> SlotFree{Pre}(s, i)) && (SlotLive(s, i) <==> SlotLive{Pre}(s, i)) &&
      (SlotFreed(s, i) <==> SlotFreed{Pre}(s, i));
*/
static void mspan_load_word(struct mspan *s, uint32_t word) {
  uint64_t free = bits_not(s->alloc_bits[word]);
  s->alloc_bits[word] = VS_WORD_ONES;
  s->alloc_cache = free;
  s->free_index = word * VS_WORD_BITS;
  //@ assert index: s->free_index / 64 == word;
  //@ assert mark: \forall integer i; 0 <= i < 1024 ==> (MarkBit(s, i) <==> MarkBit{Pre}(s, i));
  /*@ assert here: \forall integer i; 0 <= i < 1024 ==> i / 64 == word ==> AllocBit(s, i) &&
        (SlotCached(s, i) <==> !AllocBit{Pre}(s, i)); */
  /*@ assert other: \forall integer i; 0 <= i < 1024 ==> i / 64 != word ==> !SlotCached(s, i) &&
        (AllocBit(s, i) <==> AllocBit{Pre}(s, i)); */
  //@ assert before: \forall integer i; 0 <= i < 1024 ==> !SlotCached{Pre}(s, i);
  //@ assert freed: \forall integer i; 0 <= i < 1024 ==> (SlotFreed(s, i) <==> SlotFreed{Pre}(s, i));
  //@ assert geom: MspanGeom(s) && MspanIndex(s);
  //@ assert marks: MspanMarks(s);
  //@ assert cached: \forall integer i; 0 <= i < 1024 ==> SlotCached(s, i) ==> i < s->nelems && !MarkBit(s, i);
  //@ assert bits: MspanBits(s);
  //@ assert same: FreedCount(s, s->nelems) == FreedCount{Pre}(s, s->nelems);
  //@ assert count: MspanCount(s);
  //@ assert zero: s->alloc_cache == 0 ==> BitsSame(\at(s->alloc_bits[\at(word, Here)], Pre), VS_WORD_ONES, 64);
}

bool mspan_refill(struct mspan *s) {
  uint32_t words = mspan_words(s);
  uint32_t word = s->free_index / VS_WORD_BITS + 1;
  /*@ loop invariant bound: 1 <= word <= words;
      loop invariant skipped: \forall integer i; 0 <= i < 64 * word ==> AllocBit(s, i);
      loop assigns word;
      loop variant words - word;
  */
  while (word < words) {
    if (s->alloc_bits[word] != VS_WORD_ONES) {
      mspan_load_word(s, word);
      return true;
    }
    //@ assert full: \forall integer i; 64 * word <= i < 64 * word + 64 ==> i / 64 == word && AllocBit(s, i);
    word++;
  }
  return false;
}

uint32_t mspan_next_free(struct mspan *s) {
  if (s->alloc_cache == 0 && !mspan_refill(s)) return s->nelems;
  return mspan_take(s);
}

/* Folds one word. The remote bits of slots that were not live. */
/*@ requires valid: \valid(s);
    requires inv: MspanInv(s);
    requires bound: 64 * word < s->nelems;
    assigns s->remote_bits[word], s->mark_bits[word], s->nkept;
    ensures inv: MspanInv(s);
    ensures folded: \forall integer i; 64 * word <= i < 64 * word + 64 ==>
      (SlotLive(s, i) <==> SlotLive{Pre}(s, i) && !RemoteBit{Pre}(s, i));
    ensures cleared: \forall integer i; 0 <= i < 1024 ==> (RemoteBit(s, i) <==> RemoteBit{Pre}(s, i) && i / 64 != word);
    ensures bad: \forall integer i; 64 * word <= i < 64 * word + 64 ==>
      (Bit(\result, i % 64) <==> RemoteBit{Pre}(s, i) && !SlotLive{Pre}(s, i));
*/
static uint64_t mspan_fold_word(struct mspan *s, uint32_t word) {
  uint64_t freed = vs_exchange_u64(&s->remote_bits[word], 0);
  uint64_t marks = vs_load_relaxed_u64(&s->mark_bits[word]);
  uint64_t dead = freed & marks;
  //@ assert live: \forall integer j; 0 <= j < 64 ==> (Bit(marks, j) <==> SlotLive{Pre}(s, 64 * word + j));
  //@ assert freed: \forall integer j; 0 <= j < 64 ==> (Bit(freed, j) <==> RemoteBit{Pre}(s, 64 * word + j));
  /*@ assert dead: \forall integer i; 0 <= i < 1024 ==> i / 64 == word ==>
        (Bit(dead, i % 64) <==> RemoteBit{Pre}(s, i) && SlotLive{Pre}(s, i)); */
  //@ assert none: \forall integer j; 0 <= j < 64 ==> s->nelems <= 64 * word + j ==> !Bit(dead, j);
  vs_store_relaxed_u64(&s->mark_bits[word], marks & bits_not(dead));
  //@ assert alloc: \forall integer i; 0 <= i < 1024 ==> (AllocBit(s, i) <==> AllocBit{Pre}(s, i));
  /*@ assert here: \forall integer i; 0 <= i < 1024 ==> i / 64 == word ==>
        (MarkBit(s, i) <==> MarkBit{Pre}(s, i) && !Bit(dead, i % 64)); */
  //@ assert other: \forall integer i; 0 <= i < 1024 ==> i / 64 != word ==> (MarkBit(s, i) <==> MarkBit{Pre}(s, i));
  //@ assert cached: \forall integer i; 0 <= i < 1024 ==> (SlotCached(s, i) <==> SlotCached{Pre}(s, i));
  //@ assert less: \forall integer i; 0 <= i < 1024 ==> MarkBit(s, i) ==> MarkBit{Pre}(s, i);
  //@ assert word: FreedInWord{Pre,Here}(s, word, dead);
  //@ assert all: WordCount(dead, word, s->nelems) == BitCount(dead, 64);
  //@ assert more: FreedCount(s, s->nelems) == FreedCount{Pre}(s, s->nelems) + BitCount(dead, 64);
  s->nkept -= bits_count(dead);
  //@ assert zero: s->remote_bits[word] == 0;
  //@ assert empty: \forall integer i; 0 <= i < 1024 ==> i / 64 == word ==> !RemoteBit(s, i);
  //@ assert rest: \forall integer i; 0 <= i < 1024 ==> i / 64 != word ==> (RemoteBit(s, i) <==> RemoteBit{Pre}(s, i));
  //@ assert unmarked: Unmarked{Pre,Here}(s);
  //@ assert geom: MspanGeom(s) && MspanIndex(s);
  //@ assert marks: MspanMarks(s);
  //@ assert bits: MspanBits(s);
  //@ assert count: MspanCount(s);
  return freed & bits_not(dead);
}

uint32_t mspan_fold(struct mspan *s) {
  uint32_t words = mspan_words(s);
  uint32_t word = 0;
  /*@ loop invariant bound: 0 <= word <= words;
      loop invariant inv: MspanInv(s);
      loop invariant remote: MspanRemote(s);
      loop invariant honest: \forall integer i; 0 <= i < 64 * word ==> RemoteBit{Pre}(s, i) ==> SlotLive{Pre}(s, i);
      loop invariant folded: \forall integer i; 0 <= i < 64 * word ==> !RemoteBit(s, i) &&
        (SlotLive(s, i) <==> SlotLive{Pre}(s, i) && !RemoteBit{Pre}(s, i));
      loop invariant todo: \forall integer i; 64 * word <= i < 1024 ==>
        (RemoteBit(s, i) <==> RemoteBit{Pre}(s, i)) && (SlotLive(s, i) <==> SlotLive{Pre}(s, i));
      loop assigns word, s->remote_bits[0 .. 15], s->mark_bits[0 .. 15], s->nkept;
      loop variant words - word;
  */
  while (word < words) {
    if (vs_load_relaxed_u64(&s->remote_bits[word]) != 0) {
      uint64_t bad = mspan_fold_word(s, word);
      /*@ assert bad: \forall integer i; 64 * word <= i < 64 * word + 64 ==> i % 64 == i - 64 * word &&
            (Bit(bad, i % 64) <==> RemoteBit{Pre}(s, i) && !SlotLive{Pre}(s, i)); */
      /*@ assert below: \forall integer i; 0 <= i < 64 * word + 64 ==>
            (SlotLive(s, i) <==> SlotLive{Pre}(s, i) && !RemoteBit{Pre}(s, i)); */
      //@ assert above: \forall integer i; 64 * word + 64 <= i < 1024 ==> (SlotLive(s, i) <==> SlotLive{Pre}(s, i));
      if (bad != 0) {
        uint32_t slot = word * VS_WORD_BITS + bits_ctz(bad);
        //@ assert slot: 64 * word <= slot < 64 * word + 64 && Bit(bad, slot % 64);
        //@ assert caught: RemoteBit{Pre}(s, slot) && !SlotLive{Pre}(s, slot);
        //@ assert bound: slot < s->nelems;
        return slot;
      }
    }
    word++;
  }
  return s->nelems;
}

/* Folds one word of reached slots. The mark bits that are left. */
/*@ requires valid: \valid(s);
    requires inv: MspanInv(s);
    requires bound: 64 * word < s->nelems;
    assigns s->remote_bits[word], s->mark_bits[word], s->nkept;
    ensures inv: MspanInv(s);
    ensures kept: \forall integer i; 64 * word <= i < 64 * word + 64 ==>
      (SlotLive(s, i) <==> SlotLive{Pre}(s, i) && RemoteBit{Pre}(s, i));
    ensures cleared: \forall integer i; 0 <= i < 1024 ==> (RemoteBit(s, i) <==> RemoteBit{Pre}(s, i) && i / 64 != word);
    ensures left: \result == s->mark_bits[word];
*/
static uint64_t mspan_fold_reached_word(struct mspan *s, uint32_t word) {
  uint64_t reached = vs_exchange_u64(&s->remote_bits[word], 0);
  uint64_t marks = vs_load_relaxed_u64(&s->mark_bits[word]);
  uint64_t dead = marks & bits_not(reached);
  //@ assert live: \forall integer j; 0 <= j < 64 ==> (Bit(marks, j) <==> SlotLive{Pre}(s, 64 * word + j));
  //@ assert reached: \forall integer j; 0 <= j < 64 ==> (Bit(reached, j) <==> RemoteBit{Pre}(s, 64 * word + j));
  /*@ assert dead: \forall integer i; 0 <= i < 1024 ==> i / 64 == word ==>
        (Bit(dead, i % 64) <==> SlotLive{Pre}(s, i) && !RemoteBit{Pre}(s, i)); */
  //@ assert none: \forall integer j; 0 <= j < 64 ==> s->nelems <= 64 * word + j ==> !Bit(dead, j);
  uint64_t left = marks & bits_not(dead);
  vs_store_relaxed_u64(&s->mark_bits[word], left);
  //@ assert alloc: \forall integer i; 0 <= i < 1024 ==> (AllocBit(s, i) <==> AllocBit{Pre}(s, i));
  /*@ assert here: \forall integer i; 0 <= i < 1024 ==> i / 64 == word ==>
        (MarkBit(s, i) <==> MarkBit{Pre}(s, i) && !Bit(dead, i % 64)); */
  //@ assert other: \forall integer i; 0 <= i < 1024 ==> i / 64 != word ==> (MarkBit(s, i) <==> MarkBit{Pre}(s, i));
  //@ assert cached: \forall integer i; 0 <= i < 1024 ==> (SlotCached(s, i) <==> SlotCached{Pre}(s, i));
  //@ assert less: \forall integer i; 0 <= i < 1024 ==> MarkBit(s, i) ==> MarkBit{Pre}(s, i);
  //@ assert word: FreedInWord{Pre,Here}(s, word, dead);
  //@ assert all: WordCount(dead, word, s->nelems) == BitCount(dead, 64);
  //@ assert more: FreedCount(s, s->nelems) == FreedCount{Pre}(s, s->nelems) + BitCount(dead, 64);
  //@ assert left: s->mark_bits[word] == left;
  s->nkept -= bits_count(dead);
  //@ assert zero: s->remote_bits[word] == 0;
  //@ assert empty: \forall integer i; 0 <= i < 1024 ==> i / 64 == word ==> !RemoteBit(s, i);
  //@ assert rest: \forall integer i; 0 <= i < 1024 ==> i / 64 != word ==> (RemoteBit(s, i) <==> RemoteBit{Pre}(s, i));
  //@ assert unmarked: Unmarked{Pre,Here}(s);
  //@ assert geom: MspanGeom(s) && MspanIndex(s);
  //@ assert marks: MspanMarks(s);
  //@ assert bits: MspanBits(s);
  //@ assert count: MspanCount(s);
  return left;
}

bool mspan_fold_reached(struct mspan *s) {
  uint32_t words = mspan_words(s);
  uint32_t word = 0;
  bool live = false;
  /*@ loop invariant bound: 0 <= word <= words;
      loop invariant inv: MspanInv(s);
      loop invariant folded: \forall integer i; 0 <= i < 64 * word ==> !RemoteBit(s, i) &&
        (SlotLive(s, i) <==> SlotLive{Pre}(s, i) && RemoteBit{Pre}(s, i));
      loop invariant todo: \forall integer i; 64 * word <= i < 1024 ==>
        (RemoteBit(s, i) <==> RemoteBit{Pre}(s, i)) && (SlotLive(s, i) <==> SlotLive{Pre}(s, i));
      loop invariant dead: !live ==> \forall integer i; 0 <= i < 64 * word ==> !SlotLive(s, i);
      loop invariant live: live ==> \exists integer i; 0 <= i < 64 * word && SlotLive(s, i);
      loop assigns word, live, s->remote_bits[0 .. 15], s->mark_bits[0 .. 15], s->nkept;
      loop variant words - word;
  */
  while (word < words) {
    uint64_t left = mspan_fold_reached_word(s, word);
    /*@ assert below: \forall integer i; 0 <= i < 64 * word + 64 ==>
          (SlotLive(s, i) <==> SlotLive{Pre}(s, i) && RemoteBit{Pre}(s, i)); */
    //@ assert above: \forall integer i; 64 * word + 64 <= i < 1024 ==> (SlotLive(s, i) <==> SlotLive{Pre}(s, i));
    /*@ assert none: left == 0 ==>
          \forall integer i; 64 * word <= i < 64 * word + 64 ==> i / 64 == word && !SlotLive(s, i); */
    if (left != 0) {
      //@ assert bits: !BitsSame(left, 0, 64);
      /*@ assert some: \exists integer j; 0 <= j < 64 && Bit(left, j) && (64 * word + j) / 64 == word &&
            SlotLive(s, 64 * word + j); */
      live = true;
    }
    word++;
  }
  return live;
}

/* The bits of the last word that stand for no slot. */
/*@ requires valid: \valid_read(s);
    requires bound: 64 * last < s->nelems <= 64 * last + 64 <= 1024;
    assigns \nothing;
    ensures exact: \forall integer i; 64 * last <= i < 64 * last + 64 ==> (Bit(\result, i % 64) <==> s->nelems <= i);
*/
static inline uint64_t mspan_tail(const struct mspan *s, uint32_t last) {
  return bits_not(bits_below((uint32_t)s->nelems - last * VS_WORD_BITS));
}

void mspan_sweep(struct mspan *s) {
  //@ assert unused: \forall integer i; s->nelems <= i < 1024 ==> AllocBit(s, i) && !SlotLive(s, i);
  uint32_t last = mspan_words(s) - 1;
  if (s->nkept != s->nelems) s->needzero = 1;
  uint32_t word = 0;
  /*@ loop invariant bound: 0 <= word <= last + 1;
      loop invariant done: \forall integer w; 0 <= w < word ==> s->alloc_bits[w] == s->mark_bits[w];
      loop invariant todo: \forall integer w; word <= w < 16 ==> s->alloc_bits[w] == \at(s->alloc_bits[w], Pre);
      loop assigns word, s->alloc_bits[0 .. last];
      loop variant last - word;
  */
  while (word <= last) {
    s->alloc_bits[word] = vs_load_relaxed_u64(&s->mark_bits[word]);
    word++;
  }
  //@ assert kept: \forall integer i; 0 <= i < 1024 ==> (MarkBit(s, i) <==> SlotLive{Pre}(s, i));
  //@ assert fixed: MspanGeom(s);
  s->alloc_bits[last] |= mspan_tail(s, last);
  s->nkept = s->nelems;
  s->alloc_cache = 0;
  s->free_index = 0;
  //@ assert slots: \forall integer i; 0 <= i < s->nelems ==> (AllocBit(s, i) <==> MarkBit(s, i));
  //@ assert swept: \forall integer i; 0 <= i < 1024 ==> (MarkBit(s, i) <==> SlotLive{Pre}(s, i));
  //@ assert past: \forall integer i; s->nelems <= i < 1024 ==> !MarkBit(s, i);
  //@ assert last: \forall integer i; s->nelems <= i < 64 * last + 64 ==> i / 64 == last;
  //@ assert tail: \forall integer i; s->nelems <= i < 64 * last + 64 ==> AllocBit(s, i);
  //@ assert rest: \forall integer i; 64 * last + 64 <= i < 1024 ==> last < i / 64 && AllocBit(s, i);
  //@ assert geom: MspanGeom(s);
  //@ assert marks: MspanMarks(s);
  //@ assert none: FreedCount(s, s->nelems) == 0;
  //@ assert count: MspanCount(s);
  mspan_load_word(s, 0);
}

void mspan_init(struct mspan *s, uintptr_t base, uint32_t spanclass, bool dirty) {
  uint32_t sizeclass = spanclass / 2;
  //@ ghost sizeclass_geometry(sizeclass);
  s->base = base;
  s->spanclass = (uint8_t)spanclass;
  s->elem_size = vs_class_size[sizeclass];
  s->div_mul = vs_class_magic[sizeclass];
  s->nelems = vs_class_objects[sizeclass];
  s->npages = vs_class_pages[sizeclass];
  s->needzero = dirty;
  s->nkept = s->nelems;
  //@ assert fit: SlotsFit(s->nelems, s->elem_size, s->npages);
  //@ assert geom: MspanGeom(s);
  uint32_t last = mspan_words(s) - 1;
  uint32_t word = 0;
  /*@ loop invariant bound: 0 <= word <= 16;
      loop invariant zero: \forall integer w; 0 <= w < word ==> s->mark_bits[w] == 0 && s->remote_bits[w] == 0;
      loop invariant free: \forall integer w; 0 <= w < word ==> w <= last ==> s->alloc_bits[w] == 0;
      loop invariant past: \forall integer w; 0 <= w < word ==> last < w ==> s->alloc_bits[w] == VS_WORD_ONES;
      loop assigns word, s->mark_bits[0 .. 15], s->remote_bits[0 .. 15], s->alloc_bits[0 .. 15];
      loop variant 16 - word;
  */
  while (word < VS_SPAN_WORDS) {
    vs_store_relaxed_u64(&s->mark_bits[word], 0);
    vs_store_relaxed_u64(&s->remote_bits[word], 0);
    s->alloc_bits[word] = word <= last ? 0 : VS_WORD_ONES;
    word++;
  }
  //@ assert based: s->base == base;
  //@ assert still: MspanGeom(s);
  s->alloc_bits[last] = mspan_tail(s, last);
  s->alloc_cache = 0;
  s->free_index = 0;
  //@ assert unmarked: \forall integer i; 0 <= i < 1024 ==> !MarkBit(s, i) && !RemoteBit(s, i);
  //@ assert slots: \forall integer i; 0 <= i < s->nelems ==> !AllocBit(s, i);
  //@ assert last: \forall integer i; s->nelems <= i < 64 * last + 64 ==> i / 64 == last;
  //@ assert tail: \forall integer i; s->nelems <= i < 64 * last + 64 ==> AllocBit(s, i);
  //@ assert rest: \forall integer i; 64 * last + 64 <= i < 1024 ==> last < i / 64 && AllocBit(s, i);
  //@ assert remote: \forall integer w; 0 <= w < 16 ==> s->remote_bits[w] == 0;
  //@ assert again: s->base == base && s->nelems == vs_class_objects[spanclass / 2];
  //@ assert swept: MspanGeom(s);
  //@ assert marks: MspanMarks(s);
  //@ assert none: FreedCount(s, s->nelems) == 0;
  //@ assert count: MspanCount(s);
  mspan_load_word(s, 0);
  //@ assert folded: \forall integer w; 0 <= w < 16 ==> s->remote_bits[w] == 0;
}
