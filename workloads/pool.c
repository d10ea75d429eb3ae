/* SPDX-License-Identifier: MIT
 *
 * pool - y [B,C,H/2,W/2] = the largest of each 2 x 2 square of x [B,C,H,W].
 */
#include "kernels/conv.h"
#include "workloads/block.h"

static size_t params(const ty_block *b)
{
    (void)b;
    return 0;
}

static ty_tensor forward(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y, ty_tensor saved)
{
    const size_t n = x.rows * b->shape[0], H = b->shape[1], W = b->shape[2];
    (void)saved;
    if (ty_op(r, ty_work_pool_fwd(n, H, W), y))
        ty_kernel_pool_fwd(y.data, x.data, n, H, W);
    return y;
}

static ty_tensor backward(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y, ty_tensor saved,
                          ty_tensor dy, ty_tensor dx)
{
    const size_t n = x.rows * b->shape[0], H = b->shape[1], W = b->shape[2];
    (void)y, (void)saved;
    if (dx.n && ty_op(r, ty_work_pool_bwd(n, H, W), dx))
        ty_kernel_pool_bwd(dx.data, dy.data, x.data, n, H, W);
    return dx;
}

static int work_forward(const ty_block *b, size_t rows, ty_work *out)
{
    out[0] = ty_work_pool_fwd(rows * b->shape[0], b->shape[1], b->shape[2]);
    return 1;
}

static int work_backward(const ty_block *b, size_t rows, int need_dx, ty_work *out)
{
    out[0] = ty_work_pool_bwd(rows * b->shape[0], b->shape[1], b->shape[2]);
    return need_dx;
}

const ty_block_ops ty_block_pool = {
    .name = "pool",
    .params = params,
    .forward = forward,
    .backward = backward,
    .work_forward = work_forward,
    .work_backward = work_backward,
};

ty_block ty_pool_new(size_t C, size_t H, size_t W)
{
    size_t in = C * H * W, out = C * (H / 2) * (W / 2);
    return (ty_block){
        .ops = &ty_block_pool, .in = {0, in, in}, .out = {0, out, out}, .shape = {C, H, W}};
}
