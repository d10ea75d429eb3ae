/* SPDX-License-Identifier: MIT
 *
 * on_fabric - run one body on the fabric that TY_FABRIC names (threads, sim or mpi; threads by
 * default). Bodies check with TY_CHECK, which aborts: a rank is no place for Check's own longjmp.
 * Each test is one run, because the simulator is one-shot, and has as many ranks as the MPI job has
 * processes; a body for two ranks leaves the others idle.
 */
#ifndef TY_TESTS_ON_FABRIC_H
#define TY_TESTS_ON_FABRIC_H

#include "fabric/rank.h"
#include "sim/platform.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static inline const char *fabric_name(void)
{
    const char *name = getenv("TY_FABRIC");
    return name && *name ? name : "threads";
}

static inline int on(const char *name)
{
    return strcmp(fabric_name(), name) == 0;
}

/* Processes of the MPI job, as its launcher tells; `otherwise` on the other fabrics. */
static inline int ranks_or(int otherwise)
{
    const char *n = getenv("OMPI_COMM_WORLD_SIZE");
    return !on("mpi") ? otherwise : n ? atoi(n) : 1;
}

/* Run fn on `ranks` ranks; the job's other fields are as in *job (NULL: none). */
static inline ty_err run_job(const ty_job *job, int ranks, ty_main fn, void *arg)
{
    const ty_fabric_ops *ops;
    ty_platform platform;
    ty_job j = job ? *job : (ty_job){0};
    j.ranks = ranks;
    j.threads = 1;
    j.busy = 1;
    TY_TRY(ty_fabric_find(fabric_name(), &ops));
    if (!on("sim"))
        return ops->run(&j, fn, arg);
    TY_TRY(ty_platform_open(&platform, "cluster:nodes=16,cores=1,bandwidth=10Gbps,latency=20us",
                            TY_NET_TEXTBOOK, ranks, 1, NULL));
    j.platform = &platform;
    ty_err e = ops->run(&j, fn, arg);
    ty_platform_close(&platform);
    return e;
}

/* The same with 4 ranks where the fabric leaves the choice; it must succeed. */
static inline void run(const ty_job *job, ty_main fn, void *arg)
{
    ty_err e = run_job(job, ranks_or(4), fn, arg);
    ck_assert_msg(e.code == TY_OK, "%s", e.msg);
}

#endif
