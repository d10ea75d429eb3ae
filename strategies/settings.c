/* SPDX-License-Identifier: MIT
 *
 * settings - what a plan was told and what it chose where nothing was said, in the words of the command line.
 */
#include "strategies/strategy.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct line {
    char *text;
    size_t size, used;
} line;

static void add(line *l, const char *format, ...)
{
    va_list a;
    if (l->used && l->used < l->size)
        l->used += (size_t)snprintf(l->text + l->used, l->size - l->used, ", ");
    va_start(a, format);
    if (l->used < l->size)
        l->used += (size_t)vsnprintf(l->text + l->used, l->size - l->used, format, a);
    va_end(a);
}

static void add_tuning(line *l, int uses, const ty_tuning *t)
{
    if (uses & TY_USES_BUCKETS && t->bucket_bytes)
        add(l, "bucket-bytes %zu", t->bucket_bytes);
    if (uses & TY_USES_SERVERS)
        add(l, "servers %d", t->servers);
    if (uses & TY_USES_LOCAL_STEPS)
        add(l, "local-steps %ld", t->local_steps);
    if (uses & TY_USES_LOCAL_STEPS && t->outer_momentum != 0)
        add(l, "outer-momentum %g", t->outer_momentum);
    if (uses & TY_USES_COMPRESSION)
        add(l, "compression %s", ty_compression_name[t->compression]);
    if (uses & TY_USES_COMPRESSION && t->compression == TY_TOPK)
        add(l, "keep %g", t->compression_ratio);
    if (uses & TY_USES_STALENESS)
        add(l, "staleness %ld", t->staleness > 0 ? t->staleness : 0);
    if (uses & TY_USES_TASKS)
        add(l, "depth %d, task-seconds %g", t->depth, t->task_seconds);
}

const char *ty_plan_settings(const ty_plan *p, char *buf, size_t size)
{
    char pace[160];
    line l = {buf, size, 0};
    *buf = 0;
    if (p->reduce_scatter)
        add(&l, "reduce-scatter %s", p->reduce_scatter->name);
    if (p->allgather)
        add(&l, "all-gather %s", p->allgather->name);
    add_tuning(&l, p->strategy->uses, &p->tuning);
    if (ty_pace_is_set(&p->pace))
        add(&l, "%s", ty_pace_show(&p->pace, pace, sizeof pace));
    return buf;
}
