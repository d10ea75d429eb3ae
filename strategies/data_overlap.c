/* SPDX-License-Identifier: MIT
 *
 * data-overlap - data parallelism that hides its communication: gradients fill buckets from the last layer to the first, and
 * a full bucket is all-reduced on a stream while backward goes on.
 *
 *   compute   | forward | backward 4 | backward 3 | backward 2 | backward 1 |          | update |
 *   network                          | all-reduce 4,3 ........ | all-reduce 2,1 .......|
 *
 *   time    load + forward + loss, then the last of: backward; each bucket's all-reduce, begun when the bucket is full and
 *           the one before is done. Network-bound with k equal buckets and a ring:
 *           T = Tb/k + k a' + 2 (N-1)/N bytes/beta,  a' = 2 (N-1) alpha,  least at k* = sqrt(Tb/a')
 *   sends   what data-allreduce sends, in one all-reduce a bucket
 *   source  Li et al., PyTorch Distributed, VLDB 13(12), 2020 (buckets of 25 MiB)
 */
#include "fabric/stream.h"
#include "strategies/worker.h"

#include <math.h>

/* A bucket is a run of blocks: it begins at block `first` when the gradients from there to `end` fill it. */
static int is_full(const ty_plan *p, int first, size_t begin, size_t end)
{
    return first == 0 || (end - begin) * sizeof(float) >= p->tuning.bucket_bytes;
}

/* Buckets are reduced beside the backward of the last micro-batch. */
static double backward_s(const ty_plan *p, int i)
{
    const size_t rows = ty_chunk_size(p->batch, p->dp, 0),
                 last = ty_chunk_size(rows, ty_plan_parts(p, rows), -1);
    return ty_blocks_backward_s(p, &p->problem->blocks[i], 1, last, i == 0);
}

/* Bytes of a bucket when k* of them cover the gradients. */
static size_t best_bucket(const ty_plan *p)
{
    double backward = 0, bytes = (double)p->problem->params * sizeof(float);
    double start = 2.0 * (p->dp - 1) * p->costing.net.alpha;
    for (int i = 0; i < p->problem->blocks_n; i++)
        backward += backward_s(p, i);
    double k = start > 0 ? fmax(1, round(sqrt(backward / start))) : 1;
    return (size_t)ceil(bytes / k);
}

/* Elements. */
static size_t largest_bucket(const ty_plan *p)
{
    const ty_problem *q = p->problem;
    size_t end = q->params, begin = end, most = 0;
    for (int i = q->blocks_n - 1; i >= 0; i--) {
        begin -= q->blocks[i].ops->params(&q->blocks[i]);
        if (is_full(p, i, begin, end)) {
            most = end - begin > most ? end - begin : most;
            end = begin;
        }
    }
    return most;
}

static ty_err plan(ty_plan *p)
{
    TY_TRY(ty_data_allreduce.plan(p));
    if (!p->tuning.bucket_bytes)
        p->tuning.bucket_bytes = best_bucket(p);
    return ty_plan_allreduce(p, p->dp, largest_bucket(p));
}

static void step(ty_worker *w, long s)
{
    ty_model *m = &w->model;
    ty_stream network;
    const size_t batch = ty_loader_count(&w->loader, s);
    const size_t rows = ty_chunk_size(batch, w->data.n, w->data.me);
    size_t end = m->grads.n, begin = end;

    ty_stream_init(&network, w->rank, 1);
    ty_tensor dy =
        ty_worker_forward(w, s, ty_chunk_first(batch, w->data.n, w->data.me), rows, batch);
    for (int i = m->n - 1; i >= 0; i--) {
        dy = ty_block_backward(m, 0, i, dy);
        begin -= m->block[i].ops->params(&m->block[i]); /* a tied block has none of its own */
        if (end > begin && is_full(w->plan, i, begin, end)) {
            ty_stream_push(&network, w->plan->allreduce->run, &w->data,
                           ty_slice(m->grads, begin, end - begin));
            end = begin;
        }
    }
    ty_stream_sync(&network);
    ty_worker_update(w, s);
}

static void add_bucket(ty_cost *k, const ty_cost *bucket)
{
    k->compute_s += bucket->compute_s;
    k->messages += bucket->messages;
    k->bytes += bucket->bytes;
    k->peak_bytes = fmax(k->peak_bytes, bucket->peak_bytes);
}

/* `now` runs through backward, `done` is when the network has finished the buckets so far. */
static double finish(const ty_plan *p, int rank, double now, ty_cost *k)
{
    const ty_problem *q = p->problem;
    double done = now;
    size_t end = q->params, begin = end;
    for (int i = q->blocks_n - 1; i >= 0; i--) {
        now += backward_s(p, i);
        begin -= q->blocks[i].ops->params(&q->blocks[i]);
        if (end > begin && is_full(p, i, begin, end)) {
            ty_cost bucket = p->allreduce->cost(&p->costing, p->dp, rank, end - begin);
            add_bucket(k, &bucket);
            done = fmax(done, now) + bucket.seconds;
            end = begin;
        }
    }
    return fmax(now, done);
}

static ty_cost cost(const ty_plan *p, int rank)
{
    const ty_problem *q = p->problem;
    const size_t rows = ty_plan_rows(p, rank), most = ty_chunk_size(p->batch, p->dp, 0);
    ty_cost k = {0};
    double begin = ty_plan_gradients_s(p, most),
           update = ty_plan_update_s(p, q->blocks, q->blocks_n);
    for (int i = 0; i < q->blocks_n; i++)
        begin -= backward_s(p, i);
    k.seconds = finish(p, rank, begin, &k) + update;
    k.compute_s += ty_plan_gradients_s(p, rows) + update;
    k.peak_bytes += ty_plan_bytes(p, q->blocks, q->blocks_n, rows, 1, 1, 1);
    return k;
}

const ty_strategy ty_data_overlap = {
    .name = "data-overlap",
    .summary = "data parallel: buckets of gradients are reduced while backward goes on",
    .source = "Li et al., PyTorch Distributed, VLDB 13(12), 2020",
    .order = TY_FIXED,
    .alike = 1,
    .lanes = 1,
    .uses = TY_USES_MICRO_BATCHES | TY_USES_COLLECTIVE | TY_USES_BUCKETS,
    .plan = plan,
    .step = step,
    .cost = cost,
};
