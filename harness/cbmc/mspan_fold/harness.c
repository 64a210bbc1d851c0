/* SPDX-License-Identifier: Apache-2.0
 * mspan_fold on any span with any remote bits: it folds exactly the frees of live slots, and stops at a
 * free of a slot that was not live. */
#include "slots.h"

int main(void) {
  struct mspan s; /* any value in every field */
  any_span(&s, CACHED_WORD);
  ASSUME(s.nelems <= 128);
  for (uint32_t w = 0; w < 2; w++) {
    ASSUME((s.remote_bits[w] & beyond(&s, w)) ==
           0); /* who sets a remote bit has checked the slot against nelems */
  }
  ASSUME(s.nkept >= 128 && s.nkept <= 1024); /* the count is checked for a single free only */
  struct mspan old = s;
  uint32_t k = nondet_u32(); /* any slot */
  ASSUME(k < s.nelems);

  uint32_t bad = mspan_fold(&s);
  struct slot before = slot_look(&old, k), after = slot_look(&s, k);
  bool dead = before.remote && !slot_live(before);
  CHECK(bad <= s.nelems, "bound");
  CHECK(slots_ok(&s), "inv");
  CHECK(!dead || bad < s.nelems, "caught");
  CHECK(bad == s.nelems || k != bad || dead, "no-false-alarm");
  if (bad == s.nelems) {
    CHECK(!after.remote, "none-left");
    CHECK(slot_live(after) == (slot_live(before) && !before.remote), "folded");
    CHECK(slot_freed(after) == (slot_freed(before) || before.remote), "freed");
    CHECK(slot_available(after) == slot_available(before), "frame-available");
    bool only_k = (old.remote_bits[0] & ~(k / 64 == 0 ? bits_one(k % 64) : 0)) == 0 &&
                  (old.remote_bits[1] & ~(k / 64 == 1 ? bits_one(k % 64) : 0)) == 0;
    CHECK(!only_k || s.nkept == old.nkept - (before.remote ? 1u : 0u), "count-of-one");
    REACHED_IF(before.remote, "a remote free was folded");
  }
  REACHED_IF(bad < s.nelems, "double free caught");
  REACHED("end");
  return 0;
}
