/* SPDX-License-Identifier: MIT
 *
 * sim - what the files of the SimGrid fabric share. Ranks, lanes and couriers are SimGrid actors:
 * one of them runs at a time, so nothing here needs a lock.
 */
#ifndef TY_SIM_SIM_H
#define TY_SIM_SIM_H

#include "fabric/rank.h"

#include <simgrid/actor.h>
#include <simgrid/comm.h>
#include <simgrid/engine.h>
#include <simgrid/exec.h>
#include <simgrid/host.h>
#include <simgrid/mailbox.h>
#include <simgrid/semaphore.h>

#include <stdint.h>

/* What r->fabric points to: where a rank or lane computes, and the compute time it has not paid
 * yet. */
typedef struct seat {
    sg_host_t host;
    double    pending; /* charged and not slept yet [s] of this host */
    double    scale;   /* charged second -> second of this host */
    double    speed;   /* [flop/s] of one core of this host */
    int       shared;  /* its ranks need more cores than the host has: execute, do not sleep */
    int       sending; /* sends not waited for yet: SimGrid cancels them when the actor ends */
} seat;

/* A message on its way. Its sender's request and its receiver each let go of it once. */
typedef struct message {
    int             src, ghost, holders;
    size_t          bytes;
    double          sent_at, arrives; /* [s]; arrives < 0 until a courier has fetched it */
    struct message *next;
    unsigned char   data[];
} message;

typedef struct request {
    ty_req          q; /* first: a ty_req is a request */
    sg_comm_t       comm; /* of a send */
    seat           *from; /* of a send */
    message        *m;
    void           *buf; /* of a receive */
    struct channel *channel;
    struct request *next;
} request;

/* What is sent from src to dst under a tag, or (src TY_ANY) all that arrives in dst's inbox of
 * that tag. */
typedef struct channel {
    int             src, dst, tag;
    sg_mailbox_t    mailbox;
    int             opening, registered; /* the mailbox is eager: a transfer starts at isend */
    double          route;      /* [s] latency that SimGrid gives a message */
    double          latency;    /* [s] that a courier adds */
    struct channel *inbox;      /* where its courier takes the messages; NULL: it has none */
    request        *posted;     /* receives that nothing has been given to, oldest first */
    message        *early;      /* fetched before their receive was posted, oldest first */
    message        *arrived;    /* brought by couriers, next to arrive first */
    sg_sem_t        count;      /* of `arrived` */
    int             waited;     /* a lane is fetching */
    struct channel *next;       /* in the queue of a doorman */
} channel;

/* ---- channel.c: where messages meet ---- */
void     ty_channels_init(const ty_job *job, int couriers);
channel *ty_channel_find(int src, int dst, int tag);    /* made when new */
channel *ty_channel_to_send(int src, int dst, int tag); /* the same, eager from now on */
message *ty_channel_fetch(channel *c);                  /* block until the next message is there */
void     ty_channel_land(const channel *c, size_t bytes, double sent_at); /* see there */
void     ty_message_release(message *m);
double   ty_channel_lag(const channel *c, const message *m, double begin); /* see there */

/* ---- engine.c: one simulation ---- */
/* Start an actor whose sg_actor_self_get_data() is data. */
sg_actor_t ty_actor_start(const char *name, sg_host_t host, void (*code)(int, char **), void *data);
sg_host_t ty_engine_host(int rank);
double    ty_engine_latency(int src, int dst); /* [s] that was taken out of the links */
void      ty_engine_lane_started(ty_rank *lane);
void      ty_engine_lane_ended(const ty_rank *lane);
ty_err    ty_engine_run(const ty_job *job, ty_main fn, void *arg);

/* ---- fabric.c ---- */
void ty_seat_pay(ty_rank *r); /* let the pending compute time pass */
void ty_seat_end(ty_rank *r); /* the program of this rank or lane has returned */

#endif
