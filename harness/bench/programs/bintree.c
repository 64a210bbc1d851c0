/* Binary trees after GCBench (Ellis, Kovac & Boehm): a stretch tree, a tree and an array that stay,
   and many trees of each depth built top-down and bottom-up beside them; here each tree is freed
   node by node when it has been counted. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_util.h"

enum { STRETCH = 18, LONG_LIVED = 16, MIN_DEPTH = 4, MAX_DEPTH = 16, ARRAY = 500000 };

struct node {
  struct node *left, *right;
  uint32_t i, j;
};

static struct node *node_make(struct node *left, struct node *right, uint32_t i) {
  struct node *n = xmalloc(sizeof *n);
  n->left = left;
  n->right = right;
  n->i = i;
  n->j = ~i;
  return n;
}

static struct node *tree_bottom_up(uint32_t depth) {
  if (depth == 0) return node_make(NULL, NULL, 1);
  struct node *left = tree_bottom_up(depth - 1);
  return node_make(left, tree_bottom_up(depth - 1), depth);
}

static void tree_populate(struct node *n, uint32_t depth) {
  if (depth == 0) return;
  n->left = node_make(NULL, NULL, depth);
  n->right = node_make(NULL, NULL, depth);
  tree_populate(n->left, depth - 1);
  tree_populate(n->right, depth - 1);
}

static uint64_t tree_count(const struct node *n) {
  uint64_t count = n->i + n->j == UINT32_MAX;
  return n->left == NULL ? count : count + tree_count(n->left) + tree_count(n->right);
}

static void tree_free(struct node *n) {
  if (n->left != NULL) {
    tree_free(n->left);
    tree_free(n->right);
  }
  free(n);
}

static uint64_t tree_use(struct node *n) {
  uint64_t count = tree_count(n);
  tree_free(n);
  return count;
}

int main(int argc, char **argv) {
  uint64_t budget = bench_scale(argc, argv, 9000000); /* nodes a depth and a direction */
  uint64_t sum = tree_use(tree_bottom_up(STRETCH));
  struct node *keep = node_make(NULL, NULL, 0);
  tree_populate(keep, LONG_LIVED);
  double *array = xmalloc(ARRAY * sizeof *array);
  for (uint32_t i = 0; i < ARRAY; i++)
    array[i] = 1.0 / (i + 1);
  for (uint32_t depth = MIN_DEPTH; depth <= MAX_DEPTH; depth += 2) {
    for (uint64_t n = budget >> (depth + 1); n > 0; n--) {
      struct node *root = node_make(NULL, NULL, 0);
      tree_populate(root, depth);
      sum = sum_mix(sum, tree_use(root));
    }
    for (uint64_t n = budget >> (depth + 1); n > 0; n--)
      sum = sum_mix(sum, tree_use(tree_bottom_up(depth)));
  }
  sum = sum_mix(sum, tree_count(keep));
  sum = sum_mix(sum, (uint64_t)(array[1000] * 1e15));
  tree_free(keep);
  free(array);
  return bench_finish("bintree", sum);
}
