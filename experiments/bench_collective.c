/* SPDX-License-Identifier: MIT */
#include "experiments/bench_collective.h"

#include "base/text.h"
#include "kernels/kernels.h"
#include "sim/platform.h"

#include <math.h>
#include <string.h>

enum {
    SAMPLES = 41,
    QUICK_SAMPLES = 15,
    LARGE = 1 << 22,    /* [B] from here on: */
    LARGE_SAMPLES = 11, /* they take long, and vary little */
    MOST_CALLS = 32,    /* in one sample */
    MOST_NAMES = 64
};

/* ---- names ----------------------------------------------------------------------------------- */

static int takes(const char *filter, const ty_collective *c)
{
    return !filter || !strcmp(filter, ty_operation_name[c->op]) || !strcmp(filter, c->name);
}

static size_t add_name(const char **names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(names[i], name))
            return n;
    TY_CHECK(n < MOST_NAMES, "more than %d names", MOST_NAMES);
    names[n] = name;
    return n + 1;
}

ty_err ty_collective_filter_check(const char *filter)
{
    const char *names[MOST_NAMES];
    size_t n = 0;
    for (size_t i = 0; i < ty_collectives_n; i++) {
        if (takes(filter, ty_collectives[i]))
            return ty_ok();
        n = add_name(names, n, ty_operation_name[ty_collectives[i]->op]);
    }
    for (size_t i = 0; i < ty_collectives_n; i++)
        n = add_name(names, n, ty_collectives[i]->name);
    return ty_unknown(
        "operation or algorithm", filter, names, n,
        "use allreduce, broadcast, ring, ...: `trainyard list collectives` shows them");
}

double ty_bus_factor(ty_operation op, int n)
{
    const double others = (double)(n - 1) / n;
    switch (op) {
    case TY_ALLREDUCE:
        return 2 * others;
    case TY_REDUCE_SCATTER:
    case TY_ALLGATHER:
    case TY_GATHER:
    case TY_ALLTOALL:
        return others;
    default:
        return 1;
    }
}

/* ---- the check ------------------------------------------------------------------------------- */

/* What member r gives as element i: whole and below 101, so that sums over 65536 members are exact. */
static float given(int r, size_t i)
{
    return (float)((r * 31 + (int)(i % 1009) * 7) % 101 - 50);
}

static double sum_of_all(int P, size_t i)
{
    double sum = 0;
    for (int r = 0; r < P; r++)
        sum += (double)given(r, i);
    return sum;
}

/* Whose chunk element i of n is in. */
static int owner(size_t n, int P, size_t i)
{
    const size_t size = n / (size_t)P,
                 larger = n % (size_t)P; /* the first `larger` chunks have one more */
    return (int)(i < larger * (size + 1) ? i / (size + 1)
                                         : larger + (i - larger * (size + 1)) / size);
}

/* All-to-all: block j of me is block me of j; what is behind the blocks stays. */
static double exchanged(size_t n, int P, int me, size_t i)
{
    const size_t block = n / (size_t)P;
    if (i >= block * (size_t)P)
        return (double)given(me, i);
    return (double)given((int)(i / block), (size_t)me * block + i % block);
}

/* What member me must hold as element i of n; 0 when that is undefined. */
static int expected(ty_operation op, int P, int me, size_t n, size_t i, double *value)
{
    const int from = owner(n, P, i);
    switch (op) {
    case TY_ALLREDUCE:
        *value = sum_of_all(P, i);
        return 1;
    case TY_REDUCE_SCATTER:
        *value = from == me ? sum_of_all(P, i) : 0;
        return from == me;
    case TY_ALLGATHER:
        *value = (double)given(from, i);
        return 1;
    case TY_GATHER:
        *value = (double)given(from, i);
        return me == 0;
    case TY_BROADCAST:
        *value = (double)given(0, i);
        return 1;
    case TY_ALLTOALL:
        *value = exchanged(n, P, me, i);
        return 1;
    default:
        return 0;
    }
}

size_t ty_collective_check(const ty_team *t, const ty_collective *c, ty_tensor x)
{
    size_t wrong = 0;
    double want;
    for (size_t i = 0; x.data && i < x.n; i++)
        x.data[i] = given(t->me, i);
    c->run(t, x);
    for (size_t i = 0; x.data && i < x.n; i++)
        wrong += expected(c->op, t->n, t->me, x.n, i, &want) && (double)x.data[i] != want;
    if (x.data)
        ty_kernel_fill(x.data, 0, x.n);
    return wrong;
}

/* ---- one line -------------------------------------------------------------------------------- */

typedef struct calls {
    const ty_collective *collective;
    const ty_team *team;
    ty_tensor x;
    int n;
} calls;

static double sample(void *arg)
{
    const calls *c = arg;
    const double begin = ty_now(c->team->rank);
    for (int i = 0; i < c->n; i++)
        c->collective->run(c->team, c->x);
    return (ty_now(c->team->rank) - begin) / c->n;
}

/* Calls of one sample: many small ones, where nobody can run ahead of the others. */
static int calls_of(const ty_bench_rank *b, const ty_collective *c, size_t bytes)
{
    const int rooted = c->op == TY_BROADCAST || c->op == TY_GATHER;
    const size_t many = (size_t)(1 << 20) / (bytes ? bytes : 1);
    if (rooted || !b->real_time || many < 1)
        return 1;
    return many < MOST_CALLS ? (int)many : MOST_CALLS;
}

static int samples_of(size_t bytes, int quick)
{
    return quick ? QUICK_SAMPLES : bytes >= LARGE ? LARGE_SAMPLES : SAMPLES;
}

typedef struct session {
    const ty_collective_bench *bench;
    ty_bench_lines lines;
} session;

static ty_costing costing(const ty_bench_place *p)
{
    const int busy = ty_bench_busy(p), here = ty_kernel_max_threads();
    ty_costing c = {.net = ty_bench_net(p), .machine = p->machine, .threads = 1, .busy = busy};
    c.local = p->platform ? p->platform->local : c.net;
    c.per_node = p->per_node;
    c.share = p->platform ? (double)busy / p->platform->cores : (double)p->ranks / here;
    return c;
}

static double closed_form(const ty_bench_place *p, const ty_collective *a, size_t n)
{
    const ty_costing c = costing(p);
    double most = 0;
    for (int me = 0; c.net.beta > 0 && me < p->ranks; me++)
        most = fmax(most, a->cost(&c, p->ranks, me, n).seconds);
    return most;
}

static void one_line(session *s, const ty_bench_rank *b, const ty_collective *c, size_t n)
{
    const ty_team *t = &b->team;
    ty_tensor x = ty_tensor_new(t->rank, TY_PARAM, 1, n);
    const size_t bytes = ty_bytes(x), wrong = ty_collective_check(t, c, x);
    calls k = {c, t, x, calls_of(b, c, bytes)};
    ty_collective_line l = {.collective = c,
                            .workers = t->n,
                            .bytes = bytes,
                            .checked = c->op != TY_BARRIER && !t->rank->job->ghost};
    ty_bench_rank_measure(b, samples_of(bytes, s->bench->quick), sample, &k, wrong, &l.times);
    ty_drop(t->rank, x);
    if (t->me)
        return;
    l.closed_form_s = closed_form(&s->bench->place, c, n);
    ty_bench_line(&s->lines, &l);
}

static void body(ty_rank *r, void *arg)
{
    session *s = arg;
    ty_bench_rank b;
    ty_bench_rank_open(&b, r);
    for (size_t i = 0; i < ty_collectives_n; i++) {
        const ty_collective *c = ty_collectives[i];
        if (!takes(s->bench->filter, c))
            continue;
        for (size_t k = 0; k < (c->op == TY_BARRIER ? 1 : s->bench->sizes); k++)
            one_line(s, &b, c,
                     c->op == TY_BARRIER ? 0 : (size_t)s->bench->bytes[k] / sizeof(float));
    }
}

ty_err ty_collective_bench_run(const ty_collective_bench *b)
{
    session s = {b,
                 {.line_size = sizeof(ty_collective_line),
                  .most = ty_collectives_n * b->sizes,
                  .each = b->each,
                  .each_arg = b->arg}};
    return ty_bench_ranks_run(&b->place, body, &s, &s.lines);
}
