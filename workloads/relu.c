/* SPDX-License-Identifier: MIT
 *
 * relu - y = max(x, 0), in place: backward needs only the sign of y.
 */
#include "kernels/kernels.h"
#include "workloads/block.h"

static size_t params(const ty_block *b)
{
    (void)b;
    return 0;
}

static ty_tensor forward(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y, ty_tensor saved)
{
    (void)b, (void)y, (void)saved;
    if (ty_op(r, ty_work_relu_fwd(x.n), x))
        ty_kernel_relu_fwd(x.data, x.n);
    return x;
}

static ty_tensor backward(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y, ty_tensor saved,
                          ty_tensor dy, ty_tensor dx)
{
    (void)b, (void)x, (void)saved, (void)dx;
    if (ty_op(r, ty_work_relu_bwd(dy.n), dy))
        ty_kernel_relu_bwd(dy.data, y.data, dy.n);
    return dy;
}

static int work_forward(const ty_block *b, size_t rows, ty_work *out)
{
    out[0] = ty_work_relu_fwd(rows * b->out.n);
    return 1;
}

static int work_backward(const ty_block *b, size_t rows, int need_dx, ty_work *out)
{
    (void)need_dx;
    out[0] = ty_work_relu_bwd(rows * b->out.n);
    return 1;
}

const ty_block_ops ty_block_relu = {
    .name = "relu",
    .in_place = 1,
    .params = params,
    .forward = forward,
    .backward = backward,
    .work_forward = work_forward,
    .work_backward = work_backward,
};

ty_block ty_relu_new(size_t n)
{
    return (ty_block){.ops = &ty_block_relu, .in = {0, n, n}, .out = {0, n, n}};
}
