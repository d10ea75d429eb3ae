/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "experiments/bench_kernel.h"

#include "base/clock.h"
#include "base/stats.h"
#include "base/text.h"
#include "experiments/bench_arena.h"
#include "experiments/bench_peer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_ROUNDS = 64, TRIES = 4, MOST_NAMES = 128, SPINNING_TURN = 8 };
static const double SAMPLE_S = 2e-3;

/* ---- the list -------------------------------------------------------------------------------- */

static const struct {
    const ty_bench_op *op;
    const size_t *n;
} family[] = {
    {ty_bench_products, &ty_bench_products_n},
    {ty_bench_convolutions, &ty_bench_convolutions_n},
    {ty_bench_attentions, &ty_bench_attentions_n},
    {ty_bench_recurrents, &ty_bench_recurrents_n},
    {ty_bench_rows, &ty_bench_rows_n},
    {ty_bench_images, &ty_bench_images_n},
    {ty_bench_streams, &ty_bench_streams_n},
    {ty_bench_exchanges, &ty_bench_exchanges_n},
};
enum { FAMILIES = sizeof family / sizeof *family };

const ty_bench_op *ty_bench_op_at(size_t i)
{
    for (int f = 0; f < FAMILIES; f++) {
        if (i < *family[f].n)
            return &family[f].op[i];
        i -= *family[f].n;
    }
    return NULL;
}

static int takes(const char *filter, const ty_bench_op *op)
{
    return !filter || !strcmp(filter, op->name) || !strcmp(filter, op->kind);
}

static size_t add_name(const char **names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(names[i], name))
            return n;
    TY_CHECK(n < MOST_NAMES, "more than %d kernels", MOST_NAMES);
    names[n] = name;
    return n + 1;
}

/* Classes first. */
static size_t list_names(const char **names)
{
    size_t n = 0;
    const ty_bench_op *op;
    for (size_t i = 0; (op = ty_bench_op_at(i)); i++)
        n = add_name(names, n, op->kind);
    for (size_t i = 0; (op = ty_bench_op_at(i)); i++)
        n = add_name(names, n, op->name);
    return n;
}

ty_err ty_kernel_filter_check(const char *filter)
{
    const char *names[MOST_NAMES], *near;
    char all[160] = "";
    const ty_bench_op *op;
    for (size_t i = 0; (op = ty_bench_op_at(i)); i++)
        if (takes(filter, op))
            return ty_ok();
    const size_t n = list_names(names);
    near = ty_nearest(filter, names, n);
    for (size_t i = 0; i < n && !strchr(names[i], '_'); i++) /* classes */
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", names[i]);
    return ty_error(TY_EUSAGE,
                    "unknown kernel or class '%.30s'%s%s%s classes are %s; kernels are those that "
                    "`trainyard bench kernel --quick` shows",
                    filter, near ? "; did you mean '" : ";", near ? near : "", near ? "'?" : "",
                    all);
}

/* ---- the clock ------------------------------------------------------------------------------- */

static double time_ours(ty_arena *r, int calls)
{
    double sum = 0, begin = ty_clock();
    if (!ty_arena_uses_up(r)) {
        for (int i = 0; i < calls; i++)
            r->op->call(r->s, r->a);
        return (ty_clock() - begin) / calls;
    }
    for (int i = 0; i < calls; i++) {
        ty_arena_restore(r);
        begin = ty_clock();
        r->op->call(r->s, r->a);
        sum += ty_clock() - begin;
    }
    return sum / calls;
}

static double time_peer(ty_arena *r, int calls)
{
    const double begin = ty_clock();
    for (int i = 0; i < calls; i++)
        ty_peer_multiply(&r->product, r->a, r->peer);
    return (ty_clock() - begin) / calls;
}

static int calls_of(double once)
{
    return 1 + (int)(SAMPLE_S / (once > 1e-8 ? once : 1e-8));
}

/* Idle threads of one library spin for a while and would slow the other. */
static void settle(void)
{
    if (ty_peer_spins())
        nanosleep(&(struct timespec){.tv_nsec = 120000000}, NULL);
}

/* Samples in turns, so that a disturbance meets both. */
static void race(ty_arena *r, int rounds, double *ours, double *theirs)
{
    const int turn = r->peer && ty_peer_spins() ? SPINNING_TURN : 1;
    time_ours(r, 1);
    const int calls = calls_of(time_ours(r, 1)), peer_calls = r->peer ? time_peer(r, 1),
              calls_of(time_peer(r, 1)) : 0;
    for (int first = 0; first < rounds; first += turn) {
        const int last = first + turn < rounds ? first + turn : rounds;
        if (turn > 1)
            settle();
        for (int i = first; i < last; i++)
            ours[i] = time_ours(r, calls);
        if (turn > 1)
            settle();
        for (int i = first; i < last && r->peer; i++)
            theirs[i] = time_peer(r, peer_calls);
    }
}

static void time_line(const ty_kernel_bench *b, ty_arena *r, ty_kernel_line *l)
{
    double ours[MOST_ROUNDS], theirs[MOST_ROUNDS];
    const int rounds = b->rounds < MOST_ROUNDS ? b->rounds : MOST_ROUNDS;
    if (r->op->calm)
        r->op->calm(r->s, r->a);
    for (int i = 0; i < TRIES; i++) {
        settle();
        ty_ruler_begin(b->ruler);
        race(r, rounds, ours, theirs);
        settle();
        l->disturbed = !ty_ruler_end(b->ruler);
        l->again = i;
        if (!l->disturbed)
            break;
    }
    l->seconds = ty_quantile(ours, (size_t)rounds, 0.5);
    l->low = ty_quantile(ours, (size_t)rounds, 0.1);
    l->high = ty_quantile(ours, (size_t)rounds, 0.9);
    l->peer_s = r->peer ? ty_quantile(theirs, (size_t)rounds, 0.5) : 0;
    l->roof_s = ty_roof_seconds(b->roof, l->flops, l->bytes, l->footprint, &l->bound);
}

static void one_line(const ty_kernel_bench *b, const ty_bench_op *op, size_t shape)
{
    ty_arena r;
    ty_kernel_line l = {
        .kernel = op->name, .kind = op->kind, .typical = shape == op->typical, .bound = ""};
    ty_arena_open(&r, op, op->shape[shape]);
    ty_arena_describe(&r, &l);
    ty_arena_check(&r, &l);
    if (!l.wrong)
        time_line(b, &r, &l);
    ty_arena_close(&r);
    b->each(b->arg, &l);
}

void ty_kernel_bench_run(const ty_kernel_bench *b)
{
    const ty_bench_op *op;
    for (size_t i = 0; (op = ty_bench_op_at(i)); i++)
        for (size_t k = 0; takes(b->filter, op) && k < op->shapes; k++)
            if (!b->quick || (k >= op->typical && k < op->typical + op->quick))
                one_line(b, op, k);
}
