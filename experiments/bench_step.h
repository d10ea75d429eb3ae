/* SPDX-License-Identifier: MIT
 *
 * bench_step - whole training steps of reference networks, timed as `run` takes them with one worker: gradients to zero,
 * batch loaded, forward, loss, backward, SGD with momentum. With one thread and with several in turns, so
 * that a disturbance meets both, on the same batches: every loss must come out bit for bit the same.
 */
#ifndef TY_EXPERIMENTS_BENCH_STEP_H
#define TY_EXPERIMENTS_BENCH_STEP_H

#include "base/err.h"

#include <stddef.h>

enum { TY_STEP_PARTS = 80 };

/* One part of a step: a block's forward or backward, or what happens once a step. */
typedef struct ty_step_part {
    char        name[40]; /* "forward 0 conv" */
    const char *kind;     /* "conv": parts of the same kind are added up in the table */
    double      seconds;  /* median */
    double      flops;    /* as charged */
} ty_step_part;

typedef struct ty_step_line {
    const char *network, *shape;
    size_t batch;
    int    threads;
    double flops;            /* of a step, as its operations charge them */
    double step_s, low, high; /* median, p10, p90 of single steps [s] */
    double peak;             /* [flop/s] of all its threads, measured between its steps */
    double alone;            /* median over its bursts: share of the peak that the ruler saw around them, or of the
                              * time that its first thread had a processor, the lesser */
    double loss[2];          /* mean of the first and of the last quarter of its steps */
    long   steps;            /* that were timed */
    int    dropped;          /* bursts that were disturbed, and measured again */
    int    disturbed;        /* most bursts were: these times are too long */
    size_t wrong;            /* losses and parameters that differ from those with one thread, and 1 if
                              * the loss does not fall */
    int    parts;
    ty_step_part part[TY_STEP_PARTS];
} ty_step_line;

/* The networks' names, NULL at the end. */
extern const char *const ty_step_network[];

/* Time network i (an index of ty_step_network) with 1 and with `threads` threads.
 *   line   [2], out: 1 thread, then several; *lines is 1 when threads is 1
 * TY_EUSAGE when the data set that is shipped cannot be read. */
ty_err ty_bench_steps(int i, int threads, int quick, ty_step_line *line, int *lines);

#endif
