/* SPDX-License-Identifier: MIT */
#include "experiments/bench_crossover.h"

#include <math.h>

/* ---- following a sign -------------------------------------------------------------------------- */

static int sign_at(ty_difference difference, void *arg, size_t floats)
{
    double scale = 0;
    const double d = difference(arg, floats, &scale);
    return fabs(d) <= TY_SAME_TIME * scale ? 0 : d > 0 ? 1 : -1;
}

/* The sign at lo is `sign`, that at hi is the other. Equal times count as before the change. */
static size_t bisect(ty_difference difference, void *arg, size_t lo, size_t hi, int sign,
                     double grain)
{
    while (hi - lo > 1 && (double)(hi - lo) > grain * (double)hi) {
        const size_t middle = lo + (hi - lo) / 2;
        if (sign_at(difference, arg, middle) == -sign)
            hi = middle;
        else
            lo = middle;
    }
    return hi;
}

void ty_crossings_find(ty_difference difference, void *arg, const long *bytes, size_t sizes,
                       double grain, ty_crossings *c)
{
    int last = 0;
    size_t from = 0;
    TY_CHECK(sizes <= TY_MOST_CROSSINGS, "more than %d sizes", TY_MOST_CROSSINGS);
    *c = (ty_crossings){.first = -1};
    for (size_t i = 0; i < sizes; i++) {
        const size_t floats = (size_t)bytes[i] / sizeof(float);
        const int sign = sign_at(difference, arg, floats);
        if (!sign)
            continue;
        if (!last)
            c->first = sign > 0;
        else if (sign != last)
            c->bytes[c->n++] = sizeof(float) * bisect(difference, arg, from, floats, last, grain);
        last = sign;
        from = floats;
    }
}

/* ---- by running -------------------------------------------------------------------------------- */

/* One rank's part. */
typedef struct probe {
    const ty_crossover *q;
    ty_bench_lines *lines;
    ty_bench_rank b;
    size_t probes, wrong;
} probe;

/* Probes: each of the sizes, and as many as whole floats between two of them need. */
static double expected_probes(const ty_crossover *q)
{
    const double widest = (double)q->bytes[q->sizes - 1] / (double)sizeof(float);
    return (double)q->sizes + log2(widest + 1);
}

/* All ranks measure; rank 0 tells the others what came out, so that all go on to the same size. */
static double run_both(void *arg, size_t floats, double *scale)
{
    probe *p = arg;
    double times[2];
    for (int i = 0; i < 2; i++) {
        ty_bench_times t = {0};
        ty_collective_measure(&p->b, p->q->algorithm[i], floats, p->q->quick, &t);
        times[i] = t.seconds;
        p->wrong += t.wrong;
    }
    ty_bench_rank_tell(&p->b, times, sizeof times);
    p->probes++;
    if (p->b.team.me == 0)
        ty_bench_tell(p->lines, fmin(0.99, (double)p->probes / expected_probes(p->q)));
    *scale = fmax(times[0], times[1]);
    return times[0] - times[1];
}

typedef struct session {
    const ty_crossover *q;
    ty_bench_lines lines;
} session;

typedef struct found {
    ty_crossings crossings;
    size_t wrong;
} found;

static void body(ty_rank *r, void *arg)
{
    session *s = arg;
    probe p = {.q = s->q, .lines = &s->lines};
    found f;
    /* noise moves a measured crossover by more than 1 % */
    const double grain = r->ops->virtual_time ? 0 : 0.01;
    ty_bench_rank_open(&p.b, r);
    ty_crossings_find(run_both, &p, s->q->bytes, s->q->sizes, grain, &f.crossings);
    f.wrong = p.wrong;
    if (p.b.team.me == 0)
        ty_bench_line(&s->lines, &f);
}

static void keep(void *arg, const void *line)
{
    *(found *)arg = *(const found *)line;
}

ty_err ty_crossover_run(const ty_crossover *q, ty_crossings *c)
{
    found f = {0};
    session s = {q,
                 {.line_size = sizeof(found),
                  .most = 1,
                  .each = keep,
                  .each_arg = &f,
                  .progress = q->progress,
                  .progress_arg = q->progress_arg}};
    TY_TRY(ty_bench_ranks_run(&q->place, body, &s, &s.lines));
    *c = f.crossings;
    return f.wrong ? ty_error(TY_EWRONG, "%zu elements of %s or %s are wrong", f.wrong,
                              q->algorithm[0]->name, q->algorithm[1]->name)
                   : ty_ok();
}

/* ---- by closed forms --------------------------------------------------------------------------- */

typedef struct forms {
    const ty_crossover *q;
    ty_costing costing;
} forms;

static double compute_both(void *arg, size_t floats, double *scale)
{
    const forms *f = arg;
    double times[2];
    for (int i = 0; i < 2; i++)
        times[i] =
            ty_collective_closed_form(f->q->algorithm[i], &f->costing, f->q->place.ranks, floats);
    *scale = fmax(times[0], times[1]);
    return times[0] - times[1];
}

int ty_crossover_form(const ty_crossover *q, ty_crossings *c)
{
    forms f = {q, ty_bench_costing(&q->place)};
    if (f.costing.net.beta <= 0)
        return 0;
    ty_crossings_find(compute_both, &f, q->bytes, q->sizes, 0, c);
    return 1;
}

double ty_crossover_textbook(ty_net net, int N)
{
    const double steps = ty_log2_up(N), part = (double)(N - 1) / N;
    return N > 1 && steps > part ? net.alpha * net.beta * (N - 1 - steps) / (steps - part) : 0;
}
