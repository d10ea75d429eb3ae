/* SPDX-License-Identifier: MIT
 *
 * The clock, and quantiles.
 */
#include "base/clock.h"
#include "base/stats.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

START_TEST(the_median_is_the_middle_or_between_the_middle_two)
{
    double odd[] = {3, 1, 2}, even[] = {4, 1, 3, 2};
    ck_assert_double_eq(ty_quantile(odd, 3, 0.5), 2);
    ck_assert_double_eq(ty_quantile(even, 4, 0.5), 2.5);
}
END_TEST

START_TEST(quantiles_run_from_the_least_to_the_largest)
{
    double v[11];
    for (int i = 0; i < 11; i++)
        v[i] = (7 * i) % 11; /* 0 to 10 in another order */
    ck_assert_double_eq(ty_quantile(v, 11, 0), 0);
    ck_assert_double_eq(ty_quantile(v, 11, 1), 10);
    ck_assert_double_eq_tol(ty_quantile(v, 11, 0.1), 1, 1e-12);
    ck_assert_double_eq_tol(ty_quantile(v, 11, 0.97), 9.7, 1e-12);
}
END_TEST

START_TEST(values_are_sorted_in_place)
{
    double v[] = {2, -1, 5, -1};
    ty_quantile(v, 4, 0.3);
    for (int i = 1; i < 4; i++)
        ck_assert_double_le(v[i - 1], v[i]);
}
END_TEST

START_TEST(one_value_is_every_quantile_and_none_is_no_number)
{
    double v[] = {4};
    ck_assert_double_eq(ty_quantile(v, 1, 0.9), 4);
    ck_assert(isnan(ty_quantile(v, 0, 0.5)));
}
END_TEST

START_TEST(tau_is_one_when_two_orders_agree_and_minus_one_when_they_are_opposite)
{
    const double x[] = {1, 2, 3, 4}, y[] = {10, 30, 20, 40};
    ty_tau rising = {0}, falling = {0}, mixed = {0}, none = {0}, equal = {0};
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < i; k++) {
            ty_tau_pair(&rising, x[i], x[i] * x[i], x[k], x[k] * x[k]);
            ty_tau_pair(&falling, x[i], -x[i], x[k], -x[k]);
            ty_tau_pair(&mixed, x[i], y[i], x[k], y[k]);
        }
    ty_tau_pair(&equal, 1, 1, 1, 2);
    ck_assert_double_eq(ty_tau_value(&rising), 1);
    ck_assert_double_eq(ty_tau_value(&falling), -1);
    ck_assert_double_eq_tol(ty_tau_value(&mixed), 4.0 / 6, 1e-12);
    ck_assert_double_eq(ty_tau_value(&equal), 0);
    ck_assert(isnan(ty_tau_value(&none)));
}
END_TEST

START_TEST(the_clock_counts_seconds)
{
    double begin = ty_clock();
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    double gone = ty_clock() - begin;
    ck_assert_double_ge(gone, 0.02);
    ck_assert_double_lt(gone, 20);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base stats");
    TCase *t = tcase_create("stats");
    tcase_add_test(t, the_median_is_the_middle_or_between_the_middle_two);
    tcase_add_test(t, quantiles_run_from_the_least_to_the_largest);
    tcase_add_test(t, values_are_sorted_in_place);
    tcase_add_test(t, one_value_is_every_quantile_and_none_is_no_number);
    tcase_add_test(t, tau_is_one_when_two_orders_agree_and_minus_one_when_they_are_opposite);
    tcase_add_test(t, the_clock_counts_seconds);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
