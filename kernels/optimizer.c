/* SPDX-License-Identifier: MIT
 *
 * optimizer - one pass over parameters, gradients and state each.
 */
#include "kernels/kernels.h"
#include "kernels/threads.h"
#include "kernels/vecmath.h"

#include <math.h>

enum {
    GRAIN = 32768, /* elements worth a thread */
    AHEAD = 512    /* floats fetched ahead: four streams are more than the processor follows */
};

typedef struct state {
    float *p, *m, *v;
    const float *g;
    float lr, momentum;      /* sgd   */
    float beta1, beta2, eps; /* adamw: p = keep p - rate m / (root sqrt(v) + eps) */
    float keep, rate, root;
} state;

/* Up to a vector of elements from i on; `some` is how many are left. Operands are loaded first: compilers fuse a product and a
 * sum only where no branch stands between them, and whether an element is among the last ones depends on the threads. */
TY_INLINE void sgd_vector(const state *s, size_t i, size_t some)
{
    const ty_vec g = ty_vec_load_some(s->g + i, some), p = ty_vec_load_some(s->p + i, some);
    const ty_vec before = ty_vec_load_some(s->v + i, some);
    const ty_vec v = s->momentum * before + g, after = p - s->lr * v;
    ty_vec_store_some(s->v + i, v, some);
    ty_vec_store_some(s->p + i, after, some);
}

static void sgd(void *arg, size_t lo, size_t hi)
{
    const state s = *(const state *)arg;
    size_t i = lo;

    for (; i + TY_LANES <= hi; i += TY_LANES)
        sgd_vector(&s, i, TY_LANES);
    if (i < hi)
        sgd_vector(&s, i, hi - i);
}

#if defined(__AVX512F__)
/* 1 / (scale sqrt(x) + eps), x >= 0, within 3 ulp: estimates of 14 bits, refined by Newton's method. The exact operations
 * take three times as long as fetching what they work on from the second cache. */
TY_INLINE ty_vec one_over(ty_vec x, float scale, float eps)
{
    const ty_vec y = x + 1e-30f; /* root far below any eps, rounding errors that are no denormals */
    const ty_vec r = __builtin_ia32_rsqrt14ps512_mask(y, y, 0xffff), root = y * r;
    const ty_vec d = scale * (root + 0.5f * r * (y - root * root)) + eps;
    const ty_vec q = __builtin_ia32_rcp14ps512_mask(d, d, 0xffff);
    return q + q * (1 - d * q);
}
#else
TY_INLINE ty_vec one_over(ty_vec x, float scale, float eps)
{
    for (int i = 0; i < TY_LANES; i++)
        x[i] = sqrtf(x[i]);
    return 1 / (scale * x + eps);
}
#endif

TY_INLINE void adamw_vector(const state *s, size_t i, size_t some)
{
    const ty_vec g = ty_vec_load_some(s->g + i, some), p = ty_vec_load_some(s->p + i, some);
    const ty_vec m0 = ty_vec_load_some(s->m + i, some), v0 = ty_vec_load_some(s->v + i, some);
    const ty_vec m = s->beta1 * m0 + (1 - s->beta1) * g, v = s->beta2 * v0 + (1 - s->beta2) * g * g;
    const ty_vec after = s->keep * p - s->rate * m * one_over(v, s->root, s->eps);
    ty_vec_store_some(s->m + i, m, some);
    ty_vec_store_some(s->v + i, v, some);
    ty_vec_store_some(s->p + i, after, some);
}

static void adamw(void *arg, size_t lo, size_t hi)
{
    const state s = *(const state *)arg;
    size_t i = lo;

    for (; i + TY_LANES <= hi; i += TY_LANES) {
        __builtin_prefetch(s.g + i + AHEAD);
        __builtin_prefetch(s.m + i + AHEAD);
        __builtin_prefetch(s.v + i + AHEAD);
        __builtin_prefetch(s.p + i + AHEAD);
        adamw_vector(&s, i, TY_LANES);
    }
    if (i < hi)
        adamw_vector(&s, i, hi - i);
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
                      .beta1 = beta1,
                      .beta2 = beta2,
                      .eps = eps,
                      .keep = (float)(1 - (double)lr * (double)decay),
                      .rate = (float)((double)lr * correct1),
                      .root = (float)sqrt(correct2)});
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
