/* SPDX-License-Identifier: MIT
 *
 * conformance - the laws of trainyard as functions that give a verdict, and what they judge: trials.
 * A verdict is TY_OK, or TY_EWRONG and a line that says what is wrong. A test asserts that a strategy has no verdict against
 * it; a deliberately wrong one (tests/wrong_strategies.c) is asserted to be rejected by the law that it breaks.
 */
#ifndef TY_TESTS_CONFORMANCE_H
#define TY_TESTS_CONFORMANCE_H

#include "experiments/rank_main.h"
#include "sim/platform.h"

enum { MOST_STEPS = 16, MOST_WORKERS = 64, MOST_PARAMS = 1 << 18, MOST_TEXT = 1 << 19 };

/* What to run. Zero or NULL: as with ty_plan_options. */
typedef struct trial {
    const ty_strategy *strategy;
    const ty_problem *problem;
    const char *fabric, *platform, *collective;
    int workers, micro_batches, threads, ghost;
    int per_node; /* workers that hierarchical collectives take for a node; hosts have one each all the same */
    ty_tuning tuning;
    size_t batch;
    long steps;
    ty_optimizer_kind optimizer;
    double timeout_s; /* mpi */
} trial;

/* What came of it. Lives in memory that is shared with the child that ran it. */
typedef struct outcome {
    int late; /* messages of a run that may be sent a step later, and so not in the last: by arrival */
    ty_err error; /* TY_EUSAGE: the plan was refused; TY_EWRONG: the run failed */
    int here;     /* this process knows the rest: rank 0 of an MPI job, everybody elsewhere */
    int workers, ghost;
    long steps;
    size_t params_n;
    ty_place place[MOST_WORKERS];
    double loss[MOST_STEPS];
    ty_rank_report report[MOST_WORKERS];
    uint64_t holds
        [MOST_WORKERS]; /* hash of the parameters that each rank held at the end; 0: none or unknown */
    float params[MOST_PARAMS]; /* of the whole network, at the end */
    char text[MOST_TEXT];      /* every figure with all its digits, and the timeline */
} outcome;

/* A problem of digits with this network, and only `samples` of them to train on (so that an epoch is short). */
ty_problem digits(const size_t *hidden, int n, uint32_t samples);
/* The machine of tests/machine.yaml. */
const ty_machine *golden_machine(void);

/* Run it: in a child, on MPI in place. Every process of an MPI job calls; forget() what comes back. */
outcome *perform(trial t);
void forget(outcome *o);

/* 1. Equals serial. Also: replicas hold the same bits. `deviation`: the largest found, relative to the bound; may be NULL. */
ty_err law_equals_serial(const outcome *serial, const outcome *got, double *deviation);
/* 2. Equal across fabrics: bitwise equal parameters and, for each step, the same loss. */
ty_err law_equal_across_fabrics(const outcome *a, const outcome *b);
/* 3. Ghost equals real: message log, counters and memory; with virtual time also every second. */
ty_err law_ghost_equals_real(const outcome *ghost, const outcome *real, int virtual_time, int ordered);
/* 4. Counters equal the formula, exactly. Of full batches. */
ty_err law_counters_equal_formula(const outcome *o);
/* 5. Simulated time within 1 % of the formula, on every rank that computes in its steps. `deviation` as above. */
ty_err law_time_equals_formula(const ty_rank_report *r, int workers, double *deviation);
/* 6. Repeatable. */
ty_err law_repeatable(const outcome *a, const outcome *b);
/* ... for any number of OpenMP threads. */
ty_err law_equal_for_any_threads(const outcome *a, const outcome *b);
/* 7. Ends, and what it ends with is whole. */
ty_err law_ends_whole(const outcome *o);

/* The verdict of each law on a trial, on t.fabric; [0] is unused. Law 2 compares with threads. */
typedef struct verdicts {
    ty_err law[8];
    double serial_deviation, time_deviation; /* parts of the bounds of laws 1 and 5 */
} verdicts;
verdicts apply_laws(trial t);
/* "1, 4": the laws that reject; "" when none does. In a buffer that the next call overwrites. */
const char *rejecting(const verdicts *v);
/* The first of their verdicts. */
const char *first_verdict(const verdicts *v);

#endif
