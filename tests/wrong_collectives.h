/* SPDX-License-Identifier: MIT
 *
 * wrong_collectives - collectives with one mistake each, and what must reject them.
 */
#ifndef TY_TESTS_WRONG_COLLECTIVES_H
#define TY_TESTS_WRONG_COLLECTIVES_H

#include "strategies/collectives/collective.h"

enum {
    WRONG_NUMBERS = 1,  /* the result is not what the operation says */
    WRONG_BITS = 2,     /* members of an all-reduce hold different sums */
    WRONG_COUNTERS = 4, /* messages or bytes are not as the closed form says */
    WRONG_TIME = 8      /* simulated time is more than 1 % off the closed form */
};

typedef struct wrong_collective {
    const ty_collective *collective;
    int breaks; /* WRONG_..., of five members, two a node */
} wrong_collective;

extern const wrong_collective wrong_collectives[];
extern const size_t wrong_collectives_n;

#endif
