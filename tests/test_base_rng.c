/* SPDX-License-Identifier: MIT
 *
 * Random numbers by key: the right distributions, and independence of keys that differ in one bit.
 * Bounds are five standard errors or the 1e-6 quantile, and the draws are fixed: a case that passes
 * once passes always.
 */
#include "base/rng.h"

#include <check.h>
#include <math.h>
#include <string.h>

enum { N = 100000, BINS = 100 };

/* Chi-squared of N draws in [0, 1) over BINS bins: mean 99, standard deviation 14. */
static double chi_squared(double (*draw)(uint64_t i))
{
    static unsigned count[BINS];
    double sum = 0;
    memset(count, 0, sizeof count);
    for (uint64_t i = 0; i < N; i++)
        count[(int)(draw(i) * BINS)]++;
    for (int b = 0; b < BINS; b++)
        sum += pow(count[b] - (double)N / BINS, 2) / ((double)N / BINS);
    return sum;
}

static double by_draw(uint64_t i)
{
    return ty_uniform(ty_key(1, 2, 3), i);
}

static double by_first(uint64_t i)
{
    return ty_uniform(ty_key(i, 2, 3), 0);
}

static double by_second(uint64_t i)
{
    return ty_uniform(ty_key(1, i, 3), 0);
}

static double by_third(uint64_t i)
{
    return ty_uniform(ty_key(1, 2, i), 0);
}

static double low_bits(uint64_t i)
{
    double v = ty_uniform(ty_key(1, 2, 3), i) * 0x1p20;
    return v - floor(v);
}

START_TEST(draws_are_uniform_along_every_word_of_the_key)
{
    double (*const draw[])(uint64_t) = {by_draw, by_first, by_second, by_third, low_bits};
    for (int k = 0; k < 5; k++) {
        const double x = chi_squared(draw[k]);
        ck_assert_msg(x > 45 && x < 180, "chi-squared %g of generator %d", x, k);
    }
}
END_TEST

static double constant(uint64_t i)
{
    return (double)(i % 50) / 50; /* leaves every second bin empty */
}

START_TEST(the_test_of_uniformity_can_fail)
{
    ck_assert_double_gt(chi_squared(constant), 180);
}
END_TEST

static double correlation(double (*a)(uint64_t), double (*b)(uint64_t))
{
    double ab = 0;
    for (uint64_t i = 0; i < N; i++)
        ab += (a(i) - 0.5) * (b(i) - 0.5);
    return 12 * ab / N;
}

static double next_draw(uint64_t i)
{
    return by_draw(i + 1);
}

START_TEST(neighbouring_keys_and_draws_are_independent)
{
    const double bound = 5 / sqrt(N);
    ck_assert_double_eq_tol(correlation(by_draw, next_draw), 0, bound);
    ck_assert_double_eq_tol(correlation(by_draw, by_first), 0, bound);
    ck_assert_double_eq_tol(correlation(by_first, by_second), 0, bound);
    ck_assert_double_eq_tol(correlation(by_second, by_third), 0, bound);
    ck_assert_double_gt(correlation(by_draw, by_draw), 0.9); /* and the test can fail */
}
END_TEST

START_TEST(keys_depend_on_every_bit_of_every_word_and_on_their_order)
{
    const uint64_t key = ty_key(1, 2, 3);
    for (int bit = 0; bit < 64; bit++) {
        const uint64_t flip = (uint64_t)1 << bit;
        const uint64_t other[] = {ty_key(1 ^ flip, 2, 3), ty_key(1, 2 ^ flip, 3),
                                  ty_key(1, 2, 3 ^ flip)};
        for (int w = 0; w < 3; w++) {
            const int changed = __builtin_popcountll(key ^ other[w]);
            ck_assert(changed > 10 && changed < 54); /* 32 expected, deviation 4 */
        }
    }
    ck_assert_uint_ne(ty_key(1, 2, 3), ty_key(3, 2, 1));
    ck_assert_uint_ne(ty_key(0, 0, 1), ty_key(0, 1, 0));
    ck_assert_uint_ne(ty_key(0, 0, 0), 0);
}
END_TEST

START_TEST(uniform_draws_stay_below_one_and_repeat)
{
    double lo = 1, hi = 0;
    for (uint64_t i = 0; i < N; i++) {
        const double v = ty_uniform(42, i);
        ck_assert(v == ty_uniform(42, i));
        lo = fmin(lo, v);
        hi = fmax(hi, v);
    }
    ck_assert(lo >= 0 && lo < 1e-3 && hi < 1 && hi > 1 - 1e-3);
}
END_TEST

/* Computed by another program from the published algorithm: a change here changes every result ever
 * kept. */
START_TEST(the_generator_is_splitmix64)
{
    ck_assert(ty_key(1, 2, 3) == 0xd0734750fde362b3u);
    ck_assert(ty_uniform(ty_key(1, 2, 3), 5) == (double)0x1a4b640fd44009 * 0x1p-53);
}
END_TEST

START_TEST(normal_draws_have_the_moments_of_a_normal)
{
    double m[5] = {0};
    unsigned beyond2 = 0;
    for (uint64_t i = 0; i < N; i++) {
        const double v = ty_normal(7, i);
        ck_assert(isfinite(v));
        for (int k = 1; k <= 4; k++)
            m[k] += pow(v, k) / N;
        beyond2 += fabs(v) > 2;
    }
    const double se = 1 / sqrt(N);
    ck_assert_double_eq_tol(m[1], 0, 5 * se);
    ck_assert_double_eq_tol(m[2], 1, 5 * sqrt(2) * se);
    ck_assert_double_eq_tol(m[3], 0, 5 * sqrt(15) * se);
    ck_assert_double_eq_tol(m[4], 3, 5 * sqrt(96) * se);
    ck_assert_double_eq_tol((double)beyond2 / N, 0.0455, 5 * 0.21 * se);
}
END_TEST

START_TEST(a_shuffle_is_a_permutation)
{
    static const uint32_t sizes[] = {0, 1, 2, 3, 10, 1000};
    uint32_t order[1001];
    unsigned char seen[1000];
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (uint64_t key = 0; key < 20; key++) {
            const uint32_t n = sizes[s];
            order[n] = 0xabcd;
            memset(seen, 0, sizeof seen);
            ty_shuffle(key, order, n);
            ck_assert_uint_eq(order[n], 0xabcd);
            for (uint32_t i = 0; i < n; i++) {
                ck_assert_uint_lt(order[i], n);
                ck_assert_uint_eq(seen[order[i]]++, 0);
            }
        }
}
END_TEST

START_TEST(all_permutations_of_four_are_equally_likely)
{
    enum { DRAWS = 24000 };
    unsigned count[256] = {0}, kinds = 0;
    for (uint64_t key = 0; key < DRAWS; key++) {
        uint32_t o[4];
        ty_shuffle(ty_key(1, 1, key), o, 4);
        count[o[0] * 64 + o[1] * 16 + o[2] * 4 + o[3]]++;
    }
    for (int i = 0; i < 256; i++)
        if (count[i]) {
            kinds++;
            ck_assert(count[i] > 845 && count[i] < 1155); /* 1000, five standard deviations of 31 */
        }
    ck_assert_uint_eq(kinds, 24);
}
END_TEST

START_TEST(a_shuffle_depends_on_its_key_alone)
{
    uint32_t a[100], b[100];
    ty_shuffle(5, a, 100);
    memset(b, 0xff, sizeof b);
    ty_shuffle(5, b, 100);
    ck_assert_mem_eq(a, b, sizeof a);
    ty_shuffle(6, b, 100);
    ck_assert_mem_ne(a, b, sizeof a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base_rng");
    TCase *t = tcase_create("rng");
    tcase_add_test(t, draws_are_uniform_along_every_word_of_the_key);
    tcase_add_test(t, the_test_of_uniformity_can_fail);
    tcase_add_test(t, neighbouring_keys_and_draws_are_independent);
    tcase_add_test(t, keys_depend_on_every_bit_of_every_word_and_on_their_order);
    tcase_add_test(t, uniform_draws_stay_below_one_and_repeat);
    tcase_add_test(t, the_generator_is_splitmix64);
    tcase_add_test(t, normal_draws_have_the_moments_of_a_normal);
    tcase_add_test(t, a_shuffle_is_a_permutation);
    tcase_add_test(t, all_permutations_of_four_are_equally_likely);
    tcase_add_test(t, a_shuffle_depends_on_its_key_alone);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
