/* SPDX-License-Identifier: MIT
 *
 * output_plot_time - histories against seconds: of strategies that take different steps, the one that learns fastest.
 */
#include "experiments/output.h"
#include "experiments/output_plot.h"

#include <math.h>

enum { SMOOTHER = 3 }; /* than loss by step: curves cross here */

/* Means over windows of steps, each where its last step ended; returns the least of them. */
static double write_losses(FILE *f, const ty_result *r, long window)
{
    double least = INFINITY;
    for (long first = 0; first < r->steps; first += window) {
        const long last = first + window < r->steps ? first + window : r->steps;
        double sum = 0;
        for (long i = first; i < last; i++)
            sum += r->loss[i];
        sum /= (double)(last - first);
        least = fmin(least, sum);
        fprintf(f, "%.9g ", r->end[last - 1]);
        ty_plot_value(f, sum, '\n');
    }
    fputs("\n\n", f);
    return least;
}

static void write_scores(FILE *f, const ty_result *r, int accuracy)
{
    fputs("NaN NaN\n", f); /* a block that is empty would not count */
    for (long i = 0; i < r->evaluations; i++) {
        const ty_evaluation *e = &r->evaluation[i];
        ty_plot_value(f, e->seconds, ' ');
        ty_plot_value(f, accuracy ? e->score.accuracy : e->score.loss, '\n');
    }
    fputs("\n\n", f);
}

static int shows_accuracy(const ty_result *r)
{
    return r->target.kind != TY_TARGET_LOSS && r->evaluations &&
           !isnan(r->evaluation[0].score.accuracy);
}

/* Twice at least, at times that are known: who evaluates beside the training does not know them. */
static int has_scores(const ty_result *r)
{
    return ty_plot_has_loss(r) && r->evaluations > 1 && isfinite(r->evaluation[0].seconds);
}

static ty_err write_plot(ty_plot *f, const ty_result *const *results, size_t n, size_t curves,
                         long window)
{
    char label[TY_PLOT_LABEL];
    size_t k = 0;
    int scores = 0, accuracy = 0;
    double target = NAN, least = INFINITY, shortest = INFINITY, longest = 0;
    for (size_t i = 0; i < n; i++) {
        scores |= has_scores(results[i]);
        accuracy |= shows_accuracy(results[i]);
        target = results[i]->target.kind ? results[i]->target.value : target;
    }
    ty_plot_array(f, "label", curves);
    for (size_t i = 0; i < n; i++)
        if (ty_plot_has_loss(results[i])) {
            ty_plot_label(label, results[i], results, n);
            fprintf(f->dat.f,
                    "# %s: seconds  mean loss of a batch over %ld steps; seconds  score\n", label,
                    window);
            least = fmin(least, write_losses(f->dat.f, results[i], window));
            shortest = fmin(shortest, results[i]->end[results[i]->steps - 1]);
            longest = fmax(longest, results[i]->end[results[i]->steps - 1]);
            write_scores(f->dat.f, results[i], accuracy);
            fputs(k++ ? ", " : "", f->gp.f);
            ty_plot_quoted(f->gp.f, label);
        }
    fprintf(f->gp.f,
            "]\nwindow = %ld\ncurves = %zu\nscores = %d\nscore = '%s'\nleast = %.9g\nspread = "
            "%.9g\ntarget = ",
            window, curves, scores, accuracy ? "accuracy on the test set" : "test loss", least,
            longest / shortest);
    ty_plot_value(f->gp.f, target, '\n');
    return ty_plot_close(f, "time.gp");
}

ty_err ty_plot_time(const char *dir, const char *name, const char *title,
                    const ty_result *const *results, size_t n)
{
    ty_plot f;
    size_t curves;
    const long window = SMOOTHER * ty_plot_window(results, n, &curves);
    if (!curves)
        return ty_ok();
    TY_TRY(ty_plot_open(&f, dir, name, title));
    return write_plot(&f, results, n, curves, window);
}
