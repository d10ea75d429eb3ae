/* SPDX-License-Identifier: MIT
 *
 * trace - the timeline of a rank: what ran when. Written as Chrome/Perfetto trace events; one schema for real
 * and simulated runs.
 */
#ifndef TY_FABRIC_TRACE_H
#define TY_FABRIC_TRACE_H

#include "fabric/rank.h"

#include <stdio.h>

typedef enum ty_event_kind { TY_EV_COMPUTE, TY_EV_COMM, TY_EV_WAIT, TY_EV_STEP, TY_EV_OVERHEAD } ty_event_kind;

typedef struct ty_event {
    double        begin, end; /* [s] since the run's start */
    ty_event_kind kind;
    int           lane, peer; /* peer -1: none */
    size_t        bytes;      /* of a message, else 0 */
    int           name;       /* ty_class of a compute event; step number of a step event */
} ty_event;

struct ty_trace {
    ty_event *event;
    size_t    n, room;
    int       on;          /* recording now */
};

/* Start or stop recording; without a trace nothing happens. */
void ty_trace_on(ty_rank *r, int on);
void ty_trace_add(ty_rank *r, ty_event e);
/* A kernel of class cls begins now; it ends when the next begins, or at ty_trace_close. Its time is booked in the ledger
 * where time is real, and it is an event where a timeline is recorded. */
void ty_trace_open(ty_rank *r, int cls);
void ty_trace_close(ty_rank *r);
/* Write the events of one rank as comma-separated JSON objects; `first` tells whether a comma precedes. */
void ty_trace_write(FILE *f, int rank, const ty_event *e, size_t n, int *first);

#endif
