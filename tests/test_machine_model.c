/* SPDX-License-Identifier: MIT
 *
 * The machine model and the fit of its constants: monotone, bounded, recovered from synthetic times, refused when noisy.
 */
#include "experiments/calibrate.h"
#include "kernels/kernels.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static ty_machine golden(void)
{
    ty_machine m;
    ty_err e = ty_machine_load(&m, TY_TEST_DIR "/machine.yaml");
    ck_assert_msg(e.code == TY_OK, "%s", e.msg);
    return m;
}

/* Work of a class that grows with i. */
static ty_work work_of(ty_class c, size_t i)
{
    switch (c) {
    case TY_CLASS_GEMM_NN:
        return ty_work_linear_fwd(i, 96, 3 * i);
    case TY_CLASS_GEMM_NT:
        return ty_work_linear_bwd_x(i, 96, 3 * i);
    case TY_CLASS_GEMM_TN:
        return ty_work_linear_bwd_w(i, 96, 3 * i);
    case TY_CLASS_STREAM:
        return ty_work_add(400 * i);
    case TY_CLASS_UPDATE:
        return ty_work_sgd(400 * i);
    case TY_CLASS_SOFTMAX:
        return ty_work_softmax_xent(i, 20);
    default:
        return ty_work_augment(i, 28, 28, 1);
    }
}

START_TEST(more_work_never_takes_less_time)
{
    const ty_machine m = golden();
    for (ty_class c = 0; c < TY_CLASSES; c++) {
        double before = 0;
        for (size_t i = 1; i < 4000; i += 7) {
            double t = ty_machine_seconds(&m, work_of(c, i), 1, 1);
            ck_assert_msg(t > before && isfinite(t), "%s %zu: %g after %g", ty_class_name(c), i, t,
                          before);
            before = t;
        }
    }
}
END_TEST

START_TEST(no_work_costs_a_launch_at_most)
{
    const ty_machine m = golden();
    for (ty_class c = 0; c < TY_CLASSES; c++)
        for (int threads = 1; threads <= 8; threads *= 2) {
            double t = ty_machine_seconds(&m, (ty_work){.cls = c}, threads, 2);
            ck_assert(t >= 0 && t <= m.rate[c].launch_s);
        }
}
END_TEST

START_TEST(more_threads_are_never_slower_for_large_work)
{
    const ty_machine m = golden();
    for (ty_class c = 0; c < TY_CLASSES; c++) {
        double one = ty_machine_seconds(&m, work_of(c, 3000), 1, 1), before = one;
        for (int threads = 2; threads <= 64; threads++) {
            double t = ty_machine_seconds(&m, work_of(c, 3000), threads, 1);
            ck_assert(t < before && t * threads >= 0.99 * one);
            before = t;
        }
    }
}
END_TEST

START_TEST(busy_neighbours_slow_a_rank_up_to_the_measured_factor)
{
    ty_machine m = golden();
    m.cores = 4;
    ty_work w = work_of(TY_CLASS_STREAM, 1000);
    double alone = ty_machine_seconds(&m, w, 1, 1), all = ty_machine_seconds(&m, w, 1, 4);
    ck_assert_double_eq_tol(all / alone, m.rate[TY_CLASS_STREAM].beside, 0.01);
    ck_assert(ty_machine_seconds(&m, w, 1, 2) > alone && ty_machine_seconds(&m, w, 1, 2) < all);
    ck_assert_double_eq(ty_machine_seconds(&m, w, 1, 400), all);
    m.cores = 1;
    ck_assert_double_eq(ty_machine_seconds(&m, w, 1, 3), alone);
}
END_TEST

START_TEST(a_product_of_ten_columns_costs_as_one_of_sixteen)
{
    ty_machine m = golden();
    m.rate[TY_CLASS_GEMM_NN].bandwidth = 0;
    ck_assert_double_eq_tol(ty_machine_seconds(&m, ty_work_linear_fwd(128, 10, 256), 1, 1),
                            ty_machine_seconds(&m, ty_work_linear_fwd(128, 16, 256), 1, 1), 1e-12);
}
END_TEST

START_TEST(a_machine_is_here_when_host_processor_and_cores_agree)
{
    ty_machine m = golden();
    ck_assert(!ty_machine_is_here(&m));
    ty_machine_name_here(&m);
    ck_assert(ty_machine_is_here(&m));
    ck_assert(m.cores >= 1 && m.memory > 0 && m.processor[0] && m.host[0]);
    m.cores++;
    ck_assert(!ty_machine_is_here(&m));
}
END_TEST

/* ---- the fit ------------------------------------------------------------------------------------------------ */

enum { MANY = 400 };

static const size_t outputs[] = {64, 200, 320, 500}, inputs[] = {100, 333, 700};

/* Times that m itself would give, times 1 + noise * a number in -1 .. 1 that repeats. */
static size_t synthetic(ty_calibration_point *p, const ty_machine *m, double noise)
{
    size_t n = 0;
    for (ty_class c = 0; c < TY_CLASSES; c++)
        for (size_t i = 0; i < 24; i++) {
            ty_work w = work_of(c, 10 + i * i * 4);
            size_t M = 16 + 8 * i, N = outputs[i % 4], K = inputs[i % 3];
            if (c == TY_CLASS_GEMM_NN)
                w = ty_work_linear_fwd(M, N, K);
            if (c == TY_CLASS_GEMM_NT)
                w = ty_work_linear_bwd_x(M, N, K);
            if (c == TY_CLASS_GEMM_TN)
                w = ty_work_linear_bwd_w(M, N, K);
            if (c == TY_CLASS_UPDATE && i % 2)
                w = ty_work_adamw(w.m);
            double shake = 1 + noise * sin(12.9898 * (double)(n + 1));
            p[n++] =
                (ty_calibration_point){.step = (int)(n / 20),
                                       .work = w,
                                       .seconds = {shake * ty_machine_seconds(m, w, 1, 1),
                                                   shake * ty_machine_seconds(m, w, m->cores, 1),
                                                   shake * ty_machine_seconds(m, w, 1, m->cores)}};
        }
    return n;
}

static ty_machine known(void)
{
    ty_machine m = golden();
    m.rate[TY_CLASS_UPDATE].flops = 100e9;
    for (ty_class c = 0; c < TY_CLASSES;
         c++) /* neither is told apart from the other by its work alone */
        if (c == TY_CLASS_UPDATE || c == TY_CLASS_STREAM)
            m.rate[c].thread_gain = m.rate[c].memory_gain;
    for (ty_class c = 0; c <= TY_CLASS_GEMM_TN; c++)
        m.rate[c].far_bandwidth = 0;
    m.rate[TY_CLASS_UPDATE].far_bandwidth = 0;
    return m;
}

static void check_rate(const ty_machine *found, const ty_machine *true_, double tolerance)
{
    for (ty_class c = 0; c < TY_CLASSES; c++) {
        const ty_rate *a = &found->rate[c], *b = &true_->rate[c];
        if (b->flops > 0)
            ck_assert_msg(fabs(a->flops / b->flops - 1) < tolerance, "%s flops %g",
                          ty_class_name(c), a->flops);
        if (b->bandwidth > 0)
            ck_assert_msg(fabs(a->bandwidth / b->bandwidth - 1) < 3 * tolerance, "%s bandwidth %g",
                          ty_class_name(c), a->bandwidth);
        ck_assert_msg(fabs(a->beside / b->beside - 1) < tolerance, "%s beside %g", ty_class_name(c),
                      a->beside);
    }
}

START_TEST(fit_recovers_the_constants_of_exact_times)
{
    ty_calibration_point p[MANY];
    ty_calibration_report report = {0};
    ty_machine true_ = known(), found = {.cores = true_.cores, .near_bytes = true_.near_bytes};
    size_t n = synthetic(p, &true_, 0);
    ty_err e = ty_calibration_fit(p, n, &found, &report);
    ck_assert_msg(e.code == TY_OK, "%s", e.msg);
    check_rate(&found, &true_, 0.01);
    ck_assert_int_eq(found.origin, TY_FITTED);
    for (ty_class c = 0; c < TY_CLASSES; c++) {
        ck_assert_int_eq(report.fit[c].points, 24);
        for (int way = 0; way < TY_WAYS; way++)
            ck_assert_msg(report.fit[c].median[way] < 0.02, "%s way %d: %g", ty_class_name(c), way,
                          report.fit[c].median[way]);
    }
    ck_assert_double_lt(report.step_median[TY_WAY_ONE], 0.01);
}
END_TEST

START_TEST(fit_shrugs_off_noise_and_a_few_wild_points)
{
    ty_calibration_point p[MANY];
    ty_calibration_report report = {0};
    ty_machine true_ = known(), found = {.cores = true_.cores, .near_bytes = true_.near_bytes};
    size_t n = synthetic(p, &true_, 0.02);
    for (size_t i = 7; i < n; i += 24) /* one of each class met another program */
        p[i].seconds[TY_WAY_ONE] *= 4;
    ck_assert_int_eq(ty_calibration_fit(p, n, &found, &report).code, TY_OK);
    check_rate(&found, &true_, 0.1);
}
END_TEST

START_TEST(fit_of_one_core_has_no_threads)
{
    ty_calibration_point p[MANY];
    ty_calibration_report report = {0};
    ty_machine true_ = known(), found = {.near_bytes = true_.near_bytes, .cores = 1};
    true_.cores = 1;
    size_t n = synthetic(p, &true_, 0);
    ck_assert_int_eq(ty_calibration_fit(p, n, &found, &report).code, TY_OK);
    for (ty_class c = 0; c < TY_CLASSES; c++) {
        ck_assert_double_eq(found.rate[c].beside, 1);
        double one = ty_machine_seconds(&found, p[0].work, 1, 1);
        ck_assert_double_eq(ty_machine_seconds(&found, p[0].work, 1, 3), one);
    }
}
END_TEST

START_TEST(noise_is_refused_with_its_share_and_the_limit)
{
    static const char *const how[] = {"one thread", "all cores", "ranks side by side"};
    for (int way = 0; way < TY_WAYS; way++) {
        ty_calibration_point p[MANY];
        ty_calibration_report report = {0};
        ty_machine true_ = known(), found = {.cores = true_.cores, .near_bytes = true_.near_bytes};
        size_t n = synthetic(p, &true_, 0);
        for (size_t i = 0; i < n; i++)
            p[i].disturbed[way] = 0.85;
        ty_err e = ty_calibration_fit(p, n, &found, &report);
        ck_assert_int_eq(e.code, TY_EWRONG);
        ck_assert_msg(strstr(e.msg, "85 %") && strstr(e.msg, "limit 50 %") &&
                          strstr(e.msg, how[way]),
                      "%s", e.msg);
    }
}
END_TEST

START_TEST(times_that_do_not_grow_with_the_work_are_refused)
{
    ty_calibration_point p[MANY];
    ty_calibration_report report = {0};
    ty_machine true_ = known(), found = {.cores = 1, .near_bytes = true_.near_bytes};
    size_t n = synthetic(p, &true_, 0);
    for (size_t i = 0; i < n; i++)
        if (p[i].work.cls == TY_CLASS_SOFTMAX)
            p[i].seconds[TY_WAY_ONE] = 1e-3 / (1 + p[i].work.flops);
    ty_err e = ty_calibration_fit(p, n, &found, &report);
    ck_assert_msg(e.code == TY_EWRONG && strstr(e.msg, "softmax"), "%s", e.msg);
}
END_TEST

START_TEST(latency_and_bandwidth_are_recovered_from_messages)
{
    const double bytes[] = {64, 1024, 16384, 262144, 1048576};
    double seconds[5];
    ty_net net;
    for (int i = 0; i < 5; i++)
        seconds[i] = 3e-6 + bytes[i] / 9e9;
    ck_assert_double_lt(ty_calibration_fit_net(bytes, seconds, 5, &net), 1e-6);
    ck_assert_double_eq_tol(net.alpha, 3e-6, 1e-9);
    ck_assert_double_eq_tol(net.beta, 9e9, 1e6);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("machine model");
    TCase *model = tcase_create("model"), *fit = tcase_create("fit");
    tcase_add_test(model, more_work_never_takes_less_time);
    tcase_add_test(model, no_work_costs_a_launch_at_most);
    tcase_add_test(model, more_threads_are_never_slower_for_large_work);
    tcase_add_test(model, busy_neighbours_slow_a_rank_up_to_the_measured_factor);
    tcase_add_test(model, a_product_of_ten_columns_costs_as_one_of_sixteen);
    tcase_add_test(model, a_machine_is_here_when_host_processor_and_cores_agree);
    tcase_add_test(fit, fit_recovers_the_constants_of_exact_times);
    tcase_add_test(fit, fit_shrugs_off_noise_and_a_few_wild_points);
    tcase_add_test(fit, fit_of_one_core_has_no_threads);
    tcase_add_test(fit, noise_is_refused_with_its_share_and_the_limit);
    tcase_add_test(fit, times_that_do_not_grow_with_the_work_are_refused);
    tcase_add_test(fit, latency_and_bandwidth_are_recovered_from_messages);
    suite_add_tcase(s, model);
    suite_add_tcase(s, fit);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
