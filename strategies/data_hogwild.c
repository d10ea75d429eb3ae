/* SPDX-License-Identifier: MIT
 *
 * data-hogwild - lock-free asynchronous data parallelism: one set of parameters in memory that all workers read and change
 * whenever they like, without a lock and without a barrier. A worker copies the parameters, computes the gradient of its
 * shard, lets its own optimizer change the copy, and adds that change to the parameters. Of two changes of one number at
 * one moment one may be lost: that is the algorithm, which lives on changes being sparse, or small.
 *   time    read + load(B/N) + forward(B/N) + backward(B/N) + copy + update + add; cores that fight for a cache line are
 *           not in it
 *   sends   nothing
 *   memory  the parameters once more on rank 0, which owns them; a copy of them in each worker while it adds
 *   source  Recht et al., Hogwild!: a lock-free approach to parallelizing stochastic gradient descent, NIPS 2011
 *
 * Each number is loaded and stored by relaxed atomics (kernels/shared.h). A gradient is scaled by 1/B, as in data-async:
 * N changes do what one step of a synchronous strategy does, and one worker alone is serial, bit for bit.
 */
#include "kernels/kernels.h"
#include "kernels/shared.h"
#include "strategies/worker.h"

static ty_err plan(ty_plan *p)
{
    if ((size_t)p->workers > p->batch)
        return ty_error(TY_EUSAGE,
                        "data-hogwild: %d workers cannot share a batch of %zu; use --workers %zu "
                        "or fewer, or a larger --batch",
                        p->workers, p->batch, p->batch);
    p->shared = 1;
    return ty_plan_axis(p, "dp");
}

static void step(ty_worker *w, long s)
{
    const size_t batch = ty_loader_count(&w->loader, s);
    const ty_tensor own = w->model.params;

    ty_worker_take_shared(w);
    ty_worker_gradients(w, s, ty_chunk_first(batch, w->data.n, w->data.me),
                        ty_chunk_size(batch, w->data.n, w->data.me), batch);
    ty_tensor before = ty_scratch_like(w->rank, own);
    ty_copy(w->rank, before, own);
    ty_worker_update(w, s);
    if (ty_op(w->rank, ty_work_shared_add(own.n), own))
        ty_kernel_shared_add(w->shared.data, own.data, before.data, own.n);
    ty_drop(w->rank, before);
}

static ty_cost cost(const ty_plan *p, int rank)
{
    const ty_problem *q = p->problem;
    const size_t n = q->params, rows = ty_plan_rows(p, rank);
    const ty_work moves[] = {ty_work_shared_read(n), ty_work_copy(n), ty_work_shared_add(n)};
    ty_cost k = {.seconds =
                     ty_plan_gradients_s(p, rows) + ty_plan_update_s(p, q->blocks, q->blocks_n)};
    for (int i = 0; i < 3; i++)
        k.seconds += ty_costing_work(&p->costing, moves[i]);
    k.compute_s = k.seconds;
    k.peak_bytes = ty_plan_bytes(p, q->blocks, q->blocks_n, rows, 1, 1, 1) +
                   (rank == 0 ? 2.0 : 1.0) * (double)n * sizeof(float);
    return k;
}

const ty_strategy ty_data_hogwild = {
    .name = "data-hogwild",
    .summary = "asynchronous data parallel in shared memory: no lock, no message, no barrier",
    .source = "Recht et al., Hogwild!, NIPS 2011",
    .order = TY_ARRIVAL,
    .alike = 1,
    .inexact = 1,
    .shares_memory = 1,
    .uses = TY_USES_MICRO_BATCHES,
    .plan = plan,
    .step = step,
    .cost = cost,
};
