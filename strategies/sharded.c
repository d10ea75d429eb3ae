/* SPDX-License-Identifier: MIT */
#include "strategies/sharded.h"

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
