/* SPDX-License-Identifier: MIT
 *
 * threads - the only file that knows OpenMP. Built without it, every kernel runs on its caller.
 */
#define _GNU_SOURCE
#include "kernels/threads.h"
#include "kernels/kernels.h"

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
#endif

int ty_kernel_max_threads(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

void ty_kernel_spin_briefly(char **argv)
{
#ifdef _OPENMP
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY"))
        return;
    if (setenv("GOMP_SPINCOUNT", "3000", 1) == 0)
        execv("/proc/self/exe", argv); /* when it fails the program is merely slower */
#else
    (void)argv;
#endif
}

void ty_kernel_set_threads(int threads)
{
#ifdef _OPENMP
    omp_set_num_threads(threads < 1 ? 1 : threads);
#else
    (void)threads;
#endif
}

int ty_kernel_threads(void)
{
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

void ty_share(size_t n, size_t grain, ty_part *part, void *arg)
{
    const size_t most = n / (grain ? grain : 1) + 1, team = (size_t)ty_kernel_threads();
    const size_t parts = most < team ? most : team;

    if (n == 0)
        return;
    if (parts <= 1) {
        part(arg, 0, n);
        return;
    }
#ifdef _OPENMP
#pragma omp parallel for num_threads((int)parts) schedule(static, 1)
    for (size_t i = 0; i < parts; i++)
        part(arg, n * i / parts, n * (i + 1) / parts);
#endif
}
