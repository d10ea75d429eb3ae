/* SPDX-License-Identifier: MIT */
#include "kernels/compress.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK = 1024, BINS = 2048, WORD = sizeof(float), LANES = 8 };

const char *const ty_compression_name[TY_COMPRESSIONS + 1] = {"top-k", "8bit", "1bit"};

static size_t blocks(size_t n)
{
    return (n + BLOCK - 1) / BLOCK;
}

static size_t block_end(size_t n, size_t begin)
{
    return n - begin < BLOCK ? n : begin + BLOCK;
}

size_t ty_packed(ty_compression how, size_t n, size_t k)
{
    return how == TY_TOPK   ? 2 * k
           : how == TY_8BIT ? blocks(n) + (n + WORD - 1) / WORD
                            : 2 * blocks(n) + (n + 8 * WORD - 1) / (8 * WORD);
}

/* ---- top-k: sizes are ordered as their bits are ---------------------------------------------- */

static uint32_t size_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x7fffffffu;
}

/* The bits of the k-th largest size of x[n], found 11, 11 and 9 bits at a time; *equal is how many numbers of just that size
 * are among the k. */
static uint32_t kth_size(const float *x, size_t n, size_t k, size_t *equal)
{
    static const int shift[] = {20, 9, 0};
    static const uint32_t width[] = {BINS - 1, BINS - 1, 511};
    uint32_t found = 0, known = 0;
    for (int pass = 0; pass < 3; pass++) {
        size_t count[BINS] = {0};
        for (size_t i = 0; i < n; i++)
            if ((size_bits(x[i]) & known) == found)
                count[size_bits(x[i]) >> shift[pass] & width[pass]]++;
        uint32_t bin = width[pass];
        for (; bin > 0 && count[bin] < k; bin--)
            k -= count[bin];
        found |= bin << shift[pass];
        known |= width[pass] << shift[pass];
    }
    *equal = k;
    return found;
}

static void pack_topk(float *packed, float *error, size_t n, size_t k)
{
    size_t equal, at = 0;
    if (k == 0)
        return;
    const uint32_t least = kth_size(error, n, k, &equal);
    for (size_t i = 0; i < n && at < k; i++) {
        const uint32_t size = size_bits(error[i]), place = (uint32_t)i;
        if (size < least || (size == least && equal == 0))
            continue;
        equal -= size == least;
        packed[at] = error[i];
        memcpy(&packed[k + at++], &place, sizeof place);
        error[i] = 0;
    }
}

static void add_topk(float *y, const float *packed, size_t k)
{
    for (size_t i = 0; i < k; i++) {
        uint32_t place;
        memcpy(&place, &packed[k + i], sizeof place);
        y[place] += packed[i];
    }
}

/* ---- 8 bits: scales, then bytes -------------------------------------------------------------- */

/* The largest size of x[n], by its bits, which are ordered as sizes are. */
static float most_of(const float *x, size_t n)
{
    uint32_t bits = 0;
    float most;
    for (size_t i = 0; i < n; i++)
        bits = size_bits(x[i]) > bits ? size_bits(x[i]) : bits;
    memcpy(&most, &bits, sizeof most);
    return most;
}

static void pack_8bit(float *packed, float *error, size_t n)
{
    int8_t *byte = (int8_t *)(packed + blocks(n));
    for (size_t b = 0; b < blocks(n); b++) {
        const size_t begin = b * BLOCK, end = block_end(n, begin);
        const float most = most_of(error + begin, end - begin);
        const float scale = packed[b] = most / 127, inverse = most > 0 ? 127 / most : 0;
        for (size_t i = begin; i < end; i++) {
            const float below = error[i] * inverse < 127 ? error[i] * inverse : 127;
            const int whole = (int)rintf(below > -127 ? below : -127);
            byte[i] = (int8_t)whole;
            error[i] -= scale * (float)whole;
        }
    }
}

static void add_8bit(float *y, const float *packed, size_t n)
{
    const int8_t *byte = (const int8_t *)(packed + blocks(n));
    for (size_t b = 0; b < blocks(n); b++)
        for (size_t i = b * BLOCK; i < block_end(n, b * BLOCK); i++)
            y[i] += packed[b] * (float)byte[i];
}

/* ---- 1 bit: two means a block, then bits ----------------------------------------------------- */

/* Eight numbers, whose signs make a byte, or which are of eight blocks. */
typedef float eight __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t mask __attribute__((vector_size(4 * LANES)));

static const mask bit_of = {1, 2, 4, 8, 16, 32, 64, 128};

#define PICK(which, yes, no) ((eight)(((which) & (mask)(yes)) | (~(which) & (mask)(no))))

/* The means of the numbers from 0 and of those below it, of one block of n or of LANES full ones side by side: each is
 * summed in the order of its numbers, and none waits for another. */
static void means(float *mean, const float *x, size_t lanes, size_t n)
{
    eight above = {0}, below = {0};
    mask negative = {0};
    for (size_t i = 0; i < n; i++) {
        eight v = {x[i]};
        if (lanes == LANES)
#pragma GCC unroll 8
            for (size_t b = 1; b < LANES; b++)
                v[b] = x[b * BLOCK + i];
        above += PICK(v < 0, (eight){0}, v);
        below += PICK(v < 0, v, (eight){0});
        negative -= v < 0;
    }
    for (size_t b = 0; b < lanes; b++) {
        const size_t count = (size_t)negative[b];
        mean[2 * b] = n > count ? above[b] / (float)(n - count) : 0;
        mean[2 * b + 1] = count ? below[b] / (float)count : 0;
    }
}

/* The signs of eight numbers, the first in the lowest bit; what is left of them. */
static uint8_t signs(float *error, const float *mean)
{
    const eight v = *(eight *)error;
    const mask bit = (v < 0) & bit_of;
    *(eight *)error = v - PICK(v < 0, (eight){0} + mean[1], (eight){0} + mean[0]);
    int bits = 0;
    for (int i = 0; i < LANES; i++)
        bits |= bit[i];
    return (uint8_t)bits;
}

static void pack_1bit(float *packed, float *error, size_t n)
{
    uint8_t *bits = (uint8_t *)(packed + 2 * blocks(n));
    float rest[LANES] = {0};
    size_t b = 0, i = 0;
    for (; (b + LANES) * BLOCK <= n; b += LANES)
        means(packed + 2 * b, error + b * BLOCK, LANES, BLOCK);
    for (; b < blocks(n); b++)
        means(packed + 2 * b, error + b * BLOCK, 1, block_end(n, b * BLOCK) - b * BLOCK);
    for (; i + LANES <= n; i += LANES)
        bits[i / 8] = signs(error + i, packed + 2 * (i / BLOCK));
    if (i < n) {
        memcpy(rest, error + i, (n - i) * sizeof *rest);
        bits[i / 8] = signs(rest, packed + 2 * (i / BLOCK));
        memcpy(error + i, rest, (n - i) * sizeof *rest);
    }
}

static void add_1bit(float *y, const float *packed, size_t n)
{
    const uint8_t *bits = (const uint8_t *)(packed + 2 * blocks(n));
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const float *mean = packed + 2 * (i / BLOCK);
        const mask negative = (((mask){0} + bits[i / 8]) & bit_of) != 0;
        *(eight *)(y + i) += PICK(negative, (eight){0} + mean[1], (eight){0} + mean[0]);
    }
    for (; i < n; i++)
        y[i] += packed[2 * (i / BLOCK) + (bits[i / 8] >> i % 8 & 1)];
}

/* ---- all of them ----------------------------------------------------------------------------- */

void ty_kernel_compress(ty_compression how, float *packed, float *error, const float *x, size_t n,
                        size_t k)
{
    for (size_t i = 0; i < n; i++)
        error[i] += x[i];
    if (how == TY_TOPK)
        pack_topk(packed, error, n, k);
    else if (how == TY_8BIT)
        pack_8bit(packed, error, n);
    else
        pack_1bit(packed, error, n);
}

void ty_kernel_decompress_add(ty_compression how, float *y, const float *packed, size_t n, size_t k)
{
    if (how == TY_TOPK)
        add_topk(y, packed, k);
    else if (how == TY_8BIT)
        add_8bit(y, packed, n);
    else
        add_1bit(y, packed, n);
}

/* Of m numbers, each looked at alone so often: flops and traffic [floats] of each, and what is packed. */
static ty_work work(size_t m, size_t alone, double flops, double floats, size_t packed)
{
    const double n = (double)m;
    return (ty_work){TY_CLASS_PACK, m,         1,
                     alone,         flops * n, (floats * n + (double)packed) * sizeof(float)};
}

ty_work ty_work_compress(ty_compression how, size_t n, size_t k)
{
    /* The k-th is found in three looks at each number and the k are picked in one; a mean is of numbers fetched singly. */
    static const size_t alone[TY_COMPRESSIONS] = {4, 0, 1};
    /* error = error + x is a pass of its own; then error is gone through four times, or read and written. */
    static const double flops[TY_COMPRESSIONS] = {1, 8, 4}, floats[TY_COMPRESSIONS] = {7, 5, 5};
    return work(n, alone[how], flops[how], floats[how], ty_packed(how, n, k));
}

ty_work ty_work_decompress_add(ty_compression how, size_t n, size_t k)
{
    ty_work w = how == TY_TOPK ? work(k, 1, 1, 2, ty_packed(how, n, k))
                               : work(n, 0, how == TY_8BIT ? 2 : 1, 2, ty_packed(how, n, k));
    w.cls = how == TY_8BIT ? TY_CLASS_STREAM : TY_CLASS_PACK; /* bytes are numbers already */
    return w;
}
