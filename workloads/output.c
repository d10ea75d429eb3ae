/* SPDX-License-Identifier: MIT
 *
 * output - logits y [B,T,V] = x [B,T,C] table^T, with the table [V,C] of the embedding (Press and Wolf, EACL 2017).
 * Its parameters are the embedding's; only where that is on another rank it holds a copy, and the two sum their
 * gradients (strategies/pipeline_gpipe.c).
 */
#include "kernels/kernels.h"
#include "workloads/block.h"
#include "workloads/transformer.h"

enum { T_, C_, V_ }; /* places in shape */

static size_t params(const ty_block *b)
{
    return b->copy ? b->tied : 0;
}

static void init(const ty_block *b, uint64_t seed)
{
    ty_block_draw(b, 0, b->tied, ty_table_key(seed, b->owner), TY_GPT_STD);
}

static ty_tensor forward(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y, ty_tensor saved)
{
    const size_t M = x.rows * b->shape[T_], C = b->shape[C_], V = b->shape[V_];
    (void)saved;
    if (ty_op(r, ty_work_linear_bwd_x(M, C, V), y)) /* a product with a transposed matrix */
        ty_kernel_linear_bwd_x(y.data, x.data, b->p.data, M, C, V);
    return y;
}

static ty_tensor backward(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y, ty_tensor saved,
                          ty_tensor dy, ty_tensor dx)
{
    const size_t M = x.rows * b->shape[T_], C = b->shape[C_], V = b->shape[V_];
    (void)y, (void)saved;
    if (ty_op(r, ty_work_linear_bwd_w(M, C, V), b->dp))
        ty_kernel_linear_bwd_w(b->dp.data, dy.data, x.data, M, C, V);
    if (dx.n && ty_op(r, ty_work_linear_fwd(M, C, V), dx))
        ty_kernel_linear_fwd(dx.data, dy.data, b->p.data, NULL, M, C, V);
    return dx;
}

static int work_forward(const ty_block *b, size_t rows, ty_work *out)
{
    out[0] = ty_work_linear_bwd_x(rows * b->shape[T_], b->shape[C_], b->shape[V_]);
    return 1;
}

static int work_backward(const ty_block *b, size_t rows, int need_dx, ty_work *out)
{
    const size_t M = rows * b->shape[T_], C = b->shape[C_], V = b->shape[V_];
    out[0] = ty_work_linear_bwd_w(M, C, V);
    out[1] = ty_work_linear_fwd(M, C, V);
    return need_dx ? 2 : 1;
}

/* The owner of the table brings it. */
static void place(const ty_block *b, const float *from, float *whole)
{
    (void)b, (void)from, (void)whole;
}

const ty_block_ops ty_block_output = {
    .name = "output",
    .params = params,
    .init = init,
    .forward = forward,
    .backward = backward,
    .work_forward = work_forward,
    .work_backward = work_backward,
    .place = place,
};

ty_block ty_output_new(size_t T, size_t C, size_t V, int owner)
{
    return (ty_block){.ops = &ty_block_output,
                      .in = {0, T * C, T * C},
                      .out = {0, T * V, T * V},
                      .shape = {[T_] = T, [C_] = C, [V_] = V},
                      .tied = V * C,
                      .owner = owner};
}
