/* SPDX-License-Identifier: MIT
 *
 * bench_streams - what passes over n elements once: activations, optimizers, element-wise operations.
 */
#include "experiments/bench_case.h"
#include "kernels/kernels.h"
#include "kernels/squared.h"
#include "kernels/transformer.h"

#include <math.h>
#include <string.h>

/* From what a cache of the first level holds to what hardly any cache holds; 1 Mi is the size of a large layer. */
static const size_t sweep[][TY_BENCH_DIMS] = {{1 << 11}, {1 << 14}, {1 << 17},
                                              {1 << 20}, {1 << 23}, {1 << 25}};

/* Arrays of n elements: the first is written, the rest are as `rest` says. */
static void lay_out(const size_t *s, ty_bench_array *a, ty_bench_role first, int n,
                    ty_bench_role rest)
{
    for (int i = 0; i < n; i++)
        a[i] = (ty_bench_array){.role = i ? rest : first, .n = s[0]};
}

static void lay_out_in_place(const size_t *s, ty_bench_array *a) /* a[0] alone */
{
    lay_out(s, a, TY_BOTH, 1, TY_IN);
}

static void lay_out_onto(const size_t *s, ty_bench_array *a) /* a[0] from itself and a[1] */
{
    lay_out(s, a, TY_BOTH, 2, TY_IN);
}

static void lay_out_map(const size_t *s, ty_bench_array *a) /* a[0] from a[1] */
{
    lay_out(s, a, TY_OUT, 2, TY_IN);
}

/* The work function of a kernel that takes n alone, as the table wants it. */
#define WORK(name)                                                                                 \
    static int work_##name(const size_t *s, ty_work *out)                                          \
    {                                                                                              \
        *out = ty_work_##name(s[0]);                                                               \
        return 1;                                                                                  \
    }
WORK(relu_fwd)
WORK(relu_bwd)
WORK(gelu_fwd)
WORK(gelu_bwd)
WORK(squared)
WORK(sgd)
WORK(adamw)
WORK(add)
WORK(scale)
WORK(copy)
WORK(fill)

/* ---- ReLU ------------------------------------------------------------------------------------ */

static void call_relu_fwd(const size_t *s, float *const *a)
{
    ty_kernel_relu_fwd(a[0], s[0]);
}

static void naive_relu_fwd(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t i = 0; i < s[0]; i++)
        out[0][i] = in[0][i] > 0 ? (double)in[0][i] : 0;
}

static void call_relu_bwd(const size_t *s, float *const *a)
{
    ty_kernel_relu_bwd(a[0], a[1], s[0]);
}

static void naive_relu_bwd(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t i = 0; i < s[0]; i++)
        out[0][i] = in[1][i] > 0 ? (double)in[0][i] : 0;
}

/* ---- GELU ------------------------------------------------------------------------------------ */

static const double inner = 0.7978845608028654, cubic = 0.044715; /* sqrt(2/pi) */

static void call_gelu_fwd(const size_t *s, float *const *a)
{
    ty_kernel_gelu_fwd(a[0], a[1], s[0]);
}

static void naive_gelu_fwd(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t i = 0; i < s[0]; i++) {
        const double x = (double)in[1][i];
        out[0][i] = x / 2 * (1 + tanh(inner * (x + cubic * x * x * x)));
    }
}

static void call_gelu_bwd(const size_t *s, float *const *a)
{
    ty_kernel_gelu_bwd(a[0], a[1], s[0]);
}

static void naive_gelu_bwd(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t i = 0; i < s[0]; i++) {
        const double x = (double)in[1][i], t = tanh(inner * (x + cubic * x * x * x));
        const double slope = (1 + t) / 2 + x / 2 * (1 - t * t) * inner * (1 + 3 * cubic * x * x);
        out[0][i] = (double)in[0][i] * slope;
    }
}

/* Gradients that shrink with every call would end as denormal numbers, which are slow. */
static void calm_gelu_bwd(const size_t *s, float *const *a)
{
    memset(a[0], 0, s[0] * sizeof *a[0]);
}

/* ---- squared error --------------------------------------------------------------------------- */

static void lay_out_squared(const size_t *s, ty_bench_array *a)
{
    lay_out(s, a, TY_OUT, 3, TY_IN);
}

static void call_squared(const size_t *s, float *const *a)
{
    ty_kernel_squared(a[0], a[1], a[2], s[0], 0.5f);
}

static void naive_squared(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t i = 0; i < s[0]; i++)
        out[0][i] = (double)in[1][i] - (double)in[2][i];
}

/* ---- optimizers ------------------------------------------------------------------------------ */

static const float rate = 0.01f, momentum = 0.9f;
static const float beta1 = 0.9f, beta2 = 0.999f, eps = 1e-8f, decay = 0.01f;
enum { STEP = 10 };

static void lay_out_sgd(const size_t *s, ty_bench_array *a) /* p, v, g */
{
    lay_out(s, a, TY_BOTH, 3, TY_IN);
    a[1].role = TY_BOTH;
}

static void call_sgd(const size_t *s, float *const *a)
{
    ty_kernel_sgd(a[0], a[1], a[2], s[0], rate, momentum);
}

static void naive_sgd(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t i = 0; i < s[0]; i++) {
        out[1][i] = (double)momentum * (double)in[1][i] + (double)in[2][i];
        out[0][i] -= (double)rate * out[1][i];
    }
}

static void lay_out_adamw(const size_t *s, ty_bench_array *a) /* p, m, v, g */
{
    lay_out(s, a, TY_BOTH, 4, TY_IN);
    a[1].role = a[2].role = TY_BOTH;
    a[2].filling = TY_ABOVE_0;
}

static void call_adamw(const size_t *s, float *const *a)
{
    ty_kernel_adamw(a[0], a[1], a[2], a[3], s[0], rate, beta1, beta2, eps, decay, STEP);
}

static void naive_adamw(const size_t *s, const float *const *in, double *const *out)
{
    const double b1 = (double)beta1, b2 = (double)beta2;
    for (size_t i = 0; i < s[0]; i++) {
        const double g = (double)in[3][i];
        const double m = out[1][i] = b1 * (double)in[1][i] + (1 - b1) * g;
        const double v = out[2][i] = b2 * (double)in[2][i] + (1 - b2) * g * g;
        const double mean = m / (1 - pow(b1, STEP)), square = v / (1 - pow(b2, STEP));
        out[0][i] -=
            (double)rate * (mean / (sqrt(square) + (double)eps) + (double)decay * (double)in[0][i]);
    }
}

/* ---- element-wise ---------------------------------------------------------------------------- */

static void call_add(const size_t *s, float *const *a)
{
    ty_kernel_add(a[0], a[1], s[0]);
}

static void naive_add(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t i = 0; i < s[0]; i++)
        out[0][i] += (double)in[1][i];
}

static void lay_out_scale(const size_t *s, ty_bench_array *a) /* x, and the factor */
{
    lay_out(s, a, TY_BOTH, 1, TY_IN);
    a[1] = (ty_bench_array){.role = TY_IN, .n = 1};
}

static void call_scale(const size_t *s, float *const *a)
{
    ty_kernel_scale(a[0], a[1][0], s[0]);
}

static void naive_scale(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t i = 0; i < s[0]; i++)
        out[0][i] *= (double)in[1][0];
}

static void calm_scale(const size_t *s, float *const *a)
{
    (void)s;
    a[1][0] = -1;
}

static void call_copy(const size_t *s, float *const *a)
{
    ty_kernel_copy(a[0], a[1], s[0]);
}

static void naive_copy(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t i = 0; i < s[0]; i++)
        out[0][i] = (double)in[1][i];
}

static void lay_out_fill(const size_t *s, ty_bench_array *a)
{
    lay_out(s, a, TY_OUT, 1, TY_IN);
}

static void call_fill(const size_t *s, float *const *a)
{
    ty_kernel_fill(a[0], 0.75f, s[0]);
}

static void naive_fill(const size_t *s, const float *const *in, double *const *out)
{
    (void)in;
    for (size_t i = 0; i < s[0]; i++)
        out[0][i] = 0.75;
}

static void call_triad(const size_t *s, float *const *a)
{
    ty_kernel_triad(a[0], a[1], a[2], 0.5f, s[0]);
}

static void naive_triad(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t i = 0; i < s[0]; i++)
        out[0][i] = (double)in[1][i] + 0.5 * (double)in[2][i];
}

static int work_triad(const size_t *s, ty_work *out)
{
    *out = (ty_work){.flops = 2.0 * (double)s[0], .bytes = 12.0 * (double)s[0]};
    return 1;
}

#define STREAM(name_, kind_, lay_out_)                                                             \
    .name = #name_, .kind = kind_, .dims = "n", .lay_out = lay_out_, .work = work_##name_,         \
    .call = call_##name_, .naive = naive_##name_, .typical = 3, TY_SHAPES(sweep, 1)

const ty_bench_op ty_bench_streams[] = {
    {STREAM(relu_fwd, "activation", lay_out_in_place)},
    {STREAM(relu_bwd, "activation", lay_out_onto)},
    {STREAM(gelu_fwd, "activation", lay_out_map)},
    {STREAM(gelu_bwd, "activation", lay_out_onto), .calm = calm_gelu_bwd},
    {STREAM(squared, "stream", lay_out_squared)},
    {STREAM(sgd, "stream", lay_out_sgd)},
    {STREAM(adamw, "stream", lay_out_adamw)},
    {STREAM(add, "stream", lay_out_onto)},
    {STREAM(scale, "stream", lay_out_scale), .calm = calm_scale},
    {STREAM(copy, "stream", lay_out_map)},
    {STREAM(fill, "stream", lay_out_fill)},
    {STREAM(triad, "stream", lay_out_squared)},
};
const size_t ty_bench_streams_n = sizeof ty_bench_streams / sizeof *ty_bench_streams;
