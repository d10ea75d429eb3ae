/* SPDX-License-Identifier: MIT
 *
 * elementwise - add, scale, copy and fill: bound by memory, vectorised by the compiler. What is too large to stay in a
 * cache is filled past it: an ordinary store first reads the line that it overwrites.
 */
#include "kernels/kernels.h"
#include "kernels/threads.h"
#include "kernels/vec.h"

#include <string.h>

enum {
    GRAIN = 65536,  /* elements worth a thread: about 10 us */
    LARGE = 4 << 20 /* elements that leave no cache as they were */
};

typedef struct operands {
    float *y;
    const float *x;
    float a;
    int past; /* the caches */
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

#if defined(__AVX512F__)
/* y[lo, hi) = a without reading it; returns where the whole vectors end. */
static size_t fill_past(float *y, float a, size_t lo, size_t hi)
{
    size_t i = lo;
    for (; i < hi && (uintptr_t)(y + i) % sizeof(ty_vec); i++)
        y[i] = a;
    for (; i + TY_LANES <= hi; i += TY_LANES)
        __builtin_ia32_movntps512(y + i, (ty_vec){0} + a);
    __builtin_ia32_sfence();
    return i;
}
#else
static size_t fill_past(float *y, float a, size_t lo, size_t hi)
{
    (void)y, (void)a, (void)hi;
    return lo;
}
#endif

static void fill(void *arg, size_t lo, size_t hi)
{
    const operands *o = arg;
    float *restrict y = o->y;
    const float a = o->a;
    for (size_t i = o->past ? fill_past(y, a, lo, hi) : lo; i < hi; i++)
        y[i] = a;
}

void ty_kernel_add(float *acc, const float *x, size_t n)
{
    ty_share(n, GRAIN, add, &(operands){.y = acc, .x = x});
}

void ty_kernel_scale(float *x, float a, size_t n)
{
    ty_share(n, GRAIN, scale, &(operands){.y = x, .a = a});
}

void ty_kernel_copy(float *y, const float *x, size_t n)
{
    ty_share(n, GRAIN, copy, &(operands){.y = y, .x = x});
}

void ty_kernel_fill(float *y, float a, size_t n)
{
    ty_share(n, GRAIN, fill, &(operands){.y = y, .a = a, .past = n >= LARGE});
}

static ty_work work(ty_class cls, size_t n, double flops, double floats)
{
    const double N = (double)n;
    return (ty_work){cls, n, 1, 1, flops * N, 4 * floats * N};
}

ty_work ty_work_add(size_t n)
{
    return work(TY_CLASS_STREAM, n, 1, 3);
}

ty_work ty_work_scale(size_t n)
{
    return work(TY_CLASS_STREAM, n, 1, 2);
}

ty_work ty_work_copy(size_t n)
{
    return work(TY_CLASS_COPY, n, 0, 2);
}

ty_work ty_work_fill(size_t n)
{
    return work(TY_CLASS_COPY, n, 0, 1);
}
