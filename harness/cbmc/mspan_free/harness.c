/* SPDX-License-Identifier: Apache-2.0
 * mspan_free and mspan_fault on any span of a class and any address of it: a live block's start is
 * freed, and anything else is refused, changes nothing, and is called what it is. */
#include "slots.h"

int main(void) {
  struct mspan s; /* any value in every field */
  s.elem_size = vs_class_size[CLASS];
  s.div_mul = vs_class_magic[CLASS];
  s.nelems = vs_class_objects[CLASS];
  s.npages = vs_class_pages[CLASS];
  ASSUME(s.base % VS_PAGE_SIZE == 0 && s.base >= VS_PAGE_SIZE &&
         s.base <= 0x1000000000000u - 131072u);
  any_span(&s, nondet_u32());
  ASSUME(s.nkept >= 1 && s.nkept <= s.nelems); /* a live block is one that was kept */
  struct mspan old = s;
  uint32_t offset = nondet_u32(), k = nondet_u32(); /* k: any slot */
  ASSUME(offset < s.npages * VS_PAGE_SIZE && k < s.nelems);

  /* offset = quotient * size + rest, without a division */
  uint32_t quotient = nondet_u32(), rest = nondet_u32();
  ASSUME(quotient <= 1024 && rest < s.elem_size && offset == quotient * s.elem_size + rest);

  uintptr_t addr = s.base + offset;
  enum vs_fault fault = mspan_fault(&s, addr);
  bool freed = mspan_free(&s, addr);
  struct slot before = slot_look(&old, k), after = slot_look(&s, k);
  bool of_k = k == quotient; /* the address is in slot k */
  CHECK(!freed || (rest == 0 && quotient < s.nelems), "frees-starts-only");
  CHECK(!(of_k && rest == 0) || freed == slot_live(before), "frees-live-only");
  CHECK((fault == VS_OK) == freed, "agree");
  CHECK((fault == VS_FAULT_INTERIOR) == (rest != 0), "interior");
  CHECK((fault == VS_FAULT_FOREIGN) == (rest == 0 && quotient >= s.nelems), "foreign");
  CHECK(!(of_k && rest == 0) || (fault == VS_FAULT_DOUBLE_FREE) == slot_freed(before),
        "double-free");
  CHECK(!(of_k && rest == 0) || (fault == VS_FAULT_NOT_LIVE) == slot_available(before),
        "never-allocated");
  CHECK(slots_ok(&s), "inv");
  CHECK(s.nkept == old.nkept - (freed ? 1u : 0u), "count");
  CHECK(!(freed && of_k) || slot_freed(after), "freed");
  if (!(freed && of_k)) {
    CHECK(slot_live(after) == slot_live(before), "frame-live");
    CHECK(slot_freed(after) == slot_freed(before), "frame-freed");
    CHECK(slot_available(after) == slot_available(before), "frame-available");
  }
  REACHED_IF(freed, "a block was freed");
  REACHED_IF(fault == VS_FAULT_DOUBLE_FREE, "double free");
  REACHED_IF(fault == VS_FAULT_NOT_LIVE && of_k && before.cached, "free of a cached slot");
  REACHED("end");
  return 0;
}
