/* SPDX-License-Identifier: MIT */
#include "experiments/calibrate.h"

#include "base/clock.h"
#include "base/stats.h"
#include "experiments/calibrate_limits.h"
#include "experiments/calibrate_step.h"
#include "kernels/kernels.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    MOST_ROUNDS = 200,
    LEAST_ROUNDS = 2,
    WARM = 1, /* steps of a case before those that are timed, and for at least WARM_S */
    TIMED = 2,
    MOST_SAMPLES = TIMED * MOST_ROUNDS
};

static const double WARM_S = 3e-3; /* [s] */

/* What a call of a case took, each way. */
typedef float samples[TY_WAYS][MOST_SAMPLES];

/* Everything that is measured. Neighbours are the other ranks of the side-by-side rounds. */
typedef struct session {
    const ty_calibrate_options *o;
    ty_machine *m;
    int rounds, cases;
    int *calls;                  /* [cases] */
    ty_calibration_point *point; /* [cases * TY_CALLS]: of call i of case c at c * TY_CALLS + i */
    samples *sample;             /* likewise */
    pthread_barrier_t gate;
    atomic_int neighbours; /* that have taken their processor; rank 0 has the first */
    atomic_int stop, end;
    atomic_int now; /* the case that rank 0 is at */
} session;

static void say(const session *s, const char *fmt, ...)
{
    va_list ap;
    FILE *f = s->o->progress ? s->o->progress : stderr;
    if (s->o->quiet)
        return;
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    fputc('\n', f);
    fflush(f);
}

/* ---- kernels --------------------------------------------------------------------------------- */

static void record(session *s, const ty_trial *t, int c, ty_calibration_way way, int sample)
{
    s->calls[c] = t->calls;
    for (int i = 0; i < t->calls; i++) {
        ty_calibration_point *p = &s->point[c * TY_CALLS + i];
        p->step = c;
        p->set = t->set;
        p->works = t->call[i].works;
        memcpy(p->work, t->call[i].work, sizeof p->work);
        s->sample[c * TY_CALLS + i][way][sample] = (float)t->seconds[i];
    }
}

/* Steps until caches and branch predictors hold what they hold in a long run. */
static void warm_up(session *s, ty_trial *t, int c)
{
    const double until = ty_clock() + WARM_S;
    s->now = c;
    for (int i = 0; i < WARM || ty_clock() < until; i++)
        ty_trial_step(t, c);
}

static void pass(session *s, ty_trial *t, ty_calibration_way way, int round)
{
    for (int c = 0; c < s->cases; c++) {
        warm_up(s, t, c);
        for (int i = 0; i < TIMED; i++) {
            ty_trial_step(t, c);
            record(s, t, c, way, TIMED * round + i);
        }
    }
}

/* A neighbour takes the same steps over and over while rank 0 is being timed. */
static void *neighbour(void *arg)
{
    session *s = arg;
    ty_trial t;
    ty_kernel_set_threads(1);
    ty_kernel_bind(atomic_fetch_add(&s->neighbours, 1) + 1);
    ty_trial_init(&t);
    for (;;) {
        pthread_barrier_wait(&s->gate);
        if (s->end)
            break;
        while (!s->stop)
            ty_trial_step(&t, s->now);
        pthread_barrier_wait(&s->gate);
    }
    ty_trial_fini(&t);
    return NULL;
}

static void beside(session *s, ty_trial *t, int round)
{
    s->stop = 0;
    pthread_barrier_wait(&s->gate);
    pass(s, t, TY_WAY_BESIDE, round);
    s->stop = 1;
    pthread_barrier_wait(&s->gate);
}

/* The threads of a parallel region spin for a while after it: let them go to sleep. */
static void settle(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

static void one_round(session *s, ty_trial *t, int round)
{
    ty_kernel_set_threads(1);
    pass(s, t, TY_WAY_ONE, round);
    if (s->m->cores < 2)
        return;
    beside(s, t, round);
    ty_kernel_set_threads(s->m->cores);
    pass(s, t, TY_WAY_THREADS, round);
    ty_kernel_set_threads(1);
    settle();
}

static void rounds(session *s, ty_trial *t, double until)
{
    const int want = s->o->repeat > 0 && s->o->repeat < MOST_ROUNDS ? s->o->repeat : MOST_ROUNDS;
    for (int c = 0; c < s->cases; c++) /* touches all memory */
        ty_trial_step(t, c);
    for (s->rounds = 0; s->rounds < want; s->rounds++) {
        if (s->o->repeat <= 0 && s->rounds >= LEAST_ROUNDS && ty_clock() >= until)
            break;
        one_round(s, t, s->rounds);
    }
}

static void measure_kernels(session *s, double until)
{
    const int others = s->m->cores - 1;
    pthread_t *thread = ty_zalloc((size_t)others + 1, sizeof *thread);
    ty_trial t;
    ty_trial_init(&t);
    pthread_barrier_init(&s->gate, NULL, (unsigned)others + 1);
    for (int i = 0; i < others; i++)
        TY_CHECK(!pthread_create(&thread[i], NULL, neighbour, s), "cannot start a thread");
    rounds(s, &t, until);
    s->end = 1;
    if (others > 0)
        pthread_barrier_wait(&s->gate);
    for (int i = 0; i < others; i++)
        pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&s->gate);
    ty_trial_fini(&t);
    free(thread);
}

/* ---- samples -> points ----------------------------------------------------------------------- */

/* Steps that took this much longer than the fast ones were disturbed by something else that ran. */
static const double DISTURBED = 1.3;

/* Whole seconds of each of the n samples of a step. */
static void step_totals(const session *s, int c, int way, size_t n, double *total)
{
    for (size_t r = 0; r < n; r++) {
        total[r] = 0;
        for (int i = 0; i < s->calls[c]; i++)
            total[r] += (double)s->sample[c * TY_CALLS + i][way][r];
    }
}

/* Move the samples of the steps of case c that took from `least` to `most` seconds to the front;
 * returns how many there are. */
static size_t keep(session *s, int c, int way, const double *total, size_t n, double least,
                   double most)
{
    size_t kept = 0;
    for (size_t r = 0; r < n; r++) {
        if (total[r] < least || total[r] > most)
            continue;
        for (int i = 0; i < s->calls[c]; i++)
            s->sample[c * TY_CALLS + i][way][kept] = s->sample[c * TY_CALLS + i][way][r];
        kept++;
    }
    return kept;
}

/* Keep the samples of the middle half of the undisturbed steps of case c: they add up to the usual
 * step, which is what is predicted. Returns how many there are; *disturbed: share of the others. */
static size_t keep_usual(session *s, int c, int way, double *disturbed)
{
    double total[MOST_SAMPLES], sorted[MOST_SAMPLES];
    const size_t all = (size_t)(TIMED * s->rounds);
    step_totals(s, c, way, all, total);
    memcpy(sorted, total, all * sizeof *total);
    const double most = DISTURBED * ty_quantile(sorted, all, 0.1);
    const size_t n = keep(s, c, way, total, all, 0, most);
    *disturbed = 1 - (double)n / (double)all;
    if (n < 4)
        return n; /* too few to have a middle half */
    step_totals(s, c, way, n, total);
    memcpy(sorted, total, n * sizeof *total);
    const double low = ty_quantile(sorted, n, 0.25), high = ty_quantile(sorted, n, 0.75);
    return keep(s, c, way, total, n, low, high);
}

static double typical_sample(const float *x, size_t n)
{
    double v[MOST_SAMPLES];
    for (size_t i = 0; i < n; i++)
        v[i] = (double)x[i];
    return ty_calibrate_typical(v, n);
}

/* Fill in the seconds of the points and move them together; returns how many there are. */
static size_t summarise(session *s)
{
    size_t n = 0;
    for (int c = 0; c < s->cases; c++) {
        ty_calibration_point *p = &s->point[c * TY_CALLS];
        for (int way = 0; way < (s->m->cores > 1 ? TY_WAYS : 1); way++) {
            double disturbed;
            size_t kept = keep_usual(s, c, way, &disturbed);
            for (int i = 0; i < s->calls[c]; i++) {
                p[i].seconds[way] = typical_sample(s->sample[c * TY_CALLS + i][way], kept);
                p[i].disturbed[way] = disturbed;
            }
        }
        memmove(&s->point[n], p, (size_t)s->calls[c] * sizeof *p);
        n += (size_t)s->calls[c];
    }
    return n;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void set_date(ty_machine *m)
{
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(m->date, sizeof m->date, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

static ty_err run(session *s, ty_calibration_report *report, double begin)
{
    ty_kernel_bind(0);
    say(s, "calibrate: peak of one core and of all %d, last cache", s->m->cores);
    ty_calibrate_limits(s->m, report);
    settle();
    say(s, "calibrate: messages, lanes and barriers of ranks");
    TY_TRY(ty_calibrate_ranks(s->m, report, s->o->seconds < 20 ? 100 : 400));
    if (s->o->repeat > 0)
        say(s, "calibrate: %d training steps, %d rounds", s->cases, s->o->repeat);
    else
        say(s, "calibrate: %d training steps, %.0f s", s->cases,
            s->o->seconds - (ty_clock() - begin));
    measure_kernels(s, begin + s->o->seconds);
    say(s, "calibrate: fit");
    size_t n = summarise(s);
    report->rounds = s->rounds;
    report->seconds = ty_clock() - begin;
    ty_err e = ty_calibration_fit(s->point, n, s->m, report);
    if (s->o->csv)
        ty_calibration_write_csv(s->o->csv, s->m, s->point, n);
    return e;
}

ty_err ty_calibrate(const ty_calibrate_options *o, ty_machine *m, ty_calibration_report *report)
{
    ty_machine found = {0};
    session *s = ty_zalloc(1, sizeof *s);
    *report = (ty_calibration_report){0};
    ty_machine_name_here(&found);
    set_date(&found);
    s->o = o;
    s->m = &found;
    s->cases = ty_trial_cases();
    s->calls = ty_zalloc((size_t)s->cases, sizeof *s->calls);
    s->point = ty_zalloc((size_t)(s->cases * TY_CALLS), sizeof *s->point);
    s->sample = ty_zalloc((size_t)(s->cases * TY_CALLS), sizeof *s->sample);
    ty_err e = run(s, report, ty_clock());
    if (report->fitted)
        *m = found;
    free(s->calls), free(s->point), free(s->sample), free(s);
    return e;
}
