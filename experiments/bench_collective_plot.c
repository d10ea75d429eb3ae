/* SPDX-License-Identifier: MIT
 *
 * bench_collective_plot - of each operation: which algorithm is quickest over workers and bytes, and how the time of each grows
 * with bytes and with workers.
 */
#include "base/text.h"
#include "experiments/bench_collective.h"
#include "experiments/output_plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SIDE = 64, MOST_METHODS = 16, MOST_PANELS = 3, CURVE = 100 };

/* ---- one operation's lines over workers, sizes and algorithms ---------------------------------- */

typedef struct table {
    ty_operation op;
    size_t counts, sizes, methods;
    size_t workers[MOST_SIDE], bytes[MOST_SIDE]; /* rising */
    const ty_collective *method[MOST_METHODS];
    int colour[MOST_METHODS];        /* its place among all algorithms of the operation, from 1 */
    const ty_collective_line **line; /* [counts, sizes, methods]; NULL: no time */
} table;

static const ty_collective_line **at(const table *t, size_t w, size_t b, size_t m)
{
    return &t->line[(w * t->sizes + b) * t->methods + m];
}

static double seconds(const table *t, size_t w, size_t b, size_t m)
{
    const ty_collective_line *l = *at(t, w, b, m);
    return l ? l->times.seconds : NAN;
}

/* Into a rising list without repetitions. */
static void insert(size_t *list, size_t *n, size_t v)
{
    size_t place = 0;
    while (place < *n && list[place] < v)
        place++;
    if (place < *n && list[place] == v)
        return;
    TY_CHECK(*n < MOST_SIDE, "more than %d values", MOST_SIDE);
    memmove(list + place + 1, list + place, (*n - place) * sizeof *list);
    list[place] = v;
    ++*n;
}

static size_t find(const size_t *list, size_t v)
{
    size_t i = 0;
    while (list[i] != v)
        i++;
    return i;
}

static int shows(const ty_collective_line *l, ty_operation op)
{
    return l->collective->op == op && l->bytes && !l->times.wrong && l->times.seconds > 0;
}

static void find_methods(table *t, const ty_collective_line *lines, size_t n)
{
    int colour = 0;
    for (size_t k = 0; k < ty_collectives_n; k++) {
        size_t i = 0;
        colour += ty_collectives[k]->op == t->op;
        while (i < n && !(lines[i].collective == ty_collectives[k] && shows(&lines[i], t->op)))
            i++;
        if (i == n)
            continue;
        TY_CHECK(t->methods < MOST_METHODS, "more than %d algorithms", MOST_METHODS);
        t->method[t->methods] = ty_collectives[k];
        t->colour[t->methods++] = colour;
    }
}

static void open_table(table *t, ty_operation op, const ty_collective_line *lines, size_t n)
{
    *t = (table){.op = op};
    find_methods(t, lines, n);
    for (size_t i = 0; i < n; i++)
        if (shows(&lines[i], op)) {
            insert(t->workers, &t->counts, (size_t)lines[i].workers);
            insert(t->bytes, &t->sizes, lines[i].bytes);
        }
    t->line = ty_zalloc(t->counts * t->sizes * t->methods + 1, sizeof *t->line);
    for (size_t i = 0, m = 0; i < n; i++, m = 0)
        if (shows(&lines[i], op)) {
            while (t->method[m] != lines[i].collective)
                m++;
            *at(t, find(t->workers, (size_t)lines[i].workers), find(t->bytes, lines[i].bytes), m) =
                &lines[i];
        }
}

static ty_err open_plot(ty_plot *p, const char *dir, const char *note, const table *t,
                        const char *what, const char *title)
{
    char name[64], heading[120];
    snprintf(name, sizeof name, "%s-%s", what, ty_operation_name[t->op]);
    snprintf(heading, sizeof heading, "%s: %s", ty_operation_name[t->op], title);
    TY_TRY(ty_plot_open(p, dir, name, heading));
    fputs("note = ", p->gp.f);
    ty_plot_quoted(p->gp.f, note);
    fputc('\n', p->gp.f);
    return ty_ok();
}

/* Names and colours of the algorithms, or of those with wins alone. */
static void write_methods(ty_plot *p, const table *t, const int *wins)
{
    size_t n = 0, k = 0;
    for (size_t m = 0; m < t->methods; m++)
        n += !wins || wins[m];
    ty_plot_array(p, "label", n);
    for (size_t m = 0; m < t->methods; m++)
        if (!wins || wins[m]) {
            fputs(k++ ? ", " : "", p->gp.f);
            ty_plot_quoted(p->gp.f, t->method[m]->name);
        }
    fputs("]\n", p->gp.f);
    ty_plot_array(p, "colour_of", n);
    for (size_t m = k = 0; m < t->methods; m++)
        if (!wins || wins[m])
            fprintf(p->gp.f, "%s%d", k++ ? ", " : "", t->colour[m]);
    fputs("]\n", p->gp.f);
}

/* ---- the winner map ---------------------------------------------------------------------------- */

/* The quickest but for `except`; t->methods: there is none. Of equal ones the first. */
static size_t quickest(const table *t, size_t w, size_t b, size_t except)
{
    size_t best = t->methods;
    for (size_t m = 0; m < t->methods; m++)
        if (m != except && *at(t, w, b, m) &&
            (best == t->methods ||
             seconds(t, w, b, m) < seconds(t, w, b, best) * (1 - TY_SAME_TIME)))
            best = m;
    return best;
}

/* "ring +61 %": the next one takes so much longer; or "= ring". */
static void describe_next(const table *t, size_t w, size_t b, size_t best, char *text, size_t size)
{
    const size_t next = quickest(t, w, b, best);
    const double ratio =
        next < t->methods ? seconds(t, w, b, next) / seconds(t, w, b, best) : INFINITY;
    if (next == t->methods)
        text[0] = 0;
    else if (ratio < 1 + TY_SAME_TIME)
        snprintf(text, size, "= %s", t->method[next]->name);
    else
        snprintf(text, size, "%s +%.*f %%", t->method[next]->name,
                 ratio < 1.001   ? 3
                 : ratio < 1.095 ? 1
                                 : 0,
                 100 * (ratio - 1));
}

/* Returns the most letters in a line of a cell. */
static size_t write_cells(FILE *f, const table *t, int *wins)
{
    char next[64];
    size_t letters = 0;
    fprintf(f, "# column  row  colour  quickest  how much longer the next takes\n");
    for (size_t w = 0; w < t->counts; w++)
        for (size_t b = 0; b < t->sizes; b++) {
            const size_t best = quickest(t, w, b, t->methods);
            if (best == t->methods)
                continue;
            wins[best] = 1;
            describe_next(t, w, b, best, next, sizeof next);
            fprintf(f, "%zu %zu %d \"%s\" \"%s\"\n", w + 1, b + 1, t->colour[best],
                    t->method[best]->name, next);
            letters = strlen(next) > letters ? strlen(next) : letters;
            letters =
                strlen(t->method[best]->name) > letters ? strlen(t->method[best]->name) : letters;
        }
    return letters;
}

static void write_sides(ty_plot *p, const table *t)
{
    char text[32];
    ty_plot_array(p, "workers", t->counts);
    for (size_t i = 0; i < t->counts; i++)
        fprintf(p->gp.f, "%s'%zu'", i ? ", " : "", t->workers[i]);
    fputs("]\n", p->gp.f);
    ty_plot_array(p, "bytes", t->sizes);
    for (size_t i = 0; i < t->sizes; i++)
        fprintf(p->gp.f, "%s'%s'", i ? ", " : "",
                ty_show(text, sizeof text, (double)t->bytes[i], "B"));
    fputs("]\n", p->gp.f);
}

static void write_never(ty_plot *p, const table *t, const int *wins)
{
    const char *between = "never the quickest here: ";
    fputs("never = '", p->gp.f);
    for (size_t m = 0; m < t->methods; m++)
        if (!wins[m]) {
            fprintf(p->gp.f, "%s%s", between, t->method[m]->name);
            between = ", ";
        }
    fputs("'\n", p->gp.f);
}

static ty_err plot_winners(const char *dir, const char *note, const table *t)
{
    ty_plot p;
    int wins[MOST_METHODS] = {0};
    TY_TRY(open_plot(&p, dir, note, t, "winners", "the quickest algorithm"));
    write_sides(&p, t);
    fprintf(p.gp.f, "letters = %zu\n", write_cells(p.dat.f, t, wins));
    write_methods(&p, t, wins);
    write_never(&p, t, wins);
    return ty_plot_close(&p, "winners.gp");
}

/* ---- time against bytes, time against workers -------------------------------------------------- */

/* Along one side of the table, at one place of the other. */
typedef struct panel {
    int along_bytes;
    size_t place;
} panel;

static size_t find_panels(const table *t, panel *p)
{
    size_t n = 0;
    if (t->sizes > 1)
        p[n++] = (panel){1, t->counts - 1};
    if (t->counts > 1)
        p[n++] = (panel){0, 0};
    if (t->counts > 1 && t->sizes > 1)
        p[n++] = (panel){0, t->sizes - 1};
    return n;
}

static void write_panels(ty_plot *f, const table *t, const panel *p, size_t n)
{
    char text[32];
    ty_plot_array(f, "panel_title", n);
    for (size_t i = 0; i < n; i++)
        if (p[i].along_bytes)
            fprintf(f->gp.f, "%s'%zu workers'", i ? ", " : "", t->workers[p[i].place]);
        else
            fprintf(f->gp.f, "%s'%s'", i ? ", " : "",
                    ty_show(text, sizeof text, (double)t->bytes[p[i].place], "B"));
    fputs("]\ncounts = '", f->gp.f);
    for (size_t i = 0; i < t->counts; i++)
        fprintf(f->gp.f, "%s%zu", i ? " " : "", t->workers[i]);
    fputs("'\n", f->gp.f);
    ty_plot_array(f, "along_bytes", n);
    for (size_t i = 0; i < n; i++)
        fprintf(f->gp.f, "%s%d", i ? ", " : "", p[i].along_bytes);
    fputs("]\n", f->gp.f);
}

static void write_points(FILE *f, const table *t, panel p, size_t m)
{
    for (size_t i = 0; i < (p.along_bytes ? t->sizes : t->counts); i++) {
        fprintf(f, "%zu ", p.along_bytes ? t->bytes[i] : t->workers[i]);
        ty_plot_value(f, p.along_bytes ? seconds(t, p.place, i, m) : seconds(t, i, p.place, m),
                      '\n');
    }
    fputs("\n\n", f);
}

static double form_of(const ty_collective_line *l, size_t bytes)
{
    const double s =
        l ? ty_collective_closed_form(l->collective, &l->costing, l->workers, bytes / sizeof(float))
          : 0;
    return s > 0 ? s : NAN;
}

static void write_form(FILE *f, const table *t, panel p, size_t m)
{
    const double first = (double)t->bytes[0], last = (double)t->bytes[t->sizes - 1];
    for (size_t i = 0; p.along_bytes && i <= CURVE; i++) {
        const size_t bytes = (size_t)round(first * pow(last / first, (double)i / CURVE));
        fprintf(f, "%zu ", bytes);
        ty_plot_value(f, form_of(*at(t, p.place, 0, m), bytes), '\n');
    }
    for (size_t i = 0; !p.along_bytes && i < t->counts; i++) {
        fprintf(f, "%zu ", t->workers[i]);
        ty_plot_value(f, form_of(*at(t, i, p.place, m), t->bytes[p.place]), '\n');
    }
    fputs("\n\n", f);
}

static ty_err plot_times(const char *dir, const char *note, int simulated, const table *t)
{
    ty_plot f;
    panel p[MOST_PANELS];
    const size_t panels = find_panels(t, p);
    TY_TRY(open_plot(&f, dir, note, t, "times", "time of each algorithm"));
    write_panels(&f, t, p, panels);
    write_methods(&f, t, NULL);
    fprintf(f.gp.f, "measured = %d\nforms = %d\n", !simulated,
            isfinite(form_of(*at(t, 0, 0, 0), t->bytes[0])));
    for (size_t i = 0; i < panels; i++)
        for (size_t m = 0; m < t->methods; m++) {
            fprintf(f.dat.f, "# %s, panel %zu: %s  seconds; then the closed form\n",
                    t->method[m]->name, i + 1, p[i].along_bytes ? "bytes" : "workers");
            write_points(f.dat.f, t, p[i], m);
            write_form(f.dat.f, t, p[i], m);
        }
    return ty_plot_close(&f, "times.gp");
}

/* ---- all operations ---------------------------------------------------------------------------- */

static ty_err plot_operation(const char *dir, const char *note, int simulated, const table *t,
                             FILE *says)
{
    const char *name = ty_operation_name[t->op];
    if (t->counts > 1 && t->sizes > 1 && t->methods > 1)
        TY_TRY(plot_winners(dir, note, t));
    else if (t->counts > 1 && t->sizes > 1)
        fprintf(says, "no winner map of %s: no other algorithm than %s here\n", name,
                t->method[0]->name);
    return t->counts > 1 || t->sizes > 1 ? plot_times(dir, note, simulated, t) : ty_ok();
}

static void say_what_is_left_out(const table *t, FILE *says)
{
    if (t->counts < 2)
        fprintf(says, "no winner map and no time against workers: one number of workers; --workers "
                      "takes a list (2..64*2)\n");
    if (t->sizes < 2)
        fprintf(says, "no %stime against bytes: one size; --bytes takes a list (4k..100M*4)\n",
                t->counts < 2 ? "" : "winner map and no ");
}

ty_err ty_plot_collectives(const char *dir, const char *note, int simulated,
                           const ty_collective_line *lines, size_t n, FILE *says)
{
    ty_err e = ty_ok();
    int said = 0;
    for (int op = 0; op < TY_OPERATIONS && !e.code; op++) {
        table t;
        open_table(&t, (ty_operation)op, lines, n);
        if (t.methods && !said++)
            say_what_is_left_out(&t, says);
        if (t.methods)
            e = plot_operation(dir, note, simulated, &t, says);
        free(t.line);
    }
    return e;
}
