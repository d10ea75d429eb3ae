/* SPDX-License-Identifier: MIT
 *
 * bench_images - pooling, and what the loader does to images.
 */
#include "experiments/bench_case.h"
#include "kernels/conv.h"
#include "kernels/kernels.h"

#include <math.h>

/* ---- 2 x 2 max pooling of n planes ----------------------------------------------------------- */

static const size_t planes[][TY_BENCH_DIMS] = {{4096, 24, 24}, {384, 28, 28}, {1024, 10, 10}};

/* Element of the largest of square i of all squares, the first of equals. */
static size_t largest(const float *x, const size_t *s, size_t i)
{
    const size_t h = s[1] / 2, w = s[2] / 2, plane = i / (h * w), row = i / w % h, col = i % w;
    const size_t corner = (plane * s[1] + 2 * row) * s[2] + 2 * col;
    const size_t square[] = {corner, corner + 1, corner + s[2], corner + s[2] + 1};
    size_t best = corner;
    for (int k = 1; k < 4; k++)
        best = x[square[k]] > x[best] ? square[k] : best;
    return best;
}

static size_t squares(const size_t *s)
{
    return s[0] * (s[1] / 2) * (s[2] / 2);
}

static void lay_out_pool_fwd(const size_t *s, ty_bench_array *a)
{
    a[0] = (ty_bench_array){.role = TY_OUT, .n = squares(s)};
    a[1] = (ty_bench_array){.role = TY_IN, .n = s[0] * s[1] * s[2]};
}

static int work_pool_fwd(const size_t *s, ty_work *out)
{
    *out = ty_work_pool_fwd(s[0], s[1], s[2]);
    return 1;
}

static void call_pool_fwd(const size_t *s, float *const *a)
{
    ty_kernel_pool_fwd(a[0], a[1], s[0], s[1], s[2]);
}

static void naive_pool_fwd(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t i = 0; i < squares(s); i++)
        out[0][i] = (double)in[1][largest(in[1], s, i)];
}

static void lay_out_pool_bwd(const size_t *s, ty_bench_array *a)
{
    a[0] = (ty_bench_array){.role = TY_OUT, .n = s[0] * s[1] * s[2]};
    a[1] = (ty_bench_array){.role = TY_IN, .n = squares(s)};
    a[2] = (ty_bench_array){.role = TY_IN, .n = s[0] * s[1] * s[2]};
}

static int work_pool_bwd(const size_t *s, ty_work *out)
{
    *out = ty_work_pool_bwd(s[0], s[1], s[2]);
    return 1;
}

static void call_pool_bwd(const size_t *s, float *const *a)
{
    ty_kernel_pool_bwd(a[0], a[1], a[2], s[0], s[1], s[2]);
}

static void naive_pool_bwd(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t i = 0; i < s[0] * s[1] * s[2]; i++)
        out[0][i] = 0;
    for (size_t i = 0; i < squares(s); i++)
        out[0][largest(in[2], s, i)] = (double)in[1][i];
}

/* ---- decode, normalise, rotate and shift ----------------------------------------------------- */

enum { MOST_IMAGES = 256 };
static const size_t images[][TY_BENCH_DIMS] = {{128, 28, 28}, {64, 28, 28}};
static const float mean = 0.1307f, deviation = 0.3081f; /* of MNIST's pixels */

static void lay_out_augment(const size_t *s, ty_bench_array *a)
{
    const size_t pixels = s[0] * s[1] * s[2];
    a[0] = (ty_bench_array){.role = TY_OUT, .n = pixels};
    a[1] = (ty_bench_array){.role = TY_IN, .n = (pixels + 3) / 4, .filling = TY_BITS};
    a[2] = (ty_bench_array){.role = TY_IN, .n = 3 * s[0]};
}

static int work_augment(const size_t *s, ty_work *out)
{
    *out = ty_work_augment(s[0], s[1], s[2], 1);
    return 1;
}

static void call_augment(const size_t *s, float *const *a)
{
    const uint8_t *image[MOST_IMAGES], *pixel = (const uint8_t *)a[1];
    for (size_t i = 0; i < s[0]; i++)
        image[i] = pixel + i * s[1] * s[2];
    ty_kernel_augment(a[0], image, (const float(*)[3])(const void *)a[2], s[0], s[1], s[2], mean,
                      deviation);
}

static double pixel_at(const uint8_t *image, const size_t *s, double y, double x)
{
    const long r = (long)y, c = (long)x;
    const int inside = r >= 0 && c >= 0 && r < (long)s[1] && c < (long)s[2];
    return inside ? image[r * (long)s[2] + c] : 0;
}

/* Where pixel (x, y) comes from, between four others. */
static double sample(const uint8_t *image, const size_t *s, const float *move, size_t y, size_t x)
{
    const double c = cos((double)move[0]), d = sin((double)move[0]);
    const double cx = ((double)s[2] - 1) / 2, cy = ((double)s[1] - 1) / 2;
    const double px = (double)x - cx - (double)move[1], py = (double)y - cy - (double)move[2];
    const double u = c * px + d * py + cx, v = c * py - d * px + cy;
    const double fu = u - floor(u), fv = v - floor(v);
    return (1 - fv) * ((1 - fu) * pixel_at(image, s, floor(v), floor(u)) +
                       fu * pixel_at(image, s, floor(v), floor(u) + 1)) +
           fv * ((1 - fu) * pixel_at(image, s, floor(v) + 1, floor(u)) +
                 fu * pixel_at(image, s, floor(v) + 1, floor(u) + 1));
}

static void naive_augment(const size_t *s, const float *const *in, double *const *out)
{
    const size_t size = s[1] * s[2];
    for (size_t i = 0; i < s[0] * size; i++) {
        const uint8_t *image = (const uint8_t *)in[1] + i / size * size;
        const double value = sample(image, s, in[2] + 3 * (i / size), i % size / s[2], i % s[2]);
        out[0][i] = (value / 255 - (double)mean) / (double)deviation;
    }
}

/* A source is computed from angles and centres: some roundings, and slopes of up to 255 levels a pixel. */
static size_t depth_augment(const size_t *s)
{
    return 50 * s[1];
}

const ty_bench_op ty_bench_images[] = {
    {.name = "pool_fwd",
     .kind = "image",
     .dims = "n H W",
     .lay_out = lay_out_pool_fwd,
     .work = work_pool_fwd,
     .call = call_pool_fwd,
     .naive = naive_pool_fwd,
     TY_SHAPES(planes, 1)},
    {.name = "pool_bwd",
     .kind = "image",
     .dims = "n H W",
     .lay_out = lay_out_pool_bwd,
     .work = work_pool_bwd,
     .call = call_pool_bwd,
     .naive = naive_pool_bwd,
     TY_SHAPES(planes, 1)},
    {.name = "augment",
     .kind = "image",
     .dims = "B H W",
     .lay_out = lay_out_augment,
     .work = work_augment,
     .call = call_augment,
     .naive = naive_augment,
     .depth = depth_augment,
     TY_SHAPES(images, 1)},
};
const size_t ty_bench_images_n = sizeof ty_bench_images / sizeof *ty_bench_images;
