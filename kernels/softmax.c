/* SPDX-License-Identifier: MIT
 *
 * softmax - cross-entropy loss and its gradient in one pass over each row, in vectors.
 */
#include "kernels/kernels.h"
#include "kernels/threads.h"
#include "kernels/vecmath.h"

#include <math.h>

enum {
    ROWS = 256,  /* rows of a block: their losses wait in an array to be summed in row order */
    GRAIN = 8192 /* logits that are worth a thread */
};

/* Part of a row: lanes [0, n) of p and -infinity in the others. Reads whole vectors up to `end`. */
TY_INLINE ty_vec load_lanes(const float *p, size_t n, const float *end)
{
    const ty_vec nothing = (ty_vec){0} - INFINITY;
    ty_vec v = nothing;

    if (n >= TY_LANES)
        return ty_vec_load(p);
    if (end - p >= TY_LANES)
        return ty_vec_pick(ty_lane() < (int)n, ty_vec_load(p), nothing);
    for (size_t i = 0; i < n; i++)
        v[i] = p[i];
    return v;
}

TY_INLINE void store_lanes(float *p, ty_vec v, size_t n)
{
    float lane[TY_LANES];

    if (n >= TY_LANES) {
        ty_vec_store(p, v);
        return;
    }
    ty_vec_store(lane, v);
#pragma GCC unroll 4
    for (size_t bit = TY_LANES / 2, i = 0; bit > 0; bit /= 2)
        if (n & bit) {
            __builtin_memcpy(p + i, lane + i, bit * sizeof *p);
            i += bit;
        }
}

typedef struct batch {
    float *dlogits;
    const float *logits, *labels;
    size_t C;
    float scale;
    double *loss;     /* of each row */
    uint8_t *correct; /* of each row */
} batch;

static float largest(const float *x, size_t C, const float *end)
{
    ty_vec most = (ty_vec){0} - INFINITY;
    for (size_t j = 0; j < C; j += TY_LANES) {
        const ty_vec v = load_lanes(x + j, C - j, end);
        most = ty_vec_pick(v > most, v, most);
    }
    return ty_vec_max(most);
}

/* e = exp(x - most); returns its sum. e may be x. */
static float exp_row(float *e, const float *x, size_t C, float most, const float *end)
{
    ty_vec sum = {0};
    for (size_t j = 0; j < C; j += TY_LANES) {
        const ty_vec v = ty_vec_exp(load_lanes(x + j, C - j, end) - most);
        store_lanes(e + j, v, C - j);
        sum += v;
    }
    return ty_vec_sum(sum);
}

static int is_first(const float *x, size_t label, float most)
{
    for (size_t j = 0; j < label; j++)
        if (x[j] == most)
            return 0;
    return x[label] == most;
}

static void rows(void *arg, size_t lo, size_t hi)
{
    const batch *b = arg;
    const size_t C = b->C;
    const float *end = b->logits + hi * C; /* what stands behind may be another thread's */

    for (size_t i = lo; i < hi; i++) {
        const float *x = b->logits + i * C, label = b->labels[i];
        float *dx = b->dlogits + i * C;
        const int known = label >= 0 && label < (float)C;
        const size_t right = known ? (size_t)label : 0;
        const float most = largest(x, C, end), chosen = known ? x[right] : NAN;

        b->correct[i] = known && is_first(x, right, most);
        const float sum = exp_row(dx, x, C, most, end), factor = b->scale / sum;
        b->loss[i] = log((double)sum) - ((double)chosen - (double)most);
        for (size_t j = 0; j < C; j++)
            dx[j] *= factor;
        dx[right] -= b->scale;
    }
}

double ty_kernel_softmax_xent(float *dlogits, const float *logits, const float *labels, size_t B,
                              size_t C, float scale, size_t *correct)
{
    double total = 0, loss[ROWS];
    uint8_t hit[ROWS];
    size_t hits = 0;

    for (size_t lo = 0; C > 0 && lo < B; lo += ROWS) {
        const size_t n = B - lo < ROWS ? B - lo : ROWS;
        batch b = {dlogits + lo * C, logits + lo * C, labels + lo, C, scale, loss, hit};
        ty_share(n, GRAIN / C + 1, rows, &b);
        for (size_t i = 0; i < n; i++) {
            total += loss[i];
            hits += hit[i];
        }
    }
    if (correct)
        *correct = hits;
    return total;
}

/* A logit: maximum, difference, exp, sum, factor; a row: log, quotient, two differences, scale off
 * the label. Reads logits and labels, writes dlogits. */
ty_work ty_work_softmax_xent(size_t B, size_t C)
{
    const double n = (double)B * (double)C, each_row = (double)B;
    return (ty_work){TY_CLASS_SOFTMAX, B, C, 1, 5 * n + 5 * each_row, 8 * n + 4 * each_row};
}
