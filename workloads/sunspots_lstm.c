/* SPDX-License-Identifier: MIT
 *
 * sunspots-lstm - the next twelve months of a monthly series from the last T (--context): LSTM layers (--layers) of H
 * hidden units (--width), and a linear layer from the last h to one output a month.
 *
 * What it must beat, on the same months: the naive forecast (the last value stays), and the seasonal-naive one (the value
 * a season earlier; Hyndman and Athanasopoulos, Forecasting: principles and practice, 3rd ed., 5.2) with the season of
 * monthly data, a year, and with that of the sun, eleven years.
 */
#include "workloads/workload.h"

#include <math.h>

enum { AHEAD = 12, YEAR = 12, CYCLE = 132, CONTEXT = 132, WIDTH = 64, MOST_LAYERS = 64 };

static ty_err check(const ty_workload_options *o)
{
    if (o->hidden_n)
        return ty_error(TY_EUSAGE, "sunspots-lstm has equal layers: use --layers and --width, not "
                                   "--hidden");
    if (o->heads)
        return ty_error(TY_EUSAGE, "sunspots-lstm has no attention: leave --heads out");
    if (o->context && o->context < AHEAD)
        return ty_error(TY_EUSAGE,
                        "--context %ld: sunspots-lstm looks %d months ahead and at least as "
                        "far back; use %d or more",
                        o->context, AHEAD, AHEAD);
    if (o->layers > MOST_LAYERS)
        return ty_error(TY_EUSAGE, "--layers %ld: at most %d", o->layers, MOST_LAYERS);
    return ty_ok();
}

static ty_err open_series(const ty_workload_options *o, ty_problem *p)
{
    TY_TRY(check(o));
    const size_t T = o->context ? (size_t)o->context : CONTEXT;
    const size_t H = o->width ? (size_t)o->width : WIDTH;
    const int layers = o->layers ? (int)o->layers : 1;
    const ty_sequence months = {.T = T, .targets = AHEAD, .ahead = AHEAD, .stride = 1};
    TY_TRY(
        ty_dataset_load_series(&p->data, o->data ? o->data : TY_DATA_DIR "/sunspots.csv", &months));
    p->features = T;
    p->targets = AHEAD;
    p->loss = TY_LOSS_SQUARED;
    p->blocks = ty_zalloc((size_t)layers + 1, sizeof *p->blocks);
    for (int i = 0; i < layers; i++)
        ty_problem_add(p, ty_lstm_new(T, i ? H : 1, H, i + 1 < layers));
    ty_problem_add(p, ty_linear_new(H, AHEAD));
    return ty_ok();
}

/* ---- what the forecasts are worth ----------------------------------------------------------------------- */

/* RMSE over the test set, in units of the series, of a forecast that repeats the last `season` values; NAN when a window
 * has fewer before it. */
static double repeating(const ty_dataset *d, size_t season)
{
    const ty_sequence *s = &d->sequence;
    double squares = 0;
    for (size_t i = 0; i < d->test.n; i++) {
        const size_t now = s->test_at + i * s->stride + s->T; /* the first month to forecast */
        if (now < season)
            return NAN;
        for (size_t k = 0; k < s->targets; k++) {
            const double off =
                (double)s->value[now + k] - (double)s->value[now - season + k % season];
            squares += off * off;
        }
    }
    return sqrt(squares / (double)d->test.n / (double)s->targets) * (double)d->std;
}

static void line(FILE *f, const char *name, double rmse, double network, const char *what)
{
    if (isnan(rmse))
        fprintf(f, "%-14s not to be had: the series is too short (%s)\n", name, what);
    else if (rmse <= 0) /* no error to be smaller than: a constant or exactly periodic series */
        fprintf(f, "%-14s RMSE 0, %s: it is never wrong on this series\n", name, what);
    else
        fprintf(f, "%-14s RMSE %.4g, %s: the network's is %.1f %% %s\n", name, rmse, what,
                100 * fabs(network / rmse - 1), network < rmse ? "smaller" : "larger");
}

static void report(const ty_problem *p, ty_model *m, uint64_t seed, FILE *f)
{
    (void)seed;
    const double network = sqrt(ty_problem_score(p, m).loss) * (double)p->data.std;
    if (isnan(network))
        return;
    fprintf(f, "%-14s RMSE %.4g in units of the series, %u forecasts of %d months\n", "forecast",
            network, p->data.test.n, AHEAD);
    line(f, "seasonal-naive", repeating(&p->data, YEAR), network, "a year earlier");
    line(f, "seasonal-naive", repeating(&p->data, CYCLE), network, "a cycle of 132 months earlier");
    line(f, "naive", repeating(&p->data, 1), network, "the last value");
}

const ty_workload ty_sunspots_lstm = {
    .name = "sunspots-lstm",
    .summary = "forecast of monthly sunspot numbers, a year ahead, by LSTM layers (--layers 1 "
               "--width 64 --context 132, --data FILE)",
    .has_data = 1,
    .usual = {.epochs = 10, .optimizer = TY_ADAMW, .rate = 0.01},
    .open = open_series,
    .report = report,
};
