/* SPDX-License-Identifier: MIT
 *
 * calibrate_report - what a calibration found, as rows and as a table.
 */
#include "base/text.h"
#include "experiments/calibrate.h"

void ty_calibration_write_csv(FILE *f, const ty_machine *m, const ty_calibration_point *p, size_t n)
{
    const int threads[TY_WAYS] = {1, m->cores, 1}, busy[TY_WAYS] = {1, 1, m->cores};
    fprintf(f, "class,m,n,k,flops,bytes,threads,busy,measured_s,predicted_s,error,disturbed\n");
    for (size_t i = 0; i < n; i++)
        for (int way = 0; way < TY_WAYS; way++) {
            ty_work w = p[i].work;
            double t = p[i].seconds[way];
            double want = ty_machine_seconds(m, w, threads[way], busy[way]);
            if (t > 0)
                fprintf(f, "%s,%zu,%zu,%zu,%.9g,%.9g,%d,%d,%.9g,%.9g,%.9g,%.9g\n",
                        ty_class_name(w.cls), w.m, w.n, w.k, w.flops, w.bytes, threads[way],
                        busy[way], t, want, want / t - 1, p[i].disturbed[way]);
        }
}

static void print_class(FILE *f, const ty_machine *m, const ty_calibration_report *report,
                        ty_class c)
{
    const ty_rate *r = &m->rate[c];
    char launch[32], flops[32], near[32], far[32], region[32], from[32];
    ty_show(launch, sizeof launch, r->launch_s, "s");
    ty_show(flops, sizeof flops, r->flops, "flop/s");
    ty_show(near, sizeof near, r->bandwidth, "B/s");
    ty_show(far, sizeof far, r->far_bandwidth, "B/s");
    ty_show(region, sizeof region, r->thread_launch_s, "s");
    ty_show(from, sizeof from, r->thread_from_s, "s");
    fprintf(f, "%-8s %8s %13s %10s %10s %8s %8s %5.2f %5.2f %6.2f", ty_class_name(c), launch,
            r->flops > 0 ? flops : "-", r->bandwidth > 0 ? near : "-",
            r->far_bandwidth > 0 ? far : "-", r->thread_from_s < 1 ? from : "-", region,
            r->thread_gain, r->memory_gain, r->beside);
    for (int way = 0; way < TY_WAYS; way++)
        fprintf(f, "  %4.1f/%-4.0f", 100 * report->fit[c].median[way],
                100 * report->fit[c].worst[way]);
    fprintf(f, " %6d\n", report->fit[c].points);
}

void ty_calibration_print(FILE *f, const ty_machine *m, const ty_calibration_report *report)
{
    char a[32], b[32], c[32];
    fprintf(f, "%s, %d cores: FMA peak %s a core, %s together (measured)\n", m->processor, m->cores,
            ty_show(a, sizeof a, m->peak_flops, "flop/s"),
            ty_show(b, sizeof b, report->all_peak, "flop/s"));
    fprintf(f, "hand-off between ranks: %s + bytes / (%s), median error %.0f %% (fitted)\n",
            ty_show(a, sizeof a, m->handoff.alpha, "s"),
            ty_show(b, sizeof b, m->handoff.beta, "B/s"), 100 * report->handoff);
    fprintf(f,
            "%.0f rounds in %s; steps disturbed and left out: %.0f %% one thread, %.0f %% all "
            "cores, %.0f %% side by side\n\n",
            report->rounds, ty_show(c, sizeof c, report->seconds, "s"), 100 * report->disturbed[0],
            100 * report->disturbed[1], 100 * report->disturbed[2]);
    fprintf(f, "%-8s %8s %13s %10s %10s %8s %8s %5s %5s %6s  %s\n", "", "", "", "near", "far",
            "threads", "region", "flop", "byte", "", "error %: median/worst");
    fprintf(f, "%-8s %8s %13s %10s %10s %8s %8s %5s %5s %6s  %-9s  %-9s  %-9s %6s\n", "class",
            "launch", "rate", "bandwidth", "bandwidth", "from", "launch", "gain", "gain", "beside",
            "1 thread", "threads", "beside", "points");
    for (ty_class k = 0; k < TY_CLASSES; k++)
        print_class(f, m, report, k);
    fprintf(f, "%-8s %*s", "steps", 82, "");
    for (int way = 0; way < TY_WAYS; way++)
        fprintf(f, "  %4.1f/%-4.0f", 100 * report->step_median[way], 100 * report->step_worst[way]);
    fputc('\n', f);
}
