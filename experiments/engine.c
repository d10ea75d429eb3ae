/* SPDX-License-Identifier: MIT */
#include "experiments/engine.h"

#include "base/clock.h"
#include "experiments/child.h"
#include "experiments/mpirun.h"
#include "experiments/rank_main.h"
#include "fabric/fabric.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_STEPS = 10000000, MAX_EVENTS = 200000, MAX_THREAD_RANKS = 1024 };

/* Everything that is decided before a rank starts. */
typedef struct setup {
    const ty_point *point;
    const ty_fabric_ops *fabric;
    ty_platform platform;
    ty_plan plan;
    ty_job job;
    int sim;
} setup;

/* ---- settings and their defaults ------------------------------------------------------------- */

static int default_threads(const setup *s)
{
    const ty_point *p = s->point;
    if (p->threads > 0)
        return p->threads;
    if (s->sim && s->platform.ranks_per_host <= 1)
        return s->platform.cores;
    return p->workers == 1 && !s->sim ? ty_kernel_max_threads() : 1;
}

static size_t batch_of(const ty_point *p)
{
    return p->batch ? p->batch : 128;
}

static long epoch_steps(const ty_point *p)
{
    return (long)((p->problem->data.train.n + batch_of(p) - 1) / batch_of(p));
}

static long default_steps(const ty_point *p, int ghost, const ty_plan *plan)
{
    long epoch = epoch_steps(p);
    if (p->steps > 0)
        return p->steps;
    if (p->epochs > 0)
        return p->epochs * epoch;
    return ghost ? 2 + plan->fill_steps : epoch;
}

/* What the closed form and the machine model assume, when `active` ranks compute at the same time. */
static ty_costing costing(const setup *s, int threads, int active)
{
    int sharing = s->sim ? s->platform.ranks_per_host : s->point->workers,
        busy = sharing < active ? sharing : active;
    int cores = s->sim ? s->platform.cores : s->point->machine ? s->point->machine->cores : 1;
    ty_net net = !s->sim ? (s->point->machine ? s->point->machine->handoff : (ty_net){0, 1e9})
                 : sharing >= s->point->workers ? s->platform.local
                                                : s->platform.net;
    return (ty_costing){.net = net,
                        .machine = s->point->machine,
                        .threads = threads,
                        .busy = busy < 1 ? 1 : busy,
                        .share = (double)(busy * threads) / (double)cores};
}

static ty_err make_plan(setup *s, int ghost)
{
    const ty_point *p = s->point;
    ty_plan_options o = {.problem = p->problem,
                         .workers = p->workers,
                         .dp = p->dp,
                         .tp = p->tp,
                         .pp = p->pp,
                         .micro_batches = p->micro_batches,
                         .batch = batch_of(p),
                         .steps = 2,
                         .seed = p->seed ? p->seed : 1,
                         .augment = !p->plain,
                         .optimizer = p->optimizer,
                         .rate = p->rate > 0                ? p->rate
                                 : p->optimizer == TY_ADAMW ? 0.001
                                                            : 0.05,
                         .momentum = p->momentum > 0   ? p->momentum
                                     : p->momentum < 0 ? 0 /* TY_NO_MOMENTUM */
                                                       : 0.9,
                         .collective = p->collective};
    TY_TRY(ty_strategy_find(p->strategy, &o.strategy));
    o.costing = costing(s, default_threads(s), p->workers);
    TY_TRY(ty_plan_make(&s->plan, &o));
    s->plan.costing = costing(s, default_threads(s), s->plan.active);
    s->plan.steps = s->plan.optimizer.steps = default_steps(p, ghost, &s->plan);
    return ty_ok();
}

static ty_err check_point(const ty_point *p, int ghost)
{
    if (p->steps > 0 && p->epochs > 0)
        return ty_error(TY_EUSAGE, "--steps and --epochs exclude each other; give one");
    if (p->steps < 0 || p->steps > MAX_STEPS)
        return ty_error(TY_EUSAGE, "--steps %ld: use 2 to %d", p->steps, MAX_STEPS);
    if (p->epochs < 0 || p->epochs > MAX_STEPS / epoch_steps(p))
        return ty_error(TY_EUSAGE, "--epochs %ld: an epoch has %ld steps; use 1 to %ld epochs",
                        p->epochs, epoch_steps(p), MAX_STEPS / epoch_steps(p));
    if (p->steps == 1)
        return ty_error(TY_EUSAGE,
                        "--steps 1: the first step is warm-up and not timed; use 2 or more");
    if (p->workers < 1 || p->workers > 65536)
        return ty_error(TY_EUSAGE, "--workers %d: use 1 to 65536", p->workers);
    if (p->workers > MAX_THREAD_RANKS && (!p->fabric || !strcmp(p->fabric, "threads")))
        return ty_error(TY_EUSAGE, "--workers %d: on threads use 1 to %d; --fabric sim takes more",
                        p->workers, MAX_THREAD_RANKS);
    if (p->threads < 0 || p->threads > 1024)
        return ty_error(TY_EUSAGE, "--threads %d: use 1 to 1024", p->threads);
    if (p->problem->pretended && !ghost)
        return ty_error(TY_EUSAGE, "--samples is larger than the training set: only a simulated or "
                                   "--ghost run can pretend "
                                   "that");
    return ty_ok();
}

/* Everything but the platform and the plan. */
static ty_err begin(setup *s, const ty_point *p, int *ghost)
{
    *s = (setup){.point = p};
    TY_TRY(ty_fabric_find(p->fabric ? p->fabric : "threads", &s->fabric));
    s->sim = s->fabric == &ty_fabric_sim;
    *ghost = p->ghost >= 0 ? p->ghost : s->sim;
    TY_TRY(check_point(p, *ghost));
    if (ty_mpirun_size() > 1 && strcmp(s->fabric->name, "mpi"))
        return ty_error(
            TY_EUSAGE,
            "started by mpirun, but --fabric is %s: use --fabric mpi, or start without mpirun",
            s->fabric->name);
    return ty_ok();
}

ty_err ty_point_check(const ty_point *p)
{
    setup s;
    int ghost;
    ty_point bare = *p;
    bare.machine = NULL;
    TY_TRY(begin(&s, &bare, &ghost));
    s.sim = 0; /* no platform is open: costs are of no interest here */
    TY_TRY(make_plan(&s, ghost));
    ty_plan_free(&s.plan);
    return ty_ok();
}

static ty_err prepare(setup *s, const ty_point *p, int *ghost)
{
    TY_TRY(begin(s, p, ghost));
    if (s->sim)
        TY_TRY(ty_platform_open(&s->platform, p->platform ? p->platform : "multicore", p->network,
                                p->workers, p->workers_per_node, p->machine));
    ty_err e = make_plan(s, *ghost);
    if (e.code && s->sim)
        ty_platform_close(&s->platform);
    return e;
}

static ty_job make_job(const setup *s, int ghost)
{
    const ty_costing *c = &s->plan.costing;
    return (ty_job){.ranks = s->plan.workers,
                    .threads = c->threads,
                    .busy = c->busy,
                    .ghost = ghost,
                    .trace_steps = s->point->trace_steps,
                    .timeout_s = s->point->timeout_s,
                    .machine = c->machine,
                    .platform = s->sim ? &s->platform : NULL,
                    .net = c->net};
}

/* ---- running, in the child ------------------------------------------------------------------- */

/* Largest relative difference of `got` to the parameters of the first steps run serially. */
static double difference_to_serial(const setup *s, const float *got)
{
    ty_plan serial;
    const ty_plan *p = &s->plan;
    ty_plan_options o = {.strategy = &ty_serial,
                         .problem = p->problem,
                         .workers = 1,
                         .batch = p->batch,
                         .seed = p->seed,
                         .steps = p->steps,
                         .augment = p->augment,
                         .optimizer = p->optimizer.kind,
                         .rate = p->optimizer.rate,
                         .momentum = p->optimizer.momentum};
    if (ty_plan_make(&serial, &o).code)
        return NAN;
    serial.steps = TY_CHECK_STEPS; /* of the same schedule: optimizer.steps stays */
    size_t n = p->problem->params;
    ty_rank_report report;
    double loss[TY_CHECK_STEPS], worst = 0, largest = 0;
    float *want = ty_zalloc(n, sizeof *want);
    ty_course c = {.plan = &serial, .loss = loss, .report = &report, .early = want};
    ty_job job = {.ranks = 1, .threads = s->job.threads};
    if (ty_fabric_threads.run(&job, ty_rank_main, &c).code)
        worst = NAN;
    for (size_t i = 0; i < n; i++) {
        worst = isfinite(got[i]) ? fmax(worst, fabs((double)got[i] - (double)want[i])) : INFINITY;
        largest = fmax(largest, fabs((double)want[i]));
    }
    free(want);
    ty_plan_free(&serial);
    return worst / largest;
}

/* Where the child leaves its result: sizes are known before it starts. */
typedef struct shared {
    double progress[2];
    double wall_s, difference;
    size_t events;
    int here;
    ty_err error;
} shared;

typedef struct board { /* one mapping: shared, then the arrays */
    shared *head;
    double *loss, *accuracy;
    ty_rank_report *report;
    ty_event *event;
    float *early, *params;
    size_t bytes, room;
    long epochs;
} board;

/* Place the next array of n elements of `size`; with base NULL only count. */
static void *place(char *base, size_t *at, size_t n, size_t size)
{
    void *p = base ? base + *at : NULL;
    *at += (n * size + 63) / 64 * 64;
    return p;
}

static void lay_out(board *b, char *base, const setup *s, int real)
{
    size_t at = 0, params = real ? s->plan.problem->params : 0;
    size_t steps = (size_t)s->plan.steps, batch = s->plan.batch, n = s->plan.problem->data.train.n;
    b->epochs = (long)(steps / ((n + batch - 1) / batch));
    b->room = s->point->trace_steps ? MAX_EVENTS : 0;
    b->head = place(base, &at, 1, sizeof *b->head);
    b->loss = place(base, &at, steps, sizeof *b->loss);
    b->accuracy = place(base, &at, (size_t)b->epochs, sizeof *b->accuracy);
    b->report = place(base, &at, (size_t)s->plan.workers, sizeof *b->report);
    b->event = place(base, &at, b->room, sizeof *b->event);
    b->early = place(base, &at, params, sizeof *b->early);
    b->params = place(base, &at, s->point->keep_params ? params : 0, sizeof *b->params);
    b->bytes = at;
}

static void run_here(void *arg_setup, void *arg_board)
{
    setup *s = arg_setup;
    board *b = arg_board;
    int real = !s->job.ghost,
        own = s->plan.preprocessors > 0; /* task pipelines evaluate themselves */
    ty_course c = {.plan = &s->plan,
                   .evaluate = real && !own && s->plan.problem->data.test.n > 0,
                   .trace_steps = s->point->trace_steps,
                   .exact = s->fabric->virtual_time,
                   .loss = b->loss,
                   .accuracy = b->accuracy,
                   .epochs = b->epochs,
                   .report = b->report,
                   .event = b->event,
                   .room = b->room,
                   .early = real && s->plan.steps >= TY_CHECK_STEPS ? b->early : NULL,
                   .params = real && s->point->keep_params ? b->params : NULL,
                   .progress = b->head->progress};
    for (long i = 0; i < b->epochs; i++)
        b->accuracy[i] = -1;
    double start = ty_clock();
    b->head->error = s->fabric->run(&s->job, ty_rank_main, &c);
    b->head->wall_s = ty_clock() - start;
    b->head->events = c.events;
    b->head->here = c.collected;
    b->head->difference = NAN;
    if (c.early && b->head->here && !b->head->error.code)
        b->head->difference = difference_to_serial(s, c.early);
}

/* ---- the result, in the parent --------------------------------------------------------------- */

/* The rank that computes longest, the lowest on ties. */
static int slowest_rank(const ty_rank_report *r, int n)
{
    int at = 0;
    for (int i = 1; i < n; i++)
        if (r[i].ledger.compute_s > r[at].ledger.compute_s * (1 + 1e-9))
            at = i;
    return at;
}

static void describe(ty_row *row, const setup *s)
{
    const ty_plan *p = &s->plan;
    *row = (ty_row){.workers = p->workers,
                    .dp = p->dp,
                    .tp = p->tp,
                    .pp = p->pp,
                    .steps = p->steps,
                    .batch = p->batch,
                    .micro_batches = p->micro_batches > 1 ? p->micro_batches : 1,
                    .threads = p->costing.threads,
                    .seed = p->seed,
                    .fits = 1,
                    .ok = 1};
    double *figures[] = {&row->step_s,        &row->compute_s,       &row->comm_exposed_s,
                         &row->comm_hidden_s, &row->wait_s,          &row->speedup,
                         &row->efficiency,    &row->serial_fraction, &row->bytes_sent,
                         &row->messages,      &row->peak_bytes,      &row->loss,
                         &row->accuracy,      &row->closed_form_s,   &row->energy_j,
                         &row->cost_usd,      &row->step_p10_s,      &row->step_p90_s};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        *figures[i] = NAN;
    snprintf(row->strategy, sizeof row->strategy, "%s", p->strategy->name);
    snprintf(row->workload, sizeof row->workload, "%s", p->problem->workload->name);
    snprintf(row->fabric, sizeof row->fabric, "%s", s->fabric->name);
    snprintf(row->network, sizeof row->network, "%s",
             s->sim ? ty_network_name[s->platform.network] : "");
    snprintf(row->platform, sizeof row->platform, "%.150s",
             s->sim ? s->platform.name : "this machine");
    snprintf(row->collective, sizeof row->collective, "%s", p->allreduce ? p->allreduce->name : "");
    snprintf(row->fidelity, sizeof row->fidelity, "%s", s->sim ? "message" : "");
}

static void fill_times(ty_row *row, const ty_rank_report *r)
{
    double n = (double)(row->steps - 1), scale = r->mean_s > 0 ? r->step_s / r->mean_s / n : 0;
    row->step_s = r->step_s;
    row->comm_exposed_s = r->ledger.comm_exposed_s * scale;
    row->comm_hidden_s = r->ledger.comm_hidden_s * scale;
    row->wait_s = r->ledger.wait_s * scale;
    row->compute_s = row->step_s - row->comm_exposed_s - row->wait_s; /* what nobody blocked */
    row->step_p10_s = r->p10_s;
    row->step_p90_s = r->p90_s;
}

static void fill_volume(ty_row *row, const ty_result *out)
{
    double n = (double)(row->steps - 1);
    row->bytes_sent = row->messages = row->peak_bytes = 0;
    for (int i = 0; i < out->ranks; i++) {
        const ty_ledger *l = &out->report[i].ledger;
        row->bytes_sent = fmax(row->bytes_sent, (double)l->bytes / n);
        row->messages = fmax(row->messages, (double)l->messages / n);
        row->peak_bytes = fmax(row->peak_bytes, (double)l->total_peak);
    }
}

/* Add a reason or remark. */
static void remark(ty_row *row, const char *text)
{
    size_t used = strlen(row->message);
    snprintf(row->message + used, sizeof row->message - used, "%s%s", used ? "; " : "", text);
}

static void judge(ty_row *row, const setup *s, double difference)
{
    char text[160];
    if (s->job.ghost) {
        remark(row, "ghost run: no loss or accuracy");
    } else if (!(difference <= TY_VALID_DIFFERENCE)) {
        row->ok = 0;
        snprintf(
            text, sizeof text,
            "wrong result: parameters differ from serial's by %.2g after %d steps (bound %.0e)",
            difference, TY_CHECK_STEPS, TY_VALID_DIFFERENCE);
        remark(row, text);
    }
    if (s->point->machine && row->peak_bytes * s->plan.costing.busy > s->point->machine->memory) {
        row->fits = 0;
        snprintf(text, sizeof text, "does not fit: %.3g GB a worker, %.3g GB a host",
                 row->peak_bytes / 1e9, s->point->machine->memory / 1e9);
        remark(row, text);
    }
    remark(row, "energy and cost: no power or price model");
}

static void *copy(const void *from, size_t bytes)
{
    return from && bytes ? memcpy(ty_alloc(bytes), from, bytes) : NULL;
}

/* Timelines begin with the run's first event. */
static void shift_events(ty_event *e, size_t n)
{
    double first = n ? e[0].begin : 0;
    for (size_t i = 0; i < n; i++)
        first = fmin(first, e[i].begin);
    for (size_t i = 0; i < n; i++) {
        e[i].begin -= first;
        e[i].end -= first;
    }
}

static void harvest(ty_result *out, const setup *s, const board *b)
{
    const shared *h = b->head;
    out->here = h->here;
    out->steps = s->plan.steps;
    out->epochs = b->epochs;
    out->ranks = s->plan.workers;
    out->events = h->events;
    out->wall_s = h->wall_s;
    out->difference = h->difference;
    out->report = copy(b->report, (size_t)out->ranks * sizeof *b->report);
    out->event = copy(b->event, h->events * sizeof *b->event);
    shift_events(out->event, out->events);
    if (!s->job.ghost) {
        out->loss = copy(b->loss, (size_t)out->steps * sizeof *b->loss);
        out->accuracy = copy(b->accuracy, (size_t)b->epochs * sizeof *b->accuracy);
        out->params_n = s->plan.problem->params;
        out->params = s->point->keep_params ? copy(b->params, out->params_n * sizeof(float)) : NULL;
        out->row.loss = out->loss[out->steps - 1];
    }
    for (long i = 0; out->accuracy && i < out->epochs; i++)
        out->row.accuracy = out->accuracy[i] >= 0 ? out->accuracy[i] : out->row.accuracy;
    out->shown = slowest_rank(out->report, out->ranks);
    if (s->job.ghost && !s->fabric->virtual_time)
        remark(&out->row, "dry run: nothing was computed, so there is no time");
    else
        fill_times(&out->row, &out->report[out->shown]);
    if (s->plan.costing.share > 1 && !s->plan.strategy->alike)
        remark(&out->row, "no closed form: ranks that do different things share cores");
    else
        out->row.closed_form_s = out->report[out->shown].closed_s;
    fill_volume(&out->row, out);
    judge(&out->row, s, h->difference);
}

/* What all ranks of a real run on this machine need at once, and the serial run that checks them, by the closed form;
 * *largest is the largest rank's. */
static double memory_needed(const setup *s, double *largest)
{
    double sum = 0;
    *largest = 0;
    for (int i = 0; i < s->plan.workers; i++) {
        double bytes = ty_plan_cost(&s->plan, i).peak_bytes;
        sum += bytes;
        *largest = fmax(*largest, bytes);
    }
    return sum + 2.0 * (double)(s->plan.problem->params * sizeof(float));
}

/* A real run that this machine cannot hold is answered without being tried. */
static int too_large(const setup *s, ty_result *out)
{
    double largest, memory = s->point->machine ? s->point->machine->memory : 0;
    if (s->job.ghost || s->fabric != &ty_fabric_threads || memory <= 0)
        return 0;
    double needed = memory_needed(s, &largest);
    if (needed <= memory)
        return 0;
    describe(&out->row, s);
    out->here = 1;
    out->row.fits = 0;
    out->row.peak_bytes = largest;
    snprintf(out->row.message, sizeof out->row.message,
             "does not fit, so it was not run: %d workers need %.3g GB together, this machine has "
             "%.3g GB",
             s->plan.workers, needed / 1e9, memory / 1e9);
    return 1;
}

static ty_err run_point(setup *s, ty_result *out)
{
    board b;
    if (too_large(s, out))
        return ty_ok();
    lay_out(&b, NULL, s, !s->job.ghost);
    char *base = ty_child_share(b.bytes);
    lay_out(&b, base, s, !s->job.ghost);
    int in_place = !strcmp(s->fabric->name, "mpi"); /* nothing forks inside an MPI job */
    ty_err e = ty_ok();
    if (in_place)
        run_here(s, &b);
    else
        e = ty_child_run(run_here, s, &b, s->point->progress, s->point->progress_arg,
                         b.head->progress);
    if (!e.code)
        e = b.head->error;
    if (!e.code && !b.head->here && !in_place)
        e = ty_error(TY_EWRONG, "the run ended without a result");
    describe(&out->row, s);
    if (e.code == TY_EWRONG) { /* failed on the way: a result, not a usage error */
        out->here = 1;
        out->row.ok = 0;
        snprintf(out->row.message, sizeof out->row.message, "%s", e.msg);
        e = ty_ok();
    } else if (!e.code && b.head->here) {
        harvest(out, s, &b);
    }
    ty_child_unshare(base, b.bytes);
    return e;
}

ty_err ty_point_run(const ty_point *p, ty_result *out)
{
    setup s;
    int ghost;
    *out = (ty_result){.row.ok = 1};
    TY_TRY(prepare(&s, p, &ghost));
    s.job = make_job(&s, ghost);
    ty_err e = run_point(&s, out);
    ty_plan_free(&s.plan);
    if (s.sim)
        ty_platform_close(&s.platform);
    return e;
}
