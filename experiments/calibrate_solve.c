/* SPDX-License-Identifier: MIT
 *
 * calibrate_solve - small normal equations, iterated with Huber's weights, so that a point that was
 * disturbed counts for less.
 * Source: Huber, Annals of Mathematical Statistics 35(1), 1964.
 */
#include "experiments/calibrate_solve.h"

#include "base/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 20 };

double ty_median(double *v, size_t n)
{
    return n ? ty_quantile(v, n, 0.5) : 0;
}

static double predict(const ty_equations *s, size_t i)
{
    double t = 0;
    for (int j = 0; j < TY_TERMS; j++)
        t += s->c[j] * s->x[i][j];
    return t;
}

/* Gauss and Jordan on the columns in use; a pivot that vanishes leaves its coefficient at zero. */
static void solve(double a[TY_TERMS][TY_TERMS + 1], const int *in_use, double *c)
{
    for (int p = 0; p < TY_TERMS; p++) {
        if (!in_use[p] || a[p][p] < 1e-12)
            continue;
        for (int r = 0; r < TY_TERMS; r++) {
            double f = r != p && in_use[r] ? a[r][p] / a[p][p] : 0;
            for (int j = 0; f != 0 && j <= TY_TERMS; j++)
                a[r][j] -= f * a[p][j];
        }
    }
    for (int p = 0; p < TY_TERMS; p++)
        c[p] = in_use[p] && a[p][p] >= 1e-12 ? a[p][TY_TERMS] / a[p][p] : 0;
}

/* Minimise the weighted sum of ((x c - y) / t)^2 over the columns in use; columns are scaled to
 * largest entry 1. */
static void normal_equations(ty_equations *s, const int *in_use, const double *scale)
{
    double a[TY_TERMS][TY_TERMS + 1] = {{0}};
    for (size_t i = 0; i < s->n; i++)
        for (int p = 0; p < TY_TERMS; p++) {
            double row = s->weight[i] * s->x[i][p] / scale[p] / s->t[i];
            for (int j = 0; j < TY_TERMS; j++)
                a[p][j] += row * s->x[i][j] / scale[j] / s->t[i];
            a[p][TY_TERMS] += row * s->y[i] / s->t[i];
        }
    solve(a, in_use, s->c);
}

/* Drop the most negative coefficient until none is left: c >= 0. */
static void fit_positive(ty_equations *s, const double *scale)
{
    int in_use[TY_TERMS], worst;
    for (int j = 0; j < TY_TERMS; j++)
        in_use[j] = scale[j] > 0;
    double safe[TY_TERMS];
    for (int j = 0; j < TY_TERMS; j++)
        safe[j] = in_use[j] ? scale[j] : 1;
    do {
        normal_equations(s, in_use, safe);
        worst = -1;
        for (int j = 0; j < TY_TERMS; j++)
            if (s->c[j] < 0 && (worst < 0 || s->c[j] < s->c[worst]))
                worst = j;
        if (worst >= 0)
            in_use[worst] = 0;
    } while (worst >= 0);
    for (int j = 0; j < TY_TERMS; j++)
        s->c[j] /= safe[j];
}

/* Largest entry of each column relative to the time of its row. */
static void column_scales(const ty_equations *s, double *scale)
{
    for (int j = 0; j < TY_TERMS; j++) {
        scale[j] = 0;
        for (size_t i = 0; i < s->n; i++)
            scale[j] = fmax(scale[j], s->x[i][j] / s->t[i]);
    }
}

double ty_equations_error(const ty_equations *s, size_t i)
{
    return fabs(predict(s, i) - s->y[i]) / s->t[i];
}

static int by_value(const void *a, const void *b)
{
    double x = ((const ty_weighed *)a)->value, y = ((const ty_weighed *)b)->value;
    return (x > y) - (x < y);
}

double ty_weighed_median(ty_weighed *v, size_t n)
{
    double all = 0, sum = 0;
    qsort(v, n, sizeof *v, by_value);
    for (size_t i = 0; i < n; i++)
        all += v[i].weight;
    for (size_t i = 0; i < n; i++)
        if ((sum += v[i].weight) >= all / 2)
            return v[i].value;
    return 0;
}

void ty_equations_solve(ty_equations *s)
{
    double scale[TY_TERMS];
    ty_weighed error[TY_ROWS];
    column_scales(s, scale);
    memcpy(s->weight, s->share, s->n * sizeof *s->weight);
    for (int round = 0; round < ROUNDS; round++) {
        fit_positive(s, scale);
        for (size_t i = 0; i < s->n; i++)
            error[i] = (ty_weighed){ty_equations_error(s, i), s->share[i]};
        double knee = 3 * ty_weighed_median(error, s->n) + 1e-6;
        for (size_t i = 0; i < s->n; i++)
            s->weight[i] = s->share[i] * fmin(1, knee / (ty_equations_error(s, i) + 1e-30));
    }
}

double ty_equations_missed(const ty_equations *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->n; i++)
        sum += s->share[i] * fmin(1, ty_equations_error(s, i));
    return sum;
}

void ty_equations_add(ty_equations *s, const double *x, double y, double t, double share)
{
    if (s->n == TY_ROWS || t <= 0)
        return;
    memcpy(s->x[s->n], x, sizeof s->x[0]);
    s->y[s->n] = y;
    s->share[s->n] = share;
    s->t[s->n++] = t;
}
