/* SPDX-License-Identifier: MIT
 *
 * conv_weights - gradients of filters and bias. The batch is cut into GROUPS parts, however many
 * threads there are; each part sums into a dw of its own, and these are added up in order.
 */
#include "kernels/conv.h"
#include "kernels/conv_space.h"
#include "kernels/conv_tile.h"
#include "kernels/threads.h"

#include <string.h>

enum {
    GROUPS = 8,
    VECS_AT_ONCE = 64 /* vectors of positions that are worth adding up the lanes of their sums */
};

typedef struct weights {
    ty_conv s;
    float *dw, *dbias, *space;
    const float *x, *dy;
    size_t rows, cols, wide, plane; /* of y; of the frame */
    size_t vecs;                    /* of positions of an image */
    size_t x_image, dy_image;       /* floats of prepared images */
    size_t filters;                 /* floats of dw */
    size_t groups, at_once;         /* parts of the batch; images prepared together */
    size_t group;                   /* floats of space of a group: dw, dbias, images of x, of dy */
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
    q.vecs = q.rows ? ty_up((q.rows - 1) * q.wide + q.cols) / TY_LANES : 0;
    q.x_image = ty_up(s->C * q.plane + TY_LANES);
    q.dy_image = s->F * q.vecs * TY_LANES;
    q.filters = s->F * s->C * s->K * s->K;
    q.groups = min(s->B, GROUPS);
    q.at_once = min((s->B + GROUPS - 1) / GROUPS, VECS_AT_ONCE / (q.vecs + 1) + 1);
    q.group = ty_up(q.filters) + ty_up(s->F) + q.at_once * (q.x_image + q.dy_image);
    return q;
}

size_t ty_conv_weights_space(const ty_conv *s)
{
    const weights q = plan(s);
    return q.groups * q.group;
}

/* ---- one group ------------------------------------------------------------------------------- */

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

/* Planes [f, f + t->planes) of dy with every element of the filters. */
static void strip(const weights *q, ty_dw_tile *t, float *dw)
{
    const size_t all = t->dw_step, tiles = (all + TY_DW_TAPS - 1) / TY_DW_TAPS;
    tap at = {0, 0, 0};

    for (size_t i = 0; i < tiles; i++) {
        const size_t first = all * i / tiles;
        t->taps = all * (i + 1) / tiles - first;
        t->dw = dw + first;
        for (size_t j = 0; j < t->taps; j++, advance(q, &at))
            t->tap[j] = at.shift;
        ty_dw_tile_run(t);
    }
}

/* dbias of the planes of a tile. */
static void sum_planes(const ty_dw_tile *t, float *dbias)
{
    ty_vec sum[TY_DW_PLANES] = {0};

    for (size_t n = 0; n < t->images; n++)
        for (size_t p = 0; p < t->vecs * TY_LANES; p += TY_LANES)
            for (size_t i = 0; i < t->planes; i++)
                sum[i] += ty_vec_load(t->dy + n * t->dy_image + i * t->dy_plane + p);
    for (size_t i = 0; i < t->planes; i++)
        dbias[i] += ty_vec_sum(sum[i]);
}

/* Images already laid out at x and dy. */
static void add_images(const weights *q, size_t images, const float *x, const float *dy, float *dw,
                       float *dbias)
{
    const size_t F = q->s.F, strips = (F + TY_DW_PLANES - 1) / TY_DW_PLANES;
    const size_t filter = q->s.C * q->s.K * q->s.K, dy_plane = q->vecs * TY_LANES;
    ty_dw_tile t = {.images = images,
                    .vecs = q->vecs,
                    .x = x,
                    .x_image = q->x_image,
                    .dy_image = q->dy_image,
                    .dy_plane = dy_plane,
                    .dw_step = filter};

    for (size_t i = 0; i < strips; i++) {
        const size_t f = F * i / strips;
        t.planes = F * (i + 1) / strips - f;
        t.dy = dy + f * dy_plane;
        strip(q, &t, dw + f * filter);
        if (q->dbias)
            sum_planes(&t, dbias + f);
    }
}

/* Image b: x within its frame, dy with gaps of zeros that make its rows as wide. The zeros are
 * there already. */
static void lay_out(const weights *q, size_t b, float *x, float *dy)
{
    const ty_conv *s = &q->s;
    const size_t size = s->H * s->W, y_size = q->rows * q->cols;

    ty_copy_planes(x + s->P * q->wide + s->P, (ty_pitch){q->wide, q->plane}, q->x + b * s->C * size,
                   (ty_pitch){s->W, size}, s->C, s->H, s->W);
    ty_copy_planes(dy, (ty_pitch){q->wide, q->vecs * TY_LANES}, q->dy + b * s->F * y_size,
                   (ty_pitch){q->cols, y_size}, s->F, q->rows, q->cols);
}

/* Group g, whose images are laid out at x and dy. */
static void sum_group(const weights *q, size_t g, float *x, float *dy)
{
    float *dw = q->space + g * q->group, *dbias = dw + ty_up(q->filters);
    const size_t last = q->s.B * (g + 1) / q->groups;

    memset(dw, 0, (ty_up(q->filters) + q->s.F) * sizeof *dw);
    for (size_t b = q->s.B * g / q->groups; b < last; b += q->at_once) {
        const size_t images = min(q->at_once, last - b);
        for (size_t i = 0; i < images; i++)
            lay_out(q, b + i, x + i * q->x_image, dy + i * q->dy_image);
        add_images(q, images, x, dy, dw, dbias);
    }
}

/* Groups [lo, hi) are one thread's: it lays out all their images in the space of the first. */
static void sum_groups(void *arg, size_t lo, size_t hi)
{
    const weights *q = arg;
    float *x = q->space + lo * q->group + ty_up(q->filters) + ty_up(q->s.F);
    float *dy = x + q->at_once * q->x_image;

    memset(x, 0, q->at_once * (q->x_image + q->dy_image) * sizeof *x);
    for (size_t g = lo; g < hi; g++)
        sum_group(q, g, x, dy);
}

/* ---- all groups ------------------------------------------------------------------------------ */

static void add_up(void *arg, size_t lo, size_t hi)
{
    const weights *q = arg;
    for (size_t i = lo; i < hi; i++) {
        float sum = q->space[i];
        for (size_t g = 1; g < q->groups; g++)
            sum += q->space[g * q->group + i];
        q->dw[i] += sum;
    }
}

void ty_kernel_conv_bwd_w(float *dw, float *dbias, const float *x, const float *dy,
                          const ty_conv *s, float *workspace)
{
    weights q = plan(s);
    const double flops =
        2.0 * (double)(s->B * q.rows * q.cols) * (double)q.filters / (double)GROUPS;

    if (s->B == 0 || q.rows == 0 || q.cols == 0)
        return;
    q.dw = dw, q.dbias = dbias, q.x = x, q.dy = dy, q.space = workspace;
    ty_share(q.groups, (size_t)(TY_CONV_GRAIN / (flops + 1)) + 1, sum_groups, &q);
    ty_share(q.filters, 65536 / GROUPS, add_up, &q);
    for (size_t f = 0; dbias && f < s->F; f++)
        for (size_t g = 0; g < q.groups; g++)
            dbias[f] += workspace[g * q.group + ty_up(q.filters) + f];
}
