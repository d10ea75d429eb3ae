/* SPDX-License-Identifier: MIT
 *
 * pair_speed - what two data-parallel workers on two cores are worth, and what bounds them.
 *
 *   pair_speed step [rounds [steps]]     one worker with one thread against two, alternating: step and its phases
 *   pair_speed allreduce [rounds]        sums between two ranks of the threads fabric, by size and algorithm
 *   pair_speed kernels [threads [rounds]]  bandwidth-bound kernels as parts of the triad a = b + s*c, same footprint
 *
 * Medians of the rounds, with p10 and p90. A round counts when the multiply-add ruler of all cores before and after it
 * shows that no neighbour held a processor; where none did the figures are 0.
 */
#include "base/clock.h"
#include "base/stats.h"
#include "kernels/kernels.h"
#include "kernels/threads.h"
#include "kernels/transformer.h"
#include "strategies/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROUNDS = 400, WARM = 10 };

static void stop(ty_err e)
{
    if (e.code) {
        fprintf(stderr, "pair_speed: %s\n", e.msg);
        exit(1);
    }
}

/* ---- samples --------------------------------------------------------------------------------- */

typedef struct samples {
    double s[MAX_ROUNDS];
    size_t n;
} samples;

static void keep(samples *x, double seconds)
{
    if (x->n < MAX_ROUNDS)
        x->s[x->n++] = seconds;
}

static double quantile(samples *x, double q)
{
    return x->n ? ty_quantile(x->s, x->n, q) : 0;
}

/* ---- the ruler ------------------------------------------------------------------------------- */

static double ruler_best;
static int discarded;

static double ruler(int threads)
{
    ty_kernel_set_threads(threads);
    const double flops = ty_kernel_fma_peak(0.002);
    ty_kernel_set_threads(1);
    if (flops > ruler_best)
        ruler_best = flops;
    return flops;
}

/* Nobody held a processor: both readings near the best so far. */
static int quiet(double before, double after)
{
    const int good = before > 0.9 * ruler_best && after > 0.9 * ruler_best;
    discarded += !good;
    return good;
}

static void print_ruler(int threads)
{
    printf("ruler: %.0f Gflop/s with %d threads; %d rounds disturbed and left out\n",
           ruler_best / 1e9, threads, discarded);
}

/* ---- step ------------------------------------------------------------------------------------ */

enum { ZERO, LOAD, FORWARD, LOSS, BACKWARD, ALLREDUCE, UPDATE, WHOLE, PHASES };
static const char *const phase_name[PHASES] = {"zero",     "load",       "forward", "loss",
                                               "backward", "all-reduce", "update",  "step"};

typedef struct measured {
    const ty_plan *plan;
    long steps;
    samples phase[PHASES]; /* of rank 0: medians over the steps of a round */
} measured;

/* One step, cut where its phases meet; ends[] as the clock shows them. */
static void cut_step(ty_worker *w, long s, double *ends)
{
    const size_t batch = ty_loader_count(&w->loader, s);
    const size_t first = ty_chunk_first(batch, w->data.n, w->data.me);
    const size_t rows = ty_chunk_size(batch, w->data.n, w->data.me);
    ty_model *m = &w->model;

    ty_model_zero(m);
    ends[ZERO] = ty_clock();
    ty_tensor x = ty_worker_load(w, s, first, rows);
    ends[LOAD] = ty_clock();
    ty_model_forward(m, 0, x);
    ends[FORWARD] = ty_clock();
    ty_tensor dy = ty_model_loss(m, 0, ty_worker_labels(w, 0, rows), 1.0F / (float)batch, &w->loss);
    ends[LOSS] = ty_clock();
    ty_model_backward(m, 0, dy);
    ends[BACKWARD] = ty_clock();
    if (w->plan->allreduce)
        w->plan->allreduce->run(&w->data, m->grads);
    ends[ALLREDUCE] = ty_clock();
    ty_worker_update(w, s);
    ends[UPDATE] = ty_clock();
}

static void rank_steps(ty_rank *r, void *arg)
{
    measured *m = arg;
    ty_worker w;
    samples *mine = calloc(PHASES, sizeof *mine);
    ty_worker_init(&w, r, m->plan);
    const double *before;
    double ends[PHASES], begin = 0, start = 0;

    for (long s = 0; s < m->steps + WARM; s++) {
        if (s == WARM)
            start = ty_clock();
        begin = ty_clock();
        cut_step(&w, s, ends);
        for (int i = 0; s >= WARM && i < WHOLE; i++) {
            before = i ? &ends[i - 1] : &begin;
            keep(&mine[i], ends[i] - *before);
        }
    }
    const double whole = (ty_clock() - start) / (double)m->steps;
    for (int i = 0; r->id == 0 && i < PHASES; i++)
        keep(&m->phase[i], i == WHOLE ? whole : quantile(&mine[i], 0.5));
    ty_worker_fini(&w);
    free(mine);
}

static void make_plan(ty_plan *p, const ty_problem *problem, const ty_strategy *s, int workers)
{
    stop(ty_plan_make(p, &(ty_plan_options){.strategy = s,
                                            .problem = problem,
                                            .workers = workers,
                                            .batch = 128,
                                            .steps = 2,
                                            .seed = 1,
                                            .augment = 1,
                                            .rate = 0.05,
                                            .momentum = 0.9,
                                            .collective = workers > 1 ? "ring" : NULL,
                                            .costing = {.net = {1e-6, 1e10}}}));
    p->optimizer.steps = 1 << 20;
}

static void run_ranks(int ranks, ty_main fn, void *arg)
{
    stop(ty_fabric_threads.run(&(ty_job){.ranks = ranks, .threads = 1, .busy = ranks}, fn, arg));
}

static void print_steps(measured *one, measured *two)
{
    printf("%-11s %10s %10s %10s %10s %10s %8s\n", "ms", "1 worker", "p10..", "p90", "2 workers",
           "p10..p90", "ratio");
    for (int i = 0; i < PHASES; i++) {
        samples *a = &one->phase[i], *b = &two->phase[i];
        printf("%-11s %10.4f %10.4f %10.4f %10.4f %.4f..%.4f %8.2f\n", phase_name[i],
               1e3 * quantile(a, 0.5), 1e3 * quantile(a, 0.1), 1e3 * quantile(a, 0.9),
               1e3 * quantile(b, 0.5), 1e3 * quantile(b, 0.1), 1e3 * quantile(b, 0.9),
               quantile(b, 0.5) > 0 ? quantile(a, 0.5) / quantile(b, 0.5) : 0);
    }
}

static void bench_steps(int rounds, long steps)
{
    ty_problem problem;
    ty_plan plan[2];
    measured *m = calloc(2, sizeof *m);
    stop(ty_problem_open(&problem, "mnist-mlp", &(ty_workload_options){0}));
    make_plan(&plan[0], &problem, &ty_serial, 1);
    make_plan(&plan[1], &problem, &ty_data_allreduce, 2);
    for (int i = 0; i < 2; i++)
        m[i] = (measured){.plan = &plan[i], .steps = steps};
    for (int i = 0; i < rounds; i++) {
        const double before = ruler(2);
        for (int k = 0; k < 2; k++)
            run_ranks(k + 1, rank_steps, &m[k]);
        if (!quiet(before, ruler(2)))
            for (int k = 0; k < 2; k++)
                for (int j = 0; j < PHASES; j++)
                    m[k].phase[j].n--;
    }
    print_ruler(2);
    print_steps(&m[0], &m[1]);
    for (int i = 0; i < 2; i++)
        ty_plan_free(&plan[i]);
    ty_problem_close(&problem);
    free(m);
}

/* ---- all-reduce ------------------------------------------------------------------------------ */

typedef struct reducing {
    const ty_collective *how;
    size_t n;
    int repeats;
    double median;
} reducing;

static void rank_reduce(ty_rank *r, void *arg)
{
    reducing *a = arg;
    ty_team t = ty_team_new(r, 1, 0, 1, r->job->ranks);
    ty_tensor x = ty_tensor_new(r, TY_GRAD, 1, a->n);
    samples *s = calloc(1, sizeof *s);

    for (int i = 0; i < a->repeats + WARM; i++) {
        for (size_t j = 0; j < a->n; j++) /* computed, as gradients are: the lines are ours */
            x.data[j] = 1;
        ty_barrier_dissemination.run(&t, x);
        const double begin = ty_clock();
        a->how->run(&t, x);
        const double mine = ty_clock() - begin;
        TY_CHECK(x.data[0] == 2 && x.data[a->n - 1] == 2, "a wrong sum");
        if (i >= WARM)
            keep(s, mine);
    }
    if (r->id == 0)
        a->median = quantile(s, 0.5);
    ty_drop(r, x);
    free(s);
}

static void bench_allreduce(int rounds)
{
    static const size_t size[] = {1, 1024, 16384, 65536, 262144, 525000, 1200000, 3300000};
    const ty_collective *how[] = {&ty_allreduce_ring, &ty_allreduce_recursive, &ty_allreduce_tree};
    enum { SIZES = sizeof size / sizeof *size };
    samples(*s)[3] = calloc(SIZES, sizeof *s);

    for (int i = 0; i < rounds; i++)
        for (int k = 0; k < SIZES; k++) {
            const double before = ruler(2);
            double median[3];
            for (int a = 0; a < 3; a++) {
                reducing q = {how[a], size[k], 60, 0};
                run_ranks(2, rank_reduce, &q);
                median[a] = q.median;
            }
            const int good = quiet(before, ruler(2));
            for (int a = 0; good && a < 3; a++)
                keep(&s[k][a], median[a]);
        }
    print_ruler(2);
    printf("%12s %34s %34s %34s\n", "bytes", "ring us (p10..p90)", "recursive us", "tree us");
    for (int k = 0; k < SIZES; k++) {
        printf("%12zu", size[k] * sizeof(float));
        for (int a = 0; a < 3; a++)
            printf(" %12.1f (%9.1f ..%9.1f)", 1e6 * quantile(&s[k][a], 0.5),
                   1e6 * quantile(&s[k][a], 0.1), 1e6 * quantile(&s[k][a], 0.9));
        printf("\n");
    }
    free(s);
}

/* ---- kernels --------------------------------------------------------------------------------- */

enum { TRIAD, ADD, COPY, FILL, SGD, ADAMW, NORM_FWD, NORM_BWD, KERNELS, COLS = 256 };

typedef struct kernel {
    const char *name;
    int arrays; /* that it touches: each gets its part of the footprint */
} kernel;
static const kernel kernels[KERNELS] = {
    {"triad", 3}, {"add", 2},   {"copy", 2},     {"fill", 1},
    {"sgd", 3},   {"adamw", 4}, {"norm fwd", 2}, {"norm bwd", 3},
};

typedef struct arrays {
    float *a, *b, *c, *d, *saved, *gain, *bias;
} arrays;

static void triad(void *arg, size_t lo, size_t hi)
{
    const arrays *x = arg;
    float *restrict a = x->a;
    const float *restrict b = x->b, *restrict c = x->c;
    for (size_t i = lo; i < hi; i++)
        a[i] = b[i] + 0.5F * c[i];
}

/* Run it on n elements; returns the bytes of its work. */
static double run_kernel(int k, const arrays *x, size_t n)
{
    const size_t M = n / COLS;
    switch (k) {
    case TRIAD:
        ty_share(n, 65536, triad, (void *)x);
        return 12.0 * (double)n;
    case ADD:
        ty_kernel_add(x->a, x->b, n);
        return ty_work_add(n).bytes;
    case COPY:
        ty_kernel_copy(x->a, x->b, n);
        return ty_work_copy(n).bytes;
    case FILL:
        ty_kernel_fill(x->a, 0, n);
        return ty_work_fill(n).bytes;
    case SGD:
        ty_kernel_sgd(x->a, x->b, x->c, n, 1e-3F, 0.9F);
        return ty_work_sgd(n).bytes;
    case ADAMW:
        ty_kernel_adamw(x->a, x->b, x->c, x->d, n, 1e-3F, 0.9F, 0.999F, 1e-8F, 0.01F, 5);
        return ty_work_adamw(n).bytes;
    case NORM_FWD:
        ty_kernel_norm_fwd(x->a, x->saved, x->b, x->gain, x->bias, M, COLS);
        return ty_work_norm_fwd(M, COLS).bytes;
    default:
        ty_kernel_norm_bwd(x->a, x->gain, x->bias, x->b, x->c, x->saved, x->d, 0, M, COLS);
        return ty_work_norm_bwd(M, COLS, 0).bytes;
    }
}

/* [B/s] of kernel k on `footprint` bytes, over some milliseconds. */
static double rate(int k, const arrays *x, size_t footprint)
{
    const size_t n = footprint / sizeof(float) / (size_t)kernels[k].arrays / COLS * COLS;
    double bytes = 0, t;
    run_kernel(k, x, n);
    const double begin = ty_clock();
    do {
        bytes += run_kernel(k, x, n);
        t = ty_clock() - begin;
    } while (t < 4e-3);
    return bytes / t;
}

static float *floats(size_t n)
{
    float *x = aligned_alloc(1 << 21, (n * sizeof *x + (1 << 21)) >> 21 << 21);
    if (!x)
        stop(ty_error(TY_EMISSING, "out of memory"));
    ty_kernel_fill(x, 1e-3F, n);
    return x;
}

static void bench_kernels(int threads, int rounds)
{
    static const size_t footprint[] = {1 << 20, 3 << 19, 6 << 20, 24 << 20, 96 << 20, 1536 << 20};
    enum { SIZES = sizeof footprint / sizeof *footprint };
    samples(*s)[KERNELS] = calloc(SIZES, sizeof *s), (*part)[KERNELS] = calloc(SIZES, sizeof *part);
    const size_t most = footprint[SIZES - 1] / sizeof(float);
    ty_kernel_set_threads(threads);
    if (threads > 1)
        ty_kernel_bind(0);
    arrays x = {floats(most),     floats(most / 2),        floats(most / 3),
                floats(most / 4), floats(most / COLS * 2), floats(COLS),
                floats(COLS)};

    for (int i = 0; i < rounds; i++)
        for (int z = 0; z < SIZES; z++) {
            const double before = ruler(threads);
            double got[KERNELS], roof[KERNELS];
            ty_kernel_set_threads(threads);
            for (int k = 0; k < KERNELS; k++) {
                roof[k] = rate(TRIAD, &x, footprint[z]);
                got[k] = rate(k, &x, footprint[z]);
            }
            const int good = quiet(before, ruler(threads));
            for (int k = 0; good && k < KERNELS; k++) {
                keep(&s[z][k], got[k]);
                keep(&part[z][k], got[k] / roof[k]);
            }
        }
    print_ruler(threads);
    printf("GB/s (part of the triad beside it), %d threads\n%12s", threads, "bytes");
    for (int k = 0; k < KERNELS; k++)
        printf(" %15s", kernels[k].name);
    for (int z = 0; z < SIZES; z++) {
        printf("\n%12zu", footprint[z]);
        for (int k = 0; k < KERNELS; k++)
            printf(" %7.1f (%5.2f)", 1e-9 * quantile(&s[z][k], 0.5), quantile(&part[z][k], 0.5));
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    ty_kernel_spin_briefly(argv);
    const char *what = argc > 1 ? argv[1] : "step";
    const int first = argc > 2 ? atoi(argv[2]) : 0, second = argc > 3 ? atoi(argv[3]) : 0;
    if (!strcmp(what, "step"))
        bench_steps(first ? first : 15, second ? second : 100);
    else if (!strcmp(what, "allreduce"))
        bench_allreduce(first ? first : 5);
    else if (!strcmp(what, "kernels"))
        bench_kernels(first ? first : 1, second ? second : 9);
    else
        stop(ty_error(TY_EUSAGE, "step, allreduce or kernels"));
    return 0;
}
