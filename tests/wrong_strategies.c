/* SPDX-License-Identifier: MIT
 *
 * Each is data-allreduce with one mistake, the smallest that makes it wrong.
 */
#include "tests/wrong_strategies.h"

#include "kernels/kernels.h"
#include "strategies/worker.h"

#include <string.h>
#include <time.h>

/* ---- what they share with the right one --------------------------------------------------------------- */

static ty_err plan(ty_plan *p)
{
    return ty_data_allreduce.plan(p);
}

static ty_cost cost(const ty_plan *p, int rank)
{
    return ty_data_allreduce.cost(p, rank);
}

typedef struct shard {
    size_t batch, first, rows;
} shard;

static shard my_shard(const ty_worker *w, long s)
{
    size_t batch = ty_loader_count(&w->loader, s);
    int n = w->data.n, me = w->data.me;
    return (shard){batch, ty_chunk_first(batch, n, me), ty_chunk_size(batch, n, me)};
}

static void finish(ty_worker *w, long s)
{
    w->plan->allreduce->run(&w->data, w->model.grads);
    ty_worker_update(w, s);
}

/* ---- wrong numbers: law 1 ---------------------------------------------------------------------------- */

static void forget_to_average(ty_worker *w, long s) /* the sum of the shards' means */
{
    shard k = my_shard(w, s);
    ty_worker_gradients(w, s, k.first, k.rows, k.rows ? k.rows : 1);
    finish(w, s);
}

static void
forget_to_reduce(ty_worker *w,
                 long s) /* replicas that drift apart; the messages are sent all the same */
{
    shard k = my_shard(w, s);
    ty_worker_gradients(w, s, k.first, k.rows, k.batch);
    ty_tensor mine = ty_tensor_new(w->rank, TY_GRAD, 1, w->model.grads.n);
    if (mine.data)
        ty_kernel_copy(mine.data, w->model.grads.data, mine.n);
    w->plan->allreduce->run(&w->data, w->model.grads);
    if (mine.data)
        ty_kernel_copy(w->model.grads.data, mine.data, mine.n);
    ty_drop(w->rank, mine);
    ty_worker_update(w, s);
}

static void cover_half(ty_worker *w, long s) /* the second half of every shard is never looked at */
{
    shard k = my_shard(w, s);
    ty_worker_gradients(w, s, k.first, k.rows / 2, k.batch);
    finish(w, s);
}

static void weigh_equally(ty_worker *w,
                          long s) /* the mean of means, whatever the size of the shards */
{
    shard k = my_shard(w, s);
    ty_worker_gradients(w, s, k.first, k.rows, (k.rows ? k.rows : 1) * (size_t)w->data.n);
    finish(w, s);
}

static void shuffle_by_rank(ty_worker *w, long s) /* every rank has an epoch of its own */
{
    w->loader.seed = w->plan->seed + (uint64_t)w->rank->id;
    shard k = my_shard(w, s);
    ty_worker_gradients(w, s, k.first, k.rows, k.batch);
    finish(w, s);
}

static void
replica_lags(ty_worker *w,
             long s) /* one replica misses its last update; nobody hears of it any more */
{
    shard k = my_shard(w, s);
    ty_worker_gradients(w, s, k.first, k.rows, k.batch);
    w->plan->allreduce->run(&w->data, w->model.grads);
    if (s == w->plan->steps - 1 && w->data.me == 1)
        ty_fill(w->rank, w->model.grads, 0);
    ty_worker_update(w, s);
}

static void keep_only_the_last(ty_worker *w,
                               long s) /* gradients of two halves that do not add up */
{
    shard k = my_shard(w, s);
    ty_worker_gradients(w, s, k.first, k.rows / 2, k.batch);
    ty_worker_gradients(w, s, k.first + k.rows / 2, k.rows - k.rows / 2, k.batch);
    finish(w, s);
}

static void sum_nothing(const ty_team *t, ty_tensor x)
{
    (void)t, (void)x;
}

/* Shards of each worker's own gradients: sharded parameters that nobody has summed anything for. */
static ty_err plan_without_sums(ty_plan *p)
{
    static ty_collective lazy;
    TY_TRY(ty_data_zero3.plan(p));
    lazy = *p->reduce_scatter;
    lazy.run = sum_nothing;
    p->reduce_scatter = &lazy;
    return ty_ok();
}

static void forget_to_scatter(ty_worker *w, long s)
{
    ty_data_zero3.step(w, s);
}

static ty_cost sharded_cost(const ty_plan *p, int rank)
{
    return ty_data_zero3.cost(p, rank);
}

/* ---- numbers that depend on who is first: law 2 ------------------------------------------------------- */

static void sum_as_they_come(const ty_team *t, ty_tensor x)
{
    ty_team inbox = *t;
    inbox.inbox = 1;
    ty_tensor in = ty_scratch_like(t->rank, x);
    const int threads =
        t->rank->ops == &ty_fabric_threads; /* so that the order is another for certain */
    ty_charge(t->rank, 1e-3 * t->me);
    if (strcmp(t->rank->ops->name, "sim"))
        nanosleep(&(struct timespec){0, 4000000L * (threads ? t->n - t->me : t->me)}, NULL);
    for (int i = 1; t->me == 0 && i < t->n; i++) {
        ty_team_recv_any(&inbox, in);
        ty_add(t->rank, x, in);
    }
    if (t->me > 0)
        ty_team_send(&inbox, 0, x);
    ty_drop(t->rank, in);
    ty_broadcast_binomial.run(t, x);
}

static void reduce_in_arrival_order(ty_worker *w, long s)
{
    shard k = my_shard(w, s);
    ty_worker_gradients(w, s, k.first, k.rows, k.batch);
    sum_as_they_come(&w->data, w->model.grads);
    ty_worker_update(w, s);
}

/* What it really costs, so that only the order is wrong. */
static ty_cost arrival_cost(const ty_plan *p, int rank)
{
    ty_cost all = ty_data_allreduce.cost(p, rank),
            reduce = p->allreduce->cost(&p->costing, p->dp, rank, p->problem->params);
    ty_cost down = ty_broadcast_binomial.cost(&p->costing, p->dp, rank, p->problem->params);
    double bytes = (double)p->problem->params * sizeof(float);
    all.messages = down.messages + (rank > 0);
    all.bytes = down.bytes + (rank > 0) * bytes;
    all.peak_bytes += bytes - reduce.peak_bytes;
    return all;
}

/* ---- a ghost that behaves differently: law 3 ---------------------------------------------------------- */

static void look_at_values(ty_worker *w,
                           long s) /* tells the others as soon as the loss is below a target */
{
    shard k = my_shard(w, s);
    ty_worker_gradients(w, s, k.first, k.rows, k.batch);
    finish(w, s);
    if (w->model.grads.data && w->model.params.data[0] != 0)
        ty_barrier_dissemination.run(&w->data, (ty_tensor){0});
}

/* ---- what is not as the closed form says: law 4 -------------------------------------------------------- */

static void send_a_chunk_twice(ty_worker *w, long s)
{
    const int n = w->data.n, me = w->data.me;
    shard k = my_shard(w, s);
    ty_worker_gradients(w, s, k.first, k.rows, k.batch);
    w->plan->allreduce->run(&w->data, w->model.grads);
    if (n > 1) /* it is there already */
        ty_sendrecv(&w->data, (me + 1) % n, ty_chunk(w->model.grads, n, me), (me + n - 1) % n,
                    ty_chunk(w->model.grads, n, me - 1));
    ty_worker_update(w, s);
}

static ty_cost forget_a_message(const ty_plan *p, int rank)
{
    ty_cost k = cost(p, rank);
    k.messages -= k.messages > 0;
    return k;
}

static void hoard(ty_worker *w,
                  long s) /* a copy of the gradients that the closed form knows nothing of */
{
    ty_tensor copy = ty_scratch_like(w->rank, w->model.grads);
    ty_data_allreduce.step(w, s);
    ty_drop(w->rank, copy);
}

/* ---- time that is not as the closed form says: law 5 --------------------------------------------------- */

static void charge_nothing(ty_worker *w, long s)
{
    const ty_job *job = w->rank->job;
    ty_job free_of_charge = *job;
    free_of_charge.machine = NULL;
    w->rank->job = &free_of_charge;
    ty_data_allreduce.step(w, s);
    w->rank->job = job;
}

static ty_cost forget_the_latency(const ty_plan *p, int rank)
{
    ty_plan q = *p;
    q.costing.net.alpha = 0;
    return cost(&q, rank);
}

/* ---- what no second run repeats: law 6 ----------------------------------------------------------------- */

static void look_at_the_clock(ty_worker *w, long s)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    ty_charge(w->rank, 1e-12 * (double)(t.tv_nsec % 1000)); /* less than law 5 sees */
    ty_data_allreduce.step(w, s);
}

static void depend_on_threads(ty_worker *w,
                              long s) /* as a sum that is cut in one piece a thread would */
{
    ty_data_allreduce.step(w, s);
    if (w->model.params.data)
        w->model.params.data[7] *= 1 + 0x1p-22F * (float)(w->rank->job->threads - 1);
}

/* ---- what does not end, or not well: law 7 -------------------------------------------------------------- */

static void wait_for_each_other(ty_worker *w, long s)
{
    const int n = w->data.n, me = w->data.me;
    ty_data_allreduce.step(w, s);
    if (s == 1) { /* everybody first receives */
        ty_team_recv(&w->data, (me + 1) % n, ty_slice(w->model.grads, 0, 1));
        ty_team_send(&w->data, (me + n - 1) % n, ty_slice(w->model.grads, 0, 1));
    }
}

static void wait_beside(const ty_team *t, ty_tensor x)
{
    ty_team_recv(t, (t->me + 1) % t->n, ty_slice(x, 0, 1));
}

static void wait_in_a_lane(ty_worker *w, long s)
{
    ty_stream beside;
    ty_data_allreduce.step(w, s);
    ty_stream_init(&beside, w->rank, 1);
    ty_stream_push(&beside, wait_beside, &w->data, w->model.grads);
    ty_stream_sync(&beside);
}

static void crash(ty_worker *w, long s)
{
    ty_data_allreduce.step(w, s);
    TY_CHECK(s < 1 || w->rank->id != 1, "on purpose");
}

static void train_nothing(ty_worker *w, long s) /* ends at once, with a result that is empty */
{
    (void)w, (void)s;
}

/* ---- the list ------------------------------------------------------------------------------------------ */

#define WRONG(title, step_, cost_, summary_)                                                       \
    (&(const ty_strategy){.name = title,                                                           \
                          .summary = summary_,                                                     \
                          .source = "a mistake",                                                   \
                          .order = TY_FIXED,                                                       \
                          .plan = plan,                                                            \
                          .step = step_,                                                           \
                          .cost = cost_})

static void right(ty_worker *w, long s)
{
    ty_data_allreduce.step(w, s);
}

const wrong wrongs[] = {
    {WRONG("forget-to-average", forget_to_average, cost, "sums the means of the shards"), "1", "1",
     "1"},
    {WRONG("cover-half", cover_half, cost, "looks at half of the data"), "1", "1, 5", "1"},
    {WRONG("weigh-equally", weigh_equally, cost, "gives uneven shards the same weight"), "1", "1",
     "1"},
    {WRONG("shuffle-by-rank", shuffle_by_rank, cost, "has another order of samples on each rank"),
     "1", "1", "1"},
    {WRONG("forget-to-reduce", forget_to_reduce, cost, "uses its own shard's gradient"), "1, 4",
     "1, 4", "1, 4"},
    {WRONG("replica-lags", replica_lags, cost, "one replica misses an update"), "1", "1", ""},
    {WRONG("keep-last", keep_only_the_last, cost, "accumulates the last micro-batch alone"), "1",
     "1, 5", "1"},
    {&(const ty_strategy){.name = "forget-to-scatter",
                          .summary = "shards without the sums of the others",
                          .source = "a mistake",
                          .order = TY_FIXED,
                          .plan = plan_without_sums,
                          .step = forget_to_scatter,
                          .cost = sharded_cost},
     "1, 4", "1, 4, 5", "1, 4"},
    {WRONG("arrival-order", reduce_in_arrival_order, arrival_cost, "adds in the order of arrival"),
     NULL, "2, 5", "2"},
    {WRONG("look-at-values", look_at_values, cost, "sends a message when a value says so"), "3",
     "3", "3"},
    {WRONG("chunk-twice", send_a_chunk_twice, cost, "sends one chunk twice"), "4", "4, 5", "4"},
    {WRONG("forgotten-message", right, forget_a_message, "a closed form that lacks a message"), "4",
     "4", "4"},
    {WRONG("hoard", hoard, cost, "holds memory that the closed form lacks"), "4", "4", "4"},
    {WRONG("charge-nothing", charge_nothing, cost, "computes in no time"), "", "5", ""},
    {WRONG("no-latency", right, forget_the_latency, "a closed form without latency"), "", "5", ""},
    {WRONG("clock", look_at_the_clock, cost, "takes a time that nobody can repeat"), "", "3, 6",
     ""},
    {WRONG("thread-sums", depend_on_threads, cost, "numbers that depend on the OpenMP threads"),
     "6", "", ""},
    {WRONG("train-nothing", train_nothing, cost, "comes back without having trained"), "1, 4, 7",
     "1, 4, 5, 7", "1, 4, 7"},
};
const size_t wrongs_n = sizeof wrongs / sizeof *wrongs;

const ty_strategy wrong_deadlock = {
    .name = "deadlock", .plan = plan, .step = wait_for_each_other, .cost = cost};
const ty_strategy wrong_lane_deadlock = {
    .name = "lane-deadlock", .plan = plan, .step = wait_in_a_lane, .cost = cost};
const ty_strategy wrong_crash = {.name = "crash", .plan = plan, .step = crash, .cost = cost};
