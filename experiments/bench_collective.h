/* SPDX-License-Identifier: MIT
 *
 * bench_collective - every collective over sizes, in the manner of nccl-tests: each is checked with whole numbers, whose sums are exact
 * in any order, then timed.
 *
 *   algbw = bytes / seconds            bytes: of x, on every member
 *   busbw = algbw * factor             what a link carries, so that algorithms and numbers of members compare:
 *           all-reduce 2 (n-1)/n; reduce-scatter, all-gather, gather, all-to-all (n-1)/n; broadcast 1
 *
 *   source  NVIDIA, nccl-tests, doc/PERFORMANCE.md
 */
#ifndef TY_EXPERIMENTS_BENCH_COLLECTIVE_H
#define TY_EXPERIMENTS_BENCH_COLLECTIVE_H

#include "experiments/bench_ranks.h"

#include <stdio.h>

typedef struct ty_collective_line {
    const ty_collective *collective;
    int    workers;
    size_t bytes;          /* of x on each member: whole floats; 0 for a barrier */
    int    checked;        /* there were numbers */
    ty_bench_times times;  /* of one call, on the slowest member */
    double closed_form_s;  /* the slowest member's; 0: there is no machine model or platform to compute it from */
    ty_costing costing;    /* what it was computed from */
} ty_collective_line;

typedef struct ty_collective_bench {
    ty_bench_place place;
    const char *filter; /* name of an operation or an algorithm; NULL: all */
    const long *bytes;  /* [sizes] */
    size_t sizes;
    int    quick;       /* fewer samples */
    void (*each)(void *arg, const void *line); /* a ty_collective_line */
    void  *arg;
    void (*progress)(void *arg, double fraction, double loss); /* of a simulation, loss 0; may be NULL */
    void  *progress_arg;
} ty_collective_bench;

/* TY_EUSAGE when no operation or algorithm is called so. */
ty_err ty_collective_filter_check(const char *filter);

ty_err ty_collective_bench_run(const ty_collective_bench *b);

/* Run once on whole numbers and return how many elements of this member are not what they must be. Afterwards x is zero and
 * stays so, however often it is summed. By every member; 0 for a ghost. */
size_t ty_collective_check(const ty_team *t, const ty_collective *c, ty_tensor x);

/* By every rank: the check, but for ghosts, then the time; *t is filled in on rank 0. */
void ty_collective_measure(const ty_bench_rank *b, const ty_collective *c, size_t n, int quick, ty_bench_times *t);

/* [s] of the slowest of P members for n floats; 0 when nothing is known of the network. */
double ty_collective_closed_form(const ty_collective *a, const ty_costing *c, int P, size_t n);

/* Times that differ by less, relatively, are equal: sums of the same terms in another order. */
#define TY_SAME_TIME 1e-9

/* Pictures of every operation that the lines hold times of, into dir: winners-OPERATION (which algorithm is quickest over workers and
 * bytes; where there are two of each) and times-OPERATION (time against bytes for most workers, against workers for the smallest
 * and the largest size, the closed form as a line), each as .svg, .gp and .dat. Lines in any order.
 *   note       under the title: where it ran
 *   simulated  points are drawn open
 *   says       a line for each picture that would make no sense
 * TY_EMISSING when gnuplot is missing or fails. */
ty_err ty_plot_collectives(const char *dir, const char *note, int simulated, const ty_collective_line *lines, size_t n,
                           FILE *says);

/* busbw / algbw for n members. */
double ty_bus_factor(ty_operation op, int n);

#endif
