/* SPDX-License-Identifier: MIT
 *
 * find - the only file that knows every fabric by name, and which of them this build has.
 */
#include "fabric/fabric.h"

#include "base/text.h"

#include <string.h>

#ifdef TY_HAVE_SIMGRID
#define SIM_OPS &ty_fabric_sim
#else
#define SIM_OPS NULL
#endif
#ifdef TY_HAVE_MPI
#define MPI_OPS &ty_fabric_mpi
#else
#define MPI_OPS NULL
#endif

enum { FABRICS = 3 };
static const char *const name[FABRICS] = {"threads", "sim", "mpi"};
static const ty_fabric_ops *const ops_of[FABRICS] = {&ty_fabric_threads, SIM_OPS, MPI_OPS};
static const char *const missing[FABRICS] = {
    "",
    "this build has no SimGrid: install libsimgrid-dev, and build again",
    "this build has no MPI: install libopenmpi-dev and openmpi-bin, and build again",
};

ty_err ty_fabric_find(const char *wanted, const ty_fabric_ops **ops)
{
    for (int i = 0; i < FABRICS; i++)
        if (strcmp(wanted, name[i]) == 0) {
            *ops = ops_of[i];
            return *ops ? ty_ok() : ty_error(TY_EMISSING, "%s", missing[i]);
        }
    const char *near = ty_nearest(wanted, name, FABRICS);
    return ty_error(TY_EUSAGE, "unknown fabric '%s': %s%s%suse threads, sim or mpi", wanted,
                    near ? "did you mean " : "", near ? near : "", near ? "? " : "");
}
