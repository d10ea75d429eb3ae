/* SPDX-License-Identifier: MIT
 *
 * channel - where messages meet. Every (source, destination, tag) has a mailbox of its own with a
 * permanent receiver, so that SimGrid starts a transfer at isend whether or not its receive is
 * posted.
 *
 * Normally the receiver fetches from that mailbox itself. Two cases need a courier, an actor
 * beside the receiver that fetches as soon as a flow ends: an inbox (its messages come in the
 * order of arrival, over many mailboxes) and routes of different latency in shared mode (the links
 * have latency zero, the courier adds the route's).
 */
#include "sim/sim.h"

#include "sim/platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An actor that lends its name to the mailboxes of its host: the permanent receiver must be an
 * actor there, and one that lives as long as the simulation. */
typedef struct doorman {
    sg_sem_t work;
    channel *queue; /* to be registered */
} doorman;

static struct {
    int couriers;      /* every channel has one */
    doorman **doormen; /* [ranks] by destination */
    double factor;     /* of latency, in the network's model */
    channel **slot;    /* open addressing; a power of two, at most half full */
    size_t slots, used;
} all;

void ty_channels_init(const ty_job *job, int couriers)
{
    all.couriers = couriers;
    all.factor = job->platform->network == TY_NET_TCP
                     ? 13.01
                     : 1; /* LV08: Velho & Legrand, SIMUTools 2009 */
    all.doormen = ty_zalloc((size_t)job->ranks, sizeof *all.doormen);
    all.slots = 1024;
    all.slot = ty_zalloc(all.slots, sizeof *all.slot);
}

/* ---- the table of channels ------------------------------------------------------------------- */

static size_t hash(int src, int dst, int tag)
{
    uint64_t x = ((uint64_t)(uint32_t)src << 32 | (uint32_t)dst) * 0x9e3779b97f4a7c15u;
    x = (x ^ (uint32_t)tag ^ x >> 29) * 0xbf58476d1ce4e5b9u;
    return (size_t)(x ^ x >> 32);
}

static channel **place(int src, int dst, int tag)
{
    for (size_t i = hash(src, dst, tag);; i++) {
        channel **at = &all.slot[i & (all.slots - 1)], *c = *at;
        if (!c || (c->src == src && c->dst == dst && c->tag == tag))
            return at;
    }
}

static void grow(void)
{
    channel **old = all.slot;
    size_t n = all.slots;
    all.slots *= 2;
    all.slot = ty_zalloc(all.slots, sizeof *all.slot);
    for (size_t i = 0; i < n; i++)
        if (old[i])
            *place(old[i]->src, old[i]->dst, old[i]->tag) = old[i];
    free(old);
}

static channel *enter(int src, int dst, int tag)
{
    channel *c = ty_zalloc(1, sizeof *c);
    c->src = src;
    c->dst = dst;
    c->tag = tag;
    if (++all.used * 2 > all.slots)
        grow();
    *place(src, dst, tag) = c;
    return c;
}

static void furnish(channel *c)
{
    char name[48];
    if (c->src == TY_ANY || (all.couriers && !(c->tag & TY_TAG_INBOX))) {
        c->count = sg_sem_init(0);
        c->inbox = c;
    } else if (c->tag & TY_TAG_INBOX) {
        c->inbox = ty_channel_find(TY_ANY, c->dst, c->tag);
    }
    if (c->src >= 0)
        c->route =
            all.factor * sg_host_get_route_latency(ty_engine_host(c->src), ty_engine_host(c->dst));
    snprintf(name, sizeof name, "%d>%d #%x", c->src, c->dst, (unsigned)c->tag);
    c->mailbox = sg_mailbox_by_name(name);
}

/* Two arrivals closer than this are one: a sleep may end a rounding error early. */
static const double instant = 1e-12; /* [s] */

/* Let the latency of a message without bytes pass: SimGrid takes it for delivered as soon as somebody asks for it. */
void ty_channel_land(const channel *c, size_t bytes, double sent_at)
{
    double left = bytes ? 0 : sent_at + c->route - simgrid_get_clock();
    if (left > instant)
        sg_actor_sleep_for(left);
}

static message *take(const channel *c)
{
    message *m = sg_mailbox_get(c->mailbox);
    ty_channel_land(c, m->bytes, m->sent_at);
    return m;
}

channel *ty_channel_find(int src, int dst, int tag)
{
    channel *c = *place(src, dst, tag);
    if (!c) {
        c = enter(src, dst, tag);
        furnish(c); /* calls SimGrid, which may let others run: they find the channel, and wait */
    }
    while (!c->mailbox)
        sg_actor_yield();
    return c;
}

/* ---- permanent receivers and couriers -------------------------------------------------------- */

static void doorman_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    doorman *d = sg_actor_self_get_data();
    for (;;) {
        sg_sem_acquire(d->work);
        channel *c = d->queue;
        d->queue = c->next;
        sg_mailbox_set_receiver(sg_mailbox_get_name(c->mailbox));
        c->registered = 1;
    }
}

static void start_daemon(int dst, void (*code)(int, char **), void *data)
{
    sg_actor_daemonize(ty_actor_start("courier", ty_engine_host(dst), code, data));
}

static void ask_doorman(channel *c)
{
    doorman *d = all.doormen[c->dst];
    if (!d) {
        d = all.doormen[c->dst] = ty_zalloc(1, sizeof *d);
        d->work = sg_sem_init(0);
        start_daemon(c->dst, doorman_main, d);
    }
    while (!d->work) /* somebody else is hiring */
        sg_actor_yield();
    c->next = d->queue;
    d->queue = c;
    sg_sem_release(d->work);
}

/* Keep `arrived` in the order of arrival; equal times keep the order in which they came. */
static void insert(message **list, message *m)
{
    while (*list && (*list)->arrives <= m->arrives)
        list = &(*list)->next;
    m->next = *list;
    *list = m;
}

static void courier_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    channel *c = sg_actor_self_get_data();
    sg_mailbox_set_receiver(sg_mailbox_get_name(c->mailbox));
    c->registered = 1;
    for (;;) {
        message *m = take(c);
        m->arrives = simgrid_get_clock() + c->latency;
        insert(&c->inbox->arrived, m);
        sg_sem_release(c->inbox->count);
    }
}

channel *ty_channel_to_send(int src, int dst, int tag)
{
    channel *c = ty_channel_find(src, dst, tag);
    if (c->registered)
        return c;
    if (!c->opening++) {
        if (all.couriers)
            c->latency = ty_engine_latency(src, dst);
        if (c->inbox)
            start_daemon(dst, courier_main, c);
        else
            ask_doorman(c);
    }
    while (!c->registered)
        sg_actor_yield();
    return c;
}

/* ---- messages -------------------------------------------------------------------------------- */

void ty_message_release(message *m)
{
    if (--m->holders == 0)
        free(m);
}

message *ty_channel_fetch(channel *c)
{
    if (!c->inbox)
        return take(c);
    sg_sem_acquire(c->count);
    double left;
    while ((left = c->arrived->arrives - simgrid_get_clock()) > instant)
        sg_actor_sleep_for(left); /* a nearer sender's message may come in first meanwhile */
    message *m = c->arrived;
    c->arrived = m->next;
    m->next = NULL;
    return m;
}

/* How much longer a sender waits for m after its flow has ended, when it began to wait at `begin`:
 * with latency in the links a transfer ends when it arrives, and a courier's channel keeps to
 * that. */
double ty_channel_lag(const channel *c, const message *m, double begin)
{
    double now = simgrid_get_clock();
    if (c->latency <= 0)
        return 0;
    if (m->arrives >= 0)
        return m->arrives > now ? m->arrives - now : 0;
    return now > begin ? c->latency : 0;
}
