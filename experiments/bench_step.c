/* SPDX-License-Identifier: MIT
 *
 * bench_step - one rank holds two workers, one for 1 thread and one for several, and lets them train in turns.
 * Most steps are the strategy's own; every fourth one is taken part by part with a clock between.
 */
#include "experiments/bench_step.h"
#include "experiments/bench_networks.h"

#include "base/clock.h"
#include "base/stats.h"
#include "kernels/kernels.h"
#include "strategies/worker.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    CHECKED = 4,         /* steps before any is timed, after which parameters are compared */
    EVERY = 4,           /* one step in so many is taken in parts */
    MOST_STEPS = 100000, /* room for the losses of a worker */
    MOST_PARTED = 4096,
    MOST_BURSTS = 80
};
static const double RULER_S = 2e-3; /* a look at the peak */
static const double ALONE = 0.9; /* share of the peak that processors without a neighbour reach */
static const double WANDERS = 0.85; /* a clock goes down to so much of its best by itself */

/* ---- one worker and what it has measured ----------------------------------------------------- */

typedef struct runner {
    ty_worker worker;
    ty_step_line *line;
    long steps;          /* so far */
    double *loss;        /* [MOST_STEPS] of each */
    double *clean, *all; /* [MOST_STEPS] seconds of undisturbed steps, and of all */
    long cleans, alls;
    double *parted; /* [TY_STEP_PARTS][MOST_PARTED] seconds */
    long parteds;
    double alone[MOST_BURSTS]; /* what the ruler said around each burst: a share of the peak */
    int bursts;
    double mark;  /* when the part now running began */
    double *part; /* its place in parted */
} runner;

typedef struct bench {
    const ty_step_net *net;
    ty_plan plan;
    int quick;
    double one_peak; /* [flop/s] of one processor at its best */
    runner runner[2];
    int runners;
} bench;

static void end_part(runner *r)
{
    const double now = ty_clock();
    if (r->part && r->parteds < MOST_PARTED) {
        *r->part = now - r->mark;
        r->part += MOST_PARTED;
    }
    r->mark = now;
}

/* The same step as ty_worker_gradients and ty_worker_update take. */
static void step_in_parts(runner *r, long step)
{
    ty_worker *w = &r->worker;
    ty_model *m = &w->model;
    const size_t batch = ty_loader_count(&w->loader, step);
    r->part = r->parted + r->parteds;
    r->mark = ty_clock();
    ty_model_zero(m);
    end_part(r);
    ty_tensor x = ty_worker_load(w, step, 0, batch);
    end_part(r);
    for (int i = 0; i < m->n; i++) {
        x = ty_block_forward(m, 0, i, x);
        end_part(r);
    }
    ty_tensor dy =
        ty_model_loss(m, 0, ty_worker_labels(w, 0, batch), 1.0F / (float)batch, &w->loss);
    end_part(r);
    for (int i = m->n - 1; i >= 0; i--) {
        dy = ty_block_backward(m, 0, i, dy);
        end_part(r);
    }
    ty_worker_update(w, step);
    end_part(r);
    r->parteds += r->parteds < MOST_PARTED;
}

static void whole_step(runner *r, long step)
{
    const double begin = ty_clock();
    r->worker.plan->strategy->step(&r->worker, step);
    const double seconds = ty_clock() - begin;
    if (r->steps >= CHECKED && r->alls < MOST_STEPS)
        r->all[r->alls++] = seconds;
}

static void take_step(runner *r)
{
    const long step = r->steps;
    r->worker.loss = 0;
    if (step >= CHECKED && step % EVERY == EVERY - 1)
        step_in_parts(r, step);
    else
        whole_step(r, step);
    if (step < MOST_STEPS)
        r->loss[step] = r->worker.loss;
    r->steps++;
}

/* ---- turns ----------------------------------------------------------------------------------- */

static double peak_now(int threads)
{
    ty_kernel_set_threads(threads);
    return ty_kernel_fma_peak(RULER_S);
}

static void find_one_peak(bench *b)
{
    double peak[25];
    for (int i = 0; i < 25; i++)
        peak[i] = peak_now(1);
    b->one_peak = ty_quantile(peak, 25, 0.75);
}

/* What `threads` processors give now, of what they give without a neighbour. A processor's clock wanders by some 20 %, and
 * that of all together: several are compared with one at the same time. */
static double share_now(bench *b, runner *r)
{
    const int threads = r->line->threads;
    const double one = peak_now(1), all = threads > 1 ? peak_now(threads) : one;
    r->line->peak = fmax(r->line->peak, all);
    return threads > 1 ? all / threads / fmax(one, WANDERS * b->one_peak)
                       : fmin(1, one / (WANDERS * b->one_peak));
}

/* [s] that the calling thread had a processor. It sleeps only where its team is late. */
static double busy_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Steps for about `seconds`, at least two; true when nothing disturbed them: the ruler sees who is there before and
 * after, the time without a processor who came between. */
static int burst(bench *b, runner *r, double seconds)
{
    const long from = r->alls;
    const double before = share_now(b, r), begin = ty_clock(), busy = busy_s();
    for (int i = 0; i < 2 || (ty_clock() - begin < seconds && r->steps < MOST_STEPS); i++)
        take_step(r);
    const double had = (busy_s() - busy) / (ty_clock() - begin), after = share_now(b, r);
    const double alone = r->alone[r->bursts++] = fmin(had, fmin(before, after));
    if (alone < ALONE)
        return 0;
    memcpy(r->clean + r->cleans, r->all + from, (size_t)(r->alls - from) * sizeof *r->all);
    r->cleans += r->alls - from;
    return 1;
}

static void take_turns(bench *b)
{
    const int want = b->quick ? 5 : 20;
    const double seconds = b->quick ? 0.04 : 0.1;
    int good[2] = {0};
    for (int round = 0; round < 4 * want && round < MOST_BURSTS; round++)
        for (int i = 0; i < b->runners; i++) {
            runner *r = &b->runner[i];
            if (good[i] == want || r->steps >= MOST_STEPS)
                continue;
            const int alone = burst(b, r, seconds);
            good[i] += alone;
            r->line->dropped += !alone;
        }
    for (int i = 0; i < b->runners; i++)
        b->runner[i].line->disturbed = 2 * good[i] < want;
}

/* ---- right or wrong -------------------------------------------------------------------------- */

/* Bits, so that a NaN counts as different from any number but itself. */
static size_t count_different(const void *a, const void *b, size_t n, size_t size)
{
    size_t different = 0;
    for (size_t i = 0; i < n; i++)
        different += memcmp((const char *)a + i * size, (const char *)b + i * size, size) != 0;
    return different;
}

static void compare_parameters(bench *b)
{
    const ty_tensor p = b->runner[0].worker.model.params, q = b->runner[1].worker.model.params;
    b->runner[1].line->wrong += count_different(p.data, q.data, p.n, sizeof *p.data);
}

static double mean(const double *v, long n)
{
    double sum = 0;
    for (long i = 0; i < n; i++)
        sum += v[i];
    return sum / (double)n;
}

static void check_losses(bench *b)
{
    for (int i = 0; i < b->runners; i++) {
        runner *r = &b->runner[i];
        const long n = r->steps < MOST_STEPS ? r->steps : MOST_STEPS, quarter = (n + 3) / 4;
        const long both = b->runner[0].steps < n ? b->runner[0].steps : n;
        r->line->loss[0] = mean(r->loss, quarter);
        r->line->loss[1] = mean(r->loss + n - quarter, quarter);
        r->line->wrong += !(r->line->loss[1] < r->line->loss[0]);
        r->line->wrong +=
            count_different(r->loss, b->runner[0].loss, (size_t)both, sizeof *r->loss);
    }
}

/* ---- the line -------------------------------------------------------------------------------- */

static double flops_of(const ty_work *w, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += w[i].flops;
    return sum;
}

static void name_part(runner *r, const char *what, int block, const char *kind, double flops)
{
    ty_step_line *l = r->line;
    ty_step_part *p = &l->part[l->parts];
    if (block < 0)
        snprintf(p->name, sizeof p->name, "%s", what);
    else
        snprintf(p->name, sizeof p->name, "%s %d %s", what, block, kind);
    p->kind = kind;
    p->flops = flops;
    p->seconds = ty_quantile(r->parted + (size_t)l->parts * MOST_PARTED, (size_t)r->parteds, 0.5);
    l->parts++;
}

/* In the order of step_in_parts. */
static void name_parts(runner *r, const ty_plan *p)
{
    const ty_model *m = &r->worker.model;
    ty_work work[TY_BLOCK_WORKS];
    name_part(r, "zero", -1, "zero", ty_work_fill(m->params.n).flops);
    name_part(r, "load", -1, "load", ty_dataset_load_work(&p->problem->data, p->batch, 0).flops);
    for (int i = 0; i < m->n; i++) {
        const ty_block *b = &m->block[i];
        name_part(r, "forward", i, b->ops->name,
                  flops_of(work, b->ops->work_forward(b, p->batch, work)));
    }
    name_part(r, "loss", -1, "loss", ty_loss_work(&m->loss, p->batch).flops);
    for (int i = m->n - 1; i >= 0; i--) {
        const ty_block *b = &m->block[i];
        name_part(r, "backward", i, b->ops->name,
                  flops_of(work, b->ops->work_backward(b, p->batch, i > 0, work)));
    }
    name_part(r, "update", -1, "update", ty_optimizer_work(p->optimizer.kind, m->params.n).flops);
}

static void fill_line(runner *r, const ty_plan *p)
{
    ty_step_line *l = r->line;
    double *sample = l->disturbed ? r->all : r->clean;
    const size_t n = (size_t)(l->disturbed ? r->alls : r->cleans);
    l->steps = (long)n;
    l->step_s = ty_quantile(sample, n, 0.5);
    l->low = ty_quantile(sample, n, 0.1);
    l->high = ty_quantile(sample, n, 0.9);
    l->alone = ty_quantile(r->alone, (size_t)r->bursts, 0.5);
    name_parts(r, p);
    for (int i = 0; i < l->parts; i++)
        l->flops += l->part[i].flops;
}

/* ---- the rank's program ---------------------------------------------------------------------- */

static void open_runner(bench *b, runner *r, ty_rank *rank)
{
    r->loss = ty_zalloc(MOST_STEPS, sizeof *r->loss);
    r->clean = ty_zalloc(MOST_STEPS, sizeof *r->clean);
    r->all = ty_zalloc(MOST_STEPS, sizeof *r->all);
    r->parted = ty_zalloc((size_t)TY_STEP_PARTS * MOST_PARTED, sizeof *r->parted);
    ty_worker_init(&r->worker, rank, &b->plan);
    TY_CHECK(2 * r->worker.model.n + 4 <= TY_STEP_PARTS, "%d blocks", r->worker.model.n);
}

static void close_runner(runner *r)
{
    ty_worker_fini(&r->worker);
    free(r->loss);
    free(r->clean);
    free(r->all);
    free(r->parted);
}

static void rank_main(ty_rank *rank, void *arg)
{
    bench *b = arg;
    find_one_peak(b);
    for (int i = 0; i < b->runners; i++) {
        runner *r = &b->runner[i];
        open_runner(b, r, rank);
        ty_kernel_set_threads(r->line->threads);
        while (r->steps < CHECKED)
            take_step(r);
    }
    if (b->runners > 1)
        compare_parameters(b);
    take_turns(b);
    check_losses(b);
    for (int i = 0; i < b->runners; i++) {
        fill_line(&b->runner[i], &b->plan);
        close_runner(&b->runner[i]);
    }
}

static ty_err run(bench *b, const ty_problem *p, int threads)
{
    const ty_job job = {.ranks = 1, .threads = threads, .busy = 1};
    const ty_plan_options o = {.strategy = &ty_serial,
                               .problem = p,
                               .workers = 1,
                               .batch = b->net->batch,
                               .steps = 1000000, /* the rate never falls */
                               .seed = 1,
                               .rate = b->net->rate,
                               .momentum = 0.9,
                               .collective = "ring"};
    TY_TRY(ty_plan_make(&b->plan, &o));
    ty_err e = ty_fabric_threads.run(&job, rank_main, b);
    ty_plan_free(&b->plan);
    return e;
}

ty_err ty_bench_steps(int i, int threads, int quick, ty_step_line *line, int *lines)
{
    const ty_step_net *s = &ty_step_nets[i];
    bench b = {.net = s, .quick = quick, .runners = threads > 1 ? 2 : 1};
    ty_problem p;
    TY_TRY(ty_step_net_open(s, &p));
    for (int at = 0; at < b.runners; at++) {
        line[at] = (ty_step_line){
            .network = s->name, .shape = s->text, .batch = s->batch, .threads = at ? threads : 1};
        b.runner[at].line = &line[at];
    }
    *lines = b.runners;
    ty_err e = run(&b, &p, threads);
    ty_problem_close(&p);
    return e;
}
