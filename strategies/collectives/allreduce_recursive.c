/* SPDX-License-Identifier: MIT
 *
 * allreduce_recursive - sum x over the team, in place, by recursive doubling: exchange everything with a partner
 * at distance 1, 2, 4, ...
 *   x       [n] fp32
 *   steps   k = log2 P; two more when P is no power of two (the rest folds onto a partner and is told the sum)
 *   sends   k * bytes(x) per rank
 *   time    k (alpha + bytes(x)/beta + add(n)), plus 2 (alpha + bytes(x)/beta) + add(n) for the rest and k alpha
 *           for handshakes
 *   source  Thakur, Rabenseifner, Gropp, IJHPCA 19(1), 2005
 *
 *   P = 4:   start   step 1   step 2        both partners compute the same sum of two numbers, and addition
 *   rank 0   0       01       0123          commutes, so all ranks hold the same bits
 *   rank 1   1       01       0123
 *   rank 2   2       23       0123
 *   rank 3   3       23       0123
 *
 * With a rest, members come to a step at different times, and what an early one sends would share its partner's port with
 * a message that is still arriving there. So partners first tell each other that they are there.
 */
#include "kernels/kernels.h"
#include "strategies/collectives/collective.h"

static void run(const ty_team *t, ty_tensor x)
{
    const int me = t->me, core = ty_power_below(t->n, NULL), rest = t->n - core;
    if (t->n == 1)
        return;
    ty_tensor in = ty_scratch_like(t->rank, x);

    if (me >= core) { /* fold: my partner counts for me */
        ty_team_send(t, me - core, x);
    } else if (me < rest) {
        ty_team_recv(t, me + core, in);
        ty_add(t->rank, x, in);
    }
    for (int d = 1; me < core && d < core; d *= 2) {
        if (rest)
            ty_sendrecv(t, me ^ d, ty_slice(x, 0, 0), me ^ d, ty_slice(in, 0, 0));
        ty_sendrecv(t, me ^ d, x, me ^ d, in);
        ty_add(t->rank, x, in);
    }
    if (me >= core)
        ty_team_recv(t, me - core, x);
    else if (me < rest)
        ty_team_send(t, me + core, x);

    ty_drop(t->rank, in);
}

static ty_cost cost(const ty_costing *c, int P, int me, size_t n)
{
    int k, core = ty_power_below(P, &k), rest = P - core;
    double message = ty_costing_message(c, n), add = ty_costing_work(c, ty_work_add(n));
    int full = me >= core ? 1 : k + (me < rest); /* messages that carry x */
    ty_cost r = {.messages = full + (rest && me < core ? k : 0),
                 .bytes = full * (double)n * sizeof(float)};
    r.peak_bytes = (double)n * sizeof(float);
    r.compute_s = me >= core ? 0 : (k + (me < rest)) * add;
    r.seconds = k * (message + add) + (rest ? 2 * message + add + k * c->net.alpha : 0);
    return P > 1 ? r : (ty_cost){0};
}

const ty_collective ty_allreduce_recursive = {
    .op = TY_ALLREDUCE,
    .name = "recursive",
    .summary = "recursive doubling: fewest steps, for small messages",
    .source = "Thakur, Rabenseifner & Gropp, IJHPCA 19(1), 2005",
    .run = run,
    .cost = cost,
};
