/* SPDX-License-Identifier: MIT */
#include "experiments/engine.h"

#include "base/clock.h"
#include "experiments/child.h"
#include "experiments/mpirun.h"
#include "experiments/outcome.h"
#include "experiments/rank_main.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_EVENTS = 200000 };

/* ---- running, in the child ------------------------------------------------------------------- */

/* Difference of `got` to the parameters of the first steps run serially, relative to the largest of them: the largest one,
 * of AdamW the root mean square. */
static double difference_to_serial(const ty_prepared *s, const float *got)
{
    ty_plan serial;
    const ty_plan *p = &s->plan;
    ty_plan_options o = {.strategy = &ty_serial,
                         .problem = p->problem,
                         .workers = 1,
                         .batch = p->batch,
                         .seed = p->seed,
                         .steps = p->steps,
                         .augment = p->augment,
                         .optimizer = p->optimizer.kind,
                         .rate = p->optimizer.rate,
                         .momentum = p->optimizer.momentum};
    if (ty_plan_make(&serial, &o).code)
        return NAN;
    serial.steps = TY_CHECK_STEPS; /* of the same schedule: optimizer.steps stays */
    size_t n = p->problem->params;
    ty_rank_report report;
    double loss[TY_CHECK_STEPS], worst = 0, largest = 0, squares = 0;
    float *want = ty_zalloc(n, sizeof *want);
    ty_course c = {.plan = &serial, .loss = loss, .report = &report, .early = want};
    ty_job job = {.ranks = 1, .threads = s->job.threads};
    if (ty_fabric_threads.run(&job, ty_rank_main, &c).code)
        worst = NAN;
    for (size_t i = 0; i < n; i++) {
        const double off = fabs((double)got[i] - (double)want[i]);
        worst = isfinite(got[i]) ? fmax(worst, off) : INFINITY;
        squares += off * off;
        largest = fmax(largest, fabs((double)want[i]));
    }
    free(want);
    ty_plan_free(&serial);
    /* Adam divides a gradient by its own size: where that is a rounding error, so is the sign of the step. One such
     * parameter means nothing, many do. */
    if (p->optimizer.kind == TY_ADAMW && isfinite(worst))
        worst = sqrt(squares / (double)n);
    return worst / largest;
}

/* Is there somebody to say what the trained network is worth? */
static int speaks(const ty_prepared *s)
{
    return s->point->train && s->plan.problem->workload->report != NULL;
}

typedef struct speech {
    const ty_prepared *s;
    ty_board *b;
} speech;

static void speak(ty_rank *r, void *arg)
{
    const speech *a = arg;
    const ty_plan *p = &a->s->plan;
    ty_model whole;
    FILE *f = fmemopen(a->b->said, TY_SAID_MAX - 1, "w"); /* the last byte stays zero */
    TY_CHECK(f, "no memory for a report");
    ty_worker_evaluator(&whole, r, p);
    memcpy(whole.params.data, a->b->params, ty_bytes(whole.params));
    p->problem->workload->report(p->problem, &whole, p->seed, f);
    ty_model_fini(&whole);
    fclose(f);
}

/* The workload's own words about the trained network, on one rank. */
static void describe(const ty_prepared *s, ty_board *b)
{
    speech a = {s, b};
    ty_job job = {.ranks = 1, .threads = s->job.threads};
    b->head->error = ty_fabric_threads.run(&job, speak, &a);
}

/* Place the next array of n elements of `size`; with base NULL only count. */
static void *place(char *base, size_t *at, size_t n, size_t size)
{
    void *p = base ? base + *at : NULL;
    *at += (n * size + 63) / 64 * 64;
    return p;
}

static void lay_out(ty_board *b, char *base, const ty_prepared *s, int real)
{
    size_t at = 0, params = real ? s->plan.problem->params : 0;
    size_t steps = (size_t)s->plan.steps, batch = s->plan.batch, n = s->plan.problem->data.train.n;
    const size_t epoch = (n + batch - 1) / batch;
    b->room = s->point->trace_steps ? MAX_EVENTS : 0;
    b->head = place(base, &at, 1, sizeof *b->head);
    b->loss = place(base, &at, steps, sizeof *b->loss);
    b->end = place(base, &at, steps, sizeof *b->end);
    b->evaluation =
        place(base, &at, steps / (size_t)s->every + steps / epoch + 1, sizeof *b->evaluation);
    b->report = place(base, &at, (size_t)s->plan.workers, sizeof *b->report);
    b->event = place(base, &at, b->room, sizeof *b->event);
    b->early = place(base, &at, params, sizeof *b->early);
    b->params =
        place(base, &at, s->point->keep_params || speaks(s) ? params : 0, sizeof *b->params);
    b->said = place(base, &at, TY_SAID_MAX, 1);
    b->bytes = at;
}

static void run_here(void *arg_setup, void *arg_board)
{
    ty_prepared *s = arg_setup;
    ty_board *b = arg_board;
    int real = !s->job.ghost,
        own = s->plan.preprocessors > 0; /* task pipelines evaluate themselves */
    ty_course c = {.plan = &s->plan,
                   .every = real && !own && s->plan.problem->data.test.n > 0 ? s->every : 0,
                   .target = s->point->until,
                   .trace_steps = s->point->trace_steps,
                   .exact = s->fabric->virtual_time,
                   .loss = b->loss,
                   .end = b->end,
                   .evaluation = b->evaluation,
                   .report = b->report,
                   .event = b->event,
                   .room = b->room,
                   .early = real && s->plan.steps >= TY_CHECK_STEPS ? b->early : NULL,
                   .params = real && (s->point->keep_params || speaks(s)) ? b->params : NULL,
                   .progress = b->head->progress};
    double start = ty_clock();
    b->head->error = s->fabric->run(&s->job, ty_rank_main, &c);
    b->head->wall_s = ty_clock() - start;
    b->head->events = c.events;
    b->head->steps = c.steps;
    b->head->evaluations = c.evaluations;
    b->head->here = c.collected;
    b->head->difference = NAN;
    if (c.early && b->head->here && !b->head->error.code)
        b->head->difference = difference_to_serial(s, c.early);
    if (speaks(s) && c.params && b->head->here && !b->head->error.code)
        describe(s, b);
}

/* What all ranks of a real run on this machine need at once, and the serial run that checks them, by the closed form;
 * *largest is the largest rank's. Of an MPI job, those that are here: assumed to be as large as any. */
static double memory_needed(const ty_prepared *s, double *largest)
{
    const int here = strcmp(s->fabric->name, "mpi") ? s->plan.workers : ty_mpirun_local_size();
    double sum = 0;
    *largest = 0;
    for (int i = 0; i < s->plan.workers; i++) {
        double bytes = ty_plan_cost(&s->plan, i).peak_bytes;
        sum += bytes;
        *largest = fmax(*largest, bytes);
    }
    if (here < s->plan.workers)
        sum = *largest * (here > 0 ? here : 1);
    return sum + 2.0 * (double)(s->plan.problem->params * sizeof(float));
}

/* [B] that there are for numbers: of this host, or of the machine where that is meant to be this one and has less. */
static double memory_here(const ty_prepared *s)
{
    ty_machine here = {0};
    const ty_machine *m = s->point->machine;
    ty_machine_name_here(&here);
    return !s->sim && m && m->memory > 0 && m->memory < here.memory ? m->memory : here.memory;
}

/* A run with numbers that this machine cannot hold is answered without being tried. */
static int too_large(const ty_prepared *s, ty_result *out)
{
    double largest, memory = memory_here(s);
    if (s->job.ghost || memory <= 0)
        return 0;
    double needed = memory_needed(s, &largest);
    if (needed <= memory)
        return 0;
    ty_outcome_describe(&out->row, s);
    out->here = 1;
    out->row.fits = 0;
    out->row.peak_bytes = largest;
    snprintf(out->row.message, sizeof out->row.message,
             "does not fit, so it was not run: %d workers need %.3g GB together, this machine has "
             "%.3g GB",
             s->plan.workers, needed / 1e9, memory / 1e9);
    return 1;
}

static ty_err run_point(ty_prepared *s, ty_result *out)
{
    ty_board b;
    if (too_large(s, out))
        return ty_ok();
    lay_out(&b, NULL, s, !s->job.ghost);
    char *base = ty_child_share(b.bytes);
    lay_out(&b, base, s, !s->job.ghost);
    int in_place = !strcmp(s->fabric->name, "mpi"); /* nothing forks inside an MPI job */
    ty_err e = ty_ok();
    if (in_place)
        run_here(s, &b);
    else
        e = ty_child_run(run_here, s, &b, s->point->progress, s->point->progress_arg,
                         b.head->progress);
    if (!e.code)
        e = b.head->error;
    if (!e.code && !b.head->here && !in_place)
        e = ty_error(TY_EWRONG, "the run ended without a result");
    ty_outcome_describe(&out->row, s);
    if (e.code == TY_EWRONG) { /* failed on the way: a result, not a usage error */
        out->here = 1;
        out->row.ok = 0;
        snprintf(out->row.message, sizeof out->row.message, "%s", e.msg);
        e = ty_ok();
    } else if (!e.code && b.head->here) {
        ty_outcome_harvest(out, s, &b);
    }
    ty_child_unshare(base, b.bytes);
    return e;
}

ty_err ty_point_run(const ty_point *p, ty_result *out)
{
    ty_prepared s;
    *out = (ty_result){.row.ok = 1};
    TY_TRY(ty_prepare(&s, p));
    ty_err e = run_point(&s, out);
    ty_prepared_free(&s);
    return e;
}
