/* SPDX-License-Identifier: MIT
 *
 * The machine model and the fit of its constants: monotone, bounded, recovered from synthetic times, refused when noisy.
 */
#include "experiments/calibrate.h"
#include "experiments/calibrate_limits.h"
#include "kernels/compress.h"
#include "kernels/conv.h"
#include "kernels/kernels.h"
#include "kernels/lstm.h"
#include "kernels/shared.h"
#include "kernels/transformer.h"

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

static ty_work of_class(const ty_work *w, int n, ty_class c)
{
    for (int i = 0; i < n; i++)
        if (w[i].cls == c)
            return w[i];
    ck_abort_msg("no work of %s", ty_class_name(c));
    return w[0];
}

/* Work of a class that grows with i; z chooses between shapes of equal size. */
static ty_work work_of(ty_class c, size_t i, size_t z)
{
    static const size_t widths[] = {64, 200, 320, 500};
    const size_t w = widths[z % 4], k = 100 + 300 * (z % 3);
    const ty_conv s = {i, 1 + z % 5, 20, 20, 8 + 8 * (z % 3), 3, 1};
    ty_work work[TY_LSTM_WORKS];
    switch (c) {
    case TY_CLASS_GEMM_NN:
        return ty_work_linear_fwd(i, w, k);
    case TY_CLASS_GEMM_NT:
        return ty_work_linear_bwd_x(i, w, k);
    case TY_CLASS_GEMM_TN:
        return ty_work_linear_bwd_w(i, w, k);
    case TY_CLASS_STREAM:
        return ty_work_add(400 * i);
    case TY_CLASS_COPY:
        return z % 2 ? ty_work_fill(800 * i) : ty_work_copy(400 * i);
    case TY_CLASS_UPDATE:
        return z % 2 ? ty_work_adamw(400 * i) : ty_work_sgd(400 * i);
    case TY_CLASS_SOFTMAX:
        return ty_work_softmax_xent(i, 2 + 40 * (z % 4));
    case TY_CLASS_CONV:
        return of_class(work, ty_work_conv_fwd(&s, work), c);
    case TY_CLASS_CONV_W:
        return of_class(work, ty_work_conv_bwd_w(&s, work), c);
    case TY_CLASS_POOL:
        return ty_work_pool_fwd(i, 20, 8 + 8 * (z % 4));
    case TY_CLASS_NORM:
        return z % 2 ? ty_work_norm_fwd(i, 200) : ty_work_norm_bwd(i, 200, 1);
    case TY_CLASS_GELU:
        return z % 2 ? ty_work_gelu_fwd(200 * i) : ty_work_gelu_bwd(200 * i);
    case TY_CLASS_ATTENTION:
        return of_class(work, ty_work_attention_fwd(i, 24 + 24 * (z % 3), 192, 3 << z % 3, work),
                        c);
    case TY_CLASS_LSTM:
        return of_class(work, ty_work_lstm_fwd(10 + 9 * (z % 3), i, 5, 32 << z % 3, work), c);
    case TY_CLASS_LSTM_BACK:
        return of_class(work, ty_work_lstm_bwd(10 + 9 * (z % 3), i, 5, 32 << z % 3, work), c);
    case TY_CLASS_PACK:
        return ty_work_compress((ty_compression)(z % TY_COMPRESSIONS), 400 * i, 4 * i);
    case TY_CLASS_SHARED:
        return z % 2 ? ty_work_shared_add(200 * i) : ty_work_shared_read(400 * i);
    default:
        return ty_work_augment(i, 28, 28 - 10 * (z % 3), 1);
    }
}

START_TEST(more_work_never_takes_less_time)
{
    const ty_machine m = golden();
    for (ty_class c = 0; c < TY_CLASSES; c++) {
        double before = 0;
        for (size_t i = 1; i < 4000; i += 7) {
            double t = ty_machine_seconds(&m, work_of(c, i, 0), 1, 1);
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
        double one = ty_machine_seconds(&m, work_of(c, 3000, 0), 1, 1), before = one;
        for (int threads = 2; threads <= 64; threads++) {
            double t = ty_machine_seconds(&m, work_of(c, 3000, 0), threads, 1);
            ck_assert(c == TY_CLASS_PACK ? t == one : t < before && t * threads >= 0.99 * one);
            before = t;
        }
    }
}
END_TEST

START_TEST(busy_neighbours_slow_a_rank_up_to_the_measured_factor)
{
    ty_machine m = golden();
    m.cores = 4;
    ty_work w = work_of(TY_CLASS_STREAM, 1000, 0);
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

START_TEST(a_recurrence_pays_a_launch_each_step)
{
    ty_machine m = golden();
    ty_work work[TY_LSTM_WORKS];
    m.rate[TY_CLASS_LSTM] = (ty_rate){.launch_s = 1e-6, .flops = 1e30, .beside = 1};
    ty_work w = of_class(work, ty_work_lstm_fwd(70, 8, 5, 32, work), TY_CLASS_LSTM);
    ck_assert_double_eq_tol(ty_machine_seconds(&m, w, 1, 1), 70e-6, 1e-12);
}
END_TEST

START_TEST(what_outgrows_the_last_cache_comes_from_memory)
{
    const ty_machine m = golden();
    const ty_work large = ty_work_add(4000000), small = ty_work_add(4000);
    const ty_machine in = ty_machine_with(&m, 0.5 * m.cache),
                     out = ty_machine_with(&m, 2 * m.cache);
    const double inside = ty_machine_seconds(&in, large, 1, 1);
    ck_assert_double_eq(inside, ty_machine_seconds(&m, large, 1, 1));
    ck_assert_double_gt(ty_machine_seconds(&out, large, 1, 1), 1.2 * inside);
    ck_assert_double_eq(ty_machine_seconds(&out, small, 1, 1), ty_machine_seconds(&m, small, 1, 1));
    ty_machine endless = m;
    endless.cache = 0;
    endless = ty_machine_with(&endless, 1e12);
    ck_assert_double_eq(ty_machine_seconds(&endless, large, 1, 1), inside);
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

enum { EACH = 36, MANY = EACH * TY_CLASSES };

/* Times that m itself would give, times 1 + noise * a number in -1 .. 1 that repeats. A third of the steps outgrow the
 * cache. */
static size_t synthetic(ty_calibration_point *p, const ty_machine *m, double noise)
{
    size_t n = 0;
    for (size_t i = 0; i < EACH; i++)
        for (ty_class c = 0; c < TY_CLASSES; c++) {
            double shake = 1 + noise * sin(12.9898 * (double)(n + 1));
            p[n] = (ty_calibration_point){.step = (int)i,
                                          .set = i % 3 == 2 ? 4 * m->cache : 0.1 * m->cache,
                                          .works = 1,
                                          .work = {work_of(c, 10 + i * i, i / 3)}};
            for (int way = 0; way < TY_WAYS; way++)
                p[n].seconds[way] =
                    shake * ty_calibration_seconds(m, &p[n], -1, (ty_calibration_way)way);
            n++;
        }
    return n;
}

/* Near bytes as the fit tries them; what a class has no term for is zero. */
static ty_machine known(void)
{
    ty_machine m = golden();
    for (ty_class c = 0; c < TY_CLASSES; c++) {
        m.rate[c].near_bytes = 131072 * 1.5 * 1.5 * 1.5 * 1.5 * 1.5;
        m.rate[c].thread_gain = m.rate[c].memory_gain; /* nor told apart where there is one term */
    }
    return m;
}

static ty_machine blank(const ty_machine *like)
{
    return (ty_machine){.cores = like->cores, .cache = like->cache};
}

static void check_near(const char *what, ty_class c, double found, double true_, double tolerance)
{
    if (true_ > 0)
        ck_assert_msg(fabs(found / true_ - 1) < tolerance, "%s %s %g, not %g", ty_class_name(c),
                      what, found, true_);
}

static void check_rate(const ty_machine *found, const ty_machine *true_, double tolerance)
{
    static const ty_class product[] = {TY_CLASS_GEMM_NN, TY_CLASS_GEMM_NT, TY_CLASS_GEMM_TN,
                                       TY_CLASS_CONV,    TY_CLASS_LSTM,    TY_CLASS_AUGMENT};
    static const ty_class mover[] = {TY_CLASS_STREAM, TY_CLASS_UPDATE, TY_CLASS_NORM,
                                     TY_CLASS_COPY};
    for (size_t i = 0; i < sizeof product / sizeof *product; i++)
        check_near("flops", product[i], found->rate[product[i]].flops,
                   true_->rate[product[i]].flops, tolerance);
    for (size_t i = 0; i < sizeof mover / sizeof *mover; i++) {
        const ty_rate *a = &found->rate[mover[i]], *b = &true_->rate[mover[i]];
        check_near("bandwidth", mover[i], a->bandwidth, b->bandwidth, 3 * tolerance);
        check_near("far", mover[i], a->far_bandwidth, b->far_bandwidth, 3 * tolerance);
        check_near("memory", mover[i], a->memory_bandwidth, b->memory_bandwidth, 3 * tolerance);
    }
    for (ty_class c = 0; c < TY_CLASSES; c++)
        check_near("beside", c, found->rate[c].beside, true_->rate[c].beside, tolerance);
}

START_TEST(fit_recovers_the_constants_of_exact_times)
{
    static ty_calibration_point p[MANY];
    ty_calibration_report report = {0};
    ty_machine true_ = known(), found = blank(&true_);
    size_t n = synthetic(p, &true_, 0);
    ty_err e = ty_calibration_fit(p, n, &found, &report);
    ck_assert_msg(e.code == TY_OK, "%s", e.msg);
    check_rate(&found, &true_, 0.01);
    ck_assert_int_eq(found.origin, TY_FITTED);
    for (ty_class c = 0; c < TY_CLASSES; c++) {
        ck_assert_int_eq(report.fit[c].points, EACH);
        for (int way = 0; way < TY_WAYS; way++)
            ck_assert_msg(report.fit[c].median[way] < 0.02, "%s way %d: %g", ty_class_name(c), way,
                          report.fit[c].median[way]);
    }
    ck_assert_double_lt(report.step_median[TY_WAY_ONE], 0.01);
    ck_assert_str_eq(ty_calibration_verdict(&found, &report), "good");
}
END_TEST

START_TEST(fit_shrugs_off_noise_and_a_few_wild_points)
{
    static ty_calibration_point p[MANY];
    ty_calibration_report report = {0};
    ty_machine true_ = known(), found = blank(&true_);
    size_t n = synthetic(p, &true_, 0.02);
    for (size_t i = 7; i < n; i += 40) /* these met another program */
        p[i].seconds[TY_WAY_ONE] *= 4;
    ck_assert_int_eq(ty_calibration_fit(p, n, &found, &report).code, TY_OK);
    check_rate(&found, &true_, 0.1);
}
END_TEST

/* Others may hold a part of the last cache: its size is what explains the times. */
START_TEST(a_last_cache_measured_too_large_is_found)
{
    static ty_calibration_point p[MANY];
    ty_calibration_report report = {0};
    ty_machine true_ = known(), found = blank(&true_);
    size_t n = synthetic(p, &true_, 0);
    found.cache = 5 * true_.cache; /* large steps use 4 times the true one, small ones a tenth */
    ck_assert_int_eq(ty_calibration_fit(p, n, &found, &report).code, TY_OK);
    ck_assert(found.cache < 4 * true_.cache && found.cache > 0.1 * true_.cache);
    ck_assert_double_lt(report.step_median[TY_WAY_ONE], 0.01);
}
END_TEST

/* An LSTM's call holds products, too, whose times are known by then. */
START_TEST(a_call_of_two_classes_is_fitted_in_the_one_that_comes_last)
{
    static ty_calibration_point p[MANY];
    ty_calibration_report report = {0};
    ty_machine true_ = known(), found = blank(&true_);
    size_t n = synthetic(p, &true_, 0);
    for (size_t i = 0; i < n; i++) {
        if (p[i].work[0].cls != TY_CLASS_LSTM)
            continue;
        p[i].works =
            ty_work_lstm_fwd(p[i].work[0].k, p[i].work[0].m, 30, p[i].work[0].n, p[i].work);
        for (int way = 0; way < TY_WAYS; way++)
            p[i].seconds[way] = ty_calibration_seconds(&true_, &p[i], -1, (ty_calibration_way)way);
    }
    ck_assert_int_eq(ty_calibration_fit(p, n, &found, &report).code, TY_OK);
    ck_assert_int_eq(report.fit[TY_CLASS_LSTM].points, EACH);
    check_rate(&found, &true_, 0.02);
}
END_TEST

START_TEST(times_that_have_nothing_to_do_with_the_work_get_a_bad_verdict)
{
    static ty_calibration_point p[MANY];
    ty_calibration_report report = {0};
    ty_machine true_ = known(), found = blank(&true_);
    size_t n = synthetic(p, &true_, 0);
    for (size_t i = 0; i < n; i++) /* steps twice as slow or as fast as they should be */
        for (int way = 0; way < TY_WAYS; way++)
            p[i].seconds[way] *= p[i].step / 2 % 2 ? 2 : 0.5;
    ty_err e = ty_calibration_fit(p, n, &found, &report);
    ck_assert_int_eq(e.code, TY_EWRONG);
    ck_assert_msg(strstr(e.msg, "does not fit") && strstr(e.msg, "limit"), "%s", e.msg);
}
END_TEST

START_TEST(the_end_of_the_last_cache_is_where_bandwidth_drops)
{
    const double sizes[] = {4e6, 8e6, 16e6, 32e6, 64e6, 128e6, 256e6};
    ck_assert_double_eq_tol(
        ty_calibration_find_cache(sizes, (const double[]){58, 57, 56, 55, 21, 20, 19}, 7),
        sqrt(32e6 * 64e6), 1);
    ck_assert_double_eq(
        ty_calibration_find_cache(sizes, (const double[]){58, 57, 56, 55, 57, 54, 56}, 7), 0);
    ck_assert_double_eq_tol(/* one disturbed size in the middle */
                            ty_calibration_find_cache(
                                sizes, (const double[]){58, 30, 56, 55, 21, 20, 19}, 7),
                            sqrt(32e6 * 64e6), 1);
}
END_TEST

START_TEST(fit_of_one_core_has_no_threads)
{
    static ty_calibration_point p[MANY];
    ty_calibration_report report = {0};
    ty_machine true_ = known(), found;
    true_.cores = 1;
    found = blank(&true_);
    size_t n = synthetic(p, &true_, 0);
    ck_assert_int_eq(ty_calibration_fit(p, n, &found, &report).code, TY_OK);
    for (ty_class c = 0; c < TY_CLASSES; c++) {
        ck_assert_double_eq(found.rate[c].beside, 1);
        double one = ty_machine_seconds(&found, p[0].work[0], 1, 1);
        ck_assert_double_eq(ty_machine_seconds(&found, p[0].work[0], 1, 3), one);
    }
}
END_TEST

START_TEST(noise_is_refused_with_its_share_and_the_limit)
{
    static const char *const how[] = {"one thread", "all cores", "ranks side by side"};
    for (int way = 0; way < TY_WAYS; way++) {
        static ty_calibration_point p[MANY];
        ty_calibration_report report = {0};
        ty_machine true_ = known(), found = blank(&true_);
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
    static ty_calibration_point p[MANY];
    ty_calibration_report report = {0};
    ty_machine true_ = known(), found = {.cores = 1};
    size_t n = synthetic(p, &true_, 0);
    for (size_t i = 0; i < n; i++)
        if (p[i].work[0].cls == TY_CLASS_STREAM)
            p[i].seconds[TY_WAY_ONE] = 1e-3 / (1 + p[i].work[0].bytes);
    ty_err e = ty_calibration_fit(p, n, &found, &report);
    ck_assert_msg(e.code == TY_EWRONG && strstr(e.msg, "stream"), "%s", e.msg);
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
    tcase_add_test(model, a_recurrence_pays_a_launch_each_step);
    tcase_add_test(model, what_outgrows_the_last_cache_comes_from_memory);
    tcase_add_test(model, a_machine_is_here_when_host_processor_and_cores_agree);
    tcase_add_test(fit, fit_recovers_the_constants_of_exact_times);
    tcase_add_test(fit, fit_shrugs_off_noise_and_a_few_wild_points);
    tcase_add_test(fit, a_call_of_two_classes_is_fitted_in_the_one_that_comes_last);
    tcase_add_test(fit, a_last_cache_measured_too_large_is_found);
    tcase_add_test(fit, times_that_have_nothing_to_do_with_the_work_get_a_bad_verdict);
    tcase_add_test(fit, the_end_of_the_last_cache_is_where_bandwidth_drops);
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
