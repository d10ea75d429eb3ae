/* SPDX-License-Identifier: MIT
 *
 * data-zero2 - data parallelism with gradients and optimizer state sharded: a unit's gradients are summed where their owners
 * are while backward goes on, and let go of elsewhere. Each worker updates its chunks of the parameters and tells the others.
 *   time    load(B/N) + forward(B/N), then for each unit the longer of: its backward; the sum of the unit before; then the
 *           last sum, and for each unit update(params/N) and an all-gather
 *   sends   a reduce-scatter of the gradients for each micro-batch, an all-gather of the parameters: together, with one
 *           micro-batch, the bytes of a ring all-reduce
 *   memory  parameters whole; gradients and optimizer state 1/N; two units of gradients in buffers
 *   source  Rajbhandari et al., ZeRO, SC 2020 (stage 2)
 *
 *   compute   | forward | backward 3 | backward 2 | backward 1 |       | update 1 |          | update 2 |          | ..
 *   network                          | sum 3      | sum 2      | sum 1 |          | gather 1 |          | gather 2 | ..
 */
#include "strategies/sharded.h"

#include <math.h>

static ty_err plan(ty_plan *p)
{
    p->sharded = TY_SHARD_GRADS;
    return ty_sharded_plan(p);
}

/* My chunks of the parameters, and then everybody's. */
static void update(ty_worker *w, long s)
{
    const ty_plan *p = w->plan;
    ty_worker_pace(w, s + 1);
    for (int u = 0; u < p->units; u++) {
        const ty_unit *at = &p->unit[u];
        ty_tensor params = ty_slice(w->model.params, at->begin, at->n);
        ty_optimizer part = w->optimizer;
        if (at->owner != u)
            continue;
        for (int i = 0; i < 2 && part.state[i].rows; i++)
            part.state[i] = ty_sharded_chunk(w, part.state[i], u);
        ty_optimizer_step(&part, w->rank, ty_chunk(params, w->data.n, w->data.me),
                          ty_sharded_chunk(w, w->grads, u), s);
        p->allgather->run(&w->data, params);
    }
}

static void step(ty_worker *w, long s)
{
    const ty_plan *p = w->plan;
    const size_t batch = ty_loader_count(&w->loader, s);
    const size_t rows = ty_chunk_size(batch, w->data.n, w->data.me);
    const int parts = ty_flow_parts(p, batch);
    size_t first = ty_chunk_first(batch, w->data.n, w->data.me);
    ty_flow f;

    ty_flow_init(&f, w);
    for (int i = 0; i < parts; i++) {
        const size_t micro = ty_chunk_size(rows, parts, i);
        ty_flow_turn(&f, -1, -1);
        ty_tensor dy = ty_worker_part(w, s, first, micro, batch);
        for (int u = p->units - 1; u >= 0; u--) {
            ty_flow_turn(&f, -1, u);
            dy = ty_flow_backward(&f, u, dy);
        }
        first += micro;
    }
    ty_flow_end(&f);
    update(w, s);
}

/* The step of a rank with a shard of so many rows, up to the update. */
static ty_cost walk(const ty_plan *p, int rank, size_t rows)
{
    const ty_problem *q = p->problem;
    const int parts = ty_flow_parts(p, p->batch);
    ty_flow_cost f = ty_flow_cost_new(p, rank);
    for (int i = 0; i < parts; i++) {
        const size_t micro = ty_chunk_size(rows, parts, i);
        ty_flow_cost_turn(&f, -1, -1);
        ty_flow_cost_work(&f, ty_plan_load_s(p, micro) +
                                  ty_blocks_forward_s(p, q->blocks, q->blocks_n, micro) +
                                  ty_plan_loss_s(p, micro));
        for (int u = p->units - 1; u >= 0; u--) {
            ty_flow_cost_turn(&f, -1, u);
            ty_flow_cost_work(&f, ty_unit_backward_s(p, u, micro));
        }
    }
    ty_flow_cost_end(&f);
    return f.total;
}

static void update_cost(const ty_plan *p, int rank, ty_cost *k)
{
    for (int u = 0; u < p->units; u++) {
        const ty_unit *at = &p->unit[u];
        const size_t n = ty_chunk_size(at->n, p->dp, 0);
        const double s = ty_costing_work(&p->costing, ty_optimizer_work(p->optimizer.kind, n));
        if (at->owner != u)
            continue;
        const ty_cost gather = p->allgather->cost(&p->costing, p->dp, rank, at->n);
        k->seconds += s + gather.seconds;
        k->compute_s += s + gather.compute_s;
        k->messages += gather.messages;
        k->bytes += gather.bytes;
        k->peak_bytes = fmax(k->peak_bytes, gather.peak_bytes);
    }
}

static ty_cost cost(const ty_plan *p, int rank)
{
    ty_cost k = ty_sharded_cost(p, rank, walk);
    update_cost(p, rank, &k);
    k.peak_bytes += ty_sharded_bytes(p, rank);
    return k;
}

const ty_strategy ty_data_zero2 = {
    .name = "data-zero2",
    .summary = "data parallel: gradients and optimizer state sharded; gradients are summed where "
               "they are kept",
    .source = "Rajbhandari et al., ZeRO, SC 2020",
    .order = TY_FIXED,
    .alike = 1,
    .lanes = 1,
    .uses = TY_USES_MICRO_BATCHES | TY_USES_COLLECTIVE | TY_USES_BUCKETS,
    .plan = plan,
    .step = step,
    .cost = cost,
};
