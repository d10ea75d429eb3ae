/* SPDX-License-Identifier: MIT
 *
 * calibrate_fit - the constants that make the model's relative error over calibration
 * points small.
 * Relative least squares whose coefficients cannot be negative (they are times), solved by
 * small normal equations and iterated with Huber's weights, so that a point that was disturbed
 * counts for less.
 * Source: Huber, Annals of Mathematical Statistics 35(1), 1964.
 */
#include "experiments/calibrate.h"

#include "base/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TERMS = 4, MOST = 512, ROUNDS = 20 };

static const double SMALL = 10e-6; /* [s] a call much shorter than this hardly matters to a step */

/* Of the share of disturbed steps: beyond it those that are left are disturbed too. */
static const double LIMIT = 0.5;

typedef struct equations {
    size_t n;
    double x[MOST][TERMS], y[MOST]; /* features and what they should add up to */
    double t[MOST];                 /* what an error of y is relative to */
    double weight[MOST], small;     /* a row of `small` seconds counts half */
    double c[TERMS];                /* the solution */
} equations;

/* 0 of no values; sorts v. */
static double median(double *v, size_t n)
{
    return n ? ty_quantile(v, n, 0.5) : 0;
}

static double predict(const equations *s, size_t i)
{
    double t = 0;
    for (int j = 0; j < TERMS; j++)
        t += s->c[j] * s->x[i][j];
    return t;
}

/* Gauss and Jordan on the columns in use; a pivot that vanishes leaves its coefficient at zero. */
static void solve(double a[TERMS][TERMS + 1], const int *in_use, double *c)
{
    for (int p = 0; p < TERMS; p++) {
        if (!in_use[p] || a[p][p] < 1e-12)
            continue;
        for (int r = 0; r < TERMS; r++) {
            double f = r != p && in_use[r] ? a[r][p] / a[p][p] : 0;
            for (int j = 0; f != 0 && j <= TERMS; j++)
                a[r][j] -= f * a[p][j];
        }
    }
    for (int p = 0; p < TERMS; p++)
        c[p] = in_use[p] && a[p][p] >= 1e-12 ? a[p][TERMS] / a[p][p] : 0;
}

/* Minimise the weighted sum of ((x c - y) / t)^2 over the columns in use; columns are scaled to
 * largest entry 1. */
static void normal_equations(equations *s, const int *in_use, const double *scale)
{
    double a[TERMS][TERMS + 1] = {{0}};
    for (size_t i = 0; i < s->n; i++)
        for (int p = 0; p < TERMS; p++) {
            double row = s->weight[i] * s->x[i][p] / scale[p] / s->t[i];
            for (int j = 0; j < TERMS; j++)
                a[p][j] += row * s->x[i][j] / scale[j] / s->t[i];
            a[p][TERMS] += row * s->y[i] / s->t[i];
        }
    solve(a, in_use, s->c);
}

/* Drop the most negative coefficient until none is left: c >= 0. */
static void fit_positive(equations *s, const double *scale)
{
    int in_use[TERMS], worst;
    for (int j = 0; j < TERMS; j++)
        in_use[j] = scale[j] > 0;
    double safe[TERMS];
    for (int j = 0; j < TERMS; j++)
        safe[j] = in_use[j] ? scale[j] : 1;
    do {
        normal_equations(s, in_use, safe);
        worst = -1;
        for (int j = 0; j < TERMS; j++)
            if (s->c[j] < 0 && (worst < 0 || s->c[j] < s->c[worst]))
                worst = j;
        if (worst >= 0)
            in_use[worst] = 0;
    } while (worst >= 0);
    for (int j = 0; j < TERMS; j++)
        s->c[j] /= safe[j];
}

/* Largest entry of each column relative to the time of its row. */
static void column_scales(const equations *s, double *scale)
{
    for (int j = 0; j < TERMS; j++) {
        scale[j] = 0;
        for (size_t i = 0; i < s->n; i++)
            scale[j] = fmax(scale[j], s->x[i][j] / s->t[i]);
    }
}

static void fit(equations *s)
{
    double scale[TERMS], error[MOST];
    column_scales(s, scale);
    for (size_t i = 0; i < s->n; i++)
        s->weight[i] = s->t[i] / (s->t[i] + s->small);
    for (int round = 0; round < ROUNDS; round++) {
        fit_positive(s, scale);
        for (size_t i = 0; i < s->n; i++)
            error[i] = fabs(predict(s, i) - s->y[i]) / s->t[i];
        double knee = 1.5 * median(error, s->n) + 1e-6;
        for (size_t i = 0; i < s->n; i++) {
            double e = fabs(predict(s, i) - s->y[i]) / s->t[i];
            s->weight[i] = (e > knee ? knee / e : 1) * s->t[i] / (s->t[i] + s->small);
        }
    }
}

/* ---- one class ------------------------------------------------------------------------------- */

static double rate_of(double seconds_each)
{
    return seconds_each > 0 ? 1 / seconds_each : 0;
}

/* The model with every other constant switched off is the feature of the one that is left. */
static double feature(const ty_machine *m, ty_work w, ty_rate only)
{
    ty_machine one = *m;
    one.rate[w.cls] = only;
    return ty_machine_seconds(&one, w, 1, 1);
}

static void add_row(equations *s, const double *x, double y, double t)
{
    if (s->n == MOST || t <= 0)
        return;
    memcpy(s->x[s->n], x, sizeof s->x[0]);
    s->y[s->n] = y;
    s->t[s->n++] = t;
}

/* Only element-wise calls are timed both in and out of the cache. */
static void fit_one(equations *s, const ty_calibration_point *p, size_t n, ty_machine *m,
                    ty_class c)
{
    const int products = c <= TY_CLASS_GEMM_TN, streams = c == TY_CLASS_STREAM;
    const int computes = !streams, moves = products || streams || c == TY_CLASS_UPDATE;
    s->n = 0;
    for (size_t i = 0; i < n; i++) {
        ty_work w = p[i].work;
        if (w.cls != c)
            continue;
        double far = feature(m, w, (ty_rate){.bandwidth = INFINITY, .far_bandwidth = 1});
        double x[TERMS] = {1, computes ? feature(m, w, (ty_rate){.flops = 1}) : 0,
                           moves ? w.bytes - (streams ? far : 0) : 0, streams ? far : 0};
        add_row(s, x, p[i].seconds[TY_WAY_ONE], p[i].seconds[TY_WAY_ONE]);
    }
    fit(s);
    m->rate[c] = (ty_rate){.launch_s = s->c[0],
                           .flops = rate_of(s->c[1]),
                           .bandwidth = rate_of(s->c[2]),
                           .far_bandwidth = rate_of(s->c[3]),
                           .beside = 1};
}

/* Seconds by which the class's calls on one thread are missed, all together. */
static double missed(const ty_calibration_point *p, size_t n, const ty_machine *m, ty_class c)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        if (p[i].work.cls == c)
            sum += fabs(ty_machine_seconds(m, p[i].work, 1, 1) - p[i].seconds[TY_WAY_ONE]);
    return sum;
}

/* How much of the cache a call still finds filled with its operands is not asked but found: all
 * that the caller allows, or a half, a quarter, an eighth of it. */
static void fit_near(equations *s, const ty_calibration_point *p, size_t n, ty_machine *m)
{
    double all = m->near_bytes, best = all, least = INFINITY;
    for (double part = 1; part >= 0.1; part /= 2) {
        m->near_bytes = all * part;
        fit_one(s, p, n, m, TY_CLASS_STREAM);
        double error = missed(p, n, m, TY_CLASS_STREAM);
        if (error < least) {
            least = error;
            best = m->near_bytes;
        }
    }
    m->near_bytes = best;
}

/* What is left of a one-thread time on all threads: a share of 1/T is a gain of 1, a
 * share of 1 none. */
static double gain_of(double share, int threads)
{
    return -log2(share) / log2(threads);
}

/* Fit the threads' constants to calls of at least `from` seconds on one thread; returns the sum of
 * the errors of all. */
static double try_threads(equations *s, const ty_calibration_point *p, size_t n, ty_machine *m,
                          ty_class c, double from)
{
    ty_rate *r = &m->rate[c], arithmetic = {.flops = r->flops};
    ty_rate traffic = {.bandwidth = r->bandwidth, .far_bandwidth = r->far_bandwidth};
    double least = 1.0 / m->cores, sum = 0; /* the share of a perfect gain */
    s->n = 0;
    r->thread_from_s = INFINITY;
    for (size_t i = 0; i < n; i++) {
        double one = ty_machine_seconds(m, p[i].work, 1, 1) - r->launch_s,
               t = p[i].seconds[TY_WAY_THREADS];
        double x[TERMS] = {1, feature(m, p[i].work, arithmetic), feature(m, p[i].work, traffic), 0};
        if (p[i].work.cls == c && one >= from)
            add_row(s, x, t - r->launch_s - least * one, t);
    }
    if (s->n >= 4) {
        fit(s);
        r->thread_from_s = from;
        r->thread_launch_s = s->c[0];
        r->thread_gain = gain_of(least + s->c[1], m->cores);
        r->memory_gain = gain_of(least + s->c[2], m->cores);
    }
    for (size_t i = 0; i < n; i++)
        if (p[i].work.cls == c && p[i].seconds[TY_WAY_THREADS] > 0)
            sum += fmin(
                fabs(ty_machine_seconds(m, p[i].work, m->cores, 1) / p[i].seconds[TY_WAY_THREADS] -
                     1),
                0.5);
    return sum;
}

/* Where the kernel begins to use threads is not asked but found: the limit that explains
 * the times best. */
static void fit_threads(equations *s, const ty_calibration_point *p, size_t n, ty_machine *m,
                        ty_class c)
{
    double best = INFINITY, limit = 0;
    for (double from = 1e-6; from < 1e-3; from *= 1.5) {
        double error = try_threads(s, p, n, m, c, from);
        if (error < best) {
            best = error;
            limit = from;
        }
    }
    try_threads(s, p, n, m, c, limit);
    if (!isfinite(m->rate[c].thread_from_s))
        m->rate[c].thread_from_s = 1;
}

static void fit_beside(equations *s, const ty_calibration_point *p, size_t n, ty_machine *m,
                       ty_class c)
{
    const double launch = m->rate[c].launch_s;
    size_t k = 0;
    for (size_t i = 0; i < n && k < MOST; i++) {
        const double *t = p[i].seconds;
        if (p[i].work.cls == c && t[TY_WAY_BESIDE] > 0 && t[TY_WAY_ONE] > 2 * launch)
            s->t[k++] = (t[TY_WAY_BESIDE] - launch) / (t[TY_WAY_ONE] - launch);
    }
    if (k)
        m->rate[c].beside = fmax(1, median(s->t, k));
}

/* ---- how good it is -------------------------------------------------------------------------- */

static void judge(const ty_calibration_point *p, size_t n, ty_machine *m,
                  ty_calibration_report *report, ty_class c)
{
    const int threads[TY_WAYS] = {1, m->cores, 1}, busy[TY_WAYS] = {1, 1, m->cores};
    double error[MOST];
    for (int way = 0; way < TY_WAYS; way++) {
        size_t k = 0;
        for (size_t i = 0; i < n && k < MOST; i++)
            if (p[i].work.cls == c && p[i].seconds[way] > 0)
                error[k++] = fabs(ty_machine_seconds(m, p[i].work, threads[way], busy[way]) /
                                      p[i].seconds[way] -
                                  1);
        report->fit[c].median[way] = median(error, k);
        report->fit[c].worst[way] = k ? error[k - 1] : 0; /* median() sorts */
        report->fit[c].points = way ? report->fit[c].points : (int)k;
    }
    m->rate[c].residual = report->fit[c].median[TY_WAY_ONE];
    m->rate[c].worst = report->fit[c].worst[TY_WAY_ONE];
}

/* Errors of whole steps: what predictions are made for. */
static void judge_steps(const ty_calibration_point *p, size_t n, const ty_machine *m,
                        ty_calibration_report *report)
{
    const int threads[TY_WAYS] = {1, m->cores, 1}, busy[TY_WAYS] = {1, 1, m->cores};
    double error[MOST];
    for (int way = 0; way < TY_WAYS; way++) {
        size_t k = 0;
        for (size_t i = 0, end; i < n && k < MOST; i = end) {
            double want = 0, have = 0;
            for (end = i; end < n && p[end].step == p[i].step; end++) {
                want += ty_machine_seconds(m, p[end].work, threads[way], busy[way]);
                have += p[end].seconds[way];
            }
            if (have > 0)
                error[k++] = fabs(want / have - 1);
        }
        report->step_median[way] = median(error, k);
        report->step_worst[way] = k ? error[k - 1] : 0;
    }
}

static ty_err check_noise(const ty_calibration_point *p, size_t n, const ty_machine *m,
                          ty_calibration_report *report)
{
    static const char *const how[] = {"one thread", "all cores", "ranks side by side"};
    double v[MOST];
    for (int way = 0; way < TY_WAYS; way++) {
        size_t k = 0;
        for (size_t i = 0; i < n && k < MOST; i++)
            if (p[i].seconds[way] > 0)
                v[k++] = p[i].disturbed[way];
        report->disturbed[way] = median(v, k);
    }
    for (int way = 0; way < (m->cores > 1 ? TY_WAYS : 1); way++)
        if (report->disturbed[way] > LIMIT)
            return ty_error(
                TY_EWRONG,
                "too noisy to calibrate: other programs disturbed %.0f %% of the steps with %s "
                "(limit %.0f %%); stop them and try again",
                100 * report->disturbed[way], how[way], 100 * LIMIT);
    return ty_ok();
}

ty_err ty_calibration_fit(const ty_calibration_point *p, size_t n, ty_machine *m,
                          ty_calibration_report *report)
{
    equations *s = ty_alloc(sizeof *s);
    s->small = SMALL;
    fit_near(s, p, n, m);
    for (ty_class c = 0; c < TY_CLASSES; c++) {
        fit_one(s, p, n, m, c);
        if (m->cores > 1) {
            fit_threads(s, p, n, m, c);
            fit_beside(s, p, n, m, c);
        }
        judge(p, n, m, report, c);
    }
    free(s);
    judge_steps(p, n, m, report);
    m->origin = TY_FITTED;
    for (ty_class c = 0; c < TY_CLASSES; c++)
        if (m->rate[c].flops <= 0 && m->rate[c].bandwidth <= 0)
            return ty_error(
                TY_EWRONG,
                "the times of %s do not grow with the work: stop other programs and try again",
                ty_class_name(c));
    report->fitted = 1;
    return check_noise(p, n, m, report);
}

double ty_calibration_fit_net(const double *bytes, const double *seconds, size_t n, ty_net *net)
{
    equations *s = ty_alloc(sizeof *s);
    double error[MOST];
    s->n = 0;
    s->small = 0;
    for (size_t i = 0; i < n; i++)
        add_row(s, (const double[TERMS]){1, bytes[i]}, seconds[i], seconds[i]);
    fit(s);
    for (size_t i = 0; i < s->n; i++)
        error[i] = fabs(predict(s, i) - s->y[i]) / s->t[i];
    *net = (ty_net){s->c[0], rate_of(s->c[1])};
    double e = median(error, s->n);
    free(s);
    return e;
}
