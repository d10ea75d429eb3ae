/* SPDX-License-Identifier: MIT */
#include "experiments/prepare.h"

#include "experiments/mpirun.h"
#include "kernels/kernels.h"

#include <string.h>

enum { MAX_STEPS = 10000000, UNTIL_EPOCHS = 50, JITTER_STEPS = 200, MAX_THREAD_RANKS = 1024 };

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

ty_err ty_prepare(ty_prepared *s, const ty_point *p)
{
    int ghost;
    TY_TRY(begin(s, p, &ghost));
    if (s->sim)
        TY_TRY(ty_platform_open(&s->platform, p->platform ? p->platform : "multicore", p->network,
                                p->workers, p->workers_per_node, p->machine));
    ty_err e = make_plan(s, ghost);
    if (e.code && s->sim)
        ty_platform_close(&s->platform);
    s->job = make_job(s, ghost);
    s->every = every(p);
    return e;
}

void ty_prepared_free(ty_prepared *s)
{
    ty_plan_free(&s->plan);
    if (s->sim)
        ty_platform_close(&s->platform);
}
