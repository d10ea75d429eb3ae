/* SPDX-License-Identifier: MIT
 *
 * bench_exchanges - what the workers of inexact strategies do to n numbers: gradients compressed and added up again,
 * parameters that all of them read and change.
 */
#include "base/err.h"
#include "experiments/bench_case.h"
#include "kernels/compress.h"
#include "kernels/shared.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const size_t sweep[][TY_BENCH_DIMS] = {{5000}, {1 << 17}, {1 << 20}, {1 << 22}};

enum { BLOCK = 1024, STEPS = 127 }; /* of compress.h */

/* Of top-k: one number of a hundred. */
static size_t kept(const size_t *s)
{
    return s[0] / 100;
}

static size_t blocks(size_t n)
{
    return (n + BLOCK - 1) / BLOCK;
}

/* Numbers of block b. */
static size_t block_size(size_t n, size_t b)
{
    return b + 1 < blocks(n) ? BLOCK : n - b * BLOCK;
}

/* ---- compress: packed, error [n], x [n] ------------------------------------------------------ */

enum { PACKED, ERROR, X };

static void lay_out_compress(const size_t *s, ty_bench_array *a, ty_compression how)
{
    a[PACKED] = (ty_bench_array){.role = TY_UNSEEN, .n = ty_packed(how, s[0], kept(s))};
    a[ERROR] = (ty_bench_array){.role = TY_BOTH, .n = s[0]};
    a[X] = (ty_bench_array){.role = TY_IN, .n = s[0]};
}

/* What there is to send, rounded as it is everywhere: the smallest difference decides what is sent. */
static float owed(const float *const *in, size_t i)
{
    return in[ERROR][i] + in[X][i];
}

static int by_size_falling(const void *a, const void *b)
{
    const float x = fabsf(*(const float *)a), y = fabsf(*(const float *)b);
    return (x < y) - (x > y);
}

static void naive_compress_topk(const size_t *s, const float *const *in, double *const *out)
{
    float *sorted = ty_alloc(s[0] * sizeof *sorted);
    for (size_t i = 0; i < s[0]; i++)
        sorted[i] = owed(in, i);
    qsort(sorted, s[0], sizeof *sorted, by_size_falling);
    for (size_t i = 0; i < s[0]; i++)
        out[ERROR][i] = fabsf(owed(in, i)) >= fabsf(sorted[kept(s) - 1]) ? 0 : (double)owed(in, i);
    free(sorted);
}

static void naive_compress_8bit(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t b = 0; b < blocks(s[0]); b++) {
        const size_t begin = b * BLOCK, end = begin + block_size(s[0], b);
        float most = 0;
        for (size_t i = begin; i < end; i++)
            most = fmaxf(most, fabsf(owed(in, i)));
        for (size_t i = begin; i < end; i++)
            out[ERROR][i] = (double)owed(in, i) -
                            rint((double)(owed(in, i) * (STEPS / most))) * (double)most / STEPS;
    }
}

static void naive_compress_1bit(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t b = 0; b < blocks(s[0]); b++) {
        const size_t begin = b * BLOCK, end = begin + block_size(s[0], b);
        double sum[2] = {0}, count[2] = {0};
        for (size_t i = begin; i < end; i++) {
            sum[owed(in, i) < 0] += (double)owed(in, i);
            count[owed(in, i) < 0]++;
        }
        for (size_t i = begin; i < end; i++)
            out[ERROR][i] = (double)owed(in, i) - sum[owed(in, i) < 0] / count[owed(in, i) < 0];
    }
}

/* What is left of a number is rounded as the number is, which is up to so many steps. */
static size_t depth_compress_8bit(const size_t *s)
{
    (void)s;
    return STEPS * STEPS;
}

static size_t depth_compress_1bit(const size_t *s)
{
    (void)s;
    return BLOCK;
}

/* ---- decompress and add: y [n], packed, what it was made of ---------------------------------- */

enum { Y, FROM, REST };

static void lay_out_add(const size_t *s, ty_bench_array *a, ty_compression how)
{
    a[Y] = (ty_bench_array){.role = TY_BOTH, .n = s[0]};
    a[FROM] = (ty_bench_array){.role = TY_IN, .n = ty_packed(how, s[0], kept(s))};
    a[REST] = (ty_bench_array){.role = TY_SPACE, .n = s[0]};
}

static void naive_add_topk(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t i = 0; i < kept(s); i++) {
        uint32_t place;
        memcpy(&place, &in[FROM][kept(s) + i], sizeof place);
        out[Y][place] += (double)in[FROM][i];
    }
}

static void naive_add_8bit(const size_t *s, const float *const *in, double *const *out)
{
    const int8_t *byte = (const int8_t *)(in[FROM] + blocks(s[0]));
    for (size_t i = 0; i < s[0]; i++)
        out[Y][i] += (double)in[FROM][i / BLOCK] * byte[i];
}

static void naive_add_1bit(const size_t *s, const float *const *in, double *const *out)
{
    const uint8_t *bits = (const uint8_t *)(in[FROM] + 2 * blocks(s[0]));
    for (size_t i = 0; i < s[0]; i++)
        out[Y][i] += (double)in[FROM][2 * (i / BLOCK) + (bits[i / 8] >> i % 8 & 1)];
}

/* The functions of both rows of a way to compress. */
#define WAY(way, how)                                                                              \
    static void lay_out_compress_##way(const size_t *s, ty_bench_array *a)                         \
    {                                                                                              \
        lay_out_compress(s, a, how);                                                               \
    }                                                                                              \
    static int work_compress_##way(const size_t *s, ty_work *out)                                  \
    {                                                                                              \
        *out = ty_work_compress(how, s[0], kept(s));                                               \
        return 1;                                                                                  \
    }                                                                                              \
    static void call_compress_##way(const size_t *s, float *const *a)                              \
    {                                                                                              \
        ty_kernel_compress(how, a[PACKED], a[ERROR], a[X], s[0], kept(s));                         \
    }                                                                                              \
    static void lay_out_add_##way(const size_t *s, ty_bench_array *a)                              \
    {                                                                                              \
        lay_out_add(s, a, how);                                                                    \
    }                                                                                              \
    static int work_add_##way(const size_t *s, ty_work *out)                                       \
    {                                                                                              \
        *out = ty_work_decompress_add(how, s[0], kept(s));                                         \
        return 1;                                                                                  \
    }                                                                                              \
    static void call_add_##way(const size_t *s, float *const *a)                                   \
    {                                                                                              \
        ty_kernel_decompress_add(how, a[Y], a[FROM], s[0], kept(s));                               \
    }                                                                                              \
    static void prepare_add_##way(const size_t *s, float *const *a)                                \
    {                                                                                              \
        memset(a[REST], 0, s[0] * sizeof *a[REST]);                                                \
        ty_kernel_compress(how, a[FROM], a[REST], a[Y], s[0], kept(s));                            \
    }
WAY(topk, TY_TOPK)
WAY(8bit, TY_8BIT)
WAY(1bit, TY_1BIT)

/* ---- shared numbers: read into y [n]; shared [n] by what is now and was before [n] ------------ */

static void lay_out_shared_read(const size_t *s, ty_bench_array *a)
{
    a[0] = (ty_bench_array){.role = TY_OUT, .n = s[0]};
    a[1] = (ty_bench_array){.role = TY_IN, .n = s[0]};
}

static int work_shared_read(const size_t *s, ty_work *out)
{
    *out = ty_work_shared_read(s[0]);
    return 1;
}

static void call_shared_read(const size_t *s, float *const *a)
{
    ty_kernel_shared_read(a[0], a[1], s[0]);
}

static void naive_shared_read(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t i = 0; i < s[0]; i++)
        out[0][i] = (double)in[1][i];
}

static void lay_out_shared_add(const size_t *s, ty_bench_array *a)
{
    for (int i = 0; i < 3; i++)
        a[i] = (ty_bench_array){.role = i ? TY_IN : TY_BOTH, .n = s[0]};
}

static int work_shared_add(const size_t *s, ty_work *out)
{
    *out = ty_work_shared_add(s[0]);
    return 1;
}

static void call_shared_add(const size_t *s, float *const *a)
{
    ty_kernel_shared_add(a[0], a[1], a[2], s[0]);
}

static void naive_shared_add(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t i = 0; i < s[0]; i++)
        out[0][i] += (double)in[1][i] - (double)in[2][i];
}

#define EXCHANGE(name_, kind_)                                                                     \
    .name = #name_, .kind = kind_, .dims = "n", .lay_out = lay_out_##name_, .work = work_##name_,  \
    .call = call_##name_, .naive = naive_##name_, .typical = 2, TY_SHAPES(sweep, 1)

const ty_bench_op ty_bench_exchanges[] = {
    {EXCHANGE(compress_topk, "pack")},
    {EXCHANGE(compress_8bit, "pack"), .depth = depth_compress_8bit},
    {EXCHANGE(compress_1bit, "pack"), .depth = depth_compress_1bit},
    {EXCHANGE(add_topk, "pack"), .prepare = prepare_add_topk},
    {EXCHANGE(add_8bit, "pack"), .prepare = prepare_add_8bit},
    {EXCHANGE(add_1bit, "pack"), .prepare = prepare_add_1bit},
    {EXCHANGE(shared_read, "shared")},
    {EXCHANGE(shared_add, "shared")},
};
const size_t ty_bench_exchanges_n = sizeof ty_bench_exchanges / sizeof *ty_bench_exchanges;
