/* SPDX-License-Identifier: Apache-2.0
 *
 * Binary trees that nobody frees, after GCBench (Ellis, Kovac & Boehm): a stretch tree, a tree and an array that stay,
 * and many trees of each depth, top-down and bottom-up.
 */
#include "program.h"

enum { STRETCH = 18, LONG_LIVED = 16, MIN_DEPTH = 4, MAX_DEPTH = 16, ARRAY = 500000 };

struct node {
  struct node *left, *right;
  uint32_t i, j;
};

static struct node *node_make(struct node *left, struct node *right, uint32_t i) {
  struct node *n = collector_malloc(sizeof *n);
  if (n == NULL) bench_die("out of memory");
  *n = (struct node){left, right, i, ~i};
  return n;
}

static struct node *bottom_up(uint32_t depth) {
  if (depth == 0) return node_make(NULL, NULL, 1);
  struct node *left = bottom_up(depth - 1);
  return node_make(left, bottom_up(depth - 1), depth);
}

static void populate(struct node *n, uint32_t depth) {
  if (depth == 0) return;
  n->left = node_make(NULL, NULL, depth);
  n->right = node_make(NULL, NULL, depth);
  populate(n->left, depth - 1);
  populate(n->right, depth - 1);
}

static uint64_t count(const struct node *n) {
  uint64_t sound = n->i + n->j == UINT32_MAX;
  return n->left == NULL ? sound : sound + count(n->left) + count(n->right);
}

int main(int argc, char **argv) {
  uint64_t budget = bench_scale(argc, argv, 9000000); /* nodes a depth and a direction */
  uint64_t sum;
  collector_start();
  sum = count(bottom_up(STRETCH));
  struct node *keep = node_make(NULL, NULL, 0);
  populate(keep, LONG_LIVED);
  double *array = collector_malloc_noscan(ARRAY * sizeof *array);
  for (uint32_t i = 0; i < ARRAY; i++) array[i] = 1.0 / (i + 1);
  for (uint32_t depth = MIN_DEPTH; depth <= MAX_DEPTH; depth += 2) {
    for (uint64_t n = budget >> (depth + 1); n > 0; n--) {
      struct node *root = node_make(NULL, NULL, 0);
      populate(root, depth);
      sum = sum_mix(sum, count(root));
      sum = sum_mix(sum, count(bottom_up(depth)));
    }
  }
  sum = sum_mix(sum, count(keep));
  sum = sum_mix(sum, (uint64_t)(array[1000] * 1e15));
  return program_finish("bintree", sum);
}
