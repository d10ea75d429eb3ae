/* SPDX-License-Identifier: MIT */
#include "experiments/validate.h"

#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- a line a plan --------------------------------------------------------------------------- */

/* "gemm_nn +0.02 ms": what the simulation has too much (+) or too little of. */
static void print_worst(FILE *f, const ty_validation_point *p)
{
    double off = p->simulated_phase_s[p->worst] - p->measured_phase_s[p->worst];
    if (fabs(off) < 0.01 * p->measured.step_s)
        fprintf(f, "  below 1 %%");
    else
        fprintf(f, "  %s %+.3g ms", ty_phase_name(p->worst), 1e3 * off);
}

/* Largest difference between successive rounds, relative. */
static double repeat_of(const ty_validation_point *p)
{
    double most = NAN;
    for (int r = 1; r < p->runs; r++)
        most = fmax(most, fabs(p->run[r].step_s / p->run[r - 1].step_s - 1));
    return most;
}

static int disturbed(const ty_validation_point *p)
{
    int n = 0;
    for (int r = 0; r < p->runs; r++)
        n += p->run[r].disturbed;
    return n;
}

static int has_figure(const ty_validation_point *p)
{
    return p->runs > 0 && !p->failed.code;
}

static void print_point(FILE *f, const ty_validation_point *p)
{
    char a[32], b[32], range[64], repeat[32] = "-";
    fprintf(f, "%-14s %4zu %-15s %2d %2d ", p->simulated.workload, p->simulated.batch,
            p->plan.strategy, p->plan.workers, p->plan.threads);
    if (!has_figure(p)) {
        fprintf(f, " no figure: %s\n", p->failed.msg);
        return;
    }
    const ty_row *m = &p->measured;
    snprintf(range, sizeof range, "(%.3g..%.3g)", 1e3 * m->step_p10_s, 1e3 * m->step_p90_s);
    if (p->runs > 1)
        snprintf(repeat, sizeof repeat, "%.1f %%", 100 * repeat_of(p));
    fprintf(f, "%10s %10s %-15s %+6.1f %% %7s%c", ty_show(a, sizeof a, p->simulated.step_s, "s"),
            ty_show(b, sizeof b, m->step_s, "s"), range, 100 * p->error, repeat,
            disturbed(p) ? '!' : ' ');
    print_worst(f, p);
    fputc('\n', f);
}

void ty_validation_print_points(FILE *f, const ty_validation_point *p, int n)
{
    fprintf(f, "%-14s %4s %-15s %2s %2s  %10s %10s %-15s %8s %7s   %s\n", "workload", "B",
            "strategy", "N", "T", "simulated", "measured", "(p10..p90 ms)", "error", "repeat",
            "phase that is furthest off (simulated - measured)");
    for (int i = 0; i < n; i++)
        print_point(f, &p[i]);
    fprintf(f, "B batch, N workers, T threads each; time of one step; measured: median of the "
               "rounds; error: "
               "simulated / measured - 1;\nrepeat: difference of two rounds.\n");
}

/* ---- phases ---------------------------------------------------------------------------------- */

static void print_phase(FILE *f, const ty_validation_point *p, const ty_validation *v, int i)
{
    const ty_phase_error *e = &v->phase[i];
    const ty_validation_point *w = &p[e->worst];
    fprintf(f, "%-16s %8.1f %% %8.1f %% %+8.2f %% %8.2f %%   %+6.1f %%  %s, %s %dx%d\n",
            ty_phase_name(i), 100 * e->simulated, 100 * e->measured, 100 * e->bias, 100 * e->error,
            100 * e->worst_error, w->simulated.workload, w->plan.strategy, w->plan.workers,
            w->plan.threads);
}

void ty_validation_print_phases(FILE *f, const ty_validation_point *p, const ty_validation *v)
{
    int shown[TY_PHASES] = {0};
    fprintf(f,
            "\nWhere the time goes, mean over the plans, in %% of a measured step; worst first\n"
            "%-16s %10s %10s %10s %10s   %s\n",
            "phase", "simulated", "measured", "bias", "error", "largest at");
    for (int k = 0; k < TY_PHASES; k++) {
        int most = -1;
        for (int i = 0; i < TY_PHASES; i++)
            if (!shown[i] && (most < 0 || v->phase[i].error > v->phase[most].error))
                most = i;
        shown[most] = 1;
        if (v->phase[most].simulated > 0 || v->phase[most].error > 0)
            print_phase(f, p, v, most);
    }
}

/* ---- groups ---------------------------------------------------------------------------------- */

enum { BY_WORKLOAD, BY_STRATEGY, BY_SHAPE, GROUPINGS };

/* What point p is called in a grouping. */
static void name_of(const ty_validation_point *p, int by, char *name, size_t size)
{
    if (by == BY_SHAPE)
        snprintf(name, size, "%d x %d", p->plan.workers, p->plan.threads);
    else
        snprintf(name, size, "%s", by == BY_WORKLOAD ? p->simulated.workload : p->plan.strategy);
}

static int same_group(const ty_validation_point *a, const ty_validation_point *b, int by)
{
    char x[64], y[64];
    name_of(a, by, x, sizeof x);
    name_of(b, by, y, sizeof y);
    return has_figure(a) && has_figure(b) && !strcmp(x, y);
}

/* Median error of the group that point p[first] is the first of; 0 points: it is not. */
static double group_error(const ty_validation_point *p, int n, int first, int by, size_t *points)
{
    double *e = ty_alloc((size_t)n * sizeof *e), median;
    *points = 0;
    for (int i = 0; i < n; i++)
        if (same_group(&p[i], &p[first], by)) {
            if (i < first) {
                *points = 0;
                break;
            }
            e[(*points)++] = fabs(p[i].error);
        }
    median = ty_quantile(e, *points, 0.5);
    free(e);
    return median;
}

void ty_validation_print_groups(FILE *f, const ty_validation_point *p, int n)
{
    static const char *const title[GROUPINGS] = {"workload", "strategy", "workers x threads"};
    fprintf(f, "\nMedian error (plans)\n");
    for (int by = 0; by < GROUPINGS; by++) {
        int shown = 0;
        fprintf(f, "by %-18s", title[by]);
        for (int i = 0; i < n; i++) {
            char name[64];
            size_t points;
            double median = group_error(p, n, i, by, &points);
            name_of(&p[i], by, name, sizeof name);
            if (points)
                fprintf(f, "%s%s %.1f %% (%zu)", shown++ ? ", " : "", name, 100 * median, points);
        }
        fputc('\n', f);
    }
}

/* ---- the verdict ----------------------------------------------------------------------------- */

static void print_target(FILE *f, const char *what, const char *reached, const char *target,
                         int met)
{
    fprintf(f, "%-46s %-22s %-10s %s\n", what, reached, target, met ? "met" : "MISSED");
}

static void print_error(FILE *f, const char *what, double error, double target)
{
    char reached[32], bound[32];
    snprintf(reached, sizeof reached, "%.1f %%", 100 * error);
    snprintf(bound, sizeof bound, "<= %.1f %%", 100 * target);
    print_target(f, what, reached, bound, error <= target);
}

static char *tau_text(char *buf, size_t size, const ty_tau *t)
{
    if (t->pairs)
        snprintf(buf, size, "%.3f of %zu pairs", ty_tau_value(t), t->pairs);
    else
        snprintf(buf, size, "no pair that differs");
    return buf;
}

static void print_order(FILE *f, const ty_validation *v)
{
    char reached[48], bound[32];
    const char *what = "Kendall's tau, plans on as many cores";
    tau_text(reached, sizeof reached, &v->tau);
    snprintf(bound, sizeof bound, ">= %.2f", v->tau_target);
    if (v->tau.pairs)
        print_target(f, what, reached, bound, ty_tau_value(&v->tau) >= v->tau_target);
    else
        fprintf(f, "%-46s %s\n", what, reached);
    fprintf(f, "%-46s %s\n", "               all plans of a workload",
            tau_text(reached, sizeof reached, &v->tau_all));
}

void ty_validation_print_verdict(FILE *f, const ty_validation *v)
{
    char repeat[32] = "- (one round)";
    fprintf(f, "\n%-46s %-22s %-10s\n", "simulated against measured", "reached", "target");
    print_error(f, "median error", v->median, v->median_target);
    print_error(f, "95th percentile of the error", v->p95, v->p95_target);
    print_order(f, v);
    if (isfinite(v->repeat))
        snprintf(repeat, sizeof repeat, "%.1f %%", 100 * v->repeat);
    fprintf(f, "%-46s %s\n", "two measurements of a plan differ by (median)", repeat);
    fprintf(f, "%-46s %s, by %.1f %% of a step in the mean\n", "worst-modelled phase",
            ty_phase_name(v->worst), 100 * v->phase[v->worst].error);
    fprintf(f,
            "Targets: the larger of 3 %% and that difference; the larger of 8 %% and twice of it. "
            "Pairs: plans of the same\nworkload whose measured times differ by more than their "
            "spread (p10 to p90 and between rounds).\n");
}
