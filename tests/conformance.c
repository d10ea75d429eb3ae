/* SPDX-License-Identifier: MIT */
#include "tests/conformance.h"

#include "experiments/child.h"
#include "fabric/trace.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TRACED_STEPS = 2, PATIENCE_S = 100 };

/* ---- what trials need ------------------------------------------------------------------------------- */

ty_problem digits(const size_t *hidden, int n, uint32_t samples)
{
    ty_problem q;
    ty_workload_options o = {.hidden_n = n};
    memcpy(o.hidden, hidden, (size_t)n * sizeof *hidden);
    ty_err e = ty_problem_open(&q, "digits-mlp", &o);
    TY_CHECK(!e.code, "%s", e.msg);
    q.data.train.n = samples ? samples : q.data.train.n;
    return q;
}

const ty_machine *golden_machine(void)
{
    static ty_machine m;
    if (!m.cores) {
        ty_err e = ty_machine_load(&m, TY_TEST_DIR "/machine.yaml");
        TY_CHECK(!e.code, "%s", e.msg);
    }
    return &m;
}

static int is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* ---- one run ---------------------------------------------------------------------------------------- */

/* One at a time in a process. */
static struct {
    trial t;
    ty_strategy spy; /* t.strategy with a look at the parameters after the last step */
    ty_platform platform;
    ty_plan plan;
    ty_course course;
    outcome *out;
} now;

static uint64_t hash(const void *data, size_t bytes)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < bytes; i++)
        h = (h ^ ((const unsigned char *)data)[i]) * 0x100000001b3u;
    return h;
}

static void spy_step(ty_worker *w, long s)
{
    now.t.strategy->step(w, s);
    if (s == now.plan.steps - 1 && w->model.params.data && w->place.role == TY_TRAIN)
        now.out->holds[w->rank->id] = hash(w->model.params.data, ty_bytes(w->model.params));
}

static ty_costing costing(const trial *t, int sim)
{
    const ty_machine *m = golden_machine();
    int threads = t->threads ? t->threads : 1, busy = sim ? 1 : t->workers;
    return (ty_costing){.net = sim ? now.platform.net : m->handoff,
                        .machine = m,
                        .per_node = t->per_node,
                        .threads = threads,
                        .busy = busy,
                        .share = sim ? 1 : (double)(busy * threads) / m->cores};
}

static ty_err prepare(outcome *o, const ty_fabric_ops *ops)
{
    const trial *t = &now.t;
    int sim = is(t->fabric, "sim");
    TY_CHECK(t->workers <= MOST_WORKERS && t->steps <= MOST_STEPS &&
                 t->problem->params <= MOST_PARAMS,
             "too large a trial");
    if (sim)
        TY_TRY(ty_platform_open(&now.platform,
                                t->platform ? t->platform
                                            : "cluster:nodes=64,cores=1,bandwidth=10Gbps,"
                                              "latency=20us",
                                TY_NET_TEXTBOOK, t->workers, 1, golden_machine()));
    ty_plan_options p = {.strategy = &now.spy,
                         .problem = t->problem,
                         .workers = t->workers,
                         .micro_batches = t->micro_batches,
                         .batch = t->batch,
                         .steps = t->steps,
                         .seed = 1,
                         .augment = 1,
                         .optimizer = t->optimizer,
                         .rate = t->optimizer == TY_ADAMW ? 0.001 : 0.05,
                         .momentum = 0.9,
                         .collective = t->collective,
                         .tuning = t->tuning,
                         .costing = costing(t, sim),
                         .shared_memory = ops->shared_memory};
    ty_err e = ty_plan_make(&now.plan, &p);
    if (e.code && sim)
        ty_platform_close(&now.platform);
    TY_TRY(e);
    o->workers = t->workers;
    o->late = t->strategy->order == TY_ARRIVAL ? t->workers : 0;
    o->steps = t->steps;
    o->ghost = t->ghost;
    o->params_n = t->problem->params;
    memcpy(o->place, now.plan.place, (size_t)t->workers * sizeof *o->place);
    now.course = (ty_course){.plan = &now.plan,
                             .trace_steps = TRACED_STEPS,
                             .loss = o->loss,
                             .report = o->report,
                             .params = t->ghost ? NULL : o->params,
                             .room = MOST_TEXT / 64};
    return ty_ok();
}

static void write_text(outcome *o)
{
    FILE *f = fmemopen(o->text, sizeof o->text, "w");
    size_t at = 0;
    int first = 1;
    for (int i = 0; i < o->workers; i++) {
        const ty_rank_report *r = &o->report[i];
        const ty_ledger *l = &r->ledger;
        fprintf(f,
                "\nrank %d %.17g %.17g %.17g %.17g %.17g %.17g %.17g %lu %lu %zu %lx %.17g %.17g "
                "%.17g %.17g",
                i, r->step_s, r->mean_s, r->p10_s, l->compute_s, l->comm_exposed_s,
                l->comm_hidden_s, l->wait_s, (unsigned long)l->messages, (unsigned long)l->bytes,
                l->total_peak, (unsigned long)r->ledger.log, r->closed_s, r->closed_messages,
                r->closed_bytes, r->closed_peak);
        ty_trace_write(f, i, now.course.event + at, r->events, &first);
        at += r->events;
    }
    for (long s = 0; s < o->steps; s++)
        fprintf(f, "\nloss %.17g", o->loss[s]);
    fclose(f);
}

static void run_here(void *fabric, void *out)
{
    const ty_fabric_ops *ops = fabric;
    outcome *o = out;
    const trial *t = &now.t;
    ty_job job = {.ranks = t->workers,
                  .threads = t->threads ? t->threads : 1,
                  .busy = now.plan.costing.busy,
                  .per_node = t->per_node,
                  .ghost = t->ghost,
                  .trace_steps = TRACED_STEPS,
                  .timeout_s = t->timeout_s,
                  .machine = golden_machine(),
                  .platform = &now.platform,
                  .net = now.plan.costing.net};
    int child = !is(ops->name, "mpi") && !getenv("OMPI_COMM_WORLD_SIZE");
    if (child)
        alarm(PATIENCE_S); /* a hang becomes a failure */
    now.course.event = ty_alloc(now.course.room * sizeof(ty_event));
    o->error = ops->run(&job, ty_rank_main, &now.course);
    const char *process = getenv("OMPI_COMM_WORLD_RANK");
    o->here = !is(ops->name, "mpi") || !process || atoi(process) == 0;
    if (o->here && !o->error.code)
        write_text(o);
    free(now.course.event);
}

outcome *perform(trial t)
{
    outcome *o = ty_child_share(sizeof *o);
    const ty_fabric_ops *ops;
    now.t = t;
    now.out = o;
    now.spy = *t.strategy;
    now.spy.step = spy_step;
    o->error = ty_fabric_find(t.fabric, &ops);
    if (!o->error.code)
        o->error = prepare(o, ops);
    if (o->error.code) {
        o->here = 1;
        return o;
    }
    if (getenv("OMPI_COMM_WORLD_SIZE")) { /* nothing forks inside an MPI job */
        run_here((void *)(uintptr_t)ops, o);
    } else {
        ty_err e = ty_child_run(run_here, (void *)(uintptr_t)ops, o, NULL, NULL, NULL);
        if (e.code) {
            o->error = e;
            o->here = 1;
        }
    }
    ty_plan_free(&now.plan);
    if (is(t.fabric, "sim"))
        ty_platform_close(&now.platform);
    return o;
}

void forget(outcome *o)
{
    if (o)
        ty_child_unshare(o, sizeof *o);
}

/* ---- the laws --------------------------------------------------------------------------------------- */

static ty_err replicas_agree(const outcome *o)
{
    for (int i = 0; i < o->workers; i++)
        for (int j = 0; j < i; j++) {
            const ty_place *a = &o->place[i], *b = &o->place[j];
            int same = a->role == TY_TRAIN && b->role == TY_TRAIN && a->t == b->t && a->p == b->p;
            if (same && o->holds[i] && o->holds[j] && o->holds[i] != o->holds[j])
                return ty_error(
                    TY_EWRONG, "ranks %d and %d are replicas, and hold different parameters", j, i);
        }
    return ty_ok();
}

/* The bound. In one step the same numbers are summed in another order: a gradient may differ by an ulp of its largest
 * summand (eps/2 = 2^-24, and gradients are no larger than parameters here), and by log2 N more where N ranks add up
 * pairwise. The learning rate 0.05 makes that smaller, momentum and the steps that follow make it larger again; so K steps
 * are allowed c K (1 + log2 N) eps/2 of the largest parameter, c = 1. What is found is an eighth of that at most, and the
 * mildest of the wrong strategies makes it ten thousand times as much. */
static double rounding(const outcome *o, double largest)
{
    return (double)o->steps * (1 + log2(o->workers)) * 0x1p-24 * largest;
}

ty_err law_equals_serial(const outcome *serial, const outcome *got, double *deviation)
{
    double largest = 0, worst = 0;
    for (size_t i = 0; i < serial->params_n; i++) {
        largest = fmax(largest, fabs((double)serial->params[i]));
        worst = fmax(worst, fabs((double)serial->params[i] - (double)got->params[i]));
    }
    double bound = rounding(got, largest);
    if (deviation)
        *deviation = worst / bound;
    if (!(worst <= bound))
        return ty_error(
            TY_EWRONG,
            "parameters differ from serial's by %.2g after %ld steps; rounding explains %.2g",
            worst, got->steps, bound);
    for (long s = 0; s < got->steps; s++)
        if (!(fabs(got->loss[s] - serial->loss[s]) <= rounding(got, serial->loss[s])))
            return ty_error(TY_EWRONG, "the loss of step %ld is %.8g, serial's %.8g", s,
                            got->loss[s], serial->loss[s]);
    return replicas_agree(got);
}

ty_err law_equal_across_fabrics(const outcome *a, const outcome *b)
{
    size_t differ = 0;
    for (size_t i = 0; i < a->params_n; i++)
        differ += memcmp(&a->params[i], &b->params[i], sizeof(float)) != 0;
    if (differ)
        return ty_error(TY_EWRONG, "%zu of %zu parameters differ between fabrics", differ,
                        a->params_n);
    for (long s = 0; s < a->steps; s++)
        if (a->loss[s] != b->loss[s])
            return ty_error(TY_EWRONG,
                            "the loss of step %ld differs between fabrics: %.17g and %.17g", s,
                            a->loss[s], b->loss[s]);
    return ty_ok();
}

static ty_err same(int rank, const char *what, double ghost, double real)
{
    if (ghost == real)
        return ty_ok();
    return ty_error(TY_EWRONG, "rank %d: %s is %.12g as a ghost and %.12g with numbers", rank, what,
                    ghost, real);
}

ty_err law_ghost_equals_real(const outcome *ghost, const outcome *real, int virtual_time,
                             int ordered)
{
    for (int i = 0; i < real->workers; i++) {
        const ty_rank_report *g = &ghost->report[i], *r = &real->report[i];
        const ty_ledger *a = &g->ledger, *b = &r->ledger;
        if (ordered)
            TY_TRY(same(i, "the number of messages", (double)a->messages, (double)b->messages));
        if (ordered)
            TY_TRY(same(i, "the number of bytes", (double)a->bytes, (double)b->bytes));
        if (ordered && g->ledger.log != r->ledger.log)
            return ty_error(TY_EWRONG, "rank %d: the message log of a ghost is another", i);
        TY_TRY(same(i, "work [flop]", a->flops, b->flops));
        for (int m = 0; m < TY_MEMORIES; m++)
            TY_TRY(same(i, ty_memory_name[m], (double)a->peak_bytes[m], (double)b->peak_bytes[m]));
        TY_TRY(same(i, "peak memory", (double)a->total_peak, (double)b->total_peak));
        if (!virtual_time)
            continue;
        TY_TRY(same(i, "the time of a step", g->mean_s, r->mean_s));
        TY_TRY(same(i, "compute time", a->compute_s, b->compute_s));
        TY_TRY(same(i, "exposed communication", a->comm_exposed_s, b->comm_exposed_s));
        TY_TRY(same(i, "hidden communication", a->comm_hidden_s, b->comm_hidden_s));
        TY_TRY(same(i, "waiting", a->wait_s, b->wait_s));
    }
    return ty_ok();
}

static ty_err counted(int rank, const char *what, double got, double formula, double slack)
{
    if (fabs(got - formula) <=
        slack + 1e-9 * fabs(formula)) /* a mean over steps may be a fraction */
        return ty_ok();
    return ty_error(TY_EWRONG, "rank %d: %.12g %s, the closed form says %.12g", rank, got, what,
                    formula);
}

ty_err law_counters_equal_formula(const outcome *o)
{
    for (int i = 0; i < o->workers; i++) {
        const ty_rank_report *r = &o->report[i];
        double n = (double)(o->steps - 1), late = o->late / n,
               bytes = (double)o->params_n * sizeof(float);
        TY_TRY(counted(i, "messages a step", (double)r->ledger.messages / n, r->closed_messages,
                       late));
        TY_TRY(
            counted(i, "bytes a step", (double)r->ledger.bytes / n, r->closed_bytes, late * bytes));
        TY_TRY(counted(i, "bytes of memory", (double)r->ledger.total_peak, r->closed_peak, 0));
    }
    return ty_ok();
}

ty_err law_time_equals_formula(const ty_rank_report *r, int workers, double *deviation)
{
    ty_err e = ty_ok();
    int judged = 0;
    for (int i = 0; i < workers; i++) {
        if (r[i].closed_compute_s == 0) /* an evaluator: its work is no part of any step */
            continue;
        judged++;
        double off = fabs(r[i].mean_s / r[i].closed_s - 1);
        if (deviation)
            *deviation = fmax(*deviation, off / 0.01);
        if (!(off <= 0.01) && !e.code)
            e = ty_error(TY_EWRONG, "rank %d: a step takes %.6g s, the closed form says %.6g s", i,
                         r[i].mean_s, r[i].closed_s);
    }
    return judged || e.code ? e : ty_error(TY_EWRONG, "no rank computes, says the closed form");
}

ty_err law_repeatable(const outcome *a, const outcome *b)
{
    size_t at = 0;
    while (a->text[at] && a->text[at] == b->text[at])
        at++;
    if (!a->text[at] && !b->text[at] && at > 0)
        return ty_ok();
    return ty_error(TY_EWRONG, "two runs differ at character %zu: '%.40s' and '%.40s'", at,
                    a->text + at, b->text + at);
}

ty_err law_equal_for_any_threads(const outcome *a, const outcome *b)
{
    for (long s = 0; s < a->steps; s++)
        if (a->loss[s] != b->loss[s])
            return ty_error(
                TY_EWRONG, "the loss of step %ld depends on the number of threads: %.17g and %.17g",
                s, a->loss[s], b->loss[s]);
    return ty_ok();
}

ty_err law_ends_whole(const outcome *o)
{
    if (o->error.code)
        return ty_error(TY_EWRONG, "%s", o->error.msg);
    for (long s = 0; s < o->steps && !o->ghost; s++)
        if (!(o->loss[s] > 0 && isfinite(o->loss[s])))
            return ty_error(TY_EWRONG, "step %ld has no loss", s);
    for (int i = 0; i < o->workers; i++)
        if (!(o->report[i].step_s >= 0 && isfinite(o->report[i].step_s)) ||
            o->report[i].ledger.log == 0)
            return ty_error(TY_EWRONG, "rank %d has no report", i);
    double sum = 0;
    for (size_t i = 0; i < o->params_n && !o->ghost; i++)
        sum += fabs((double)o->params[i]);
    return o->ghost || (sum > 0 && isfinite(sum)) ? ty_ok()
                                                  : ty_error(TY_EWRONG, "no parameters came back");
}

/* ---- all of them on one trial ------------------------------------------------------------------------ */

static outcome *perform_with(trial t, const char *fabric, int ghost, int threads)
{
    t.fabric = fabric;
    t.ghost = ghost;
    t.threads = threads;
    return perform(t);
}

static outcome *perform_serial(trial t)
{
    t.strategy = &ty_serial;
    t.workers = 1;
    t.collective = NULL;
    t.micro_batches = 0;
    t.tuning = (ty_tuning){0};
    return perform_with(t, "threads", 0, 1);
}

/* Laws 4 and 5 speak of full batches: as many steps as an epoch has of them. */
static void judge_figures(trial t, verdicts *v)
{
    t.steps = (long)(t.problem->data.train.n / t.batch);
    int sim = is(t.fabric, "sim");
    if (sim && t.strategy->order == TY_FIXED && t.strategy != &ty_serial)
        t.platform = "ideal";
    outcome *o = perform_with(t, t.fabric, 1, 1);
    if (o->here && !o->error.code) {
        v->law[4] = law_counters_equal_formula(o);
        if (sim && t.strategy->order == TY_FIXED)
            v->law[5] = law_time_equals_formula(o->report, o->workers, &v->time_deviation);
    }
    forget(o);
}

static void judge_numbers(trial t, const outcome *real, verdicts *v)
{
    int lone =
        real->here && t.strategy->order == TY_FIXED; /* processes without a result only take part */
    if (lone && !t.strategy->inexact) {
        outcome *serial = perform_serial(t);
        v->law[1] = serial->error.code ? serial->error
                                       : law_equals_serial(serial, real, &v->serial_deviation);
        forget(serial);
    }
    if (lone && !is(t.fabric, "threads")) {
        outcome *threads = perform_with(t, "threads", 0, 1);
        v->law[2] = threads->error.code ? threads->error : law_equal_across_fabrics(real, threads);
        forget(threads);
    }
    /* Where time is real, who arrives first differs from run to run. */
    const int ordered = t.strategy->order == TY_FIXED || is(t.fabric, "sim");
    outcome *ghost = perform_with(t, t.fabric, 1, 1);
    if (ghost->here)
        v->law[3] = ghost->error.code
                        ? ghost->error
                        : law_ghost_equals_real(ghost, real, is(t.fabric, "sim"), ordered);
    forget(ghost);
    if (is(t.fabric, "sim")) {
        outcome *again = perform_with(t, t.fabric, 0, 1);
        v->law[6] = again->error.code ? again->error : law_repeatable(real, again);
        forget(again);
    }
    for (int threads = 2; ordered && is(t.fabric, "threads") && threads <= 3 && !v->law[6].code;
         threads++) {
        outcome *wide = perform_with(t, t.fabric, 0, threads);
        v->law[6] = wide->error.code ? wide->error : law_equal_for_any_threads(real, wide);
        forget(wide);
    }
}

verdicts apply_laws(trial t)
{
    verdicts v = {0};
    outcome *real = perform_with(t, t.fabric, 0, 1);
    if (real->here)
        v.law[7] = law_ends_whole(real);
    if (!real->error.code) {
        judge_numbers(t, real, &v);
        judge_figures(t, &v);
    }
    forget(real);
    return v;
}

const char *rejecting(const verdicts *v)
{
    static char list[32];
    size_t used = 0;
    list[0] = 0;
    for (int i = 1; i < 8; i++)
        if (v->law[i].code)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%d", used ? ", " : "", i);
    return list;
}

const char *first_verdict(const verdicts *v)
{
    for (int i = 1; i < 8; i++)
        if (v->law[i].code)
            return v->law[i].msg;
    return "";
}
