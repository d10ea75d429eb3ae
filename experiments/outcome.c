/* SPDX-License-Identifier: MIT */
#include "experiments/outcome.h"

#include "experiments/rank_main.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The rank that computes longest, the lowest on ties. */
static int slowest_rank(const ty_rank_report *r, int n)
{
    int at = 0;
    for (int i = 1; i < n; i++)
        if (r[i].ledger.compute_s > r[at].ledger.compute_s * (1 + 1e-9))
            at = i;
    return at;
}

void ty_outcome_describe(ty_row *row, const ty_prepared *s)
{
    const ty_plan *p = &s->plan;
    *row = (ty_row){.workers = p->workers,
                    .dp = p->dp,
                    .tp = p->tp,
                    .pp = p->pp,
                    .steps = p->steps,
                    .batch = p->batch,
                    .micro_batches = p->micro_batches > 1 ? p->micro_batches : 1,
                    .threads = p->costing.threads,
                    .seed = p->seed,
                    .fits = 1,
                    .ok = 1};
    double *figures[] = {
        &row->step_s,         &row->compute_s,     &row->comm_exposed_s, &row->comm_hidden_s,
        &row->wait_s,         &row->speedup,       &row->efficiency,     &row->serial_fraction,
        &row->bytes_sent,     &row->messages,      &row->peak_bytes,     &row->loss,
        &row->accuracy,       &row->closed_form_s, &row->energy_j,       &row->cost_usd,
        &row->step_p10_s,     &row->step_p90_s,    &row->test_loss,      &row->until_s,
        &row->staleness_mean, &row->staleness_max};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        *figures[i] = NAN;
    snprintf(row->strategy, sizeof row->strategy, "%s", p->strategy->name);
    snprintf(row->workload, sizeof row->workload, "%s", p->problem->workload->name);
    snprintf(row->fabric, sizeof row->fabric, "%s", s->fabric->name);
    snprintf(row->network, sizeof row->network, "%s",
             s->sim ? ty_network_name[s->platform.network] : "");
    snprintf(row->platform, sizeof row->platform, "%.150s",
             s->sim ? s->platform.name : "this machine");
    const ty_collective *chosen = p->allreduce ? p->allreduce : p->broadcast;
    snprintf(row->collective, sizeof row->collective, "%s", chosen ? chosen->name : "");
    ty_plan_settings(p, row->settings, sizeof row->settings);
    snprintf(row->fidelity, sizeof row->fidelity, "%s", s->sim ? "message" : "");
}

static void fill_times(ty_row *row, const ty_rank_report *r)
{
    double n = (double)(row->steps - 1), scale = r->mean_s > 0 ? r->step_s / r->mean_s / n : 0;
    row->step_s = r->step_s;
    row->comm_exposed_s = r->ledger.comm_exposed_s * scale;
    row->comm_hidden_s = r->ledger.comm_hidden_s * scale;
    row->wait_s = r->ledger.wait_s * scale;
    row->compute_s = row->step_s - row->comm_exposed_s - row->wait_s; /* what nobody blocked */
    row->step_p10_s = r->p10_s;
    row->step_p90_s = r->p90_s;
}

static void fill_volume(ty_row *row, const ty_result *out)
{
    double n = (double)(row->steps - 1);
    row->bytes_sent = row->messages = row->peak_bytes = 0;
    for (int i = 0; i < out->ranks; i++) {
        const ty_ledger *l = &out->report[i].ledger;
        row->bytes_sent = fmax(row->bytes_sent, (double)l->bytes / n);
        row->messages = fmax(row->messages, (double)l->messages / n);
        row->peak_bytes = fmax(row->peak_bytes, (double)l->total_peak);
    }
}

static void fill_staleness(ty_row *row, const ty_staleness *s)
{
    if (!s->pushes)
        return;
    row->staleness_mean = s->sum / (double)s->pushes;
    row->staleness_max = (double)s->most;
}

static void judge(ty_row *row, const ty_prepared *s, double difference)
{
    char text[160];
    if (s->job.ghost) {
        ty_row_remark(row, "ghost run: no loss or accuracy");
    } else if (s->plan.strategy->inexact && isfinite(difference)) {
        snprintf(text, sizeof text,
                 "not serial's by design: parameters differ by %.2g after %d steps", difference,
                 TY_CHECK_STEPS);
        ty_row_remark(row, text);
    } else if (!(difference <= TY_VALID_DIFFERENCE)) {
        row->ok = 0;
        snprintf(
            text, sizeof text,
            "wrong result: parameters differ from serial's by %.2g after %d steps (bound %.0e)",
            difference, TY_CHECK_STEPS, TY_VALID_DIFFERENCE);
        ty_row_remark(row, text);
    }
    if (s->point->machine && row->peak_bytes * s->plan.costing.busy > s->point->machine->memory) {
        row->fits = 0;
        snprintf(text, sizeof text, "does not fit: %.3g GB a worker, %.3g GB a host",
                 row->peak_bytes / 1e9, s->point->machine->memory / 1e9);
        ty_row_remark(row, text);
    }
    ty_row_remark(row, "energy and cost: no power or price model");
}

static void *copy(const void *from, size_t bytes)
{
    return from && bytes ? memcpy(ty_alloc(bytes), from, bytes) : NULL;
}

/* Timelines begin with the run's first event. */
static void shift_events(ty_event *e, size_t n)
{
    double first = n ? e[0].begin : 0;
    for (size_t i = 0; i < n; i++)
        first = fmin(first, e[i].begin);
    for (size_t i = 0; i < n; i++) {
        e[i].begin -= first;
        e[i].end -= first;
    }
}

/* The history of the test set, and in the row its end and when the target was reached. */
static void take_evaluations(ty_result *out, const ty_shared *h, const ty_board *b)
{
    char text[160], target[40];
    ty_row *row = &out->row;
    int reached;
    out->evaluations = h->evaluations;
    out->evaluation = copy(b->evaluation, (size_t)h->evaluations * sizeof *b->evaluation);
    for (long i = 0; i < out->evaluations; i++) {
        row->accuracy = out->evaluation[i].score.accuracy;
        row->test_loss = out->evaluation[i].score.loss;
    }
    const ty_evaluation *e = ty_result_nearest(out, &reached);
    if (reached)
        row->until_s = e->seconds;
    else if (out->target.kind && e) {
        snprintf(text, sizeof text, "%s was not reached in %ld steps: %.4g at best, after step %ld",
                 ty_target_show(&out->target, target, sizeof target), out->steps,
                 ty_target_figure(&out->target, e->score), e->step);
        ty_row_remark(row, text);
    }
}

void ty_outcome_harvest(ty_result *out, const ty_prepared *s, const ty_board *b)
{
    const ty_shared *h = b->head;
    out->here = h->here;
    out->steps = out->row.steps = h->steps;
    out->target = s->point->until;
    out->ranks = s->plan.workers;
    out->events = h->events;
    out->wall_s = h->wall_s;
    out->difference = h->difference;
    out->report = copy(b->report, (size_t)out->ranks * sizeof *b->report);
    out->event = copy(b->event, h->events * sizeof *b->event);
    shift_events(out->event, out->events);
    if (!s->job.ghost) {
        out->loss = copy(b->loss, (size_t)out->steps * sizeof *b->loss);
        out->end = copy(b->end, (size_t)out->steps * sizeof *b->end);
        take_evaluations(out, h, b);
        out->params_n = s->plan.problem->params;
        out->params = s->point->keep_params ? copy(b->params, out->params_n * sizeof(float)) : NULL;
        out->row.loss = out->loss[out->steps - 1];
        out->said = b->said && *b->said ? strdup(b->said) : NULL;
    }
    out->shown = slowest_rank(out->report, out->ranks);
    if (s->job.ghost && !s->fabric->virtual_time)
        ty_row_remark(&out->row, "dry run: nothing was computed, so there is no time");
    else
        fill_times(&out->row, &out->report[out->shown]);
    if (ty_plan_no_form(&s->plan))
        ty_row_remark(&out->row, ty_plan_no_form(&s->plan));
    else
        out->row.closed_form_s = out->report[out->shown].closed_s;
    fill_volume(&out->row, out);
    fill_staleness(&out->row, &out->report[0].stale);
    if (s->plan.strategy->uses & TY_USES_LOCAL_STEPS && s->plan.tuning.local_steps > out->steps)
        ty_row_remark(&out->row, "ended before the first average of the replicas");
    judge(&out->row, s, h->difference);
}
