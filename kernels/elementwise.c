/* SPDX-License-Identifier: MIT
 *
 * elementwise - add, scale, copy and fill: bound by memory, vectorised by the compiler.
 */
#include "kernels/kernels.h"
#include "kernels/threads.h"

#include <string.h>

enum { GRAIN = 65536 }; /* elements worth a thread: about 10 us */

typedef struct operands {
    float *y;
    const float *x;
    float a;
} operands;

static void add(void *arg, size_t lo, size_t hi)
{
    const operands *o = arg;
    float *restrict acc = o->y;
    const float *restrict x = o->x;
    for (size_t i = lo; i < hi; i++)
        acc[i] += x[i];
}

static void scale(void *arg, size_t lo, size_t hi)
{
    const operands *o = arg;
    float *restrict x = o->y;
    const float a = o->a;
    for (size_t i = lo; i < hi; i++)
        x[i] *= a;
}

static void copy(void *arg, size_t lo, size_t hi)
{
    const operands *o = arg;
    memcpy(o->y + lo, o->x + lo, (hi - lo) * sizeof *o->y);
}

static void fill(void *arg, size_t lo, size_t hi)
{
    const operands *o = arg;
    float *restrict y = o->y;
    const float a = o->a;
    for (size_t i = lo; i < hi; i++)
        y[i] = a;
}

void ty_kernel_add(float *acc, const float *x, size_t n)
{
    ty_share(n, GRAIN, add, &(operands){acc, x, 0});
}

void ty_kernel_scale(float *x, float a, size_t n)
{
    ty_share(n, GRAIN, scale, &(operands){x, NULL, a});
}

void ty_kernel_copy(float *y, const float *x, size_t n)
{
    ty_share(n, GRAIN, copy, &(operands){y, x, 0});
}

void ty_kernel_fill(float *y, float a, size_t n)
{
    ty_share(n, GRAIN, fill, &(operands){y, NULL, a});
}

static ty_work stream(size_t n, double flops, double floats)
{
    const double N = (double)n;
    return (ty_work){TY_CLASS_STREAM, n, 1, 1, flops * N, 4 * floats * N};
}

ty_work ty_work_add(size_t n)
{
    return stream(n, 1, 3);
}

ty_work ty_work_scale(size_t n)
{
    return stream(n, 1, 2);
}

ty_work ty_work_copy(size_t n)
{
    return stream(n, 0, 2);
}

ty_work ty_work_fill(size_t n)
{
    return stream(n, 0, 1);
}
