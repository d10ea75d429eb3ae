/* SPDX-License-Identifier: MIT
 *
 * peak - the rulers: what the processor does when nothing but multiply-adds on registers is asked of it, and
 * what memory does when nothing but a triad is.
 */
#include "base/clock.h"
#include "kernels/kernels.h"
#include "kernels/threads.h"
#include "kernels/vec.h"

enum { CHAINS = 12, ROUND = 20000 }; /* chains: more than latency (4 cycles) times units (2) */

/* ROUND multiply-adds on each chain; the empty asm keeps every sum in a register of its own. */
static void spin(void)
{
    ty_vec sum[CHAINS];
    const ty_vec a = (ty_vec){0} + 0.999f, b = (ty_vec){0} + 1e-3f;

    for (int i = 0; i < CHAINS; i++)
        sum[i] = b * (float)i;
    for (int n = 0; n < ROUND; n++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            sum[i] = sum[i] * a + b;
    for (int i = 0; i < CHAINS; i++)
        __asm__ volatile("" ::"m"(sum[i]));
}

typedef struct ruler {
    double seconds;
    double rate[256]; /* [flop/s] of each thread */
} ruler;

static void measure(void *arg, size_t lo, size_t hi)
{
    ruler *r = arg;
    const double begin = ty_clock();
    double flops = 0, t;

    do {
        spin();
        flops += 2.0 * TY_LANES * CHAINS * ROUND;
        t = ty_clock() - begin;
    } while (t < r->seconds);
    for (size_t i = lo; i < hi; i++)
        r->rate[i] = flops / t / (double)(hi - lo);
}

double ty_kernel_fma_peak(double seconds)
{
    ruler r = {.seconds = seconds};
    const int team = ty_kernel_threads();
    const size_t n = team < 256 ? (size_t)team : 256;
    double sum = 0;

    ty_share(n, 1, measure, &r);
    for (size_t i = 0; i < n; i++)
        sum += r.rate[i];
    return sum;
}

/* ---- the triad ------------------------------------------------------------------------------- */

enum { GRAIN = 65536 }; /* as the other kernels that stream */

typedef struct triad {
    float *a;
    const float *b, *c;
    float s;
} triad;

static void stream(void *arg, size_t lo, size_t hi)
{
    const triad *t = arg;
    float *restrict a = t->a;
    const float *restrict b = t->b, *restrict c = t->c;
    const float s = t->s;
    for (size_t i = lo; i < hi; i++)
        a[i] = b[i] + s * c[i];
}

void ty_kernel_triad(float *a, const float *b, const float *c, float s, size_t n)
{
    ty_share(n, GRAIN, stream, &(triad){a, b, c, s});
}
