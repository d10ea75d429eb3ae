/* SPDX-License-Identifier: MIT
 *
 * bench - timing one kernel on one shape; private to the command.
 */
#ifndef TY_CLI_BENCH_H
#define TY_CLI_BENCH_H

#include <stddef.h>

typedef struct ty_bench_line {
    const char *kernel;
    size_t M, N, K;         /* of a product; otherwise M elements, N = K = 1 */
    size_t wrong;           /* elements that differ from the naive reference by more than
                             * rounding */
    int    flops;           /* rates are flop/s (of peak), else B/s of compulsory traffic */
    double rate, low, high; /* median, p10, p90 */
    double peak;            /* [flop/s] of all threads together, measured beside */
    double peer;            /* OpenBLAS on the same product; 0: not there */
} ty_bench_line;

/* Check and time number i of the list, `rounds` samples; 0 behind its end. */
int ty_bench_kernel(int i, int rounds, int threads, int quick, ty_bench_line *line);

/* A sentence about OpenBLAS: which one, or how to get it. Looks for it on first use. */
const char *ty_bench_peer(int threads);

#endif
