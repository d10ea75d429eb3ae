/* SPDX-License-Identifier: MIT
 *
 * fabric - the nine functions that decide what a rank is, how bytes move and what time means.
 * A strategy never calls them: it uses fabric/rank.h, which checks, counts, times and traces above
 * every fabric.
 */
#ifndef TY_FABRIC_FABRIC_H
#define TY_FABRIC_FABRIC_H

#include "base/err.h"
#include "fabric/ledger.h"
#include "machine/machine.h"

#include <stddef.h>
#include <stdint.h>

typedef struct ty_rank ty_rank;         /* fabric/rank.h: one rank, or one lane of it */
typedef struct ty_lane ty_lane;         /* a second blocking program of a rank; private
                                         * to the fabric */
typedef struct ty_platform ty_platform; /* sim/platform.h; other fabrics ignore it */
typedef void (*ty_main)(ty_rank *r, void *arg);

/* A request is allocated by the fabric (embedded first in a struct of its own) and freed by
 * wait. */
typedef struct ty_req {
    int    send;      /* 1 send, 0 receive */
    int    peer;      /* destination or source; a receive from TY_ANY gets the sender when
                       * it completes */
    int    tag;
    size_t bytes;
    double sent_at;   /* [s] of a completed receive: when its sender called isend, on the
                       * receiver's clock */
} ty_req;

enum { TY_ANY = -1 };              /* a receive on an inbox channel from any rank */
enum { TY_TAG_INBOX = 1 << 30 };   /* set in the tag of an inbox channel; every rank of a channel
                                    * agrees on it */

/* What run() is given. Borrowed until run() returns. */
typedef struct ty_job {
    int               ranks;
    int               threads;     /* OpenMP threads of each rank */
    int               busy;        /* ranks that share one host (its memory bandwidth); 1: hosts
                                    * of their own */
    int               per_node;    /* ranks of neighbouring numbers on a node; 0: all of them */
    int               ghost;       /* tensors carry no numbers */
    int               trace_steps; /* record a timeline of the first so many steps */
    double            timeout_s;   /* MPI: a wait longer than this is a deadlock; 0: 60 s */
    const ty_machine *machine;     /* turns work into seconds; NULL: charge nothing */
    const ty_platform *platform;   /* sim */
    size_t            piece_bytes; /* of pipelined collectives [B]; 0: chosen from net */
    ty_net            net;         /* between two ranks: splits hidden time, and cuts a pipelined broadcast */
} ty_job;

typedef struct ty_fabric_ops {
    const char *name; /* "threads", "sim", "mpi" */
    int virtual_time; /* charge() is what computing takes, and copying takes nothing */
    int shared_memory; /* ranks run at the same time in one memory */

    /* Run fn(rank, arg) on job->ranks ranks; back when all have returned. TY_EWRONG on deadlock,
     * naming who waits for what. Never called twice in a process by sim. MPI: the ranks are the
     * processes of the job, job->ranks of them must exist; each process runs its own. */
    ty_err (*run)(const ty_job *job, ty_main fn, void *arg);

    /* Start sending bytes of buf to rank dst; buffered: buf may change after isend returns, and
     * wait on the request never needs the receiver. buf NULL: a ghost message, timed and
     * counted but empty. */
    ty_req *(*isend)(ty_rank *r, int dst, int tag, const void *buf, size_t bytes);
    /* Receive the next message of (src, tag), first in first out; exactly `bytes` long. buf
     * NULL: ghost. */
    ty_req *(*irecv)(ty_rank *r, int src, int tag, void *buf, size_t bytes);
    /* Block until q is complete, copy it to *done (a receive's peer and sent_at are known
     * now), free q. */
    void (*wait)(ty_rank *r, ty_req *q, ty_req *done);

    void (*charge)(ty_rank *r, double seconds); /* compute time; no-op if time is real */
    double (*now)(ty_rank *r);                  /* [s] wall or virtual, monotonic */

    /* Run fn(lane rank, arg) beside r; the lane rank has r's id and a ledger of its own
     * (ty_rank_lane_init). */
    ty_lane *(*fork)(ty_rank *r, ty_main fn, void *arg);
    /* Block until the lane's program has returned, copy its ledger to *done, free the lane. Any
     * lane of the same rank may join it, once. */
    void (*join)(ty_rank *r, ty_lane *l, ty_ledger *done);

    void (*abort)(ty_rank *r, int code) __attribute__((noreturn)); /* stops every rank */
} ty_fabric_ops;

extern const ty_fabric_ops ty_fabric_threads;
extern const ty_fabric_ops ty_fabric_sim;
extern const ty_fabric_ops ty_fabric_mpi;

/* Version of the library behind a fabric, as the library itself tells it. */
void ty_sim_version(char *text, size_t size);
void ty_mpi_version(char *text, size_t size);

/* ---- find.c: which fabrics there are ---- */

/* Every fabric, whether this build has it or not. */
typedef struct ty_fabric {
    const char *name, *summary;
    const ty_fabric_ops *ops; /* NULL: this build lacks it */
    const char *missing;      /* how to get it then */
    void (*version)(char *text, size_t size); /* NULL: no library is behind it */
} ty_fabric;
extern const ty_fabric   ty_fabrics[];
extern const size_t      ty_fabrics_n;
extern const char *const ty_fabric_name[]; /* their names, NULL at the end */

/* The fabric of a name; TY_EUSAGE with the nearest name, TY_EMISSING when this build lacks it. */
ty_err ty_fabric_find(const char *name, const ty_fabric_ops **ops);

#endif
