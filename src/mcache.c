/* SPDX-License-Identifier: Apache-2.0
 * Per-thread caches of spans. See mcache.h. */
#include "mcache.h"

#include <pthread.h>

#include "mheap.h"
#include "os.h"
#include "ownership.h"
#include "scavenge.h"

/* The tag of a thread that holds no mcache: no control word has it. */
#define NO_TAG 0xffffffffu

struct mcache vs_empty_mcache = {.alloc = {[0 ... VS_NUM_SPAN_CLASSES - 1] = &vs_empty_span}, .heap = &vs_default_heap};
__thread struct mcache *vs_tls_mcache __attribute__((tls_model("initial-exec"))) = &vs_empty_mcache;
__thread uint32_t vs_tls_tag __attribute__((tls_model("initial-exec"))) = NO_TAG;
__thread struct mcache *vs_tls_further[VS_MAX_HEAPS] __attribute__((tls_model("initial-exec")));

/* A partial span is swept and used on as soon as an eighth of it was freed; with less it waits in the queue. */
#define SWEEP_FRACTION 8u

/* Parked mcaches that a thread looks into before it grows the heap. */
#define PARKED_LOOKS 4u

struct vs_lock vs_list_lock = VS_LOCK_INIT;
static struct mcache *by_number[VS_MAX_MCACHES] VS_GUARDED_BY(vs_list_lock);  /* by id % VS_OWNER_FURTHER */
static uint32_t ncaches VS_GUARDED_BY(vs_list_lock);                          /* read atomically without the lock */
static pthread_key_t exit_key;  /* does not change once have_exit_key is set */
static bool have_exit_key VS_GUARDED_BY(vs_list_lock);

/* This thread has parked its mcache on exit. A destructor that runs later may still allocate: it then gets an
 * mcache for one block only, as nothing would park it afterwards. */
static __thread bool exiting __attribute__((tls_model("initial-exec")));

uint32_t mcache_count(void) { return __atomic_load_n(&ncaches, __ATOMIC_RELAXED); }

/* The mcache that a control word names. Without the lock: the entry was written before the id was in any control word,
 * and does not change. */
VS_LOCK_UNCHECKED static struct mcache *mcache_home(uint32_t id) { return by_number[id % VS_OWNER_FURTHER]; }

/* Whether an owner stands for a heap's central lists. */
static bool mcache_owner_is_heap(uint32_t owner) { return owner == VS_OWNER_NONE || owner >= VS_OWNER_HEAP; }

struct vs_heap *mcache_heap(uint32_t owner) {
  if (owner < VS_OWNER_FURTHER || owner == VS_OWNER_LARGE) return &vs_default_heap;
  return owner >= VS_OWNER_HEAP ? vs_heaps[owner - VS_OWNER_HEAP] : mcache_home(owner)->heap;
}

static void queue_push(struct mcache *c, struct mspan *s) {
  struct mcache_queue *q = &c->partial[s->spanclass];
  c->nqueued++;
  s->next = 0;
  s->prev = q->tail;
  if (q->tail)
    q->tail->next = s;
  else
    q->head = s;
  q->tail = s;
}

static void queue_remove(struct mcache *c, struct mspan *s) {
  struct mcache_queue *q = &c->partial[s->spanclass];
  c->nqueued--;
  if (s->prev)
    s->prev->next = s->next;
  else
    q->head = s->next;
  if (s->next)
    s->next->prev = s->prev;
  else
    q->tail = s->prev;
  s->next = 0;
  s->prev = 0;
}

static struct mspan *queue_pop(struct mcache *c, uint32_t spanclass) {
  struct mspan *s = c->partial[spanclass].head;
  if (s) queue_remove(c, s);
  return s;
}

/* Takes every span out of the inbox into the queue of its class. */
static void mcache_drain_inbox(struct mcache *c) {
  struct mspan *s = ownership_take(&c->inbox);
  while (s) {
    struct mspan *next = s->next;
    ownership_accept(s, c->id);
    queue_push(c, s);
    s = next;
  }
}

void mcache_notify(struct mspan *s) {
  uint32_t owner;
  if (!ownership_wake(s, &owner)) return;
  if (mcache_owner_is_heap(owner))
    mcentral_push_unswept(mcache_heap(owner), s);
  else
    ownership_push(&mcache_home(owner)->inbox, s);
}

/* Puts the exhausted active span away. Whether it was swept instead, and has slots again. */
static bool mcache_retire(struct mcache *c, struct mspan *s) {
  mspan_fold_or_die(s);
  if (mspan_freed(s) == 0 && ownership_rest(s, c->id)) return false;
  mspan_fold_or_die(s);
  if (mspan_freed(s) * SWEEP_FRACTION >= s->nelems) {
    mspan_sweep(s);
    return true;
  }
  queue_push(c, s);
  return false;
}

/* Gives the queued spans of a parked mcache to the central lists, the empty ones and its cached pages to the heap. */
VS_REQUIRES(vs_list_lock) static void mcache_flush(struct mcache *c) {
  mcache_drain_inbox(c);
  for (uint32_t spc = 0; spc < VS_NUM_SPAN_CLASSES && c->nqueued > 0; spc++) {
    struct mspan *s;
    while ((s = queue_pop(c, spc)) != 0) {
      mspan_fold_or_die(s);
      if (s->nkept == 0)
        mheap_free(s);
      else
        mcentral_uncache_span(c->heap, s);
    }
  }
  mheap_flush(&c->pages);
}

/* Before the heap grows: flushes some parked mcaches, in turn. */
static void mcache_flush_parked(struct vs_heap *h) {
  if (__atomic_load_n(&h->nparked, __ATOMIC_RELAXED) == 0) return;
  lock_acquire(&vs_list_lock);
  for (uint32_t i = 0; i < PARKED_LOOKS && i < h->nparked; i++) {
    struct mcache *c = h->look ? h->look : h->parked;
    h->look = c->parked_next;
    mcache_flush(c);
  }
  lock_release(&vs_list_lock);
}

/* A span with free slots for the holder of c, from its queue, the central list or the heap. */
static struct mspan *mcache_refill(struct mcache *c, uint32_t spanclass) {
  mcache_drain_inbox(c);
  struct mspan *s = queue_pop(c, spanclass);
  if (!s) s = mcentral_cache_span(c->heap, spanclass, c->id);
  if (!s) {
    mcache_flush_parked(c->heap);
    s = mcentral_cache_span(c->heap, spanclass, c->id);
  }
  if (!s) s = mheap_alloc(spanclass, spanctl_owned(c->id), &c->pages);
  if (!s) return 0;
  mspan_fold_or_die(s);
  if (mspan_freed(s) != 0) mspan_sweep(s);
  return s;
}

static void mcache_park(struct mcache *c) {
  struct vs_heap *h = c->heap;
  lock_acquire(&vs_list_lock);
  c->parked_next = h->parked;
  h->parked = c;
  __atomic_store_n(&h->nparked, h->nparked + 1, __ATOMIC_RELAXED);
  lock_release(&vs_list_lock);
}

/* Makes c this thread's mcache of the heap numbered n, or none. */
static void mcache_hold(uint32_t n, struct mcache *c) {
  if (n != 0) {
    vs_tls_further[n] = c;
  } else {
    vs_tls_mcache = c ? c : &vs_empty_mcache;
    vs_tls_tag = c ? spanctl_tag(c->id) : NO_TAG;
  }
}

/* This thread's mcache of the heap numbered n, or NULL. */
static struct mcache *mcache_held(uint32_t n) {
  if (n != 0) return vs_tls_further[n];
  return vs_tls_mcache == &vs_empty_mcache ? 0 : vs_tls_mcache;
}

/* The thread's last act: parks all that it holds. */
static void mcache_exit(void *unused) {
  (void)unused;
  exiting = true;
  for (uint32_t n = 0; n < VS_MAX_HEAPS; n++) {
    struct mcache *c = mcache_held(n);
    if (!c) continue;
    mcache_hold(n, 0);
    mcache_park(c);
  }
}

/* A fresh mcache; NULL if the system refused. */
VS_REQUIRES(vs_list_lock) static struct mcache *mcache_make(struct vs_heap *h) {
  if (ncaches + 1 >= VS_MAX_MCACHES) return 0;
  struct mcache *c = os_metadata(sizeof *c);
  if (!c) return 0;
  for (uint32_t spc = 0; spc < VS_NUM_SPAN_CLASSES; spc++) c->alloc[spc] = &vs_empty_span;
  uint32_t number = ncaches + 1;
  c->id = h == &vs_default_heap ? number : VS_OWNER_FURTHER + number;
  c->heap = h;
  c->heap_next = h->mcaches;
  h->mcaches = c;
  by_number[number] = c;
  __atomic_store_n(&ncaches, number, __ATOMIC_RELAXED);
  return c;
}

/* The last parked mcache of a heap that has one. */
VS_REQUIRES(vs_list_lock) static struct mcache *mcache_unpark(struct vs_heap *h) {
  struct mcache *c = h->parked;
  h->parked = c->parked_next;
  if (h->look == c) h->look = c->parked_next;
  __atomic_store_n(&h->nparked, h->nparked - 1, __ATOMIC_RELAXED);
  return c;
}

/* Checks an mcache of heap h out for this thread: the last parked, or a fresh one. */
static struct mcache *mcache_acquire(struct vs_heap *h) {
  lock_acquire(&vs_list_lock);
  if (!have_exit_key) have_exit_key = pthread_key_create(&exit_key, mcache_exit) == 0;
  bool parks = have_exit_key && !exiting;
  struct mcache *c = h->nparked > 0 ? mcache_unpark(h) : mcache_make(h);
  lock_release(&vs_list_lock);
  if (!c) return 0;
  mcache_hold(h->number, c);
  if (parks) (void)pthread_setspecific(exit_key, c);
  return c;
}

struct mcache *mcache_get(struct vs_heap *h) {
  struct mcache *c = mcache_held(h->number);
  return c ? c : mcache_acquire(h);
}

void mcache_done(void) {
  if (exiting) mcache_exit(0);
}

/* A slot of span class spanclass from mcache c, which this thread holds. */
static bool mcache_alloc(struct mcache *c, uint32_t spanclass, struct mspan **span, uint32_t *slot) {
  struct mspan *s = c->alloc[spanclass];
  bool usable = s != &vs_empty_span;
  for (;;) {
    if (usable) {
      *slot = mspan_next_free(s);
      if (*slot < s->nelems) {
        *span = s;
        return true;
      }
      c->alloc[spanclass] = &vs_empty_span;
      usable = mcache_retire(c, s);
    } else {
      s = mcache_refill(c, spanclass);
      if (!s) return false;
      usable = true;
    }
    if (usable) c->alloc[spanclass] = s;
  }
}

bool mcache_alloc_slow(struct vs_heap *h, uint32_t spanclass, struct mspan **span, uint32_t *slot) {
  struct mcache *c = mcache_get(h);
  if (!c) return false;
  bool done = mcache_alloc(c, spanclass, span, slot);
  mcache_done();
  return done;
}

void mcache_reclaim(struct mcache *c, struct mspan *s) {
  if (ownership_reclaim(s, c->id)) queue_push(c, s);
}

void mcache_emptied(struct mspan *s) {
  uint64_t ctl = vs_load_relaxed_u64(&s->ctl);
  struct mcache *c = mcache_home(spanctl_owner(ctl));
  struct mcache_queue *q = &c->partial[s->spanclass];
  bool queued = ctl == spanctl_owned(c->id) && c->alloc[s->spanclass] != s;
  if (!queued || q->head == q->tail) return;
  queue_remove(c, s);
  mspan_fold_or_die(s);
  mheap_free(s);
  scavenge_assist();
}

size_t mcache_trim(void) {
  for (uint32_t n = 0; n < VS_MAX_HEAPS; n++) {
    struct mcache *c = mcache_held(n);
    if (c) mheap_flush(&c->pages);
  }
  lock_acquire(&vs_list_lock);
  for (uint32_t n = 0; n < VS_MAX_HEAPS && vs_heaps[n]; n++)
    for (struct mcache *c = vs_heaps[n]->parked; c; c = c->parked_next) mcache_flush(c);
  lock_release(&vs_list_lock);
  return scavenge_trim();
}

void mcache_before_fork(void) VS_ACQUIRES(vs_list_lock, vs_role_central, vs_heap.lock) {
  lock_acquire(&vs_list_lock);
  mcentral_lock_all();
  mheap_lock();
}

void mcache_after_fork(void) VS_RELEASES(vs_list_lock, vs_role_central, vs_heap.lock) {
  mheap_unlock();
  mcentral_unlock_all();
  lock_release(&vs_list_lock);
}
