/* SPDX-License-Identifier: MIT
 *
 * tensor - shape + dtype + numbers. A ghost has data == NULL: it is accounted, timed and sent, never stored.
 * Passed by value; a view aliases the tensor it was cut from and needs no ty_drop.
 */
#ifndef TY_FABRIC_TENSOR_H
#define TY_FABRIC_TENSOR_H

#include "fabric/rank.h"

typedef enum ty_dtype { TY_F32 } ty_dtype;

typedef struct ty_tensor {
    float    *data;      /* NULL: ghost, or n == 0 */
    size_t    n;         /* elements: rows * cols */
    size_t    rows, cols;
    ty_dtype  dtype;
    ty_memory memory;    /* the category it is accounted under */
} ty_tensor;

static inline size_t ty_bytes(ty_tensor t)
{
    return t.n * sizeof(float);
}

/* A tensor [rows, cols] of zeros (a ghost in a ghost job), accounted under `memory`; owned: ty_drop it. */
ty_tensor ty_tensor_new(ty_rank *r, ty_memory memory, size_t rows, size_t cols);
void      ty_drop(ty_rank *r, ty_tensor t);

/* A buffer [n] for the current step. Freed ones are kept per lane and handed out again, so that a step
 * allocates nothing after the first; accounted as TY_BUFFER while in use. Contents undefined. */
ty_tensor ty_scratch(ty_rank *r, size_t n);
ty_tensor ty_scratch_like(ty_rank *r, ty_tensor t);

/* Views. Elements [first, first + n) as a row; rows [first, first + rows). */
ty_tensor ty_slice(ty_tensor t, size_t first, size_t n);
ty_tensor ty_rows(ty_tensor t, size_t first, size_t rows);
/* The same elements as [rows, cols]; rows * cols == t.n. */
ty_tensor ty_reshape(ty_tensor t, size_t rows, size_t cols);

/* Split t into p nearly equal chunks and return chunk i (i taken modulo p, may be negative).
 *   t  [n], borrowed: the result aliases t;  p >= 1
 * Sizes differ by at most one element, larger ones first; empty when n < p and i is late. Never fails. */
ty_tensor ty_chunk(ty_tensor t, int p, int i);
/* Elements of chunk i, and the first of them. */
size_t ty_chunk_size(size_t n, int p, int i);
size_t ty_chunk_first(size_t n, int p, int i);

#endif
