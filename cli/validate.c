/* SPDX-License-Identifier: MIT
 *
 * validate - `validate local`: predictions against measurements on this machine; experiments/validate.h does it.
 */
#include "experiments/validate.h"

#include "cli/commands.h"
#include "cli/setup.h"
#include "experiments/mpirun.h"
#include "kernels/kernels.h"

#include <stdlib.h>
#include <string.h>

typedef struct subjects { /* the workloads, opened */
    ty_problem problem[TY_MOST_PROBLEMS];
    int n;
    char *names; /* a copy of --workload that is cut up */
} subjects;

static ty_err open_one(subjects *s, const char *name)
{
    for (int i = 0; i < s->n; i++)
        if (!strcmp(s->problem[i].workload->name, name))
            return ty_error(TY_EUSAGE, "--workload: %s stands there twice", name);
    if (s->n == TY_MOST_PROBLEMS)
        return ty_error(TY_EUSAGE, "--workload: at most %d workloads at once", TY_MOST_PROBLEMS);
    TY_TRY(ty_problem_open(&s->problem[s->n], name, &(ty_workload_options){0}));
    s->n++;
    return ty_ok();
}

/* Those of --workload a,b,c; all of them when there is none, or it says all. */
static ty_err open_subjects(subjects *s, const ty_options *o)
{
    char *rest, *name;
    if (!o->workload || !strcmp(o->workload, "all")) {
        for (size_t i = 0; i < ty_workloads_n; i++)
            TY_TRY(open_one(s, ty_workloads[i]->name));
        return ty_ok();
    }
    s->names = rest = strdup(o->workload);
    while ((name = strsep(&rest, ",")))
        TY_TRY(open_one(s, name));
    return ty_ok();
}

static void close_subjects(subjects *s)
{
    for (int i = 0; i < s->n; i++)
        ty_problem_close(&s->problem[i]);
    free(s->names);
}

static ty_err fill(ty_validate_options *v, const ty_options *o, ty_setup *s, subjects *q)
{
    *v = (ty_validate_options){.base = s->point,
                               .rounds = (int)o->repeat,
                               .quick = o->quick,
                               .strict = o->strict,
                               .out = &s->out,
                               .text = ty_screen(o)};
    v->base.trace_steps = 0;
    for (int i = 0; i < q->n; i++)
        v->problem[v->problems++] = &q->problem[i];
    const int all = !o->strategies || (o->strategies == 1 && !strcmp(o->strategy[0], "all"));
    for (size_t i = 0; i < (all ? ty_strategies_n : o->strategies); i++) {
        if (v->strategies_n == TY_MAX_STRATEGIES)
            return ty_error(TY_EUSAGE, "--strategy: at most %d strategies at once",
                            TY_MAX_STRATEGIES);
        v->strategies[v->strategies_n++] = all ? ty_strategies[i]->name : o->strategy[i];
    }
    for (size_t i = 0; i < o->workers.n; i++)
        v->workers[v->workers_n++] = (int)o->workers.v[i];
    return ty_ok();
}

static ty_err check(const ty_options *o)
{
    const int cores = ty_kernel_max_threads();
    if (o->words_n != 1 || strcmp(o->words[0], "local"))
        return ty_error(TY_EUSAGE, "validate takes one word, what to measure on: `trainyard "
                                   "validate local` (this machine)");
    if (ty_inside_mpi())
        return ty_error(TY_EUSAGE, "validate local measures on threads: start it without mpirun");
    for (size_t i = 0; i < o->workers.n; i++)
        if (o->workers.v[i] > cores)
            return ty_error(TY_EUSAGE,
                            "--workers %ld: this machine has %d cores, and workers that share one "
                            "are not what is validated; use 1 to %d",
                            o->workers.v[i], cores, cores);
    return ty_ok();
}

static ty_err validate(const ty_options *o, ty_setup *s, subjects *q)
{
    ty_validate_options v;
    ty_options first = *o;
    char dir[sizeof s->out.dir];
    TY_TRY(check(o));
    TY_TRY(open_subjects(q, o));
    first.workload = q->problem[0].workload->name;
    if (o->strategies == 1 && !strcmp(o->strategy[0], "all"))
        first.strategies = 0;
    TY_TRY(ty_setup_open(s, &first, "validate"));
    TY_TRY(fill(&v, o, s, q));
    ty_err e = ty_validate(&v);
    ty_progress_clear(&s->progress);
    if (e.code && !s->out.rows)
        return e;
    memcpy(dir, s->out.dir, sizeof dir);
    TY_TRY(ty_output_close(&s->out, o->csv, o->json));
    ty_print_files(ty_screen(o), dir);
    return e;
}

int ty_main_validate(const ty_options *o)
{
    ty_setup s = {0};
    subjects q = {0};
    int status = ty_report_error(validate(o, &s, &q));
    ty_setup_close(&s);
    close_subjects(&q);
    return status;
}
