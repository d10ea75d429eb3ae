/* SPDX-License-Identifier: MIT
 *
 * mlp - the perceptron of a transformer layer and the residual connection around it:
 *   n = norm(x), h = n w1 [C,4C] + b1, y = x + GELU(h) w2 [4C,C] + b2        for every token alone
 */
#include "kernels/kernels.h"
#include "kernels/transformer.h"
#include "workloads/block.h"
#include "workloads/transformer.h"

#include <math.h>

enum { T_, C_, L_, WIDER = 4 }; /* places in shape; hidden channels per channel */

/* Parameters or their gradients, in this order; all NULL of ghosts. */
typedef struct weights {
    float *gain, *bias, *w1, *b1, *w2, *b2;
} weights;

static weights cut(const ty_block *b, float *p)
{
    const size_t C = b->shape[C_], F = WIDER * C;
    if (!p)
        return (weights){0};
    weights w = {.gain = p, .bias = p + C, .w1 = p + 2 * C};
    w.b1 = w.w1 + C * F;
    w.w2 = w.b1 + F;
    w.b2 = w.w2 + F * C;
    return w;
}

static size_t params(const ty_block *b)
{
    const size_t C = b->shape[C_], F = WIDER * C;
    return 2 * C + C * F + F + F * C + C;
}

/* What forward leaves, each for all rows; all NULL of ghosts. */
typedef struct traces {
    float *n, *h, *g, *stats; /* norm(x) [M,C], around GELU [M,4C] each, mean and 1/std [M,2] */
} traces;

static traces cut_saved(const ty_block *b, size_t rows, float *s)
{
    const size_t M = rows * b->shape[T_], C = b->shape[C_];
    if (!s)
        return (traces){0};
    return (traces){s, s + M * C, s + M * C * (1 + WIDER), s + M * C * (1 + 2 * WIDER)};
}

static size_t saved_size(const ty_block *b)
{
    return b->shape[T_] * (b->shape[C_] * (1 + 2 * WIDER) + 2);
}

static size_t workspace(const ty_block *b, size_t rows) /* gradients of h and of n */
{
    return rows * b->shape[T_] * b->shape[C_] * (WIDER + 1);
}

static void init(const ty_block *b, uint64_t seed)
{
    const size_t C = b->shape[C_], F = WIDER * C, w1 = 2 * C, w2 = w1 + C * F + F;
    ty_block_set(b, 0, C, 1);
    ty_block_draw(b, w1, C * F, ty_key(seed, 0x3191, (uint64_t)b->index), TY_GPT_STD);
    ty_block_draw(b, w2, F * C, ty_key(seed, 0x3192, (uint64_t)b->index),
                  TY_GPT_STD / sqrt(2 * (double)b->shape[L_]));
}

static ty_tensor forward(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y, ty_tensor saved)
{
    const size_t M = x.rows * b->shape[T_], C = b->shape[C_], F = WIDER * C;
    const weights w = cut(b, b->p.data);
    const traces s = cut_saved(b, x.rows, saved.data);
    if (ty_op(r, ty_work_norm_fwd(M, C), y))
        ty_kernel_norm_fwd(s.n, s.stats, x.data, w.gain, w.bias, M, C);
    if (ty_op(r, ty_work_linear_fwd(M, F, C), y))
        ty_kernel_linear_fwd(s.h, s.n, w.w1, w.b1, M, F, C);
    if (ty_op(r, ty_work_gelu_fwd(M * F), y))
        ty_kernel_gelu_fwd(s.g, s.h, M * F);
    if (ty_op(r, ty_work_linear_fwd(M, C, F), y))
        ty_kernel_linear_fwd(y.data, s.g, w.w2, w.b2, M, C, F);
    ty_add(r, y, x);
    return y;
}

/* dy, which goes around, gets the gradient through the branch added and is that of the input. */
static ty_tensor backward(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y, ty_tensor saved,
                          ty_tensor dy, ty_tensor dx)
{
    const size_t M = x.rows * b->shape[T_], C = b->shape[C_], F = WIDER * C;
    const weights w = cut(b, b->p.data), d = cut(b, b->dp.data);
    const traces s = cut_saved(b, x.rows, saved.data);
    float *dh = b->work.data, *dn = dh ? dh + M * F : NULL;
    (void)y, (void)dx;
    if (ty_op(r, ty_work_linear_bwd_w(M, C, F), b->dp))
        ty_kernel_linear_bwd_w(d.w2, s.g, dy.data, M, C, F);
    if (ty_op(r, ty_work_linear_bwd_b(M, C), b->dp))
        ty_kernel_linear_bwd_b(d.b2, dy.data, M, C);
    if (ty_op(r, ty_work_linear_bwd_x(M, C, F), dy))
        ty_kernel_linear_bwd_x(dh, dy.data, w.w2, M, C, F);
    if (ty_op(r, ty_work_gelu_bwd(M * F), dy))
        ty_kernel_gelu_bwd(dh, s.h, M * F);
    if (ty_op(r, ty_work_linear_bwd_w(M, F, C), b->dp))
        ty_kernel_linear_bwd_w(d.w1, s.n, dh, M, F, C);
    if (ty_op(r, ty_work_linear_bwd_b(M, F), b->dp))
        ty_kernel_linear_bwd_b(d.b1, dh, M, F);
    if (ty_op(r, ty_work_linear_bwd_x(M, F, C), dy))
        ty_kernel_linear_bwd_x(dn, dh, w.w1, M, F, C);
    if (ty_op(r, ty_work_norm_bwd(M, C, 1), dy))
        ty_kernel_norm_bwd(dy.data, d.gain, d.bias, dn, x.data, s.stats, w.gain, 1, M, C);
    return dy;
}

static int work_forward(const ty_block *b, size_t rows, ty_work *out)
{
    const size_t M = rows * b->shape[T_], C = b->shape[C_], F = WIDER * C;
    int n = 0;
    out[n++] = ty_work_norm_fwd(M, C);
    out[n++] = ty_work_linear_fwd(M, F, C);
    out[n++] = ty_work_gelu_fwd(M * F);
    out[n++] = ty_work_linear_fwd(M, C, F);
    out[n++] = ty_work_add(M * C);
    return n;
}

static int work_backward(const ty_block *b, size_t rows, int need_dx, ty_work *out)
{
    const size_t M = rows * b->shape[T_], C = b->shape[C_], F = WIDER * C;
    int n = 0;
    (void)need_dx;
    out[n++] = ty_work_linear_bwd_w(M, C, F);
    out[n++] = ty_work_linear_bwd_b(M, C);
    out[n++] = ty_work_linear_bwd_x(M, C, F);
    out[n++] = ty_work_gelu_bwd(M * F);
    out[n++] = ty_work_linear_bwd_w(M, F, C);
    out[n++] = ty_work_linear_bwd_b(M, F);
    out[n++] = ty_work_linear_bwd_x(M, F, C);
    out[n++] = ty_work_norm_bwd(M, C, 1);
    return n;
}

const ty_block_ops ty_block_mlp = {
    .name = "mlp",
    .params = params,
    .saved = saved_size,
    .workspace = workspace,
    .init = init,
    .forward = forward,
    .backward = backward,
    .work_forward = work_forward,
    .work_backward = work_backward,
};

ty_block ty_mlp_new(size_t T, size_t C, size_t L)
{
    return (ty_block){.ops = &ty_block_mlp,
                      .in = {0, T * C, T * C},
                      .out = {0, T * C, T * C},
                      .shape = {[T_] = T, [C_] = C, [L_] = L}};
}
