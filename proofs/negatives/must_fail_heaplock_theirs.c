/* SPDX-License-Identifier: Apache-2.0
 *
 * What another thread has may change when the lock is taken: the claim that a used page that is not this thread's stays in use
 * is an open goal.
 * Expect: theirs ensures used
 */
#include "heaplock.h"

/*@ requires inv: HeapInv;
    requires theirs: page < 34359738368 && PageUsed(&vs_heap.pages.space, page) && !Mine(page);
    terminates \true;
    assigns HEAP_STATE \from HEAP_STATE;
    ensures inv: HeapInv;
    ensures used: PageUsed(&vs_heap.pages.space, page);
*/
void theirs(uint64_t page) {
  (void)page;
  mheap_lock();
  mheap_unlock();
}
