/* SPDX-License-Identifier: MIT */
#include "experiments/validate.h"

#include "base/clock.h"
#include "base/text.h"
#include "experiments/child.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_STEPS = 11, MOST_STEPS = 20000, ROUNDS = 2, PASSES = 2, LOOKS = 4, LEAST_BATCH = 8 };

/* [s] A serial step that would take longer gets a smaller batch. */
static const double LONGEST_STEP = 0.06;

/* Rulers below this share of the best one were disturbed. */
static const double CLEAN = 0.9;

/* Measurements are repeated until this many times the planned seconds have gone. */
static const double PATIENCE = 1.5;

typedef struct session {
    const ty_validate_options *o;
    ty_validation_point *point;
    int n, room, refused;
    int crowded; /* plans left out: their ranks and lanes outnumber the cores */
    size_t batch[TY_MOST_PROBLEMS];
    ty_err refusal;       /* of the first plan that was refused */
    double planned, done; /* [s] of work, for the progress */
    double one, all;      /* best rulers: one core, all cores [flop/s] */
    double last;          /* newest ruler of all cores */
} session;

static ty_point base_of(const session *s, int problem)
{
    ty_point p = s->o->base;
    p.problem = s->o->problem[problem];
    p.batch = s->batch[problem];
    return p;
}

/* ---- batches --------------------------------------------------------------------------------- */

/* The usual batch, halved until a serial step of it is simulated to be short: ten steps of every plan must be. */
static ty_err choose_batch(session *s, int problem)
{
    s->batch[problem] = s->o->base.batch;
    for (;;) {
        ty_case c = {.strategy = "serial", .workers = 1, .threads = 1};
        ty_point base = base_of(s, problem);
        ty_case_simulate(&c, &base);
        ty_err e = c.no_simulation;
        const double step_s = c.simulated.row.step_s;
        const size_t half = c.simulated.row.batch / 2;
        ty_case_free(&c);
        if (e.code) /* a plan that cannot be made is counted later */
            return e.code == TY_EMISSING ? e : ty_ok();
        if (s->o->base.batch || !(step_s > LONGEST_STEP) || half < LEAST_BATCH)
            return ty_ok();
        s->batch[problem] = half;
    }
}

static ty_err choose_batches(session *s)
{
    for (int i = 0; i < s->o->problems; i++)
        TY_TRY(choose_batch(s, i));
    return ty_ok();
}

/* ---- which plans ----------------------------------------------------------------------------- */

/* 1, 2, 4 ... and `most`; returns how many. */
static int doublings(int most, int *list)
{
    int n = 0;
    for (int v = 1; v < most; v *= 2)
        list[n++] = v;
    list[n++] = most;
    return n;
}

static void add_plan(session *s, int problem, const char *strategy, int workers, int threads)
{
    if (s->n == s->room) {
        s->room = 2 * s->room + 32;
        s->point = realloc(s->point, (size_t)s->room * sizeof *s->point);
        TY_CHECK(s->point, "out of memory for %d plans", s->room);
    }
    ty_validation_point *p = &s->point[s->n];
    *p = (ty_validation_point){
        .plan = {.strategy = strategy, .workers = workers, .threads = threads}, .problem = problem};
    ty_point base = base_of(s, problem), simulated = base;
    simulated.fabric = "sim";
    ty_err e = ty_case_check(&p->plan, &base);
    if (!e.code && ty_case_check(&p->plan, &simulated).code)
        e = ty_error(TY_EUSAGE, "it cannot be simulated, so there is nothing to compare");
    if (!e.code) {
        s->n++;
    } else if (!s->refused++) {
        s->refusal = e;
        snprintf(s->refusal.msg, sizeof s->refusal.msg, "%s, %s, %d worker%s: %.150s",
                 base.problem->workload->name, strategy, workers, workers == 1 ? "" : "s", e.msg);
    }
}

/* A lone worker runs the same program whatever the strategy is called: it is measured and counts once, as serial. */
static int is_lone_again(const ty_validate_options *o, const char *strategy)
{
    const char *counts = o->strategies[0];
    for (int i = 0; i < o->strategies_n; i++)
        counts = !strcmp(o->strategies[i], "serial") ? o->strategies[i] : counts;
    return strcmp(strategy, counts) != 0;
}

/* With a program beside each worker: what several of them do to each other on one core nobody predicts. */
static int is_crowded(const char *name, int workers, int cores)
{
    const ty_strategy *strategy;
    return !ty_strategy_find(name, &strategy).code && strategy->lanes &&
           workers * (1 + strategy->lanes) > cores;
}

static void add_strategy(session *s, int problem, const char *strategy)
{
    const ty_validate_options *o = s->o;
    const int cores = o->base.machine->cores, serial = !strcmp(strategy, "serial");
    int threads[TY_MAX_WORKERS], counts = doublings(cores, threads), workers[TY_MAX_WORKERS],
                                 n = doublings(cores, workers);
    const int *list = o->workers_n ? o->workers : workers;
    n = o->workers_n ? o->workers_n : n;
    for (int i = 0; i < n; i++) {
        if (serial && list[i] != 1)
            continue;
        if (list[i] == 1 && is_lone_again(o, strategy))
            continue;
        if (is_crowded(strategy, list[i], cores)) {
            s->crowded++;
            continue;
        }
        for (int t = 0; t < (list[i] == 1 ? counts : 1); t++)
            add_plan(s, problem, strategy, list[i], threads[t]);
    }
}

static ty_err make_plans(session *s)
{
    for (int i = 0; i < s->o->problems; i++)
        for (int k = 0; k < s->o->strategies_n; k++)
            add_strategy(s, i, s->o->strategies[k]);
    if (s->n)
        return ty_ok();
    return s->refused ? s->refusal
                      : ty_error(TY_EUSAGE, "nothing to validate: serial needs --workers 1");
}

/* ---- progress -------------------------------------------------------------------------------- */

static void advance(session *s, double seconds)
{
    const ty_point *b = &s->o->base;
    s->done += seconds;
    if (b->progress)
        b->progress(b->progress_arg, fmin(s->done / s->planned, 0.999), 0);
}

/* ---- the ruler ------------------------------------------------------------------------------- */

static void look(void *threads, void *rate)
{
    ty_kernel_set_threads(*(int *)threads);
    if (*(int *)threads > 1)
        ty_kernel_bind(0);
    *(double *)rate = ty_kernel_fma_peak(0.015);
}

/* In a child: this process goes on to fork, so it enters no parallel region. 0: no reading. */
static double ruler(int threads)
{
    double *rate = ty_child_share(sizeof *rate);
    ty_err e = ty_child_run(look, &threads, rate, NULL, NULL, NULL);
    double got = e.code ? 0 : *rate;
    ty_child_unshare(rate, sizeof *rate);
    return got;
}

static void first_rulers(session *s)
{
    for (int i = 0; i < LOOKS; i++) {
        s->one = fmax(s->one, ruler(1));
        s->last = ruler(s->o->base.machine->cores);
        s->all = fmax(s->all, s->last);
    }
}

/* ---- simulating ------------------------------------------------------------------------------ */

static double seconds_wanted(const session *s)
{
    return s->o->quick ? 0.12 : 0.35;
}

static long steps_of(const session *s, double step_s)
{
    if (s->o->base.steps > 0)
        return s->o->base.steps;
    double n = ceil(seconds_wanted(s) / step_s) + 1; /* the first step is not timed */
    return n < LEAST_STEPS ? LEAST_STEPS : n > MOST_STEPS ? MOST_STEPS : (long)n;
}

/* Whole batches only: a smaller one at the end of an epoch would be in some means and not in others. */
static void trim(ty_problem *q, size_t batch)
{
    uint32_t n = q->data.train.n, rest = (uint32_t)(n % batch);
    if (rest && n > batch)
        ty_problem_pretend(q, n - rest);
}

static ty_err simulate(session *s, ty_validation_point *p)
{
    ty_point base = base_of(s, p->problem);
    const ty_result *r = &p->plan.simulated;
    ty_case_simulate(&p->plan, &base);
    TY_TRY(p->plan.no_simulation);
    p->simulated = r->row;
    if (!r->row.ok || !r->row.fits || !r->report) {
        p->failed = ty_error(r->row.ok ? TY_EFIT : TY_EWRONG, "%.200s", r->row.message);
        return ty_ok();
    }
    trim(s->o->problem[p->problem], r->row.batch);
    ty_phases_of(r, r->shown, p->simulated_phase_s);
    p->steps = steps_of(s, r->row.step_s);
    return ty_ok();
}

static double cost_of(const ty_validation_point *p)
{
    return (double)(p->steps + 4) * p->simulated.step_s + 0.1;
}

static ty_err simulate_all(session *s)
{
    const double each = 0.05;
    s->planned = each * s->n + s->n * ROUNDS * (seconds_wanted(s) + 0.2);
    for (int i = 0; i < s->n; i++) {
        TY_TRY(simulate(s, &s->point[i]));
        advance(s, each);
    }
    return ty_ok();
}

/* ---- measuring ------------------------------------------------------------------------------- */

static void keep(const session *s, ty_validation_point *p, const ty_result *r, int round,
                 int disturbed)
{
    ty_measurement *m = &p->run[round];
    p->measured = r->row;
    *m = (ty_measurement){.step_s = r->row.step_s,
                          .p10_s = r->row.step_p10_s,
                          .p90_s = r->row.step_p90_s,
                          .disturbed = disturbed};
    ty_phases_of(r, p->plan.simulated.shown, m->phase_s);
    p->runs = round + 1;
    p->steps = steps_of(s, fmax(p->simulated.step_s, r->row.step_s)); /* of the next round */
}

static void measure(session *s, ty_validation_point *p, int round)
{
    ty_result r;
    ty_point base = base_of(s, p->problem);
    base.steps = p->steps;
    base.progress = NULL; /* of its own; nothing polls while it runs */
    const double before = s->last;
    ty_err e = ty_case_measure(&p->plan, &base, &r);
    s->last = ruler(s->o->base.machine->cores);
    s->all = fmax(s->all, s->last);
    if (e.code)
        p->failed = e;
    else if (!r.row.ok || !r.row.fits || !r.report)
        p->failed = ty_error(r.row.ok ? TY_EFIT : TY_EWRONG, "%.200s", r.row.message);
    else
        keep(s, p, &r, round, fmin(before, s->last) < CLEAN * s->all);
    if (!e.code && !p->failed.code)
        ty_output_rows(s->o->out, &r.row, 1);
    ty_result_free(&r);
}

static int wanted(const ty_validation_point *p, int round)
{
    return !p->failed.code && (p->runs <= round || p->run[round].disturbed);
}

/* Every plan once; those that were disturbed once more, unless that happens so often that time runs away. */
static void one_round(session *s, int round, double until)
{
    for (int pass = 0; pass < PASSES; pass++)
        for (int i = 0; i < s->n; i++) {
            if (!wanted(&s->point[i], round) || (pass && ty_clock() > until))
                continue;
            measure(s, &s->point[i], round);
            if (pass == 0)
                advance(s, cost_of(&s->point[i]));
        }
}

static void measure_all(session *s)
{
    const int rounds = s->o->rounds ? s->o->rounds : ROUNDS;
    double left = 0;
    for (int i = 0; i < s->n; i++)
        left += s->point[i].failed.code ? 0 : rounds * cost_of(&s->point[i]);
    s->done *= left / (s->planned - s->done); /* what is left is known better now */
    s->planned = s->done + left;
    const double begin = ty_clock();
    for (int round = 0; round < rounds; round++)
        one_round(s, round, begin + PATIENCE * left * (round + 1) / rounds);
    for (int i = 0; i < s->n; i++)
        if (s->point[i].runs)
            ty_validation_point_judge(&s->point[i]);
}

/* ---- telling --------------------------------------------------------------------------------- */

static void print_header(const session *s)
{
    const ty_machine *m = s->o->base.machine;
    char one[32], all[32];
    FILE *f = s->o->text;
    fprintf(
        f, "simulated from the %s rates of %s (%s), then measured here: %d rounds over %d plans\n",
        ty_origin_name(m->origin), m->host, m->date, s->o->rounds ? s->o->rounds : ROUNDS, s->n);
    if (!ty_machine_is_here(m))
        fprintf(f, "note: these rates are of another machine, so the error is not that of a "
                   "calibration\n");
    fprintf(f, "ruler (multiply-adds on registers): %s on one core, %s on all %d: %.2fx\n",
            ty_show(one, sizeof one, s->one, "flop/s"), ty_show(all, sizeof all, s->all, "flop/s"),
            m->cores, s->all / s->one);
    if (s->all < CLEAN * m->cores * s->one)
        fprintf(f,
                "note: all cores together should reach %.1fx; something else runs here, or cores "
                "share their units\n",
                (double)m->cores);
    fputc('\n', f);
}

static void print_left_out(const session *s, const ty_validation *v)
{
    FILE *f = s->o->text;
    if (s->crowded)
        fprintf(f,
                "%d plans left out: with a stream beside each worker (data-overlap) they need more "
                "cores than there are\n",
                s->crowded);
    if (s->refused)
        fprintf(f, "%d combination%s refused, e.g. %s\n", s->refused, s->refused == 1 ? "" : "s",
                s->refusal.msg);
    if (v->disturbed)
        fprintf(f,
                "%d measurement%s stayed disturbed (!): the ruler beside read below %.0f %% of "
                "its best\n",
                v->disturbed, v->disturbed == 1 ? "" : "s", 100 * CLEAN);
}

static ty_err verdict(const session *s, const ty_validation *v)
{
    int wrong = 0;
    const char *why = "";
    for (int i = 0; i < s->n; i++)
        if (s->point[i].failed.code == TY_EWRONG && !wrong++)
            why = s->point[i].failed.msg;
    if (wrong)
        return ty_error(TY_EWRONG, "%d of %d plans failed or gave a wrong result: %.150s", wrong,
                        s->n, why);
    if (!v->points)
        return ty_error(TY_EFIT, "none of the plans fits in memory");
    if (s->o->strict && v->missed)
        return ty_error(TY_EWRONG, "%d of 3 targets missed", v->missed);
    return ty_ok();
}

static ty_err report(const session *s)
{
    const ty_validate_options *o = s->o;
    ty_validation v;
    ty_validation_judge(s->point, s->n, &v);
    if (o->base.progress)
        o->base.progress(o->base.progress_arg, 1, 0);
    print_header(s);
    ty_validation_print_points(o->text, s->point, s->n);
    if (v.points) {
        ty_validation_print_groups(o->text, s->point, s->n);
        ty_validation_print_phases(o->text, s->point, &v);
        ty_validation_print_verdict(o->text, &v);
    }
    print_left_out(s, &v);
    for (int i = 0; i < s->n; i++)
        if (s->point[i].simulated.strategy[0])
            ty_output_rows(o->out, &s->point[i].simulated, 1);
    ty_validation_json(o->out, s->point, s->n, &v);
    ty_err e = v.points ? ty_validation_plot(o->out->dir, s->point, s->n) : ty_ok();
    if (e.code)
        fprintf(o->text, "files: %s\n", e.msg);
    return verdict(s, &v);
}

ty_err ty_validate(const ty_validate_options *o)
{
    session s = {.o = o};
    ty_err e = choose_batches(&s);
    if (!e.code)
        e = make_plans(&s);
    if (!e.code)
        e = simulate_all(&s);
    if (!e.code) {
        first_rulers(&s);
        measure_all(&s);
        e = report(&s);
    }
    for (int i = 0; i < s.n; i++)
        ty_case_free(&s.point[i].plan);
    free(s.point);
    return e;
}
