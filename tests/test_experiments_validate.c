/* SPDX-License-Identifier: MIT
 *
 * Figures of `validate`: errors, repeatability, order and phases from measurements that are made up here; and the time
 * by class of kernel that they come from, in real and in simulated runs.
 */
#include "experiments/validate.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A plan whose rounds took a and b and whose simulated step is s; all of it gemm_nn. */
static ty_validation_point point(int problem, int workers, double s, double a, double b)
{
    ty_validation_point p = {.problem = problem, .runs = 2};
    p.plan.strategy = "serial";
    p.plan.workers = workers;
    p.plan.threads = 1;
    p.simulated.step_s = s;
    p.simulated_phase_s[TY_CLASS_GEMM_NN] = s;
    const double step[] = {a, b};
    for (int i = 0; i < 2; i++) {
        p.run[i] = (ty_measurement){.step_s = step[i], .p10_s = step[i], .p90_s = step[i]};
        p.run[i].phase_s[TY_CLASS_GEMM_NN] = step[i];
    }
    ty_validation_point_judge(&p);
    return p;
}

START_TEST(a_point_is_judged_by_the_median_of_its_rounds)
{
    ty_validation_point p = point(0, 1, 0.99, 1.0, 1.2);
    ck_assert_double_eq_tol(p.measured.step_s, 1.1, 1e-12);
    ck_assert_double_eq_tol(p.error, -0.1, 1e-12);
    ck_assert_double_eq(p.low_s, 1.0);
    ck_assert_double_eq(p.high_s, 1.2);
    ck_assert_int_eq(p.worst, TY_CLASS_GEMM_NN);
}
END_TEST

START_TEST(a_disturbed_round_counts_only_when_all_are)
{
    ty_validation_point p = point(0, 1, 1, 1, 3);
    p.run[1].disturbed = 1;
    ty_validation_point_judge(&p);
    ck_assert_double_eq(p.error, 0);
    p.run[0].disturbed = 1;
    ty_validation_point_judge(&p);
    ck_assert_double_eq(p.measured.step_s, 2);
    ty_validation v;
    ty_validation_judge(&p, 1, &v);
    ck_assert_int_eq(v.disturbed, 2);
}
END_TEST

START_TEST(the_worst_phase_is_the_one_furthest_off_not_the_longest)
{
    ty_validation_point p = point(0, 1, 1, 1, 1);
    for (int i = 0; i < 2; i++) {
        p.run[i].phase_s[TY_CLASS_GEMM_NN] = 0.85;
        p.run[i].phase_s[TY_PHASE_WAIT] = 0.1;
    }
    p.simulated_phase_s[TY_CLASS_GEMM_NN] = 0.8;
    p.simulated_phase_s[TY_PHASE_WAIT] = 0.2;
    ty_validation_point_judge(&p);
    ck_assert_int_eq(p.worst, TY_PHASE_WAIT);
    ck_assert_str_eq(ty_phase_name(p.worst), "waiting");
    ty_validation v;
    ty_validation_judge(&p, 1, &v);
    ck_assert_int_eq(v.worst, TY_PHASE_WAIT);
    ck_assert_double_eq_tol(v.phase[TY_PHASE_WAIT].bias, 0.1, 1e-12);
    ck_assert_double_eq_tol(v.phase[TY_CLASS_GEMM_NN].bias, -0.05, 1e-12);
    ck_assert_double_eq_tol(v.phase[TY_CLASS_GEMM_NN].error, 0.05, 1e-12);
}
END_TEST

START_TEST(targets_grow_with_what_cannot_be_repeated)
{
    ty_validation v;
    ty_validation_point calm[] = {point(0, 1, 1.01, 1, 1), point(0, 2, 2.04, 2, 2),
                                  point(0, 3, 3.21, 3, 3)};
    ty_validation_judge(calm, 3, &v);
    ck_assert_int_eq(v.points, 3);
    ck_assert_double_eq_tol(v.median, 0.02, 1e-9);
    ck_assert_double_eq(v.median_target, 0.03);
    ck_assert_double_eq(v.p95_target, 0.08);
    ck_assert_int_eq(v.missed, 0);
    ty_validation_point noisy[] = {point(0, 1, 1.08, 0.95, 1.05)};
    ty_validation_judge(noisy, 1, &v);
    ck_assert_double_eq_tol(v.repeat, 0.1, 1e-9);
    ck_assert_double_eq_tol(v.median_target, 0.1, 1e-9);
    ck_assert_double_eq_tol(v.p95_target, 0.2, 1e-9);
    ck_assert_int_eq(v.missed, 0);
    ty_validation_point wrong[] = {point(0, 1, 1.5, 1, 1)};
    ty_validation_judge(wrong, 1, &v);
    ck_assert_int_eq(v.missed, 2);
}
END_TEST

START_TEST(one_round_says_nothing_of_repeatability)
{
    ty_validation v;
    ty_validation_point p = point(0, 1, 1, 1, 1);
    p.runs = 1;
    ty_validation_judge(&p, 1, &v);
    ck_assert(isnan(v.repeat));
    ck_assert_double_eq(v.median_target, 0.03);
}
END_TEST

START_TEST(order_is_of_plans_of_a_workload_that_differ_by_more_than_their_spread)
{
    ty_validation v;
    ty_validation_point p[] = {
        point(0, 2, 1.0, 1.0, 1.0), point(0, 2, 0.9, 2.0, 2.0), /* the wrong way round */
        point(0, 2, 3.0, 2.9, 3.1), point(0, 2, 2.9, 3.0, 3.2), /* within the spread */
        point(0, 1, 5.0, 5.0, 5.0),                             /* fewer cores */
        point(1, 2, 0.1, 9.0, 9.0)};                            /* another workload */
    ty_validation_judge(p, 6, &v);
    ck_assert_uint_eq(v.tau.pairs, 5);
    ck_assert_uint_eq(v.tau.opposite, 1);
    ck_assert_double_eq_tol(ty_tau_value(&v.tau), 3.0 / 5, 1e-12);
    ck_assert_uint_eq(v.tau_all.pairs, 9);
    ck_assert_uint_eq(v.tau_all.same, 8);
}
END_TEST

START_TEST(failed_plans_are_left_out)
{
    ty_validation v;
    ty_validation_point p[] = {point(0, 1, 1, 1, 1), point(0, 2, 9, 1, 1)};
    p[1].failed = ty_error(TY_EWRONG, "wrong");
    ty_validation_judge(p, 2, &v);
    ck_assert_int_eq(v.points, 1);
    ck_assert_double_eq(v.p95, 0);
    ck_assert_int_eq(v.missed, 0);
}
END_TEST

/* ---- what the phases are made of ---- */

static ty_result run(const char *strategy, const char *fabric, ty_problem *q, const ty_machine *m)
{
    ty_result r;
    ty_err e = ty_problem_open(q, "digits-mlp", &(ty_workload_options){0});
    ck_assert_msg(!e.code, "%s", e.msg);
    ty_point p = {.strategy = strategy,
                  .problem = q,
                  .fabric = fabric,
                  .platform = strcmp(fabric, "sim") ? NULL : "multicore",
                  .network = TY_NET_SHARED,
                  .workers = 2,
                  .threads = 1,
                  .steps = 20,
                  .ghost = -1,
                  .machine = m};
    e = ty_point_run(&p, &r);
    ck_assert_msg(!e.code, "%s", e.msg);
    ck_assert_msg(r.row.ok, "%s", r.row.message);
    return r;
}

static void phases_add_up(const char *strategy, const char *fabric, double between)
{
    ty_machine m;
    ty_problem q;
    double phase_s[TY_PHASES], sum = 0;
    ck_assert_int_eq(ty_machine_load(&m, TY_TEST_DIR "/machine.yaml").code, 0);
    m.cores = 2;
    ty_result r = run(strategy, fabric, &q, &m);
    for (int rank = 0; rank < r.ranks; rank++) {
        ty_phases_of(&r, rank, phase_s);
        sum = 0;
        for (int i = 0; i < TY_PHASES; i++) {
            ck_assert_double_ge(phase_s[i], i == TY_PHASE_BETWEEN ? -1e-9 : 0);
            sum += phase_s[i];
        }
        ck_assert_double_eq_tol(sum, r.report[rank].step_s, 1e-9 * sum);
        ck_assert_double_le(phase_s[TY_PHASE_BETWEEN], between * sum);
        ck_assert_double_gt(phase_s[TY_CLASS_GEMM_NN], 0);
        ck_assert_double_gt(phase_s[TY_CLASS_GEMM_TN], 0);
        ck_assert_double_gt(phase_s[TY_CLASS_UPDATE], 0);
        ck_assert_double_gt(phase_s[TY_PHASE_COMM] + phase_s[TY_PHASE_WAIT], 0);
    }
    ty_result_free(&r);
    ty_problem_close(&q);
}

START_TEST(phases_of_a_real_run_add_up_to_its_step)
{
    phases_add_up("data-allreduce", "threads", 1);
}
END_TEST

START_TEST(a_simulated_run_computes_only_in_kernels)
{
    const ty_fabric_ops *sim;
    if (ty_fabric_find("sim", &sim).code)
        return;
    phases_add_up("data-allreduce", "sim", 1e-6);
    phases_add_up("pipeline-gpipe", "sim", 1e-6);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("experiments validate");
    TCase *t = tcase_create("validate");
    tcase_add_test(t, a_point_is_judged_by_the_median_of_its_rounds);
    tcase_add_test(t, a_disturbed_round_counts_only_when_all_are);
    tcase_add_test(t, the_worst_phase_is_the_one_furthest_off_not_the_longest);
    tcase_add_test(t, targets_grow_with_what_cannot_be_repeated);
    tcase_add_test(t, one_round_says_nothing_of_repeatability);
    tcase_add_test(t, order_is_of_plans_of_a_workload_that_differ_by_more_than_their_spread);
    tcase_add_test(t, failed_plans_are_left_out);
    tcase_add_test(t, phases_of_a_real_run_add_up_to_its_step);
    tcase_add_test(t, a_simulated_run_computes_only_in_kernels);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
