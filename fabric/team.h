/* SPDX-License-Identifier: MIT
 *
 * team - some ranks that talk on a channel of their own: members first, first + stride, ... (n of them).
 * A grid dp x tp x pp is made of such teams. The channel is the only place where a tag is made.
 */
#ifndef TY_FABRIC_TEAM_H
#define TY_FABRIC_TEAM_H

#include "fabric/tensor.h"

typedef struct ty_team {
    ty_rank *rank;          /* whose view of the team this is: a lane has views of its own (ty_team_on) */
    int      n, me;         /* members; my index among them */
    int      first, stride; /* member i is rank first + i * stride */
    int      channel;       /* 0 .. 255; teams that share a rank have different channels */
    int      inbox;         /* members also receive from TY_ANY */
} ty_team;

/* r must be a member. */
ty_team ty_team_new(ty_rank *r, int channel, int first, int stride, int n);
ty_team ty_team_inbox(ty_rank *r, int channel, int first, int stride, int n);
/* The same team as seen by a lane of the same rank. */
ty_team ty_team_on(const ty_team *t, ty_rank *lane);

/* Member index -> rank id. */
static inline int ty_team_rank(const ty_team *t, int i)
{
    return t->first + i * t->stride;
}

/* Point to point between members; peers are member indices. A ghost tensor sends a ghost message. */
ty_req *ty_team_isend(const ty_team *t, int dst, ty_tensor x);
ty_req *ty_team_irecv(const ty_team *t, int src, ty_tensor x);
void    ty_team_send(const ty_team *t, int dst, ty_tensor x);
void    ty_team_recv(const ty_team *t, int src, ty_tensor x);
int     ty_team_recv_any(const ty_team *t, ty_tensor x); /* inbox teams; returns the sender's index */
int     ty_team_wait(const ty_team *t, ty_req *q);
/* Send out to dst while receiving in from src. */
void ty_sendrecv(const ty_team *t, int dst, ty_tensor out, int src, ty_tensor in);

#endif
