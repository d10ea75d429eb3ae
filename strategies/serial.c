/* SPDX-License-Identifier: MIT
 *
 * serial - one worker does everything; its kernels may use every core. The reference for all other strategies.
 *   time    load(B) + forward(B) + backward(B) + update
 *   sends   nothing
 */
#include "strategies/worker.h"

static ty_err plan(ty_plan *p)
{
    if (p->workers != 1)
        return ty_error(TY_EUSAGE,
                        "serial has one worker; use --workers 1, or --threads for more cores");
    return ty_plan_axis(p, "dp");
}

static void step(ty_worker *w, long s)
{
    size_t batch = ty_loader_count(&w->loader, s);
    ty_worker_gradients(w, s, 0, batch, batch);
    ty_worker_update(w, s);
}

static ty_cost cost(const ty_plan *p, int rank)
{
    return ty_data_allreduce.cost(p, rank); /* with one worker that is what remains of it */
}

const ty_strategy ty_serial = {
    .name = "serial",
    .summary = "one worker; OpenMP inside it",
    .source = "the reference",
    .order = TY_FIXED,
    .alike = 1,
    .uses = TY_USES_MICRO_BATCHES,
    .plan = plan,
    .step = step,
    .cost = cost,
};
