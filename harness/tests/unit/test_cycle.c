/* SPDX-License-Identifier: Apache-2.0
 *
 * Collected heaps: what is reached survives with its contents, what is not is reclaimed, over many cycles and past the
 * wrap-around of the sweepgen; spans, pages and sets are accounted for; several heaps at once; threads.
 */
#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "cycle.h"
#include "mcache.h"
#include "mheap.h"
#include "sweep.h"
#include "verispan.h"

static void note(void *context, const char *violation) {
  (void)context;
  fprintf(stderr, "audit: %s\n", violation);
}

static void sound(void) { assert_int_equal(vs_audit(note, NULL), 0); }

static struct vs_heap *collected(void) {
  struct vs_heap *h = vs_heap_create(VS_HEAP_COLLECTED);
  assert_non_null(h);
  return h;
}

static bool is_object(struct vs_heap *h, const void *p) {
  struct vs_object object;
  return vs_heap_object(h, p, &object);
}

/* A whole cycle in which the n objects are reached. */
static void cycle(struct vs_heap *h, void **live, size_t n) {
  vs_heap_begin_mark(h);
  for (size_t i = 0; i < n; i++) vs_heap_mark(h, live[i], NULL);
  vs_heap_end_mark(h, 0);
}

/* --- one object ------------------------------------------------------------------------------------- */

/* After Go's TestGCTestIsReachable: of 16 objects the even ones are kept. */
static void what_is_reached_stays(void **state) {
  (void)state;
  struct vs_heap *h = collected();
  void *p[16], *even[8];
  for (size_t i = 0; i < 16; i++) {
    p[i] = vs_heap_malloc(h, 40, 0);
    memset(p[i], (int)i, 40);
    if (i % 2 == 0) even[i / 2] = p[i];
  }
  cycle(h, even, 8);
  vs_heap_finish_sweep(h);
  for (size_t i = 0; i < 16; i++) {
    assert_int_equal(is_object(h, p[i]), i % 2 == 0);
    assert_true(i % 2 != 0 || ((char *)p[i])[39] == (char)i);
  }
  sound();
  vs_heap_destroy(h);
}

static void only_the_first_reaches_an_object(void **state) {
  (void)state;
  struct vs_heap *h = collected();
  char *small = vs_heap_malloc(h, 100, 0), *large = vs_heap_malloc(h, 100000, 0);
  vs_heap_begin_mark(h);
  struct vs_object o;
  assert_true(vs_heap_mark(h, small + 111, &o));
  assert_true(o.base == small && o.size == 112 && !o.noscan);
  assert_false(vs_heap_mark(h, small, NULL));
  assert_true(vs_heap_mark(h, large + 99999, NULL));
  assert_false(vs_heap_mark(h, large, NULL));
  assert_false(vs_heap_mark(h, small + 112, NULL));
  assert_false(vs_heap_mark(h, &h, NULL));
  assert_false(vs_heap_mark(h, NULL, NULL));
  assert_false(vs_heap_mark(h, (void *)UINTPTR_MAX, NULL));
  vs_heap_end_mark(h, 0);
  vs_heap_destroy(h);
}

static void what_is_allocated_while_marking_stays(void **state) {
  (void)state;
  struct vs_heap *h = collected();
  void *before = vs_heap_malloc(h, 48, 0), *born[200];
  vs_heap_begin_mark(h);
  for (size_t i = 0; i < 200; i++) born[i] = vs_heap_malloc(h, i % 10 == 0 ? 40000 : 48, 0);
  for (size_t i = 0; i < 200; i++) assert_false(vs_heap_mark(h, born[i], NULL));
  vs_heap_end_mark(h, 0);
  vs_heap_finish_sweep(h);
  assert_false(is_object(h, before));
  for (size_t i = 0; i < 200; i++) assert_true(is_object(h, born[i]));
  cycle(h, NULL, 0);
  vs_heap_finish_sweep(h);
  for (size_t i = 0; i < 200; i++) assert_false(is_object(h, born[i]));
  assert_int_equal(h->pages, 0);
  sound();
  vs_heap_destroy(h);
}

static void objects_are_told_from_other_words(void **state) {
  (void)state;
  struct vs_heap *h = collected(), *other = collected();
  char *scan = vs_heap_malloc(h, 1000, 0), *noscan = vs_heap_malloc(h, 1000, VS_NOSCAN);
  char *large = vs_heap_malloc(h, 3 * (size_t)VS_ARENA_SIZE, VS_NOSCAN);
  struct vs_object o;
  assert_true(vs_heap_object(h, scan + 1023, &o));
  assert_true(o.base == scan && o.size == 1024 && !o.noscan);
  assert_true(vs_heap_object(h, noscan + 7, &o));
  assert_true(o.base == noscan && o.size == 1024 && o.noscan);
  for (size_t off = 0; off < 3 * (size_t)VS_ARENA_SIZE; off += VS_ARENA_SIZE / 3) {
    assert_true(vs_heap_object(h, large + off, &o));
    assert_true(o.base == large && o.size == 3 * (size_t)VS_ARENA_SIZE && o.noscan);
  }
  assert_false(vs_heap_object(h, large + 3 * (size_t)VS_ARENA_SIZE, &o) && o.base == large);
  assert_false(is_object(h, scan + 1024)); /* free */
  assert_false(is_object(other, scan));
  assert_false(is_object(h, &o));
  for (uintptr_t word = 1; word != 0; word <<= 1) assert_false(is_object(h, (void *)word));
  vs_heap_destroy(h);
  vs_heap_destroy(other);
}

static void zero_is_zero(void **state) {
  (void)state;
  struct vs_heap *h = collected();
  for (int turn = 0; turn < 3; turn++) {
    for (size_t i = 0; i < 3000; i++) {
      size_t size = i % 100 == 0 ? 50000 : 8 + i % 300;
      unsigned char *p = vs_heap_malloc(h, size, VS_ZERO);
      for (size_t k = 0; k < size; k++) assert_int_equal(p[k], 0);
      memset(p, 0xff, size);
    }
    cycle(h, NULL, 0);
  }
  vs_heap_destroy(h);
}

/* --- pages and spans ---------------------------------------------------------------------------------- */

/* After Go's TestPageAccounting: large objects, and what counts their pages. */
static void pages_are_accounted_for(void **state) {
  (void)state;
  struct vs_heap *h = collected();
  const uint64_t used = vs_heap.pages.used;
  void *p[1024];
  for (size_t i = 0; i < 1024; i++) p[i] = vs_heap_malloc(h, 65536, VS_NOSCAN);
  assert_int_equal(h->pages, 1024 * 8);
  assert_int_equal(vs_heap.pages.used - used, 1024 * 8);
  cycle(h, p, 512);
  assert_int_equal(h->pages, 1024 * 8);
  vs_heap_finish_sweep(h);
  assert_int_equal(h->pages, 512 * 8);
  assert_int_equal(vs_heap.pages.used - used, 512 * 8);
  sound();
  vs_heap_destroy(h);
  assert_int_equal(vs_heap.pages.used, used);
  sound();
}

static void the_sweep_keeps_up_with_allocation(void **state) {
  (void)state;
  struct vs_heap *h = collected();
  for (size_t i = 0; i < 40000; i++) assert_non_null(vs_heap_malloc(h, 512, 0));
  vs_heap_begin_mark(h);
  vs_heap_end_mark(h, 10000000);
  const uint64_t pages = h->pages;
  for (size_t bytes = 0; bytes < 10000000; bytes += 256) assert_non_null(vs_heap_malloc(h, 256, 0));
  assert_true(sweep_done(&h->tickets));
  assert_in_range(h->pages, 1, pages - 1);
  vs_heap_destroy(h);
}

static void dead_spans_serve_before_the_heap_grows(void **state) {
  (void)state;
  struct vs_heap *h = collected();
  for (int turn = 0; turn < 20; turn++) {
    for (size_t i = 0; i < 4000; i++) assert_non_null(vs_heap_malloc(h, 1000 + 400 * (size_t)(turn % 3), 0));
    assert_in_range(h->pages, 400, 2000);
    cycle(h, NULL, 0);
  }
  while (vs_heap_sweep_step(h)) continue;
  assert_int_equal(h->pages, 0);
  assert_false(vs_heap_sweep_step(h));
  vs_heap_destroy(h);
}

/* --- a random graph ------------------------------------------------------------------------------------ */

enum { NODES = 4000, EDGES = 3, ROOTS = 20, CYCLES = 40 };

struct node {
  uint64_t id;
  struct node *edge[EDGES];
  unsigned char filler[];
};

/* What is known of an object besides the heap: where, how long, which, and whom it points to. */
static struct shadow {
  struct node *node;
  size_t size;
  uint64_t id;
  size_t edge[EDGES]; /* index of a shadow, or NODES */
  bool reachable, born; /* since the marking began */
} graph[NODES];
static size_t roots[ROOTS];
static uint64_t seed, ids;

static void node_new(struct vs_heap *h, size_t i) {
  const uint64_t r = unit_random(&seed);
  struct shadow *s = &graph[i];
  s->size = sizeof(struct node) + (r % 50 == 0 ? r / 64 % 100000 : r / 64 % 300);
  s->node = vs_heap_malloc(h, s->size, VS_ZERO);
  assert_non_null(s->node);
  s->id = s->node->id = ++ids;
  s->born = true;
  memset(s->node->filler, (int)s->id, s->size - sizeof(struct node));
  for (size_t e = 0; e < EDGES; e++) {
    const size_t to = unit_random(&seed) % (NODES * 2);
    s->edge[e] = to < NODES && graph[to].node != NULL ? to : NODES;
    s->node->edge[e] = s->edge[e] == NODES ? NULL : graph[to].node;
  }
}

static void node_is_intact(const struct shadow *s) {
  assert_int_equal(s->node->id, s->id);
  for (size_t e = 0; e < EDGES; e++)
    assert_ptr_equal(s->node->edge[e], s->edge[e] == NODES ? NULL : graph[s->edge[e]].node);
  for (size_t k = 0; k < s->size - sizeof(struct node); k++) assert_int_equal(s->node->filler[k], (unsigned char)s->id);
}

/* Marks what a word of the heap leads to: from the heap alone. */
static void trace(struct vs_heap *h, struct node *n) {
  struct node *stack[NODES];
  size_t depth = 0;
  if (n != NULL && vs_heap_mark(h, n, NULL)) stack[depth++] = n;
  while (depth > 0) {
    n = stack[--depth];
    for (size_t e = 0; e < EDGES; e++) {
      struct node *to = n->edge[e];
      if (to != NULL && vs_heap_mark(h, (char *)to + to->id % 24, NULL)) stack[depth++] = to;
    }
  }
}

/* The same in the shadow. */
static void shadow_trace(size_t from) {
  size_t stack[NODES], depth = 0;
  if (from != NODES && !graph[from].reachable) graph[stack[depth++] = from].reachable = true;
  while (depth > 0) {
    const struct shadow *s = &graph[stack[--depth]];
    for (size_t e = 0; e < EDGES; e++)
      if (s->edge[e] != NODES && !graph[s->edge[e]].reachable) graph[stack[depth++] = s->edge[e]].reachable = true;
  }
}

static void graph_cycle(struct vs_heap *h, bool lazily) {
  for (size_t r = 0; r < ROOTS; r++) {
    const size_t to = unit_random(&seed) % NODES;
    roots[r] = graph[to].node != NULL ? to : NODES;
  }
  for (size_t i = 0; i < NODES; i++) graph[i].reachable = graph[i].born = false;
  vs_heap_begin_mark(h);
  for (size_t r = 0; r < ROOTS; r++) {
    trace(h, roots[r] == NODES ? NULL : graph[roots[r]].node);
    for (size_t i = 0; i < NODES && r % 5 == 0; i += NODES / 10)
      if (graph[i + r].node == NULL) node_new(h, i + r);
  }
  for (size_t r = 0; r < ROOTS; r++) shadow_trace(roots[r]);
  vs_heap_end_mark(h, lazily ? 500000 : 0);
  if (!lazily) vs_heap_finish_sweep(h);
  for (size_t i = 0; i < NODES; i++) {
    if (graph[i].node == NULL) continue;
    if (graph[i].reachable || graph[i].born)
      node_is_intact(&graph[i]);
    else if (!lazily)
      assert_false(is_object(h, graph[i].node));
    if (graph[i].reachable || graph[i].born) continue;
    graph[i].node = NULL;
  }
  for (size_t i = 0; i < NODES; i++) /* a node born while marking may point to one that died */
    for (size_t e = 0; e < EDGES && graph[i].node != NULL; e++)
      if (graph[i].edge[e] != NODES && graph[graph[i].edge[e]].node == NULL) {
        graph[i].edge[e] = NODES;
        graph[i].node->edge[e] = NULL;
      }
}

/* Starts the heap's sweepgen a few turns below 2^32. */
static void random_graphs_survive(void **state) {
  (void)state;
  struct vs_heap *h = heap_create(true, UINT32_MAX - 15);
  seed = 3;
  memset(graph, 0, sizeof graph);
  for (size_t turn = 0; turn < CYCLES; turn++) {
    for (size_t i = 0; i < NODES; i++)
      if (graph[i].node == NULL) node_new(h, i);
    graph_cycle(h, turn % 2 == 0);
    sound();
  }
  assert_int_equal(h->sweepgen, (uint32_t)(UINT32_MAX - 15 + 2 * CYCLES));
  for (size_t i = 0; i < NODES; i++)
    if (graph[i].node != NULL) node_is_intact(&graph[i]);
  vs_heap_destroy(h);
  sound();
}

/* --- several heaps --------------------------------------------------------------------------------------- */

static void heaps_do_not_meet(void **state) {
  (void)state;
  enum { N = 12 };
  const uint64_t used = vs_heap.pages.used;
  struct vs_heap *h[N];
  void *p[N][100];
  for (size_t n = 0; n < N; n++) h[n] = vs_heap_create(n % 2 == 0 ? VS_HEAP_COLLECTED : VS_HEAP_MANUAL);
  for (size_t i = 0; i < 100; i++)
    for (size_t n = 0; n < N; n++) memset(p[n][i] = vs_heap_malloc(h[n], 1 + i * 400, 0), (int)n, 1 + i * 400);
  for (size_t n = 0; n < N; n += 2) cycle(h[n], p[n], n * 5);
  for (size_t n = 1; n < N; n += 2)
    for (size_t i = 0; i < n * 5; i++) vs_heap_free(h[n], p[n][i]);
  for (size_t n = 0; n < N; n += 2) vs_heap_finish_sweep(h[n]);
  for (size_t n = 0; n < N; n++) {
    const size_t first = n % 2 == 0 ? 0 : n * 5, end = n % 2 == 0 ? n * 5 : 100;
    for (size_t i = first; i < end; i++)
      for (size_t k = 0; k < 1 + i * 400; k += 100) assert_int_equal(((char *)p[n][i])[k], n);
    for (size_t m = 0; m < N; m += 2)
      assert_int_equal(is_object(h[m], p[n][first]), m == n && end > first);
  }
  sound();
  for (size_t n = 0; n < N; n++) vs_heap_destroy(h[n]);
  assert_int_equal(vs_heap.pages.used, used);
  sound();
}

static void numbers_come_back(void **state) {
  (void)state;
  struct vs_heap *h[VS_MAX_HEAPS];
  for (int round = 0; round < 3; round++) {
    for (size_t n = 1; n < VS_MAX_HEAPS; n++) {
      h[n] = vs_heap_create((n + (size_t)round) % 2 == 0 ? VS_HEAP_COLLECTED : VS_HEAP_MANUAL);
      assert_non_null(h[n]);
      assert_non_null(vs_heap_malloc(h[n], 100 * n, VS_ZERO));
    }
    assert_null(vs_heap_create(VS_HEAP_MANUAL));
    for (size_t n = 1; n < VS_MAX_HEAPS; n++) vs_heap_destroy(h[n]);
  }
  sound();
}

/* A manual heap: frees by the owner and by another thread, refills, large blocks. */
static void *free_every_other(void *arg) {
  void **p = arg;
  for (size_t i = 1; i < 20000; i += 2) vs_heap_free(p[20000], p[i]);
  assert_non_null(vs_heap_malloc(p[20000], 50, 0));
  return NULL;
}

static void manual_heaps_reuse_what_is_freed(void **state) {
  (void)state;
  struct vs_heap *h = vs_heap_create(VS_HEAP_MANUAL);
  static void *p[20001];
  uint64_t pages = 0;
  const uint64_t used = vs_heap.pages.used;
  p[20000] = h;
  for (int round = 0; round < 5; round++) {
    pthread_t t;
    for (size_t i = 0; i < 20000; i++) memset(p[i] = vs_heap_malloc(h, i % 1000 == 0 ? 40000 : 100, 0), 1, 100);
    if (round == 0) pages = vs_heap.pages.used - used;
    assert_int_equal(pthread_create(&t, NULL, free_every_other, p), 0);
    for (size_t i = 0; i < 20000; i += 2) vs_heap_free(h, p[i]);
    assert_int_equal(pthread_join(t, NULL), 0);
    assert_in_range(vs_heap.pages.used - used, 1, pages + pages / 4);
  }
  vs_heap_destroy(h);
  sound();
}

/* --- threads --------------------------------------------------------------------------------------------- */

enum { THREADS = 4, TURNS = 60, LIST = 3000 };

/* Cycle turns under load go on for so many seconds, and for TURNS at least: the long mode sets it. */
static int64_t cycle_seconds(void) {
  const char *text = getenv("CYCLE_SECONDS");
  return text == NULL ? 0 : strtol(text, NULL, 10);
}

/* A world that stops: threads run in steps, and between two steps only the collector does. */
static struct {
  struct vs_heap *heap;
  pthread_barrier_t stop, start;
  bool marking, ended;
  struct node *list[THREADS];
} world;

/* A thread's list: a node's id is its place from the end. While objects are marked it only grows. */
static void list_work(size_t me, uint64_t *random, bool marking) {
  struct node **list = &world.list[me];
  uint64_t length = *list == NULL ? 0 : (*list)->id;
  if (!marking && unit_random(random) % 4 == 0)
    while (*list != NULL && (*list)->id > length / 2) *list = (*list)->edge[0];
  for (size_t i = 0; i < LIST / 10; i++) {
    const size_t size = sizeof(struct node) + unit_random(random) % 200;
    struct node *n = vs_heap_malloc(world.heap, i % 100 == 0 ? 40000 : size, VS_ZERO);
    assert_non_null(n);
    for (size_t e = 0; e < EDGES; e++) assert_null(n->edge[e]);
    (void)vs_heap_malloc(world.heap, size, 0);
    n->id = (*list == NULL ? 0 : (*list)->id) + 1;
    n->edge[0] = *list;
    n->edge[1] = n;
    *list = n;
  }
}

static void list_is_intact(size_t me) {
  for (const struct node *n = world.list[me]; n != NULL; n = n->edge[0]) {
    assert_ptr_equal(n->edge[1], n);
    assert_int_equal(n->id, n->edge[0] == NULL ? 1 : n->edge[0]->id + 1);
  }
}

static void *mutator(void *arg) {
  const size_t me = (size_t)(uintptr_t)arg;
  uint64_t random = me;
  for (;;) {
    pthread_barrier_wait(&world.start);
    if (world.ended) return NULL;
    list_work(me, &random, world.marking);
    list_is_intact(me);
    pthread_barrier_wait(&world.stop);
  }
}

/* Reaches every list from where it began when marking did, beside the threads that make them longer. */
static void mark_lists(struct node *const *from) {
  for (size_t t = 0; t < THREADS; t++)
    for (struct node *n = from[t]; n != NULL && vs_heap_mark(world.heap, n, NULL); n = n->edge[0])
      assert_false(vs_heap_mark(world.heap, n->edge[1], NULL));
  uint64_t random = 17;
  for (size_t i = 0; i < 3000; i++) /* words that are anything: near objects, in pages that come and go */
    (void)is_object(world.heap, (char *)world.list + (int64_t)(unit_random(&random) % 2000000000) - 1000000000);
  for (size_t i = 0; i < 3000; i++)
    (void)is_object(world.heap, (char *)from[0] + (int64_t)(unit_random(&random) % 20000000) - 10000000);
}

static void *background_sweep(void *arg) {
  (void)arg;
  while (vs_heap_sweep_step(world.heap)) continue;
  return NULL;
}

static void threads_allocate_while_others_mark_and_sweep(void **state) {
  (void)state;
  pthread_t t[THREADS], sweeper;
  world.heap = heap_create(true, UINT32_MAX - 41);
  world.ended = false;
  assert_int_equal(pthread_barrier_init(&world.stop, NULL, THREADS + 1), 0);
  assert_int_equal(pthread_barrier_init(&world.start, NULL, THREADS + 1), 0);
  for (size_t i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&t[i], NULL, mutator, (void *)i), 0);
  const time_t end = time(NULL) + cycle_seconds();
  for (size_t turn = 0; turn < TURNS || time(NULL) < end; turn++) {
    struct node *from[THREADS];
    vs_heap_begin_mark(world.heap);
    for (size_t i = 0; i < THREADS; i++) from[i] = world.list[i];
    world.marking = true;
    pthread_barrier_wait(&world.start);
    mark_lists(from);
    pthread_barrier_wait(&world.stop);
    vs_heap_end_mark(world.heap, turn % 3 == 0 ? 0 : 1000000);
    world.marking = false;
    assert_int_equal(pthread_create(&sweeper, NULL, background_sweep, NULL), 0);
    pthread_barrier_wait(&world.start);
    if (turn % 2 == 0) vs_heap_finish_sweep(world.heap);
    pthread_barrier_wait(&world.stop);
    assert_int_equal(pthread_join(sweeper, NULL), 0);
    sound();
  }
  world.ended = true;
  pthread_barrier_wait(&world.start);
  for (size_t i = 0; i < THREADS; i++) assert_int_equal(pthread_join(t[i], NULL), 0);
  vs_heap_destroy(world.heap);
  memset(world.list, 0, sizeof world.list);
  sound();
}

/* The mcache of a thread that exits serves the next one. */
static void *allocate_some(void *h) {
  for (size_t i = 0; i < 100; i++) assert_non_null(vs_heap_malloc(h, 100, 0));
  return NULL;
}

static void exited_threads_leave_their_mcaches(void **state) {
  (void)state;
  struct vs_heap *h = collected(), *manual = vs_heap_create(VS_HEAP_MANUAL);
  uint32_t mcaches = 0;
  for (int i = 0; i < 50; i++) {
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, allocate_some, i % 2 == 0 ? h : manual), 0);
    assert_int_equal(pthread_join(t, NULL), 0);
    if (i == 1) mcaches = mcache_count();
    if (i % 10 == 0) cycle(h, NULL, 0);
  }
  assert_int_equal(mcache_count(), mcaches);
  assert_in_range(h->pages, 1, 10); /* what five threads got since the last cycle */
  vs_heap_destroy(h);
  vs_heap_destroy(manual);
}

/* --- wrong calls ----------------------------------------------------------------------------------------- */

static struct vs_heap *wrong_heap;
static void *wrong_block;

static void mark_outside_a_cycle(void) { (void)vs_heap_mark(wrong_heap, wrong_block, NULL); }
static void free_in_a_collected_heap(void) { vs_heap_free(wrong_heap, wrong_block); }
static void end_without_begin(void) { vs_heap_end_mark(wrong_heap, 0); }
static void begin_twice(void) {
  vs_heap_begin_mark(wrong_heap);
  vs_heap_begin_mark(wrong_heap);
}
static void destroy_while_marking(void) {
  vs_heap_begin_mark(wrong_heap);
  vs_heap_destroy(wrong_heap);
}
static void destroy_twice(void) {
  vs_heap_destroy(wrong_heap);
  vs_heap_destroy(wrong_heap);
}
static void allocate_after_destroy(void) {
  vs_heap_destroy(wrong_heap);
  (void)vs_heap_malloc(wrong_heap, 100, 0);
}
static void mark_in_a_manual_heap(void) { vs_heap_begin_mark(vs_heap_create(VS_HEAP_MANUAL)); }
static void free_in_another_heap(void) { vs_heap_free(vs_heap_create(VS_HEAP_MANUAL), wrong_block); }
static void free_twice(void) {
  struct vs_heap *h = vs_heap_create(VS_HEAP_MANUAL);
  void *p = vs_heap_malloc(h, 100000, 0);
  vs_heap_free(h, p);
  vs_heap_free(h, p);
}

/* What a call prints before it aborts. */
static void must_be_reported(void (*call)(void), const char *line) {
  int out[2], status;
  char said[300];
  assert_int_equal(pipe(out), 0);
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    (void)dup2(out[1], 2);
    signal(SIGABRT, SIG_DFL);
    call();
    _exit(0);
  }
  (void)close(out[1]);
  const ssize_t n = read(out[0], said, sizeof said - 1);
  said[n > 0 ? n : 0] = 0;
  (void)close(out[0]);
  assert_int_equal(waitpid(child, &status, 0), child);
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || strncmp(said, line, strlen(line)) != 0)
    fail_msg("expected \"%s\" and an abort, got \"%s\" and status %d", line, said, status);
}

static void wrong_calls_are_reported(void **state) {
  (void)state;
  wrong_heap = collected();
  wrong_block = vs_heap_malloc(wrong_heap, 100, 0);
  must_be_reported(mark_outside_a_cycle, "verispan: vs_heap_mark: no objects are being marked: 0x");
  must_be_reported(free_in_a_collected_heap, "verispan: vs_heap_free: block of a collected heap: 0x");
  must_be_reported(end_without_begin, "verispan: vs_heap_end_mark: no objects are being marked: 0x");
  must_be_reported(begin_twice, "verispan: vs_heap_begin_mark: objects are being marked: 0x");
  must_be_reported(destroy_while_marking, "verispan: vs_heap_destroy: objects are being marked: 0x");
  must_be_reported(destroy_twice, "verispan: vs_heap_destroy: not a heap: 0x");
  must_be_reported(allocate_after_destroy, "verispan: vs_heap_malloc: not a heap: 0x");
  must_be_reported(mark_in_a_manual_heap, "verispan: vs_heap_begin_mark: not a collected heap: 0x");
  must_be_reported(free_in_another_heap, "verispan: vs_heap_free: not a block of this heap: 0x");
  must_be_reported(free_twice, "verispan: vs_heap_free: double free: 0x");
  vs_heap_destroy(wrong_heap);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_reached_stays),
      cmocka_unit_test(only_the_first_reaches_an_object),
      cmocka_unit_test(what_is_allocated_while_marking_stays),
      cmocka_unit_test(objects_are_told_from_other_words),
      cmocka_unit_test(zero_is_zero),
      cmocka_unit_test(pages_are_accounted_for),
      cmocka_unit_test(the_sweep_keeps_up_with_allocation),
      cmocka_unit_test(dead_spans_serve_before_the_heap_grows),
      cmocka_unit_test(random_graphs_survive),
      cmocka_unit_test(heaps_do_not_meet),
      cmocka_unit_test(numbers_come_back),
      cmocka_unit_test(manual_heaps_reuse_what_is_freed),
      cmocka_unit_test(threads_allocate_while_others_mark_and_sweep),
      cmocka_unit_test(exited_threads_leave_their_mcaches),
      cmocka_unit_test(wrong_calls_are_reported),
  };
  return unit_run("cycle", tests);
}
