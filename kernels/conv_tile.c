/* SPDX-License-Identifier: MIT
 *
 * conv_tile - the two tiles of convolution. As in gemm_tile.c each size is a function of its own,
 * so that all sums live in registers.
 */
#include "kernels/conv_tile.h"

/* ---- tile of y ------------------------------------------------------------------------------- */

TY_INLINE void conv(const ty_conv_tile *t, const size_t rows, const size_t vecs)
{
    ty_vec sum[TY_CONV_STRIP][TY_CONV_VECS];

#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 3
        for (size_t v = 0; v < vecs; v++)
            sum[i][v] = (ty_vec){0} + (t->bias ? t->bias[i] : 0);
    for (size_t c = 0; c < t->C; c++)
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
    /* clang-format on */

    void ty_conv_tile_run(const ty_conv_tile *t)
{
    static void (*const run[8][TY_CONV_VECS])(const ty_conv_tile *) = {
        CONVS(1), CONVS(2), CONVS(3), CONVS(4), CONVS(5), CONVS(6), CONVS(7), CONVS(8)};
    run[t->rows - 1][t->vecs - 1](t);
}

/* ---- tile of dw ------------------------------------------------------------------------------ */

/* Lane i = sum of the lanes of r[i], as a tree. Each fold puts a lane of one vector beside the same
 * lane of another, so that after the last one all vectors have a lane each. */
TY_INLINE ty_vec sums_of(ty_vec r[TY_LANES])
{
    const ty_ivec low = (ty_lane() >> 1) + (ty_lane() & 1) * TY_LANES, high = low + TY_LANES / 2;
#pragma GCC unroll 4
    for (int half = TY_LANES / 2; half > 0; half /= 2)
#pragma GCC unroll 8
        for (int i = 0; i < half; i++)
            r[i] = __builtin_shuffle(r[i], r[i + half], low) +
                   __builtin_shuffle(r[i], r[i + half], high);
    return r[0];
}

TY_INLINE void add_sums(const ty_dw_tile *t, ty_vec sum[TY_DW_PLANES][TY_DW_TAPS],
                        const size_t planes, const size_t taps)
{
    const size_t n = planes * taps;
    float one[TY_DW_PLANES * TY_DW_TAPS + TY_LANES];

#pragma GCC unroll 6
    for (size_t first = 0; first < n; first += TY_LANES) {
        ty_vec some[TY_LANES];
#pragma GCC unroll 16
        for (size_t i = first; i < first + TY_LANES; i++)
            some[i - first] = i < n ? sum[i / taps][i % taps] : (ty_vec){0};
        ty_vec_store(one + first, sums_of(some));
    }
    for (size_t i = 0; i < planes; i++)
        for (size_t j = 0; j < taps; j++)
            t->dw[i * t->dw_step + j] += one[i * taps + j];
}

/* Each sum is a vector of sums over every LANES-th position until the end of the last image. */
TY_INLINE void slope(const ty_dw_tile *t, const size_t planes, const size_t taps)
{
    ty_vec sum[TY_DW_PLANES][TY_DW_TAPS] = {0};

    for (size_t n = 0; n < t->images; n++) {
        const float *dy = t->dy + n * t->dy_image, *x[TY_DW_TAPS];
#pragma GCC unroll 6
        for (size_t j = 0; j < taps; j++)
            x[j] = t->x + n * t->x_image + t->tap[j];
        for (size_t p = 0; p < t->vecs * TY_LANES; p += TY_LANES) {
            ty_vec g[TY_DW_PLANES];
#pragma GCC unroll 4
            for (size_t i = 0; i < planes; i++)
                g[i] = ty_vec_load(dy + i * t->dy_plane + p);
#pragma GCC unroll 6
            for (size_t j = 0; j < taps; j++) {
                const ty_vec in = ty_vec_load(x[j] + p);
#pragma GCC unroll 4
                for (size_t i = 0; i < planes; i++)
                    sum[i][j] += g[i] * in;
            }
        }
    }
    add_sums(t, sum, planes, taps);
}

#define PLANES(n) ((n) < TY_DW_PLANES ? (n) : TY_DW_PLANES)
#define TAPS(n)   ((n) < TY_DW_TAPS ? (n) : TY_DW_TAPS)
#define DW(n, m)                                                                                   \
    static void dw_##n##_##m(const ty_dw_tile *t)                                                  \
    {                                                                                              \
        slope(t, PLANES(n), TAPS(m));                                                              \
    }
#define DWS(n) DW(n, 1) DW(n, 2) DW(n, 3) DW(n, 4) DW(n, 5) DW(n, 6)
#define ALL(n)                                                                                     \
    {                                                                                              \
        dw_##n##_1, dw_##n##_2, dw_##n##_3, dw_##n##_4, dw_##n##_5, dw_##n##_6                     \
    }
/* clang-format off */
DWS(1) DWS(2) DWS(3) DWS(4)
    /* clang-format on */

    void ty_dw_tile_run(const ty_dw_tile *t)
{
    static void (*const run[4][6])(const ty_dw_tile *) = {ALL(1), ALL(2), ALL(3), ALL(4)};
    run[t->planes - 1][t->taps - 1](t);
}
