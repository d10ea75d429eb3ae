/* SPDX-License-Identifier: MIT */
#include "strategies/sharded.h"

#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- units ------------------------------------------------------------------------------------------ */

static int is_full(const ty_plan *p, const ty_unit *u)
{
    return u->n > 0 && u->n * sizeof(float) >= p->tuning.bucket_bytes;
}

/* The unit among those so far that holds the first parameter of a block; -1: none. */
static int holder(const ty_plan *p, const ty_block *b)
{
    for (int u = 0; u < p->units; u++)
        if (b->offset >= p->unit[u].begin && b->offset < p->unit[u].begin + p->unit[u].n)
            return u;
    return -1;
}

/* Does block i begin a unit? Otherwise it belongs to the last one so far. */
static int begins(const ty_plan *p, int i)
{
    const ty_block *b = &p->problem->blocks[i];
    const int last = p->units - 1;
    if (last < 0)
        return 1;
    if (b->tied)
        return holder(p, &p->problem->blocks[b->owner]) != p->unit[last].owner;
    return b->ops->params(b) > 0 && (p->unit[last].owner != last || is_full(p, &p->unit[last]));
}

static ty_unit unit_from(const ty_plan *p, const ty_block *b)
{
    if (!b->tied)
        return (ty_unit){.first = b->index, .owner = p->units, .begin = b->offset};
    ty_unit u = p->unit[holder(p, &p->problem->blocks[b->owner])];
    u.first = b->index;
    return u;
}

static void cut(ty_plan *p)
{
    p->unit = ty_zalloc((size_t)p->problem->blocks_n, sizeof *p->unit);
    p->units = 0;
    for (int i = 0; i < p->problem->blocks_n; i++) {
        const ty_block *b = &p->problem->blocks[i];
        if (begins(p, i)) {
            p->unit[p->units] = unit_from(p, b);
            p->units++;
        }
        p->unit[p->units - 1].end = i + 1;
        p->unit[p->units - 1].n += b->ops->params(b);
    }
}

ty_err ty_sharded_plan(ty_plan *p)
{
    TY_TRY(ty_data_allreduce.plan(p));
    p->allreduce = NULL;
    cut(p);
    const size_t usual = p->problem->params / (size_t)p->units;
    TY_TRY(ty_collective_find(TY_REDUCE_SCATTER, p->collective_name, &p->costing, p->dp, usual,
                              &p->reduce_scatter));
    return ty_collective_find(TY_ALLGATHER, p->collective_name, &p->costing, p->dp, usual,
                              &p->allgather);
}

/* ---- shards ----------------------------------------------------------------------------------------- */

/* Elements of a member's chunks of the units before unit u. */
static size_t before(const ty_plan *p, int u, int member)
{
    size_t n = 0;
    for (int v = 0; v < u; v++)
        if (p->unit[v].owner == v)
            n += ty_chunk_size(p->unit[v].n, p->dp, member);
    return n;
}

size_t ty_sharded_size(const ty_plan *p, int member)
{
    return before(p, p->units, member);
}

ty_tensor ty_sharded_chunk(const ty_worker *w, ty_tensor shard, int u)
{
    const ty_plan *p = w->plan;
    return ty_slice(shard, before(p, p->unit[u].owner, w->place.d),
                    ty_chunk_size(p->unit[u].n, p->dp, w->place.d));
}

/* Initial values are drawn a unit at a time: the whole network need not have room. */
static void draw(ty_worker *w, int u)
{
    const ty_unit *at = &w->plan->unit[u];
    ty_tensor whole = ty_scratch(w->rank, at->n), mine = ty_sharded_chunk(w, w->params, u);
    if (whole.data)
        memset(whole.data, 0, ty_bytes(whole));
    ty_model_bind(&w->model, at->first, at->end, at->begin, whole, (ty_tensor){0});
    for (int i = at->first; i < at->end; i++)
        if (w->model.block[i].ops->init)
            w->model.block[i].ops->init(&w->model.block[i], w->plan->seed);
    ty_copy(w->rank, mine, ty_chunk(whole, w->plan->dp, w->place.d));
    ty_drop(w->rank, whole);
}

void ty_sharded_init(ty_worker *w)
{
    const ty_plan *p = w->plan;
    const size_t n = ty_sharded_size(p, w->place.d);
    w->grads = ty_tensor_new(w->rank, TY_GRAD, 1, n);
    if (p->sharded != TY_SHARD_PARAMS)
        return;
    w->params = ty_tensor_new(w->rank, TY_PARAM, 1, n);
    for (int u = 0; u < p->units; u++)
        if (p->unit[u].owner == u)
            draw(w, u);
}

void ty_sharded_fini(ty_worker *w)
{
    ty_drop(w->rank, w->grads);
    if (w->plan->sharded == TY_SHARD_PARAMS)
        ty_drop(w->rank, w->params);
}

static void place(const ty_plan *p, int member, const float *shard, float *whole)
{
    for (int u = 0; u < p->units; u++) {
        const ty_unit *at = &p->unit[u];
        const size_t n = ty_chunk_size(at->n, p->dp, member);
        if (at->owner == u)
            memcpy(whole + at->begin + ty_chunk_first(at->n, p->dp, member),
                   shard + before(p, u, member), n * sizeof(float));
    }
}

void ty_sharded_gather(ty_worker *w, float *whole)
{
    const ty_plan *p = w->plan;
    ty_rank *r = w->rank;
    r->quiet++;
    if (r->id > 0)
        ty_send(r, 0, TY_CHANNEL_RESULT, w->params.data, ty_bytes(w->params));
    else
        place(p, 0, w->params.data, whole);
    for (int i = 1; r->id == 0 && i < p->dp; i++) {
        const size_t bytes = ty_sharded_size(p, i) * sizeof(float);
        float *shard = ty_alloc(bytes);
        ty_recv(r, i, TY_CHANNEL_RESULT, shard, bytes);
        place(p, i, shard, whole);
        free(shard);
    }
    r->quiet--;
}

/* ---- a step ----------------------------------------------------------------------------------------- */

static const ty_lot none = {.unit = -1};

void ty_flow_init(ty_flow *f, ty_worker *w)
{
    *f = (ty_flow){.worker = w, .here = none, .coming = none, .written = none, .leaving = none};
    ty_stream_init(&f->network, w->rank, 1);
    ty_fill(w->rank, w->grads, 0);
}

static ty_lot take(const ty_flow *f, int u)
{
    return u < 0 ? none : (ty_lot){u, ty_scratch(f->worker->rank, f->worker->plan->unit[u].n)};
}

static void drop(const ty_flow *f, ty_lot *lot)
{
    if (lot->unit >= 0)
        ty_drop(f->worker->rank, lot->x);
    *lot = none;
}

static ty_tensor my_chunk(const ty_worker *w, ty_lot lot)
{
    return ty_chunk(lot.x, w->data.n, w->data.me);
}

/* What the network did beside the last unit. */
static void arrive(ty_flow *f)
{
    ty_worker *w = f->worker;
    ty_stream_sync(&f->network);
    if (f->leaving.unit >= 0)
        ty_add(w->rank, ty_sharded_chunk(w, w->grads, f->leaving.unit), my_chunk(w, f->leaving));
    drop(f, &f->leaving);
    if (f->coming.unit >= 0) {
        drop(f, &f->here);
        f->here = f->coming;
        f->coming = none;
    }
}

/* The blocks of a unit find what is held of it. */
static void bind(ty_flow *f, int u)
{
    ty_worker *w = f->worker;
    const ty_unit *at = &w->plan->unit[u];
    ty_model_bind(&w->model, at->first, at->end, at->begin,
                  f->here.unit == u ? f->here.x : (ty_tensor){0},
                  f->written.unit == u ? f->written.x : (ty_tensor){0});
}

/* All room is taken before the network begins: what is held beside it does not depend on who is faster. */
void ty_flow_turn(ty_flow *f, int gather, int write)
{
    ty_worker *w = f->worker;
    arrive(f);
    f->leaving = f->written;
    f->coming = take(f, gather);
    f->written = take(f, write);
    if (gather >= 0) {
        ty_copy(w->rank, my_chunk(w, f->coming), ty_sharded_chunk(w, w->params, gather));
        ty_stream_push(&f->network, w->plan->allgather->run, &w->data, f->coming.x);
    }
    if (f->leaving.unit >= 0)
        ty_stream_push(&f->network, w->plan->reduce_scatter->run, &w->data, f->leaving.x);
    if (write >= 0)
        ty_model_zero_blocks(&w->model, w->plan->unit[write].first, w->plan->unit[write].end,
                             f->written.x);
}

ty_tensor ty_flow_forward(ty_flow *f, int u, ty_tensor x)
{
    const ty_unit *at = &f->worker->plan->unit[u];
    bind(f, u);
    for (int i = at->first; i < at->end; i++)
        x = ty_block_forward(&f->worker->model, 0, i, x);
    return x;
}

ty_tensor ty_flow_backward(ty_flow *f, int u, ty_tensor dy)
{
    const ty_unit *at = &f->worker->plan->unit[u];
    bind(f, u);
    for (int i = at->end - 1; i >= at->first; i--)
        dy = ty_block_backward(&f->worker->model, 0, i, dy);
    return dy;
}

void ty_flow_end(ty_flow *f)
{
    ty_flow_turn(f, -1, -1);
    arrive(f);
    drop(f, &f->here);
}

int ty_flow_parts(const ty_plan *p, size_t batch)
{
    return ty_plan_parts(p, ty_chunk_size(batch, p->dp, 0));
}

/* ---- its closed form -------------------------------------------------------------------------------- */

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
