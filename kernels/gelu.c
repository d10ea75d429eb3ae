/* SPDX-License-Identifier: MIT
 *
 * gelu - since (1 + tanh(u))/2 = sigmoid(2u), one exponential and one quotient an element.
 */
#include "kernels/threads.h"
#include "kernels/transformer.h"
#include "kernels/vecmath.h"

enum {
    GRAIN = 8192, /* elements worth a thread: about 5 us */
    AHEAD =
        1024 /* floats: a page. Fetched ahead, arrays that come from memory take 0.7 and 0.4 of the time */
};

/* 2 sqrt(2/pi), and that times 0.044715 */
static const float linear = 1.5957691216f, cubic = 0.0713548163f;

typedef struct gelu {
    float *y;
    const float *x;
} gelu;

TY_INLINE ty_vec value(ty_vec x)
{
    const ty_vec z = x * (linear + cubic * (x * x));
    return x / (1 + ty_vec_exp(-z));
}

/* s + x s (1 - s) z'  with  s = sigmoid(z) */
TY_INLINE ty_vec slope(ty_vec x)
{
    const ty_vec square = x * x, s = ty_vec_sigmoid(x * (linear + cubic * square));
    return s + x * s * (1 - s) * (linear + 3 * cubic * square);
}

TY_INLINE void fetch_ahead(const gelu *g, size_t i)
{
    __builtin_prefetch(g->x + i + AHEAD);
    __builtin_prefetch(g->y + i + AHEAD, 1);
}

static void forward(void *arg, size_t lo, size_t hi)
{
    const gelu *g = arg;
    size_t i = lo;
    for (; i + TY_LANES <= hi; i += TY_LANES) {
        fetch_ahead(g, i);
        ty_vec_store(g->y + i, value(ty_vec_load(g->x + i)));
    }
    if (i < hi)
        ty_vec_store_some(g->y + i, value(ty_vec_load_some(g->x + i, hi - i)), hi - i);
}

static void backward(void *arg, size_t lo, size_t hi)
{
    const gelu *g = arg;
    size_t i = lo;
    for (; i + TY_LANES <= hi; i += TY_LANES) {
        fetch_ahead(g, i);
        ty_vec_store(g->y + i, ty_vec_load(g->y + i) * slope(ty_vec_load(g->x + i)));
    }
    if (i < hi) {
        const ty_vec dy = ty_vec_load_some(g->y + i, hi - i);
        ty_vec_store_some(g->y + i, dy * slope(ty_vec_load_some(g->x + i, hi - i)), hi - i);
    }
}

void ty_kernel_gelu_fwd(float *y, const float *x, size_t n)
{
    ty_share(n, GRAIN, forward, &(gelu){y, x});
}

void ty_kernel_gelu_bwd(float *dy, const float *x, size_t n)
{
    ty_share(n, GRAIN, backward, &(gelu){dy, x});
}

/* Square, times, plus, times; exp, plus, quotient. */
ty_work ty_work_gelu_fwd(size_t n)
{
    return (ty_work){TY_CLASS_GELU, n, 1, 1, 7 * (double)n, 8 * (double)n};
}

/* Sigmoid 7, z' 2, slope 5, times dy; reads x, dy, writes dy. */
ty_work ty_work_gelu_bwd(size_t n)
{
    return (ty_work){TY_CLASS_GELU, n, 1, 1, 15 * (double)n, 12 * (double)n};
}
