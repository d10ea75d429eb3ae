/* SPDX-License-Identifier: MIT */
#include "experiments/output_plot.h"
#include "experiments/validate.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

/* ---- run.json -------------------------------------------------------------------------------- */

static json_t *number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static json_t *phases(const double phase_s[TY_PHASES])
{
    json_t *o = json_object();
    for (int i = 0; i < TY_PHASES; i++)
        json_object_set_new(o, ty_phase_name(i), number(phase_s[i]));
    return o;
}

static json_t *runs(const ty_validation_point *p)
{
    json_t *a = json_array();
    for (int i = 0; i < p->runs; i++)
        json_array_append_new(a,
                              json_pack("{s:o, s:o, s:o, s:b}", "step_s", number(p->run[i].step_s),
                                        "step_p10_s", number(p->run[i].p10_s), "step_p90_s",
                                        number(p->run[i].p90_s), "disturbed", p->run[i].disturbed));
    return a;
}

static json_t *point(const ty_validation_point *p)
{
    json_t *o = json_pack("{s:s, s:s, s:i, s:i}", "workload", p->simulated.workload, "strategy",
                          p->plan.strategy, "workers", p->plan.workers, "threads", p->plan.threads);
    if (p->failed.code || !p->runs) {
        json_object_set_new(o, "message", json_string(p->failed.msg));
        return o;
    }
    json_object_set_new(o, "simulated_s", number(p->simulated.step_s));
    json_object_set_new(o, "measured_s", number(p->measured.step_s));
    json_object_set_new(o, "spread_s", json_pack("[o, o]", number(p->low_s), number(p->high_s)));
    json_object_set_new(o, "error", number(p->error));
    json_object_set_new(o, "worst_phase", json_string(ty_phase_name(p->worst)));
    json_object_set_new(o, "simulated_phases_s", phases(p->simulated_phase_s));
    json_object_set_new(o, "measured_phases_s", phases(p->measured_phase_s));
    json_object_set_new(o, "measurements", runs(p));
    return o;
}

static json_t *tau(const ty_tau *t)
{
    return json_pack("{s:o, s:I, s:I, s:I}", "value", number(ty_tau_value(t)), "pairs",
                     (json_int_t)t->pairs, "same", (json_int_t)t->same, "opposite",
                     (json_int_t)t->opposite);
}

static json_t *phase_errors(const ty_validation *v)
{
    json_t *o = json_object();
    for (int i = 0; i < TY_PHASES; i++) {
        const ty_phase_error *e = &v->phase[i];
        json_object_set_new(o, ty_phase_name(i),
                            json_pack("{s:o, s:o, s:o, s:o, s:o}", "simulated_share",
                                      number(e->simulated), "measured_share", number(e->measured),
                                      "bias", number(e->bias), "error", number(e->error),
                                      "worst_error", number(e->worst_error)));
    }
    return o;
}

void ty_validation_json(ty_output *out, const ty_validation_point *p, int n, const ty_validation *v)
{
    json_t *points = json_array();
    if (!*out->dir) {
        json_decref(points);
        return;
    }
    for (int i = 0; i < n; i++)
        json_array_append_new(points, point(&p[i]));
    json_object_set_new(
        out->json, "validation",
        json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:i, s:i, s:o, s:o}",
                  "points_n", v->points, "repeat", number(v->repeat), "median_error",
                  number(v->median), "median_target", number(v->median_target), "p95_error",
                  number(v->p95), "p95_target", number(v->p95_target), "tau", tau(&v->tau),
                  "tau_target", number(v->tau_target), "tau_all", tau(&v->tau_all), "worst_phase",
                  v->worst < 0 ? "" : ty_phase_name(v->worst), "missed", v->missed, "disturbed",
                  v->disturbed, "phases", phase_errors(v), "points", points));
}

/* ---- the plot -------------------------------------------------------------------------------- */

enum { MOST_SERIES = TY_MOST_PROBLEMS * TY_MAX_STRATEGIES };

/* Names in the order of their first point: a colour a workload, a symbol a strategy. */
typedef struct legend {
    const char *workload[TY_MOST_PROBLEMS], *strategy[TY_MAX_STRATEGIES];
    size_t workloads, strategies;
} legend;

static size_t place(const char **names, size_t *n, size_t room, const char *name)
{
    for (size_t i = 0; i < *n; i++)
        if (!strcmp(names[i], name))
            return i;
    if (*n < room)
        names[(*n)++] = name;
    return *n - 1;
}

static int drawn(const ty_validation_point *p)
{
    return p->runs > 0 && !p->failed.code;
}

static size_t series_of(legend *l, const ty_validation_point *p)
{
    return place(l->workload, &l->workloads, TY_MOST_PROBLEMS, p->simulated.workload) *
               TY_MAX_STRATEGIES +
           place(l->strategy, &l->strategies, TY_MAX_STRATEGIES, p->plan.strategy);
}

static void write_series(FILE *f, legend *l, const ty_validation_point *p, int n, size_t series)
{
    fprintf(f,
            "# %s, %s: measured [ms], simulated [ms], error [%%], its low and high by the spread "
            "of the measurement [%%]\n",
            l->workload[series / TY_MAX_STRATEGIES], l->strategy[series % TY_MAX_STRATEGIES]);
    for (int i = 0; i < n; i++)
        if (drawn(&p[i]) && series_of(l, &p[i]) == series) {
            const double s = p[i].simulated.step_s;
            ty_plot_value(f, 1e3 * p[i].measured.step_s, ' ');
            ty_plot_value(f, 1e3 * s, ' ');
            ty_plot_value(f, 100 * p[i].error, ' ');
            ty_plot_value(f, 100 * (s / p[i].high_s - 1), ' ');
            ty_plot_value(f, 100 * (s / p[i].low_s - 1), '\n');
        }
    fputs("\n\n", f);
}

static void write_names(ty_plot *f, const char *array, const char *const *names, size_t n)
{
    ty_plot_array(f, array, n);
    for (size_t i = 0; i < n; i++) {
        fputs(i ? ", " : "", f->gp.f);
        ty_plot_quoted(f->gp.f, names[i]);
    }
    fputs("]\n", f->gp.f);
}

static void write_numbers(ty_plot *f, const char *array, const size_t *v, size_t n)
{
    ty_plot_array(f, array, n);
    for (size_t i = 0; i < n; i++)
        fprintf(f->gp.f, "%s%zu", i ? ", " : "", v[i] + 1);
    fputs("]\n", f->gp.f);
}

ty_err ty_validation_plot(const char *dir, const ty_validation_point *p, int n)
{
    ty_plot f;
    legend l = {0};
    size_t colour[MOST_SERIES], symbol[MOST_SERIES], series = 0;
    unsigned char written[MOST_SERIES] = {0};
    TY_TRY(ty_plot_open(&f, dir, "validate", "simulated against measured, one step"));
    for (int i = 0; i < n; i++) {
        size_t s = drawn(&p[i]) ? series_of(&l, &p[i]) : MOST_SERIES;
        if (s == MOST_SERIES || written[s])
            continue;
        written[s] = 1;
        colour[series] = s / TY_MAX_STRATEGIES;
        symbol[series++] = s % TY_MAX_STRATEGIES;
        write_series(f.dat.f, &l, p, n, s);
    }
    write_names(&f, "workload", l.workload, l.workloads);
    write_names(&f, "strategy", l.strategy, l.strategies);
    fprintf(f.gp.f, "series = %zu\n", series);
    write_numbers(&f, "colour_of", colour, series);
    write_numbers(&f, "symbol_of", symbol, series);
    return ty_plot_close(&f, "validate.gp");
}
