/* SPDX-License-Identifier: MIT
 *
 * asynchronous - what data-async and data-stale share: rank 0 serves parameters to workers that come when they are done.
 * A bound on staleness, p->staleness, is how many steps a worker may be ahead of the slowest.
 */
#ifndef TY_STRATEGIES_ASYNCHRONOUS_H
#define TY_STRATEGIES_ASYNCHRONOUS_H

#include "strategies/worker.h"

ty_err  ty_asynchronous_plan(ty_plan *p);
void    ty_asynchronous_step(ty_worker *w, long step);
ty_cost ty_asynchronous_cost(const ty_plan *p, int rank);

#endif
