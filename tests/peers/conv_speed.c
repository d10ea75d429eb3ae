/* SPDX-License-Identifier: MIT
 *
 * conv_speed - milliseconds and Gflop/s of every convolution and pooling of two networks, and of
 * their convolution part as a whole. Each result is checked before it is timed.
 *
 *   conv_speed [threads [rounds [batch]]]
 */
#include "kernels/conv.h"
#include "kernels/kernels.h"
#include "tests/naive_conv.h"

#include <stdio.h>
#include <time.h>

enum { MAX_ROUNDS = 1001 };

/* A layer: convolution, or pooling of [B*C, H, W] when F is 0. */
typedef struct layer {
    const char *name;
    ty_conv s;
    int first; /* no gradient of x is wanted */
} layer;

/* clang-format off */
static const layer cnn[] = {
    { "conv1 1-32 3x3",   { 0,  1, 28, 28, 32, 3, 0 }, 1 },
    { "conv2 32-64 3x3",  { 0, 32, 26, 26, 64, 3, 0 }, 0 },
    { "pool 64x24x24",    { 0, 64, 24, 24,  0, 0, 0 }, 0 },
    { NULL, { 0, 0, 0, 0, 0, 0, 0 }, 0 } };
static const layer lenet[] = {
    { "conv1 1-6 5x5 p2", { 0,  1, 28, 28,  6, 5, 2 }, 1 },
    { "pool 6x28x28",     { 0,  6, 28, 28,  0, 0, 0 }, 0 },
    { "conv2 6-16 5x5",   { 0,  6, 14, 14, 16, 5, 0 }, 0 },
    { "pool 16x10x10",    { 0, 16, 10, 10,  0, 0, 0 }, 0 },
    { NULL, { 0, 0, 0, 0, 0, 0, 0 }, 0 } };
/* clang-format on */

typedef struct data {
    ty_conv s;
    size_t nx, ny, nw;
    float *x, *y, *w, *b, *dx, *dy, *dw, *db, *space;
} data;

/* n random floats at a multiple of 64 bytes, as tensors are. */
static float *floats(size_t n, unsigned seed)
{
    float *x = aligned_alloc(64, (n / 16 + 1) * 64), *from = naive_random(n, seed);
    if (!x || !from)
        exit(1);
    memcpy(x, from, n * sizeof *x);
    free(from);
    return x;
}

static data data_new(const layer *l, size_t B)
{
    data d = {.s = l->s};
    d.s.B = B;
    d.nx = B * d.s.C * d.s.H * d.s.W;
    d.ny = d.s.F ? B * d.s.F * ty_conv_rows(&d.s) * ty_conv_cols(&d.s) : d.nx / 4;
    d.nw = d.s.F * d.s.C * d.s.K * d.s.K;
    d.x = floats(d.nx, 1), d.y = floats(d.ny, 2), d.w = floats(d.nw, 3), d.b = floats(d.s.F, 4);
    d.dx = floats(d.nx, 5), d.dy = floats(d.ny, 6), d.dw = floats(d.nw, 7);
    d.db = floats(d.s.F, 8), d.space = floats(d.s.F ? ty_conv_workspace(&d.s) : 0, 9);
    return d;
}

static void data_free(data *d)
{
    free(d->x), free(d->y), free(d->w), free(d->b), free(d->space);
    free(d->dx), free(d->dy), free(d->dw), free(d->db);
}

typedef void pass(data *d);

static void fwd(data *d)
{
    if (d->s.F)
        ty_kernel_conv_fwd(d->y, d->x, d->w, d->b, &d->s, d->space);
    else
        ty_kernel_pool_fwd(d->y, d->x, d->s.B * d->s.C, d->s.H, d->s.W);
}

static void bwd_x(data *d)
{
    if (d->s.F)
        ty_kernel_conv_bwd_x(d->dx, d->dy, d->w, &d->s, d->space);
    else
        ty_kernel_pool_bwd(d->dx, d->dy, d->x, d->s.B * d->s.C, d->s.H, d->s.W);
}

static void bwd_w(data *d)
{
    if (d->s.F)
        ty_kernel_conv_bwd_w(d->dw, d->db, d->x, d->dy, &d->s, d->space);
}

/* ---- checks ---------------------------------------------------------------------------------- */

static int close_to(const float *x, const double *exact, size_t n, double terms)
{
    return naive_distance(x, exact, n) <= 3e-7 * (4 + terms);
}

/* A few images through everything, against sums in double. */
static int right(const layer *l)
{
    data d = data_new(l, 3);
    double *y = calloc(d.ny + 1, sizeof *y), *dx = calloc(d.nx + 1, sizeof *dx), flops = 0;
    double *dw = calloc(d.nw + 1, sizeof *dw), *db = calloc(d.s.F + 1, sizeof *db);
    const size_t taps = d.s.K * d.s.K, positions = d.s.F ? d.ny / d.s.F : 0;
    int ok = y && dx && dw && db;

    if (d.s.F) {
        naive_conv_fwd(y, d.x, d.w, d.b, &d.s, &flops);
        naive_conv_bwd(dx, dw, db, d.x, d.dy, d.w, &d.s);
        memset(d.dw, 0, d.nw * sizeof *d.dw);
        memset(d.db, 0, d.s.F * sizeof *d.db);
    } else {
        naive_pool_fwd(y, d.x, d.s.B * d.s.C, d.s.H, d.s.W);
        naive_pool_bwd(dx, d.dy, d.x, d.s.B * d.s.C, d.s.H, d.s.W);
    }
    fwd(&d), bwd_x(&d), bwd_w(&d);
    ok = ok && close_to(d.y, y, d.ny, (double)(d.s.C * taps));
    ok = ok && close_to(d.dx, dx, d.nx, (double)(d.s.F * taps));
    ok = ok && (!d.s.F || close_to(d.dw, dw, d.nw, (double)positions));
    ok = ok && (!d.s.F || close_to(d.db, db, d.s.F, (double)positions));
    free(y), free(dx), free(dw), free(db);
    data_free(&d);
    return ok;
}

/* ---- times ----------------------------------------------------------------------------------- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int rising(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *seconds, int n)
{
    qsort(seconds, (size_t)n, sizeof *seconds, rising);
    return seconds[n / 2];
}

static double flops_of(const data *d)
{
    return d->s.F ? 2 * (double)d->ny * (double)(d->s.C * d->s.K * d->s.K) : 0;
}

static void report(const char *name, const char *what, double seconds, double flops)
{
    printf("%-7s %-18s %-6s %8.3f ms", "", name, what, 1e3 * seconds);
    if (flops > 0)
        printf("  %6.1f Gflop/s", flops / seconds / 1e9);
    printf("\n");
}

/* Every pass of every layer once a round, as in a step: caches hold what a step leaves there. */
static int network(const char *name, const layer *l, size_t B, int rounds)
{
    static double times[8][3][MAX_ROUNDS], whole[MAX_ROUNDS];
    static pass *const passes[3] = {fwd, bwd_x, bwd_w};
    static const char *const what[3] = {"fwd", "bwd_x", "bwd_w"};
    data d[8];
    int n = 0;

    for (; l[n].name; n++) {
        if (!right(&l[n])) {
            printf("%s %s: results differ\n", name, l[n].name);
            return 0;
        }
        d[n] = data_new(&l[n], B);
    }
    for (int r = -1; r < rounds; r++) {
        const int at = r < 0 ? 0 : r;
        whole[at] = 0;
        for (int i = 0; i < 2 * n; i++) {
            const int k = i < n ? i : 2 * n - 1 - i;
            for (int p = i < n ? 0 : 2; i < n ? p < 1 : p > 0; p += i < n ? 1 : -1) {
                if (p == 1 && l[k].first)
                    continue;
                const double begin = now();
                passes[p](&d[k]);
                times[k][p][at] = now() - begin;
                whole[at] += times[k][p][at];
            }
        }
    }
    printf("%s, batch %zu\n", name, B);
    double flops = 0;
    for (int k = 0; k < n; k++)
        for (int p = 0; p < 3; p++)
            if (!(p == 1 && l[k].first) && !(p == 2 && !d[k].s.F)) {
                flops += flops_of(&d[k]);
                report(l[k].name, what[p], median(times[k][p], rounds), flops_of(&d[k]));
            }
    report("all of these", "", median(whole, rounds), flops);
    for (int k = 0; k < n; k++)
        data_free(&d[k]);
    return 1;
}

int main(int argc, char **argv)
{
    const int threads = argc > 1 ? atoi(argv[1]) : 1, asked = argc > 2 ? atoi(argv[2]) : 25;
    const int rounds = asked < 1 ? 1 : asked < MAX_ROUNDS ? asked : MAX_ROUNDS;
    const size_t B = argc > 3 && atoi(argv[3]) > 0 ? (size_t)atoi(argv[3]) : 64;

    ty_kernel_spin_briefly(argv);
    ty_kernel_set_threads(threads);
    const double before = ty_kernel_fma_peak(20e-3);
    const int ok = network("cnn", cnn, B, rounds) & network("lenet", lenet, B, rounds);
    printf(
        "%d thread(s), medians of %d rounds; multiply-add peak %.0f before, %.0f Gflop/s after\n",
        threads, rounds, before / 1e9, ty_kernel_fma_peak(20e-3) / 1e9);
    return !ok;
}
