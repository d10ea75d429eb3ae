/* SPDX-License-Identifier: MIT
 *
 * threads - how kernels use the OpenMP team of their caller; private to kernels/.
 */
#ifndef TY_KERNELS_THREADS_H
#define TY_KERNELS_THREADS_H

#include <stddef.h>

/* Threads of the calling thread's team, as ty_kernel_set_threads left it. */
int ty_kernel_threads(void);

typedef void ty_part(void *arg, size_t lo, size_t hi);

/* Cover [0, n) by calls of part(arg, lo, hi), one a thread, on at most n/grain + 1 threads; returns
 * when all are done. With one thread part is simply called: opening a parallel region costs 1 to 30
 * us. */
void ty_share(size_t n, size_t grain, ty_part *part, void *arg);

#endif
