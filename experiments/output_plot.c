/* SPDX-License-Identifier: MIT
 *
 * output_plot - NAME.dat, NAME.gp and NAME.svg. A .gp is a few lines of settings and a script of
 * plots/ behind them, so that the folder is complete by itself: it can be copied, edited and
 * drawn again.
 */
#define _GNU_SOURCE
#include "experiments/output_plot.h"
#include "experiments/output.h"
#include "experiments/output_half.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_POINTS = 200 }; /* of a curve */

/* ---- files ----------------------------------------------------------------------------------- */

void ty_plot_quoted(FILE *f, const char *text) /* a gnuplot string: '' stands for ' */
{
    fputc('\'', f);
    for (; *text; text++)
        fputs(*text == '\'' ? "''" : (char[]){*text, 0}, f);
    fputc('\'', f);
}

static void setting(ty_plot *p, const char *name, const char *text)
{
    fprintf(p->gp.f, "%s = ", name);
    ty_plot_quoted(p->gp.f, text);
    fputc('\n', p->gp.f);
}

void ty_plot_array(ty_plot *p, const char *name, size_t n)
{
    fprintf(p->gp.f, "array %s[%zu] = [", name, n);
}

ty_err ty_plot_open(ty_plot *p, const char *dir, const char *name, const char *title)
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
static ty_err append_script(ty_plot *p, const char *script)
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
static ty_err draw(const ty_plot *p)
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
        return ty_error(
            TY_EMISSING,
            "gnuplot is missing: apt-get install gnuplot-nox, then (cd %.90s && gnuplot %s)",
            p->dir, script);
    return status ? ty_error(TY_EMISSING, "gnuplot failed; to see why: (cd %.120s && gnuplot %s)",
                             p->dir, script)
                  : ty_ok();
}

ty_err ty_plot_close(ty_plot *p, const char *script)
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

void ty_plot_value(FILE *f, double v, char after)
{
    if (isfinite(v))
        fprintf(f, "%.9g%c", v, after);
    else
        fprintf(f, "NaN%c", after); /* a gap */
}

/* ---- loss ------------------------------------------------------------------------------------ */

int ty_plot_has_loss(const ty_result *r)
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
        ty_plot_value(f, sum / (double)(last - first), '\n');
    }
    fputs("\n\n", f);
}

void ty_plot_label(char *label, const ty_result *r, const ty_result *const *all, size_t n)
{
    int twice = 0;
    for (size_t i = 0; i < n; i++)
        twice |= all[i] != r && ty_plot_has_loss(all[i]) &&
                 !strcmp(all[i]->row.strategy, r->row.strategy);
    size_t used = (size_t)snprintf(label, TY_PLOT_LABEL, "%.31s", r->row.strategy);
    if (twice)
        snprintf(label + used, TY_PLOT_LABEL - used, ", %d worker%s x %d thread%s", r->row.workers,
                 r->row.workers == 1 ? "" : "s", r->row.threads, r->row.threads == 1 ? "" : "s");
}

static ty_err write_loss_plot(ty_plot *f, const ty_result *const *results, size_t n, size_t curves,
                              long window)
{
    char label[TY_PLOT_LABEL];
    size_t k = 0;
    fprintf(f->gp.f, "window = %ld\ncurves = %zu\n", window, curves);
    ty_plot_array(f, "label", curves);
    for (size_t i = 0; i < n; i++)
        if (ty_plot_has_loss(results[i])) {
            ty_plot_label(label, results[i], results, n);
            fprintf(f->dat.f, "# %s: step  mean loss of a batch over %ld steps\n", label, window);
            write_losses(f->dat.f, results[i], window);
            fputs(k++ ? ", " : "", f->gp.f);
            ty_plot_quoted(f->gp.f, label);
        }
    fputs("]\n", f->gp.f);
    return ty_plot_close(f, "loss.gp");
}

long ty_plot_window(const ty_result *const *results, size_t n, size_t *curves)
{
    long most = 0;
    *curves = 0;
    for (size_t i = 0; i < n; i++)
        if (ty_plot_has_loss(results[i])) {
            ++*curves;
            most = results[i]->steps > most ? results[i]->steps : most;
        }
    return (most + MOST_POINTS - 1) / MOST_POINTS;
}

ty_err ty_plot_loss(const char *dir, const char *name, const char *title,
                    const ty_result *const *results, size_t n)
{
    ty_plot f;
    size_t curves;
    const long window = ty_plot_window(results, n, &curves);
    if (!curves)
        return ty_ok();
    TY_TRY(ty_plot_open(&f, dir, name, title));
    return write_loss_plot(&f, results, n, curves, window);
}
