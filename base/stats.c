/* SPDX-License-Identifier: MIT */
#include "base/stats.h"

#include <math.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double ty_quantile(double *values, size_t n, double q)
{
    if (n == 0)
        return NAN;
    qsort(values, n, sizeof *values, by_value);
    double at = q * (double)(n - 1);
    size_t below = (size_t)at, above = below + 1 < n ? below + 1 : below;
    return values[below] + (at - (double)below) * (values[above] - values[below]);
}

void ty_tau_pair(ty_tau *t, double x1, double y1, double x2, double y2)
{
    int x = (x1 > x2) - (x1 < x2), y = (y1 > y2) - (y1 < y2);
    t->pairs++;
    t->same += x * y > 0;
    t->opposite += x * y < 0;
}

double ty_tau_value(const ty_tau *t)
{
    return t->pairs ? ((double)t->same - (double)t->opposite) / (double)t->pairs : NAN;
}
