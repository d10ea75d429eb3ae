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
    AHEAD = 1024,  /* floats fetched ahead */
    WIDE = 8       /* vectors of columns summed at a time */
};
static const float epsilon = 1e-5f;

typedef struct norm {
    float *y, *saved, *dx, *dgain, *dbias;
    const float *x, *gain, *bias, *dy;
    size_t M, C;
    int accumulate;
} norm;

/* ---- forward ---- */

static float mean_of(const float *x, size_t C)
{
    ty_vec sum[2] = {{0}, {0}};
    size_t j = 0;
    for (; j + 2 * TY_LANES <= C; j += 2 * TY_LANES) {
        __builtin_prefetch(x + j + AHEAD);
        __builtin_prefetch(x + j + AHEAD + TY_LANES);
        sum[0] += ty_vec_load(x + j);
        sum[1] += ty_vec_load(x + j + TY_LANES);
    }
    for (; j < C; j += TY_LANES)
        sum[0] += ty_vec_load_some(x + j, C - j);
    return ty_vec_sum(sum[0] + sum[1]) / (float)C;
}

static float variance_of(const float *x, float mean, size_t C)
{
    ty_vec sum = {0};
    size_t j = 0;
    for (; j + TY_LANES <= C; j += TY_LANES) {
        const ty_vec d = ty_vec_load(x + j) - mean;
        sum += d * d;
    }
    float variance = ty_vec_sum(sum);
    for (; j < C; j++)
        variance += (x[j] - mean) * (x[j] - mean);
    return variance / (float)C;
}

static void forward_rows(void *arg, size_t lo, size_t hi)
{
    const norm *n = arg;
    for (size_t i = lo; i < hi; i++) {
        const float *x = n->x + i * n->C;
        float *y = n->y + i * n->C;
        const float mean = mean_of(x, n->C);
        const float scale = 1 / sqrtf(variance_of(x, mean, n->C) + epsilon);
        for (size_t j = 0; j < n->C; j += TY_LANES) {
            const size_t some = n->C - j;
            const ty_vec g = ty_vec_load_some(n->gain + j, some);
            const ty_vec b = ty_vec_load_some(n->bias + j, some);
            const ty_vec v = (ty_vec_load_some(x + j, some) - mean) * scale;
            __builtin_prefetch(y + j + AHEAD, 1);
            ty_vec_store_some(y + j, v * g + b, some);
        }
        n->saved[2 * i] = mean;
        n->saved[2 * i + 1] = scale;
    }
}

void ty_kernel_norm_fwd(float *y, float *saved, const float *x, const float *gain,
                        const float *bias, size_t M, size_t C)
{
    norm n = {.y = y, .saved = saved, .x = x, .gain = gain, .bias = bias, .M = M, .C = C};
    if (C > 0)
        ty_share(M, GRAIN / C + 1, forward_rows, &n);
}

/* ---- backward ---- */

/* With n = (x - mean)/std and g = dy gain:  dx = (g - mean(g) - n mean(g n)) / std */
static void backward_rows(void *arg, size_t lo, size_t hi)
{
    const norm *n = arg;
    const size_t C = n->C;

    for (size_t i = lo; i < hi; i++) {
        const float *x = n->x + i * C, *dy = n->dy + i * C;
        const float mean = n->saved[2 * i], scale = n->saved[2 * i + 1];
        float *dx = n->dx + i * C;
        ty_vec sum = {0}, sum_n = {0};
        for (size_t j = 0; j < C; j += TY_LANES) {
            const ty_vec g = ty_vec_load_some(dy + j, C - j) * ty_vec_load_some(n->gain + j, C - j);
            __builtin_prefetch(dy + j + AHEAD);
            __builtin_prefetch(x + j + AHEAD);
            __builtin_prefetch(dx + j + AHEAD, 1);
            sum += g;
            sum_n += g * ((ty_vec_load_some(x + j, C - j) - mean) * scale);
        }
        const float a = ty_vec_sum(sum) / (float)C, b = ty_vec_sum(sum_n) / (float)C;
        for (size_t j = 0; j < C; j += TY_LANES) {
            const ty_vec g = ty_vec_load_some(dy + j, C - j) * ty_vec_load_some(n->gain + j, C - j);
            const ty_vec v = (ty_vec_load_some(x + j, C - j) - mean) * scale;
            const ty_vec before = n->accumulate ? ty_vec_load_some(dx + j, C - j) : (ty_vec){0};
            ty_vec_store_some(dx + j, before + (g - a - v * b) * scale, C - j);
        }
    }
}

/* vecs vectors of columns from j on, the last of them perhaps cut; every column is one chain from the first row on. */
TY_INLINE void sum_vectors(const norm *n, size_t j, const size_t vecs)
{
    ty_vec gain[WIDE], bias[WIDE];

#pragma GCC unroll 8
    for (size_t v = 0; v < vecs; v++) {
        gain[v] = ty_vec_load_some(n->dgain + j + v * TY_LANES, n->C - j - v * TY_LANES);
        bias[v] = ty_vec_load_some(n->dbias + j + v * TY_LANES, n->C - j - v * TY_LANES);
    }
    for (size_t i = 0; i < n->M; i++) {
        const float *x = n->x + i * n->C + j, *dy = n->dy + i * n->C + j;
        const float mean = n->saved[2 * i], scale = n->saved[2 * i + 1];
#pragma GCC unroll 8
        for (size_t v = 0; v < vecs; v++) {
            const size_t some = n->C - j - v * TY_LANES;
            const ty_vec d = ty_vec_load_some(dy + v * TY_LANES, some);
            gain[v] += d * ((ty_vec_load_some(x + v * TY_LANES, some) - mean) * scale);
            bias[v] += d;
        }
    }
#pragma GCC unroll 8
    for (size_t v = 0; v < vecs; v++) {
        ty_vec_store_some(n->dgain + j + v * TY_LANES, gain[v], n->C - j - v * TY_LANES);
        ty_vec_store_some(n->dbias + j + v * TY_LANES, bias[v], n->C - j - v * TY_LANES);
    }
}

static void sum_columns(void *arg, size_t lo, size_t hi) /* in vectors */
{
    const norm *n = arg;
    size_t v = lo;

    for (; v + WIDE <= hi; v += WIDE)
        sum_vectors(n, v * TY_LANES, WIDE);
    for (; v < hi; v++)
        sum_vectors(n, v * TY_LANES, 1);
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
    ty_share(M, GRAIN / C + 1, backward_rows,
             &n); /* in the order of memory: now x and dy are near */
    ty_share((C + TY_LANES - 1) / TY_LANES, GRAIN / (M * TY_LANES) + 1, sum_columns, &n);
}

/* ---- work ---- */

/* An element: mean 1, variance 3, normalise 2, gain and bias 2; a row: two quotients, epsilon, root, 1/std. */
ty_work ty_work_norm_fwd(size_t M, size_t C)
{
    const double n = (double)M * (double)C, rows = (double)M, c = (double)C;
    return (ty_work){
        TY_CLASS_STREAM, M * C, 1, 1, 8 * n + 5 * rows, 4 * (2 * n + 2 * rows + 2 * c)};
}

/* An element: normalise 2, gain 1, two means 3, dx 4 (accumulated 5), dgain 2, dbias 1; a row: two quotients. */
ty_work ty_work_norm_bwd(size_t M, size_t C, int accumulate)
{
    const double n = (double)M * (double)C, rows = (double)M, c = (double)C;
    const double more = accumulate ? n : 0;
    return (ty_work){TY_CLASS_STREAM,
                     M * C,
                     1,
                     1,
                     13 * n + more + 2 * rows,
                     4 * (3 * n + more + 2 * rows + 5 * c)};
}
