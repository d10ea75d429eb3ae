/* SPDX-License-Identifier: MIT
 *
 * gemm_tile - the micro-kernel. A tile of c lives in registers while k runs; each step loads one
 * row of the panel of b (two vectors), broadcasts one element of a per row and does rows x 2
 * multiply-adds.
 */
#include "kernels/gemm.h"

/* Rows of a that stand apart are addressed from the first of five: 1, 2, 3 and 4 steps further need
 * two registers beside the base, one with a step and one with three. */
enum { GROUP = 5, GROUPS = (TY_TILE_ROWS + GROUP - 1) / GROUP };

/* How a and b of a tile lie: a constant at every call, like the number of rows and vectors. The
 * steps of packed operands are then constants too, and nothing but loads and multiply-adds is left;
 * integer operations share their ports and would take up to 7 % of the time. */
typedef enum kind {
    PACKED, /* a and b packed */
    MIXED,  /* a and b with any steps; b may be copied meanwhile */
    ROWS,   /* a by rows, b packed */
    ROWS_MIXED,
    KINDS
} kind;

/* Everything of a tile that the loop changes: lives in registers. */
typedef struct inner {
    ty_vec sum[TY_TILE_ROWS][2];
    const float *a[GROUPS], *b; /* a: the first row of each group, or a[0] alone */
    size_t apart, apart3;       /* [B] one and three rows of a */
    float *copy;
} inner;

/* Element (i,k) of a by rows. */
TY_INLINE const float *of_row(const inner *in, const size_t i, const size_t k)
{
    const size_t n = i % GROUP;
    const char *row = (const char *)in->a[i / GROUP] + (n == 3 ? in->apart3 : n * in->apart);
    return (const float *)(const void *)(row + k * sizeof(float));
}

/* sum += column of a times row of b, k steps further than in->a and in->b unless these
 * move along */
TY_INLINE void step(inner *in, const ty_tile *t, const size_t rows, const size_t vecs,
                    const kind how, const size_t k)
{
    const float *b = how == PACKED || how == ROWS ? in->b + k * TY_PANEL : in->b;
    ty_vec row[2];

    /* Opaque again in each step: each address is then part of its load, not computed for
     * several. */
    if (how == ROWS || how == ROWS_MIXED)
#pragma GCC unroll 3
        for (size_t g = 0; g < GROUPS; g++)
            if (g * GROUP < rows)
                __asm__("" : "+r"(in->a[g]), "+r"(in->apart), "+r"(in->apart3));
#pragma GCC unroll 2
    for (size_t v = 0; v < vecs; v++)
        row[v] = ty_vec_load(b + v * TY_LANES);
    if ((how == MIXED || how == ROWS_MIXED) && in->copy) {
#pragma GCC unroll 2
        for (size_t v = 0; v < vecs; v++)
            ty_vec_store(in->copy + v * TY_LANES, row[v]);
        in->copy += TY_PANEL;
    }
#pragma GCC unroll 14
    for (size_t i = 0; i < rows; i++) {
        const float x = how == PACKED  ? in->a[0][k * TY_STRIP + i]
                        : how == MIXED ? in->a[0][i]
                                       : *of_row(in, i, k);
#pragma GCC unroll 2
        for (size_t v = 0; v < vecs; v++)
            in->sum[i][v] += x * row[v];
    }
    if (how == MIXED)
        in->a[0] += t->a_step;
    if (how == MIXED || how == ROWS_MIXED)
        in->b += t->b_step;
}

/* in->a and in->b after that many steps, where they did not move along */
TY_INLINE void move(inner *in, const size_t rows, const kind how, const size_t steps)
{
    if (how == PACKED)
        in->a[0] += steps * TY_STRIP;
    if (how == PACKED || how == ROWS)
        in->b += steps * TY_PANEL;
    if (how == ROWS || how == ROWS_MIXED)
#pragma GCC unroll 3
        for (size_t g = 0; g < GROUPS; g++)
            if (g * GROUP < rows)
                in->a[g] += steps;
}

TY_INLINE void tile(const ty_tile *t, const size_t rows, const size_t vecs, const kind how)
{
    const float *ahead = t->ahead, *next = t->next;
    const size_t apart = t->a_step * sizeof(float);
    inner in = {.a = {t->a}, .b = t->b, .apart = apart, .apart3 = 3 * apart, .copy = t->b_copy};
    size_t k = t->K;

    if (how == ROWS || how == ROWS_MIXED)
#pragma GCC unroll 3
        for (size_t g = 1; g < GROUPS; g++)
            if (g * GROUP < rows)
                in.a[g] = t->a + g * GROUP * t->a_step;
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
        for (size_t n = 0; n < TY_AHEAD; n++)
            step(&in, t, rows, vecs, how, n);
        move(&in, rows, how, TY_AHEAD);
    }
    for (; k > 0; k--) {
        step(&in, t, rows, vecs, how, 0);
        move(&in, rows, how, 1);
    }

#pragma GCC unroll 14
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (size_t v = 0; v < vecs; v++)
            ty_vec_store(t->c + i * t->c_step + v * TY_LANES, in.sum[i][v]);
}

/* One function for each kind, 1 or 2 vectors and number of rows. */
#define MOST(r) ((r) < TY_TILE_ROWS ? (r) : TY_TILE_ROWS)
/* clang-format off */
#define TILE(how, vecs, r)                                                                         \
    static void how##_##vecs##_##r(const ty_tile *t) { tile(t, MOST(r), vecs, how); }
#define TILES(how, vecs)                                                                           \
    TILE(how, vecs, 1) TILE(how, vecs, 2) TILE(how, vecs, 3) TILE(how, vecs, 4)                    \
    TILE(how, vecs, 5) TILE(how, vecs, 6) TILE(how, vecs, 7) TILE(how, vecs, 8)                    \
    TILE(how, vecs, 9) TILE(how, vecs, 10) TILE(how, vecs, 11) TILE(how, vecs, 12)                 \
    TILE(how, vecs, 13) TILE(how, vecs, 14)
TILES(PACKED, 1) TILES(MIXED, 1) TILES(ROWS, 1) TILES(ROWS_MIXED, 1)
TILES(PACKED, 2) TILES(MIXED, 2) TILES(ROWS, 2) TILES(ROWS_MIXED, 2)

typedef void tile_fn(const ty_tile *);
#define LIST(how, vecs)                                                                            \
    { how##_##vecs##_1, how##_##vecs##_2, how##_##vecs##_3, how##_##vecs##_4, how##_##vecs##_5,    \
      how##_##vecs##_6, how##_##vecs##_7, how##_##vecs##_8, how##_##vecs##_9, how##_##vecs##_10,   \
      how##_##vecs##_11, how##_##vecs##_12, how##_##vecs##_13, how##_##vecs##_14 }
static tile_fn *const tiles[KINDS][2][14] = {
    { LIST(PACKED, 1), LIST(PACKED, 2) }, { LIST(MIXED, 1), LIST(MIXED, 2) },
    { LIST(ROWS, 1), LIST(ROWS, 2) }, { LIST(ROWS_MIXED, 1), LIST(ROWS_MIXED, 2) },
};
/* clang-format on */

static kind kind_of(const ty_tile *t)
{
    const int b_packed = t->b_step == TY_PANEL && !t->b_copy;
    if (t->a_by_rows)
        return b_packed ? ROWS : ROWS_MIXED;
    return b_packed && t->a_step == TY_STRIP ? PACKED : MIXED;
}

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
    tile_fn *run = tiles[kind_of(t)][t->cols > TY_LANES][t->rows - 1];
    if (t->cols % TY_LANES == 0 && !t->turned)
        run(t);
    else
        beside(t, run);
}
