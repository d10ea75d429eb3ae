/* SPDX-License-Identifier: MIT
 *
 * bench_products - the linear layer: forward, and backward to its input, weights and bias, on the shapes of every workload.
 * Sizes are those of the layer: x [M,K], w [K,N], y [M,N].
 */
#include "experiments/bench_case.h"
#include "kernels/kernels.h"

enum { M, N, K };

/* clang-format off */
static const size_t layer[][TY_BENCH_DIMS] = {
    {128, 512, 784}, {512, 512, 512},                        /* mnist-mlp's first layer, and a cube */
    {128, 256, 512}, {128, 10, 256},                         /* the rest of mnist-mlp */
    {128, 128, 64},  {128, 64, 128},  {128, 10, 64},         /* digits-mlp */
    {64, 120, 400},  {64, 84, 120},   {64, 10, 84},          /* mnist-lenet */
    {64, 128, 9216},                                         /* mnist-cnn */
    {1024, 768, 256}, {1024, 256, 256}, {1024, 1024, 256}, {1024, 256, 1024}, /* a transformer of 256 channels */
    {2048, 1024, 128}, {32, 1024, 256},                      /* an LSTM of 256 units: all inputs, one step */
    {64, 64, 64}, {128, 128, 128}, {256, 256, 256}, {1024, 1024, 1024},
};
/* clang-format on */

/* ---- y = x w --------------------------------------------------------------------------------- */

enum { Y, X, W };

static void lay_out_fwd(const size_t *s, ty_bench_array *a)
{
    a[Y] = (ty_bench_array){.role = TY_OUT, .n = s[M] * s[N]};
    a[X] = (ty_bench_array){.role = TY_IN, .n = s[M] * s[K]};
    a[W] = (ty_bench_array){.role = TY_IN, .n = s[K] * s[N]};
}

static int work_fwd(const size_t *s, ty_work *out)
{
    *out = ty_work_linear_fwd(s[M], s[N], s[K]);
    return 1;
}

static void call_fwd(const size_t *s, float *const *a)
{
    ty_kernel_linear_fwd(a[Y], a[X], a[W], NULL, s[M], s[N], s[K]);
}

static void naive_fwd(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t i = 0; i < s[M]; i++) {
        double *y = out[Y] + i * s[N];
        for (size_t j = 0; j < s[N]; j++)
            y[j] = 0;
        for (size_t k = 0; k < s[K]; k++)
            ty_naive_add(y, (double)in[X][i * s[K] + k], in[W] + k * s[N], s[N]);
    }
}

static size_t depth_fwd(const size_t *s)
{
    return s[K];
}

static void product_fwd(const size_t *s, ty_bench_product *p)
{
    *p = (ty_bench_product){.M = s[M], .N = s[N], .K = s[K], .a = X, .b = W, .c = Y};
}

/* ---- dx = dy w^T ----------------------------------------------------------------------------- */

enum { DX, DY }; /* and W */

static void lay_out_bwd_x(const size_t *s, ty_bench_array *a)
{
    a[DX] = (ty_bench_array){.role = TY_OUT, .n = s[M] * s[K]};
    a[DY] = (ty_bench_array){.role = TY_IN, .n = s[M] * s[N]};
    a[W] = (ty_bench_array){.role = TY_IN, .n = s[K] * s[N]};
}

static int work_bwd_x(const size_t *s, ty_work *out)
{
    *out = ty_work_linear_bwd_x(s[M], s[N], s[K]);
    return 1;
}

static void call_bwd_x(const size_t *s, float *const *a)
{
    ty_kernel_linear_bwd_x(a[DX], a[DY], a[W], s[M], s[N], s[K]);
}

static void naive_bwd_x(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t i = 0; i < s[M]; i++)
        for (size_t k = 0; k < s[K]; k++)
            out[DX][i * s[K] + k] = ty_naive_dot(in[DY] + i * s[N], in[W] + k * s[N], s[N]);
}

static size_t depth_bwd_x(const size_t *s)
{
    return s[N];
}

static void product_bwd_x(const size_t *s, ty_bench_product *p)
{
    *p =
        (ty_bench_product){.trans_b = 1, .M = s[M], .N = s[K], .K = s[N], .a = DY, .b = W, .c = DX};
}

/* ---- dw += x^T dy ---------------------------------------------------------------------------- */

enum { DW, X_OF_DW, DY_OF_DW };

static void lay_out_bwd_w(const size_t *s, ty_bench_array *a)
{
    a[DW] = (ty_bench_array){.role = TY_BOTH, .n = s[K] * s[N]};
    a[X_OF_DW] = (ty_bench_array){.role = TY_IN, .n = s[M] * s[K]};
    a[DY_OF_DW] = (ty_bench_array){.role = TY_IN, .n = s[M] * s[N]};
}

static int work_bwd_w(const size_t *s, ty_work *out)
{
    *out = ty_work_linear_bwd_w(s[M], s[N], s[K]);
    return 1;
}

static void call_bwd_w(const size_t *s, float *const *a)
{
    ty_kernel_linear_bwd_w(a[DW], a[X_OF_DW], a[DY_OF_DW], s[M], s[N], s[K]);
}

static void naive_bwd_w(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t i = 0; i < s[M]; i++)
        for (size_t k = 0; k < s[K]; k++)
            ty_naive_add(out[DW] + k * s[N], (double)in[X_OF_DW][i * s[K] + k],
                         in[DY_OF_DW] + i * s[N], s[N]);
}

static size_t depth_bwd_w(const size_t *s)
{
    return s[M];
}

static void product_bwd_w(const size_t *s, ty_bench_product *p)
{
    *p = (ty_bench_product){.trans_a = 1,
                            .accumulate = 1,
                            .M = s[K],
                            .N = s[N],
                            .K = s[M],
                            .a = X_OF_DW,
                            .b = DY_OF_DW,
                            .c = DW};
}

/* ---- db += column sums of dy ----------------------------------------------------------------- */

enum { DB, DY_OF_DB };
static const size_t columns[][TY_BENCH_DIMS] = {{128, 512}, {1024, 1024}, {128, 10}};

static void lay_out_bwd_b(const size_t *s, ty_bench_array *a)
{
    a[DB] = (ty_bench_array){.role = TY_BOTH, .n = s[N]};
    a[DY_OF_DB] = (ty_bench_array){.role = TY_IN, .n = s[M] * s[N]};
}

static int work_bwd_b(const size_t *s, ty_work *out)
{
    *out = ty_work_linear_bwd_b(s[M], s[N]);
    return 1;
}

static void call_bwd_b(const size_t *s, float *const *a)
{
    ty_kernel_linear_bwd_b(a[DB], a[DY_OF_DB], s[M], s[N]);
}

static void naive_bwd_b(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t i = 0; i < s[M]; i++)
        ty_naive_add(out[DB], 1, in[DY_OF_DB] + i * s[N], s[N]);
}

const ty_bench_op ty_bench_products[] = {
    {.name = "linear_fwd",
     .kind = "product",
     .dims = "M N K",
     .lay_out = lay_out_fwd,
     .work = work_fwd,
     .call = call_fwd,
     .naive = naive_fwd,
     .depth = depth_fwd,
     .product = product_fwd,
     TY_SHAPES(layer, 2)},
    {.name = "linear_bwd_x",
     .kind = "product",
     .dims = "M N K",
     .lay_out = lay_out_bwd_x,
     .work = work_bwd_x,
     .call = call_bwd_x,
     .naive = naive_bwd_x,
     .depth = depth_bwd_x,
     .product = product_bwd_x,
     TY_SHAPES(layer, 2)},
    {.name = "linear_bwd_w",
     .kind = "product",
     .dims = "M N K",
     .lay_out = lay_out_bwd_w,
     .work = work_bwd_w,
     .call = call_bwd_w,
     .naive = naive_bwd_w,
     .depth = depth_bwd_w,
     .product = product_bwd_w,
     TY_SHAPES(layer, 2)},
    {.name = "linear_bwd_b",
     .kind = "rows",
     .dims = "M N",
     .lay_out = lay_out_bwd_b,
     .work = work_bwd_b,
     .call = call_bwd_b,
     .naive = naive_bwd_b,
     .depth = depth_bwd_w,
     TY_SHAPES(columns, 1)},
};
const size_t ty_bench_products_n = sizeof ty_bench_products / sizeof *ty_bench_products;
