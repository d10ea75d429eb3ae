/* SPDX-License-Identifier: MIT
 *
 * gemm_tile - the micro-kernel. A tile of c lives in registers while k runs; each step loads one
 * row of the panel of b (two vectors), broadcasts one element of a per row and does rows x 2
 * multiply-adds.
 */
#include "kernels/gemm.h"

/* Everything of a tile that the loop changes; rows and vecs are constants at every call, so that
 * all of it lives in registers. */
typedef struct inner {
    ty_vec sum[TY_TILE_ROWS][2];
    const float *a, *b;
    float *copy;
} inner;

/* sum += column of a times row of b */
TY_INLINE void step(inner *in, const ty_tile *t, const size_t rows, const size_t vecs)
{
    ty_vec row[2];
#pragma GCC unroll 2
    for (size_t v = 0; v < vecs; v++)
        row[v] = ty_vec_load(in->b + v * TY_LANES);
    if (in->copy) {
#pragma GCC unroll 2
        for (size_t v = 0; v < vecs; v++)
            ty_vec_store(in->copy + v * TY_LANES, row[v]);
        in->copy += TY_PANEL;
    }
#pragma GCC unroll 14
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (size_t v = 0; v < vecs; v++)
            in->sum[i][v] += in->a[i] * row[v];
    in->a += t->a_step;
    in->b += t->b_step;
}

TY_INLINE void tile(const ty_tile *t, const size_t rows, const size_t vecs)
{
    const float *ahead = t->ahead, *next = t->next;
    inner in = {.a = t->a, .b = t->b, .copy = t->b_copy};
    size_t k = t->K;

#pragma GCC unroll 14
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (size_t v = 0; v < vecs; v++)
            in.sum[i][v] =
                t->start ? ty_vec_load(t->start + i * t->start_step + v * TY_LANES) : (ty_vec){0};

    for (; k >= TY_AHEAD; k -= TY_AHEAD) {
        __builtin_prefetch(ahead, 0, 2);
        __builtin_prefetch(ahead + TY_LANES, 0, 2);
        ahead += t->ahead_step;
        if (t->K - k < rows * TY_AHEAD) {
            __builtin_prefetch(next, 1);
            __builtin_prefetch(next + TY_LANES, 1);
            next += t->c_step;
        }
#pragma GCC unroll 4
        for (int n = 0; n < TY_AHEAD; n++)
            step(&in, t, rows, vecs);
    }
    for (; k > 0; k--)
        step(&in, t, rows, vecs);

#pragma GCC unroll 14
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (size_t v = 0; v < vecs; v++)
            ty_vec_store(t->c + i * t->c_step + v * TY_LANES, in.sum[i][v]);
}

/* One function for each number of rows, 1 or 2 vectors wide. */
#define ROWS(r) ((r) < TY_TILE_ROWS ? (r) : TY_TILE_ROWS)
#define TILE(r)                                                                                    \
    static void narrow_##r(const ty_tile *t)                                                       \
    {                                                                                              \
        tile(t, ROWS(r), 1);                                                                       \
    }                                                                                              \
    static void wide_##r(const ty_tile *t)                                                         \
    {                                                                                              \
        tile(t, ROWS(r), 2);                                                                       \
    }
/* clang-format off */
TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6) TILE(7)
TILE(8) TILE(9) TILE(10) TILE(11) TILE(12) TILE(13) TILE(14)

typedef void tile_fn(const ty_tile *);
static tile_fn *const tiles[2][14] = {
    { narrow_1, narrow_2, narrow_3, narrow_4, narrow_5, narrow_6, narrow_7,
      narrow_8, narrow_9, narrow_10, narrow_11, narrow_12, narrow_13, narrow_14 },
    { wide_1, wide_2, wide_3, wide_4, wide_5, wide_6, wide_7,
      wide_8, wide_9, wide_10, wide_11, wide_12, wide_13, wide_14 },
};
/* clang-format on */

/* dst = src, n <= TY_PANEL floats, in powers of two: a call of memcpy would cost more than the
 * copy. */
TY_INLINE void copy_few(float *dst, const float *src, size_t n)
{
#pragma GCC unroll 8
    for (size_t bit = TY_PANEL; bit > 0; bit /= 2)
        if (n & bit) {
            __builtin_memcpy(dst, src, bit * sizeof *dst);
            dst += bit;
            src += bit;
        }
}

/* The start of a tile that works beside c: the lanes past its columns get anything. */
static void load_beside(float *full, const ty_tile *t)
{
    if (!t->turned)
        for (size_t i = 0; i < t->rows; i++)
            copy_few(full + i * TY_PANEL, t->start + i * t->start_step, t->cols);
    else if (t->start_step)
        ty_gemm_pack(full, TY_PANEL, t->start, t->start_step, 1, t->cols, t->rows);
    else
        for (size_t i = 0; i < t->rows; i++)
            for (size_t j = 0; j < TY_PANEL; j++)
                full[i * TY_PANEL + j] = t->start[i];
}

static void store_beside(const float *full, const ty_tile *t)
{
    float rows[TY_PANEL * TY_STRIP];

    if (!t->turned) {
        for (size_t i = 0; i < t->rows; i++)
            copy_few(t->c + i * t->c_step, full + i * TY_PANEL, t->cols);
        return;
    }
    ty_gemm_pack(rows, TY_STRIP, full, TY_PANEL, 1, t->rows, t->cols);
    for (size_t j = 0; j < t->cols; j++)
        copy_few(t->c + j * t->c_step, rows + j * TY_STRIP, t->rows);
}

/* A tile that ends inside a vector, or whose c is turned, works in full rows beside c. */
static void beside(const ty_tile *t, tile_fn *run)
{
    float full[TY_TILE_ROWS * TY_PANEL];
    ty_tile in = *t;

    if (t->start) {
        load_beside(full, t);
        in.start = full;
        in.start_step = TY_PANEL;
    }
    in.c = full;
    in.next = full;
    in.c_step = TY_PANEL;
    run(&in);
    store_beside(full, t);
}

void ty_gemm_tile(const ty_tile *t)
{
    tile_fn *run = tiles[t->cols > TY_LANES][t->rows - 1];
    if (t->cols % TY_LANES == 0 && !t->turned)
        run(t);
    else
        beside(t, run);
}
