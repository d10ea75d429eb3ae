/* SPDX-License-Identifier: MIT
 *
 * threads - what the parts of the threads fabric share: threads.c lanes, deadlock and the run; threads_message.c
 * who gets what; threads_copy.c how bytes get there. Private to the three.
 */
#ifndef TY_FABRIC_THREADS_H
#define TY_FABRIC_THREADS_H

#include "fabric/rank.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct yard yard;

typedef struct request {
    ty_req q; /* first: a ty_req is a request */
    void *buf;
    ty_lane *owner; /* posted it and waits for it; nobody else uses it again */
    int from;       /* of a receive: who sent it; q itself is its owner's alone until wait */
    double sent_at;
    atomic_int done;
    ty_lane *waiter; /* blocked on this request */
    struct request *next;
    /* a receive whose message is being copied, by both ends; its sender's until done */
    const char *source;
    atomic_size_t claimed, copied; /* blocks */
    atomic_int landed;             /* the owner copied the last one */
    ty_lane *sender;               /* blocked until landed */
} request;

typedef struct message { /* sent before its receive was posted */
    int src, tag;
    size_t bytes, room;
    double sent_at;
    struct message *next;
    char *data;              /* NULL: ghost */
    const void *buf;         /* the sender's; NULL: all of it is in data */
    _Atomic(request *) taken; /* by a receive, before all of it was in data */
} message;

typedef struct mailbox { /* of one rank, oldest first */
    request *posted;
    message *arrived;
} mailbox;

struct ty_lane {
    ty_rank rank; /* lane 0: the rank itself */
    yard *yard;
    ty_main fn;
    void *arg;
    pthread_t thread;
    pthread_cond_t wake;
    atomic_int finished;
    ty_lane *joiner;             /* blocked until this lane is finished */
    ty_lane *next;               /* of the forked lanes that run */
    request *spare;              /* requests to use again: its own thread's alone */
    _Atomic(request *) incoming; /* a receive of this lane that is being copied */
};

struct yard {
    const ty_job *job;
    pthread_mutex_t lock;
    int live, blocked, dead;
    atomic_int beside; /* forked lanes that run */
    int fits;          /* every rank has cores for itself */
    mailbox *box;      /* [ranks] */
    ty_lane *lanes;    /* [ranks] */
    ty_lane *forked;
    message *spare; /* buffers to use again */
    double start;
    char why[200];
    yard *wreck; /* the one before */
};

/* ---- threads.c: the lock is held ---- */

/* Sleep until *done; leave the thread when the yard is dead. */
void ty_lane_block(ty_lane *l, const atomic_int *done);
void ty_lane_wake(ty_lane *l);

/* ---- threads_message.c ---- */

ty_req *ty_threads_isend(ty_rank *r, int dst, int tag, const void *buf, size_t bytes);
ty_req *ty_threads_irecv(ty_rank *r, int src, int tag, void *buf, size_t bytes);
void ty_threads_wait(ty_rank *r, ty_req *req, ty_req *done);
void ty_request_done(request *q);  /* the lock is held */
void ty_requests_free(ty_lane *l); /* the spare ones */
void ty_messages_free(message *first);

/* ---- threads_copy.c ---- */

/* Bytes from which both ends copy; below, whoever comes second does, with the lock held. */
enum { TY_COPY_ALONE = 8192 };

/* q's bytes lie at source, until q is done: from now on its owner may copy, too. The lock is held. */
void ty_copy_begin(request *q, const void *source);
/* The sender's part: return when all of q is copied. Meanwhile l copies what comes to itself, too. */
void ty_copy_finish(ty_lane *l, request *q);
/* Copy m into its buffer; stop when a receive takes it. */
void ty_copy_aside(message *m);
/* While *done is 0: copy what comes to l; spin for some microseconds where a core is ours. */
void ty_copy_linger(ty_lane *l, const atomic_int *done);

#endif
