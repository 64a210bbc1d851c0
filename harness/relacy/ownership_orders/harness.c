/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions of ownership.h under the weak orders of C11: one thread holds the mcache that is the home of one or two
 * spans, one or two others free blocks of them.
 *
 * The holder does with the functions what mcache.c does: it gives a span up, takes one back when it frees a block of it
 * itself, and drains its inbox; a span that it owns again it folds, and then uses the freed blocks. The other threads
 * do what heap_free_remote and mcache_notify do. The user's blocks are plain words that each thread writes when
 * it gets or before it frees one: a block that comes back without the free before it in C11's happens-before is a
 * data race here. So are two threads at the fields of a span that one at a time may touch.
 */
#include <stdio.h>

#include "mspan.h"
#include "orders.h"
#include "ownership.h"

enum { SIZE_CLASS = 67, SPANCLASS = SIZE_CLASS * 2 + 1, SLOTS = 3, MAX_SPANS = 2, HOME = 1, BASE = 1 << 26 };

/* What the holder of the home does. */
enum act { RESTS, RESTS_TWICE, RECLAIMS, DRAINS, N_ACTS };
static const char *const act_names[] = {"rests", "rests twice", "reclaims", "drains"};

static struct {
  enum act act;
  int n_spans;
  struct { int span; uint32_t slot; } frees[2]; /* of the other threads */
} start;

static struct mspan spans[MAX_SPANS];
static struct mspan *inbox;
static uint64_t blocks[MAX_SPANS][SLOTS]; /* the user's memory */

/* Ghosts, each of one thread or of the final check. */
#define GHOST __attribute__((no_sanitize_thread))
static bool owned[MAX_SPANS];                   /* what the holder believes */
static bool back[MAX_SPANS][SLOTS];             /* blocks that the holder has got back */
static struct { uint64_t rested, reclaimed, woken, drained, two_at_once, folded; } seen;

static GHOST int span_number(const struct mspan *s) { return (int)(s - spans); }

/* --- the holder ------------------------------------------------------------------------------------------- */

static void fold(struct mspan *s) {
  uint32_t kept = s->nkept;
  ORDERS_CHECK(mspan_fold(s) == s->nelems, "false-report");
  int n = span_number(s);
  for (uint32_t slot = 0; slot < SLOTS; slot++) {
    if (!bits_test(s->mark_bits[0], slot) && !back[n][slot]) {
      blocks[n][slot] = 1; /* used again */
      back[n][slot] = true;
      seen.folded++;
    }
  }
  ORDERS_CHECK(s->nkept <= kept, "false-report");
}

/* What mcache_retire does when nothing has been freed. */
static void rest(struct mspan *s) {
  owned[span_number(s)] = false;
  if (ownership_rest(s, HOME)) {
    seen.rested++;
    return;
  }
  seen.reclaimed++;
  owned[span_number(s)] = true;
  fold(s);
}

/* What mcache_drain_inbox and mcache_refill do; s->prev stands for the links of the queue. */
static void drain(void) {
  struct mspan *s = ownership_take(&inbox);
  int n = 0;
  while (s) {
    struct mspan *next = s->next;
    ORDERS_CHECK(!owned[span_number(s)], "one-owner");
    ORDERS_CHECK(++n <= start.n_spans, "in-one-place");
    ownership_accept(s, HOME);
    owned[span_number(s)] = true;
    s->next = 0;
    s->prev = s;
    fold(s);
    seen.drained++;
    s = next;
  }
  seen.two_at_once += n == 2;
}

static void holder(void) {
  switch (start.act) {
  case RESTS:
    rest(&spans[0]);
    drain();
    break;
  case RESTS_TWICE:
    rest(&spans[0]);
    drain();
    if (owned[0]) rest(&spans[0]);
    break;
  case RECLAIMS: /* heap_free_full */
    blocks[0][SLOTS - 1] = 1;
    back[0][SLOTS - 1] = true;
    ORDERS_CHECK(mspan_free(&spans[0], spans[0].base + (SLOTS - 1) * (uintptr_t)spans[0].elem_size), "false-report");
    if (ownership_reclaim(&spans[0], HOME)) {
      owned[0] = true;
      spans[0].next = spans[0].prev = 0;
      seen.reclaimed++;
    }
    drain();
    break;
  default: drain();
  }
}

/* --- the others ------------------------------------------------------------------------------------------- */

/* What heap_free_remote and mcache_notify do. */
static void free_block(int n) {
  struct mspan *s = &spans[start.frees[n].span];
  uint32_t owner;
  blocks[start.frees[n].span][start.frees[n].slot] = 1;
  ORDERS_CHECK(ownership_free(s, start.frees[n].slot), "false-report");
  if (ownership_wake(s, &owner)) {
    ORDERS_CHECK(owner == HOME, "one-owner");
    ownership_push(&inbox, s);
    seen.woken++;
  }
}
static void freer_0(void) { free_block(0); }
static void freer_1(void) { free_block(1); }
static void freer_of_both(void) {
  free_block(0);
  free_block(1);
}

/* --- checks ----------------------------------------------------------------------------------------------- */

/* The table of spec/protocol.md, for spans whose home has this holder: M1 to M4. */
static GHOST void check_transition(const void *addr, uint64_t old, uint64_t new_value) {
  uint64_t own = spanctl_owned(HOME), full = spanctl_resting_full(HOME), unswept = spanctl_unswept(HOME);
  for (int n = 0; n < start.n_spans; n++) {
    if (addr == &spans[n].ctl)
      ORDERS_CHECK((old == own && new_value == full) || (old == full && (new_value == own || new_value == unswept)) ||
                       (old == unswept && new_value == own),
                   "legal-transition");
  }
}

static GHOST int times_in_inbox(const struct mspan *wanted) {
  int n = 0, length = 0;
  for (const struct mspan *s = inbox; s; s = s->next) {
    n += s == wanted;
    ORDERS_CHECK(++length <= start.n_spans, "in-one-place");
  }
  return n;
}

static GHOST void final_check(void) {
  for (int n = 0; n < start.n_spans; n++) {
    const struct mspan *s = &spans[n];
    ORDERS_CHECK(owned[n] == (s->ctl == spanctl_owned(HOME)), "one-owner");
    ORDERS_CHECK(times_in_inbox(s) == (s->ctl == spanctl_unswept(HOME)), "in-one-place");
    ORDERS_CHECK(s->ctl != spanctl_resting_full(HOME) || s->remote_bits[0] == 0, "lost-wake-up");
    for (int t = 0; t < 2; t++) {
      uint32_t slot = start.frees[t].slot;
      bool pending = bits_test(s->remote_bits[0], slot);
      ORDERS_CHECK(start.frees[t].span != n || pending != back[n][slot], "free-lost");
    }
  }
}

static GHOST void reset(void) {
  inbox = 0;
  for (int n = 0; n < start.n_spans; n++) {
    struct mspan *s = &spans[n];
    mspan_init(s, BASE, SPANCLASS, true);
    s->nelems = SLOTS;
    s->nkept = SLOTS;
    s->next = s->prev = 0;
    s->alloc_bits[0] = VS_WORD_ONES;
    s->mark_bits[0] = bits_below(SLOTS);
    s->alloc_cache = 0;
    owned[n] = start.act == RESTS || start.act == RESTS_TWICE;
    s->ctl = owned[n] ? spanctl_owned(HOME) : spanctl_resting_full(HOME);
    for (int i = 0; i < SLOTS; i++) back[n][i] = false;
  }
}

static GHOST void declare(void) {
  orders_forget();
  orders_shared(&inbox);
  for (int n = 0; n < start.n_spans; n++) {
    orders_shared(&spans[n].ctl);
    orders_shared(&spans[n].remote_bits[0]);
    orders_plain(&spans[n].mark_bits[0], 8); /* its readers of other threads are for span_orders */
    orders_plain(&spans[n].alloc_cache, 8);
    orders_plain(&spans[n].nkept, 4);
    orders_plain(&spans[n].next, 8);
    orders_plain(&spans[n].prev, 8);
    orders_plain(blocks[n], sizeof blocks[n][0]);
    orders_plain(&blocks[n][1], sizeof blocks[n][0]);
    orders_plain(&blocks[n][2], sizeof blocks[n][0]);
  }
}

static uint64_t starts, executions;

static int run_start(void) {
  struct orders_test test = {.n_threads = 3,
                             .reset = reset,
                             .thread = {holder, freer_0, freer_1},
                             .final = final_check,
                             .on_write = check_transition};
  if (start.act == RESTS_TWICE) { /* the search with three threads would take minutes */
    test.n_threads = 2;
    test.thread[1] = freer_of_both;
  }
  uint64_t before = executions;
  declare();
  starts++;
  bool ok = orders_explore(&test, &executions);
  if (!ok)
    printf("start: the holder %s, %d spans, blocks freed: %d of span %d, %d of span %d\nFAILED %s\n", act_names[start.act],
           start.n_spans, (int)start.frees[0].slot, start.frees[0].span, (int)start.frees[1].slot, start.frees[1].span,
           orders_failed());
  else
    printf("%-12s %d spans: %llu executions\n", act_names[start.act], start.n_spans,
           (unsigned long long)(executions - before));
  return ok ? 0 : 1;
}

int main(void) {
  start.frees[1].slot = 1;
  for (start.act = RESTS; start.act < N_ACTS; start.act++) {
    start.n_spans = start.act == DRAINS ? 2 : 1;
    start.frees[1].span = start.n_spans - 1;
    if (run_start() != 0) return 1;
  }
  printf("reached end %llu\n", (unsigned long long)executions);
  printf("reached rests %llu\n", (unsigned long long)seen.rested);
  printf("reached reclaims %llu\n", (unsigned long long)seen.reclaimed);
  printf("reached wakes %llu\n", (unsigned long long)seen.woken);
  printf("reached drains %llu\n", (unsigned long long)seen.drained);
  printf("reached two-in-one-inbox %llu\n", (unsigned long long)seen.two_at_once);
  printf("reached folds %llu\n", (unsigned long long)seen.folded);
  printf("OK starts=%llu executions=%llu\n", (unsigned long long)starts, (unsigned long long)executions);
  return 0;
}
