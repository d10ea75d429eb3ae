/* SPDX-License-Identifier: MIT
 *
 * threads - ranks and lanes are POSIX threads of this process; a message is one memcpy when the receive is already
 * posted and two when it is not. Waits sleep on a condition, never spin: ranks may outnumber cores.
 *
 * One lock guards all matching; bytes are copied outside it. `blocked` counts the lanes that sleep and is lowered by
 * whoever wakes one, under the same lock, so blocked == live means that nobody is left to send: a deadlock.
 */
#include "base/clock.h"
#include "fabric/rank.h"
#include "kernels/kernels.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct yard yard;

struct ty_lane {
    ty_rank rank; /* lane 0: the rank itself */
    yard *yard;
    ty_main fn;
    void *arg;
    pthread_t thread;
    pthread_cond_t wake;
    int finished;
    ty_lane *joiner; /* blocked until this lane is finished */
    ty_lane *next;   /* of the forked lanes that run */
};

typedef struct request {
    ty_req q; /* first: a ty_req is a request */
    void *buf;
    int from; /* of a receive: who sent it; q itself is its owner's alone until wait */
    double sent_at;
    int done;
    ty_lane *waiter; /* blocked on this request */
    struct request *next;
} request;

typedef struct message { /* sent before its receive was posted */
    int src, tag;
    size_t bytes, room;
    double sent_at;
    struct message *next;
    char *data; /* NULL: ghost */
} message;

typedef struct mailbox { /* of one rank, oldest first */
    request *posted;
    message *arrived;
} mailbox;

struct yard {
    const ty_job *job;
    pthread_mutex_t lock;
    int live, blocked, dead;
    mailbox *box;   /* [ranks] */
    ty_lane *lanes; /* [ranks] */
    ty_lane *forked;
    message *spare; /* buffers to use again */
    double start;
    char why[200];
    yard *wreck; /* the one before */
};

static yard
    *wrecks; /* deadlocked: lanes may still sleep on what is in them, so they are left standing */

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

/* Sleep until *done; leave the thread when the yard is dead. */
static void block(ty_lane *l, const int *done)
{
    yard *y = l->yard;
    y->blocked++;
    check_alive(y);
    while (!*done && !y->dead)
        pthread_cond_wait(&l->wake, &y->lock);
    if (!*done) {
        pthread_mutex_unlock(&y->lock);
        pthread_exit(NULL);
    }
}

static void wake(yard *y, ty_lane *l)
{
    y->blocked--;
    pthread_cond_signal(&l->wake);
}

/* ---- messages -------------------------------------------------------------------------------- */

static message *message_new(yard *y, size_t bytes, int ghost)
{
    if (!ghost)
        for (message **p = &y->spare; *p; p = &(*p)->next)
            if ((*p)->room >= bytes && (*p)->room / 2 <= bytes + 64) {
                message *m = *p;
                *p = m->next;
                return m;
            }
    message *m = ty_zalloc(1, sizeof *m);
    m->room = ghost ? 0 : bytes + 64;
    m->data = ghost ? NULL : ty_alloc(m->room);
    return m;
}

static void message_drop(yard *y, message *m) /* the lock is held */
{
    if (m->data) {
        m->next = y->spare;
        y->spare = m;
    } else {
        free(m);
    }
}

/* Unlink the oldest posted receive of box that takes (src, tag). */
static request *match_posted(mailbox *box, int src, int tag)
{
    for (request **p = &box->posted; *p; p = &(*p)->next)
        if ((*p)->q.tag == tag && ((*p)->q.peer == src || (*p)->q.peer == TY_ANY)) {
            request *q = *p;
            *p = q->next;
            return q;
        }
    return NULL;
}

static message *match_arrived(mailbox *box, int src, int tag)
{
    for (message **p = &box->arrived; *p; p = &(*p)->next)
        if ((*p)->tag == tag && (src == (*p)->src || src == TY_ANY)) {
            message *m = *p;
            *p = m->next;
            return m;
        }
    return NULL;
}

static void fill(request *q, int src, double sent_at, const void *data, size_t bytes)
{
    TY_CHECK(q->q.bytes == bytes, "received %zu B from rank %d where %zu were expected", bytes, src,
             q->q.bytes);
    TY_CHECK(!data == !q->buf || bytes == 0, "a ghost met a real buffer");
    if (data && bytes)
        memcpy(q->buf, data, bytes);
    q->from = src;
    q->sent_at = sent_at;
}

static void complete(yard *y, request *q)
{
    pthread_mutex_lock(&y->lock);
    q->done = 1;
    if (q->waiter)
        wake(y, q->waiter);
    pthread_mutex_unlock(&y->lock);
}

static ty_req *threads_isend(ty_rank *r, int dst, int tag, const void *buf, size_t bytes)
{
    yard *y = ((ty_lane *)r->fabric)->yard;
    request *s = ty_zalloc(1, sizeof *s);
    s->q = (ty_req){1, dst, tag, bytes, threads_now(r)};
    s->done = 1;

    pthread_mutex_lock(&y->lock);
    request *q = match_posted(&y->box[dst], r->id, tag);
    if (!q) {
        message *m = message_new(y, bytes, buf == NULL);
        pthread_mutex_unlock(&y->lock);
        if (buf && bytes)
            memcpy(m->data, buf, bytes);
        m->src = r->id, m->tag = tag, m->bytes = bytes, m->sent_at = s->q.sent_at, m->next = NULL;
        pthread_mutex_lock(&y->lock);
        q = match_posted(&y->box[dst], r->id, tag); /* posted while we copied? */
        if (q) {
            message_drop(y, m);
        } else {
            message **last = &y->box[dst].arrived;
            while (*last)
                last = &(*last)->next;
            *last = m;
        }
    }
    pthread_mutex_unlock(&y->lock);
    if (q) {
        fill(q, r->id, s->q.sent_at, buf, bytes);
        complete(y, q);
    }
    return &s->q;
}

static ty_req *threads_irecv(ty_rank *r, int src, int tag, void *buf, size_t bytes)
{
    yard *y = ((ty_lane *)r->fabric)->yard;
    request *q = ty_zalloc(1, sizeof *q);
    q->q = (ty_req){0, src, tag, bytes, 0};
    q->buf = buf;
    pthread_mutex_lock(&y->lock);
    message *m = match_arrived(&y->box[r->id], src, tag);
    if (!m) {
        request **last = &y->box[r->id].posted;
        while (*last)
            last = &(*last)->next;
        *last = q;
    }
    pthread_mutex_unlock(&y->lock);
    if (m) {
        fill(q, m->src, m->sent_at, m->data, m->bytes);
        q->done = 1;
        pthread_mutex_lock(&y->lock);
        message_drop(y, m);
        pthread_mutex_unlock(&y->lock);
    }
    return &q->q;
}

static void threads_wait(ty_rank *r, ty_req *req, ty_req *done)
{
    ty_lane *l = r->fabric;
    request *q = (request *)(void *)req;
    pthread_mutex_lock(&l->yard->lock);
    if (!q->done) {
        q->waiter = l;
        block(l, &q->done);
    }
    pthread_mutex_unlock(&l->yard->lock);
    if (!q->q.send) {
        q->q.peer = q->from;
        q->q.sent_at = q->sent_at;
    }
    *done = q->q;
    free(q);
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
    l->finished = 1;
    y->live--;
    for (ty_lane **p = &y->forked; *p; p = &(*p)->next)
        if (*p == l) {
            *p = l->next;
            break;
        }
    if (l->joiner)
        wake(y, l->joiner);
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
    if (!l->finished) {
        l->joiner = self;
        block(self, &l->finished);
    }
    pthread_mutex_unlock(&self->yard->lock);
    pthread_join(l->thread, NULL);
    *done = l->rank.ledger;
    ty_rank_fini(&l->rank);
    pthread_cond_destroy(&l->wake);
    free(l);
}

/* ---- the run --------------------------------------------------------------------------------- */

static void yard_fini(yard *y)
{
    for (int i = 0; i < y->job->ranks; i++) {
        for (message *m = y->box[i].arrived, *next; m; m = next) {
            next = m->next;
            free(m->data);
            free(m);
        }
        pthread_cond_destroy(&y->lanes[i].wake);
        ty_rank_fini(&y->lanes[i].rank);
    }
    for (message *m = y->spare, *next; m; m = next) {
        next = m->next;
        free(m->data);
        free(m);
    }
    pthread_mutex_destroy(&y->lock);
    free(y->box);
    free(y->lanes);
    free(y);
}

static ty_err threads_run(const ty_job *job, ty_main fn, void *arg)
{
    yard *y = ty_zalloc(1, sizeof *y);
    *y = (yard){.job = job, .live = job->ranks, .start = ty_clock()};
    pthread_mutex_init(&y->lock, NULL);
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
    .run = threads_run,
    .isend = threads_isend,
    .irecv = threads_irecv,
    .wait = threads_wait,
    .charge = threads_charge,
    .now = threads_now,
    .fork = threads_fork,
    .join = threads_join,
    .abort = threads_abort,
};
