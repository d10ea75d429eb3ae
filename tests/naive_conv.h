/* SPDX-License-Identifier: MIT
 *
 * naive_conv - convolution and pooling as a textbook writes them, in double: what tests compare
 * with.
 */
#ifndef TY_TESTS_NAIVE_CONV_H
#define TY_TESTS_NAIVE_CONV_H

#include "kernels/conv.h"
#include "tests/naive.h"

/* x at row i - P + m and column j - P + n of plane bc, or -1 when that is outside the image. */
static inline long naive_at(const ty_conv *s, size_t bc, size_t i, size_t j, size_t m, size_t n)
{
    const long h = (long)(i + m) - (long)s->P, w = (long)(j + n) - (long)s->P;
    if (h < 0 || w < 0 || h >= (long)s->H || w >= (long)s->W)
        return -1;
    return ((long)bc * (long)s->H + h) * (long)s->W + w;
}

/* Visit every multiplication: element y, element w, element x or -1. */
#define NAIVE_CONV(s, y, wt, xt, ...)                                                              \
    do {                                                                                           \
        const size_t rows_ = ty_conv_rows(s), cols_ = ty_conv_cols(s), K_ = (s)->K;                \
        for (size_t b_ = 0; b_ < (s)->B; b_++)                                                     \
            for (size_t f_ = 0; f_ < (s)->F; f_++)                                                 \
                for (size_t i_ = 0; i_ < rows_; i_++)                                              \
                    for (size_t j_ = 0; j_ < cols_; j_++)                                          \
                        for (size_t c_ = 0; c_ < (s)->C; c_++)                                     \
                            for (size_t k_ = 0; k_ < K_ * K_; k_++) {                              \
                                const size_t y = ((b_ * (s)->F + f_) * rows_ + i_) * cols_ + j_;   \
                                const size_t wt = (f_ * (s)->C + c_) * K_ * K_ + k_;               \
                                const long xt =                                                    \
                                    naive_at(s, b_ * (s)->C + c_, i_, j_, k_ / K_, k_ % K_);       \
                                __VA_ARGS__                                                        \
                            }                                                                      \
    } while (0)

/* y = conv(x, w) + bias (may be NULL); *flops += one multiply and one add each. */
static inline void naive_conv_fwd(double *y, const float *x, const float *w, const float *bias,
                                  const ty_conv *s, double *flops)
{
    const size_t size = ty_conv_rows(s) * ty_conv_cols(s);
    for (size_t i = 0; i < s->B * s->F * size; i++)
        y[i] = bias ? (double)bias[i / size % s->F] : 0;
    NAIVE_CONV(s, i, k, j, *flops += 2; if (j >= 0) y[i] += (double)w[k] * (double)x[j];);
}

/* dx = ..., dw += ..., db += ... */
static inline void naive_conv_bwd(double *dx, double *dw, double *db, const float *x,
                                  const float *dy, const float *w, const ty_conv *s)
{
    const size_t size = ty_conv_rows(s) * ty_conv_cols(s);
    for (size_t i = 0; i < s->B * s->C * s->H * s->W; i++)
        dx[i] = 0;
    for (size_t i = 0; i < s->B * s->F * size; i++)
        db[i / size % s->F] += (double)dy[i];
    NAIVE_CONV(
        s, i, k, j, if (j >= 0) {
            dx[j] += (double)w[k] * (double)dy[i];
            dw[k] += (double)x[j] * (double)dy[i];
        });
}

/* The place in x of the largest of square (i,j) of a plane, the first of equals. */
static inline size_t naive_largest(const float *x, size_t H, size_t W, size_t plane, size_t i,
                                   size_t j)
{
    const size_t corner = (plane * H + 2 * i) * W + 2 * j;
    size_t best = corner;
    for (size_t k = 1; k < 4; k++) {
        const size_t at = corner + k / 2 * W + k % 2;
        if (x[at] > x[best] || isnan(x[at]))
            best = at;
    }
    return best;
}

static inline void naive_pool_fwd(double *y, const float *x, size_t n, size_t H, size_t W)
{
    const size_t h = H / 2, w = W / 2;
    for (size_t i = 0; i < n * h * w; i++)
        y[i] = (double)x[naive_largest(x, H, W, i / (h * w), i / w % h, i % w)];
}

static inline void naive_pool_bwd(double *dx, const float *dy, const float *x, size_t n, size_t H,
                                  size_t W)
{
    const size_t h = H / 2, w = W / 2;
    for (size_t i = 0; i < n * H * W; i++)
        dx[i] = 0;
    for (size_t i = 0; i < n * h * w; i++)
        dx[naive_largest(x, H, W, i / (h * w), i / w % h, i % w)] = (double)dy[i];
}

#endif
