/* SPDX-License-Identifier: MIT */
#include "experiments/calibrate_limits.h"

#include "base/clock.h"
#include "base/stats.h"
#include "fabric/rank.h"
#include "kernels/kernels.h"
#include "strategies/collectives/collective.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double ty_calibrate_typical(double *v, size_t n)
{
    double sum = 0, most = 2 * ty_quantile(v, n, 0.5);
    for (size_t i = 0; i < n; i++)
        sum += fmin(v[i], most);
    return sum / (double)n;
}

/* ---- one rank -------------------------------------------------------------------------------- */

/* A disturbance only lowers a peak: the best of some short looks. */
static double best_peak(int threads)
{
    double best = 0;
    ty_kernel_set_threads(threads);
    for (int i = 0; i < 6; i++)
        best = fmax(best, ty_kernel_fma_peak(0.04));
    ty_kernel_set_threads(1);
    return best;
}

enum { CACHE_SIZES = 15, LOOKS = 5 };

static const double LARGEST = 256e6, SMALLEST = 4e6; /* [B] */

/* Best rate at which one thread goes over n floats, reading and writing. */
static double best_rate(float *x, size_t n)
{
    double best = INFINITY;
    for (int i = 0; i < LOOKS; i++) {
        double begin = ty_clock();
        ty_kernel_scale(x, 1, n);
        double t = ty_clock() - begin;
        best = i > 0 ? fmin(best, t) : best; /* the first one touches */
    }
    return 8 * (double)n / best;
}

double ty_calibration_find_cache(const double *sizes, const double *rates, size_t n)
{
    static const double DROP = 1.25;
    double fast = 0, slow = INFINITY;
    for (size_t i = 0; i < n; i++)
        fast = fmax(fast, rates[i]);
    for (size_t i = n - n / 5; i < n; i++) /* the largest fifth */
        slow = fmin(slow, rates[i]);
    if (fast < DROP * slow)
        return 0;
    for (size_t i = n; i-- > 1;)
        if (rates[i - 1] > sqrt(fast * slow))
            return sqrt(sizes[i - 1] * sizes[i]);
    return sizes[0];
}

static double last_cache(void)
{
    double sizes[CACHE_SIZES], rates[CACHE_SIZES];
    float *x = ty_zalloc((size_t)(LARGEST / sizeof(float)), sizeof *x);
    for (int i = 0; i < CACHE_SIZES; i++) {
        sizes[i] = SMALLEST * pow(LARGEST / SMALLEST, (double)i / (CACHE_SIZES - 1));
        rates[i] = best_rate(x, (size_t)(sizes[i] / sizeof(float)));
    }
    free(x);
    return ty_calibration_find_cache(sizes, rates, CACHE_SIZES);
}

/* What a fill of so many numbers takes on all cores beyond its share of one core's time. */
static double region(int cores)
{
    enum { FLOATS = 1 << 18, TIMES = 200 };
    double *sample = ty_alloc(TIMES * sizeof *sample), seconds[2];
    float *x = ty_zalloc(FLOATS, sizeof *x);
    for (int way = 0; way < 2; way++) {
        ty_kernel_set_threads(way ? cores : 1);
        for (int i = -TIMES / 4; i < TIMES; i++) {
            double begin = ty_clock();
            ty_kernel_fill(x, 0, FLOATS);
            if (i >= 0)
                sample[i] = ty_clock() - begin;
        }
        seconds[way] = ty_quantile(sample, TIMES, 0.5);
    }
    ty_kernel_set_threads(1);
    free(x), free(sample);
    return fmax(0, seconds[1] - seconds[0] / cores);
}

void ty_calibrate_limits(ty_machine *m, ty_calibration_report *report)
{
    m->peak_flops = best_peak(1);
    report->all_peak = best_peak(m->cores);
    m->cache = last_cache();
    m->region_s = m->cores > 1 ? region(m->cores) : 0;
}

/* ---- ranks ----------------------------------------------------------------------------------- */

enum { PING_SIZES = 8 };

static const double ping_bytes[PING_SIZES] = {64,      1 << 10, 1 << 13, 1 << 15,
                                              1 << 17, 1 << 19, 1 << 20, 1 << 21};
/* Between two exchanges: time to compute, and more where messages are long, so that none is late. */
static const double COMPUTING = 50e-6; /* [s] */
static const double SLOWEST = 4e9;     /* [B/s] */

typedef struct bench {
    int rounds;
    double *sample[PING_SIZES]; /* [rounds] */
    char *out[2], *in[2];
} bench;

static void compute_until(ty_rank *r, double then)
{
    while (ty_now(r) < then)
        ;
}

/* Both ranks compute for a while, which fills what they send, then exchange a message, as in a step
 * of an all-reduce; the hand-off is what passes from then on. (Ranks that only talk end up on one
 * core, where a message is cheaper than it ever is in training; so are numbers that nobody has
 * written since they were last sent.) */
static void exchange(ty_rank *r, void *arg)
{
    bench *p = arg;
    double then = ty_now(r); /* rank 0's, which both go by */
    if (r->id == 0)
        ty_send(r, 1, 0, &then, sizeof then);
    else
        ty_recv(r, 0, 0, &then, sizeof then);
    for (int round = -3; round < p->rounds; round++)
        for (int i = 0; i < PING_SIZES; i++) {
            const size_t bytes = (size_t)ping_bytes[i];
            then += COMPUTING + (i ? ping_bytes[i - 1] : ping_bytes[PING_SIZES - 1]) / SLOWEST +
                    ping_bytes[i] / SLOWEST;
            memset(p->out[r->id], round & 1, bytes);
            compute_until(r, then);
            ty_req *in = ty_irecv(r, 1 - r->id, 0, p->in[r->id], bytes);
            ty_send(r, 1 - r->id, 0, p->out[r->id], bytes);
            ty_wait(r, in);
            if (r->id == 0 && round >= 0) /* the first rounds warm up */
                p->sample[i][round] = ty_now(r) - then;
        }
}

static void nothing(ty_rank *lane, void *arg)
{
    (void)lane, (void)arg;
}

static void fork_and_join(ty_rank *r, void *arg)
{
    bench *p = arg;
    for (int round = -3; round < p->rounds && r->id == 0; round++) {
        double begin = ty_now(r);
        ty_join(r, ty_fork(r, nothing, NULL));
        if (round >= 0)
            p->sample[0][round] = ty_now(r) - begin;
    }
}

static void barriers(ty_rank *r, void *arg)
{
    bench *p = arg;
    const ty_team all = ty_team_new(r, 0, 0, 1, r->job->ranks);
    const ty_tensor nothing_to_say = {.memory = TY_BUFFER};
    for (int round = -3; round < p->rounds; round++) {
        ty_barrier_dissemination.run(&all, nothing_to_say);
        compute_until(r, ty_now(r) + COMPUTING);
        double begin = ty_now(r);
        ty_barrier_dissemination.run(&all, nothing_to_say);
        if (r->id == 0 && round >= 0)
            p->sample[0][round] = ty_now(r) - begin;
    }
}

static ty_err run(bench *p, int ranks, ty_main body, double *seconds, int n)
{
    const ty_job job = {.ranks = ranks, .threads = 1, .busy = ranks};
    ty_err e = ty_fabric_threads.run(&job, body, p);
    for (int i = 0; i < n; i++)
        seconds[i] = ty_calibrate_typical(p->sample[i], (size_t)p->rounds);
    return e;
}

ty_err ty_calibrate_ranks(ty_machine *m, ty_calibration_report *report, int repetitions)
{
    const size_t most = (size_t)ping_bytes[PING_SIZES - 1];
    bench p = {.rounds = repetitions};
    double seconds[PING_SIZES];
    for (int i = 0; i < PING_SIZES; i++)
        p.sample[i] = ty_zalloc((size_t)p.rounds, sizeof(double));
    for (int i = 0; i < 2; i++) {
        p.out[i] = memset(ty_alloc(most), 1, most);
        p.in[i] = memset(ty_alloc(most), 1, most);
    }
    ty_err e = run(&p, 2, exchange, seconds, PING_SIZES);
    report->handoff = ty_calibration_fit_net(ping_bytes, seconds, PING_SIZES, &m->handoff);
    if (!e.code)
        e = run(&p, 1, fork_and_join, &m->fork_s, 1);
    if (!e.code && m->cores > 1)
        e = run(&p, m->cores, barriers, &m->barrier_s, 1);
    for (int i = 0; i < PING_SIZES; i++)
        free(p.sample[i]);
    for (int i = 0; i < 2; i++)
        free(p.out[i]), free(p.in[i]);
    return e;
}
