/* SPDX-License-Identifier: Apache-2.0
 * The unit in which the facts of spec/spans.acsl, heaplock.acsl and heaplock_spans.acsl are proved. No code. */
#define VERISPAN_PAGETREE_LEMMAS
#define VERISPAN_GROWTH_LEMMAS
#define VERISPAN_PAGEHEAP_LEMMAS
#define VERISPAN_SPANS_LEMMAS
#define VERISPAN_HEAPLOCK_LEMMAS
#include "heaplock.h"

#include "../spec/heaplock_spans.acsl"
