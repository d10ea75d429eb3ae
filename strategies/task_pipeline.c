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
        return ty_error(TY_EUSAGE, "task-pipeline divides tasks, not the model or the batch: leave "
                                   "--dp, --tp and --pp out");
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

static void measure_score(ty_worker *w)
{
    ty_worker_pause(w);
    w->score[w->evaluations++] = ty_problem_score(w->plan->problem, &w->model);
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
        measure_score(w);
    if (epoch_ends(w, s) &&
        w->plan->workers > 2) { /* a snapshot on its way beside the next epoch */
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
    measure_score(w);
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

static double train_s(const ty_plan *p, size_t rows)
{
    const ty_problem *q = p->problem;
    return ty_plan_zero_s(p, q->blocks, q->blocks_n) +
           ty_blocks_forward_s(p, q->blocks, q->blocks_n, rows) + ty_plan_loss_s(p, rows) +
           ty_blocks_backward_s(p, q->blocks, q->blocks_n, rows, 1) +
           ty_plan_update_s(p, q->blocks, q->blocks_n);
}

static long epoch_steps(const ty_plan *p)
{
    return ((long)p->problem->data.train.n - 1) / (long)p->batch + 1;
}

/* Samples in the batch of step s: the last one of an epoch may be smaller. */
static size_t batch_rows(const ty_plan *p, long s)
{
    size_t left = p->problem->data.train.n - (size_t)(s % epoch_steps(p)) * p->batch;
    return left < p->batch ? left : p->batch;
}

static double later(double a, double b)
{
    return a > b ? a : b;
}

/* What a step takes its parts. */
typedef struct parts {
    double load, train, message;
} parts;

static parts parts_of(const ty_plan *p, size_t rows)
{
    return (parts){
        ty_plan_load_s(p, rows), train_s(p, rows),
        ty_costing_message(&p->costing, rows * (p->problem->features + p->problem->targets))};
}

/* Mean seconds of steps 1 .. steps-1 of the trainer and of every preprocessor, by the recurrence of one request, one
 * batch on its way, one batch in training. */
static double mean_step_s(const ty_plan *p, int rank)
{
    const int Q = p->preprocessors;
    const double alpha = p->costing.net.alpha,
                 snapshot = ty_costing_message(&p->costing, p->problem->params);
    const parts full = parts_of(p, p->batch), last = parts_of(p, batch_rows(p, epoch_steps(p) - 1));
    double *left = ty_zalloc((size_t)Q, sizeof *left); /* when preprocessor q is free again */
    double asked = alpha, free_at = 0, begin = 0, mark = 0, told = 0;
    long steps = p->steps < 2 ? 2 : p->steps;
    for (long s = 0; s < steps; s++) {
        int epoch_ends = s % epoch_steps(p) == epoch_steps(p) - 1;
        const parts *k = epoch_ends ? &last : &full;
        double *q = &left[s % Q];
        *q = later(*q + k->load, asked) + k->message; /* it waits until the batch has left */
        free_at = later(free_at, *q);                 /* received */
        asked = free_at + alpha;                      /* the request for the next one */
        free_at += k->train;
        if (epoch_ends && p->workers > 2) { /* the snapshot before has left */
            free_at = later(free_at, told);
            told = free_at + snapshot;
        }
        if (s == steps - 1)
            free_at = later(free_at, told);
        mark = rank < Q ? left[rank] : free_at;
        begin = s == 0 ? mark : begin;
    }
    free(left);
    return (mark - begin) / (double)(steps - 1);
}

static double snapshots(const ty_plan *p) /* at the end of steps 1 .. steps-1 */
{
    return p->workers > 2 ? (double)(p->steps / epoch_steps(p) - (epoch_steps(p) == 1)) : 0;
}

static void preprocessor_cost(const ty_plan *p, int rank, ty_cost *k)
{
    const size_t row = (p->problem->features + p->problem->targets) * sizeof(float);
    for (long s = rank ? rank : p->preprocessors; s < p->steps; s += p->preprocessors) {
        k->messages += 2;
        k->bytes += (double)(batch_rows(p, s) * row);
        k->compute_s += ty_plan_load_s(p, batch_rows(p, s));
    }
    k->peak_bytes = (double)(p->batch * row);
}

static void trainer_cost(const ty_plan *p, ty_cost *k)
{
    const ty_problem *q = p->problem;
    k->messages =
        (double)(p->steps - 2) + snapshots(p); /* nobody asks for a batch after the last */
    k->bytes = snapshots(p) * (double)(q->params * sizeof(float));
    for (long s = 1; s < p->steps; s++)
        k->compute_s += train_s(p, batch_rows(p, s));
    k->peak_bytes = ty_plan_bytes(p, q->blocks, q->blocks_n, p->batch, 1, 1, 1);
}

static ty_cost cost(const ty_plan *p, int rank)
{
    const int Q = p->preprocessors;
    const double measured = (double)(p->steps - 1);
    ty_cost k = {0};
    if (p->workers == 1)
        return ty_data_allreduce.cost(p, rank);
    if (rank < Q)
        preprocessor_cost(p, rank, &k);
    else if (rank == Q)
        trainer_cost(p, &k);
    else
        k.peak_bytes = ty_worker_evaluator_bytes(p);
    k.seconds = mean_step_s(p, rank < Q ? rank : Q);
    k.compute_s /= measured;
    k.messages /= measured;
    k.bytes /= measured;
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
