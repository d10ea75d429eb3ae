/* SPDX-License-Identifier: MIT
 *
 * data-local - local SGD: each worker trains its replica alone, and every H steps the replicas are averaged.
 * With an outer momentum m the average is not taken as it is: what changed since the last average is a gradient, and
 * velocity = m velocity + change, parameters = last average + velocity.
 *   time    load(B/N) + forward(B/N) + backward(B/N) + update, and every H steps an all-reduce and scale(params)
 *   sends   1/H of data-allreduce's
 *   memory  with an outer momentum, the last average and the velocity
 *   source  Stich, Local SGD converges fast and communicates little, ICLR 2019; outer momentum: Wang et al., SlowMo,
 *           ICLR 2020
 *
 *   H = 3:   step step step average | step step step average | ...       each worker's own mean gradient in every step
 *
 * H = 1 without momentum is data-allreduce when the shards are equal and the optimizer is SGD without momentum.
 */
#include "kernels/kernels.h"
#include "strategies/worker.h"

static ty_err plan(ty_plan *p)
{
    p->tuning.local_steps = p->tuning.local_steps ? p->tuning.local_steps : 8;
    p->fill_steps = p->tuning.local_steps - 1; /* a short run has one average in it */
    return ty_data_allreduce.plan(p);
}

/* The workers go on from their average, or from where the outer momentum carries it. */
static void average(ty_worker *w)
{
    ty_rank *r = w->rank;
    ty_tensor params = w->model.params;
    const float share = 1.0F / (float)w->data.n;
    w->plan->allreduce->run(&w->data, params);
    if (!w->last.n) {
        ty_scale(r, params, share);
        return;
    }
    ty_scale(r, params, -share);
    ty_add(r, params, w->last); /* last - average: a gradient */
    ty_optimizer_step(&w->outer, r, w->last, params, 0);
    ty_copy(r, params, w->last);
}

static void step(ty_worker *w, long s)
{
    const size_t batch = ty_loader_count(&w->loader, s);
    const size_t rows = ty_chunk_size(batch, w->data.n, w->data.me);
    if (s == 0 && w->last.n)
        ty_copy(w->rank, w->last, w->model.params);
    ty_worker_gradients(w, s, ty_chunk_first(batch, w->data.n, w->data.me), rows, rows ? rows : 1);
    w->loss *= (double)rows / (double)batch; /* this shard's part of the batch's mean */
    ty_worker_update(w, s);
    if ((s + 1) % w->plan->tuning.local_steps == 0)
        average(w);
}

/* Seconds of an average beside its all-reduce. */
static double settle_s(const ty_plan *p)
{
    const size_t n = p->problem->params;
    double s = ty_costing_work(&p->costing, ty_work_scale(n));
    if (p->tuning.outer_momentum != 0)
        s += ty_costing_work(&p->costing, ty_work_add(n)) +
             ty_costing_work(&p->costing, ty_optimizer_work(TY_SGD, n)) +
             ty_costing_work(&p->costing, ty_work_copy(n));
    return s;
}

/* When step `steps` - 1 ends: averages bring everybody to where the slowest is, and then each is alone again. */
static double end_s(const ty_plan *p, long steps, double slowest, double mine, double average)
{
    long averages = steps / p->tuning.local_steps, alone = steps % p->tuning.local_steps;
    return (double)averages * ((double)p->tuning.local_steps * slowest + average) +
           (double)alone * mine;
}

static ty_cost cost(const ty_plan *p, int rank)
{
    const ty_problem *q = p->problem;
    const size_t rows = ty_plan_rows(p, rank);
    const long timed = p->steps - 1;
    const double update = ty_plan_update_s(p, q->blocks, q->blocks_n),
                 slowest = ty_plan_gradients_s(p, ty_chunk_size(p->batch, p->dp, 0)) + update,
                 mine = ty_plan_gradients_s(p, rows) + update, settle = settle_s(p);
    ty_cost k = p->allreduce->cost(&p->costing, p->dp, rank, q->params);
    const double average = k.seconds + settle;
    const double often =
        timed > 0
            ? (double)(p->steps / p->tuning.local_steps - 1 / p->tuning.local_steps) / (double)timed
            : 0;
    k.seconds =
        timed > 0
            ? (end_s(p, p->steps, slowest, mine, average) - end_s(p, 1, slowest, mine, average)) /
                  (double)timed
            : mine;
    k.compute_s = mine + often * (k.compute_s + settle);
    k.messages *= often;
    k.bytes *= often;
    k.peak_bytes += ty_plan_bytes(p, q->blocks, q->blocks_n, rows, 1, 1, 1);
    if (p->tuning.outer_momentum != 0)
        k.peak_bytes += 2.0 * (double)q->params * sizeof(float);
    return k;
}

const ty_strategy ty_data_local = {
    .name = "data-local",
    .summary = "local SGD: replicas train alone and are averaged every H steps",
    .source = "Stich, ICLR 2019; Wang et al., SlowMo, ICLR 2020",
    .order = TY_FIXED,
    .alike = 1,
    .inexact = 1,
    .uses = TY_USES_MICRO_BATCHES | TY_USES_COLLECTIVE | TY_USES_LOCAL_STEPS,
    .plan = plan,
    .step = step,
    .cost = cost,
};
