/* SPDX-License-Identifier: MIT
 *
 * rank - what a strategy's program holds: the nine functions with checks, counters, times and trace around them.
 */
#ifndef TY_FABRIC_RANK_H
#define TY_FABRIC_RANK_H

#include "fabric/fabric.h"
#include "fabric/ledger.h"

/* What a blocked rank waits for; a deadlock report prints it. */
typedef struct ty_waiting {
    enum { TY_RUNNING, TY_IN_RECV, TY_IN_SEND, TY_IN_JOIN, TY_DONE } what;
    int    peer, tag;
    size_t bytes;
} ty_waiting;

typedef struct ty_trace ty_trace; /* fabric/trace.h */

struct ty_rank {
    int                  id;    /* 0 .. job->ranks - 1 */
    int                  lane;  /* 0: the rank's own program */
    const ty_fabric_ops *ops;
    const ty_job        *job;
    void                *fabric; /* the fabric's own data for this rank or lane */
    ty_rank             *parent; /* of a lane: the rank that forked it; else NULL */
    ty_ledger            ledger;
    ty_waiting           waiting;
    ty_trace            *trace;  /* shared by the lanes of a rank; NULL: not recording */
    double               idle_s; /* seconds spent blocked since the ledger was reset */
    double               since;  /* [s] when the ledger was reset */
    int                  quiet;  /* > 0: messages are not counted (barriers, results) */
    int                  paused; /* > 0: no part of a step, computing takes no virtual time */
    int                  computing; /* 1 + class of the kernel that runs now; 0: none */
    double               computing_since; /* [s] */
    double               slower; /* computing takes 1 + slower times as long: machine/pace.h */
    double               in_fork_s; /* seconds that ty_fork took: a lane that ran in place */
    struct ty_memory_account *mem; /* shared by the lanes of a rank */
};

/* For fabrics: prepare a rank (lane 0) or a lane of it, and let go of what it holds. */
void ty_rank_init(ty_rank *r, int id, const ty_fabric_ops *ops, const ty_job *job);
void ty_rank_lane_init(ty_rank *lane, ty_rank *parent);
void ty_rank_fini(ty_rank *r);
/* "rank 2 waits for 4096 B from rank 1 (channel 3)" for each unfinished rank, up to four, into buf. */
void ty_rank_describe_waits(char *buf, size_t size, ty_rank *const *ranks, int n);

/* The functions for everybody above. Bytes may be 0. */
ty_req *ty_isend(ty_rank *r, int dst, int tag, const void *buf, size_t bytes);
ty_req *ty_irecv(ty_rank *r, int src, int tag, void *buf, size_t bytes);
int     ty_wait(ty_rank *r, ty_req *q); /* returns the peer: the sender of a receive from TY_ANY */
double  ty_now(ty_rank *r);
void    ty_charge(ty_rank *r, double seconds);
/* Spend seconds on what is no kernel: charged where time is virtual, slept elsewhere; a ghost there has no time. */
void    ty_spend(ty_rank *r, double seconds);
ty_lane *ty_fork(ty_rank *r, ty_main fn, void *arg);
void     ty_join(ty_rank *r, ty_lane *l);
_Noreturn void ty_abort(ty_rank *r, int code);

/* Blocking pairs of the above. */
void ty_send(ty_rank *r, int dst, int tag, const void *buf, size_t bytes);
void ty_recv(ty_rank *r, int src, int tag, void *buf, size_t bytes);

/* Start counting anew (memory stays), and read what was counted since: compute_s is filled in here. */
void      ty_ledger_reset(ty_rank *r);
ty_ledger ty_ledger_read(ty_rank *r);

#endif
