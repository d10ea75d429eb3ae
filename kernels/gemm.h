/* SPDX-License-Identifier: MIT
 *
 * gemm - the layers of the matrix product; private to kernels/.
 *
 *   gemm.c       cut c into one slab a thread, slabs into blocks that fit the second-level cache
 *   gemm_pack.c  copy strips of a and panels of b so that the tile reads both front to back
 *   gemm_tile.c  the micro-kernel: a tile of c in registers, one fused multiply-add per lane and k
 *   gemm_blas.c  a CBLAS of this machine in place of all that, when asked for
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

/* By the library of ty_kernel_use_blas, on the calling thread; 0: not loaded, or not a product that
 * it can do (c turned, a size of zero or beyond int). */
int ty_gemm_by_blas(const ty_product *p);
int ty_gemm_is_blas(void);
unsigned long ty_gemm_blas_calls(void); /* products that the library has done so far */

/* One tile of c: rows x cols, rows <= TY_TILE_ROWS, cols <= TY_PANEL. */
typedef struct ty_tile {
    size_t K, rows, cols;
    const float *a, *b; /* element (i,k) is a[k * a_step + i]; (k,j) is b[k * b_step + j] */
    size_t a_step, b_step;
    int a_by_rows; /* element (i,k) of a is a[i * a_step + k] instead */
    float *b_copy; /* NULL, or [K, TY_PANEL]: also gets b, packed for the tiles to come */
    const float *start;
    size_t start_step;
    float *c;
    size_t c_step;
    int turned; /* c and start: element (i,j) is c[j * c_step + i] */
    const float *ahead; /* fetched meanwhile, a row every TY_AHEAD steps: next panel of b */
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

/* M rows of c are cut into strips. Full tiles run fastest, so only the last two share what is left
 * between them. */
TY_INLINE size_t ty_gemm_strips(size_t M)
{
    return (M + TY_TILE_ROWS - 1) / TY_TILE_ROWS;
}

/* First row of strip s, or M behind the last. */
TY_INLINE size_t ty_gemm_strip_row(size_t M, size_t s)
{
    const size_t strips = ty_gemm_strips(M), full = strips < 2 ? 0 : strips - 2;
    if (s <= full)
        return s * TY_TILE_ROWS;
    return s >= strips ? M : (full * TY_TILE_ROWS + M + 1) / 2;
}

/* All strips of a, stored [K,M] in rows of step floats: strip s comes to dst + s * TY_STRIP * K. */
void ty_gemm_pack_strips(float *dst, const float *src, size_t step, size_t M, size_t K);

#endif
