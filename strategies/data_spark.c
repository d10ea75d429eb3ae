/* SPDX-License-Identifier: MIT
 *
 * data-spark - data parallelism as a job of stages: rank 0 is the driver, the other E ranks are executors. A step is one job.
 * The driver launches a task an executor and broadcasts the parameters; the executors compute the gradients of their shards
 * and add them up in a tree of depth d, whose root is the driver; the driver updates.
 *   stages  n = E tasks for the gradients; then, while n > s + ceil(n/s), t = n/s tasks that add up what those n have found,
 *           s = max(ceil(E^(1/d)), 2); then the driver adds the results of the last stage. d = 1: all E go to the driver
 *   time    gradients   E task + broadcast(params) + load(B/E) + forward(B/E) + backward(B/E)
 *           t tasks     t task + 2 alpha + (alpha + k bytes/beta) + k add(params), k = ceil(n/t) - 1 results from elsewhere
 *           driver      2 alpha + (alpha + n bytes/beta) + (n-1) add(params) + update
 *           A stage ends when the driver has heard from all its tasks (alpha); only then does it launch or fetch what comes
 *           next (alpha). Launching is the driver's own work, one task after the other: --task-seconds each
 *   memory  optimizer state on the driver alone
 *   source  RDD.treeAggregate and GradientDescent of Apache Spark 3.4; Meng et al., MLlib, JMLR 17(34), 2016
 *
 *   E = 8, d = 2: s = 3, two tasks add up          0 <- 2 4 6     1 <- 3 5 7     driver <- 0 1
 *
 * Shards are dealt backwards: the broadcast reaches the last executor last, so that is where the largest shard ends latest.
 */
#include "kernels/kernels.h"
#include "strategies/asynchronous.h"

#include <math.h>

/* Measured by Spark's developers: a job of 10,000 empty tasks takes 2.6415 s (github.com/apache/spark/pull/3463, 2014; newer
 * versions on a cluster some 0.1 ms a task, pull/15505). */
static const double TASK_SECONDS = 2.6e-4;

static ty_err plan(ty_plan *p)
{
    p->tuning.depth = p->tuning.depth ? p->tuning.depth : 2;
    p->tuning.task_seconds = p->tuning.task_seconds > 0 ? p->tuning.task_seconds : TASK_SECONDS;
    TY_TRY(ty_asynchronous_plan(p));
    for (int i = 1; i < p->workers; i++)
        p->place[i].d = p->workers - 1 - i;
    p->active = p->dp;
    return ty_collective_find(TY_BROADCAST, "auto", &p->costing, p->workers, p->problem->params,
                              &p->broadcast);
}

/* Tasks of the stage that adds up the results of n tasks; n: a further stage would not help. */
static int next_stage(const ty_plan *p, int n)
{
    const int root = (int)ceil(pow(p->dp, 1.0 / p->tuning.depth)), s = root > 2 ? root : 2;
    return n > s + (n + s - 1) / s ? n / s : n;
}

/* Results that task i of `tasks` gets from elsewhere: those of the tasks i + tasks, i + 2 tasks ... below n. */
static int fetched(int n, int tasks, int i)
{
    return (n - 1 - i) / tasks;
}

/* ---- the driver ------------------------------------------------------------------------------ */

static void launch(ty_worker *w, int tasks)
{
    ty_spend(w->rank, tasks * w->plan->tuning.task_seconds);
}

/* sum = the results of n tasks */
static void fetch(ty_worker *w, int n, ty_tensor sum)
{
    ty_tensor in = ty_scratch(w->rank, n > 1 ? sum.n : 0);
    ty_team_recv(&w->world, 1, sum);
    for (int i = 2; i <= n; i++) {
        ty_team_recv(&w->world, i, in);
        ty_add(w->rank, sum, in);
    }
    ty_drop(w->rank, in);
}

/* A stage of n tasks ends, and one of `tasks` begins: all who had the first may send their results on. */
static void pass_on(ty_worker *w, int n, int tasks, ty_tensor nothing)
{
    ty_team stage = w->world; /* the driver and these executors */
    stage.n = n + 1;
    for (int i = 1; i <= n; i++)
        ty_team_recv(&stage, i, nothing);
    launch(w, tasks);
    ty_team_send_all(&stage, nothing);
}

static void drive(ty_worker *w, long step)
{
    const ty_plan *p = w->plan;
    int n = p->dp;
    launch(w, n);
    p->broadcast->run(&w->world, w->model.params);

    ty_tensor gradient = ty_scratch_like(w->rank, w->model.params),
              nothing = ty_slice(gradient, 0, 0);
    for (int tasks; (tasks = next_stage(p, n)) < n; n = tasks)
        pass_on(w, n, tasks, nothing);
    pass_on(w, n, 0, nothing);
    fetch(w, n, gradient);
    ty_optimizer_step(&w->optimizer, w->rank, w->model.params, gradient, step);
    ty_drop(w->rank, gradient);
    for (int i = 1; i <= p->dp; i++)
        w->clock[i] = step + 1;
}

/* ---- an executor ----------------------------------------------------------------------------- */

/* Task me of `tasks` adds up what n tasks have found. */
static void combine(ty_worker *w, int n, int tasks, int me)
{
    ty_tensor grads = w->model.grads, in = ty_scratch_like(w->rank, grads);
    for (int i = me + tasks; i < n; i += tasks) {
        ty_team_recv(&w->world, 1 + i, in);
        ty_add(w->rank, grads, in);
    }
    ty_drop(w->rank, in);
}

/* Tell the driver that my task has ended, and wait for its word. */
static void report(ty_worker *w)
{
    const ty_tensor nothing = ty_slice(w->model.grads, 0, 0);
    ty_team_send(&w->world, 0, nothing);
    ty_team_recv(&w->world, 0, nothing);
}

static void execute(ty_worker *w, long step)
{
    const ty_plan *p = w->plan;
    const int E = p->dp, me = w->rank->id - 1;
    const size_t batch = ty_loader_count(&w->loader, step);
    int n = E, tasks;
    p->broadcast->run(&w->world, w->model.params);
    ty_worker_gradients(w, step, ty_chunk_first(batch, E, w->place.d),
                        ty_chunk_size(batch, E, w->place.d), batch);
    report(w);
    for (; (tasks = next_stage(p, n)) < n && me < tasks; n = tasks) {
        combine(w, n, tasks, me);
        report(w);
    }
    ty_team_send(&w->world, tasks < n ? 1 + me % tasks : 0, w->model.grads);
}

static void step(ty_worker *w, long s)
{
    if (w->place.role == TY_SERVE)
        drive(w, s);
    else
        execute(w, s);
}

/* ---- the closed form ------------------------------------------------------------------------- */

/* What follows the first stage, for one rank. */
typedef struct tree {
    double seconds, add_s; /* from start to end; sums of this rank */
    int tasks, last;       /* of all stages; of the last */
    int reported;          /* tasks of this rank */
    int combines;          /* this rank adds up for others */
} tree;

static tree tree_of(const ty_plan *p, int rank)
{
    const size_t params = p->problem->params;
    const double add = ty_costing_work(&p->costing, ty_work_add(params)),
                 word = ty_costing_message(&p->costing, 0);
    const int me = rank - 1;
    int n = p->dp, tasks;
    tree t = {.tasks = n, .reported = 1};
    for (; (tasks = next_stage(p, n)) < n; n = tasks) {
        const int most = fetched(n, tasks, 0),
                  mine = me >= 0 && me < tasks ? fetched(n, tasks, me) : 0;
        t.seconds += 2 * word + tasks * p->tuning.task_seconds +
                     ty_costing_message(&p->costing, (size_t)most * params) + most * add;
        t.add_s += mine * add;
        t.combines |= mine > 0;
        t.reported += me < tasks;
        t.tasks += tasks;
    }
    t.seconds += 2 * word + ty_costing_message(&p->costing, (size_t)n * params) + (n - 1) * add;
    t.last = n;
    return t;
}

static ty_cost cost(const ty_plan *p, int rank)
{
    const ty_problem *q = p->problem;
    const double add = ty_costing_work(&p->costing, ty_work_add(q->params)),
                 update = ty_plan_update_s(p, q->blocks, q->blocks_n),
                 gradients = ty_plan_gradients_s(p, ty_plan_rows(p, rank)),
                 bytes = (double)q->params * sizeof(float),
                 state = ty_optimizer_bytes(p->optimizer.kind, q->params);
    const tree t = tree_of(p, rank);
    ty_cost k = p->broadcast->cost(&p->costing, p->workers, rank, q->params);
    k.seconds += p->dp * p->tuning.task_seconds +
                 ty_plan_gradients_s(p, ty_chunk_size(p->batch, p->dp, 0)) + t.seconds + update;
    if (p->place[rank].role == TY_SERVE) {
        k.compute_s += t.tasks * p->tuning.task_seconds + (t.last - 1) * add + update;
        k.messages += t.tasks; /* the word to go on */
        k.peak_bytes =
            ty_worker_evaluator_bytes(p) + state + fmax(k.peak_bytes, (1 + (t.last > 1)) * bytes);
    } else {
        k.compute_s += gradients + t.add_s;
        k.messages += t.reported + 1;
        k.bytes += bytes;
        k.peak_bytes = ty_plan_bytes(p, q->blocks, q->blocks_n, ty_plan_rows(p, rank), 1, 1, 1) -
                       state + fmax(k.peak_bytes, t.combines ? bytes : 0);
    }
    return k;
}

const ty_strategy ty_data_spark = {
    .name = "data-spark",
    .summary = "driver and executors: broadcast, tasks that cost time to launch, tree aggregation",
    .source = "Meng et al., MLlib, JMLR 17(34), 2016; RDD.treeAggregate of Apache Spark",
    .order = TY_FIXED,
    .uses = TY_USES_MICRO_BATCHES | TY_USES_TASKS,
    .plan = plan,
    .step = step,
    .cost = cost,
};
