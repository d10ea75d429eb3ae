/* SPDX-License-Identifier: MIT
 *
 * data-async - asynchronous data parallelism: rank 0 is a parameter server, the other N ranks train on their shards. A worker
 * pushes its gradient, gets the parameters as they are then, and goes on; nobody waits for anybody but the server.
 *   time    cycle = load(B/N) + forward(B/N) + backward(B/N) + 2 (alpha + bytes/beta) + update, or N turns of the server
 *           when that is longer
 *   sends   a worker its gradient, the server N times the parameters
 *   staleness of a gradient: updates by others between its worker's pull and its push. N-1 in the mean when all are as fast
 *   source  Dean et al., Large scale distributed deep networks (DistBelief), NIPS 2012
 *
 * A gradient is scaled by 1/B, as in the synchronous strategies: N pushes do what one of their steps does.
 */
#include "strategies/asynchronous.h"

#include <limits.h>

static ty_err plan(ty_plan *p)
{
    p->tuning.staleness = LONG_MAX;
    return ty_asynchronous_plan(p);
}

const ty_strategy ty_data_async = {
    .name = "data-async",
    .summary = "asynchronous data parallel: rank 0 serves parameters, nobody waits for the others",
    .source = "Dean et al., DistBelief, NIPS 2012",
    .order = TY_ARRIVAL,
    .inexact = 1,
    .uses = TY_USES_MICRO_BATCHES,
    .plan = plan,
    .step = ty_asynchronous_step,
    .cost = ty_asynchronous_cost,
};
