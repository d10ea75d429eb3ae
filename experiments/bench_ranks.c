/* SPDX-License-Identifier: MIT */
#include "experiments/bench_ranks.h"

#include "base/stats.h"
#include "experiments/child.h"
#include "kernels/kernels.h"
#include "sim/platform.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { TRIES = 4, CHANNEL = 7, REPORTS = 200 }; /* tag of reports and verdicts: a channel apart */

void ty_bench_rank_open(ty_bench_rank *b, ty_rank *r)
{
    *b = (ty_bench_rank){.team = ty_team_new(r, CHANNEL, 0, 1, r->job->ranks),
                         .real_time = !r->ops->virtual_time};
    b->alone = b->real_time && r->job->ranks <= ty_kernel_max_threads();
    r->quiet++;
    ty_bench_rank_barrier(b);
    if (b->alone)
        ty_ruler_open(&b->ruler, 1);
}

void ty_bench_rank_barrier(const ty_bench_rank *b)
{
    ty_barrier_dissemination.run(&b->team, (ty_tensor){0});
}

/* ---- one measurement ------------------------------------------------------------------------- */

/* What a rank tells rank 0. */
typedef struct report {
    double seconds[TY_MOST_SAMPLES];
    size_t wrong;
    int clean;
} report;

static void take_samples(const ty_bench_rank *b, int samples, double (*sample)(void *), void *arg,
                         report *mine)
{
    ty_ruler ruler = b->ruler;
    ty_bench_rank_barrier(b);
    if (b->alone)
        ty_ruler_begin(&ruler);
    for (int i = 0; i < samples; i++) {
        ty_bench_rank_barrier(b);
        mine->seconds[i] = sample(arg);
    }
    ty_bench_rank_barrier(b);
    mine->clean = b->alone ? ty_ruler_end(&ruler) : 1;
}

/* Rank 0: the slowest of each sample, and whether all were alone. */
static void collect(const ty_bench_rank *b, report *all)
{
    report other;
    for (int i = 1; i < b->team.n; i++) {
        ty_recv(b->team.rank, i, REPORTS, &other, sizeof other);
        for (int k = 0; k < TY_MOST_SAMPLES; k++)
            all->seconds[k] = fmax(all->seconds[k], other.seconds[k]);
        all->wrong += other.wrong;
        all->clean &= other.clean;
    }
}

void ty_bench_rank_tell(const ty_bench_rank *b, void *x, size_t bytes)
{
    ty_rank *r = b->team.rank;
    if (r->id)
        ty_recv(r, 0, REPORTS, x, bytes);
    for (int i = 1; r->id == 0 && i < b->team.n; i++)
        ty_send(r, i, REPORTS, x, bytes);
}

/* Does everybody measure again? */
static int agree(const ty_bench_rank *b, int again)
{
    ty_bench_rank_tell(b, &again, sizeof again);
    return again;
}

void ty_bench_rank_measure(const ty_bench_rank *b, int samples, double (*sample)(void *arg),
                           void *arg, size_t wrong, ty_bench_times *t)
{
    report all;
    const int n = !b->real_time ? 1 : samples < TY_MOST_SAMPLES ? samples : TY_MOST_SAMPLES;
    int tried = 0;
    do {
        all = (report){.wrong = wrong};
        take_samples(b, n, sample, arg, &all);
        if (b->team.me == 0)
            collect(b, &all);
        else
            ty_send(b->team.rank, 0, REPORTS, &all, sizeof all);
        tried++;
    } while (agree(b, !all.clean && tried < TRIES));
    *t = (ty_bench_times){.wrong = all.wrong, .disturbed = !all.clean, .again = tried - 1};
    t->seconds = ty_quantile(all.seconds, (size_t)n, 0.5);
    t->low = ty_quantile(all.seconds, (size_t)n, 0.1);
    t->high = ty_quantile(all.seconds, (size_t)n, 0.9);
}

/* ---- all ranks ------------------------------------------------------------------------------- */

void ty_bench_line(ty_bench_lines *l, const void *line)
{
    TY_CHECK(*l->n < l->most, "more than %zu lines", l->most);
    memcpy((char *)l->line + *l->n * l->line_size, line, l->line_size);
    ++*l->n;
    *l->done = (double)*l->n / (double)l->most;
    if (l->at_once)
        l->each(l->each_arg, line);
}

void ty_bench_tell(ty_bench_lines *l, double fraction)
{
    *l->done = fraction;
    if (l->at_once && l->progress)
        l->progress(l->progress_arg, fraction, 0);
}

int ty_bench_busy(const ty_bench_place *p)
{
    const int room = p->platform ? p->platform->ranks_per_host : ty_kernel_max_threads();
    return p->ranks < room ? p->ranks : room;
}

ty_net ty_bench_net(const ty_bench_place *p)
{
    if (p->platform)
        return p->platform->ranks_per_host >= p->ranks ? p->platform->local : p->platform->net;
    return p->machine && p->fabric == &ty_fabric_threads ? p->machine->handoff : (ty_net){0};
}

ty_costing ty_bench_costing(const ty_bench_place *p)
{
    const int busy = ty_bench_busy(p), here = ty_kernel_max_threads();
    ty_costing c = {.net = ty_bench_net(p), .machine = p->machine, .threads = 1, .busy = busy};
    c.local = p->platform ? p->platform->local : c.net;
    c.per_node = p->per_node;
    c.piece_bytes = p->piece_bytes;
    c.share = p->platform ? (double)busy / p->platform->cores : (double)p->ranks / here;
    return c;
}

typedef struct run {
    const ty_bench_place *place;
    ty_main body;
    void *arg;
    ty_err *error; /* seen by parent and child */
} run;

static void run_here(void *a, void *unused)
{
    const run *x = a;
    const ty_bench_place *p = x->place;
    const ty_job job = {.ranks = p->ranks,
                        .threads = 1,
                        .busy = ty_bench_busy(p),
                        .per_node = p->per_node,
                        .piece_bytes = p->piece_bytes,
                        .net = ty_bench_net(p),
                        .ghost = p->ghost,
                        .timeout_s = p->timeout_s,
                        .machine = p->machine,
                        .platform = p->platform};
    (void)unused;
    *x->error = p->fabric->run(&job, x->body, x->arg);
}

ty_err ty_bench_ranks_run(const ty_bench_place *p, ty_main body, void *arg, ty_bench_lines *l)
{
    struct head {
        size_t n;
        double done[2]; /* fraction, and no loss */
        ty_err error;
        _Alignas(max_align_t) char lines[];
    } * shared;
    const size_t bytes = sizeof *shared + l->most * l->line_size;
    shared = ty_child_share(bytes);
    run x = {p, body, arg, &shared->error};
    l->n = &shared->n;
    l->line = shared->lines;
    l->done = shared->done;
    l->at_once = !p->fabric->virtual_time;
    ty_err e = ty_ok();
    if (l->at_once)
        run_here(&x, NULL);
    else
        e = ty_child_run(run_here, &x, NULL, l->progress, l->progress_arg, shared->done);
    for (size_t i = 0; !l->at_once && i < *l->n; i++)
        l->each(l->each_arg, shared->lines + i * l->line_size);
    if (!e.code)
        e = *x.error;
    ty_child_unshare(shared, bytes);
    return e;
}
