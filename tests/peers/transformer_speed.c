/* SPDX-License-Identifier: MIT
 *
 * transformer_speed - whole training steps of a small GPT and a small LSTM, and what each kernel takes of them.
 * First the gradient of each model is compared with the slope of its loss along it; a model that fails gets no times.
 * Shapes are those of the PyTorch 1.13.1 and llm.c measurements; weights are random, tokens too.
 *
 * A round counts when the multiply-add ruler before and after it shows that no neighbour held a processor.
 *
 *   transformer_speed [threads [rounds]]      median of the rounds: ms, Gflop/s and share of a step
 */
#include "kernels/kernels.h"
#include "kernels/lstm.h"
#include "kernels/transformer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ROUNDS = 201 };

/* ---- clock: time and flops by kernel ---- */

typedef enum kind {
    EMBEDDING,
    NORM,
    LINEAR_FWD,
    LINEAR_BWD_X,
    LINEAR_BWD_W,
    LINEAR_BWD_B,
    ATTENTION_FWD,
    ATTENTION_BWD,
    GELU_FWD,
    GELU_BWD,
    LSTM_FWD,
    LSTM_BWD,
    ADD,
    LOSS,
    ADAMW,
    KINDS
} kind;
static const char *const kind_name[KINDS] = {
    "embedding",    "layer norm",    "linear fwd",    "linear bwd x", "linear bwd w",
    "linear bwd b", "attention fwd", "attention bwd", "gelu fwd",     "gelu bwd",
    "lstm fwd",     "lstm bwd",      "residual add",  "softmax loss", "adamw"};

static double spent[KINDS], flops[KINDS];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double flops_of(const ty_work *w, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += w[i].flops;
    return sum;
}

/* Run one kernel on account of a kind. */
#define RUN(kind, work, call)                                                                      \
    do {                                                                                           \
        const double begin = now();                                                                \
        call;                                                                                      \
        spent[kind] += now() - begin;                                                              \
        flops[kind] += (work);                                                                     \
    } while (0)

/* ---- memory ---- */

static float *floats(size_t n)
{
    float *x = aligned_alloc(64, (n / 16 + 1) * 64); /* as tensors are */
    if (!x)
        exit(1);
    memset(x, 0, (n / 16 + 1) * 64);
    return x;
}

/* Parameters, their gradients and moments; each tensor begins at a multiple of 16 floats. */
typedef struct store {
    float *p, *g, *m, *v;
    size_t n;
} store;

static size_t take(store *s, size_t n)
{
    const size_t at = s->n;
    s->n += (n + 15) / 16 * 16;
    return at;
}

static void store_fill(store *s, float scale)
{
    s->p = floats(s->n), s->g = floats(s->n), s->m = floats(s->n), s->v = floats(s->n);
    for (size_t i = 0; i < s->n; i++)
        s->p[i] = scale * ((float)rand() / (float)RAND_MAX - 0.5f);
}

static void random_tokens(float *tokens, size_t n, size_t V)
{
    for (size_t i = 0; i < n; i++)
        tokens[i] = (float)((size_t)rand() % V);
}

/* ---- layers on account ---- */

typedef struct dense {
    size_t w, b, N, K;
} dense;

static dense dense_take(store *s, size_t K, size_t N)
{
    const size_t w = take(s, K * N);
    return (dense){w, take(s, N), N, K};
}

static void dense_fwd(const store *s, dense d, float *y, const float *x, size_t M)
{
    RUN(LINEAR_FWD, ty_work_linear_fwd(M, d.N, d.K).flops,
        ty_kernel_linear_fwd(y, x, s->p + d.w, s->p + d.b, M, d.N, d.K));
}

static void dense_bwd(const store *s, dense d, float *dx, const float *dy, const float *x, size_t M)
{
    RUN(LINEAR_BWD_W, ty_work_linear_bwd_w(M, d.N, d.K).flops,
        ty_kernel_linear_bwd_w(s->g + d.w, x, dy, M, d.N, d.K));
    RUN(LINEAR_BWD_B, ty_work_linear_bwd_b(M, d.N).flops,
        ty_kernel_linear_bwd_b(s->g + d.b, dy, M, d.N));
    RUN(LINEAR_BWD_X, ty_work_linear_bwd_x(M, d.N, d.K).flops,
        ty_kernel_linear_bwd_x(dx, dy, s->p + d.w, M, d.N, d.K));
}

typedef struct norm {
    size_t gain, bias, C;
} norm;

static norm norm_take(store *s, size_t C)
{
    const size_t gain = take(s, C);
    return (norm){gain, take(s, C), C};
}

static void norm_fwd(const store *s, norm n, float *y, float *saved, const float *x, size_t M)
{
    RUN(NORM, ty_work_norm_fwd(M, n.C).flops,
        ty_kernel_norm_fwd(y, saved, x, s->p + n.gain, s->p + n.bias, M, n.C));
}

static void norm_bwd(const store *s, norm n, float *dx, const float *dy, const float *x,
                     const float *saved, int accumulate, size_t M)
{
    RUN(NORM, ty_work_norm_bwd(M, n.C, accumulate).flops,
        ty_kernel_norm_bwd(dx, s->g + n.gain, s->g + n.bias, dy, x, saved, s->p + n.gain,
                           accumulate, M, n.C));
}

/* ---- GPT ---- */

enum { L = 4, C = 256, H = 4, T = 128, B = 8, V = 256, M = B * T };

typedef struct block {
    norm norm1, norm2;
    dense qkv, proj, wide, narrow;
    float *x, *n1, *s1, *q, *p, *att, *x2, *n2, *s2, *h, *act; /* activations */
} block;

static struct gpt {
    store s;
    size_t table, position;
    block block[L];
    norm last;
    dense head;
    float *tokens, *labels, *x, *n, *saved, *logits, *d, *dn, *dbig, *space;
} gpt;

static void gpt_new(void)
{
    store *s = &gpt.s;
    gpt.table = take(s, V * C);
    gpt.position = take(s, T * C);
    for (int l = 0; l < L; l++) {
        block *b = &gpt.block[l];
        b->norm1 = norm_take(s, C), b->norm2 = norm_take(s, C);
        b->qkv = dense_take(s, C, 3 * C), b->proj = dense_take(s, C, C);
        b->wide = dense_take(s, C, 4 * C), b->narrow = dense_take(s, 4 * C, C);
        b->x = floats(M * C), b->n1 = floats(M * C), b->s1 = floats(2 * M);
        b->q = floats(M * 3 * C), b->p = floats(ty_kernel_attention_saved(B, T, H));
        b->att = floats(M * C), b->x2 = floats(M * C), b->n2 = floats(M * C);
        b->s2 = floats(2 * M), b->h = floats(M * 4 * C), b->act = floats(M * 4 * C);
    }
    gpt.last = norm_take(s, C);
    gpt.head = dense_take(s, C, V);
    store_fill(s, 0.2f);
    for (int l = 0; l < L; l++)
        for (size_t i = 0; i < C; i++)
            s->p[gpt.block[l].norm1.gain + i] += 1, s->p[gpt.block[l].norm2.gain + i] += 1;
    gpt.tokens = floats(M), gpt.labels = floats(M), gpt.x = floats(M * C), gpt.n = floats(M * C);
    gpt.saved = floats(2 * M), gpt.logits = floats(M * V), gpt.d = floats(M * C);
    gpt.dn = floats(M * C), gpt.dbig = floats(M * 4 * C);
    gpt.space = floats(ty_kernel_attention_space(B, T, C, H));
    random_tokens(gpt.tokens, M, V);
    random_tokens(gpt.labels, M, V);
}

/* next = the stream after block b */
static void block_fwd(const block *b, float *next)
{
    const store *s = &gpt.s;
    ty_work work[TY_ATTENTION_WORKS];
    const int works = ty_work_attention_fwd(B, T, C, H, work);

    norm_fwd(s, b->norm1, b->n1, b->s1, b->x, M);
    dense_fwd(s, b->qkv, b->q, b->n1, M);
    RUN(ATTENTION_FWD, flops_of(work, works),
        ty_kernel_attention_fwd(b->att, b->p, gpt.space, b->q, B, T, C, H));
    dense_fwd(s, b->proj, b->x2, b->att, M);
    RUN(ADD, M * C, ty_kernel_add(b->x2, b->x, M * C));
    norm_fwd(s, b->norm2, b->n2, b->s2, b->x2, M);
    dense_fwd(s, b->wide, b->h, b->n2, M);
    RUN(GELU_FWD, ty_work_gelu_fwd(M * 4 * C).flops, ty_kernel_gelu_fwd(b->act, b->h, M * 4 * C));
    dense_fwd(s, b->narrow, next, b->act, M);
    RUN(ADD, M * C, ty_kernel_add(next, b->x2, M * C));
}

static void block_bwd(const block *b) /* gpt.d in place */
{
    const store *s = &gpt.s;
    ty_work work[TY_ATTENTION_WORKS];
    const int works = ty_work_attention_bwd(B, T, C, H, work);

    dense_bwd(s, b->narrow, gpt.dbig, gpt.d, b->act, M);
    RUN(GELU_BWD, ty_work_gelu_bwd(M * 4 * C).flops, ty_kernel_gelu_bwd(gpt.dbig, b->h, M * 4 * C));
    dense_bwd(s, b->wide, gpt.dn, gpt.dbig, b->n2, M);
    norm_bwd(s, b->norm2, gpt.d, gpt.dn, b->x2, b->s2, 1, M);
    dense_bwd(s, b->proj, gpt.dn, gpt.d, b->att, M);
    RUN(ATTENTION_BWD, flops_of(work, works),
        ty_kernel_attention_bwd(gpt.dbig, b->p, gpt.space, gpt.dn, b->q, B, T, C, H));
    dense_bwd(s, b->qkv, gpt.dn, gpt.dbig, b->n1, M);
    norm_bwd(s, b->norm1, gpt.d, gpt.dn, b->x, b->s1, 1, M);
}

/* Mean loss; gradients in gpt.s.g. */
static double gpt_gradient(void)
{
    const store *s = &gpt.s;
    double loss = 0;

    memset(s->g, 0, s->n * sizeof *s->g);
    RUN(EMBEDDING, M * C,
        ty_kernel_embedding_fwd(gpt.block[0].x, gpt.tokens, s->p + gpt.table, s->p + gpt.position,
                                B, T, C, V));
    for (int l = 0; l < L; l++)
        block_fwd(&gpt.block[l], l + 1 < L ? gpt.block[l + 1].x : gpt.x);
    norm_fwd(s, gpt.last, gpt.n, gpt.saved, gpt.x, M);
    dense_fwd(s, gpt.head, gpt.logits, gpt.n, M);
    RUN(LOSS, ty_work_softmax_xent(M, V).flops,
        loss = ty_kernel_softmax_xent(gpt.logits, gpt.logits, gpt.labels, M, V, 1.0f / M, NULL));
    dense_bwd(s, gpt.head, gpt.dn, gpt.logits, gpt.n, M);
    norm_bwd(s, gpt.last, gpt.d, gpt.dn, gpt.x, gpt.saved, 0, M);
    for (int l = L - 1; l >= 0; l--)
        block_bwd(&gpt.block[l]);
    RUN(EMBEDDING, 2 * M * C,
        ty_kernel_embedding_bwd(s->g + gpt.table, s->g + gpt.position, gpt.tokens, gpt.d, B, T, C,
                                V));
    return loss / M;
}

/* ---- LSTM ---- */

enum { LV = 64, LE = 128, LH = 256, LT = 64, LB = 32, LM = LT * LB };

static struct lstm {
    store s;
    size_t table;
    ty_lstm at;
    size_t wx, wh, b;
    dense head;
    float *tokens, *labels, *x, *y, *saved, *space, *logits, *dx, *dy;
} net;

static void lstm_new(void)
{
    store *s = &net.s;
    net.table = take(s, LV * LE);
    net.wx = take(s, LE * 4 * LH), net.wh = take(s, LH * 4 * LH), net.b = take(s, 4 * LH);
    net.head = dense_take(s, LH, LV);
    store_fill(s, 0.2f);
    net.at = (ty_lstm){.T = LT,
                       .B = LB,
                       .E = LE,
                       .H = LH,
                       .wx = s->p + net.wx,
                       .wh = s->p + net.wh,
                       .b = s->p + net.b,
                       .h0 = NULL,
                       .c0 = NULL};
    net.tokens = floats(LM), net.labels = floats(LM), net.x = floats(LM * LE);
    net.y = floats(LM * LH), net.saved = floats(ty_lstm_saved(LT, LB, LH));
    net.space = floats(ty_lstm_space(LB, LH)), net.logits = floats(LM * LV);
    net.dx = floats(LM * LE), net.dy = floats(LM * LH);
    random_tokens(net.tokens, LM, LV);
    random_tokens(net.labels, LM, LV);
}

static double lstm_gradient(void)
{
    const store *s = &net.s;
    const ty_lstm_grad d = {s->g + net.wx, s->g + net.wh, s->g + net.b, NULL, NULL};
    ty_work fwd[TY_LSTM_WORKS], bwd[TY_LSTM_WORKS];
    const int fwds = ty_work_lstm_fwd(LT, LB, LE, LH, fwd);
    const int bwds = ty_work_lstm_bwd(LT, LB, LE, LH, bwd);
    double loss = 0;

    memset(s->g, 0, s->n * sizeof *s->g);
    RUN(EMBEDDING, 0,
        ty_kernel_embedding_fwd(net.x, net.tokens, s->p + net.table, NULL, LT, LB, LE, LV));
    RUN(LSTM_FWD, flops_of(fwd, fwds),
        ty_kernel_lstm_fwd(&net.at, net.y, net.saved, net.space, net.x));
    dense_fwd(s, net.head, net.logits, net.y, LM);
    RUN(LOSS, ty_work_softmax_xent(LM, LV).flops,
        loss = ty_kernel_softmax_xent(net.logits, net.logits, net.labels, LM, LV, 1.0f / LM, NULL));
    dense_bwd(s, net.head, net.dy, net.logits, net.y, LM);
    RUN(LSTM_BWD, flops_of(bwd, bwds),
        ty_kernel_lstm_bwd(&net.at, &d, net.dx, net.saved, net.space, net.dy, net.y, net.x));
    RUN(EMBEDDING, LM * LE,
        ty_kernel_embedding_bwd(s->g + net.table, NULL, net.tokens, net.dx, LT, LB, LE, LV));
    return loss / LM;
}

/* ---- check and race ---- */

typedef double gradient_fn(void);

/* Along the gradient the loss must rise with slope |gradient|: the largest relative difference. */
static double slope_error(store *s, gradient_fn *gradient)
{
    float *along = floats(s->n);
    double norm2 = 0, loss[2];

    gradient();
    for (size_t i = 0; i < s->n; i++)
        norm2 += (double)s->g[i] * (double)s->g[i];
    const double length = sqrt(norm2), step = 2e-3;
    for (size_t i = 0; i < s->n; i++)
        along[i] = s->g[i] / (float)length;
    for (int side = 0; side < 2; side++) {
        const float by = (float)(side ? -2 * step : step);
        for (size_t i = 0; i < s->n; i++)
            s->p[i] += by * along[i];
        loss[side] = gradient();
    }
    for (size_t i = 0; i < s->n; i++)
        s->p[i] += (float)step * along[i];
    free(along);
    return fabs((loss[0] - loss[1]) / (2 * step) / length - 1);
}

static int rising(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, rising);
    return x[n / 2];
}

/* Share of the peak of `threads` free processors that the ruler sees now. */
static double freedom(int threads, double peak_of_one)
{
    return ty_kernel_fma_peak(1e-3) / (threads * peak_of_one);
}

/* One row a kernel; the last is the whole step with its fastest round. */
static void print_times(const char *name, double (*seconds)[MAX_ROUNDS], int rounds)
{
    double all = 0;
    const double best =
        (qsort(seconds[KINDS], (size_t)rounds, sizeof(double), rising), seconds[KINDS][0]);
    const double step = median(seconds[KINDS], rounds);

    for (int k = 0; k < KINDS; k++) {
        if (flops[k] == 0)
            continue;
        const double t = median(seconds[k], rounds);
        printf("  %-14s %8.3f ms %8.1f Mflop %7.1f Gflop/s %5.1f %%\n", kind_name[k], 1e3 * t,
               flops[k] / 1e6, flops[k] / t / 1e9, 100 * t / step);
        all += flops[k];
    }
    printf("  %-14s %8.3f ms %8.1f Mflop %7.1f Gflop/s, best %.3f ms\n", name, 1e3 * step,
           all / 1e6, all / step / 1e9, 1e3 * best);
}

/* Seconds of one step by kernel, and whole in the last place. */
static void one_step(store *s, gradient_fn *gradient, int number, double *seconds)
{
    memset(spent, 0, sizeof spent);
    memset(flops, 0, sizeof flops);
    const double start = now();
    gradient();
    RUN(ADAMW, ty_work_adamw(s->n).flops,
        ty_kernel_adamw(s->p, s->m, s->v, s->g, s->n, 1e-4f, 0.9f, 0.999f, 1e-8f, 0.01f, number));
    seconds[KINDS] = now() - start;
    memcpy(seconds, spent, sizeof spent);
}

static int race(const char *name, store *s, gradient_fn *gradient, int rounds, int threads,
                double peak_of_one)
{
    static double seconds[KINDS + 1][MAX_ROUNDS];
    const double error = slope_error(s, gradient);

    printf("%s: %zu parameters, gradient against slope: %.1e\n", name, s->n, error);
    if (!(error < 1e-2))
        return 0;
    int kept = 0, tried = 0;
    for (; kept < rounds && tried < 20 * rounds; tried++) {
        double step[KINDS + 1];
        const double before = freedom(threads, peak_of_one);
        one_step(s, gradient, tried + 1, step);
        const double after = freedom(threads, peak_of_one);
        if (tried < 2 || (fmin(before, after) < 0.9 && tried < 19 * rounds))
            continue; /* two to warm up; in a crowd that never ends, the last rounds count */
        for (int k = 0; k <= KINDS; k++)
            seconds[k][kept] = step[k];
        kept++;
    }
    printf("  %d rounds of %d counted%s\n", kept, tried,
           tried > 19 * rounds ? ": never alone, times are too long" : "");
    print_times(name, seconds, kept);
    return 1;
}

int main(int argc, char **argv)
{
    const int threads = argc > 1 ? atoi(argv[1]) : 1, asked = argc > 2 ? atoi(argv[2]) : 25;
    const int rounds = asked < 1 ? 1 : asked < MAX_ROUNDS ? asked : MAX_ROUNDS;

    ty_kernel_spin_briefly(argv);
    ty_kernel_bind(0);
    ty_kernel_set_threads(1);
    double peak = 0; /* of one processor at its best */
    for (int i = 0; i < 50; i++)
        peak = fmax(peak, ty_kernel_fma_peak(5e-3));
    ty_kernel_set_threads(threads);
    gpt_new();
    lstm_new();
    int right = race("GPT L4 d256 h4 T128 B8 V256", &gpt.s, gpt_gradient, rounds, threads, peak);
    right &= race("LSTM E128 H256 T64 B32 V64", &net.s, lstm_gradient, rounds, threads, peak);
    printf("%d thread(s); peak of one %.0f Gflop/s\n", threads, peak / 1e9);
    return !right;
}
