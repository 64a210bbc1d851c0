/* SPDX-License-Identifier: Apache-2.0
 *
 * Compiled code under the weak orders of C11: see orders.h. Also the functions by which code compiled with
 * -fsanitize=thread announces its plain accesses. This file itself is compiled without.
 *
 * Up: harnesses. Down: relacy.
 */
#include <relacy/relacy.hpp>

#include <cstdio>
#include <cstdlib>
#include <ostream>
#include <streambuf>

#include "orders.h"

namespace {

/* More executions than any test here has: reaching it is a failure, never a silent cut. */
const rl::iteration_t LIMIT = 50000000;

struct region {
  const char *addr;
  size_t size;
};

/* Keeps what fits into a fixed buffer: relacy has operators new and delete of its own, which streams that grow while an
 * execution is under way do not survive. */
class kept_text : public std::streambuf {
public:
  kept_text() { setp(text_, text_ + sizeof text_ - 1); }
  const char *text() {
    *pptr() = 0;
    return text_;
  }

private:
  int_type overflow(int_type c) override { return traits_type::not_eof(c); }
  char text_[1 << 16];
};

const orders_test *test;
const void *words[ORDERS_MAX_WORDS];
region quiet[ORDERS_MAX_QUIET];
region regions[ORDERS_MAX_REGIONS];
const void *locks[ORDERS_MAX_LOCKS];
int n_words, n_quiet, n_regions, n_locks;
const char *failed = "";
bool in_threads; /* an execution is under way: accesses count */

/* What a declared word or region is to relacy, in the execution under way. */
rl::atomic<uint64_t> *cells;
rl::var<uint32_t> *vars;
rl::mutex *mutexes;

[[noreturn]] void misuse(const char *what) {
  std::printf("FAILED misuse: %s\n", what);
  std::fflush(stdout);
  std::_Exit(3);
}

int word_of(const void *p) {
  for (int i = 0; i < n_words; i++)
    if (words[i] == p) return i;
  return -1;
}

bool lies_in(const void *p, size_t size, const region &r) {
  const char *from = static_cast<const char *>(p);
  return from + size > r.addr && r.addr + r.size > from;
}

/* Touches every region that the bytes at p lie in. Whether there was one. */
bool touch(const void *p, size_t size, bool write) {
  bool found = false;
  for (int i = 0; i < n_regions; i++) {
    if (!lies_in(p, size, regions[i])) continue;
    found = true;
    if (write)
      vars[i]($) = 1u;
    else
      (void)static_cast<uint32_t>(vars[i]($));
  }
  return found;
}

/* The cell of a shared word; NULL if the access has been dealt with as a plain one. */
rl::atomic<uint64_t> *cell_of(const void *p, bool write) {
  if (!in_threads) return nullptr;
  int word = word_of(p);
  if (word >= 0) return &cells[word];
  bool known = touch(p, sizeof(uint64_t), write) || !write;
  for (int i = 0; i < n_quiet && !known; i++) known = lies_in(p, sizeof(uint64_t), quiet[i]);
  if (!known) misuse("atomic write to a word that is not declared");
  return nullptr;
}

rl::memory_order order_of(enum orders_order order) {
  switch (order) {
  case ORDERS_RELAXED: return rl::mo_relaxed;
  case ORDERS_ACQUIRE: return rl::mo_acquire;
  case ORDERS_RELEASE: return rl::mo_release;
  case ORDERS_ACQ_REL: return rl::mo_acq_rel;
  default: return rl::mo_seq_cst;
  }
}

/* The mutex of a declared lock. */
rl::mutex &mutex_of(const void *lock) {
  for (int i = 0; i < n_locks; i++)
    if (locks[i] == lock) return mutexes[i];
  misuse("lock that is not declared");
}

/* A step of the running thread: while it lasts, and between two of them, others may run. */
class step {
public:
  step() : thread_(rl::thread_index()) {}
  void wrote(void *p, uint64_t old, uint64_t v) {
    memory(p) = v;
    resume();
    if (test->on_write) test->on_write(p, old, v);
  }
  ~step() { resume(); }
  static uint64_t &memory(void *p) { return *static_cast<uint64_t *>(p); }

private:
  void resume() const {
    if (test->on_resume) test->on_resume(static_cast<int>(thread_));
  }
  unsigned thread_;
};

template <int N> struct suite : rl::test_suite<suite<N>, N> {
  rl::atomic<uint64_t> cell[ORDERS_MAX_WORDS];
  rl::var<uint32_t> var[ORDERS_MAX_REGIONS];
  rl::mutex mutex[ORDERS_MAX_LOCKS];

  void before() {
    in_threads = false;
    test->reset();
    cells = cell;
    vars = var;
    mutexes = mutex;
    for (int i = 0; i < n_words; i++)
      cell[i].store(*static_cast<const uint64_t *>(words[i]), rl::mo_relaxed, $);
    for (int i = 0; i < n_regions; i++) var[i]($) = 0u;
    in_threads = true;
  }
  void thread(unsigned index) {
    if (test->on_resume) test->on_resume(static_cast<int>(index));
    test->thread[index]();
  }
  void after() {
    in_threads = false;
    test->final();
  }
};

template <int N> bool explore(rl::test_params &params) { return rl::simulate<suite<N>>(params); }

} // namespace

extern "C" {

void orders_forget(void) { n_words = n_quiet = n_regions = n_locks = 0; }

void orders_shared(const void *word) {
  if (n_words == ORDERS_MAX_WORDS) misuse("too many shared words");
  words[n_words++] = word;
}

void orders_quiet(const void *addr, size_t size) {
  if (n_quiet == ORDERS_MAX_QUIET) misuse("too many quiet regions");
  quiet[n_quiet++] = {static_cast<const char *>(addr), size};
}

void orders_plain(const void *addr, size_t size) {
  if (n_regions == ORDERS_MAX_REGIONS) misuse("too many plain regions");
  regions[n_regions++] = {static_cast<const char *>(addr), size};
}

void orders_lockable(const void *lock) {
  if (n_locks == ORDERS_MAX_LOCKS) misuse("too many locks");
  locks[n_locks++] = lock;
}

bool orders_explore(const struct orders_test *t, uint64_t *executions) {
  static kept_text kept, dropped;
  static std::ostream history(&kept), progress(&dropped);
  rl::test_params params;
  params.search_type =
      t->preemptions == ORDERS_ANY ? rl::fair_full_search_scheduler_type : rl::fair_context_bound_scheduler_type;
  params.context_bound = t->preemptions;
  params.iteration_count = LIMIT;
  params.output_stream = &history;
  params.progress_stream = &progress;
  test = t;
  failed = "";
  bool ok = t->n_threads == 2 ? explore<2>(params) : explore<3>(params);
  in_threads = false;
  *executions += params.stop_iteration;
  if (params.stop_iteration >= LIMIT) misuse("more executions than the limit: the search is not complete");
  if (ok) return true;
  if (params.test_result == rl::test_result_data_race)
    failed = "data-race";
  else if (params.test_result != rl::test_result_user_assert_failed)
    failed = rl::test_result_str(params.test_result);
  std::fputs(kept.text(), stdout);
  return false;
}

void orders_fail(const char *property) {
  failed = property;
  rl::ctx().fail_test(property, rl::test_result_user_assert_failed, $);
}

const char *orders_failed(void) { return failed; }

void orders_touch(const void *addr, size_t size, bool write) {
  if (in_threads) (void)touch(addr, size, write);
}

void orders_lock(const void *lock) {
  if (!in_threads) return;
  step now;
  mutex_of(lock).lock($);
}

void orders_unlock(const void *lock) {
  if (!in_threads) return;
  step now;
  mutex_of(lock).unlock($);
}

void orders_yield(void) {
  if (!in_threads) return;
  step now;
  rl::yield(1, $);
}

uint64_t orders_load(const void *p, enum orders_order order) {
  rl::atomic<uint64_t> *cell = cell_of(p, false);
  if (!cell) return *static_cast<const uint64_t *>(p);
  step now;
  return cell->load(order_of(order), $);
}

void orders_store(void *p, uint64_t v, enum orders_order order) {
  rl::atomic<uint64_t> *cell = cell_of(p, true);
  if (!cell) {
    step::memory(p) = v;
    return;
  }
  step now;
  cell->store(v, order_of(order), $);
  now.wrote(p, step::memory(p), v);
}

uint64_t orders_exchange(void *p, uint64_t v, enum orders_order order) {
  rl::atomic<uint64_t> *cell = cell_of(p, true);
  uint64_t old = step::memory(p);
  if (!cell) {
    step::memory(p) = v;
    return old;
  }
  step now;
  old = cell->exchange(v, order_of(order), $);
  now.wrote(p, old, v);
  return old;
}

uint64_t orders_fetch_or(void *p, uint64_t v, enum orders_order order) {
  rl::atomic<uint64_t> *cell = cell_of(p, true);
  uint64_t old = step::memory(p);
  if (!cell) {
    step::memory(p) = old | v;
    return old;
  }
  step now;
  old = cell->fetch_or(v, order_of(order), $);
  now.wrote(p, old, old | v);
  return old;
}

bool orders_cas(void *p, uint64_t expected, uint64_t desired, enum orders_order order) {
  rl::atomic<uint64_t> *cell = cell_of(p, true);
  if (!cell) {
    if (step::memory(p) != expected) return false;
    step::memory(p) = desired;
    return true;
  }
  step now;
  uint64_t old = expected;
  if (!cell->compare_exchange_strong(old, desired, order_of(order), $)) return false;
  now.wrote(p, expected, desired);
  return true;
}

/* --- the compiler's interface for announced accesses: names and types are fixed --- */

#define ACCESS(size)                                                                               \
  void __tsan_read##size(void *addr) { orders_touch(addr, size, false); }                          \
  void __tsan_unaligned_read##size(void *addr) { orders_touch(addr, size, false); }                \
  void __tsan_write##size(void *addr) { orders_touch(addr, size, true); }                          \
  void __tsan_unaligned_write##size(void *addr) { orders_touch(addr, size, true); }

ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)

void __tsan_read_range(void *addr, size_t size) { orders_touch(addr, size, false); }
void __tsan_write_range(void *addr, size_t size) { orders_touch(addr, size, true); }
void __tsan_func_entry(void *) {}
void __tsan_func_exit(void) {}
void __tsan_init(void) {}

/* The compiler's builtins, where the code does without atomic.h: only for words that do not change here. */
uint32_t __tsan_atomic32_load(const volatile uint32_t *p, int) { return *p; }
void __tsan_atomic32_store(volatile uint32_t *p, uint32_t v, int) {
  if (in_threads) misuse("atomic write to a word that is not declared");
  *p = v;
}
uint64_t __tsan_atomic64_load(const volatile uint64_t *p, int) { return *p; }
void __tsan_atomic64_store(volatile uint64_t *p, uint64_t v, int) {
  if (in_threads) misuse("atomic write to a word that is not declared");
  *p = v;
}
}
