/* SPDX-License-Identifier: MIT
 *
 * bench_crossover - the size at which two algorithms of an operation take equally long: by running them (measured, or
 * simulated exactly), by their closed forms, and, for the all-reduce by ring and by tree, by the textbook's
 *
 *   S* = alpha B ((N-1) - log2 N) / (log2 N - (N-1)/N)          from 2 (N-1) (alpha + S/(N B)) = 2 log2 N (alpha + S/B)
 *
 * with ceil(log2 N), the steps of a binomial tree. The textbook leaves the additions out; a machine model charges them.
 *
 *   source  Thakur, Rabenseifner, Gropp, IJHPCA 19(1), 2005
 */
#ifndef TY_EXPERIMENTS_BENCH_CROSSOVER_H
#define TY_EXPERIMENTS_BENCH_CROSSOVER_H

#include "experiments/bench_collective.h"

enum { TY_MOST_CROSSINGS = 64 };

/* Who is quicker from which size on, within a range. */
typedef struct ty_crossings {
    int    first;                    /* at the smallest size: 0 or 1; -1: equal everywhere */
    size_t n;                        /* changes: fewer than there are sizes */
    size_t bytes[TY_MOST_CROSSINGS]; /* the smallest whole number of floats at which the other one is quicker, rising */
} ty_crossings;

/* Follow the sign of difference(arg, floats) = seconds of the first - seconds of the second over rising bytes[sizes], at most
 * TY_MOST_CROSSINGS of them, and bisect between two neighbours where it changes, until the places differ by a float or by
 * `grain`, relatively. Differences within TY_SAME_TIME of *scale, which the function sets to the longer of both times, have no
 * sign. */
typedef double (*ty_difference)(void *arg, size_t floats, double *scale);
void ty_crossings_find(ty_difference difference, void *arg, const long *bytes, size_t sizes, double grain, ty_crossings *c);

typedef struct ty_crossover {
    ty_bench_place place;
    const ty_collective *algorithm[2]; /* of one operation */
    const long *bytes;                 /* [sizes], rising: where to look */
    size_t sizes;
    int    quick;                      /* fewer samples */
    void (*progress)(void *arg, double fraction, double loss); /* may be NULL; loss 0 */
    void  *progress_arg;
} ty_crossover;

/* By running both algorithms. TY_EWRONG when one of them is wrong. */
ty_err ty_crossover_run(const ty_crossover *q, ty_crossings *c);

/* By their closed forms; 0 and *c untouched when nothing is known of the network. */
int ty_crossover_form(const ty_crossover *q, ty_crossings *c);

/* [B] The textbook's, of the all-reduce by ring and tree; 0 when N workers are too few for one (the ring is then never slower). */
double ty_crossover_textbook(ty_net net, int N);

#endif
