/* SPDX-License-Identifier: MIT
 *
 * gemm_peer - our matrix product against OpenBLAS, one shape after the other.
 * The two alternate within a run, so that a change of clock or a busy neighbour meets both; a shape
 * whose results differ gets no rate. Peak is the multiply-add ruler, measured around every shape.
 *
 *   gemm_peer [threads [rounds]]
 */
#include "kernels/kernels.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ROUNDS = 1001 };

typedef struct shape {
    const char *name;
    int trans_a, trans_b, accumulate;
    size_t M, N, K;
} shape;

/* clang-format off */
static const shape shapes[] = {
    { "fwd   NN", 0, 0, 0,  128,  512,  784 }, { "fwd   NN", 0, 0, 0,  128,  256,  512 },
    { "fwd   NN", 0, 0, 0,  128,   10,  256 }, { "fwd   NN", 0, 0, 0,   64,  512,  784 },
    { "fwd   NN", 0, 0, 0,   64,  256,  512 }, { "fwd   NN", 0, 0, 0,   64,   10,  256 },
    { "fwd   NN", 0, 0, 0,   43,  512,  784 }, { "fwd   NN", 0, 0, 0,   43,  256,  512 },
    { "fwd   NN", 0, 0, 0,   43,   10,  256 }, { "fwd   NN", 0, 0, 0,   32,  512,  784 },
    { "fwd   NN", 0, 0, 0, 8192,  512,  784 }, { "cube  NN", 0, 0, 0,  512,  512,  512 },
    { "cube  NN", 0, 0, 0, 1024, 1024, 1024 },
    { "bwd_x NT", 0, 1, 0,  128,  512,  256 }, { "bwd_x NT", 0, 1, 0,  128,  256,   10 },
    { "bwd_x NT", 0, 1, 0,   64,  512,  256 }, { "bwd_x NT", 0, 1, 0,   64,  256,   10 },
    { "bwd_x NT", 0, 1, 0,   43,  512,  256 }, { "bwd_x NT", 0, 1, 0,   43,  256,   10 },
    { "cube  NT", 0, 1, 0, 1024, 1024, 1024 },
    { "bwd_w TN", 1, 0, 1,  784,  512,  128 }, { "bwd_w TN", 1, 0, 1,  512,  256,  128 },
    { "bwd_w TN", 1, 0, 1,  256,   10,  128 }, { "bwd_w TN", 1, 0, 1,  784,  512,   64 },
    { "bwd_w TN", 1, 0, 1,  512,  256,   64 }, { "bwd_w TN", 1, 0, 1,  256,   10,   64 },
    { "bwd_w TN", 1, 0, 1,  784,  512,   43 }, { "bwd_w TN", 1, 0, 1,  512,  256,   43 },
    { "bwd_w TN", 1, 0, 1,  256,   10,   43 }, { "cube  TN", 1, 0, 0, 1024, 1024, 1024 },
};
/* clang-format on */

typedef void multiply(const shape *s, const float *a, const float *b, float *c);

static void ours(const shape *s, const float *a, const float *b, float *c)
{
    ty_kernel_gemm(s->trans_a, s->trans_b, s->M, s->N, s->K, a, b, s->accumulate, c);
}

static void peers(const shape *s, const float *a, const float *b, float *c)
{
    const int M = (int)s->M, N = (int)s->N, K = (int)s->K;
    cblas_sgemm(CblasRowMajor, s->trans_a ? CblasTrans : CblasNoTrans,
                s->trans_b ? CblasTrans : CblasNoTrans, M, N, K, 1, a, s->trans_a ? M : K, b,
                s->trans_b ? K : N, s->accumulate ? 1 : 0, c, N);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *random_floats(size_t n)
{
    float *x = aligned_alloc(64, (n / 16 + 1) * 64); /* as tensors are */
    if (!x)
        exit(1);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rand() / (float)RAND_MAX - 0.5f;
    return x;
}

static int rising(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct rate {
    double low, median, high; /* [flop/s] p10, p50, p90 */
} rate;

static rate rate_of(double *seconds, int n, double flops)
{
    qsort(seconds, (size_t)n, sizeof *seconds, rising);
    return (rate){flops / seconds[n * 9 / 10], flops / seconds[n / 2], flops / seconds[n / 10]};
}

/* Let the other library's idle threads stop spinning: OpenBLAS's do so for up to 0.1 s. */
static void settle(int threads)
{
    const struct timespec pause = {0, 150000000};
    if (threads > 1)
        nanosleep(&pause, NULL);
}

/* Seconds of one call: the mean of as many as fill about 2 ms. */
static double time_of(multiply *f, const shape *s, const float *a, const float *b, float *c,
                      int calls)
{
    const double begin = now();
    for (int i = 0; i < calls; i++)
        f(s, a, b, c);
    return (now() - begin) / calls;
}

/* The largest difference of both results, in units of sqrt(K) roundings. */
static double difference(const shape *s, const float *a, const float *b, float *c, float *d)
{
    const size_t n = s->M * s->N;
    double worst = 0;

    memset(c, 0, n * sizeof *c);
    memset(d, 0, n * sizeof *d);
    ours(s, a, b, c);
    peers(s, a, b, d);
    for (size_t i = 0; i < n; i++)
        worst = fmax(worst, fabs((double)c[i] - (double)d[i]));
    return worst / (sqrt((double)s->K) * 6e-8);
}

/* `rounds` samples of each, in turns of a few so that pauses are rare. */
static void race(const shape *s, const float *a, const float *b, float *c, float *d, int rounds,
                 int threads, double *mine, double *his)
{
    const double flops = 2.0 * (double)s->M * (double)s->N * (double)s->K;
    const int calls = 1 + (int)(2e-3 * 150e9 * threads / flops), turn = threads > 1 ? 8 : 1;

    for (int first = 0; first < rounds; first += turn) {
        const int last = first + turn < rounds ? first + turn : rounds;
        settle(threads);
        time_of(ours, s, a, b, c, 1);
        for (int r = first; r < last; r++)
            mine[r] = time_of(ours, s, a, b, c, calls);
        settle(threads);
        time_of(peers, s, a, b, d, 1);
        for (int r = first; r < last; r++)
            his[r] = time_of(peers, s, a, b, d, calls);
    }
}

static int compare(const shape *s, int rounds, int threads)
{
    const double flops = 2.0 * (double)s->M * (double)s->N * (double)s->K;
    float *a = random_floats(s->M * s->K), *b = random_floats(s->K * s->N);
    float *c = random_floats(s->M * s->N), *d = random_floats(s->M * s->N);
    double mine[MAX_ROUNDS], his[MAX_ROUNDS];
    const double off = difference(s, a, b, c, d);
    const int right = off < 20;

    settle(threads);
    const double peak_before = ty_kernel_fma_peak(5e-3);
    if (right)
        race(s, a, b, c, d, rounds, threads, mine, his);
    settle(threads);
    const double peak = fmax(peak_before, ty_kernel_fma_peak(5e-3));
    if (right) {
        const rate m = rate_of(mine, rounds, flops), h = rate_of(his, rounds, flops);
        printf("%s %5zu x%5zu x%5zu  %6.1f (%5.1f..%5.1f)  %6.1f (%5.1f..%5.1f)  %5.2f  %4.0f %%  "
               "%5.0f\n",
               s->name, s->M, s->N, s->K, m.median / 1e9, m.low / 1e9, m.high / 1e9, h.median / 1e9,
               h.low / 1e9, h.high / 1e9, m.median / h.median, 100 * m.median / peak, peak / 1e9);
    } else
        printf("%s %5zu x%5zu x%5zu  results differ by %.3g roundings\n", s->name, s->M, s->N, s->K,
               off);
    fflush(stdout);
    free(a), free(b), free(c), free(d);
    return right;
}

int main(int argc, char **argv)
{
    const int threads = argc > 1 ? atoi(argv[1]) : 1, asked = argc > 2 ? atoi(argv[2]) : 25;
    const int rounds = asked < 1 ? 1 : asked < MAX_ROUNDS ? asked : MAX_ROUNDS;
    int right = 1;

    ty_kernel_spin_briefly(argv);
    ty_kernel_set_threads(threads);
    openblas_set_num_threads(threads);
    printf("OpenBLAS kernel %s, %d thread(s), %d rounds, Gflop/s median (p10..p90)\n",
           openblas_get_corename(), threads, rounds);
    printf("%-29s %-23s %-22s %5s %6s %6s\n", "layout       M      N      K", "  ours",
           "  OpenBLAS", "ratio", "of peak", "peak");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        right &= compare(&shapes[i], rounds, threads);
    return !right;
}
