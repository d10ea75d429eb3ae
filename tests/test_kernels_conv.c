/* SPDX-License-Identifier: MIT
 *
 * Convolution and pooling, against naive references and finite differences.
 */
#include "kernels/kernels.h"
#include "tests/kernel_suite.h"
#include "tests/naive_conv.h"

#include <check.h>

/* As in test_kernels_linear.c: K terms below 1. */
static double bound(size_t K)
{
    return 3e-7 * (4 + (double)K);
}

/* ---- convolution ---- */

/* Everything a convolution reads, and everything it writes, which begins as noise. */
typedef struct problem {
    ty_conv s;
    size_t nx, ny, nw;
    float *x, *w, *b, *dy;   /* in */
    float *y, *dx, *dw, *db; /* out */
    float *space;
} problem;

static problem problem_new(ty_conv s)
{
    problem p = {.s = s};
    p.nx = s.B * s.C * s.H * s.W;
    p.ny = s.B * s.F * ty_conv_rows(&s) * ty_conv_cols(&s);
    p.nw = s.F * s.C * s.K * s.K;
    p.x = naive_random(p.nx, 1), p.w = naive_random(p.nw, 2), p.b = naive_random(s.F, 3);
    p.dy = naive_random(p.ny, 4), p.y = naive_random(p.ny, 5), p.dx = naive_random(p.nx, 6);
    p.dw = naive_random(p.nw, 7), p.db = naive_random(s.F, 8);
    p.space = naive_random(ty_conv_workspace(&s), 9);
    return p;
}

static void problem_free(problem *p)
{
    free(p->x), free(p->w), free(p->b), free(p->dy), free(p->space);
    free(p->y), free(p->dx), free(p->dw), free(p->db);
}

static void run(problem *p)
{
    ty_kernel_conv_fwd(p->y, p->x, p->w, p->b, &p->s, p->space);
    ty_kernel_conv_bwd_x(p->dx, p->dy, p->w, &p->s, p->space);
    ty_kernel_conv_bwd_w(p->dw, p->db, p->x, p->dy, &p->s, p->space);
}

static double *widened(const float *x, size_t n)
{
    double *y = malloc((n + 1) * sizeof *y);
    for (size_t i = 0; i < n; i++)
        y[i] = (double)x[i];
    return y;
}

static void near(const char *what, const ty_conv *s, const float *x, const double *exact, size_t n,
                 size_t terms)
{
    const double off = naive_distance(x, exact, n);
    ck_assert_msg(off <= bound(terms), "%s: B %zu C %zu H %zu W %zu F %zu K %zu P %zu: off by %g",
                  what, s->B, s->C, s->H, s->W, s->F, s->K, s->P, off);
}

static void check_conv(ty_conv s)
{
    problem p = problem_new(s);
    const size_t taps = s.K * s.K, sums = s.B * ty_conv_rows(&s) * ty_conv_cols(&s);
    double *y = widened(p.y, p.ny), *dx = widened(p.dx, p.nx), *dw = widened(p.dw, p.nw);
    double *db = widened(p.db, s.F), flops = 0;

    naive_conv_fwd(y, p.x, p.w, p.b, &s, &flops);
    naive_conv_bwd(dx, dw, db, p.x, p.dy, p.w, &s);
    run(&p);
    near("y", &s, p.y, y, p.ny, s.C * taps);
    near("dx", &s, p.dx, dx, p.nx, s.F * taps);
    near("dw", &s, p.dw, dw, p.nw, sums);
    near("db", &s, p.db, db, s.F, sums);
    free(y), free(dx), free(dw), free(db);
    problem_free(&p);
}

START_TEST(convolution_and_its_gradients_are_the_naive_ones)
{
    static const size_t side[] = {1, 2, 5, 7, 16, 19}, many[] = {1, 3, 9, 17};
    for (size_t K = 1; K <= 5; K++)
        for (size_t P = 0; P < K; P += 1 + P / 2)
            for (size_t i = 0; i < 6; i++)
                for (size_t j = 0; j < 4; j++)
                    check_conv((ty_conv){1 + (i + j) % 3, many[j], side[i], side[(i + j) % 6],
                                         many[(i + K) % 4], K, P});
}
END_TEST

START_TEST(convolutions_of_the_known_networks_are_the_naive_ones)
{
    check_conv((ty_conv){3, 1, 28, 28, 32, 3, 0});
    check_conv((ty_conv){2, 32, 26, 26, 64, 3, 0});
    check_conv((ty_conv){11, 1, 28, 28, 6, 5, 2});
    check_conv((ty_conv){19, 6, 14, 14, 16, 5, 0});
    check_conv((ty_conv){17, 2, 8, 40, 5, 7, 3});
    check_conv((ty_conv){2, 3, 4, 330, 70, 3, 1}); /* rows longer than what is added up at a time */
    check_conv((ty_conv){1, 2, 3, 150, 130, 3, 0});
}
END_TEST

START_TEST(nothing_happens_when_there_is_nothing)
{
    check_conv((ty_conv){0, 3, 8, 8, 4, 3, 1});
    check_conv((ty_conv){2, 0, 8, 8, 4, 3, 1});
    check_conv((ty_conv){2, 3, 8, 8, 0, 3, 1});
    check_conv((ty_conv){2, 3, 0, 8, 4, 3, 0});
    check_conv((ty_conv){2, 3, 8, 0, 4, 3, 2});
    check_conv((ty_conv){2, 3, 2, 8, 4, 3, 0}); /* filters larger than the image */
    check_conv((ty_conv){2, 3, 8, 2, 4, 5, 1});
}
END_TEST

START_TEST(a_filter_of_one_pixel_is_a_linear_layer)
{
    enum { B = 2, C = 5, SIDE = 6, F = 7, PIXELS = SIDE * SIDE };
    problem p = problem_new((ty_conv){B, C, SIDE, SIDE, F, 1, 0});
    double exact[F * PIXELS], flops = 0;
    run(&p);
    for (size_t b = 0; b < B; b++) {
        for (size_t i = 0; i < F * PIXELS; i++)
            exact[i] = (double)p.b[i / PIXELS];
        naive_gemm(0, 0, F, PIXELS, C, p.w, p.x + b * C * PIXELS, 1, exact, &flops);
        near("y", &p.s, p.y + b * F * PIXELS, exact, F * PIXELS, C);
    }
    problem_free(&p);
}
END_TEST

START_TEST(convolution_works_without_bias)
{
    problem p = problem_new((ty_conv){2, 3, 9, 8, 5, 3, 1});
    double *y = widened(p.y, p.ny), flops = 0;
    float *with = naive_copy(p.dw, p.nw);
    naive_conv_fwd(y, p.x, p.w, NULL, &p.s, &flops);
    ty_kernel_conv_fwd(p.y, p.x, p.w, NULL, &p.s, p.space);
    near("y", &p.s, p.y, y, p.ny, 27);
    ty_kernel_conv_bwd_w(with, p.db, p.x, p.dy, &p.s, p.space);
    ty_kernel_conv_bwd_w(p.dw, NULL, p.x, p.dy, &p.s, p.space);
    ck_assert(naive_same(p.dw, with, p.nw));
    free(y), free(with);
    problem_free(&p);
}
END_TEST

/* The outputs of a run with that many threads, and its workspace full of other noise. */
static problem with_threads(ty_conv s, int threads)
{
    problem p = problem_new(s);
    for (size_t i = 0; i < ty_conv_workspace(&s); i++)
        p.space[i] = (float)threads * 1e30f;
    ty_kernel_set_threads(threads);
    run(&p);
    ty_kernel_set_threads(1);
    return p;
}

START_TEST(convolution_is_bitwise_the_same_for_any_number_of_threads)
{
    static const ty_conv shape[] = {{64, 1, 28, 28, 6, 5, 2},
                                    {37, 6, 14, 14, 16, 5, 0},
                                    {5, 32, 26, 26, 64, 3, 0},
                                    {1, 16, 20, 20, 50, 3, 1},
                                    {9, 40, 12, 12, 33, 1, 0}};
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        problem one = with_threads(shape[i], 1);
        for (int threads = 2; threads <= 5; threads++) {
            problem many = with_threads(shape[i], threads);
            ck_assert_msg(naive_same(one.y, many.y, one.ny), "y of shape %zu", i);
            ck_assert_msg(naive_same(one.dx, many.dx, one.nx), "dx of shape %zu", i);
            ck_assert_msg(naive_same(one.dw, many.dw, one.nw), "dw of shape %zu", i);
            ck_assert_msg(naive_same(one.db, many.db, one.s.F), "db of shape %zu", i);
            problem_free(&many);
        }
        problem_free(&one);
    }
}
END_TEST

START_TEST(images_of_a_batch_do_not_depend_on_how_it_is_sharded)
{
    const ty_conv whole = {9, 3, 13, 11, 10, 3, 1};
    problem p = problem_new(whole), part = problem_new((ty_conv){4, 3, 13, 11, 10, 3, 1});
    const size_t y = p.ny / 9, x = p.nx / 9;
    run(&p);
    ty_kernel_conv_fwd(part.y, p.x + 5 * x, p.w, p.b, &part.s, part.space);
    ty_kernel_conv_bwd_x(part.dx, p.dy + 5 * y, p.w, &part.s, part.space);
    ck_assert(naive_same(part.y, p.y + 5 * y, 4 * y));
    ck_assert(naive_same(part.dx, p.dx + 5 * x, 4 * x));
    problem_free(&p), problem_free(&part);
}
END_TEST

/* `part` stands within noise that stays. */
static float *guarded(size_t n)
{
    return naive_random(n + 128, 10);
}

static int intact(const float *x, size_t n)
{
    float *was = guarded(n);
    const int same = naive_same(x, was, 64) && naive_same(x + 64 + n, was + 64 + n, 64);
    free(was);
    return same;
}

START_TEST(convolution_touches_nothing_outside_its_outputs_and_workspace)
{
    static const ty_conv shape[] = {{3, 2, 7, 9, 5, 3, 1},
                                    {2, 1, 5, 5, 1, 5, 0},
                                    {9, 3, 17, 16, 9, 2, 1},
                                    {1, 1, 1, 1, 1, 1, 0}};
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        problem p = problem_new(shape[i]);
        const size_t n = ty_conv_workspace(&p.s), F = p.s.F;
        float *y = guarded(p.ny), *dx = guarded(p.nx), *dw = guarded(p.nw), *db = guarded(F);
        float *space = guarded(n);
        ty_kernel_conv_fwd(y + 64, p.x, p.w, p.b, &p.s, space + 64);
        ty_kernel_conv_bwd_x(dx + 64, p.dy, p.w, &p.s, space + 64);
        ty_kernel_conv_bwd_w(dw + 64, db + 64, p.x, p.dy, &p.s, space + 64);
        ck_assert(intact(y, p.ny) && intact(dx, p.nx) && intact(dw, p.nw) && intact(db, F));
        ck_assert(intact(space, n));
        free(y), free(dx), free(dw), free(db), free(space);
        problem_free(&p);
    }
}
END_TEST

START_TEST(a_nan_reaches_exactly_the_outputs_that_see_it)
{
    problem p = problem_new((ty_conv){3, 2, 9, 9, 4, 3, 0});
    p.x[1 * 162 + 81 + 3 * 9 + 8] = NAN; /* image 1, channel 1, row 3, the last column */
    run(&p);
    for (size_t i = 0; i < p.ny; i++) {
        const size_t row = i / 7 % 7, col = i % 7;
        ck_assert_int_eq(isnan(p.y[i]) != 0, i / 196 == 1 && row >= 1 && row <= 3 && col == 6);
    }
    problem_free(&p);
}
END_TEST

/* ---- a network of convolution, ReLU, pooling and softmax against finite differences ---- */

enum { B = 3, SIDE = 6, F = 2, OUT = F * 4 }; /* 1 x 6 x 6, conv 3 x 3 to 2 x 4 x 4, pooled 2 x 2 */

typedef struct net {
    float w[F * 9], b[F], x[B * SIDE * SIDE];
} net;

static const ty_conv net_shape = {B, 1, SIDE, SIDE, F, 3, 0};

static double net_loss(const net *n, const float *labels)
{
    double y[B * F * 16], h[B * OUT], d[B * OUT], flops = 0;
    naive_conv_fwd(y, n->x, n->w, n->b, &net_shape, &flops);
    for (int i = 0; i < B * OUT; i++) {
        const double *a = y + i / 4 * 16 + i / 2 % 2 * 8 + i % 2 * 2;
        h[i] = fmax(0, fmax(fmax(a[0], a[1]), fmax(a[4], a[5])));
    }
    return naive_softmax(d, h, labels, B, OUT, 1);
}

static double net_gradient(const net *n, const float *labels, net *d)
{
    float y[B * F * 16], h[B * OUT], dy[B * F * 16];
    float *space = naive_random(ty_conv_workspace(&net_shape), 1);
    memset(d, 0, sizeof *d);
    ty_kernel_conv_fwd(y, n->x, n->w, n->b, &net_shape, space);
    ty_kernel_relu_fwd(y, B * F * 16);
    ty_kernel_pool_fwd(h, y, B * F, 4, 4);
    const double loss = ty_kernel_softmax_xent(h, h, labels, B, OUT, 1, NULL);
    ty_kernel_pool_bwd(dy, h, y, B * F, 4, 4);
    ty_kernel_relu_bwd(dy, y, B * F * 16);
    ty_kernel_conv_bwd_w(d->w, d->b, n->x, dy, &net_shape, space);
    ty_kernel_conv_bwd_x(d->x, dy, n->w, &net_shape, space);
    free(space);
    return loss;
}

/* A step of 2^-13 leaves the same element the largest of every square here. */
START_TEST(gradients_are_the_slopes_of_the_loss)
{
    enum { PARAMETERS = sizeof(net) / sizeof(float) };
    union {
        net net;
        float p[PARAMETERS];
    } n, d, up, down;
    const float step = 1.0f / 8192, labels[B] = {1, 6, 3};
    float *p = naive_random(PARAMETERS, 2);

    memcpy(n.p, p, sizeof n.p);
    ck_assert_double_eq_tol(net_gradient(&n.net, labels, &d.net), net_loss(&n.net, labels), 1e-5);
    for (int i = 0; i < PARAMETERS; i++) {
        up = down = n;
        up.p[i] += step;
        down.p[i] -= step;
        const double slope = (net_loss(&up.net, labels) - net_loss(&down.net, labels)) /
                             ((double)up.p[i] - (double)down.p[i]);
        ck_assert_double_eq_tol((double)d.p[i], slope, 1e-4);
    }
    free(p);
}
END_TEST

/* ---- pooling ---- */

static void check_pool(size_t n, size_t H, size_t W, int few)
{
    const size_t nx = n * H * W, ny = n * (H / 2) * (W / 2);
    float *x = naive_random(nx, 1), *dy = naive_random(ny, 2);
    float *y = guarded(ny), *dx = guarded(nx);
    double *ey = widened(y, ny), *ex = widened(dx, nx);

    for (size_t i = 0; few && i < nx; i++) /* three values: squares are full of equals */
        x[i] = (float)((int)(x[i] * 100) % 3);
    if (nx > 7)
        x[7] = NAN;
    naive_pool_fwd(ey, x, n, H, W);
    naive_pool_bwd(ex, dy, x, n, H, W);
    ty_kernel_pool_fwd(y + 64, x, n, H, W);
    ty_kernel_pool_bwd(dx + 64, dy, x, n, H, W);
    for (size_t i = 0; i < ny; i++)
        ck_assert(isnan(ey[i]) ? isnan(y[64 + i]) : (double)y[64 + i] == ey[i]);
    for (size_t i = 0; i < nx; i++)
        ck_assert_msg((double)dx[64 + i] == ex[i], "%zu x %zu x %zu at %zu", n, H, W, i);
    ck_assert(intact(y, ny) && intact(dx, nx));
    free(x), free(dy), free(y), free(dx), free(ey), free(ex);
}

START_TEST(pooling_takes_the_largest_and_the_first_of_equals)
{
    for (size_t n = 0; n < 4; n++)
        for (size_t H = 0; H < 7; H++)
            for (size_t W = 0; W < 40; W++)
                check_pool(n, H, W, W % 3 > 0);
}
END_TEST

START_TEST(pooling_is_bitwise_the_same_for_any_number_of_threads)
{
    enum { N = 301, H = 25, W = 27, Y = N * 12 * 13, X = N * H * W };
    float *x = naive_random(X, 1), *dy = naive_random(Y, 2);
    float *y[2] = {naive_random(Y, 3), naive_random(Y, 4)};
    float *dx[2] = {naive_random(X, 5), naive_random(X, 6)};
    for (int threads = 1; threads <= 5; threads++) {
        const int i = threads > 1;
        ty_kernel_set_threads(threads);
        ty_kernel_pool_fwd(y[i], x, N, H, W);
        ty_kernel_pool_bwd(dx[i], dy, x, N, H, W);
        ck_assert(!i || (naive_same(y[0], y[1], Y) && naive_same(dx[0], dx[1], X)));
    }
    ty_kernel_set_threads(1);
    free(x), free(dy), free(y[0]), free(y[1]), free(dx[0]), free(dx[1]);
}
END_TEST

/* ---- work ---- */

START_TEST(work_of_a_convolution_is_what_the_naive_loops_count)
{
    const ty_conv s = {2, 3, 7, 6, 5, 3, 1}; /* keeps its size: all three products count the same */
    problem p = problem_new(s);
    double *y = widened(p.y, p.ny), flops = 0;
    const double floats = (double)(p.nx + p.ny + p.nw);
    ty_work work[TY_CONV_WORKS];

    naive_conv_fwd(y, p.x, p.w, p.b, &s, &flops);
    ck_assert_int_eq(ty_work_conv_fwd(&s, work), TY_CONV_WORKS);
    ck_assert(work[0].flops == flops && work[0].bytes == 4 * (floats + 5));
    ck_assert(work[0].cls == TY_CLASS_CONV && work[0].n >= 5 && work[0].k == 27);
    ck_assert(work[0].m >= 84 && work[0].m <= 2 * (7 * 8 + 16)); /* rows of 8, whole vectors */
    ck_assert_int_eq(ty_work_conv_bwd_x(&s, work), TY_CONV_WORKS);
    ck_assert(work[0].flops == flops && work[0].bytes == 4 * floats);
    ck_assert(work[0].cls == TY_CLASS_CONV && work[0].n >= 3 && work[0].k == 45);
    ck_assert_int_eq(ty_work_conv_bwd_w(&s, work), TY_CONV_WORKS);
    ck_assert(work[0].flops == flops + (double)p.ny); /* and the additions to dbias */
    ck_assert(work[0].bytes == 4 * (floats + (double)p.nw + 10));
    ck_assert(work[0].cls == TY_CLASS_CONV_W && work[0].m >= 27 && work[0].n >= 5);
    ck_assert(work[0].k >= 84);
    free(y);
    problem_free(&p);
}
END_TEST

START_TEST(work_of_pooling_is_three_comparisons_a_square)
{
    ty_work work = ty_work_pool_fwd(4, 7, 6);
    ck_assert(work.cls == TY_CLASS_POOL && work.m == 28 && work.n == 6);
    ck_assert(work.flops == 3 * 36 && work.bytes == 4 * (168 + 36));
    work = ty_work_pool_bwd(4, 7, 6);
    ck_assert(work.flops == 3 * 36 && work.bytes == 4 * (2 * 168 + 36));
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    TCase *cases = open_cases("conv", argv);
    tcase_add_test(cases, convolution_and_its_gradients_are_the_naive_ones);
    tcase_add_test(cases, convolutions_of_the_known_networks_are_the_naive_ones);
    tcase_add_test(cases, nothing_happens_when_there_is_nothing);
    tcase_add_test(cases, a_filter_of_one_pixel_is_a_linear_layer);
    tcase_add_test(cases, convolution_works_without_bias);
    tcase_add_test(cases, convolution_is_bitwise_the_same_for_any_number_of_threads);
    tcase_add_test(cases, images_of_a_batch_do_not_depend_on_how_it_is_sharded);
    tcase_add_test(cases, convolution_touches_nothing_outside_its_outputs_and_workspace);
    tcase_add_test(cases, a_nan_reaches_exactly_the_outputs_that_see_it);
    tcase_add_test(cases, gradients_are_the_slopes_of_the_loss);
    tcase_add_test(cases, pooling_takes_the_largest_and_the_first_of_equals);
    tcase_add_test(cases, pooling_is_bitwise_the_same_for_any_number_of_threads);
    tcase_add_test(cases, work_of_a_convolution_is_what_the_naive_loops_count);
    tcase_add_test(cases, work_of_pooling_is_three_comparisons_a_square);
    return run_cases("kernels/conv", cases);
}
