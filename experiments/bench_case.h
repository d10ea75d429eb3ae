/* SPDX-License-Identifier: MIT
 *
 * bench_case - how a kernel is described to `bench kernel`: its arrays, a call, its naive reference, its work and the
 * shapes it is timed on. One table for each family of kernels; private to experiments/bench_*.c.
 */
#ifndef TY_EXPERIMENTS_BENCH_CASE_H
#define TY_EXPERIMENTS_BENCH_CASE_H

#include "kernels/work.h"

#include <stddef.h>

enum { TY_BENCH_DIMS = 7, TY_BENCH_ARRAYS = 12, TY_BENCH_WORKS = 8 };

/* What a kernel does with an array. Traffic counts an array once when it is read or written, twice when both. */
typedef enum ty_bench_role {
    TY_NO_ARRAY, /* behind the last one */
    TY_IN,
    TY_OUT,
    TY_BOTH,     /* read and written, and compared with the reference afterwards */
    TY_USED_UP, /* read, and of no use afterwards: restored before every call, outside of the clock */
    TY_UNSEEN,  /* written for the backward pass in a layout of its own, and not compared */
    TY_SPACE    /* workspace: no traffic that must be, and not compared */
} ty_bench_role;

typedef enum ty_bench_filling {
    TY_NUMBERS, /* uniform in [-1/2, 1/2) */
    TY_WEIGHTS, /* uniform in [-1/16, 1/16) */
    TY_TOKENS,  /* whole, from 0 to below `below` */
    TY_ABOVE_0, /* uniform in [0, 1/2) */
    TY_BITS     /* any bytes: read as uint8_t */
} ty_bench_filling;

typedef struct ty_bench_array {
    ty_bench_role    role;
    size_t     n; /* floats */
    ty_bench_filling filling;
    size_t     below;
} ty_bench_array;

/* A product that another library can do, too: c [M,N] = a b (+ c), from arrays of the case. */
typedef struct ty_bench_product {
    int    trans_a, trans_b, accumulate;
    size_t M, N, K;
    int    a, b, c; /* numbers of arrays */
} ty_bench_product;

/* s: sizes in the order of `dims`. */
typedef struct ty_bench_op {
    const char *name, *kind;
    const char *dims; /* a letter or word for each size, blank-separated */
    /* Fill in arrays[0 .. TY_BENCH_ARRAYS-1], which are zero before. */
    void (*lay_out)(const size_t *s, ty_bench_array *arrays);
    /* The kernel's own account, as many items as it returns; traffic is taken from it where there is one item, else
     * from the roles. */
    int (*work)(const size_t *s, ty_work *out);
    void (*call)(const size_t *s, float *const *a);
    /* The same as a textbook writes it. in: arrays as before the call; out: those that are compared, in double, as before
     * the call. */
    void (*naive)(const size_t *s, const float *const *in, double *const *out);
    /* Terms in the longest sum: rounding grows with its root. NULL: one. */
    size_t (*depth)(const size_t *s);
    /* Make arrays fit each other (the saved values of a forward pass). NULL: they do. */
    void (*prepare)(const size_t *s, float *const *a);
    /* Choose values that stay as they are however often the call is repeated. NULL: any do. */
    void (*calm)(const size_t *s, float *const *a);
    void (*product)(const size_t *s, ty_bench_product *p); /* NULL: none */
    const size_t (*shape)[TY_BENCH_DIMS];
    size_t shapes;
    size_t typical, quick; /* the typical shape; with --quick so many from there on */
} ty_bench_op;

/* One table a file bench_FAMILY.c. */
extern const ty_bench_op ty_bench_products[], ty_bench_convolutions[], ty_bench_images[],
    ty_bench_attentions[], ty_bench_rows[], ty_bench_recurrents[], ty_bench_streams[],
    ty_bench_exchanges[];
extern const size_t ty_bench_products_n, ty_bench_convolutions_n, ty_bench_images_n,
    ty_bench_attentions_n, ty_bench_rows_n, ty_bench_recurrents_n, ty_bench_streams_n,
    ty_bench_exchanges_n;

#define TY_SHAPES(array, few)                                                                      \
    .shape = array, .shapes = sizeof(array) / sizeof *(array), .quick = (few)

/* ---- the naive references' tools ---- */

/* y[n] += a x[n] */
static inline void ty_naive_add(double *y, double a, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += a * (double)x[i];
}

/* sum of x[n] y[n]; in eight parts, so that it need not take all day */
static inline double ty_naive_dot(const float *x, const float *y, size_t n)
{
    double part[8] = {0}, sum = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t k = 0; k < 8; k++)
            part[k] += (double)x[i + k] * (double)y[i + k];
    for (; i < n; i++)
        sum += (double)x[i] * (double)y[i];
    for (size_t k = 0; k < 8; k++)
        sum += part[k];
    return sum;
}

/* Kernel i of all these tables, or NULL behind the last. */
const ty_bench_op *ty_bench_op_at(size_t i);

#endif
