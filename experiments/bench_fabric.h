/* SPDX-License-Identifier: MIT
 *
 * bench_fabric - what a fabric costs by itself, between two ranks: messages there and back, both ways at once, many small ones,
 * a barrier, a lane. Every byte that arrives is compared.
 */
#ifndef TY_EXPERIMENTS_BENCH_FABRIC_H
#define TY_EXPERIMENTS_BENCH_FABRIC_H

#include "experiments/bench_ranks.h"

typedef struct ty_fabric_line {
    char   pattern[16];   /* one of ty_fabric_pattern */
    size_t bytes;         /* of a message */
    int    moves;         /* messages of so many bytes in `seconds`; 0: none, as of a barrier */
    ty_bench_times times; /* pingpong: half a round trip; exchange: both messages; rate: one of many; else one */
} ty_fabric_line;

typedef struct ty_fabric_bench {
    ty_bench_place place; /* two ranks */
    const char *filter;   /* a pattern; NULL: all */
    const long *bytes;    /* [sizes] of pingpong and exchange */
    size_t sizes;
    int    quick;         /* fewer samples */
    void (*each)(void *arg, const void *line); /* a ty_fabric_line */
    void  *arg;
} ty_fabric_bench;

/* "pingpong", "exchange", "rate", "barrier", "lane"; NULL at the end. */
extern const char *const ty_fabric_pattern[];

ty_err ty_fabric_bench_run(const ty_fabric_bench *b);

#endif
