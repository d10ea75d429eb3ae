/* SPDX-License-Identifier: MIT
 *
 * attention - one head after the other, straight on the register tile of the matrix product.
 *
 *        keys: panels of 32           A strip of rows (14 queries) meets the panels up to its diagonal, becomes
 *        +----+----+----+             probabilities while it is in the first-level cache, and meets the values.
 *   14   | x  |    |    |             Backward, dP and dQ go by strips of queries in the same way; dK and dV by strips
 *   rows +----+----+----+             of keys, over the queries from the diagonal down: the transpose is the layout
 *        | x  | x  |    |             that the tile wants for its left operand.
 */
#include "kernels/gemm.h"
#include "kernels/threads.h"
#include "kernels/transformer.h"
#include "kernels/vecmath.h"

#include <math.h>

enum {
    GROUPS = 64, /* heads are shared out in so many groups, each with a slot of the workspace */
    ROUND = 16,  /* rows of p are padded to this: whole vectors on every processor */
    THREAD_FLOPS = 500000
};

typedef struct heads {
    float *out, *dqkv, *p, *space;
    const float *dout, *qkv;
    size_t T, C, D, count, groups;
    size_t width; /* floats of a row of p */
    float scale;
} heads;

/* A thread's slot of the workspace: operands of one head, packed. */
typedef struct slot {
    float *columns; /* k or v [D panels of T] */
    float *rows[3]; /* k, q, dout or v [T panels of D] */
    float *strip;   /* [max(T,D), TY_STRIP] */
    float *dp;      /* [TY_TILE_ROWS, width] */
} slot;

static size_t up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static size_t slot_size(size_t T, size_t D)
{
    return D * up(T, TY_PANEL) + 3 * T * up(D, TY_PANEL) + TY_STRIP * (T > D ? T : D) +
           TY_TILE_ROWS * up(T, ROUND);
}

static slot slot_at(float *space, size_t T, size_t D)
{
    slot s = {.columns = space};
    s.rows[0] = space + D * up(T, TY_PANEL);
    s.rows[1] = s.rows[0] + T * up(D, TY_PANEL);
    s.rows[2] = s.rows[1] + T * up(D, TY_PANEL);
    s.strip = s.rows[2] + T * up(D, TY_PANEL);
    s.dp = s.strip + TY_STRIP * (T > D ? T : D);
    return s;
}

/* ---- packing and products ---- */

/* x [T,D] as a right operand with D columns. */
static void pack_rows(float *panels, const float *x, size_t step, size_t T, size_t D)
{
    for (size_t j = 0; j < D; j += TY_PANEL)
        ty_gemm_pack(panels + j * T, TY_PANEL, x + j, step, 0, D - j < TY_PANEL ? D - j : TY_PANEL,
                     T);
}

/* x^T, a right operand with T columns. */
static void pack_columns(float *panels, const float *x, size_t step, size_t T, size_t D)
{
    for (size_t j = 0; j < T; j += TY_PANEL)
        ty_gemm_pack(panels + j * D, TY_PANEL, x + j * step, step, 1,
                     T - j < TY_PANEL ? T - j : TY_PANEL, D);
}

/* Rows [i, i + rows) of queries, or keys. */
typedef struct rows_of {
    size_t i, n;
} rows_of;

static size_t strips(size_t T)
{
    return (T + TY_TILE_ROWS - 1) / TY_TILE_ROWS;
}

static rows_of strip_of(size_t T, size_t s)
{
    const size_t i = T * s / strips(T);
    return (rows_of){i, T * (s + 1) / strips(T) - i};
}

/* c [rows,N] = a [rows,K] b; element (i,k) of a is a[k * a_step + i], panels are `depth` rows deep. */
static void times(float *c, size_t c_step, size_t rows, size_t N, size_t K, const float *a,
                  size_t a_step, const float *panels, size_t depth)
{
    for (size_t j = 0; j < N; j += TY_PANEL) /* next: the panel beside, or the strip below */
        ty_gemm_tile(&(ty_tile){.K = K,
                                .rows = rows,
                                .cols = N - j < TY_PANEL ? N - j : TY_PANEL,
                                .a = a,
                                .a_step = a_step,
                                .b = panels + j * depth,
                                .b_step = TY_PANEL,
                                .c = c + j,
                                .c_step = c_step,
                                .ahead = a,
                                .next = j + TY_PANEL < N ? c + j + TY_PANEL : c + rows * c_step});
}

/* ---- rows of probabilities: n columns count, the rest up to `end` (whole vectors) becomes zero ---- */

TY_INLINE ty_ivec below(size_t n, size_t j)
{
    return ty_lane() + (int)j < (int)n;
}

static void softmax_row(float *p, size_t n, size_t end, float scale)
{
    const ty_vec nothing = (ty_vec){0} - INFINITY;
    ty_vec most = nothing, sum = {0};

    for (size_t j = 0; j < n; j += TY_LANES) {
        const ty_vec v = ty_vec_pick(below(n, j), ty_vec_load(p + j), nothing);
        most = ty_vec_pick(v > most, v, most);
    }
    const float top = ty_vec_max(most);
    for (size_t j = 0; j < n; j += TY_LANES) {
        const ty_vec e = ty_vec_exp((ty_vec_load(p + j) - top) * scale);
        const ty_vec kept = ty_vec_pick(below(n, j), e, (ty_vec){0});
        ty_vec_store(p + j, kept);
        sum += kept;
    }
    const float factor = 1 / ty_vec_sum(sum);
    size_t j = 0;
    for (; j < n; j += TY_LANES)
        ty_vec_store(p + j, ty_vec_load(p + j) * factor);
    for (; j < end; j += TY_LANES)
        ty_vec_store(p + j, (ty_vec){0});
}

/* p = scale p (dp - sum p dp): from the gradient of a row of probabilities to that of its scores. */
static void softmax_row_bwd(float *p, const float *dp, size_t n, float scale)
{
    ty_vec sum = {0};

    for (size_t j = 0; j < n; j += TY_LANES)
        sum += ty_vec_load(p + j) * ty_vec_load(dp + j);
    const float dot = ty_vec_sum(sum);
    for (size_t j = 0; j < n; j += TY_LANES) {
        const ty_vec ds = ty_vec_load(p + j) * (ty_vec_load(dp + j) - dot) * scale;
        ty_vec_store(p + j, ty_vec_pick(below(n, j), ds, (ty_vec){0}));
    }
}

/* ---- one head ---- */

/* Where head n begins in a [B,T,width] array of `parts` channels' worth, each [H,D]. */
static size_t head_at(const heads *h, size_t n, size_t parts)
{
    const size_t H = h->C / h->D;
    return n / H * h->T * parts * h->C + n % H * h->D;
}

static void head_fwd(const heads *h, size_t n, const slot *w)
{
    const size_t T = h->T, C = h->C, D = h->D, step = 3 * C, width = h->width;
    const float *q = h->qkv + head_at(h, n, 3), *k = q + C, *v = k + C;
    float *p = h->p + n * T * width, *out = h->out + head_at(h, n, 1);

    pack_columns(w->columns, k, step, T, D);
    pack_rows(w->rows[0], v, step, T, D);
    for (size_t s = 0; s < strips(T); s++) {
        const rows_of r = strip_of(T, s);
        const size_t keys = r.i + r.n, end = up(keys, ROUND);
        ty_gemm_pack(w->strip, TY_STRIP, q + r.i * step, step, 1, r.n, D);
        times(p + r.i * width, width, r.n, end, D, w->strip, TY_STRIP, w->columns, D);
        for (size_t i = r.i; i < keys; i++)
            softmax_row(p + i * width, i + 1, end, h->scale);
        ty_gemm_pack(w->strip, TY_STRIP, p + r.i * width, width, 1, r.n, keys);
        times(out + r.i * C, C, r.n, D, keys, w->strip, TY_STRIP, w->rows[0], T);
    }
}

/* dx [T,D] = p^T y: row j sums over the queries i >= j. */
static void transposed_times(const heads *h, float *dx, const float *p, const float *panels)
{
    for (size_t s = 0; s < strips(h->T); s++) {
        const rows_of r = strip_of(h->T, s);
        times(dx + r.i * 3 * h->C, 3 * h->C, r.n, h->D, h->T - r.i, p + r.i * h->width + r.i,
              h->width, panels + r.i * TY_PANEL, h->T);
    }
}

static void head_bwd(const heads *h, size_t n, const slot *w)
{
    const size_t T = h->T, C = h->C, D = h->D, step = 3 * C, width = h->width;
    const float *q = h->qkv + head_at(h, n, 3), *k = q + C, *v = k + C;
    const float *dout = h->dout + head_at(h, n, 1);
    float *p = h->p + n * T * width;
    float *dq = h->dqkv + head_at(h, n, 3), *dk = dq + C, *dv = dk + C;

    pack_rows(w->rows[0], k, step, T, D);
    pack_rows(w->rows[1], q, step, T, D);
    pack_rows(w->rows[2], dout, C, T, D);
    pack_columns(w->columns, v, step, T, D);
    transposed_times(h, dv, p, w->rows[2]);
    for (size_t s = 0; s < strips(T); s++) {
        const rows_of r = strip_of(T, s);
        const size_t keys = r.i + r.n;
        ty_gemm_pack(w->strip, TY_STRIP, dout + r.i * C, C, 1, r.n, D);
        times(w->dp, width, r.n, up(keys, ROUND), D, w->strip, TY_STRIP, w->columns, D);
        for (size_t i = 0; i < r.n; i++)
            softmax_row_bwd(p + (r.i + i) * width, w->dp + i * width, r.i + i + 1, h->scale);
        ty_gemm_pack(w->strip, TY_STRIP, p + r.i * width, width, 1, r.n, keys);
        times(dq + r.i * step, step, r.n, D, keys, w->strip, TY_STRIP, w->rows[0], T);
    }
    transposed_times(h, dk, p, w->rows[1]); /* p holds the gradient of the scores by now */
}

/* ---- all heads ---- */

static void groups(void *arg, size_t lo, size_t hi)
{
    const heads *h = arg;
    const slot w = slot_at(h->space + lo * slot_size(h->T, h->D), h->T, h->D);

    for (size_t n = h->count * lo / h->groups; n < h->count * hi / h->groups; n++)
        if (h->dqkv)
            head_bwd(h, n, &w);
        else
            head_fwd(h, n, &w);
}

static void share_heads(heads h, size_t B, size_t H)
{
    if (B == 0 || h.T == 0 || h.C == 0)
        return;
    h.D = h.C / H;
    h.count = B * H;
    h.groups = h.count < GROUPS ? h.count : GROUPS;
    h.width = up(h.T, ROUND);
    h.scale = 1 / sqrtf((float)h.D);
    ty_share(h.groups, THREAD_FLOPS / (h.T * h.T * h.D) * h.groups / h.count + 1, groups, &h);
}

void ty_kernel_attention_fwd(float *out, float *p, float *space, const float *qkv, size_t B,
                             size_t T, size_t C, size_t H)
{
    share_heads((heads){.out = out, .p = p, .space = space, .qkv = qkv, .T = T, .C = C}, B, H);
}

void ty_kernel_attention_bwd(float *dqkv, float *p, float *space, const float *dout,
                             const float *qkv, size_t B, size_t T, size_t C, size_t H)
{
    share_heads(
        (heads){.dqkv = dqkv, .p = p, .space = space, .dout = dout, .qkv = qkv, .T = T, .C = C}, B,
        H);
}

size_t ty_kernel_attention_saved(size_t B, size_t T, size_t H)
{
    return B * H * T * up(T, ROUND);
}

size_t ty_kernel_attention_space(size_t B, size_t T, size_t C, size_t H)
{
    const size_t count = B * H;
    return H ? (count < GROUPS ? count : GROUPS) * slot_size(T, C / H) : 0;
}

/* ---- work ---- */

typedef struct sizes {
    double pairs; /* (i, j <= i) of all heads */
    double rows;  /* of p */
    double n;     /* B T C */
    size_t T, D;
} sizes;

static sizes sizes_of(size_t B, size_t T, size_t C, size_t H)
{
    const double count = (double)B * (double)H, t = (double)T;
    return (sizes){count * t * (t + 1) / 2, count * t, (double)B * t * (double)C, T, C / H};
}

/* Shape: tokens, channels of a head, heads. */
static ty_work work(const sizes *s, double flops, double floats)
{
    const size_t count = s->T ? (size_t)(s->rows / (double)s->T) : 0;
    return (ty_work){TY_CLASS_ATTENTION, s->T, s->D, count, flops, 4 * floats};
}

/* Two products; a pair: scale, maximum, difference, exp, sum, factor; a row: 1/sum. Reads queries,
 * keys and values, writes p and out. */
int ty_work_attention_fwd(size_t B, size_t T, size_t C, size_t H, ty_work *out)
{
    const sizes s = sizes_of(B, T, C, H);
    out[0] =
        work(&s, 4 * s.pairs * (double)s.D + 6 * s.pairs + s.rows, s.pairs + 4 * s.n);
    return TY_ATTENTION_WORKS;
}

/* Four products; a pair: sum 2, difference, p, scale. Reads dout, p, queries, keys and values,
 * writes the gradients of all but dout. */
int ty_work_attention_bwd(size_t B, size_t T, size_t C, size_t H, ty_work *out)
{
    const sizes s = sizes_of(B, T, C, H);
    out[0] = work(&s, 8 * s.pairs * (double)s.D + 5 * s.pairs, 2 * s.pairs + 7 * s.n);
    return TY_ATTENTION_WORKS;
}
