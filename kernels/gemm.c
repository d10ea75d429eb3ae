/* SPDX-License-Identifier: MIT
 *
 * gemm - slabs and blocks of the matrix product (see gemm.h for the layers below).
 *
 *        cols of a block: one packed panel of b at a time (first-level cache)
 *        +------+------+----
 *   rows | tile | tile |      a strip of a (rows x depth) meets every panel; all strips of a block
 *        +------+------+----  together (BLOCK_ROWS x DEPTH) stay in the second-level cache
 */
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "kernels/threads.h"

enum {
    DEPTH = 512,       /* k of a block: a panel of b is 64 kB */
    BLOCK_STRIPS = 14, /* strips of a in a block: 400 kB */
    BLOCK_ROWS = BLOCK_STRIPS * TY_TILE_ROWS,
    BLOCK_PANELS = 512 / TY_PANEL, /* panels of b kept packed for the next block of rows: 1 MB */

    PACK_A_COLS = 192,    /* below so many columns a strip is used too seldom to be packed */
    THREAD_FLOPS = 300000 /* 2 us: waking a thread for less may cost more than it brings */
};

/* Packing space of each thread: 1.5 MB that are touched only by threads that multiply. */
static _Thread_local _Alignas(64) float packed_a[BLOCK_STRIPS * TY_STRIP * DEPTH];
static _Thread_local _Alignas(64) float packed_b[BLOCK_PANELS * TY_PANEL * DEPTH];

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t pieces(size_t n, size_t most)
{
    return (n + most - 1) / most;
}

/* Where element (i,k) of a and (k,j) of b stand. */
static const float *at_a(const ty_product *p, size_t i, size_t k)
{
    return p->a + (p->trans_a ? k * p->a_step + i : i * p->a_step + k);
}

static const float *at_b(const ty_product *p, size_t k, size_t j)
{
    return p->b + (p->trans_b ? j * p->b_step + k : k * p->b_step + j);
}

/* Element (i,j) of c, or of a start with that step. */
static size_t at_c(const ty_product *p, size_t step, size_t i, size_t j)
{
    return p->turned ? j * step + i : i * step + j;
}

/* The part of p with rows [i, i+m), cols [j, j+n) and k in [k, k+depth); it goes on where c stands
 * when it does not begin at k = 0. */
static ty_product part(const ty_product *p, size_t i, size_t m, size_t j, size_t n, size_t k,
                       size_t depth)
{
    ty_product q = *p;
    q.M = m, q.N = n, q.K = depth;
    q.a = at_a(p, i, k);
    q.b = at_b(p, k, j);
    q.c = p->c + at_c(p, p->c_step, i, j);
    if (k > 0) {
        q.start = q.c;
        q.start_step = p->c_step;
    } else if (p->start)
        q.start = p->start + at_c(p, p->start_step, i, j);
    return q;
}

/* Make b of tile t ready: packed already, packed now, or copied by the first of several tiles. */
static void take_panel(const ty_product *p, size_t j, int have_b, size_t uses, float *panel,
                       ty_tile *t)
{
    const float *b = at_b(p, 0, j);

    t->b = panel;
    t->b_step = TY_PANEL;
    t->b_copy = NULL;
    if (have_b)
        return;
    if (p->trans_b || t->cols % TY_LANES != 0)
        ty_gemm_pack(panel, TY_PANEL, b, p->b_step, p->trans_b, t->cols, p->K);
    else {
        t->b = b;
        t->b_step = p->b_step;
        t->b_copy = uses > 1 ? panel : NULL;
    }
}

/* While tile s runs, part s of the panel at column j comes closer. */
static void fetch_ahead(const ty_product *p, size_t j, size_t s, int have_b, ty_tile *t)
{
    const size_t k = s * (p->K / TY_AHEAD);
    const int wanted = !p->trans_b && !have_b && j < p->N && k + p->K / TY_AHEAD <= p->K;

    t->ahead = wanted ? at_b(p, k, j) : t->a;
    t->ahead_step = wanted ? p->b_step : 0;
}

/* One panel of b meets every strip of a. */
static void panel_times_strips(const ty_product *p, size_t j, int have_b, int keep_b, int packed)
{
    const size_t strips = ty_gemm_strips(p->M), uses = keep_b ? 2 : strips;
    float *panel = packed_b + (keep_b ? j / TY_PANEL * TY_PANEL * p->K : 0);
    ty_tile t = {
        .K = p->K, .cols = min(TY_PANEL, p->N - j), .c_step = p->c_step, .turned = p->turned};

    take_panel(p, j, have_b, uses, panel, &t);
    for (size_t s = 0; s < strips; s++) {
        const size_t i = ty_gemm_strip_row(p->M, s), next = ty_gemm_strip_row(p->M, s + 1);
        t.rows = next - i;
        t.a = packed ? packed_a + s * TY_STRIP * p->K : at_a(p, i, 0);
        t.a_step = packed ? TY_STRIP : p->a_step;
        t.a_by_rows = !packed && !p->trans_a;
        t.start = p->start ? p->start + at_c(p, p->start_step, i, j) : NULL;
        t.start_step = p->start_step;
        t.c = p->c + at_c(p, p->c_step, i, j);
        t.next = s + 1 < strips ? p->c + at_c(p, p->c_step, next, j) : t.c;
        fetch_ahead(p, j + TY_PANEL, s, have_b, &t);
        ty_gemm_tile(&t);
        if (t.b_copy) {
            t.b = panel;
            t.b_step = TY_PANEL;
            t.b_copy = NULL;
        }
    }
}

/* A product that fits the packing space. have_b: an earlier block of rows left b packed. */
static void block(const ty_product *p, int have_b, int keep_b)
{
    const int pack = p->trans_a && p->N >= PACK_A_COLS;

    if (pack)
        ty_gemm_pack_strips(packed_a, p->a, p->a_step, p->M, p->K);
    for (size_t j = 0; j < p->N; j += TY_PANEL)
        panel_times_strips(p, j, have_b, keep_b, pack);
}

/* A product on one thread, block by block; with K = 0 one block still writes the start. */
static void slab(const ty_product *p)
{
    const size_t wide = BLOCK_PANELS * TY_PANEL, deep = p->K ? pieces(p->K, DEPTH) : 1;
    const size_t high = pieces(p->M, BLOCK_ROWS);

    if (ty_gemm_by_blas(p))
        return;
    for (size_t j = 0; j < p->N; j += wide)
        for (size_t d = 0; d < deep; d++)
            for (size_t h = 0; h < high; h++) {
                const size_t i = p->M * h / high, k = p->K * d / deep;
                ty_product q = part(p, i, p->M * (h + 1) / high - i, j, min(wide, p->N - j), k,
                                    p->K * (d + 1) / deep - k);
                block(&q, h > 0, high > 1);
            }
}

/* ---- threads ---- */

typedef struct grid {
    const ty_product *p;
    size_t high, wide; /* slabs down and across */
} grid;

static void slabs(void *arg, size_t lo, size_t hi)
{
    const grid *g = arg;
    const ty_product *p = g->p;
    const size_t panels = pieces(p->N, TY_PANEL);

    for (size_t s = lo; s < hi; s++) {
        const size_t y = s / g->wide, x = s % g->wide;
        const size_t i = p->M * y / g->high, m = p->M * (y + 1) / g->high - i;
        const size_t j = min(p->N, panels * x / g->wide * TY_PANEL);
        const size_t n = min(p->N, panels * (x + 1) / g->wide * TY_PANEL) - j;
        ty_product q = part(p, i, m, j, n, 0, p->K);
        slab(&q);
    }
}

/* Time of the largest slab in units of one tile's k step; packing an element costs about 1/4
 * cycle. */
static double grid_cost(const ty_product *p, size_t high, size_t wide)
{
    const size_t rows = pieces(p->M, high), panels = pieces(pieces(p->N, TY_PANEL), wide);
    const double tiles = (double)pieces(rows, TY_TILE_ROWS) * (double)panels;
    const double packing = (double)rows / 4 + (double)(panels * TY_PANEL) / (p->trans_b ? 4 : 32);
    return tiles * TY_TILE_ROWS + packing;
}

static grid best_grid(const ty_product *p, size_t threads)
{
    grid best = {p, 1, threads};
    double cost = grid_cost(p, 1, threads);

    /* Each thread its own columns where they suffice, also to pack a for them: no two caches then
     * hold the same weights, which the optimizer writes next. */
    if (pieces(p->N, TY_PANEL) >= 2 * threads && (!p->trans_a || p->N / threads >= PACK_A_COLS))
        return best;
    for (size_t high = 2; high <= threads; high++)
        if (threads % high == 0 && grid_cost(p, high, threads / high) < cost) {
            best.high = high;
            best.wide = threads / high;
            cost = grid_cost(p, best.high, best.wide);
        }
    return best;
}

/* The same product with rows and columns exchanged: c^T = b^T a^T. */
static ty_product exchanged(const ty_product *p)
{
    ty_product q = *p;
    q.M = p->N, q.N = p->M;
    q.trans_a = !p->trans_b, q.trans_b = !p->trans_a;
    q.a = p->b, q.a_step = p->b_step;
    q.b = p->a, q.b_step = p->a_step;
    q.turned = !p->turned;
    return q;
}

void ty_gemm(const ty_product *asked)
{
    /* A narrow c would leave lanes empty: let its columns be the rows of tiles. Where a is stored
     * by rows that means transposing all of it: only when most lanes would be empty. */
    const size_t few = asked->trans_a ? TY_TILE_ROWS : TY_LANES / 2 - 1;
    const int narrow = asked->N <= few && asked->M > asked->N && !ty_gemm_is_blas();
    const ty_product q = exchanged(asked), *p = narrow ? &q : asked;

    const double flops = 2.0 * (double)p->M * (double)p->N * (double)p->K;
    const size_t team = (size_t)ty_kernel_threads();
    const size_t most = (size_t)(flops / THREAD_FLOPS) + 1;

    if (p->M == 0 || p->N == 0)
        return;
    if (team == 1 || most == 1) {
        slab(p);
        return;
    }
    grid g = best_grid(p, min(team, most));
    ty_share(g.high * g.wide, 1, slabs, &g);
}

void ty_kernel_gemm(int trans_a, int trans_b, size_t M, size_t N, size_t K, const float *a,
                    const float *b, int accumulate, float *c)
{
    ty_gemm(&(ty_product){.M = M,
                          .N = N,
                          .K = K,
                          .trans_a = trans_a,
                          .trans_b = trans_b,
                          .a = a,
                          .a_step = trans_a ? M : K,
                          .b = b,
                          .b_step = trans_b ? K : N,
                          .start = accumulate ? c : NULL,
                          .start_step = N,
                          .c = c,
                          .c_step = N});
}
