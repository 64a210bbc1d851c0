/* SPDX-License-Identifier: Apache-2.0
 *
 * The protocol of spec/protocol.md as a state machine: every transition M0 to M12, for THREADS threads that check
 * mcaches out, park and adopt them and flush parked ones, FREERS threads that only free, and SPANS spans of SLOTS
 * slots of one class, which go back to the page heap and come out of it again. There is no bound on the
 * number of operations: the state space is finite and searched completely.
 *
 * A step is one access to memory that threads share: a control word, a remote word, an inbox, a set under its
 * lock. What only the holder of a span touches moves together with the step before it. The inbox is a set here, pushed to
 * and taken in one step (its links are checked on the code by harness/relacy and harness/sched).
 *
 * STORE and CAS name the transition, the state before and the state after: transitions.py compares them with the
 * table of spec/protocol.md and with the writes of control words in src/.
 *
 * Properties, asserted in the steps by CHECK:
 *   legal_transition  a store finds the state that the table names
 *   one_owner         who allocates from a span, or frees in it as its owner, is named in its word
 *   in_one_place      a span is in at most one of the sets, or on the way into one
 *   lost_wake_up      no full span at rest has a remote bit that nobody is going to look at
 *   free_lost         every slot is available, live, being freed, freed by a remote bit, or freed: exactly one
 * and the search itself finds a state in which nobody can go on.
 */
#ifndef SPANS
#define SPANS 2
#endif
#ifndef SLOTS
#define SLOTS 1
#endif
#ifndef THREADS
#define THREADS 2
#endif
#ifndef FREERS
#define FREERS 1
#endif
#define MCACHES THREADS
#define ALL ((1 << SLOTS) - 1)
#define NONE MCACHES /* the central list, as an owner */

/* Control words: a state and an owner. */
#define NO_SPAN 0
#define OWNED(m) (1 + 8 * (m))
#define RESTING_FULL(m) (2 + 8 * (m))
#define WAKING(m) (3 + 8 * (m))
#define CENTRAL_PARTIAL (4 + 8 * NONE)
#define CENTRAL_FULL (2 + 8 * NONE)
#define CENTRAL_UNSWEPT (3 + 8 * NONE)
#define LARGE 5
#define FURTHER_LARGE 6
#define STATE(c) ((c) & 7)
#define OWNER(c) ((c) >> 3)

/* pan prints the text of an assertion that fails, and so the name of the property; these are never set. */
hidden byte legal_transition, one_owner, in_one_place, lost_wake_up, free_lost;
#define CHECK(property, condition) assert((condition) || property)

/* How often each transition was made: printed at the end of the search, and no part of a state. */
c_decl {
\#include <stdio.h>
  enum { M0, M1, M2, M3, M4, M5, M6, M7, M8, M9, M10, M11, M12, N_TRANSITIONS };
  static unsigned long seen[N_TRANSITIONS];
  __attribute__((destructor)) static void print_seen(void) {
    for (int i = 0; i < N_TRANSITIONS; i++) printf("reached M%d %lu\n", i, seen[i]);
  }
}
#define SEEN(name) c_code { seen[name]++; }

byte ctl[SPANS];

/* The slots of each span, a bit each: exactly one of these. */
byte avail[SPANS]; /* to be handed out */
byte live[SPANS];  /* a user's */
byte going[SPANS]; /* being freed: the user has let go, the bit is not set yet */
byte remote[SPANS];
byte freed[SPANS]; /* folded, not swept */

/* Where each span is: sets of spans, a bit each. */
byte mine[MCACHES];  /* active or queued */
byte inbox[MCACHES];
byte central[3];     /* partial swept, full swept, full unswept */
#define PARTIAL 0
#define FULL 1
#define UNSWEPT 2
byte moving; /* taken out of one, not yet in another */

bit list_lock, central_lock;
byte parked; /* mcaches, a bit each */

byte looks[SPANS]; /* ghost: threads that will still look at the span's words and act on them */

#define B(s) (1 << (s))
#define IN_SETS(s) (((mine[0] | inbox[0]) >> (s) & 1) + IN_SETS_1(s) + (central[0] >> (s) & 1) + (central[1] >> (s) & 1) + \
                    (central[2] >> (s) & 1) + (moving >> (s) & 1))
#if MCACHES > 1
#define IN_SETS_1(s) ((mine[1] | inbox[1]) >> (s) & 1)
#else
#define IN_SETS_1(s) 0
#endif
#define ONE_PLACE(s) CHECK(in_one_place, IN_SETS(s) <= 1)
#define APART(x, y) (((x) & (y)) == 0)
#define SLOTS_KEPT(s)                                                                                                     \
  CHECK(free_lost, (avail[s] | live[s] | going[s] | remote[s] | freed[s]) == ALL &&                                       \
                   APART(avail[s], live[s] | going[s] | remote[s] | freed[s]) &&                                          \
                   APART(live[s], going[s] | remote[s] | freed[s]) && APART(going[s], remote[s] | freed[s]) &&            \
                   APART(remote[s], freed[s]))
#define AT_REST_FULL(s) (STATE(ctl[s]) == 2)
#define LOOKED(s)                                                                                                         \
  looks[s]--;                                                                                                             \
  CHECK(lost_wake_up, looks[s] > 0 || !(AT_REST_FULL(s) && remote[s]))

/* A store and a compare-and-swap of a control word; what follows in the same step is the caller's. */
#define STORE(name, s, from, to)                                                                                          \
  CHECK(legal_transition, ctl[s] == from);                                                                                \
  SEEN(name);                                                                                                             \
  ctl[s] = to
#define CAS(name, s, from, to, ok)                                                                                        \
  ok = ctl[s] == from;                                                                                                    \
  if                                                                                                                      \
  :: ok -> SEEN(name); ctl[s] = to                                                                                        \
  :: else                                                                                                                 \
  fi

#define TAKE(set, s) set = set & ~B(s)
#define PUT(set, s)                                                                                                       \
  set = set | B(s);                                                                                                       \
  ONE_PLACE(s)

/* The holder, with the span in its hands: takes the remote bits; makes freed slots available. */
#define FOLD(s)                                                                                                           \
  freed[s] = freed[s] | remote[s];                                                                                        \
  remote[s] = 0
#define SWEEP(s)                                                                                                          \
  avail[s] = avail[s] | freed[s];                                                                                         \
  freed[s] = 0

/* The holder: hands out an available slot; frees a slot of its own. */
#define HAND_OUT(s, b)                                                                                                    \
  avail[s] = avail[s] & ~b;                                                                                               \
  CHECK(free_lost, !(live[s] & b));                                                                                       \
  live[s] = live[s] | b
#define FREE_OWN(s, b)                                                                                                    \
  going[s] = going[s] & ~b;                                                                                               \
  freed[s] = freed[s] | b;                                                                                                \
  b = 0;                                                                                                                  \
  SLOTS_KEPT(s)

/* After the remote bit of a slot of s was set: wakes s if it is full and at rest, and brings it to its owner. */
inline wake(s, c, ok) {
  ok = 0;
  do
  :: atomic { /* ownership_wake looks */
       c = ctl[s];
       if
       :: !AT_REST_FULL(s) -> LOOKED(s); c = 0; break
       :: else
       fi }
     if
     :: OWNER(c) != NONE ->
        atomic {
          CAS(M3, s, RESTING_FULL(OWNER(c)), WAKING(OWNER(c)), ok);
          if
          :: ok -> PUT(moving, s); LOOKED(s)
          :: else
          fi }
        if
        :: ok -> atomic { TAKE(moving, s); PUT(inbox[OWNER(c)], s); ok = 0; c = 0 }; break
        :: else
        fi
     :: else ->
        atomic {
          CAS(M6, s, CENTRAL_FULL, CENTRAL_UNSWEPT, ok);
          if
          :: ok -> LOOKED(s)
          :: else
          fi }
        if
        :: ok -> /* mcentral_push_unswept */
           atomic { !central_lock -> central_lock = 1 }
           atomic {
             CHECK(in_one_place, central[FULL] & B(s));
             TAKE(central[FULL], s); PUT(central[UNSWEPT], s); central_lock = 0; ok = 0; c = 0 }
           break
        :: else
        fi
     fi
  od
}

/* A thread lets go of a live block of span s; b is its bit. */
inline choose_block(s, b) {
  s = 0;
  do
  :: s < SPANS - 1 -> s++
  :: break
  od;
  if
  :: live[s] & 1 -> b = 1
#if SLOTS > 1
  :: live[s] & 2 -> b = 2
#endif
  :: else -> b = 0
  fi;
  if
  :: b -> live[s] = live[s] & ~b; going[s] = going[s] | b
  :: else
  fi
}

/* heap_free_slow by a thread whose mcache does not own the span: a large block, or the remote bit. */
inline free_elsewhere(s, b, c, ok) {
  c = ctl[s];
  if
  :: c == LARGE || c == FURTHER_LARGE ->
     atomic {
       if
       :: c == FURTHER_LARGE -> CAS(M12, s, FURTHER_LARGE, LARGE, ok); CHECK(legal_transition, ok)
       :: else
       fi }
     atomic {
       CAS(M10, s, LARGE, NO_SPAN, ok);
       CHECK(legal_transition, ok); /* nobody else has freed the block */
       going[s] = 0; avail[s] = 0; b = 0; c = 0; ok = 0 }
  :: else ->
     atomic {
       CHECK(free_lost, going[s] & b);
       remote[s] = remote[s] | b; going[s] = going[s] & ~b; b = 0; looks[s]++; SLOTS_KEPT(s) }
     wake(s, c, ok)
  fi
}

/* M1, when every slot of s is handed out and none freed; then looks again. */
inline rest(s, m, ok) {
  atomic { STORE(M1, s, OWNED(m), RESTING_FULL(m)); TAKE(mine[m], s); looks[s]++ }
  if
  :: atomic { remote[s] == 0 -> LOOKED(s) }
  :: atomic { remote[s] != 0 ->
       ok = 0 }
     atomic {
       CAS(M2, s, RESTING_FULL(m), OWNED(m), ok);
       if
       :: ok -> PUT(mine[m], s)
       :: else
       fi;
       LOOKED(s); ok = 0 }
  fi
}

/* Every span of the inbox of m to m's own. */
inline drain(m, set, s) {
  atomic { set = inbox[m]; inbox[m] = 0; moving = moving | set }
  do
  :: atomic { set != 0 ->
       s = (set & 1 -> 0 : 1);
       TAKE(set, s);
       STORE(M4, s, WAKING(m), OWNED(m));
       TAKE(moving, s); PUT(mine[m], s) }
  :: set == 0 -> break
  od;
  s = 0
}

/* mcache_flush for one span: an empty one to the page heap, others to the central list. */
inline give_up(s, m, c, ok) {
  atomic { FOLD(s); TAKE(mine[m], s); PUT(moving, s) }
  if
  :: freed[s] == ALL -> /* mheap_free */
     atomic {
       STORE(M8, s, OWNED(m), NO_SPAN);
       CHECK(free_lost, !remote[s] && !going[s] && !live[s]);
       freed[s] = 0; TAKE(moving, s) }
  :: else -> /* mcentral_uncache_span */
     atomic { FOLD(s); SWEEP(s) }
     atomic { !central_lock -> central_lock = 1 }
     if
     :: avail[s] == 0 ->
        atomic { STORE(M5, s, OWNED(m), CENTRAL_FULL); looks[s]++ }
        if
        :: atomic { remote[s] == 0 -> LOOKED(s); ok = 0 }
        :: atomic { remote[s] != 0 -> ok = 0 }
           atomic { CAS(M6, s, CENTRAL_FULL, CENTRAL_UNSWEPT, ok); LOOKED(s) }
        fi;
        atomic {
          TAKE(moving, s);
          if
          :: ok -> PUT(central[UNSWEPT], s); ok = 0
          :: else -> PUT(central[FULL], s)
          fi }
     :: else ->
        atomic { STORE(M5, s, OWNED(m), CENTRAL_PARTIAL) }
        atomic { TAKE(moving, s); PUT(central[PARTIAL], s) }
     fi;
     central_lock = 0
  fi
}

/* A thread that allocates and frees: it holds mcache m. */
proctype Thread() {
  byte m = MCACHES, s = 0, b = 0, c = 0, set = 0, p = 0;
  bit ok = 0;
end:
  do
  :: m == MCACHES -> /* mcache_acquire: the last parked */
     atomic { !list_lock && parked -> m = (parked & 2 -> 1 : 0); parked = parked & ~B(m) }
  :: m != MCACHES ->
     if
     :: /* malloc from a span of its own */
        atomic { mine[m] -> s = 0; do :: s < SPANS - 1 -> s++ :: break od;
          if
          :: mine[m] & B(s) ->
             CHECK(one_owner, ctl[s] == OWNED(m));
             if
             :: avail[s] & 1 -> HAND_OUT(s, 1)
             :: !(avail[s] & 1) && (avail[s] & 2) -> HAND_OUT(s, 2)
             :: else
             fi;
             SLOTS_KEPT(s)
          :: else
          fi; s = 0 }
     :: /* mcache_retire */
        atomic { mine[m] -> s = 0; do :: s < SPANS - 1 -> s++ :: break od;
          if
          :: (mine[m] & B(s)) && avail[s] == 0 -> FOLD(s); ok = freed[s] == 0; if :: !ok -> SWEEP(s) :: else fi
          :: else -> ok = 0
          fi }
        if
        :: ok -> ok = 0; rest(s, m, ok)
        :: else
        fi;
        s = 0
     :: atomic { inbox[m] -> skip }; drain(m, set, s)
     :: /* mcentral_cache_span */
        atomic { !central_lock && (central[PARTIAL] | central[UNSWEPT]) -> central_lock = 1 }
        atomic {
          set = (central[PARTIAL] -> central[PARTIAL] : central[UNSWEPT]);
          s = (set & 1 -> 0 : 1);
          ok = central[PARTIAL] != 0;
          if :: ok -> TAKE(central[PARTIAL], s) :: else -> TAKE(central[UNSWEPT], s) fi;
          PUT(moving, s); set = 0; central_lock = 0 }
        if
        :: ok -> atomic { STORE(M7, s, CENTRAL_PARTIAL, OWNED(m)); TAKE(moving, s); PUT(mine[m], s) }
        :: else -> atomic { STORE(M7, s, CENTRAL_UNSWEPT, OWNED(m)); TAKE(moving, s); PUT(mine[m], s) }
        fi;
        s = 0; ok = 0
     :: /* mheap_alloc: the pages of a span that is none now */
        atomic { ctl[0] == NO_SPAN || ctl[SPANS - 1] == NO_SPAN ->
          s = (ctl[0] == NO_SPAN -> 0 : SPANS - 1);
          STORE(M0, s, NO_SPAN, OWNED(m)); avail[s] = ALL; PUT(mine[m], s); SLOTS_KEPT(s); s = 0 }
#ifdef WITH_LARGE
     :: atomic { ctl[SPANS - 1] == NO_SPAN ->
          s = SPANS - 1;
          STORE(M9, s, NO_SPAN, LARGE); avail[s] = 0 }
        atomic {
          if
          :: STORE(M11, s, LARGE, FURTHER_LARGE)
          :: skip
          fi;
          live[s] = 1; s = 0 }
#endif
     :: /* free of a block, of its own span or another */
        atomic { choose_block(s, b) }
        if
        :: b == 0
        :: b != 0 && ctl[s] == OWNED(m) -> /* nobody else can change it */
           atomic { CHECK(one_owner, ctl[s] == OWNED(m)); FREE_OWN(s, b) }
        :: b != 0 && ctl[s] != OWNED(m) && OWNER(ctl[s]) == m && STATE(ctl[s]) < 5 && ctl[s] != NO_SPAN ->
           /* heap_free_full: full, or on the way through the inbox */
           atomic { FREE_OWN(s, b) }
           atomic {
             CAS(M2, s, RESTING_FULL(m), OWNED(m), ok);
             if :: ok -> PUT(mine[m], s) :: else fi; ok = 0 }
        :: b != 0 && (OWNER(ctl[s]) != m || STATE(ctl[s]) >= 5) -> free_elsewhere(s, b, c, ok)
        fi;
        s = 0
     :: /* a queued span goes when it is empty: mcache_emptied */
        atomic { mine[m] -> s = 0; do :: s < SPANS - 1 -> s++ :: break od; ok = (mine[m] & B(s)) && (freed[s] == ALL) }
        if
        :: ok -> ok = 0; give_up(s, m, c, ok)
        :: else
        fi;
        s = 0
     :: /* mcache_exit */
        atomic { !list_lock -> parked = parked | B(m); m = MCACHES }
     :: /* mcache_flush_parked: another's spans, under the lock of the list */
        atomic { !list_lock && parked -> list_lock = 1; p = (parked & 2 -> 1 : 0) }
        drain(p, set, s);
        do
        :: mine[p] -> s = (mine[p] & 1 -> 0 : 1); give_up(s, p, c, ok)
        :: !mine[p] -> break
        od;
        atomic { s = 0; p = 0; list_lock = 0 }
     fi
  od
}

/* A thread that holds no mcache: it only frees. */
proctype Freer() {
  byte s = 0, b = 0, c = 0;
  bit ok = 0;
end:
  do
  :: atomic { choose_block(s, b) }
     if
     :: b != 0 -> free_elsewhere(s, b, c, ok)
     :: else
     fi;
     s = 0
  od
}

init {
  byte i = 0;
  atomic {
    parked = (1 << MCACHES) - 1;
    do
    :: i < THREADS -> run Thread(); i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < FREERS -> run Freer(); i++
    :: else -> break
    od
  }
}
