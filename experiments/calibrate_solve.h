/* SPDX-License-Identifier: MIT
 *
 * calibrate_solve - relative least squares with coefficients that cannot be negative; private to
 * calibrate.
 */
#ifndef TY_EXPERIMENTS_CALIBRATE_SOLVE_H
#define TY_EXPERIMENTS_CALIBRATE_SOLVE_H

#include <stddef.h>

enum { TY_TERMS = 6, TY_ROWS = 1024 };

typedef struct ty_equations {
    size_t n;
    double x[TY_ROWS][TY_TERMS], y[TY_ROWS]; /* features and what they should add up to */
    double t[TY_ROWS];                 /* what an error of y is relative to */
    double share[TY_ROWS];             /* of its step: how much a row counts */
    double weight[TY_ROWS];            /* the same, less where the error is large */
    double c[TY_TERMS];                /* the solution */
} ty_equations;

/* One more equation: features x [TY_TERMS] add up to y, whose error is relative to t > 0; beyond
 * TY_ROWS of them nothing happens. */
void ty_equations_add(ty_equations *s, const double *x, double y, double t, double share);
/* Fill in s->c. */
void ty_equations_solve(ty_equations *s);
/* Relative error of equation i, and the sum of all as they count; one that is wholly wrong counts 1. */
double ty_equations_error(const ty_equations *s, size_t i);
double ty_equations_missed(const ty_equations *s);

typedef struct ty_weighed {
    double value, weight;
} ty_weighed;

/* Half of the weight lies below it. Sorts v. */
double ty_weighed_median(ty_weighed *v, size_t n);
/* 0 of no values; sorts v. */
double ty_median(double *v, size_t n);

#endif
