/* SPDX-License-Identifier: Apache-2.0
 *
 * One span: every operation against a model that keeps the state of each slot in an array.
 */
#include "unit.h"

#include "mspan.h"

enum { BASE = 0x40000000 };

enum slot_state { AVAILABLE, LIVE, FREED };

/* A span of a size class and what the model thinks of its slots. */
struct fixture {
  struct mspan s;
  uint32_t n;
  enum slot_state slot[1024];
};

static struct fixture f;

static void set_up(uint32_t sizeclass) {
  memset(&f, 0xff, sizeof f);
  mspan_init(&f.s, BASE, 2 * sizeclass + 1, false);
  f.n = vs_class_objects[sizeclass];
  for (uint32_t i = 0; i < f.n; i++)
    f.slot[i] = AVAILABLE;
  assert_int_equal(f.s.nelems, f.n);
  assert_int_equal(f.s.elem_size, vs_class_size[sizeclass]);
}

static uint32_t count(enum slot_state which) {
  uint32_t k = 0;
  for (uint32_t i = 0; i < f.n; i++)
    k += f.slot[i] == which;
  return k;
}

static uint32_t lowest(enum slot_state which) {
  uint32_t i = 0;
  while (i < f.n && f.slot[i] != which)
    i++;
  return i;
}

/* The bitmaps must say of every slot what the model says. */
static void agree(void) {
  for (uint32_t i = 0; i < f.n; i++) {
    const int mark = bits_test(f.s.mark_bits[i / 64], i % 64);
    const int alloc = bits_test(f.s.alloc_bits[i / 64], i % 64);
    const int cached = i / 64 == f.s.free_index / 64 && bits_test(f.s.alloc_cache, i % 64);
    const enum slot_state have = cached ? AVAILABLE : mark ? LIVE : alloc ? FREED : AVAILABLE;
    if (have != f.slot[i] || (mark && !alloc) || (cached && mark))
      fail_msg("slot %u of %u: model %d, mark %d alloc %d cached %d", i, f.n, (int)f.slot[i], mark,
               alloc, cached);
  }
  assert_int_equal(mspan_freed(&f.s), count(FREED));
}

static void take(void) {
  const uint32_t want = lowest(AVAILABLE), got = mspan_next_free(&f.s);
  assert_int_equal(got, want);
  if (got < f.n) f.slot[got] = LIVE;
}

/* The address must be refused, with this reason. */
static void refused(uintptr_t addr, enum vs_fault why) {
  assert_false(mspan_free(&f.s, addr));
  assert_int_equal(mspan_fault(&f.s, addr), why);
}

static void give(uint32_t i) {
  const uintptr_t addr = mspan_slot(&f.s, i);
  if (f.slot[i] == LIVE) {
    assert_true(mspan_free(&f.s, addr));
    f.slot[i] = FREED;
  } else {
    refused(addr, f.slot[i] == FREED ? VS_FAULT_DOUBLE_FREE : VS_FAULT_NOT_LIVE);
  }
}

static void sweep(void) {
  mspan_sweep(&f.s);
  for (uint32_t i = 0; i < f.n; i++)
    if (f.slot[i] == FREED) f.slot[i] = AVAILABLE;
}

static void fill(void) {
  while (lowest(AVAILABLE) < f.n)
    take();
  assert_int_equal(mspan_next_free(&f.s), f.n);
}

static void fresh_span_hands_out_every_slot_in_order(void **state) {
  (void)state;
  for (uint32_t c = 1; c < VS_NUM_SIZE_CLASSES; c++) {
    set_up(c);
    agree();
    for (uint32_t i = 0; i < f.n; i++)
      take();
    agree();
    assert_int_equal(mspan_next_free(&f.s), f.n);
    assert_int_equal(mspan_next_free(&f.s), f.n);
    assert_int_equal(count(LIVE), f.n);
  }
}

/* Word sizes that are odd: a partial last word, exactly one word, exactly sixteen, one slot. */
static void one_freed_slot_comes_back_after_the_sweep(void **state) {
  (void)state;
  const uint32_t classes[] = {3, 22, 1, 51, 67};
  const uint32_t elems[] = {341, 64, 1024, 9, 3};
  for (size_t k = 0; k < sizeof classes / sizeof classes[0]; k++) {
    set_up(classes[k]);
    assert_int_equal(f.n, elems[k]);
    fill();
    for (uint32_t i = 0; i < f.n; i++) {
      give(i);
      assert_int_equal(mspan_next_free(&f.s), f.n);
      agree();
      sweep();
      agree();
      take();
      assert_int_equal(f.slot[i], LIVE);
      assert_int_equal(mspan_next_free(&f.s), f.n);
    }
  }
}

static void faults_change_nothing_and_are_told_apart(void **state) {
  (void)state;
  for (uint32_t c = 1; c < VS_NUM_SIZE_CLASSES; c++) {
    set_up(c);
    take();
    take();
    take();
    give(1);
    const struct mspan before = f.s;
    for (uint32_t i = 0; i < f.n; i++)
      if (f.slot[i] != LIVE) give(i);
    for (uint32_t off = 1; off<f.s.elem_size; off += f.s.elem_size> 64 ? f.s.elem_size / 61 : 1)
      refused(BASE + off, VS_FAULT_INTERIOR);
    const uint32_t tail = f.n * f.s.elem_size;
    if (tail < f.s.npages * VS_PAGE_SIZE) refused(BASE + tail, VS_FAULT_FOREIGN);
    assert_memory_equal(&before, &f.s, sizeof before);
  }
}

static void index_is_the_slot_of_every_address(void **state) {
  (void)state;
  for (uint32_t c = 1; c < VS_NUM_SIZE_CLASSES; c++) {
    set_up(c);
    for (uint32_t off = 0; off < f.s.npages * VS_PAGE_SIZE; off++) {
      const uint32_t want = off / f.s.elem_size;
      if (mspan_index(&f.s, BASE + off) != want) fail_msg("class %u offset %u", c, off);
    }
  }
}

static void set_remote(uint32_t i) { f.s.remote_bits[i / 64] |= (uint64_t)1 << i % 64; }

static void fold_frees_what_others_freed(void **state) {
  (void)state;
  for (uint32_t c = 1; c < VS_NUM_SIZE_CLASSES; c++) {
    set_up(c);
    fill();
    for (uint32_t i = 0; i < f.n; i += 1 + i % 3) {
      set_remote(i);
      f.slot[i] = FREED;
    }
    assert_int_equal(mspan_fold(&f.s), f.n);
    agree();
    for (uint32_t w = 0; w < VS_SPAN_WORDS; w++)
      assert_int_equal(f.s.remote_bits[w], 0);
    sweep();
    agree();
    fill();
  }
}

/* A second free by another thread, or a free of a slot that nobody has, surfaces in the fold. */
static void fold_catches_frees_of_dead_slots(void **state) {
  (void)state;
  for (uint32_t c = 1; c < VS_NUM_SIZE_CLASSES; c++)
    for (uint32_t k = 0; k < 20; k++) {
      set_up(c);
      for (uint32_t i = 0; i < f.n / 2 + 1; i++)
        take();
      give(k % (f.n / 2 + 1));
      const uint32_t bad = k % 2 == 0 ? lowest(FREED) : lowest(AVAILABLE);
      if (bad == f.n) continue;
      set_remote(bad);
      assert_int_equal(mspan_fold(&f.s), bad);
    }
}

static void needzero_tells_used_memory_from_fresh(void **state) {
  (void)state;
  set_up(5);
  assert_int_equal(f.s.needzero, 0);
  fill();
  give(3);
  sweep();
  assert_int_equal(f.s.needzero, 1);
  mspan_init(&f.s, BASE, 11, true);
  assert_int_equal(f.s.needzero, 1);
}

static void random_operations_follow_the_model(void **state) {
  (void)state;
  uint64_t x = 1;
  for (uint32_t c = 1; c < VS_NUM_SIZE_CLASSES; c++) {
    set_up(c);
    for (uint32_t k = 0; k < 4000; k++) {
      const uint64_t r = unit_random(&x);
      const uint32_t i = (uint32_t)(r >> 32) % f.n;
      if (r % 16 < 9)
        take();
      else if (r % 16 < 13)
        give(i);
      else if (r % 16 < 15 && f.slot[i] == LIVE) {
        set_remote(i);
        assert_int_equal(mspan_fold(&f.s), f.n);
        f.slot[i] = FREED;
      } else if (r % 64 == 63) {
        sweep();
      }
      if (k % 64 == 0) agree();
    }
    agree();
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fresh_span_hands_out_every_slot_in_order),
      cmocka_unit_test(one_freed_slot_comes_back_after_the_sweep),
      cmocka_unit_test(faults_change_nothing_and_are_told_apart),
      cmocka_unit_test(index_is_the_slot_of_every_address),
      cmocka_unit_test(fold_frees_what_others_freed),
      cmocka_unit_test(fold_catches_frees_of_dead_slots),
      cmocka_unit_test(needzero_tells_used_memory_from_fresh),
      cmocka_unit_test(random_operations_follow_the_model),
  };
  return unit_run("mspan", tests);
}
