/* SPDX-License-Identifier: MIT
 *
 * run - one strategy on one workload on one fabric.
 */
#include "cli/commands.h"
#include "cli/report.h"
#include "cli/setup.h"

#include <string.h>

/* Loss by step and by time, and breakdown; a missing gnuplot does not fail a run. */
static ty_err make_plots(const ty_setup *s, const ty_result *r)
{
    char title[160];
    snprintf(title, sizeof title, "%s on %s", r->row.strategy, r->row.workload);
    ty_err e = ty_plot_breakdown(s->out.dir, "breakdown", title, &r->row, 1);
    ty_err l = ty_plot_loss(s->out.dir, "loss", title, &r, 1);
    ty_err t = ty_plot_time(s->out.dir, "time", title, &r, 1);
    return e.code ? e : l.code ? l : t;
}

static void print_next(FILE *f, const ty_options *o, const ty_setup *s)
{
    char line[1200], with[64];
    snprintf(with, sizeof with, "--workers %d --%s", s->point.workers,
             strcmp(s->point.fabric, "sim") ? "fabric sim" : "network shared");
    if (strcmp(s->point.fabric, "sim"))
        ty_options_line(o, "run",
                        "workers fabric timeout out csv json real ghost quiet epochs steps gemm",
                        with, line, sizeof line);
    else if (s->point.network == TY_NET_TEXTBOOK)
        ty_options_line(o, "run", "workers network out csv json quiet", with, line, sizeof line);
    else
        ty_options_line(o, "compare", "workers out csv json quiet", "--workers 1..16*2", line,
                        sizeof line);
    fprintf(f, "%-14s %s\n", "next", line);
}

static ty_err finish(const ty_options *o, ty_setup *s, const ty_result *r)
{
    FILE *f = ty_screen(o);
    char dir[sizeof s->out.dir];
    memcpy(dir, s->out.dir, sizeof dir);
    ty_progress_clear(&s->progress);
    ty_report_run(f, s, r);
    TY_TRY(ty_output_run(&s->out, &s->point, r));
    ty_err plots = make_plots(s, r);
    TY_TRY(ty_output_close(&s->out, o->csv, o->json));
    if (plots.code)
        fprintf(f, "%-14s not drawn: %s\n", "plots", plots.msg);
    ty_print_files(f, dir);
    print_next(f, o, s);
    return ty_ok();
}

int ty_main_run(const ty_options *o)
{
    ty_setup s;
    ty_result r = {.row.ok = 1, .row.fits = 1};
    ty_err e = ty_setup_open(&s, o, "run");
    s.point.train = 1;
    if (!e.code)
        e = ty_point_run(&s.point, &r);
    int status = e.code;
    if (!e.code && r.here) {
        e = finish(o, &s, &r);
        status = e.code ? e.code : ty_report_status(&r);
    }
    ty_report_error(e);
    ty_result_free(&r);
    ty_setup_close(&s);
    return status;
}
