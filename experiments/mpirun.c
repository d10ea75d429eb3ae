/* SPDX-License-Identifier: MIT */
#include "experiments/mpirun.h"

#include <stdlib.h>

/* The number in the first of these variables that is set. */
static int number(const char *const *names, int otherwise)
{
    for (; *names; names++)
        if (getenv(*names))
            return atoi(getenv(*names));
    return otherwise;
}

static const char *const rank_names[] = {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", NULL};

int ty_inside_mpi(void)
{
    return number(rank_names, -1) >= 0;
}

int ty_mpirun_rank(void)
{
    return number(rank_names, 0);
}

int ty_mpirun_size(void)
{
    return number((const char *const[]){"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", NULL}, 1);
}

int ty_mpirun_local_size(void)
{
    return number((const char *const[]){"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", NULL}, 0);
}
