/* SPDX-License-Identifier: MIT
 *
 * compare - several strategies side by side; experiments/compare.h does it.
 */
#include "experiments/compare.h"

#include "cli/commands.h"
#include "cli/setup.h"

#include <string.h>

/* A smaller plan leaves out the ranks that it does not have (experiments/compare.c); the largest has them all. */
static ty_err check_slow(const ty_pace *p, const ty_compare_options *c)
{
    int most = 0;
    for (int i = 0; i < c->workers_n; i++)
        most = c->workers[i] > most ? c->workers[i] : most;
    for (int i = 0; i < p->slow_n; i++)
        if (p->slow[i].rank >= most)
            return ty_error(TY_EUSAGE, "--slow %d:%g: the largest plan has ranks 0 to %d",
                            p->slow[i].rank, p->slow[i].factor, most - 1);
    return ty_ok();
}

static ty_err fill(ty_compare_options *c, const ty_options *o, ty_setup *s)
{
    *c = (ty_compare_options){.base = s->point, .out = &s->out, .text = ty_screen(o)};
    if (o->strategies > TY_MAX_STRATEGIES)
        return ty_error(TY_EUSAGE, "--strategy: at most %d strategies at once", TY_MAX_STRATEGIES);
    for (size_t i = 0; i < o->strategies; i++)
        c->strategies[c->strategies_n++] = o->strategy[i];
    for (size_t i = 0; !o->strategies && i < ty_strategies_n && i < TY_MAX_STRATEGIES; i++)
        c->strategies[c->strategies_n++] = ty_strategies[i]->name;
    for (size_t i = 0; i < o->workers.n; i++)
        c->workers[c->workers_n++] = (int)o->workers.v[i];
    if (!o->workers.n)
        c->workers[c->workers_n++] = ty_default_workers(NULL, s->point.fabric);
    return check_slow(&s->point.pace, c);
}

static ty_err compare(const ty_options *o, ty_setup *s)
{
    ty_compare_options c;
    char dir[sizeof s->out.dir];
    TY_TRY(ty_setup_open(s, o, "compare"));
    TY_TRY(fill(&c, o, s));
    ty_err e = ty_compare(&c);
    if (e.code && !s->out.rows)
        return e;
    memcpy(dir, s->out.dir, sizeof dir);
    TY_TRY(ty_output_close(&s->out, o->csv, o->json));
    ty_print_files(ty_screen(o), dir);
    return e;
}

int ty_main_compare(const ty_options *o)
{
    ty_setup s = {0};
    ty_options all = *o;
    if (o->strategies == 1 && !strcmp(o->strategy[0], "all"))
        all.strategies = 0; /* none named: every one there is */
    int status = ty_report_error(compare(&all, &s));
    ty_setup_close(&s);
    return status;
}
