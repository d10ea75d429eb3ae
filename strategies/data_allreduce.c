/* SPDX-License-Identifier: MIT
 *
 * data-allreduce - data parallelism: a replica of the model per worker, a shard of the batch each, the mean of the
 * gradients by an all-reduce, the same update everywhere.
 *   shards  the B samples of a batch in N nearly equal chunks; each gradient is scaled by 1/B, so uneven shards
 *           weigh what they should and the sum over workers is the mean over samples
 *   time    load(B/N) + forward(B/N) + backward(B/N) + allreduce(params) + update
 *   sends   one all-reduce of the gradients
 *   source  Li et al., PyTorch Distributed, VLDB 13(12), 2020
 */
#include "strategies/worker.h"

static ty_err plan(ty_plan *p)
{
    if ((size_t)p->workers > p->batch)
        return ty_error(
            TY_EUSAGE,
            "data-allreduce: %d workers cannot share a batch of %zu; use --workers %zu or fewer, "
            "or a larger --batch",
            p->workers, p->batch, p->batch);
    TY_TRY(ty_plan_axis(p, "dp"));
    return ty_plan_allreduce(p, p->dp, p->problem->params);
}

static void step(ty_worker *w, long s)
{
    size_t batch = ty_loader_count(&w->loader, s);
    size_t first = ty_chunk_first(batch, w->data.n, w->data.me),
           rows = ty_chunk_size(batch, w->data.n, w->data.me);

    ty_worker_gradients(w, s, first, rows, batch);
    w->plan->allreduce->run(&w->data, w->model.grads);
    ty_worker_update(w, s);
}

static double shard_s(const ty_plan *p, size_t rows)
{
    return ty_plan_gradients_s(p, rows) +
           ty_plan_update_s(p, p->problem->blocks, p->problem->blocks_n);
}

static ty_cost cost(const ty_plan *p, int rank)
{
    const ty_problem *q = p->problem;
    size_t rows = ty_plan_rows(p, rank), most = ty_chunk_size(p->batch, p->dp, 0);
    ty_cost k = {0};
    if (p->allreduce)
        k = p->allreduce->cost(&p->costing, p->dp, rank, q->params);
    k.seconds += shard_s(p, most); /* the largest shard holds everybody up */
    k.compute_s += shard_s(p, rows);
    k.peak_bytes += ty_plan_bytes(p, q->blocks, q->blocks_n, rows, 1, 1, 1);
    return k;
}

const ty_strategy ty_data_allreduce = {
    .name = "data-allreduce",
    .summary = "data parallel: replicas, shards of the batch, mean of gradients",
    .source = "Li et al., PyTorch Distributed, VLDB 13(12), 2020",
    .order = TY_FIXED,
    .alike = 1,
    .uses = TY_USES_MICRO_BATCHES | TY_USES_COLLECTIVE,
    .plan = plan,
    .step = step,
    .cost = cost,
};
