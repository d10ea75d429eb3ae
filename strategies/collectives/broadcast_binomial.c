/* SPDX-License-Identifier: MIT
 *
 * broadcast_binomial - x of member 0 becomes everybody's, down a binomial tree.
 *   x       [n] fp32
 *   steps   ceil(log2 P)
 *   sends   up to ceil(log2 P) * bytes(x) per rank (member 0)
 *   time    ceil(log2 P) (alpha + bytes(x)/beta)
 *   source  Thakur, Rabenseifner, Gropp, IJHPCA 19(1), 2005
 *
 *   P = 5:   0 -> 2, then 0 -> 1 and 2 -> 3, then 0 -> 4. Members beyond the largest power of two come last.
 */
#include "strategies/collectives/collective.h"

static void run(const ty_team *t, ty_tensor x)
{
    const int me = t->me, core = ty_power_below(t->n, NULL);
    if (me >= core) {
        ty_team_recv(t, me - core, x);
        return;
    }
    for (int d = core / 2; d >= 1; d /= 2) {
        if (me % (2 * d) == d)
            ty_team_recv(t, me - d, x);
        else if (me % (2 * d) == 0)
            ty_team_send(t, me + d, x);
    }
    if (me + core < t->n)
        ty_team_send(t, me + core, x);
}

static ty_cost cost(const ty_costing *c, int P, int me, size_t n)
{
    int k, core = ty_power_below(P, &k);
    ty_cost r = {.seconds = (k + (P > core)) * ty_costing_message(c, n)};
    for (int d = core / 2; me < core && d >= 1; d /= 2)
        r.messages += me % (2 * d) == 0;
    r.messages += me < core && me + core < P;
    r.bytes = r.messages * (double)n * sizeof(float);
    return r;
}

const ty_collective ty_broadcast_binomial = {
    .op = TY_BROADCAST,
    .name = "binomial",
    .summary = "down a binomial tree",
    .source = "Thakur, Rabenseifner & Gropp, IJHPCA 19(1), 2005",
    .run = run,
    .cost = cost,
};
