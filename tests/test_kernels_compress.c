/* SPDX-License-Identifier: MIT
 *
 * Compression of gradients: what is sent and what is left make up the whole, and what is sent is what was promised.
 */
#include "base/rng.h"
#include "kernels/compress.h"
#include "tests/kernel_suite.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 5000 };
static const size_t sizes[] = {1, 7, 8, 9, 1023, 1024, 1025, MOST};
enum { SIZES = sizeof sizes / sizeof *sizes };

static float x[MOST], owed[MOST], error[MOST], packed[2 * MOST], y[MOST];

static void draw(size_t n, uint64_t key)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = (float)ty_normal(ty_key(1, key, 0), i);
        owed[i] = error[i] = (float)ty_normal(ty_key(2, key, 0), i);
        y[i] = 0;
    }
}

static size_t part(size_t n)
{
    return n < 10 ? 1 : n / 10;
}

START_TEST(what_is_sent_and_what_is_left_make_up_the_whole)
{
    for (int s = 0; s < SIZES; s++) {
        const size_t n = sizes[s], k = part(n);
        draw(n, (uint64_t)n);
        ty_kernel_compress((ty_compression)_i, packed, error, x, n, k);
        ty_kernel_decompress_add((ty_compression)_i, y, packed, n, k);
        for (size_t i = 0; i < n; i++)
            ck_assert_msg(fabsf(y[i] + error[i] - (x[i] + owed[i])) <= 2e-6f,
                          "%zu of %zu: %g + %g, not %g", i, n, (double)y[i], (double)error[i],
                          (double)(x[i] + owed[i]));
    }
}
END_TEST

START_TEST(top_k_sends_the_k_largest_and_no_others)
{
    for (int s = 0; s < SIZES; s++) {
        const size_t n = sizes[s], k = part(n);
        size_t sent = 0;
        float least = INFINITY, most = 0;
        draw(n, 7 + (uint64_t)n);
        ty_kernel_compress(TY_TOPK, packed, error, x, n, k);
        ty_kernel_decompress_add(TY_TOPK, y, packed, n, k);
        for (size_t i = 0; i < n; i++) {
            if (y[i] != 0) {
                sent++;
                least = fminf(least, fabsf(y[i]));
            } else
                most = fmaxf(most, fabsf(error[i]));
        }
        ck_assert_uint_eq(sent, k);
        ck_assert(least >= most);
    }
}
END_TEST

START_TEST(top_k_of_equal_numbers_takes_the_first)
{
    for (int i = 0; i < 9; i++)
        x[i] = i % 2 ? -3 : 3, error[i] = y[i] = 0;
    ty_kernel_compress(TY_TOPK, packed, error, x, 9, 4);
    ty_kernel_decompress_add(TY_TOPK, y, packed, 9, 4);
    for (int i = 0; i < 9; i++)
        ck_assert(y[i] == (i < 4 ? x[i] : 0));
}
END_TEST

START_TEST(eight_bits_are_off_by_half_a_step_at_most)
{
    draw(MOST, 3);
    ty_kernel_compress(TY_8BIT, packed, error, x, MOST, 0);
    for (size_t b = 0; b < MOST; b += 1024) {
        float most = 0;
        for (size_t i = b; i < MOST && i < b + 1024; i++)
            most = fmaxf(most, fabsf(x[i] + owed[i]));
        for (size_t i = b; i < MOST && i < b + 1024; i++)
            ck_assert(fabsf(error[i]) <= most / 127 * 0.501f);
    }
}
END_TEST

START_TEST(one_bit_keeps_the_sums_of_both_signs)
{
    double sent[2] = {0}, whole[2] = {0};
    draw(1000, 4);
    ty_kernel_compress(TY_1BIT, packed, error, x, 1000, 0);
    ty_kernel_decompress_add(TY_1BIT, y, packed, 1000, 0);
    for (size_t i = 0; i < 1000; i++) {
        sent[y[i] < 0] += (double)y[i];
        whole[x[i] + owed[i] < 0] += (double)(x[i] + owed[i]);
    }
    ck_assert(fabs(sent[0] - whole[0]) < 1e-3 && fabs(sent[1] - whole[1]) < 1e-3);
}
END_TEST

START_TEST(zeros_stay_zeros_and_nothing_may_be_empty)
{
    memset(x, 0, sizeof x), memset(error, 0, sizeof error), memset(y, 0, sizeof y);
    ty_kernel_compress((ty_compression)_i, packed, error, x, 2000, 5);
    ty_kernel_decompress_add((ty_compression)_i, y, packed, 2000, 5);
    for (int i = 0; i < 2000; i++)
        ck_assert(y[i] == 0 && error[i] == 0);
    ty_kernel_compress((ty_compression)_i, packed, error, x, 0, 0);
    ty_kernel_decompress_add((ty_compression)_i, y, packed, 0, 0);
}
END_TEST

START_TEST(bytes_shrink_as_promised)
{
    ck_assert_uint_eq(ty_packed(TY_TOPK, 100000, 1000), 2000);
    ck_assert_uint_eq(ty_packed(TY_8BIT, 4096, 0), 4 + 1024);
    ck_assert_uint_eq(ty_packed(TY_1BIT, 4096, 0), 8 + 128);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    TCase *t = open_cases("compress", argv);
    tcase_add_loop_test(t, what_is_sent_and_what_is_left_make_up_the_whole, 0, TY_COMPRESSIONS);
    tcase_add_test(t, top_k_sends_the_k_largest_and_no_others);
    tcase_add_test(t, top_k_of_equal_numbers_takes_the_first);
    tcase_add_test(t, eight_bits_are_off_by_half_a_step_at_most);
    tcase_add_test(t, one_bit_keeps_the_sums_of_both_signs);
    tcase_add_loop_test(t, zeros_stay_zeros_and_nothing_may_be_empty, 0, TY_COMPRESSIONS);
    tcase_add_test(t, bytes_shrink_as_promised);
    return run_cases("kernels_compress", t);
}
