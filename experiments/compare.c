/* SPDX-License-Identifier: MIT */
#include "experiments/compare.h"

#include "base/stats.h"
#include "base/text.h"
#include "experiments/mpirun.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- one case -------------------------------------------------------------------------------- */

/* Stragglers that a smaller plan has. */
static ty_pace pace_of(const ty_pace *all, int workers)
{
    ty_pace p = *all;
    p.slow_n = 0;
    for (int i = 0; i < all->slow_n; i++)
        if (all->slow[i].rank < workers)
            p.slow[p.slow_n++] = all->slow[i];
    return p;
}

static ty_point point_of(const ty_case *c, const ty_point *base)
{
    ty_point p = *base;
    p.strategy = c->strategy;
    p.workers = c->workers;
    p.threads = c->threads ? c->threads : base->threads;
    p.pace = pace_of(&base->pace, c->workers);
    const ty_strategy
        *strategy; /* an option for some of the strategies does not refuse the others */
    if (!ty_strategy_find(c->strategy, &strategy).code) {
        p.micro_batches = strategy->uses & TY_USES_MICRO_BATCHES ? p.micro_batches : 0;
        p.collective = strategy->uses & TY_USES_COLLECTIVE ? p.collective : NULL;
    }
    return p;
}

static int has(const ty_result *r)
{
    return r->here && r->row.strategy[0];
}

void ty_case_simulate(ty_case *c, const ty_point *base)
{
    ty_point p = point_of(c, base);
    p.fabric = "sim";
    p.platform = "multicore";
    p.network = TY_NET_SHARED;
    p.ghost = 1;
    if (!p.pace.jitter) /* a few steps show them all; else the very draws that were measured */
        p.steps = p.epochs = 0;
    p.trace_steps = 0;
    p.keep_params = 0;
    p.until = (ty_target){0};
    p.threads = has(&c->measured) ? c->measured.row.threads : p.threads;
    p.progress = NULL;
    c->no_simulation = ty_point_run(&p, &c->simulated);
}

ty_err ty_case_measure(const ty_case *c, const ty_point *base, ty_result *out)
{
    ty_point p = point_of(c, base);
    return ty_point_run(&p, out);
}

ty_err ty_case_check(const ty_case *c, const ty_point *base)
{
    ty_point p = point_of(c, base);
    return ty_point_check(&p);
}

void ty_case_run(ty_case *c, const ty_point *base)
{
    ty_point p = point_of(c, base);
    if (p.fabric && !strcmp(p.fabric, "sim")) {
        c->refused = ty_point_run(&p, &c->simulated);
        return;
    }
    c->refused = ty_point_run(&p, &c->measured);
    if (!c->refused.code && c->measured.here && c->measured.row.ok && !ty_inside_mpi())
        ty_case_simulate(c, base);
}

void ty_case_free(ty_case *c)
{
    ty_result_free(&c->measured);
    ty_result_free(&c->simulated);
}

static const ty_result *result_of(const ty_case *c)
{
    return has(&c->measured) ? &c->measured : has(&c->simulated) ? &c->simulated : NULL;
}

const ty_row *ty_case_row(const ty_case *c)
{
    return result_of(c) ? &result_of(c)->row : NULL;
}

/* ---- speedup --------------------------------------------------------------------------------- */

static double serial_step_s(const ty_case *cases, int n, int threads, int measured)
{
    for (int i = 0; i < n; i++) {
        const ty_result *r = measured ? &cases[i].measured : &cases[i].simulated;
        if (has(r) && !strcmp(r->row.strategy, "serial") && r->row.threads == threads && r->row.ok)
            return r->row.step_s;
    }
    return NAN;
}

static void compare_row(ty_row *row, double serial_s, int cores)
{
    int here = strcmp(row->fabric, "sim") != 0 || !strcmp(row->platform, "multicore");
    char text[96];
    if (here && row->workers * row->threads > cores) {
        snprintf(text, sizeof text, "no speedup: %d threads share %d cores",
                 row->workers * row->threads, cores);
        ty_row_remark(row, text);
    } else if (!(serial_s > 0)) {
        snprintf(text, sizeof text, "no speedup: serial with %d threads was not run", row->threads);
        ty_row_remark(row, text);
    } else {
        ty_row_compare(row, serial_s);
    }
}

void ty_cases_compare(ty_case *cases, int n, int cores)
{
    for (int i = 0; i < n; i++)
        for (int measured = 0; measured < 2; measured++) {
            ty_row *row = measured ? &cases[i].measured.row : &cases[i].simulated.row;
            if (row->strategy[0])
                compare_row(row, serial_step_s(cases, n, row->threads, measured), cores);
        }
}

/* ---- the table ------------------------------------------------------------------------------- */

const char *ty_residual_name(const ty_row *s, const ty_row *m, const ty_machine *machine)
{
    double part[] = {m->compute_s - s->compute_s, m->comm_exposed_s - s->comm_exposed_s,
                     m->wait_s - s->wait_s};
    int most = 0;
    for (int i = 1; i < 3; i++)
        most = fabs(part[i]) > fabs(part[most]) ? i : most;
    if (fabs(part[most]) < 0.01 * m->step_s)
        return "below 1 %";
    if (m->workers * m->threads > machine->cores)
        return "contention: more threads than cores";
    if (most == 0)
        return m->workers > 1   ? "compute: memory bandwidth"
               : m->threads > 1 ? "compute: launch overhead"
                                : "compute: unexplained";
    if (most == 2)
        return "waiting: imbalance";
    return s->messages * machine->handoff.alpha > s->bytes_sent / machine->handoff.beta
               ? "communication: latency"
               : "communication: bandwidth";
}

static const char *time_text(char *buf, size_t size, double s)
{
    return isfinite(s) ? ty_show(buf, size, s, "s") : "-";
}

static void print_figures(FILE *f, const ty_case *c, const ty_machine *machine)
{
    const ty_row *m = has(&c->measured) ? &c->measured.row : NULL,
                 *s = has(&c->simulated) ? &c->simulated.row : NULL;
    const ty_row *row = m ? m : s;
    char a[32], b[32], d[32], error[32] = "-";
    if (m && s)
        snprintf(error, sizeof error, "%+.1f %%", 100 * (s->step_s / m->step_s - 1));
    fprintf(f, "%-15s %3d %3d  %9s  %11s %11s %11s  %8s", row->strategy, row->workers, row->threads,
            "none", time_text(a, sizeof a, s ? s->closed_form_s : row->closed_form_s),
            time_text(b, sizeof b, s ? s->step_s : NAN),
            time_text(d, sizeof d, m ? m->step_s : NAN), error);
    if (isfinite(row->speedup))
        fprintf(f, " %7.2fx", row->speedup);
    else
        fprintf(f, " %8s", "-");
    if (m && s)
        fprintf(f, "  %s", ty_residual_name(s, m, machine));
    fputc('\n', f);
}

static int lanes_of(const char *strategy)
{
    const ty_strategy *s;
    return ty_strategy_find(strategy, &s).code ? 0 : s->lanes;
}

static void print_reasons(FILE *f, const ty_case *c, const ty_machine *machine)
{
    const ty_row *row = ty_case_row(c);
    const char *indent = "                        ";
    if (c->refused.code || !row) {
        fprintf(f, "%-15s %3d   -  no figure: %s\n", c->strategy, c->workers, c->refused.msg);
        return;
    }
    if (!row->ok || !row->fits)
        fprintf(f, "%s%s\n", indent, row->message);
    if (c->no_simulation.code)
        fprintf(f, "%snot simulated: %s\n", indent, c->no_simulation.msg);
    else if (has(&c->simulated) && !c->simulated.row.ok)
        fprintf(f, "%snot simulated: %s\n", indent, c->simulated.row.message);
    const int threads = row->workers * (row->threads + lanes_of(c->strategy));
    if (has(&c->measured) && threads > machine->cores)
        fprintf(f,
                "%soversubscribed: %d threads%s share %d cores, so the measured time is not a "
                "speedup of %d workers\n",
                indent, threads, lanes_of(c->strategy) ? " (each worker's stream is one)" : "",
                machine->cores, row->workers);
}

void ty_cases_print(FILE *f, const ty_case *cases, int n, const ty_machine *m)
{
    const ty_row *any = NULL;
    for (int i = 0; i < n && !any; i++)
        any = ty_case_row(&cases[i]);
    if (any)
        fprintf(f, "%s, batch %zu, seed %lu, on %s%s%s; time of one step\n", any->workload,
                any->batch, (unsigned long)any->seed, any->platform,
                any->network[0] ? ", network " : "", any->network);
    fprintf(f, "%-15s %3s %3s  %9s  %11s %11s %11s  %8s %8s  %s\n", "strategy", "N", "T",
            "predicted", "closed form", "simulated", "measured", "sim-meas", "speedup",
            "residual: what it is due to");
    for (int i = 0; i < n; i++) {
        if (ty_case_row(&cases[i]) && !cases[i].refused.code)
            print_figures(f, &cases[i], m);
        print_reasons(f, &cases[i], m);
    }
    fprintf(
        f,
        "N workers, T threads each. predicted: none given. closed form and simulated (SimGrid): on "
        "%s rates.\nmeasured: %s. speedup: against serial with the same T.\n",
        ty_origin_name(m->origin),
        any && strcmp(any->fabric, "sim") == 0
            ? "not here, these machines are simulated (--fabric threads measures this one)"
            : "median of the steps after the first");
}

double ty_cases_median_error(const ty_case *cases, int n)
{
    double *e = ty_alloc((size_t)(n + 1) * sizeof *e), median;
    int k = 0;
    for (int i = 0; i < n; i++)
        if (has(&cases[i].measured) && has(&cases[i].simulated) && cases[i].measured.row.ok &&
            cases[i].simulated.row.ok)
            e[k++] = fabs(cases[i].simulated.row.step_s / cases[i].measured.row.step_s - 1);
    median = ty_quantile(e, (size_t)k, 0.5);
    free(e);
    return median;
}

/* ---- compare --------------------------------------------------------------------------------- */

static int make_cases(const ty_compare_options *o, ty_case *cases)
{
    int n = 0;
    for (int s = 0; s < o->strategies_n; s++)
        for (int w = 0; w < o->workers_n; w++) {
            int serial = !strcmp(o->strategies[s], "serial");
            if (serial && w > 0)
                continue;
            cases[n++] =
                (ty_case){.strategy = o->strategies[s], .workers = serial ? 1 : o->workers[w]};
        }
    return n;
}

/* Serial with the threads that each worker has, unless it is there: what speedup is measured against. */
static int add_baseline(const ty_compare_options *o, ty_case *cases, int n)
{
    const char *place =
        o->base.platform ? o->base.platform : "multicore"; /* threads as on threads */
    int simulated = o->base.fabric && !strcmp(o->base.fabric, "sim") && strcmp(place, "multicore");
    for (int i = 0; i < n; i++)
        if (!strcmp(cases[i].strategy, "serial") &&
            (cases[i].threads == 1 || simulated || o->base.threads))
            return n;
    memmove(cases + 1, cases, (size_t)n * sizeof *cases);
    cases[0] = (ty_case){.strategy = "serial",
                         .workers = 1,
                         .threads = simulated         ? 0
                                    : o->base.threads ? o->base.threads
                                                      : 1};
    return n + 1;
}

static ty_err first_of(ty_err a, ty_err b)
{
    return a.code ? a : b;
}

ty_err ty_cases_write(ty_output *out, const ty_case *cases, int n, const ty_point *base,
                      const char *title)
{
    ty_row *rows = ty_zalloc((size_t)n + 1, sizeof *rows);
    const ty_result **histories = ty_zalloc((size_t)n + 1, sizeof *histories);
    size_t k = 0, h = 0;
    char where[256] = "";
    ty_err e = ty_ok();
    for (int i = 0; i < n; i++) {
        const ty_result *real = &cases[i].measured, *simulated = &cases[i].simulated;
        ty_point p = point_of(&cases[i], base);
        if (!ty_case_row(&cases[i]))
            continue;
        rows[k++] = *ty_case_row(&cases[i]);
        e = first_of(e, ty_output_run(out, &p, has(real) ? real : simulated));
        if (has(real) && has(simulated))
            ty_output_rows(out, &simulated->row, 1);
        if (real->loss || simulated->loss)
            histories[h++] = real->loss ? real : simulated;
    }
    e = first_of(e, ty_plot_breakdown(out->dir, "breakdown", title, rows, k));
    e = first_of(e, h ? ty_plot_loss(out->dir, "loss", title, histories, h) : ty_ok());
    if (h && histories[0]->row.network[0])
        snprintf(where, sizeof where, "%.80s, on %.120s, network %s", title,
                 histories[0]->row.platform, histories[0]->row.network);
    e = first_of(e, h ? ty_plot_time(out->dir, "time", *where ? where : title, histories, h)
                      : ty_ok());
    free(rows);
    free(histories);
    return e;
}

static ty_err give_out(const ty_compare_options *o, const ty_case *cases, int n)
{
    ty_row *rows = ty_zalloc((size_t)n + 1, sizeof *rows);
    size_t k = 0;
    char title[160] = "";
    for (int i = 0; i < n; i++)
        if (ty_case_row(&cases[i]))
            rows[k++] = *ty_case_row(&cases[i]);
    if (k)
        snprintf(title, sizeof title, "%s, batch %zu", rows[0].workload, rows[0].batch);
    ty_err e = ty_cases_write(o->out, cases, n, &o->base, title);
    e = first_of(e, ty_plot_speedup(o->out->dir, "speedup", title, rows, k));
    free(rows);
    return e;
}

/* Fastest valid case, by step time; none where threads share cores. */
static const ty_case *fastest(const ty_case *cases, int n)
{
    const ty_case *best = NULL;
    for (int i = 0; i < n; i++) {
        const ty_row *row = ty_case_row(&cases[i]), *b = best ? ty_case_row(best) : NULL;
        if (row && row->ok && row->fits && isfinite(row->speedup) &&
            (!b || row->step_s < b->step_s))
            best = &cases[i];
    }
    return best;
}

static void print_arrival(FILE *f, const ty_result *r, double first)
{
    char a[32];
    int reached;
    const ty_evaluation *e = ty_result_nearest(r, &reached);
    fprintf(f, "  %-15s %3d %3d  ", r->row.strategy, r->row.workers, r->row.threads);
    if (reached)
        fprintf(f, "%9s of training, %.2f times the shortest; %ld steps\n",
                ty_show(a, sizeof a, e->seconds, "s"), e->seconds / first, e->step);
    else if (e)
        fprintf(f, "not reached in %ld steps; %.4g at best, after step %ld\n", r->steps,
                ty_target_figure(&r->target, e->score), e->step);
    else
        fprintf(f, "%.100s\n", r->row.message);
}

/* Of the runs that train, who reaches the target first, and by how much. */
static void print_race(FILE *f, const ty_case *cases, int n, const ty_target *target)
{
    char name[40];
    double first = INFINITY;
    for (int i = 0; i < n; i++)
        if (ty_case_row(&cases[i]))
            first = fmin(first, ty_case_row(&cases[i])->until_s);
    fprintf(f,
            "\nuntil %s, at the first look at the test set that finds it (looks of one run differ "
            "by chance):\n",
            ty_target_show(target, name, sizeof name));
    for (int i = 0; i < n; i++)
        if (result_of(&cases[i]))
            print_arrival(f, result_of(&cases[i]), first);
}

/* Whose numbers are not serial's. */
static void print_inexact(FILE *f, const ty_case *cases, int n)
{
    const ty_strategy *s, *last = NULL;
    for (int i = 0; i < n; i++) {
        if (!ty_case_row(&cases[i]) || ty_strategy_find(cases[i].strategy, &s).code ||
            !s->inexact || s == last)
            continue;
        fprintf(
            f, "%s%s",
            last ? ", " : "by design not serial's numbers, to be judged by their loss: ", s->name);
        last = s;
    }
    if (last)
        fputc('\n', f);
}

static void conclude(const ty_compare_options *o, const ty_case *cases, int n)
{
    const ty_case *best = fastest(cases, n);
    double error = ty_cases_median_error(cases, n);
    char a[32];
    if (best) {
        const ty_row *r = ty_case_row(best);
        fprintf(o->text,
                "\nfastest: %s with %d worker%s, %s a step: %.0f %% computing, %.0f %% exposed "
                "communication, "
                "%.0f %% waiting.\n",
                r->strategy, r->workers, r->workers == 1 ? "" : "s",
                ty_show(a, sizeof a, r->step_s, "s"), 100 * r->compute_s / r->step_s,
                100 * r->comm_exposed_s / r->step_s, 100 * r->wait_s / r->step_s);
    }
    if (o->base.until.kind)
        print_race(o->text, cases, n, &o->base.until);
    if (isfinite(error))
        fprintf(o->text, "simulated against measured: median error %.1f %%\n", 100 * error);
}

/* Serial runs: there without being asked for, or asked for as what others are compared with. */
static int baselines(const ty_case *cases, int n)
{
    int k = 0;
    for (int i = 0; i < n; i++)
        k += ty_case_row(&cases[i]) && !strcmp(cases[i].strategy, "serial");
    return k;
}

static ty_err verdict(const ty_case *cases, int n)
{
    int shown = 0, wrong = 0, fit = 0;
    ty_err refused = ty_ok();
    for (int i = 0; i < n; i++) {
        refused = refused.code ? refused : cases[i].refused;
        const ty_row *row = ty_case_row(&cases[i]);
        shown += row != NULL;
        wrong += row && !row->ok;
        fit += row && row->ok && row->fits;
    }
    if (shown == 0 || (refused.code && shown == baselines(cases, n)))
        return refused;
    if (wrong)
        return ty_error(TY_EWRONG, "%d of %d runs failed or gave a wrong result (see the table)",
                        wrong, shown);
    return fit ? ty_ok() : ty_error(TY_EFIT, "none of the plans fits in memory");
}

/* Rows of the first n cases, for whom an interrupt leaves with them. What cannot be written is said at the end. */
static void keep(ty_output *out, const ty_case *cases, int n)
{
    ty_row *rows = ty_zalloc((size_t)n, sizeof *rows);
    size_t k = 0;
    for (int i = 0; i < n; i++)
        if (ty_case_row(&cases[i]))
            rows[k++] = *ty_case_row(&cases[i]);
    if (k)
        ty_output_so_far(out, rows, k);
    free(rows);
}

ty_err ty_compare(const ty_compare_options *o)
{
    ty_case *cases = ty_zalloc((size_t)(o->strategies_n * o->workers_n) + 1, sizeof *cases);
    int n = add_baseline(o, cases, make_cases(o, cases));
    for (int i = 0; i < n; i++) {
        ty_case_run(&cases[i], &o->base);
        if (cases[i].refused.code == TY_EMISSING)
            break;
        keep(o->out, cases, i + 1);
    }
    ty_cases_compare(cases, n, o->base.machine->cores);
    ty_err e = verdict(cases, n);
    char pace[160];
    if (o->out->dir[0] || !ty_inside_mpi()) {
        ty_cases_print(o->text, cases, n, o->base.machine);
        if (ty_pace_is_set(&o->base.pace))
            fprintf(o->text, "with %s\n", ty_pace_show(&o->base.pace, pace, sizeof pace));
        print_inexact(o->text, cases, n);
        conclude(o, cases, n);
        ty_err plots = give_out(o, cases, n);
        if (plots.code)
            fprintf(o->text, "files: %s\n", plots.msg);
    }
    for (int i = 0; i < n; i++)
        ty_case_free(&cases[i]);
    free(cases);
    return e;
}
