/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads on one small span: the real code of mspan and ownership from a symbolic start, under
 * sequential consistency and x86-TSO. What harness/sched/span_threads enumerates is symbolic here, and
 * stores are delayed as the machine may delay them.
 *
 * CBMC refuses pointers that threads share ("pointer handling for concurrency is unsound"). So the lists
 * are flags here, which one span allows: the owner's loop stands for src/mcache.c (mcache_alloc_slow,
 * mcache_retire, mcache_refill), the inbox is a word, and a freeing thread does what heap_free_remote and
 * mcache_notify in src/alloc.c and src/mcache.c do. The scheduler's harness runs those themselves.
 *
 * Blocks are a ghost, one word a slot. Each shared access stands in a statement of its own, and each
 * store in an atomic section of its own (atomic_cbmc.h says why).
 */
#include <stdint.h>

static void on_update(const uint64_t *p, uint64_t old, uint64_t new_value);
static void on_store(const uint64_t *p, uint64_t new_value);
#define VS_CBMC_ON_UPDATE(p, old, new_value) on_update((p), (old), (new_value))
#define VS_CBMC_ON_STORE(p, new_value) on_store((p), (new_value))

#include "mspan.h"
#include "ownership.h"
#include "check.h"

enum { SLOTS = 3, HOME = 1 };

static struct mspan span;
static uint64_t inbox; /* 1: the span is in it */
static __CPROVER_thread_local bool active,
    queued; /* the span's place in its home, which only the owner looks at */
static uint32_t live[SLOTS];
static bool done[3];
static uint32_t given[2]; /* the slots that threads 1 and 2 free; SLOTS for none */
static __CPROVER_thread_local uint32_t self;

/* harness.json moves the fields of a span that only its holder touches here: shared variables cost CBMC
 * the most. That nobody else touches them is what the scheduler's race detector shows. */
__CPROVER_thread_local struct span_private span_private;

/* The table of spec/protocol.md for a span that never leaves its home: M1 and M4 are stores, of which the
 * old value is not looked at (atomic_cbmc.h says why), M2 and M3 are updates. */
static void on_store(const uint64_t *p, uint64_t new_value) {
  if (p == &span.ctl) {
    CHECK(self == 0 &&
              (new_value == spanctl_resting_full(HOME) || new_value == spanctl_owned(HOME)),
          "legal-transition");
  }
}
static void on_update(const uint64_t *p, uint64_t old, uint64_t new_value) {
  if (p == &span.ctl) {
    CHECK(old == spanctl_resting_full(HOME) &&
              new_value == (self == 0 ? spanctl_owned(HOME) : spanctl_unswept(HOME)),
          "legal-transition");
  }
}

static void fold(void) {
  uint32_t bad = mspan_fold(&span);
  CHECK(bad == SLOTS, "false-report");
}

static void got(uint32_t slot) {
  __CPROVER_atomic_begin();
  CHECK(slot < SLOTS && live[slot] == 0, "handed-out-once");
  live[slot] = 1;
  __CPROVER_atomic_end();
}

/* mcache_drain_inbox */
static void drain(void) {
  if (vs_load_acquire_u64(&inbox) != 0 && vs_exchange_u64(&inbox, 0) != 0) {
    ownership_accept(&span, HOME);
    queued = true;
  }
}

/* mcache_alloc_slow, for a page heap that has nothing to give: a slot, or SLOTS */
static uint32_t allocate(void) {
  for (;;) {
    if (active) {
      uint32_t slot = mspan_next_free(&span);
      if (slot < SLOTS) {
        return slot;
      }
      active = false;
      fold();
      if (mspan_freed(&span) == 0 && ownership_rest(&span, HOME)) {
        continue;
      }
      fold();
      mspan_sweep(&span);
      active = true;
    } else {
      drain();
      if (!queued) {
        return SLOTS;
      }
      queued = false;
      fold();
      if (mspan_freed(&span) != 0) {
        mspan_sweep(&span);
      }
      active = true;
    }
  }
}

static void owner(void) {
  self = 0;
  for (int i = 0; i < ALLOCATIONS; i++) {
    uint32_t slot = allocate();
    if (slot < SLOTS) {
      got(slot);
    }
  }
  VS_CBMC_FULL_FENCE();
  __CPROVER_atomic_begin();
  done[0] = true;
  __CPROVER_atomic_end();
}

/* home: not a local variable, the end of whose life would be a write to a shared pointer of CBMC's own */
static void free_slot(uint32_t slot, uint32_t *home) {
  __CPROVER_atomic_begin();
  live[slot] = 0;
  __CPROVER_atomic_end();
  uint64_t marks = vs_load_relaxed_u64(&span.mark_bits[0]);
  bool marked = bits_test(marks, slot);
  bool first = marked && ownership_free(&span, slot);
  CHECK(first, "false-report");
  if (ownership_wake(&span, home)) {
    CHECK(*home == HOME, "one-home");
    uint64_t was_in = vs_exchange_u64(&inbox, 1);
    CHECK(was_in == 0, "in-one-place");
  }
}

static uint32_t homes[2];

static void freer(uint32_t thread, uint32_t *home) {
  self = thread;
  uint32_t slot = given[thread - 1];
  if (slot < SLOTS) {
    free_slot(slot, home);
  }
  VS_CBMC_FULL_FENCE();
  __CPROVER_atomic_begin();
  done[thread] = true;
  __CPROVER_atomic_end();
}

int main(void) {
  span_private.nelems = SLOTS;
  span_private.alloc_bits[0] = VS_WORD_ONES;
  uint64_t cached = nondet_u64(), freed = nondet_u64(), remote = nondet_u64();
  ASSUME((cached | freed | remote) < 8 && (cached & freed) == 0 && (cached & remote) == 0 &&
         (freed & remote) == 0);
  span_private.alloc_cache = cached;
  span.mark_bits[0] = 7 & ~(freed | cached);
  span.remote_bits[0] = remote;
  span_private.nkept = SLOTS - (uint32_t)((freed & 1) + (freed >> 1 & 1) + (freed >> 2 & 1));
  uint32_t place =
      PLACE; /* one run for each: with a symbolic one the solver takes many times longer */
  if (place == 0) {
    active = true;
    span.ctl = spanctl_owned(HOME);
  } else if (place == 1) {
    queued = true;
    span.ctl = spanctl_owned(HOME);
  } else if (place == 2) {
    ASSUME(cached == 0 && freed == 0 && remote == 0);
    span.ctl = spanctl_resting_full(HOME);
  } else {
    ASSUME(cached == 0 && freed == 0 && remote != 0);
    inbox = 1;
    span.ctl = spanctl_unswept(HOME);
  }
  for (uint32_t i = 0; i < SLOTS; i++) {
    live[i] = ((cached | freed | remote) >> i & 1) == 0;
  }
  given[0] = nondet_u32();
  given[1] = nondet_u32();
  ASSUME(given[0] <= SLOTS && given[1] <= SLOTS);
  ASSUME(given[0] == SLOTS || live[given[0]] == 1);
  ASSUME(given[1] == SLOTS || live[given[1]] == 1);
  ASSUME(given[0] == SLOTS || given[0] != given[1]);

__CPROVER_ASYNC_1:
  freer(1, &homes[0]);
#if FREERS > 1
__CPROVER_ASYNC_2:
  freer(2, &homes[1]);
#else
  given[1] = SLOTS;
  done[2] = true;
#endif
  owner();
  ASSUME(done[0] && done[1] && done[2]);
  VS_CBMC_FULL_FENCE();

  uint64_t ctl = span.ctl;
  bool in_inbox = inbox != 0;
  CHECK(in_inbox == (ctl == spanctl_unswept(HOME)), "in-one-place");
  CHECK((active || queued) == (ctl == spanctl_owned(HOME)), "in-one-place");
  CHECK(!(active && queued), "in-one-place");
  CHECK(ctl != spanctl_resting_full(HOME) || span.remote_bits[0] == 0, "lost-wake-up");
  for (uint32_t i = 0; i < SLOTS; i++) {
    bool kept = (span.mark_bits[0] & ~span.remote_bits[0]) >> i & 1;
    CHECK(kept || live[i] == 0, "live-slot-recyclable");
    CHECK(!kept || live[i] == 1, "freed-slot-lost");
  }
  REACHED_IF(in_inbox, "end in the inbox");
  REACHED_IF(ctl == spanctl_resting_full(HOME), "end at rest");
  REACHED_IF(place == 2 && active && given[0] < SLOTS, "woken and drained");
  REACHED("end");
  return 0;
}
