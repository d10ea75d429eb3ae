/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "experiments/bench_roof.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/stats.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { LOOKS = 4, FIRST = 5, SAMPLES = 9, TRIES = 3, COOL_NS = 10000000 };
static const double LOOK_S = 2e-3, SAMPLE_S = 2e-3;
static const double SWITCHES = 20;    /* a second: the kernel's own threads need some */
static const double ALONE = 0.9;      /* of what as many single threads do */
static const double LEAST = 3 << 12;  /* [B] smallest footprint */
static const double TRIAD_BYTES = 12; /* an element */
const char *const ty_level_name[TY_LEVELS] = {"L1", "L2", "L3", "DRAM"};

/* ---- the ruler ------------------------------------------------------------------------------- */

/* A mean: a neighbour takes turns of some milliseconds. */
static double look(int threads)
{
    double sum = 0;
    ty_kernel_set_threads(threads);
    for (int i = 0; i < LOOKS; i++)
        sum += ty_kernel_fma_peak(LOOK_S);
    return sum / LOOKS;
}

void ty_ruler_open(ty_ruler *r, int threads)
{
    const int all = ty_kernel_max_threads();
    *r = (ty_ruler){.threads = threads, .processors = threads < all ? threads : all};
    for (int i = 0; i < FIRST; i++)
        r->one = fmax(r->one, look(1));
    ty_kernel_set_threads(threads);
}

static void look_now(ty_ruler *r)
{
    r->now = look(r->threads);
    r->one = fmax(r->one, r->now / r->processors);
}

static long taken_away(void)
{
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) ? 0 : u.ru_nivcsw;
}

void ty_ruler_begin(ty_ruler *r)
{
    look_now(r);
    r->before = r->now;
    r->switches = taken_away();
    r->begun = ty_clock();
}

int ty_ruler_end(ty_ruler *r)
{
    const double least = ALONE * r->processors * r->one,
                 most = 2 + SWITCHES * (ty_clock() - r->begun);
    const int switches = taken_away() - r->switches > (long)most;
    nanosleep(&(struct timespec){.tv_nsec = COOL_NS}, NULL);
    look_now(r);
    return !switches && r->before >= least && r->now >= least;
}

/* ---- caches ---------------------------------------------------------------------------------- */

static double cache(int name, double otherwise)
{
    const long bytes = sysconf(name);
    return bytes > 0 ? (double)bytes : otherwise;
}

static double most_memory(double last_cache)
{
    const double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    return fmin(4 * last_cache, memory / 8);
}

static void find_caches(ty_roof *r, int processors)
{
    r->holds[TY_L1] = processors * cache(_SC_LEVEL1_DCACHE_SIZE, 32768);
    r->holds[TY_L2] = processors * cache(_SC_LEVEL2_CACHE_SIZE, 1 << 20);
    r->holds[TY_L3] = fmax(r->holds[TY_L2], cache(_SC_LEVEL3_CACHE_SIZE, 1 << 25));
    r->holds[TY_DRAM] = INFINITY;
}

ty_level ty_roof_level(const ty_roof *roof, double footprint)
{
    ty_level l = TY_L1;
    while (footprint > roof->holds[l])
        l++;
    return l;
}

/* ---- the triad ------------------------------------------------------------------------------- */

static double triad_sample(float *a, size_t n, int calls)
{
    const double begin = ty_clock();
    for (int i = 0; i < calls; i++)
        ty_kernel_triad(a, a + n, a + 2 * n, 0.5f, n);
    return (ty_clock() - begin) / calls;
}

/* Median of some samples; *alone becomes 0 when something ran beside them. */
static double triad_rate(ty_ruler *ruler, float *a, size_t n, int *alone)
{
    double seconds[SAMPLES];
    ty_ruler_begin(ruler);
    triad_sample(a, n, 1);
    const int calls = 1 + (int)(SAMPLE_S / (triad_sample(a, n, 1) + 1e-8));
    for (int i = 0; i < SAMPLES; i++)
        seconds[i] = triad_sample(a, n, calls);
    *alone = ty_ruler_end(ruler);
    return TRIAD_BYTES * (double)n / ty_quantile(seconds, SAMPLES, 0.5);
}

/* The best of up to TRIES: a disturbance only lowers it. */
static void measure_point(ty_roof *r, ty_ruler *ruler, float *a, double bytes)
{
    const size_t n = (size_t)(bytes / TRIAD_BYTES) / 16 * 16;
    double best = 0;
    int alone = 0;
    for (int i = 0; i < TRIES && !alone; i++)
        best = fmax(best, triad_rate(ruler, a, n, &alone));
    r->disturbed += !alone;
    r->bytes[r->points] = TRIAD_BYTES * (double)n;
    r->bandwidth[r->points++] = best;
}

/* Every thread touches its own part first. */
static float *open_memory(size_t bytes)
{
    float *a = aligned_alloc(4096, (bytes / 4096 + 1) * 4096);
    TY_CHECK(a, "out of memory for a triad over %zu B", bytes);
    const size_t n = bytes / sizeof *a / 3 / 16 * 16;
    for (int i = 0; i < 3; i++)
        ty_kernel_fill(a + (size_t)i * n, 1, n);
    return a;
}

void ty_roof_measure(ty_roof *roof, ty_ruler *ruler, double most)
{
    *roof = (ty_roof){.threads = ruler->threads};
    find_caches(roof, ruler->processors);
    if (most <= 0)
        most = most_memory(roof->holds[TY_L3]);
    for (int i = 0; i < FIRST; i++) {
        look_now(ruler);
        roof->flops = fmax(roof->flops, ruler->now);
    }
    float *a = open_memory((size_t)most);
    for (double b = LEAST; b <= most / 1.4 && roof->points < TY_ROOF_POINTS - 1; b *= 2)
        measure_point(roof, ruler, a, b);
    measure_point(roof, ruler, a, most);
    free(a);
}

/* ---- reading it ------------------------------------------------------------------------------ */

double ty_roof_bandwidth(const ty_roof *roof, double footprint)
{
    int i = 0;
    while (i < roof->points && roof->bytes[i] < footprint)
        i++;
    if (i == 0 || i == roof->points)
        return roof->bandwidth[i ? i - 1 : 0];
    const double share =
        log(footprint / roof->bytes[i - 1]) / log(roof->bytes[i] / roof->bytes[i - 1]);
    return (1 - share) * roof->bandwidth[i - 1] + share * roof->bandwidth[i];
}

double ty_roof_typical(const ty_roof *roof, ty_level level)
{
    if (level == TY_DRAM)
        return roof->bytes[roof->points - 1];
    return level == TY_L1 ? roof->holds[TY_L1] / 2
                          : sqrt(roof->holds[level - 1] * roof->holds[level]);
}

double ty_roof_seconds(const ty_roof *roof, double flops, double bytes, double footprint,
                       const char **bound)
{
    const double compute = flops / roof->flops, memory = bytes / ty_roof_bandwidth(roof, footprint);
    *bound = compute > memory ? "FMA" : ty_level_name[ty_roof_level(roof, footprint)];
    return fmax(compute, memory);
}
