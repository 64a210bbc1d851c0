/* SPDX-License-Identifier: Apache-2.0
 *
 * A chunk: 512 pages, and two bits for each (Go's pallocData, runtime/mpallocbits.go).
 *
 *   free   it belongs to no span, and to the heap
 *   dirty  its memory may hold old data, and is resident; a page that is not dirty reads as zeros
 *
 * Go's bits say "in use" and "scavenged"; with "free" and "dirty" a chunk of zeros has no page to give, so that metadata
 * fresh from the system needs no filling. Page numbers count from the start of the chunk. Everything here needs the
 * heap lock.
 *
 * Up: pagealloc, scavenge, mheap. Down: bits, pagesum.
 * Invariant: a page in use is dirty. Claims: C3 C5 C7 C10.
 */
#ifndef VERISPAN_PAGECHUNK_H
#define VERISPAN_PAGECHUNK_H

#include <stdbool.h>
#include <stdint.h>

#include "bits.h"
#include "pagesum.h"

#define VS_CHUNK_PAGES 512u
#define VS_CHUNK_WORDS 8u

struct page_chunk {
  uint64_t free[VS_CHUNK_WORDS];
  uint64_t dirty[VS_CHUNK_WORDS];
};

#include "../spec/pagechunk.acsl"

/* The first page at or after from whose bit is set, or 512. */
/*@ requires valid: \valid_read(map + (0 .. 7));
    requires bound: from <= 512;
    terminates \true;
    assigns \nothing;
    ensures bound: from <= \result <= 512;
    ensures hit: \result < 512 ==> MapBit(map, \result);
    ensures first: \forall integer i; from <= i < \result ==> !MapBit(map, i);
*/
uint32_t pagechunk_next_set(const uint64_t *map, uint32_t from);

/* The first page at or after from whose bit is clear, or 512. */
/*@ requires valid: \valid_read(map + (0 .. 7));
    requires bound: from <= 512;
    terminates \true;
    assigns \nothing;
    ensures bound: from <= \result <= 512;
    ensures hit: \result < 512 ==> !MapBit(map, \result);
    ensures first: \forall integer i; from <= i < \result ==> MapBit(map, i);
*/
uint32_t pagechunk_next_clear(const uint64_t *map, uint32_t from);

/* The first of npages pages in a row whose bits are set, the lowest such, or 512. */
/*@ requires valid: \valid_read(map + (0 .. 7));
    requires range: 1 <= npages <= 512;
    terminates \true;
    assigns \nothing;
    ensures bound: \result <= 512;
    ensures hit: \result < 512 ==> \result + npages <= 512 && MapRun(map, \result, npages);
    ensures first: \forall integer i; 0 <= i < \result ==> i + npages <= 512 ==> !MapRun(map, i, npages);
*/
uint32_t pagechunk_find(const uint64_t *map, uint32_t npages);

/* The last run of at least npages pages in a row whose bits are set, as long as it is but cut at page end: its first
 * page, or 512; its length in *length. */
/*@ requires valid: \valid_read(map + (0 .. 7)) && \valid(length);
    requires sep: \separated(length, map + (0 .. 7));
    requires range: 1 <= npages <= 512 && end <= 512;
    terminates \true;
    assigns *length;
    ensures bound: \result <= 512;
    ensures hit: \result < 512 ==> npages <= *length && \result + *length <= end && MapRun{Pre}(map, \result, *length);
    ensures whole: \result < 512 ==> (0 < \result ==> !MapBit{Pre}(map, \result - 1)) &&
      (\result + *length < end ==> !MapBit{Pre}(map, \result + *length));
    ensures last: \result < 512 ==> \forall integer i; \result + *length < i + npages <= end ==>
      !MapRun{Pre}(map, i, npages);
    ensures none: \result == 512 ==> \forall integer i; 0 <= i ==> i + npages <= end ==> !MapRun{Pre}(map, i, npages);
*/
uint32_t pagechunk_last_run(const uint64_t *map, uint32_t end, uint32_t npages, uint32_t *length);

/* The summary of a bitmap of free pages. */
/*@ requires valid: \valid_read(map + (0 .. 7));
    terminates \true;
    assigns \nothing;
    ensures inv: SumFits(\result, 512);
    ensures start: MapRun(map, 0, SumStart(\result)) && (SumStart(\result) < 512 ==> !MapBit(map, SumStart(\result)));
    ensures end: MapRun(map, 512 - SumEnd(\result), SumEnd(\result)) &&
      (SumEnd(\result) < 512 ==> !MapBit(map, 511 - SumEnd(\result)));
    ensures max: \exists integer i; 0 <= i && i + SumMax(\result) <= 512 && MapRun(map, i, SumMax(\result));
    ensures longest: \forall integer i, n; 0 <= i ==> i + n <= 512 ==> SumMax(\result) < n ==> !MapRun(map, i, n);
*/
uint64_t pagechunk_summarize(const uint64_t *map);

/* Sets the bits of pages [first, first + npages). */
/*@ requires valid: \valid(map + (0 .. 7));
    requires bound: first <= 512 && npages <= 512 - first;
    terminates \true;
    assigns map[0 .. 7];
    ensures set: \forall integer i; first <= i < first + npages ==> MapBit(map, i);
    ensures frame: \forall integer i; 0 <= i < 512 ==> !(first <= i < first + npages) ==> MapSame{Pre,Here}(map, i);
*/
void pagechunk_set(uint64_t *map, uint32_t first, uint32_t npages);

/* Clears the bits of pages [first, first + npages). */
/*@ requires valid: \valid(map + (0 .. 7));
    requires bound: first <= 512 && npages <= 512 - first;
    terminates \true;
    assigns map[0 .. 7];
    ensures clear: \forall integer i; first <= i < first + npages ==> !MapBit(map, i);
    ensures frame: \forall integer i; 0 <= i < 512 ==> !(first <= i < first + npages) ==> MapSame{Pre,Here}(map, i);
*/
void pagechunk_clear(uint64_t *map, uint32_t first, uint32_t npages);

/* How many bits of pages [first, first + npages) are set. */
/*@ requires valid: \valid_read(map + (0 .. 7));
    requires bound: first <= 512 && npages <= 512 - first;
    terminates \true;
    assigns \nothing;
    ensures bound: \result <= npages;
    ensures count: \result == MapCount(map, first, npages);
*/
uint32_t pagechunk_count(const uint64_t *map, uint32_t first, uint32_t npages);

/* Takes the free pages [first, first + npages): exactly these. How many of them were dirty. */
/*@ requires valid: \valid(c);
    requires bound: first <= 512 && npages <= 512 - first;
    requires free: MapRun(&c->free[0], first, npages);
    terminates \true;
    assigns c->free[0 .. 7], c->dirty[0 .. 7];
    ensures dirty: \result == MapCount{Pre}(&c->dirty[0], first, npages);
    ensures taken: \forall integer i; first <= i < first + npages ==>
      !MapBit(&c->free[0], i) && MapBit(&c->dirty[0], i);
    ensures frame: \forall integer i; 0 <= i < 512 ==> !(first <= i < first + npages) ==>
      MapSame{Pre,Here}(&c->free[0], i) && MapSame{Pre,Here}(&c->dirty[0], i);
*/
uint32_t pagechunk_take(struct page_chunk *c, uint32_t first, uint32_t npages);

/* Takes the free pages of group w among the given ones: which they are, and in *clean which of them are not dirty. Bit k
 * is page 64 * w + k. */
/*@ requires valid: \valid(c) && \valid(clean);
    requires sep: \separated(c, clean);
    requires bound: w < 8;
    terminates \true;
    assigns c->free[w], c->dirty[w], *clean;
    ensures free: \forall integer k; 0 <= k < 64 ==>
      (Bit(\result, k) <==> Bit(pages, k) && MapBit{Pre}(&c->free[0], 64 * w + k));
    ensures clean: \forall integer k; 0 <= k < 64 ==>
      (Bit(*clean, k) <==> Bit(\result, k) && !MapBit{Pre}(&c->dirty[0], 64 * w + k));
    ensures taken: \forall integer k; 0 <= k < 64 ==>
      (MapBit(&c->free[0], 64 * w + k) <==> MapBit{Pre}(&c->free[0], 64 * w + k) && !Bit(pages, k));
    ensures dirty: \forall integer k; 0 <= k < 64 ==>
      (MapBit(&c->dirty[0], 64 * w + k) <==> MapBit{Pre}(&c->dirty[0], 64 * w + k) || Bit(\result, k));
    ensures frame: \forall integer i; 0 <= i < 512 ==> i / 64 != w ==>
      MapSame{Pre,Here}(&c->free[0], i) && MapSame{Pre,Here}(&c->dirty[0], i);
    ensures fewer: \forall integer i; 0 <= i < 512 ==> MapBit(&c->free[0], i) ==> MapBit{Pre}(&c->free[0], i);
*/
uint64_t pagechunk_take_group(struct page_chunk *c, uint32_t w, uint64_t pages, uint64_t *clean);

/* Returns the given pages of group w, which are in use. Those in clean were not touched since pagechunk_take_group called
 * them clean. */
/*@ requires valid: \valid(c);
    requires bound: w < 8;
    requires used: \forall integer k; 0 <= k < 64 ==> Bit(pages, k) ==> !MapBit(&c->free[0], 64 * w + k);
    requires clean: \forall integer k; 0 <= k < 64 ==> Bit(clean, k) ==> Bit(pages, k);
    terminates \true;
    assigns c->free[w], c->dirty[w];
    ensures free: \forall integer k; 0 <= k < 64 ==>
      (MapBit(&c->free[0], 64 * w + k) <==> MapBit{Pre}(&c->free[0], 64 * w + k) || Bit(pages, k));
    ensures dirty: \forall integer k; 0 <= k < 64 ==>
      (MapBit(&c->dirty[0], 64 * w + k) <==> MapBit{Pre}(&c->dirty[0], 64 * w + k) && !Bit(clean, k));
    ensures frame: \forall integer i; 0 <= i < 512 ==> i / 64 != w ==>
      MapSame{Pre,Here}(&c->free[0], i) && MapSame{Pre,Here}(&c->dirty[0], i);
*/
void pagechunk_put_group(struct page_chunk *c, uint32_t w, uint64_t pages, uint64_t clean);

#endif
