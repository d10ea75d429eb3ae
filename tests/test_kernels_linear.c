/* SPDX-License-Identifier: MIT
 *
 * The linear layer and the matrix product under it, against naive references and finite
 * differences.
 */
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "tests/kernel_suite.h"
#include "tests/naive.h"

#include <check.h>
#include <stdio.h>

/* A chain of K terms below 1 reaches sums of about sqrt(K) and rounds K times, which adds up to
 * about sqrt(K) sqrt(K) 6e-8; five times that is never met by chance. */
static double bound(size_t K)
{
    return 3e-7 * (4 + (double)K);
}

/* ---- matrix product ---- */

typedef struct problem {
    int trans_a, trans_b, accumulate;
    size_t M, N, K;
    float *a, *b, *start;
} problem;

static problem problem_new(int layout, size_t M, size_t N, size_t K)
{
    problem p = {layout & 1, layout >> 1 & 1, layout >> 2 & 1, M, N, K, NULL, NULL, NULL};
    p.a = naive_random(M * K, 1);
    p.b = naive_random(K * N, 2);
    p.start = naive_random(M * N, 3);
    return p;
}

static void problem_free(problem *p)
{
    free(p->a), free(p->b), free(p->start);
}

static float *multiply(const problem *p, int threads)
{
    float *c = naive_copy(p->start, p->M * p->N);
    ty_kernel_set_threads(threads);
    ty_kernel_gemm(p->trans_a, p->trans_b, p->M, p->N, p->K, p->a, p->b, p->accumulate, c);
    ty_kernel_set_threads(1);
    return c;
}

/* Whether this build fuses multiply-adds: (1 + 2^-12)^2 - (1 + 2^-11) is 2^-24, or 0 when rounded
 * twice. */
static int fuses(void)
{
    const float x = 1 + 0x1p-12f;
    float c = -1 - 0x1p-11f;
    ty_kernel_gemm(0, 0, 1, 1, 1, &x, &x, 1, &c);
    return c != 0;
}

/* Against double, and bitwise against the chain. */
static void check_problem(int layout, size_t M, size_t N, size_t K)
{
    problem p = problem_new(layout, M, N, K);
    float *c = multiply(&p, 1);
    double *exact = malloc((M * N + 1) * sizeof *exact), flops = 0;

    for (size_t i = 0; i < M * N; i++)
        exact[i] = (double)p.start[i];
    naive_gemm(p.trans_a, p.trans_b, M, N, K, p.a, p.b, p.accumulate, exact, &flops);
    ck_assert_msg(naive_distance(c, exact, M * N) <= bound(K),
                  "layout %d, %zu x %zu x %zu: off by %g", layout, M, N, K,
                  naive_distance(c, exact, M * N));
    const int fused = fuses();
    for (size_t i = 0; i < M * N; i++)
        ck_assert_msg(c[i] == naive_chain(p.trans_a, p.trans_b, M, N, K, p.a, p.b,
                                          p.accumulate ? p.start[i] : 0, i / N, i % N, fused),
                      "layout %d, %zu x %zu x %zu: element %zu is not the chain", layout, M, N, K,
                      i);
    free(c), free(exact);
    problem_free(&p);
}

START_TEST(product_is_the_naive_one_for_every_small_shape)
{
    static const size_t size[] = {0, 1, 2, 3, 5, 10, 13, 14, 15, 16, 17, 31, 32, 33, 50};
    const size_t n = sizeof size / sizeof *size;
    for (size_t i = 0; i < n * n * n; i++)
        for (int layout = 0; layout < 8; layout++)
            check_problem(layout, size[i % n], size[i / n % n], size[i / n / n]);
}
END_TEST

START_TEST(product_is_the_naive_one_across_block_borders)
{
    static const size_t shape[][3] = {
        {128, 512, 784}, {43, 256, 512}, {128, 10, 256}, {256, 10, 128}, {784, 512, 43},
        {10, 700, 401},  {1, 1000, 9},   {1000, 1, 9},   {401, 37, 801}, {197, 545, 400},
        {393, 1030, 17}, {7, 7, 2001},   {1, 1, 5000},   {600, 3, 402},  {14, 513, 33},
    };
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++)
        for (int layout = 0; layout < 8; layout++)
            check_problem(layout, shape[i][0], shape[i][1], shape[i][2]);
}
END_TEST

START_TEST(product_is_bitwise_the_same_for_any_number_of_threads)
{
    static const size_t shape[][3] = {{128, 512, 784}, {43, 256, 512},  {128, 10, 256},
                                      {784, 512, 43},  {512, 20, 1000}, {33, 1030, 450},
                                      {1, 3000, 300},  {3000, 1, 300}};
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++)
        for (int layout = 0; layout < 8; layout++) {
            problem p = problem_new(layout, shape[i][0], shape[i][1], shape[i][2]);
            float *one = multiply(&p, 1);
            for (int threads = 2; threads <= 5; threads++) {
                float *many = multiply(&p, threads);
                ck_assert_msg(naive_same(one, many, p.M * p.N),
                              "layout %d, %zu x %zu x %zu, %d threads", layout, p.M, p.N, p.K,
                              threads);
                free(many);
            }
            free(one);
            problem_free(&p);
        }
}
END_TEST

START_TEST(product_touches_nothing_outside_its_output)
{
    static const size_t shape[][3] = {{13, 10, 20}, {15, 17, 3}, {100, 10, 30},
                                      {1, 1, 1},    {29, 47, 5}, {14, 32, 8}};
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++)
        for (int layout = 0; layout < 8; layout++) {
            problem p = problem_new(layout, shape[i][0], shape[i][1], shape[i][2]);
            const size_t n = p.M * p.N, guard = 64;
            float *c = naive_random(n + 2 * guard, 4), *before = naive_copy(c, n + 2 * guard);
            ty_kernel_gemm(p.trans_a, p.trans_b, p.M, p.N, p.K, p.a, p.b, p.accumulate, c + guard);
            ck_assert(naive_same(c, before, guard));
            ck_assert(naive_same(c + guard + n, before + guard + n, guard));
            free(c), free(before);
            problem_free(&p);
        }
}
END_TEST

START_TEST(a_nan_reaches_exactly_its_row_or_column)
{
    enum { M = 30, N = 40, K = 20 };
    problem p = problem_new(0, M, N, K);
    p.a[7 * K + 3] = NAN;
    float *c = multiply(&p, 1);
    for (int i = 0; i < M * N; i++)
        ck_assert_int_eq(isnan(c[i]) != 0, i / N == 7);
    free(c);
    problem_free(&p);
}
END_TEST

/* ---- a library in its place ---- */

/* Both chains round K times in their own order: twice the bound of one. */
static void check_blas(int layout, size_t M, size_t N, size_t K, int threads)
{
    problem p = problem_new(layout, M, N, K);
    float *own, *his;

    ty_kernel_use_own_gemm();
    own = multiply(&p, threads);
    ck_assert_int_eq(ty_kernel_use_blas(NULL).code, TY_OK);
    const unsigned long before = ty_gemm_blas_calls();
    his = multiply(&p, threads);
    ck_assert(K == 0 || ty_gemm_blas_calls() > before);
    ty_kernel_use_own_gemm();
    for (size_t i = 0; i < M * N; i++)
        ck_assert_msg(fabs((double)own[i] - (double)his[i]) <= 2 * bound(K),
                      "layout %d, %zu x %zu x %zu, element %zu: %g and %g", layout, M, N, K, i,
                      (double)own[i], (double)his[i]);
    free(own), free(his);
    problem_free(&p);
}

/* Whether there is a library to compare with; says so when not. */
static int have_blas(void)
{
    const char *library = "";
    const ty_err e = ty_kernel_use_blas(&library);
    ty_kernel_use_own_gemm();
    printf("CBLAS: %s\n", e.code ? e.msg : library);
    if (e.code)
        ck_assert(e.code == TY_EMISSING && strstr(e.msg, "install"));
    return !e.code;
}

START_TEST(own_product_and_a_blas_are_equal_within_rounding)
{
    static const size_t shape[][3] = {{128, 512, 784}, {43, 256, 512}, {128, 10, 256},
                                      {256, 10, 128},  {13, 1, 7},     {1, 40, 0},
                                      {3000, 1, 300},  {5, 700, 3}};
    if (have_blas())
        for (size_t i = 0; i < sizeof shape / sizeof *shape; i++)
            for (int layout = 0; layout < 8; layout++)
                for (int threads = 1; threads <= 3; threads++)
                    check_blas(layout, shape[i][0], shape[i][1], shape[i][2], threads);
}
END_TEST

/* A shard of columns of w, b and y: steps longer than rows, and a bias that starts every row. */
START_TEST(a_blas_takes_steps_and_bias_of_a_shard)
{
    enum { M = 37, N = 48, K = 29, FROM = 16, WIDE = 20 };
    float *x = naive_random(M * K, 1), *w = naive_random(K * N, 2), *b = naive_random(N, 3);
    float *y = naive_random(M * N, 4), *right = naive_copy(y, M * N), *start = naive_copy(y, M * N);
    ty_product p = {.M = M,
                    .N = WIDE,
                    .K = K,
                    .a = x,
                    .a_step = K,
                    .b = w + FROM,
                    .b_step = N,
                    .start = b + FROM,
                    .start_step = 0,
                    .c = right + FROM,
                    .c_step = N};
    if (have_blas()) {
        ty_gemm(&p);
        ck_assert_int_eq(ty_kernel_use_blas(NULL).code, TY_OK);
        p.c = y + FROM;
        ty_gemm(&p);
        ty_kernel_use_own_gemm();
        for (size_t i = 0; i < M * N; i++)
            if (i % N >= FROM && i % N < FROM + WIDE)
                ck_assert(fabs((double)y[i] - (double)right[i]) <= 2 * bound(K));
            else
                ck_assert(y[i] == start[i] && right[i] == start[i]);
    }
    free(x), free(w), free(b), free(y), free(right), free(start);
}
END_TEST

/* ---- linear layer ---- */

static void check_linear(size_t M, size_t N, size_t K)
{
    float *x = naive_random(M * K, 1), *w = naive_random(K * N, 2), *b = naive_random(N, 3);
    float *dy = naive_random(M * N, 4), *y = naive_random(M * N, 5), *dx = naive_random(M * K, 6);
    float *dw = naive_random(K * N, 7), *db = naive_random(N, 8);
    double *ey = malloc((M * N + 1) * sizeof *ey), *ex = malloc((M * K + 1) * sizeof *ex);
    double *ew = malloc((K * N + 1) * sizeof *ew), *eb = malloc((N + 1) * sizeof *eb), flops = 0;

    for (size_t i = 0; i < M * N; i++)
        ey[i] = (double)b[i % N];
    for (size_t i = 0; i < K * N; i++)
        ew[i] = (double)dw[i];
    for (size_t j = 0; j < N; j++) {
        eb[j] = (double)db[j];
        for (size_t i = 0; i < M; i++)
            eb[j] += (double)dy[i * N + j];
    }
    naive_gemm(0, 0, M, N, K, x, w, 1, ey, &flops);
    naive_gemm(0, 1, M, K, N, dy, w, 0, ex, &flops);
    naive_gemm(1, 0, K, N, M, x, dy, 1, ew, &flops);

    ty_kernel_linear_fwd(y, x, w, b, M, N, K);
    ty_kernel_linear_bwd_x(dx, dy, w, M, N, K);
    ty_kernel_linear_bwd_w(dw, x, dy, M, N, K);
    ty_kernel_linear_bwd_b(db, dy, M, N);
    ck_assert_msg(naive_distance(y, ey, M * N) <= bound(K), "y of %zu %zu %zu", M, N, K);
    ck_assert_msg(naive_distance(dx, ex, M * K) <= bound(N), "dx of %zu %zu %zu", M, N, K);
    ck_assert_msg(naive_distance(dw, ew, K * N) <= bound(M), "dw of %zu %zu %zu", M, N, K);
    ck_assert_msg(naive_distance(db, eb, N) <= bound(M), "db of %zu %zu %zu", M, N, K);

    free(x), free(w), free(b), free(dy), free(y), free(dx), free(dw), free(db);
    free(ey), free(ex), free(ew), free(eb);
}

START_TEST(linear_layer_and_its_gradients_are_the_naive_ones)
{
    static const size_t size[] = {0, 1, 3, 10, 17, 43, 130};
    const size_t n = sizeof size / sizeof *size;
    for (size_t i = 0; i < n * n * n; i++)
        check_linear(size[i % n], size[i / n % n], size[i / n / n]);
}
END_TEST

START_TEST(linear_without_bias_is_the_product)
{
    enum { M = 20, N = 33, K = 11 };
    float *x = naive_random(M * K, 1), *w = naive_random(K * N, 2);
    float *y = naive_random(M * N, 3), *c = naive_random(M * N, 4);
    ty_kernel_linear_fwd(y, x, w, NULL, M, N, K);
    ty_kernel_gemm(0, 0, M, N, K, x, w, 0, c);
    ck_assert(naive_same(y, c, M * N));
    free(x), free(w), free(y), free(c);
}
END_TEST

START_TEST(rows_of_a_batch_do_not_depend_on_how_it_is_sharded)
{
    enum { M = 128, N = 72, K = 500, CUT = 43 };
    float *x = naive_random(M * K, 1), *w = naive_random(K * N, 2), *b = naive_random(N, 3);
    float *whole = naive_random(M * N, 4), *parts = naive_random(M * N, 5);
    ty_kernel_linear_fwd(whole, x, w, b, M, N, K);
    ty_kernel_linear_fwd(parts, x, w, b, CUT, N, K);
    ty_kernel_linear_fwd(parts + CUT * N, x + CUT * K, w, b, M - CUT, N, K);
    ck_assert(naive_same(whole, parts, M * N));
    free(x), free(w), free(b), free(whole), free(parts);
}
END_TEST

START_TEST(bias_gradient_is_bitwise_the_same_for_any_number_of_threads)
{
    enum { M = 300, N = 1111 };
    float *dy = naive_random(M * N, 1), *start = naive_random(N, 2), *one = naive_copy(start, N);
    ty_kernel_set_threads(1);
    ty_kernel_linear_bwd_b(one, dy, M, N);
    for (int threads = 2; threads <= 5; threads++) {
        float *many = naive_copy(start, N);
        ty_kernel_set_threads(threads);
        ty_kernel_linear_bwd_b(many, dy, M, N);
        ck_assert(naive_same(one, many, N));
        free(many);
    }
    ty_kernel_set_threads(1);
    free(dy), free(start), free(one);
}
END_TEST

/* ---- a network of two layers against finite differences ---- */

enum { B = 7, IN = 5, HID = 9, OUT = 4 };

typedef struct net {
    float w1[IN * HID], b1[HID], w2[HID * OUT], b2[OUT];
} net;

/* Loss in double of linear, ReLU, linear, softmax. */
static double net_loss(const net *n, const float *x, const float *labels)
{
    double h[B * HID], y[B * OUT], d[B * OUT];
    for (int i = 0; i < B; i++) {
        for (int j = 0; j < HID; j++) {
            double sum = (double)n->b1[j];
            for (int k = 0; k < IN; k++)
                sum += (double)x[i * IN + k] * (double)n->w1[k * HID + j];
            h[i * HID + j] = fmax(sum, 0);
        }
        for (int j = 0; j < OUT; j++) {
            y[i * OUT + j] = (double)n->b2[j];
            for (int k = 0; k < HID; k++)
                y[i * OUT + j] += h[i * HID + k] * (double)n->w2[k * OUT + j];
        }
    }
    return naive_softmax(d, y, labels, B, OUT, 1);
}

static double net_gradient(const net *n, const float *x, const float *labels, net *d)
{
    float h[B * HID], y[B * OUT], dh[B * HID];
    memset(d, 0, sizeof *d);
    ty_kernel_linear_fwd(h, x, n->w1, n->b1, B, HID, IN);
    ty_kernel_relu_fwd(h, B * HID);
    ty_kernel_linear_fwd(y, h, n->w2, n->b2, B, OUT, HID);
    const double loss = ty_kernel_softmax_xent(y, y, labels, B, OUT, 1, NULL);
    ty_kernel_linear_bwd_w(d->w2, h, y, B, OUT, HID);
    ty_kernel_linear_bwd_b(d->b2, y, B, OUT);
    ty_kernel_linear_bwd_x(dh, y, n->w2, B, OUT, HID);
    ty_kernel_relu_bwd(dh, h, B * HID);
    ty_kernel_linear_bwd_w(d->w1, x, dh, B, HID, IN);
    ty_kernel_linear_bwd_b(d->b1, dh, B, HID);
    return loss;
}

/* Steps of 2^-10 are exact in float for parameters below 1; the central difference errs by about
 * 1e-6. */
START_TEST(gradients_are_the_slopes_of_the_loss)
{
    enum { PARAMETERS = sizeof(net) / sizeof(float) };
    union {
        net net;
        float p[PARAMETERS];
    } n, d, up, down;
    const float step = 1.0f / 1024;
    float *x = naive_random(B * IN, 1), *p = naive_random(PARAMETERS, 2), labels[B];

    memcpy(n.p, p, sizeof n.p);
    for (int i = 0; i < B; i++)
        labels[i] = (float)(i % OUT);
    ck_assert_double_eq_tol(net_gradient(&n.net, x, labels, &d.net), net_loss(&n.net, x, labels),
                            1e-5);
    for (int i = 0; i < PARAMETERS; i++) {
        up = down = n;
        up.p[i] += step;
        down.p[i] -= step;
        const double slope = (net_loss(&up.net, x, labels) - net_loss(&down.net, x, labels)) /
                             ((double)up.p[i] - (double)down.p[i]);
        ck_assert_double_eq_tol((double)d.p[i], slope, 2e-4);
    }
    free(x), free(p);
}
END_TEST

/* ---- work ---- */

START_TEST(work_of_the_products_is_what_the_naive_loops_count)
{
    enum { M = 6, N = 7, K = 5 };
    float *x = naive_random(M * K, 1), *w = naive_random(K * N, 2), *dy = naive_random(M * N, 3);
    double out[M * N + K * N + M * K], y = 0, dx = 0, dw = 0;
    const double floats = M * K + K * N + M * N;
    ty_work work;

    naive_gemm(0, 0, M, N, K, x, w, 0, out, &y);
    naive_gemm(0, 1, M, K, N, dy, w, 0, out, &dx);
    naive_gemm(1, 0, K, N, M, x, dy, 0, out, &dw);
    work = ty_work_linear_fwd(M, N, K);
    ck_assert(work.flops == y && work.bytes == 4 * (floats + N) && work.cls == TY_CLASS_GEMM_NN);
    ck_assert(work.m == M && work.n == N && work.k == K);
    work = ty_work_linear_bwd_x(M, N, K);
    ck_assert(work.flops == dx && work.bytes == 4 * floats && work.cls == TY_CLASS_GEMM_NT);
    ck_assert(work.m == M && work.n == K && work.k == N);
    work = ty_work_linear_bwd_w(M, N, K);
    ck_assert(work.flops == dw && work.bytes == 4 * (floats + K * N) &&
              work.cls == TY_CLASS_GEMM_TN);
    ck_assert(work.m == K && work.n == N && work.k == M);
    work = ty_work_linear_bwd_b(M, N);
    ck_assert(work.flops == M * N && work.bytes == 4 * (M * N + 2 * N));
    free(x), free(w), free(dy);
}
END_TEST

START_TEST(classes_have_names)
{
    ck_assert_str_eq(ty_class_name(TY_CLASS_GEMM_NN), "gemm_nn");
    ck_assert_str_eq(ty_class_name(TY_CLASS_AUGMENT), "augment");
    for (int i = 0; i < TY_CLASSES; i++)
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(ty_class_name((ty_class)i), ty_class_name((ty_class)j));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    TCase *cases = open_cases("linear", argv);
    tcase_add_test(cases, product_is_the_naive_one_for_every_small_shape);
    tcase_add_test(cases, product_is_the_naive_one_across_block_borders);
    tcase_add_test(cases, product_is_bitwise_the_same_for_any_number_of_threads);
    tcase_add_test(cases, product_touches_nothing_outside_its_output);
    tcase_add_test(cases, a_nan_reaches_exactly_its_row_or_column);
    tcase_add_test(cases, own_product_and_a_blas_are_equal_within_rounding);
    tcase_add_test(cases, a_blas_takes_steps_and_bias_of_a_shard);
    tcase_add_test(cases, linear_layer_and_its_gradients_are_the_naive_ones);
    tcase_add_test(cases, linear_without_bias_is_the_product);
    tcase_add_test(cases, rows_of_a_batch_do_not_depend_on_how_it_is_sharded);
    tcase_add_test(cases, bias_gradient_is_bitwise_the_same_for_any_number_of_threads);
    tcase_add_test(cases, gradients_are_the_slopes_of_the_loss);
    tcase_add_test(cases, work_of_the_products_is_what_the_naive_loops_count);
    tcase_add_test(cases, classes_have_names);
    return run_cases("kernels/linear", cases);
}
