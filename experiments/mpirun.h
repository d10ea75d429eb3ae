/* SPDX-License-Identifier: MIT
 *
 * mpirun - what the program that started this process says about its MPI job, before MPI itself is
 * asked: Open MPI, and launchers that speak PMI (MPICH, Slurm) or PMIx.
 */
#ifndef TY_EXPERIMENTS_MPIRUN_H
#define TY_EXPERIMENTS_MPIRUN_H

/* True in a process that mpirun started. */
int ty_inside_mpi(void);

int ty_mpirun_rank(void);       /* of this process in its job; 0 outside */
int ty_mpirun_size(void);       /* processes in the job; 1 outside, and where nobody says */
int ty_mpirun_local_size(void); /* of them, on this host; 0 where nobody says */

#endif
