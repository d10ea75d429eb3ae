/* SPDX-License-Identifier: MIT
 *
 * calibrate - measure this machine and fit the constants of machine/machine.h to it.
 *
 * Training steps of small networks are timed call by call in three ways: one thread alone, all
 * cores as threads of one rank, and one rank on every core side by side. The rounds are
 * interleaved so that a disturbance touches all shapes, disturbed steps are left out, and the
 * constants minimise the relative error of the calls. The networks are never those that
 * predictions are judged by.
 */
#ifndef TY_EXPERIMENTS_CALIBRATE_H
#define TY_EXPERIMENTS_CALIBRATE_H

#include "machine/machine.h"

#include <stdio.h>

typedef enum ty_calibration_way {
    TY_WAY_ONE,
    TY_WAY_THREADS,
    TY_WAY_BESIDE,
    TY_WAYS
} ty_calibration_way;

enum { TY_CALL_WORKS = 6 }; /* operations of one call, at most */

/* One call of a step, and its mean seconds each way; 0: not measured. A call may be of several
 * classes: it then counts in the fit of the one that comes last, when the others are known. */
typedef struct ty_calibration_point {
    int step; /* points of a step are neighbours and have the same number */
    double set; /* [B] that the steps of its kind touch in turn */
    int works;
    ty_work work[TY_CALL_WORKS];
    double seconds[TY_WAYS];
    double disturbed[TY_WAYS]; /* share of the samples that were left out: something else ran */
} ty_calibration_point;

/* How good the fit is: relative errors of each class, each way, over its calibration points. */
typedef struct ty_calibration_report {
    double rounds, seconds;    /* that the measurement took */
    double disturbed[TY_WAYS]; /* median over all points */
    double all_peak;           /* FMA peak of all cores together [flop/s] */
    double handoff;            /* median relative error of the hand-off's alpha and beta */
    int fitted;                /* m holds a fit, also when the machine was too noisy to trust it */
    double step_median[TY_WAYS], step_worst[TY_WAYS]; /* relative errors of whole steps */
    struct {
        int points;
        double median[TY_WAYS], worst[TY_WAYS];
    } fit[TY_CLASSES];
} ty_calibration_report;

typedef struct ty_calibrate_options {
    double seconds; /* budget: 10 quick, 50 full */
    int repeat;     /* rounds, whatever they take; 0: as many as the budget allows */
    int quiet;      /* no lines of progress */
    FILE *progress; /* a line a phase; NULL: standard error */
    FILE *csv;      /* every point, measured and predicted; NULL: none */
} ty_calibrate_options;

/* Measure and fit, in this process, which enters parallel regions and must not fork afterwards.
 * Error: TY_EWRONG when the machine is too noisy to trust the fit (says the share of disturbed
 * steps, the limit and what to do); *m holds it all the same when report->fitted. */
ty_err ty_calibrate(const ty_calibrate_options *o, ty_machine *m, ty_calibration_report *report);

/* The same in a child process, for callers that go on to fork: progress lines go where
 * stderr goes. */
ty_err ty_calibrate_in_child(const ty_calibrate_options *o, ty_machine *m,
                             ty_calibration_report *report);

/* Fit m->rate to points p[n], and m->cache near its measured value, where m->cores is set, too; fills report->disturbed, step
 * and fit. Pure. */
ty_err ty_calibration_fit(const ty_calibration_point *p, size_t n, ty_machine *m,
                          ty_calibration_report *report);

/* Seconds of a point's call, or of one item of it (item >= 0), as m has it. */
double ty_calibration_seconds(const ty_machine *m, const ty_calibration_point *p, int item,
                              ty_calibration_way way);

/* Fit net to one-way seconds[n] of messages of bytes[n]; returns the median relative error. */
double ty_calibration_fit_net(const double *bytes, const double *seconds, size_t n, ty_net *net);

/* Every point p[n] each way, measured and as m predicts it. */
void ty_calibration_write_csv(FILE *f, const ty_machine *m, const ty_calibration_point *p,
                              size_t n);

/* The constants and residuals as a table, and the verdict. */
void ty_calibration_print(FILE *f, const ty_machine *m, const ty_calibration_report *report);

/* "good", "usable" or "rough", by the residuals of whole steps. */
const char *ty_calibration_verdict(const ty_machine *m, const ty_calibration_report *report);
const char *ty_calibration_way_name(ty_calibration_way way); /* "one thread", ... */

#endif
