/* SPDX-License-Identifier: MIT
 *
 * gemm_pack - strips of a and panels of b, copied or transposed so that k runs through memory.
 */
#include "kernels/gemm.h"

/* Transposing LANES x LANES takes log2(LANES) stages of LANES shuffles. Each pattern is that of one
 * instruction: interleave single floats, then pairs, inside 16 bytes; then move 16 bytes. */
#if defined(__AVX512F__)
#define ONES_LOW   0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define ONES_HIGH  2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
#define TWOS_LOW   0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define TWOS_HIGH  2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define FOURS_EVEN 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27
#define FOURS_ODD  4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31
#elif defined(__AVX__)
#define ONES_LOW   0, 8, 1, 9, 4, 12, 5, 13
#define ONES_HIGH  2, 10, 3, 11, 6, 14, 7, 15
#define TWOS_LOW   0, 1, 8, 9, 4, 5, 12, 13
#define TWOS_HIGH  2, 3, 10, 11, 6, 7, 14, 15
#define FOURS_EVEN 0, 1, 2, 3, 8, 9, 10, 11
#define FOURS_ODD  4, 5, 6, 7, 12, 13, 14, 15
#else
#define ONES_LOW  0, 4, 1, 5
#define ONES_HIGH 2, 6, 3, 7
#define TWOS_LOW  0, 1, 4, 5
#define TWOS_HIGH 2, 3, 6, 7
#endif

/* Rows 4 g .. 4 g + 3: each 16 bytes of them become the 4 x 4 transpose. */
TY_INLINE void transpose_fours(ty_vec r[TY_LANES])
{
    const ty_ivec low1 = {ONES_LOW}, high1 = {ONES_HIGH}, low2 = {TWOS_LOW}, high2 = {TWOS_HIGH};

#pragma GCC unroll 4
    for (int g = 0; g < TY_LANES; g += 4) {
        const ty_vec a = __builtin_shuffle(r[g], r[g + 1], low1);
        const ty_vec b = __builtin_shuffle(r[g], r[g + 1], high1);
        const ty_vec c = __builtin_shuffle(r[g + 2], r[g + 3], low1);
        const ty_vec d = __builtin_shuffle(r[g + 2], r[g + 3], high1);
        r[g] = __builtin_shuffle(a, c, low2);
        r[g + 1] = __builtin_shuffle(a, c, high2);
        r[g + 2] = __builtin_shuffle(b, d, low2);
        r[g + 3] = __builtin_shuffle(b, d, high2);
    }
}

/* r[i] of the result is column i. */
TY_INLINE void transpose(ty_vec r[TY_LANES])
{
    transpose_fours(r);
#if TY_LANES_LOG2 > 2
    const ty_ivec even = {FOURS_EVEN}, odd = {FOURS_ODD};
    /* Row 4 g + q holds a piece of column 4 p + q in place p, 16 bytes long: split the pieces of
     * two rows into even and odd, once for each bit of g and p. */
#pragma GCC unroll 4
    for (int q = 0; q < 4; q++) {
        ty_vec *x = r + q;
#if TY_LANES_LOG2 == 4
        const ty_vec a = __builtin_shuffle(x[0], x[4], even),
                     b = __builtin_shuffle(x[0], x[4], odd);
        const ty_vec c = __builtin_shuffle(x[8], x[12], even),
                     d = __builtin_shuffle(x[8], x[12], odd);
        x[0] = __builtin_shuffle(a, c, even);
        x[8] = __builtin_shuffle(a, c, odd);
        x[4] = __builtin_shuffle(b, d, even);
        x[12] = __builtin_shuffle(b, d, odd);
#else
        const ty_vec a = x[0];
        x[0] = __builtin_shuffle(a, x[4], even);
        x[4] = __builtin_shuffle(a, x[4], odd);
#endif
    }
#endif
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
        for (int i = 0; i < TY_LANES; i++) {
            r[i] = ty_vec_load(row[i] + k);
            /* Stores that miss wait in line for each other: fetch what the next ones write. */
            __builtin_prefetch(dst + (k + TY_LANES + (size_t)i) * width, 1);
        }
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

/* n floats of each row k, in whole vectors: the lanes past n get what stands there in src, but
 * nothing is read from `end` on: there they repeat the last element. */
static void copy(float *dst, size_t width, const float *src, size_t step, size_t n, size_t K,
                 const float *end)
{
    const size_t padded = (n + TY_LANES - 1) / TY_LANES * TY_LANES;

    for (size_t k = 0; k < K; k++) {
        const float *from = src + k * step;
        float *to = dst + k * width;
        if ((size_t)(end - from) >= padded)
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
    if (!turned && K > 0)
        copy(dst, width, src, step, n, K, src + (K - 1) * step + n);
    for (size_t i = 0; turned && i < n; i += TY_LANES)
        turn(dst + i, width, src + i * step, step, n - i < TY_LANES ? n - i : TY_LANES, K);
}

void ty_gemm_pack_strips(float *dst, const float *src, size_t step, size_t M, size_t K)
{
    enum { TOGETHER = 8 }; /* rows of src that pass through the first-level cache at once */
    const size_t strips = ty_gemm_strips(M);

    for (size_t k = 0; k < K; k += TOGETHER)
        for (size_t s = 0; s < strips; s++) {
            const size_t i = ty_gemm_strip_row(M, s), n = ty_gemm_strip_row(M, s + 1) - i;
            copy(dst + (s * K + k) * TY_STRIP, TY_STRIP, src + k * step + i, step, n,
                 K - k < TOGETHER ? K - k : TOGETHER, src + (K - 1) * step + M);
        }
}
