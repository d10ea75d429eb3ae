/* SPDX-License-Identifier: MIT
 *
 * gemm_pack - strips of a and panels of b, copied or transposed so that k runs through memory.
 */
#include "kernels/gemm.h"

/* Interleave the lower (upper) halves of x and y: x0 y0 x1 y1 ... */
#if defined(__AVX512F__)
#define LOW  0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif defined(__AVX__)
#define LOW  0, 8, 1, 9, 2, 10, 3, 11
#define HIGH 4, 12, 5, 13, 6, 14, 7, 15
#else
#define LOW  0, 4, 1, 5
#define HIGH 2, 6, 3, 7
#endif

/* Transpose LANES x LANES: log2(LANES) perfect shuffles, each pairing row i with row i + LANES/2.
 */
TY_INLINE void transpose(ty_vec r[TY_LANES])
{
    const ty_ivec low = {LOW}, high = {HIGH};
#pragma GCC unroll 4
    for (int stage = 1; stage < TY_LANES; stage *= 2) {
        ty_vec s[TY_LANES];
#pragma GCC unroll 8
        for (int i = 0; i < TY_LANES / 2; i++) {
            s[2 * i] = __builtin_shuffle(r[i], r[i + TY_LANES / 2], low);
            s[2 * i + 1] = __builtin_shuffle(r[i], r[i + TY_LANES / 2], high);
        }
#pragma GCC unroll 16
        for (int i = 0; i < TY_LANES; i++)
            r[i] = s[i];
    }
}

/* p[0..n) and what follows, which is not read past `end`. */
TY_INLINE ty_vec load_until(const float *p, size_t n, const float *end)
{
    float some[TY_LANES] = {0};

    if (end - p >= TY_LANES)
        return ty_vec_load(p);
    for (size_t i = 0; i < n; i++)
        some[i] = p[i];
    return ty_vec_load(some);
}

/* At most LANES rows of src, turned into lanes of dst; the last row stands in for those missing. */
static void turn(float *dst, size_t width, const float *src, size_t step, size_t n, size_t K)
{
    const float *row[TY_LANES], *const end = src + (n - 1) * step + K;
    ty_vec r[TY_LANES];
    size_t k = 0;

    for (size_t i = 0; i < TY_LANES; i++)
        row[i] = src + (i < n ? i : n - 1) * step;
    for (; k + TY_LANES <= K; k += TY_LANES) {
#pragma GCC unroll 16
        for (int i = 0; i < TY_LANES; i++)
            r[i] = ty_vec_load(row[i] + k);
        transpose(r);
#pragma GCC unroll 16
        for (size_t i = 0; i < TY_LANES; i++)
            ty_vec_store(dst + (k + i) * width, r[i]);
    }
    if (k == K)
        return;
#pragma GCC unroll 16
    for (size_t i = 0; i < TY_LANES; i++)
        r[i] = i < n ? load_until(row[i] + k, K - k, end) : (ty_vec){0};
    transpose(r);
    for (size_t i = 0; i < K - k; i++)
        ty_vec_store(dst + (k + i) * width, r[i]);
}

/* n floats of each row k, in whole vectors: the lanes past n get what stands there in src, except
 * at its very end, where nothing may be read and they repeat the last element. */
static void copy(float *dst, size_t width, const float *src, size_t step, size_t n, size_t K)
{
    const size_t padded = (n + TY_LANES - 1) / TY_LANES * TY_LANES;

    for (size_t k = 0; k < K; k++) {
        const float *from = src + k * step;
        float *to = dst + k * width;
        if (k * step + padded <= (K - 1) * step + n)
            for (size_t i = 0; i < padded; i += TY_LANES)
                ty_vec_store(to + i, ty_vec_load(from + i));
        else
            for (size_t i = 0; i < padded; i++)
                to[i] = from[i < n ? i : n - 1];
    }
}

void ty_gemm_pack(float *dst, size_t width, const float *src, size_t step, int turned, size_t n,
                  size_t K)
{
    if (!turned)
        copy(dst, width, src, step, n, K);
    else
        for (size_t i = 0; i < n; i += TY_LANES)
            turn(dst + i, width, src + i * step, step, n - i < TY_LANES ? n - i : TY_LANES, K);
}
