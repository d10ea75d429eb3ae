/* SPDX-License-Identifier: MIT
 *
 * output_plot - NAME.dat, NAME.gp and NAME.svg. A .gp is a few lines of settings and a script of plots/ behind them, so
 * that the folder is complete by itself: it can be copied, edited and drawn again.
 */
#define _GNU_SOURCE
#include "base/file.h"
#include "experiments/output.h"
#include "experiments/output_half.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef TY_PLOT_DIR
#define TY_PLOT_DIR "plots"
#endif

enum { MOST_SERIES = 64, MOST_PANELS = 4, MOST_POINTS = 200, LABEL = 64 };

/* The .dat and the .gp being written. */
typedef struct plot {
    ty_file dat, gp;
    char    dir[1024], name[64];
} plot;

/* ---- files -------------------------------------------------------------------------------------------------- */

static void quoted(FILE *f, const char *text) /* a gnuplot string: '' stands for ' */
{
    fputc('\'', f);
    for (; *text; text++)
        fputs(*text == '\'' ? "''" : (char[]){*text, 0}, f);
    fputc('\'', f);
}

static void setting(plot *p, const char *name, const char *text)
{
    fprintf(p->gp.f, "%s = ", name);
    quoted(p->gp.f, text);
    fputc('\n', p->gp.f);
}

static void array_begin(plot *p, const char *name, size_t n)
{
    fprintf(p->gp.f, "array %s[%zu] = [", name, n);
}

static ty_err plot_open(plot *p, const char *dir, const char *name, const char *title)
{
    char path[1200], file[80];
    snprintf(p->dir, sizeof p->dir, "%s", dir);
    snprintf(p->name, sizeof p->name, "%s", name);
    snprintf(path, sizeof path, "%s/%s.dat", p->dir, p->name);
    TY_TRY(ty_file_open(&p->dat, path));
    snprintf(path, sizeof path, "%s/%s.gp", p->dir, p->name);
    ty_err e = ty_file_open(&p->gp, path);
    if (e.code) {
        ty_file_discard(&p->dat);
        return e;
    }
    fprintf(p->gp.f, "# In this folder: gnuplot %s.gp\n", p->name);
    snprintf(file, sizeof file, "%s.dat", p->name);
    setting(p, "data", file);
    snprintf(file, sizeof file, "%s.svg", p->name);
    fprintf(p->gp.f, "if (!exists('out')) out = '%s'\n", file);
    setting(p, "heading", title);
    return ty_ok();
}

/* Copy plots/SCRIPT behind the settings. */
static ty_err append_script(plot *p, const char *script)
{
    char path[1200], *text;
    size_t size;
    const char *dir = getenv("TRAINYARD_PLOTS");
    snprintf(path, sizeof path, "%s/%s", dir ? dir : TY_PLOT_DIR, script);
    ty_err e = ty_read_text(path, 1 << 20, &text, &size);
    if (e.code)
        return ty_error(TY_EMISSING, "%.200s; TRAINYARD_PLOTS can name the folder", e.msg);
    fputc('\n', p->gp.f);
    fwrite(text, 1, size, p->gp.f);
    free(text);
    return ty_ok();
}

/* Let gnuplot write aside, then rename. */
static ty_err draw(const plot *p)
{
    char set[160], svg[1200], half[96];
    snprintf(half, sizeof half, "%s.svg.%ld.tmp", p->name, (long)getpid());
    snprintf(set, sizeof set, "out='%s'", half);
    snprintf(svg, sizeof svg, "%s/%s.svg", p->dir, p->name);
    char script[80];
    snprintf(script, sizeof script, "%s.gp", p->name);
    snprintf(ty_output_half, sizeof ty_output_half, "%s/%s", p->dir, half);
    int status = ty_output_exec(p->dir, (const char *const[]){"gnuplot", "-e", set, script, NULL});
    if (status || rename(ty_output_half, svg))
        unlink(ty_output_half);
    ty_output_half[0] = 0;
    if (status == 127)
        return ty_error(TY_EMISSING, "gnuplot is missing: apt-get install gnuplot-nox, then (cd %.90s && gnuplot %s)",
                        p->dir, script);
    return status ? ty_error(TY_EMISSING, "gnuplot failed; to see why: (cd %.120s && gnuplot %s)", p->dir, script)
                  : ty_ok();
}

static ty_err plot_close(plot *p, const char *script)
{
    ty_err e = append_script(p, script);
    if (e.code) {
        ty_file_discard(&p->dat);
        ty_file_discard(&p->gp);
        return e;
    }
    e = ty_file_commit(&p->dat);
    if (e.code)
        ty_file_discard(&p->gp);
    TY_TRY(e);
    TY_TRY(ty_file_commit(&p->gp));
    return draw(p);
}

int ty_plot_exists(const char *dir, const char *name)
{
    char path[1200];
    snprintf(path, sizeof path, "%s/%s.svg", dir, name);
    return access(path, R_OK) == 0;
}

static void value(FILE *f, double v, char after)
{
    if (isfinite(v))
        fprintf(f, "%.9g%c", v, after);
    else
        fprintf(f, "NaN%c", after); /* a gap */
}

/* ---- panels and series ---------------------------------------------------------------------------------------- */

typedef struct series {
    char label[LABEL];
    int  panel, colour, measured;
    const ty_row *first;
} series;

typedef struct picture {
    size_t        panels, n;
    char          title[MOST_PANELS][120];
    const ty_row *panel[MOST_PANELS]; /* its first row */
    series        s[MOST_SERIES];
    int           colours;
} picture;

static int simulated(const ty_row *r)
{
    return !strcmp(r->fabric, "sim");
}

/* This machine, measured or simulated, is one place. */
static const char *place(const ty_row *r)
{
    return !simulated(r) || !strcmp(r->platform, "multicore") ? "this machine" : r->platform;
}

static int same_panel(const ty_row *a, const ty_row *b)
{
    return !strcmp(place(a), place(b)) && a->batch == b->batch &&
           (!simulated(a) || !simulated(b) || !strcmp(a->network, b->network));
}

static int panel_of(picture *p, const ty_row *r)
{
    for (size_t i = 0; i < p->panels; i++)
        if (same_panel(p->panel[i], r))
            return (int)i;
    if (p->panels == MOST_PANELS)
        return -1;
    p->panel[p->panels] = r;
    return (int)p->panels++;
}

static int both_kinds(int panel, const ty_row *rows, size_t n, const picture *p)
{
    int kinds = 0;
    for (size_t i = 0; i < n; i++)
        if (same_panel(p->panel[panel], &rows[i]))
            kinds |= simulated(&rows[i]) ? 2 : 1;
    return kinds == 3;
}

static void name_panels(picture *p, const ty_row *rows, size_t n)
{
    for (size_t i = 0; i < p->panels; i++) {
        const ty_row *r = p->panel[i];
        const char *network = r->network, *how = simulated(r) ? "simulated" : "measured";
        for (size_t k = 0; k < n; k++)
            if (same_panel(r, &rows[k]) && simulated(&rows[k]))
                network = rows[k].network;
        if (both_kinds((int)i, rows, n, p))
            how = "measured and simulated";
        snprintf(p->title[i], sizeof p->title[i], "%.60s, batch %zu (%s%s%s)", place(r), r->batch, how,
                 *network ? ", network " : "", network);
    }
}

static void write_titles(plot *f, const picture *p)
{
    fprintf(f->gp.f, "panels = %zu\n", p->panels);
    array_begin(f, "panel_title", p->panels);
    for (size_t i = 0; i < p->panels; i++) {
        fputs(i ? ", " : "", f->gp.f);
        quoted(f->gp.f, p->title[i]);
    }
    fputs("]\n", f->gp.f);
}

static void write_series(plot *f, const picture *p)
{
    static const char *const names[] = {"panel_of", "colour_of", "measured"};
    fprintf(f->gp.f, "series = %zu\n", p->n);
    array_begin(f, "label", p->n);
    for (size_t i = 0; i < p->n; i++) {
        fputs(i ? ", " : "", f->gp.f);
        quoted(f->gp.f, p->s[i].label);
    }
    fputs("]\n", f->gp.f);
    for (int k = 0; k < 3; k++) {
        array_begin(f, names[k], p->n);
        for (size_t i = 0; i < p->n; i++) {
            const series *s = &p->s[i];
            fprintf(f->gp.f, "%s%d", i ? ", " : "", k == 0 ? s->panel + 1 : k == 1 ? s->colour + 1 : s->measured);
        }
        fputs("]\n", f->gp.f);
    }
}

/* ---- speedup --------------------------------------------------------------------------------------------------- */

static int has_speedup(const ty_row *r)
{
    return r->ok && r->speedup > 0 && r->step_s > 0;
}

static int same_series(const ty_row *a, const ty_row *b)
{
    return same_panel(a, b) && !strcmp(a->strategy, b->strategy) && !strcmp(a->fabric, b->fabric);
}

/* The baseline alone, one point at (1, 1), tells nothing. */
static int is_baseline(const ty_row *r)
{
    return !strcmp(r->strategy, "serial") && r->workers == 1;
}

static int colour_of(const picture *p, const char *strategy)
{
    for (size_t i = 0; i < p->n; i++)
        if (!strcmp(p->s[i].first->strategy, strategy))
            return p->s[i].colour;
    return p->colours;
}

static void add_series(picture *p, const ty_row *r)
{
    int panel = panel_of(p, r), colour = colour_of(p, r->strategy);
    if (panel < 0 || p->n == MOST_SERIES)
        return;
    p->colours += colour == p->colours;
    p->s[p->n] = (series){.panel = panel, .colour = colour, .measured = !simulated(r), .first = r};
    snprintf(p->s[p->n++].label, LABEL, "%s", r->strategy);
}

static void collect_series(picture *p, const ty_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int known = !has_speedup(&rows[i]) || is_baseline(&rows[i]);
        for (size_t k = 0; k < p->n && !known; k++)
            known = same_series(p->s[k].first, &rows[i]);
        if (!known)
            add_series(p, &rows[i]);
    }
    name_panels(p, rows, n);
    for (size_t i = 0; i < p->n; i++)
        if (both_kinds(p->s[i].panel, rows, n, p))
            snprintf(p->s[i].label, LABEL, "%s, %s", p->s[i].first->strategy,
                     p->s[i].measured ? "measured" : "simulated");
}

/* The row of series s with the fewest workers above `above`; NULL at the end. */
static const ty_row *next_row(const series *s, int above, const ty_row *rows, size_t n)
{
    const ty_row *best = NULL;
    for (size_t i = 0; i < n; i++)
        if (same_series(s->first, &rows[i]) && rows[i].workers > above && (!best || rows[i].workers < best->workers))
            best = &rows[i];
    return best;
}

static void write_speedups(FILE *f, const series *s, const ty_row *rows, size_t n)
{
    fprintf(f, "# %s, %s: workers  speedup  speedup by the closed form\n", s->label, place(s->first));
    for (const ty_row *r = next_row(s, 0, rows, n); r; r = next_row(s, r->workers, rows, n)) {
        double good = has_speedup(r) ? r->speedup : NAN;
        fprintf(f, "%d ", r->workers);
        value(f, good, ' ');
        value(f, r->closed_form_s > 0 ? good * r->step_s / r->closed_form_s : NAN, '\n');
    }
    fputs("\n\n", f);
}

ty_err ty_plot_speedup(const char *dir, const char *name, const char *title, const ty_row *rows, size_t n)
{
    plot f;
    ty_err e = ty_ok();
    picture *p = ty_zalloc(1, sizeof *p);
    collect_series(p, rows, n);
    if (p->n)
        e = plot_open(&f, dir, name, title);
    if (p->n && !e.code) {
        write_titles(&f, p);
        write_series(&f, p);
        for (size_t i = 0; i < p->n; i++)
            write_speedups(f.dat.f, &p->s[i], rows, n);
        e = plot_close(&f, "speedup.gp");
    }
    free(p);
    return e;
}

/* ---- where the time went ------------------------------------------------------------------------------------------ */

static int has_breakdown(const ty_row *r)
{
    return r->ok && isfinite(r->compute_s) && r->step_s > 0;
}

static void label_bar(char *label, const ty_row *r, const ty_row *rows, size_t n)
{
    int workers = 0, threads = 0, kinds = 0;
    for (size_t i = 0; i < n; i++) {
        if (!same_panel(&rows[i], r) || strcmp(rows[i].strategy, r->strategy) || !has_breakdown(&rows[i]))
            continue;
        workers |= rows[i].workers != r->workers;
        kinds |= simulated(&rows[i]) != simulated(r);
        threads |= rows[i].threads != r->threads && simulated(&rows[i]) == simulated(r);
    }
    size_t used = (size_t)snprintf(label, LABEL, "%.31s", r->strategy);
    if (workers)
        used += (size_t)snprintf(label + used, LABEL - used, ", %d w.", r->workers);
    if (threads)
        used += (size_t)snprintf(label + used, LABEL - used, ", %d thr.", r->threads);
    if (kinds)
        snprintf(label + used, LABEL - used, ", %s", simulated(r) ? "sim." : "meas.");
}

static void write_bars(FILE *f, const picture *p, int panel, const ty_row *rows, size_t n)
{
    char label[LABEL];
    fprintf(f, "# label  compute  exposed communication  waiting  hidden communication [ms a step]\n");
    for (size_t i = 0; i < n; i++) {
        const ty_row *r = &rows[i];
        if (!has_breakdown(r) || !same_panel(p->panel[panel], r))
            continue;
        label_bar(label, r, rows, n);
        fprintf(f, "\"%s\" %.9g %.9g %.9g %.9g\n", label, 1e3 * r->compute_s, 1e3 * r->comm_exposed_s,
                1e3 * r->wait_s, 1e3 * (r->comm_hidden_s > 0 ? r->comm_hidden_s : 0));
    }
    fputs("\n\n", f);
}

ty_err ty_plot_breakdown(const char *dir, const char *name, const char *title, const ty_row *rows, size_t n)
{
    plot f;
    ty_err e = ty_ok();
    picture *p = ty_zalloc(1, sizeof *p);
    for (size_t i = 0; i < n; i++)
        if (has_breakdown(&rows[i]))
            panel_of(p, &rows[i]);
    name_panels(p, rows, n);
    if (p->panels)
        e = plot_open(&f, dir, name, title);
    if (p->panels && !e.code) {
        write_titles(&f, p);
        for (size_t i = 0; i < p->panels; i++)
            write_bars(f.dat.f, p, (int)i, rows, n);
        e = plot_close(&f, "breakdown.gp");
    }
    free(p);
    return e;
}

/* ---- loss ----------------------------------------------------------------------------------------------------------- */

static int has_loss(const ty_result *r)
{
    return r->loss && r->steps > 0 && r->row.ok;
}

/* Means over windows of `window` steps: the noise of single batches hides what there is to see. */
static void write_losses(FILE *f, const ty_result *r, long window)
{
    for (long first = 0; first < r->steps; first += window) {
        double sum = 0;
        long last = first + window < r->steps ? first + window : r->steps;
        for (long i = first; i < last; i++)
            sum += r->loss[i];
        fprintf(f, "%.9g ", 0.5 * (double)(first + 1 + last));
        value(f, sum / (double)(last - first), '\n');
    }
    fputs("\n\n", f);
}

static void label_run(char *label, const ty_result *r, const ty_result *const *all, size_t n)
{
    int twice = 0;
    for (size_t i = 0; i < n; i++)
        twice |= all[i] != r && has_loss(all[i]) && !strcmp(all[i]->row.strategy, r->row.strategy);
    size_t used = (size_t)snprintf(label, LABEL, "%.31s", r->row.strategy);
    if (twice)
        snprintf(label + used, LABEL - used, ", %d x %d threads", r->row.workers, r->row.threads);
}

static ty_err write_loss_plot(plot *f, const ty_result *const *results, size_t n, size_t curves, long window)
{
    char label[LABEL];
    size_t k = 0;
    fprintf(f->gp.f, "window = %ld\ncurves = %zu\n", window, curves);
    array_begin(f, "label", curves);
    for (size_t i = 0; i < n; i++)
        if (has_loss(results[i])) {
            label_run(label, results[i], results, n);
            fprintf(f->dat.f, "# %s: step  mean loss of a batch over %ld steps\n", label, window);
            write_losses(f->dat.f, results[i], window);
            fputs(k++ ? ", " : "", f->gp.f);
            quoted(f->gp.f, label);
        }
    fputs("]\n", f->gp.f);
    return plot_close(f, "loss.gp");
}

ty_err ty_plot_loss(const char *dir, const char *name, const char *title, const ty_result *const *results, size_t n)
{
    plot f;
    long most = 0;
    size_t curves = 0;
    for (size_t i = 0; i < n; i++)
        if (has_loss(results[i])) {
            curves++;
            most = results[i]->steps > most ? results[i]->steps : most;
        }
    if (!curves)
        return ty_ok();
    TY_TRY(plot_open(&f, dir, name, title));
    return write_loss_plot(&f, results, n, curves, (most + MOST_POINTS - 1) / MOST_POINTS);
}
