/* SPDX-License-Identifier: MIT
 *
 * norm - layer norm of the C channels of each token: y = (x - mean) / std * gain + bias (Ba, Kiros, Hinton, 2016).
 */
#include "kernels/transformer.h"
#include "workloads/block.h"

enum { T_, C_ }; /* places in shape */

static size_t params(const ty_block *b)
{
    return 2 * b->shape[C_]; /* gain [C], bias [C] */
}

static size_t saved_size(const ty_block *b)
{
    return 2 * b->shape[T_]; /* mean and 1/std of each token */
}

static void init(const ty_block *b, uint64_t seed)
{
    (void)seed;
    ty_block_set(b, 0, b->shape[C_], 1);
}

static ty_tensor forward(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y, ty_tensor saved)
{
    const size_t M = x.rows * b->shape[T_], C = b->shape[C_];
    if (ty_op(r, ty_work_norm_fwd(M, C), y))
        ty_kernel_norm_fwd(y.data, saved.data, x.data, b->p.data, b->p.data + C, M, C);
    return y;
}

static ty_tensor backward(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y, ty_tensor saved,
                          ty_tensor dy, ty_tensor dx)
{
    const size_t M = x.rows * b->shape[T_], C = b->shape[C_];
    (void)y;
    TY_CHECK(dx.n == x.n, "a norm is not the first block");
    if (ty_op(r, ty_work_norm_bwd(M, C, 0), dx))
        ty_kernel_norm_bwd(dx.data, b->dp.data, b->dp.data + C, dy.data, x.data, saved.data,
                           b->p.data, 0, M, C);
    return dx;
}

static int work_forward(const ty_block *b, size_t rows, ty_work *out)
{
    out[0] = ty_work_norm_fwd(rows * b->shape[T_], b->shape[C_]);
    return 1;
}

static int work_backward(const ty_block *b, size_t rows, int need_dx, ty_work *out)
{
    (void)need_dx;
    out[0] = ty_work_norm_bwd(rows * b->shape[T_], b->shape[C_], 0);
    return 1;
}

const ty_block_ops ty_block_norm = {
    .name = "norm",
    .params = params,
    .saved = saved_size,
    .init = init,
    .forward = forward,
    .backward = backward,
    .work_forward = work_forward,
    .work_backward = work_backward,
};

ty_block ty_norm_new(size_t T, size_t C)
{
    return (ty_block){.ops = &ty_block_norm,
                      .in = {0, T * C, T * C},
                      .out = {0, T * C, T * C},
                      .shape = {[T_] = T, [C_] = C}};
}
