/* SPDX-License-Identifier: MIT
 *
 * absent - what a build without SimGrid has instead of this folder, besides names and
 * network modes.
 */
#include "sim/platform.h"

static const char advice[] = "this build has no SimGrid: install libsimgrid-dev and build again";

ty_err ty_platform_open(ty_platform *p, const char *spec, ty_network network, int ranks,
                        int ranks_per_host, const ty_machine *machine)
{
    (void)spec, (void)network, (void)ranks, (void)ranks_per_host, (void)machine;
    *p = (ty_platform){0};
    return ty_error(TY_EMISSING, "%s", advice);
}

void ty_platform_close(ty_platform *p)
{
    (void)p;
}

ty_err ty_platform_write(const ty_platform *p, const char *path)
{
    (void)p, (void)path;
    return ty_error(TY_EMISSING, "%s", advice);
}

int ty_platform_host(const ty_platform *p, int rank)
{
    (void)p;
    return rank;
}

static ty_err run(const ty_job *job, ty_main fn, void *arg)
{
    (void)job, (void)fn, (void)arg;
    return ty_error(TY_EMISSING, "%s", advice);
}

const ty_fabric_ops ty_fabric_sim = {.name = "sim", .run = run}; /* no rank ever calls the others */
