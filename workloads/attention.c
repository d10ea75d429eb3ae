/* SPDX-License-Identifier: MIT
 *
 * attention - causal attention of H heads and the residual connection around it (Vaswani et al., NeurIPS 2017; the norm
 * in front as in GPT-2):
 *   n = norm(x), q k v = n w [C,3C] + b, a = attention(q, k, v), y = x + a u [C,C] + c
 */
#include "kernels/kernels.h"
#include "kernels/transformer.h"
#include "workloads/block.h"
#include "workloads/transformer.h"

#include <math.h>

enum { T_, C_, H_, L_ }; /* places in shape */

/* Parameters or their gradients, in this order; all NULL of ghosts. */
typedef struct weights {
    float *gain, *bias, *w, *b, *u, *c;
} weights;

static weights cut(const ty_block *b, float *p)
{
    const size_t C = b->shape[C_];
    if (!p)
        return (weights){0};
    weights w = {.gain = p, .bias = p + C, .w = p + 2 * C};
    w.b = w.w + 3 * C * C;
    w.u = w.b + 3 * C;
    w.c = w.u + C * C;
    return w;
}

static size_t params(const ty_block *b)
{
    const size_t C = b->shape[C_];
    return 2 * C + 3 * C * C + 3 * C + C * C + C;
}

/* What forward leaves, each for all rows; all NULL of ghosts. */
typedef struct traces {
    float *n, *qkv, *a, *p, *stats; /* [M,C], [M,3C], [M,C], probabilities, mean and 1/std [M,2] */
} traces;

static traces cut_saved(const ty_block *b, size_t rows, float *s)
{
    const size_t M = rows * b->shape[T_], C = b->shape[C_];
    if (!s)
        return (traces){0};
    traces t = {.n = s, .qkv = s + M * C, .a = s + 4 * M * C, .p = s + 5 * M * C};
    t.stats = t.p + ty_kernel_attention_saved(rows, b->shape[T_], b->shape[H_]);
    return t;
}

static size_t saved_size(const ty_block *b)
{
    const size_t T = b->shape[T_];
    return T * (5 * b->shape[C_] + 2) + ty_kernel_attention_saved(1, T, b->shape[H_]);
}

/* Gradients of qkv and of a, and the kernel's own. */
static size_t workspace(const ty_block *b, size_t rows)
{
    const size_t *s = b->shape;
    return 4 * rows * s[T_] * s[C_] + ty_kernel_attention_space(rows, s[T_], s[C_], s[H_]);
}

static void init(const ty_block *b, uint64_t seed)
{
    const size_t C = b->shape[C_], w = 2 * C, u = w + 3 * C * C + 3 * C;
    ty_block_set(b, 0, C, 1);
    ty_block_draw(b, w, 3 * C * C, ty_key(seed, 0xa771, (uint64_t)b->index), TY_GPT_STD);
    ty_block_draw(b, u, C * C, ty_key(seed, 0xa772, (uint64_t)b->index),
                  TY_GPT_STD / sqrt(2 * (double)b->shape[L_]));
}

static ty_tensor forward(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y, ty_tensor saved)
{
    const size_t B = x.rows, T = b->shape[T_], C = b->shape[C_], H = b->shape[H_], M = B * T;
    const weights w = cut(b, b->p.data);
    const traces s = cut_saved(b, B, saved.data);
    ty_work work[TY_ATTENTION_WORKS];
    if (ty_op(r, ty_work_norm_fwd(M, C), y))
        ty_kernel_norm_fwd(s.n, s.stats, x.data, w.gain, w.bias, M, C);
    if (ty_op(r, ty_work_linear_fwd(M, 3 * C, C), y))
        ty_kernel_linear_fwd(s.qkv, s.n, w.w, w.b, M, 3 * C, C);
    if (ty_block_charge(r, work, ty_work_attention_fwd(B, T, C, H, work), y))
        ty_kernel_attention_fwd(s.a, s.p, b->work.data, s.qkv, B, T, C, H);
    if (ty_op(r, ty_work_linear_fwd(M, C, C), y))
        ty_kernel_linear_fwd(y.data, s.a, w.u, w.c, M, C, C);
    ty_add(r, y, x);
    return y;
}

/* dy, which goes around, gets the gradient through the branch added and is that of the input. */
static ty_tensor backward(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y, ty_tensor saved,
                          ty_tensor dy, ty_tensor dx)
{
    const size_t B = x.rows, T = b->shape[T_], C = b->shape[C_], H = b->shape[H_], M = B * T;
    const weights w = cut(b, b->p.data), d = cut(b, b->dp.data);
    const traces s = cut_saved(b, B, saved.data);
    float *dqkv = b->work.data, *da = dqkv ? dqkv + 3 * M * C : NULL, *dn = da,
          *space = da ? da + M * C : NULL;
    ty_work work[TY_ATTENTION_WORKS];
    (void)y, (void)dx;
    if (ty_op(r, ty_work_linear_bwd_w(M, C, C), b->dp))
        ty_kernel_linear_bwd_w(d.u, s.a, dy.data, M, C, C);
    if (ty_op(r, ty_work_linear_bwd_b(M, C), b->dp))
        ty_kernel_linear_bwd_b(d.c, dy.data, M, C);
    if (ty_op(r, ty_work_linear_bwd_x(M, C, C), dy))
        ty_kernel_linear_bwd_x(da, dy.data, w.u, M, C, C);
    if (ty_block_charge(r, work, ty_work_attention_bwd(B, T, C, H, work), dy))
        ty_kernel_attention_bwd(dqkv, s.p, space, da, s.qkv, B, T, C, H);
    if (ty_op(r, ty_work_linear_bwd_w(M, 3 * C, C), b->dp))
        ty_kernel_linear_bwd_w(d.w, s.n, dqkv, M, 3 * C, C);
    if (ty_op(r, ty_work_linear_bwd_b(M, 3 * C), b->dp))
        ty_kernel_linear_bwd_b(d.b, dqkv, M, 3 * C);
    if (ty_op(r, ty_work_linear_bwd_x(M, 3 * C, C), dy))
        ty_kernel_linear_bwd_x(dn, dqkv, w.w, M, 3 * C, C);
    if (ty_op(r, ty_work_norm_bwd(M, C, 1), dy))
        ty_kernel_norm_bwd(dy.data, d.gain, d.bias, dn, x.data, s.stats, w.gain, 1, M, C);
    return dy;
}

static int work_forward(const ty_block *b, size_t rows, ty_work *out)
{
    const size_t T = b->shape[T_], C = b->shape[C_], M = rows * T;
    int n = 0;
    out[n++] = ty_work_norm_fwd(M, C);
    out[n++] = ty_work_linear_fwd(M, 3 * C, C);
    n += ty_work_attention_fwd(rows, T, C, b->shape[H_], out + n);
    out[n++] = ty_work_linear_fwd(M, C, C);
    out[n++] = ty_work_add(M * C);
    return n;
}

static int work_backward(const ty_block *b, size_t rows, int need_dx, ty_work *out)
{
    const size_t T = b->shape[T_], C = b->shape[C_], M = rows * T;
    int n = 0;
    (void)need_dx;
    out[n++] = ty_work_linear_bwd_w(M, C, C);
    out[n++] = ty_work_linear_bwd_b(M, C);
    out[n++] = ty_work_linear_bwd_x(M, C, C);
    n += ty_work_attention_bwd(rows, T, C, b->shape[H_], out + n);
    out[n++] = ty_work_linear_bwd_w(M, 3 * C, C);
    out[n++] = ty_work_linear_bwd_b(M, 3 * C);
    out[n++] = ty_work_linear_bwd_x(M, 3 * C, C);
    out[n++] = ty_work_norm_bwd(M, C, 1);
    return n;
}

const ty_block_ops ty_block_attention = {
    .name = "attention",
    .params = params,
    .saved = saved_size,
    .workspace = workspace,
    .init = init,
    .forward = forward,
    .backward = backward,
    .work_forward = work_forward,
    .work_backward = work_backward,
};

ty_block ty_attention_new(size_t T, size_t C, size_t H, size_t L)
{
    return (ty_block){.ops = &ty_block_attention,
                      .in = {0, T * C, T * C},
                      .out = {0, T * C, T * C},
                      .shape = {[T_] = T, [C_] = C, [H_] = H, [L_] = L}};
}
