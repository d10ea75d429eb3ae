/* SPDX-License-Identifier: MIT */
#include "strategies/worker.h"

#include "fabric/memory.h"
#include "fabric/trace.h"
#include "kernels/shared.h"
#include "strategies/sharded.h"

#include <stdlib.h>
#include <string.h>

enum { TEST_TARGETS = 128 }; /* labels of the test samples that an evaluator takes at a time */

/* ---- building --------------------------------------------------------------------------------------- */

static void open_teams(ty_worker *w)
{
    const ty_plan *p = w->plan;
    const ty_place *at = &w->place;
    int grid = at->role == TY_TRAIN && !p->preprocessors && !p->served, id = w->rank->id;
    w->world = ty_team_new(w->rank, TY_CHANNEL_WORLD, 0, 1, p->workers);
    if (p->served)
        w->mail = ty_team_inbox(w->rank, TY_CHANNEL_MAIL, 0, 1, p->workers);
    if (!grid)
        return;
    w->data = ty_team_new(w->rank, TY_CHANNEL_DATA, at->p * p->tp + at->t, p->tp * p->pp, p->dp);
    w->tensor = ty_team_new(w->rank, TY_CHANNEL_TENSOR, id - at->t, 1, p->tp);
    w->pipe = ty_team_new(w->rank, TY_CHANNEL_PIPE, id - at->p * p->tp, p->tp, p->pp);
}

static size_t test_rows(const ty_plan *p)
{
    return p->problem->targets < TEST_TARGETS ? TEST_TARGETS / p->problem->targets : 1;
}

void ty_worker_evaluator(ty_model *m, ty_rank *r, const ty_plan *p)
{
    ty_model_init(m, r, p->problem->blocks, p->problem->blocks_n, test_rows(p), 1, 1, 0, p->seed);
}

double ty_worker_evaluator_bytes(const ty_plan *p)
{
    return ty_model_bytes(p->problem->blocks, p->problem->blocks_n, test_rows(p), 1, 1, 0);
}

static void server_init(ty_worker *w)
{
    const size_t n = (size_t)w->plan->workers;
    ty_worker_evaluator(&w->model, w->rank, w->plan);
    w->optimizer = w->plan->optimizer;
    ty_optimizer_init(&w->optimizer, w->rank, w->model.params.n);
    w->clock = ty_zalloc(n, sizeof *w->clock);
    w->pulled = ty_zalloc(n, sizeof *w->pulled);
    w->waits = ty_zalloc(n, sizeof *w->waits);
}

static void server_fini(ty_worker *w)
{
    ty_optimizer_fini(&w->optimizer, w->rank);
    free(w->clock);
    free(w->pulled);
    free(w->waits);
}

/* Parameters whose optimizer state is here. */
static size_t states(const ty_worker *w)
{
    const ty_plan *p = w->plan;
    const int shard =
        w->place.d - (p->dp - p->optimizer_shards); /* the last workers have one each */
    if (p->served)
        return 0;
    if (p->sharded)
        return w->grads.n;
    if (p->optimizer_shards == 0)
        return w->model.params.n;
    return shard >= 0 ? ty_chunk_size(w->model.params.n, p->optimizer_shards, shard) : 0;
}

static void trainer_init(ty_worker *w)
{
    static const ty_model_use use[] = {[TY_WHOLE] = TY_MODEL_TRAIN,
                                       [TY_SHARD_GRADS] = TY_MODEL_NO_GRADS,
                                       [TY_SHARD_PARAMS] = TY_MODEL_BARE};
    const ty_plan *p = w->plan;
    ty_block *blocks = ty_alloc((size_t)p->problem->blocks_n * sizeof *blocks);
    int n = ty_plan_blocks(p, w->rank->id, blocks), slots = p->slots;
    int first = w->place.p == 0, last = w->place.p == p->pp - 1;
    size_t rows = ty_plan_rows(p, w->rank->id), held = ty_plan_held(p, rows, slots),
           micro = ty_chunk_size(rows, ty_plan_parts(p, rows), 0);

    ty_model_init(&w->model, w->rank, blocks, n, micro, slots, first, use[p->sharded], p->seed);
    w->model.loss = ty_problem_loss(p->problem);
    if (p->sharded)
        ty_sharded_init(w);
    w->optimizer = p->optimizer;
    ty_optimizer_init(&w->optimizer, w->rank, states(w));
    if (p->debts)
        w->debt = ty_tensor_new(w->rank, TY_OPTIM, 1, w->model.params.n);
    if (p->tuning.outer_momentum != 0) {
        w->last = ty_tensor_new(w->rank, TY_OPTIM, 1, w->model.params.n);
        w->outer = (ty_optimizer){
            .kind = TY_SGD, .rate = 1, .momentum = p->tuning.outer_momentum, .steps = 1};
        ty_optimizer_init(&w->outer, w->rank, w->last.n);
    }
    w->x = ty_tensor_new(w->rank, TY_ACTIV, first ? held : 0, p->problem->features);
    w->labels = ty_tensor_new(w->rank, TY_ACTIV, 1, last ? held * p->problem->targets : 0);
    w->inbox = ty_zalloc((size_t)slots, sizeof *w->inbox);
    for (int i = 0; i < slots; i++)
        w->inbox[i] = ty_tensor_new(w->rank, TY_ACTIV, first ? 0 : micro, blocks[0].in.n);
    free(blocks);
}

/* Rank 0 makes the parameters that all share, and tells the others where they are. */
static void share(ty_worker *w)
{
    ty_rank *r = w->rank;
    r->quiet++;
    if (r->id == 0) {
        w->shared = ty_tensor_new(r, TY_PARAM, 1, w->model.params.n);
        ty_copy(r, w->shared, w->model.params);
        for (int i = 1; i < w->plan->workers; i++)
            ty_send(r, i, TY_CHANNEL_RESULT, &w->shared, sizeof w->shared);
    } else {
        ty_recv(r, 0, TY_CHANNEL_RESULT, &w->shared, sizeof w->shared);
    }
    r->quiet--;
}

void ty_worker_init(ty_worker *w, ty_rank *r, const ty_plan *p)
{
    *w = (ty_worker){.rank = r, .plan = p, .place = p->place[r->id]};
    open_teams(w);
    ty_loader_init(&w->loader, &p->problem->data, p->seed, p->batch, p->augment);
    w->score =
        ty_zalloc((size_t)(p->steps / (long)ty_loader_steps(&w->loader)) + 2, sizeof *w->score);
    if (w->place.role == TY_TRAIN) {
        trainer_init(w);
        if (p->shared)
            share(w);
    } else if (w->place.role == TY_SERVE) {
        server_init(w);
    } else if (w->place.role == TY_EVALUATE) {
        ty_worker_evaluator(&w->model, r, p);
    } else {
        w->x = ty_tensor_new(r, TY_ACTIV, p->batch, p->problem->features);
        w->labels = ty_tensor_new(r, TY_ACTIV, 1, p->batch * p->problem->targets);
    }
}

void ty_worker_fini(ty_worker *w)
{
    const int slots = w->plan->slots;
    ty_loader_free(&w->loader);
    free(w->score);
    if (w->place.role != TY_PREPROCESS)
        ty_model_fini(&w->model);
    if (w->place.role == TY_SERVE)
        server_fini(w);
    if (w->place.role == TY_EVALUATE || w->place.role == TY_SERVE)
        return;
    ty_drop(w->rank, w->x);
    ty_drop(w->rank, w->labels);
    if (w->place.role != TY_TRAIN)
        return;
    ty_optimizer_fini(&w->optimizer, w->rank);
    if (w->shared.n && w->rank->id == 0) /* all others have reported: they are done with it */
        ty_drop(w->rank, w->shared);
    if (w->plan->sharded)
        ty_sharded_fini(w);
    if (w->debt.n)
        ty_drop(w->rank, w->debt);
    if (w->last.n) {
        ty_optimizer_fini(&w->outer, w->rank);
        ty_drop(w->rank, w->last);
    }
    for (int i = 0; i < slots; i++)
        ty_drop(w->rank, w->inbox[i]);
    free(w->inbox);
}

/* ---- what a step is made of ------------------------------------------------------------------------- */

ty_tensor ty_worker_load(ty_worker *w, long step, size_t first, size_t rows)
{
    ty_tensor x = ty_rows(w->x, 0, w->x.rows ? rows : 0),
              labels = ty_worker_labels(w, 0, w->labels.n ? rows : 0);
    ty_loader_train(&w->loader, w->rank, step, first, x, labels);
    return x;
}

ty_tensor ty_worker_labels(ty_worker *w, size_t first, size_t rows)
{
    const size_t targets = w->plan->problem->targets;
    return ty_slice(w->labels, first * targets, rows * targets);
}

ty_tensor ty_worker_loss(ty_worker *w, size_t rows, size_t batch)
{
    return ty_model_loss(&w->model, 0, ty_worker_labels(w, 0, rows), 1.0F / (float)batch, &w->loss);
}

ty_tensor ty_worker_part(ty_worker *w, long step, size_t first, size_t rows, size_t batch)
{
    ty_model_forward(&w->model, 0, ty_worker_load(w, step, first, rows));
    return ty_worker_loss(w, rows, batch);
}

ty_tensor ty_worker_forward(ty_worker *w, long step, size_t first, size_t rows, size_t batch)
{
    const int last = ty_plan_parts(w->plan, rows) - 1;
    ty_model_zero(&w->model);
    for (int i = 0; i < last; i++) {
        const size_t micro = ty_chunk_size(rows, last + 1, i);
        ty_model_backward(&w->model, 0, ty_worker_part(w, step, first, micro, batch));
        first += micro;
    }
    return ty_worker_part(w, step, first, ty_chunk_size(rows, last + 1, last), batch);
}

void ty_worker_gradients(ty_worker *w, long step, size_t first, size_t rows, size_t batch)
{
    ty_model_backward(&w->model, 0, ty_worker_forward(w, step, first, rows, batch));
}

void ty_worker_pace(ty_worker *w, long step)
{
    w->rank->slower = ty_pace_factor(&w->plan->pace, w->rank->id, step) - 1;
}

void ty_worker_update(ty_worker *w, long step)
{
    ty_worker_pace(w, step + 1);
    ty_optimizer_step(&w->optimizer, w->rank, w->model.params, w->model.grads, step);
}

void ty_worker_take_shared(ty_worker *w)
{
    const ty_tensor own = w->model.params;
    if (ty_op(w->rank, ty_work_shared_read(own.n), own))
        ty_kernel_shared_read(own.data, w->shared.data, own.n);
}

/* ---- after a step ----------------------------------------------------------------------------------- */

void ty_worker_pause(ty_worker *w)
{
    ty_rank *r = w->rank;
    r->quiet++;
    r->paused++;
    w->traced = r->trace && r->trace->on;
    ty_trace_on(r, 0);
    w->paused_at = ty_now(r);
    w->paused_idle = r->idle_s;
    ty_memory_account_read(r->mem, &w->paused_ledger);
}

void ty_worker_resume(ty_worker *w)
{
    ty_rank *r = w->rank;
    double gone = ty_now(r) - w->paused_at;
    r->quiet--;
    r->paused--;
    ty_trace_on(r, w->traced);
    r->idle_s = w->paused_idle + gone;
    ty_memory_account_restore(r->mem, &w->paused_ledger);
    w->excluded_s += gone;
}

void ty_worker_meet(ty_worker *w)
{
    ty_team all = w->world;
    all.channel = TY_CHANNEL_RESULT;
    ty_barrier_dissemination.run(&all, (ty_tensor){0});
}

void ty_worker_settle(ty_worker *w)
{
    if (!w->plan->shared)
        return;
    ty_worker_meet(w);
    if (w->rank->id == 0)
        ty_worker_take_shared(w);
    ty_worker_meet(w);
}

static void place_all(const ty_block *blocks, int n, const float *from, float *whole)
{
    for (int i = 0; i < n; i++) {
        ty_block_place(&blocks[i], from, whole);
        from += blocks[i].ops->params(&blocks[i]);
    }
}

/* Does this rank hold parameters that the ranks before it do not? */
static int contributes(const ty_plan *p, int rank)
{
    if (p->served)
        return p->place[rank].role == TY_SERVE;
    return p->place[rank].role == TY_TRAIN && p->place[rank].d == 0;
}

void ty_worker_gather(ty_worker *w, float *whole)
{
    const ty_plan *p = w->plan;
    ty_rank *r = w->rank;
    if (p->sharded == TY_SHARD_PARAMS) {
        ty_sharded_gather(w, whole);
        return;
    }
    ty_block *blocks = ty_alloc((size_t)p->problem->blocks_n * sizeof *blocks);
    r->quiet++;
    if (r->id > 0 && contributes(p, r->id))
        ty_send(r, 0, TY_CHANNEL_RESULT, w->model.params.data, ty_bytes(w->model.params));
    for (int i = 0; r->id == 0 && i < p->workers; i++) {
        if (!contributes(p, i))
            continue;
        int n = ty_plan_blocks(p, i, blocks);
        size_t bytes = ty_blocks_params(blocks, n) * sizeof(float);
        float *part = i ? ty_alloc(bytes) : w->model.params.data;
        if (i)
            ty_recv(r, i, TY_CHANNEL_RESULT, part, bytes);
        place_all(blocks, n, part, whole);
        if (i)
            free(part);
    }
    r->quiet--;
    free(blocks);
}
