/* SPDX-License-Identifier: MIT
 *
 * conv - y [B,F,OH,OW] = convolution of x [B,C,H,W] with w [F,C,K,K], stride 1, plus b [F].
 * Initial weights: He et al., ICCV 2015, normal with variance 2/(C K K); biases zero.
 */
#include "kernels/conv.h"
#include "base/rng.h"
#include "workloads/block.h"

#include <math.h>

/* The block's shape for a number of images. */
static ty_conv shape_of(const ty_block *b, size_t images)
{
    const size_t *s = b->shape;
    return (ty_conv){.B = images, .C = s[0], .H = s[1], .W = s[2], .F = s[3], .K = s[4], .P = s[5]};
}

static size_t weights(const ty_block *b)
{
    return b->shape[3] * b->shape[0] * b->shape[4] * b->shape[4];
}

static size_t params(const ty_block *b)
{
    return weights(b) + b->shape[3];
}

static size_t workspace(const ty_block *b, size_t rows)
{
    ty_conv s = shape_of(b, rows);
    return ty_conv_workspace(&s);
}

static void init(const ty_block *b, uint64_t seed)
{
    const float scale = (float)sqrt(2.0 / (double)(b->shape[0] * b->shape[4] * b->shape[4]));
    const uint64_t key = ty_key(seed, 0xc04f, (uint64_t)b->index);
    for (size_t i = 0; b->p.data && i < weights(b); i++)
        b->p.data[i] = scale * (float)ty_normal(key, i);
}

static ty_tensor forward(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y, ty_tensor saved)
{
    ty_work work[TY_CONV_WORKS];
    ty_conv s = shape_of(b, x.rows);
    (void)saved;
    if (ty_block_charge(r, work, ty_work_conv_fwd(&s, work), y))
        ty_kernel_conv_fwd(y.data, x.data, b->p.data, b->p.data + weights(b), &s, b->work.data);
    return y;
}

static ty_tensor backward(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y, ty_tensor saved,
                          ty_tensor dy, ty_tensor dx)
{
    ty_work work[TY_CONV_WORKS];
    ty_conv s = shape_of(b, x.rows);
    (void)y, (void)saved;
    if (ty_block_charge(r, work, ty_work_conv_bwd_w(&s, work), b->dp))
        ty_kernel_conv_bwd_w(b->dp.data, b->dp.data + weights(b), x.data, dy.data, &s,
                             b->work.data);
    if (dx.n && ty_block_charge(r, work, ty_work_conv_bwd_x(&s, work), dx))
        ty_kernel_conv_bwd_x(dx.data, dy.data, b->p.data, &s, b->work.data);
    return dx;
}

static int work_forward(const ty_block *b, size_t rows, ty_work *out)
{
    ty_conv s = shape_of(b, rows);
    return ty_work_conv_fwd(&s, out);
}

static int work_backward(const ty_block *b, size_t rows, int need_dx, ty_work *out)
{
    ty_conv s = shape_of(b, rows);
    int n = ty_work_conv_bwd_w(&s, out);
    return need_dx ? n + ty_work_conv_bwd_x(&s, out + n) : n;
}

const ty_block_ops ty_block_conv = {
    .name = "conv",
    .params = params,
    .workspace = workspace,
    .init = init,
    .forward = forward,
    .backward = backward,
    .work_forward = work_forward,
    .work_backward = work_backward,
};

ty_block ty_conv_new(size_t C, size_t H, size_t W, size_t F, size_t K, size_t P)
{
    ty_conv s = {.C = C, .H = H, .W = W, .F = F, .K = K, .P = P};
    size_t in = C * H * W, out = F * ty_conv_rows(&s) * ty_conv_cols(&s);
    return (ty_block){.ops = &ty_block_conv,
                      .in = {0, in, in},
                      .out = {0, out, out},
                      .shape = {C, H, W, F, K, P}};
}
