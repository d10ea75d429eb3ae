/* SPDX-License-Identifier: MIT
 *
 * output_plot_rows - the two plots that are made of rows: speedup, and where the time went. Rows of one place make a panel.
 */
#define _GNU_SOURCE
#include "experiments/output.h"
#include "experiments/output_plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SERIES = 64, MOST_PANELS = 4 };

/* ---- panels and series ----------------------------------------------------------------------- */

typedef struct series {
    char label[TY_PLOT_LABEL];
    int panel, colour, measured;
    const ty_row *first;
} series;

typedef struct picture {
    size_t panels, n;
    char title[MOST_PANELS][80], note[MOST_PANELS][80]; /* first and second line above it */
    const ty_row *panel[MOST_PANELS];                   /* its first row */
    series s[MOST_SERIES];
    int colours;
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

static void name_panels(picture *p, const char *both, const ty_row *rows, size_t n)
{
    for (size_t i = 0; i < p->panels; i++) {
        const ty_row *r = p->panel[i];
        const char *network = r->network, *how = simulated(r) ? "simulated" : "measured";
        for (size_t k = 0; k < n; k++)
            if (same_panel(r, &rows[k]) && simulated(&rows[k]))
                network = rows[k].network;
        if (both_kinds((int)i, rows, n, p))
            how = both;
        snprintf(p->title[i], sizeof p->title[i], "%.70s%s", place(r),
                 strlen(place(r)) > 70 ? "..." : "");
        snprintf(p->note[i], sizeof p->note[i], "batch %zu, %s%s%s", r->batch, how,
                 *network ? ", network " : "", network);
    }
}

static void write_titles(ty_plot *f, const picture *p)
{
    fprintf(f->gp.f, "panels = %zu\n", p->panels);
    for (int note = 0; note < 2; note++) {
        ty_plot_array(f, note ? "panel_note" : "panel_title", p->panels);
        for (size_t i = 0; i < p->panels; i++) {
            fputs(i ? ", " : "", f->gp.f);
            ty_plot_quoted(f->gp.f, note ? p->note[i] : p->title[i]);
        }
        fputs("]\n", f->gp.f);
    }
}

static void write_series(ty_plot *f, const picture *p)
{
    static const char *const names[] = {"panel_of", "colour_of", "measured"};
    fprintf(f->gp.f, "series = %zu\n", p->n);
    ty_plot_array(f, "label", p->n);
    for (size_t i = 0; i < p->n; i++) {
        fputs(i ? ", " : "", f->gp.f);
        ty_plot_quoted(f->gp.f, p->s[i].label);
    }
    fputs("]\n", f->gp.f);
    for (int k = 0; k < 3; k++) {
        ty_plot_array(f, names[k], p->n);
        for (size_t i = 0; i < p->n; i++) {
            const series *s = &p->s[i];
            fprintf(f->gp.f, "%s%d", i ? ", " : "",
                    k == 0   ? s->panel + 1
                    : k == 1 ? s->colour + 1
                             : s->measured);
        }
        fputs("]\n", f->gp.f);
    }
}

/* ---- speedup --------------------------------------------------------------------------------- */

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
    snprintf(p->s[p->n++].label, TY_PLOT_LABEL, "%s", r->strategy);
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
    name_panels(p, "measured (filled), simulated (open)", rows, n);
    for (size_t i = 0; i < p->n;
         i++) /* measured and simulated share a colour and an entry of the key */
        for (size_t k = 0; k < i; k++)
            if (p->s[k].panel == p->s[i].panel && p->s[k].colour == p->s[i].colour)
                p->s[i].label[0] = 0;
}

/* The row of series s with the fewest workers above `above`; NULL at the end. */
static const ty_row *next_row(const series *s, int above, const ty_row *rows, size_t n)
{
    const ty_row *best = NULL;
    for (size_t i = 0; i < n; i++)
        if (same_series(s->first, &rows[i]) && rows[i].workers > above &&
            (!best || rows[i].workers < best->workers))
            best = &rows[i];
    return best;
}

/* By the closed form alone: serial's over this plan's, with the same threads. */
static double closed_speedup(const ty_row *r, const ty_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_baseline(&rows[i]) && same_panel(&rows[i], r) && rows[i].threads == r->threads &&
            r->closed_form_s > 0)
            return rows[i].closed_form_s / r->closed_form_s;
    return NAN;
}

static void write_speedups(FILE *f, const series *s, const ty_row *rows, size_t n)
{
    fprintf(f, "# %s, %s, %s: workers  speedup  speedup by the closed form\n", s->first->strategy,
            s->measured ? "measured" : "simulated", place(s->first));
    for (const ty_row *r = next_row(s, 0, rows, n); r; r = next_row(s, r->workers, rows, n)) {
        fprintf(f, "%d ", r->workers);
        ty_plot_value(f, has_speedup(r) ? r->speedup : NAN, ' ');
        ty_plot_value(f, closed_speedup(r, rows, n), '\n');
    }
    fputs("\n\n", f);
}

ty_err ty_plot_speedup(const char *dir, const char *name, const char *title, const ty_row *rows,
                       size_t n)
{
    ty_plot f;
    ty_err e = ty_ok();
    picture *p = ty_zalloc(1, sizeof *p);
    collect_series(p, rows, n);
    if (p->n)
        e = ty_plot_open(&f, dir, name, title);
    if (p->n && !e.code) {
        write_titles(&f, p);
        write_series(&f, p);
        for (size_t i = 0; i < p->n; i++)
            write_speedups(f.dat.f, &p->s[i], rows, n);
        e = ty_plot_close(&f, "speedup.gp");
    }
    free(p);
    return e;
}

/* ---- where the time went --------------------------------------------------------------------- */

static int has_breakdown(const ty_row *r)
{
    return r->ok && isfinite(r->compute_s) && r->step_s > 0;
}

static void label_bar(char *label, const ty_row *r, const ty_row *rows, size_t n)
{
    int workers = 0, threads = 0, kinds = 0;
    for (size_t i = 0; i < n; i++) {
        if (!same_panel(&rows[i], r) || strcmp(rows[i].strategy, r->strategy) ||
            !has_breakdown(&rows[i]))
            continue;
        workers |= rows[i].workers != r->workers;
        kinds |= simulated(&rows[i]) != simulated(r);
        threads |= rows[i].threads != r->threads && simulated(&rows[i]) == simulated(r);
    }
    size_t used = (size_t)snprintf(label, TY_PLOT_LABEL, "%.31s", r->strategy);
    if (workers)
        used += (size_t)snprintf(label + used, TY_PLOT_LABEL - used, ", %d w.", r->workers);
    if (threads)
        used += (size_t)snprintf(label + used, TY_PLOT_LABEL - used, ", %d thr.", r->threads);
    if (kinds)
        snprintf(label + used, TY_PLOT_LABEL - used, ", %s", simulated(r) ? "sim." : "meas.");
}

static void write_bars(FILE *f, const picture *p, int panel, const ty_row *rows, size_t n)
{
    char label[TY_PLOT_LABEL];
    fprintf(f,
            "# label  compute  exposed communication  waiting  hidden communication [ms a step]\n");
    for (size_t i = 0; i < n; i++) {
        const ty_row *r = &rows[i];
        if (!has_breakdown(r) || !same_panel(p->panel[panel], r))
            continue;
        label_bar(label, r, rows, n);
        fprintf(f, "\"%s\" %.9g %.9g %.9g %.9g\n", label, 1e3 * r->compute_s,
                1e3 * r->comm_exposed_s, 1e3 * r->wait_s,
                1e3 * (r->comm_hidden_s > 0 ? r->comm_hidden_s : 0));
    }
    fputs("\n\n", f);
}

ty_err ty_plot_breakdown(const char *dir, const char *name, const char *title, const ty_row *rows,
                         size_t n)
{
    ty_plot f;
    ty_err e = ty_ok();
    picture *p = ty_zalloc(1, sizeof *p);
    for (size_t i = 0; i < n; i++)
        if (has_breakdown(&rows[i]))
            panel_of(p, &rows[i]);
    name_panels(p, "measured and simulated", rows, n);
    if (p->panels)
        e = ty_plot_open(&f, dir, name, title);
    if (p->panels && !e.code) {
        write_titles(&f, p);
        for (size_t i = 0; i < p->panels; i++)
            write_bars(f.dat.f, p, (int)i, rows, n);
        e = ty_plot_close(&f, "breakdown.gp");
    }
    free(p);
    return e;
}
