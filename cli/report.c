/* SPDX-License-Identifier: MIT */
#include "cli/report.h"

#include "base/text.h"
#include "experiments/mpirun.h"
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

enum { SHORT = 32 };

static int simulated(const ty_result *r)
{
    return !strcmp(r->row.fabric, "sim");
}

/* A run that stopped on the way has no report to show. */
static int finished(const ty_result *r)
{
    return r->report && r->row.step_s > 0;
}

int ty_report_status(const ty_result *r)
{
    return !r->row.ok ? TY_EWRONG : !r->row.fits ? TY_EFIT : TY_OK;
}

static const char *show(char *buf, double v, const char *unit)
{
    return isfinite(v) ? ty_show(buf, SHORT, v, unit) : "-";
}

/* ---- header ---------------------------------------------------------------------------------- */

/* What its collective does. */
static const char *collective_of(const ty_row *r)
{
    const ty_strategy *s;
    const int drives = !ty_strategy_find(r->strategy, &s).code && s->uses & TY_USES_TASKS;
    return drives ? "broadcast" : "all-reduce";
}

static void print_header(FILE *f, const ty_row *r)
{
    fprintf(f, "%s  %s  %d worker%s", r->strategy, r->workload, r->workers,
            r->workers == 1 ? "" : "s");
    if (r->workers > 1 && r->dp * r->tp * r->pp == r->workers) /* a task pipeline is no grid */
        fprintf(f, " (dp %d, tp %d, pp %d)", r->dp, r->tp, r->pp);
    fprintf(f, " x %d thread%s  batch %zu", r->threads, r->threads == 1 ? "" : "s", r->batch);
    if (r->micro_batches > 1)
        fprintf(f, " in %d", r->micro_batches);
    fprintf(f, "  %ld steps  seed %llu\n", r->steps, (unsigned long long)r->seed);
    fprintf(f, "on %s, %s", strcmp(r->fabric, "sim") ? "this machine" : r->platform, r->fabric);
    if (*r->network)
        fprintf(f, ", network %s", r->network);
    if (*r->collective)
        fprintf(f, ", %s %s", collective_of(r), r->collective);
    if (*r->settings)
        fprintf(f, "\n%s", r->settings);
    fputs("\n\n", f);
}

/* ---- four numbers ---------------------------------------------------------------------------- */

static void print_line(FILE *f, const char *name, double s, double bytes, double messages,
                       double closed, const char *tag)
{
    char a[SHORT], b[SHORT], c[SHORT] = "-", d[SHORT] = "-";
    if (isfinite(messages))
        snprintf(c, sizeof c, "%.6g", messages);
    if (closed > 0)
        snprintf(d, sizeof d, "%+.1f %%", 100 * (s / closed - 1));
    fprintf(f, "%-14s %-11s %-11s %-10s %-10s %s\n", name, show(a, s, "s"), show(b, bytes, "B"), c,
            d, tag);
}

static void print_missing(FILE *f, const char *name, const char *why)
{
    fprintf(f, "%-14s %s\n", name, why);
}

/* Messages and bytes are those of the rank that sends most, as in the row. */
static void print_closed(FILE *f, const ty_setup *s, const ty_result *r)
{
    double bytes = 0, messages = 0;
    char tag[96];
    if (!s->has_machine) {
        print_missing(f, "closed form", "n/a (no calibration here; trainyard calibrate makes one)");
        return;
    }
    for (int i = 0; i < r->ranks; i++) {
        bytes = fmax(bytes, r->report[i].closed_bytes);
        messages = fmax(messages, r->report[i].closed_messages);
    }
    snprintf(tag, sizeof tag, "formula on %s rates", ty_origin_name(s->machine.origin));
    const char *reason = strstr(r->row.message, "no closed form: ");
    if (!isfinite(r->row.closed_form_s) && reason)
        snprintf(tag, sizeof tag, "%.*s", (int)strcspn(reason, ";"), reason);
    print_line(f, "closed form", r->row.closed_form_s, bytes, messages, NAN, tag);
}

static void print_ours(FILE *f, const ty_setup *s, const ty_result *r)
{
    char tag[96], a[SHORT], b[SHORT];
    if (simulated(r))
        snprintf(tag, sizeof tag, "simulated on %s rates, network %s",
                 ty_origin_name(s->machine.origin), r->row.network);
    else
        snprintf(tag, sizeof tag, "measured, median; p10 %s, p90 %s",
                 show(a, r->row.step_p10_s, "s"), show(b, r->row.step_p90_s, "s"));
    print_line(f, simulated(r) ? "simulated" : "measured", r->row.step_s, r->row.bytes_sent,
               r->row.messages, r->row.closed_form_s, tag);
}

static void print_numbers(FILE *f, const ty_setup *s, const ty_result *r)
{
    fprintf(f, "%-14s %-11s %-11s %-10s %-10s %s\n", "", "time/step", "bytes/rank", "messages",
            "vs closed", "where it comes from");
    print_missing(f, "predicted", "none given");
    print_closed(f, s, r);
    if (!simulated(r))
        print_missing(f, "simulated", "n/a (this run is real; --fabric sim simulates it)");
    if (r->row.ok && isfinite(r->row.step_s))
        print_ours(f, s, r);
    else if (r->row.ok)
        print_missing(f, "measured", "n/a (a dry run: nothing was computed, so there is no time)");
    else
        print_missing(f, simulated(r) ? "simulated" : "measured",
                      "n/a (the result is wrong, so its time means nothing)");
    if (simulated(r))
        print_missing(f, "measured",
                      "n/a (this run is simulated; --fabric threads measures on this machine)");
    print_missing(f, "speedup", "n/a (no serial run beside it; trainyard compare makes one)");
}

/* ---- verdict --------------------------------------------------------------------------------- */

static int counters_agree(const ty_result *r)
{
    double n = (double)(r->steps - 1);
    for (int i = 0; i < r->ranks; i++) {
        const ty_rank_report *p = &r->report[i];
        if (fabs((double)p->ledger.bytes - n * p->closed_bytes) > 0.5 ||
            fabs((double)p->ledger.messages - n * p->closed_messages) > 0.5)
            return 0;
    }
    return 1;
}

/* mpirun binds a process to a core, so its own mask tells nothing there; how many run on this
 * host, it says. */
static void print_oversubscription(FILE *f, const ty_row *r)
{
    int mpi = !strcmp(r->fabric, "mpi"),
        cores = mpi ? (int)sysconf(_SC_NPROCESSORS_ONLN) : ty_kernel_max_threads();
    int local = mpi ? ty_mpirun_local_size() : 0,
        threads = (local ? local : r->workers) * r->threads;
    if (strcmp(r->fabric, "sim") && threads > cores)
        fprintf(f, "%-14s %d threads share %d cores: times are of an oversubscribed machine\n",
                "note", threads, cores);
}

static int is_inexact(const ty_result *r)
{
    const ty_strategy *s;
    return isfinite(r->difference) && !ty_strategy_find(r->row.strategy, &s).code && s->inexact;
}

static void print_verdict(FILE *f, const ty_setup *s, const ty_result *r)
{
    char size[SHORT], memory[SHORT];
    if (!r->row.ok)
        fprintf(f, "%-14s %s  %s\n", "result", finished(r) ? "WRONG" : "FAILED", r->row.message);
    else if (!r->row.fits)
        fprintf(f, "%-14s %s it does not fit: %s a worker, a host has %s\n", "result",
                finished(r) ? "VALID, but" : "NOT RUN:", show(size, r->row.peak_bytes, "B"),
                show(memory, s->machine.memory, "B"));
    else if (is_inexact(r))
        fprintf(f,
                "%-14s FINITE  (by design not serial's: parameters differ by %.1e after 2 steps; "
                "judge it by "
                "its loss)\n",
                "result", r->difference);
    else if (isfinite(r->difference))
        fprintf(f,
                "%-14s VALID  (parameters after 2 steps against serial's: relative difference "
                "%.1e, bound %.0e)\n",
                "result", r->difference, TY_VALID_DIFFERENCE);
    else
        fprintf(f, "%-14s VALID as far as it goes: no numbers to check (%s)\n", "result",
                r->loss ? "fewer than 2 steps" : "a ghost run; --real computes them");
    const ty_staleness *stale = &r->report[0].stale;
    if (finished(r) && stale->pushes)
        fprintf(f,
                "%-14s gradients %.2f updates old in the mean, %ld at most; workers up to %ld "
                "steps ahead\n",
                "staleness", stale->sum / (double)stale->pushes, stale->most, stale->most_ahead);
    if (finished(r) && s->has_machine)
        fprintf(f, "%-14s messages and bytes of every rank %s the closed form's\n", "",
                counters_agree(r) ? "equal" : "DIFFER from");
    print_oversubscription(f, &r->row);
}

/* ---- where time and memory went -------------------------------------------------------------- */

static void print_time(FILE *f, const ty_result *r)
{
    const ty_row *row = &r->row;
    char a[SHORT];
    double percent = 100 / row->step_s;
    fprintf(f,
            "%-14s compute %.1f %%, communication exposed %.1f %%, waiting %.1f %% of %s (rank "
            "%d); hidden %.1f %%\n",
            "time", percent * row->compute_s, percent * row->comm_exposed_s, percent * row->wait_s,
            show(a, row->step_s, "s"), r->shown, percent * row->comm_hidden_s);
}

/* Of the gap to the closed form, how much is computing and how much is the rest. */
static void print_gap(FILE *f, const ty_result *r)
{
    const ty_rank_report *p = &r->report[r->shown];
    double gap = r->row.step_s - r->row.closed_form_s,
           compute = r->row.compute_s - p->closed_compute_s;
    char a[SHORT], b[SHORT], c[SHORT];
    if (!(fabs(gap) >= 0.01 * r->row.closed_form_s))
        return;
    fprintf(f, "%-14s %s off the closed form: computing %s (%s), messages and waiting %s (%s)\n",
            "gap", show(a, gap, "s"), show(b, compute, "s"),
            simulated(r) ? "work spread unevenly" : "rates, memory bandwidth",
            show(c, gap - compute, "s"),
            simulated(r) ? "contention, imbalance" : "hand-off, imbalance");
}

static void print_memory(FILE *f, const ty_result *r)
{
    const ty_ledger *most = &r->report[0].ledger;
    int at = 0;
    char a[SHORT];
    for (int i = 1; i < r->ranks; i++)
        if (r->report[i].ledger.total_peak > most->total_peak) {
            most = &r->report[i].ledger;
            at = i;
        }
    fprintf(f, "%-14s %s peak (rank %d):", "memory/worker", show(a, (double)most->total_peak, "B"),
            at);
    for (int i = 0; i < TY_MEMORIES; i++)
        fprintf(f, "%s %s %s", i ? "," : "", ty_memory_name[i],
                show(a, (double)most->peak_bytes[i], "B"));
    fputc('\n', f);
}

/* The run may have gone on since the test set was looked at. */
static void print_score(FILE *f, const ty_setup *s, const ty_result *r)
{
    const long at = r->evaluations ? r->evaluation[r->evaluations - 1].step : 0;
    if (isfinite(r->row.accuracy))
        fprintf(f, "; accuracy %.2f %% of %zu test %s", 100 * r->row.accuracy,
                s->problem.data.test.n * s->problem.targets,
                s->problem.targets > 1 ? "targets" : "samples");
    if (isfinite(r->row.test_loss))
        fprintf(f, "; test loss %.4f", r->row.test_loss);
    if (isfinite(r->row.test_loss) && at != r->steps)
        fprintf(f, " (at step %ld)", at);
}

static void print_target(FILE *f, const ty_result *r)
{
    char target[40], a[SHORT];
    int reached;
    const ty_evaluation *e = ty_result_nearest(r, &reached);
    if (!r->target.kind || !e)
        return;
    ty_target_show(&r->target, target, sizeof target);
    if (reached)
        fprintf(f, "%-14s %s reached after %s of training, %ld steps\n", "until", target,
                show(a, e->seconds, "s"), e->step);
    else
        fprintf(f,
                "%-14s %s NOT reached in %ld steps (%.4g at best, after step %ld); --epochs allows "
                "more\n",
                "until", target, r->steps, ty_target_figure(&r->target, e->score), e->step);
}

static void print_loss(FILE *f, const ty_setup *s, const ty_result *r)
{
    if (!r->loss || r->steps < 1)
        return;
    fprintf(f, "%-14s %.4f at step 1, %.4f at step %ld", "loss", r->loss[0], r->loss[r->steps - 1],
            r->steps);
    print_score(f, s, r);
    fprintf(f, "; %.1f s in all\n", r->wall_s);
    if (r->said)
        fputs(r->said, f);
}

void ty_report_run(FILE *f, const ty_setup *s, const ty_result *r)
{
    print_header(f, &r->row);
    if (finished(r))
        print_numbers(f, s, r);
    print_verdict(f, s, r);
    if (!finished(r) || !r->row.ok)
        return;
    print_time(f, r);
    if (s->has_machine)
        print_gap(f, r);
    print_memory(f, r);
    print_loss(f, s, r);
    print_target(f, r);
}
