/* SPDX-License-Identifier: MIT
 *
 * lstm - the products with x are large ones for all steps at once; the recurrence goes step by step, on the register
 * tile of the matrix product, with weights that are packed once.
 *
 *   Threads take rows of the batch, which never meet, through all steps: one parallel region, nothing to wait for. A row
 *   is in turn product (h wh), cell, and packed as the left operand of the next product. What the next cell or product
 *   needs stands in memory since all steps do not fit in a cache: it is fetched while the tiles run.
 */
#include "kernels/lstm.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "kernels/threads.h"
#include "kernels/vecmath.h"

#include <string.h>

enum {
    DEPTH = 256, /* k of a block: its panel, 32 kB, stays in the first-level cache */
    SMALL = 4,   /* rows that are not worth cutting */
    FETCH = 32,  /* rows that a tile fetches */
    LEFT =
        4 * SMALL, /* rows of packed strips that so many rows of the batch may need, cut anywhere */
    THREAD_FLOPS = 500000
};

typedef struct run {
    size_t T, B, H;
    float *gates;         /* [T,B,4H] */
    float *c;             /* [T,B,H] */
    float *y;             /* [T,B,H] */
    const float *h0, *c0; /* [B,H] or NULL */
    const float *dy;      /* [T,B,H], or of the last step alone */
    int alone;
    float *dh, *dc; /* [B,H] */
    float *weights; /* [4 gates][panels of H][H]; backward, [panels of H][4H] */
    float *left;    /* [pieces(B) * LEFT, depth] */
    size_t depth;   /* K of a strip: H, backward 4H */
} run;

/* Rows [first, first + rows) of the batch, and room for their strips: of h, or of the gradients of the gates. */
typedef struct share {
    const run *l;
    size_t first, rows;
    float *left;
} share;

static size_t up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The batch is cut into so many pieces of SMALL rows or some more. */
static size_t pieces(size_t B)
{
    return B < SMALL ? 1 : B / SMALL;
}

/* What pieces are worth a thread. */
static size_t grain(size_t T, size_t H)
{
    return THREAD_FLOPS / (8 * SMALL * T * H * H) + 2;
}

static share share_of(const run *l, size_t lo, size_t hi)
{
    const size_t n = pieces(l->B), first = l->B * lo / n;
    return (share){l, first, l->B * hi / n - first, l->left + lo * LEFT * l->depth};
}

/* ---- products ---- */

/* Rows of `step` floats, a panel wide. */
typedef struct matrix {
    const float *x;
    size_t step;
} matrix;

typedef struct product {
    float *c;           /* [rows, cols] */
    const float *start; /* NULL: zero */
    size_t step;        /* of c and start */
    const float *panel;
    size_t cols;
    const float *next;     /* where the product after this one starts from, with the same step */
    const matrix *wanted;  /* [lists] what is used soon */
    size_t lists, fetched; /* tiles that fetched some of it before */
} product;

static size_t tiles(const share *w) /* of a panel's product */
{
    return (w->l->depth + DEPTH - 1) / DEPTH * ty_gemm_strips(w->rows);
}

/* Some rows of one of the lists, in turn. */
static void fetch(const product *p, size_t rows, size_t turn)
{
    const matrix *m = &p->wanted[turn % p->lists];
    const size_t first = turn / p->lists * FETCH;
    for (size_t i = first; i < min(first + FETCH, rows); i++) {
        __builtin_prefetch(m->x + i * m->step, 0, 2);
        __builtin_prefetch(m->x + i * m->step + TY_LANES, 0, 2);
    }
}

/* c = start + packed strips times one panel */
static void panel_product(const share *w, const product *p)
{
    const size_t depth = w->l->depth;
    size_t turn = p->fetched;
    for (size_t k = 0; k < depth; k += DEPTH)
        for (size_t s = 0; s < ty_gemm_strips(w->rows); s++) {
            const size_t i = ty_gemm_strip_row(w->rows, s);
            const float *from = k > 0 ? p->c : p->start, *a = w->left + (s * depth + k) * TY_STRIP;
            fetch(p, w->rows, turn++);
            ty_gemm_tile(&(ty_tile){.K = min(DEPTH, depth - k),
                                    .rows = ty_gemm_strip_row(w->rows, s + 1) - i,
                                    .cols = p->cols,
                                    .a = a,
                                    .a_step = TY_STRIP,
                                    .b = p->panel + k * TY_PANEL,
                                    .b_step = TY_PANEL,
                                    .start = from ? from + i * p->step : NULL,
                                    .start_step = p->step,
                                    .c = p->c + i * p->step,
                                    .c_step = p->step,
                                    .ahead = a,
                                    .next = p->next + i * p->step});
        }
}

/* x [rows, depth] into strips */
static void pack_left(const share *w, const float *x)
{
    const size_t depth = w->l->depth;
    for (size_t s = 0; s < ty_gemm_strips(w->rows); s++) {
        const size_t i = ty_gemm_strip_row(w->rows, s);
        ty_gemm_pack(w->left + s * TY_STRIP * depth, TY_STRIP, x + i * depth, depth, 1,
                     ty_gemm_strip_row(w->rows, s + 1) - i, depth);
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

/* Our rows of c or h a step before t, or of what the sequence begins with; NULL: zero. */
static const float *row_before(const share *w, const float *of_steps, const float *begin, size_t t)
{
    const size_t first = w->first * w->l->H;
    if (t > 0)
        return of_steps + (t - 1) * w->l->B * w->l->H + first;
    return begin ? begin + first : NULL;
}

/* Our gates of the units from u on += h wh */
static void gates_of_panel(const share *w, size_t t, float *gates, size_t u)
{
    const run *l = w->l;
    const size_t H = l->H, at = (t * l->B + w->first) * H + u;
    const size_t panels = up(H, TY_PANEL) / TY_PANEL, p = u / TY_PANEL;
    const matrix results[] = {{l->c + at, H}, {l->y + at, H}};
    /* after the four gates, those of the next panel, or of the first a step later */
    const float *then = p + 1 < panels ? gates + u + TY_PANEL : gates + l->B * 4 * H;

    for (size_t gate = 0; gate < 4; gate++) {
        float *c = gates + gate * H + u;
        panel_product(w, &(product){.c = c,
                                    .start = c,
                                    .step = 4 * H,
                                    .panel = l->weights + (gate * panels + p) * TY_PANEL * H,
                                    .cols = min(TY_PANEL, H - u),
                                    .next = gate < 3 ? c + H : then,
                                    .wanted = results,
                                    .lists = 2,
                                    .fetched = gate * tiles(w)});
    }
}

static void step_fwd(const share *w, size_t t)
{
    const run *l = w->l;
    const size_t H = l->H, at = (t * l->B + w->first) * H;
    const float *h = row_before(w, l->y, l->h0, t), *before = row_before(w, l->c, l->c0, t);
    float *gates = l->gates + 4 * at, *c = l->c + at, *y = l->y + at;

    if (h)
        pack_left(w, h);
    for (size_t u = 0; u < H; u += TY_PANEL) {
        if (h)
            gates_of_panel(w, t, gates, u);
        for (size_t i = 0; i < w->rows; i++)
            cell_fwd(gates + i * 4 * H, c + i * H, y + i * H, before ? before + i * H : NULL, H, u,
                     min(TY_PANEL, H - u));
    }
}

static void sequence_fwd(void *arg, size_t lo, size_t hi) /* in pieces of the batch */
{
    const run *l = arg;
    const share w = share_of(l, lo, hi);
    for (size_t t = 0; t < l->T; t++)
        step_fwd(&w, t);
}

void ty_kernel_lstm_fwd(const ty_lstm *a, float *y, float *saved, float *space, const float *x)
{
    const size_t T = a->T, B = a->B, H = a->H;
    run l = {.T = T,
             .B = B,
             .H = H,
             .gates = saved,
             .c = saved + T * B * 4 * H,
             .y = y,
             .h0 = a->h0,
             .c0 = a->c0,
             .left = space,
             .weights = space + pieces(B) * LEFT * H,
             .depth = H};

    if (T * B * H == 0)
        return;
    ty_kernel_linear_fwd(l.gates, x, a->wx, a->b, T * B, 4 * H, a->E);
    pack_weights_fwd(l.weights, a->wh, H);
    ty_share(pieces(B), grain(T, H), sequence_fwd, &l);
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

/* Our dh of the units from u on, from the gates of the step after; dy NULL: zero. */
static void dh_of_panel(const share *w, size_t t, const float *dy, size_t u)
{
    const run *l = w->l;
    const size_t H = l->H, at = (t * l->B + w->first) * H + u;
    const float *gates = l->gates + 4 * (at - u) + u, *c = l->c + at;
    const float *before = row_before(w, l->c, l->c0, t);
    float *dh = l->dh + w->first * H + u;
    const matrix operands[] = {
        {gates, 4 * H}, {gates + H, 4 * H},          {gates + 2 * H, 4 * H}, {gates + 3 * H, 4 * H},
        {c, H},         {before ? before + u : c, H}};

    panel_product(w, &(product){.c = dh,
                                .start = dy ? dy + u : NULL,
                                .step = H,
                                .panel = l->weights + u * 4 * H,
                                .cols = min(TY_PANEL, H - u),
                                .next = (dy ? dy + u : dh) + TY_PANEL,
                                .wanted = operands,
                                .lists = sizeof operands / sizeof *operands});
}

static void step_bwd(const share *w, size_t t)
{
    const run *l = w->l;
    const size_t H = l->H, first = w->first * H, at = t * l->B * H + first;
    const int last = t + 1 == l->T;
    const float *dy = !l->alone ? l->dy + at : last ? l->dy + first : NULL;
    const float *dh = last ? dy : l->dh + first, *before = row_before(w, l->c, l->c0, t);
    float *gates = l->gates + 4 * at;

    if (!last)
        pack_left(w, gates + l->B * 4 * H);
    for (size_t u = 0; u < H; u += TY_PANEL) {
        if (!last)
            dh_of_panel(w, t, dy, u);
        for (size_t i = 0; i < w->rows; i++)
            cell_bwd(gates + i * 4 * H, l->dc + first + i * H, dh + i * H, l->c + at + i * H,
                     before ? before + i * H : NULL, H, u, min(TY_PANEL, H - u));
    }
}

static void sequence_bwd(void *arg, size_t lo, size_t hi) /* in pieces of the batch */
{
    const run *l = arg;
    const share w = share_of(l, lo, hi);
    for (size_t t = l->T; t-- > 0;)
        step_bwd(&w, t);
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
    const size_t T = a->T, B = a->B, H = a->H;
    run l = {.T = T,
             .B = B,
             .H = H,
             .gates = saved,
             .c = saved + T * B * 4 * H,
             .c0 = a->c0,
             .dy = dy,
             .alone = a->last,
             .left = space,
             .weights = space + pieces(B) * LEFT * 4 * H,
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
    ty_share(pieces(B), grain(T, H), sequence_bwd, &l);
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

/* The left operand of the backward pass, packed weights, dh and dc. */
size_t ty_lstm_space(size_t B, size_t H)
{
    return pieces(B) * LEFT * 4 * H + 4 * H * up(H, TY_PANEL) + 2 * B * H;
}

/* ---- batch outermost, or time ---- */

enum { TURN_GRAIN = 65536 }; /* elements worth a thread */

typedef struct turn {
    float *y;
    const float *x;
    size_t m, n, E;
} turn;

static void turn_rows(void *arg, size_t lo, size_t hi) /* of y [n, m * E] */
{
    const turn *a = arg;
    for (size_t j = lo; j < hi; j++) {
        const float *x = a->x + j * a->E;
        float *y = a->y + j * a->m * a->E;
        for (size_t i = 0; i < a->m; i++)
            if (a->E == 1)
                y[i] = x[i * a->n];
            else
                memcpy(y + i * a->E, x + i * a->n * a->E, a->E * sizeof *y);
    }
}

void ty_kernel_lstm_turn(float *y, const float *x, size_t m, size_t n, size_t E)
{
    if (m * n * E > 0)
        ty_share(n, TURN_GRAIN / (m * E) + 1, turn_rows, &(turn){y, x, m, n, E});
}

ty_work ty_work_lstm_turn(size_t m, size_t n, size_t E)
{
    return ty_work_copy(m * n * E);
}

/* ---- work ---- */

/* T products of [B,H] and [H,4H], or of [B,4H] and [4H,H], between them the gates: these flops and floats. */
static ty_work recurrence(ty_class cls, size_t T, size_t B, size_t H, double flops, double floats)
{
    const double n = (double)(T * B) * (double)H;
    return (ty_work){
        cls, B, H, T, 8 * n * (double)H + flops, 4 * (floats + 4 * (double)(H * H))};
}

/* Three sigmoids of 3, two tanh of 5, c 3, h 1; reads x wx + b and c, writes gates, c and h. */
int ty_work_lstm_fwd(size_t T, size_t B, size_t E, size_t H, ty_work *out)
{
    const double n = (double)(T * B) * (double)H;
    out[0] = ty_work_linear_fwd(T * B, 4 * H, E);
    out[1] = recurrence(TY_CLASS_LSTM, T, B, H, 23 * n, 11 * n);
    return 2;
}

/* tanh(c) 5, its gradient 5, i, f, g and o 4 each, dc 1; reads gates, c twice, dh, dc, writes gates and dc. The first
 * product goes back in time, from all steps to the one before (or to h0). */
int ty_work_lstm_bwd(size_t T, size_t B, size_t E, size_t H, ty_work *out)
{
    const double n = (double)(T * B) * (double)H;
    out[0] = recurrence(TY_CLASS_LSTM_BACK, T, B, H, 27 * n, 13 * n);
    out[1] = ty_work_linear_bwd_w(T * B, 4 * H, E);
    out[2] = ty_work_linear_bwd_w(T * B, 4 * H, H);
    out[3] = ty_work_linear_bwd_b(T * B, 4 * H);
    out[4] = ty_work_linear_bwd_x(T * B, 4 * H, E);
    return TY_LSTM_WORKS;
}
