/* SPDX-License-Identifier: MIT
 *
 * Embedding, layer norm, GELU and causal attention, against naive references in double and finite differences.
 */
#include "kernels/kernels.h"
#include "kernels/transformer.h"
#include "tests/kernel_suite.h"
#include "tests/naive.h"

#include <check.h>

/* What the naive loops count as they go. */
static double counted;

/* n doubles equal to n floats */
static double *wide(const float *x, size_t n)
{
    double *y = malloc((n + 1) * sizeof *y);
    for (size_t i = 0; i < n; i++)
        y[i] = (double)x[i];
    return y;
}

static double *zeros(size_t n)
{
    return calloc(n + 1, sizeof(double));
}

static double dot(const double *x, const float *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * (double)y[i];
    return sum;
}

typedef double loss_fn(void *ctx);

/* dx against central differences of the loss, at up to 60 places of x. */
static void check_slopes(const char *what, const float *dx, double *x, size_t n, loss_fn *loss,
                         void *ctx)
{
    const double step = 1e-4;
    for (size_t i = 0; i < n; i += n / 60 + 1) {
        const double at = x[i];
        x[i] = at + step;
        const double up = loss(ctx);
        x[i] = at - step;
        const double down = loss(ctx);
        x[i] = at;
        const double slope = (up - down) / (2 * step);
        ck_assert_msg(fabs(slope - (double)dx[i]) <= 3e-5 * (1 + fabs(slope)),
                      "%s[%zu] of %zu: %g, slope %g", what, i, n, (double)dx[i], slope);
    }
}

/* ---- embedding ---- */

typedef struct words {
    size_t B, T, C, V;
    float *tokens, *table, *position, *dy;
} words;

static words words_new(size_t B, size_t T, size_t C, size_t V)
{
    words w = {B,
               T,
               C,
               V,
               naive_random(B * T, 1),
               naive_random(V * C, 2),
               naive_random(T * C, 3),
               naive_random(B * T * C, 4)};
    for (size_t i = 0; i < B * T; i++)
        w.tokens[i] = floorf((w.tokens[i] + 1) / 2 * (float)V);
    return w;
}

static void words_free(words *w)
{
    free(w->tokens), free(w->table), free(w->position), free(w->dy);
}

static void check_embedding(size_t B, size_t T, size_t C, size_t V, int positions)
{
    words w = words_new(B, T, C, V);
    const size_t n = B * T * C;
    float *y = naive_random(n, 5), *dtable = naive_random(V * C, 6), *dpos = naive_random(T * C, 7);
    double *ey = zeros(n), *et = wide(dtable, V * C), *ep = wide(dpos, T * C), fwd = 0, bwd = 0;

    for (size_t i = 0; i < n; i++) {
        const size_t row = (size_t)w.tokens[i / C] * C + i % C, at = i % (T * C);
        ey[i] = (double)w.table[row];
        et[row] += (double)w.dy[i], bwd++;
        if (positions) {
            ey[i] += (double)w.position[at], fwd++;
            ep[at] += (double)w.dy[i], bwd++;
        }
    }
    ty_kernel_embedding_fwd(y, w.tokens, w.table, positions ? w.position : NULL, B, T, C, V);
    ty_kernel_embedding_bwd(dtable, positions ? dpos : NULL, w.tokens, w.dy, B, T, C, V);
    ck_assert(naive_distance(y, ey, n) <= 2e-7);
    ck_assert(naive_distance(dtable, et, V * C) <= 1e-5);
    ck_assert(naive_distance(dpos, ep, T * C) <= 1e-5);
    ck_assert(ty_work_embedding_fwd(B, T, C, positions).flops == fwd);
    ck_assert(ty_work_embedding_bwd(B, T, C, positions).flops == bwd);
    free(y), free(dtable), free(dpos), free(ey), free(et), free(ep);
    words_free(&w);
}

START_TEST(embedding_is_the_naive_one)
{
    static const size_t shape[][4] = {{0, 5, 3, 7},  {2, 0, 3, 7},   {2, 3, 0, 7},  {1, 1, 1, 1},
                                      {3, 5, 7, 11}, {2, 17, 33, 5}, {8, 40, 64, 9}};
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++)
        for (int positions = 0; positions < 2; positions++)
            check_embedding(shape[i][0], shape[i][1], shape[i][2], shape[i][3], positions);
}
END_TEST

START_TEST(embedding_gradient_is_bitwise_the_same_for_any_number_of_threads)
{
    enum { B = 8, T = 64, C = 131, V = 3 };
    words w = words_new(B, T, C, V);
    float *start = naive_random((V + T) * C, 9), *one = naive_copy(start, (V + T) * C);
    float *y = naive_random(B * T * C, 5), *z = naive_random(B * T * C, 6);
    ty_kernel_embedding_bwd(one, one + V * C, w.tokens, w.dy, B, T, C, V);
    ty_kernel_embedding_fwd(y, w.tokens, w.table, w.position, B, T, C, V);
    for (int threads = 2; threads <= 4; threads++) {
        float *many = naive_copy(start, (V + T) * C);
        ty_kernel_set_threads(threads);
        ty_kernel_embedding_bwd(many, many + V * C, w.tokens, w.dy, B, T, C, V);
        ty_kernel_embedding_fwd(z, w.tokens, w.table, w.position, B, T, C, V);
        ty_kernel_set_threads(1);
        ck_assert(naive_same(one, many, (V + T) * C));
        ck_assert(naive_same(y, z, B * T * C));
        free(many);
    }
    free(start), free(one), free(y), free(z);
    words_free(&w);
}
END_TEST

START_TEST(a_token_outside_the_vocabulary_makes_its_row_nan_and_no_gradient)
{
    const float tokens[] = {0, 2, -1, NAN}, table[] = {1, 2}, dy[] = {1, 1, 1, 1};
    float y[4], dtable[2] = {0, 0};
    ty_kernel_embedding_fwd(y, tokens, table, NULL, 1, 4, 1, 2);
    ty_kernel_embedding_bwd(dtable, NULL, tokens, dy, 1, 4, 1, 2);
    ck_assert(y[0] == 1 && isnan(y[1]) && isnan(y[2]) && isnan(y[3]));
    ck_assert(dtable[0] == 1 && dtable[1] == 0);
}
END_TEST

/* ---- layer norm ---- */

typedef struct norm {
    size_t M, C;
    float *dy;
    double *x, *gain, *bias, *y, *saved;
} norm;

static void naive_norm_fwd(const norm *n)
{
    for (size_t i = 0; i < n->M; i++) {
        const double *x = n->x + i * n->C, c = (double)n->C;
        double mean = 0, variance = 0;
        for (size_t j = 0; j < n->C; j++)
            mean += x[j], counted += 1;
        mean /= c, counted += 1;
        for (size_t j = 0; j < n->C; j++)
            variance += (x[j] - mean) * (x[j] - mean), counted += 3;
        const double scale = 1 / sqrt(variance / c + 1e-5);
        counted += 4;
        for (size_t j = 0; j < n->C; j++)
            n->y[i * n->C + j] = (x[j] - mean) * scale * n->gain[j] + n->bias[j], counted += 4;
        n->saved[2 * i] = mean, n->saved[2 * i + 1] = scale;
    }
}

static void naive_norm_bwd(const norm *n, double *dx, double *dgain, double *dbias, int accumulate)
{
    const double c = (double)n->C;
    for (size_t i = 0; i < n->M; i++) {
        const float *dy = n->dy + i * n->C;
        const double *x = n->x + i * n->C, mean = n->saved[2 * i], scale = n->saved[2 * i + 1];
        double a = 0, b = 0;
        for (size_t j = 0; j < n->C; j++) {
            const double v = (x[j] - mean) * scale, g = (double)dy[j] * n->gain[j];
            a += g, b += g * v;
            dgain[j] += (double)dy[j] * v, dbias[j] += (double)dy[j];
            counted += 2 + 1 + 3 + 3;
        }
        a /= c, b /= c, counted += 2;
        for (size_t j = 0; j < n->C; j++) {
            const double v = (x[j] - mean) * scale, g = (double)dy[j] * n->gain[j]; /* known */
            const double d = (g - a - v * b) * scale;
            dx[i * n->C + j] = accumulate ? dx[i * n->C + j] + d : d;
            counted += accumulate ? 5 : 4;
        }
    }
}

static double norm_loss(void *ctx)
{
    const norm *n = ctx;
    naive_norm_fwd(n);
    return dot(n->y, n->dy, n->M * n->C);
}

static void check_norm(size_t M, size_t C, int accumulate)
{
    const size_t n = M * C;
    float *x = naive_random(n, 1), *gain = naive_random(C, 2), *bias = naive_random(C, 3);
    float *y = naive_random(n, 4), *saved = naive_random(2 * M, 5), *dx = naive_random(n, 6);
    float *dgain = naive_random(C, 7), *dbias = naive_random(C, 8), *dy = naive_random(n, 9);
    float *slope = calloc(n + 2 * C + 1, sizeof *slope);
    double *ex = wide(dx, n), *eg = wide(dgain, C), *eb = wide(dbias, C);
    norm e = {M, C, dy, wide(x, n), wide(gain, C), wide(bias, C), zeros(n), zeros(2 * M)};
    const double near = 1e-5 * (double)(M + 4); /* rounding grows with 1/std of nearly equal rows */

    counted = 0;
    naive_norm_fwd(&e);
    ck_assert(ty_work_norm_fwd(M, C).flops == counted);
    ty_kernel_norm_fwd(y, saved, x, gain, bias, M, C);
    ck_assert_msg(naive_distance(y, e.y, n) <= 1e-5, "%zu x %zu: %g", M, C,
                  naive_distance(y, e.y, n));
    counted = 0;
    naive_norm_bwd(&e, ex, eg, eb, accumulate);
    ck_assert(ty_work_norm_bwd(M, C, accumulate).flops == counted);
    ty_kernel_norm_bwd(dx, dgain, dbias, dy, x, saved, gain, accumulate, M, C);
    ck_assert_msg(naive_distance(dx, ex, n) <= 1e-3, "%g", naive_distance(dx, ex, n));
    ck_assert(naive_distance(dgain, eg, C) <= near && naive_distance(dbias, eb, C) <= near);

    if (C > 2) { /* with one channel y does not depend on x, with two hardly */
        ty_kernel_norm_bwd(slope, slope + n, slope + n + C, dy, x, saved, gain, 0, M, C);
        check_slopes("dx of norm", slope, e.x, n, norm_loss, &e);
        check_slopes("dgain", slope + n, e.gain, C, norm_loss, &e);
        check_slopes("dbias", slope + n + C, e.bias, C, norm_loss, &e);
    }
    free(x), free(gain), free(bias), free(y), free(saved), free(dx), free(dgain), free(dbias);
    free(dy), free(slope), free(ex), free(eg), free(eb);
    free(e.x), free(e.gain), free(e.bias), free(e.y), free(e.saved);
}

START_TEST(norm_and_its_gradients_are_the_naive_ones)
{
    static const size_t shape[][2] = {{0, 8},  {3, 1},   {1, 2},    {5, 7},   {2, 16},
                                      {4, 17}, {33, 64}, {40, 131}, {9, 256}, {3, 300}};
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++)
        for (int accumulate = 0; accumulate < 2; accumulate++)
            check_norm(shape[i][0], shape[i][1], accumulate);
}
END_TEST

START_TEST(norm_is_bitwise_the_same_for_any_number_of_threads)
{
    enum { M = 300, C = 331, N = M * C };
    float *x = naive_random(N, 1), *gain = naive_random(2 * C, 2), *dy = naive_random(N, 3);
    float *out[5];
    for (int threads = 1; threads <= 4; threads++) { /* y, saved, dx, dgain, dbias */
        float *o = out[threads] = calloc(2 * N + 2 * M + 2 * C, sizeof *o);
        ty_kernel_set_threads(threads);
        ty_kernel_norm_fwd(o, o + 2 * N, x, gain, gain + C, M, C);
        ty_kernel_norm_bwd(o + N, o + 2 * N + 2 * M, o + 2 * N + 2 * M + C, dy, x, o + 2 * N, gain,
                           1, M, C);
        ty_kernel_set_threads(1);
        ck_assert(naive_same(out[1], o, 2 * N + 2 * M + 2 * C));
    }
    for (int threads = 1; threads <= 4; threads++)
        free(out[threads]);
    free(x), free(gain), free(dy);
}
END_TEST

/* ---- GELU ---- */

static double naive_gelu(double x)
{
    return x / 2 * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

/* The slope, by the sigmoid of z = x (a + b x^2); counts what the kernel's formula needs. */
static double naive_gelu_slope(double x)
{
    const double a = 2 * sqrt(2 / M_PI), b = 0.044715 * a, xx = x * x;
    const double s = 1 / (1 + exp(-x * (a + b * xx)));
    counted += 1 + 3 + 3; /* xx; b xx, + a, x; exp, + 1, 1 / */
    counted += 2 + 5 + 1; /* z'; s + x s (1 - s) z'; dy */
    return s + x * s * (1 - s) * (a + 3 * b * xx);
}

START_TEST(gelu_and_its_slope_are_the_naive_ones)
{
    static const size_t size[] = {0, 1, 15, 16, 17, 1000};
    for (size_t s = 0; s < sizeof size / sizeof *size; s++) {
        const size_t n = size[s];
        float *x = naive_random(n, 1), *y = naive_random(n + 1, 2), *dy = naive_random(n + 1, 3);
        const float after = y[n];
        counted = 0;
        for (size_t i = 0; i < n; i++)
            x[i] *= i % 3 ? 4 : 30;
        float *before = naive_copy(dy, n);
        ty_kernel_gelu_fwd(y, x, n);
        ty_kernel_gelu_bwd(dy, x, n);
        ck_assert(y[n] == after);
        for (size_t i = 0; i < n; i++) {
            const double v = (double)x[i], slope = naive_gelu_slope(v);
            const double up = naive_gelu(v + 1e-5), down = naive_gelu(v - 1e-5);
            ck_assert_double_eq_tol((double)y[i], naive_gelu(v), 2e-6 * (1 + fabs(v)));
            ck_assert_double_eq_tol((double)dy[i], slope * (double)before[i], 4e-6);
            ck_assert_double_eq_tol(slope, (up - down) / 2e-5, 1e-8);
        }
        ck_assert(ty_work_gelu_bwd(n).flops == counted);
        ck_assert(ty_work_gelu_fwd(n).flops == 7 * (double)n);
        free(x), free(y), free(dy), free(before);
    }
}
END_TEST

START_TEST(gelu_is_bitwise_the_same_for_any_number_of_threads)
{
    enum { N = 50021 };
    float *x = naive_random(N, 1), *start = naive_random(N, 2), *one = naive_copy(start, N);
    float *y = naive_random(N, 3), *z = naive_random(N, 4);
    ty_kernel_gelu_fwd(y, x, N);
    ty_kernel_gelu_bwd(one, x, N);
    for (int threads = 2; threads <= 4; threads++) {
        float *many = naive_copy(start, N);
        ty_kernel_set_threads(threads);
        ty_kernel_gelu_fwd(z, x, N);
        ty_kernel_gelu_bwd(many, x, N);
        ty_kernel_set_threads(1);
        ck_assert(naive_same(y, z, N) && naive_same(one, many, N));
        free(many);
    }
    free(x), free(start), free(one), free(y), free(z);
}
END_TEST

START_TEST(gelu_keeps_a_nan_and_far_values)
{
    const float x[] = {NAN, 1e4f, -1e4f, 0, -0.0f};
    float y[5];
    ty_kernel_gelu_fwd(y, x, 5);
    ck_assert(isnan(y[0]) && y[1] == 1e4f && fabsf(y[2]) < 1e-30f && y[3] == 0 && y[4] == 0);
}
END_TEST

/* ---- attention ---- */

typedef struct heads {
    size_t B, T, C, H;
    float *dout;
    double *qkv, *out, *p;
} heads;

/* Product of queries or keys or values: part 0, 1 or 2 of token t in batch row b, head h. */
static double *part(const heads *a, double *x, size_t which, size_t b, size_t t, size_t h)
{
    return x + ((b * a->T + t) * 3 + which) * a->C + h * (a->C / a->H);
}

static void naive_row_fwd(const heads *a, size_t b, size_t h, size_t i, double *p)
{
    const size_t D = a->C / a->H;
    const double scale = 1 / sqrt((double)D), *q = part(a, a->qkv, 0, b, i, h);
    double *out = a->out + (b * a->T + i) * a->C + h * D, top = -INFINITY, sum = 0;

    for (size_t j = 0; j <= i; j++) {
        p[j] = 0;
        for (size_t d = 0; d < D; d++)
            p[j] += q[d] * part(a, a->qkv, 1, b, j, h)[d], counted += 2;
        top = fmax(top, p[j]), counted += 1;
    }
    for (size_t j = 0; j <= i; j++)
        sum += p[j] = exp((p[j] - top) * scale), counted += 4;
    const double factor = 1 / sum;
    counted += 1;
    for (size_t d = 0; d < D; d++)
        out[d] = 0;
    for (size_t j = 0; j <= i; j++) {
        p[j] *= factor, counted += 1;
        for (size_t d = 0; d < D; d++)
            out[d] += p[j] * part(a, a->qkv, 2, b, j, h)[d], counted += 2;
    }
}

static void naive_row_bwd(const heads *a, size_t b, size_t h, size_t i, const double *p,
                          double *dqkv)
{
    const size_t D = a->C / a->H;
    const double scale = 1 / sqrt((double)D);
    const float *dout = a->dout + (b * a->T + i) * a->C + h * D;
    double sum = 0, *ds = zeros(a->T);

    for (size_t j = 0; j <= i; j++) {
        for (size_t d = 0; d < D; d++) {
            ds[j] += (double)dout[d] * part(a, a->qkv, 2, b, j, h)[d], counted += 2;
            part(a, dqkv, 2, b, j, h)[d] += p[j] * (double)dout[d], counted += 2;
        }
        sum += p[j] * ds[j], counted += 2;
    }
    for (size_t j = 0; j <= i; j++) {
        ds[j] = (ds[j] - sum) * p[j] * scale, counted += 3;
        for (size_t d = 0; d < D; d++) {
            part(a, dqkv, 0, b, i, h)[d] += ds[j] * part(a, a->qkv, 1, b, j, h)[d], counted += 2;
            part(a, dqkv, 1, b, j, h)[d] += ds[j] * part(a, a->qkv, 0, b, i, h)[d], counted += 2;
        }
    }
    free(ds);
}

static void naive_attention(const heads *a, double *dqkv)
{
    for (size_t n = 0; n < a->B * a->H * a->T; n++) {
        const size_t b = n / a->T / a->H, h = n / a->T % a->H, i = n % a->T;
        double *p = a->p + n * a->T;
        if (dqkv)
            naive_row_bwd(a, b, h, i, p, dqkv);
        else
            naive_row_fwd(a, b, h, i, p);
    }
}

static double attention_loss(void *ctx)
{
    const heads *a = ctx;
    naive_attention(a, NULL);
    return dot(a->out, a->dout, a->B * a->T * a->C);
}

static double flops_of(const ty_work *w, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += w[i].flops;
    return sum;
}

/* Buffers of the kernels, filled with NaN: what is read must have been written. */
static float *nans(size_t n)
{
    float *x = malloc((n + 1) * sizeof *x);
    for (size_t i = 0; i <= n; i++)
        x[i] = NAN;
    return x;
}

/* out [B,T,C] and dqkv [B,T,3C] one after the other */
static float *attend(size_t B, size_t T, size_t C, size_t H, const float *qkv, const float *dout)
{
    const size_t n = B * T * C;
    float *out = nans(4 * n), *p = nans(ty_kernel_attention_saved(B, T, H));
    float *space = nans(ty_kernel_attention_space(B, T, C, H));
    ty_kernel_attention_fwd(out, p, space, qkv, B, T, C, H);
    free(space);
    space = nans(ty_kernel_attention_space(B, T, C, H));
    ty_kernel_attention_bwd(out + n, p, space, dout, qkv, B, T, C, H);
    ck_assert(isnan(out[4 * n]) && isnan(p[ty_kernel_attention_saved(B, T, H)]) &&
              isnan(space[ty_kernel_attention_space(B, T, C, H)]));
    free(p), free(space);
    return out;
}

static void check_attention(size_t B, size_t T, size_t C, size_t H)
{
    const size_t n = B * T * C;
    float *qkv = naive_random(3 * n, 1), *dout = naive_random(n, 2);
    heads e = {B, T, C, H, dout, NULL, zeros(n), zeros(B * H * T * T)};
    double *ed = zeros(3 * n);
    ty_work work[TY_ATTENTION_WORKS];

    for (size_t i = 0; i < 3 * n; i++)
        qkv[i] *= 3; /* probabilities that are far from equal */
    e.qkv = wide(qkv, 3 * n);
    counted = 0;
    naive_attention(&e, NULL);
    ck_assert(flops_of(work, ty_work_attention_fwd(B, T, C, H, work)) == counted);
    counted = 0;
    naive_attention(&e, ed);
    ck_assert(flops_of(work, ty_work_attention_bwd(B, T, C, H, work)) == counted);

    float *out = attend(B, T, C, H, qkv, dout);
    ck_assert_msg(naive_distance(out, e.out, n) <= 2e-5, "out of %zu %zu %zu %zu: off by %g", B, T,
                  C, H, naive_distance(out, e.out, n));
    ck_assert_msg(naive_distance(out + n, ed, 3 * n) <= 1e-4, "dqkv of %zu %zu %zu %zu: off by %g",
                  B, T, C, H, naive_distance(out + n, ed, 3 * n));
    check_slopes("dqkv", out + n, e.qkv, 3 * n, attention_loss, &e);
    free(qkv), free(dout), free(out), free(ed), free(e.qkv), free(e.out), free(e.p);
}

START_TEST(attention_and_its_gradient_are_the_naive_ones)
{
    static const size_t shape[][4] = {
        {0, 5, 4, 1},    {2, 0, 8, 2},   {2, 3, 0, 1},   {1, 1, 1, 1},   {3, 1, 6, 3},
        {1, 13, 6, 2},   {2, 14, 8, 1},  {2, 15, 8, 1},  {1, 16, 16, 1}, {2, 17, 15, 3},
        {1, 33, 32, 1},  {1, 50, 20, 1}, {2, 31, 96, 3}, {1, 70, 40, 1}, {1, 64, 80, 1},
        {1, 129, 33, 1}, {5, 6, 32, 16}, {1, 5, 130, 1},
    };
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++)
        check_attention(shape[i][0], shape[i][1], shape[i][2], shape[i][3]);
}
END_TEST

START_TEST(attention_is_bitwise_the_same_for_any_number_of_threads)
{
    static const size_t shape[][4] = {{2, 100, 64, 2}, {1, 128, 192, 3}, {9, 40, 64, 8}};
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        const size_t B = shape[i][0], T = shape[i][1], C = shape[i][2], H = shape[i][3];
        float *qkv = naive_random(3 * B * T * C, 1), *dout = naive_random(B * T * C, 2);
        float *one = attend(B, T, C, H, qkv, dout);
        for (int threads = 2; threads <= 4; threads++) {
            ty_kernel_set_threads(threads);
            float *many = attend(B, T, C, H, qkv, dout);
            ty_kernel_set_threads(1);
            ck_assert(naive_same(one, many, 4 * B * T * C));
            free(many);
        }
        free(qkv), free(dout), free(one);
    }
}
END_TEST

/* Token CUT and all later ones change: outputs before stay, bit for bit; and a loss on tokens before CUT has no gradient
 * at them. */
START_TEST(a_later_token_changes_nothing_before_it)
{
    enum { T = 60, C = 24, H = 2, N = T * C };
    float *qkv = naive_random(3 * N, 1), *dout = naive_random(N, 2);
    float *before = attend(1, T, C, H, qkv, dout);
    for (int cut = 0; cut < T; cut++) {
        float *changed = naive_copy(qkv, 3 * N), *early = naive_copy(dout, N);
        for (int i = 3 * cut * C; i < 3 * N; i++)
            changed[i] = 50 - changed[i];
        for (int i = cut * C; i < N; i++)
            early[i] = 0;
        float *after = attend(1, T, C, H, changed, early);
        ck_assert(naive_same(before, after, (size_t)(cut * C)));
        ck_assert(!naive_same(before + cut * C, after + cut * C, C));
        for (int i = 3 * cut * C; i < 3 * N; i++)
            ck_assert(after[N + i] == 0);
        free(changed), free(early), free(after);
    }
    free(qkv), free(dout), free(before);
}
END_TEST

START_TEST(heads_and_rows_of_a_batch_do_not_depend_on_each_other)
{
    enum { B = 3, T = 21, C = 24, H = 3, D = C / H };
    float *qkv = naive_random(B * T * 3 * C, 1), *dout = naive_random(B * T * C, 2);
    float *all = attend(B, T, C, H, qkv, dout), one[T * 3 * D], done[T * D];
    for (int t = 0; t < T; t++) /* row 1 of the batch, head 2 */
        for (int d = 0; d < D; d++) {
            for (int w = 0; w < 3; w++)
                one[(t * 3 + w) * D + d] = qkv[((T + t) * 3 + w) * C + 2 * D + d];
            done[t * D + d] = dout[(T + t) * C + 2 * D + d];
        }
    float *alone = attend(1, T, D, 1, one, done);
    for (int t = 0; t < T; t++)
        ck_assert(naive_same(alone + t * D, all + (T + t) * C + 2 * D, D));
    for (int t = 0; t < 3 * T; t++)
        ck_assert(naive_same(alone + (T + t) * D, all + (B * T + 3 * T + t) * C + 2 * D, D));
    free(qkv), free(dout), free(all), free(alone);
}
END_TEST

START_TEST(classes_of_attention_are_those_that_a_machine_knows)
{
    ty_work w[TY_ATTENTION_WORKS];
    ck_assert_int_eq(ty_work_attention_fwd(2, 8, 12, 3, w), TY_ATTENTION_WORKS);
    ck_assert(w[0].cls == TY_CLASS_ATTENTION && w[0].m == 8 && w[0].n == 4 && w[0].k == 6);
    ck_assert_int_eq(ty_work_attention_bwd(2, 8, 12, 3, w), TY_ATTENTION_WORKS);
    ck_assert(w[0].cls == TY_CLASS_ATTENTION && w[0].m == 8 && w[0].n == 4 && w[0].k == 6);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    TCase *cases = open_cases("transformer", argv);
    tcase_add_test(cases, embedding_is_the_naive_one);
    tcase_add_test(cases, embedding_gradient_is_bitwise_the_same_for_any_number_of_threads);
    tcase_add_test(cases, a_token_outside_the_vocabulary_makes_its_row_nan_and_no_gradient);
    tcase_add_test(cases, norm_and_its_gradients_are_the_naive_ones);
    tcase_add_test(cases, norm_is_bitwise_the_same_for_any_number_of_threads);
    tcase_add_test(cases, gelu_and_its_slope_are_the_naive_ones);
    tcase_add_test(cases, gelu_is_bitwise_the_same_for_any_number_of_threads);
    tcase_add_test(cases, gelu_keeps_a_nan_and_far_values);
    tcase_add_test(cases, attention_and_its_gradient_are_the_naive_ones);
    tcase_add_test(cases, attention_is_bitwise_the_same_for_any_number_of_threads);
    tcase_add_test(cases, a_later_token_changes_nothing_before_it);
    tcase_add_test(cases, heads_and_rows_of_a_batch_do_not_depend_on_each_other);
    tcase_add_test(cases, classes_of_attention_are_those_that_a_machine_knows);
    return run_cases("kernels/transformer", cases);
}
