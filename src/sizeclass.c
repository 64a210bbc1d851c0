/* SPDX-License-Identifier: Apache-2.0
 * The unit in which sizeclass.h is proved, with the lemmas of sizeclass_divide. No code. */
#include "../spec/sizeclass.acsl"

#include "sizeclass.h"
