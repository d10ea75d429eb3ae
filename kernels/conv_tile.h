/* SPDX-License-Identifier: MIT
 *
 * conv_tile - the inner loops of convolution; private to kernels/.
 *
 *   conv.c          forward and backward to x: one thread, some images, strips of output planes
 *   conv_weights.c  backward to w and bias: groups of images, each with sums of its own
 *   conv_tile.c     the two tiles that stay in registers
 *
 * No patch of an image is ever copied out. An image is laid into a frame of zeros with rows of
 * `wide` floats, and position p = i * wide + j of an output plane then needs the floats p, p + 1,
 * ..., p + wide, ... of the frame: the same shifts for every p, so a vector of positions is a
 * vector of the frame. The K - 1 positions past each output row are computed too and thrown away.
 *
 *     frame  0 0 0 0 0 0        output  y y y y . .      4 x 4 image, P = 1, K = 3:
 *            0 x x x x 0                y y y y . .      wide = 6, two of six positions
 *            0 x x x x 0                y y y y . .      are thrown away
 *            ...                        y y y y
 */
#ifndef TY_KERNELS_CONV_TILE_H
#define TY_KERNELS_CONV_TILE_H

#include "kernels/vec.h"

enum {
    TY_REGISTERS = TY_TILE_ROWS > 6 ? 32 : 16,
    TY_CONV_STRIP = TY_REGISTERS / 4,            /* output planes of a tile */
    TY_CONV_VECS = 3,                            /* vectors of positions of a tile */
    TY_DW_PLANES = TY_REGISTERS / 8 < 4 ? 3 : 4, /* planes of dy of a tile */
    TY_DW_TAPS = TY_REGISTERS / 8 < 4 ? 3 : 6    /* and elements of a filter */
};

/* y [rows, vecs * LANES] = bias + sum over k of w[k, row] * (shift k of x). */
typedef struct ty_conv_tile {
    size_t C, K, wide, plane; /* planes of the frame, floats of its rows and planes */
    size_t first, last;       /* rows of the filters that meet more than zeros */
    const float *x;           /* first position of the first plane */
    const float *w;           /* [C*K*K, TY_CONV_STRIP] */
    const float *bias;        /* [rows], or NULL: 0 */
    float *y;
    size_t y_step;
    size_t rows, vecs; /* 1 .. TY_CONV_STRIP, 1 .. TY_CONV_VECS */
} ty_conv_tile;

void ty_conv_tile_run(const ty_conv_tile *t);

/* dw[i * dw_step + j] += sum over images and positions of dy plane i times x shifted by tap[j]. */
typedef struct ty_dw_tile {
    size_t images, vecs; /* vectors of positions of an image */
    const float *x, *dy;
    size_t x_image, dy_image, dy_plane; /* floats from one to the next */
    size_t tap[TY_DW_TAPS];
    size_t planes, taps; /* 1 .. TY_DW_PLANES, 1 .. TY_DW_TAPS */
    float *dw;
    size_t dw_step;
} ty_dw_tile;

void ty_dw_tile_run(const ty_dw_tile *t);

/* dst = src, n floats, without a call. */
TY_INLINE void ty_copy_row(float *dst, const float *src, size_t n)
{
    if (n >= TY_LANES) {
        for (size_t i = 0; i + TY_LANES < n; i += TY_LANES)
            ty_vec_store(dst + i, ty_vec_load(src + i));
        ty_vec_store(dst + n - TY_LANES, ty_vec_load(src + n - TY_LANES));
        return;
    }
#pragma GCC unroll 4
    for (size_t bit = TY_LANES / 2; bit > 0; bit /= 2)
        if (n & bit) {
            __builtin_memcpy(dst, src, bit * sizeof *dst);
            dst += bit;
            src += bit;
        }
}

/* Copy `planes` pictures of rows x cols floats; rows and planes of dst and src have steps of their
 * own. */
typedef struct ty_pitch {
    size_t row, plane;
} ty_pitch;

TY_INLINE void ty_copy_planes(float *dst, ty_pitch d, const float *src, ty_pitch s, size_t planes,
                              size_t rows, size_t cols)
{
    for (size_t p = 0; p < planes; p++)
        for (size_t i = 0; i < rows; i++)
            ty_copy_row(dst + p * d.plane + i * d.row, src + p * s.plane + i * s.row, cols);
}

TY_INLINE size_t ty_up(size_t n) /* to a multiple of TY_LANES */
{
    return (n + TY_LANES - 1) / TY_LANES * TY_LANES;
}

#endif
