/* SPDX-License-Identifier: MIT */
#include "fabric/trace.h"

#include "kernels/work.h"

#include <math.h>
#include <stdlib.h>

void ty_trace_on(ty_rank *r, int on)
{
    if (!on)
        ty_trace_close(r);
    if (r->trace)
        r->trace->on = on;
}

void ty_trace_add(ty_rank *r, ty_event e)
{
    ty_trace *t = r->trace;
    if (r->lane > 0 || !t || !t->on) /* lanes run beside: their times are in the ledger */
        return;
    if (t->n == t->room) {
        t->room = t->room ? 2 * t->room : 256;
        t->event = realloc(t->event, t->room * sizeof *t->event);
        TY_CHECK(t->event, "out of memory for the trace");
    }
    t->event[t->n++] = e;
}

/* What a straggler's processor does longer: it computes, so it does not sleep. Returns the time. */
static double keep_busy(ty_rank *r, double until)
{
    double now;
    do
        now = r->ops->now(r);
    while (now < until);
    return now;
}

/* The kernel that ran until now; returns when it has really ended. */
static double end_kernel(ty_rank *r, double now)
{
    const int cls = r->computing - 1;
    r->computing = 0;
    if (!r->ops->virtual_time && r->slower > 0)
        now = keep_busy(r, now + r->slower * (now - r->computing_since));
    if (!r->ops->virtual_time)
        r->ledger.class_s[cls] += now - r->computing_since;
    ty_trace_add(r, (ty_event){r->computing_since, now, TY_EV_COMPUTE, 0, -1, 0, cls});
    return now;
}

/* Virtual time is not looked at for the ledger, which has what was charged: looking costs the simulation an event. */
void ty_trace_open(ty_rank *r, int cls)
{
    const int traced = r->lane == 0 && r->trace && r->trace->on;
    if (r->quiet || (r->ops->virtual_time && !traced)) {
        ty_trace_close(r);
        return;
    }
    double now = r->ops->now(r);
    if (r->computing)
        now = end_kernel(r, now);
    r->computing = cls + 1;
    r->computing_since = now;
}

void ty_trace_close(ty_rank *r)
{
    if (r->computing)
        end_kernel(r, r->ops->now(r));
}

void ty_trace_write(FILE *f, int rank, const ty_event *e, size_t n, int *first)
{
    static const char *const kind[] = {"compute", "communication", "wait", "step", "overhead"};
    for (size_t i = 0; i < n; i++) {
        const char *name = e[i].kind == TY_EV_COMPUTE ? ty_class_name((ty_class)e[i].name)
                           : e[i].kind == TY_EV_COMM  ? "message"
                                                      : kind[e[i].kind];
        /* whole nanoseconds, so that neighbours touch and do not overlap */
        double begin = round(1e9 * e[i].begin), end = round(1e9 * e[i].end);
        fprintf(f,
                "%s\n{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"X\",\"pid\":0,\"tid\":%d,\"ts\":%.3f,"
                "\"dur\":%.3f",
                *first ? "" : ",", name, kind[e[i].kind], rank, begin / 1e3, (end - begin) / 1e3);
        if (e[i].peer >= 0)
            fprintf(f, ",\"args\":{\"peer\":%d,\"bytes\":%zu}", e[i].peer, e[i].bytes);
        else if (e[i].kind == TY_EV_STEP)
            fprintf(f, ",\"args\":{\"step\":%d}", e[i].name);
        fputc('}', f);
        *first = 0;
    }
}
