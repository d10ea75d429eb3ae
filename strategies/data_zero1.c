/* SPDX-License-Identifier: MIT
 *
 * data-zero1 - data parallelism with the optimizer's state sharded: each worker keeps 1/N of it, sums only its chunk of the
 * gradients, updates its chunk of the parameters and tells the others.
 *   time    load(B/N) + forward(B/N) + backward(B/N) + reduce-scatter(params) + update(params/N) + all-gather(params)
 *   sends   a reduce-scatter of the gradients and an all-gather of the parameters: together the bytes of a ring all-reduce
 *   memory  parameters and gradients whole, optimizer state 1/N
 *   source  Rajbhandari et al., ZeRO, SC 2020 (stage 1)
 */
#include "strategies/worker.h"

#include <math.h>

static ty_err plan(ty_plan *p)
{
    p->optimizer_shards = p->workers;
    TY_TRY(ty_data_allreduce.plan(p));
    p->allreduce = NULL;
    TY_TRY(ty_collective_find(TY_REDUCE_SCATTER, p->collective_name, &p->costing, p->dp,
                              p->problem->params, &p->reduce_scatter));
    return ty_collective_find(TY_ALLGATHER, p->collective_name, &p->costing, p->dp,
                              p->problem->params, &p->allgather);
}

static void step(ty_worker *w, long s)
{
    const int N = w->data.n, me = w->data.me;
    const size_t batch = ty_loader_count(&w->loader, s);
    ty_tensor params = w->model.params, grads = w->model.grads;

    ty_worker_gradients(w, s, ty_chunk_first(batch, N, me), ty_chunk_size(batch, N, me), batch);
    w->plan->reduce_scatter->run(&w->data, grads);
    ty_worker_pace(w, s + 1);
    ty_optimizer_step(&w->optimizer, w->rank, ty_chunk(params, N, me), ty_chunk(grads, N, me), s);
    w->plan->allgather->run(&w->data, params);
}

static double update_s(const ty_plan *p, int member)
{
    size_t n = ty_chunk_size(p->problem->params, p->dp, member);
    return ty_costing_work(&p->costing, ty_optimizer_work(p->optimizer.kind, n));
}

static ty_cost cost(const ty_plan *p, int rank)
{
    const size_t n = p->problem->params, rows = ty_plan_rows(p, rank),
                 most = ty_chunk_size(p->batch, p->dp, 0);
    ty_cost scatter = p->reduce_scatter->cost(&p->costing, p->dp, rank, n),
            gather = p->allgather->cost(&p->costing, p->dp, rank, n);
    return (ty_cost){
        .seconds = ty_plan_gradients_s(p, most) + update_s(p, 0) + scatter.seconds + gather.seconds,
        .compute_s =
            ty_plan_gradients_s(p, rows) + update_s(p, rank) + scatter.compute_s + gather.compute_s,
        .messages = scatter.messages + gather.messages,
        .bytes = scatter.bytes + gather.bytes,
        .peak_bytes = ty_plan_bytes(p, p->problem->blocks, p->problem->blocks_n, rows, 1, 1, 1) +
                      ty_optimizer_bytes(p->optimizer.kind, ty_chunk_size(n, p->dp, rank)) -
                      ty_optimizer_bytes(p->optimizer.kind, n) +
                      fmax(scatter.peak_bytes, gather.peak_bytes)};
}

const ty_strategy ty_data_zero1 = {
    .name = "data-zero1",
    .summary = "data parallel: optimizer state sharded; reduce-scatter, update a chunk, all-gather",
    .source = "Rajbhandari et al., ZeRO, SC 2020",
    .order = TY_FIXED,
    .alike = 1,
    .uses = TY_USES_MICRO_BATCHES | TY_USES_COLLECTIVE,
    .plan = plan,
    .step = step,
    .cost = cost,
};
