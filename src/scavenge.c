/* SPDX-License-Identifier: Apache-2.0
 * The scavenger. Contracts of what others call stand in scavenge.h. */
#include "scavenge.h"

#include "os.h"
#include "pace.h"

/* What scavenge_range says when there is nothing that is due, or that the system would take; more than any pages. */
#define NOTHING UINT64_MAX

/* So many looks go through the chunks of the whole address space, 64 of them at a time (idle.h). One that finds nothing is
 * followed by the next; with so many to spare, a call ends however fast other threads free pages. */
#define ALL_LOOKS 1048576u

/* Nanoseconds until somebody looks again after nothing was due; and that the background thread rests in any case. */
#define REST 250000000u
#define BREATH 10000000u

/* More than a piece of paced work takes, in nanoseconds. */
#define WORKED_MOST 1000000000000u

struct vs_lock vs_scavenge_lock = VS_LOCK_INIT;
uint64_t vs_scavenge_next;
uint64_t vs_scavenge_last;

/* Called with the lock. */
#define SCAVENGE_LOCKED VS_REQUIRES(vs_scavenge_lock)

/* Lets a new period begin if it is time. */
/*@ requires inv: HeapInv;
    terminates \true;
    assigns vs_heap.reclaim;
    ensures inv: HeapInv;
    ensures frame: PagesFrame{Pre,Here}(&vs_heap.pages);
*/
HEAP_LOCKED static void scavenge_turn(uint64_t now) {
  growth_apart(&vs_heap.pages.space);
  //@ assert counts: vs_heap.pages.used <= 34359738368;
  reclaim_turn(&vs_heap.reclaim, now, vs_heap.pages.used);
  //@ assert sets: SetsSame{Pre,Here}(&vs_heap.pages.space);
  //@ assert places: \forall integer n; 0 <= n < 4194304 ==> ArenaSame{Pre,Here}(&g_arenas[n]);
  /*@ assert words: \forall integer m, k, w; 0 <= m < 1048576 ==> 0 <= k < 64 ==> 0 <= w < 8 ==> HasBlock(m) ==>
        vs_pages.block[m]->chunk[k].free[w] == \at(vs_pages.block[m]->chunk[k].free[w], Pre) &&
        vs_pages.block[m]->chunk[k].dirty[w] == \at(vs_pages.block[m]->chunk[k].dirty[w], Pre); */
  //@ assert frame: PagesFrame{Pre,Here}(&vs_heap.pages);
}

/* Notes how many pages are on their way. */
/*@ requires inv: HeapInv;
    terminates \true;
    assigns vs_heap.leaving_pages;
    ensures inv: HeapInv;
    ensures frame: PagesFrame{Pre,Here}(&vs_heap.pages);
    ensures set: vs_heap.leaving_pages == npages;
*/
HEAP_LOCKED static void scavenge_leave(uint32_t npages) {
  growth_apart(&vs_heap.pages.space);
  vs_heap.leaving_pages = npages;
  //@ assert sets: SetsSame{Pre,Here}(&vs_heap.pages.space);
  //@ assert places: \forall integer n; 0 <= n < 4194304 ==> ArenaSame{Pre,Here}(&g_arenas[n]);
  /*@ assert words: \forall integer m, k, w; 0 <= m < 1048576 ==> 0 <= k < 64 ==> 0 <= w < 8 ==> HasBlock(m) ==>
        vs_pages.block[m]->chunk[k].free[w] == \at(vs_pages.block[m]->chunk[k].free[w], Pre) &&
        vs_pages.block[m]->chunk[k].dirty[w] == \at(vs_pages.block[m]->chunk[k].dirty[w], Pre); */
  //@ assert frame: PagesFrame{Pre,Here}(&vs_heap.pages);
}

/* Notes that none is any more, and whether npages went. */
/*@ requires inv: HeapInv;
    terminates \true;
    assigns vs_heap.leaving_pages, vs_heap.released_bytes, vs_heap.reclaim;
    ensures inv: HeapInv;
    ensures frame: PagesFrame{Pre,Here}(&vs_heap.pages);
    ensures none: vs_heap.leaving_pages == 0;
    ensures released: done ==> \old(vs_heap.released_bytes) + npages * 8192 <= 18446744073709551615 ==>
      vs_heap.released_bytes == \old(vs_heap.released_bytes) + npages * 8192;
    ensures kept: !done ==> vs_heap.released_bytes == \old(vs_heap.released_bytes);
*/
HEAP_LOCKED static void scavenge_account(uint32_t npages, bool done, uint64_t gone) {
  growth_apart(&vs_heap.pages.space);
  //@ assert counts: ReclaimCounts(vs_heap.pages.used, vs_heap.pages.dirty);
  vs_heap.leaving_pages = 0;
  if (done) vs_heap.released_bytes = scavenge_sum(vs_heap.released_bytes, (uint64_t)npages * VS_PAGE_SIZE);
  reclaim_pay(&vs_heap.reclaim, gone, vs_heap.pages.used, vs_heap.pages.dirty);
  //@ assert sets: SetsSame{Pre,Here}(&vs_heap.pages.space);
  //@ assert places: \forall integer n; 0 <= n < 4194304 ==> ArenaSame{Pre,Here}(&g_arenas[n]);
  /*@ assert words: \forall integer m, k, w; 0 <= m < 1048576 ==> 0 <= k < 64 ==> 0 <= w < 8 ==> HasBlock(m) ==>
        vs_pages.block[m]->chunk[k].free[w] == \at(vs_pages.block[m]->chunk[k].free[w], Pre) &&
        vs_pages.block[m]->chunk[k].dirty[w] == \at(vs_pages.block[m]->chunk[k].dirty[w], Pre); */
  //@ assert frame: PagesFrame{Pre,Here}(&vs_heap.pages);
}

/* Sets the limit. The one before. */
/*@ requires inv: HeapInv;
    terminates \true;
    assigns vs_heap.reclaim;
    ensures inv: HeapInv;
    ensures frame: PagesFrame{Pre,Here}(&vs_heap.pages);
    ensures before: \result == \old(vs_heap.reclaim.limit_bytes) && vs_heap.reclaim.limit_bytes == bytes;
*/
HEAP_LOCKED static size_t scavenge_limit(size_t bytes) {
  growth_apart(&vs_heap.pages.space);
  //@ assert counts: ReclaimCounts(vs_heap.pages.used, vs_heap.pages.dirty);
  size_t before = reclaim_set_limit(&vs_heap.reclaim, bytes, vs_heap.pages.used, vs_heap.pages.dirty);
  //@ assert sets: SetsSame{Pre,Here}(&vs_heap.pages.space);
  //@ assert places: \forall integer n; 0 <= n < 4194304 ==> ArenaSame{Pre,Here}(&g_arenas[n]);
  /*@ assert words: \forall integer m, k, w; 0 <= m < 1048576 ==> 0 <= k < 64 ==> 0 <= w < 8 ==> HasBlock(m) ==>
        vs_pages.block[m]->chunk[k].free[w] == \at(vs_pages.block[m]->chunk[k].free[w], Pre) &&
        vs_pages.block[m]->chunk[k].dirty[w] == \at(vs_pages.block[m]->chunk[k].dirty[w], Pre); */
  //@ assert frame: PagesFrame{Pre,Here}(&vs_heap.pages);
  return before;
}

/* Takes pages that are due, if there are some. */
/*@ requires inv: HeapInv;
    terminates \true;
    assigns HEAP_STATE \from HEAP_STATE;
    assigns g_mine[0 .. 34359738367];
    ensures inv: HeapInv;
    ensures rely: OwnKept{Pre,Here};
    ensures leaving: vs_heap.leaving_pages == \result.npages;
    ensures bound: \result.npages <= VS_RANGE_PAGES + VS_HUGE_PAGES;
    ensures mine: 0 < \result.npages ==> \result.first + \result.npages <= 34359738368 &&
      RunMine(\result.first, \result.first + \result.npages) && PagesTaken(\result.first, \result.first + \result.npages) &&
      MineSame{Pre,Here}(0, \result.first) && MineSame{Pre,Here}(\result.first + \result.npages, 34359738368);
    ensures none: \result.npages == 0 ==> MineSame{Pre,Here}(0, 34359738368);
    ensures were: 0 < \result.npages ==> NoneMine{Pre}(\result.first, \result.first + \result.npages);
    ensures spanless: 0 < \result.npages ==> RunSpanless(\result.first, \result.first + \result.npages);
*/
SCAVENGE_LOCKED static struct page_run scavenge_take(enum reclaim_reason why, uint64_t now) {
  mheap_lock();
  growth_apart(&vs_heap.pages.space);
  scavenge_turn(now);
  //@ ghost Turned: ;
  //@ assert counts: vs_heap.pages.dirty <= 34359738368;
  //@ assert turned: OwnKept{Pre,Here};
  struct page_run run = pageheap_take_idle(&vs_heap.pages, reclaim_due(&vs_heap.reclaim, why, vs_heap.pages.dirty));
  /*@ assert kept: vs_heap.reclaim.peak == \at(vs_heap.reclaim.peak, Turned) &&
        vs_heap.reclaim.last_peak == \at(vs_heap.reclaim.last_peak, Turned) &&
        vs_heap.reclaim.owed == \at(vs_heap.reclaim.owed, Turned); */
  //@ assert metadata: MetadataInv{Turned}(&vs_heap.pages.space) && ArenasInv{Turned} && ArenasInv;
  //@ assert pays: PaysSame{Turned,Here};
  //@ assert more: UsedKept{Turned,Here}(&vs_heap.pages.space);
  //@ assert spans: SpansInv(&vs_heap.pages.space);
  /*@ assert spanless: 0 < run.npages ==> RunSpanless{Turned}(run.first, run.first + run.npages) &&
        RunSpanless(run.first, run.first + run.npages); */
  //@ assert inv: HeapInv;
  //@ assert took: Rely{Turned,Here} && OwnKept{Turned,Here};
  //@ ghost Took: ;
  scavenge_leave(run.npages);
  //@ assert same: PagesSame{Took,Here};
  //@ assert pages: 0 < run.npages ==> PagesTaken(run.first, run.first + run.npages);
  //@ assert rely: OwnKept{Pre,Here};
  mheap_unlock();
  return run;
}

/* Returns pages that scavenge_take took, whose memory went to the system if done says so; accounts for what went. */
/*@ requires inv: HeapInv;
    requires bound: 0 < npages ==> first + npages <= 34359738368;
    requires mine: 0 < npages ==> RunMine(first, first + npages) && PagesTaken(first, first + npages);
    requires spanless: 0 < npages ==> RunSpanless(first, first + npages);
    requires zero: 0 < npages ==> done ==> OsAre(8192 * first, 8192 * npages, OsPrepared);
    terminates \true;
    assigns HEAP_STATE \from HEAP_STATE;
    assigns g_mine[0 .. 34359738367];
    ensures inv: HeapInv;
    ensures leaving: vs_heap.leaving_pages == 0;
    ensures free: 0 < npages ==> RunFree(first, first + npages);
    ensures clean: 0 < npages ==> \forall integer p; first <= p < first + npages ==> (PageDirty(p) <==> !done);
    ensures gone: 0 < npages ==> NoneMine(first, first + npages) &&
      MineSame{Pre,Here}(0, first) && MineSame{Pre,Here}(first + npages, 34359738368);
    ensures none: npages == 0 ==> MineSame{Pre,Here}(0, 34359738368);
    ensures rely: \forall integer p; 0 <= p < 34359738368 ==> Mine(p) ==>
      (PageDirty{Pre}(p) <==> PageDirty(p)) && SpanKept{Pre,Here}(p);
*/
SCAVENGE_LOCKED static void scavenge_put(uint64_t first, uint32_t npages, bool done, uint64_t gone) {
  mheap_lock();
  growth_apart(&vs_heap.pages.space);
  //@ assert same: 0 < npages ==> \forall integer p; first <= p < first + npages ==> Mine{Pre}(p) && PageDirty{Pre}(p);
  //@ assert kept: 0 < npages ==> \forall integer p; first <= p < first + npages ==> Mine(p) && PageDirty(p);
  //@ assert used: 0 < npages ==> RunUsed(&vs_heap.pages.space, first, first + npages);
  //@ assert taken: 0 < npages ==> PagesTaken(first, first + npages);
  //@ assert metadata: MetadataInv(&vs_heap.pages.space) && ArenasInv && MetadataInv{Pre}(&vs_heap.pages.space);
  //@ assert spanless: 0 < npages ==> RunSpanless(first, first + npages);
  //@ assert own: \forall integer p; 0 <= p < 34359738368 ==> Mine{Pre}(p) ==> SpanKept{Pre,Here}(p);
  //@ ghost Locked: ;
  if (npages != 0) pageheap_put_idle(&vs_heap.pages, first, npages, done);
  /*@ assert reclaim: vs_heap.reclaim.peak == \at(vs_heap.reclaim.peak, Locked) &&
        vs_heap.reclaim.last_peak == \at(vs_heap.reclaim.last_peak, Locked) &&
        vs_heap.reclaim.owed == \at(vs_heap.reclaim.owed, Locked); */
  //@ assert arenas: ArenasInv && ArenasKept{Locked,Here};
  //@ assert pays: PaysSame{Locked,Here};
  //@ assert spans: SpansInv(&vs_heap.pages.space);
  //@ assert inv: HeapInv;
  //@ assert free: 0 < npages ==> RunFree(first, first + npages);
  //@ assert clean: 0 < npages ==> \forall integer p; first <= p < first + npages ==> (PageDirty(p) <==> !done);
  //@ ghost Put: ;
  scavenge_account(npages, done, gone);
  //@ assert frame: FreeSame{Put,Here}(0, 34359738368) && DirtySame{Put,Here}(0, 34359738368);
  //@ assert put: \forall integer p; 0 <= p < 34359738368 ==> SpanKept{Locked,Put}(p);
  //@ assert accounted: \forall integer p; 0 <= p < 34359738368 ==> SpanKept{Put,Here}(p);
  //@ assert still: \forall integer p; 0 <= p < 34359738368 ==> SpanKept{Locked,Here}(p);
  /*@ assert then: \forall integer p; 0 <= p < 34359738368 ==> SpanKept{Pre,Locked}(p) ==> SpanKept{Locked,Here}(p) ==>
        SpanKept{Pre,Here}(p); */
  //@ assert kept: \forall integer p; 0 <= p < 34359738368 ==> Mine{Pre}(p) ==> SpanKept{Pre,Here}(p);
  mheap_unlock();
}

/* Gives the memory of this thread's pages back to the system. Whether that took it. */
/*@ requires inv: HeapInv;
    requires bound: 0 < npages ==> first + npages <= 34359738368;
    requires mine: 0 < npages ==> RunMine(first, first + npages);
    terminates \true;
    assigns g_os[0 .. 34359738367];
    ensures inv: HeapInv;
    ensures zero: \result ==> 0 < npages && OsAre(8192 * first, 8192 * npages, OsPrepared);
*/
static bool scavenge_release(uint64_t first, uint32_t npages) {
  //@ assert used: 0 < npages ==> RunUsed(&vs_heap.pages.space, first, first + npages);
  //@ assert usable: 0 < npages ==> OsUsable(8192 * first, 8192 * npages);
  return npages != 0 && os_release(page_address(first), (size_t)npages * VS_PAGE_SIZE) == 0;
}

/* Gives a range of pages back to the system, if some are due. How many went, or NOTHING. */
/*@ requires inv: HeapInv;
    terminates \true;
    assigns HEAP_STATE \from HEAP_STATE;
    assigns g_mine[0 .. 34359738367];
    ensures inv: HeapInv;
    ensures rely: OwnKept{Pre,Here};
    ensures mine: MineSame{Pre,Here}(0, 34359738368);
    ensures bound: \result == NOTHING || \result <= VS_RANGE_PAGES + VS_HUGE_PAGES;
*/
SCAVENGE_LOCKED static uint64_t scavenge_range(enum reclaim_reason why, uint64_t now) {
  struct page_run run = scavenge_take(why, now);
  bool done = scavenge_release(run.first, run.npages);
  uint64_t gone = done ? run.npages : run.npages != 0 || run.first == VS_NO_PAGE ? NOTHING : 0;
  //@ ghost Released: ;
  //@ assert released: OwnKept{Pre,Here};
  scavenge_put(run.first, run.npages, done, gone);
  /*@ assert put: \forall integer p; 0 <= p < 34359738368 ==> Mine{Pre}(p) ==>
        Mine(p) && (PageDirty{Released}(p) <==> PageDirty(p)); */
  //@ assert spans: \forall integer p; 0 <= p < 34359738368 ==> Mine{Pre}(p) ==> SpanKept{Released,Here}(p);
  return gone;
}

/* Gives back what must go at once. */
/*@ requires inv: HeapInv;
    terminates \true;
    assigns HEAP_STATE \from HEAP_STATE;
    assigns g_mine[0 .. 34359738367];
    ensures inv: HeapInv;
    ensures rely: OwnKept{Pre,Here};
    ensures mine: MineSame{Pre,Here}(0, 34359738368);
*/
SCAVENGE_LOCKED static void scavenge_at_once(uint64_t now) {
  uint64_t left = reclaim_owed(&vs_heap.reclaim), looks = left + ALL_LOOKS;
  /*@ loop invariant inv: HeapInv;
      loop invariant rely: OwnKept{Pre,Here};
      loop invariant mine: MineSame{Pre,Here}(0, 34359738368);
      loop assigns HEAP_STATE \from HEAP_STATE;
      loop assigns left, looks, g_mine[0 .. 34359738367];
      loop variant looks;
  */
  while (left != 0 && looks != 0) {
    left = pacing_over(left, scavenge_range(RECLAIM_AT_ONCE, now));
    looks--;
  }
}

/* Sets when paced work may go on, after some that took worked from time now on and left nothing to do, or did. */
/*@ requires times: from <= now <= 4611686018427387904;
    terminates \true;
    assigns vs_scavenge_next;
    ensures later: vs_scavenge_next >= from;
    ensures rest: nothing ==> vs_scavenge_next >= now + REST;
*/
SCAVENGE_LOCKED static void scavenge_rest(uint64_t from, uint64_t now, uint64_t worked, bool nothing) {
  uint64_t after = pacing_next(from, now, worked < WORKED_MOST ? worked : WORKED_MOST, os_processors());
  pace_set(&vs_scavenge_next, nothing && after < now + REST ? now + REST : after);
}

/* A quantum of paced work, or less if no more is due; none if another thread did some meanwhile. */
/*@ requires inv: HeapInv;
    requires now: now <= 4611686018427387904;
    terminates \true;
    assigns HEAP_STATE \from HEAP_STATE;
    assigns vs_scavenge_next, vs_scavenge_last, g_mine[0 .. 34359738367];
    ensures inv: HeapInv;
    ensures rely: OwnKept{Pre,Here};
    ensures mine: MineSame{Pre,Here}(0, 34359738368);
*/
SCAVENGE_LOCKED static void scavenge_paced(uint64_t now) {
  uint64_t from = pace_read(&vs_scavenge_next);
  if (now < from) return;
  uint64_t start = os_thread_nanoseconds(), worked = 0, gone = 0;
  uint64_t quantum = pacing_quantum(pacing_over(now, vs_scavenge_last)), looks = quantum;
  vs_scavenge_last = now;
  /*@ loop invariant inv: HeapInv;
      loop invariant rely: OwnKept{Pre,Here};
      loop invariant mine: MineSame{Pre,Here}(0, 34359738368);
      loop assigns HEAP_STATE \from HEAP_STATE;
      loop assigns gone, worked, looks, g_mine[0 .. 34359738367];
      loop variant looks;
  */
  while (gone != NOTHING && worked < quantum && looks != 0) {
    gone = scavenge_range(RECLAIM_PACED, now);
    worked = pacing_over(os_thread_nanoseconds(), start);
    looks--;
  }
  scavenge_rest(from, now, worked, gone == NOTHING);
}

void scavenge_assist(void) {
  if (!reclaim_wanted(&vs_heap.reclaim)) return;
  uint64_t now = os_nanoseconds();
  bool at_once = reclaim_owed(&vs_heap.reclaim) != 0;
  if ((!at_once && now < pace_read(&vs_scavenge_next)) || !scavenge_try()) return;
  if (at_once)
    scavenge_at_once(now);
  else
    scavenge_paced(now);
  scavenge_unlock();
}

uint64_t scavenge_wait(void) {
  scavenge_assist();
  if (!reclaim_wanted(&vs_heap.reclaim)) return REST;
  uint64_t wait = pacing_over(pace_read(&vs_scavenge_next), os_nanoseconds());
  return wait < BREATH ? BREATH : wait;
}

uint64_t scavenge_trim(void) {
  mheap_lock();
  uint64_t left = vs_heap.pages.dirty, total = 0, looks = left + ALL_LOOKS;
  mheap_unlock();
  /*@ loop invariant inv: HeapInv;
      loop invariant rely: OwnKept{Pre,Here};
      loop invariant mine: MineSame{Pre,Here}(0, 34359738368);
      loop invariant going: left != 0 ==> left + total <= 34359738368;
      loop invariant total: total <= 34359738368 + VS_RANGE_PAGES + VS_HUGE_PAGES;
      loop assigns HEAP_STATE \from HEAP_STATE;
      loop assigns left, looks, total, vs_scavenge_next, vs_scavenge_last, g_mine[0 .. 34359738367];
      loop variant looks;
  */
  while (left != 0 && looks != 0) {
    scavenge_lock();
    uint64_t gone = scavenge_range(RECLAIM_ALL, os_nanoseconds());
    scavenge_unlock();
    if (gone != NOTHING) total += gone;
    left = pacing_over(left, gone);
    looks--;
  }
  return total * VS_PAGE_SIZE;
}

size_t scavenge_set_limit(size_t bytes) {
  mheap_lock();
  size_t before = scavenge_limit(bytes);
  //@ assert rely: OwnKept{Pre,Here};
  mheap_unlock();
  scavenge_assist();
  return before;
}
