/* SPDX-License-Identifier: MIT
 *
 * activation - ReLU, in place. A NaN stays a NaN: a run that diverges must show it in its loss.
 */
#include "kernels/kernels.h"
#include "kernels/threads.h"

enum { GRAIN = 65536 };

typedef struct operands {
    float *y;       /* written */
    const float *x; /* bwd: the output of fwd */
} operands;

static void fwd(void *arg, size_t lo, size_t hi)
{
    float *restrict y = ((const operands *)arg)->y;
    for (size_t i = lo; i < hi; i++)
        y[i] = y[i] < 0 ? 0 : y[i];
}

static void bwd(void *arg, size_t lo, size_t hi)
{
    float *restrict dy = ((const operands *)arg)->y;
    const float *restrict y = ((const operands *)arg)->x;
    for (size_t i = lo; i < hi; i++)
        dy[i] = y[i] > 0 ? dy[i] : 0;
}

void ty_kernel_relu_fwd(float *y, size_t n)
{
    ty_share(n, GRAIN, fwd, &(operands){y, NULL});
}

void ty_kernel_relu_bwd(float *dy, const float *y, size_t n)
{
    ty_share(n, GRAIN, bwd, &(operands){dy, y});
}

/* One comparison an element; fwd reads and writes y, bwd reads y and dy and writes dy. */
ty_work ty_work_relu_fwd(size_t n)
{
    return (ty_work){TY_CLASS_STREAM, n, 1, 1, (double)n, 8 * (double)n};
}

ty_work ty_work_relu_bwd(size_t n)
{
    return (ty_work){TY_CLASS_STREAM, n, 1, 1, (double)n, 12 * (double)n};
}
