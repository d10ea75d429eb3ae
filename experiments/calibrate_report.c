/* SPDX-License-Identifier: MIT
 *
 * calibrate_report - what a calibration found, as rows and as a table.
 */
#include "base/text.h"
#include "experiments/calibrate.h"

static const double EVERYTHING = 1e14; /* [B] more than a call can move: nothing is far */

void ty_calibration_write_csv(FILE *f, const ty_machine *m, const ty_calibration_point *p, size_t n)
{
    const int threads[TY_WAYS] = {1, m->cores, 1}, busy[TY_WAYS] = {1, 1, m->cores};
    fprintf(f, "step,call,item,class,m,n,k,flops,bytes,set,threads,busy,measured_s,predicted_s,"
               "disturbed\n");
    for (size_t i = 0, first = 0; i < n; i++) {
        first = p[i].step == p[first].step ? first : i;
        for (int way = 0; way < TY_WAYS && p[i].seconds[way] > 0; way++)
            for (int j = 0; j < p[i].works; j++) {
                ty_work w = p[i].work[j];
                fprintf(f, "%d,%zu,%d,%s,%zu,%zu,%zu,%.9g,%.9g,%.9g,%d,%d,%.9g,%.9g,%.9g\n",
                        p[i].step, i - first, j, ty_class_name(w.cls), w.m, w.n, w.k, w.flops,
                        w.bytes, p[i].set, threads[way], busy[way], p[i].seconds[way],
                        ty_calibration_seconds(m, &p[i], j, (ty_calibration_way)way),
                        p[i].disturbed[way]);
            }
    }
}

/* v in a unit, or "-" where the model has no such term. */
static void cell(FILE *f, int width, double v, double unit, int digits, int known)
{
    if (known)
        fprintf(f, " %*.*f", width, digits, v / unit);
    else
        fprintf(f, " %*s", width, "-");
}

static void print_class(FILE *f, const ty_machine *m, const ty_calibration_report *report,
                        ty_class c)
{
    const ty_rate *r = &m->rate[c];
    const int far = r->near_bytes < EVERYTHING && r->far_bandwidth > 0, threads = m->cores > 1;
    fprintf(f, "%-9s %4d", ty_class_name(c), report->fit[c].points);
    cell(f, 6, r->launch_s, 1e-6, 2, 1);
    cell(f, 5, r->row_s, 1e-9, 0, r->row_s > 0);
    cell(f, 8, r->flops, 1e9, 1, r->flops > 0);
    cell(f, 6, r->bandwidth, 1e9, 1, r->bandwidth > 0);
    cell(f, 6, r->far_bandwidth, 1e9, 1, far);
    cell(f, 6, r->memory_bandwidth, 1e9, 1, r->memory_bandwidth > 0);
    cell(f, 5, r->near_bytes, 1e6, 1, far);
    cell(f, 6, r->thread_from_s, 1e-6, 1, threads && r->thread_from_s < 1);
    cell(f, 6, r->thread_launch_s, 1e-6, 1, threads);
    cell(f, 5, r->thread_gain, 1, 2, threads);
    cell(f, 5, r->memory_gain, 1, 2, threads);
    cell(f, 5, r->beside, 1, 2, threads);
    for (int way = 0; way < (threads ? TY_WAYS : 1); way++)
        fprintf(f, "  %4.1f/%-3.0f", 100 * report->fit[c].median[way],
                100 * report->fit[c].worst[way]);
    fputc('\n', f);
}

static void print_classes(FILE *f, const ty_machine *m, const ty_calibration_report *report)
{
    fprintf(f, "%-14s one thread %34s | all threads %15s |      | error %% of calls,\n", "", "",
            "");
    fprintf(f, "%-14s %6s %5s %8s %6s %6s %6s %5s %6s %6s %5s %5s %5s  median/worst\n", "",
            "launch", "row", "rate", "near", "far", "memory", "near", "from", "region", "gain",
            "gain", "be-");
    fprintf(f, "%-9s %4s %6s %5s %8s %6s %6s %6s %5s %6s %6s %5s %5s %5s  %-8s  %-8s  %-8s\n",
            "class", "n", "us", "ns", "Gflop/s", "GB/s", "GB/s", "GB/s", "MB", "us", "us", "flop",
            "byte", "side", "1 thread", "threads", "beside");
    for (ty_class k = 0; k < TY_CLASSES; k++)
        print_class(f, m, report, k);
}

static void print_machine(FILE *f, const ty_machine *m, const ty_calibration_report *report)
{
    char a[32], b[32];
    fprintf(f, "%s, %d cores: FMA peak %s a core, %s together (measured)\n", m->processor, m->cores,
            ty_show(a, sizeof a, m->peak_flops, "flop/s"),
            ty_show(b, sizeof b, report->all_peak, "flop/s"));
    if (m->cache > 0)
        fprintf(f, "last cache: %s, shared by all cores (fitted)\n",
                ty_show(a, sizeof a, m->cache, "B"));
    else
        fprintf(f, "last cache: no end of it was found\n");
    if (m->cores < 2)
        return;
    fprintf(f, "hand-off between ranks: %s + bytes / (%s), median error %.0f %% (fitted)\n",
            ty_show(a, sizeof a, m->handoff.alpha, "s"),
            ty_show(b, sizeof b, m->handoff.beta, "B/s"), 100 * report->handoff);
}

static void print_costs(FILE *f, const ty_machine *m)
{
    char a[32], b[32], c[32];
    fprintf(f, "parallel region %s, lane of a rank %s, barrier of %d ranks %s (measured)\n",
            ty_show(a, sizeof a, m->region_s, "s"), ty_show(b, sizeof b, m->fork_s, "s"), m->cores,
            ty_show(c, sizeof c, m->barrier_s, "s"));
}

void ty_calibration_print(FILE *f, const ty_machine *m, const ty_calibration_report *report)
{
    char a[32];
    print_machine(f, m, report);
    print_costs(f, m);
    fprintf(f,
            "%.0f rounds in %s; steps disturbed and left out: %.0f %% one thread, %.0f %% all "
            "cores, %.0f %% side by side\n\n",
            report->rounds, ty_show(a, sizeof a, report->seconds, "s"), 100 * report->disturbed[0],
            100 * report->disturbed[1], 100 * report->disturbed[2]);
    print_classes(f, m, report);
    fprintf(f, "\nverdict: %s; whole steps are met within", ty_calibration_verdict(m, report));
    for (int way = 0; way < (m->cores > 1 ? TY_WAYS : 1); way++)
        fprintf(f, "%s %.1f %% (%s; worst %.0f %%)", way ? "," : "", 100 * report->step_median[way],
                ty_calibration_way_name((ty_calibration_way)way), 100 * report->step_worst[way]);
    fprintf(f, ", in the median\n");
}

const char *ty_calibration_way_name(ty_calibration_way way)
{
    static const char *const name[TY_WAYS] = {"one thread", "all cores", "ranks side by side"};
    return name[way];
}

const char *ty_calibration_verdict(const ty_machine *m, const ty_calibration_report *report)
{
    double worst = 0;
    for (int way = 0; way < (m->cores > 1 ? TY_WAYS : 1); way++)
        worst = report->step_median[way] > worst ? report->step_median[way] : worst;
    return worst <= 0.04 ? "good" : worst <= 0.08 ? "usable" : "rough";
}
