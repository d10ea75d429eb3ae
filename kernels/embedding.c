/* SPDX-License-Identifier: MIT
 *
 * embedding - rows of a table picked by token, plus a row for each place in the sequence.
 * Forward, threads take rows of y. Backward they take columns, so that two equal tokens never meet in two threads.
 */
#include "kernels/threads.h"
#include "kernels/transformer.h"

#include <math.h>
#include <string.h>

enum { GRAIN = 32768 }; /* elements worth a thread */

typedef struct lookup {
    float *y, *table, *position;
    const float *tokens, *dy;
    size_t rows, T, C, V;
} lookup;

/* Row of the table, or V for a token that has none. */
static size_t row_of(const lookup *l, size_t i)
{
    const float token = l->tokens[i];
    return token >= 0 && token < (float)l->V ? (size_t)token : l->V;
}

static void pick_rows(void *arg, size_t lo, size_t hi)
{
    const lookup *l = arg;
    for (size_t i = lo; i < hi; i++) {
        const size_t row = row_of(l, i);
        float *restrict y = l->y + i * l->C;
        if (row == l->V)
            for (size_t j = 0; j < l->C; j++)
                y[j] = NAN;
        else
            memcpy(y, l->table + row * l->C, l->C * sizeof *y);
        if (!l->position)
            continue;
        const float *restrict position = l->position + i % l->T * l->C;
        for (size_t j = 0; j < l->C; j++)
            y[j] += position[j];
    }
}

static void add_to(float *restrict sum, const float *restrict x, size_t n)
{
    for (size_t j = 0; j < n; j++)
        sum[j] += x[j];
}

static void scatter_columns(void *arg, size_t lo, size_t hi)
{
    const lookup *l = arg;
    for (size_t i = 0; i < l->rows; i++) {
        const size_t row = row_of(l, i);
        const float *dy = l->dy + i * l->C + lo;
        if (row < l->V)
            add_to(l->table + row * l->C + lo, dy, hi - lo);
        if (l->position)
            add_to(l->position + i % l->T * l->C + lo, dy, hi - lo);
    }
}

void ty_kernel_embedding_fwd(float *y, const float *tokens, const float *table,
                             const float *position, size_t B, size_t T, size_t C, size_t V)
{
    lookup l = {y, (float *)table, (float *)position, tokens, NULL, B * T, T, C, V};
    if (C > 0)
        ty_share(B * T, GRAIN / C + 1, pick_rows, &l);
}

void ty_kernel_embedding_bwd(float *dtable, float *dposition, const float *tokens, const float *dy,
                             size_t B, size_t T, size_t C, size_t V)
{
    lookup l = {NULL, dtable, dposition, tokens, dy, B * T, T, C, V};
    ty_share(C, GRAIN / (B * T + 1) + 1, scatter_columns, &l);
}

/* ---- work ---- */

/* Forward reads tokens, rows and positions, writes y. */
ty_work ty_work_embedding_fwd(size_t B, size_t T, size_t C, int positions)
{
    const double rows = (double)B * (double)T, n = rows * (double)C, tc = (double)(T * C);
    return (ty_work){TY_CLASS_STREAM,
                     B * T * C,
                     1,
                     1,
                     positions ? n : 0,
                     4 * (rows + 2 * n + (positions ? tc : 0))};
}

/* Backward reads tokens and dy, reads and writes the rows of both tables. */
ty_work ty_work_embedding_bwd(size_t B, size_t T, size_t C, int positions)
{
    const double rows = (double)B * (double)T, n = rows * (double)C, tc = (double)(T * C);
    return (ty_work){TY_CLASS_STREAM,
                     B * T * C,
                     1,
                     1,
                     positions ? 2 * n : n,
                     4 * (rows + 3 * n + (positions ? 2 * tc : 0))};
}
