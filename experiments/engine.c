/* SPDX-License-Identifier: MIT */
#include "experiments/engine.h"

#include "base/clock.h"
#include "experiments/child.h"
#include "experiments/mpirun.h"
#include "experiments/outcome.h"
#include "experiments/rank_main.h"
#include "fabric/fabric.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_STEPS = 10000000,
    UNTIL_EPOCHS = 50,
    JITTER_STEPS = 200,
    MAX_EVENTS = 200000,
    MAX_THREAD_RANKS = 1024
};

/* ---- settings and their defaults ------------------------------------------------------------- */

static int default_threads(const ty_prepared *s)
{
    const ty_point *p = s->point;
    if (p->threads > 0)
        return p->threads;
    if (s->sim && s->platform.ranks_per_host <= 1)
        return s->platform.cores;
    return p->workers == 1 && !s->sim ? ty_kernel_max_threads() : 1;
}

static const ty_habits *usual(const ty_point *p)
{
    return &p->problem->workload->usual;
}

static size_t batch_of(const ty_point *p)
{
    return p->batch ? p->batch : usual(p)->batch ? usual(p)->batch : 128;
}

/* The workload's rate is for the optimizer that it usually has. */
static double rate_of(const ty_point *p)
{
    if (p->rate > 0)
        return p->rate;
    if (usual(p)->rate > 0 && p->optimizer == usual(p)->optimizer)
        return usual(p)->rate;
    return p->optimizer == TY_ADAMW ? 0.001 : 0.05;
}

static long epoch_steps(const ty_point *p)
{
    return (long)((p->problem->data.train.n + batch_of(p) - 1) / batch_of(p));
}

/* Steps between two looks at the test set. */
static long every(const ty_point *p)
{
    const long epoch = epoch_steps(p);
    return p->evaluate_every > 0 ? p->evaluate_every : p->until.kind ? (epoch + 7) / 8 : epoch;
}

static long default_steps(const ty_point *p, int ghost, const ty_plan *plan)
{
    long epoch = epoch_steps(p);
    if (p->steps > 0)
        return p->steps;
    if (p->epochs > 0)
        return p->epochs * epoch;
    if (p->until.kind)
        return UNTIL_EPOCHS * epoch;
    if (ghost)
        return (p->pace.jitter ? JITTER_STEPS : 2) + plan->fill_steps;
    return p->train && usual(p)->epochs ? epoch * usual(p)->epochs : epoch;
}

/* What the closed form and the machine model assume, when `active` ranks compute at the same time. */
static ty_costing costing(const ty_prepared *s, int threads, int active)
{
    int sharing = s->sim ? s->platform.ranks_per_host : s->point->workers,
        busy = sharing < active ? sharing : active;
    int cores = s->sim ? s->platform.cores : s->point->machine ? s->point->machine->cores : 1;
    ty_net net = !s->sim ? (s->point->machine ? s->point->machine->handoff : (ty_net){0, 1e9})
                 : sharing >= s->point->workers ? s->platform.local
                                                : s->platform.net;
    const int grouped = !s->sim && s->point->workers_per_node > 0;
    return (ty_costing){.net = net,
                        .local = s->sim ? s->platform.local : net,
                        .per_node = grouped ? s->point->workers_per_node : sharing,
                        .machine = s->point->machine,
                        .threads = threads,
                        .busy = busy < 1 ? 1 : busy,
                        .share = (double)(busy * threads) / (double)cores};
}

/* Networks that outgrow the last cache are slower: tell the machine what the ranks of a host use together. */
static void see_size(ty_prepared *s)
{
    enum { ASKED = 16 }; /* the ranks of pipelines differ, but not all of thousands */
    const int n = s->plan.workers;
    const int asked = n < ASKED ? n : ASKED;
    double sum = 0;
    if (!s->point->machine)
        return;
    for (int i = 0; i < asked; i++)
        sum += ty_plan_cost(&s->plan, n <= ASKED ? i : n * i / ASKED).peak_bytes;
    s->machine = ty_machine_with(s->point->machine, sum / asked * s->plan.costing.busy);
    s->plan.costing.machine = &s->machine;
}

/* Options that would change nothing, and targets that nobody would see reached. */
static ty_err check_looks(const ty_plan *plan, const ty_point *p, int ghost)
{
    const char *option = p->until.kind ? "--until" : "--evaluate-every";
    if (!p->until.kind && !p->evaluate_every)
        return ty_ok();
    if (plan->preprocessors)
        return ty_error(TY_EUSAGE,
                        "%s evaluates beside the training, after each epoch, and does not wait for "
                        "it: leave %s out",
                        p->strategy, option);
    if (ghost || every(p) <= plan->steps)
        return ty_ok();
    return ty_error(TY_EUSAGE,
                    "%s: the test set is looked at every %ld steps, and there are %ld; use "
                    "--evaluate-every %ld or fewer, or more --steps",
                    option, every(p), plan->steps, plan->steps);
}

static ty_err make_plan(ty_prepared *s, int ghost)
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
                         .rate = rate_of(p),
                         .momentum = p->momentum > 0   ? p->momentum
                                     : p->momentum < 0 ? 0 /* TY_NO_MOMENTUM */
                                                       : 0.9,
                         .collective = p->collective,
                         .tuning = p->tuning,
                         .pace = p->pace,
                         .shared_memory = s->fabric->shared_memory};
    o.pace.seed = o.seed;
    TY_TRY(ty_strategy_find(p->strategy, &o.strategy));
    o.costing = costing(s, default_threads(s), p->workers);
    TY_TRY(ty_plan_make(&s->plan, &o));
    s->plan.costing = costing(s, default_threads(s), s->plan.active);
    if (ty_pace_is_set(&p->pace))
        s->plan.costing.slowest = ty_pace_slowest(&p->pace, p->workers);
    see_size(s);
    s->plan.steps = s->plan.optimizer.steps = default_steps(p, ghost, &s->plan);
    ty_err e = check_looks(&s->plan, p, ghost);
    if (e.code)
        ty_plan_free(&s->plan);
    return e;
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
    TY_TRY(ty_target_check(&p->until, p->problem));
    if (p->until.kind && ghost)
        return ty_error(TY_EUSAGE, "--until: a ghost run has no numbers to look at; add --real");
    if (p->problem->pretended && !ghost)
        return ty_error(TY_EUSAGE, "--samples is larger than the training set: only a simulated or "
                                   "--ghost run can pretend "
                                   "that");
    return ty_ok();
}

/* Everything but the platform and the plan. */
static ty_err begin(ty_prepared *s, const ty_point *p, int *ghost)
{
    *s = (ty_prepared){.point = p};
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
    ty_prepared s;
    int ghost;
    ty_point bare = *p;
    bare.machine = NULL;
    TY_TRY(begin(&s, &bare, &ghost));
    s.sim = 0; /* no platform is open: costs are of no interest here */
    TY_TRY(make_plan(&s, ghost));
    ty_plan_free(&s.plan);
    return ty_ok();
}

static ty_err prepare(ty_prepared *s, const ty_point *p, int *ghost)
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

static ty_job make_job(const ty_prepared *s, int ghost)
{
    const ty_costing *c = &s->plan.costing;
    return (ty_job){.ranks = s->plan.workers,
                    .threads = c->threads,
                    .busy = c->busy,
                    .per_node = c->per_node,
                    .ghost = ghost,
                    .trace_steps = s->point->trace_steps,
                    .timeout_s = s->point->timeout_s,
                    .machine = c->machine,
                    .platform = s->sim ? &s->platform : NULL,
                    .net = c->net};
}

/* ---- running, in the child ------------------------------------------------------------------- */

/* Difference of `got` to the parameters of the first steps run serially, relative to the largest of them: the largest one,
 * of AdamW the root mean square. */
static double difference_to_serial(const ty_prepared *s, const float *got)
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
    double loss[TY_CHECK_STEPS], worst = 0, largest = 0, squares = 0;
    float *want = ty_zalloc(n, sizeof *want);
    ty_course c = {.plan = &serial, .loss = loss, .report = &report, .early = want};
    ty_job job = {.ranks = 1, .threads = s->job.threads};
    if (ty_fabric_threads.run(&job, ty_rank_main, &c).code)
        worst = NAN;
    for (size_t i = 0; i < n; i++) {
        const double off = fabs((double)got[i] - (double)want[i]);
        worst = isfinite(got[i]) ? fmax(worst, off) : INFINITY;
        squares += off * off;
        largest = fmax(largest, fabs((double)want[i]));
    }
    free(want);
    ty_plan_free(&serial);
    /* Adam divides a gradient by its own size: where that is a rounding error, so is the sign of the step. One such
     * parameter means nothing, many do. */
    if (p->optimizer.kind == TY_ADAMW && isfinite(worst))
        worst = sqrt(squares / (double)n);
    return worst / largest;
}

/* Is there somebody to say what the trained network is worth? */
static int speaks(const ty_prepared *s)
{
    return s->point->train && s->plan.problem->workload->report != NULL;
}

typedef struct speech {
    const ty_prepared *s;
    ty_board *b;
} speech;

static void speak(ty_rank *r, void *arg)
{
    const speech *a = arg;
    const ty_plan *p = &a->s->plan;
    ty_model whole;
    FILE *f = fmemopen(a->b->said, TY_SAID_MAX - 1, "w"); /* the last byte stays zero */
    TY_CHECK(f, "no memory for a report");
    ty_worker_evaluator(&whole, r, p);
    memcpy(whole.params.data, a->b->params, ty_bytes(whole.params));
    p->problem->workload->report(p->problem, &whole, p->seed, f);
    ty_model_fini(&whole);
    fclose(f);
}

/* The workload's own words about the trained network, on one rank. */
static void describe(const ty_prepared *s, ty_board *b)
{
    speech a = {s, b};
    ty_job job = {.ranks = 1, .threads = s->job.threads};
    b->head->error = ty_fabric_threads.run(&job, speak, &a);
}

/* Place the next array of n elements of `size`; with base NULL only count. */
static void *place(char *base, size_t *at, size_t n, size_t size)
{
    void *p = base ? base + *at : NULL;
    *at += (n * size + 63) / 64 * 64;
    return p;
}

static void lay_out(ty_board *b, char *base, const ty_prepared *s, int real)
{
    size_t at = 0, params = real ? s->plan.problem->params : 0;
    size_t steps = (size_t)s->plan.steps, batch = s->plan.batch, n = s->plan.problem->data.train.n;
    const size_t epoch = (n + batch - 1) / batch;
    b->room = s->point->trace_steps ? MAX_EVENTS : 0;
    b->head = place(base, &at, 1, sizeof *b->head);
    b->loss = place(base, &at, steps, sizeof *b->loss);
    b->end = place(base, &at, steps, sizeof *b->end);
    b->evaluation = place(base, &at, steps / (size_t)every(s->point) + steps / epoch + 1,
                          sizeof *b->evaluation);
    b->report = place(base, &at, (size_t)s->plan.workers, sizeof *b->report);
    b->event = place(base, &at, b->room, sizeof *b->event);
    b->early = place(base, &at, params, sizeof *b->early);
    b->params =
        place(base, &at, s->point->keep_params || speaks(s) ? params : 0, sizeof *b->params);
    b->said = place(base, &at, TY_SAID_MAX, 1);
    b->bytes = at;
}

static void run_here(void *arg_setup, void *arg_board)
{
    ty_prepared *s = arg_setup;
    ty_board *b = arg_board;
    int real = !s->job.ghost,
        own = s->plan.preprocessors > 0; /* task pipelines evaluate themselves */
    ty_course c = {.plan = &s->plan,
                   .every = real && !own && s->plan.problem->data.test.n > 0 ? every(s->point) : 0,
                   .target = s->point->until,
                   .trace_steps = s->point->trace_steps,
                   .exact = s->fabric->virtual_time,
                   .loss = b->loss,
                   .end = b->end,
                   .evaluation = b->evaluation,
                   .report = b->report,
                   .event = b->event,
                   .room = b->room,
                   .early = real && s->plan.steps >= TY_CHECK_STEPS ? b->early : NULL,
                   .params = real && (s->point->keep_params || speaks(s)) ? b->params : NULL,
                   .progress = b->head->progress};
    double start = ty_clock();
    b->head->error = s->fabric->run(&s->job, ty_rank_main, &c);
    b->head->wall_s = ty_clock() - start;
    b->head->events = c.events;
    b->head->steps = c.steps;
    b->head->evaluations = c.evaluations;
    b->head->here = c.collected;
    b->head->difference = NAN;
    if (c.early && b->head->here && !b->head->error.code)
        b->head->difference = difference_to_serial(s, c.early);
    if (speaks(s) && c.params && b->head->here && !b->head->error.code)
        describe(s, b);
}

/* What all ranks of a real run on this machine need at once, and the serial run that checks them, by the closed form;
 * *largest is the largest rank's. Of an MPI job, those that are here: assumed to be as large as any. */
static double memory_needed(const ty_prepared *s, double *largest)
{
    const int here = strcmp(s->fabric->name, "mpi") ? s->plan.workers : ty_mpirun_local_size();
    double sum = 0;
    *largest = 0;
    for (int i = 0; i < s->plan.workers; i++) {
        double bytes = ty_plan_cost(&s->plan, i).peak_bytes;
        sum += bytes;
        *largest = fmax(*largest, bytes);
    }
    if (here < s->plan.workers)
        sum = *largest * (here > 0 ? here : 1);
    return sum + 2.0 * (double)(s->plan.problem->params * sizeof(float));
}

/* [B] that there are for numbers: of this host, or of the machine where that is meant to be this one and has less. */
static double memory_here(const ty_prepared *s)
{
    ty_machine here = {0};
    const ty_machine *m = s->point->machine;
    ty_machine_name_here(&here);
    return !s->sim && m && m->memory > 0 && m->memory < here.memory ? m->memory : here.memory;
}

/* A run with numbers that this machine cannot hold is answered without being tried. */
static int too_large(const ty_prepared *s, ty_result *out)
{
    double largest, memory = memory_here(s);
    if (s->job.ghost || memory <= 0)
        return 0;
    double needed = memory_needed(s, &largest);
    if (needed <= memory)
        return 0;
    ty_outcome_describe(&out->row, s);
    out->here = 1;
    out->row.fits = 0;
    out->row.peak_bytes = largest;
    snprintf(out->row.message, sizeof out->row.message,
             "does not fit, so it was not run: %d workers need %.3g GB together, this machine has "
             "%.3g GB",
             s->plan.workers, needed / 1e9, memory / 1e9);
    return 1;
}

static ty_err run_point(ty_prepared *s, ty_result *out)
{
    ty_board b;
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
    ty_outcome_describe(&out->row, s);
    if (e.code == TY_EWRONG) { /* failed on the way: a result, not a usage error */
        out->here = 1;
        out->row.ok = 0;
        snprintf(out->row.message, sizeof out->row.message, "%s", e.msg);
        e = ty_ok();
    } else if (!e.code && b.head->here) {
        ty_outcome_harvest(out, s, &b);
    }
    ty_child_unshare(base, b.bytes);
    return e;
}

ty_err ty_point_run(const ty_point *p, ty_result *out)
{
    ty_prepared s;
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
