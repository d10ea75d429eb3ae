/* SPDX-License-Identifier: MIT
 *
 * bench_collective - `bench collective`: the table of experiments/bench_collective.
 */
#include "experiments/bench_collective.h"

#include "base/file.h"
#include "base/text.h"
#include "cli/bench.h"
#include "cli/bench_site.h"
#include "cli/setup.h"

#include <stdlib.h>
#include <string.h>

static const char USUAL_BYTES[] = "8..67108864*4";

typedef struct bench {
    FILE *screen, *csv;
    char place[320];
    ty_collective_line *line;
    size_t lines, room, wrong, disturbed;
    ty_site_progress progress;
} bench;

static void print_head(const bench *b, const ty_site *p, int workers)
{
    fprintf(b->screen,
            "%s, %d workers; median (p10..p90) of the slowest worker, each sample behind a "
            "barrier%s\n"
            "algbw = bytes / time; busbw: what a link carries (factors of nccl-tests); #wrong: "
            "elements that are not the exact sum or copy\n%s\n%s\n",
            b->place, workers, p->bench.fabric->virtual_time ? "; one simulated run is exact" : "",
            p->machine_says, ty_site_says_mixed(p));
    fprintf(b->screen, "%-15s %-18s %10s %12s %24s %9s %9s %8s %12s\n", "operation", "algorithm",
            "bytes", "time us", "(p10..p90)", "algbw", "busbw", "#wrong", "closed form");
    fprintf(b->screen, "%-15s %-18s %10s %12s %24s %9s %9s %8s %12s\n", "", "", "", "", "", "GB/s",
            "GB/s", "", "us");
}

static void print_line(FILE *f, const ty_collective_line *l)
{
    const ty_bench_times *t = &l->times;
    char spread[40], form[24] = "-", wrong[24] = "-", alg[24] = "", bus[24] = "";
    const double rate = (double)l->bytes / t->seconds / 1e9;
    snprintf(spread, sizeof spread, "(%.2f..%.2f)", 1e6 * t->low, 1e6 * t->high);
    if (l->checked)
        snprintf(wrong, sizeof wrong, "%zu", t->wrong);
    if (l->closed_form_s > 0)
        snprintf(form, sizeof form, "%.2f", 1e6 * l->closed_form_s);
    if (l->bytes && t->seconds > 0) {
        const double link = rate * ty_bus_factor(l->collective->op, l->workers);
        snprintf(alg, sizeof alg, "%.*f", rate < 0.1 ? 5 : 3, rate);
        snprintf(bus, sizeof bus, "%.*f", link < 0.1 ? 5 : 3, link);
    }
    fprintf(f, "%-15s %-18s %10zu", ty_operation_name[l->collective->op], l->collective->name,
            l->bytes);
    if (t->wrong)
        fprintf(f, "   no time: %zu elements are wrong\n", t->wrong);
    else
        fprintf(f, " %12.2f %24s %9s %9s %8s %12s%s\n", 1e6 * t->seconds, spread, alg, bus, wrong,
                form, t->disturbed ? "  disturbed" : "");
}

static void csv_head(FILE *f)
{
    fprintf(f, "operation,algorithm,fabric,workers,bytes,seconds,seconds_p10,seconds_p90,algbw,"
               "busbw,wrong,closed_form_s,disturbed\n");
}

static void csv_line(FILE *f, const char *place, const ty_collective_line *l)
{
    const ty_bench_times *t = &l->times;
    const double rate = t->seconds > 0 ? (double)l->bytes / t->seconds : 0;
    fprintf(f, "%s,%s,\"%s\",%d,%zu,", ty_operation_name[l->collective->op], l->collective->name,
            place, l->workers, l->bytes);
    if (t->wrong)
        fprintf(f, ",,,,,");
    else
        fprintf(f, "%.9g,%.9g,%.9g,%.9g,%.9g,", t->seconds, t->low, t->high, rate,
                rate * ty_bus_factor(l->collective->op, l->workers));
    if (l->checked)
        fprintf(f, "%zu", t->wrong);
    fputc(',', f);
    if (l->closed_form_s > 0)
        fprintf(f, "%.9g", l->closed_form_s);
    fprintf(f, ",%d\n", t->disturbed);
}

static void each(void *arg, const void *line)
{
    bench *b = arg;
    const ty_collective_line *l = line;
    ty_progress_clear(&b->progress.line);
    print_line(b->screen, l);
    fflush(b->screen);
    if (b->csv)
        csv_line(b->csv, b->place, l);
    if (b->lines == b->room) {
        b->room = b->room ? 2 * b->room : 64;
        b->line = realloc(b->line, b->room * sizeof *b->line);
        TY_CHECK(b->line, "out of memory for %zu lines", b->room);
    }
    b->line[b->lines++] = *l;
    b->wrong += l->times.wrong;
    b->disturbed += l->times.disturbed != 0;
}

static ty_err one_count(bench *b, ty_site *p, const ty_options *o, const ty_counts *bytes,
                        int workers)
{
    TY_TRY(ty_site_ranks(p, o, workers));
    ty_site_name(p, b->place, sizeof b->place);
    if (ty_setup_speaks())
        print_head(b, p, workers);
    ty_err e = ty_collective_bench_run(
        &(ty_collective_bench){.place = p->bench,
                               .filter = o->filter,
                               .bytes = bytes->v,
                               .sizes = bytes->n,
                               .quick = o->quick,
                               .each = each,
                               .arg = b,
                               .progress = o->quiet ? NULL : ty_site_progress_tell,
                               .progress_arg = &b->progress});
    ty_site_close(p);
    if (ty_setup_speaks())
        fputc('\n', b->screen);
    return e;
}

static ty_err finish(const bench *b, const ty_site *p)
{
    if (!ty_setup_speaks())
        return ty_ok();
    if (!p->bench.fabric->virtual_time)
        fprintf(b->screen, "disturbed: %zu of %zu lines\n", b->disturbed, b->lines);
    return b->wrong ? ty_error(TY_EWRONG, "%zu elements are wrong", b->wrong) : ty_ok();
}

/* ---- what it leaves behind ------------------------------------------------------------------- */

static ty_err write_rows(const bench *b, const char *dir)
{
    char path[1100];
    ty_file w;
    snprintf(path, sizeof path, "%s/collective.csv", dir);
    TY_TRY(ty_file_open(&w, path));
    csv_head(w.f);
    for (size_t i = 0; i < b->lines; i++)
        csv_line(w.f, b->place, &b->line[i]);
    return ty_file_commit(&w);
}

/* "sim ethernet shared, alpha 48.0 us, B 118 MB/s, additions of the machine model" */
static void describe(const bench *b, const ty_site *p, char *note, size_t size)
{
    const ty_net net = b->lines ? b->line[b->lines - 1].costing.net : (ty_net){0};
    char alpha[32], beta[32];
    size_t used = (size_t)snprintf(note, size, "%.100s", b->place);
    if (net.beta > 0)
        used += (size_t)snprintf(note + used, size - used, ", alpha %s, B %s",
                                 ty_show(alpha, sizeof alpha, net.alpha, "s"),
                                 ty_show(beta, sizeof beta, net.beta, "B/s"));
    if (p->bench.fabric->virtual_time)
        snprintf(note + used, size - used, ", additions %s",
                 p->bench.machine ? "of the machine model" : "take no time");
}

static ty_err leave(bench *b, const ty_site *p, ty_output *out)
{
    char note[240], dir[sizeof out->dir];
    memcpy(dir, out->dir, sizeof dir);
    if (!*dir)
        return ty_ok();
    TY_TRY(write_rows(b, dir));
    describe(b, p, note, sizeof note);
    ty_err e =
        ty_plot_collectives(dir, note, p->bench.fabric->virtual_time, b->line, b->lines, b->screen);
    if (e.code)
        fprintf(b->screen, "no plot: %s\n", e.msg);
    TY_TRY(ty_output_close(out, NULL, NULL));
    ty_print_files(b->screen, dir);
    return ty_ok();
}

/* ---- the run --------------------------------------------------------------------------------- */

static ty_err run_all(bench *b, ty_site *p, const ty_options *o, const ty_counts *bytes,
                      const ty_counts *workers)
{
    ty_site_progress_open(&b->progress, workers, 1);
    for (size_t i = 0; i < workers->n; i++) {
        ty_site_progress_next(&b->progress, (int)workers->v[i]);
        TY_TRY(one_count(b, p, o, bytes, (int)workers->v[i]));
    }
    return ty_ok();
}

static ty_err run(bench *b, const ty_options *o, ty_output *out)
{
    ty_site p;
    ty_counts bytes, workers;
    TY_TRY(ty_site_open(&p, o, 1));
    TY_TRY(ty_site_bytes(o, USUAL_BYTES, sizeof(float), &bytes));
    TY_TRY(ty_site_workers(&p, o, &workers));
    if (ty_setup_speaks())
        TY_TRY(ty_output_open(out, "bench-collective", o->out));
    ty_setup_note_options(out, o);
    TY_TRY(run_all(b, &p, o, &bytes, &workers));
    TY_TRY(leave(b, &p, out));
    return finish(b, &p);
}

ty_err ty_bench_collective(const ty_options *o)
{
    if (o->crossover)
        return ty_bench_crossover(o);
    ty_file csv = {0};
    ty_output out = {0};
    bench b = {.screen = ty_screen(o)};
    if (o->filter)
        TY_TRY(ty_collective_filter_check(o->filter));
    if (o->csv && ty_setup_speaks()) {
        TY_TRY(ty_file_open(&csv, o->csv));
        csv_head(csv.f);
    }
    b.csv = csv.f;
    ty_err e = ty_site_keep_rows(&csv, run(&b, o, &out));
    ty_progress_clear(&b.progress.line);
    ty_output_abandon(&out);
    free(b.line);
    return e;
}
