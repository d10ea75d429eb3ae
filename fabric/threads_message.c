/* SPDX-License-Identifier: MIT
 *
 * threads_message - who gets what. One lock guards all matching; large messages are copied outside it.
 *
 * A message whose receive is posted goes straight into its buffer. One that comes before is copied aside by its sender,
 * but lies open meanwhile: a receive that is posted before the sender is through takes it from the sender's own buffer.
 */
#include "fabric/threads.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

/* ---- requests and buffers to use again: no step allocates what the one before had ------------------------ */

static request *request_new(ty_lane *l, int send, int peer, int tag, size_t bytes)
{
    request *q = l->spare;
    if (q)
        l->spare = q->next;
    else
        q = ty_zalloc(1, sizeof *q);
    q->q = (ty_req){.send = send, .peer = peer, .tag = tag, .bytes = bytes};
    q->owner = l;
    q->waiter = NULL;
    q->next = NULL;
    atomic_init(&q->done, 0);
    return q;
}

static void request_drop(ty_lane *l, request *q)
{
    request *gone = q;
    atomic_compare_exchange_strong(&l->incoming, &gone, NULL);
    q->next = l->spare;
    l->spare = q;
}

void ty_requests_free(ty_lane *l)
{
    for (request *q = l->spare, *next; q; q = next) {
        next = q->next;
        free(q);
    }
    l->spare = NULL;
}

/* The lock is held, as in everything up to the three functions of the fabric. */
static message *message_new(yard *y, size_t bytes, int ghost)
{
    for (message **p = &y->spare; *p; p = &(*p)->next)
        if (ghost ? !(*p)->data
                  : (*p)->data && (*p)->room >= bytes && (*p)->room / 2 <= bytes + 64) {
            message *m = *p;
            *p = m->next;
            return m;
        }
    message *m = ty_zalloc(1, sizeof *m);
    m->room = ghost ? 0 : bytes + 64;
    m->data = ghost ? NULL : ty_alloc(m->room);
    return m;
}

static void message_drop(yard *y, message *m)
{
    m->next = y->spare;
    y->spare = m;
}

void ty_messages_free(message *first)
{
    for (message *m = first, *next; m; m = next) {
        next = m->next;
        free(m->data);
        free(m);
    }
}

/* ---- matching ------------------------------------------------------------------------------------------ */

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

static void post(mailbox *box, request *q)
{
    request **last = &box->posted;
    while (*last)
        last = &(*last)->next;
    *last = q;
}

static void arrive(mailbox *box, message *m)
{
    message **last = &box->arrived;
    while (*last)
        last = &(*last)->next;
    m->next = NULL;
    *last = m;
}

void ty_request_done(request *q)
{
    ty_lane *waiter = q->waiter; /* once q is done it is its owner's alone */
    atomic_store(&q->done, 1);
    if (waiter)
        ty_lane_wake(waiter);
}

/* Whoever sends what goes into q. Returns whether it is large: then it is still to be copied. */
static int meet(request *q, int src, double sent_at, const void *data, size_t bytes)
{
    TY_CHECK(q->q.bytes == bytes, "received %zu B from rank %d where %zu were expected", bytes, src,
             q->q.bytes);
    TY_CHECK(!data == !q->buf || bytes == 0, "a ghost met a real buffer");
    q->from = src;
    q->sent_at = sent_at;
    if (data && bytes >= TY_COPY_ALONE)
        return 1;
    if (data && bytes)
        memcpy(q->buf, data, bytes);
    ty_request_done(q);
    return 0;
}

/* ---- the sender ---------------------------------------------------------------------------------------- */

/* A message that nobody waits for yet; small ones are copied at once. */
static message *send_ahead(yard *y, ty_rank *r, int dst, const request *s, const void *buf)
{
    const size_t bytes = s->q.bytes;
    message *m = message_new(y, bytes, buf == NULL);
    m->src = r->id, m->tag = s->q.tag, m->bytes = bytes, m->sent_at = s->q.sent_at;
    m->buf = buf && bytes >= TY_COPY_ALONE ? buf : NULL;
    atomic_init(&m->taken, NULL);
    if (buf && !m->buf && bytes)
        memcpy(m->data, buf, bytes);
    arrive(&y->box[dst], m);
    return m;
}

/* Copy m aside; returns the receive that took it on the way, or NULL. */
static request *set_aside(yard *y, message *m)
{
    ty_copy_aside(m);
    pthread_mutex_lock(&y->lock);
    request *q = atomic_load(&m->taken);
    m->buf = NULL;
    if (q)
        message_drop(y, m);
    pthread_mutex_unlock(&y->lock);
    return q;
}

ty_req *ty_threads_isend(ty_rank *r, int dst, int tag, const void *buf, size_t bytes)
{
    ty_lane *l = r->fabric;
    yard *y = l->yard;
    request *s = request_new(l, 1, dst, tag, bytes);
    message *m = NULL;
    s->q.sent_at = ty_clock() - y->start;
    atomic_init(&s->done, 1);

    pthread_mutex_lock(&y->lock);
    request *q = match_posted(&y->box[dst], r->id, tag);
    int copying = 0;
    if (!q) {
        m = send_ahead(y, r, dst, s, buf);
        copying = m->buf != NULL;
    } else if (meet(q, r->id, s->q.sent_at, buf, bytes)) {
        ty_copy_begin(q, buf);
        copying = 1;
    }
    pthread_mutex_unlock(&y->lock);

    if (copying && m)
        q = set_aside(y, m);
    if (copying && q)
        ty_copy_finish(l, q);
    return &s->q;
}

/* ---- the receiver -------------------------------------------------------------------------------------- */

/* q gets m, which came before it. Returns whether m's buffer is still to be copied, by us. */
static int take(yard *y, request *q, message *m)
{
    if (meet(q, m->src, m->sent_at, m->buf ? m->buf : m->data, m->bytes)) {
        if (!m->buf)
            return 1;
        ty_copy_begin(q, m->buf); /* with its sender, who drops m */
        atomic_store(&m->taken, q);
        return 0;
    }
    message_drop(y, m);
    return 0;
}

ty_req *ty_threads_irecv(ty_rank *r, int src, int tag, void *buf, size_t bytes)
{
    ty_lane *l = r->fabric;
    yard *y = l->yard;
    request *q = request_new(l, 0, src, tag, bytes);
    int copying = 0;
    q->buf = buf;
    pthread_mutex_lock(&y->lock);
    message *m = match_arrived(&y->box[r->id], src, tag);
    if (m)
        copying = take(y, q, m);
    else
        post(&y->box[r->id], q);
    pthread_mutex_unlock(&y->lock);
    if (copying) {
        memcpy(buf, m->data, bytes);
        atomic_store(&q->done, 1);
        pthread_mutex_lock(&y->lock);
        message_drop(y, m);
        pthread_mutex_unlock(&y->lock);
    }
    return &q->q;
}

void ty_threads_wait(ty_rank *r, ty_req *req, ty_req *done)
{
    ty_lane *l = r->fabric;
    request *q = (request *)(void *)req;
    TY_CHECK(q->owner == l, "a request is waited for by who made it");
    ty_copy_linger(l, &q->done);
    if (!atomic_load(&q->done)) {
        pthread_mutex_lock(&l->yard->lock);
        if (!atomic_load(&q->done)) {
            q->waiter = l;
            ty_lane_block(l, &q->done);
        }
        pthread_mutex_unlock(&l->yard->lock);
    }
    if (!q->q.send) {
        q->q.peer = q->from;
        q->q.sent_at = q->sent_at;
    }
    *done = q->q;
    request_drop(l, q);
}
