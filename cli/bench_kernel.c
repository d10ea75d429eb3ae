/* SPDX-License-Identifier: MIT
 *
 * bench_kernel - `bench kernel`: the roof of this machine, then every kernel checked, rated and held against it.
 */
#include "experiments/bench_kernel.h"

#include "base/file.h"
#include "base/text.h"
#include "cli/bench.h"
#include "cli/setup.h"
#include "experiments/bench_peer.h"
#include "experiments/output.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 25, QUICK_ROUNDS = 11 };

typedef struct bench {
    FILE *screen, *csv;
    int threads;
    ty_roof roof[2]; /* of one thread, and of all */
    size_t roofs;
    ty_kernel_line *line;
    size_t lines, room;
} bench;

/* ---- the roof -------------------------------------------------------------------------------- */

static void measure_roofs(bench *b, ty_ruler *ruler, int quick)
{
    const double most = quick ? 1 << 28 : 0;
    if (b->threads > 1) {
        ty_ruler_open(ruler, 1);
        ty_kernel_bind(0);
        ty_roof_measure(&b->roof[b->roofs++], ruler, most);
    }
    ty_ruler_open(ruler, b->threads);
    ty_kernel_bind(0);
    ty_roof_measure(&b->roof[b->roofs++], ruler, most);
}

static void print_roofs(const bench *b)
{
    FILE *f = b->screen;
    char size[32];
    fprintf(f, "%-34s", "roof");
    for (size_t r = 0; r < b->roofs; r++)
        fprintf(f, " %3d thread%s ", b->roof[r].threads, b->roof[r].threads == 1 ? " " : "s");
    fprintf(f, "\n%-34s", "  multiply-adds on registers");
    for (size_t r = 0; r < b->roofs; r++)
        fprintf(f, " %8.1f Gflop/s", b->roof[r].flops / 1e9);
    for (int l = TY_L1; l < TY_LEVELS; l++) {
        const double bytes = ty_roof_typical(&b->roof[b->roofs - 1], l);
        fprintf(f, "\n  triad over %-9s %-12s", ty_show(size, sizeof size, bytes, "B"),
                ty_level_name[l]);
        for (size_t r = 0; r < b->roofs; r++)
            fprintf(f, " %8.1f GB/s   ", ty_roof_bandwidth(&b->roof[r], bytes) / 1e9);
    }
    fputc('\n', f);
    for (size_t r = 0; r < b->roofs; r++)
        if (b->roof[r].disturbed)
            fprintf(f, "  disturbed: %d of %d sizes of %d thread%s\n", b->roof[r].disturbed,
                    b->roof[r].points, b->roof[r].threads, b->roof[r].threads == 1 ? "" : "s");
}

static ty_err write_roofs(const bench *b, const char *dir)
{
    char path[1100];
    ty_file w;
    snprintf(path, sizeof path, "%s/roof.csv", dir);
    TY_TRY(ty_file_open(&w, path));
    fprintf(w.f, "threads,flop_per_s,triad_bytes,level,triad_byte_per_s\n");
    for (size_t r = 0; r < b->roofs; r++)
        for (int i = 0; i < b->roof[r].points; i++)
            fprintf(w.f, "%d,%.9g,%.9g,%s,%.9g\n", b->roof[r].threads, b->roof[r].flops,
                    b->roof[r].bytes[i],
                    ty_level_name[ty_roof_level(&b->roof[r], b->roof[r].bytes[i])],
                    b->roof[r].bandwidth[i]);
    return ty_file_commit(&w);
}

/* ---- the lines ------------------------------------------------------------------------------- */

static void print_head(const bench *b, int rounds)
{
    fprintf(b->screen,
            "\n%d thread%s; %d samples a line: median (p10..p90); arrays are where the call before "
            "left them\n"
            "roof: least time by the roofline / time; #wrong: elements off by more than rounding "
            "from a naive reference in double\n%s\n\n",
            b->threads, b->threads == 1 ? "" : "s", rounds, ty_peer_open(b->threads));
    fprintf(b->screen, "%-14s %-31s %9s %6s %10s %21s %8s %7s %11s %8s %6s\n", "kernel", "shape",
            "footprint", "#wrong", "time us", "(p10..p90)", "Gflop/s", "GB/s", "roof", "OpenBLAS",
            "ratio");
}

static void print_line(FILE *f, const ty_kernel_line *l)
{
    char size[32], spread[40], roof[32], peer[16] = "", ratio[16] = "";
    fprintf(f, "%-14s %-31s %9s %6zu", l->kernel, l->shape,
            ty_show(size, sizeof size, l->footprint, "B"), l->wrong);
    if (l->wrong) {
        fprintf(f, "   no rate: of %zu elements %zu are wrong\n", l->elements, l->wrong);
        return;
    }
    snprintf(spread, sizeof spread, "(%.2f..%.2f)", 1e6 * l->low, 1e6 * l->high);
    snprintf(roof, sizeof roof, "%.0f %% %s", 100 * l->roof_s / l->seconds, l->bound);
    if (l->peer_s > 0) {
        snprintf(peer, sizeof peer, "%.1f", l->flops / l->peer_s / 1e9);
        snprintf(ratio, sizeof ratio, "%.2f", l->peer_s / l->seconds);
    }
    fprintf(f, " %10.2f %21s %8.1f %7.1f %11s %8s %6s%s\n", 1e6 * l->seconds, spread,
            l->flops / l->seconds / 1e9, l->bytes / l->seconds / 1e9, roof, peer, ratio,
            l->disturbed ? "  disturbed" : "");
}

static void csv_head(FILE *f)
{
    fprintf(f, "kernel,class,shape,threads,wrong,seconds,seconds_p10,seconds_p90,flops,bytes,"
               "footprint,flop_per_s,byte_per_s,roof_s,roof_share,bound,openblas_s,disturbed\n");
}

static void csv_line(FILE *f, const ty_kernel_line *l, int threads)
{
    fprintf(f, "%s,%s,%s,%d,%zu,", l->kernel, l->kind, l->shape, threads, l->wrong);
    if (l->wrong) {
        fprintf(f, ",,,%.9g,%.9g,%.9g,,,,,,,\n", l->flops, l->bytes, l->footprint);
        return;
    }
    fprintf(f, "%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%s,", l->seconds, l->low, l->high,
            l->flops, l->bytes, l->footprint, l->flops / l->seconds, l->bytes / l->seconds,
            l->roof_s, l->roof_s / l->seconds, l->bound);
    if (l->peer_s > 0)
        fprintf(f, "%.9g", l->peer_s);
    fprintf(f, ",%d\n", l->disturbed);
}

static void each(void *arg, const ty_kernel_line *l)
{
    bench *b = arg;
    if (b->lines == b->room) {
        b->room = b->room ? 2 * b->room : 64;
        b->line = realloc(b->line, b->room * sizeof *b->line);
        TY_CHECK(b->line, "out of memory for %zu lines", b->room);
    }
    b->line[b->lines++] = *l;
    print_line(b->screen, l);
    fflush(b->screen);
    if (b->csv)
        csv_line(b->csv, l, b->threads);
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Geometric mean of OpenBLAS's time over ours, of one kernel or (NULL) of all that have a peer; disturbed lines count only when
 * there are no others. Returns how many went in. */
static size_t ratio_to_peer(const bench *b, const char *kernel, int disturbed, double *mean)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < b->lines; i++) {
        const ty_kernel_line *l = &b->line[i];
        if (l->peer_s <= 0 || l->wrong || l->disturbed > disturbed ||
            (kernel && strcmp(kernel, l->kernel)))
            continue;
        sum += log(l->peer_s / l->seconds);
        n++;
    }
    *mean = n ? exp(sum / (double)n) : 0;
    return n;
}

static void print_ratios(const bench *b)
{
    const char *last = "";
    double mean;
    const int all = !ratio_to_peer(b, NULL, 0, &mean);
    const size_t n = ratio_to_peer(b, NULL, all, &mean);
    if (!n)
        return;
    fprintf(b->screen, "\nOpenBLAS's time / ours, geometric mean over %zu %sline%s: %.3f", n,
            all ? "disturbed " : "undisturbed ", n == 1 ? "" : "s", mean);
    for (size_t i = 0; i < b->lines; i++)
        if (strcmp(last, b->line[i].kernel) &&
            ratio_to_peer(b, last = b->line[i].kernel, all, &mean))
            fprintf(b->screen, "; %s %.3f", last, mean);
    fputc('\n', b->screen);
}

static void print_disturbed(const bench *b, const ty_ruler *ruler)
{
    size_t n = 0, again = 0;
    for (size_t i = 0; i < b->lines; i++) {
        n += b->line[i].disturbed != 0;
        again += b->line[i].again > 0;
    }
    fprintf(b->screen,
            "%sdisturbed: %zu of %zu lines (%zu were measured again): a ruler before or after was "
            "below %.1f x that of one thread (%.1f Gflop/s), or something else was given a "
            "processor\n",
            b->lines ? "" : "\n", n, b->lines, again, 0.9 * ruler->processors, ruler->one / 1e9);
}

static ty_err finish(bench *b, const char *dir, const ty_ruler *ruler)
{
    char title[120];
    size_t wrong = 0;
    for (size_t i = 0; i < b->lines; i++)
        wrong += b->line[i].wrong;
    print_ratios(b);
    print_disturbed(b, ruler);
    if (dir) {
        TY_TRY(write_roofs(b, dir));
        snprintf(title, sizeof title, "kernels with %d thread%s under this machine's roofs",
                 b->threads, b->threads == 1 ? "" : "s");
        ty_err e = ty_plot_roofline(dir, title, &b->roof[b->roofs - 1], b->line, b->lines);
        if (e.code)
            fprintf(b->screen, "no plot: %s\n", e.msg);
        fprintf(b->screen, "files         %s/: %sroof.csv kernels.csv\n", dir,
                e.code ? "" : "roofline.svg ");
    }
    return wrong ? ty_error(TY_EWRONG, "%zu elements differ from the naive reference", wrong)
                 : ty_ok();
}

static ty_err measure(bench *b, const ty_options *o, ty_ruler *ruler)
{
    const int rounds = o->quick ? QUICK_ROUNDS : ROUNDS;
    ty_peer_open(b->threads); /* first: its threads may run anywhere */
    measure_roofs(b, ruler, o->quick);
    print_roofs(b);
    print_head(b, rounds);
    ty_kernel_bench_run(&(ty_kernel_bench){.roof = &b->roof[b->roofs - 1],
                                           .ruler = ruler,
                                           .rounds = rounds,
                                           .quick = o->quick,
                                           .filter = o->filter,
                                           .each = each,
                                           .arg = b});
    return finish(b, o->out, ruler);
}

static ty_err open_csv(const char *path, ty_file *w)
{
    TY_TRY(ty_file_open(w, path));
    csv_head(w->f);
    return ty_ok();
}

/* The rows of --out's kernels.csv, again. */
static ty_err write_rows(const bench *b, const char *dir)
{
    char path[1100];
    ty_file w;
    snprintf(path, sizeof path, "%s/kernels.csv", dir);
    TY_TRY(open_csv(path, &w));
    for (size_t i = 0; i < b->lines; i++)
        csv_line(w.f, &b->line[i], b->threads);
    return ty_file_commit(&w);
}

ty_err ty_bench_kernel(const ty_options *o)
{
    ty_ruler ruler;
    ty_file csv = {0};
    bench b = {.screen = ty_screen(o), .threads = o->threads ? (int)o->threads : 1};
    if (o->filter)
        TY_TRY(ty_kernel_filter_check(o->filter));
    if (o->out)
        TY_TRY(ty_make_dir(o->out));
    if (o->csv)
        TY_TRY(open_csv(o->csv, &csv));
    b.csv = csv.f;
    ty_err e = measure(&b, o, &ruler), w = ty_ok();
    if (csv.f)
        w = ty_file_commit(&csv);
    if (o->out && !w.code)
        w = write_rows(&b, o->out);
    free(b.line);
    return e.code ? e : w;
}
