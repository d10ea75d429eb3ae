/* SPDX-License-Identifier: MIT
 *
 * find - the only file that knows every fabric by name, and which of them this build has.
 */
#include "fabric/fabric.h"

#include "base/text.h"

#include <string.h>

#ifdef TY_HAVE_SIMGRID
#define IF_SIM(x) (x)
#else
#define IF_SIM(x) NULL
#endif
#ifdef TY_HAVE_MPI
#define IF_MPI(x) (x)
#else
#define IF_MPI(x) NULL
#endif

const ty_fabric ty_fabrics[] = {
    {.name = "threads",
     .summary = "real: POSIX threads on this machine, each with OpenMP threads",
     .ops = &ty_fabric_threads},
    {.name = "sim",
     .summary = "simulated time on SimGrid",
     .ops = IF_SIM(&ty_fabric_sim),
     .missing = "this build has no SimGrid: install libsimgrid-dev, and build again",
     .version = IF_SIM(ty_sim_version)},
    {.name = "mpi",
     .summary = "real: one process a rank, started by mpirun",
     .ops = IF_MPI(&ty_fabric_mpi),
     .missing = "this build has no MPI: install libopenmpi-dev and openmpi-bin, and build again",
     .version = IF_MPI(ty_mpi_version)},
};
enum { FABRICS = sizeof ty_fabrics / sizeof *ty_fabrics };
const size_t ty_fabrics_n = FABRICS;
const char *const ty_fabric_name[FABRICS + 1] = {"threads", "sim", "mpi"};

ty_err ty_fabric_find(const char *name, const ty_fabric_ops **ops)
{
    for (int i = 0; i < FABRICS; i++)
        if (!strcmp(name, ty_fabrics[i].name)) {
            *ops = ty_fabrics[i].ops;
            return *ops ? ty_ok() : ty_error(TY_EMISSING, "%s", ty_fabrics[i].missing);
        }
    return ty_unknown("fabric", name, ty_fabric_name, FABRICS, NULL);
}
