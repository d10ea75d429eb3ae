/* SPDX-License-Identifier: MIT
 *
 * pool - 2 x 2 max pooling. Backward finds the largest again: that costs one more look at x, which
 * ReLU's backward wants in cache anyway, and no memory for places.
 */
#include "kernels/conv.h"
#include "kernels/conv_tile.h"
#include "kernels/threads.h"

#include <string.h>

enum { GRAIN = 32768 }; /* elements of x worth a thread */

/* ---- eight squares --------------------------------------------------------------------------- */

/* Squares at once: eight, where there are vectors of eight, for rows of a pooled image are often
 * shorter than sixteen. */
#if defined(__AVX__)
enum { EIGHT = 8 };
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define LOW  0, 8, 1, 9, 2, 10, 3, 11
#else
enum { EIGHT = 4 };
#define EVEN 0, 2, 4, 6
#define LOW  0, 4, 1, 5
#endif

typedef float eight __attribute__((vector_size(4 * EIGHT), aligned(4), may_alias));
typedef int32_t mask __attribute__((vector_size(4 * EIGHT)));

/* The corners of eight squares: left and right of the upper row, then of the lower. */
typedef struct squares {
    eight corner[4];
} squares;

TY_INLINE squares load(const float *x, const float *below)
{
    const mask even = {EVEN}, odd = even + 1;
    const eight a = *(const eight *)x, b = *(const eight *)(x + EIGHT);
    const eight c = *(const eight *)below, d = *(const eight *)(below + EIGHT);
    return (squares){{__builtin_shuffle(a, b, even), __builtin_shuffle(a, b, odd),
                      __builtin_shuffle(c, d, even), __builtin_shuffle(c, d, odd)}};
}

/* Where b, which comes later, takes a square from a. */
TY_INLINE mask beats(eight b, eight a)
{
    return (b > a) | (b != b);
}

TY_INLINE eight pick(mask m, eight yes, eight no)
{
    return (eight)((m & (mask)yes) | (~m & (mask)no));
}

TY_INLINE void fwd_eight(float *y, const float *x, const float *below)
{
    const squares s = load(x, below);
    eight most = s.corner[0];
#pragma GCC unroll 3
    for (int k = 1; k < 4; k++)
        most = pick(beats(s.corner[k], most), s.corner[k], most);
    *(eight *)y = most;
}

TY_INLINE void bwd_eight(float *dx, float *dbelow, const float *dy, const float *x,
                         const float *below)
{
    const mask low = {LOW}, high = low + EIGHT / 2;
    const squares s = load(x, below);
    const mask g = (mask) * (const eight *)dy;
    eight most = s.corner[0], d[4] = {(eight)g};

#pragma GCC unroll 3
    for (int k = 1; k < 4; k++) { /* a later winner takes dy from those before */
        const mask won = beats(s.corner[k], most);
        most = pick(won, s.corner[k], most);
        d[k] = (eight)(won & g);
#pragma GCC unroll 3
        for (int j = 0; j < k; j++)
            d[j] = (eight)(~won & (mask)d[j]);
    }
    *(eight *)dx = __builtin_shuffle(d[0], d[1], low);
    *(eight *)(dx + EIGHT) = __builtin_shuffle(d[0], d[1], high);
    *(eight *)dbelow = __builtin_shuffle(d[2], d[3], low);
    *(eight *)(dbelow + EIGHT) = __builtin_shuffle(d[2], d[3], high);
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* The first of the j-th eight of n >= EIGHT squares; the last eight may begin earlier. */
TY_INLINE size_t begin(size_t j, size_t n)
{
    return j + EIGHT <= n ? j : n - EIGHT;
}

/* One row of y from two of x. */
static void fwd_row(float *y, const float *x, const float *below, size_t n)
{
    float row[2][2 * EIGHT] = {0}, out[EIGHT];

    if (n >= EIGHT) {
        for (size_t j = 0; j < n; j += EIGHT) {
            const size_t k = begin(j, n);
            fwd_eight(y + k, x + 2 * k, below + 2 * k);
        }
        return;
    }
    ty_copy_row(row[0], x, 2 * n);
    ty_copy_row(row[1], below, 2 * n);
    fwd_eight(out, row[0], row[1]);
    ty_copy_row(y, out, n);
}

/* Two rows of dx. */
static void bwd_row(float *dx, float *dbelow, const float *dy, const float *x, const float *below,
                    size_t n)
{
    float row[2][2 * EIGHT] = {0}, out[2][2 * EIGHT], in[EIGHT] = {0};

    if (n >= EIGHT) {
        for (size_t j = 0; j < n; j += EIGHT) {
            const size_t k = begin(j, n);
            bwd_eight(dx + 2 * k, dbelow + 2 * k, dy + k, x + 2 * k, below + 2 * k);
        }
        return;
    }
    ty_copy_row(row[0], x, 2 * n);
    ty_copy_row(row[1], below, 2 * n);
    ty_copy_row(in, dy, n);
    bwd_eight(out[0], out[1], in, row[0], row[1]);
    ty_copy_row(dx, out[0], 2 * n);
    ty_copy_row(dbelow, out[1], 2 * n);
}

/* ---- planes ---------------------------------------------------------------------------------- */

typedef struct planes {
    float *to;
    const float *dy, *x;
    size_t H, W;
} planes;

static void fwd(void *arg, size_t lo, size_t hi)
{
    const planes *q = arg;
    const size_t h = q->H / 2, w = q->W / 2;

    for (size_t p = lo; p < hi; p++)
        for (size_t i = 0; i < h; i++) {
            const float *x = q->x + (p * q->H + 2 * i) * q->W;
            fwd_row(q->to + (p * h + i) * w, x, x + q->W, w);
        }
}

static void bwd(void *arg, size_t lo, size_t hi)
{
    const planes *q = arg;
    const size_t h = q->H / 2, w = q->W / 2;

    for (size_t p = lo; p < hi; p++) {
        float *dx = q->to + p * q->H * q->W;
        const float *x = q->x + p * q->H * q->W;
        for (size_t i = 0; i < h; i++, x += 2 * q->W, dx += 2 * q->W) {
            bwd_row(dx, dx + q->W, q->dy + (p * h + i) * w, x, x + q->W, w);
            if (q->W % 2)
                dx[q->W - 1] = dx[2 * q->W - 1] = 0;
        }
        if (q->H % 2)
            memset(dx, 0, q->W * sizeof *dx);
    }
}

void ty_kernel_pool_fwd(float *y, const float *x, size_t n, size_t H, size_t W)
{
    ty_share(n, GRAIN / (H * W + 1) + 1, fwd, &(planes){y, NULL, x, H, W});
}

void ty_kernel_pool_bwd(float *dx, const float *dy, const float *x, size_t n, size_t H, size_t W)
{
    ty_share(n, GRAIN / (H * W + 1) + 1, bwd, &(planes){dx, dy, x, H, W});
}

/* Three comparisons a square. */
static ty_work work(size_t n, size_t H, size_t W, double floats)
{
    const double count = (double)n * (double)(H / 2) * (double)(W / 2);
    return (ty_work){TY_CLASS_POOL, n * H, W, 1, 3 * count, 4 * (floats + count)};
}

ty_work ty_work_pool_fwd(size_t n, size_t H, size_t W)
{
    return work(n, H, W, (double)(n * H * W));
}

ty_work ty_work_pool_bwd(size_t n, size_t H, size_t W)
{
    return work(n, H, W, 2 * (double)(n * H * W));
}
