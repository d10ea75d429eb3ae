/* SPDX-License-Identifier: MIT */
#include "experiments/validate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double MEDIAN_TARGET = 0.03, P95_TARGET = 0.08, TAU_TARGET = 0.95;

const char *ty_phase_name(int phase)
{
    return phase < TY_CLASSES          ? ty_class_name((ty_class)phase)
           : phase == TY_PHASE_BETWEEN ? "between kernels"
           : phase == TY_PHASE_COMM    ? "communication"
                                       : "waiting";
}

/* ---- one point ------------------------------------------------------------------------------- */

void ty_phases_of(const ty_result *r, int rank, double phase_s[TY_PHASES])
{
    const ty_rank_report *p = &r->report[rank];
    const double n = (double)(r->steps - 1),
                 scale = p->mean_s > 0 && n > 0 ? p->step_s / p->mean_s / n : 0;
    double rest = p->step_s;
    for (int i = 0; i < TY_CLASSES; i++)
        rest -= phase_s[i] = p->ledger.class_s[i] * scale;
    rest -= phase_s[TY_PHASE_COMM] = p->ledger.comm_exposed_s * scale;
    rest -= phase_s[TY_PHASE_WAIT] = p->ledger.wait_s * scale;
    phase_s[TY_PHASE_BETWEEN] = rest;
}

/* Does run i count? Disturbed ones do only where there are no others. */
static int counts(const ty_validation_point *p, int i)
{
    for (int k = 0; k < p->runs; k++)
        if (!p->run[k].disturbed)
            return !p->run[i].disturbed;
    return 1;
}

/* Median over the runs that count of the figure at `offset` of each. */
static double median_of(const ty_validation_point *p, size_t offset)
{
    double v[TY_MOST_ROUNDS];
    size_t n = 0;
    for (int i = 0; i < p->runs; i++)
        if (counts(p, i))
            v[n++] = *(const double *)(const void *)((const char *)&p->run[i] + offset);
    return ty_quantile(v, n, 0.5);
}

/* From p10 to p90 within a run, and between the runs that count. */
static void spread(ty_validation_point *p)
{
    p->low_s = p->measured.step_p10_s;
    p->high_s = p->measured.step_p90_s;
    for (int i = 0; i < p->runs; i++)
        if (counts(p, i)) {
            p->low_s = fmin(p->low_s, p->run[i].step_s);
            p->high_s = fmax(p->high_s, p->run[i].step_s);
        }
}

void ty_validation_point_judge(ty_validation_point *p)
{
    p->measured.step_s = median_of(p, offsetof(ty_measurement, step_s));
    p->measured.step_p10_s = median_of(p, offsetof(ty_measurement, p10_s));
    p->measured.step_p90_s = median_of(p, offsetof(ty_measurement, p90_s));
    p->worst = 0;
    double most = -1;
    for (int i = 0; i < TY_PHASES; i++) {
        p->measured_phase_s[i] =
            median_of(p, offsetof(ty_measurement, phase_s) + (size_t)i * sizeof(double));
        double off = fabs(p->simulated_phase_s[i] - p->measured_phase_s[i]);
        p->worst = off > most ? i : p->worst;
        most = fmax(most, off);
    }
    p->error = p->simulated.step_s / p->measured.step_s - 1;
    spread(p);
}

/* ---- all points ------------------------------------------------------------------------------ */

static int good(const ty_validation_point *p)
{
    return p->runs > 0 && !p->failed.code && isfinite(p->error);
}

/* Median over all pairs of successive rounds of a point, where both rounds count. */
static double repeatability(const ty_validation_point *p, int n)
{
    double *d = ty_alloc((size_t)n * TY_MOST_ROUNDS * sizeof *d + sizeof *d), median;
    size_t k = 0;
    for (int i = 0; i < n; i++)
        for (int r = 1; good(&p[i]) && r < p[i].runs; r++) {
            const double a = p[i].run[r - 1].step_s, b = p[i].run[r].step_s;
            if (counts(&p[i], r - 1) && counts(&p[i], r))
                d[k++] = fabs(a - b) / (0.5 * (a + b));
        }
    median = ty_quantile(d, k, 0.5);
    free(d);
    return median;
}

static void judge_errors(const ty_validation_point *p, int n, ty_validation *v)
{
    double *e = ty_alloc((size_t)(n + 1) * sizeof *e);
    for (int i = 0; i < n; i++)
        if (good(&p[i]))
            e[v->points++] = fabs(p[i].error);
    v->median = ty_quantile(e, (size_t)v->points, 0.5);
    v->p95 = ty_quantile(e, (size_t)v->points, 0.95);
    free(e);
}

/* Plans of the same workload whose spreads do not overlap. */
static void judge_order(const ty_validation_point *p, int n, ty_validation *v)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++) {
            const ty_validation_point *a = &p[i], *b = &p[k];
            if (!good(a) || !good(b) || a->problem != b->problem ||
                (a->low_s <= b->high_s && b->low_s <= a->high_s))
                continue;
            const double x[] = {a->simulated.step_s, b->simulated.step_s},
                         y[] = {a->measured.step_s, b->measured.step_s};
            ty_tau_pair(&v->tau_all, x[0], y[0], x[1], y[1]);
            if (a->plan.workers * a->plan.threads == b->plan.workers * b->plan.threads)
                ty_tau_pair(&v->tau, x[0], y[0], x[1], y[1]);
        }
}

static void judge_phase(const ty_validation_point *p, int n, int phase, ty_phase_error *e)
{
    int k = 0;
    for (int i = 0; i < n; i++) {
        if (!good(&p[i]))
            continue;
        const double step = p[i].measured.step_s, s = p[i].simulated_phase_s[phase] / step,
                     m = p[i].measured_phase_s[phase] / step;
        e->simulated += s;
        e->measured += m;
        e->bias += s - m;
        e->error += fabs(s - m);
        if (!k++ || fabs(s - m) > fabs(e->worst_error)) {
            e->worst_error = s - m;
            e->worst = i;
        }
    }
    const double count = k ? k : 1;
    e->simulated /= count, e->measured /= count, e->bias /= count, e->error /= count;
}

void ty_validation_judge(const ty_validation_point *p, int n, ty_validation *v)
{
    *v = (ty_validation){.worst = -1, .tau_target = TAU_TARGET, .repeat = repeatability(p, n)};
    v->median_target = fmax(MEDIAN_TARGET, v->repeat); /* fmax passes a NAN over */
    v->p95_target = fmax(P95_TARGET, 2 * v->repeat);
    judge_errors(p, n, v);
    judge_order(p, n, v);
    for (int i = 0; v->points && i < TY_PHASES; i++) {
        judge_phase(p, n, i, &v->phase[i]);
        if (v->worst < 0 || v->phase[i].error > v->phase[v->worst].error)
            v->worst = i;
    }
    for (int i = 0; i < n; i++)
        for (int r = 0; r < p[i].runs; r++)
            v->disturbed += p[i].run[r].disturbed;
    v->missed = !(v->median <= v->median_target) + !(v->p95 <= v->p95_target) +
                (v->tau.pairs && ty_tau_value(&v->tau) < v->tau_target);
}
