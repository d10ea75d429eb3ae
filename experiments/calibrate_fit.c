/* SPDX-License-Identifier: MIT
 *
 * calibrate_fit - the constants that make the model's relative error over calibration points small,
 * class by class; a point counts as much as its share of its step.
 */
#include "experiments/calibrate.h"

#include "experiments/calibrate_solve.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The terms of the model for one thread. */
enum { CALLS = 1, ROWS = 2, FLOPS = 4, NEAR = 8, FAR = 16, DEEP = 32 };

/* What the time of a class is made of. */
static int terms_of(ty_class c)
{
    const int bytes = NEAR | FAR | DEEP;
    switch (c) {
    case TY_CLASS_STREAM:
    case TY_CLASS_COPY:
    case TY_CLASS_UPDATE:
    case TY_CLASS_NORM:
        return CALLS | bytes;
    case TY_CLASS_POOL:
        return CALLS | ROWS | bytes;
    case TY_CLASS_SOFTMAX:
    case TY_CLASS_AUGMENT:
        return CALLS | ROWS | FLOPS;
    case TY_CLASS_LSTM: /* near bytes are as many a unit, whatever the shape: rows tell of them */
    case TY_CLASS_LSTM_BACK:
        return CALLS | ROWS | FLOPS | FAR | DEEP;
    case TY_CLASS_CONV_W:
    case TY_CLASS_ATTENTION:
    case TY_CLASS_PACK:
        return CALLS | ROWS | FLOPS | bytes;
    default:
        return CALLS | FLOPS | bytes;
    }
}

/* Of the share of disturbed steps: beyond it those that are left are disturbed too. */
static const double LIMIT = 0.5;

/* ---- calls ----------------------------------------------------------------------------------- */

/* The points and what is known of their machine so far. */
typedef struct task {
    const ty_calibration_point *p;
    size_t n;
    ty_machine *m;
    ty_equations *s;
    double (*whole)[TY_WAYS]; /* [n] seconds of the point's step */
} task;

/* The operation of a call that its time is told of: the one whose class comes last. */
static int lead_item(const ty_calibration_point *p)
{
    int last = 0;
    for (int i = 1; i < p->works; i++)
        if (p->work[i].cls > p->work[last].cls)
            last = i;
    return last;
}

static ty_work lead(const ty_calibration_point *p)
{
    return p->work[lead_item(p)];
}

static int is_of(const ty_calibration_point *p, ty_class c, ty_calibration_way way)
{
    return lead(p).cls == c && p->seconds[way] > 0;
}

double ty_calibration_seconds(const ty_machine *m, const ty_calibration_point *p, int item,
                              ty_calibration_way way)
{
    const int threads = way == TY_WAY_THREADS ? m->cores : 1;
    const int busy = way == TY_WAY_BESIDE ? m->cores : 1;
    const ty_machine with = ty_machine_with(m, busy * p->set);
    double sum = 0;
    for (int i = 0; i < p->works; i++)
        if (item < 0 || i == item)
            sum += ty_machine_seconds(&with, p->work[i], threads, busy);
    return sum;
}

static double predicted(const ty_machine *m, const ty_calibration_point *p, ty_calibration_way way)
{
    return ty_calibration_seconds(m, p, -1, way);
}

/* What is left of a measured time for the call's own class. */
static double own_seconds(const task *k, size_t i, ty_calibration_way way)
{
    const ty_calibration_point *p = &k->p[i];
    return p->seconds[way] - predicted(k->m, p, way) +
           ty_calibration_seconds(k->m, p, lead_item(p), way);
}

static double share_of(const task *k, size_t i, ty_calibration_way way)
{
    return k->p[i].seconds[way] / k->whole[i][way];
}

/* Seconds of the step that each point belongs to. */
static void add_up_steps(task *k)
{
    for (size_t i = 0, end; i < k->n; i = end) {
        double sum[TY_WAYS] = {0};
        for (end = i; end < k->n && k->p[end].step == k->p[i].step; end++)
            for (int way = 0; way < TY_WAYS; way++)
                sum[way] += k->p[end].seconds[way];
        for (size_t j = i; j < end; j++)
            memcpy(k->whole[j], sum, sizeof sum);
    }
}

/* ---- one class ------------------------------------------------------------------------------- */

static double rate_of(double seconds_each)
{
    return seconds_each > 0 ? 1 / seconds_each : 0;
}

/* The model with every other constant switched off is the feature of the one that is left. */
static double feature(const ty_machine *m, const ty_calibration_point *p, ty_rate only)
{
    ty_machine one = *m;
    one.rate[lead(p).cls] = only;
    return ty_calibration_seconds(&one, p, lead_item(p), TY_WAY_ONE);
}

/* Fit the class's constants for one thread, when the caches of a core serve `near` bytes and far
 * ones cost more, or (merged) as much; returns the error. */
static double try_one(task *k, ty_class c, double near, int merged)
{
    ty_equations *s = k->s;
    const int terms = terms_of(c);
    const double none = INFINITY; /* costs nothing */
    const ty_rate only[TY_TERMS] = {
        {.launch_s = 1},
        {.row_s = 1},
        {.flops = 1},
        {.bandwidth = 1, .far_bandwidth = merged ? 1 : none, .memory_bandwidth = none},
        {.bandwidth = none, .far_bandwidth = merged ? none : 1, .memory_bandwidth = none},
        {.bandwidth = none, .far_bandwidth = none, .memory_bandwidth = 1}};
    s->n = 0;
    for (size_t i = 0; i < k->n; i++) {
        double x[TY_TERMS];
        if (!is_of(&k->p[i], c, TY_WAY_ONE))
            continue;
        for (int j = 0; j < TY_TERMS; j++) {
            ty_rate r = only[j];
            r.near_bytes = near;
            x[j] = terms >> j & 1 ? feature(k->m, &k->p[i], r) : 0;
        }
        ty_equations_add(s, x, own_seconds(k, i, TY_WAY_ONE), k->p[i].seconds[TY_WAY_ONE],
                         share_of(k, i, TY_WAY_ONE));
    }
    ty_equations_solve(s);
    k->m->rate[c] = (ty_rate){.launch_s = s->c[0],
                              .row_s = s->c[1],
                              .flops = rate_of(s->c[2]),
                              .bandwidth = rate_of(s->c[3]),
                              .far_bandwidth = rate_of(s->c[merged ? 3 : 4]),
                              .near_bytes = near,
                              .memory_bandwidth = rate_of(s->c[5]),
                              .beside = 1};
    return ty_equations_missed(s);
}

/* Bytes that are further away do not come faster, nor from memory at a crawl (a few odd calls say that); what only
 * moves bytes needs time for near ones. */
static int in_order(const ty_rate *r, const ty_rate *stream)
{
    static const double EQUAL = 1.02, CRAWL = 0.25;
    const double usual = r->far_bandwidth > 0 ? r->far_bandwidth : stream->far_bandwidth;
    if (r->memory_bandwidth > 0 && r->memory_bandwidth < CRAWL * usual)
        return 0;
    const double far = r->far_bandwidth > 0 ? r->far_bandwidth : INFINITY;
    const double near = r->bandwidth > 0 ? r->bandwidth : r->flops > 0 ? INFINITY : 0;
    return far <= EQUAL * near && r->memory_bandwidth <= EQUAL * far;
}

/* How much traffic caches serve is not asked but found: what explains the times best. Far bytes
 * get a cost of their own only when something is gained by it. */
static double fit_one(task *k, ty_class c)
{
    static const double GAIN = 0.97, ALL = 1e15;
    double best = ALL, least = try_one(k, c, ALL, 1);
    int merged = 1;
    for (int way = 1; way >= 0 && terms_of(c) & FAR; way--)
        for (double near = 1 << 17; near < 1 << 24; near *= 1.5) {
            double error = try_one(k, c, near, way);
            if (error < GAIN * least && in_order(&k->m->rate[c], &k->m->rate[TY_CLASS_STREAM])) {
                least = error;
                best = near;
                merged = way;
            }
        }
    return try_one(k, c, best, merged);
}

/* Sum of the errors of all classes on one thread with a last cache of so many bytes. */
static double try_cache(task *k, double cache)
{
    double sum = 0;
    k->m->cache = cache;
    for (ty_class c = 0; c < TY_CLASSES; c++) {
        k->m->rate[c] = (ty_rate){.beside = 1};
        sum += fit_one(k, c);
    }
    return sum;
}

/* How much of the last cache a step has for itself is found, too, near the measured size: others
 * use it, and it does not fail all at once. */
static void fit_cache(task *k)
{
    static const double GAIN = 0.97, times[] = {0.5, 0.6, 0.72, 0.85, 1.2, 1.4, 1.7, 2};
    const double measured = k->m->cache;
    double best = measured, least = measured > 0 ? GAIN * try_cache(k, measured) : 0;
    for (size_t i = 0; measured > 0 && i < sizeof times / sizeof *times; i++) {
        const double error = try_cache(k, times[i] * measured);
        best = error < least ? times[i] * measured : best;
        least = fmin(error, least);
    }
    k->m->cache = best;
}

/* What is left of a one-thread time on all threads: a share of 1/T is a gain of 1, a
 * share of 1 none. */
static const double LEAST_GAIN = -2; /* that a file may say */

static double gain_of(double share, int threads)
{
    return fmax(LEAST_GAIN, -log2(share) / log2(threads));
}

/* Fit the threads' constants to calls of at least `from` seconds on one thread; returns the sum of
 * the errors of all. */
static double try_threads(task *k, ty_class c, double from)
{
    const double least = 1.0 / k->m->cores; /* the share of a perfect gain */
    ty_rate *r = &k->m->rate[c], arithmetic = {.row_s = r->row_s, .flops = r->flops}, traffic = *r;
    double sum = 0;
    traffic.launch_s = traffic.row_s = traffic.flops = 0;
    traffic.thread_from_s = r->thread_from_s = INFINITY;
    k->s->n = 0;
    for (size_t i = 0; i < k->n; i++) {
        if (!is_of(&k->p[i], c, TY_WAY_THREADS))
            continue;
        const ty_calibration_point *p = &k->p[i];
        const double calls = ty_work_calls(lead(p)), launch = calls * r->launch_s;
        const double one = ty_calibration_seconds(k->m, p, lead_item(p), TY_WAY_ONE) - launch;
        const double x[TY_TERMS] = {calls, feature(k->m, p, arithmetic), feature(k->m, p, traffic)};
        if (one >= calls * from)
            ty_equations_add(k->s, x, own_seconds(k, i, TY_WAY_THREADS) - launch - least * one,
                             p->seconds[TY_WAY_THREADS], share_of(k, i, TY_WAY_THREADS));
    }
    if (k->s->n >= 4) {
        ty_equations_solve(k->s);
        r->thread_from_s = from;
        r->thread_launch_s = k->s->c[0];
        r->thread_gain = gain_of(least + k->s->c[1], k->m->cores);
        r->memory_gain = gain_of(least + k->s->c[2], k->m->cores);
    }
    for (size_t i = 0; i < k->n; i++)
        if (is_of(&k->p[i], c, TY_WAY_THREADS)) {
            double t = k->p[i].seconds[TY_WAY_THREADS];
            double error = fabs(predicted(k->m, &k->p[i], TY_WAY_THREADS) / t - 1);
            sum += fmin(error, 1) * share_of(k, i, TY_WAY_THREADS);
        }
    return sum;
}

/* Where the kernel begins to use threads is not asked but found: the limit that explains
 * the times best. */
static void fit_threads(task *k, ty_class c)
{
    double best = INFINITY, limit = 0;
    for (double from = 1e-6; from < 1e-3; from *= 1.5) {
        double error = try_threads(k, c, from);
        if (error < best) {
            best = error;
            limit = from;
        }
    }
    try_threads(k, c, limit);
    if (!isfinite(k->m->rate[c].thread_from_s))
        k->m->rate[c].thread_from_s = 1;
}

static void fit_beside(task *k, ty_class c)
{
    ty_weighed v[TY_ROWS];
    size_t n = 0;
    for (size_t i = 0; i < k->n && n < TY_ROWS; i++) {
        if (!is_of(&k->p[i], c, TY_WAY_BESIDE))
            continue;
        const double launch = k->m->rate[c].launch_s * ty_work_calls(lead(&k->p[i]));
        const double t = own_seconds(k, i, TY_WAY_BESIDE), one = own_seconds(k, i, TY_WAY_ONE);
        if (one > 2 * launch)
            v[n++] = (ty_weighed){(t - launch) / (one - launch), share_of(k, i, TY_WAY_BESIDE)};
    }
    if (n)
        k->m->rate[c].beside = fmax(1, ty_weighed_median(v, n));
}

/* ---- how good it is -------------------------------------------------------------------------- */

/* Calls that take less of their step than this hardly matter. */
static const double MATTERS = 0.01;

static void judge(task *k, ty_calibration_report *report, ty_class c)
{
    ty_weighed error[TY_ROWS];
    for (int way = 0; way < TY_WAYS; way++) {
        double worst = 0;
        size_t n = 0;
        for (size_t i = 0; i < k->n && n < TY_ROWS; i++) {
            if (!is_of(&k->p[i], c, (ty_calibration_way)way))
                continue;
            double share = share_of(k, i, (ty_calibration_way)way);
            double e =
                fabs(predicted(k->m, &k->p[i], (ty_calibration_way)way) / k->p[i].seconds[way] - 1);
            error[n++] = (ty_weighed){e, share};
            worst = share >= MATTERS ? fmax(worst, e) : worst;
        }
        report->fit[c].median[way] = ty_weighed_median(error, n);
        report->fit[c].worst[way] = worst;
        report->fit[c].points = way ? report->fit[c].points : (int)n;
    }
    k->m->rate[c].residual = report->fit[c].median[TY_WAY_ONE];
    k->m->rate[c].worst = report->fit[c].worst[TY_WAY_ONE];
}

/* Errors of whole steps: what predictions are made for. */
static void judge_steps(const task *k, ty_calibration_report *report)
{
    double error[TY_ROWS];
    for (int way = 0; way < TY_WAYS; way++) {
        size_t n = 0;
        for (size_t i = 0, end; i < k->n && n < TY_ROWS; i = end) {
            double want = 0;
            for (end = i; end < k->n && k->p[end].step == k->p[i].step; end++)
                want += predicted(k->m, &k->p[end], (ty_calibration_way)way);
            if (k->whole[i][way] > 0)
                error[n++] = fabs(want / k->whole[i][way] - 1);
        }
        report->step_median[way] = ty_median(error, n);
        report->step_worst[way] = n ? error[n - 1] : 0; /* ty_median() sorts */
    }
}

/* Half of the steps are ty_equations_missed by more: nothing should be predicted from this. */
static const double POOR = 0.2;

static ty_err check_steps(const ty_machine *m, const ty_calibration_report *report)
{
    for (int way = 0; way < (m->cores > 1 ? TY_WAYS : 1); way++)
        if (report->step_median[way] > POOR)
            return ty_error(TY_EWRONG,
                            "the model does not fit this machine: it misses steps with %s by %.0f "
                            "%% in the median (limit %.0f %%); stop other programs and try again",
                            ty_calibration_way_name((ty_calibration_way)way),
                            100 * report->step_median[way], 100 * POOR);
    return ty_ok();
}

static ty_err check_noise(const ty_calibration_point *p, size_t n, const ty_machine *m,
                          ty_calibration_report *report)
{
    double v[TY_ROWS];
    for (int way = 0; way < TY_WAYS; way++) {
        size_t k = 0;
        for (size_t i = 0; i < n && k < TY_ROWS; i++)
            if (p[i].seconds[way] > 0)
                v[k++] = p[i].disturbed[way];
        report->disturbed[way] = ty_median(v, k);
    }
    for (int way = 0; way < (m->cores > 1 ? TY_WAYS : 1); way++)
        if (report->disturbed[way] > LIMIT)
            return ty_error(
                TY_EWRONG,
                "too noisy to calibrate: other programs disturbed %.0f %% of the steps with %s "
                "(limit %.0f %%); stop them and try again",
                100 * report->disturbed[way], ty_calibration_way_name((ty_calibration_way)way),
                100 * LIMIT);
    return ty_ok();
}

ty_err ty_calibration_fit(const ty_calibration_point *p, size_t n, ty_machine *m,
                          ty_calibration_report *report)
{
    task k = {p, n, m, ty_alloc(sizeof *k.s), ty_zalloc(n + 1, sizeof *k.whole)};
    add_up_steps(&k);
    fit_cache(&k);
    for (ty_class c = 0; c < TY_CLASSES; c++) {
        m->rate[c] = (ty_rate){.beside = 1};
        fit_one(&k, c);
        if (m->cores > 1) {
            fit_threads(&k, c);
            fit_beside(&k, c);
        }
        judge(&k, report, c);
    }
    judge_steps(&k, report);
    free(k.s), free(k.whole);
    m->origin = TY_FITTED;
    for (ty_class c = 0; c < TY_CLASSES; c++)
        if (!ty_rate_grows(&m->rate[c]))
            return ty_error(
                TY_EWRONG,
                "the times of %s do not grow with the work: stop other programs and try again",
                ty_class_name(c));
    report->fitted = 1;
    TY_TRY(check_noise(p, n, m, report));
    return check_steps(m, report);
}

double ty_calibration_fit_net(const double *bytes, const double *seconds, size_t n, ty_net *net)
{
    ty_equations *s = ty_alloc(sizeof *s);
    double error[TY_ROWS];
    s->n = 0;
    for (size_t i = 0; i < n; i++)
        ty_equations_add(s, (const double[TY_TERMS]){1, bytes[i]}, seconds[i], seconds[i], 1);
    ty_equations_solve(s);
    for (size_t i = 0; i < s->n; i++)
        error[i] = ty_equations_error(s, i);
    *net = (ty_net){s->c[0], rate_of(s->c[1])};
    double e = ty_median(error, s->n);
    free(s);
    return e;
}
