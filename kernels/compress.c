/* SPDX-License-Identifier: MIT */
#include "kernels/compress.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK = 1024, BINS = 2048, WORD = sizeof(float) };

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

static void pack_8bit(float *packed, float *error, size_t n)
{
    int8_t *byte = (int8_t *)(packed + blocks(n));
    for (size_t b = 0; b < blocks(n); b++) {
        const size_t begin = b * BLOCK, end = block_end(n, begin);
        float most = 0;
        for (size_t i = begin; i < end; i++)
            most = fabsf(error[i]) > most ? fabsf(error[i]) : most;
        const float scale = packed[b] = most / 127, inverse = most > 0 ? 127 / most : 0;
        for (size_t i = begin; i < end; i++) {
            byte[i] = (int8_t)lrintf(fmaxf(-127, fminf(127, error[i] * inverse)));
            error[i] -= scale * (float)byte[i];
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

static void means(float *mean, const float *x, size_t begin, size_t end)
{
    float sum[2] = {0, 0};
    size_t count[2] = {0, 0};
    for (size_t i = begin; i < end; i++) {
        sum[x[i] < 0] += x[i];
        count[x[i] < 0]++;
    }
    for (int sign = 0; sign < 2; sign++)
        mean[sign] = count[sign] ? sum[sign] / (float)count[sign] : 0;
}

static void pack_1bit(float *packed, float *error, size_t n)
{
    uint8_t *bits = (uint8_t *)(packed + 2 * blocks(n));
    memset(bits, 0, (n + 7) / 8);
    for (size_t b = 0; b < blocks(n); b++) {
        const size_t begin = b * BLOCK, end = block_end(n, begin);
        means(packed + 2 * b, error, begin, end);
        for (size_t i = begin; i < end; i++) {
            const int negative = error[i] < 0;
            bits[i / 8] |= (uint8_t)(negative << i % 8);
            error[i] -= packed[2 * b + (size_t)negative];
        }
    }
}

static void add_1bit(float *y, const float *packed, size_t n)
{
    const uint8_t *bits = (const uint8_t *)(packed + 2 * blocks(n));
    for (size_t i = 0; i < n; i++)
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

ty_work ty_work_compress(ty_compression how, size_t n, size_t k)
{
    /* error and x read, error written; then each pass over error: three to find the k-th, one to pick; one or two */
    const double passes = how == TY_TOPK ? 4 : how == TY_8BIT ? 3 : 3;
    return (ty_work){TY_CLASS_STREAM,
                     n,
                     1,
                     1,
                     (double)n * (1 + passes),
                     ((3 + passes) * (double)n + (double)ty_packed(how, n, k)) * sizeof(float)};
}

ty_work ty_work_decompress_add(ty_compression how, size_t n, size_t k)
{
    const double touched = how == TY_TOPK ? (double)k : (double)n;
    return (ty_work){TY_CLASS_STREAM,
                     n,
                     1,
                     1,
                     touched,
                     (2 * touched + (double)ty_packed(how, n, k)) * sizeof(float)};
}
