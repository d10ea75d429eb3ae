/* SPDX-License-Identifier: MIT
 *
 * naive - the kernels again, as a textbook writes them and in double: what tests compare with.
 */
#ifndef TY_TESTS_NAIVE_H
#define TY_TESTS_NAIVE_H

#include "base/rng.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- data ---- */

/* n floats in [-1, 1) that depend on the seed; free() them. */
static inline float *naive_random(size_t n, uint64_t seed)
{
    float *x = malloc((n + 1) * sizeof *x);
    for (size_t i = 0; x && i < n; i++)
        x[i] = (float)(2 * ty_uniform(ty_key(seed, 0, 0), i) - 1);
    return x;
}

static inline float *naive_copy(const float *x, size_t n)
{
    float *y = malloc((n + 1) * sizeof *y);
    if (y && n)
        memcpy(y, x, n * sizeof *y);
    return y;
}

static inline int naive_same(const float *x, const float *y, size_t n)
{
    return n == 0 || memcmp(x, y, n * sizeof *x) == 0;
}

/* The largest |x - y|. */
static inline double naive_distance(const float *x, const double *y, size_t n)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)x[i] - y[i]);
        worst = d > worst || isnan(d) ? d : worst;
    }
    return worst;
}

/* ---- matrix product ---- */

/* c [M,N] = a b + (accumulate ? c : 0), element by element; counts one multiply and one add each.
 */
static inline void naive_gemm(int trans_a, int trans_b, size_t M, size_t N, size_t K,
                              const float *a, const float *b, int accumulate, double *c,
                              double *flops)
{
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < N; j++) {
            double sum = accumulate ? c[i * N + j] : 0;
            for (size_t k = 0; k < K; k++) {
                sum += (double)a[trans_a ? k * M + i : i * K + k] *
                       (double)b[trans_b ? j * K + k : k * N + j];
                *flops += 2;
            }
            c[i * N + j] = sum;
        }
}

/* The chain of multiply-adds, in float, that every element is; fused: rounded once a link, not
 * twice. */
static inline float naive_chain(int trans_a, int trans_b, size_t M, size_t N, size_t K,
                                const float *a, const float *b, float start, size_t i, size_t j,
                                int fused)
{
    for (size_t k = 0; k < K; k++) {
        const float x = a[trans_a ? k * M + i : i * K + k], y = b[trans_b ? j * K + k : k * N + j];
        volatile float product = x * y; /* volatile: the compiler may not fuse it into the sum */
        start = fused ? fmaf(x, y, start) : start + product;
    }
    return start;
}

/* ---- softmax cross-entropy ---- */

static inline double naive_softmax(double *d, const double *x, const float *labels, size_t B,
                                   size_t C, double scale)
{
    double loss = 0;
    for (size_t i = 0; i < B; i++) {
        double most = -INFINITY, sum = 0;
        for (size_t j = 0; j < C; j++)
            most = fmax(most, x[i * C + j]);
        for (size_t j = 0; j < C; j++)
            sum += exp(x[i * C + j] - most);
        for (size_t j = 0; j < C; j++) {
            const double p = exp(x[i * C + j] - most) / sum;
            d[i * C + j] = scale * (p - (j == (size_t)labels[i] ? 1 : 0));
        }
        loss -= x[i * C + (size_t)labels[i]] - most - log(sum);
    }
    return loss;
}

/* ---- augmentation ---- */

static inline double naive_pixel(const uint8_t *image, long h, long w, double y, double x)
{
    const long r = (long)y, c = (long)x;
    return r < 0 || c < 0 || r >= h || c >= w ? 0 : image[r * w + c];
}

/* out [h,w]: pixel p shows R(-angle) (p - centre - d) + centre, bilinear, 0 outside. */
static inline void naive_augment(double *out, const uint8_t *image, const float *move, size_t h,
                                 size_t w, double mean, double std)
{
    const double c = cos((double)move[0]), s = sin((double)move[0]);
    const double cx = ((double)w - 1) / 2, cy = ((double)h - 1) / 2;

    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < w; x++) {
            const double px = (double)x - cx - (double)move[1],
                         py = (double)y - cy - (double)move[2];
            const double u = c * px + s * py + cx, v = c * py - s * px + cy;
            const double fu = u - floor(u), fv = v - floor(v);
            double sum = 0;
            for (int j = 0; j < 2; j++)
                for (int i = 0; i < 2; i++)
                    sum += (i ? fu : 1 - fu) * (j ? fv : 1 - fv) *
                           naive_pixel(image, (long)h, (long)w, floor(v) + j, floor(u) + i);
            out[y * w + x] = (sum / 255 - mean) / std;
        }
}

#endif
