/* SPDX-License-Identifier: MIT
 *
 * bench_ranks - timing what several ranks do together, on any fabric: samples that begin behind a barrier, the slowest rank of
 * each, and a ruler on every rank where time is real. Counts nothing in the ledger.
 */
#ifndef TY_EXPERIMENTS_BENCH_RANKS_H
#define TY_EXPERIMENTS_BENCH_RANKS_H

#include "base/err.h"
#include "experiments/bench_roof.h"
#include "fabric/team.h"
#include "strategies/collectives/collective.h"

enum { TY_MOST_SAMPLES = 64 };

/* One rank's part in a benchmark. */
typedef struct ty_bench_rank {
    ty_team  team; /* all ranks */
    ty_ruler ruler;
    int      real_time, alone; /* alone: every rank has a processor of its own, so that a ruler makes sense */
} ty_bench_rank;

typedef struct ty_bench_times {
    double seconds, low, high; /* median, p10, p90 over samples of the slowest rank's */
    size_t wrong;              /* of all ranks together */
    int    disturbed, again;   /* something else ran each time; times it was measured again */
} ty_bench_times;

/* By every rank of the job. */
void ty_bench_rank_open(ty_bench_rank *b, ty_rank *r);

/* By every rank: take `samples` samples, one where time is virtual. sample(arg) returns the seconds this rank needed, 0 where
 * they do not matter. `wrong`: what this rank found wrong before. *t is filled in on rank 0. */
void ty_bench_rank_measure(const ty_bench_rank *b, int samples, double (*sample)(void *arg),
                           void *arg, size_t wrong, ty_bench_times *t);

/* By every rank: rank 0's bytes become everybody's. */
void ty_bench_rank_tell(const ty_bench_rank *b, void *x, size_t bytes);

/* Everybody waits for everybody. */
void ty_bench_rank_barrier(const ty_bench_rank *b);

/* Where a benchmark of ranks runs. */
typedef struct ty_bench_place {
    const ty_fabric_ops *fabric;
    const ty_platform   *platform; /* sim */
    const ty_machine    *machine;  /* closed forms, and what computing takes in a simulation; NULL: none */
    int    ranks, per_node; /* on one node; 0: all of them */
    size_t piece_bytes; /* of pipelined collectives; 0: chosen */
    int    ghost;     /* no numbers */
    double timeout_s; /* MPI */
} ty_bench_place;

/* Ranks that compute at the same time on one host. */
int ty_bench_busy(const ty_bench_place *p);
/* Between two ranks, as far as it is known: of a platform, or of threads that are calibrated; else {0}. */
ty_net ty_bench_net(const ty_bench_place *p);
/* What closed forms of a rank are computed from; net.beta 0: nothing is known of the network. */
ty_costing ty_bench_costing(const ty_bench_place *p);

/* The lines of a benchmark: rank 0 writes them, each(each_arg, line) gets them in its process; at once where time is real, at the
 * end of a simulation, which runs in a child process. */
typedef struct ty_bench_lines {
    size_t line_size, most; /* bytes of one; room */
    void (*each)(void *arg, const void *line);
    void  *each_arg;
    void (*progress)(void *arg, double fraction, double loss); /* may be NULL; simulated: twice a second */
    void  *progress_arg;
    void  *line; /* the rest is filled in by ty_bench_ranks_run */
    size_t *n;
    volatile double *done; /* fraction: written by rank 0 */
    int    at_once;
} ty_bench_lines;

/* By rank 0: a line is complete. */
void ty_bench_line(ty_bench_lines *l, const void *line);
/* By rank 0: such a fraction of the work is done; for lines that take long. */
void ty_bench_tell(ty_bench_lines *l, double fraction);

/* Run body(rank, arg) on all ranks. */
ty_err ty_bench_ranks_run(const ty_bench_place *p, ty_main body, void *arg, ty_bench_lines *l);

#endif
