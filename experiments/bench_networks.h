/* SPDX-License-Identifier: MIT
 *
 * bench_networks - the reference networks of `bench step`; private to experiments/bench_step.c. tests/peers/torch_steps.py has the
 * same ones.
 */
#ifndef TY_EXPERIMENTS_BENCH_NETWORKS_H
#define TY_EXPERIMENTS_BENCH_NETWORKS_H

#include "workloads/workload.h"

typedef struct ty_step_net {
    const char *name, *text;
    const char *workload;          /* of the library, or NULL: */
    ty_err (*open)(ty_problem *p); /* what is built of its blocks; *p is zero before */
    size_t batch;
    double rate;
} ty_step_net;

/* In the order of ty_step_network. */
extern const ty_step_net ty_step_nets[];

/* Its problem, with the data that is shipped; ty_problem_close. TY_EUSAGE when that cannot be read. */
ty_err ty_step_net_open(const ty_step_net *n, ty_problem *p);

#endif
