/* SPDX-License-Identifier: MIT */
#include "experiments/calibrate.h"

#include "base/clock.h"
#include "base/stats.h"
#include "experiments/calibrate_step.h"
#include "fabric/rank.h"
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
    LEAST_ROUNDS = 4,
    WARM = 3, /* steps after which the caches hold what they hold in a long run: measured */
    TIMED = 4,
    MOST_SAMPLES = TIMED * MOST_ROUNDS,
    PING_SIZES = 8,
    POINTS = TY_CASES * TY_CALLS
};

/* Everything that is measured. Neighbours are the other ranks of the side-by-side rounds. */
typedef struct session {
    const ty_calibrate_options *o;
    ty_machine *m;
    int rounds;
    int calls[TY_CASES];
    ty_work work[POINTS];                    /* [case * TY_CALLS + call] */
    double (*sample)[TY_WAYS][MOST_SAMPLES]; /* [POINTS] seconds */
    pthread_barrier_t gate;
    atomic_int neighbours; /* that have taken their processor; rank 0 has the first */
    atomic_int stop, end;
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
        s->work[c * TY_CALLS + i] = t->work[i];
        s->sample[c * TY_CALLS + i][way][sample] = t->seconds[i];
    }
}

/* The steps before the timed ones bring their operands to where a training run has them. */
static void pass(session *s, ty_trial *t, ty_calibration_way way, int round)
{
    for (int c = 0; c < TY_CASES; c++)
        for (int i = -WARM; i < TIMED; i++) {
            ty_trial_step(t, c);
            if (i >= 0)
                record(s, t, c, way, TIMED * round + i);
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
        for (int i = 0; !s->stop; i++) /* as long at a case as rank 0 */
            ty_trial_step(&t, i / (WARM + TIMED) % TY_CASES);
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
    one_round(s, t, 0); /* warms up: measured again */
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
            total[r] += s->sample[c * TY_CALLS + i][way][r];
    }
}

/* Move the samples of undisturbed steps of case c to the front; returns how many there are. */
static size_t keep_undisturbed(session *s, int c, int way)
{
    double total[MOST_SAMPLES], sorted[MOST_SAMPLES];
    size_t n = (size_t)(TIMED * s->rounds), kept = 0;
    step_totals(s, c, way, n, total);
    memcpy(sorted, total, n * sizeof *total);
    double most = DISTURBED * ty_quantile(sorted, n, 0.1);
    for (size_t r = 0; r < n; r++) {
        if (total[r] > most)
            continue;
        for (int i = 0; i < s->calls[c]; i++)
            s->sample[c * TY_CALLS + i][way][kept] = s->sample[c * TY_CALLS + i][way][r];
        kept++;
    }
    return kept;
}

/* Mean of the samples, none counted as more than twice their median: times add up as means do, but
 * one sample that met another program must not decide. Sorts v. */
static double typical(double *v, size_t n)
{
    double sum = 0, most = 2 * ty_quantile(v, n, 0.5);
    for (size_t i = 0; i < n; i++)
        sum += fmin(v[i], most);
    return sum / (double)n;
}

/* Points p[POINTS]; returns how many. */
static size_t summarise(session *s, ty_calibration_point *p)
{
    size_t n = 0;
    for (int c = 0; c < TY_CASES; c++) {
        for (int i = 0; i < s->calls[c]; i++)
            p[n + (size_t)i] = (ty_calibration_point){.step = c, .work = s->work[c * TY_CALLS + i]};
        for (int way = 0; way < (s->m->cores > 1 ? TY_WAYS : 1); way++) {
            size_t kept = keep_undisturbed(s, c, way);
            for (int i = 0; i < s->calls[c]; i++) {
                p[n + (size_t)i].seconds[way] = typical(s->sample[c * TY_CALLS + i][way], kept);
                p[n + (size_t)i].disturbed[way] = 1 - (double)kept / (TIMED * s->rounds);
            }
        }
        n += (size_t)s->calls[c];
    }
    return n;
}

/* ---- the hand-off between two ranks ---------------------------------------------------------- */

typedef struct pings {
    int rounds;
    double *sample[PING_SIZES];
    char *out[2], *in[2];
} pings;

static const double ping_bytes[PING_SIZES] = {64,      1 << 10, 1 << 13, 1 << 15,
                                              1 << 17, 1 << 19, 1 << 20, 1 << 21};

/* Both ranks compute for a while, then exchange a message, as in a step of an all-reduce; what a
 * round takes longer than the computing is the hand-off. (Ranks that only talk end up on one core,
 * where a message is cheaper than it ever is in training.) */
static void exchange(ty_rank *r, void *arg)
{
    static const double computing = 50e-6;
    pings *p = arg;
    double last = ty_now(r);
    for (int round = -3; round < p->rounds; round++)
        for (int i = 0; i < PING_SIZES; i++) {
            const size_t bytes = (size_t)ping_bytes[i];
            while (ty_now(r) < last + computing)
                ;
            ty_req *in = ty_irecv(r, 1 - r->id, 0, p->in[r->id], bytes);
            ty_send(r, 1 - r->id, 0, p->out[r->id], bytes);
            ty_wait(r, in);
            double now = ty_now(r);
            if (r->id == 0 && round >= 0) /* the first rounds warm up */
                p->sample[i][round] = now - last - computing;
            last = now;
        }
}

static ty_err measure_handoff(session *s, ty_calibration_report *report)
{
    const ty_job job = {.ranks = 2, .threads = 1, .busy = 2};
    pings p = {.rounds = s->o->seconds < 20 ? 100 : 400};
    double seconds[PING_SIZES];
    const size_t most = (size_t)ping_bytes[PING_SIZES - 1];
    for (int i = 0; i < PING_SIZES; i++)
        p.sample[i] = ty_zalloc((size_t)p.rounds, sizeof(double));
    for (int i = 0; i < 2; i++) {
        p.out[i] = memset(ty_alloc(most), 1, most);
        p.in[i] = memset(ty_alloc(most), 1, most);
    }
    ty_err e = ty_fabric_threads.run(&job, exchange, &p);
    for (int i = 0; i < PING_SIZES; i++) {
        seconds[i] = typical(p.sample[i], (size_t)p.rounds);
        free(p.sample[i]);
    }
    for (int i = 0; i < 2; i++)
        free(p.out[i]), free(p.in[i]);
    report->handoff = ty_calibration_fit_net(ping_bytes, seconds, PING_SIZES, &s->m->handoff);
    return e;
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* A disturbance only lowers a peak: the best of some short looks. */
static double best_peak(int threads)
{
    double best = 0;
    ty_kernel_set_threads(threads);
    for (int i = 0; i < 6; i++)
        best = fmax(best, ty_kernel_fma_peak(0.04));
    ty_kernel_set_threads(1);
    return best;
}

/* At most half of the second-level cache: the other half holds what the calls before and after
 * use. */
static void measure_limits(session *s, ty_calibration_report *report)
{
    long cache = sysconf(_SC_LEVEL2_CACHE_SIZE);
    s->m->near_bytes = cache > 0 ? (double)cache / 2 : 1 << 19;
    s->m->peak_flops = best_peak(1);
    report->all_peak = best_peak(s->m->cores);
    settle();
}

static void set_date(ty_machine *m)
{
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(m->date, sizeof m->date, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

static ty_err run(session *s, ty_calibration_report *report, double begin)
{
    ty_calibration_point p[POINTS];
    ty_kernel_bind(0);
    say(s, "calibrate: peak of one core and of all %d", s->m->cores);
    measure_limits(s, report);
    say(s, "calibrate: hand-off between two ranks");
    TY_TRY(measure_handoff(s, report));
    say(s, "calibrate: %d training steps, %.0f s", TY_CASES, s->o->seconds - (ty_clock() - begin));
    measure_kernels(s, begin + s->o->seconds);
    say(s, "calibrate: fit");
    size_t n = summarise(s, p);
    report->rounds = s->rounds;
    report->seconds = ty_clock() - begin;
    ty_err e = ty_calibration_fit(p, n, s->m, report);
    if (s->o->csv)
        ty_calibration_write_csv(s->o->csv, s->m, p, n);
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
    s->sample = ty_zalloc(POINTS, sizeof *s->sample);
    ty_err e = run(s, report, ty_clock());
    if (report->fitted)
        *m = found;
    free(s->sample);
    free(s);
    return e;
}
