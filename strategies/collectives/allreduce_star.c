/* SPDX-License-Identifier: MIT
 *
 * allreduce_star - sum x over the team, in place: everybody sends x to member 0, which adds and sends the sum back. The
 * parameter server's pattern: the port of member 0 is what they share.
 *   x       [n] fp32
 *   steps   2
 *   sends   bytes(x) per rank, (P-1) bytes(x) by member 0
 *   time    2 (alpha + (P-1) bytes(x)/beta) + (P-1) add(n)
 *   source  Li et al., Scaling distributed machine learning with the parameter server, OSDI 2014
 */
#include "kernels/kernels.h"
#include "strategies/collectives/collective.h"

static void serve(const ty_team *t, ty_tensor x)
{
    ty_tensor in = ty_scratch_like(t->rank, x);
    for (int i = 1; i < t->n; i++) {
        ty_team_recv(t, i, in);
        ty_add(t->rank, x, in);
    }
    ty_drop(t->rank, in);
    ty_team_send_all(t, x);
}

static void run(const ty_team *t, ty_tensor x)
{
    if (t->n == 1)
        return;
    if (t->me == 0) {
        serve(t, x);
    } else {
        ty_team_send(t, 0, x);
        ty_team_recv(t, 0, x);
    }
}

static ty_cost cost(const ty_costing *c, int P, int me, size_t n)
{
    const double bytes = (double)n * sizeof(float), add = ty_costing_work(c, ty_work_add(n));
    ty_cost r = {.messages = me == 0 ? P - 1 : 1};
    r.bytes = r.messages * bytes;
    r.compute_s = me == 0 ? (P - 1) * add : 0;
    r.seconds = 2 * ty_costing_message(c, (size_t)(P - 1) * n) + (P - 1) * add;
    r.peak_bytes = me == 0 ? bytes : 0;
    return P > 1 ? r : (ty_cost){0};
}

const ty_collective ty_allreduce_star = {
    .op = TY_ALLREDUCE,
    .name = "star",
    .summary = "everybody to member 0 and back: the parameter server's pattern",
    .source = "Li et al., OSDI 2014",
    .by_name = 1, /* P-1 messages cost member 0 time that the closed form does not know */
    .run = run,
    .cost = cost,
};
