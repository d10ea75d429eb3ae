/* SPDX-License-Identifier: MIT
 *
 * pipeline-gpipe - pipeline parallelism: consecutive blocks on consecutive ranks, the batch in M micro-batches, all
 * forward and then all backward, one update.
 *
 *   stage 0   F0 F1 F2 F3 .  .  .  .  .  .  B3 B2 B1 B0
 *   stage 1   .  F0 F1 F2 F3 .  .  .  .  B3 B2 B1 B0 .        bubble (S-1)/(M+S-1) of the time for equal stages
 *   stage 2   .  .  F0 F1 F2 F3 .  B3 B2 B1 B0 .  .  .
 *
 *   stages  consecutive groups (a block with parameters and the ReLU behind it), cut so that the slowest stage is
 *           fastest
 *   sends   M activations forward and M gradients backward per inner edge, one at a time in each direction
 *   tied    where the first and the last stage hold a table together (embedding and output layer), each has a copy, and
 *           they exchange its gradients once a step: the copies stay equal (Megatron-LM: Narayanan et al., SC 2021)
 *   time    the recurrence in cost(): a stage starts a micro-batch when it is free and the message is there
 *   source  Huang et al., GPipe, arXiv 1811.06965, 2018
 */
#include "kernels/kernels.h"
#include "strategies/worker.h"

#include <stdlib.h>

/* ---- plan: cut the blocks into stages --------------------------------------------------------------- */

/* First blocks of the groups that must stay together (one with parameters and those without behind it); returns how many. */
static int groups(const ty_problem *q, int *first)
{
    int n = 0;
    for (int i = 0; i < q->blocks_n; i++)
        if (i == 0 || q->blocks[i].ops->params(&q->blocks[i]))
            first[n++] = i;
    first[n] = q->blocks_n;
    return n;
}

/* [s] of a stage that holds groups a .. b-1, on one micro-batch. */
static double stage_s(const ty_plan *p, const int *first, int a, int b, size_t rows)
{
    const ty_block *blocks = p->problem->blocks + first[a];
    int n = first[b] - first[a];
    return (a ? 0 : ty_plan_load_s(p, rows)) + ty_blocks_forward_s(p, blocks, n, rows) +
           ty_blocks_backward_s(p, blocks, n, rows, a == 0);
}

/* Cut g groups into pp stages so that the slowest is as fast as can be: fill from the left up to `limit`, and keep
 * one group for each stage to come. True when every stage stays within the limit. */
static int cut(const ty_plan *p, const int *first, int g, double limit, size_t rows, int *stage)
{
    int a = 0;
    for (int s = 0; s < p->pp; s++) {
        int b = a + 1;
        while (b < g - (p->pp - 1 - s) &&
               (s == p->pp - 1 || stage_s(p, first, a, b + 1, rows) <= limit))
            b++;
        if (stage_s(p, first, a, b, rows) > limit)
            return 0;
        stage[s] = first[a];
        a = b;
    }
    stage[p->pp] = first[g];
    return a == g;
}

static ty_err plan(ty_plan *p)
{
    TY_TRY(ty_plan_axis(p, "pp"));
    int *first = ty_alloc(((size_t)p->problem->blocks_n + 1) * sizeof *first),
        g = groups(p->problem, first);
    if (p->pp > g) {
        free(first);
        return ty_error(
            TY_EUSAGE,
            "pipeline-gpipe: %d workers but only %d layers to share; use --workers 1..%d", p->pp, g,
            g);
    }
    if (!p->micro_batches)
        p->micro_batches = p->pp == 1                       ? 1
                           : (size_t)(4 * p->pp) < p->batch ? 4 * p->pp
                                                            : (int)p->batch;
    p->slots = p->micro_batches;
    size_t rows = ty_chunk_size(p->batch, p->micro_batches, 0);
    double low = 0, high = stage_s(p, first, 0, g, rows) * (1 + 1e-9) + 1e-30;
    for (int i = 0; i < 60; i++) { /* bisection on the slowest stage */
        double middle = 0.5 * (low + high);
        *(cut(p, first, g, middle, rows, p->stage) ? &high : &low) = middle;
    }
    cut(p, first, g, high, rows, p->stage);
    free(first);
    p->fill_steps = 2;
    return ty_ok();
}

/* ---- step ------------------------------------------------------------------------------------------- */

/* Start a send; the one before it must have left (one message at a time on the wire). */
static void send_on(ty_worker *w, int to, ty_tensor x)
{
    if (w->sending)
        ty_team_wait(&w->pipe, w->sending);
    w->sending = to >= 0 ? ty_team_isend(&w->pipe, to, x) : NULL;
}

/* Owner and copy of a shared table add each other's gradients: the same two summands, so the same bits on both. */
static void exchange_tied(ty_worker *w)
{
    const ty_tie tie = ty_plan_tie(w->plan);
    const int me = w->pipe.me, other = me == tie.owner ? tie.copy : tie.owner;
    if (!tie.n || (me != tie.owner && me != tie.copy))
        return;
    ty_tensor mine =
        ty_model_gradient(&w->model, me == tie.owner ? tie.owner_block : tie.copy_block, tie.n);
    ty_tensor theirs = ty_scratch_like(w->rank, mine);
    ty_sendrecv(&w->pipe, other, mine, other, theirs);
    ty_add(w->rank, mine, theirs);
    ty_drop(w->rank, theirs);
}

static void step(ty_worker *w, long s)
{
    ty_model *m = &w->model;
    const int S = w->pipe.n, me = w->pipe.me, M = w->plan->micro_batches, first = me == 0,
              last = me == S - 1;
    const size_t batch = ty_loader_count(&w->loader, s);

    ty_model_zero(m);
    if (first || last)
        ty_worker_load(w, s, 0, batch);
    for (int i = 0; i < M; i++) {
        size_t at = ty_chunk_first(batch, M, i), rows = ty_chunk_size(batch, M, i);
        ty_tensor x = first ? ty_rows(w->x, at, rows) : ty_rows(w->inbox[i], 0, rows);
        if (!first)
            ty_team_recv(&w->pipe, me - 1, x);
        x = ty_model_forward(m, i, x);
        if (!last)
            send_on(w, me + 1, x);
    }
    for (int i = M - 1; i >= 0; i--) {
        size_t at = ty_chunk_first(batch, M, i), rows = ty_chunk_size(batch, M, i);
        ty_tensor dy = ty_model_dy(m, rows);
        if (last)
            ty_model_loss(m, i, ty_worker_labels(w, at, rows), 1.0F / (float)batch, &w->loss);
        else
            ty_team_recv(&w->pipe, me + 1, dy);
        dy = ty_model_backward(m, i, dy);
        if (!first)
            send_on(w, me - 1, dy);
    }
    send_on(w, -1, (ty_tensor){0});
    exchange_tied(w);
    ty_worker_update(w, s);
}

/* ---- cost: the recurrence over uneven stages -------------------------------------------------------- */

typedef struct stage_cost { /* of one stage */
    ty_block *blocks;       /* [n], owned */
    int n, first, last;
    double free, left; /* [s] when the stage is free, and when its last send has left */
} stage_cost;

static void send_cost(stage_cost *k, double message, double *arrival)
{
    k->free = k->free > k->left ? k->free : k->left;
    k->left = k->free + message;
    *arrival = k->left;
}

/* Both send when they are through with their own and add what the other sent. */
static void exchange_cost(const ty_plan *p, stage_cost *stage)
{
    const ty_tie tie = ty_plan_tie(p);
    if (!tie.n)
        return;
    stage_cost *a = &stage[tie.owner], *b = &stage[tie.copy];
    a->free = b->free = (a->free > b->free ? a->free : b->free) +
                        ty_costing_message(&p->costing, tie.n) +
                        ty_costing_work(&p->costing, ty_work_add(tie.n));
}

/* One step of all stages. arrival[m] is when micro-batch m reaches the next stage. */
static void step_cost(const ty_plan *p, stage_cost *stage, double *arrival)
{
    const int S = p->pp, M = p->micro_batches;
    for (int s = 0; s < S; s++) { /* forward: a stage depends only on the ones before it */
        stage_cost *k = &stage[s];
        k->free +=
            ty_plan_zero_s(p, k->blocks, k->n) + (k->first ? ty_plan_load_s(p, p->batch) : 0);
        for (int i = 0; i < M; i++) {
            size_t rows = ty_chunk_size(p->batch, M, i), width = k->blocks[k->n - 1].out.n;
            if (!k->first && arrival[i] > k->free)
                k->free = arrival[i];
            k->free += ty_blocks_forward_s(p, k->blocks, k->n, rows);
            if (!k->last)
                send_cost(k, ty_costing_message(&p->costing, rows * width), &arrival[i]);
        }
    }
    for (int s = S - 1; s >= 0; s--) { /* backward: only on the ones behind it */
        stage_cost *k = &stage[s];
        for (int i = M - 1; i >= 0; i--) {
            size_t rows = ty_chunk_size(p->batch, M, i);
            if (k->last)
                k->free += ty_plan_loss_s(p, rows);
            else if (arrival[i] > k->free)
                k->free = arrival[i];
            k->free += ty_blocks_backward_s(p, k->blocks, k->n, rows, k->first);
            if (!k->first)
                send_cost(k, ty_costing_message(&p->costing, rows * k->blocks[0].in.n),
                          &arrival[i]);
        }
        k->free = k->free > k->left ? k->free : k->left;
    }
    exchange_cost(p, stage);
    for (int s = 0; s < S; s++)
        stage[s].free += ty_plan_update_s(p, stage[s].blocks, stage[s].n);
}

static double stage_compute_s(const ty_plan *p, const stage_cost *k)
{
    double s = ty_plan_zero_s(p, k->blocks, k->n) + (k->first ? ty_plan_load_s(p, p->batch) : 0) +
               ty_plan_update_s(p, k->blocks, k->n);
    for (int i = 0; i < p->micro_batches; i++) {
        size_t rows = ty_chunk_size(p->batch, p->micro_batches, i);
        s += ty_blocks_forward_s(p, k->blocks, k->n, rows) +
             (k->last ? ty_plan_loss_s(p, rows) : 0) +
             ty_blocks_backward_s(p, k->blocks, k->n, rows, k->first);
    }
    return s;
}

/* Is this stage one of the two that share a table? */
static int shares(const ty_tie *t, int stage)
{
    return t->n && (stage == t->owner || stage == t->copy);
}

/* Mean seconds of a step of `rank` when the first of p->steps is left out. */
static double mean_step_s(const ty_plan *p, stage_cost *stage, int rank)
{
    double *arrival = ty_zalloc((size_t)p->micro_batches, sizeof *arrival), begin = 0;
    long steps = p->steps < 2 ? 2 : p->steps < 50 ? p->steps : 50; /* it is periodic long before */
    for (long s = 0; s < steps; s++) {
        begin = s == 1 ? stage[rank].free : begin;
        step_cost(p, stage, arrival);
    }
    free(arrival);
    return (stage[rank].free - begin) / (double)(steps - 1);
}

static stage_cost *stages_of(const ty_plan *p)
{
    stage_cost *stage = ty_zalloc((size_t)p->pp, sizeof *stage);
    for (int s = 0; s < p->pp; s++) {
        stage[s] = (stage_cost){.first = s == 0, .last = s == p->pp - 1};
        stage[s].blocks = ty_alloc((size_t)p->problem->blocks_n * sizeof *stage[s].blocks);
        stage[s].n = ty_plan_blocks(p, s, stage[s].blocks);
    }
    return stage;
}

static ty_cost cost(const ty_plan *p, int rank)
{
    const int S = p->pp, M = p->micro_batches;
    const ty_tie tie = ty_plan_tie(p);
    stage_cost *stage = stages_of(p), *mine = &stage[rank];
    ty_cost k = {.seconds = mean_step_s(p, stage, rank), .compute_s = stage_compute_s(p, mine)};
    size_t out = mine->last ? 0 : mine->blocks[mine->n - 1].out.n,
           in = mine->first ? 0 : mine->blocks[0].in.n;
    k.messages = (double)(M * (!mine->first + !mine->last));
    k.bytes = (double)(p->batch * (out + in)) * sizeof(float);
    k.peak_bytes = ty_plan_bytes(p, mine->blocks, mine->n, p->batch, M, mine->first, mine->last);
    if (!mine->first)
        k.peak_bytes += (double)((size_t)M * ty_chunk_size(p->batch, M, 0) * in) * sizeof(float);
    if (shares(&tie, rank)) {
        k.compute_s += ty_costing_work(&p->costing, ty_work_add(tie.n));
        k.messages++;
        k.bytes += (double)tie.n * sizeof(float);
        k.peak_bytes += (double)tie.n * sizeof(float);
    }
    for (int s = 0; s < S; s++)
        free(stage[s].blocks);
    free(stage);
    return k;
}

const ty_strategy ty_pipeline_gpipe = {
    .name = "pipeline-gpipe",
    .summary = "pipeline parallel: layers on consecutive workers, micro-batches, all forward then "
               "all backward",
    .source = "Huang et al., GPipe, arXiv 1811.06965, 2018",
    .order = TY_FIXED,
    .uses = TY_USES_MICRO_BATCHES,
    .plan = plan,
    .step = step,
    .cost = cost,
};
