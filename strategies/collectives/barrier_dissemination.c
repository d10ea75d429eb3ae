/* SPDX-License-Identifier: MIT
 *
 * barrier_dissemination - nobody leaves before all have come: in step s tell the rank 2^s to the right.
 *   steps   ceil(log2 P)
 *   sends   ceil(log2 P) empty messages per rank
 *   time    ceil(log2 P) alpha
 *   source  Hensgen, Finkel, Manber, Int. J. Parallel Programming 17(1), 1988
 *
 *   P = 5:   step 0 hears from 1 to the left, step 1 from 2, step 2 from 4: everybody has heard of all.
 */
#include "strategies/collectives/collective.h"

static void run(const ty_team *t, ty_tensor x)
{
    ty_tensor nothing = ty_slice(x, 0, 0);
    for (int d = 1; d < t->n; d *= 2)
        ty_sendrecv(t, (t->me + d) % t->n, nothing, (t->me + t->n - d) % t->n, nothing);
}

static ty_cost cost(const ty_costing *c, int P, int me, size_t n)
{
    (void)me, (void)n;
    return (ty_cost){.messages = ty_log2_up(P), .seconds = ty_log2_up(P) * c->net.alpha};
}

const ty_collective ty_barrier_dissemination = {
    .op = TY_BARRIER,
    .name = "dissemination",
    .summary = "each step doubles who has been heard of",
    .source = "Hensgen, Finkel & Manber, IJPP 17(1), 1988",
    .run = run,
    .cost = cost,
};
