/* SPDX-License-Identifier: MIT */
#include "fabric/stream.h"

#include <stdlib.h>

typedef struct pushed {
    ty_stream *stream;
    ty_lane *before;
    ty_collective_fn fn;
    ty_team team;
    ty_tensor x;
} pushed;

void ty_stream_init(ty_stream *s, ty_rank *r, int number)
{
    TY_CHECK(number >= 1 && number <= 15, "stream number %d", number);
    *s = (ty_stream){.rank = r, .number = number};
}

static void lane_main(ty_rank *lane, void *arg)
{
    pushed *p = arg;
    lane->lane = p->stream->number;
    if (p->before)
        ty_join(lane, p->before);
    ty_team view = ty_team_on(&p->team, lane);
    p->fn(&view, p->x);
    free(p);
}

void ty_stream_push(ty_stream *s, ty_collective_fn fn, const ty_team *t, ty_tensor x)
{
    if (t->n == 1 && !s->last) { /* nobody to wait for */
        fn(t, x);
        return;
    }
    pushed *p = ty_alloc(sizeof *p);
    *p = (pushed){s, s->last, fn, *t, x};
    s->last = ty_fork(s->rank, lane_main, p);
}

void ty_stream_sync(ty_stream *s)
{
    if (s->last)
        ty_join(s->rank, s->last);
    s->last = NULL;
}
