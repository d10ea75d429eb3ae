/* SPDX-License-Identifier: MIT
 *
 * Squared error, against sums written out.
 */
#include "kernels/squared.h"
#include "tests/kernel_suite.h"

#include <math.h>

START_TEST(the_sum_of_squares_and_its_gradient_are_those_of_the_formula)
{
    const float y[3] = {1, -2, 0.5F}, labels[3] = {0.5F, 1, 0.5F};
    float dy[3];
    ck_assert_double_eq_tol(ty_kernel_squared(dy, y, labels, 3, 0.25F), 0.25 + 9, 1e-6);
    ck_assert_float_eq(dy[0], 0.25F);
    ck_assert_float_eq(dy[1], -1.5F);
    ck_assert_float_eq(dy[2], 0);
}
END_TEST

START_TEST(the_gradient_is_the_slope)
{
    const float labels[2] = {0.25F, -3};
    float y[2] = {1.5F, 2}, dy[2], other[2];
    ty_kernel_squared(dy, y, labels, 2, 1);
    for (int i = 0; i < 2; i++) {
        const float at = y[i], h = 0.0078125F;
        y[i] = at + h;
        const double up = ty_kernel_squared(other, y, labels, 2, 1);
        y[i] = at - h;
        const double down = ty_kernel_squared(other, y, labels, 2, 1);
        y[i] = at;
        ck_assert_double_eq_tol((up - down) / (2 * (double)h), (double)dy[i], 1e-4);
    }
}
END_TEST

START_TEST(in_place_gives_the_same)
{
    const float labels[3] = {3, 2, 1};
    float y[3] = {1, 2, 3}, dy[3];
    const double sum = ty_kernel_squared(dy, y, labels, 3, 0.5F);
    ck_assert_double_eq(ty_kernel_squared(y, y, labels, 3, 0.5F), sum);
    ck_assert_mem_eq(y, dy, sizeof y);
}
END_TEST

START_TEST(what_is_no_number_shows_in_the_sum)
{
    const float y[2] = {NAN, 1}, labels[2] = {0, 0};
    float dy[2];
    ck_assert(isnan(ty_kernel_squared(dy, y, labels, 2, 1)));
    ck_assert_double_eq(ty_kernel_squared(dy, y, labels, 0, 1), 0);
}
END_TEST

int main(int argc, char **argv)
{
    TCase *t = open_cases("squared", argv);
    (void)argc;
    tcase_add_test(t, the_sum_of_squares_and_its_gradient_are_those_of_the_formula);
    tcase_add_test(t, the_gradient_is_the_slope);
    tcase_add_test(t, in_place_gives_the_same);
    tcase_add_test(t, what_is_no_number_shows_in_the_sum);
    return run_cases("kernels_squared", t);
}
