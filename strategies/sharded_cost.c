/* SPDX-License-Identifier: MIT */
#include "strategies/sharded.h"

#include "kernels/kernels.h"

#include <math.h>

ty_flow_cost ty_flow_cost_new(const ty_plan *p, int rank)
{
    ty_flow_cost f = {
        .plan = p, .rank = rank, .here = -1, .coming = -1, .written = -1, .leaving = -1};
    ty_flow_cost_work(&f, ty_costing_work(&p->costing, ty_work_fill(ty_sharded_size(p, 0))));
    return f;
}

void ty_flow_cost_work(ty_flow_cost *f, double seconds)
{
    f->compute += seconds;
    f->total.compute_s += seconds;
}

static size_t size(const ty_flow_cost *f, int u)
{
    return u < 0 ? 0 : f->plan->unit[u].n;
}

/* The collective of unit u, -1: none; returns its buffers [B]. */
static double run(ty_flow_cost *f, const ty_collective *c, int u)
{
    if (u < 0)
        return 0;
    const ty_cost k = c->cost(&f->plan->costing, f->plan->dp, f->rank, size(f, u));
    f->network += k.seconds;
    f->total.compute_s += k.compute_s;
    f->total.messages += k.messages;
    f->total.bytes += k.bytes;
    return k.peak_bytes;
}

static void arrive_cost(ty_flow_cost *f)
{
    const ty_costing *c = &f->plan->costing;
    f->total.seconds += fmax(f->compute, f->network);
    f->compute = f->network = 0;
    if (f->leaving >= 0)
        ty_flow_cost_work(
            f, ty_costing_work(c, ty_work_add(ty_chunk_size(size(f, f->leaving), f->plan->dp, 0))));
    f->leaving = -1;
    f->here = f->coming >= 0 ? f->coming : f->here;
    f->coming = -1;
}

/* Of a unit's gradients, as ty_model_zero_blocks. */
static double zero_s(const ty_plan *p, int u)
{
    const ty_unit *at = &p->unit[u];
    return at->owner == u ? ty_plan_zero_s(p, p->problem->blocks + at->first, at->end - at->first)
                          : ty_costing_work(&p->costing, ty_work_fill(at->n));
}

void ty_flow_cost_turn(ty_flow_cost *f, int gather, int write)
{
    const ty_plan *p = f->plan;
    arrive_cost(f);
    f->leaving = f->written;
    f->coming = gather;
    f->written = write;
    if (gather >= 0)
        ty_flow_cost_work(
            f,
            ty_costing_work(&p->costing, ty_work_copy(ty_chunk_size(size(f, gather), p->dp, 0))));
    f->total.seconds += f->compute; /* the network waits for it */
    f->compute = 0;
    double held =
        (double)(size(f, f->here) + size(f, gather) + size(f, write) + size(f, f->leaving)) *
        sizeof(float);
    held += fmax(run(f, p->allgather, gather), run(f, p->reduce_scatter, f->leaving));
    f->total.peak_bytes = fmax(f->total.peak_bytes, held);
    if (write >= 0)
        ty_flow_cost_work(f, zero_s(p, write));
}

void ty_flow_cost_end(ty_flow_cost *f)
{
    ty_flow_cost_turn(f, -1, -1);
    arrive_cost(f);
    f->total.seconds += f->compute;
    f->compute = 0;
}

double ty_unit_forward_s(const ty_plan *p, int u, size_t rows)
{
    const ty_unit *at = &p->unit[u];
    return ty_blocks_forward_s(p, p->problem->blocks + at->first, at->end - at->first, rows);
}

double ty_unit_backward_s(const ty_plan *p, int u, size_t rows)
{
    const ty_unit *at = &p->unit[u];
    return ty_blocks_backward_s(p, p->problem->blocks + at->first, at->end - at->first, rows,
                                u == 0);
}

double ty_sharded_bytes(const ty_plan *p, int rank)
{
    const ty_problem *q = p->problem;
    const size_t n = q->params, mine = ty_sharded_size(p, rank),
                 kinds = p->sharded == TY_SHARD_PARAMS ? 2 : 1; /* gradients; parameters */
    return ty_plan_bytes(p, q->blocks, q->blocks_n, ty_plan_rows(p, rank), 1, 1, 1) -
           (double)(kinds * (n - mine)) * sizeof(float) -
           ty_optimizer_bytes(p->optimizer.kind, n - mine);
}

ty_cost ty_sharded_cost(const ty_plan *p, int rank,
                        ty_cost (*walk)(const ty_plan *p, int rank, size_t rows))
{
    const size_t rows = ty_plan_rows(p, rank), most = ty_chunk_size(p->batch, p->dp, 0);
    ty_cost k = walk(p, rank, most);
    k.compute_s = rows == most ? k.compute_s : walk(p, rank, rows).compute_s;
    return k;
}
