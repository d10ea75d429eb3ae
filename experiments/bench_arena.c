/* SPDX-License-Identifier: MIT */
#include "experiments/bench_arena.h"

#include "experiments/bench_peer.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of an element and of the root mean square of its array, times the root of the terms in its sum. */
static const double ROUNDING = 1e-6;

/* ---- arrays ---------------------------------------------------------------------------------- */

static float *floats(size_t n)
{
    float *v = aligned_alloc(4096, (n / 1024 + 1) * 4096);
    TY_CHECK(v, "out of memory for %zu numbers", n);
    return v;
}

/* A linear congruential generator (Numerical Recipes' constants), seeded by the array's number. */
static void fill(float *v, const ty_bench_array *a, uint32_t x)
{
    for (size_t i = 0; i < a->n; i++) {
        x = x * 1664525u + 1013904223u;
        const float u = (float)(x >> 8) * 0x1p-24f;
        switch (a->filling) {
        case TY_NUMBERS:
            v[i] = u - 0.5f;
            break;
        case TY_WEIGHTS:
            v[i] = (u - 0.5f) / 8;
            break;
        case TY_TOKENS:
            v[i] = floorf(u * (float)a->below);
            break;
        case TY_ABOVE_0:
            v[i] = u / 2;
            break;
        case TY_BITS:
            memcpy(&v[i], &x, sizeof x);
            break;
        }
    }
}

void ty_arena_open(ty_arena *r, const ty_bench_op *op, const size_t *s)
{
    *r = (ty_arena){.op = op, .s = s};
    op->lay_out(s, r->array);
    for (int i = 0; i < TY_BENCH_ARRAYS && r->array[i].role; i++) {
        r->a[i] = floats(r->array[i].n);
        fill(r->a[i], &r->array[i], 12345u + 6789u * (uint32_t)i);
    }
    if (op->prepare)
        op->prepare(s, r->a);
    if (op->product && ty_peer_there()) {
        op->product(s, &r->product);
        const size_t n = r->array[r->product.c].n;
        r->peer = memcpy(floats(n), r->a[r->product.c], n * sizeof(float));
    }
    for (int i = 0; i < TY_BENCH_ARRAYS; i++)
        if (r->array[i].role == TY_USED_UP)
            r->kept[i] = memcpy(floats(r->array[i].n), r->a[i], r->array[i].n * sizeof(float));
}

void ty_arena_close(ty_arena *r)
{
    for (int i = 0; i < TY_BENCH_ARRAYS; i++) {
        free(r->a[i]);
        free(r->kept[i]);
    }
    free(r->peer);
}

void ty_arena_restore(ty_arena *r)
{
    for (int i = 0; i < TY_BENCH_ARRAYS; i++)
        if (r->kept[i])
            memcpy(r->a[i], r->kept[i], r->array[i].n * sizeof(float));
}

int ty_arena_uses_up(const ty_arena *r)
{
    for (int i = 0; i < TY_BENCH_ARRAYS; i++)
        if (r->kept[i])
            return 1;
    return 0;
}

/* ---- work ------------------------------------------------------------------------------------ */

static double floats_moved(const ty_arena *r)
{
    static const double times[] = {[TY_IN] = 1,      [TY_OUT] = 1,    [TY_BOTH] = 2,
                                   [TY_USED_UP] = 1, [TY_UNSEEN] = 1, [TY_SPACE] = 0};
    double sum = 0;
    for (int i = 0; i < TY_BENCH_ARRAYS; i++)
        sum += times[r->array[i].role] * (double)r->array[i].n;
    return sum;
}

void ty_arena_describe(const ty_arena *r, ty_kernel_line *l)
{
    ty_work work[TY_BENCH_WORKS];
    const int items = r->op->work(r->s, work);
    TY_CHECK(items >= 1 && items <= TY_BENCH_WORKS, "%s has %d items of work", r->op->name, items);
    for (int i = 0; i < items; i++)
        l->flops += work[i].flops;
    l->bytes = items == 1 ? work[0].bytes : floats_moved(r) * sizeof(float);
    for (int i = 0; i < TY_BENCH_ARRAYS; i++)
        if (r->array[i].role != TY_SPACE)
            l->footprint += (double)r->array[i].n * sizeof(float);
    l->footprint = fmin(l->footprint, l->bytes); /* a few rows of a large table */
    char *at = l->shape, *end = l->shape + sizeof l->shape;
    const char *dim = r->op->dims;
    for (int i = 0; *dim && at < end; i++) {
        const int len = (int)strcspn(dim, " ");
        at += snprintf(at, (size_t)(end - at), "%s%.*s%zu", i ? " " : "", len, dim, r->s[i]);
        dim += len + (dim[len] == ' ');
    }
}

/* ---- the check ------------------------------------------------------------------------------- */

/* Elements of got[n] that are not want[n] within rounding. */
static size_t differ(const float *got, const double *want, size_t n, size_t depth)
{
    const double unit = ROUNDING * (1 + sqrt((double)depth));
    double squares = 0;
    size_t wrong = 0;
    for (size_t i = 0; i < n; i++)
        squares += want[i] * want[i];
    const double typical = sqrt(squares / (double)(n ? n : 1));
    for (size_t i = 0; i < n; i++)
        wrong += !(fabs((double)got[i] - want[i]) <= unit * (typical + fabs(want[i])));
    return wrong;
}

static int compared(const ty_bench_array *a)
{
    return a->role == TY_OUT || a->role == TY_BOTH;
}

/* Results of ours and of the peer, against the naive one; a wrong peer is left out. */
void ty_arena_check(ty_arena *r, ty_kernel_line *l)
{
    double *want[TY_BENCH_ARRAYS] = {0};
    const size_t depth = r->op->depth ? r->op->depth(r->s) : 1;
    for (int i = 0; i < TY_BENCH_ARRAYS; i++)
        if (compared(&r->array[i])) {
            want[i] = ty_alloc((r->array[i].n + 1) * sizeof *want[i]);
            for (size_t k = 0; k < r->array[i].n; k++)
                want[i][k] = (double)r->a[i][k];
            l->elements += r->array[i].n;
        }
    r->op->naive(r->s, (const float *const *)r->a, want);
    r->op->call(r->s, r->a);
    for (int i = 0; i < TY_BENCH_ARRAYS; i++)
        if (want[i])
            l->wrong += differ(r->a[i], want[i], r->array[i].n, depth);
    if (r->peer) {
        const int c = r->product.c;
        ty_peer_multiply(&r->product, r->a, r->peer);
        if (differ(r->peer, want[c], r->array[c].n, depth)) {
            free(r->peer);
            r->peer = NULL;
        }
    }
    for (int i = 0; i < TY_BENCH_ARRAYS; i++)
        free(want[i]);
    ty_arena_restore(r);
}
