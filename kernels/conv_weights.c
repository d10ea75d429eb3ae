/* SPDX-License-Identifier: MIT
 *
 * conv_weights - gradients of filters and bias. The batch is cut into GROUPS parts, however many
 * threads there are; each part sums into a dw of its own, and these are added up in order.
 *
 * Within a part some rows of an image at a time: dy is turned so that the filters of a position lie side
 * by side, and its product with the pixels that each tap meets there is added to dw, which is kept turned as
 * well, [C*K*K, F].
 */
#include "kernels/conv.h"
#include "kernels/conv_space.h"
#include "kernels/conv_tile.h"
#include "kernels/threads.h"

#include <string.h>

enum { GROUPS = 8 };

typedef struct weights {
    ty_conv s;
    float *dw, *dbias, *space;
    const float *x, *dy;
    size_t rows, cols, wide, plane; /* of y; of the frame */
    size_t taps, filters;           /* of a filter; F rounded up to vectors */
    size_t frame;  /* floats of x in its frame; 0: x has no edge and is used as it is */
    size_t groups; /* parts of the batch */
    size_t group;  /* floats of space of a group: dw [taps, filters], dbias, frame, dy, taps of x */
} weights;

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static weights plan(const ty_conv *s)
{
    weights q = {.s = *s, .rows = ty_conv_rows(s), .cols = ty_conv_cols(s)};
    q.wide = s->W + 2 * s->P;
    q.plane = q.wide * (s->H + 2 * s->P);
    q.taps = s->C * s->K * s->K;
    q.filters = ty_up(s->F);
    q.frame = s->P ? ty_up(s->C * q.plane) : 0;
    q.groups = min(s->B, GROUPS);
    q.group = (q.taps + 1 + TY_DW_POSITIONS) * q.filters + q.frame;
    return q;
}

size_t ty_conv_weights_space(const ty_conv *s)
{
    const weights q = plan(s);
    return q.groups * q.group;
}

/* ---- some rows of an image ------------------------------------------------------------------- */

/* Positions (i, j) of y: `rows` rows of `cols` from (i, j) on, TY_DW_POSITIONS at most; without gaps in dy. */
typedef struct part {
    size_t i, j, rows, cols;
} part;

/* Vector i takes lane i of each. Every round puts one half beside the other, lane by lane. */
TY_INLINE void turn(ty_vec r[TY_LANES])
{
    const ty_ivec low = (ty_lane() >> 1) + (ty_lane() & 1) * TY_LANES, high = low + TY_LANES / 2;
#pragma GCC unroll 4
    for (int n = 1; n < TY_LANES; n *= 2) {
        ty_vec t[TY_LANES];
#pragma GCC unroll 8
        for (int i = 0; i < TY_LANES / 2; i++) {
            t[2 * i] = __builtin_shuffle(r[i], r[i + TY_LANES / 2], low);
            t[2 * i + 1] = __builtin_shuffle(r[i], r[i + TY_LANES / 2], high);
        }
#pragma GCC unroll 16
        for (int i = 0; i < TY_LANES; i++)
            r[i] = t[i];
    }
}

/* to [LANES, step] = from [planes, from_step] turned; lanes past the planes get 0. */
TY_INLINE void turn_block(float *to, size_t step, const float *from, size_t from_step,
                          size_t planes)
{
    ty_vec r[TY_LANES];
#pragma GCC unroll 16
    for (size_t f = 0; f < TY_LANES; f++)
        r[f] = f < planes ? ty_vec_load(from + f * from_step) : (ty_vec){0};
    turn(r);
#pragma GCC unroll 16
    for (size_t p = 0; p < TY_LANES; p++)
        ty_vec_store(to + p * step, r[p]);
}

/* The same of n positions. */
static void turn_edge(float *to, size_t step, const float *from, size_t from_step, size_t n,
                      size_t planes)
{
    float some[TY_LANES * TY_LANES] = {0};
    for (size_t f = 0; f < planes; f++)
        for (size_t p = 0; p < n; p++)
            some[p * TY_LANES + f] = from[f * from_step + p];
    for (size_t p = 0; p < n; p++)
        ty_vec_store(to + p * step, ty_vec_load(some + p * TY_LANES));
}

/* to [n, filters] = positions [first, first + n) of image b of dy. */
static void turn_dy(const weights *q, float *to, size_t b, size_t first, size_t n)
{
    const size_t size = q->rows * q->cols, F = q->s.F, step = q->filters;
    const float *from = q->dy + b * F * size + first;
    for (size_t f = 0; f < F; f += TY_LANES) {
        const size_t planes = min(TY_LANES, F - f);
        size_t p = 0;
        for (; p + TY_LANES <= n; p += TY_LANES)
            turn_block(to + p * step + f, step, from + f * size + p, size, planes);
        if (p < n)
            turn_edge(to + p * step + f, step, from + f * size + p, size, n - p, planes);
    }
}

/* The next element of a filter: its shift within the frame. */
typedef struct tap {
    size_t m, n, shift;
} tap;

static void advance(const weights *q, tap *t)
{
    const size_t K = q->s.K;
    t->shift++;
    if (++t->n < K)
        return;
    t->n = 0;
    t->shift += q->wide - K;
    if (++t->m < K)
        return;
    t->m = 0;
    t->shift += q->plane - K * q->wide;
}

/* Planes [lo, hi) of dy at the positions of a part will be read soon. */
static void fetch_dy(const weights *q, size_t b, const part *at, size_t lo, size_t hi)
{
    const size_t size = q->rows * q->cols, n = at->rows * at->cols;
    const float *dy = q->dy + b * q->s.F * size + at->i * q->cols + at->j;
    for (size_t f = lo; f < hi; f++)
        for (size_t p = 0; p < n; p += 64 / sizeof *dy)
            __builtin_prefetch(dy + f * size + p, 0, 2);
}

/* dw += x times dy of a part of image b, taps by the tile, and of each the filters; `next` of image c comes afterwards.
 *   x   first position of the part in the frame */
static void add_taps(const weights *q, float *dw, const float *x, const float *dy, const part *at,
                     size_t c, const part *next)
{
    const size_t vecs = q->filters / TY_LANES, blocks = (vecs + TY_DW_VECS - 1) / TY_DW_VECS;
    const size_t most = ty_dw_taps((vecs + blocks - 1) / blocks);
    const size_t tiles = (q->taps + most - 1) / most;
    tap k = {0, 0, 0};
    ty_dw_tile t = {.rows = at->rows,
                    .cols = at->cols,
                    .wide = q->wide,
                    .dy_step = q->filters,
                    .dw_step = q->filters};

    for (size_t i = 0; i < tiles; i++) {
        const size_t first = q->taps * i / tiles;
        t.taps = q->taps * (i + 1) / tiles - first;
        for (size_t j = 0; j < t.taps; j++, advance(q, &k))
            t.x[j] = x + k.shift;
        fetch_dy(q, c, next, q->s.F * i / tiles, q->s.F * (i + 1) / tiles);
        for (size_t v = 0; v < blocks; v++) {
            const size_t f = vecs * v / blocks * TY_LANES;
            t.vecs = vecs * (v + 1) / blocks - vecs * v / blocks;
            t.dy = dy + f;
            t.dw = dw + first * q->filters + f;
            ty_dw_tile_run(&t);
        }
    }
}

/* In SUMS chains, or each sum would wait for the last. */
static void add_bias(const weights *q, float *dbias, const float *dy, size_t n)
{
    enum { SUMS = 4 };
    for (size_t f = 0; f < q->filters; f += TY_LANES) {
        ty_vec sum[SUMS] = {ty_vec_load(dbias + f)};
        size_t p = 0;
        for (; p + SUMS <= n; p += SUMS)
            for (size_t i = 0; i < SUMS; i++)
                sum[i] += ty_vec_load(dy + (p + i) * q->filters + f);
        for (; p < n; p++)
            sum[0] += ty_vec_load(dy + p * q->filters + f);
        ty_vec_store(dbias + f, (sum[0] + sum[1]) + (sum[2] + sum[3]));
    }
}

/* ---- one group ------------------------------------------------------------------------------- */

/* Image b within its frame; the zeros around are there already. */
static const float *lay_out(const weights *q, size_t b, float *frame)
{
    const ty_conv *s = &q->s;
    const size_t size = s->H * s->W;

    if (!q->frame)
        return q->x + b * s->C * size;
    ty_copy_planes(frame + s->P * q->wide + s->P, (ty_pitch){q->wide, q->plane},
                   q->x + b * s->C * size, (ty_pitch){s->W, size}, s->C, s->H, s->W);
    return frame;
}

/* The part that begins at (i, j). */
static part part_at(const weights *q, size_t i, size_t j)
{
    const size_t deep = q->cols < TY_DW_POSITIONS ? TY_DW_POSITIONS / q->cols : 1;
    return (part){i, j, min(deep, q->rows - i), min(TY_DW_POSITIONS, q->cols - j)};
}

/* The part behind p in its image; rows is 0 behind the last. */
static part part_after(const weights *q, const part *p)
{
    if (p->j + p->cols < q->cols)
        return part_at(q, p->i, p->j + p->cols);
    return p->i + p->rows < q->rows ? part_at(q, p->i + p->rows, 0) : (part){0, 0, 0, 0};
}

/* Image b; c follows it. */
static void add_image(const weights *q, size_t b, size_t c, float *dw, float *frame)
{
    float *dbias = dw + q->taps * q->filters, *dy = frame + q->frame;
    const float *x = lay_out(q, b, frame);
    const part first = part_at(q, 0, 0);

    for (part at = first, next; at.rows; at = next) {
        const size_t n = at.rows * at.cols;
        next = part_after(q, &at);
        turn_dy(q, dy, b, at.i * q->cols + at.j, n);
        add_taps(q, dw, x + at.i * q->wide + at.j, dy, &at, next.rows ? b : c,
                 next.rows ? &next : &first);
        if (q->dbias)
            add_bias(q, dbias, dy, n);
    }
}

/* Groups [lo, hi) are one thread's: it prepares all their images in the space of the first. */
static void sum_groups(void *arg, size_t lo, size_t hi)
{
    const weights *q = arg;
    float *frame = q->space + lo * q->group + (q->taps + 1) * q->filters;

    memset(frame, 0, q->frame * sizeof *frame);
    for (size_t g = lo; g < hi; g++) {
        float *dw = q->space + g * q->group;
        memset(dw, 0, (q->taps + 1) * q->filters * sizeof *dw);
        const size_t end = q->s.B * (g + 1) / q->groups;
        for (size_t b = q->s.B * g / q->groups; b < end; b++)
            add_image(q, b, min(b + 1, q->s.B - 1), dw, frame);
    }
}

/* ---- all groups ------------------------------------------------------------------------------ */

/* Sum of the groups at one place of theirs. */
static ty_vec sum_at(const weights *q, size_t at)
{
    ty_vec sum = ty_vec_load(q->space + at);
    for (size_t g = 1; g < q->groups; g++)
        sum += ty_vec_load(q->space + g * q->group + at);
    return sum;
}

/* Taps [lo, hi) of all filters; tap q->taps is the bias. */
static void add_up(void *arg, size_t lo, size_t hi)
{
    const weights *q = arg;
    for (size_t f = 0; f < q->filters; f += TY_LANES)
        for (size_t k = lo; k < hi; k++) {
            float sum[TY_LANES];
            float *to = k < q->taps ? q->dw + f * q->taps + k : q->dbias + f;
            const size_t step = k < q->taps ? q->taps : 1;
            ty_vec_store(sum, sum_at(q, k * q->filters + f));
            for (size_t i = 0; i < min(TY_LANES, q->s.F - f); i++)
                to[i * step] += sum[i];
        }
}

void ty_kernel_conv_bwd_w(float *dw, float *dbias, const float *x, const float *dy,
                          const ty_conv *s, float *workspace)
{
    weights q = plan(s);
    const double flops =
        2.0 * (double)(s->B * q.rows * q.cols) * (double)(q.taps * q.filters) / (double)GROUPS;

    if (s->B == 0 || q.rows == 0 || q.cols == 0 || s->F == 0)
        return;
    q.dw = dw, q.dbias = dbias, q.x = x, q.dy = dy, q.space = workspace;
    ty_share(q.groups, (size_t)(TY_CONV_GRAIN / (flops + 1)) + 1, sum_groups, &q);
    ty_share(q.taps + (dbias != NULL), 65536 / (q.filters * GROUPS) + 1, add_up, &q);
}
