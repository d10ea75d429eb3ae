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

#endif
