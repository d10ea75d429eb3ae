/* SPDX-License-Identifier: MIT
 *
 * validate - how good the predictions are: every plan that this machine can run, simulated from the calibration and then
 * measured, in rounds that alternate between the plans.
 *
 *   plans     workloads x strategies x workers; a worker that is alone also with several threads, and only as serial, for
 *             every strategy is the same program then
 *   batch     the usual one, halved until a serial step takes at most 60 ms
 *   round     every plan once, for a third of a second or ten steps: two measurements of a plan are always separated by
 *             those of others, so their difference is what can be repeated here
 *   ruler     a burst of multiply-adds on all cores between any two measurements: one that reads low was disturbed, and
 *             the measurement beside it is made again at the end of the round
 */
#ifndef TY_EXPERIMENTS_VALIDATE_H
#define TY_EXPERIMENTS_VALIDATE_H

#include "base/stats.h"
#include "experiments/compare.h"

enum { TY_MOST_ROUNDS = 20, TY_MOST_PROBLEMS = 32 };

/* Where the time of a step goes: the classes of kernels, then these. */
enum {
    TY_PHASE_BETWEEN = TY_CLASSES, /* computing outside kernels */
    TY_PHASE_COMM,                 /* communication, exposed */
    TY_PHASE_WAIT,                 /* waiting for a rank that is late */
    TY_PHASES
};
const char *ty_phase_name(int phase);

/* One measurement of a plan. */
typedef struct ty_measurement {
    double step_s, p10_s, p90_s;
    double phase_s[TY_PHASES]; /* of the rank that is compared; their sum is step_s */
    int    disturbed;          /* the ruler read low before or after it */
} ty_measurement;

/* A plan: workload, strategy, workers x threads. */
typedef struct ty_validation_point {
    ty_case plan;           /* .simulated holds the simulated run */
    int     problem;        /* index into the problems */
    long    steps;          /* of a measurement */
    ty_row  simulated, measured; /* measured: the last round's, with the figures of all rounds */
    double  simulated_phase_s[TY_PHASES], measured_phase_s[TY_PHASES];
    ty_measurement run[TY_MOST_ROUNDS];
    int     runs;
    ty_err  failed;         /* why there is no figure */
    /* judged: */
    double  error;          /* simulated / measured - 1 */
    double  low_s, high_s;  /* spread of the measured step */
    int     worst;          /* phase that is furthest off */
} ty_validation_point;

/* How one phase is modelled, over all points; every figure is a share of the measured step. */
typedef struct ty_phase_error {
    double simulated, measured; /* mean share of a step */
    double bias, error;         /* mean of the difference, and of its size */
    double worst_error;         /* largest by size */
    int    worst;               /* index of its point */
} ty_phase_error;

/* What all points say together. */
typedef struct ty_validation {
    int    points;                       /* with both figures */
    double repeat;                       /* median relative difference of two measurements of a point in successive rounds */
    double median, median_target;        /* of |error| */
    double p95, p95_target;
    ty_tau tau, tau_all;                 /* plans of a workload on as many cores; on any number */
    double tau_target;
    ty_phase_error phase[TY_PHASES];
    int    worst;                        /* phase with the largest error; -1: no points */
    int    missed;                       /* targets */
    int    disturbed;                    /* measurements that stayed so */
} ty_validation;

typedef struct ty_validate_options {
    ty_point    base;                    /* machine, batch, seed; steps > 0: of every measurement; progress of the whole */
    ty_problem *problem[TY_MOST_PROBLEMS]; /* what is left of an epoch's last batch is taken off them */
    int         problems;
    const char *strategies[TY_MAX_STRATEGIES];
    int         strategies_n;
    int         workers[TY_MAX_WORKERS]; /* none: 1, 2, 4 ... and all cores */
    int         workers_n;
    int         rounds;                  /* 0: 2 */
    int         quick;                   /* shorter measurements */
    int         strict;                  /* a missed target is TY_EWRONG */
    ty_output  *out;
    FILE       *text;
} ty_validate_options;

/* Simulate, measure, print table and summary, write rows, figures and the plot. Plans that cannot be made are counted; an
 * error when none can, when simulation is missing, or when a result is wrong (TY_EWRONG). */
ty_err ty_validate(const ty_validate_options *o);

/* ---- validate_judge.c: figures from measurements; pure ---- */

/* Phases of a step of `rank`, on the scale of the step's median. */
void ty_phases_of(const ty_result *r, int rank, double phase_s[TY_PHASES]);
/* measured_*, error, spread and worst phase of a point from its runs (undisturbed ones, where there are any) and simulated_*. */
void ty_validation_point_judge(ty_validation_point *p);
/* All points, each judged. */
void ty_validation_judge(const ty_validation_point *p, int n, ty_validation *v);

/* ---- validate_print.c, validate_output.c ---- */
void ty_validation_print_points(FILE *f, const ty_validation_point *p, int n);
void ty_validation_print_groups(FILE *f, const ty_validation_point *p, int n);
void ty_validation_print_phases(FILE *f, const ty_validation_point *p, const ty_validation *v);
void ty_validation_print_verdict(FILE *f, const ty_validation *v);

/* "validation" of run.json: points with their phases, and the summary. */
void   ty_validation_json(ty_output *out, const ty_validation_point *p, int n, const ty_validation *v);
/* validate.svg: simulated against measured, and the error against measured. */
ty_err ty_validation_plot(const char *dir, const ty_validation_point *p, int n);

#endif
