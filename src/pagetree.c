/* SPDX-License-Identifier: Apache-2.0
 * The unit in which the facts of spec/pagetree_lemmas.acsl are proved, with the steps that lead to them. No code. */
#define VERISPAN_PAGETREE_LEMMAS
#define VERISPAN_PAGETREE_STEPS
#include "pagetree.h"
