/* SPDX-License-Identifier: MIT
 *
 * conv - y = conv(x, w) + bias, and its gradient to x, which is a convolution too: of dy with every
 * filter turned by half a circle, from F planes to C.
 */
#include "kernels/conv.h"
#include "kernels/conv_space.h"
#include "kernels/conv_tile.h"
#include "kernels/threads.h"

#include <string.h>

enum { SLOTS = 16 }; /* parts that have workspace of their own: the most threads at work */

/* dst [B,out,rows,cols] from src [B,in,src_rows,src_cols] laid into frames at (edge, edge). */
typedef struct pass {
    size_t B, in, src_rows, src_cols, edge, out, rows, cols, K;
    const float *src, *bias;
    float *dst;
    size_t wide, plane;    /* of a frame: cols + K - 1, and all its rows */
    size_t n;              /* positions of an output plane, a multiple of TY_LANES */
    size_t strips;         /* of at most TY_CONV_STRIP output planes */
    size_t frame, slot;    /* floats of space: a frame; that and a strip of positions */
    float *packed, *space; /* packed [strips, in*K*K, TY_CONV_STRIP] */
} pass;

size_t ty_conv_rows(const ty_conv *s)
{
    return s->H + 2 * s->P >= s->K ? s->H + 2 * s->P - s->K + 1 : 0;
}

size_t ty_conv_cols(const ty_conv *s)
{
    return s->W + 2 * s->P >= s->K ? s->W + 2 * s->P - s->K + 1 : 0;
}

/* ---- plans ----------------------------------------------------------------------------------- */

static size_t packed_size(const pass *q)
{
    return q->strips * q->in * q->K * q->K * TY_CONV_STRIP;
}

static pass complete(pass q)
{
    q.wide = q.cols + q.K - 1;
    q.plane = q.wide * (q.rows + q.K - 1);
    q.n = q.rows ? ty_up((q.rows - 1) * q.wide + q.cols) : 0;
    q.strips = (q.out + TY_CONV_STRIP - 1) / TY_CONV_STRIP;
    q.frame = ty_up(q.in * q.plane + TY_LANES);
    q.slot = q.frame + TY_CONV_STRIP * q.n;
    return q;
}

static pass plan_fwd(const ty_conv *s)
{
    return complete((pass){.B = s->B,
                           .in = s->C,
                           .src_rows = s->H,
                           .src_cols = s->W,
                           .edge = s->P,
                           .out = s->F,
                           .rows = ty_conv_rows(s),
                           .cols = ty_conv_cols(s),
                           .K = s->K});
}

static pass plan_bwd(const ty_conv *s)
{
    return complete((pass){.B = s->B,
                           .in = s->F,
                           .src_rows = ty_conv_cols(s) ? ty_conv_rows(s) : 0,
                           .src_cols = ty_conv_cols(s),
                           .edge = s->K - 1 - s->P,
                           .out = s->C,
                           .rows = s->H,
                           .cols = s->W,
                           .K = s->K});
}

static size_t pass_space(const pass *q)
{
    return packed_size(q) + SLOTS * q->slot;
}

size_t ty_conv_workspace(const ty_conv *s)
{
    const pass fwd = plan_fwd(s), bwd = plan_bwd(s);
    const size_t a = pass_space(&fwd), b = pass_space(&bwd), c = ty_conv_weights_space(s);
    const size_t most = a > b ? a : b;
    return most > c ? most : c;
}

/* ---- filters --------------------------------------------------------------------------------- */

static size_t strip_first(const pass *q, size_t strip)
{
    return q->out * strip / q->strips;
}

/* Element (o, i, k) of the packed filters is w[o * o_step + i * i_step + k], or K*K - 1 - k. */
static void pack(const pass *q, const float *w, size_t o_step, size_t i_step, int turned)
{
    const size_t taps = q->K * q->K;
    float *to = q->packed;

    for (size_t s = 0; s < q->strips; s++) {
        const size_t o = strip_first(q, s), n = strip_first(q, s + 1) - o;
        for (size_t i = 0; i < q->in; i++)
            for (size_t k = 0; k < taps; k++, to += TY_CONV_STRIP)
                for (size_t r = 0; r < n; r++)
                    to[r] = w[(o + r) * o_step + i * i_step + (turned ? taps - 1 - k : k)];
    }
}

/* ---- images ---------------------------------------------------------------------------------- */

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Part i of n of some floats that come next: a stretch for each of C planes of a tile. */
static ty_conv_ahead ahead_of(const float *x, size_t floats, size_t i, size_t n, size_t C)
{
    const size_t first = floats * i / n, last = floats * (i + 1) / n;
    return (ty_conv_ahead){x + first, C ? (last - first + C - 1) / C : 0};
}

/* Rows of the filters that meet the image itself from positions [p, end). */
static void set_rows(const pass *q, ty_conv_tile *t, size_t p, size_t end)
{
    const size_t top = p / q->wide, bottom = min((end - 1) / q->wide, q->rows - 1);
    const size_t image_end = q->edge + q->src_rows;
    t->last = image_end > top ? min(q->K, image_end - top) : 0;
    t->first = min(q->edge > bottom ? q->edge - bottom : 0, t->last);
}

/* Planes of strip s of image b, from a frame to dst. */
static void strip(const pass *q, size_t b, size_t s, const float *frame, float *wide)
{
    const size_t o = strip_first(q, s), size = q->rows * q->cols;
    const size_t vecs = q->n / TY_LANES, tiles = (vecs + TY_CONV_VECS - 1) / TY_CONV_VECS;
    const size_t image = q->in * q->src_rows * q->src_cols;
    const float *ahead = q->src + (b + 1 < q->B ? b + 1 : b) * image;
    float *dst = q->dst + (b * q->out + o) * size;
    ty_conv_tile t = {.C = q->in,
                      .K = q->K,
                      .wide = q->wide,
                      .plane = q->plane,
                      .w = q->packed + s * q->in * q->K * q->K * TY_CONV_STRIP,
                      .bias = q->bias ? q->bias + o : NULL,
                      .y_step = q->n,
                      .rows = strip_first(q, s + 1) - o};

    for (size_t i = 0; i < tiles; i++) {
        const size_t p = vecs * i / tiles * TY_LANES, end = vecs * (i + 1) / tiles * TY_LANES;
        t.vecs = (end - p) / TY_LANES;
        t.x = frame + p;
        t.y = wide + p;
        set_rows(q, &t, p, end);
        t.src = ahead_of(ahead, image, s * tiles + i, q->strips * tiles, q->in);
        t.dst = ahead_of(dst, t.rows * size, i, tiles, q->in);
        ty_conv_tile_run(&t);
    }
    ty_copy_planes(dst, (ty_pitch){q->cols, size}, wide, (ty_pitch){q->wide, q->n}, t.rows, q->rows,
                   q->cols);
}

/* Slots [lo, hi) are one thread's: it works in the space of the first. */
static void slots(void *arg, size_t lo, size_t hi)
{
    const pass *q = arg;
    const size_t items = q->B * q->strips, size = q->src_rows * q->src_cols;
    float *frame = q->space + lo * q->slot, *wide = frame + q->frame;
    size_t laid = q->B;

    memset(frame, 0, q->frame * sizeof *frame);
    for (size_t i = items * lo / SLOTS; i < items * hi / SLOTS; i++) {
        const size_t b = i / q->strips;
        if (b != laid)
            ty_copy_planes(frame + q->edge * q->wide + q->edge, (ty_pitch){q->wide, q->plane},
                           q->src + b * q->in * size, (ty_pitch){q->src_cols, size}, q->in,
                           q->src_rows, q->src_cols);
        laid = b;
        strip(q, b, i % q->strips, frame, wide);
    }
}

static void run(pass *q)
{
    const double flops = 2.0 * (double)(q->B * q->rows * q->cols) *
                         (double)(q->in * q->out * q->K * q->K) / (double)SLOTS;
    q->space = q->packed + packed_size(q);
    ty_share(SLOTS, (size_t)(TY_CONV_GRAIN / (flops + 1)) + 1, slots, q);
}

void ty_kernel_conv_fwd(float *y, const float *x, const float *w, const float *bias,
                        const ty_conv *s, float *workspace)
{
    const size_t taps = s->K * s->K;
    pass q = plan_fwd(s);

    if (s->B == 0 || q.rows == 0 || q.cols == 0)
        return;
    q.dst = y, q.src = x, q.bias = bias, q.packed = workspace;
    pack(&q, w, s->C * taps, taps, 0);
    run(&q);
}

void ty_kernel_conv_bwd_x(float *dx, const float *dy, const float *w, const ty_conv *s,
                          float *workspace)
{
    const size_t taps = s->K * s->K;
    pass q = plan_bwd(s);

    if (s->B == 0 || q.rows == 0 || q.cols == 0)
        return;
    q.dst = dx, q.src = dy, q.packed = workspace;
    pack(&q, w, taps, s->C * taps, 1);
    run(&q);
}

/* ---- work ------------------------------------------------------------------------------------ */

/* The shape is what the tiles compute, the positions past each row and planes missing in a strip
 * included; the flops are those that are asked for. Every operand is read or written once. */
static int work(ty_work *out, ty_class cls, size_t m, size_t n, size_t k, double flops,
                double floats)
{
    out[0] = (ty_work){cls, m, n, k, flops, 4 * floats};
    return TY_CONV_WORKS;
}

static double floats_of(const ty_conv *s) /* x, w and y */
{
    return (double)(s->B * s->C * s->H * s->W) + (double)(s->F * s->C * s->K * s->K) +
           (double)(s->B * s->F * ty_conv_rows(s) * ty_conv_cols(s));
}

static double flops_of(const ty_conv *s, size_t rows, size_t cols)
{
    return 2 * (double)(s->B * rows * cols) * (double)(s->F * s->C * s->K * s->K);
}

int ty_work_conv_fwd(const ty_conv *s, ty_work *out)
{
    const pass q = plan_fwd(s);
    return work(out, TY_CLASS_CONV, s->B * q.n, q.strips * TY_CONV_STRIP, s->C * s->K * s->K,
                flops_of(s, q.rows, q.cols), floats_of(s) + (double)s->F);
}

int ty_work_conv_bwd_x(const ty_conv *s, ty_work *out)
{
    const pass q = plan_bwd(s);
    return work(out, TY_CLASS_CONV, s->B * q.n, q.strips * TY_CONV_STRIP, s->F * s->K * s->K,
                flops_of(s, s->H, s->W), floats_of(s));
}

int ty_work_conv_bwd_w(const ty_conv *s, ty_work *out)
{
    const size_t rows = ty_conv_rows(s), cols = ty_conv_cols(s), taps = s->C * s->K * s->K;
    const double db = (double)(s->B * s->F * rows * cols);
    return work(out, TY_CLASS_CONV_W, taps, ty_up(s->F), s->B * rows * cols,
                flops_of(s, rows, cols) + db,
                floats_of(s) + (double)(s->F * taps) + 2 * (double)s->F);
}
