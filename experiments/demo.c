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
#include "experiments/learnt.h"
#include "kernels/kernels.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EPOCHS = 20, STRATEGIES = 5, SIZES = 8, FULL_MNIST = 60000 };

static const int machines[SIZES] = {1, 2, 3, 4, 8, 16, 32, 64};

static const char *const strategies[STRATEGIES] = {"serial", "data-allreduce", "tensor",
                                                   "pipeline-gpipe", "task-pipeline"};

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
    long epoch = r->evaluations > 0 ? r->evaluation[0].step
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
        for (size_t i = 0; i < SIZES; i++) {
            if (!worth_trying(strategies[s], machines[i]) || site->n == TY_SITE_CASES)
                continue;
            ty_case *c = &site->cases[site->n++];
            *c = new_case(strategies[s], machines[i], 0);
            ty_case_run(c, &p);
            draw(&task, (double)(s * SIZES + (int)i + 1) / (STRATEGIES * SIZES + 1), 0);
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
    fprintf(f, "%-15s", "machines");
    for (int k = 0; k < n; k++, fputs(k < n ? "   |" : "\n", f))
        for (int i = 0; i < SIZES; i++)
            fprintf(f, " %6d", machines[i]);
    for (int s = 1; s < STRATEGIES; s++) {
        fprintf(f, "%-15s", strategies[s]);
        for (int k = 0; k < n; k++, fputs(k < n ? "   |" : "\n", f))
            for (int i = 0; i < SIZES; i++) {
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

/* ---- output ---------------------------------------------------------------------------------- */

static ty_err plot_sites(const ty_demo_options *o, const ty_site *site, int n)
{
    ty_row *rows = ty_zalloc(2 * TY_SITE_CASES, sizeof *rows);
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
        ty_learnt_print(o->text, local, n, site);
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
