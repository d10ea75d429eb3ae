/* SPDX-License-Identifier: MIT
 *
 * bench_step - `bench step`: whole training steps of the reference networks, and where their time goes.
 */
#include "cli/bench.h"

#include "base/file.h"
#include "base/text.h"
#include "cli/setup.h"
#include "experiments/bench_step.h"
#include "kernels/kernels.h"

#include <stdlib.h>
#include <string.h>

/* ---- the table ------------------------------------------------------------------------------- */

static void print_head(FILE *f, int threads, int quick)
{
    char turns[40] = "1 thread";
    if (threads > 1)
        snprintf(turns, sizeof turns, "1 and %d threads in turns", threads);
    fprintf(f,
            "whole training steps: zero gradients, load, forward, loss, backward, SGD with "
            "momentum; %s%s\n"
            "#wrong: losses and parameters that are not bit for bit those of one thread, and 1 "
            "when the loss does not fall\n\n"
            "%-6s %6s %4s %7s %9s  %-27s %8s %7s  %s\n",
            turns, quick ? ", short" : "", "net", "batch", "thr", "#wrong", "Mflop",
            "ms: median (p10..p90)", "Gflop/s", "% peak", "loss");
}

/* Seconds of a kind of part, and of all parts. */
static double seconds_of(const ty_step_line *l, const char *kind)
{
    double sum = 0;
    for (int i = 0; i < l->parts; i++)
        if (!kind || !strcmp(kind, l->part[i].kind))
            sum += l->part[i].seconds;
    return sum;
}

static int seen_before(const ty_step_line *l, int part)
{
    for (int i = 0; i < part; i++)
        if (!strcmp(l->part[i].kind, l->part[part].kind))
            return 1;
    return 0;
}

/* "conv 61 %, linear 20 %, ...": what takes one in a hundred or more, in the order of a step. */
static void print_kinds(FILE *f, const ty_step_line *l)
{
    const double all = seconds_of(l, NULL);
    const char *comma = "";
    fprintf(f, "%14s", "");
    for (int i = 0; i < l->parts; i++) {
        const double share = 100 * seconds_of(l, l->part[i].kind) / all;
        if (seen_before(l, i) || share < 1)
            continue;
        fprintf(f, "%s%s %.0f %%", comma, l->part[i].kind, share);
        comma = ", ";
    }
    fputc('\n', f);
}

static void print_line(FILE *f, const ty_step_line *l)
{
    char time[64];
    fprintf(f, "%-6s %6zu %4d %7zu %9.1f  ", l->network, l->batch, l->threads, l->wrong,
            l->flops / 1e6);
    if (l->wrong) {
        fprintf(f, "no time: the result is wrong\n");
        return;
    }
    snprintf(time, sizeof time, "%.3f (%.3f..%.3f)", 1e3 * l->step_s, 1e3 * l->low, 1e3 * l->high);
    fprintf(f, "%-27s %8.1f %7.0f  %.3f -> %.3f%s\n", time, l->flops / l->step_s / 1e9,
            100 * l->flops / l->step_s / l->peak, l->loss[0], l->loss[1],
            l->disturbed ? "  disturbed" : "");
    print_kinds(f, l);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void write_row(FILE *f, const ty_step_line *l, const char *part, double flops)
{
    fprintf(f, "%s,%zu,%d,%s,%.9g,", l->network, l->batch, l->threads, part, flops);
}

static void write_rows(FILE *f, const ty_step_line *l)
{
    write_row(f, l, "step", l->flops);
    if (l->wrong)
        fprintf(f, ",,,");
    else
        fprintf(f, "%.9g,%.9g,%.9g,", l->step_s, l->low, l->high);
    fprintf(f, "%.9g,%.9g,%ld,%d,%d,%zu,%.9g,%.9g\n", l->peak, l->alone, l->steps, l->dropped,
            l->disturbed, l->wrong, l->loss[0], l->loss[1]);
    for (int i = 0; i < l->parts && !l->wrong; i++) {
        write_row(f, l, l->part[i].name, l->part[i].flops);
        fprintf(f, "%.9g,,,,,,,,,,\n", l->part[i].seconds);
    }
}

/* ---- the command ----------------------------------------------------------------------------- */

static ty_err bench_network(const ty_options *o, int i, int threads, FILE *csv, size_t *wrong)
{
    ty_step_line *line = ty_zalloc(2, sizeof *line);
    int lines = 0;
    ty_err e = ty_bench_steps(i, threads, o->quick, line, &lines);
    for (int at = 0; at < lines && !e.code; at++) {
        print_line(ty_screen(o), &line[at]);
        if (csv)
            write_rows(csv, &line[at]);
        *wrong += line[at].wrong;
    }
    fflush(ty_screen(o));
    free(line);
    return e;
}

static ty_err bench_networks(const ty_options *o, int only, FILE *csv, size_t *wrong)
{
    const int threads = o->threads ? (int)o->threads : ty_kernel_max_threads();
    print_head(ty_screen(o), threads, o->quick);
    if (csv)
        fprintf(csv,
                "network,batch,threads,part,flops,seconds,seconds_p10,seconds_p90,peak_flops,alone,"
                "steps,dropped,disturbed,wrong,loss_first,loss_last\n");
    for (int i = 0; ty_step_network[i]; i++)
        if (only < 0 || i == only)
            TY_TRY(bench_network(o, i, threads, csv, wrong));
    return ty_ok();
}

/* --filter: one network. */
static ty_err find_network(const char *name, int *found)
{
    size_t n = 0;
    *found = -1;
    for (; ty_step_network[n]; n++)
        if (name && !strcmp(name, ty_step_network[n]))
            *found = (int)n;
    return !name || *found >= 0 ? ty_ok() : ty_unknown("network", name, ty_step_network, n, NULL);
}

ty_err ty_bench_step(const ty_options *o)
{
    ty_file csv = {0};
    size_t wrong = 0;
    int only;
    TY_TRY(find_network(o->filter, &only));
    if (o->csv)
        TY_TRY(ty_file_open(&csv, o->csv));
    ty_err e = bench_networks(o, only, csv.f, &wrong);
    if (csv.f && e.code)
        ty_file_discard(&csv);
    else if (csv.f)
        e = ty_file_commit(&csv);
    if (!e.code && wrong)
        e = ty_error(TY_EWRONG,
                     "%zu losses or parameters depend on the number of threads, or a "
                     "loss does not fall",
                     wrong);
    return e;
}
