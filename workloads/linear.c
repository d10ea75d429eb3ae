/* SPDX-License-Identifier: MIT
 *
 * linear - y [B,out] = x [B,in] w [in,out] + b [out].
 * Initial weights: He et al., ICCV 2015, normal with variance 2/in of the whole layer; biases zero.
 */
#include "base/rng.h"
#include "kernels/kernels.h"
#include "workloads/block.h"

#include <math.h>

static size_t params(const ty_block *b)
{
    return b->in.n * b->out.n + (b->has_bias ? b->out.n : 0);
}

static void init(const ty_block *b, uint64_t seed)
{
    const float scale = (float)sqrt(2.0 / (double)b->in.total);
    const uint64_t key = ty_key(seed, 0x1ea7, (uint64_t)b->index);
    for (size_t i = 0; b->w.data && i < b->in.n; i++)
        for (size_t j = 0; j < b->out.n; j++) {
            size_t element = (b->in.first + i) * b->out.total + b->out.first + j;
            b->w.data[i * b->out.n + j] = scale * (float)ty_normal(key, element);
        }
}

static ty_tensor forward(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y)
{
    if (ty_op(r, ty_work_linear_fwd(x.rows, b->out.n, b->in.n), y))
        ty_kernel_linear_fwd(y.data, x.data, b->w.data, b->has_bias ? b->b.data : NULL, x.rows,
                             b->out.n, b->in.n);
    return y;
}

static ty_tensor backward(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y, ty_tensor dy,
                          ty_tensor dx)
{
    (void)y;
    if (ty_op(r, ty_work_linear_bwd_w(x.rows, b->out.n, b->in.n), b->dw))
        ty_kernel_linear_bwd_w(b->dw.data, x.data, dy.data, x.rows, b->out.n, b->in.n);
    if (b->has_bias && ty_op(r, ty_work_linear_bwd_b(x.rows, b->out.n), b->db))
        ty_kernel_linear_bwd_b(b->db.data, dy.data, x.rows, b->out.n);
    if (dx.n && ty_op(r, ty_work_linear_bwd_x(x.rows, b->out.n, b->in.n), dx))
        ty_kernel_linear_bwd_x(dx.data, dy.data, b->w.data, x.rows, b->out.n, b->in.n);
    return dx;
}

static int work_forward(const ty_block *b, size_t rows, ty_work *out)
{
    out[0] = ty_work_linear_fwd(rows, b->out.n, b->in.n);
    return 1;
}

static int work_backward(const ty_block *b, size_t rows, int need_dx, ty_work *out)
{
    int n = 0;
    out[n++] = ty_work_linear_bwd_w(rows, b->out.n, b->in.n);
    if (b->has_bias)
        out[n++] = ty_work_linear_bwd_b(rows, b->out.n);
    if (need_dx)
        out[n++] = ty_work_linear_bwd_x(rows, b->out.n, b->in.n);
    return n;
}

const ty_block_ops ty_block_linear = {"linear", params,       init,         forward,
                                      backward, work_forward, work_backward};

ty_block ty_linear_new(size_t in, size_t out)
{
    return (ty_block){
        .ops = &ty_block_linear, .in = {0, in, in}, .out = {0, out, out}, .has_bias = 1};
}
