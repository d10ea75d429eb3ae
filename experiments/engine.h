/* SPDX-License-Identifier: MIT
 *
 * engine - run one point: a strategy on a workload on a fabric, in a child process of its own.
 */
#ifndef TY_EXPERIMENTS_ENGINE_H
#define TY_EXPERIMENTS_ENGINE_H

#include "experiments/result.h"
#include "experiments/target.h"
#include "sim/platform.h"
#include "strategies/strategy.h"

/* ty_point.momentum of plain SGD (of AdamW: beta1 = 0), because 0 is the default's. */
#define TY_NO_MOMENTUM (-1.0)

/* What to run. Zero or NULL means the default. */
typedef struct ty_point {
    const char *strategy;     /* name */
    const ty_problem *problem; /* opened by the caller, shared by many points */
    const char *fabric;       /* "threads" (default), "sim", "mpi" */
    const char *platform;     /* sim: "multicore" (default), a name, a file, cluster:... */
    ty_network  network;      /* sim */
    int         workers, dp, tp, pp, micro_batches;
    int         workers_per_node; /* sim: on each host; threads, mpi: on what hierarchical collectives
                                   * take for a node, 0: all */
    int         threads;      /* per worker; 0: the default of the fabric */
    size_t      batch;        /* 0: the workload's, 128 where it has none */
    long        steps, epochs; /* one of them, or neither: real runs 1 epoch (see train),
                                * ghosts what shows the steady state */
    uint64_t    seed;         /* 0: 1 */
    int         plain;        /* no random rotate and shift */
    int         ghost;        /* 1: no numbers; 0: numbers; -1: the fabric's default (sim ghost,
                               * others real) */
    ty_target   until;        /* end when the test set says so; steps and epochs are the most then */
    long        evaluate_every; /* steps; 0: an epoch, with a target an eighth of one */
    ty_optimizer_kind optimizer;
    double      rate;         /* 0: the workload's, if this is its optimizer; or 0.05, of AdamW 0.001 */
    double      momentum;     /* 0: 0.9; TY_NO_MOMENTUM: 0 */
    const char *collective;   /* NULL: auto */
    ty_tuning   tuning;       /* of strategies that have more to choose */
    ty_pace     pace;         /* stragglers and jitter; the point's seed is theirs */
    const ty_machine *machine;
    int         trace_steps;  /* timeline of so many steps; 0: none */
    int         keep_params;  /* bring the trained parameters back */
    int         train;        /* to have a trained network, not only to see some steps: as many epochs
                               * as the workload usually takes, and then its report */
    double      timeout_s;    /* MPI waits */
    void      (*progress)(void *arg, double fraction, double loss); /* in the parent, about twice a
                                                                     * second; may be NULL */
    void       *progress_arg;
} ty_point;

/* Run the point. Errors that a user can mend (and a missing component) come back as an error
 * before anything runs. A run that failed on the way (deadlock, crash, wrong result, does not
 * fit) is a result: row.ok = 0 or row.fits = 0, and row.message says why. ty_result_free(out)
 * in both cases. */
ty_err ty_point_run(const ty_point *p, ty_result *out);

/* What is wrong with the point that shows without a machine model, in no time: before a calibration
 * makes anybody wait. */
ty_err ty_point_check(const ty_point *p);

/* A result is valid when no parameter (with AdamW: their root mean square) differs by more than
 * this from serial's after two steps, relative to the largest: fp32 sums in other orders. */
#define TY_VALID_DIFFERENCE 1e-4

/* The default machine: the file given, else this user's calibration, else a quick calibration made
 * now (10 s, said on stderr) and kept. */
ty_err ty_machine_default(ty_machine *m, const char *path);

#endif
