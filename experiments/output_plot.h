/* SPDX-License-Identifier: MIT
 *
 * output_plot - writing a .dat and a .gp and letting gnuplot draw; private to output.
 */
#ifndef TY_EXPERIMENTS_OUTPUT_PLOT_H
#define TY_EXPERIMENTS_OUTPUT_PLOT_H

#include "base/file.h"
#include "experiments/result.h"

enum { TY_PLOT_LABEL = 64 };

/* The .dat and the .gp being written. */
typedef struct ty_plot {
    ty_file dat, gp;
    char    dir[1024], name[64];
} ty_plot;

/* Open both files; the .gp begins with data, out and heading. */
ty_err ty_plot_open(ty_plot *p, const char *dir, const char *name, const char *title);
/* Append plots/SCRIPT to the .gp, commit both files, draw the SVG. */
ty_err ty_plot_close(ty_plot *p, const char *script);

/* Results with a history of the loss; `window` steps are averaged so that the longest has some 200 points; 0 curves: none. */
int  ty_plot_has_loss(const ty_result *r);
long ty_plot_window(const ty_result *const *results, size_t n, size_t *curves);
void ty_plot_label(char *label, const ty_result *r, const ty_result *const *all, size_t n); /* [TY_PLOT_LABEL] */

void ty_plot_quoted(FILE *f, const char *text);          /* a gnuplot string */
void ty_plot_value(FILE *f, double v, char after);       /* NaN: a gap */
void ty_plot_array(ty_plot *p, const char *name, size_t n); /* "array name[n] = [" into the .gp */

#endif
