/* SPDX-License-Identifier: MIT
 *
 * gemm - the layers of the matrix product; private to kernels/.
 *
 *   gemm.c       cut c into one slab a thread, slabs into blocks that fit the second-level cache
 *   gemm_pack.c  copy strips of a and panels of b so that the tile reads both front to back
 *   gemm_tile.c  the micro-kernel: a tile of c in registers, one fused multiply-add per lane and k
 *
 * Every element of c is one chain  fma(a[K-1], b[K-1], ... fma(a[0], b[0], start))  whatever the
 * blocks, tiles and threads are, so any way of cutting the work gives bitwise the same result.
 * Source of the blocking: Goto and van de Geijn, ACM TOMS 34(3), 2008; BLIS, ACM TOMS 41(3), 2015.
 */
#ifndef TY_KERNELS_GEMM_H
#define TY_KERNELS_GEMM_H

#include "kernels/vec.h"

enum {
    TY_PANEL = 2 * TY_LANES, /* columns of a panel of b */
    TY_AHEAD = 4,            /* steps of k for each row fetched ahead */
    TY_STRIP = (TY_TILE_ROWS + TY_LANES - 1) / TY_LANES * TY_LANES /* rows of a packed strip of a */
};

/* A whole product c [M,N] = start + a [M,K] b [K,N], or a part of one. */
typedef struct ty_product {
    size_t M, N, K;
    int trans_a, trans_b; /* a is stored [K,M], b is stored [N,K] */
    const float *a, *b;
    size_t a_step, b_step; /* floats from one stored row to the next */
    const float *start;    /* NULL: zero */
    size_t start_step;     /* 0: the same row (a bias) for every row of c */
    float *c;
    size_t c_step;
    int turned; /* c is stored [N,M], and so is start (start_step 0: one per row of c) */
} ty_product;

void ty_gemm(const ty_product *p);

/* One tile of c: rows x cols, rows <= TY_TILE_ROWS, cols <= TY_PANEL. */
typedef struct ty_tile {
    size_t K, rows, cols;
    const float *a, *b; /* element (i,k) is a[k * a_step + i]; (k,j) is b[k * b_step + j] */
    size_t a_step, b_step;
    float *b_copy; /* NULL, or [K, TY_PANEL]: also gets b, packed for the tiles to come */
    const float *start;
    size_t start_step;
    float *c;
    size_t c_step;
    int turned; /* c and start: element (i,j) is c[j * c_step + i] */
    const float
        *ahead; /* fetched into cache meanwhile, a row every TY_AHEAD steps: next panel of b */
    size_t ahead_step;
    const float *next; /* likewise: the tile of c that comes next */
} ty_tile;

/* b must be readable to the end of the last vector of each row, even where cols ends before it. */
void ty_gemm_tile(const ty_tile *t);

/* dst[k * width + i] = element (i,k) of src, for i < n <= width and k < K. Elements are stored
 * src[k * step + i], or, turned, src[i * step + k]. Lanes from n to the end of the last vector get
 * other elements of src; width is a multiple of TY_LANES. */
void ty_gemm_pack(float *dst, size_t width, const float *src, size_t step, int turned, size_t n,
                  size_t K);

#endif
