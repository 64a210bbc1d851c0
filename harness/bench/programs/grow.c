/* Growth by realloc: a buffer that grows by half whenever it is full, to 1 GiB at the default scale, and
   beside it, turn about, one that stops at an eighth of that, so that neither always finds free room
   at its end. One byte of each page is written, and all are looked at in the end. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_util.h"

enum { PAGE = 4096 };

struct buffer {
  unsigned char *data;
  size_t size, limit;
};

static unsigned char tag_of(size_t at) { return (unsigned char)(at / PAGE * 7 + 1); }

static void grow(struct buffer *b) {
  if (b->size == b->limit) return;
  size_t size = b->size + b->size / 2 + PAGE;
  if (size > b->limit) size = b->limit;
  b->data = realloc(b->data, size);
  if (b->data == NULL) bench_die("out of memory");
  for (size_t at = (b->size + PAGE - 1) / PAGE * PAGE; at < size; at += PAGE)
    b->data[at] = tag_of(at);
  b->size = size;
}

static uint64_t finish(struct buffer *b) {
  uint64_t sum = b->size;
  for (size_t at = 0; at < b->size; at += PAGE) {
    if (b->data[at] != tag_of(at)) bench_die("a buffer has lost its contents");
    sum = sum_mix(sum, b->data[at]);
  }
  free(b->data);
  return sum;
}

int main(int argc, char **argv) {
  size_t limit = bench_scale(argc, argv, (size_t)1 << 30);
  struct buffer larger = {.limit = limit}, smaller = {.limit = limit / 8};
  while (larger.size < larger.limit) {
    grow(&larger);
    grow(&smaller);
  }
  uint64_t sum = finish(&larger);
  return bench_finish("grow", sum_mix(sum, finish(&smaller)));
}
