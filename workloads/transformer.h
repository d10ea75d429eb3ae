/* SPDX-License-Identifier: MIT
 *
 * transformer - initial values that the blocks of a transformer share; for workloads/ only.
 * Source: Radford et al., GPT-2, 2019: normal with 0.02, the last product of each residual branch of L layers
 * divided by sqrt(2 L); gains 1, biases 0.
 */
#ifndef TY_WORKLOADS_TRANSFORMER_H
#define TY_WORKLOADS_TRANSFORMER_H

#include "base/rng.h"

#define TY_GPT_STD 0.02

/* Of the table of embedding block `index`: whoever holds a copy draws the same numbers. */
static inline uint64_t ty_table_key(uint64_t seed, int index)
{
    return ty_key(seed, 0x7ab1, (uint64_t)index);
}

#endif
