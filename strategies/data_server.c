/* SPDX-License-Identifier: MIT
 *
 * data-server - data parallelism by parameter servers: each of S servers keeps the optimizer state of one chunk of the
 * parameters, adds what the workers push, updates the chunk and lets everybody pull it. The servers sit beside the last S
 * workers, which have the smallest shards, and are one program with them: all work in step.
 *   time    load(B/N) + forward(B/N) + backward(B/N) + 2 (alpha + (N-1) bytes(x)/(S beta)) + (N-1) add(n/S) + update(n/S)
 *   sends   S-1 or S chunks by each worker; N-1 times its chunk by each server. With S = 1 the server's port carries
 *           N-1 times what a ring's does: incast
 *   memory  optimizer state on the servers alone
 *   source  Li et al., Scaling distributed machine learning with the parameter server, OSDI 2014
 *
 *   N = 3, S = 2:   push   0 -> 1: a, 0 -> 2: b    1 -> 2: b    2 -> 1: a       worker 1 serves chunk a, worker 2 chunk b
 *                   pull   1 -> 0, 2: a    2 -> 0, 1: b
 */
#include "kernels/kernels.h"
#include "strategies/worker.h"

static ty_err plan(ty_plan *p)
{
    p->tuning.servers = p->tuning.servers ? p->tuning.servers : 1;
    int most = p->workers < TY_MAX_SERVERS ? p->workers : TY_MAX_SERVERS;
    if (p->tuning.servers > most)
        return ty_error(TY_EUSAGE,
                        "data-server: --servers %d: each sits beside a worker; use 1 to %d",
                        p->tuning.servers, most);
    p->optimizer_shards = p->tuning.servers;
    TY_TRY(ty_data_allreduce.plan(p));
    p->allreduce = NULL;
    return ty_ok();
}

/* The worker beside server i; and which server is beside a worker, -1: none. */
static int server(const ty_plan *p, int i)
{
    return p->dp - p->tuning.servers + i;
}

static int served_by(const ty_plan *p, int worker)
{
    return worker >= server(p, 0) ? worker - server(p, 0) : -1;
}

/* Start sending each server its chunk; sending[S]. */
static void push(ty_worker *w, ty_req **sending)
{
    const ty_plan *p = w->plan;
    for (int i = 0; i < p->tuning.servers; i++)
        sending[i] = server(p, i) == w->data.me
                         ? NULL
                         : ty_team_isend(&w->data, server(p, i),
                                         ty_chunk(w->model.grads, p->tuning.servers, i));
}

/* Add the others' chunks in the order of their numbers, update, and tell everybody. */
static void serve(ty_worker *w, int chunk, long step)
{
    const int S = w->plan->tuning.servers;
    ty_tensor params = ty_chunk(w->model.params, S, chunk),
              grads = ty_chunk(w->model.grads, S, chunk);
    ty_tensor in = ty_scratch_like(w->rank, grads);
    for (int i = 0; i < w->data.n; i++) {
        if (i == w->data.me)
            continue;
        ty_team_recv(&w->data, i, in);
        ty_add(w->rank, grads, in);
    }
    ty_drop(w->rank, in);
    ty_optimizer_step(&w->optimizer, w->rank, params, grads, step);
    ty_team_send_all(&w->data, params);
}

static void pull(ty_worker *w)
{
    const ty_plan *p = w->plan;
    for (int i = 0; i < p->tuning.servers; i++)
        if (server(p, i) != w->data.me)
            ty_team_recv(&w->data, server(p, i), ty_chunk(w->model.params, p->tuning.servers, i));
}

static void step(ty_worker *w, long s)
{
    const int N = w->data.n, me = w->data.me, chunk = served_by(w->plan, me);
    const size_t batch = ty_loader_count(&w->loader, s);
    ty_req *sending[TY_MAX_SERVERS];

    ty_worker_gradients(w, s, ty_chunk_first(batch, N, me), ty_chunk_size(batch, N, me), batch);
    push(w, sending);
    if (chunk >= 0)
        serve(w, chunk, s);
    pull(w);
    for (int i = 0; i < w->plan->tuning.servers; i++)
        if (sending[i])
            ty_team_wait(&w->data, sending[i]);
}

/* Chunks that leave the port of the busiest pusher. */
static int pushed(const ty_plan *p)
{
    return p->tuning.servers < p->dp ? p->tuning.servers : p->tuning.servers - 1;
}

/* When the last server has everything: the first `large` workers have a sample more and push later; its port carries what
 * came before without a pause, or stands idle until they push. */
static double pushed_s(const ty_plan *p, size_t chunk)
{
    const int N = p->dp, rest = (int)(p->batch % (size_t)N), large = rest ? rest : N - 1;
    const double early = ty_plan_gradients_s(p, ty_chunk_size(p->batch, N, N - 1)),
                 late = ty_plan_gradients_s(p, ty_chunk_size(p->batch, N, 0));
    const int after = large > pushed(p) ? large : pushed(p);
    double busy = early + ty_costing_message(&p->costing, (size_t)(N - 1) * chunk),
           idle = late + ty_costing_message(&p->costing, (size_t)after * chunk);
    return N == 1 ? late : busy > idle ? busy : idle;
}

static double pulled_s(const ty_plan *p, size_t chunk)
{
    return p->dp > 1 ? ty_costing_message(&p->costing, (size_t)(p->dp - 1) * chunk) : 0;
}

static ty_cost cost(const ty_plan *p, int rank)
{
    const int N = p->dp, S = p->tuning.servers, serves = served_by(p, rank) >= 0;
    const size_t n = p->problem->params, rows = ty_plan_rows(p, rank),
                 chunk = ty_chunk_size(n, S, 0),
                 mine = serves ? ty_chunk_size(n, S, served_by(p, rank)) : 0;
    const double add = ty_costing_work(&p->costing, ty_work_add(chunk));
    const double update = ty_costing_work(&p->costing, ty_optimizer_work(p->optimizer.kind, chunk));
    const ty_optimizer_kind kind = p->optimizer.kind;
    ty_cost k = {.messages = S - serves + (serves ? N - 1 : 0)};
    k.seconds = pushed_s(p, chunk) + (N - 1) * add + update + pulled_s(p, chunk);
    k.compute_s = ty_plan_gradients_s(p, rows) + (serves ? (N - 1) * add + update : 0);
    k.bytes = ((double)(n - mine) + (double)(N - 1) * (double)mine) * sizeof(float);
    k.peak_bytes = ty_plan_bytes(p, p->problem->blocks, p->problem->blocks_n, rows, 1, 1, 1) -
                   ty_optimizer_bytes(kind, n) + ty_optimizer_bytes(kind, mine) +
                   (double)mine * sizeof(float);
    return k;
}

const ty_strategy ty_data_server = {
    .name = "data-server",
    .summary = "data parallel: push gradients to parameter servers, pull parameters",
    .source = "Li et al., parameter server, OSDI 2014",
    .order = TY_FIXED,
    .uses = TY_USES_MICRO_BATCHES | TY_USES_SERVERS,
    .plan = plan,
    .step = step,
    .cost = cost,
};
