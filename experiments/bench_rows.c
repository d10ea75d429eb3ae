/* SPDX-License-Identifier: MIT
 *
 * bench_rows - what works on rows of channels: embedding, layer norm, softmax with cross-entropy.
 */
#include "experiments/bench_case.h"
#include "kernels/kernels.h"
#include "kernels/transformer.h"

#include <math.h>

/* ---- embedding: tokens [B,T], table [V,C], position [T,C] ------------------------------------ */

enum { B, T, C, V };
static const size_t text[][TY_BENCH_DIMS] = {
    {8, 128, 256, 256}, {32, 64, 128, 96}, {4, 64, 768, 50257}};

enum { Y, TOKENS, TABLE, POSITION };

static void lay_out_embedding_fwd(const size_t *s, ty_bench_array *a)
{
    a[Y] = (ty_bench_array){.role = TY_OUT, .n = s[B] * s[T] * s[C]};
    a[TOKENS] =
        (ty_bench_array){.role = TY_IN, .n = s[B] * s[T], .filling = TY_TOKENS, .below = s[V]};
    a[TABLE] = (ty_bench_array){.role = TY_IN, .n = s[V] * s[C]};
    a[POSITION] = (ty_bench_array){.role = TY_IN, .n = s[T] * s[C]};
}

static int work_embedding_fwd(const size_t *s, ty_work *out)
{
    *out = ty_work_embedding_fwd(s[B], s[T], s[C], 1);
    return 1;
}

static void call_embedding_fwd(const size_t *s, float *const *a)
{
    ty_kernel_embedding_fwd(a[Y], a[TOKENS], a[TABLE], a[POSITION], s[B], s[T], s[C], s[V]);
}

static void naive_embedding_fwd(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t i = 0; i < s[B] * s[T] * s[C]; i++)
        out[Y][i] = (double)in[TABLE][(size_t)in[TOKENS][i / s[C]] * s[C] + i % s[C]] +
                    (double)in[POSITION][i % (s[T] * s[C])];
}

enum { DTABLE, DPOSITION, TOKENS_OF_D, DY_OF_D };

static void lay_out_embedding_bwd(const size_t *s, ty_bench_array *a)
{
    a[DTABLE] = (ty_bench_array){.role = TY_BOTH, .n = s[V] * s[C]};
    a[DPOSITION] = (ty_bench_array){.role = TY_BOTH, .n = s[T] * s[C]};
    a[TOKENS_OF_D] =
        (ty_bench_array){.role = TY_IN, .n = s[B] * s[T], .filling = TY_TOKENS, .below = s[V]};
    a[DY_OF_D] = (ty_bench_array){.role = TY_IN, .n = s[B] * s[T] * s[C]};
}

static int work_embedding_bwd(const size_t *s, ty_work *out)
{
    *out = ty_work_embedding_bwd(s[B], s[T], s[C], 1);
    return 1;
}

static void call_embedding_bwd(const size_t *s, float *const *a)
{
    ty_kernel_embedding_bwd(a[DTABLE], a[DPOSITION], a[TOKENS_OF_D], a[DY_OF_D], s[B], s[T], s[C],
                            s[V]);
}

static void naive_embedding_bwd(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t i = 0; i < s[B] * s[T] * s[C]; i++) {
        const double dy = (double)in[DY_OF_D][i];
        out[DTABLE][(size_t)in[TOKENS_OF_D][i / s[C]] * s[C] + i % s[C]] += dy;
        out[DPOSITION][i % (s[T] * s[C])] += dy;
    }
}

static size_t depth_embedding(const size_t *s)
{
    return s[B] * s[T];
}

/* ---- layer norm of M rows of C channels ------------------------------------------------------ */

enum { ROWS, CHANNELS };
static const size_t norm[][TY_BENCH_DIMS] = {{1024, 256}, {4096, 768}, {256, 64}};
static const double EPSILON = 1e-5;

enum { NORM_Y, SAVED, NORM_X, GAIN, NORM_BIAS };

static void lay_out_norm_fwd(const size_t *s, ty_bench_array *a)
{
    a[NORM_Y] = (ty_bench_array){.role = TY_OUT, .n = s[ROWS] * s[CHANNELS]};
    a[SAVED] = (ty_bench_array){.role = TY_OUT, .n = 2 * s[ROWS]};
    a[NORM_X] = (ty_bench_array){.role = TY_IN, .n = s[ROWS] * s[CHANNELS]};
    a[GAIN] = (ty_bench_array){.role = TY_IN, .n = s[CHANNELS]};
    a[NORM_BIAS] = (ty_bench_array){.role = TY_IN, .n = s[CHANNELS]};
}

static int work_norm_fwd(const size_t *s, ty_work *out)
{
    *out = ty_work_norm_fwd(s[ROWS], s[CHANNELS]);
    return 1;
}

static void call_norm_fwd(const size_t *s, float *const *a)
{
    ty_kernel_norm_fwd(a[NORM_Y], a[SAVED], a[NORM_X], a[GAIN], a[NORM_BIAS], s[ROWS], s[CHANNELS]);
}

/* Mean and 1/std of a row. */
static void moments(const float *x, size_t n, double *mean, double *scale)
{
    double sum = 0, squares = 0;
    for (size_t j = 0; j < n; j++)
        sum += (double)x[j];
    *mean = sum / (double)n;
    for (size_t j = 0; j < n; j++)
        squares += ((double)x[j] - *mean) * ((double)x[j] - *mean);
    *scale = 1 / sqrt(squares / (double)n + EPSILON);
}

static void naive_norm_fwd(const size_t *s, const float *const *in, double *const *out)
{
    const size_t n = s[CHANNELS];
    for (size_t i = 0; i < s[ROWS]; i++) {
        double *saved = out[SAVED] + 2 * i;
        moments(in[NORM_X] + i * n, n, &saved[0], &saved[1]);
        for (size_t j = 0; j < n; j++)
            out[NORM_Y][i * n + j] =
                ((double)in[NORM_X][i * n + j] - saved[0]) * saved[1] * (double)in[GAIN][j] +
                (double)in[NORM_BIAS][j];
    }
}

enum { DX, DGAIN, DBIAS, DY, X_OF_DX, SAVED_OF_DX, GAIN_OF_DX };

static void lay_out_norm_bwd(const size_t *s, ty_bench_array *a)
{
    const size_t n = s[ROWS] * s[CHANNELS];
    a[DX] = (ty_bench_array){.role = TY_OUT, .n = n};
    a[DGAIN] = (ty_bench_array){.role = TY_BOTH, .n = s[CHANNELS]};
    a[DBIAS] = (ty_bench_array){.role = TY_BOTH, .n = s[CHANNELS]};
    a[DY] = (ty_bench_array){.role = TY_IN, .n = n};
    a[X_OF_DX] = (ty_bench_array){.role = TY_IN, .n = n};
    a[SAVED_OF_DX] = (ty_bench_array){.role = TY_IN, .n = 2 * s[ROWS]};
    a[GAIN_OF_DX] = (ty_bench_array){.role = TY_IN, .n = s[CHANNELS]};
}

static int work_norm_bwd(const size_t *s, ty_work *out)
{
    *out = ty_work_norm_bwd(s[ROWS], s[CHANNELS], 0);
    return 1;
}

static void prepare_norm_bwd(const size_t *s, float *const *a)
{
    for (size_t i = 0; i < s[ROWS]; i++) {
        double mean, scale;
        moments(a[X_OF_DX] + i * s[CHANNELS], s[CHANNELS], &mean, &scale);
        a[SAVED_OF_DX][2 * i] = (float)mean;
        a[SAVED_OF_DX][2 * i + 1] = (float)scale;
    }
}

static void call_norm_bwd(const size_t *s, float *const *a)
{
    ty_kernel_norm_bwd(a[DX], a[DGAIN], a[DBIAS], a[DY], a[X_OF_DX], a[SAVED_OF_DX], a[GAIN_OF_DX],
                       0, s[ROWS], s[CHANNELS]);
}

/* With v the normalised row and g = dy gain: dx = (g - mean(g) - v mean(g v)) / std. */
static void naive_norm_row(size_t n, const float *x, const float *dy, const float *gain, double *dx,
                           double *dgain, double *dbias)
{
    double mean, scale, first = 0, second = 0;
    moments(x, n, &mean, &scale);
    for (size_t j = 0; j < n; j++) {
        const double v = ((double)x[j] - mean) * scale, g = (double)dy[j] * (double)gain[j];
        first += g / (double)n;
        second += g * v / (double)n;
        dgain[j] += (double)dy[j] * v;
        dbias[j] += (double)dy[j];
    }
    for (size_t j = 0; j < n; j++) {
        const double v = ((double)x[j] - mean) * scale, g = (double)dy[j] * (double)gain[j];
        dx[j] = (g - first - v * second) * scale;
    }
}

static void naive_norm_bwd(const size_t *s, const float *const *in, double *const *out)
{
    const size_t n = s[CHANNELS];
    for (size_t i = 0; i < s[ROWS]; i++)
        naive_norm_row(n, in[X_OF_DX] + i * n, in[DY] + i * n, in[GAIN_OF_DX], out[DX] + i * n,
                       out[DGAIN], out[DBIAS]);
}

static size_t depth_norm(const size_t *s)
{
    return s[CHANNELS];
}

static size_t depth_norm_bwd(const size_t *s)
{
    return s[ROWS] + s[CHANNELS];
}

/* ---- softmax cross-entropy ------------------------------------------------------------------- */

enum { DLOGITS, LOGITS, LABELS };
static const size_t logits[][TY_BENCH_DIMS] = {{1024, 256}, {128, 10}, {1024, 96}};

static void lay_out_softmax(const size_t *s, ty_bench_array *a)
{
    a[DLOGITS] = (ty_bench_array){.role = TY_OUT, .n = s[0] * s[1]};
    a[LOGITS] = (ty_bench_array){.role = TY_IN, .n = s[0] * s[1]};
    a[LABELS] = (ty_bench_array){.role = TY_IN, .n = s[0], .filling = TY_TOKENS, .below = s[1]};
}

static int work_softmax(const size_t *s, ty_work *out)
{
    *out = ty_work_softmax_xent(s[0], s[1]);
    return 1;
}

static void call_softmax(const size_t *s, float *const *a)
{
    ty_kernel_softmax_xent(a[DLOGITS], a[LOGITS], a[LABELS], s[0], s[1], 1, NULL);
}

static void naive_softmax(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t i = 0; i < s[0]; i++) {
        const float *x = in[LOGITS] + i * s[1];
        double sum = 0;
        for (size_t j = 0; j < s[1]; j++)
            sum += exp((double)x[j]);
        for (size_t j = 0; j < s[1]; j++)
            out[DLOGITS][i * s[1] + j] =
                exp((double)x[j]) / sum - (j == (size_t)in[LABELS][i] ? 1 : 0);
    }
}

const ty_bench_op ty_bench_rows[] = {
    {.name = "embedding_fwd",
     .kind = "rows",
     .dims = "B T C V",
     .lay_out = lay_out_embedding_fwd,
     .work = work_embedding_fwd,
     .call = call_embedding_fwd,
     .naive = naive_embedding_fwd,
     TY_SHAPES(text, 1)},
    {.name = "embedding_bwd",
     .kind = "rows",
     .dims = "B T C V",
     .lay_out = lay_out_embedding_bwd,
     .work = work_embedding_bwd,
     .call = call_embedding_bwd,
     .naive = naive_embedding_bwd,
     .depth = depth_embedding,
     TY_SHAPES(text, 1)},
    {.name = "norm_fwd",
     .kind = "rows",
     .dims = "M C",
     .lay_out = lay_out_norm_fwd,
     .work = work_norm_fwd,
     .call = call_norm_fwd,
     .naive = naive_norm_fwd,
     .depth = depth_norm,
     TY_SHAPES(norm, 1)},
    {.name = "norm_bwd",
     .kind = "rows",
     .dims = "M C",
     .lay_out = lay_out_norm_bwd,
     .work = work_norm_bwd,
     .call = call_norm_bwd,
     .naive = naive_norm_bwd,
     .depth = depth_norm_bwd,
     .prepare = prepare_norm_bwd,
     TY_SHAPES(norm, 1)},
    {.name = "softmax_xent",
     .kind = "rows",
     .dims = "B C",
     .lay_out = lay_out_softmax,
     .work = work_softmax,
     .call = call_softmax,
     .naive = naive_softmax,
     TY_SHAPES(logits, 1)},
};
const size_t ty_bench_rows_n = sizeof ty_bench_rows / sizeof *ty_bench_rows;
