/* SPDX-License-Identifier: MIT */
#include "cli/bench_site.h"

#include "base/text.h"
#include "experiments/mpirun.h"

#include <string.h>
#include <unistd.h>

/* Does a hierarchical all-reduce run? */
static int by_nodes(const ty_options *o)
{
    const char *name = ty_allreduce_hierarchical.name, *filter = o->filter;
    if (o->crossover)
        return strstr(o->crossover, name) != NULL;
    return !filter || !strcmp(filter, name) || !strcmp(filter, ty_operation_name[TY_ALLREDUCE]);
}

/* Does anything run that goes through a pipeline in pieces? */
static int by_pieces(const ty_options *o)
{
    static const ty_collective *const piped[] = {&ty_broadcast_chain, &ty_allreduce_double_tree};
    for (int i = 0; i < 2; i++) {
        const char *name = piped[i]->name, *what = o->crossover ? o->crossover : o->filter;
        if (!what || strstr(what, name) ||
            (!o->crossover && !strcmp(what, ty_operation_name[piped[i]->op])))
            return 1;
    }
    return 0;
}

/* An option that would change nothing is refused. */
static ty_err check_effects(const ty_options *o, int sim, int mpi, int closed_form)
{
    const struct {
        const char *option;
        int given, works;
        const char *advice;
    } rule[] = {
        {"platform", o->platform != NULL, sim, "add --fabric sim"},
        {"network", o->network != NULL, sim, "add --fabric sim"},
        {"workers-per-node", o->workers_per_node > 0, sim || (closed_form && by_nodes(o)),
         "add --fabric sim, or a hierarchical all-reduce"},
        {"piece-bytes", o->piece_bytes != 0, closed_form && by_pieces(o),
         "it belongs to broadcast chain and all-reduce double-tree"},
        {"real", o->real, sim, "threads and mpi always send real numbers; add --fabric sim"},
        {"timeout", o->timeout_s > 0, mpi, "only waits of --fabric mpi end by it"},
        {"workers", o->workers.n > 0, !mpi, "mpirun -n says how many there are"},
        {"machine", o->machine != NULL, sim || (closed_form && !mpi),
         "leave it out, or add --fabric sim"},
    };
    for (size_t i = 0; i < sizeof rule / sizeof *rule; i++)
        if (rule[i].given && !rule[i].works)
            return ty_error(TY_EUSAGE, "--%s would change nothing here: %s", rule[i].option,
                            rule[i].advice);
    return ty_ok();
}

static ty_err open_machine(ty_site *p, const ty_options *o)
{
    char cache[1024];
    p->machine_says = "no calibration of this machine: no closed form, and computing takes no time "
                      "in a simulation; `trainyard calibrate` makes one";
    if (o->machine)
        TY_TRY(ty_machine_load(&p->machine, o->machine));
    else if (ty_machine_cache_path(cache, sizeof cache).code || access(cache, R_OK) ||
             ty_machine_load(&p->machine, cache).code || !ty_machine_is_here(&p->machine))
        return ty_ok();
    p->bench.machine = &p->machine;
    if (!strcmp(p->bench.fabric->name, "mpi")) {
        p->machine_says = "no closed form: the calibrated hand-off is that of threads";
        return ty_ok();
    }
    p->machine_says = o->machine ? "closed form: of the machine model that --machine names"
                                 : "closed form: of this machine's calibration";
    return ty_ok();
}

ty_err ty_site_open(ty_site *p, const ty_options *o, int closed_form)
{
    const char *name = o->fabric ? o->fabric : "threads";
    *p = (ty_site){0};
    TY_TRY(ty_fabric_find(name, &p->bench.fabric));
    const int sim = !strcmp(name, "sim"), mpi = !strcmp(name, "mpi");
    TY_TRY(check_effects(o, sim, mpi, closed_form));
    if (ty_inside_mpi() && !mpi)
        return ty_error(TY_EUSAGE,
                        "started by mpirun, but --fabric is %s: use --fabric mpi, or "
                        "start without mpirun",
                        name);
    p->bench.ghost = sim && !o->real;
    p->bench.timeout_s = o->timeout_s;
    return open_machine(p, o);
}

ty_err ty_site_ranks(ty_site *p, const ty_options *o, int ranks)
{
    ty_network network = TY_NET_SHARED;
    p->bench.ranks = ranks;
    p->bench.per_node = (int)o->workers_per_node;
    p->bench.piece_bytes = o->piece_bytes > 0 ? (size_t)o->piece_bytes : 0;
    if (!p->bench.fabric->virtual_time)
        return ty_ok();
    if (o->network)
        TY_TRY(ty_network_find(o->network, &network));
    TY_TRY(ty_platform_open(&p->platform, o->platform ? o->platform : "multicore", network, ranks,
                            (int)o->workers_per_node, p->bench.machine));
    p->bench.platform = &p->platform;
    p->bench.per_node = p->platform.ranks_per_host;
    return ty_ok();
}

void ty_site_close(ty_site *p)
{
    if (p->bench.platform)
        ty_platform_close(&p->platform);
    p->bench.platform = NULL;
}

ty_err ty_site_workers(ty_site *p, const ty_options *o, ty_counts *workers)
{
    long most = 0;
    *workers = o->workers.n ? o->workers : (ty_counts){.v = {2}, .n = 1};
    if (!strcmp(p->bench.fabric->name, "mpi"))
        *workers = (ty_counts){.v = {ty_mpirun_size()}, .n = 1};
    for (size_t i = 0; i < workers->n; i++)
        most = workers->v[i] > most ? workers->v[i] : most;
    TY_TRY(ty_site_ranks(p, o, (int)most));
    ty_site_close(p);
    return ty_ok();
}

static double effort_of(double workers)
{
    return workers * workers;
}

void ty_site_progress_open(ty_site_progress *p, const ty_counts *workers, int runs_of_each)
{
    *p = (ty_site_progress){0};
    ty_progress_open(&p->line);
    for (size_t i = 0; i < workers->n; i++)
        p->planned += runs_of_each * effort_of((double)workers->v[i]);
}

void ty_site_progress_next(ty_site_progress *p, int workers)
{
    p->done += p->current;
    p->current = effort_of(workers);
}

void ty_site_progress_tell(void *progress, double fraction, double none)
{
    ty_site_progress *p = progress;
    ty_progress_tell(&p->line, (p->done + fraction * p->current) / p->planned, none);
}

const char *ty_site_says_mixed(const ty_site *p)
{
    const ty_platform *f = p->bench.platform;
    return f && f->ranks_per_host > 1 && f->ranks_per_host < p->bench.ranks
               ? "closed forms: as if every message went from host to host\n"
               : "";
}

const char *ty_site_name(const ty_site *p, char *text, size_t size)
{
    const ty_platform *f = p->bench.platform;
    if (f)
        snprintf(text, size, "sim %s %s", f->name, ty_network_name[f->network]);
    else
        snprintf(text, size, "%s", p->bench.fabric->name);
    return text;
}

ty_err ty_site_keep_rows(ty_file *csv, ty_err e)
{
    const int complete = !e.code || e.code == TY_EWRONG;
    if (!csv->f)
        return e;
    if (!complete) {
        ty_file_discard(csv);
        return e;
    }
    ty_err w = ty_file_commit(csv);
    return e.code ? e : w;
}

ty_err ty_site_bytes(const ty_options *o, const char *usual, long least, ty_counts *bytes)
{
    *bytes = o->bytes;
    if (!bytes->n)
        TY_TRY(
            ty_parse_counts("--bytes", usual, least, 1L << 31, bytes->v, TY_LIST_MAX, &bytes->n));
    for (size_t i = 0; i < bytes->n; i++)
        if (bytes->v[i] < least)
            return ty_error(TY_EUSAGE, "--bytes: %ld is too small here; use %ld or more",
                            bytes->v[i], least);
    return ty_ok();
}
