/* SPDX-License-Identifier: MIT */
#include "strategies/sharded.h"

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
