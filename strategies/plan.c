/* SPDX-License-Identifier: MIT */
#include "base/text.h"
#include "kernels/kernels.h"
#include "strategies/strategy.h"

#include <stdlib.h>
#include <string.h>

/* ---- making a plan ---------------------------------------------------------------------------------- */

ty_err ty_plan_axis(ty_plan *p, const char *axis)
{
    const struct {
        const char *name;
        int *degree;
    } axes[] = {{"dp", &p->dp}, {"tp", &p->tp}, {"pp", &p->pp}};
    for (int i = 0; i < 3; i++) {
        int mine = !strcmp(axes[i].name, axis);
        if (*axes[i].degree && *axes[i].degree != (mine ? p->workers : 1))
            return ty_error(TY_EUSAGE, "--%s %d: %s with %d workers needs --%s %d", axes[i].name,
                            *axes[i].degree, p->strategy->name, p->workers, axes[i].name,
                            mine ? p->workers : 1);
        *axes[i].degree = mine ? p->workers : 1;
    }
    return ty_ok();
}

ty_err ty_plan_allreduce(ty_plan *p, int P, size_t n)
{
    return ty_collective_find(TY_ALLREDUCE, p->collective_name, &p->costing, P, n, &p->allreduce);
}

/* Sizes are computed in size_t, so those of a whole batch through the whole network are looked at first. */
static ty_err check_sizes(const ty_problem *q, size_t batch)
{
    double row = (double)q->features + (double)q->targets, params = (double)q->params;
    for (int i = 0; i < q->blocks_n; i++) {
        const ty_block *b = &q->blocks[i];
        row += (double)b->in.n + (double)b->out.n;
        row += b->ops->saved ? (double)b->ops->saved(b) : 0;
        row += b->ops->workspace ? (double)b->ops->workspace(b, 1) : 0;
    }
    TY_TRY(ty_check_bytes("the network: its parameters", 4 * params));
    return ty_check_bytes("--batch: all layers", 4 * row * (double)batch);
}

static ty_err check_common(const ty_plan_options *o)
{
    if (o->workers < 1)
        return ty_error(TY_EUSAGE, "--workers %d: use 1 or more", o->workers);
    if (o->batch < 1)
        return ty_error(TY_EUSAGE, "--batch 0: use 1 or more");
    if (o->batch > o->problem->data.train.n)
        return ty_error(TY_EUSAGE,
                        "--batch %zu: the training set has %u samples; use at most that (runs "
                        "without numbers: or --samples)",
                        o->batch, o->problem->data.train.n);
    if (o->micro_batches < 0 || (o->micro_batches > 0 && (size_t)o->micro_batches > o->batch))
        return ty_error(TY_EUSAGE, "--micro-batches %d: use 1 to %zu, the batch", o->micro_batches,
                        o->batch);
    if (o->micro_batches > 1 && !(o->strategy->uses & TY_USES_MICRO_BATCHES))
        return ty_error(TY_EUSAGE, "%s takes its batch whole; leave --micro-batches out",
                        o->strategy->name);
    for (int i = 0; i < o->pace.slow_n; i++)
        if (o->pace.slow[i].rank >= o->workers)
            return ty_error(TY_EUSAGE, "--slow %d:%g: %d workers are ranks 0 to %d",
                            o->pace.slow[i].rank, o->pace.slow[i].factor, o->workers,
                            o->workers - 1);
    if (o->strategy->shares_memory && !o->shared_memory)
        return ty_error(TY_EUSAGE,
                        "%s: its workers change numbers in one memory; use --fabric threads",
                        o->strategy->name);
    return check_sizes(o->problem, o->batch);
}

/* Number the grid: rank = (d * pp + p) * tp + t. */
static void number_places(ty_plan *p)
{
    for (int r = 0; r < p->workers; r++)
        p->place[r] = (ty_place){TY_TRAIN, r / (p->tp * p->pp), r % p->tp, r / p->tp % p->pp};
}

/* A smaller last batch of an epoch may have fewer samples than that. */
static ty_err check_micro_batches(const ty_plan *p)
{
    const size_t least = p->batch / (size_t)p->dp;
    if ((size_t)p->micro_batches <= least)
        return ty_ok();
    return ty_error(TY_EUSAGE,
                    "--micro-batches %d: %d workers have shares of %zu sample%s; use "
                    "--micro-batches %zu or fewer, or --batch %zu or more",
                    p->micro_batches, p->dp, least, least == 1 ? "" : "s", least,
                    (size_t)p->micro_batches * (size_t)p->dp);
}

ty_err ty_plan_make(ty_plan *p, const ty_plan_options *o)
{
    TY_TRY(check_common(o));
    *p = (ty_plan){.strategy = o->strategy,
                   .problem = o->problem,
                   .workers = o->workers,
                   .dp = o->dp,
                   .tp = o->tp,
                   .pp = o->pp,
                   .micro_batches = o->micro_batches,
                   .batch = o->batch,
                   .steps = o->steps,
                   .seed = o->seed,
                   .augment = o->augment,
                   .tuning = o->tuning,
                   .pace = o->pace,
                   .costing = o->costing};
    p->optimizer = (ty_optimizer){
        .kind = o->optimizer, .rate = o->rate, .momentum = o->momentum, .steps = o->steps};
    p->collective_name = o->collective ? o->collective : "auto";
    p->slots = 1;
    p->active = p->workers;
    p->fill_steps = 1;
    const ty_collective *known; /* a wrong name is wrong for every strategy */
    TY_TRY(ty_collective_find(TY_ALLREDUCE, p->collective_name, &p->costing, 1, 0, &known));

    p->place = ty_zalloc((size_t)p->workers, sizeof *p->place);
    p->stage = ty_zalloc((size_t)p->workers + 2, sizeof *p->stage);
    p->stage[1] = o->problem->blocks_n;
    ty_err e = o->strategy->plan(p);
    e = e.code ? e : check_micro_batches(p);
    if (!e.code && !p->preprocessors && !p->served)
        number_places(p);
    if (e.code)
        ty_plan_free(p);
    return e;
}

void ty_plan_free(ty_plan *p)
{
    free(p->place);
    free(p->stage);
    free(p->unit);
    p->unit = NULL;
    p->place = NULL;
    p->stage = NULL;
}

/* Mean of a and b, with b counting `share`. */
static ty_cost blend(ty_cost a, ty_cost b, double share)
{
    a.seconds += share * (b.seconds - a.seconds);
    a.compute_s += share * (b.compute_s - a.compute_s);
    a.messages += share * (b.messages - a.messages);
    a.bytes += share * (b.bytes - a.bytes);
    return a;
}

static ty_cost mean_cost(const ty_plan *p, int rank)
{
    const long samples = (long)p->problem->data.train.n, batch = (long)p->batch;
    const long epoch = (samples + batch - 1) / batch, rest = samples % batch;
    const long ends = p->steps / epoch - (epoch == 1); /* among the steps after the first */
    ty_cost k = p->strategy->cost(p, rank);
    if (rest == 0 || ends <= 0 ||
        p->preprocessors) /* a task pipeline looks at every batch itself */
        return k;
    ty_plan last = *p;
    last.batch = (size_t)rest;
    return blend(k, p->strategy->cost(&last, rank), (double)ends / (double)(p->steps - 1));
}

ty_cost ty_plan_cost(const ty_plan *p, int rank)
{
    ty_cost k = mean_cost(p, rank);
    if (p->costing.slowest > 1) /* the step waits for them, this rank computes at its own pace */
        k.compute_s *= ty_pace_mean(&p->pace, rank) / p->costing.slowest;
    return k;
}

const char *ty_plan_no_form(const ty_plan *p)
{
    const int alike = p->strategy->alike,
              alone = (p->strategy->uses & TY_USES_LOCAL_STEPS) != 0, /* between two averages */
        lockstep = alike && !p->shared && !(alone && p->pace.jitter);
    if (p->costing.share > 1 && (!alike || p->costing.slowest > 1))
        return "no closed form: ranks that do different things share cores";
    return p->costing.slowest > 1 && !lockstep
               ? "no closed form: a slow rank does not hold up all others in every step"
               : NULL;
}

/* ---- who holds what --------------------------------------------------------------------------------- */

static int linear_blocks(const ty_problem *q)
{
    int n = 0;
    for (int i = 0; i < q->blocks_n; i++)
        n += q->blocks[i].ops == &ty_block_linear;
    return n;
}

int ty_plan_split(const ty_plan *p, int linear)
{
    int paired = linear_blocks(p->problem) / 2 * 2; /* a last one without a partner stays whole */
    if (p->tp == 1 || linear >= paired)
        return 0;
    return linear % 2 == 0 ? 1 : -1;
}

/* Column split windows the outputs, row split the inputs; the first of the team holds a row split's bias. */
static ty_block window(const ty_plan *p, const ty_block *b, int split, int t)
{
    ty_span part = split > 0 ? ty_span_chunk(b->out, p->tp, t) : ty_span_chunk(b->in, p->tp, t);
    if (b->ops == &ty_block_relu)
        return split > 0 ? ty_block_window(b, part, part, 0) : *b;
    return split > 0   ? ty_block_window(b, b->in, part, 1)
           : split < 0 ? ty_block_window(b, part, b->out, t == 0)
                       : *b;
}

int ty_plan_blocks(const ty_plan *p, int rank, ty_block *blocks)
{
    const ty_place *at = &p->place[rank];
    int n = 0, linear = -1, split = 0;
    for (int i = 0; i < p->problem->blocks_n; i++) {
        const ty_block *b = &p->problem->blocks[i];
        if (b->ops == &ty_block_linear)
            split = ty_plan_split(p, ++linear);
        if (i >= p->stage[at->p] && i < p->stage[at->p + 1])
            blocks[n++] = window(p, b, split, at->t);
        if (n && blocks[n - 1].index == i && b->tied && b->owner < p->stage[at->p])
            blocks[n - 1].copy = 1;
    }
    return n;
}

/* The stage that holds block i. */
static int stage_of(const ty_plan *p, int i)
{
    int s = 0;
    while (i >= p->stage[s + 1])
        s++;
    return s;
}

ty_tie ty_plan_tie(const ty_plan *p)
{
    for (int i = 0; i < p->problem->blocks_n; i++) {
        const ty_block *b = &p->problem->blocks[i];
        ty_tie t = {b->tied, b->tied ? stage_of(p, b->owner) : 0, stage_of(p, i), b->owner, i};
        if (b->tied && t.owner != t.copy)
            return t;
    }
    return (ty_tie){0};
}

size_t ty_plan_rows(const ty_plan *p, int rank)
{
    return ty_chunk_size(p->batch, p->dp, p->place[rank].d);
}

int ty_plan_parts(const ty_plan *p, size_t rows)
{
    const size_t M = p->micro_batches > 0 ? (size_t)p->micro_batches : 1;
    return rows < M ? (rows ? (int)rows : 1) : (int)M;
}

size_t ty_plan_held(const ty_plan *p, size_t rows, int slots)
{
    const size_t room = (size_t)slots * ty_chunk_size(rows, ty_plan_parts(p, rows), 0);
    return room < rows ? room : rows;
}

/* ---- pieces of closed forms ------------------------------------------------------------------------- */

double ty_plan_load_s(const ty_plan *p, size_t rows)
{
    return rows ? ty_costing_work(&p->costing,
                                  ty_dataset_load_work(&p->problem->data, rows, p->augment))
                : 0;
}

static double sum(const ty_plan *p, const ty_work *work, int n)
{
    double s = 0;
    for (int i = 0; i < n; i++)
        s += ty_costing_work(&p->costing, work[i]);
    return s;
}

double ty_blocks_forward_s(const ty_plan *p, const ty_block *b, int n, size_t rows)
{
    ty_work work[TY_BLOCK_WORKS];
    double s = 0;
    for (int i = 0; i < n; i++)
        s += sum(p, work, b[i].ops->work_forward(&b[i], rows, work));
    return s;
}

double ty_blocks_backward_s(const ty_plan *p, const ty_block *b, int n, size_t rows, int first)
{
    ty_work work[TY_BLOCK_WORKS];
    double s = 0;
    for (int i = 0; i < n; i++)
        s += sum(p, work, b[i].ops->work_backward(&b[i], rows, i > 0 || !first, work));
    return s;
}

/* Of one micro-batch. */
static double micro_s(const ty_plan *p, size_t rows)
{
    const ty_problem *q = p->problem;
    return ty_plan_load_s(p, rows) + ty_blocks_forward_s(p, q->blocks, q->blocks_n, rows) +
           ty_plan_loss_s(p, rows) + ty_blocks_backward_s(p, q->blocks, q->blocks_n, rows, 1);
}

double ty_plan_gradients_s(const ty_plan *p, size_t rows)
{
    const size_t M = (size_t)ty_plan_parts(p, rows), larger = rows % M;
    return ty_plan_zero_s(p, p->problem->blocks, p->problem->blocks_n) +
           (double)larger * micro_s(p, rows / M + 1) + (double)(M - larger) * micro_s(p, rows / M);
}

double ty_plan_loss_s(const ty_plan *p, size_t rows)
{
    ty_loss l = ty_problem_loss(p->problem);
    return ty_costing_work(&p->costing, ty_loss_work(&l, rows));
}

size_t ty_blocks_params(const ty_block *b, int n)
{
    size_t total = 0;
    for (int i = 0; i < n; i++)
        total += b[i].ops->params(&b[i]);
    return total;
}

double ty_plan_update_s(const ty_plan *p, const ty_block *b, int n)
{
    return ty_costing_work(&p->costing,
                           ty_optimizer_work(p->optimizer.kind, ty_blocks_params(b, n)));
}

static double zero_run_s(const ty_plan *p, size_t begin, size_t end)
{
    return begin < end ? ty_costing_work(&p->costing, ty_work_fill(end - begin)) : 0;
}

double ty_plan_zero_s(const ty_plan *p, const ty_block *b, int n)
{
    size_t begin = 0, at = 0; /* as ty_model_zero */
    double s = 0;
    for (int i = 0; i < n; i++) {
        const size_t size = b[i].ops->params(&b[i]);
        if (b[i].ops->writes_first) {
            s += zero_run_s(p, begin, at);
            begin = at + size;
        }
        at += size;
    }
    return s + zero_run_s(p, begin, ty_blocks_params(b, n));
}

double ty_plan_bytes(const ty_plan *p, const ty_block *b, int n, size_t rows, int slots, int first,
                     int last)
{
    const size_t micro = ty_chunk_size(rows, ty_plan_parts(p, rows), 0),
                 held = ty_plan_held(p, rows, slots);
    double bytes = ty_model_bytes(b, n, micro, slots, first, 1);
    bytes += ty_optimizer_bytes(p->optimizer.kind, ty_blocks_params(b, n));
    bytes += (double)((first ? held * p->problem->features : 0) +
                      (last ? held * p->problem->targets : 0)) *
             sizeof(float);
    return bytes;
}
