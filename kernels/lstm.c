/* SPDX-License-Identifier: MIT
 *
 * lstm - the products with x are large ones for all steps at once; the recurrence goes step by step, on the register
 * tile of the matrix product, with weights that are packed once.
 *
 *   Threads take panels of hidden units: the four gates of a unit, its cell and its output belong to one thread, so a
 *   step is one parallel region. Each thread also packs what it made as the left operand of the next step; two such
 *   operands take turns, as neighbours may still read the last one.
 */
#include "kernels/lstm.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "kernels/threads.h"
#include "kernels/vecmath.h"

#include <string.h>

enum {
    DEPTH = 256, /* k of a block: its panel, 32 kB, stays in the first-level cache */
    THREAD_FLOPS = 500000
};

typedef struct run {
    size_t T, B, H, t;
    float *gates;         /* [T,B,4H] */
    float *c;             /* [T,B,H] */
    float *y;             /* [T,B,H] */
    const float *h0, *c0; /* [B,H] or NULL */
    const float *dy;      /* [T,B,H] */
    float *dh, *dc;       /* [B,H] */
    float *weights;       /* [4 gates][panels of H][H]; backward, [panels of H][4H] */
    float *left[2];       /* strips of h, or of the gradients of the gates: of step t in t & 1 */
    size_t depth;         /* K of a strip: H, backward 4H */
} run;

static size_t up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t strips(size_t B)
{
    return (B + TY_TILE_ROWS - 1) / TY_TILE_ROWS;
}

static size_t strip_row(size_t B, size_t s)
{
    return B * s / strips(B);
}

/* ---- products ---- */

/* c [B, cols] = start + strips of `left` times one panel; start NULL is zero. Both have the given step. */
static void panel_product(const run *l, float *c, const float *start, size_t step,
                          const float *left, const float *panel, size_t cols)
{
    for (size_t k = 0; k < l->depth; k += DEPTH)
        for (size_t s = 0; s < strips(l->B); s++) {
            const size_t i = strip_row(l->B, s);
            const float *from = k > 0 ? c : start;
            const float *a = left + s * TY_STRIP * l->depth + k * TY_STRIP;
            ty_gemm_tile(&(ty_tile){.K = min(DEPTH, l->depth - k),
                                    .rows = strip_row(l->B, s + 1) - i,
                                    .cols = cols,
                                    .a = a,
                                    .a_step = TY_STRIP,
                                    .b = panel + k * TY_PANEL,
                                    .b_step = TY_PANEL,
                                    .start = from ? from + i * step : NULL,
                                    .start_step = step,
                                    .c = c + i * step,
                                    .c_step = step,
                                    .ahead = a,
                                    .next = c + i * step + l->H}); /* forward, the next gate */
        }
}

/* Columns [u, u + n) of x, which has rows of `step` floats, into rows `at` ... of the strips of `left`. */
static void pack_left(const run *l, float *left, size_t at, const float *x, size_t step, size_t u,
                      size_t n)
{
    for (size_t s = 0; s < strips(l->B); s++) {
        const size_t i = strip_row(l->B, s);
        ty_gemm_pack(left + (s * l->depth + at + u) * TY_STRIP, TY_STRIP, x + i * step + u, step, 1,
                     strip_row(l->B, s + 1) - i, n);
    }
}

/* ---- forward ---- */

static void pack_weights_fwd(float *to, const float *wh, size_t H)
{
    for (size_t gate = 0; gate < 4; gate++)
        for (size_t u = 0; u < H; u += TY_PANEL) {
            ty_gemm_pack(to, TY_PANEL, wh + gate * H + u, 4 * H, 0, min(TY_PANEL, H - u), H);
            to += TY_PANEL * H;
        }
}

/* One row's units from u on: gates [4H], in place, to c and h. */
static void cell_fwd(float *gates, float *c, float *h, const float *before, size_t H, size_t u,
                     size_t n)
{
    for (size_t end = u + n; u < end; u += TY_LANES) {
        const size_t some = end - u;
        const ty_vec i = ty_vec_sigmoid(ty_vec_load_some(gates + u, some));
        const ty_vec f = ty_vec_sigmoid(ty_vec_load_some(gates + H + u, some));
        const ty_vec g = ty_vec_tanh(ty_vec_load_some(gates + 2 * H + u, some));
        const ty_vec o = ty_vec_sigmoid(ty_vec_load_some(gates + 3 * H + u, some));
        const ty_vec last = before ? ty_vec_load_some(before + u, some) : (ty_vec){0};
        const ty_vec now = f * last + i * g;

        ty_vec_store_some(gates + u, i, some);
        ty_vec_store_some(gates + H + u, f, some);
        ty_vec_store_some(gates + 2 * H + u, g, some);
        ty_vec_store_some(gates + 3 * H + u, o, some);
        ty_vec_store_some(c + u, now, some);
        ty_vec_store_some(h + u, o * ty_vec_tanh(now), some);
    }
}

/* c of the step before t, or NULL */
static const float *cell_before(const run *l, size_t t)
{
    return t > 0 ? l->c + (t - 1) * l->B * l->H : l->c0;
}

static void step_fwd(void *arg, size_t lo, size_t hi) /* in panels of units */
{
    const run *l = arg;
    const size_t H = l->H, B = l->B, t = l->t, panels = up(H, TY_PANEL) / TY_PANEL;
    float *gates = l->gates + t * B * 4 * H, *c = l->c + t * B * H, *h = l->y + t * B * H;
    const float *before = cell_before(l, t), *left = l->left[(t + 1) & 1];

    for (size_t p = lo; p < hi; p++) {
        const size_t u = p * TY_PANEL, n = min(TY_PANEL, H - u);
        for (size_t gate = 0; gate < 4 && (t > 0 || l->h0); gate++) {
            float *at = gates + gate * H + u;
            panel_product(l, at, at, 4 * H, left, l->weights + (gate * panels + p) * TY_PANEL * H,
                          n);
        }
        for (size_t i = 0; i < B; i++)
            cell_fwd(gates + i * 4 * H, c + i * H, h + i * H, before ? before + i * H : NULL, H, u,
                     n);
        pack_left(l, l->left[t & 1], 0, h, H, u, n);
    }
}

/* Panels of units that are worth a thread. */
static size_t grain(size_t B, size_t H)
{
    return THREAD_FLOPS / (8 * B * TY_PANEL * H) + 1;
}

void ty_kernel_lstm_fwd(const ty_lstm *a, float *y, float *saved, float *space, const float *x)
{
    const size_t T = a->T, B = a->B, H = a->H, left = strips(B) * TY_STRIP * H;
    run l = {.T = T,
             .B = B,
             .H = H,
             .gates = saved,
             .c = saved + T * B * 4 * H,
             .y = y,
             .h0 = a->h0,
             .c0 = a->c0,
             .left = {space, space + left},
             .weights = space + 2 * left,
             .depth = H};

    if (T * B * H == 0)
        return;
    ty_kernel_linear_fwd(l.gates, x, a->wx, a->b, T * B, 4 * H, a->E);
    pack_weights_fwd(l.weights, a->wh, H);
    if (a->h0)
        pack_left(&l, l.left[1], 0, a->h0, H, 0, H);
    for (l.t = 0; l.t < T; l.t++)
        ty_share(up(H, TY_PANEL) / TY_PANEL, grain(B, H), step_fwd, &l);
}

/* ---- backward ---- */

static void pack_weights_bwd(float *to, const float *wh, size_t H)
{
    for (size_t u = 0; u < H; u += TY_PANEL)
        ty_gemm_pack(to + u * 4 * H, TY_PANEL, wh + u * 4 * H, 4 * H, 1, min(TY_PANEL, H - u),
                     4 * H);
}

/* One row's units from u on: gates become their gradients, dc that of the cell a step earlier. */
static void cell_bwd(float *gates, float *dc, const float *dh, const float *c, const float *before,
                     size_t H, size_t u, size_t n)
{
    for (size_t end = u + n; u < end; u += TY_LANES) {
        const size_t some = end - u;
        const ty_vec i = ty_vec_load_some(gates + u, some);
        const ty_vec f = ty_vec_load_some(gates + H + u, some);
        const ty_vec g = ty_vec_load_some(gates + 2 * H + u, some);
        const ty_vec o = ty_vec_load_some(gates + 3 * H + u, some);
        const ty_vec last = before ? ty_vec_load_some(before + u, some) : (ty_vec){0};
        const ty_vec squashed = ty_vec_tanh(ty_vec_load_some(c + u, some));
        const ty_vec down = ty_vec_load_some(dh + u, some);
        const ty_vec cell = ty_vec_load_some(dc + u, some) + down * o * (1 - squashed * squashed);

        ty_vec_store_some(gates + u, cell * g * i * (1 - i), some);
        ty_vec_store_some(gates + H + u, cell * last * f * (1 - f), some);
        ty_vec_store_some(gates + 2 * H + u, cell * i * (1 - g * g), some);
        ty_vec_store_some(gates + 3 * H + u, down * squashed * o * (1 - o), some);
        ty_vec_store_some(dc + u, cell * f, some);
    }
}

static void step_bwd(void *arg, size_t lo, size_t hi) /* in panels of units */
{
    const run *l = arg;
    const size_t H = l->H, B = l->B, t = l->t;
    float *gates = l->gates + t * B * 4 * H;
    const float *c = l->c + t * B * H, *dy = l->dy + t * B * H, *before = cell_before(l, t);
    const int last = t + 1 == l->T;

    for (size_t p = lo; p < hi; p++) {
        const size_t u = p * TY_PANEL, n = min(TY_PANEL, H - u);
        if (!last)
            panel_product(l, l->dh + u, dy + u, H, l->left[(t + 1) & 1], l->weights + u * 4 * H, n);
        const float *dh = last ? dy : l->dh;
        for (size_t i = 0; i < B; i++)
            cell_bwd(gates + i * 4 * H, l->dc + i * H, dh + i * H, c + i * H,
                     before ? before + i * H : NULL, H, u, n);
        for (size_t gate = 0; gate < 4; gate++)
            pack_left(l, l->left[t & 1], gate * H, gates + gate * H, 4 * H, u, n);
    }
}

/* Gradients of weights and input, from those of all gates. */
static void weights_bwd(const ty_lstm *a, const ty_lstm_grad *d, float *dx, const float *dgates,
                        const float *y, const float *x)
{
    const size_t T = a->T, B = a->B, H = a->H;

    ty_kernel_linear_bwd_w(d->dwx, x, dgates, T * B, 4 * H, a->E);
    if (a->h0)
        ty_kernel_linear_bwd_w(d->dwh, a->h0, dgates, B, 4 * H, H);
    ty_kernel_linear_bwd_w(d->dwh, y, dgates + B * 4 * H, (T - 1) * B, 4 * H, H);
    ty_kernel_linear_bwd_b(d->db, dgates, T * B, 4 * H);
    if (dx)
        ty_kernel_linear_bwd_x(dx, dgates, a->wx, T * B, 4 * H, a->E);
}

void ty_kernel_lstm_bwd(const ty_lstm *a, const ty_lstm_grad *d, float *dx, float *saved,
                        float *space, const float *dy, const float *y, const float *x)
{
    const size_t T = a->T, B = a->B, H = a->H, left = strips(B) * TY_STRIP * 4 * H;
    run l = {.T = T,
             .B = B,
             .H = H,
             .gates = saved,
             .c = saved + T * B * 4 * H,
             .c0 = a->c0,
             .dy = dy,
             .left = {space, space + left},
             .weights = space + 2 * left,
             .depth = 4 * H};

    l.dh = l.weights + 4 * H * up(H, TY_PANEL);
    l.dc = l.dh + B * H;
    if (B * H > 0 && d->dc0)
        memset(d->dc0, 0, B * H * sizeof *d->dc0);
    if (B * H > 0 && d->dh0)
        memset(d->dh0, 0, B * H * sizeof *d->dh0);
    if (T * B * H == 0)
        return;
    pack_weights_bwd(l.weights, a->wh, H);
    memset(l.dc, 0, B * H * sizeof *l.dc);
    for (l.t = T; l.t-- > 0;)
        ty_share(up(H, TY_PANEL) / TY_PANEL, grain(B, H), step_bwd, &l);
    if (d->dh0)
        ty_kernel_linear_bwd_x(d->dh0, l.gates, a->wh, B, 4 * H, H);
    if (d->dc0)
        memcpy(d->dc0, l.dc, B * H * sizeof *l.dc);
    weights_bwd(a, d, dx, l.gates, y, x);
}

size_t ty_lstm_saved(size_t T, size_t B, size_t H)
{
    return T * B * 5 * H;
}

/* Two left operands of the backward pass, packed weights, dh and dc. */
size_t ty_lstm_space(size_t B, size_t H)
{
    return 2 * strips(B) * TY_STRIP * 4 * H + 4 * H * up(H, TY_PANEL) + 2 * B * H;
}

/* ---- work ---- */

/* Three sigmoids of 3, two tanh of 5, c 3, h 1; reads x wx + b and c, writes gates, c and h. */
int ty_work_lstm_fwd(size_t T, size_t B, size_t E, size_t H, ty_work *out)
{
    const double n = (double)(T * B) * (double)H, recurrent = n + 8 * n + 4 * (double)(H * H);
    out[0] = ty_work_linear_fwd(T * B, 4 * H, E);
    out[1] = (ty_work){TY_CLASS_GEMM_NN, T * B, 4 * H, H, 8 * n * (double)H, 4 * recurrent};
    out[2] = (ty_work){TY_CLASS_SOFTMAX, T * B * H, 1, 1, 23 * n, 4 * 11 * n};
    return 3;
}

/* tanh(c) 5, its gradient 5, i, f, g and o 4 each, dc 1; reads gates, c twice, dh, dc, writes gates and dc. The first
 * product goes back in time, from all steps to the one before (or to h0). */
int ty_work_lstm_bwd(size_t T, size_t B, size_t E, size_t H, ty_work *out)
{
    const double n = (double)(T * B) * (double)H;
    out[0] = ty_work_linear_bwd_x(T * B, 4 * H, H);
    out[1] = (ty_work){TY_CLASS_SOFTMAX, T * B * H, 1, 1, 27 * n, 4 * 13 * n};
    out[2] = ty_work_linear_bwd_w(T * B, 4 * H, E);
    out[3] = ty_work_linear_bwd_w(T * B, 4 * H, H);
    out[4] = ty_work_linear_bwd_b(T * B, 4 * H);
    out[5] = ty_work_linear_bwd_x(T * B, 4 * H, E);
    return 6;
}
