/* SPDX-License-Identifier: Apache-2.0
 *
 * Which way a branch of a hot path usually goes. No meaning, only code layout.
 *
 * Up: bits, sizeclass, mspan, alloc, interpose. Down: the compiler.
 * Invariant: none. Claims: none.
 */
#ifndef VERISPAN_HINT_H
#define VERISPAN_HINT_H

#ifdef __FRAMAC__
#define VS_LIKELY(x) (x)
#define VS_UNLIKELY(x) (x)
#else
#define VS_LIKELY(x) __builtin_expect(!!(x), 1)
#define VS_UNLIKELY(x) __builtin_expect(!!(x), 0)
#endif

#endif
