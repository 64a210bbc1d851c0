/* SPDX-License-Identifier: Apache-2.0
 * mspan_sweep on any span: every live slot stays live, every other becomes available. And mspan_init:
 * every slot of a fresh span is available. */
#include "slots.h"

int main(void) {
  struct mspan s; /* any value in every field */
  any_span(&s, CACHED_WORD);
  struct mspan old = s;
  uint32_t k = nondet_u32(); /* any slot */
  ASSUME(k < s.nelems);
  mspan_sweep(&s);
  struct slot before = slot_look(&old, k), after = slot_look(&s, k);
  CHECK(slots_ok(&s), "inv");
  CHECK(slot_live(after) == slot_live(before), "live-stay");
  CHECK(slot_available(after) == !slot_live(before), "rest-available");
  CHECK(!slot_freed(after) && s.nkept == s.nelems, "none-freed");
  CHECK(after.remote == before.remote && s.nelems == old.nelems && s.ctl == old.ctl, "frame");
  REACHED_IF(slot_freed(before), "a freed slot was swept");
  REACHED_IF(before.cached, "a cached slot was swept");

  struct mspan t;
  uint32_t spanclass = nondet_u32();
  ASSUME(spanclass >= 2 && spanclass < 2 * VS_NUM_SIZE_CLASSES);
  mspan_init(&t, VS_PAGE_SIZE, spanclass, nondet_bool());
  CHECK(slots_ok(&t) && t.nkept == t.nelems, "init-inv");
  CHECK(t.nelems == vs_class_objects[spanclass / 2] && t.elem_size == vs_class_size[spanclass / 2],
        "init-class");
  struct slot fresh = slot_look(&t, k);
  CHECK(k >= t.nelems || (slot_available(fresh) && !slot_live(fresh) && !slot_freed(fresh)),
        "init-available");
  CHECK(!fresh.remote, "init-remote");
  REACHED("end");
  return 0;
}
