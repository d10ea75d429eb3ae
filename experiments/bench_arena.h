/* SPDX-License-Identifier: MIT
 *
 * bench_arena - the arrays of one line of `bench kernel`, what a call does with them, and the check against the naive reference; private
 * to experiments/bench_kernel.c.
 */
#ifndef TY_EXPERIMENTS_BENCH_ARENA_H
#define TY_EXPERIMENTS_BENCH_ARENA_H

#include "experiments/bench_case.h"
#include "experiments/bench_kernel.h"

typedef struct ty_arena {
    const ty_bench_op *op;
    const size_t *s;
    ty_bench_array array[TY_BENCH_ARRAYS];
    float *a[TY_BENCH_ARRAYS];
    float *kept[TY_BENCH_ARRAYS]; /* what a used-up array is restored from; NULL: it is not */
    float *peer;                  /* OpenBLAS's result; NULL: there is none */
    ty_bench_product product;
} ty_arena;

/* The arrays of op on shape s, filled and prepared; ty_arena_close. */
void ty_arena_open(ty_arena *r, const ty_bench_op *op, const size_t *s);
void ty_arena_close(ty_arena *r);

/* Fill in shape, flops, bytes and footprint of l. */
void ty_arena_describe(const ty_arena *r, ty_kernel_line *l);

/* Call the kernel once and compare: l->elements and l->wrong. A peer whose result is wrong is left out. */
void ty_arena_check(ty_arena *r, ty_kernel_line *l);

/* Bring back what a call has used up; ty_arena_uses_up: there is such an array. */
void ty_arena_restore(ty_arena *r);
int  ty_arena_uses_up(const ty_arena *r);

#endif
