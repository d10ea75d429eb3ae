/* SPDX-License-Identifier: MIT
 *
 * data-compressed - data parallelism that sends less: each worker adds its gradient to what it still owes, sends a compressed
 * part of that to everybody, and keeps the rest for the next step. Everybody adds up the same parts in the same order.
 *   time    load(B/N) + forward(B/N) + backward(B/N) + compress(n) + all-gather(N packed) + N decompress-and-add + update
 *   sends   an all-gather of packed gradients: (N-1) * packed bytes, of about 8 n ratio (top-k), n (8 bit), n/8 (1 bit)
 *   memory  the debt [n], and N packed gradients
 *   source  Lin et al., Deep gradient compression, ICLR 2018; Seide et al., 1-bit SGD, Interspeech 2014; Karimireddy et al.,
 *           Error feedback, ICML 2019
 */
#include "kernels/compress.h"
#include "kernels/kernels.h"
#include "strategies/worker.h"

static size_t kept(const ty_plan *p)
{
    double k = p->tuning.compression_ratio * (double)p->problem->params;
    return k < 1 ? 1 : (size_t)k;
}

static size_t packed(const ty_plan *p)
{
    return ty_packed(p->tuning.compression, p->problem->params, kept(p));
}

static ty_err plan(ty_plan *p)
{
    p->tuning.compression_ratio =
        p->tuning.compression_ratio > 0 ? p->tuning.compression_ratio : 0.01;
    p->debts = 1;
    TY_TRY(ty_data_allreduce.plan(p));
    p->allreduce = NULL;
    return ty_collective_find(TY_ALLGATHER, p->collective_name, &p->costing, p->dp,
                              packed(p) * (size_t)p->dp, &p->allgather);
}

static void step(ty_worker *w, long s)
{
    const ty_plan *p = w->plan;
    const int N = w->data.n, me = w->data.me;
    const size_t batch = ty_loader_count(&w->loader, s), n = w->model.params.n;
    ty_tensor grads = w->model.grads, all = ty_scratch(w->rank, packed(p) * (size_t)N);
    ty_tensor mine = ty_chunk(all, N, me);

    ty_worker_gradients(w, s, ty_chunk_first(batch, N, me), ty_chunk_size(batch, N, me), batch);
    if (ty_op(w->rank, ty_work_compress(p->tuning.compression, n, kept(p)), mine))
        ty_kernel_compress(p->tuning.compression, mine.data, w->debt.data, grads.data, n, kept(p));
    p->allgather->run(&w->data, all);
    ty_worker_pace(w, s + 1);
    ty_fill(w->rank, grads, 0);
    for (int i = 0; i < N; i++)
        if (ty_op(w->rank, ty_work_decompress_add(p->tuning.compression, n, kept(p)), grads))
            ty_kernel_decompress_add(p->tuning.compression, grads.data, ty_chunk(all, N, i).data, n,
                                     kept(p));
    ty_drop(w->rank, all);
    ty_worker_update(w, s);
}

/* Compress, add up and update. */
static double after_s(const ty_plan *p)
{
    const ty_problem *q = p->problem;
    return ty_costing_work(&p->costing,
                           ty_work_compress(p->tuning.compression, q->params, kept(p))) +
           ty_costing_work(&p->costing, ty_work_fill(q->params)) +
           p->dp * ty_costing_work(&p->costing, ty_work_decompress_add(p->tuning.compression,
                                                                       q->params, kept(p))) +
           ty_plan_update_s(p, q->blocks, q->blocks_n);
}

static ty_cost cost(const ty_plan *p, int rank)
{
    const ty_problem *q = p->problem;
    const size_t rows = ty_plan_rows(p, rank), all = packed(p) * (size_t)p->dp;
    ty_cost k = p->allgather->cost(&p->costing, p->dp, rank, all);
    k.seconds += ty_plan_gradients_s(p, ty_chunk_size(p->batch, p->dp, 0)) + after_s(p);
    k.compute_s += ty_plan_gradients_s(p, rows) + after_s(p);
    k.peak_bytes += ty_plan_bytes(p, q->blocks, q->blocks_n, rows, 1, 1, 1) +
                    (double)(q->params + all) * sizeof(float);
    return k;
}

const ty_strategy ty_data_compressed = {
    .name = "data-compressed",
    .summary =
        "data parallel: gradients sent as their largest, in 8 bits or in 1 bit; the rest is owed",
    .source = "Lin et al., ICLR 2018; Seide et al., Interspeech 2014",
    .order = TY_FIXED,
    .alike = 1,
    .inexact = 1,
    .uses = TY_USES_MICRO_BATCHES | TY_USES_COLLECTIVE | TY_USES_COMPRESSION,
    .plan = plan,
    .step = step,
    .cost = cost,
};
