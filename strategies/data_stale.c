/* SPDX-License-Identifier: MIT
 *
 * data-stale - asynchronous data parallelism with bounded staleness (stale synchronous parallel): as data-async, but the
 * server lets a worker begin step c only when every other has ended step c - 1 - s. With s = 0 all begin a step together.
 *   time    as data-async when all are as fast; a straggler holds the others up once they are s steps ahead
 *   source  Ho et al., More effective distributed ML via a stale synchronous parallel parameter server, NIPS 2013
 */
#include "strategies/asynchronous.h"

static ty_err plan(ty_plan *p)
{
    p->tuning.staleness = p->tuning.staleness == TY_LOCKSTEP ? 0
                          : p->tuning.staleness              ? p->tuning.staleness
                                                             : 3;
    return ty_asynchronous_plan(p);
}

const ty_strategy ty_data_stale = {
    .name = "data-stale",
    .summary = "bounded staleness: asynchronous, but nobody gets more than s steps ahead",
    .source = "Ho et al., NIPS 2013",
    .order = TY_ARRIVAL,
    .inexact = 1,
    .uses = TY_USES_MICRO_BATCHES | TY_USES_STALENESS,
    .plan = plan,
    .step = ty_asynchronous_step,
    .cost = ty_asynchronous_cost,
};
