/* SPDX-License-Identifier: MIT
 *
 * bench_attentions - causal attention of H heads of D = C/H channels over T tokens, for B texts.
 */
#include "experiments/bench_case.h"
#include "kernels/transformer.h"

#include "base/err.h"

#include <math.h>
#include <stdlib.h>

enum { B, T, C, H };
static const size_t text[][TY_BENCH_DIMS] = {
    {8, 128, 256, 4}, {4, 64, 768, 12}, {2, 512, 256, 4}, {8, 64, 64, 2}};

static size_t rows_of(const size_t *s)
{
    return s[B] * s[T];
}

/* ---- naive, one head of one text ------------------------------------------------------------- */

typedef struct head {
    size_t T, D, row;       /* floats from a token's queries to the next token's */
    const float *q, *k, *v; /* of token 0 */
    double *p;              /* [T,T] */
} head;

static head head_of(const size_t *s, const float *qkv, size_t b, size_t h, double *p)
{
    const float *q = qkv + b * s[T] * 3 * s[C] + h * (s[C] / s[H]);
    return (head){s[T], s[C] / s[H], 3 * s[C], q, q + s[C], q + 2 * s[C], p};
}

/* p[i,j] = softmax over j <= i of q_i k_j / sqrt(D) */
static void probabilities(const head *a)
{
    for (size_t i = 0; i < a->T; i++) {
        double *p = a->p + i * a->T, sum = 0;
        for (size_t j = 0; j <= i; j++) {
            const double dot = ty_naive_dot(a->q + i * a->row, a->k + j * a->row, a->D);
            sum += p[j] = exp(dot / sqrt((double)a->D));
        }
        for (size_t j = 0; j <= i; j++)
            p[j] /= sum;
    }
}

typedef void each_head(const size_t *s, const head *a, size_t b, size_t h, const float *const *in,
                       double *const *out);

static void naive(const size_t *s, const float *qkv, const float *const *in, double *const *out,
                  each_head *visit)
{
    double *p = ty_alloc(s[T] * s[T] * sizeof *p);
    for (size_t b = 0; b < s[B]; b++)
        for (size_t h = 0; h < s[H]; h++) {
            const head a = head_of(s, qkv, b, h, p);
            probabilities(&a);
            visit(s, &a, b, h, in, out);
        }
    free(p);
}

/* ---- forward --------------------------------------------------------------------------------- */

enum { OUT, P, SPACE, QKV };

static void lay_out_fwd(const size_t *s, ty_bench_array *a)
{
    a[OUT] = (ty_bench_array){.role = TY_OUT, .n = rows_of(s) * s[C]};
    a[P] = (ty_bench_array){.role = TY_UNSEEN, .n = ty_kernel_attention_saved(s[B], s[T], s[H])};
    a[SPACE] =
        (ty_bench_array){.role = TY_SPACE, .n = ty_kernel_attention_space(s[B], s[T], s[C], s[H])};
    a[QKV] = (ty_bench_array){.role = TY_IN, .n = rows_of(s) * 3 * s[C]};
}

static int work_fwd(const size_t *s, ty_work *out)
{
    return ty_work_attention_fwd(s[B], s[T], s[C], s[H], out);
}

static void call_fwd(const size_t *s, float *const *a)
{
    ty_kernel_attention_fwd(a[OUT], a[P], a[SPACE], a[QKV], s[B], s[T], s[C], s[H]);
}

static void head_fwd(const size_t *s, const head *a, size_t b, size_t h, const float *const *in,
                     double *const *out)
{
    (void)in;
    for (size_t i = 0; i < a->T; i++) {
        double *y = out[OUT] + (b * s[T] + i) * s[C] + h * a->D;
        for (size_t d = 0; d < a->D; d++)
            y[d] = 0;
        for (size_t j = 0; j <= i; j++)
            ty_naive_add(y, a->p[i * a->T + j], a->v + j * a->row, a->D);
    }
}

static void naive_fwd(const size_t *s, const float *const *in, double *const *out)
{
    naive(s, in[QKV], in, out, head_fwd);
}

/* ---- backward -------------------------------------------------------------------------------- */

enum { DQKV, P_OF_D, SPACE_OF_D, DOUT, QKV_OF_D, OUT_OF_D };

static void lay_out_bwd(const size_t *s, ty_bench_array *a)
{
    a[DQKV] = (ty_bench_array){.role = TY_OUT, .n = rows_of(s) * 3 * s[C]};
    a[P_OF_D] =
        (ty_bench_array){.role = TY_USED_UP, .n = ty_kernel_attention_saved(s[B], s[T], s[H])};
    a[SPACE_OF_D] =
        (ty_bench_array){.role = TY_SPACE, .n = ty_kernel_attention_space(s[B], s[T], s[C], s[H])};
    a[DOUT] = (ty_bench_array){.role = TY_IN, .n = rows_of(s) * s[C]};
    a[QKV_OF_D] = (ty_bench_array){.role = TY_IN, .n = rows_of(s) * 3 * s[C]};
    a[OUT_OF_D] = (ty_bench_array){.role = TY_SPACE, .n = rows_of(s) * s[C]};
}

static int work_bwd(const size_t *s, ty_work *out)
{
    return ty_work_attention_bwd(s[B], s[T], s[C], s[H], out);
}

static void prepare_bwd(const size_t *s, float *const *a)
{
    ty_kernel_attention_fwd(a[OUT_OF_D], a[P_OF_D], a[SPACE_OF_D], a[QKV_OF_D], s[B], s[T], s[C],
                            s[H]);
}

static void call_bwd(const size_t *s, float *const *a)
{
    ty_kernel_attention_bwd(a[DQKV], a[P_OF_D], a[SPACE_OF_D], a[DOUT], a[QKV_OF_D], s[B], s[T],
                            s[C], s[H]);
}

/* Token i: ds[j] = p[i,j] (dout_i v_j - sum over j of p[i,j] dout_i v_j) / sqrt(D). */
static void token_bwd(const head *a, size_t i, const float *dout, double *dq0, double *ds)
{
    const double *p = a->p + i * a->T;
    const size_t C_ = a->row / 3;
    double sum = 0;
    for (size_t j = 0; j <= i; j++) {
        ds[j] = ty_naive_dot(dout, a->v + j * a->row, a->D);
        sum += p[j] * ds[j];
        ty_naive_add(dq0 + j * a->row + 2 * C_, p[j], dout, a->D);
    }
    for (size_t j = 0; j <= i; j++) {
        const double d = p[j] * (ds[j] - sum) / sqrt((double)a->D);
        ty_naive_add(dq0 + i * a->row, d, a->k + j * a->row, a->D);
        ty_naive_add(dq0 + j * a->row + C_, d, a->q + i * a->row, a->D);
    }
}

static void head_bwd(const size_t *s, const head *a, size_t b, size_t h, const float *const *in,
                     double *const *out)
{
    double *ds = ty_alloc(a->T * sizeof *ds), *dq0 = out[DQKV] + b * s[T] * a->row + h * a->D;
    for (size_t i = 0; i < a->T; i++)
        token_bwd(a, i, in[DOUT] + (b * s[T] + i) * s[C] + h * a->D, dq0, ds);
    free(ds);
}

static void naive_bwd(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t i = 0; i < rows_of(s) * 3 * s[C]; i++)
        out[DQKV][i] = 0;
    naive(s, in[QKV_OF_D], in, out, head_bwd);
}

static size_t depth(const size_t *s)
{
    return s[T] + s[C] / s[H];
}

const ty_bench_op ty_bench_attentions[] = {
    {.name = "attention_fwd",
     .kind = "attention",
     .dims = "B T C H",
     .lay_out = lay_out_fwd,
     .work = work_fwd,
     .call = call_fwd,
     .naive = naive_fwd,
     .depth = depth,
     TY_SHAPES(text, 1)},
    {.name = "attention_bwd",
     .kind = "attention",
     .dims = "B T C H",
     .lay_out = lay_out_bwd,
     .work = work_bwd,
     .call = call_bwd,
     .naive = naive_bwd,
     .depth = depth,
     .prepare = prepare_bwd,
     TY_SHAPES(text, 1)},
};
const size_t ty_bench_attentions_n = sizeof ty_bench_attentions / sizeof *ty_bench_attentions;
