/* SPDX-License-Identifier: Apache-2.0
 * sizeclass_divide, all classes, all offsets: its high half is the quotient, its low half tells
 * divisibility. One run for each class (CLASS): with the class's constants known a run takes a
 * fraction of a second, with a symbolic class minutes. */
#include "sizeclass.h"
#include "check.h"

int main(void) {
  uint32_t size = vs_class_size[CLASS], magic = vs_class_magic[CLASS],
           pages = vs_class_pages[CLASS];
  CHECK(magic == 0xffffffffu / size + 1u, "magic");
  CHECK(1 <= pages && pages <= VS_MAX_SPAN_PAGES && pages * VS_PAGE_SIZE <= 131072u, "pages");
  CHECK(vs_class_objects[CLASS] == pages * VS_PAGE_SIZE / size && vs_class_objects[CLASS] <= 1024u,
        "objects");

  uint32_t offset = nondet_u32();
  ASSUME(offset < 131072u);
  uint64_t product = sizeclass_divide(offset, size, magic);
  uint32_t quotient = (uint32_t)(product / 4294967296u);
  CHECK(quotient * size <= offset && offset < (quotient + 1u) * size, "quotient");
  CHECK((product % 4294967296u < magic) == (quotient * size == offset), "divides");
  REACHED_IF(offset == 131071u, "largest offset");
  REACHED_IF(quotient * size == offset && quotient > 1, "a later slot's start");
  REACHED("end");
  return 0;
}
