/* SPDX-License-Identifier: MIT */
#include "experiments/learnt.h"

#include "base/text.h"

#include <math.h>
#include <string.h>

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

void ty_learnt_print(FILE *f, const ty_case *cases, int n, const ty_site site[2])
{
    say_who_won(f, cases, n);
    say_where_time_went(f, cases, n);
    say_what_scales(f, site);
}
