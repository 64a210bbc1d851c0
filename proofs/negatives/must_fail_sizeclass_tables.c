/* SPDX-License-Identifier: Apache-2.0
 *
 * What WP knows of the tables is not contradictory: a wrong claim about every class stays open.
 * Expect: floor_of ensures exact
 */
#include "sizeclass.h"

/*@ requires bound: 1 <= sizeclass < 68;
    assigns \nothing;
    ensures range: \result == vs_class_magic[sizeclass];
    ensures exact: \result == 0xffffffff / vs_class_size[sizeclass];
*/
uint32_t floor_of(uint32_t sizeclass) { return vs_class_magic[sizeclass]; }
