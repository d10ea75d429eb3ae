/* SPDX-License-Identifier: MIT
 *
 * result - what one run answers: one row of figures, its history, and where the time of every rank went.
 */
#ifndef TY_EXPERIMENTS_RESULT_H
#define TY_EXPERIMENTS_RESULT_H

#include "base/err.h"
#include "experiments/target.h"
#include "fabric/ledger.h"
#include "fabric/trace.h"
#include "strategies/strategy.h"

#include <stdint.h>
#include <stdio.h>

/* One row. SI units; a figure that is not available is NAN (or -1 for counts), and `message` says why.
 * Times are means over the steps after the first, of the rank that computes longest (the lowest on ties):
 * compute + exposed + wait = step. Bytes and messages are the largest rank's, per step. */
typedef struct ty_row {
    char   strategy[32], workload[32], fabric[16], network[16], platform[160];
    int    workers, dp, tp, pp;
    long   steps;
    double step_s, compute_s, comm_exposed_s, comm_hidden_s, wait_s;
    double speedup, efficiency, serial_fraction; /* against serial; NAN without that baseline */
    double bytes_sent, messages, peak_bytes;
    int    fits;      /* peak_bytes within the memory of a worker */
    double loss, accuracy;
    double closed_form_s, energy_j, cost_usd;
    int    ok;        /* the run ended and its result validates (or there is none to validate) */
    char   message[400];
    size_t batch;
    int    micro_batches, threads;
    uint64_t seed;
    char   collective[24], fidelity[16];
    double step_p10_s, step_p90_s;
    double test_loss; /* as accuracy: mean over the labels of the test set, nats or squared error */
    double until_s;   /* from the start to the evaluation that found the target reached; NAN: none, or not reached */
    char   settings[160]; /* ty_plan_settings() */
    double staleness_mean, staleness_max; /* of gradients that a server took, in updates; NAN: there is none */
} ty_row;

/* One look at the test set. */
typedef struct ty_evaluation {
    long     step;    /* steps done */
    double   seconds; /* since the start, evaluations left out; NAN: not known */
    ty_score score;
} ty_evaluation;

/* What one rank reports. */
typedef struct ty_rank_report {
    ty_ledger ledger;        /* of the steps after the first, all of them together */
    double    step_s;        /* median over windows of steps where time is real, else the mean */
    double    mean_s, p10_s, p90_s;
    double    closed_s, closed_compute_s, closed_messages, closed_bytes, closed_peak; /* cost() of this rank */
    size_t    events;
    long      scores;        /* that this rank has found while others trained */
    ty_staleness stale;      /* of the gradients that this rank took as a server; 0 pushes: it is none */
} ty_rank_report;

typedef struct ty_result {
    ty_row   row;
    int      here;          /* this process has the result: false on MPI processes other than rank 0 */
    int      shown;         /* the rank whose times are in the row */
    long     steps;
    double  *loss;          /* [steps] mean loss of the batch, or NULL for ghosts */
    double  *end;           /* [steps] seconds from the start to the end of each, on rank 0, evaluations left out; or NULL */
    ty_target target;
    long     evaluations;
    ty_evaluation *evaluation; /* [evaluations] of the test set, in order; or NULL */
    int      ranks;
    ty_rank_report *report; /* [ranks] */
    ty_event *event;        /* of all ranks, in rank order; report[i].events each */
    size_t   events;
    size_t   params_n;      /* trained parameters of the whole network, when asked for */
    float   *params;
    char    *said;          /* lines of the workload's report, or NULL */
    double   wall_s;        /* of the whole run, with start and evaluation */
    double   difference;    /* largest relative difference to serial's parameters after two steps; NAN: not compared */
} ty_result;

void ty_result_free(ty_result *r);

/* The first evaluation that found the target reached (*reached = 1), else the one that came nearest; NULL: none was made. */
const ty_evaluation *ty_result_nearest(const ty_result *r, int *reached);

/* Columns of the CSV, in their fixed order. */
void ty_row_write_header(FILE *f);
void ty_row_write(FILE *f, const ty_row *r); /* %.9g, empty where not available */

/* Add a reason or remark to the row's message. */
void ty_row_remark(ty_row *row, const char *text);

/* speedup, efficiency and Karp-Flatt serial fraction of row against the baseline's step time. */
void ty_row_compare(ty_row *row, double baseline_step_s);

#endif
