/* SPDX-License-Identifier: MIT
 *
 * optimizer - one pass over parameters, gradients and state each.
 */
#include "kernels/kernels.h"
#include "kernels/threads.h"

#include <math.h>

enum { GRAIN = 32768 };

typedef struct state {
    float *p, *m, *v;
    const float *g;
    float lr, momentum;                                 /* sgd   */
    float beta1, beta2, eps, decay, correct1, correct2; /* adamw */
} state;

static void sgd(void *arg, size_t lo, size_t hi)
{
    const state *s = arg;
    const float lr = s->lr, momentum = s->momentum;
    float *restrict p = s->p, *restrict v = s->v;
    const float *restrict g = s->g;

    for (size_t i = lo; i < hi; i++) {
        v[i] = momentum * v[i] + g[i];
        p[i] -= lr * v[i];
    }
}

static void adamw(void *arg, size_t lo, size_t hi)
{
    const state s = *(const state *)arg;
    float *restrict p = s.p, *restrict m = s.m, *restrict v = s.v;
    const float *restrict g = s.g;

    for (size_t i = lo; i < hi; i++) {
        m[i] = s.beta1 * m[i] + (1 - s.beta1) * g[i];
        v[i] = s.beta2 * v[i] + (1 - s.beta2) * g[i] * g[i];
        p[i] -= s.lr * (m[i] * s.correct1 / (sqrtf(v[i] * s.correct2) + s.eps) + s.decay * p[i]);
    }
}

void ty_kernel_sgd(float *p, float *v, const float *g, size_t n, float lr, float momentum)
{
    ty_share(n, GRAIN, sgd, &(state){.p = p, .v = v, .g = g, .lr = lr, .momentum = momentum});
}

void ty_kernel_adamw(float *p, float *m, float *v, const float *g, size_t n, float lr, float beta1,
                     float beta2, float eps, float decay, int step)
{
    /* The moments start at zero; these factors undo that bias. */
    const double correct1 = 1 / (1 - pow((double)beta1, step));
    const double correct2 = 1 / (1 - pow((double)beta2, step));

    ty_share(n, GRAIN, adamw,
             &(state){.p = p,
                      .m = m,
                      .v = v,
                      .g = g,
                      .lr = lr,
                      .beta1 = beta1,
                      .beta2 = beta2,
                      .eps = eps,
                      .decay = decay,
                      .correct1 = (float)correct1,
                      .correct2 = (float)correct2});
}

/* Two multiply-adds; reads p, v, g and writes p, v. */
ty_work ty_work_sgd(size_t n)
{
    return (ty_work){TY_CLASS_UPDATE, n, 1, 1, 4 * (double)n, 20 * (double)n};
}

/* m 3, v 4, p 9 (two corrections, root, eps, quotient, decay 2, lr 2); reads p, m, v, g, writes p,
 * m, v. */
ty_work ty_work_adamw(size_t n)
{
    return (ty_work){TY_CLASS_UPDATE, n, 1, 1, 16 * (double)n, 28 * (double)n};
}
