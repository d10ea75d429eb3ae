/* SPDX-License-Identifier: MIT
 *
 * data-zero3 - data parallelism with everything sharded: parameters, gradients and optimizer state. A unit's parameters are
 * gathered before its forward and again before its backward, while the unit before it computes, and let go of afterwards; its
 * gradients are summed where their owners are, while the next unit computes.
 *   time    gather(unit 1), then for each unit, forward and backward, the longer of: computing it; gathering the next and
 *           summing the one before; then the last sum, and update(params/N)
 *   sends   two all-gathers and a reduce-scatter of the parameters for each micro-batch, less the gather of the unit at which
 *           it turns round: at most 1.5 times the bytes of a ring all-reduce (a tied table goes with both of its layers)
 *   memory  parameters, gradients and optimizer state 1/N; two units of parameters and two of gradients in buffers
 *   source  Rajbhandari et al., ZeRO, SC 2020 (stage 3); units and prefetch: Zhao et al., PyTorch FSDP, VLDB 16(12), 2023
 *
 *   compute   |          | forward 1 | forward 2 | forward 3, backward 3 | backward 2 | backward 1 |       | update |
 *   network   | gather 1 | gather 2  | gather 3  | gather 2              | 1, sum 3   | sum 2      | sum 1 |
 */
#include "strategies/sharded.h"

static ty_err plan(ty_plan *p)
{
    p->sharded = TY_SHARD_PARAMS;
    return ty_sharded_plan(p);
}

/* The unit that computes after unit u of a forward or a backward: what is gathered beside u. At either end the direction turns
 * round with the unit that is there; behind the last backward is nothing. */
static int after_forward(const ty_plan *p, int u)
{
    return u < p->units - 1 ? u + 1 : u - 1;
}

static int after_backward(const ty_plan *p, int u, int last)
{
    return u > 0 ? u - 1 : last || p->units == 1 ? -1 : 1;
}

static void step(ty_worker *w, long s)
{
    const ty_plan *p = w->plan;
    const size_t batch = ty_loader_count(&w->loader, s);
    const size_t rows = ty_chunk_size(batch, w->data.n, w->data.me);
    const int parts = ty_flow_parts(p, batch), end = p->units - 1;
    size_t first = ty_chunk_first(batch, w->data.n, w->data.me);
    ty_flow f;

    ty_flow_init(&f, w);
    ty_flow_turn(&f, 0, -1);
    for (int i = 0; i < parts; i++) {
        const size_t micro = ty_chunk_size(rows, parts, i);
        ty_tensor x = ty_worker_load(w, s, first, micro);
        first += micro;
        for (int u = 0; u <= end; u++) {
            if (u > 0 || i == 0)
                ty_flow_turn(&f, after_forward(p, u), u == end ? u : -1);
            x = ty_flow_forward(&f, u, x);
        }
        ty_tensor dy = ty_worker_loss(w, micro, batch);
        for (int u = end; u >= 0; u--) {
            if (u < end)
                ty_flow_turn(&f, after_backward(p, u, i == parts - 1), u);
            dy = ty_flow_backward(&f, u, dy);
        }
    }
    ty_flow_end(&f);
    ty_worker_pace(w, s + 1);
    ty_optimizer_step(&w->optimizer, w->rank, w->params, w->grads, s);
}

/* The step of a rank with a shard of so many rows. */
static ty_cost walk(const ty_plan *p, int rank, size_t rows)
{
    const int parts = ty_flow_parts(p, p->batch), end = p->units - 1;
    ty_flow_cost f = ty_flow_cost_new(p, rank);
    ty_flow_cost_turn(&f, 0, -1);
    for (int i = 0; i < parts; i++) {
        const size_t micro = ty_chunk_size(rows, parts, i);
        ty_flow_cost_work(&f, ty_plan_load_s(p, micro));
        for (int u = 0; u <= end; u++) {
            if (u > 0 || i == 0)
                ty_flow_cost_turn(&f, after_forward(p, u), u == end ? u : -1);
            ty_flow_cost_work(&f, ty_unit_forward_s(p, u, micro));
        }
        ty_flow_cost_work(&f, ty_plan_loss_s(p, micro));
        for (int u = end; u >= 0; u--) {
            if (u < end)
                ty_flow_cost_turn(&f, after_backward(p, u, i == parts - 1), u);
            ty_flow_cost_work(&f, ty_unit_backward_s(p, u, micro));
        }
    }
    ty_flow_cost_end(&f);
    return f.total;
}

static ty_cost cost(const ty_plan *p, int rank)
{
    const double update =
        ty_costing_work(&p->costing, ty_optimizer_work(p->optimizer.kind, ty_sharded_size(p, 0)));
    ty_cost k = ty_sharded_cost(p, rank, walk);
    k.seconds += update;
    k.compute_s += update;
    k.peak_bytes += ty_sharded_bytes(p, rank);
    return k;
}

const ty_strategy ty_data_zero3 = {
    .name = "data-zero3",
    .summary = "data parallel: parameters, gradients and optimizer state sharded; units gathered "
               "when they compute",
    .source = "Rajbhandari et al., ZeRO, SC 2020; Zhao et al., PyTorch FSDP, VLDB 16(12), 2023",
    .order = TY_FIXED,
    .alike = 1,
    .lanes = 1,
    .uses = TY_USES_MICRO_BATCHES | TY_USES_COLLECTIVE | TY_USES_BUCKETS,
    .plan = plan,
    .step = step,
    .cost = cost,
};
