/* SPDX-License-Identifier: MIT
 *
 * Element-wise kernels, ReLU, softmax and optimizers against naive references.
 */
#include "kernels/kernels.h"
#include "tests/kernel_suite.h"
#include "tests/naive.h"

#include <check.h>
#include <stdint.h>

static const size_t sizes[] = {0, 1, 7, 16, 33, 1000, 200003};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* ---- element-wise ---- */

START_TEST(add_scale_copy_and_fill_do_what_they_say)
{
    for (int s = 0; s < SIZES; s++) {
        const size_t n = sizes[s];
        float *x = naive_random(n, 1), *y = naive_random(n, 2), *z = naive_copy(y, n);
        ty_kernel_add(z, x, n);
        for (size_t i = 0; i < n; i++)
            ck_assert(z[i] == y[i] + x[i]);
        ty_kernel_scale(z, 0.3f, n);
        for (size_t i = 0; i < n; i++)
            ck_assert(z[i] == (y[i] + x[i]) * 0.3f);
        ty_kernel_copy(z, x, n);
        ck_assert(naive_same(z, x, n));
        ty_kernel_fill(z, -2.5f, n);
        for (size_t i = 0; i < n; i++)
            ck_assert(z[i] == -2.5f);
        free(x), free(y), free(z);
    }
}
END_TEST

START_TEST(relu_cuts_negatives_and_passes_their_gradient_nowhere)
{
    for (int s = 0; s < SIZES; s++) {
        const size_t n = sizes[s];
        float *x = naive_random(n, 1), *y = naive_copy(x, n), *g = naive_random(n, 2);
        float *d = naive_copy(g, n);
        ty_kernel_relu_fwd(y, n);
        ty_kernel_relu_bwd(d, y, n);
        for (size_t i = 0; i < n; i++) {
            ck_assert(y[i] == (x[i] > 0 ? x[i] : 0));
            ck_assert(d[i] == (x[i] > 0 ? g[i] : 0));
        }
        free(x), free(y), free(g), free(d);
    }
}
END_TEST

START_TEST(relu_lets_no_gradient_through_at_zero_and_hides_no_nan)
{
    float y[3] = {0, NAN, -0.0f}, dy[3] = {5, 5, 5};
    ty_kernel_relu_fwd(y, 3);
    ck_assert(y[0] == 0 && isnan(y[1]) && y[2] == 0);
    ty_kernel_relu_bwd(dy, y, 3);
    ck_assert(dy[0] == 0 && dy[2] == 0);
}
END_TEST

/* ---- optimizers ---- */

START_TEST(sgd_follows_its_formula)
{
    for (int s = 0; s < SIZES; s++) {
        const size_t n = sizes[s];
        float *p = naive_random(n, 1), *v = naive_random(n, 2), *g = naive_random(n, 3);
        float *p0 = naive_copy(p, n), *v0 = naive_copy(v, n);
        ty_kernel_sgd(p, v, g, n, 0.05f, 0.9f);
        for (size_t i = 0; i < n; i++) {
            const double vi = (double)0.9f * (double)v0[i] + (double)g[i];
            ck_assert_double_eq_tol((double)v[i], vi, 3e-7);
            ck_assert_double_eq_tol((double)p[i], (double)p0[i] - (double)0.05f * vi, 3e-7);
        }
        free(p), free(v), free(g), free(p0), free(v0);
    }
}
END_TEST

START_TEST(adamw_follows_the_paper_over_several_steps)
{
    enum { N = 37, STEPS = 5 };
    const double lr = (double)0.01f, b1 = (double)0.9f, b2 = (double)0.999f, eps = (double)1e-8f;
    const double decay = (double)0.1f;
    float *p = naive_random(N, 1), m[N] = {0}, v[N] = {0};
    double ep[N], em[N] = {0}, ev[N] = {0};

    for (int i = 0; i < N; i++)
        ep[i] = (double)p[i];
    for (int step = 1; step <= STEPS; step++) {
        float *g = naive_random(N, 10 + (uint64_t)step);
        ty_kernel_adamw(p, m, v, g, N, 0.01f, 0.9f, 0.999f, 1e-8f, 0.1f, step);
        for (int i = 0; i < N; i++) {
            em[i] = b1 * em[i] + (1 - b1) * (double)g[i];
            ev[i] = b2 * ev[i] + (1 - b2) * (double)g[i] * (double)g[i];
            const double mh = em[i] / (1 - pow(b1, step)), vh = ev[i] / (1 - pow(b2, step));
            ep[i] -= lr * (mh / (sqrt(vh) + eps) + decay * ep[i]);
        }
        free(g);
    }
    ck_assert(naive_distance(p, ep, N) < 1e-5);
    ck_assert(naive_distance(m, em, N) < 1e-6);
    ck_assert(naive_distance(v, ev, N) < 1e-6);
    free(p);
}
END_TEST

/* ---- softmax ---- */

static void check_softmax(size_t rows, size_t classes, double spread, int in_place)
{
    const size_t n = rows * classes;
    float *x = naive_random(n, 1), *labels = naive_random(rows, 2);
    double *ex = malloc((n + 1) * sizeof *ex), *ed = malloc((n + 1) * sizeof *ed);
    size_t correct = 99, hits = 0;

    for (size_t i = 0; i < n; i++) {
        x[i] *= (float)spread;
        ex[i] = (double)x[i];
    }
    for (size_t i = 0; i < rows; i++) {
        size_t best = 0;
        labels[i] = (float)(i * 7 % classes);
        for (size_t j = 1; j < classes; j++)
            best = ex[i * classes + j] > ex[i * classes + best] ? j : best;
        hits += best == (size_t)labels[i];
    }
    float *d = in_place ? x : naive_random(n, 3);
    const double loss = ty_kernel_softmax_xent(d, x, labels, rows, classes, 0.25f, &correct);
    const double exact = naive_softmax(ed, ex, labels, rows, classes, 0.25);
    ck_assert_msg(fabs(loss - exact) <= 1e-6 * (1 + exact), "%zu x %zu: loss %g, not %g", rows,
                  classes, loss, exact);
    ck_assert_msg(naive_distance(d, ed, n) < 1e-6, "%zu x %zu: gradient off by %g", rows, classes,
                  naive_distance(d, ed, n));
    ck_assert_uint_eq(correct, hits);
    if (!in_place)
        free(d);
    free(x), free(labels), free(ex), free(ed);
}

START_TEST(softmax_is_the_naive_one_in_place_or_not)
{
    static const size_t rows[] = {0, 1, 3, 128, 300, 1000},
                        classes[] = {1, 2, 9, 10, 15, 16, 17, 100};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t j = 0; j < sizeof classes / sizeof *classes; j++)
            for (int in_place = 0; in_place < 2; in_place++)
                check_softmax(rows[i], classes[j], 5, in_place);
}
END_TEST

START_TEST(softmax_survives_logits_that_overflow_exp)
{
    check_softmax(50, 10, 1e4, 0);
    check_softmax(50, 37, 90, 1);
}
END_TEST

START_TEST(softmax_counts_only_the_first_of_equal_logits)
{
    const float logits[6] = {1, 1, 0, 0, 2, 2}, labels[2] = {1, 1};
    float d[6];
    size_t correct;
    ty_kernel_softmax_xent(d, logits, labels, 2, 3, 1, &correct);
    ck_assert_uint_eq(correct, 1);
}
END_TEST

START_TEST(softmax_shows_a_divergence_and_a_label_that_is_no_class)
{
    float logits[3] = {0, NAN, 1}, fine[3] = {0, 1, 2}, d[3];
    const float label = 2, none[] = {3, -1, NAN};
    ck_assert(isnan(ty_kernel_softmax_xent(d, logits, &label, 1, 3, 1, NULL)));
    for (int i = 0; i < 3; i++) {
        size_t correct;
        ck_assert(isnan(ty_kernel_softmax_xent(d, fine, &none[i], 1, 3, 1, &correct)));
        ck_assert_uint_eq(correct, 0);
    }
}
END_TEST

/* ---- threads ---- */

enum { N = 400003, ROWS = 1500, CLASSES = 77, LOGITS = ROWS * CLASSES };

/* Every kernel once, on the same numbers; the results one after the other in out. */
static size_t run_all(float *out, int threads)
{
    float *x = naive_random(N, 1), *v = out + N, *m = out + 2 * N, *d = out + 3 * N;
    float *labels = naive_random(ROWS, 2), *v0 = naive_random(N, 3);
    double loss;

    ty_kernel_set_threads(threads);
    for (int i = 0; i < ROWS; i++)
        labels[i] = (float)(i % CLASSES);
    ty_kernel_fill(out, 0.5f, N);
    ty_kernel_copy(v, v0, N);
    ty_kernel_fill(m, 0, N);
    ty_kernel_sgd(out, v, x, N, 0.1f, 0.9f);
    ty_kernel_add(out, x, N);
    ty_kernel_relu_bwd(v, out, N);
    ty_kernel_relu_fwd(v, N);
    ty_kernel_scale(out, 1.7f, N);
    ty_kernel_adamw(out, m, v, x, N, 0.01f, 0.9f, 0.99f, 1e-8f, 0.1f, 3);
    loss = ty_kernel_softmax_xent(d, x, labels, ROWS, CLASSES, 0.1f, NULL);
    memcpy(d + LOGITS, &loss, sizeof loss);
    ty_kernel_set_threads(1);
    free(x), free(labels), free(v0);
    return 3 * N + LOGITS + 2;
}

START_TEST(results_are_bitwise_the_same_for_any_number_of_threads)
{
    float *one = naive_random(3 * N + LOGITS + 2, 1), *many = naive_random(3 * N + LOGITS + 2, 2);
    const size_t n = run_all(one, 1);
    for (int threads = 2; threads <= 4; threads++) {
        run_all(many, threads);
        ck_assert_msg(naive_same(one, many, n), "%d threads", threads);
    }
    free(one), free(many);
}
END_TEST

START_TEST(there_is_at_least_one_processor_and_one_thread)
{
    ck_assert_int_ge(ty_kernel_max_threads(), 1);
    ty_kernel_set_threads(0); /* taken as 1 */
    float x = 1;
    ty_kernel_scale(&x, 3, 1);
    ck_assert(x == 3);
}
END_TEST

START_TEST(peak_is_a_plausible_rate)
{
    const double peak = ty_kernel_fma_peak(0.01);
    ck_assert(peak > 1e8 && peak < 1e14);
}
END_TEST

/* ---- work ---- */

static void check_work(ty_work w, ty_class cls, double flops, double bytes)
{
    ck_assert(w.cls == cls && w.m == 1000 && w.n == 1 && w.k == 1);
    ck_assert(w.flops == 1000 * flops && w.bytes == 1000 * bytes);
}

/* Momentum of a gradient that stays zero: without it the update would take a hundred times as long. */
START_TEST(a_denormal_number_counts_as_zero_on_every_thread)
{
#if defined(__SSE__) || defined(__aarch64__)
    enum { MANY = 1 << 18 };
    float *x = naive_random(MANY, 1);
    for (int threads = 1; threads <= 2; threads++) {
        for (size_t i = 0; i < MANY; i++)
            x[i] = 1.5e-38f;
        ty_kernel_set_threads(threads);
        ty_kernel_scale(x, 0.5f, MANY);
        for (size_t i = 0; i < MANY; i++)
            ck_assert(((uint32_t *)(void *)x)[i] == 0);
    }
    ty_kernel_set_threads(1);
    free(x);
#endif
}
END_TEST

START_TEST(work_counts_every_operand_once)
{
    check_work(ty_work_add(1000), TY_CLASS_STREAM, 1, 12);
    check_work(ty_work_scale(1000), TY_CLASS_STREAM, 1, 8);
    check_work(ty_work_copy(1000), TY_CLASS_COPY, 0, 8);
    check_work(ty_work_fill(1000), TY_CLASS_COPY, 0, 4);
    check_work(ty_work_relu_fwd(1000), TY_CLASS_STREAM, 1, 8);
    check_work(ty_work_relu_bwd(1000), TY_CLASS_STREAM, 1, 12);
    check_work(ty_work_sgd(1000), TY_CLASS_UPDATE, 4, 20);
    check_work(ty_work_adamw(1000), TY_CLASS_UPDATE, 16, 28);
    const ty_work w = ty_work_softmax_xent(100, 10);
    ck_assert(w.cls == TY_CLASS_SOFTMAX && w.m == 100 && w.n == 10 && w.k == 1);
    ck_assert(w.flops == 5500 && w.bytes == 8400);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    TCase *cases = open_cases("elementwise", argv);
    tcase_add_test(cases, add_scale_copy_and_fill_do_what_they_say);
    tcase_add_test(cases, relu_cuts_negatives_and_passes_their_gradient_nowhere);
    tcase_add_test(cases, relu_lets_no_gradient_through_at_zero_and_hides_no_nan);
    tcase_add_test(cases, sgd_follows_its_formula);
    tcase_add_test(cases, adamw_follows_the_paper_over_several_steps);
    tcase_add_test(cases, softmax_is_the_naive_one_in_place_or_not);
    tcase_add_test(cases, softmax_survives_logits_that_overflow_exp);
    tcase_add_test(cases, softmax_counts_only_the_first_of_equal_logits);
    tcase_add_test(cases, softmax_shows_a_divergence_and_a_label_that_is_no_class);
    tcase_add_test(cases, results_are_bitwise_the_same_for_any_number_of_threads);
    tcase_add_test(cases, there_is_at_least_one_processor_and_one_thread);
    tcase_add_test(cases, peak_is_a_plausible_rate);
    tcase_add_test(cases, a_denormal_number_counts_as_zero_on_every_thread);
    tcase_add_test(cases, work_counts_every_operand_once);
    return run_cases("kernels/elementwise", cases);
}
