/* SPDX-License-Identifier: Apache-2.0
 * The central lists. See mcentral.h. */
#include "mcentral.h"

#include "os.h"

struct vs_heap vs_default_heap = {.owner = VS_OWNER_NONE,
                                  .sweepgen = VS_SWEEPGEN,
                                  .central = {[0 ... VS_NUM_SPAN_CLASSES - 1] = {.lock = VS_LOCK_INIT}}};
struct vs_heap *vs_heaps[VS_MAX_HEAPS] = {&vs_default_heap};

#ifdef __FRAMAC__
/* Does not return (T-04). */
/*@ terminates \true;
    assigns \nothing;
    ensures never: \false;
*/
_Noreturn void os_fatal(const char *function, const char *what, uintptr_t addr);
#endif

/* Locks and unlocks the list of span class i of heap h: T-03. Then what it guards is anything that keeps its invariants; but what is
 * in this thread's hands is so still, and a span that it has woken is where it was. */
/*@ requires heap: HeapOk(h) && i < 136 && c == &h->central[i];
    terminates \true;
    assigns h->central[i].partial[0 .. 1], h->central[i].full[0 .. 1], h->central[i].usable \from CENTRAL_STATE(h);
    assigns g_place[0 .. 34359738367], g_pays[0 .. 34359738367], g_arenas[0 .. 4194303] \from CENTRAL_STATE(h);
    ensures inv: CentralInv(h, i) && UsableInv(h, c);
    ensures rely: HandKept{Pre,Here} && \forall struct mspan *s; InHand(s) ==> InHand{Pre}(s);
    ensures woken: \forall struct mspan *s; Woken{Pre}(s) ==> Woken(s) && s->base == \at(s->base, Pre) &&
      s->spanclass == \at(s->spanclass, Pre) && s->ctl == \at(s->ctl, Pre) &&
      (s->spanclass == i ==> CtlOwner(s->ctl) == h->owner ==> SpanAt(s, &c->full[h->sweepgen / 2 % 2]));
*/
#ifdef __FRAMAC__
static void mcentral_lock(struct mcentral *c) /*@ ghost (struct vs_heap *h, uint32_t i) */;
#else
/* The role is no lock: nothing in them shows that it is taken. */
VS_LOCK_UNCHECKED static void mcentral_lock(struct mcentral *c) VS_ACQUIRES(c->lock, vs_role_central) {
  lock_acquire(&c->lock);
}
#endif

/*@ requires heap: HeapOk(h) && i < 136 && c == &h->central[i];
    requires inv: CentralInv(h, i) && UsableInv(h, c);
    terminates \true;
    assigns \nothing;
    ensures inv: CentralInv(h, i);
*/
#ifdef __FRAMAC__
static void mcentral_unlock(struct mcentral *c) /*@ ghost (struct vs_heap *h, uint32_t i) */;
#else
VS_LOCK_UNCHECKED static void mcentral_unlock(struct mcentral *c) VS_RELEASES(c->lock, vs_role_central) {
  lock_release(&c->lock);
}
#endif

/* The set of the swept or of the unswept spans of a list, full or partial. */
/*@ requires valid: \valid_read(h) && \valid(c);
    terminates \true;
    assigns \result \from h, h->sweepgen, c, full;
    ensures exact: \result == (full ? &c->full[h->sweepgen / 2 % 2] : &c->partial[h->sweepgen / 2 % 2]);
*/
static struct mspan **mcentral_swept(const struct vs_heap *h, struct mcentral *c, bool full) {
  return full ? &c->full[heap_swept_set(h)] : &c->partial[heap_swept_set(h)];
}

/*@ requires valid: \valid_read(h) && \valid(c);
    terminates \true;
    assigns \result \from h, h->sweepgen, c, full;
    ensures exact: \result == (full ? &c->full[1 - h->sweepgen / 2 % 2] : &c->partial[1 - h->sweepgen / 2 % 2]);
*/
static struct mspan **mcentral_unswept(const struct vs_heap *h, struct mcentral *c, bool full) {
  return full ? &c->full[heap_unswept_set(h)] : &c->partial[heap_unswept_set(h)];
}

/* For contracts: the sets of a list, how spans are linked, and where they are. */
#define SET_STATE(h, i)                                                                                            \
  (h)->central[i].partial[0 .. 1], (h)->central[i].full[0 .. 1], g_arenas[0 .. 4194303].span[0 .. 8191].next, \
      g_arenas[0 .. 4194303].span[0 .. 8191].prev, g_place[0 .. 34359738367]

/* Files a span that is in this thread's hands in a set. */
/*@ requires heap: HeapOk(h) && i < 136 && SetOf(&h->central[i], head);
    requires inv: CentralInv(h, i);
    requires hand: InHand(s);
    requires fits: SpanOfClass(s, i) && FitsSet(h, &h->central[i], head, s);
    terminates \true;
    assigns SET_STATE(h, i) \from head, s, SET_STATE(h, i);
    ensures inv: CentralInv(h, i);
    ensures filed: SpanAt(s, head) && *head == s;
    ensures others: OthersKept{Pre,Here}(head, s);
    ensures rely: HandBut{Pre,Here}(s) && !InHand(s);
*/
static void set_push(struct mspan **head, struct mspan *s) /*@ ghost (struct vs_heap *h, uint32_t i) */
    VS_REQUIRES(vs_role_central) {
  //@ assert links: SetInv(h, i, head) && \valid(s);
  //@ assert valid: *head != \null ==> SpanAt(*head, head) && AnySpan(*head) && \valid(*head);
  struct mspan *first = *head;
  //@ assert first: first != \null ==> \valid(first) && SpanAt(first, head) && first != s;
  //@ assert outside: \forall struct mspan *t, **o; SetOf(&h->central[i], o) ==> AnySpan(t) ==> \separated(o, t);
  /*@ assert beside: \forall struct mspan **o; SetOf(&h->central[i], o) ==> \separated(o, s) &&
        (first != \null ==> \separated(o, first)); */
  //@ assert apart: \forall struct mspan *t; AnySpan(t) ==> &t->next != &s->prev && &t->prev != &s->next;
  /*@ assert chain: \forall struct mspan *t; SpanAt(t, head) ==> t != s && (t->next != \null ==> SpanAt(t->next, head) &&
        AnySpan(t->next) && t->next != s && t->next != first && t->next->prev == t); */
  /*@ assert back: \forall struct mspan *t; SpanAt(t, head) ==> t != first ==> t->prev != \null && SpanAt(t->prev, head) &&
        AnySpan(t->prev) && t->prev != s && t->prev->next == t; */
  s->prev = 0;
  s->next = first;
  if (first) first->prev = s;
  *head = s;
  //@ ghost g_place[s->base / 8192] = head;
  //@ assert heads: \forall struct mspan **o; SetOf(&h->central[i], o) ==> o != head ==> *o == \at(*o, Pre);
  //@ assert place: \forall struct mspan *t, **o; SpanAt(t, o) <==> (t == s ? o == head : SpanAt{Pre}(t, o));
  //@ assert next: \forall struct mspan *t; AnySpan(t) ==> t != s ==> t->next == \at(t->next, Pre);
  //@ assert prev: \forall struct mspan *t; AnySpan(t) ==> t != s ==> t != first ==> t->prev == \at(t->prev, Pre);
  //@ assert here: *head == s && s->next == first && s->prev == \null && (first != \null ==> first->prev == s);
  //@ assert words: WordsBut{Pre,Here}(\null) && HeapSame{Pre,Here}(h);
  //@ assert other: \forall struct mspan **o; SetOf(&h->central[i], o) ==> o != head ==> SetInv{Pre}(h, i, o) && SetSame{Pre,Here}(o);
  /*@ assert nexts: \forall struct mspan *t; SpanAt{Pre}(t, head) ==> t->next != \null ==>
        SpanAt(t->next, head) && t->next->prev == t; */
  /*@ assert prevs: \forall struct mspan *t; SpanAt{Pre}(t, head) ==> t != first ==>
        t->prev != \null && SpanAt(t->prev, head) && t->prev->next == t; */
  //@ assert mine: SetLinks(head);
  //@ assert fits: \forall struct mspan *t; SpanAt(t, head) ==> SpanOfClass(t, i) && FitsSet(h, &h->central[i], head, t);
  //@ assert each: \forall struct mspan **o; SetOf(&h->central[i], o) ==> o != head ==> SetInv(h, i, o);
}

/* Takes a span out of its set, into this thread's hands. */
/*@ requires heap: HeapOk(h) && i < 136 && SetOf(&h->central[i], head);
    requires inv: CentralInv(h, i);
    requires filed: SpanAt(s, head);
    terminates \true;
    assigns SET_STATE(h, i) \from head, s, SET_STATE(h, i);
    ensures inv: CentralInv(h, i);
    ensures hand: InHand(s);
    ensures others: OthersKept{Pre,Here}(head, s);
*/
static void set_remove(struct mspan **head, struct mspan *s) /*@ ghost (struct vs_heap *h, uint32_t i) */
    VS_REQUIRES(vs_role_central) {
  //@ assert links: SetInv(h, i, head) && \valid(s) && \valid(head);
  //@ assert before: s->prev != \null ==> SpanAt(s->prev, head) && AnySpan(s->prev) && \valid(s->prev);
  //@ assert after: s->next != \null ==> SpanAt(s->next, head) && AnySpan(s->next) && \valid(s->next);
  struct mspan *prev = s->prev, *next = s->next;
  //@ assert ring: prev == s <==> next == s;
  //@ assert headed: prev == \null <==> *head == s;
  //@ assert outside: \forall struct mspan *t, **o; SetOf(&h->central[i], o) ==> AnySpan(t) ==> \separated(o, t);
  /*@ assert beside: \forall struct mspan **o; SetOf(&h->central[i], o) ==> \separated(o, s) &&
        (prev != \null ==> \separated(o, prev)) && (next != \null ==> \separated(o, next)); */
  /*@ assert apart: \forall struct mspan *t; AnySpan(t) ==> &t->next != &s->prev && &t->prev != &s->next &&
        (prev != \null ==> &t->prev != &prev->next) && (next != \null ==> &t->next != &next->prev); */
  /*@ assert chain: \forall struct mspan *t; SpanAt(t, head) ==> t->next != \null ==> SpanAt(t->next, head) &&
        AnySpan(t->next) && t->next->prev == t && (t->next == s <==> t == prev) && (t->next == next <==> t == s); */
  /*@ assert back: \forall struct mspan *t; SpanAt(t, head) ==> t->prev != \null ==> SpanAt(t->prev, head) &&
        AnySpan(t->prev) && t->prev->next == t && (t->prev == s <==> t == next) && (t->prev == prev <==> t == s); */
  //@ assert alone: \forall struct mspan *t; SpanAt(t, head) ==> t->prev == \null ==> *head == t;
  if (prev)
    prev->next = next;
  else
    *head = next;
  if (next) next->prev = prev;
  s->next = 0;
  s->prev = 0;
  //@ ghost g_place[s->base / 8192] = IN_HAND;
  //@ assert heads: \forall struct mspan **o; SetOf(&h->central[i], o) ==> o != head ==> *o == \at(*o, Pre);
  //@ assert place: \forall struct mspan *t, **o; SpanAt(t, o) <==> (t == s ? o == IN_HAND : SpanAt{Pre}(t, o));
  //@ assert next: \forall struct mspan *t; AnySpan(t) ==> t != s ==> t != prev ==> t->next == \at(t->next, Pre);
  //@ assert prev: \forall struct mspan *t; AnySpan(t) ==> t != s ==> t != next ==> t->prev == \at(t->prev, Pre);
  //@ assert here: (prev == \null ==> *head == next) && (prev != \null ==> prev != s ==> prev->next == next);
  //@ assert there: next != \null ==> next != s ==> next->prev == prev;
  //@ assert words: WordsBut{Pre,Here}(\null) && HeapSame{Pre,Here}(h);
  //@ assert other: \forall struct mspan **o; SetOf(&h->central[i], o) ==> o != head ==> SetInv{Pre}(h, i, o) && SetSame{Pre,Here}(o);
  /*@ assert nexts: \forall struct mspan *t; SpanAt(t, head) ==> t->next != \null ==>
        SpanAt(t->next, head) && t->next->prev == t; */
  /*@ assert nextprev: next != \null ==> next != s ==> (next->prev == \null ? *head == next :
        SpanAt(next->prev, head) && next->prev->next == next); */
  //@ assert firsts: \forall struct mspan *t; SpanAt(t, head) ==> t != next ==> t->prev == \null ==> *head == t;
  /*@ assert prevs: \forall struct mspan *t; SpanAt(t, head) ==> t != next ==> t->prev != \null ==>
        SpanAt(t->prev, head) && t->prev->next == t; */
  //@ assert mine: SetLinks(head);
}

/* Takes the first span out of a set; NULL if it is empty. */
/*@ requires heap: HeapOk(h) && i < 136 && SetOf(&h->central[i], head);
    requires inv: CentralInv(h, i);
    terminates \true;
    assigns h->central[i].partial[0 .. 1], h->central[i].full[0 .. 1], g_arenas[0 .. 4194303] \from head, SET_STATE(h, i);
    assigns g_place[0 .. 34359738367] \from head, SET_STATE(h, i);
    assigns \result \from *head;
    ensures inv: CentralInv(h, i);
    ensures first: \result == \old(*head);
    ensures hand: \result != \null ==> InHand(\result) && SpanAt{Pre}(\result, head);
    ensures others: OthersKept{Pre,Here}(head, \result) && WordsBut{Pre,Here}(\null);
    ensures rely: HandBut{Pre,Here}(\result) && (\result != \null ==> !InHand{Pre}(\result));
*/
static struct mspan *set_pop(struct mspan **head) /*@ ghost (struct vs_heap *h, uint32_t i) */ VS_REQUIRES(vs_role_central) {
  //@ assert place: SetInv(h, i, head) && head != IN_HAND && (*head != \null ==> SpanAt(*head, head) && !InHand(*head));
  struct mspan *s = *head;
  if (s) set_remove(head, s) /*@ ghost (h, i) */;
  //@ assert words: WordsBut{Pre,Here}(s) && WordsBut{Pre,Here}(\null) && OthersKept{Pre,Here}(head, s);
  return s;
}

/* Notes whether there is a span for mcentral_cache_span. */
/*@ requires heap: HeapOk(h) && i < 136 && c == &h->central[i];
    requires inv: CentralInv(h, i);
    terminates \true;
    assigns c->usable;
    ensures inv: CentralInv(h, i);
    ensures usable: UsableInv(h, c);
    ensures words: WordsBut{Pre,Here}(\null);
    ensures rely: HandBut{Pre,Here}(\null) && \forall struct mspan *t; InHand(t) ==> InHand{Pre}(t);
*/
static void mcentral_note_usable(struct vs_heap *h, struct mcentral *c) /*@ ghost (uint32_t i) */
    VS_REQUIRES(c->lock, vs_role_central) {
  //@ assert valid: \forall struct mspan **o; SetOf(c, o) ==> SetInv(h, i, o) && (*o != \null ==> AnySpan(*o) && \valid(*o));
  vs_store_relaxed_u64(&c->usable, *mcentral_swept(h, c, false) || *mcentral_unswept(h, c, true));
  //@ assert words: WordsBut{Pre,Here}(\null) && HeapSame{Pre,Here}(h);
  //@ assert places: \forall struct mspan *t, **o; SpanAt{Pre}(t, o) <==> SpanAt(t, o);
  //@ assert kept: \forall struct mspan **o; SetOf(c, o) ==> SetSame{Pre,Here}(o);
  //@ assert hand: \forall struct mspan *t; InHand{Pre}(t) ==> AnySpan(t) && WordSame{Pre,Here}(t) && SpanStays{Pre,Here}(t);
}

/* Other threads may have set remote bits, of slots only: who sets one has checked its slot against nelems (T-01). */
/*@ requires valid: \valid(s);
    terminates \true;
    assigns s->remote_bits[0 .. 15];
    ensures remote: MspanRemote(s);
*/
#ifdef __FRAMAC__
static void mcentral_others(struct mspan *s);
#else
static void mcentral_others(struct mspan *s) { (void)s; }
#endif

void mspan_fold_or_die(struct mspan *s) {
  mcentral_others(s);
  //@ assert slots: SlotsSame{Pre,Here}(s);
  uint32_t slot = mspan_fold(s);
  if (slot < s->nelems) os_fatal("free", "double free", mspan_slot(s, slot));
}

/* Takes a span for mcentral_cache_span out of its set; NULL if there is none. */
/*@ requires heap: HeapOk(h) && h->collected == 0 && 2 <= i < 136 && c == &h->central[i];
    requires inv: CentralInv(h, i);
    terminates \true;
    assigns h->central[i].partial[0 .. 1], h->central[i].full[0 .. 1], h->central[i].usable \from SET_STATE(h, i);
    assigns g_arenas[0 .. 4194303], g_place[0 .. 34359738367] \from SET_STATE(h, i);
    assigns \result \from SET_STATE(h, i);
    ensures inv: CentralInv(h, i);
    ensures usable: UsableInv(h, c);
    ensures hand: \result != \null ==> InHand(\result) && !InHand{Pre}(\result);
    ensures fits: \result != \null ==> SpanOfClass(\result, i) &&
      (IsCentralPartial(VS_SWEEPGEN, \result->ctl) || IsCentralUnswept(VS_SWEEPGEN, \result->ctl));
    ensures rely: HandBut{Pre,Here}(\result);
*/
static struct mspan *mcentral_take_usable(struct vs_heap *h, struct mcentral *c) /*@ ghost (uint32_t i) */
    VS_REQUIRES(c->lock, vs_role_central) {
  struct mspan **partial = mcentral_swept(h, c, false), **woken = mcentral_unswept(h, c, true);
  //@ assert sets: SetInv(h, i, partial) && SetInv(h, i, woken) && partial != IN_HAND && woken != IN_HAND;
  /*@ assert fits: \forall struct mspan *t; SpanAt(t, partial) || SpanAt(t, woken) ==> AnySpan(t) && !InHand(t) &&
        SpanOfClass(t, i) && (IsCentralPartial(VS_SWEEPGEN, t->ctl) || IsCentralUnswept(VS_SWEEPGEN, t->ctl)); */
  struct mspan *s = set_pop(partial) /*@ ghost (h, i) */;
  //@ assert first: HandBut{Pre,Here}(s);
  if (!s) s = set_pop(woken) /*@ ghost (h, i) */;
  //@ assert words: WordsBut{Pre,Here}(\null);
  //@ assert came: s != \null ==> SpanAt{Pre}(s, partial) || SpanAt{Pre}(s, woken);
  //@ assert second: HandBut{Pre,Here}(s);
  //@ assert mine: s != \null ==> AnySpan(s) && InHand(s) && WordSame{Pre,Here}(s);
  /*@ assert class: s != \null ==> SpanOfClass(s, i) &&
        (IsCentralPartial(VS_SWEEPGEN, s->ctl) || IsCentralUnswept(VS_SWEEPGEN, s->ctl)); */
  //@ ghost Taken: ;
  mcentral_note_usable(h, c) /*@ ghost (i) */;
  //@ assert noted: HandBut{Taken,Here}(\null) && WordsBut{Taken,Here}(\null);
  //@ assert still: s != \null ==> InHand(s) && WordSame{Taken,Here}(s);
  return s;
}

/* M7 of a span that this thread has taken out of its set. */
/*@ requires hand: InHand(s) && \valid(s);
    requires taken: IsCentralPartial(VS_SWEEPGEN, s->ctl) || IsCentralUnswept(VS_SWEEPGEN, s->ctl);
    requires owner: 1 <= owner < VS_OWNER_HEAP;
    terminates \true;
    assigns s->ctl;
    ensures hand: InHand(s) && SlotsSame{Pre,Here}(s);
    ensures owned: IsOwned(VS_SWEEPGEN, s->ctl) && CtlOwner(s->ctl) == owner;
    ensures rely: HandBut{Pre,Here}(s);
*/
static void mcentral_own(struct mspan *s, uint32_t owner) {
  //@ assert apart: \forall struct mspan *t; AnySpan(t) ==> t != s ==> \separated(t, s);
  ownership_cache(s, owner);
  //@ assert same: SlotsSame{Pre,Here}(s);
  //@ assert others: WordsBut{Pre,Here}(s);
  //@ assert places: \forall struct mspan *t, **o; SpanAt{Pre}(t, o) <==> SpanAt(t, o);
}

struct mspan *mcentral_cache_span(struct vs_heap *h, uint32_t spanclass, uint32_t owner) {
  struct mcentral *c = &h->central[spanclass];
  if (vs_load_relaxed_u64(&c->usable) == 0) return 0;
  mcentral_lock(c) /*@ ghost (h, spanclass) */;
  //@ assert locked: HeapSame{Pre,Here}(h) && HandBut{Pre,Here}(\null);
  struct mspan *s = mcentral_take_usable(h, c) /*@ ghost (spanclass) */;
  //@ assert rely: HandBut{Pre,Here}(s) && (s != \null ==> !InHand{Pre}(s));
  mcentral_unlock(c) /*@ ghost (h, spanclass) */;
  if (!s) return 0;
  //@ assert valid: AnySpan(s) && \valid(s);
  mcentral_own(s, owner);
  //@ assert class: SpanOfClass(s, spanclass);
  //@ assert still: HandBut{Pre,Here}(s);
  return s;
}

/* What becomes of a span in this thread's hands before it gives it up: nothing is different of another then. */
/*@ requires hand: InHand(s) && \valid(s);
    requires inv: MspanInv(s);
    terminates \true;
    assigns g_arenas[0 .. 4194303] \from s, g_arenas[0 .. 4194303];
    ensures inv: MspanInv(s);
    ensures hand: InHand(s) && s->ctl == \old(s->ctl) && s->spanclass == \old(s->spanclass);
    ensures rely: HandBut{Pre,Here}(s);
*/
static void mcentral_fold(struct mspan *s) {
  //@ assert apart: AnySpan(s) && SpansApart(s);
  /*@ assert inside: \forall uint64_t *p; \separated(p, s) ==> \separated(p, &s->remote_bits[0 .. 15]) &&
        \separated(p, &s->mark_bits[0 .. 15]); */
  mspan_fold_or_die(s);
  //@ assert others: WordsBut{Pre,Here}(s);
  //@ assert places: \forall struct mspan *t, **o; SpanAt{Pre}(t, o) <==> SpanAt(t, o);
}

/*@ requires hand: InHand(s) && \valid(s);
    requires inv: MspanInv(s);
    terminates \true;
    assigns g_arenas[0 .. 4194303] \from s, g_arenas[0 .. 4194303];
    ensures inv: MspanInv(s);
    ensures hand: InHand(s) && s->ctl == \old(s->ctl) && s->spanclass == \old(s->spanclass);
    ensures rely: HandBut{Pre,Here}(s);
*/
static void mcentral_sweep(struct mspan *s) {
  //@ assert apart: AnySpan(s) && SpansApart(s);
  //@ assert inside: \forall uint64_t *p; \separated(p, s) ==> \separated(p, &s->alloc_bits[0 .. 15]) && p != &s->alloc_cache;
  if (mspan_freed(s) != 0) mspan_sweep(s);
  //@ assert others: WordsBut{Pre,Here}(s);
  //@ assert places: \forall struct mspan *t, **o; SpanAt{Pre}(t, o) <==> SpanAt(t, o);
}

/*@ requires hand: InHand(s) && \valid(s);
    requires inv: MspanInv(s);
    terminates \true;
    assigns g_arenas[0 .. 4194303] \from s, g_arenas[0 .. 4194303];
    assigns \result \from s, g_arenas[0 .. 4194303];
    ensures inv: MspanInv(s);
    ensures full: \result <==> s->alloc_cache == 0;
    ensures none: \result ==> \forall integer i; 0 <= i < s->nelems ==> !SlotAvailable(s, i);
    ensures hand: InHand(s) && s->ctl == \old(s->ctl) && s->spanclass == \old(s->spanclass);
    ensures rely: HandBut{Pre,Here}(s);
*/
static bool mcentral_settle(struct mspan *s) {
  //@ assert apart: AnySpan(s) && SpansApart(s);
  //@ assert inside: \forall uint64_t *p; \separated(p, s) ==> \separated(p, &s->alloc_bits[0 .. 15]) && p != &s->alloc_cache;
  bool full = mcentral_is_full(s);
  //@ assert others: WordsBut{Pre,Here}(s);
  //@ assert places: \forall struct mspan *t, **o; SpanAt{Pre}(t, o) <==> SpanAt(t, o);
  return full;
}

/* Folds the frees of others, sweeps, and asks whether no slot is left to hand out. */
/*@ requires hand: InHand(s) && \valid(s);
    requires inv: MspanInv(s);
    terminates \true;
    assigns g_arenas[0 .. 4194303] \from s, g_arenas[0 .. 4194303];
    assigns \result \from s, g_arenas[0 .. 4194303];
    ensures inv: MspanInv(s);
    ensures full: \result <==> s->alloc_cache == 0;
    ensures none: \result ==> \forall integer i; 0 <= i < s->nelems ==> !SlotAvailable(s, i);
    ensures hand: InHand(s) && s->ctl == \old(s->ctl) && s->spanclass == \old(s->spanclass);
    ensures rely: HandBut{Pre,Here}(s);
*/
static bool mcentral_make_ready(struct mspan *s) {
  mcentral_fold(s);
  //@ ghost Folded: ;
  mcentral_sweep(s);
  //@ assert swept: HandBut{Folded,Here}(s) && HandBut{Pre,Here}(s);
  //@ ghost Swept: ;
  bool full = mcentral_settle(s);
  //@ assert settled: HandBut{Swept,Here}(s);
  return full;
}

/* M5 of a span whose list is locked, and M6 if a free came in between. The set that it belongs to then. */
/*@ requires heap: HeapOk(h) && h->collected == 0 && 2 <= i < 136 && c == &h->central[i];
    requires hand: InHand(s) && \valid(s);
    requires class: SpanOfClass(s, i);
    requires owned: IsOwned(VS_SWEEPGEN, s->ctl);
    requires full: full <==> s->alloc_cache == 0;
    requires inv: CentralInv(h, i);
    terminates \true;
    assigns g_arenas[0 .. 4194303] \from h, s, g_arenas[0 .. 4194303];
    assigns g_others;
    assigns \result \from c, full, g_arenas[0 .. 4194303];
    ensures place: SetOf(c, \result) && FitsSet(h, c, \result, s);
    ensures hand: InHand(s) && SpanOfClass(s, i);
    ensures inv: CentralInv(h, i);
    ensures rely: HandBut{Pre,Here}(s);
*/
static struct mspan **mcentral_rest(struct vs_heap *h, struct mcentral *c, struct mspan *s, bool full)
    /*@ ghost (uint32_t i) */ VS_REQUIRES(c->lock, vs_role_central) {
  //@ assert apart: AnySpan(s) && SpansApart(s);
  /*@ assert sets: \forall struct mspan **o; SetOf(c, o) ==> SetInv(h, i, o) && !SpanAt(s, o); */
  bool rests = true;
  if (full)
    rests = ownership_give_full(s, h->owner);
  else
    ownership_give_partial(s, h->owner);
  //@ assert words: WordsBut{Pre,Here}(s) && HeapSame{Pre,Here}(h);
  //@ assert mine: SlotsSame{Pre,Here}(s) && s->spanclass == i;
  //@ assert places: \forall struct mspan *t, **o; SpanAt{Pre}(t, o) <==> SpanAt(t, o);
  //@ assert same: \forall struct mspan **o; SetOf(c, o) ==> SetSame{Pre,Here}(o);
  return rests ? mcentral_swept(h, c, full) : mcentral_unswept(h, c, true);
}

/* Files such a span. */
/*@ requires heap: HeapOk(h) && h->collected == 0 && 2 <= i < 136 && c == &h->central[i];
    requires hand: InHand(s) && \valid(s);
    requires class: SpanOfClass(s, i);
    requires owned: IsOwned(VS_SWEEPGEN, s->ctl);
    requires full: full <==> s->alloc_cache == 0;
    requires inv: CentralInv(h, i);
    terminates \true;
    assigns h->central[i].partial[0 .. 1], h->central[i].full[0 .. 1], h->central[i].usable \from h, s, full, SET_STATE(h, i);
    assigns g_arenas[0 .. 4194303], g_place[0 .. 34359738367] \from h, s, full, SET_STATE(h, i);
    assigns g_others;
    ensures inv: CentralInv(h, i) && UsableInv(h, c);
    ensures heap: HeapSame{Pre,Here}(h);
    ensures given: !InHand(s);
    ensures rely: HandBut{Pre,Here}(s);
*/
static void mcentral_file(struct vs_heap *h, struct mcentral *c, struct mspan *s, bool full)
    /*@ ghost (uint32_t i) */ VS_REQUIRES(c->lock, vs_role_central) {
  struct mspan **head = mcentral_rest(h, c, s, full) /*@ ghost (i) */;
  //@ assert same: HeapSame{Pre,Here}(h) && HeapOk(h);
  set_push(head, s) /*@ ghost (h, i) */;
  //@ assert filed: HandBut{Pre,Here}(s) && !InHand(s) && HeapSame{Pre,Here}(h) && HeapOk(h);
  //@ ghost Filed: ;
  mcentral_note_usable(h, c) /*@ ghost (i) */;
  //@ assert noted: HandBut{Filed,Here}(\null) && HandBut{Filed,Here}(s) && HeapSame{Pre,Here}(h);
}

void mcentral_uncache_span(struct vs_heap *h, struct mspan *s) {
  uint32_t spanclass = s->spanclass;
  struct mcentral *c = &h->central[spanclass];
  //@ assert valid: AnySpan(s) && \valid(s);
  bool full = mcentral_make_ready(s);
  //@ assert heap: HeapSame{Pre,Here}(h) && HeapOk(h);
  //@ ghost Ready: ;
  mcentral_lock(c) /*@ ghost (h, spanclass) */;
  //@ assert mine: InHand(s) && s->ctl == \at(s->ctl, Ready) && SlotsSame{Ready,Here}(s) && s->spanclass == spanclass;
  //@ assert locked: HeapSame{Ready,Here}(h) && HeapOk(h);
  //@ assert rely: HandBut{Ready,Here}(s);
  //@ assert then: HandBut{Pre,Here}(s);
  mcentral_file(h, c, s, full) /*@ ghost (spanclass) */;
  mcentral_unlock(c) /*@ ghost (h, spanclass) */;
}

void mcentral_push_unswept(struct vs_heap *h, struct mspan *s) {
  uint32_t spanclass = s->spanclass;
  struct mcentral *c = &h->central[spanclass];
  struct mspan **full = mcentral_swept(h, c, true), **woken = mcentral_unswept(h, c, true);
  mcentral_lock(c) /*@ ghost (h, spanclass) */;
  //@ ghost Locked: ;
  //@ assert where: HeapSame{Pre,Here}(h) && SetInv(h, spanclass, full) && Woken(s) && full != IN_HAND;
  //@ assert filed: SpanAt(s, full);
  //@ assert class: SpanOfClass(s, spanclass) && FitsSet(h, c, woken, s);
  set_remove(full, s) /*@ ghost (h, spanclass) */;
  //@ assert words: WordsBut{Locked,Here}(\null) && WordsBut{Locked,Here}(s) && \valid(s);
  //@ assert removed: HandBut{Locked,Here}(s) && !InHand{Locked}(s) && !InHand{Pre}(s);
  //@ ghost Removed: ;
  set_push(woken, s) /*@ ghost (h, spanclass) */;
  //@ ghost g_woke[s->base / 8192] = 0;
  //@ assert same: WordsBut{Removed,Here}(\null) && WordsBut{Removed,Here}(s);
  //@ assert pushed: HandBut{Removed,Here}(s) && HandBut{Pre,Here}(s);
  //@ ghost Pushed: ;
  mcentral_note_usable(h, c) /*@ ghost (spanclass) */;
  //@ assert noted: WordsBut{Pushed,Here}(s) && HandBut{Pushed,Here}(s);
  //@ assert all: HandBut{Pre,Here}(s);
  mcentral_unlock(c) /*@ ghost (h, spanclass) */;
}

struct mspan *mcentral_pop_swept(struct vs_heap *h, uint32_t spanclass) {
  struct mcentral *c = &h->central[spanclass];
  struct mspan **partial = mcentral_swept(h, c, false);
  mcentral_lock(c) /*@ ghost (h, spanclass) */;
  //@ ghost Locked: ;
  //@ assert here: SetInv(h, spanclass, partial) && HeapSame{Pre,Here}(h) && HandBut{Pre,Here}(\null);
  /*@ assert fits: \forall struct mspan *t; SpanAt(t, partial) ==> WordOf(h, t, 0) && !CtlFull(t->ctl) && t->alloc_cache != 0 &&
        SpanOfClass(t, spanclass); */
  struct mspan *s = set_pop(partial) /*@ ghost (h, spanclass) */;
  //@ assert rely: HeapSame{Pre,Here}(h) && HandBut{Pre,Here}(s) && (s != \null ==> !InHand{Pre}(s));
  //@ assert class: s != \null ==> AnySpan(s) && SpanAt{Locked}(s, partial) && WordSame{Locked,Here}(s) && SpanOfClass(s, spanclass);
  mcentral_unlock(c) /*@ ghost (h, spanclass) */;
  return s;
}

/* T3 of a span that this thread has taken out of its set. It does not fail: nobody else has the span. */
/*@ requires hand: InHand(s) && \valid(s);
    requires ticket: g_tickets == 1;
    requires heap: sweepgen % 2 == 0 && VS_OWNER_HEAP <= owner < VS_OWNER_LARGE;
    terminates \true;
    assigns s->ctl, g_others;
    ensures hand: InHand(s) && SlotsSame{Pre,Here}(s) && s->spanclass == \old(s->spanclass);
    ensures mine: \result ==> IsBeingSwept(sweepgen, s->ctl) && CtlOwner(s->ctl) == owner;
    ensures rely: HandBut{Pre,Here}(s);
*/
static bool mcentral_begin_sweep(struct mspan *s, uint32_t sweepgen, uint32_t owner, bool full) {
  //@ assert apart: \forall struct mspan *t; AnySpan(t) ==> t != s ==> \separated(t, s);
  bool mine = ownership_sweep(s, sweepgen, owner, full);
  //@ assert same: SlotsSame{Pre,Here}(s);
  //@ assert others: WordsBut{Pre,Here}(s);
  //@ assert places: \forall struct mspan *t, **o; SpanAt{Pre}(t, o) <==> SpanAt(t, o);
  return mine;
}

struct mspan *mcentral_pop_unswept(struct vs_heap *h, uint32_t spanclass, bool full) {
  struct mcentral *c = &h->central[spanclass];
  struct mspan **head = mcentral_unswept(h, c, full);
  mcentral_lock(c) /*@ ghost (h, spanclass) */;
  //@ assert locked: HeapSame{Pre,Here}(h) && HandBut{Pre,Here}(\null);
  //@ ghost Locked: ;
  //@ assert here: SetInv(h, spanclass, head);
  struct mspan *s = set_pop(head) /*@ ghost (h, spanclass) */;
  //@ assert rely: HandBut{Pre,Here}(s) && (s != \null ==> !InHand{Pre}(s));
  //@ assert class: s != \null ==> AnySpan(s) && SpanAt{Locked}(s, head) && WordSame{Locked,Here}(s) && SpanOfClass(s, spanclass);
  mcentral_unlock(c) /*@ ghost (h, spanclass) */;
  if (!s) return 0;
  //@ assert valid: AnySpan(s) && \valid(s);
  bool mine = mcentral_begin_sweep(s, h->sweepgen, h->owner, full);
  //@ assert still: SpanOfClass(s, spanclass) && HandBut{Pre,Here}(s);
  return mine ? s : 0;
}

void mcentral_push_swept(struct vs_heap *h, struct mspan *s, bool full) {
  uint32_t spanclass = s->spanclass;
  struct mcentral *c = &h->central[spanclass];
  struct mspan **head = mcentral_swept(h, c, full);
  mcentral_lock(c) /*@ ghost (h, spanclass) */;
  //@ assert mine: InHand(s) && s->ctl == \at(s->ctl, Pre) && SlotsSame{Pre,Here}(s) && SpanOfClass(s, spanclass) && HeapSame{Pre,Here}(h);
  //@ assert fits: FitsSet(h, c, head, s) && head != IN_HAND;
  //@ ghost Locked: ;
  set_push(head, s) /*@ ghost (h, spanclass) */;
  //@ assert words: WordsBut{Locked,Here}(\null);
  //@ assert others: OthersKept{Locked,Here}(head, s) && WordsBut{Locked,Here}(s);
  //@ assert kept: HandBut{Locked,Here}(s) && HandBut{Pre,Here}(s);
  //@ assert filed: !InHand(s);
  mcentral_unlock(c) /*@ ghost (h, spanclass) */;
}

#ifndef __FRAMAC__
/* All of them at once: not checked inside, the checker tells no two locks of an array apart. */
VS_LOCK_UNCHECKED void mcentral_lock_all(void) {
  for (uint32_t n = 0; n < VS_MAX_HEAPS && vs_heaps[n]; n++)
    for (uint32_t i = 0; i < VS_NUM_SPAN_CLASSES; i++) lock_acquire(&vs_heaps[n]->central[i].lock);
}

VS_LOCK_UNCHECKED void mcentral_unlock_all(void) {
  for (uint32_t n = 0; n < VS_MAX_HEAPS && vs_heaps[n]; n++)
    for (uint32_t i = 0; i < VS_NUM_SPAN_CLASSES; i++) lock_release(&vs_heaps[n]->central[i].lock);
}
#endif
