/* SPDX-License-Identifier: MIT
 *
 * threads - ranks and lanes are POSIX threads of this process. A rank that has a core for itself looks around for some
 * microseconds before it sleeps; where ranks outnumber cores every wait sleeps at once.
 *
 * `blocked` counts the lanes that sleep and is lowered by whoever wakes one, under the one lock, so blocked == live
 * means that nobody is left to send: a deadlock.
 */
#define _GNU_SOURCE /* adaptive mutex */
#include "fabric/threads.h"
#include "base/clock.h"
#include "kernels/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Deadlocked: lanes may still sleep on what is in them, so they are left standing. */
static yard *wrecks;

static _Thread_local ty_lane *me;

static double threads_now(ty_rank *r)
{
    return ty_clock() - ((ty_lane *)r->fabric)->yard->start;
}

static void whereami(char *buf, unsigned long size)
{
    buf[0] = 0;
    if (me)
        snprintf(buf, size, "rank %d @%.4f s", me->rank.id, threads_now(&me->rank));
}

/* ---- blocking and deadlock: the lock is held ------------------------------------------------- */

static void declare_dead(yard *y)
{
    ty_rank *ranks[64];
    int n = 0;
    for (int i = 0; i < y->job->ranks && n < 64; i++)
        if (y->lanes[i].rank.waiting.what != TY_IN_JOIN) /* its lane says more */
            ranks[n++] = &y->lanes[i].rank;
    for (ty_lane *l = y->forked; l && n < 64; l = l->next)
        if (l->rank.waiting.what != TY_IN_JOIN)
            ranks[n++] = &l->rank;
    ty_rank_describe_waits(y->why, sizeof y->why, ranks, n);
    y->dead = 1;
    for (int i = 0; i < y->job->ranks; i++)
        pthread_cond_signal(&y->lanes[i].wake);
}

static void check_alive(yard *y)
{
    if (y->live > 0 && y->blocked == y->live && !y->dead)
        declare_dead(y);
}

void ty_lane_block(ty_lane *l, const atomic_int *done)
{
    yard *y = l->yard;
    y->blocked++;
    check_alive(y);
    while (!atomic_load(done) && !y->dead)
        pthread_cond_wait(&l->wake, &y->lock);
    if (!atomic_load(done)) {
        pthread_mutex_unlock(&y->lock);
        pthread_exit(NULL);
    }
}

void ty_lane_wake(ty_lane *l)
{
    l->yard->blocked--;
    pthread_cond_signal(&l->wake);
}

/* ---- lanes ----------------------------------------------------------------------------------- */

static void lane_init(ty_lane *l, yard *y, ty_main fn, void *arg)
{
    l->yard = y;
    l->fn = fn;
    l->arg = arg;
    l->rank.fabric = l;
    pthread_cond_init(&l->wake, NULL);
}

static void *lane_thread(void *arg)
{
    ty_lane *l = me = arg;
    yard *y = l->yard;
    /* A lane communicates beside its rank: one thread, wherever there is room. Ranks that have cores for themselves
     * keep them. */
    int threads = y->job->threads, all = y->job->ranks * threads;
    ty_kernel_set_threads(l->rank.parent ? 1 : threads);
    if (l->rank.parent || (all > 1 && all <= ty_kernel_max_threads()))
        ty_kernel_bind(l->rank.parent ? -1 : l->rank.id * threads);
    l->fn(&l->rank, l->arg);
    pthread_mutex_lock(&y->lock);
    l->rank.waiting.what = TY_DONE;
    atomic_store(&l->finished, 1);
    y->live--;
    for (ty_lane **p = &y->forked; *p; p = &(*p)->next)
        if (*p == l) {
            *p = l->next;
            atomic_fetch_sub(&y->beside, 1);
            break;
        }
    if (l->joiner)
        ty_lane_wake(l->joiner);
    check_alive(y);
    pthread_mutex_unlock(&y->lock);
    return NULL;
}

static void lane_start(ty_lane *l)
{
    int bad = pthread_create(&l->thread, NULL, lane_thread, l);
    TY_CHECK(!bad, "cannot start a thread: %s", strerror(bad));
}

static ty_lane *threads_fork(ty_rank *r, ty_main fn, void *arg)
{
    yard *y = ((ty_lane *)r->fabric)->yard;
    ty_lane *l = ty_zalloc(1, sizeof *l);
    ty_rank_lane_init(&l->rank, r);
    lane_init(l, y, fn, arg);
    pthread_mutex_lock(&y->lock);
    y->live++;
    atomic_fetch_add(&y->beside, 1);
    l->next = y->forked;
    y->forked = l;
    pthread_mutex_unlock(&y->lock);
    lane_start(l);
    return l;
}

static void threads_join(ty_rank *r, ty_lane *l, ty_ledger *done)
{
    ty_lane *self = r->fabric;
    pthread_mutex_lock(&self->yard->lock);
    if (!atomic_load(&l->finished)) {
        l->joiner = self;
        ty_lane_block(self, &l->finished);
    }
    pthread_mutex_unlock(&self->yard->lock);
    pthread_join(l->thread, NULL);
    *done = l->rank.ledger;
    ty_rank_fini(&l->rank);
    pthread_cond_destroy(&l->wake);
    ty_requests_free(l);
    free(l);
}

/* ---- the run --------------------------------------------------------------------------------- */

/* What many ranks on few cores wait for they sleep for. With a core for each, the lock is never held for longer than
 * sleeping would take. */
static void lock_init(yard *y)
{
    pthread_mutexattr_t how;
    pthread_mutexattr_init(&how);
    if (y->fits)
        pthread_mutexattr_settype(&how, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&y->lock, &how);
    pthread_mutexattr_destroy(&how);
}

static void yard_fini(yard *y)
{
    for (int i = 0; i < y->job->ranks; i++) {
        ty_messages_free(y->box[i].arrived);
        ty_requests_free(&y->lanes[i]);
        pthread_cond_destroy(&y->lanes[i].wake);
        ty_rank_fini(&y->lanes[i].rank);
    }
    ty_messages_free(y->spare);
    pthread_mutex_destroy(&y->lock);
    free(y->box);
    free(y->lanes);
    free(y);
}

static ty_err threads_run(const ty_job *job, ty_main fn, void *arg)
{
    yard *y = ty_zalloc(1, sizeof *y);
    *y = (yard){.job = job, .live = job->ranks, .start = ty_clock()};
    y->fits = job->ranks * job->threads <= ty_kernel_max_threads();
    lock_init(y);
    y->box = ty_zalloc((size_t)job->ranks, sizeof *y->box);
    y->lanes = ty_zalloc((size_t)job->ranks, sizeof *y->lanes);
    ty_whereami = whereami;
    for (int i = 0; i < job->ranks; i++) {
        ty_rank_init(&y->lanes[i].rank, i, &ty_fabric_threads, job);
        lane_init(&y->lanes[i], y, fn, arg);
    }
    for (int i = 0; i < job->ranks; i++)
        lane_start(&y->lanes[i]);
    for (int i = 0; i < job->ranks; i++)
        pthread_join(y->lanes[i].thread, NULL);
    if (y->dead) {
        y->wreck = wrecks;
        wrecks = y;
        return ty_error(TY_EWRONG, "deadlock: %s", y->why);
    }
    yard_fini(y);
    return ty_ok();
}

static void threads_charge(ty_rank *r, double seconds) /* time is real */
{
    (void)r;
    (void)seconds;
}

static _Noreturn void threads_abort(ty_rank *r, int code)
{
    (void)r;
    fflush(NULL);
    _exit(code);
}

const ty_fabric_ops ty_fabric_threads = {
    .name = "threads",
    .shared_memory = 1,
    .run = threads_run,
    .isend = ty_threads_isend,
    .irecv = ty_threads_irecv,
    .wait = ty_threads_wait,
    .charge = threads_charge,
    .now = threads_now,
    .fork = threads_fork,
    .join = threads_join,
    .abort = threads_abort,
};
