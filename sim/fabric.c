/* SPDX-License-Identifier: MIT
 *
 * fabric - the nine functions on SimGrid: a rank is an actor on a host, time is virtual, bytes
 * cross the platform's links.
 *
 * Compute time is charged, kept, and paid when the rank next communicates, so that the simulation
 * costs events by the message and not by the operation. A charged second is one of the calibrated
 * machine; a host of another speed takes proportionally longer. Ranks that have their cores to
 * themselves sleep; ranks that outnumber the cores of their host execute there and share them. A
 * lane computes beside its rank as on a core of its own, unless the host is shared.
 */
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ty_lane {
    ty_rank rank;
    seat seat;
    ty_main fn;
    void *arg;
    sg_sem_t done; /* joining a finished actor would crash SimGrid 3.32 */
};

/* ---- time ------------------------------------------------------------------------------------ */

/* T threads of a rank are T executions of the same length, each on one core at most; the last one
 * to end counts. */
static void execute(double flops, int threads)
{
    sg_exec_t *beside = ty_alloc((size_t)threads * sizeof *beside);
    for (int i = 1; i < threads; i++)
        beside[i] = sg_actor_exec_async(flops);
    sg_actor_execute(flops);
    for (int i = 1; i < threads; i++)
        sg_exec_wait(beside[i]);
    free(beside);
}

void ty_seat_pay(ty_rank *r)
{
    seat *s = r->fabric;
    double seconds = s->pending;
    if (seconds <= 0)
        return;
    s->pending = 0;
    if (s->shared)
        execute(seconds * s->speed, r->parent ? 1 : r->job->threads);
    else
        sg_actor_sleep_for(seconds);
}

void ty_seat_end(ty_rank *r)
{
    const seat *s = r->fabric;
    ty_seat_pay(r);
    TY_CHECK(s->sending == 0, "the program ended with %d sends that it never waited for",
             s->sending);
    r->waiting.what = TY_DONE;
}

static void sim_charge(ty_rank *r, double seconds)
{
    seat *s = r->fabric;
    s->pending += seconds * s->scale;
}

/* Where cores are shared nobody knows how long charged time takes until it has been taken. */
static double sim_now(ty_rank *r)
{
    const seat *s = r->fabric;
    if (s->shared)
        ty_seat_pay(r);
    return simgrid_get_clock() + s->pending;
}

/* ---- messages -------------------------------------------------------------------------------- */

static message *message_new(int src, const void *buf, size_t bytes)
{
    size_t kept = buf ? bytes : 0;
    message *m = ty_alloc(sizeof *m + kept);
    *m = (message){.src = src, .ghost = !buf, .holders = 1, .bytes = bytes, .arrives = -1};
    m->sent_at = simgrid_get_clock();
    if (kept) /* now: sender and receiver wake at one instant, and the sender may write first */
        memcpy(m->data, buf, kept);
    return m;
}

static request *request_new(channel *c, int send, int peer, int tag, size_t bytes)
{
    request *q = ty_alloc(sizeof *q);
    *q = (request){.q = {send, peer, tag, bytes, 0}, .channel = c};
    return q;
}

static ty_req *sim_isend(ty_rank *r, int dst, int tag, const void *buf, size_t bytes)
{
    ty_seat_pay(r);
    channel *c = ty_channel_to_send(r->id, dst, tag);
    message *m = message_new(r->id, buf, bytes);
    request *q = request_new(c, 1, dst, tag, bytes);
    q->q.sent_at = m->sent_at;
    q->from = r->fabric;
    q->from->sending++;
    if (c->latency > 0) {
        q->m = m;
        m->holders++;
    }
    q->comm = sg_mailbox_put_async(c->mailbox, m, (long)bytes);
    return &q->q;
}

static void give(request *q, message *m)
{
    TY_CHECK(m->bytes == q->q.bytes, "received %zu B from rank %d where %zu were expected",
             m->bytes, m->src, q->q.bytes);
    TY_CHECK(m->ghost == !q->buf || m->bytes == 0, "a ghost met a real buffer");
    q->m = m;
}

static int takes(const request *q, const message *m)
{
    return q->q.peer == TY_ANY || q->q.peer == m->src;
}

static ty_req *sim_irecv(ty_rank *r, int src, int tag, void *buf, size_t bytes)
{
    channel *c = ty_channel_find(tag & TY_TAG_INBOX ? TY_ANY : src, r->id, tag);
    request *q = request_new(c, 0, src, tag, bytes);
    q->buf = buf;
    for (message **p = &c->early; *p; p = &(*p)->next)
        if (takes(q, *p)) {
            message *m = *p;
            *p = m->next;
            give(q, m);
            return &q->q;
        }
    request **last = &c->posted;
    while (*last)
        last = &(*last)->next;
    *last = q;
    return &q->q;
}

/* Give m to the oldest receive that takes it; keep it when there is none. */
static void deliver(channel *c, message *m)
{
    for (request **p = &c->posted; *p; p = &(*p)->next)
        if (takes(*p, m)) {
            request *q = *p;
            *p = q->next;
            give(q, m);
            return;
        }
    message **last = &c->early;
    while (*last)
        last = &(*last)->next;
    m->next = NULL;
    *last = m;
}

static void wait_recv(request *q)
{
    channel *c = q->channel;
    TY_CHECK(!c->waited, "two lanes of rank %d wait on one channel", c->dst);
    c->waited = 1;
    while (!q->m)
        deliver(c, ty_channel_fetch(c));
    c->waited = 0;
    q->q.peer = q->m->src;
    q->q.sent_at = q->m->sent_at;
    if (!q->m->ghost && q->q.bytes)
        memcpy(q->buf, q->m->data, q->q.bytes);
    ty_message_release(q->m);
}

static void wait_send(request *q)
{
    double begin = simgrid_get_clock();
    sg_comm_wait(q->comm);
    ty_channel_land(q->channel, q->q.bytes, q->q.sent_at);
    q->from->sending--;
    if (q->m) {
        sg_actor_sleep_for(ty_channel_lag(q->channel, q->m, begin));
        ty_message_release(q->m);
    }
}

static void sim_wait(ty_rank *r, ty_req *req, ty_req *done)
{
    request *q = (request *)(void *)req;
    ty_seat_pay(r);
    if (q->q.send)
        wait_send(q);
    else
        wait_recv(q);
    *done = q->q;
    free(q);
}

/* ---- lanes and the end ----------------------------------------------------------------------- */

static void lane_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    ty_rank *self = sg_actor_self_get_data();
    ty_lane *l = (ty_lane *)(void *)self;
    l->fn(self, l->arg);
    ty_seat_end(self);
    ty_engine_lane_ended(self);
    sg_sem_release(l->done);
}

static ty_lane *sim_fork(ty_rank *r, ty_main fn, void *arg)
{
    const seat *s = r->fabric;
    ty_seat_pay(r);
    ty_lane *l = ty_zalloc(1, sizeof *l);
    ty_rank_lane_init(&l->rank, r);
    l->seat = (seat){.host = s->host, .scale = s->scale, .speed = s->speed, .shared = s->shared};
    l->rank.fabric = &l->seat;
    l->fn = fn;
    l->arg = arg;
    l->done = sg_sem_init(0);
    ty_engine_lane_started(&l->rank);
    ty_actor_start("lane", s->host, lane_main, &l->rank);
    return l;
}

static void sim_join(ty_rank *r, ty_lane *l, ty_ledger *done)
{
    ty_seat_pay(r);
    sg_sem_acquire(l->done);
    sg_sem_destroy(l->done);
    *done = l->rank.ledger;
    ty_rank_fini(&l->rank);
    free(l);
}

static _Noreturn void sim_abort(ty_rank *r, int code)
{
    (void)r;
    fflush(NULL);
    _exit(code);
}

const ty_fabric_ops ty_fabric_sim = {
    .name = "sim",
    .virtual_time = 1,
    .run = ty_engine_run,
    .isend = sim_isend,
    .irecv = sim_irecv,
    .wait = sim_wait,
    .charge = sim_charge,
    .now = sim_now,
    .fork = sim_fork,
    .join = sim_join,
    .abort = sim_abort,
};
