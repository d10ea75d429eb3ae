/* SPDX-License-Identifier: MIT
 *
 * bench_convolutions - convolution forward, and backward to its input and weights, on the layers of mnist-cnn and mnist-lenet.
 */
#include "experiments/bench_case.h"
#include "kernels/conv.h"

/* ---- convolution: w [F,C,K,K], P zeros around ------------------------------------------------ */

/* clang-format off */
static const size_t convolution[][TY_BENCH_DIMS] = {
    {64, 32, 26, 26, 64, 3, 0}, {64, 1, 28, 28, 32, 3, 0},  /* mnist-cnn */
    {64, 6, 14, 14, 16, 5, 0},  {64, 1, 28, 28, 6, 5, 2},   /* mnist-lenet */
    {16, 64, 28, 28, 64, 3, 1},                             /* a layer of a residual network */
};
/* clang-format on */

static ty_conv conv_of(const size_t *s)
{
    return (ty_conv){.B = s[0], .C = s[1], .H = s[2], .W = s[3], .F = s[4], .K = s[5], .P = s[6]};
}

static size_t x_size(const ty_conv *c)
{
    return c->B * c->C * c->H * c->W;
}

static size_t w_size(const ty_conv *c)
{
    return c->F * c->C * c->K * c->K;
}

static size_t y_size(const ty_conv *c)
{
    return c->B * c->F * ty_conv_rows(c) * ty_conv_cols(c);
}

/* One weight meets one row: y[0 .. n) belongs to x[0 .. n). */
typedef struct meeting {
    size_t w, y, x, n;
} meeting;
typedef void meet(const meeting *m, const float *const *in, double *const *out);

/* Row i of image b, filter f, channel c, weight row m, column k; what lies in the zeros is left out. */
static void naive_row(const ty_conv *c, const size_t at[6], const float *const *in,
                      double *const *out, meet *visit)
{
    const size_t b = at[0], f = at[1], ch = at[2], m = at[3], k = at[4], i = at[5];
    const size_t rows = ty_conv_rows(c), cols = ty_conv_cols(c), row = i + m;
    const size_t first = k < c->P ? c->P - k : 0;
    const size_t end = c->W + c->P - k < cols ? c->W + c->P - k : cols;
    if (row < c->P || row >= c->H + c->P || end <= first)
        return;
    visit(&(meeting){.w = ((f * c->C + ch) * c->K + m) * c->K + k,
                     .y = ((b * c->F + f) * rows + i) * cols + first,
                     .x = ((b * c->C + ch) * c->H + row - c->P) * c->W + first + k - c->P,
                     .n = end - first},
          in, out);
}

static void naive_conv(const size_t *s, const float *const *in, double *const *out, meet *visit)
{
    const ty_conv c = conv_of(s);
    size_t at[6];
    for (at[0] = 0; at[0] < c.B; at[0]++)
        for (at[1] = 0; at[1] < c.F; at[1]++)
            for (at[2] = 0; at[2] < c.C; at[2]++)
                for (at[3] = 0; at[3] < c.K; at[3]++)
                    for (at[4] = 0; at[4] < c.K; at[4]++)
                        for (at[5] = 0; at[5] < ty_conv_rows(&c); at[5]++)
                            naive_row(&c, at, in, out, visit);
}

enum { Y, X, W, BIAS, SPACE };

static void lay_out_fwd(const size_t *s, ty_bench_array *a)
{
    const ty_conv c = conv_of(s);
    a[Y] = (ty_bench_array){.role = TY_OUT, .n = y_size(&c)};
    a[X] = (ty_bench_array){.role = TY_IN, .n = x_size(&c)};
    a[W] = (ty_bench_array){.role = TY_IN, .n = w_size(&c)};
    a[BIAS] = (ty_bench_array){.role = TY_IN, .n = c.F};
    a[SPACE] = (ty_bench_array){.role = TY_SPACE, .n = ty_conv_workspace(&c)};
}

static int work_fwd(const size_t *s, ty_work *out)
{
    const ty_conv c = conv_of(s);
    return ty_work_conv_fwd(&c, out);
}

static void call_fwd(const size_t *s, float *const *a)
{
    const ty_conv c = conv_of(s);
    ty_kernel_conv_fwd(a[Y], a[X], a[W], a[BIAS], &c, a[SPACE]);
}

static void meet_fwd(const meeting *m, const float *const *in, double *const *out)
{
    ty_naive_add(out[Y] + m->y, (double)in[W][m->w], in[X] + m->x, m->n);
}

static void naive_fwd(const size_t *s, const float *const *in, double *const *out)
{
    const ty_conv c = conv_of(s);
    const size_t plane = ty_conv_rows(&c) * ty_conv_cols(&c);
    for (size_t i = 0; i < y_size(&c); i++)
        out[Y][i] = (double)in[BIAS][i / plane % c.F];
    naive_conv(s, in, out, meet_fwd);
}

static size_t depth_fwd(const size_t *s)
{
    return s[1] * s[5] * s[5];
}

enum { DX, DY }; /* and W */
enum { SPACE_OF_DX = 3 };

static void lay_out_bwd_x(const size_t *s, ty_bench_array *a)
{
    const ty_conv c = conv_of(s);
    a[DX] = (ty_bench_array){.role = TY_OUT, .n = x_size(&c)};
    a[DY] = (ty_bench_array){.role = TY_IN, .n = y_size(&c)};
    a[W] = (ty_bench_array){.role = TY_IN, .n = w_size(&c)};
    a[SPACE_OF_DX] = (ty_bench_array){.role = TY_SPACE, .n = ty_conv_workspace(&c)};
}

static int work_bwd_x(const size_t *s, ty_work *out)
{
    const ty_conv c = conv_of(s);
    return ty_work_conv_bwd_x(&c, out);
}

static void call_bwd_x(const size_t *s, float *const *a)
{
    const ty_conv c = conv_of(s);
    ty_kernel_conv_bwd_x(a[DX], a[DY], a[W], &c, a[SPACE_OF_DX]);
}

static void meet_bwd_x(const meeting *m, const float *const *in, double *const *out)
{
    ty_naive_add(out[DX] + m->x, (double)in[W][m->w], in[DY] + m->y, m->n);
}

static void naive_bwd_x(const size_t *s, const float *const *in, double *const *out)
{
    const ty_conv c = conv_of(s);
    for (size_t i = 0; i < x_size(&c); i++)
        out[DX][i] = 0;
    naive_conv(s, in, out, meet_bwd_x);
}

static size_t depth_bwd_x(const size_t *s)
{
    return s[4] * s[5] * s[5];
}

enum { DW, X_OF_DW, DY_OF_DW, DBIAS, SPACE_OF_DW };

static void lay_out_bwd_w(const size_t *s, ty_bench_array *a)
{
    const ty_conv c = conv_of(s);
    a[DW] = (ty_bench_array){.role = TY_BOTH, .n = w_size(&c)};
    a[X_OF_DW] = (ty_bench_array){.role = TY_IN, .n = x_size(&c)};
    a[DY_OF_DW] = (ty_bench_array){.role = TY_IN, .n = y_size(&c)};
    a[DBIAS] = (ty_bench_array){.role = TY_BOTH, .n = c.F};
    a[SPACE_OF_DW] = (ty_bench_array){.role = TY_SPACE, .n = ty_conv_workspace(&c)};
}

static int work_bwd_w(const size_t *s, ty_work *out)
{
    const ty_conv c = conv_of(s);
    return ty_work_conv_bwd_w(&c, out);
}

static void call_bwd_w(const size_t *s, float *const *a)
{
    const ty_conv c = conv_of(s);
    ty_kernel_conv_bwd_w(a[DW], a[DBIAS], a[X_OF_DW], a[DY_OF_DW], &c, a[SPACE_OF_DW]);
}

static void meet_bwd_w(const meeting *m, const float *const *in, double *const *out)
{
    out[DW][m->w] += ty_naive_dot(in[DY_OF_DW] + m->y, in[X_OF_DW] + m->x, m->n);
}

static void naive_bwd_w(const size_t *s, const float *const *in, double *const *out)
{
    const ty_conv c = conv_of(s);
    const size_t plane = ty_conv_rows(&c) * ty_conv_cols(&c);
    for (size_t i = 0; i < y_size(&c); i++)
        out[DBIAS][i / plane % c.F] += (double)in[DY_OF_DW][i];
    naive_conv(s, in, out, meet_bwd_w);
}

static size_t depth_bwd_w(const size_t *s)
{
    const ty_conv c = conv_of(s);
    return c.B * ty_conv_rows(&c) * ty_conv_cols(&c);
}

const ty_bench_op ty_bench_convolutions[] = {
    {.name = "conv_fwd",
     .kind = "convolution",
     .dims = "B C H W F K P",
     .lay_out = lay_out_fwd,
     .work = work_fwd,
     .call = call_fwd,
     .naive = naive_fwd,
     .depth = depth_fwd,
     TY_SHAPES(convolution, 1)},
    {.name = "conv_bwd_x",
     .kind = "convolution",
     .dims = "B C H W F K P",
     .lay_out = lay_out_bwd_x,
     .work = work_bwd_x,
     .call = call_bwd_x,
     .naive = naive_bwd_x,
     .depth = depth_bwd_x,
     TY_SHAPES(convolution, 1)},
    {.name = "conv_bwd_w",
     .kind = "convolution",
     .dims = "B C H W F K P",
     .lay_out = lay_out_bwd_w,
     .work = work_bwd_w,
     .call = call_bwd_w,
     .naive = naive_bwd_w,
     .depth = depth_bwd_w,
     TY_SHAPES(convolution, 1)},
};
const size_t ty_bench_convolutions_n = sizeof ty_bench_convolutions / sizeof *ty_bench_convolutions;
