/* SPDX-License-Identifier: MIT
 *
 * task-pipeline - task parallelism: preprocessing, training and evaluation are different ranks that run at once.
 *
 *   1 worker    everything inline
 *   2 workers   0 preprocesses | 1 trains and evaluates
 *   N workers   0 .. N-3 preprocess in turn | N-2 trains | N-1 evaluates at the end of every epoch
 *
 *   queue   bounded by asking: the trainer asks for batch s+1 when it has received s, so that it arrives while s is
 *           trained on; a preprocessor holds one finished batch until it is asked for it
 *   order   preprocessors take batches in turn: the trainer sees the same batches as serial, in the same order
 *   time    the recurrence in cost(): the slowest of train, preprocess/(N-2) and the way of a batch, after a fill
 *   sends   a batch (input, labels) per step; an empty request per step; the parameters once an epoch
 *   source  Murray et al., tf.data, VLDB 14(12), 2021
 */
#include "strategies/worker.h"

#include <stdlib.h>

static ty_err plan(ty_plan *p)
{
    if (p->dp > 1 || p->tp > 1 || p->pp > 1)
        return ty_error(TY_EUSAGE, "task-pipeline divides tasks, not the model or the batch: leave --dp, --tp and --pp out");
    p->dp = p->tp = p->pp = 1;
    p->preprocessors = p->workers < 3 ? p->workers - 1 : p->workers - 2;
    for (int r = 0; r < p->workers; r++)
        p->place[r] = (ty_place){.role = r < p->preprocessors ? TY_PREPROCESS : TY_TRAIN};
    if (p->workers > 2)
        p->place[p->workers - 1].role = TY_EVALUATE;
    p->active = p->preprocessors + 1; /* evaluation is once an epoch */
    p->fill_steps = 4L * p->preprocessors + 1;
    return ty_ok();
}

static ty_tensor request(const ty_worker *w) /* an empty message */
{
    return ty_slice(w->x, 0, 0);
}

static void preprocess(ty_worker *w, long s)
{
    int Q = w->plan->preprocessors, trainer = Q;
    if (s % Q != w->rank->id)
        return;
    size_t rows = ty_loader_count(&w->loader, s);
    ty_tensor x = ty_worker_load(w, s, 0, rows);
    ty_team_recv(&w->world, trainer, request(w));
    ty_req *a = ty_team_isend(&w->world, trainer, x);
    ty_req *b = ty_team_isend(&w->world, trainer, ty_worker_labels(w, 0, rows));
    ty_team_wait(&w->world, a);
    ty_team_wait(&w->world, b);
}

/* Ask for the batch of step s; the request before it has long left. */
static void ask(ty_worker *w, long s)
{
    if (w->asking)
        ty_team_wait(&w->world, w->asking);
    w->asking = s < w->plan->steps
                    ? ty_team_isend(&w->world, (int)(s % w->plan->preprocessors), request(w))
                    : NULL;
}

static ty_tensor receive(ty_worker *w, long s, size_t rows)
{
    int from = (int)(s % w->plan->preprocessors);
    ty_tensor x = ty_rows(w->x, 0, rows);
    ty_team_recv(&w->world, from, x);
    ty_team_recv(&w->world, from, ty_worker_labels(w, 0, rows));
    return x;
}

static int epoch_ends(const ty_worker *w, long s)
{
    long n = (long)ty_loader_steps(&w->loader);
    return s % n == n - 1;
}

static void measure_accuracy(ty_worker *w)
{
    ty_worker_pause(w);
    w->accuracy[w->evaluations++] = ty_worker_accuracy(w, &w->model);
    ty_worker_resume(w);
}

static void train(ty_worker *w, long s)
{
    ty_model *m = &w->model;
    size_t rows = ty_loader_count(&w->loader, s);
    if (s == 0)
        ask(w, 0);
    ty_tensor x = receive(w, s, rows);
    ask(w, s + 1);
    ty_model_zero(m);
    ty_model_forward(m, 0, x);
    ty_tensor dy = ty_model_loss(m, 0, ty_worker_labels(w, 0, rows), 1.0F / (float)rows, &w->loss);
    ty_model_backward(m, 0, dy);
    ty_worker_update(w, s);

    if (epoch_ends(w, s) && w->plan->workers == 2)
        measure_accuracy(w);
    if (epoch_ends(w, s) && w->plan->workers > 2) { /* a snapshot on its way beside the next epoch */
        if (w->sending)
            ty_team_wait(&w->world, w->sending);
        w->sending = ty_team_isend(&w->world, w->plan->workers - 1, m->params);
    }
    if (s == w->plan->steps - 1 && w->sending)
        ty_team_wait(&w->world, w->sending);
}

static void evaluate(ty_worker *w, long s)
{
    if (!epoch_ends(w, s))
        return;
    ty_team_recv(&w->world, w->plan->preprocessors, w->model.params);
    measure_accuracy(w);
}

static void step(ty_worker *w, long s)
{
    if (w->plan->workers == 1)
        ty_serial.step(w, s);
    else if (w->place.role == TY_PREPROCESS)
        preprocess(w, s);
    else if (w->place.role == TY_TRAIN)
        train(w, s);
    else
        evaluate(w, s);
}

/* ---- cost ------------------------------------------------------------------------------------------- */

static double train_s(const ty_plan *p)
{
    const ty_problem *q = p->problem;
    return ty_plan_zero_s(p, q->blocks, q->blocks_n) + ty_blocks_forward_s(p, q->blocks, q->blocks_n, p->batch) +
           ty_plan_loss_s(p, p->batch) + ty_blocks_backward_s(p, q->blocks, q->blocks_n, p->batch, 1) +
           ty_plan_update_s(p, q->blocks, q->blocks_n);
}

static double later(double a, double b)
{
    return a > b ? a : b;
}

/* Mean seconds of steps 1 .. steps-1 of the trainer and of every preprocessor, by the recurrence of one request, one
 * batch on its way, one batch in training. */
static double mean_step_s(const ty_plan *p, int rank)
{
    const int Q = p->preprocessors;
    const double load = ty_plan_load_s(p, p->batch), train = train_s(p), alpha = p->costing.net.alpha;
    const double message = ty_costing_message(&p->costing, p->batch * (p->problem->features + 1));
    double *left = ty_zalloc((size_t)Q, sizeof *left); /* when preprocessor q is free again */
    double asked = alpha, free_at = 0, begin = 0, mark = 0;
    long steps = p->steps < 2 ? 2 : p->steps;
    for (long s = 0; s < steps; s++) {
        double *q = &left[s % Q];
        *q = later(*q + load, asked) + message; /* it waits until the batch has left */
        free_at = later(free_at, *q);           /* received */
        asked = free_at + alpha;                /* the request for the next one */
        free_at += train;
        mark = rank < Q ? left[rank] : free_at;
        begin = s == 0 ? mark : begin;
    }
    free(left);
    return (mark - begin) / (double)(steps - 1);
}

/* How many of the steps 1 .. steps-1 preprocessor `rank` serves, and how many end an epoch. */
static double served(const ty_plan *p, int rank)
{
    long Q = p->preprocessors, all = (p->steps - 1 - rank) / Q + 1; /* of the steps 0 .. steps-1 */
    return (double)((p->steps > rank ? all : 0) - (rank == 0));
}

static double snapshots(const ty_plan *p)
{
    long epoch = ((long)p->problem->data.train.n + (long)p->batch - 1) / (long)p->batch;
    return p->workers > 2 ? (double)(p->steps / epoch - (epoch == 1)) : 0;
}

static ty_cost cost(const ty_plan *p, int rank)
{
    const ty_problem *q = p->problem;
    const int Q = p->preprocessors;
    double item = (double)(p->batch * (q->features + 1)) * sizeof(float), measured = (double)(p->steps - 1);
    if (p->workers == 1)
        return ty_data_allreduce.cost(p, rank);
    ty_cost k = {.seconds = mean_step_s(p, rank < Q ? rank : Q)};
    if (rank < Q) {
        double share = served(p, rank) / measured;
        k.messages = 2 * share;
        k.bytes = item * share;
        k.compute_s = ty_plan_load_s(p, p->batch) * share;
        k.peak_bytes = item;
    } else if (rank == Q) {
        k.messages = (measured - 1 + snapshots(p)) / measured; /* nobody asks for a batch after the last */
        k.bytes = snapshots(p) * (double)(q->params * sizeof(float)) / measured;
        k.compute_s = train_s(p);
        k.peak_bytes = ty_plan_bytes(p, q->blocks, q->blocks_n, p->batch, 1, 1, 1);
    } else {
        k.peak_bytes = ty_worker_evaluator_bytes(p);
    }
    return k;
}

const ty_strategy ty_task_pipeline = {
    .name = "task-pipeline",
    .summary = "task parallel: preprocess, train and evaluate at once on different workers",
    .source = "Murray et al., tf.data, VLDB 14(12), 2021",
    .order = TY_FIXED,
    .plan = plan,
    .step = step,
    .cost = cost,
};
