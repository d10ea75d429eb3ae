/* SPDX-License-Identifier: MIT
 *
 * demo - the whole loop on real digits: train by every kind of parallelism, predict the same, predict clusters, and say what
 * was learnt.
 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "base/text.h"
#include "experiments/child.h"
#include "experiments/compare.h"
#include "kernels/kernels.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EPOCHS = 20, MACHINES = 7, STRATEGIES = 5, FULL_MNIST = 60000 };

static const char *const strategies[STRATEGIES] = {"serial", "data-allreduce", "tensor",
                                                   "pipeline-gpipe", "task-pipeline"};

/* A cluster to predict, and the batch it works on. */
typedef struct ty_site {
    const char *title, *platform;
    size_t batch;
    ty_case cases[STRATEGIES * MACHINES];
    int n;
} ty_site;

/* ---- progress -------------------------------------------------------------------------------- */

typedef struct ty_task {
    const ty_demo_options *demo;
    char what[64];
    double start;
    int drawn;
} ty_task;

static void draw(void *arg, double fraction, double loss)
{
    ty_task *t = arg;
    double gone = ty_clock() - t->start;
    if (t->demo->quiet || !isatty(2))
        return;
    t->drawn = 1;
    fprintf(stderr, "\r  %-34s %3.0f %%  loss %.3f  %3.0f s left ", t->what, 100 * fraction, loss,
            fraction > 0 ? gone * (1 - fraction) / fraction : 0);
    fflush(stderr);
}

static void erase(const ty_task *t)
{
    if (t->drawn)
        fprintf(stderr, "\r%78s\r", "");
}

/* ---- real training on this machine ----------------------------------------------------------- */

static ty_case new_case(const char *strategy, int workers, int threads)
{
    return (ty_case){.strategy = strategy, .workers = workers, .threads = threads};
}

/* One case a kind of parallelism, as many workers as there are cores (task parallelism: one for each task). */
static int local_cases(ty_case *c)
{
    int cores = ty_kernel_max_threads(), n = 0, tensor, stages = cores < 3 ? cores : 3;
    tensor = ty_power_below(cores < 64 ? cores : 64, NULL);
    c[n++] = new_case("serial", 1, 1);
    if (cores > 1)
        c[n++] = new_case("serial", 1, cores);
    c[n++] = new_case("data-allreduce", cores, 1);
    c[n++] = new_case("tensor", tensor, 1);
    c[n++] = new_case("pipeline-gpipe", stages, 1);
    c[n++] = new_case("task-pipeline", 3, 1);
    return n;
}

static void report_training(FILE *f, const ty_case *c, const ty_case *serial)
{
    const ty_result *r = &c->measured;
    double worst = 0;
    if (!r->loss || !r->row.ok) {
        fprintf(f, "  %-15s %4d %3d  %s\n", c->strategy, c->workers, c->threads,
                c->refused.code ? c->refused.msg : r->row.message);
        return;
    }
    long epoch = r->epochs > 0 ? r->steps / r->epochs
                               : r->steps; /* later, rounding grows as training is chaotic */
    for (long i = 0; i < epoch && serial->measured.loss && i < serial->measured.steps; i++)
        worst = fmax(worst, fabs(r->loss[i] - serial->measured.loss[i]));
    fprintf(f, "  %-15s %4d %3d  %6ld %8.1f s   %6.3f   %7.4f  %9.2f %%   %16.1g\n", c->strategy,
            c->workers, c->threads, r->steps, r->wall_s, r->loss[0], r->row.loss,
            100 * r->row.accuracy, worst);
}

static void train_locally(const ty_demo_options *o, const ty_point *base, ty_case *cases, int n)
{
    fprintf(o->text, "  %-15s %4s %3s  %6s %10s   %6s   %7s  %11s   %16s\n", "strategy", "N", "T",
            "steps", "wall time", "loss 0", "at end", "test digits", "off serial's *");
    for (int i = 0; i < n; i++) {
        ty_task task = {.demo = o, .start = ty_clock()};
        ty_point p = *base;
        snprintf(task.what, sizeof task.what, "%s, %d x %d threads", cases[i].strategy,
                 cases[i].workers, cases[i].threads);
        p.progress = draw;
        p.progress_arg = &task;
        ty_case_run(&cases[i], &p);
        erase(&task);
        report_training(o->text, &cases[i], &cases[0]);
    }
}

/* Serial once more on the images as they are. */
static void train_plain(const ty_demo_options *o, const ty_point *base)
{
    ty_result r;
    ty_point p = *base;
    p.strategy = "serial";
    p.workers = 1;
    p.plain = 1;
    ty_err e = ty_point_run(&p, &r);
    if (e.code || !r.row.ok)
        fprintf(o->text, "  without shift and rotation: %s\n", e.code ? e.msg : r.row.message);
    else
        fprintf(o->text,
                "  %-15s %4d %3d  %6ld %8.1f s   %6.3f   %7.4f  %9.2f %%   without shift and "
                "rotation\n",
                "serial", 1, r.row.threads, r.steps, r.wall_s, r.loss[0], r.row.loss,
                100 * r.row.accuracy);
    fprintf(o->text, "  * largest difference of a batch's loss from serial's in the first epoch: "
                     "rounding of other orders of sums\n");
    ty_result_free(&r);
}

/* ---- clusters -------------------------------------------------------------------------------- */

/* Can the strategy be tried on w machines here? A pipeline of three layers takes 1, 2 and 3, others powers of two. */
static int worth_trying(const char *strategy, int w)
{
    return !strcmp(strategy, "serial")           ? w == 1
           : !strcmp(strategy, "pipeline-gpipe") ? w <= 4
                                                 : w != 3;
}

static void simulate_site(const ty_demo_options *o, const ty_point *base, ty_site *site)
{
    static const int machines[] = {1, 2, 3, 4, 8, 16, 32, 64};
    ty_task task = {.demo = o, .start = ty_clock()};
    ty_point p = *base;
    p.fabric = "sim";
    p.platform = site->platform;
    p.network = TY_NET_SHARED;
    p.batch = site->batch;
    p.epochs = 0;
    p.ghost = 1;
    p.threads = 0;
    p.trace_steps = 0;
    snprintf(task.what, sizeof task.what, "simulating %s", site->title);
    for (int s = 0; s < STRATEGIES; s++)
        for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
            if (!worth_trying(strategies[s], machines[i]) || site->n == STRATEGIES * MACHINES)
                continue;
            ty_case *c = &site->cases[site->n++];
            *c = new_case(strategies[s], machines[i], 0);
            ty_case_run(c, &p);
            draw(&task, (double)(s * MACHINES + (int)i + 1) / (STRATEGIES * MACHINES + 1), 0);
        }
    erase(&task);
    ty_cases_compare(site->cases, site->n, o->machine->cores);
}

static const ty_case *find_case(const ty_site *site, const char *strategy, int workers)
{
    for (int i = 0; i < site->n; i++)
        if (!strcmp(site->cases[i].strategy, strategy) && site->cases[i].workers == workers)
            return &site->cases[i];
    return NULL;
}

/* Speedup of each strategy against machines: columns of both sites side by side. */
static void print_sites(FILE *f, const ty_site *site, int n)
{
    static const int machines[] = {1, 2, 3, 4, 8, 16, 32, 64};
    fprintf(f, "%-15s", "machines");
    for (int k = 0; k < n; k++, fputs(k < n ? "   |" : "\n", f))
        for (int i = 0; i < 8; i++)
            fprintf(f, " %6d", machines[i]);
    for (int s = 1; s < STRATEGIES; s++) {
        fprintf(f, "%-15s", strategies[s]);
        for (int k = 0; k < n; k++, fputs(k < n ? "   |" : "\n", f))
            for (int i = 0; i < 8; i++) {
                const ty_case *c = find_case(&site[k], strategies[s], machines[i]);
                const ty_row *row = c ? ty_case_row(c) : NULL;
                if (row && row->ok && isfinite(row->speedup))
                    fprintf(f, " %5.2fx", row->speedup);
                else
                    fprintf(f, " %6s", c && c->refused.code ? "no" : ".");
            }
    }
}

/* The first reason of each strategy that refused. */
static void print_refusals(FILE *f, const ty_site *site)
{
    for (int s = 0; s < STRATEGIES; s++)
        for (int i = 0; i < site->n; i++)
            if (!strcmp(site->cases[i].strategy, strategies[s]) && site->cases[i].refused.code) {
                fprintf(f, "no: %s\n", site->cases[i].refused.msg);
                break;
            }
}

/* ---- what was learnt ------------------------------------------------------------------------- */

static const ty_row *best_row(const ty_case *cases, int n, int no_serial)
{
    const ty_row *best = NULL;
    for (int i = 0; i < n; i++) {
        const ty_row *row = ty_case_row(&cases[i]);
        if (!row || !row->ok || !isfinite(row->speedup) ||
            (no_serial && !strcmp(row->strategy, "serial")))
            continue;
        if (!best || row->step_s < best->step_s)
            best = row;
    }
    return best;
}

/* The fewest machines on which data-allreduce communicates longer than it computes; 0: never. */
static int takes_over(const ty_site *site)
{
    for (int i = 0; i < site->n; i++) {
        const ty_row *row = ty_case_row(&site->cases[i]);
        if (row && !strcmp(row->strategy, "data-allreduce") && row->comm_exposed_s > row->compute_s)
            return row->workers;
    }
    return 0;
}

static void say_who_won(FILE *f, const ty_case *cases, int n)
{
    const ty_row *best = best_row(cases, n, 0), *serial = ty_case_row(&cases[0]);
    char a[32], b[32];
    if (!best || !serial || !serial->ok)
        return;
    fprintf(f, "1. On this machine %s with %d worker%s of %d thread%s was fastest: %s a step",
            best->strategy, best->workers, best->workers > 1 ? "s" : "", best->threads,
            best->threads > 1 ? "s" : "", ty_show(a, sizeof a, best->step_s, "s"));
    if (best != serial)
        fprintf(f, ", %.2fx serial on one thread (%s)", serial->step_s / best->step_s,
                ty_show(b, sizeof b, serial->step_s, "s"));
    fputs(".\n", f);
}

static void say_where_time_went(FILE *f, const ty_case *cases, int n)
{
    const ty_row *worst = NULL, *best = best_row(cases, n, 1);
    for (int i = 0; i < n; i++) {
        const ty_row *row = ty_case_row(&cases[i]);
        if (row && row->ok && row->workers > 1 &&
            (!worst || row->compute_s / row->step_s < worst->compute_s / worst->step_s))
            worst = row;
    }
    if (!worst || !best)
        return;
    fprintf(f,
            "2. %s with %d workers spent %.0f %% of a step computing; %s lost most: %.0f %% of its "
            "step went to exposed "
            "communication and %.0f %% to waiting for others.\n",
            best->strategy, best->workers, 100 * best->compute_s / best->step_s, worst->strategy,
            100 * worst->comm_exposed_s / worst->step_s, 100 * worst->wait_s / worst->step_s);
}

static void say_at(char *buf, size_t size, const ty_site *site)
{
    int w = takes_over(site);
    if (w)
        snprintf(buf, size, "from %d machines on", w);
    else
        snprintf(buf, size, "nowhere up to 64 machines");
}

static void say_best(char *buf, size_t size, const ty_site *site)
{
    const ty_row *best = best_row(site->cases, site->n, 0);
    if (!best || best->workers == 1 || !(best->speedup > 1.01))
        snprintf(buf, size, "no strategy beat one machine");
    else
        snprintf(buf, size, "%s on %d machines was best, %.1fx", best->strategy, best->workers,
                 best->speedup);
}

static void say_what_scales(FILE *f, const ty_site *site)
{
    fprintf(
        f,
        "3. Communication took over (data-allreduce: exposed communication longer than computing)");
    for (int i = 0; i < 2; i++) {
        char when[64], best[96];
        say_at(when, sizeof when, &site[i]);
        say_best(best, sizeof best, &site[i]);
        fprintf(f, "%s %s at %s, where %s", i ? ", and" : "", when, site[i].title, best);
    }
    fputs(".\n", f);
}

/* ---- output ---------------------------------------------------------------------------------- */

static ty_err plot_sites(const ty_demo_options *o, const ty_site *site, int n)
{
    ty_row *rows = ty_zalloc(2 * STRATEGIES * MACHINES, sizeof *rows);
    size_t k = 0;
    for (int j = 0; j < n; j++)
        for (int i = 0; i < site[j].n; i++)
            if (ty_case_row(&site[j].cases[i]))
                rows[k++] = *ty_case_row(&site[j].cases[i]);
    ty_output_rows(o->out, rows, k);
    ty_err e =
        ty_plot_speedup(o->out->dir, "speedup", "simulated clusters of this machine", rows, k);
    free(rows);
    return e;
}

static void say_plots(const ty_demo_options *o, ty_err e)
{
    static const char *const name[] = {"breakdown", "loss", "speedup"};
    fprintf(o->text, "\nplots and figures in %s:", o->out->dir);
    for (int i = 0; i < 3; i++)
        if (ty_plot_exists(o->out->dir, name[i]))
            fprintf(o->text, " %s.svg", name[i]);
    fprintf(o->text, " rows.csv run.json\n");
    if (e.code)
        fprintf(o->text, "%s\n", e.msg);
}

/* ---- the demo -------------------------------------------------------------------------------- */

static ty_err demo_local(const ty_demo_options *o, const ty_problem *q, ty_case *cases, int n)
{
    ty_point base = {.problem = q,
                     .machine = o->machine,
                     .fabric = "threads",
                     .ghost = -1,
                     .epochs = EPOCHS,
                     .trace_steps = 3};
    fprintf(o->text,
            "Training %s on %u real digits, %ld epochs, random shift and rotation, tested on %u:\n",
            q->workload->name, q->data.train.n, base.epochs, q->data.test.n);
    train_locally(o, &base, cases, n);
    train_plain(o, &base);
    ty_cases_compare(cases, n, o->machine->cores);
    fprintf(o->text, "\nThe four numbers, ");
    ty_cases_print(o->text, cases, n, o->machine);
    fprintf(o->text, "simulated against measured: median error %.1f %%\n",
            100 * ty_cases_median_error(cases, n));
    for (int i = 0; i < n; i++)
        if (cases[i].measured.here && !cases[i].measured.row.ok)
            return ty_error(TY_EWRONG, "%s: %s", cases[i].strategy, cases[i].measured.row.message);
    return cases[0].refused;
}

static void demo_sites(const ty_demo_options *o, ty_problem *q, ty_site *site)
{
    ty_point base = {.problem = q, .machine = o->machine};
    ty_problem_pretend(q, FULL_MNIST);
    for (int i = 0; i < 2; i++)
        simulate_site(o, &base, &site[i]);
    fprintf(o->text,
            "\nSimulated on clusters of machines like this one (%d cores each, %s rates, network "
            "shared), speedup against "
            "one machine:\n%15s %-55s | %s\n",
            o->machine->cores, ty_origin_name(o->machine->origin), "", site[0].title,
            site[1].title);
    print_sites(o->text, site, 2);
    print_refusals(o->text, &site[1]);
}

ty_err ty_demo(const ty_demo_options *o)
{
    ty_problem q;
    ty_workload_options w = {0};
    ty_case local[8] = {0};
    int n = local_cases(local);
    ty_site *site = ty_zalloc(2, sizeof *site);
    site[0].title = "1 Gb/s, batch 128", site[0].batch = 128;
    site[0].platform = "cluster:nodes=64,bandwidth=1Gbps,latency=50us";
    site[1].title = "100 Gb/s, batch 8192", site[1].batch = 8192;
    site[1].platform = "cluster:nodes=64,bandwidth=100Gbps,latency=5us";

    ty_err e = ty_problem_open(&q, "mnist-mlp", &w);
    if (e.code) {
        free(site);
        return e;
    }
    e = demo_local(o, &q, local, n);
    if (!e.code) {
        demo_sites(o, &q, site);
        ty_err a = ty_cases_write(o->out, local, n,
                                  &(ty_point){.machine = o->machine, .epochs = EPOCHS},
                                  "real training on this machine, batch 128"),
               b = plot_sites(o, site, 2);
        say_plots(o, a.code ? a : b);
        fprintf(o->text, "\nWhat was learnt:\n");
        say_who_won(o->text, local, n);
        say_where_time_went(o->text, local, n);
        say_what_scales(o->text, site);
        const char *quote = strchr(program_invocation_name, ' ') ? "\"" : "";
        fprintf(
            o->text,
            "\nnext: %s%s%s compare --strategy data-allreduce,tensor --workers 1..64*2 \\\n"
            "          --fabric sim --platform cluster:nodes=64,bandwidth=10Gbps,latency=20us\n",
            quote, program_invocation_name, quote);
    }
    for (int i = 0; i < n; i++)
        ty_case_free(&local[i]);
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < site[k].n; i++)
            ty_case_free(&site[k].cases[i]);
    free(site);
    ty_problem_close(&q);
    return e;
}
