/* SPDX-License-Identifier: MIT
 *
 * compare - several strategies on the same data and seed: the four numbers side by side, measured and simulated on this
 * machine, or simulated on another; one table and the plots.
 */
#ifndef TY_EXPERIMENTS_COMPARE_H
#define TY_EXPERIMENTS_COMPARE_H

#include "experiments/engine.h"
#include "experiments/output.h"

enum { TY_MAX_STRATEGIES = 32, TY_MAX_WORKERS = 64 };

/* One line of a comparison. */
typedef struct ty_case {
    const char *strategy;
    int         workers, threads; /* threads 0: the default */
    ty_result   measured;         /* real fabrics; empty when nothing was measured */
    ty_result   simulated;        /* the same plan on SimGrid */
    ty_err      refused;          /* why there is neither */
    ty_err      no_simulation;    /* why there is no simulated figure */
} ty_case;

typedef struct ty_compare_options {
    ty_point    base;             /* what all cases share; base.fabric decides whether anything is measured */
    const char *strategies[TY_MAX_STRATEGIES];
    int         strategies_n;
    int         workers[TY_MAX_WORKERS];
    int         workers_n;
    ty_output  *out;              /* takes rows, histories and plots */
    FILE       *text;             /* where tables go */
} ty_compare_options;

/* Run every strategy with every number of workers (serial only with one), print the table and what was learnt, write the
 * plots. Plans that cannot be made are lines with their reason; an error only when none can. TY_EWRONG when a result is wrong,
 * TY_EFIT when every one that ran does not fit. */
ty_err ty_compare(const ty_compare_options *o);

/* The project's main job in under 90 s: real training by every kind of parallelism, the same simulated on this machine
 * and on clusters where parallelism loses and wins, and what was learnt. */
typedef struct ty_demo_options {
    const ty_machine *machine;
    int         quiet;
    ty_output  *out;
    FILE       *text;
} ty_demo_options;
ty_err ty_demo(const ty_demo_options *o);

/* ---- pieces, for both ------------------------------------------------------------------------------- */

/* Measure and simulate one case on this machine, or only simulate it when base->fabric is "sim". */
void ty_case_run(ty_case *c, const ty_point *base);
/* One after the other: what is wrong with its plan; the plan on SimGrid's picture of this machine (c->simulated, or
 * c->no_simulation); one real run of it. */
ty_err ty_case_check(const ty_case *c, const ty_point *base);
void   ty_case_simulate(ty_case *c, const ty_point *base);
ty_err ty_case_measure(const ty_case *c, const ty_point *base, ty_result *out);
void ty_case_free(ty_case *c);
/* The row that speaks for a case: measured, else simulated; NULL when refused. */
const ty_row *ty_case_row(const ty_case *c);
/* Speedup of every case against the serial one with the same threads; none where threads outnumber this machine's cores. */
void ty_cases_compare(ty_case *cases, int n, int cores);
/* The four numbers of every case, with provenance and the residual named. */
void ty_cases_print(FILE *f, const ty_case *cases, int n, const ty_machine *m);
/* Rows, histories and timelines of the cases into the run's folder, and the plots of breakdown and loss. */
ty_err ty_cases_write(ty_output *out, const ty_case *cases, int n, const ty_point *base,
                      const char *title);
/* Median over cases of |simulated - measured| / measured; NAN when there is none. */
double ty_cases_median_error(const ty_case *cases, int n);
/* What the largest part of (measured - simulated) is due to: "compute: memory bandwidth", ... */
const char *ty_residual_name(const ty_row *simulated, const ty_row *measured, const ty_machine *m);

#endif
