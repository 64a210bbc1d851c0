/* SPDX-License-Identifier: Apache-2.0
 * mspan_next_free (with mspan_refill and mspan_take) on any span: the lowest available slot, none
 * skipped, and no other slot changes its state. */
#include "slots.h"

int main(void) {
  struct mspan s; /* any value in every field */
  any_span(&s, CACHED_WORD);
  struct mspan old = s;
  uint32_t k = nondet_u32(); /* any slot */
  ASSUME(k < s.nelems);

  uint32_t slot = mspan_next_free(&s);
  struct slot before = slot_look(&old, k), after = slot_look(&s, k);
  CHECK(slot <= s.nelems, "bound");
  CHECK(slots_ok(&s), "inv");
  if (slot < s.nelems) {
    CHECK(k != slot || slot_available(before), "was-available");
    CHECK(k != slot || slot_live(after), "now-live");
    CHECK(!(k < slot) || !slot_available(before), "lowest");
    REACHED_IF(slot / 64 > old.free_index / 64 + 1, "a word was skipped");
  } else {
    CHECK(!slot_available(before), "full");
    REACHED("span is full");
  }
  CHECK(k == slot || slot_live(after) == slot_live(before), "frame-live");
  CHECK(k == slot || slot_freed(after) == slot_freed(before), "frame-freed");
  CHECK(k == slot || slot_available(after) == slot_available(before), "frame-available");
  CHECK(s.nelems == old.nelems && s.ctl == old.ctl && s.nkept == old.nkept &&
            after.remote == before.remote,
        "frame-fields");
  REACHED("end");
  return 0;
}
