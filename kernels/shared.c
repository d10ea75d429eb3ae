/* SPDX-License-Identifier: MIT
 *
 * shared - one element after the other, as no compiler makes vectors of atomics: some 0.2 ns an element to read and 0.8 ns
 * to add, where ty_kernel_add takes 0.07 (AVX-512, in cache).
 */
#include "kernels/shared.h"

#include "kernels/threads.h"

enum { GRAIN = 32768 }; /* elements worth a thread */

typedef struct operands {
    float *y;
    const float *shared;
    float *changed;
    const float *now, *before;
} operands;

static float load(const float *x)
{
    float value;
    __atomic_load(x, &value, __ATOMIC_RELAXED);
    return value;
}

static void read(void *arg, size_t lo, size_t hi)
{
    const operands *o = arg;
    for (size_t i = lo; i < hi; i++)
        o->y[i] = load(&o->shared[i]);
}

static void add(void *arg, size_t lo, size_t hi)
{
    const operands *o = arg;
    for (size_t i = lo; i < hi; i++) {
        const float there = load(&o->changed[i]), before = o->before[i], now = o->now[i];
        float sum = there == before ? now : there + (now - before);
        __atomic_store(&o->changed[i], &sum, __ATOMIC_RELAXED);
    }
}

void ty_kernel_shared_read(float *y, const float *shared, size_t n)
{
    ty_share(n, GRAIN, read, &(operands){.y = y, .shared = shared});
}

void ty_kernel_shared_add(float *shared, const float *now, const float *before, size_t n)
{
    ty_share(n, GRAIN, add, &(operands){.changed = shared, .now = now, .before = before});
}

static ty_work work(size_t n, double flops, double floats)
{
    return (ty_work){TY_CLASS_SHARED, n, 1, 1, flops * (double)n, 4 * floats * (double)n};
}

ty_work ty_work_shared_read(size_t n)
{
    return work(n, 0, 2);
}

ty_work ty_work_shared_add(size_t n)
{
    return work(n, 2, 4);
}
