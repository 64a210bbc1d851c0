/* SPDX-License-Identifier: Apache-2.0
 *
 * The cycles of a collected heap, spec/protocol.md: every transition T0 to T8, for THREADS threads that allocate and
 * sweep, the embedder that stops them, marks beside them and turns, and SPANS spans of SLOTS slots of one class, which go
 * back to the page heap and come out of it again. No bound on operations, nor on cycles: the heap's sweepgen counts
 * modulo 8, where the four values of d are still apart, and the search of all states is complete.
 *
 * A step is one access to memory that threads share: a control word, the word of tickets, a set under its lock. What only the
 * thread that has a span touches moves together with the step before it.
 *
 * STORE and CAS name the transition, the state before and the state after: transitions.py compares them with the table.
 *
 * Properties, asserted in the steps by CHECK:
 *   legal_transition  a store finds the state that the table names
 *   one_owner         who allocates from a span has it active, and its word says so
 *   in_one_place      a span is in one set, active in one mcache, or in one thread's hands
 *   object_lost       no object that the program holds is swept away
 *   not_swept         when the sweep is finished every span is swept
 *   flaps             once the sweep is finished nobody gets a ticket before the turn
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
#define ALL ((1 << SLOTS) - 1)
#define NONE SPANS /* no span */

/* Control words: sweepgen, full flag. */
#define WORD(d, f) (16 + ((gen + d) & 7) + 8 * (f))
#define NO_SPAN 0
#define LARGE 1
#define ACTIVE WORD(3, 0)
#define SWEPT_PARTIAL WORD(0, 0)
#define SWEPT_FULL WORD(0, 1)
#define UNSWEPT_PARTIAL WORD(6, 0)
#define UNSWEPT_FULL WORD(6, 1)
#define BEING_SWEPT WORD(7, 0)
#define ANY(s) ctl[s]

/* pan prints the text of an assertion that fails, and so the name of the property; these are never set. */
hidden byte legal_transition, one_owner, in_one_place, object_lost, not_swept, flaps;
#define CHECK(property, condition) assert((condition) || property)

/* How often each transition was made: printed at the end of the search, and no part of a state. */
c_decl {
\#include <stdio.h>
  enum { T0, T1, T2, T3, T4, T5, T6, T7, T8, N_TRANSITIONS };
  static unsigned long seen[N_TRANSITIONS];
  __attribute__((destructor)) static void print_seen(void) {
    for (int i = 0; i < N_TRANSITIONS; i++) printf("reached T%d %lu\n", i, seen[i]);
  }
}
#define SEEN(name) c_code { seen[name]++; }

byte gen; /* the heap's sweepgen, even */
bit marking, stopped;
byte inside; /* threads in a call on the heap */
byte tickets;
bit drained;
byte ctl[SPANS];
bit large[SPANS]; /* one slot, always full */

/* The slots of each span, a bit each. */
byte avail[SPANS];   /* to be handed out */
byte live[SPANS];    /* marked: an object */
byte held[SPANS];    /* live, and the program can get at it */
byte reached[SPANS]; /* the remote words */
byte todo[SPANS];    /* held when marking began: what the marker finds; what is born later it does not look for */

/* Where each span is: sets of spans, a bit each. */
byte partials[2], fulls[2]; /* by parity of sweepgen / 2 */
byte mine[THREADS];     /* a span, or NONE */
byte hands;               /* taken out of one, not yet in another */

bit finished; /* ghost: the sweep has been finished since the turn */

#define B(s) (1 << (s))
#define SWEPT ((gen >> 1) & 1)
#define UNSWEPT (1 - SWEPT)
#define IN_SETS(s) ((partials[0] >> (s) & 1) + (partials[1] >> (s) & 1) + (fulls[0] >> (s) & 1) + (fulls[1] >> (s) & 1) + \
                    (hands >> (s) & 1) + (mine[0] == s) + (mine[THREADS - 1] == s && THREADS > 1))
#define ONE_PLACE(s) CHECK(in_one_place, IN_SETS(s) <= 1)
#define TAKE(set, s) set = set & ~B(s)
#define PUT(set, s)                                                                                                       \
  set = set | B(s);                                                                                                       \
  ONE_PLACE(s)
#define ANY_OF(set) ((set) & 1 -> 0 : 1)

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

/* The sweep is finished when all is drained and no ticket is out. */
#define IS_SWEPT(s) (ctl[s] == NO_SPAN || ctl[s] == LARGE || ctl[s] == SWEPT_PARTIAL || ctl[s] == SWEPT_FULL || ctl[s] == ACTIVE)
#define LOOK_FINISHED()                                                                                                   \
  if                                                                                                                      \
  :: drained && tickets == 0 -> finished = 1; CHECK(not_swept, IS_SWEPT(0) && IS_SWEPT(SPANS - 1))                        \
  :: else                                                                                                                 \
  fi

/* sweep_begin, sweep_end. */
#define BEGIN(got)                                                                                                        \
  if                                                                                                                      \
  :: !drained -> CHECK(flaps, !finished); tickets++; got = 1                                                              \
  :: else -> got = 0                                                                                                      \
  fi
#define END()                                                                                                             \
  tickets--;                                                                                                              \
  LOOK_FINISHED()

/* The thread that has the span being swept: only what was reached stays. */
#define SWEEP(s)                                                                                                          \
  CHECK(object_lost, (held[s] & ~reached[s]) == 0);                                                                       \
  live[s] = live[s] & reached[s];                                                                                         \
  reached[s] = 0;                                                                                                         \
  avail[s] = (large[s] -> 0 : ALL & ~live[s])

/* mcentral_pop_unswept, under the lock of the list: a span of the partial set, else of the full one, else NONE. */
inline pop_unswept(s, ok) {
  if
  :: partials[UNSWEPT] ->
     s = ANY_OF(partials[UNSWEPT]); TAKE(partials[UNSWEPT], s); PUT(hands, s);
     CAS(T3, s, UNSWEPT_PARTIAL, BEING_SWEPT, ok);
     CHECK(legal_transition, ok); ok = 0
  :: !partials[UNSWEPT] && fulls[UNSWEPT] ->
     s = ANY_OF(fulls[UNSWEPT]); TAKE(fulls[UNSWEPT], s); PUT(hands, s);
     CAS(T3, s, UNSWEPT_FULL, BEING_SWEPT, ok);
     CHECK(legal_transition, ok); ok = 0
  :: else -> s = NONE
  fi
}

/* cycle_rest: the word, then the push. */
inline rest_swept(s) {
  if
  :: avail[s] == 0 -> STORE(T6, s, BEING_SWEPT, SWEPT_FULL)
  :: else -> STORE(T6, s, BEING_SWEPT, SWEPT_PARTIAL)
  fi
}
inline rest_active(s) {
  if
  :: avail[s] == 0 -> STORE(T6, s, ACTIVE, SWEPT_FULL)
  :: else -> STORE(T6, s, ACTIVE, SWEPT_PARTIAL)
  fi
}
inline push(s) {
  TAKE(hands, s);
  if
  :: ctl[s] == SWEPT_FULL -> PUT(fulls[SWEPT], s)
  :: else -> PUT(partials[SWEPT], s)
  fi
}

/* cycle_sweep_one: sweeps a span, whatever its class. */
inline sweep_one(s, ok) {
  atomic { BEGIN(ok) }
  if
  :: ok ->
     ok = 0;
     atomic { pop_unswept(s, ok) }
     if
     :: s == NONE -> drained = 1
     :: else ->
        atomic { SWEEP(s) }
        if
        :: live[s] -> atomic { rest_swept(s) } atomic { push(s) }
        :: else -> /* cycle_free */
           atomic {
             STORE(T5, s, BEING_SWEPT, NO_SPAN);
             CHECK(object_lost, !held[s]);
             TAKE(hands, s); avail[s] = 0; large[s] = 0; held[s] = 0; live[s] = 0 }
        fi
     fi;
     atomic { END(); s = 0 }
  :: else
  fi
}

/* Makes s active: while objects are marked, what will be handed out is reached. */
#define MAKE_ACTIVE(s, t)                                                                                                 \
  TAKE(hands, s);                                                                                                         \
  mine[t] = s;                                                                                                          \
  reached[s] = (marking -> reached[s] | avail[s] : reached[s]);                                                           \
  ONE_PLACE(s)

/* cycle_refill: another active span for thread t. */
inline refill(t, s, ok) {
  if
  :: mine[t] != NONE && avail[mine[t]] == 0 ->
     atomic { s = mine[t]; mine[t] = NONE; PUT(hands, s); rest_active(s) }
     atomic { push(s) }
  :: else
  fi;
  s = NONE;
  if
  :: mine[t] == NONE ->
     atomic {
       if
       :: partials[SWEPT] -> s = ANY_OF(partials[SWEPT]); TAKE(partials[SWEPT], s); PUT(hands, s)
       :: else
       fi }
     if
     :: s != NONE -> atomic { STORE(T1, s, SWEPT_PARTIAL, ACTIVE); MAKE_ACTIVE(s, t) }
     :: else ->
        atomic { BEGIN(ok) }
        if
        :: ok -> /* cycle_sweep_for */
           ok = 0;
           atomic { pop_unswept(s, ok) }
           if
           :: s != NONE ->
              atomic { SWEEP(s) }
              if
              :: avail[s] -> atomic { STORE(T4, s, BEING_SWEPT, ACTIVE); MAKE_ACTIVE(s, t) }
              :: else -> atomic { rest_swept(s) } atomic { push(s) }
              fi
           :: else
           fi;
           atomic { END() }
        :: else
        fi;
        if
        :: mine[t] == NONE -> /* mheap_alloc */
           atomic {
             if
             :: ctl[0] == NO_SPAN || ctl[SPANS - 1] == NO_SPAN ->
                s = (ctl[0] == NO_SPAN -> 0 : SPANS - 1);
                STORE(T0, s, NO_SPAN, ACTIVE);
                avail[s] = ALL; live[s] = 0; held[s] = 0; reached[s] = 0; large[s] = 0;
                PUT(hands, s);
                MAKE_ACTIVE(s, t)
             :: else
             fi }
        :: else
        fi
     fi
  :: else
  fi;
  s = 0
}

proctype Thread(byte t) {
  byte s = 0, b = 0;
  bit ok = 0;
end:
  do
  :: atomic { !stopped -> inside++ }
     if
     :: mine[t] == NONE || avail[mine[t]] == 0 -> refill(t, s, ok)
     :: /* cycle_alloc */
        atomic { mine[t] != NONE && avail[mine[t]] ->
          s = mine[t];
          CHECK(one_owner, ctl[s] == ACTIVE);
          b = (avail[s] & 1 -> 1 : 2);
          avail[s] = avail[s] & ~b; live[s] = live[s] | b; held[s] = held[s] | b;
          s = 0; b = 0 }
#ifdef WITH_LARGE
     :: /* cycle_alloc_large */
        atomic { ctl[SPANS - 1] == NO_SPAN -> s = SPANS - 1; ctl[s] = LARGE; PUT(hands, s) }
        atomic {
          large[s] = 1; live[s] = 1; held[s] = 1; avail[s] = 0; reached[s] = marking;
          STORE(T7, s, LARGE, SWEPT_FULL) }
        atomic { push(s); s = 0 }
#endif
     :: sweep_one(s, ok)
     fi;
     inside--
  :: /* the program lets go of an object */
     atomic { held[0] | held[SPANS - 1] -> s = (held[0] -> 0 : SPANS - 1); held[s] = held[s] & (held[s] - 1); s = 0 }
  od
}

/* The embedder; its marker may run beside the others, and at the end marks what is left while they are stopped. */
proctype Embedder() {
  byte s = 0, t = 0;
  bit ok = 0;
end:
  do
  :: atomic { !stopped && inside == 0 -> stopped = 1 }
     /* cycle_begin_mark */
     do
     :: drained && tickets == 0 -> break
     :: else -> sweep_one(s, ok)
     od;
     atomic { CHECK(not_swept, IS_SWEPT(0) && IS_SWEPT(SPANS - 1)) }
     t = 0;
     do
     :: t < THREADS -> atomic {
          s = mine[t];
          if :: s != NONE -> mine[t] = NONE; PUT(hands, s); rest_active(s); push(s) :: else fi; s = 0; t++ }
     :: else -> break
     od;
     atomic { t = 0; marking = 1; todo[0] = held[0]; todo[SPANS - 1] = held[SPANS - 1]; stopped = 0 }
     do
     :: atomic { todo[0] | todo[SPANS - 1] -> /* cycle_mark */
          s = (todo[0] -> 0 : SPANS - 1);
          reached[s] = reached[s] | todo[s]; todo[s] = 0; s = 0 }
     :: atomic { inside == 0 -> stopped = 1 } break
     od;
     atomic {
       reached[0] = reached[0] | todo[0]; todo[0] = 0;
       reached[SPANS - 1] = reached[SPANS - 1] | todo[SPANS - 1]; todo[SPANS - 1] = 0 }
     /* cycle_end_mark */
     do
     :: t < THREADS -> atomic {
          s = mine[t];
          if :: s != NONE -> mine[t] = NONE; PUT(hands, s); rest_active(s); push(s) :: else fi; s = 0; t++ }
     :: else -> break
     od;
     atomic {
       CHECK(legal_transition, (ctl[0] == NO_SPAN || ctl[0] == SWEPT_PARTIAL || ctl[0] == SWEPT_FULL) &&
         (ctl[SPANS - 1] == NO_SPAN || ctl[SPANS - 1] == SWEPT_PARTIAL || ctl[SPANS - 1] == SWEPT_FULL));
       t = 0; marking = 0; gen = (gen + 2) & 7; drained = 0; tickets = 0; finished = 0; SEEN(T2);
       stopped = 0 }
  :: /* heap_destroy, and heap_create of the next */
     atomic { !stopped && inside == 0 -> stopped = 1 }
     do
     :: s < SPANS ->
        atomic {
          if
          :: ctl[s] != NO_SPAN -> STORE(T8, s, ANY(s), BEING_SWEPT)
          :: else
          fi }
        atomic {
          if
          :: ctl[s] != NO_SPAN -> STORE(T5, s, BEING_SWEPT, NO_SPAN)
          :: else
          fi;
          avail[s] = 0; live[s] = 0; held[s] = 0; reached[s] = 0; large[s] = 0; s++ }
     :: else -> break
     od;
     atomic {
       s = 0; partials[0] = 0; partials[1] = 0; fulls[0] = 0; fulls[1] = 0; mine[0] = NONE; mine[THREADS - 1] = NONE;
       gen = 0; drained = 1; tickets = 0; finished = 1; stopped = 0 }
  od
}

init {
  byte i = 0;
  atomic {
    drained = 1; finished = 1;
    do
    :: i < THREADS -> mine[i] = NONE; run Thread(i); i++
    :: else -> break
    od;
    run Embedder()
  }
}
