/* SPDX-License-Identifier: Apache-2.0
 * The unit in which bits.h is proved: the lemmas' steps come before what they lead to. No code. */
#include <stdint.h>

#include "../spec/bits.acsl"
#include "../spec/bits_lemmas.acsl"

#include "bits.h"
