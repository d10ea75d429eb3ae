/* SPDX-License-Identifier: MIT
 *
 * linear - y = x w + b and its three gradients: matrix products of different layouts, and column
 * sums.
 */
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "kernels/threads.h"

enum { SUM_GRAIN = 65536 }; /* elements of dy that are worth a thread */

void ty_kernel_linear_fwd(float *y, const float *x, const float *w, const float *b, size_t M,
                          size_t N, size_t K)
{
    ty_gemm(&(ty_product){.M = M,
                          .N = N,
                          .K = K,
                          .a = x,
                          .a_step = K,
                          .b = w,
                          .b_step = N,
                          .start = b,
                          .start_step = 0,
                          .c = y,
                          .c_step = N});
}

void ty_kernel_linear_bwd_x(float *dx, const float *dy, const float *w, size_t M, size_t N,
                            size_t K)
{
    ty_kernel_gemm(0, 1, M, K, N, dy, w, 0, dx);
}

void ty_kernel_linear_bwd_w(float *dw, const float *x, const float *dy, size_t M, size_t N,
                            size_t K)
{
    ty_kernel_gemm(1, 0, K, N, M, x, dy, 1, dw);
}

/* ---- bias: every column is one chain of additions from the first row to the last ---- */

typedef struct columns {
    float *db;
    const float *dy;
    size_t M, N;
} columns;

/* vecs vectors of columns from j on; vecs is a constant, so that the sums stay in registers. */
TY_INLINE void sum_vectors(const columns *c, size_t j, const size_t vecs)
{
    ty_vec sum[4];
#pragma GCC unroll 4
    for (size_t v = 0; v < vecs; v++)
        sum[v] = ty_vec_load(c->db + j + v * TY_LANES);
    for (size_t i = 0; i < c->M; i++)
#pragma GCC unroll 4
        for (size_t v = 0; v < vecs; v++)
            sum[v] += ty_vec_load(c->dy + i * c->N + j + v * TY_LANES);
#pragma GCC unroll 4
    for (size_t v = 0; v < vecs; v++)
        ty_vec_store(c->db + j + v * TY_LANES, sum[v]);
}

static void sum_columns(void *arg, size_t lo, size_t hi)
{
    const columns *c = arg;
    size_t j = lo;

    for (; j + 4 * TY_LANES <= hi; j += 4 * TY_LANES)
        sum_vectors(c, j, 4);
    for (; j + TY_LANES <= hi; j += TY_LANES)
        sum_vectors(c, j, 1);
    for (size_t i = 0; i < c->M; i++)
        for (size_t k = j; k < hi; k++)
            c->db[k] += c->dy[i * c->N + k];
}

void ty_kernel_linear_bwd_b(float *db, const float *dy, size_t M, size_t N)
{
    ty_share(N, SUM_GRAIN / (M + 1) + 1, sum_columns, &(columns){db, dy, M, N});
}

/* ---- work ---- */

static ty_work product(ty_class cls, size_t m, size_t n, size_t k, double extra)
{
    const double M = (double)m, N = (double)n, K = (double)k;
    return (ty_work){cls, m, n, k, 2 * M * N * K, 4 * (M * K + K * N + M * N + extra)};
}

ty_work ty_work_linear_fwd(size_t M, size_t N, size_t K)
{
    return product(TY_CLASS_GEMM_NN, M, N, K, (double)N); /* the sums start from b: no additions */
}

ty_work ty_work_linear_bwd_x(size_t M, size_t N, size_t K)
{
    return product(TY_CLASS_GEMM_NT, M, K, N, 0);
}

ty_work ty_work_linear_bwd_w(size_t M, size_t N, size_t K)
{
    return product(TY_CLASS_GEMM_TN, K, N, M, (double)K * (double)N); /* dw is read and written */
}

ty_work ty_work_linear_bwd_b(size_t M, size_t N)
{
    const double n = (double)M * (double)N;
    return (ty_work){TY_CLASS_STREAM, M * N, 1, 1, n, 4 * (n + 2 * (double)N)};
}
