#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Law 7 on MPI: a strategy that deadlocks ends the whole job by time-out, with a status, and says who waits for what.
# 77: no MPI here.
set -u
wrong=$(dirname "$TRAINYARD")/tests/test_conformance_wrong
command -v mpirun >/dev/null && [ -x "$wrong" ] || exit 77
export TY_FABRIC=mpi OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none

said=$(mpirun -n 3 "$wrong" deadlock 2>&1)
status=$?
if [ "$status" -eq 3 ]; then # built without MPI
    exit 77
fi
if [ "$status" -ne 1 ] || ! printf '%s\n' "$said" | grep -Eq 'time-out after 1 s: rank [012] waits for 4 B from rank [012]'
then
    printf 'status %s, said:\n%s\n' "$status" "$said"
    exit 1
fi
