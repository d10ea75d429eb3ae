/* SPDX-License-Identifier: MIT
 *
 * bench_kernel - the list of kernels and shapes, their naive references, and the clock. OpenBLAS is
 * loaded when it is there: it is for comparison alone, so nothing links with it. Both run in turns,
 * so that a disturbance meets both.
 */
#define _GNU_SOURCE
#include "cli/bench.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/stats.h"
#include "kernels/kernels.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ROUNDS = 64 };
static const double SAMPLE_S = 2e-3; /* a sample lasts about so long */

typedef struct spec {
    const char *name;
    enum { PRODUCT, ADD, COPY, SCALE, RELU, SGD } kind;
    int trans_a, trans_b, accumulate;
    size_t M, N, K;
} spec;

/* clang-format off */
static const spec list[] = { /* the quick ones first: the layers of mnist-mlp, and a cube */
    {"gemm_nn", PRODUCT, 0, 0, 0, 128, 512, 784}, {"gemm_nn", PRODUCT, 0, 0, 0, 128, 256, 512},
    {"gemm_nt", PRODUCT, 0, 1, 0, 128, 512, 256}, {"gemm_tn", PRODUCT, 1, 0, 1, 784, 512, 128},
    {"gemm_tn", PRODUCT, 1, 0, 1, 512, 256, 128}, {"gemm_nn", PRODUCT, 0, 0, 0, 512, 512, 512},
    {"add",   ADD,   0, 0, 0, 1 << 20, 1, 1}, {"copy",  COPY,  0, 0, 0, 1 << 20, 1, 1},
    {"sgd",   SGD,   0, 0, 0, 1 << 20, 1, 1}, {"relu",  RELU,  0, 0, 0, 1 << 16, 1, 1},
    {"gemm_nn", PRODUCT, 0, 0, 0, 128,  10, 256}, {"gemm_nn", PRODUCT, 0, 0, 0,  64, 512, 784},
    {"gemm_nt", PRODUCT, 0, 1, 0,  64, 512, 256}, {"gemm_tn", PRODUCT, 1, 0, 1, 784, 512,  64},
    {"gemm_nn", PRODUCT, 0, 0, 0, 1024, 1024, 1024}, {"gemm_nt", PRODUCT, 0, 1, 0, 1024, 1024, 1024},
    {"gemm_tn", PRODUCT, 1, 0, 0, 1024, 1024, 1024},
    {"add",   ADD,   0, 0, 0, 1 << 14, 1, 1}, {"scale", SCALE, 0, 0, 0, 1 << 20, 1, 1},
    {"add",   ADD,   0, 0, 0, 1 << 23, 1, 1}, {"sgd",   SGD,   0, 0, 0, 1 << 23, 1, 1},
};
/* clang-format on */
enum { QUICK = 10 };

/* ---- OpenBLAS, when it is installed ---------------------------------------------------------- */

typedef void sgemm(int order, int trans_a, int trans_b, int M, int N, int K, float alpha,
                   const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);
static struct {
    int tried;
    sgemm *multiply;
    char text[200];
} peer;

static void *symbol(void *library, const char *name)
{
    return library ? dlsym(library, name) : NULL;
}

const char *ty_bench_peer(int threads)
{
    char *(*config)(void);
    void (*set_threads)(int);
    if (peer.tried++)
        return peer.text;
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    *(void **)&peer.multiply = symbol(library, "cblas_sgemm");
    *(void **)&config = symbol(library, "openblas_get_config");
    *(void **)&set_threads = symbol(library, "openblas_set_num_threads");
    if (set_threads)
        set_threads(threads);
    snprintf(peer.text, sizeof peer.text, "beside %s",
             peer.multiply ? config ? config() : "OpenBLAS"
                           : "nothing: apt-get install libopenblas0 gives a peer");
    return peer.text;
}

/* ---- one call of a kernel, ours or theirs ---------------------------------------------------- */

typedef struct operands {
    float *a, *b, *c, *d; /* c: result of ours, d: of the other */
    size_t na, nb, nc;
} operands;

static void ours(const spec *s, const operands *o)
{
    switch (s->kind) {
    case PRODUCT:
        ty_kernel_gemm(s->trans_a, s->trans_b, s->M, s->N, s->K, o->a, o->b, s->accumulate, o->c);
        break;
    case ADD:
        ty_kernel_add(o->c, o->a, s->M);
        break;
    case COPY:
        ty_kernel_copy(o->c, o->a, s->M);
        break;
    case SCALE:
        ty_kernel_scale(o->c, 0.999f, s->M);
        break;
    case RELU:
        ty_kernel_relu_fwd(o->c, s->M);
        break;
    case SGD:
        ty_kernel_sgd(o->c, o->b, o->a, s->M, 0.01f, 0.9f);
        break;
    }
}

static void theirs(const spec *s, const operands *o)
{
    enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };
    int M = (int)s->M, N = (int)s->N, K = (int)s->K;
    peer.multiply(ROW_MAJOR, s->trans_a ? TRANSPOSED : PLAIN, s->trans_b ? TRANSPOSED : PLAIN, M, N,
                  K, 1, o->a, s->trans_a ? M : K, o->b, s->trans_b ? K : N, s->accumulate ? 1 : 0,
                  o->d, N);
}

/* ---- the naive reference --------------------------------------------------------------------- */

/* Element (i, j) of a product, in double, and what rounding may make of it: eps sqrt(K) times the sum of sizes. */
static double naive(const spec *s, const operands *o, size_t i, size_t j, double start,
                    double *bound)
{
    double sum = s->accumulate ? start : 0, size = fabs(sum);
    for (size_t k = 0; k < s->K; k++) {
        double term = (double)o->a[s->trans_a ? k * s->M + i : i * s->K + k] *
                      (double)o->b[s->trans_b ? j * s->K + k : k * s->N + j];
        sum += term;
        size += fabs(term);
    }
    *bound = 6e-8 * (1 + sqrt((double)s->K)) * size;
    return sum;
}

/* What element i must be after one call, from what was there before. */
static double expected(const spec *s, const operands *o, size_t i, double before, double velocity,
                       double *bound)
{
    const double a = (double)o->a[i % o->na];
    switch (s->kind) {
    case PRODUCT:
        return naive(s, o, i / s->N, i % s->N, before, bound);
    case ADD:
        return before + a;
    case COPY:
        return a;
    case SCALE:
        return before * (double)0.999f;
    case RELU:
        return before > 0 ? before : 0;
    case SGD:
        return before - (double)0.01f * ((double)0.9f * velocity + a);
    }
    return NAN;
}

/* Every element of small results, a prime stride through large ones. Operands are at most
 * 1/2 in size. */
static size_t count_wrong(const spec *s, operands *o)
{
    size_t wrong = 0, stride = s->kind == PRODUCT && s->M * s->N * s->K > (1u << 24) ? 61 : 1;
    float *before = ty_alloc(o->nc * sizeof *before),
          *velocity = ty_alloc(o->nb * sizeof *velocity);
    memcpy(before, o->c, o->nc * sizeof *before);
    memcpy(velocity, o->b, o->nb * sizeof *velocity);
    ours(s, o);
    for (size_t i = 0; i < o->nc; i += stride) {
        double bound = 1e-6, v = s->kind == SGD ? (double)velocity[i] : 0;
        double want = expected(s, o, i, (double)before[i], v, &bound);
        wrong += !(fabs((double)o->c[i] - want) <= bound);
    }
    free(before);
    free(velocity);
    return wrong;
}

/* ---- the clock ------------------------------------------------------------------------------- */

static double time_of(void (*call)(const spec *, const operands *), const spec *s,
                      const operands *o, int calls)
{
    double begin = ty_clock();
    for (int i = 0; i < calls; i++)
        call(s, o);
    return (ty_clock() - begin) / calls;
}

/* Idle threads of one library spin for a while and would slow the other. */
static void settle(int threads)
{
    if (threads > 1)
        nanosleep(&(struct timespec){.tv_nsec = 120000000}, NULL);
}

static void rate(ty_bench_line *l, double *seconds, int n, double amount)
{
    l->rate = amount / ty_quantile(seconds, (size_t)n, 0.5);
    l->low = amount / ty_quantile(seconds, (size_t)n, 0.9);
    l->high = amount / ty_quantile(seconds, (size_t)n, 0.1);
}

/* Samples in turns of a few; SGD's values stay finite because its gradient is small. */
static void race(const spec *s, const operands *o, int rounds, int threads, double *mine,
                 double *his)
{
    int turn = threads > 1 ? 8 : 1;
    double once = time_of(ours, s, o, 1);
    int calls = 1 + (int)(SAMPLE_S / (once > 1e-7 ? once : 1e-7));
    for (int first = 0; first < rounds; first += turn) {
        int last = first + turn < rounds ? first + turn : rounds;
        settle(his ? threads : 1);
        time_of(ours, s, o, 1);
        for (int r = first; r < last; r++)
            mine[r] = time_of(ours, s, o, calls);
        if (!his)
            continue;
        settle(threads);
        time_of(theirs, s, o, 1);
        for (int r = first; r < last; r++)
            his[r] = time_of(theirs, s, o, calls);
    }
}

/* ---- one line -------------------------------------------------------------------------------- */

static float *numbers(size_t n)
{
    static uint32_t x = 1;
    float *v = aligned_alloc(64, (n / 16 + 1) * 64);
    TY_CHECK(v, "out of memory for %zu numbers", n);
    for (size_t i = 0; i < n; i++)
        v[i] = (float)((x = x * 1664525u + 1013904223u) >> 8) * 0x1p-24f - 0.5f;
    return v;
}

static void open_operands(operands *o, const spec *s)
{
    int product = s->kind == PRODUCT;
    o->na = product ? s->M * s->K : s->M;
    o->nb = product ? s->K * s->N : s->M;
    o->nc = product ? s->M * s->N : s->M;
    o->a = numbers(o->na);
    o->b = numbers(o->nb);
    o->c = numbers(o->nc);
    o->d = numbers(o->nc);
}

static void close_operands(operands *o)
{
    free(o->a);
    free(o->b);
    free(o->c);
    free(o->d);
}

static ty_work work_of(const spec *s)
{
    switch (s->kind) {
    case PRODUCT:
        return (ty_work){.flops = 2.0 * (double)s->M * (double)s->N * (double)s->K};
    case ADD:
        return ty_work_add(s->M);
    case COPY:
        return ty_work_copy(s->M);
    case SCALE:
        return ty_work_scale(s->M);
    case RELU:
        return ty_work_relu_fwd(s->M);
    case SGD:
        return ty_work_sgd(s->M);
    }
    return (ty_work){0};
}

static void time_line(const spec *s, operands *o, int rounds, int threads, ty_bench_line *l)
{
    double mine[MAX_ROUNDS], his[MAX_ROUNDS];
    int beside = l->flops && peer.multiply != NULL;
    ty_work w = work_of(s);
    settle(threads);
    l->peak = ty_kernel_fma_peak(5e-3);
    race(s, o, rounds, threads, mine, beside ? his : NULL);
    settle(threads);
    l->peak = fmax(l->peak, ty_kernel_fma_peak(5e-3));
    if (beside) {
        rate(l, his, rounds, w.flops);
        l->peer = l->rate;
    }
    rate(l, mine, rounds, l->flops ? w.flops : w.bytes);
}

int ty_bench_kernel(int i, int rounds, int threads, int quick, ty_bench_line *line)
{
    operands o;
    if (i >= (quick ? QUICK : (int)(sizeof list / sizeof *list)))
        return 0;
    const spec *s = &list[i];
    *line = (ty_bench_line){
        .kernel = s->name, .M = s->M, .N = s->N, .K = s->K, .flops = s->kind == PRODUCT};
    open_operands(&o, s);
    line->wrong = count_wrong(s, &o);
    if (!line->wrong)
        time_line(s, &o, rounds < MAX_ROUNDS ? rounds : MAX_ROUNDS, threads, line);
    close_operands(&o);
    return 1;
}
