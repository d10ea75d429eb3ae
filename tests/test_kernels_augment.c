/* SPDX-License-Identifier: MIT
 *
 * Image preprocessing: moves whose result is known exactly, and the naive reference for the others.
 */
#include "kernels/kernels.h"
#include "tests/kernel_suite.h"
#include "tests/naive.h"

#include <check.h>

enum { MOST = 100 * 90 };

static const float mean = 0.13f, std = 0.31f;

/* Images of these sizes; the last two are too large for the fast path. */
static const size_t sizes[][2] = {{1, 1},   {1, 9},   {2, 3},   {7, 7},   {8, 8},
                                  {28, 28}, {61, 61}, {62, 61}, {100, 90}};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void paint(uint8_t *image, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++)
        image[i] = (uint8_t)(256 * ty_uniform(ty_key(seed, 0, 0), i));
}

static void augment_one(float *out, const uint8_t *image, size_t h, size_t w, float angle, float dx,
                        float dy)
{
    const float move[1][3] = {{angle, dx, dy}};
    ty_kernel_augment(out, &image, move, 1, h, w, mean, std);
}

/* What a byte becomes. */
static double shade(double byte)
{
    return (byte / 255 - (double)mean) / (double)std;
}

START_TEST(decoding_normalises_every_byte)
{
    uint8_t image[256];
    const uint8_t *images = image;
    float out[256];
    for (int i = 0; i < 256; i++)
        image[i] = (uint8_t)i;
    ty_kernel_augment(out, &images, NULL, 1, 16, 16, mean, std);
    for (int i = 0; i < 256; i++)
        ck_assert_double_eq_tol((double)out[i], shade(i), 1e-6);
}
END_TEST

START_TEST(no_movement_is_bitwise_the_plain_decoding)
{
    static uint8_t image[MOST];
    static float moved[MOST], plain[MOST];
    const uint8_t *images = image;
    for (int s = 0; s < SIZES; s++) {
        const size_t n = sizes[s][0] * sizes[s][1];
        paint(image, n, 1);
        augment_one(moved, image, sizes[s][0], sizes[s][1], 0, 0, 0);
        ty_kernel_augment(plain, &images, NULL, 1, sizes[s][0], sizes[s][1], mean, std);
        ck_assert_msg(naive_same(moved, plain, n), "%zu x %zu", sizes[s][0], sizes[s][1]);
    }
}
END_TEST

START_TEST(whole_pixels_move_exactly_and_leave_background)
{
    static uint8_t image[MOST];
    static float out[MOST];
    for (int s = 0; s < SIZES; s++)
        for (int d = -3; d <= 3; d++) {
            const int h = (int)sizes[s][0], w = (int)sizes[s][1], dx = d, dy = 2 * d - 1;
            paint(image, (size_t)(h * w), 2);
            augment_one(out, image, (size_t)h, (size_t)w, 0, (float)dx, (float)dy);
            for (int y = 0; y < h; y++)
                for (int x = 0; x < w; x++) {
                    const int in = y - dy >= 0 && y - dy < h && x - dx >= 0 && x - dx < w;
                    const double want = shade(in ? image[(y - dy) * w + x - dx] : 0);
                    ck_assert_double_eq_tol((double)out[y * w + x], want, 1e-6);
                }
        }
}
END_TEST

START_TEST(half_a_pixel_is_the_mean_of_two)
{
    const uint8_t image[4] = {10, 30, 50, 200};
    float out[4];
    augment_one(out, image, 1, 4, 0, 0.5f, 0);
    ck_assert_double_eq_tol((double)out[0], shade(5), 1e-6);
    ck_assert_double_eq_tol((double)out[1], shade(20), 1e-6);
    ck_assert_double_eq_tol((double)out[3], shade(125), 1e-6);
}
END_TEST

/* A quarter turn from right to down carries (x, y) to (n - 1 - y, x). */
START_TEST(a_quarter_turn_moves_every_pixel_to_its_place)
{
    static const size_t side[] = {1, 2, 7, 8, 28, 61, 75};
    static uint8_t image[75 * 75];
    static float out[75 * 75];
    for (size_t s = 0; s < sizeof side / sizeof *side; s++) {
        const size_t n = side[s];
        paint(image, n * n, 3);
        augment_one(out, image, n, n, (float)(M_PI / 2), 0, 0);
        for (size_t y = 0; y < n; y++)
            for (size_t x = 0; x < n; x++)
                ck_assert_double_eq_tol((double)out[x * n + n - 1 - y], shade(image[y * n + x]),
                                        1e-4);
    }
}
END_TEST

START_TEST(far_away_is_background)
{
    static uint8_t image[28 * 28];
    static float out[28 * 28];
    static const float far[] = {28, -28, 1e4f, -1e9f, 1e30f};
    paint(image, sizeof image, 4);
    for (size_t i = 0; i < 2 * sizeof far / sizeof *far; i++) {
        augment_one(out, image, 28, 28, 0, i % 2 ? far[i / 2] : 0, i % 2 ? 0 : far[i / 2]);
        for (size_t p = 0; p < sizeof image; p++)
            ck_assert_double_eq_tol((double)out[p], shade(0), 1e-6);
    }
}
END_TEST

/* A source coordinate errs by about 1e-5 pixels, and neighbours differ by at most one white. */
START_TEST(any_move_is_the_naive_one)
{
    static uint8_t image[MOST];
    static float out[MOST];
    static double exact[MOST];
    for (int s = 0; s < SIZES; s++)
        for (uint64_t i = 0; i < 20; i++) {
            const size_t h = sizes[s][0], w = sizes[s][1];
            const uint64_t key = ty_key(5, i, 0);
            const float move[3] = {(float)(6 * ty_uniform(key, 0) - 3),
                                   (float)(10 * ty_uniform(key, 1) - 5),
                                   (float)(10 * ty_uniform(key, 2) - 5)};
            paint(image, h * w, i);
            augment_one(out, image, h, w, move[0], move[1], move[2]);
            naive_augment(exact, image, move, h, w, (double)mean, (double)std);
            ck_assert_msg(naive_distance(out, exact, h * w) < 2e-4, "%zu x %zu: off by %g", h, w,
                          naive_distance(out, exact, h * w));
        }
}
END_TEST

START_TEST(a_batch_is_its_images_for_any_number_of_threads)
{
    enum { B = 50, PIXELS = 28 * 28 };
    static uint8_t image[B][PIXELS];
    static float one[B * PIXELS], many[B * PIXELS], move[B][3];
    const uint8_t *images[B];
    for (int i = 0; i < B; i++) {
        paint(image[i], PIXELS, (uint64_t)i);
        images[i] = image[i];
        move[i][0] = 0.01f * (float)i;
        move[i][1] = 0.1f * (float)(i - 20);
        move[i][2] = 0.3f;
        augment_one(one + i * PIXELS, image[i], 28, 28, move[i][0], move[i][1], move[i][2]);
    }
    for (int threads = 1; threads <= 4; threads++) {
        memset(many, 0, sizeof many);
        ty_kernel_set_threads(threads);
        ty_kernel_augment(many, images, (const float(*)[3])move, B, 28, 28, mean, std);
        ck_assert_msg(naive_same(one, many, B * PIXELS), "%d threads", threads);
    }
    ty_kernel_set_threads(1);
}
END_TEST

START_TEST(no_images_are_no_work)
{
    ty_kernel_augment(NULL, NULL, NULL, 0, 28, 28, mean, std);
    const ty_work plain = ty_work_augment(10, 28, 28, 0), moved = ty_work_augment(10, 28, 28, 1);
    ck_assert(plain.cls == TY_CLASS_STREAM && plain.m == 7840 && plain.n == 1 && plain.k == 1);
    ck_assert(plain.bytes == 5 * 7840 && plain.flops == 2 * 7840);
    ck_assert(moved.m == 280 && moved.n == 28 && moved.bytes == plain.bytes && moved.flops > plain.flops);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    TCase *cases = open_cases("augment", argv);
    tcase_add_test(cases, decoding_normalises_every_byte);
    tcase_add_test(cases, no_movement_is_bitwise_the_plain_decoding);
    tcase_add_test(cases, whole_pixels_move_exactly_and_leave_background);
    tcase_add_test(cases, half_a_pixel_is_the_mean_of_two);
    tcase_add_test(cases, a_quarter_turn_moves_every_pixel_to_its_place);
    tcase_add_test(cases, far_away_is_background);
    tcase_add_test(cases, any_move_is_the_naive_one);
    tcase_add_test(cases, a_batch_is_its_images_for_any_number_of_threads);
    tcase_add_test(cases, no_images_are_no_work);
    return run_cases("kernels/augment", cases);
}
