/* SPDX-License-Identifier: MIT */
#include "cli/setup.h"

#include "base/clock.h"
#include "base/file.h"
#include "experiments/mpirun.h"
#include "kernels/kernels.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int ty_report_error(ty_err e)
{
    if (e.code && ty_setup_speaks())
        fprintf(stderr, "trainyard: %s\n", e.msg);
    return e.code;
}

FILE *ty_screen(const ty_options *o)
{
    int taken = (o->csv && !strcmp(o->csv, "-")) || (o->json && !strcmp(o->json, "-"));
    return taken ? stderr : stdout;
}

int ty_setup_speaks(void)
{
    return ty_mpirun_rank() == 0;
}

int ty_default_workers(const char *strategy, const char *fabric)
{
    if (fabric && !strcmp(fabric, "mpi"))
        return ty_mpirun_size();
    return strategy && !strcmp(strategy, "serial") ? 1 : ty_kernel_max_threads();
}

/* ---- progress -------------------------------------------------------------------------------- */

/* On a terminal one line that is written over; elsewhere a line every five seconds. */
void ty_progress_tell(void *progress, double fraction, double loss)
{
    ty_progress *p = progress;
    double now = ty_clock(), spent;
    char left[32] = "", history[32] = "";
    if (fraction < p->last) /* the next run of several */
        p->begun = p->told = now;
    p->last = fraction;
    spent = now - p->begun;
    if (fraction <= 0 || (!p->terminal && now - p->told < 5))
        return;
    if (spent > 0.5 && fraction < 1)
        snprintf(left, sizeof left, ", %.0f s left", ceil(spent * (1 / fraction - 1)));
    if (loss > 0)
        snprintf(history, sizeof history, ", loss %.4f", loss);
    p->told = now;
    p->shown = 1;
    fprintf(stderr, p->terminal ? "\r\033[K%3.0f %%%s%s" : "%3.0f %%%s%s\n", 100 * fraction,
            history, left);
    fflush(stderr);
}

void ty_progress_clear(ty_progress *p)
{
    if (p->terminal && p->shown)
        fputs("\r\033[K", stderr);
    p->shown = 0;
}

void ty_progress_open(ty_progress *p)
{
    *p = (ty_progress){.begun = ty_clock(), .terminal = isatty(2)};
    p->told = p->begun;
}

static void progress_init(ty_progress *p, ty_point *point, int quiet)
{
    ty_progress_open(p);
    if (!quiet) {
        point->progress = ty_progress_tell;
        point->progress_arg = p;
    }
}

/* ---- opening --------------------------------------------------------------------------------- */

static ty_err open_problem(ty_setup *s, const ty_options *o)
{
    const char *name = o->workload ? o->workload : "mnist-mlp";
    ty_workload_options w = {.data = o->data,
                             .hidden_n = o->hidden_n,
                             .layers = o->layers,
                             .width = o->width,
                             .heads = o->heads,
                             .context = o->context,
                             .samples = o->samples};
    memcpy(w.hidden, o->hidden, sizeof w.hidden);
    return ty_problem_open(&s->problem, name, &w);
}

static ty_tuning tuning(const ty_options *o)
{
    ty_tuning t = {.bucket_bytes = o->bucket_bytes > 0 ? (size_t)o->bucket_bytes : 0,
                   .servers = (int)o->servers,
                   .local_steps = o->local_steps,
                   .outer_momentum = o->outer_momentum,
                   .compression_ratio = o->keep,
                   .depth = (int)o->depth,
                   .task_seconds = o->task_seconds,
                   .staleness = o->staleness > 0    ? o->staleness
                                : o->staleness == 0 ? TY_LOCKSTEP
                                                    : 0};
    for (int i = 0; o->compression && i < TY_COMPRESSIONS; i++)
        if (!strcmp(o->compression, ty_compression_name[i]))
            t.compression = (ty_compression)i;
    return t;
}

static ty_err read_pace(const ty_options *o, ty_pace *p)
{
    if (o->slow)
        TY_TRY(ty_slow_parse(o->slow, p));
    return o->jitter ? ty_jitter_parse(o->jitter, p) : ty_ok();
}

static ty_err make_point(ty_setup *s, const ty_options *o)
{
    const char *fabric = o->fabric ? o->fabric : "threads",
               *strategy = o->strategies ? o->strategy[0] : "serial";
    ty_point *p = &s->point;
    *p = (ty_point){.strategy = strategy,
                    .problem = &s->problem,
                    .fabric = fabric,
                    .platform = o->platform,
                    .network = TY_NET_SHARED,
                    .workers_per_node = (int)o->workers_per_node,
                    .dp = (int)o->dp,
                    .tp = (int)o->tp,
                    .pp = (int)o->pp,
                    .micro_batches = (int)o->micro_batches,
                    .threads = (int)o->threads,
                    .batch = (size_t)o->batch,
                    .steps = o->steps,
                    .epochs = o->epochs,
                    .seed = (uint64_t)o->seed,
                    .evaluate_every = o->evaluate_every,
                    .plain = o->no_augment,
                    .ghost = o->ghost  ? 1
                             : o->real ? 0
                                       : -1,
                    .rate = o->rate,
                    .momentum = o->momentum > 0    ? o->momentum
                                : o->momentum == 0 ? TY_NO_MOMENTUM
                                                   : 0,
                    .collective = o->collective,
                    .tuning = tuning(o),
                    .timeout_s = o->timeout_s,
                    .trace_steps = o->trace_steps < 0 ? 3 : (int)o->trace_steps};
    p->workers = o->workers.n ? (int)o->workers.v[0] : ty_default_workers(strategy, fabric);
    TY_TRY(read_pace(o, &p->pace));
    if (o->until)
        TY_TRY(ty_target_parse(o->until, &p->until));
    if (o->optimizer)
        TY_TRY(ty_optimizer_find(o->optimizer, &p->optimizer));
    return o->network ? ty_network_find(o->network, &p->network) : ty_ok();
}

static ty_err check_names(const ty_options *o, const char *fabric)
{
    const ty_strategy *strategy;
    const ty_fabric_ops *ops;
    for (size_t i = 0; i < o->strategies; i++)
        TY_TRY(ty_strategy_find(o->strategy[i], &strategy));
    const ty_collective *collective;
    if (o->collective)
        TY_TRY(
            ty_collective_find(TY_ALLREDUCE, o->collective, &(ty_costing){0}, 1, 0, &collective));
    return ty_fabric_find(fabric, &ops);
}

/* All that the strategies make use of: TY_USES_... */
static int find_uses(const ty_options *o, const char *only)
{
    const ty_strategy *strategy;
    int uses = 0;
    for (size_t i = 0; i < (o->strategies ? o->strategies : only ? 1 : ty_strategies_n); i++) {
        const char *name = o->strategies ? o->strategy[i] : only ? only : ty_strategies[i]->name;
        uses |= ty_strategy_find(name, &strategy).code ? 0 : strategy->uses;
    }
    return uses;
}

/* An option that would change nothing is refused: it was meant to. */
static ty_err check_effects(const ty_setup *s, const ty_options *o, const char *only)
{
    const int sim = !strcmp(s->point.fabric, "sim"), mpi = !strcmp(s->point.fabric, "mpi");
    const int numbers = s->point.ghost == 0 || (s->point.ghost < 0 && !sim);
    const int uses = find_uses(o, only);
    const struct {
        const char *option;
        int given, works;
        const char *advice;
    } rule[] = {
        {"platform", o->platform != NULL, sim, "add --fabric sim"},
        {"network", o->network != NULL, sim, "add --fabric sim"},
        {"workers-per-node", o->workers_per_node > 0,
         sim || (o->collective && !strcmp(o->collective, "hierarchical")),
         "add --fabric sim, or --collective hierarchical"},
        {"timeout", o->timeout_s > 0, mpi, "only waits of --fabric mpi end by it"},
        {"collective", o->collective != NULL, uses & TY_USES_COLLECTIVE,
         "leave it out, or choose a strategy that all-reduces"},
        {"micro-batches", o->micro_batches > 0, uses & TY_USES_MICRO_BATCHES,
         "leave it out, or choose serial, a data-parallel strategy or a pipeline of layers"},
        {"bucket-bytes", o->bucket_bytes != 0, uses & TY_USES_BUCKETS,
         "it belongs to data-overlap, data-zero2 and data-zero3"},
        {"servers", o->servers > 0, uses & TY_USES_SERVERS, "it belongs to data-server"},
        {"local-steps", o->local_steps > 0, uses & TY_USES_LOCAL_STEPS, "it belongs to data-local"},
        {"outer-momentum", o->outer_momentum > 0, uses & TY_USES_LOCAL_STEPS,
         "it belongs to data-local"},
        {"compression", o->compression != NULL, uses & TY_USES_COMPRESSION,
         "it belongs to data-compressed"},
        {"keep", o->keep > 0,
         uses & TY_USES_COMPRESSION && (!o->compression || !strcmp(o->compression, "top-k")),
         "it belongs to --compression top-k of data-compressed"},
        {"staleness", o->staleness >= 0, uses & TY_USES_STALENESS, "it belongs to data-stale"},
        {"evaluate-every", o->evaluate_every > 0, numbers && s->problem.data.test.n > 0,
         numbers ? "the workload has no test set"
                 : "ghosts have no numbers to look at; add --real"},
        {"depth", o->depth > 0, uses & TY_USES_TASKS, "it belongs to data-spark"},
        {"task-seconds", o->task_seconds > 0, uses & TY_USES_TASKS, "it belongs to data-spark"},
        {"gemm", o->gemm != NULL, numbers, "ghosts have no numbers to multiply; add --real"},
        {"no-augment", o->no_augment, s->problem.data.train.pixels != NULL,
         "the workload has no images to rotate and shift"},
    };
    for (size_t i = 0; i < sizeof rule / sizeof *rule; i++)
        if (rule[i].given && !rule[i].works)
            return ty_error(TY_EUSAGE, "--%s would change nothing here: %s", rule[i].option,
                            rule[i].advice);
    return ty_ok();
}

/* Find what is wrong with a platform before a calibration makes the user wait. */
static ty_err check_platform(const ty_point *p)
{
    ty_platform platform;
    ty_machine here = {0};
    if (strcmp(p->fabric, "sim") || !p->platform)
        return ty_ok();
    ty_machine_name_here(&here);
    TY_TRY(ty_platform_open(&platform, p->platform, p->network, p->workers, p->workers_per_node,
                            &here));
    ty_platform_close(&platform);
    return ty_ok();
}

/* Nothing forks inside an MPI job, so no calibration is made there: one that exists is used. */
static ty_err open_machine(ty_setup *s, const ty_options *o)
{
    char cache[1024];
    s->has_machine = 1;
    s->point.machine = &s->machine;
    if (o->machine || !ty_inside_mpi())
        return ty_machine_default(&s->machine, o->machine);
    if (ty_machine_cache_path(cache, sizeof cache).code ||
        ty_machine_load(&s->machine, cache).code) {
        s->has_machine = 0;
        s->point.machine = NULL;
    }
    return ty_ok();
}

/* A file that the user asked for and that cannot be written is said before the work, not after
 * it. */
static ty_err try_file(const char *path)
{
    ty_file w;
    if (!path || !strcmp(path, "-"))
        return ty_ok();
    TY_TRY(ty_file_open(&w, path));
    ty_file_discard(&w);
    return ty_ok();
}

static ty_err open_output(ty_setup *s, const ty_options *o, const char *command)
{
    if (!ty_setup_speaks())
        return ty_ok();
    TY_TRY(ty_output_open(&s->out, command, o->out));
    TY_TRY(try_file(o->csv));
    return try_file(o->json);
}

void ty_setup_note_options(ty_output *out, const ty_options *o)
{
    const char *name, *value;
    for (int i = 0; ty_options_given(o, i, &name, &value); i++)
        ty_output_option(out, name, value);
}

ty_err ty_setup_open(ty_setup *s, const ty_options *o, const char *command)
{
    *s = (ty_setup){0};
    TY_TRY(make_point(s, o));
    TY_TRY(check_names(o, s->point.fabric));
    TY_TRY(open_problem(s, o));
    if (!o->optimizer)
        s->point.optimizer = s->problem.workload->usual.optimizer;
    TY_TRY(check_effects(s, o, strcmp(command, "run") ? NULL : s->point.strategy));
    if (!strcmp(command, "run"))
        TY_TRY(ty_point_check(&s->point));
    TY_TRY(check_platform(&s->point));
    TY_TRY(open_output(s, o, command));
    ty_setup_note_options(&s->out, o);
    TY_TRY(open_machine(s, o));
    progress_init(&s->progress, &s->point, o->quiet || !ty_setup_speaks());
    return ty_ok();
}

void ty_setup_close(ty_setup *s)
{
    ty_progress_clear(&s->progress);
    ty_output_abandon(&s->out);
    ty_problem_close(&s->problem);
}

/* ---- what was written ------------------------------------------------------------------------ */

static int is_visible(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static int has_ending(const char *name, const char *end)
{
    size_t n = strlen(name), e = strlen(end);
    return n >= e && !strcmp(name + n - e, end);
}

void ty_print_files(FILE *f, const char *dir)
{
    struct dirent **entry;
    int n = *dir ? scandir(dir, &entry, is_visible, alphasort) : -1;
    if (n < 0)
        return;
    int timelines = 0;
    fprintf(f, "%-14s %s/:", "files", dir);
    for (int i = 0; i < n; i++) {
        timelines += !strncmp(entry[i]->d_name, "trace-", 6);
        if (has_ending(entry[i]->d_name, ".svg") || has_ending(entry[i]->d_name, "run.json") ||
            has_ending(entry[i]->d_name, ".csv") || !strcmp(entry[i]->d_name, "trace.json"))
            fprintf(f, " %s", entry[i]->d_name);
        free(entry[i]);
    }
    if (timelines)
        fprintf(f, " trace-*.json (%d)", timelines);
    fputc('\n', f);
    free(entry);
}
