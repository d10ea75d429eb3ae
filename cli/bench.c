/* SPDX-License-Identifier: MIT
 *
 * bench - `bench kernel`: every kernel over sizes, checked against a naive reference before it is
 * rated, beside the peak of the processor and, where it is installed, OpenBLAS.
 */
#include "cli/bench.h"

#include "base/file.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/setup.h"
#include "kernels/kernels.h"

#include <string.h>

static void print_shape(FILE *f, const ty_bench_line *l)
{
    char wrong[16], ratio[16] = "-", peer[16] = "-";
    snprintf(wrong, sizeof wrong, "%zu", l->wrong);
    fprintf(f, "%-9s %6zu x%6zu x%6zu %8s", l->kernel, l->M, l->N, l->K, wrong);
    if (l->wrong) {
        fprintf(f, "   no rate: the result is wrong\n");
        return;
    }
    if (l->peer > 0) {
        snprintf(peer, sizeof peer, "%.1f", l->peer / 1e9);
        snprintf(ratio, sizeof ratio, "%.2f", l->rate / l->peer);
    }
    fprintf(f, " %9.1f %-7s", l->rate / 1e9, l->flops ? "Gflop/s" : "GB/s");
    fprintf(f, " (%.1f..%.1f)", l->low / 1e9, l->high / 1e9);
    if (l->flops)
        fprintf(f, "  %3.0f %% of peak  %8s %6s", 100 * l->rate / l->peak, peer, ratio);
    fputc('\n', f);
}

static void write_csv(FILE *f, const ty_bench_line *l, int threads)
{
    fprintf(f, "%s,%zu,%zu,%zu,%d,%zu,", l->kernel, l->M, l->N, l->K, threads, l->wrong);
    if (l->wrong)
        fprintf(f, ",,,,,\n");
    else
        fprintf(f, "%.9g,%.9g,%.9g,%s,%.9g,%.9g\n", l->rate, l->low, l->high,
                l->flops ? "flop/s" : "B/s", l->peak, l->peer);
}

static ty_err bench(const ty_options *o)
{
    ty_file csv = {0};
    int threads = o->threads ? (int)o->threads : 1, rounds = o->quick ? 7 : 25;
    size_t wrong = 0;
    ty_bench_line line;
    FILE *f = ty_screen(o);
    if (o->words_n != 1 || strcmp(o->words[0], "kernel"))
        return ty_error(TY_EUSAGE, "bench takes one word, what to time: `trainyard bench kernel`");
    if (o->csv)
        TY_TRY(ty_file_open(&csv, o->csv));
    if (csv.f)
        fprintf(csv.f,
                "kernel,m,n,k,threads,wrong,rate,rate_p10,rate_p90,unit,peak_flops,openblas\n");
    const char *peer = ty_bench_peer(threads); /* first: its threads may run anywhere */
    ty_kernel_set_threads(threads);
    if (threads > 1)
        ty_kernel_bind(0);
    fprintf(f,
            "%d thread%s, %d rounds; median (p10..p90); peak: fused multiply-add on registers, "
            "measured beside\n"
            "%s\n\n",
            threads, threads == 1 ? "" : "s", rounds, peer);
    fprintf(f, "%-9s %6s  %6s  %6s %8s %9s %34s %6s\n", "kernel", "M", "N", "K", "#wrong", "rate",
            "OpenBLAS", "ratio");
    for (int i = 0; ty_bench_kernel(i, rounds, threads, o->quick, &line); i++) {
        print_shape(f, &line);
        fflush(f);
        if (csv.f)
            write_csv(csv.f, &line, threads);
        wrong += line.wrong;
    }
    if (csv.f)
        TY_TRY(ty_file_commit(&csv));
    return wrong ? ty_error(TY_EWRONG, "%zu elements differ from the naive reference", wrong)
                 : ty_ok();
}

int ty_main_bench(const ty_options *o)
{
    return ty_report_error(bench(o));
}
