/* SPDX-License-Identifier: MIT
 *
 * conv_tile - the two tiles of convolution. As in gemm_tile.c each size is a function of its own,
 * so that all sums live in registers.
 */
#include "kernels/conv_tile.h"

/* ---- tile of y ------------------------------------------------------------------------------- */

/* A few lines with each plane: all at once they would fill the buffers of the cache and stop the loads. */
TY_INLINE void fetch(const ty_conv_ahead *a, size_t c, const int write)
{
    const float *x = a->x + c * a->step;
    for (const float *end = x + a->step; x < end; x += 64 / sizeof *x)
        __builtin_prefetch(x, write, 2);
}

TY_INLINE void conv(const ty_conv_tile *t, const size_t rows, const size_t vecs)
{
    ty_vec sum[TY_CONV_STRIP][TY_CONV_VECS];

#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 3
        for (size_t v = 0; v < vecs; v++)
            sum[i][v] = (ty_vec){0} + (t->bias ? t->bias[i] : 0);
    for (size_t c = 0; c < t->C; c++) {
        fetch(&t->src, c, 0);
        fetch(&t->dst, c, 1);
        for (size_t m = t->first; m < t->last; m++) {
            const float *x = t->x + c * t->plane + m * t->wide;
            const float *w = t->w + (c * t->K + m) * t->K * TY_CONV_STRIP;
            for (const float *end = x + t->K; x < end; x++, w += TY_CONV_STRIP) {
                ty_vec in[TY_CONV_VECS];
#pragma GCC unroll 3
                for (size_t v = 0; v < vecs; v++)
                    in[v] = ty_vec_load(x + v * TY_LANES);
#pragma GCC unroll 8
                for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 3
                    for (size_t v = 0; v < vecs; v++)
                        sum[i][v] += w[i] * in[v];
#pragma GCC unroll 3
                for (size_t v = 0; v < vecs; v++)
                    TY_KEEP(in[v]);
            }
        }
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 3
        for (size_t v = 0; v < vecs; v++)
            ty_vec_store(t->y + i * t->y_step + v * TY_LANES, sum[i][v]);
}

#define STRIP(r) ((r) < TY_CONV_STRIP ? (r) : TY_CONV_STRIP)
#define CONV(r)                                                                                    \
    static void conv_##r##_1(const ty_conv_tile *t)                                                \
    {                                                                                              \
        conv(t, STRIP(r), 1);                                                                      \
    }                                                                                              \
    static void conv_##r##_2(const ty_conv_tile *t)                                                \
    {                                                                                              \
        conv(t, STRIP(r), 2);                                                                      \
    }                                                                                              \
    static void conv_##r##_3(const ty_conv_tile *t)                                                \
    {                                                                                              \
        conv(t, STRIP(r), 3);                                                                      \
    }
#define CONVS(r)                                                                                   \
    {                                                                                              \
        conv_##r##_1, conv_##r##_2, conv_##r##_3                                                   \
    }
/* clang-format off */
CONV(1) CONV(2) CONV(3) CONV(4) CONV(5) CONV(6) CONV(7) CONV(8)

void ty_conv_tile_run(const ty_conv_tile *t)
/* clang-format on */
{
    static void (*const run[8][TY_CONV_VECS])(const ty_conv_tile *) = {
        CONVS(1), CONVS(2), CONVS(3), CONVS(4), CONVS(5), CONVS(6), CONVS(7), CONVS(8)};
    run[t->rows - 1][t->vecs - 1](t);
}

/* ---- tile of dw ------------------------------------------------------------------------------ */

/* sum += x at position q times dy there */
TY_INLINE void slope_at(ty_vec sum[TY_DW_TAPS][TY_DW_VECS], const float *const *x, size_t q,
                        const float *dy, const size_t taps, const size_t vecs)
{
    ty_vec g[TY_DW_VECS];
#pragma GCC unroll 4
    for (size_t v = 0; v < vecs; v++)
        g[v] = ty_vec_load(dy + v * TY_LANES);
#pragma GCC unroll 8
    for (size_t i = 0; i < taps; i++)
#pragma GCC unroll 4
        for (size_t v = 0; v < vecs; v++)
            sum[i][v] += x[i][q] * g[v];
#pragma GCC unroll 4
    for (size_t v = 0; v < vecs; v++)
        TY_KEEP(g[v]);
}

TY_INLINE void slope(const ty_dw_tile *t, const size_t taps, const size_t vecs)
{
    ty_vec sum[TY_DW_TAPS][TY_DW_VECS];
    const float *x[TY_DW_TAPS], *dy = t->dy;
    const size_t dy_step = t->dy_step;

#pragma GCC unroll 8
    for (size_t i = 0; i < taps; i++) {
        x[i] = t->x[i];
#pragma GCC unroll 4
        for (size_t v = 0; v < vecs; v++)
            sum[i][v] = ty_vec_load(t->dw + i * t->dw_step + v * TY_LANES);
    }
    for (size_t row = 0; row < t->rows; row++) {
        size_t q = row * t->wide;
        for (const size_t end = q + t->cols; q < end; q++, dy += dy_step)
            slope_at(sum, x, q, dy, taps, vecs);
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < taps; i++)
#pragma GCC unroll 4
        for (size_t v = 0; v < vecs; v++)
            ty_vec_store(t->dw + i * t->dw_step + v * TY_LANES, sum[i][v]);
}

/* A function for each size; sizes that no tile has are those of the largest. */
#define MOST(v)   (TY_DW_SUMS / (v) < TY_DW_TAPS ? TY_DW_SUMS / (v) : TY_DW_TAPS)
#define FIT(v, n) ((n) < MOST(v) ? (n) : MOST(v))
#define DW(v, n)                                                                                   \
    static void dw_##v##_##n(const ty_dw_tile *t)                                                  \
    {                                                                                              \
        slope(t, FIT(v, n), (v) < TY_DW_VECS ? (v) : TY_DW_VECS);                                  \
    }
#define DWS(v) DW(v, 1) DW(v, 2) DW(v, 3) DW(v, 4) DW(v, 5) DW(v, 6) DW(v, 7) DW(v, 8)
#define ALL(v)                                                                                     \
    {                                                                                              \
        dw_##v##_1, dw_##v##_2, dw_##v##_3, dw_##v##_4, dw_##v##_5, dw_##v##_6, dw_##v##_7,        \
            dw_##v##_8                                                                             \
    }
/* clang-format off */
DWS(1) DWS(2) DWS(3) DWS(4)
    /* clang-format on */

    void ty_dw_tile_run(const ty_dw_tile *t)
{
    static void (*const run[4][8])(const ty_dw_tile *) = {ALL(1), ALL(2), ALL(3), ALL(4)};
    run[t->vecs - 1][t->taps - 1](t);
}
