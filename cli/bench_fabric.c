/* SPDX-License-Identifier: MIT
 *
 * bench_fabric - `bench fabric`: the table of experiments/bench_fabric.
 */
#include "experiments/bench_fabric.h"

#include "base/file.h"
#include "base/text.h"
#include "cli/bench.h"
#include "cli/bench_site.h"
#include "cli/setup.h"
#include "experiments/mpirun.h"

#include <string.h>

static const char USUAL_BYTES[] = "0,8..16777216*8";

typedef struct bench {
    FILE *screen, *csv;
    char place[320];
    size_t lines, wrong, disturbed;
} bench;

static void print_head(const bench *b, const ty_site *p)
{
    fprintf(b->screen,
            "%s, two ranks; median (p10..p90)%s; #wrong: bytes that did not arrive as sent\n"
            "  pingpong  half a round trip\n"
            "  exchange  both directions at once; GB/s: of both together\n"
            "  rate      one of 64 messages on their way, with the empty answer to all\n"
            "  barrier   all ranks, by the dissemination algorithm\n"
            "  lane      fork and join of a second program of a rank that does nothing\n\n",
            b->place, p->bench.fabric->virtual_time ? "; one simulated run is exact" : "");
    fprintf(b->screen, "%-10s %10s %12s %24s %9s %12s %7s\n", "pattern", "bytes", "time us",
            "(p10..p90)", "GB/s", "messages/s", "#wrong");
}

static void print_line(FILE *f, const ty_fabric_line *l)
{
    const ty_bench_times *t = &l->times;
    char spread[40], rate[24] = "", messages[24] = "";
    snprintf(spread, sizeof spread, "(%.2f..%.2f)", 1e6 * t->low, 1e6 * t->high);
    if (l->moves && l->bytes && t->seconds > 0)
        snprintf(rate, sizeof rate, "%.3f", l->moves * (double)l->bytes / t->seconds / 1e9);
    if (l->moves && t->seconds > 0)
        snprintf(messages, sizeof messages, "%.4g", l->moves / t->seconds);
    fprintf(f, "%-10s %10zu", l->pattern, l->bytes);
    if (t->wrong)
        fprintf(f, "   no time: %zu bytes are wrong\n", t->wrong);
    else
        fprintf(f, " %12.3f %24s %9s %12s %7zu%s\n", 1e6 * t->seconds, spread, rate, messages,
                t->wrong, t->disturbed ? "  disturbed" : "");
}

static void csv_line(const bench *b, const ty_fabric_line *l)
{
    const ty_bench_times *t = &l->times;
    fprintf(b->csv, "%s,\"%s\",%zu,%d,%zu,", l->pattern, b->place, l->bytes, l->moves, t->wrong);
    if (t->wrong)
        fprintf(b->csv, ",,,,\n");
    else
        fprintf(b->csv, "%.9g,%.9g,%.9g,%.9g,%d\n", t->seconds, t->low, t->high,
                t->seconds > 0 ? l->moves * (double)l->bytes / t->seconds : 0, t->disturbed);
}

static void each(void *arg, const void *line)
{
    bench *b = arg;
    const ty_fabric_line *l = line;
    print_line(b->screen, l);
    fflush(b->screen);
    if (b->csv)
        csv_line(b, l);
    b->lines++;
    b->wrong += l->times.wrong;
    b->disturbed += l->times.disturbed != 0;
}

static ty_err check_filter(const char *filter)
{
    size_t n = 0;
    for (; ty_fabric_pattern[n]; n++)
        if (!filter || !strcmp(filter, ty_fabric_pattern[n]))
            return ty_ok();
    return ty_unknown("pattern", filter, ty_fabric_pattern, n, NULL);
}

/* Messages of the other patterns have sizes of their own, or none. */
static ty_err check_bytes(const ty_options *o)
{
    if (o->bytes.n && o->filter && strcmp(o->filter, "pingpong") && strcmp(o->filter, "exchange"))
        return ty_error(TY_EUSAGE,
                        "--bytes would change nothing here: it is of pingpong and exchange, not of "
                        "%s; leave it out",
                        o->filter);
    return ty_ok();
}

static ty_err run(bench *b, const ty_options *o)
{
    ty_site p;
    ty_counts bytes;
    TY_TRY(ty_site_open(&p, o, 0));
    TY_TRY(ty_site_bytes(o, USUAL_BYTES, 0, &bytes));
    if (!strcmp(p.bench.fabric->name, "mpi") && ty_mpirun_size() != 2)
        return ty_error(TY_EUSAGE,
                        "two ranks talk, and this job has %d: mpirun -n 2 trainyard "
                        "bench fabric --fabric mpi",
                        ty_mpirun_size());
    TY_TRY(ty_site_ranks(&p, o, 2));
    p.bench.ghost = 0;
    ty_site_name(&p, b->place, sizeof b->place);
    if (ty_setup_speaks())
        print_head(b, &p);
    ty_err e = ty_fabric_bench_run(&(ty_fabric_bench){.place = p.bench,
                                                      .filter = o->filter,
                                                      .bytes = bytes.v,
                                                      .sizes = bytes.n,
                                                      .quick = o->quick,
                                                      .each = each,
                                                      .arg = b});
    ty_site_close(&p);
    if (e.code || !ty_setup_speaks())
        return e;
    if (!p.bench.fabric->virtual_time)
        fprintf(b->screen, "\ndisturbed: %zu of %zu lines\n", b->disturbed, b->lines);
    return b->wrong ? ty_error(TY_EWRONG, "%zu bytes are wrong", b->wrong) : ty_ok();
}

ty_err ty_bench_fabric(const ty_options *o)
{
    ty_file csv = {0};
    bench b = {.screen = ty_screen(o)};
    TY_TRY(check_filter(o->filter));
    TY_TRY(check_bytes(o));
    if (o->csv && ty_setup_speaks()) {
        TY_TRY(ty_file_open(&csv, o->csv));
        fprintf(csv.f, "pattern,fabric,bytes,moves,wrong,seconds,seconds_p10,seconds_p90,"
                       "byte_per_s,disturbed\n");
    }
    b.csv = csv.f;
    return ty_site_keep_rows(&csv, run(&b, o));
}
