/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads on a collected heap: the real code of cycle, mcache, mcentral, mheap and the layers below under the weak
 * orders of C11. harness/sched/cycle_threads runs more starts of cycle and mcentral under sequential consistency.
 *
 *   sweeping  after a turn, threads sweep, allocate, and finish the sweep: who is told that it is finished then reads
 *             what the others swept. The fields of a span are plain here, its mark and remote words too: a span that
 *             changes hands without order is a data race
 *   marking   threads mark one object and allocate; then one that has seen the others stop turns and sweeps
 *   looking   while objects are marked, a thread looks up an address in no span, whose pages become one: of pages that
 *             were free, of a dead span of another heap, of an mcache, or as a large object. It finds no object, or one
 *             that is all that it should be
 *
 * Only the operating system is replaced, which has no more memory to give, and scavenge with reclaim. Locks are relacy's.
 * Words that a start is not about are quiet.
 */
#include <string.h>

#include "arena.h"
#include "mcache.h"
#include "orders.h"
#include "orders_pthread.h"
#include "../../no_address_space.h"

enum { SLOTS = 3, SPANS = 4, N_MCACHES = 3 };
#define GHOST __attribute__((no_sanitize_thread))
#define CHECK ORDERS_CHECK
#define TOUCH(addr, size) orders_touch(addr, size, true)
static struct heap_arena arena;
static struct mcache mcaches[N_MCACHES];
#include "../../collected_heap.h"

enum { SPAN_PAGES = 13, PAGES = SPANS * SPAN_PAGES, FIRST = VS_LEVEL2_PAGES };
#define OTHER 2u /* number of the other heap */

/* The order in which a thread says that it has stopped, which is the embedder's to give. */
#ifndef STOP
#define STOP ORDERS_RELEASE
#endif

static struct page_block page_block;
static struct vs_heap other;
static struct mcache *holds[N_MCACHES];
static uint64_t mailbox; /* an object, or that an mcache is given up */
static uint64_t stopped[N_MCACHES];
static int self; /* the running thread */
static struct {
  uint64_t handed_over, looked_none, looked_small, looked_large, reused, adopted, turned, finished;
} more;

/* In the last three a page is looked up that becomes one of a span: a free one, of a dead span, of an mcache. */
static enum phase { SWEEPING, MARKING, OF_FREE_PAGES, OF_DEAD_SPAN, OF_CACHE } phase;
static struct { uint64_t page; struct mspan *span; } looked; /* that page, from the heap's first; its span to be */
static GHOST bool looks_up(void) { return phase >= OF_FREE_PAGES; }

/* --- the layers below ------------------------------------------------------------------------------------------ */

static int metadata_used;

void *os_metadata(size_t size) {
  if (size == sizeof page_block) return &page_block;
  return size == sizeof *mcaches && metadata_used < N_MCACHES ? &mcaches[metadata_used++] : NULL;
}
static _Noreturn void unexpected(void) {
  orders_fail("unexpected-call");
  abort();
}
int os_prepare(uintptr_t addr, size_t size) {
  (void)addr;
  (void)size;
  unexpected();
}
int os_move(uintptr_t from, uintptr_t to, size_t size) {
  (void)from;
  (void)to;
  (void)size;
  unexpected();
}
int os_release(uintptr_t addr, size_t size) {
  (void)addr;
  (void)size;
  unexpected();
}
void os_unreserve(uintptr_t addr, size_t size) {
  (void)addr;
  (void)size;
}
_Noreturn void os_fatal(const char *function, const char *what, uintptr_t addr) {
  (void)function;
  (void)what;
  (void)addr;
  unexpected();
}
void reclaim_note(struct reclaim *r, uint64_t used, uint64_t dirty) {
  (void)r;
  (void)used;
  (void)dirty;
}
void reclaim_note_taken(struct reclaim *r, uint64_t clean, uint64_t used, uint64_t dirty) {
  (void)clean;
  reclaim_note(r, used, dirty);
}
void scavenge_assist(void) {}
uint64_t scavenge_trim(void) { unexpected(); }

static GHOST void make_fresh(struct mspan *s) { mspan_init(s, s->base, SPANCLASS, true); }
static GHOST int times_spare(const struct mspan *s) {
  int found = s >= &spans[arena.nspans];
  for (uint32_t i = 0; i < arena.nfree; i++) found += arena.free[i] == s;
  return found;
}

/* --- the threads ----------------------------------------------------------------------------------------------- */

/* Finishes the sweep, and reads a field of every span that nobody but its sweeper has written. */
static GHOST void finish(void) {
  cycle_finish_sweep(&heap);
  for (int n = 0; n < start.n_spans; n++) {
    CHECK(is_swept(spans[n].ctl), "finished-too-early");
    orders_touch(&spans[n].nkept, sizeof spans[n].nkept, false);
  }
  CHECK(sweep_done(&heap.tickets) && !sweep_begin(&heap.tickets), "flaps");
  more.finished++;
}

/* Looks up an address in pages that are no span of the heap yet. An object there is all that it should be. */
static GHOST void look(void) {
  struct vs_object object;
  uintptr_t page = (uintptr_t)(FIRST + looked.page) * VS_PAGE_SIZE;
  if (!cycle_object(&heap, page + 5, &object)) {
    more.looked_none++;
    return;
  }
  bool small = object.size == vs_class_size[SIZE_CLASS];
  CHECK((uintptr_t)object.base == page && object.noscan, "whole-object");
  CHECK(small || object.size == SPAN_PAGES * VS_PAGE_SIZE, "whole-object");
  more.looked_small += small;
  more.looked_large += !small;
}

static GHOST void allocate_large(void) {
  bool zeroed = false;
  (void)cycle_alloc_slow(&heap, SPAN_PAGES * VS_PAGE_SIZE, true, &zeroed);
}

static GHOST void hand_over(void) { vs_store_release_u64(&mailbox, allocate()); }

/* Marks the object that was handed over, if it was: it was born reached. */
static GHOST void mark_handed_over(void) {
  struct vs_object object;
  uintptr_t p = vs_load_acquire_u64(&mailbox);
  if (p == 0) return;
  CHECK(cycle_object(&heap, p, &object) && (uintptr_t)object.base == p, "object-lost");
  CHECK(!cycle_mark(&heap, p, NULL), "first-twice");
  more.handed_over++;
}

/* What parking and adoption do to an mcache, without the lock of the list. */
static GHOST void park(void) {
  holds[self] = NULL;
  vs_store_release_u64(&mailbox, 1);
}
static GHOST bool adopt(int from) {
  if (vs_load_acquire_u64(&mailbox) == 0) return false;
  vs_tls_further[NUMBER] = holds[self] = &mcaches[from];
  more.adopted++;
  return true;
}

/* The turn, by a thread that has seen the others stop; then it sweeps. */
static GHOST void turn_if_stopped(void) {
  for (int t = 0; t < self; t++)
    if (vs_load_acquire_u64(&stopped[t]) == 0) return;
  turn();
  start.marking = false;
  cycle_finish_sweep(&heap);
  more.turned++;
}

/* A step: A allocates, L a large object, H to hand it over; M marks the first object held, K the one handed over;
 * S sweeps a span, O one of the other heap, F finishes the sweep; G looks up; P parks, Q adopts the mcache of thread 0
 * or ends; X stops, T turns. */
static GHOST void run(const char *script) {
  for (const char *step = script; *step != 0; step++) {
    switch (*step) {
    case 'A': (void)allocate(); break;
    case 'L': allocate_large(); break;
    case 'H': hand_over(); break;
    case 'M': mark_first(); break;
    case 'K': mark_handed_over(); break;
    case 'S': (void)cycle_sweep_step(&heap); break;
    case 'O': (void)cycle_sweep_step(&other); break;
    case 'F': finish(); break;
    case 'G': look(); break;
    case 'P': park(); break;
    case 'Q':
      if (!adopt(0)) return;
      break;
    case 'X': orders_store(&stopped[self], 1, STOP); break;
    default: turn_if_stopped();
    }
  }
}
static GHOST void thread_0(void) { run(start.script[0]); }
static GHOST void thread_1(void) { run(start.script[1]); }
static GHOST void thread_2(void) { run(start.script[2]); }

static GHOST void go_on(int thread) {
  self = thread;
  vs_tls_further[NUMBER] = holds[thread];
}

/* --- checks ---------------------------------------------------------------------------------------------------- */

/* T7 and what the other heap does to its span. */
static GHOST bool is_step_of_others(uint64_t old, uint64_t new_value) {
  uint64_t sweeping = spanctl_at(other.sweepgen, VS_D_SWEEPING, other.owner, false);
  bool takes = old == spanctl_at(other.sweepgen, VS_D_UNSWEPT, other.owner, true) && new_value == sweeping;
  bool ends = old == sweeping && new_value == 0;
  bool begins_large = old == 0 && new_value == spanctl_large();
  bool gives_large = old == spanctl_large() && new_value == word(VS_D_SWEPT, true);
  more.reused += ends;
  return takes || ends || begins_large || gives_large;
}

static GHOST void check_write(const void *addr, uint64_t old, uint64_t new_value) {
  if (addr == &heap.tickets && new_value != 0) check_tickets(new_value);
  for (int n = 0; n < SPANS; n++)
    if (addr == &spans[n].ctl && !(looks_up() && is_step_of_others(old, new_value))) check_step(n, old, new_value);
}

static GHOST void final_check(void) {
  go_on(0);
  if (looks_up()) return;
  if (start.marking) end_marking();
  start.marking = phase == MARKING;
  check_swept();
  for (int n = 0; n < SPANS; n++)
    for (uint32_t slot = 0; slot < SLOTS && spans[n].ctl != 0; slot++)
      CHECK(held[n][slot] || !bits_test(spans[n].mark_bits[0], slot), "slot-lost");
}

/* --- the state before each execution --------------------------------------------------------------------------- */

/* All that an execution changes. It is put together once for a start, and then copied back. */
#define PARTS_OF_HEAP(h) \
  {&(h), offsetof(struct vs_heap, central)}, {&(h).central[1], sizeof(h).central[1]}, \
      {&(h).central[SPANCLASS], sizeof(h).central[SPANCLASS]}
#define PARTS_OF_MCACHE(c) {&(c).alloc[SPANCLASS], sizeof(c).alloc[SPANCLASS]}, {&(c).pages, sizeof(c).pages}
static const struct part { void *addr; size_t size; } parts[] = {
    PARTS_OF_HEAP(heap),
    PARTS_OF_HEAP(other),
    PARTS_OF_MCACHE(mcaches[0]),
    PARTS_OF_MCACHE(mcaches[1]),
    PARTS_OF_MCACHE(mcaches[2]),
    {spans, SPANS * sizeof spans[0]},
    {arena.head, PAGES * sizeof arena.head[0]},
    {arena.free, SPANS * sizeof arena.free[0]},
    {&arena.nfree, sizeof arena.nfree + sizeof arena.nspans},
    {&page_block, offsetof(struct page_block, chunk) + sizeof page_block.chunk[0]},
    {&vs_heap.pages.used, sizeof vs_heap - offsetof(struct mheap, pages.used)},
    {&vs_pages.level0[FIRST / VS_LEVEL0_PAGES], 8},
    {&vs_pages.level1[FIRST / VS_LEVEL1_PAGES], 8},
    {&vs_pages.level2[FIRST / VS_LEVEL2_PAGES], 8},
    {&vs_pages.search, sizeof vs_pages.search},
    {held, sizeof held},
    {marked, sizeof marked},
    {sweeps, sizeof sweeps},
    {&finished, sizeof finished},
    {holds, sizeof holds},
    {&mailbox, sizeof mailbox},
    {stopped, sizeof stopped},
};
enum { N_PARTS = sizeof parts / sizeof parts[0] };
struct copy { char *of[N_PARTS]; };
static struct copy kept, empty;

static GHOST void keep(struct copy *to) {
  for (int i = 0; i < N_PARTS; i++) {
    if (!to->of[i]) to->of[i] = malloc(parts[i].size);
    memcpy(to->of[i], parts[i].addr, parts[i].size);
  }
}
static GHOST void put_back(const struct copy *from) {
  for (int i = 0; i < N_PARTS; i++) memcpy(parts[i].addr, from->of[i], parts[i].size);
}
static GHOST void reset(void) { put_back(&kept); }

/* A dead span of the other heap, which its sweep gives back, behind the spans of the start. */
static void put_other_span(void) {
  uint64_t owned = spanctl_at(other.sweepgen, VS_D_OWNED, other.owner, false);
  struct mspan *s = mheap_alloc(SPANCLASS, owned, &mcaches[0].pages);
  s->mark_bits[0] = 1;
  s->alloc_cache = 0;
  s->ctl = spanctl_at(other.sweepgen, VS_D_UNSWEPT, other.owner, true);
  other.central[SPANCLASS].full[heap_unswept_set(&other)] = s;
  other.tickets = 0;
  other.sweep_cursor = 2 * SPANCLASS;
}

/* A full active span of thread 0, and behind it pages in its cache, as in a large heap. */
static void put_cached_pages(void) {
  vs_heap.pages.used = 1 << 20;
  for (int i = 0; i < SLOTS; i++)
    if (allocate() == 0) abort();
  looked.page = 2 * SPAN_PAGES;
  if (mcaches[0].pages.nspare == 0) abort();
  looked.span = mcaches[0].pages.spare[mcaches[0].pages.nspare - 1];
}

static void put_start(void) {
  put_back(&empty);
  for (int n = 0; n < start.n_spans; n++)
    if (mheap_alloc(SPANCLASS, word(VS_D_OWNED, false), &mcaches[0].pages) != &spans[n]) abort();
  put_heap();
  if (phase == OF_DEAD_SPAN) put_other_span();
  put_phase();
  for (int t = 0; t < N_MCACHES; t++) holds[t] = &mcaches[t];
  go_on(0);
  looked.page = SPAN_PAGES;
  looked.span = &spans[1];
  if (phase == OF_CACHE) put_cached_pages();
  keep(&kept);
}

static void declare_span(const struct mspan *s) {
  orders_shared(&s->ctl);
  if (phase == SWEEPING) {
    orders_plain(&s->mark_bits[0], 8);
    orders_plain(&s->remote_bits[0], 8);
  } else {
    orders_shared(&s->mark_bits[0]);
    orders_shared(&s->remote_bits[0]);
  }
  orders_quiet(&s->mark_bits[1], sizeof s->mark_bits - 8);
  orders_quiet(&s->remote_bits[1], sizeof s->remote_bits - 8);
  orders_plain(&s->alloc_cache, 8);
  orders_plain(&s->base, 8);
  orders_plain(&s->elem_size, 2 * sizeof(uint32_t));
  orders_plain(&s->free_index, 4);
  orders_plain(&s->nkept, 4);
  orders_plain(&s->nelems, 2 * sizeof(uint16_t));
  orders_plain(&s->npages, 4);
  orders_plain(&s->alloc_bits[0], 8);
  orders_plain(&s->next, 16);
}

static void declare_heap(struct vs_heap *h) {
  struct mcentral *c = &h->central[SPANCLASS];
  orders_lockable(&c->lock);
  orders_plain(c->partial, sizeof c->partial);
  orders_plain(c->full, sizeof c->full);
  orders_quiet(&h->sweep_cursor, (size_t)((char *)&h->crossed - (char *)&h->sweep_cursor) + 8);
}

static void declare(void) {
  orders_forget();
  if (looks_up()) declare_span(looked.span);
  for (int n = 0; n < start.n_spans && !looks_up(); n++) declare_span(&spans[n]);
  declare_heap(&heap);
  if (phase == SWEEPING) orders_shared(&heap.tickets);
  if (phase == OF_DEAD_SPAN) {
    declare_heap(&other);
    orders_quiet(&other.tickets, 8);
  }
  orders_quiet(&heap.tickets, 8);
  orders_lockable(&vs_heap.lock);
  orders_lockable(looks_up() ? &heap.central[1].lock : &vs_list_lock); /* of large objects; of the turn */
  if (!looks_up()) orders_plain(&heap.marking, sizeof heap.marking);
  orders_plain(&heap.sweepgen, sizeof heap.sweepgen);
  if (looks_up()) orders_shared(&arena.head[looked.page]);
  orders_quiet(arena.head, sizeof arena.head);
  orders_quiet(arena.span, sizeof arena.span);
  orders_quiet(&page_block, sizeof page_block);
  orders_quiet(&vs_pages, sizeof vs_pages);
  orders_quiet(mcaches, sizeof mcaches);
  orders_shared(&mailbox);
  for (int t = 0; t + 1 < N_MCACHES; t++) orders_shared(&stopped[t]);
  for (int n = 0; n < SPANS && !looks_up(); n++) orders_plain(block[n], sizeof block[n][0]);
}

/* --- all starts ------------------------------------------------------------------------------------------------ */

static uint64_t starts, executions;

/* One start: spans by the states of their slots, what the threads do, and how often one may be preempted. */
static const struct {
  enum phase phase;
  const char *spans[2];
  const char *script[N_MCACHES];
  unsigned preemptions;
} all[] = {
    {OF_FREE_PAGES, {"HHH"}, {"A", "G"}, ORDERS_ANY},
    {OF_CACHE, {"HHH"}, {"A", "G"}, ORDERS_ANY},
    {OF_FREE_PAGES, {"HHH"}, {"L", "G"}, ORDERS_ANY},
    {OF_DEAD_SPAN, {"HHH"}, {"OA", "G"}, ORDERS_ANY},
    {OF_DEAD_SPAN, {"HHH"}, {"O", "A", "G"}, 3},
    {OF_FREE_PAGES, {"HHH"}, {"AAAP", "QA", "G"}, 3},
    {MARKING, {"HDF"}, {"M", "M"}, ORDERS_ANY},
    {MARKING, {"HDF"}, {"M", "A"}, ORDERS_ANY},
    {MARKING, {"HDF"}, {"H", "K"}, ORDERS_ANY},
    {MARKING, {"HDF"}, {"M", "M", "A"}, 3},
    {MARKING, {"HDD"}, {"MX", "MX", "T"}, 3},
    {MARKING, {"HDF"}, {"AX", "MX", "T"}, 3},
    {SWEEPING, {"DHH"}, {"S", "S"}, 4},
    {SWEEPING, {"DDD"}, {"S", "A"}, 4},
    {SWEEPING, {"FDH"}, {"A", "A"}, 4},
    {SWEEPING, {"HHH"}, {"S", "F"}, 3},
    {SWEEPING, {"DHH"}, {"S", "A", "F"}, 2},
    {SWEEPING, {"DHH", "DDD"}, {"S", "S", "F"}, 1},
};

static GHOST void run_start(int i) {
  struct orders_test test = {.n_threads = all[i].script[2] ? 3 : 2,
                             .preemptions = all[i].preemptions,
                             .reset = reset,
                             .thread = {thread_0, thread_1, thread_2},
                             .final = final_check,
                             .on_write = check_write,
                             .on_resume = go_on};
  uint64_t before = executions;
  phase = all[i].phase;
  start.marking = phase != SWEEPING;
  start.n_spans = all[i].spans[1] ? 2 : 1;
  for (int n = 0; n < start.n_spans; n++)
    for (int slot = 0; slot < SLOTS; slot++)
      start.slot[n][slot] = (enum slot_state)(strchr("FDH", all[i].spans[n][slot]) - "FDH");
  for (int t = 0; t < N_MCACHES; t++) start.script[t] = all[i].script[t];
  put_start();
  declare();
  starts++;
  bool ok = orders_explore(&test, &executions);
  print_start();
  if (!ok) {
    printf("FAILED %s\n", orders_failed());
    exit(1);
  }
  printf("%llu executions\n", (unsigned long long)(executions - before));
}

/* The heap's pages, all free, and who uses them: once. */
static void set_up(void) {
  vs_arena_map[FIRST / VS_ARENA_PAGES] = &arena;
  arena_set_head(&arena, 0, VS_ARENA_PAGES, &vs_empty_span);
  if (!pagealloc_provide(FIRST, PAGES)) abort();
  pagealloc_grow(FIRST, PAGES);
  set_up_heap();
  other.number = OTHER;
  other.owner = VS_OWNER_HEAP + OTHER;
  other.collected = true;
  vs_heaps[OTHER] = &other;
  keep(&empty);
}

int main(void) {
  set_up();
  for (int i = 0; i < (int)(sizeof all / sizeof all[0]); i++) run_start(i);
  print_seen(executions);
  printf("reached finds-finished %llu\n", (unsigned long long)more.finished);
  printf("reached hands-over %llu\n", (unsigned long long)more.handed_over);
  printf("reached turns %llu\n", (unsigned long long)more.turned);
  printf("reached looks-before %llu\n", (unsigned long long)more.looked_none);
  printf("reached finds-small %llu\n", (unsigned long long)more.looked_small);
  printf("reached finds-large %llu\n", (unsigned long long)more.looked_large);
  printf("reached reuses %llu\n", (unsigned long long)more.reused);
  printf("reached adopts %llu\n", (unsigned long long)more.adopted);
  printf("OK starts=%llu executions=%llu\n", (unsigned long long)starts, (unsigned long long)executions);
  return 0;
}
