/* SPDX-License-Identifier: MIT
 *
 * bench_plot - the roofline plot: one block of data for each class of kernels, and the roofs as settings.
 */
#include "experiments/bench_kernel.h"
#include "experiments/output_plot.h"

#include <math.h>
#include <string.h>

enum { MOST_KINDS = 8, MOST_BOXES = 1024, MOST_PLACES = 33 };

static double intensity(const ty_kernel_line *l)
{
    return l->flops / l->bytes;
}

/* A line with a place in the plot. */
static int shows(const ty_kernel_line *l)
{
    return !l->wrong && l->seconds > 0 && l->flops > 0 && l->bytes > 0;
}

static size_t find_kinds(const ty_kernel_line *lines, size_t n, const char **kind)
{
    size_t kinds = 0, k;
    for (size_t i = 0; i < n; i++) {
        for (k = 0; k < kinds && strcmp(kind[k], lines[i].kind); k++)
            ;
        if (k == kinds && shows(&lines[i]) && kinds < MOST_KINDS)
            kind[kinds++] = lines[i].kind;
    }
    return kinds;
}

/* ---- labels that do not lie on each other or on dots ------------------------------------------ */

/* The plot in pixels: as plots/roofline.gp draws it. */
static const double WIDTH = 880, HEIGHT = 517, LINE = 12, LETTER = 6, DOT = 9, BESIDE = 7;

typedef struct frame {
    double left, right, low, high; /* of the axes */
    size_t taken;
    struct {
        double x, y, width; /* [pixels] left end, middle */
    } box[MOST_BOXES];
} frame;

static double pixel_x(const frame *f, double flop_per_b)
{
    return WIDTH * log(flop_per_b / f->left) / log(f->right / f->left);
}

static double pixel_y(const frame *f, double rate)
{
    return HEIGHT * log(rate / f->low) / log(f->high / f->low);
}

static void take_box(frame *f, double x, double y, double width)
{
    if (f->taken == MOST_BOXES)
        return;
    f->box[f->taken].x = x;
    f->box[f->taken].y = y;
    f->box[f->taken++].width = width;
}

static int is_free(const frame *f, double x, double y, double width)
{
    for (size_t i = 0; i < f->taken; i++)
        if (fabs(y - f->box[i].y) < LINE && x < f->box[i].x + f->box[i].width &&
            f->box[i].x < x + width)
            return 0;
    return x >= 0 && x + width <= WIDTH;
}

/* Right or left of its dot, or as few lines above or below as are taken; *at_x, *at_y: where it begins. */
static void place_label(frame *f, double flop_per_b, double rate, const char *text, double *at_x,
                        double *at_y)
{
    const double width = LETTER * (double)strlen(text), dot_x = pixel_x(f, flop_per_b),
                 dot_y = pixel_y(f, rate);
    double x = dot_x + BESIDE, y = dot_y;
    for (int i = 1; i < MOST_PLACES && !is_free(f, x, y, width); i++) {
        const int line = i / 2;
        x = i % 2 ? dot_x - BESIDE - width : dot_x + BESIDE;
        y = dot_y + LINE * (line % 2 ? (line + 1) / 2 : -line / 2);
    }
    take_box(f, x, y, width);
    *at_x = f->left * pow(f->right / f->left, x / WIDTH);
    *at_y = f->low * pow(f->high / f->low, y / HEIGHT);
}

/* Dots, and the text on the roof of arithmetic. */
static void take_dots(frame *f, const ty_roof *roof, const ty_kernel_line *lines, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (shows(&lines[i]))
            take_box(f, pixel_x(f, intensity(&lines[i])) - DOT / 2,
                     pixel_y(f, lines[i].flops / lines[i].seconds / 1e9), DOT);
    take_box(f, WIDTH - 160, pixel_y(f, roof->flops / 1e9) + LINE / 2, 160);
}

static void write_points(FILE *out, frame *f, const char *kind, const ty_kernel_line *lines,
                         size_t n)
{
    fprintf(out, "# %s: intensity [flop/B]  rate [Gflop/s]  label  where it begins\n", kind);
    for (size_t i = 0; i < n; i++) {
        const ty_kernel_line *l = &lines[i];
        if (!shows(l) || strcmp(l->kind, kind))
            continue;
        double rate = l->flops / l->seconds / 1e9, x = intensity(l), y = rate;
        if (l->typical)
            place_label(f, intensity(l), rate, l->kernel, &x, &y);
        fprintf(out, "%.9g %.9g %s %.9g %.9g\n", intensity(l), rate, l->typical ? l->kernel : "-",
                x, y);
    }
    fputs("\n\n", out);
}

/* A whole power of two below or above. */
static double octave(double v, int up)
{
    return exp2(up ? ceil(log2(v)) : floor(log2(v)));
}

static frame find_frame(const ty_roof *roof, const ty_kernel_line *lines, size_t n)
{
    frame f = {.left = INFINITY, .low = INFINITY, .high = 2 * octave(roof->flops / 1e9, 1)};
    for (size_t i = 0; i < n; i++)
        if (shows(&lines[i])) {
            f.left = fmin(f.left, intensity(&lines[i]));
            f.right = fmax(f.right, intensity(&lines[i]));
            f.low = fmin(f.low, lines[i].flops / lines[i].seconds / 1e9);
        }
    f.left = octave(f.left / 1.3, 0);
    f.right = octave(fmax(f.right, 32) * 2, 1);
    f.low = octave(f.low / 1.3, 0);
    take_dots(&f, roof, lines, n);
    return f;
}

static void write_roof(ty_plot *p, const ty_roof *roof)
{
    double bandwidth[TY_LEVELS];
    for (int i = 0; i < TY_LEVELS; i++)
        bandwidth[i] = ty_roof_bandwidth(roof, ty_roof_typical(roof, i)) / 1e9;
    fprintf(p->gp.f, "peak = %.9g\npeak_text = 'multiply-add: %.0f Gflop/s'\nroofs = %d\n",
            roof->flops / 1e9, roof->flops / 1e9, TY_LEVELS);
    ty_plot_array(p, "roof_GB", TY_LEVELS);
    for (int i = 0; i < TY_LEVELS; i++)
        fprintf(p->gp.f, "%s%.9g", i ? ", " : "", bandwidth[i]);
    fputs("]\n", p->gp.f);
    ty_plot_array(p, "roof_text", TY_LEVELS);
    for (int i = 0; i < TY_LEVELS; i++)
        fprintf(p->gp.f, "%s'%s: %.0f GB/s'", i ? ", " : "", ty_level_name[i], bandwidth[i]);
    fputs("]\n", p->gp.f);
}

ty_err ty_plot_roofline(const char *dir, const char *title, const ty_roof *roof,
                        const ty_kernel_line *lines, size_t n)
{
    ty_plot p;
    const char *kind[MOST_KINDS];
    const size_t kinds = find_kinds(lines, n, kind);
    if (!kinds)
        return ty_error(TY_EMISSING, "no line has both arithmetic and a time");
    TY_TRY(ty_plot_open(&p, dir, "roofline", title));
    write_roof(&p, roof);
    frame f = find_frame(roof, lines, n);
    fprintf(p.gp.f, "left = %.9g\nright = %.9g\nlow = %.9g\nhigh = %.9g\n", f.left, f.right, f.low,
            f.high);
    fprintf(p.gp.f, "kinds = %zu\n", kinds);
    ty_plot_array(&p, "kind", kinds);
    for (size_t k = 0; k < kinds; k++) {
        write_points(p.dat.f, &f, kind[k], lines, n);
        fputs(k ? ", " : "", p.gp.f);
        ty_plot_quoted(p.gp.f, kind[k]);
    }
    fputs("]\n", p.gp.f);
    return ty_plot_close(&p, "roofline.gp");
}
