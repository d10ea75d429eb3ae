/* SPDX-License-Identifier: MIT */
#include "experiments/output_json.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>

enum { MOST_RANKS = 1024 }; /* reports of more are left out: the file would be tens of megabytes */

static json_t *number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static json_t *numbers(const double *v, long n)
{
    json_t *a = json_array();
    for (long i = 0; i < n; i++)
        json_array_append_new(a, number(v[i]));
    return a;
}

static json_t *host(void)
{
    ty_machine m = {0};
    ty_machine_name_here(&m);
    return json_pack("{s:s, s:s, s:i, s:o}", "name", m.host, "processor", m.processor, "cores",
                     m.cores, "memory_bytes", number(m.memory));
}

json_t *ty_json_header(const char *command, const char *begun)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:{}, s:[]}", "trainyard", TY_VERSION, "git",
                     TY_GIT, "compiler", __VERSION__, "command", command, "begun", begun, "host",
                     host(), "options", "runs");
}

/* ---- a row: the same names as the columns of the CSV ----------------------------------------- */

static const struct {
    const char *name;
    enum { TEXT, INT, LONG, SIZE, U64, REAL } kind;
    size_t at;
} column[] = {
#define C(kind, field)                                                                             \
    {                                                                                              \
#field, kind, offsetof(ty_row, field)                                                      \
    }
    C(TEXT, strategy),
    C(TEXT, workload),
    C(TEXT, fabric),
    C(TEXT, network),
    C(TEXT, platform),
    C(INT, workers),
    C(INT, dp),
    C(INT, tp),
    C(INT, pp),
    C(LONG, steps),
    C(REAL, step_s),
    C(REAL, compute_s),
    C(REAL, comm_exposed_s),
    C(REAL, comm_hidden_s),
    C(REAL, wait_s),
    C(REAL, speedup),
    C(REAL, efficiency),
    C(REAL, serial_fraction),
    C(REAL, bytes_sent),
    C(REAL, messages),
    C(REAL, peak_bytes),
    C(INT, fits),
    C(REAL, loss),
    C(REAL, accuracy),
    C(REAL, closed_form_s),
    C(REAL, energy_j),
    C(REAL, cost_usd),
    C(INT, ok),
    C(TEXT, message),
    C(SIZE, batch),
    C(INT, micro_batches),
    C(INT, threads),
    C(U64, seed),
    C(TEXT, collective),
    C(TEXT, fidelity),
    C(REAL, step_p10_s),
    C(REAL, step_p90_s),
    C(REAL, test_loss),
    C(REAL, until_s),
    C(TEXT, settings),
    C(REAL, staleness_mean),
    C(REAL, staleness_max),
#undef C
};

static json_t *cell(const ty_row *row, size_t i)
{
    const void *at = (const char *)row + column[i].at;
    switch (column[i].kind) {
    case TEXT:
        return json_string(at);
    case INT:
        return json_integer(*(const int *)at);
    case LONG:
        return json_integer(*(const long *)at);
    case SIZE:
        return json_integer((json_int_t) * (const size_t *)at);
    case U64:
        return json_integer((json_int_t) * (const uint64_t *)at);
    case REAL:
        return number(*(const double *)at);
    }
    return json_null();
}

static json_t *row_object(const ty_row *row)
{
    json_t *o = json_object();
    for (size_t i = 0; i < sizeof column / sizeof *column; i++) {
        json_t *v = cell(row, i);
        json_object_set_new(o, column[i].name, v ? v : json_null()); /* text that is no UTF-8 */
    }
    return o;
}

void ty_json_rows(json_t *o, const ty_row *row, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, row_object(&row[i]));
    json_object_set_new(o, "rows", a);
}

/* ---- a run ----------------------------------------------------------------------------------- */

static json_t *memory(const ty_ledger *l)
{
    json_t *o = json_object();
    for (int i = 0; i < TY_MEMORIES; i++)
        json_object_set_new(o, ty_memory_name[i], json_integer((json_int_t)l->peak_bytes[i]));
    json_object_set_new(o, "together", json_integer((json_int_t)l->total_peak));
    return o;
}

/* Times, messages and bytes of the ledger are totals over the steps after the first. */
static json_t *rank(const ty_rank_report *r)
{
    const ty_ledger *l = &r->ledger;
    char log[20];
    snprintf(log, sizeof log, "%016" PRIx64, r->ledger.log);
    json_t *o = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o}", "step_s",
                          number(r->step_s), "step_mean_s", number(r->mean_s), "step_p10_s",
                          number(r->p10_s), "step_p90_s", number(r->p90_s), "compute_s",
                          number(l->compute_s), "comm_exposed_s", number(l->comm_exposed_s),
                          "comm_hidden_s", number(l->comm_hidden_s), "wait_s", number(l->wait_s),
                          "messages", (json_int_t)l->messages, "bytes", (json_int_t)l->bytes,
                          "flops", number(l->flops));
    json_object_set_new(o, "peak_bytes", memory(l));
    json_object_set_new(o, "message_log", json_string(log));
    json_object_set_new(o, "closed_form",
                        json_pack("{s:o, s:o, s:o, s:o, s:o}", "step_s", number(r->closed_s),
                                  "compute_s", number(r->closed_compute_s), "messages",
                                  number(r->closed_messages), "bytes", number(r->closed_bytes),
                                  "peak_bytes", number(r->closed_peak)));
    return o;
}

static json_t *machine(const ty_machine *m)
{
    if (!m)
        return json_null();
    return json_pack("{s:s, s:s, s:s, s:i, s:o, s:s}", "host", m->host, "date", m->date,
                     "processor", m->processor, "cores", m->cores, "peak_flops",
                     number(m->peak_flops), "rates", ty_origin_name(m->origin));
}

/* Seconds are from the start of the first step, evaluations left out. */
static json_t *evaluations(const ty_result *r)
{
    json_t *a = json_array();
    for (long i = 0; i < r->evaluations; i++) {
        const ty_evaluation *e = &r->evaluation[i];
        json_array_append_new(a, json_pack("{s:I, s:o, s:o, s:o}", "step", (json_int_t)e->step,
                                           "seconds", number(e->seconds), "accuracy",
                                           number(e->score.accuracy), "test_loss",
                                           number(e->score.loss)));
    }
    return a;
}

json_t *ty_json_run(const ty_point *p, const ty_result *r, const char *trace)
{
    json_t *o = row_object(&r->row), *ranks = json_array();
    int n = r->report ? r->ranks : 0;
    for (int i = 0; i < n && i < MOST_RANKS; i++)
        json_array_append_new(ranks, rank(&r->report[i]));
    json_object_set_new(o, "ghost", json_boolean(!r->loss));
    json_object_set_new(o, "wall_s", number(r->wall_s));
    json_object_set_new(o, "difference_to_serial", number(r->difference));
    json_object_set_new(o, "machine", machine(p->machine));
    json_object_set_new(o, "shown_rank", json_integer(r->shown));
    json_object_set_new(o, "ranks_left_out", json_integer(n > MOST_RANKS ? n - MOST_RANKS : 0));
    json_object_set_new(o, "ranks", ranks);
    json_object_set_new(o, "trace", *trace ? json_string(trace) : json_null());
    json_object_set_new(o, "loss_history", r->loss ? numbers(r->loss, r->steps) : json_null());
    json_object_set_new(o, "step_end_s", r->end ? numbers(r->end, r->steps) : json_null());
    json_object_set_new(o, "evaluations", evaluations(r));
    json_t *said = r->said ? json_string(r->said) : NULL; /* NULL: text that is no UTF-8 */
    json_object_set_new(o, "report", said ? said : json_null());
    return o;
}
