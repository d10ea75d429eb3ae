/* SPDX-License-Identifier: MIT
 *
 * embedding - y [B,T,C] = table [V,C] at the tokens x [B,T], plus position [T,C].
 * Initial values: normal, 0.02 (Radford et al., GPT-2, 2019).
 */
#include "base/rng.h"
#include "kernels/transformer.h"
#include "workloads/block.h"
#include "workloads/transformer.h"

enum { T_, C_, V_ }; /* places in shape */

static size_t table_size(const ty_block *b)
{
    return b->shape[V_] * b->shape[C_];
}

static size_t params(const ty_block *b)
{
    return table_size(b) + b->shape[T_] * b->shape[C_];
}

static void init(const ty_block *b, uint64_t seed)
{
    ty_block_draw(b, 0, table_size(b), ty_table_key(seed, b->index), TY_GPT_STD);
    ty_block_draw(b, table_size(b), b->shape[T_] * b->shape[C_],
                  ty_key(seed, 0x9051, (uint64_t)b->index), TY_GPT_STD);
}

static ty_tensor forward(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y, ty_tensor saved)
{
    const size_t *s = b->shape;
    (void)saved;
    if (ty_op(r, ty_work_embedding_fwd(x.rows, s[T_], s[C_], 1), y))
        ty_kernel_embedding_fwd(y.data, x.data, b->p.data, b->p.data + table_size(b), x.rows, s[T_],
                                s[C_], s[V_]);
    return y;
}

/* Tokens have no gradient. */
static ty_tensor backward(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y, ty_tensor saved,
                          ty_tensor dy, ty_tensor dx)
{
    const size_t *s = b->shape;
    (void)y, (void)saved;
    TY_CHECK(!dx.n, "an embedding is the first block");
    if (ty_op(r, ty_work_embedding_bwd(x.rows, s[T_], s[C_], 1), b->dp))
        ty_kernel_embedding_bwd(b->dp.data, b->dp.data + table_size(b), x.data, dy.data, x.rows,
                                s[T_], s[C_], s[V_]);
    return dx;
}

static int work_forward(const ty_block *b, size_t rows, ty_work *out)
{
    out[0] = ty_work_embedding_fwd(rows, b->shape[T_], b->shape[C_], 1);
    return 1;
}

static int work_backward(const ty_block *b, size_t rows, int need_dx, ty_work *out)
{
    (void)need_dx;
    out[0] = ty_work_embedding_bwd(rows, b->shape[T_], b->shape[C_], 1);
    return 1;
}

const ty_block_ops ty_block_embedding = {
    .name = "embedding",
    .params = params,
    .init = init,
    .forward = forward,
    .backward = backward,
    .work_forward = work_forward,
    .work_backward = work_backward,
};

ty_block ty_embedding_new(size_t T, size_t C, size_t V)
{
    return (ty_block){.ops = &ty_block_embedding,
                      .in = {0, T, T},
                      .out = {0, T * C, T * C},
                      .shape = {[T_] = T, [C_] = C, [V_] = V}};
}
