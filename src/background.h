/* SPDX-License-Identifier: Apache-2.0
 *
 * The scavenger's thread, for programs that want memory given back while they neither allocate nor free. There is none
 * unless vs_start_scavenger asks for it (verispan.h); after fork the child has none.
 *
 * Up: interpose. Down: scavenge, lock, the C library.
 * Invariant: at most one thread of the latest generation runs. Claims: C9.
 */
#ifndef VERISPAN_BACKGROUND_H
#define VERISPAN_BACKGROUND_H

/* For fork: the first also sees to it that no pages are on their way back to the system. */
void background_before_fork(void);
void background_after_fork(void);
void background_in_child(void);

#endif
