/* SPDX-License-Identifier: MIT */
#include "experiments/result.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void ty_result_free(ty_result *r)
{
    free(r->loss);
    free(r->end);
    free(r->evaluation);
    free(r->report);
    free(r->event);
    free(r->params);
    free(r->said);
    *r = (ty_result){0};
}

const ty_evaluation *ty_result_nearest(const ty_result *r, int *reached)
{
    const ty_evaluation *best = NULL;
    const int by_loss = r->target.kind == TY_TARGET_LOSS;
    for (long i = 0; i < r->evaluations; i++) {
        const ty_evaluation *e = &r->evaluation[i];
        if ((*reached = ty_target_reached(&r->target, e->score)))
            return e;
        if (!best ||
            (by_loss ? e->score.loss < best->score.loss : e->score.accuracy > best->score.accuracy))
            best = e;
    }
    *reached = 0;
    return best;
}

void ty_row_remark(ty_row *row, const char *text)
{
    size_t used = strlen(row->message);
    snprintf(row->message + used, sizeof row->message - used, "%s%s", used ? "; " : "", text);
}

void ty_row_compare(ty_row *row, double baseline_step_s)
{
    int n = row->workers;
    row->speedup = row->efficiency = row->serial_fraction = NAN;
    if (!(row->step_s > 0) || !(baseline_step_s > 0))
        return;
    row->speedup = baseline_step_s / row->step_s;
    row->efficiency = row->speedup / row->workers;
    if (n > 1) /* Karp & Flatt, CACM 33(5), 1990 */
        row->serial_fraction = (1 / row->speedup - 1.0 / n) / (1 - 1.0 / n);
}

/* ---- CSV ------------------------------------------------------------------------------------- */

void ty_row_write_header(FILE *f)
{
    fputs("strategy,workload,fabric,network,platform,workers,dp,tp,pp,steps,step_s,compute_s,comm_"
          "exposed_s,"
          "comm_hidden_s,wait_s,speedup,efficiency,serial_fraction,bytes_sent,messages,peak_bytes,"
          "fits,loss,accuracy,"
          "closed_form_s,energy_j,cost_usd,ok,message,batch,micro_batches,threads,seed,collective,"
          "fidelity,step_p10_s,"
          "step_p90_s,test_loss,until_s,settings,staleness_mean,staleness_max\n",
          f);
}

static void text(FILE *f, const char *s) /* RFC 4180 */
{
    if (!strpbrk(s, ",\"\r\n")) {
        fprintf(f, "%s,", s);
        return;
    }
    fputc('"', f);
    for (; *s; s++) {
        if (*s == '"')
            fputc('"', f);
        fputc(*s, f);
    }
    fputs("\",", f);
}

static void number(FILE *f, double v, char after)
{
    if (isfinite(v))
        fprintf(f, "%.9g", v);
    fputc(after, f);
}

static void numbers(FILE *f, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        number(f, v[i], ',');
}

void ty_row_write(FILE *f, const ty_row *r)
{
    const char *const names[] = {r->strategy, r->workload, r->fabric, r->network, r->platform};
    for (size_t i = 0; i < 5; i++)
        text(f, names[i]);
    fprintf(f, "%d,%d,%d,%d,%ld,", r->workers, r->dp, r->tp, r->pp, r->steps);
    numbers(f,
            (const double[]){r->step_s, r->compute_s, r->comm_exposed_s, r->comm_hidden_s,
                             r->wait_s, r->speedup, r->efficiency, r->serial_fraction,
                             r->bytes_sent, r->messages, r->peak_bytes},
            11);
    fprintf(f, "%d,", r->fits);
    numbers(f, (const double[]){r->loss, r->accuracy, r->closed_form_s, r->energy_j, r->cost_usd},
            5);
    fprintf(f, "%d,", r->ok);
    text(f, r->message);
    fprintf(f, "%zu,%d,%d,%" PRIu64 ",", r->batch, r->micro_batches, r->threads, r->seed);
    text(f, r->collective);
    text(f, r->fidelity);
    number(f, r->step_p10_s, ',');
    number(f, r->step_p90_s, ',');
    number(f, r->test_loss, ',');
    number(f, r->until_s, ',');
    text(f, r->settings);
    number(f, r->staleness_mean, ',');
    number(f, r->staleness_max, '\n');
}
