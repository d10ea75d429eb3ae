/* SPDX-License-Identifier: MIT */
#include "experiments/bench_fabric.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SAMPLES = 41,
    QUICK_SAMPLES = 15,
    MOST_CALLS = 64,
    WINDOW = 64, /* messages on their way in the pattern `rate` */
    TAG = 1,
    ACK = 2
};

const char *const ty_fabric_pattern[] = {"pingpong", "exchange", "rate", "barrier", "lane", NULL};
enum { PINGPONG, EXCHANGE, RATE, BARRIER, LANE };

static const size_t small[] = {0, 8, 64, 512};

/* ---- one rank's part ------------------------------------------------------------------------- */

typedef struct part {
    const ty_bench_rank *b;
    ty_rank *r;
    int peer, calls;
    size_t bytes;
    unsigned char *out, *in; /* what this rank says, and where it listens */
} part;

static unsigned char letter(int rank, size_t i)
{
    return (unsigned char)(i * 7 + i / 251 + (size_t)rank * 101 + 1);
}

static size_t count_wrong(const part *p, int from)
{
    size_t wrong = 0;
    for (size_t i = 0; i < p->bytes; i++)
        wrong += p->in[i] != letter(from, i);
    return wrong;
}

/* There and back. */
static void ping(const part *p)
{
    if (p->r->id == 0)
        ty_send(p->r, p->peer, TAG, p->out, p->bytes);
    ty_recv(p->r, p->peer, TAG, p->in, p->bytes);
    if (p->r->id == 1)
        ty_send(p->r, p->peer, TAG, p->out, p->bytes);
}

static void exchange(const part *p)
{
    ty_req *in = ty_irecv(p->r, p->peer, TAG, p->in, p->bytes);
    ty_send(p->r, p->peer, TAG, p->out, p->bytes);
    ty_wait(p->r, in);
}

/* A window of messages one way, and an empty one back. */
static void stream(const part *p)
{
    ty_req *q[WINDOW];
    for (int i = 0; i < WINDOW; i++)
        q[i] = p->r->id == 0 ? ty_isend(p->r, p->peer, TAG, p->out, p->bytes)
                             : ty_irecv(p->r, p->peer, TAG, p->in, p->bytes);
    for (int i = 0; i < WINDOW; i++)
        ty_wait(p->r, q[i]);
    if (p->r->id == 0)
        ty_recv(p->r, p->peer, ACK, NULL, 0);
    else
        ty_send(p->r, p->peer, ACK, NULL, 0);
}

static void barrier(const part *p)
{
    ty_bench_rank_barrier(p->b);
}

static void nothing(ty_rank *r, void *arg)
{
    (void)r;
    (void)arg;
}

static void lane(const part *p)
{
    if (p->r->id == 0)
        ty_join(p->r, ty_fork(p->r, nothing, NULL));
}

static const struct {
    void (*call)(const part *p);
    int one_times; /* of a call that is one of what the line tells: a round trip is two, a window so many */
    int one_rank; /* rank 0's time alone counts */
} patterns[] = {{ping, 2, 1}, {exchange, 1, 0}, {stream, WINDOW, 1}, {barrier, 1, 0}, {lane, 1, 1}};

/* ---- one line -------------------------------------------------------------------------------- */

typedef struct session {
    const ty_fabric_bench *bench;
    ty_bench_lines lines;
} session;

typedef struct timed {
    part part;
    int pattern;
} timed;

static double sample(void *arg)
{
    const timed *t = arg;
    const double begin = ty_now(t->part.r);
    for (int i = 0; i < t->part.calls; i++)
        patterns[t->pattern].call(&t->part);
    const double seconds = (ty_now(t->part.r) - begin) / t->part.calls;
    return patterns[t->pattern].one_rank && t->part.r->id
               ? 0
               : seconds / patterns[t->pattern].one_times;
}

/* One call on fresh buffers; bytes that did not arrive as they were sent. */
static size_t check(const part *p, int pattern)
{
    for (size_t i = 0; i < p->bytes; i++) {
        p->out[i] = letter(p->r->id, i);
        p->in[i] = (unsigned char)~letter(p->peer, i);
    }
    patterns[pattern].call(p);
    return pattern == RATE && p->r->id == 0 ? 0 : count_wrong(p, p->peer);
}

static int calls_of(const ty_bench_rank *b, size_t bytes)
{
    const size_t many = (size_t)(1 << 20) / (bytes ? bytes : 1);
    return !b->real_time || many < 1 ? 1 : many < MOST_CALLS ? (int)many : MOST_CALLS;
}

static void one_line(session *s, const ty_bench_rank *b, int pattern, size_t bytes)
{
    ty_rank *r = b->team.rank;
    timed t = {
        {b, r, 1 - r->id, calls_of(b, bytes), bytes, ty_alloc(bytes + 1), ty_alloc(bytes + 1)},
        pattern};
    ty_fabric_line l = {.bytes = bytes, .moves = pattern > RATE ? 0 : pattern == EXCHANGE ? 2 : 1};
    const size_t wrong = check(&t.part, pattern);
    ty_bench_rank_measure(b, s->bench->quick ? QUICK_SAMPLES : SAMPLES, sample, &t, wrong,
                          &l.times);
    free(t.part.out);
    free(t.part.in);
    snprintf(l.pattern, sizeof l.pattern, "%s", ty_fabric_pattern[pattern]);
    if (r->id == 0)
        ty_bench_line(&s->lines, &l);
}

static void one_pattern(session *s, const ty_bench_rank *b, int pattern)
{
    const ty_fabric_bench *f = s->bench;
    if (pattern <= EXCHANGE)
        for (size_t i = 0; i < f->sizes; i++)
            one_line(s, b, pattern, (size_t)f->bytes[i]);
    else if (pattern == RATE)
        for (size_t i = 0; i < sizeof small / sizeof *small; i++)
            one_line(s, b, pattern, small[i]);
    else
        one_line(s, b, pattern, 0);
}

static void body(ty_rank *r, void *arg)
{
    session *s = arg;
    ty_bench_rank b;
    ty_bench_rank_open(&b, r);
    for (int i = 0; ty_fabric_pattern[i]; i++)
        if (!s->bench->filter || !strcmp(s->bench->filter, ty_fabric_pattern[i]))
            one_pattern(s, &b, i);
}

ty_err ty_fabric_bench_run(const ty_fabric_bench *b)
{
    session s = {b,
                 {.line_size = sizeof(ty_fabric_line),
                  .most = 2 * b->sizes + 8,
                  .each = b->each,
                  .each_arg = b->arg}};
    return ty_bench_ranks_run(&b->place, body, &s, &s.lines);
}
