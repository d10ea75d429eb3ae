/* SPDX-License-Identifier: MIT
 *
 * bench_recurrents - an LSTM layer over T steps, B sequences, E features and H units; and the turn of its input from batch
 * outermost to time outermost.
 */
#include "experiments/bench_case.h"
#include "kernels/lstm.h"

#include "base/err.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { T, B, E, H };
static const size_t layer[][TY_BENCH_DIMS] = {
    {64, 32, 128, 256}, {144, 32, 1, 64}, {16, 8, 32, 32}};

static size_t cells(const size_t *s) /* of one step */
{
    return s[B] * s[H];
}

/* ---- the layer again, in double -------------------------------------------------------------- */

typedef struct layer_values {
    const size_t *s;
    const float *x, *wx, *wh, *b;
    double *gates, *c, *y; /* [T,B,4H] after their functions, in the order i f g o; [T,B,H] each */
} layer_values;

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double before(const layer_values *l, const double *v, size_t t, size_t i)
{
    return t ? v[(t - 1) * cells(l->s) + i] : 0;
}

static void cell(const layer_values *l, size_t t, size_t i)
{
    const size_t n = l->s[H];
    double *g = l->gates + (t * l->s[B] + i / n) * 4 * n + i % n, *c = l->c + t * cells(l->s) + i;
    g[0] = sigmoid(g[0]);
    g[n] = sigmoid(g[n]);
    g[2 * n] = tanh(g[2 * n]);
    g[3 * n] = sigmoid(g[3 * n]);
    *c = g[n] * before(l, l->c, t, i) + g[0] * g[2 * n];
    l->y[t * cells(l->s) + i] = g[3 * n] * tanh(*c);
}

static void naive_step(const layer_values *l, size_t t)
{
    const size_t *s = l->s, G = 4 * s[H];
    for (size_t b = 0; b < s[B]; b++) {
        double *g = l->gates + (t * s[B] + b) * G;
        for (size_t j = 0; j < G; j++)
            g[j] = (double)l->b[j];
        for (size_t e = 0; e < s[E]; e++)
            ty_naive_add(g, (double)l->x[(t * s[B] + b) * s[E] + e], l->wx + e * G, G);
        for (size_t k = 0; t && k < s[H]; k++)
            ty_naive_add(g, before(l, l->y, t, b * s[H] + k), l->wh + k * G, G);
    }
    for (size_t i = 0; i < cells(s); i++)
        cell(l, t, i);
}

static layer_values naive_forward(const size_t *s, const float *x, const float *wx, const float *wh,
                                  const float *b)
{
    const size_t n = s[T] * cells(s);
    layer_values l = {s,
                      x,
                      wx,
                      wh,
                      b,
                      ty_alloc(4 * n * sizeof(double)),
                      ty_alloc(n * sizeof(double)),
                      ty_alloc(n * sizeof(double))};
    for (size_t t = 0; t < s[T]; t++)
        naive_step(&l, t);
    return l;
}

static void naive_free(layer_values *l)
{
    free(l->gates);
    free(l->c);
    free(l->y);
}

/* ---- forward --------------------------------------------------------------------------------- */

enum { Y, SAVED, SPACE, X, WX, WH, BIAS };

static void lay_out_fwd(const size_t *s, ty_bench_array *a)
{
    a[Y] = (ty_bench_array){.role = TY_OUT, .n = s[T] * cells(s)};
    a[SAVED] = (ty_bench_array){.role = TY_UNSEEN, .n = ty_lstm_saved(s[T], s[B], s[H])};
    a[SPACE] = (ty_bench_array){.role = TY_SPACE, .n = ty_lstm_space(s[B], s[H])};
    a[X] = (ty_bench_array){.role = TY_IN, .n = s[T] * s[B] * s[E]};
    a[WX] = (ty_bench_array){.role = TY_IN, .n = s[E] * 4 * s[H], .filling = TY_WEIGHTS};
    a[WH] = (ty_bench_array){.role = TY_IN, .n = s[H] * 4 * s[H], .filling = TY_WEIGHTS};
    a[BIAS] = (ty_bench_array){.role = TY_IN, .n = 4 * s[H]};
}

static ty_lstm lstm_of(const size_t *s, float *const *a)
{
    return (ty_lstm){
        .T = s[T], .B = s[B], .E = s[E], .H = s[H], .wx = a[WX], .wh = a[WH], .b = a[BIAS]};
}

static int work_fwd(const size_t *s, ty_work *out)
{
    return ty_work_lstm_fwd(s[T], s[B], s[E], s[H], out);
}

static void call_fwd(const size_t *s, float *const *a)
{
    const ty_lstm l = lstm_of(s, a);
    ty_kernel_lstm_fwd(&l, a[Y], a[SAVED], a[SPACE], a[X]);
}

static void naive_fwd(const size_t *s, const float *const *in, double *const *out)
{
    layer_values l = naive_forward(s, in[X], in[WX], in[WH], in[BIAS]);
    memcpy(out[Y], l.y, s[T] * cells(s) * sizeof *l.y);
    naive_free(&l);
}

static size_t depth_fwd(const size_t *s)
{
    return s[E] + s[H];
}

/* ---- backward: arrays of forward, then these ------------------------------------------------- */

enum { DWX = BIAS + 1, DWH, DB, DX, DY };

static void lay_out_bwd(const size_t *s, ty_bench_array *a)
{
    lay_out_fwd(s, a);
    a[Y].role = TY_IN;
    a[SAVED].role = TY_USED_UP;
    a[DWX] = (ty_bench_array){.role = TY_BOTH, .n = a[WX].n};
    a[DWH] = (ty_bench_array){.role = TY_BOTH, .n = a[WH].n};
    a[DB] = (ty_bench_array){.role = TY_BOTH, .n = a[BIAS].n};
    a[DX] = (ty_bench_array){.role = TY_OUT, .n = a[X].n};
    a[DY] = (ty_bench_array){.role = TY_IN, .n = a[Y].n};
}

static int work_bwd(const size_t *s, ty_work *out)
{
    return ty_work_lstm_bwd(s[T], s[B], s[E], s[H], out);
}

static void call_bwd(const size_t *s, float *const *a)
{
    const ty_lstm l = lstm_of(s, a);
    const ty_lstm_grad d = {.dwx = a[DWX], .dwh = a[DWH], .db = a[DB]};
    ty_kernel_lstm_bwd(&l, &d, a[DX], a[SAVED], a[SPACE], a[DY], a[Y], a[X]);
}

/* Gates of cell i of step t become their gradients; dc is that of the cell, and becomes that of the step before. */
static void cell_bwd(const layer_values *l, size_t t, size_t i, double dh, double *dc)
{
    const size_t n = l->s[H];
    double *g = l->gates + (t * l->s[B] + i / n) * 4 * n + i % n;
    const double in = g[0], forget = g[n], fresh = g[2 * n], out = g[3 * n];
    const double q = tanh(l->c[t * cells(l->s) + i]), d = *dc + dh * out * (1 - q * q);
    g[0] = d * fresh * in * (1 - in);
    g[n] = d * before(l, l->c, t, i) * forget * (1 - forget);
    g[2 * n] = d * in * (1 - fresh * fresh);
    g[3 * n] = dh * q * out * (1 - out);
    *dc = d * forget;
}

static double dot(const double *x, const float *y, size_t n)
{
    double part[8] = {0}, sum = 0;
    for (size_t i = 0; i < n; i += 8) /* n is a multiple of 4 */
        for (size_t k = 0; k < 8 && i + k < n; k++)
            part[k] += x[i + k] * (double)y[i + k];
    for (size_t k = 0; k < 8; k++)
        sum += part[k];
    return sum;
}

static void add(double *y, double a, const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

/* What the gradients g of one row's gates mean for everything that made them; dh is of the step before. */
static void row_bwd(const layer_values *l, size_t t, size_t b, double *const *out, double *dh)
{
    const size_t *s = l->s, G = 4 * s[H], row = t * s[B] + b;
    const double *g = l->gates + row * G;
    for (size_t e = 0; e < s[E]; e++) {
        out[DX][row * s[E] + e] = dot(g, l->wx + e * G, G);
        add(out[DWX] + e * G, (double)l->x[row * s[E] + e], g, G);
    }
    for (size_t k = 0; k < s[H]; k++) {
        dh[b * s[H] + k] = dot(g, l->wh + k * G, G);
        add(out[DWH] + k * G, before(l, l->y, t, b * s[H] + k), g, G);
    }
    add(out[DB], 1, g, G);
}

static void naive_bwd(const size_t *s, const float *const *in, double *const *out)
{
    layer_values l = naive_forward(s, in[X], in[WX], in[WH], in[BIAS]);
    double *dh = ty_zalloc(cells(s), sizeof *dh), *dc = ty_zalloc(cells(s), sizeof *dc);
    for (size_t t = s[T]; t-- > 0;) {
        for (size_t i = 0; i < cells(s); i++)
            cell_bwd(&l, t, i, dh[i] + (double)in[DY][t * cells(s) + i], &dc[i]);
        for (size_t b = 0; b < s[B]; b++)
            row_bwd(&l, t, b, out, dh);
    }
    free(dh);
    free(dc);
    naive_free(&l);
}

static size_t depth_bwd(const size_t *s)
{
    return s[T] * s[B] + 4 * s[H];
}

/* ---- turn: y [T,B,E] = x [B,T,E] ------------------------------------------------------------- */

static void lay_out_turn(const size_t *s, ty_bench_array *a)
{
    a[0] = (ty_bench_array){.role = TY_OUT, .n = s[0] * s[1] * s[2]};
    a[1] = (ty_bench_array){.role = TY_IN, .n = s[0] * s[1] * s[2]};
}

static int work_turn(const size_t *s, ty_work *out)
{
    *out = ty_work_lstm_turn(s[0], s[1], s[2]);
    return 1;
}

static void call_turn(const size_t *s, float *const *a)
{
    ty_kernel_lstm_turn(a[0], a[1], s[0], s[1], s[2]);
}

static void naive_turn(const size_t *s, const float *const *in, double *const *out)
{
    for (size_t m = 0; m < s[0]; m++)
        for (size_t n = 0; n < s[1]; n++)
            for (size_t e = 0; e < s[2]; e++)
                out[0][(n * s[0] + m) * s[2] + e] = (double)in[1][(m * s[1] + n) * s[2] + e];
}

static const size_t turned[][TY_BENCH_DIMS] = {{32, 64, 128}, {32, 144, 1}};

const ty_bench_op ty_bench_recurrents[] = {
    {.name = "lstm_fwd",
     .kind = "recurrent",
     .dims = "T B E H",
     .lay_out = lay_out_fwd,
     .work = work_fwd,
     .call = call_fwd,
     .naive = naive_fwd,
     .depth = depth_fwd,
     TY_SHAPES(layer, 1)},
    {.name = "lstm_bwd",
     .kind = "recurrent",
     .dims = "T B E H",
     .lay_out = lay_out_bwd,
     .work = work_bwd,
     .call = call_bwd,
     .naive = naive_bwd,
     .depth = depth_bwd,
     .prepare = call_fwd,
     TY_SHAPES(layer, 1)},
    {.name = "lstm_turn",
     .kind = "stream",
     .dims = "m n E",
     .lay_out = lay_out_turn,
     .work = work_turn,
     .call = call_turn,
     .naive = naive_turn,
     TY_SHAPES(turned, 1)},
};
const size_t ty_bench_recurrents_n = sizeof ty_bench_recurrents / sizeof *ty_bench_recurrents;
