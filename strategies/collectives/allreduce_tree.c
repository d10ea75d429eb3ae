/* SPDX-License-Identifier: MIT
 *
 * allreduce_tree - sum x over the team, in place: a binomial tree up to member 0, and the broadcast down again.
 *   x       [n] fp32
 *   steps   2 ceil(log2 P)
 *   sends   up to ceil(log2 P) * bytes(x) per rank (member 0, on the way down)
 *   time    ceil(log2 P) (2 (alpha + bytes(x)/beta) + add(n))
 *   source  Thakur, Rabenseifner, Gropp, IJHPCA 19(1), 2005
 *
 *   P = 5:   4 -> 0, then 1 -> 0 and 3 -> 2, then 2 -> 0; down the same edges in reverse.
 *   Members beyond the largest power of two come first, so that every step is of all its pairs at once.
 */
#include "kernels/kernels.h"
#include "strategies/collectives/collective.h"

/* The tree above me: fold the rest, then the bits of me from the lowest. x of member 0 becomes the sum. */
static void reduce(const ty_team *t, ty_tensor x)
{
    const int me = t->me, core = ty_power_below(t->n, NULL);
    if (me >= core) {
        ty_team_send(t, me - core, x);
        return;
    }
    ty_tensor in = ty_scratch_like(t->rank, x);
    if (me + core < t->n) {
        ty_team_recv(t, me + core, in);
        ty_add(t->rank, x, in);
    }
    for (int d = 1; d < core; d *= 2) {
        if (me & d) {
            ty_team_send(t, me - d, x);
            break;
        }
        ty_team_recv(t, me + d, in);
        ty_add(t->rank, x, in);
    }
    ty_drop(t->rank, in);
}

static void run(const ty_team *t, ty_tensor x)
{
    if (t->n == 1)
        return;
    reduce(t, x);
    ty_broadcast_binomial.run(t, x);
}

/* Messages that member me receives on the way up. */
static int children(int P, int me)
{
    int core = ty_power_below(P, NULL), n = me < core && me + core < P;
    for (int d = 1; me < core && d < core && !(me & d); d *= 2)
        n++;
    return n;
}

static ty_cost cost(const ty_costing *c, int P, int me, size_t n)
{
    int k, core = ty_power_below(P, &k), steps = k + (P > core);
    double add = ty_costing_work(c, ty_work_add(n));
    ty_cost r = ty_broadcast_binomial.cost(c, P, me, n);
    r.messages += P > 1 && me > 0;
    r.bytes = r.messages * (double)n * sizeof(float);
    r.compute_s = children(P, me) * add;
    r.peak_bytes = me < core ? (double)n * sizeof(float) : 0;
    r.seconds += steps * (ty_costing_message(c, n) + add);
    return P > 1 ? r : (ty_cost){0};
}

const ty_collective ty_allreduce_tree = {
    .op = TY_ALLREDUCE,
    .name = "tree",
    .summary = "binomial tree up and down",
    .source = "Thakur, Rabenseifner & Gropp, IJHPCA 19(1), 2005",
    .run = run,
    .cost = cost,
};
