/* SPDX-License-Identifier: MIT
 *
 * linear - y [B,out] = x [B,in] w [in,out] + b [out].
 * Initial weights: He et al., ICCV 2015, normal with variance 2/in of the whole layer; biases zero.
 */
#include "base/rng.h"
#include "kernels/kernels.h"
#include "workloads/block.h"

#include <math.h>
#include <string.h>

static size_t params(const ty_block *b)
{
    return b->in.n * b->out.n + (b->has_bias ? b->out.n : 0);
}

/* The flat parameters are w [in,out], then b [out]. */
static float *biases(const ty_block *b, ty_tensor flat)
{
    return b->has_bias ? flat.data + b->in.n * b->out.n : NULL;
}

static void init(const ty_block *b, uint64_t seed)
{
    const float scale = (float)sqrt(2.0 / (double)b->in.total);
    const uint64_t key = ty_key(seed, 0x1ea7, (uint64_t)b->index);
    for (size_t i = 0; b->p.data && i < b->in.n; i++)
        for (size_t j = 0; j < b->out.n; j++) {
            size_t element = (b->in.first + i) * b->out.total + b->out.first + j;
            b->p.data[i * b->out.n + j] = scale * (float)ty_normal(key, element);
        }
}

static ty_tensor forward(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y, ty_tensor saved)
{
    (void)saved;
    if (ty_op(r, ty_work_linear_fwd(x.rows, b->out.n, b->in.n), y))
        ty_kernel_linear_fwd(y.data, x.data, b->p.data, biases(b, b->p), x.rows, b->out.n, b->in.n);
    return y;
}

static ty_tensor backward(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y, ty_tensor saved,
                          ty_tensor dy, ty_tensor dx)
{
    const size_t rows = x.rows, in = b->in.n, out = b->out.n;
    (void)y, (void)saved;
    if (ty_op(r, ty_work_linear_bwd_w(rows, out, in), b->dp))
        ty_kernel_gemm(1, 0, in, out, rows, x.data, dy.data, !b->fresh, b->dp.data);
    if (b->has_bias && ty_op(r, ty_work_linear_bwd_b(rows, out), b->dp)) {
        if (b->fresh)
            memset(biases(b, b->dp), 0, out * sizeof(float));
        ty_kernel_linear_bwd_b(biases(b, b->dp), dy.data, rows, out);
    }
    if (dx.n && ty_op(r, ty_work_linear_bwd_x(rows, out, in), dx))
        ty_kernel_linear_bwd_x(dx.data, dy.data, b->p.data, rows, out, in);
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

static void place(const ty_block *b, const float *from, float *whole)
{
    float *w = whole + b->offset + b->in.first * b->out.total + b->out.first;
    for (size_t i = 0; i < b->in.n; i++)
        memcpy(w + i * b->out.total, from + i * b->out.n, b->out.n * sizeof(float));
    if (b->has_bias)
        memcpy(whole + b->offset + b->in.total * b->out.total + b->out.first,
               from + b->in.n * b->out.n, b->out.n * sizeof(float));
}

const ty_block_ops ty_block_linear = {
    .name = "linear",
    .writes_first = 1,
    .params = params,
    .init = init,
    .forward = forward,
    .backward = backward,
    .work_forward = work_forward,
    .work_backward = work_backward,
    .place = place,
};

ty_block ty_linear_new(size_t in, size_t out)
{
    return (ty_block){
        .ops = &ty_block_linear, .in = {0, in, in}, .out = {0, out, out}, .has_bias = 1};
}
