/* SPDX-License-Identifier: MIT
 *
 * wrong_strategies - strategies with one mistake each, and the laws that must reject them.
 */
#ifndef TY_TESTS_WRONG_STRATEGIES_H
#define TY_TESTS_WRONG_STRATEGIES_H

#include "strategies/strategy.h"

typedef struct wrong {
    const ty_strategy *strategy;
    /* The laws, as rejecting() lists them; NULL: chance decides. */
    const char *rejected_on_threads, *rejected_on_sim, *rejected_on_mpi;
} wrong;

extern const wrong wrongs[];
extern const size_t wrongs_n;

/* Ends no run: what comes of it is not a list of laws but a message that names the waiting ranks. */
extern const ty_strategy wrong_deadlock, wrong_lane_deadlock, wrong_crash;

#endif
