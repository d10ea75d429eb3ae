/* SPDX-License-Identifier: MIT */
#include "strategies/asynchronous.h"

#include <math.h>

ty_err ty_asynchronous_plan(ty_plan *p)
{
    if (p->workers < 2)
        return ty_error(
            TY_EUSAGE,
            "%s: rank 0 serves the parameters and the others train; use --workers 2 or more",
            p->strategy->name);
    if ((size_t)p->workers - 1 > p->batch)
        return ty_error(TY_EUSAGE,
                        "%s: %d training workers cannot share a batch of %zu; use --workers %zu or "
                        "fewer, or a larger --batch",
                        p->strategy->name, p->workers - 1, p->batch, p->batch + 1);
    TY_TRY(ty_plan_axis(p, "dp"));
    p->dp = p->workers - 1;
    p->served = 1;
    p->place[0] = (ty_place){.role = TY_SERVE};
    for (int i = 1; i < p->workers; i++)
        p->place[i] = (ty_place){.role = TY_TRAIN, .d = i - 1};
    return ty_ok();
}

/* ---- the server ------------------------------------------------------------------------------ */

/* Steps that worker i, which has ended clock[i], is ahead of the slowest. */
static long ahead(const ty_worker *w, int i)
{
    long slowest = w->clock[1];
    for (int j = 2; j < w->mail.n; j++)
        slowest = w->clock[j] < slowest ? w->clock[j] : slowest;
    return w->clock[i] - slowest;
}

/* Answer all who wait and may go on, with the parameters as they are now. */
static void answer(ty_worker *w)
{
    for (int i = 1; i < w->mail.n; i++)
        if (w->waits[i] && ahead(w, i) <= w->plan->tuning.staleness) {
            w->waits[i] = 0;
            w->stale.most_ahead =
                ahead(w, i) > w->stale.most_ahead ? ahead(w, i) : w->stale.most_ahead;
            w->pulled[i] = w->version;
            ty_team_send(&w->mail, i, w->model.params);
        }
}

static void record_staleness(ty_worker *w, int from)
{
    long stale = w->version - w->pulled[from];
    w->stale.sum += (double)stale;
    w->stale.most = stale > w->stale.most ? stale : w->stale.most;
    w->stale.pushes++;
}

/* As many pushes as there are workers, from whoever comes. */
static void serve(ty_worker *w, long step)
{
    ty_tensor gradient = ty_scratch_like(w->rank, w->model.params);
    for (int turn = 1; turn < w->mail.n; turn++) {
        int from = ty_team_recv_any(&w->mail, gradient);
        record_staleness(w, from);
        ty_optimizer_step(&w->optimizer, w->rank, w->model.params, gradient, step);
        w->version++;
        w->clock[from]++;
        w->waits[from] = 1;
        answer(w);
    }
    ty_drop(w->rank, gradient);
}

/* ---- a worker -------------------------------------------------------------------------------- */

void ty_asynchronous_step(ty_worker *w, long step)
{
    if (w->place.role == TY_SERVE) {
        serve(w, step);
        return;
    }
    const int N = w->plan->dp, me = w->place.d;
    const size_t batch = ty_loader_count(&w->loader, step);
    ty_worker_gradients(w, step, ty_chunk_first(batch, N, me), ty_chunk_size(batch, N, me), batch);
    ty_team_send(&w->mail, 0, w->model.grads);
    ty_team_recv(&w->mail, 0, w->model.params);
}

/* ---- the closed form ------------------------------------------------------------------------- */

ty_cost ty_asynchronous_cost(const ty_plan *p, int rank)
{
    const ty_problem *q = p->problem;
    const size_t n = q->params, rows = ty_plan_rows(p, rank);
    const double update = ty_plan_update_s(p, q->blocks, q->blocks_n),
                 bytes = (double)n * sizeof(float), message = ty_costing_message(&p->costing, n);
    const double cycle = ty_plan_gradients_s(p, rows) + 2 * message + update,
                 turns = p->dp * (update + message);
    ty_cost k = {.seconds = fmax(cycle, turns), .messages = 1, .bytes = bytes};
    if (p->place[rank].role == TY_SERVE) {
        k.messages = p->dp;
        k.bytes = p->dp * bytes;
        k.compute_s = p->dp * update;
        k.peak_bytes =
            ty_worker_evaluator_bytes(p) + ty_optimizer_bytes(p->optimizer.kind, n) + bytes;
    } else {
        k.compute_s = ty_plan_gradients_s(p, rows);
        k.peak_bytes = ty_plan_bytes(p, q->blocks, q->blocks_n, rows, 1, 1, 1) -
                       ty_optimizer_bytes(p->optimizer.kind, n);
    }
    return k;
}
