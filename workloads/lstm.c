/* SPDX-License-Identifier: MIT
 *
 * lstm - a long short-term memory layer: y [B, T*H] = all h, or [B,H] = the last, for sequences x [B, T*E]. A row is a
 * sample, while the kernel has time outermost: sequences are turned on their way in and out.
 * Parameters: wx [E,4H], wh [H,4H], b [4H]; gates in the order i f g o. Initial weights: uniform in +-1/sqrt(H), as
 * torch.nn.LSTM; biases zero, those of the forget gates 1 (Jozefowicz, Zaremba and Sutskever, ICML 2015).
 */
#include "kernels/lstm.h"
#include "base/rng.h"
#include "kernels/kernels.h"
#include "workloads/block.h"

#include <math.h>

enum { ALIGN = 16 }; /* floats */

typedef struct shape {
    size_t T, E, H;
    int whole; /* all h leave, not the last alone */
} shape;

static shape shape_of(const ty_block *b)
{
    return (shape){b->shape[0], b->shape[1], b->shape[2], b->shape[3] != 0};
}

static size_t params(const ty_block *b)
{
    const shape s = shape_of(b);
    return (s.E + s.H + 1) * 4 * s.H;
}

/* What the kernel saves, then h and x with time outermost. */
static size_t saved_size(const ty_block *b)
{
    const shape s = shape_of(b);
    return ty_lstm_saved(s.T, 1, s.H) + s.T * (s.H + s.E);
}

/* Of the kernel, where it ends; behind it dy and dx with time outermost. */
static size_t space(shape s, size_t rows)
{
    return (ty_lstm_space(rows, s.H) + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t workspace(const ty_block *b, size_t rows)
{
    const shape s = shape_of(b);
    return space(s, rows) + s.T * rows * (s.E + (s.whole ? s.H : 0));
}

static void init(const ty_block *b, uint64_t seed)
{
    const shape s = shape_of(b);
    const double reach = 1 / sqrt((double)s.H);
    const size_t weights = (s.E + s.H) * 4 * s.H;
    const uint64_t key = ty_key(seed, 0x1572, (uint64_t)b->index);
    for (size_t i = 0; b->p.data && i < weights; i++)
        b->p.data[i] = (float)(reach * (2 * ty_uniform(key, i) - 1));
    ty_block_set(b, weights, 4 * s.H, 0);
    ty_block_set(b, weights + s.H, s.H, 1);
}

static ty_lstm layer(const ty_block *b, size_t rows)
{
    const shape s = shape_of(b);
    const float *wh = b->p.data + s.E * 4 * s.H;
    return (ty_lstm){.T = s.T,
                     .B = rows,
                     .E = s.E,
                     .H = s.H,
                     .wx = b->p.data,
                     .wh = wh,
                     .b = wh + s.H * 4 * s.H,
                     .last = !s.whole};
}

/* ---- the numbers -------------------------------------------------------------------------------------- */

static void forward_numbers(const ty_block *b, size_t rows, const float *x, float *y, float *saved)
{
    const ty_lstm l = layer(b, rows);
    float *h = saved + ty_lstm_saved(l.T, rows, l.H), *turned = h + l.T * rows * l.H;
    ty_kernel_lstm_turn(turned, x, rows, l.T, l.E);
    ty_kernel_lstm_fwd(&l, h, saved, b->work.data, turned);
    if (l.last)
        ty_kernel_copy(y, h + (l.T - 1) * rows * l.H, rows * l.H);
    else
        ty_kernel_lstm_turn(y, h, l.T, rows, l.H);
}

static void backward_numbers(const ty_block *b, size_t rows, float *saved, const float *dy,
                             float *dx)
{
    const ty_lstm l = layer(b, rows);
    float *dwh = b->dp.data + l.E * 4 * l.H;
    const ty_lstm_grad d = {.dwx = b->dp.data, .dwh = dwh, .db = dwh + l.H * 4 * l.H};
    const float *h = saved + ty_lstm_saved(l.T, rows, l.H), *x = h + l.T * rows * l.H;
    float *dh = b->work.data + space(shape_of(b), rows),
          *turned = l.last ? dh : dh + l.T * rows * l.H;
    if (!l.last)
        ty_kernel_lstm_turn(dh, dy, rows, l.T, l.H);
    ty_kernel_lstm_bwd(&l, &d, dx ? turned : NULL, saved, b->work.data, l.last ? dy : dh, h, x);
    if (dx)
        ty_kernel_lstm_turn(dx, turned, l.T, rows, l.E);
}

/* ---- the block ---------------------------------------------------------------------------------------- */

static int work_forward(const ty_block *b, size_t rows, ty_work *out)
{
    const shape s = shape_of(b);
    int n = 0;
    out[n++] = ty_work_lstm_turn(rows, s.T, s.E);
    n += ty_work_lstm_fwd(s.T, rows, s.E, s.H, out + n);
    out[n++] = s.whole ? ty_work_lstm_turn(s.T, rows, s.H) : ty_work_copy(rows * s.H);
    return n;
}

static int work_backward(const ty_block *b, size_t rows, int need_dx, ty_work *out)
{
    const shape s = shape_of(b);
    int n = 0;
    if (s.whole)
        out[n++] = ty_work_lstm_turn(rows, s.T, s.H);
    n += ty_work_lstm_bwd(s.T, rows, s.E, s.H, out + n);
    if (need_dx)
        out[n++] = ty_work_lstm_turn(s.T, rows, s.E);
    else
        n--; /* the last item is dx */
    return n;
}

static ty_tensor forward(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y, ty_tensor saved)
{
    ty_work work[TY_BLOCK_WORKS];
    if (ty_block_charge(r, work, work_forward(b, x.rows, work), y))
        forward_numbers(b, x.rows, x.data, y.data, saved.data);
    return y;
}

static ty_tensor backward(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y, ty_tensor saved,
                          ty_tensor dy, ty_tensor dx)
{
    ty_work work[TY_BLOCK_WORKS];
    (void)y;
    if (ty_block_charge(r, work, work_backward(b, x.rows, dx.n > 0, work), dy))
        backward_numbers(b, x.rows, saved.data, dy.data, dx.n ? dx.data : NULL);
    return dx;
}

const ty_block_ops ty_block_lstm = {
    .name = "lstm",
    .params = params,
    .saved = saved_size,
    .workspace = workspace,
    .init = init,
    .forward = forward,
    .backward = backward,
    .work_forward = work_forward,
    .work_backward = work_backward,
};

ty_block ty_lstm_new(size_t T, size_t E, size_t H, int whole)
{
    const size_t in = T * E, out = whole ? T * H : H;
    return (ty_block){.ops = &ty_block_lstm,
                      .in = {0, in, in},
                      .out = {0, out, out},
                      .shape = {T, E, H, whole != 0}};
}
