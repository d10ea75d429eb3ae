/* SPDX-License-Identifier: MIT
 *
 * stream - work beside a rank, in order: the CUDA-stream picture. Each push forks a lane that first joins the
 * one before it.
 */
#ifndef TY_FABRIC_STREAM_H
#define TY_FABRIC_STREAM_H

#include "fabric/team.h"

typedef void (*ty_collective_fn)(const ty_team *t, ty_tensor x);

typedef struct ty_stream {
    ty_rank *rank;
    int      number; /* 1 .. 15: its messages use channels of their own; the same on every rank of a team */
    ty_lane *last;
} ty_stream;

void ty_stream_init(ty_stream *s, ty_rank *r, int number);
/* Run fn(t, x) after everything pushed before; t is copied, x borrowed until ty_stream_sync. */
void ty_stream_push(ty_stream *s, ty_collective_fn fn, const ty_team *t, ty_tensor x);
/* Block until everything pushed has run. */
void ty_stream_sync(ty_stream *s);

#endif
