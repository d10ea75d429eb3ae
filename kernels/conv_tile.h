/* SPDX-License-Identifier: MIT
 *
 * conv_tile - the inner loops of convolution; private to kernels/.
 *
 *   conv.c          forward and backward to x: one thread, some images, strips of output planes
 *   conv_weights.c  backward to w and bias: groups of images, each with sums of its own
 *   conv_tile.c     the two tiles that stay in registers
 *
 * Of y and dx, positions lie in the lanes of a vector; of dw, filters do.
 *
 * For y and dx no patch of an image is ever copied out. An image is laid into a frame of zeros with rows of
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
    TY_DW_VECS = TY_REGISTERS > 16 ? 4 : 2,      /* vectors of filters of a tile of dw, at most */
    TY_DW_SUMS = TY_REGISTERS * 3 / 4,           /* taps times vectors, at most */
    TY_DW_POSITIONS = 144,                       /* of dy that are turned at a time, at most */
    TY_DW_TAPS = TY_REGISTERS > 16 ? 8 : 6       /* elements of a filter: each keeps an address, too */
};

/* What is read or written soon: `step` floats from x on with the first plane, and so on. */
typedef struct ty_conv_ahead {
    const float *x;
    size_t step;
} ty_conv_ahead;

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
    ty_conv_ahead src, dst;
} ty_conv_tile;

void ty_conv_tile_run(const ty_conv_tile *t);

/* dw [taps, vecs * LANES] += sum over positions of x shifted by a tap times dy [rows * cols, vecs * LANES], one position
 * after the other. */
typedef struct ty_dw_tile {
    size_t rows, cols, wide;     /* positions; floats from one row of x to the next */
    const float *x[TY_DW_TAPS];  /* what each tap meets at the first position */
    const float *dy;
    size_t dy_step;              /* floats from one position to the next */
    size_t taps, vecs;           /* 1 .. ty_dw_taps(vecs), 1 .. TY_DW_VECS */
    float *dw;
    size_t dw_step;
} ty_dw_tile;

/* Taps of a tile of so many vectors. */
TY_INLINE size_t ty_dw_taps(size_t vecs)
{
    return TY_DW_SUMS / vecs < TY_DW_TAPS ? TY_DW_SUMS / vecs : TY_DW_TAPS;
}

void ty_dw_tile_run(const ty_dw_tile *t);

/* Vector v is needed up to here. Behind its last use a compiler likes to put a sum into its register, and must then
 * move the sum back in every round of a loop, on the ports that multiply. */
#if defined(__x86_64__)
#define TY_KEEP(v) __asm__("" ::"v"(v))
#elif defined(__aarch64__)
#define TY_KEEP(v) __asm__("" ::"w"(v))
#else
#define TY_KEEP(v) ((void)(v))
#endif

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
