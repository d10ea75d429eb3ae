/* SPDX-License-Identifier: MIT
 *
 * Stragglers and jitter: what is drawn, and what a barrier waits for.
 */
#include "machine/pace.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double harmonic(int n)
{
    double h = 0;
    for (int i = 1; i <= n; i++)
        h += 1.0 / i;
    return h;
}

START_TEST(a_barrier_waits_for_the_harmonic_number_of_exponential_delays)
{
    for (int n = 1; n <= 256; n *= 4) {
        ty_pace p = {.jitter = TY_JITTER_EXP, .mean = 0.5};
        ck_assert_double_eq_tol(ty_pace_slowest(&p, n), 1 + 0.5 * harmonic(n), 1e-3);
    }
    ck_assert_double_eq_tol(harmonic(16), 3.38, 0.005);
}
END_TEST

START_TEST(a_barrier_waits_for_the_largest_of_uniform_delays)
{
    ty_pace p = {.jitter = TY_JITTER_UNIFORM, .mean = 0.1};
    for (int n = 1; n <= 64; n *= 2)
        ck_assert_double_eq_tol(ty_pace_slowest(&p, n), 1 + 0.2 * n / (n + 1), 1e-3);
}
END_TEST

START_TEST(one_straggler_is_all_that_a_barrier_waits_for)
{
    ty_pace p = {.slow_n = 1, .slow = {{3, 2.0}}};
    ck_assert_double_eq(ty_pace_slowest(&p, 16), 2);
    ck_assert_double_eq(ty_pace_slowest(&p, 3), 1); /* there is no rank 3 */
    ck_assert_double_eq(ty_pace_factor(&p, 3, 7), 2);
    ck_assert_double_eq(ty_pace_factor(&p, 2, 7), 1);
}
END_TEST

/* Of the draws themselves, over many steps. */
static double drawn_slowest(const ty_pace *p, int ranks, long steps)
{
    double sum = 0;
    for (long s = 0; s < steps; s++) {
        double most = 0;
        for (int r = 0; r < ranks; r++)
            most = fmax(most, ty_pace_factor(p, r, s));
        sum += most;
    }
    return sum / (double)steps;
}

START_TEST(the_draws_have_the_mean_and_the_maximum_that_is_said)
{
    for (int kind = 1; kind < TY_JITTERS; kind++) {
        ty_pace p = {
            .jitter = (ty_jitter)kind, .mean = 0.8, .seed = 5, .slow_n = 1, .slow = {{1, 1.5}}};
        double sum = 0;
        for (long s = 0; s < 40000; s++)
            sum += ty_pace_factor(&p, 1, s);
        ck_assert_double_eq_tol(sum / 40000, ty_pace_mean(&p, 1), 0.03);
        ck_assert_double_eq_tol(drawn_slowest(&p, 5, 40000) / ty_pace_slowest(&p, 5), 1, 0.015);
    }
}
END_TEST

START_TEST(a_draw_depends_on_seed_rank_and_step_alone)
{
    const ty_pace p = {.jitter = TY_JITTER_EXP, .mean = 1, .seed = 1},
                  q = {TY_JITTER_EXP, 1, .seed = 2};
    ck_assert_double_eq(ty_pace_factor(&p, 2, 3), ty_pace_factor(&p, 2, 3));
    ck_assert_double_ne(ty_pace_factor(&p, 2, 3), ty_pace_factor(&p, 3, 2));
    ck_assert_double_ne(ty_pace_factor(&p, 2, 3), ty_pace_factor(&p, 2, 4));
    ck_assert_double_ne(ty_pace_factor(&p, 2, 3), ty_pace_factor(&q, 2, 3));
}
END_TEST

START_TEST(what_users_write_is_read)
{
    ty_pace p = {0};
    ck_assert_int_eq(ty_slow_parse("3:2.5,0:4", &p).code, 0);
    ck_assert_int_eq(p.slow_n, 2);
    ck_assert_double_eq(ty_pace_mean(&p, 3), 2.5);
    ck_assert_int_eq(ty_jitter_parse("lognormal:0.25", &p).code, 0);
    ck_assert_int_eq(p.jitter, TY_JITTER_LOGNORMAL);
    ck_assert_double_eq(ty_pace_mean(&p, 0), 5);
    char text[80];
    ck_assert_str_eq(ty_pace_show(&p, text, sizeof text), "slow 3:2.5,0:4, jitter lognormal:0.25");
    ck_assert_str_eq(ty_pace_show(&(ty_pace){0}, text, sizeof text), "");
}
END_TEST

START_TEST(what_makes_no_sense_is_refused)
{
    static const char *const slow[] = {"",        "3",     "3:",    "3:x",    ":2",
                                       "-1:2",    "3:1",   "3:0.5", "3:2,",   "3:2,3:4",
                                       "3:2;4:2", "3:nan", "3:1e9", "99999:2"};
    static const char *const jitter[] = {
        "",         "exp", "exp:",     "exp:0",   "exp:-1",  "exp:1x",
        "normal:1", ":1",  "steady:1", "exp:inf", "exp:nan", "averyverylongdistribution:1"};
    for (size_t i = 0; i < sizeof slow / sizeof *slow; i++) {
        ty_pace p = {0};
        ck_assert_msg(ty_slow_parse(slow[i], &p).code == TY_EUSAGE, "--slow %s", slow[i]);
    }
    for (size_t i = 0; i < sizeof jitter / sizeof *jitter; i++) {
        ty_pace p = {0};
        ck_assert_msg(ty_jitter_parse(jitter[i], &p).code == TY_EUSAGE, "--jitter %s", jitter[i]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("machine_pace");
    TCase *cases = tcase_create("pace");
    tcase_add_test(cases, a_barrier_waits_for_the_harmonic_number_of_exponential_delays);
    tcase_add_test(cases, a_barrier_waits_for_the_largest_of_uniform_delays);
    tcase_add_test(cases, one_straggler_is_all_that_a_barrier_waits_for);
    tcase_add_test(cases, the_draws_have_the_mean_and_the_maximum_that_is_said);
    tcase_add_test(cases, a_draw_depends_on_seed_rank_and_step_alone);
    tcase_add_test(cases, what_users_write_is_read);
    tcase_add_test(cases, what_makes_no_sense_is_refused);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
