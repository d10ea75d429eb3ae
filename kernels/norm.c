/* SPDX-License-Identifier: MIT
 *
 * norm - layer norm. Rows go to threads; the gradients of gain and bias are sums down the columns, so a second pass
 * goes by columns, a few vectors of them at a time.
 */
#include "kernels/threads.h"
#include "kernels/transformer.h"
#include "kernels/vecmath.h"

#include <math.h>

enum {
    GRAIN = 16384, /* elements worth a thread */
    TOGETHER = 2,  /* rows side by side; four spoil the processor's own prefetching */
    WIDEST = 2048, /* columns of rows that fit into the first cache together */
    NEAR = 8192,   /* elements of a block of rows that stays there between two passes */
    WIDE = 8       /* vectors of columns summed at a time */
};
static const float epsilon = 1e-5f;

typedef struct norm {
    float *y, *saved, *dx, *dgain, *dbias;
    const float *x, *gain, *bias, *dy;
    size_t M, C;
    size_t from, to; /* rows whose columns are summed */
    int accumulate;
} norm;

/* ---- forward: rows side by side, because each waits for its own sums ---- */

/* Below, `rows` and, but for the last columns, `some` are constants: sums stay in registers, nothing is tested. */

TY_INLINE void add_columns(ty_vec *sum, const float *x, size_t C, const size_t rows, size_t some)
{
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++) {
        __builtin_prefetch(x + (2 * rows + r) * C);
        sum[r] += ty_vec_load_some(x + r * C, some);
    }
}

TY_INLINE void means_of(float *mean, const float *x, size_t C, const size_t rows)
{
    ty_vec sum[TOGETHER] = {{0}};
    size_t j = 0;
    for (; j + TY_LANES <= C; j += TY_LANES)
        add_columns(sum, x + j, C, rows, TY_LANES);
    if (j < C)
        add_columns(sum, x + j, C, rows, C - j);
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++)
        mean[r] = ty_vec_sum(sum[r]) / (float)C;
}

TY_INLINE void variances_of(float *variance, const float *x, const float *mean, size_t C,
                            const size_t rows)
{
    ty_vec sum[TOGETHER] = {{0}};
    size_t j = 0;
    for (; j + TY_LANES <= C; j += TY_LANES)
#pragma GCC unroll 4
        for (size_t r = 0; r < rows; r++) {
            const ty_vec d = ty_vec_load(x + r * C + j) - mean[r];
            sum[r] += d * d;
        }
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++) {
        variance[r] = ty_vec_sum(sum[r]);
        for (size_t k = j; k < C; k++)
            variance[r] += (x[r * C + k] - mean[r]) * (x[r * C + k] - mean[r]);
        variance[r] /= (float)C;
    }
}

/* y = (x - mean) scale gain + bias, with all four at one place of the row. */
TY_INLINE void normalise(float *y, const float *x, const float *mean, const float *scale,
                         const float *gain, const float *bias, size_t C, const size_t rows,
                         size_t some)
{
    const ty_vec g = ty_vec_load_some(gain, some), b = ty_vec_load_some(bias, some);
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++) {
        const ty_vec v = (ty_vec_load_some(x + r * C, some) - mean[r]) * scale[r];
        __builtin_prefetch(y + (2 * rows + r) * C, 1);
        ty_vec_store_some(y + r * C, v * g + b, some);
    }
}

/* Rows i .. i + rows - 1. */
TY_INLINE void forward_together(const norm *n, size_t i, const size_t rows)
{
    const size_t C = n->C;
    const float *x = n->x + i * C, *gain = n->gain, *bias = n->bias;
    float *y = n->y + i * C, mean[TOGETHER], scale[TOGETHER];
    size_t j = 0;

    means_of(mean, x, C, rows);
    variances_of(scale, x, mean, C, rows);
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++) {
        scale[r] = 1 / sqrtf(scale[r] + epsilon);
        n->saved[2 * (i + r)] = mean[r];
        n->saved[2 * (i + r) + 1] = scale[r];
    }
    for (; j + TY_LANES <= C; j += TY_LANES)
        normalise(y + j, x + j, mean, scale, gain + j, bias + j, C, rows, TY_LANES);
    if (j < C)
        normalise(y + j, x + j, mean, scale, gain + j, bias + j, C, rows, C - j);
}

static void forward_rows(void *arg, size_t lo, size_t hi)
{
    const norm *n = arg;
    size_t i = lo;

    for (; i + TOGETHER <= hi && n->C <= WIDEST; i += TOGETHER)
        forward_together(n, i, TOGETHER);
    for (; i < hi; i++)
        forward_together(n, i, 1);
}

void ty_kernel_norm_fwd(float *y, float *saved, const float *x, const float *gain,
                        const float *bias, size_t M, size_t C)
{
    norm n = {.y = y, .saved = saved, .x = x, .gain = gain, .bias = bias, .M = M, .C = C};
    if (C > 0)
        ty_share(M, GRAIN / C + 1, forward_rows, &n);
}

/* ---- backward ---- */

/* Of each row: mean, sum of g = dy gain, sum of g (x - mean), then dx = scale g + k x + c. */
typedef struct together {
    const float *x, *dy, *gain;
    float *dx, mean[TOGETHER], scale[TOGETHER], k[TOGETHER], c[TOGETHER];
    ty_vec sum[TOGETHER], sum_x[TOGETHER];
} together;

TY_INLINE void add_gradients(together *t, size_t j, size_t C, const size_t rows, size_t some)
{
    const ty_vec gain = ty_vec_load_some(t->gain + j, some);
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++) {
        const ty_vec g = ty_vec_load_some(t->dy + r * C + j, some) * gain;
        __builtin_prefetch(t->dy + (rows + r) * C + j);
        __builtin_prefetch(t->x + (rows + r) * C + j);
        t->sum[r] += g;
        t->sum_x[r] += g * (ty_vec_load_some(t->x + r * C + j, some) - t->mean[r]);
    }
}

TY_INLINE void store_gradients(const together *t, size_t j, size_t C, const size_t rows,
                               const int accumulate, size_t some)
{
    const ty_vec gain = ty_vec_load_some(t->gain + j, some);
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++) {
        float *dx = t->dx + r * C + j;
        const ty_vec g = ty_vec_load_some(t->dy + r * C + j, some) * gain;
        ty_vec v = t->k[r] * ty_vec_load_some(t->x + r * C + j, some) + t->c[r] + g * t->scale[r];
        __builtin_prefetch(dx + rows * C, 1);
        if (accumulate)
            v += ty_vec_load_some(dx, some);
        ty_vec_store_some(dx, v, some);
    }
}

/* With n = (x - mean)/std and g = dy gain:  dx = (g - mean(g) - n mean(g n)) / std */
TY_INLINE void backward_together(const norm *n, size_t i, const size_t rows, const int accumulate)
{
    const size_t C = n->C;
    together t = {.x = n->x + i * C, .dy = n->dy + i * C, .gain = n->gain, .dx = n->dx + i * C};
    size_t j = 0;

#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++)
        t.mean[r] = n->saved[2 * (i + r)], t.scale[r] = n->saved[2 * (i + r) + 1];
    for (; j + TY_LANES <= C; j += TY_LANES)
        add_gradients(&t, j, C, rows, TY_LANES);
    if (j < C)
        add_gradients(&t, j, C, rows, C - j);
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++) {
        const float s = t.scale[r], mean_g = ty_vec_sum(t.sum[r]) / (float)C;
        t.k[r] = -s * s * s * (ty_vec_sum(t.sum_x[r]) / (float)C);
        t.c[r] = -s * mean_g - t.k[r] * t.mean[r];
    }
    for (j = 0; j + TY_LANES <= C; j += TY_LANES)
        store_gradients(&t, j, C, rows, accumulate, TY_LANES);
    if (j < C)
        store_gradients(&t, j, C, rows, accumulate, C - j);
}

static void backward_rows(void *arg, size_t lo, size_t hi)
{
    const norm *n = arg;
    size_t i = lo;

    for (; i + TOGETHER <= hi && n->C <= WIDEST; i += TOGETHER)
        if (n->accumulate)
            backward_together(n, i, TOGETHER, 1);
        else
            backward_together(n, i, TOGETHER, 0);
    for (; i < hi; i++)
        backward_together(n, i, 1, n->accumulate);
}

/* vecs vectors of columns from j on, the last of them perhaps cut; every column is one chain from the first row on. */
TY_INLINE void sum_vectors(const norm *n, size_t j, const size_t vecs, size_t some)
{
    const size_t C = n->C;
    ty_vec gain[WIDE], bias[WIDE];

#pragma GCC unroll 8
    for (size_t v = 0; v < vecs; v++) {
        gain[v] = ty_vec_load_some(n->dgain + j + v * TY_LANES, some);
        bias[v] = ty_vec_load_some(n->dbias + j + v * TY_LANES, some);
    }
    for (size_t i = n->from; i < n->to; i++) {
        const float *x = n->x + i * C + j, *dy = n->dy + i * C + j;
        const float mean = n->saved[2 * i], scale = n->saved[2 * i + 1];
#pragma GCC unroll 8
        for (size_t v = 0; v < vecs; v++) {
            const ty_vec d = ty_vec_load_some(dy + v * TY_LANES, some);
            gain[v] += d * ((ty_vec_load_some(x + v * TY_LANES, some) - mean) * scale);
            bias[v] += d;
        }
    }
#pragma GCC unroll 8
    for (size_t v = 0; v < vecs; v++) {
        ty_vec_store_some(n->dgain + j + v * TY_LANES, gain[v], some);
        ty_vec_store_some(n->dbias + j + v * TY_LANES, bias[v], some);
    }
}

static void sum_columns(void *arg, size_t lo, size_t hi) /* in vectors */
{
    const norm *n = arg;
    size_t v = lo;

    for (; v + WIDE <= hi && (v + WIDE) * TY_LANES <= n->C; v += WIDE)
        sum_vectors(n, v * TY_LANES, WIDE, TY_LANES);
    for (; v < hi && (v + 1) * TY_LANES <= n->C; v++)
        sum_vectors(n, v * TY_LANES, 1, TY_LANES);
    if (v < hi)
        sum_vectors(n, v * TY_LANES, 1, n->C - v * TY_LANES);
}

void ty_kernel_norm_bwd(float *dx, float *dgain, float *dbias, const float *dy, const float *x,
                        const float *saved, const float *gain, int accumulate, size_t M, size_t C)
{
    norm n = {.dx = dx,
              .dgain = dgain,
              .dbias = dbias,
              .dy = dy,
              .x = x,
              .saved = (float *)saved,
              .gain = gain,
              .M = M,
              .C = C,
              .accumulate = accumulate};
    if (C == 0 || M == 0)
        return;
    if (ty_kernel_threads() > 1) {
        n.to = M;
        ty_share(M, GRAIN / C + 1, backward_rows,
                 &n); /* in the order of memory: now x and dy are near */
        ty_share((C + TY_LANES - 1) / TY_LANES, GRAIN / (M * TY_LANES) + 1, sum_columns, &n);
        return;
    }
    for (size_t rows = NEAR / C / TOGETHER * TOGETHER + TOGETHER; n.from < M; n.from = n.to) {
        n.to = n.from + rows < M ? n.from + rows : M;
        backward_rows(&n, n.from, n.to);
        sum_columns(&n, 0, (C + TY_LANES - 1) / TY_LANES);
    }
}

/* ---- work ---- */

/* An element: mean 1, variance 3, normalise 2, gain and bias 2; a row: two quotients, epsilon, root, 1/std. */
ty_work ty_work_norm_fwd(size_t M, size_t C)
{
    const double n = (double)M * (double)C, rows = (double)M, c = (double)C;
    return (ty_work){TY_CLASS_NORM, M * C, 1, 1, 8 * n + 5 * rows, 4 * (2 * n + 2 * rows + 2 * c)};
}

/* An element: normalise 2, gain 1, two means 3, dx 4 (accumulated 5), dgain 2, dbias 1; a row: two quotients. */
ty_work ty_work_norm_bwd(size_t M, size_t C, int accumulate)
{
    const double n = (double)M * (double)C, rows = (double)M, c = (double)C;
    const double more = accumulate ? n : 0;
    return (ty_work){TY_CLASS_NORM,
                     M * C,
                     1,
                     1,
                     13 * n + more + 2 * rows,
                     4 * (3 * n + more + 2 * rows + 5 * c)};
}
