/* SPDX-License-Identifier: MIT
 *
 * stats - what repeated measurements are summed up by.
 */
#ifndef TY_BASE_STATS_H
#define TY_BASE_STATS_H

#include <stddef.h>

/* The q-quantile of values[n], 0 <= q <= 1: 0.5 is the median, 0 the least, 1 the largest. Between
 * two values it interpolates. Sorts values in place, rising; NAN when n is 0. */
double ty_quantile(double *values, size_t n, double q);

/* Kendall's tau, pair by pair: does x rank two things as y does? Begin with {0}.
 *   source  Kendall, Biometrika 30, 1938 (tau a: a pair that x or y ranks equal counts for neither) */
typedef struct ty_tau {
    size_t pairs, same, opposite;
} ty_tau;
void ty_tau_pair(ty_tau *t, double x1, double y1, double x2, double y2);
/* (same - opposite) / pairs, from -1 to 1; NAN when there is no pair. */
double ty_tau_value(const ty_tau *t);

#endif
