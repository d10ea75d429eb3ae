/* SPDX-License-Identifier: MIT
 *
 * threads - the only file that knows OpenMP. Built without it, every kernel runs on its caller.
 */
#define _GNU_SOURCE
#include "kernels/threads.h"
#include "kernels/kernels.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
#endif

/* ---- denormals --------------------------------------------------------------------------------- */

#ifdef __SSE__
#include <xmmintrin.h>
#endif

/* Momentum of a gradient that stays zero shrinks until it is a denormal number, and arithmetic with those is a hundred
 * times as slow: from the start of the program they count as zero. Threads inherit it. */
__attribute__((constructor)) static void flush_denormals(void)
{
#if defined(__SSE__)
    _mm_setcsr(_mm_getcsr() | 0x8040); /* flush to zero; denormals are zero */
#elif defined(__aarch64__)
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    __asm__ volatile("msr fpcr, %0" ::"r"(fpcr | 1U << 24)); /* FZ: both */
#endif
}

/* ---- processors ------------------------------------------------------------------------------ */

/* What the process may use, room for 65,536; its first thread is never bound before we look. */
static cpu_set_t allowed[64];
static pthread_once_t looked = PTHREAD_ONCE_INIT;
static _Thread_local int bound = -1; /* place of this thread's team, or -1 */
static _Thread_local size_t placed;  /* threads of the team that are in their places */

static void look(void)
{
    if (sched_getaffinity(getpid(), sizeof allowed, allowed) != 0)
        CPU_ZERO_S(sizeof allowed, allowed);
}

int ty_kernel_max_threads(void)
{
    pthread_once(&looked, look);
    const int n = CPU_COUNT_S(sizeof allowed, allowed);
    return n > 0 ? n : 1;
}

/* The calling thread to the place-th allowed processor, counted round. */
static void go_to(int place)
{
    cpu_set_t one[64] = {0};
    place %= ty_kernel_max_threads();
    for (size_t cpu = 0; cpu < 8 * sizeof allowed; cpu++)
        if (CPU_ISSET_S(cpu, sizeof allowed, allowed) && place-- == 0) {
            CPU_SET_S(cpu, sizeof one, one);
            sched_setaffinity(0, sizeof one, one); /* refused: merely slower */
            return;
        }
}

void ty_kernel_bind(int first)
{
    pthread_once(&looked, look);
    bound = first;
    placed = 1;
    if (first >= 0)
        go_to(first);
    else if (CPU_COUNT_S(sizeof allowed, allowed) > 0)
        sched_setaffinity(0, sizeof allowed, allowed);
}

/* ---- teams ----------------------------------------------------------------------------------- */

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

int ty_kernel_openmp(void)
{
#ifdef _OPENMP
    return _OPENMP;
#else
    return 0;
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

#ifdef _OPENMP
/* New threads of a team start where their master is: send each to its own place. The runtime
 * lets go of threads when a team shrinks, so this is due whenever it grows. */
static void place_team(size_t threads)
{
    const int first = bound;
    if (first >= 0 && threads > placed) {
#pragma omp parallel num_threads((int)threads)
        go_to(first + omp_get_thread_num());
    }
    placed = threads;
}
#endif

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
    place_team(parts);
#pragma omp parallel for num_threads((int)parts) schedule(static, 1)
    for (size_t i = 0; i < parts; i++)
        part(arg, n * i / parts, n * (i + 1) / parts);
#endif
}
