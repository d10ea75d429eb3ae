/* SPDX-License-Identifier: MIT */
#include "experiments/rank_main.h"

#include "base/stats.h"
#include "experiments/evaluate.h"
#include "fabric/trace.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct diary { /* of one rank */
    double begin;      /* when the first step began */
    double *end;       /* [steps] when each step ended, evaluation left out */
    double *loss;      /* [steps] this rank's share */
    long steps;        /* done */
} diary;

static void gather_into(ty_worker *w, float *whole)
{
    ty_worker_pause(w);
    ty_worker_settle(w);
    ty_worker_gather(w, whole);
    ty_worker_resume(w);
}

/* ---- the report ------------------------------------------------------------------------------ */

/* Mean of all steps but the first; median, p10 and p90 over some 50 windows of consecutive steps,
 * each at least as long as the turn of the preprocessors. Virtual time is exact: the mean. */
static void time_steps(const ty_plan *p, const diary *l, int exact, ty_rank_report *out)
{
    long n = l->steps - 1, turn = p->preprocessors > 1 ? p->preprocessors : 1, size = (n + 49) / 50;
    size = size < turn ? turn : size;
    out->mean_s = n > 0 ? (l->end[n] - l->end[0]) / (double)n : l->end[0];
    out->step_s = out->p10_s = out->p90_s = out->mean_s;
    long windows = n / size;
    if (exact || windows < 3)
        return;
    double *w = ty_alloc((size_t)windows * sizeof *w);
    for (long i = 0; i < windows; i++)
        w[i] = (l->end[(i + 1) * size] - l->end[i * size]) / (double)size;
    out->step_s = ty_quantile(w, (size_t)windows, 0.5);
    out->p10_s = ty_quantile(w, (size_t)windows, 0.1);
    out->p90_s = ty_quantile(w, (size_t)windows, 0.9);
    free(w);
}

static ty_rank_report make_report(ty_worker *w, const diary *l, int exact)
{
    ty_rank_report out = {.ledger = ty_ledger_read(w->rank)};
    ty_plan p = *w->plan;
    p.steps = l->steps; /* a target may have been reached before */
    ty_cost k = ty_plan_cost(&p, w->rank->id);
    time_steps(w->plan, l, exact, &out);
    out.closed_s = k.seconds;
    out.closed_compute_s = k.compute_s;
    out.closed_messages = k.messages;
    out.closed_bytes = k.bytes;
    out.closed_peak = k.peak_bytes;
    out.stale = w->stale;
    out.scores = w->evaluations;
    out.events = w->rank->trace ? w->rank->trace->n : 0;
    return out;
}

static void keep_events(ty_course *c, ty_rank_report *report, const ty_event *e)
{
    size_t n = report->events;
    if (c->events + n > c->room)
        n = c->room - c->events;
    if (n)
        memcpy(c->event + c->events, e, n * sizeof *e);
    c->events += n;
    report->events = n;
}

/* What a rank that evaluates while others train has found after each epoch. */
static void keep_scores(ty_course *c, const ty_worker *w, const ty_score *score, long n)
{
    for (long i = 0; i < n && c->evaluation; i++)
        c->evaluation[i] =
            (ty_evaluation){(i + 1) * (long)ty_loader_steps(&w->loader), NAN, score[i]};
    c->evaluations = c->evaluation && n > c->evaluations ? n : c->evaluations;
}

/* Rank 0 takes what rank `from` has to say. */
static void take_report(ty_worker *w, ty_course *c, int from, long done)
{
    const size_t steps = (size_t)done;
    ty_rank_report *report = &c->report[from];
    double *share = ty_alloc((steps + 1) * sizeof *share);
    ty_recv(w->rank, from, TY_CHANNEL_RESULT, report, sizeof *report);
    ty_recv(w->rank, from, TY_CHANNEL_RESULT, share, steps * sizeof *share);
    const size_t scores = (size_t)report->scores;
    ty_score *score = ty_alloc((scores + 1) * sizeof *score);
    ty_recv(w->rank, from, TY_CHANNEL_RESULT, score, scores * sizeof *score);
    for (size_t i = 0; i < steps; i++)
        c->loss[i] += share[i];
    keep_scores(c, w, score, report->scores);
    free(share);
    free(score);
    ty_event *e = ty_alloc(report->events * sizeof *e);
    ty_recv(w->rank, from, TY_CHANNEL_RESULT, e, report->events * sizeof *e);
    keep_events(c, report, e);
    free(e);
}

static void send_report(ty_worker *w, ty_rank_report *report, const diary *l)
{
    const ty_event *event = w->rank->trace ? w->rank->trace->event : NULL;
    ty_send(w->rank, 0, TY_CHANNEL_RESULT, report, sizeof *report);
    ty_send(w->rank, 0, TY_CHANNEL_RESULT, l->loss, (size_t)l->steps * sizeof *l->loss);
    ty_send(w->rank, 0, TY_CHANNEL_RESULT, w->score, (size_t)w->evaluations * sizeof *w->score);
    ty_send(w->rank, 0, TY_CHANNEL_RESULT, event ? (const void *)event : report,
            report->events * sizeof(ty_event));
}

static void collect(ty_worker *w, ty_course *c, const diary *l)
{
    ty_rank_report report = make_report(w, l, c->exact);
    w->rank->quiet++;
    ty_trace_on(w->rank, 0);
    ty_worker_meet(w); /* who ends first sends nothing into the last step of others */
    if (w->rank->id > 0) {
        send_report(w, &report, l);
    } else {
        for (long i = 0; i < l->steps; i++) {
            c->loss[i] = l->loss[i];
            if (c->end)
                c->end[i] = l->end[i] - l->begin;
        }
        keep_scores(c, w, w->score, w->evaluations);
        c->report[0] = report;
        keep_events(c, &c->report[0], w->rank->trace ? w->rank->trace->event : NULL);
        for (int i = 1; i < w->plan->workers; i++)
            take_report(w, c, i, l->steps);
        c->steps = l->steps;
        c->collected = 1;
    }
    w->rank->quiet--;
}

/* ---- the program ----------------------------------------------------------------------------- */

/* A loss that is not finite ends the run, and says where that came from. Searched only now: good steps pay nothing. */
static void check_loss(const ty_worker *w, long s)
{
    const ty_model *m = &w->model;
    const char *what = isnan(w->loss) ? "not a number" : "infinite";
    if (isfinite(w->loss))
        return;
    for (int slot = 0; slot < m->slots; slot++) {
        const int i = ty_model_fault(m, slot);
        const ty_block *b = &m->block[i < 0 || i == m->n ? 0 : i];
        TY_CHECK(i >= 0,
                 "the loss of step %ld is %s: what came in to layer %d (%s) is not finite; "
                 "lower --rate",
                 s + 1, what, b->index, b->ops->name);
        TY_CHECK(i == m->n,
                 "the loss of step %ld is %s: layer %d (%s) is the first whose output is not "
                 "finite; lower --rate",
                 s + 1, what, b->index, b->ops->name);
    }
    TY_CHECK(0,
             "the loss of step %ld is %s, with finite outputs of every layer: look at the labels, "
             "or lower --rate",
             s + 1, what);
}

static void one_step(ty_worker *w, ty_course *c, diary *l, long s)
{
    ty_rank *r = w->rank;
    double begin = ty_now(r);
    ty_trace_on(r, s < c->trace_steps);
    w->loss = 0;
    ty_worker_pace(w, s);
    w->plan->strategy->step(w, s);
    ty_trace_close(r);
    if (r->trace && r->trace->on)
        ty_trace_add(r, (ty_event){begin, ty_now(r), TY_EV_STEP, 0, -1, 0, (int)s});
    l->end[s] = ty_now(r) - w->excluded_s;
    l->loss[s] = w->loss;
    check_loss(w, s);
    if (c->progress && r->id == 0) {
        c->progress[0] = (double)(s + 1) / (double)w->plan->steps;
        c->progress[1] = w->loss;
    }
}

void ty_rank_main(ty_rank *r, void *course)
{
    ty_course *c = course;
    const ty_plan *p = c->plan;
    ty_worker w;
    ty_worker_init(&w, r, p);
    size_t steps = (size_t)p->steps;
    diary l = {.end = ty_zalloc(steps, sizeof(double)), .loss = ty_zalloc(steps, sizeof(double))};
    long stop = p->steps;

    ty_worker_pause(&w); /* start together */
    ty_barrier_dissemination.run(&w.world, (ty_tensor){0});
    ty_worker_resume(&w);
    ty_ledger_reset(r);
    l.begin = ty_now(r) - w.excluded_s;
    while (l.steps < stop && !(c->served_steps && l.steps >= c->served_steps)) {
        const long s = l.steps++;
        one_step(&w, c, &l, s);
        if (s == 0)
            ty_ledger_reset(r); /* the first step is warm-up */
        if (l.steps == TY_CHECK_STEPS && c->early)
            gather_into(&w, r->id ? NULL : c->early);
        if (c->every && l.steps % c->every == 0)
            stop = ty_evaluate(&w, c, l.steps, l.end[s] - l.begin);
    }
    collect(&w, c, &l);
    if (c->params)
        gather_into(&w, r->id ? NULL : c->params);
    ty_worker_fini(&w);
    free(l.end);
    free(l.loss);
}
