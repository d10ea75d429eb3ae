/* SPDX-License-Identifier: MIT
 *
 * broadcast_binomial - x of member 0 becomes everybody's, down a binomial tree.
 *   x       [n] fp32
 *   steps   ceil(log2 P)
 *   sends   up to ceil(log2 P) * bytes(x) per rank (member 0)
 *   time    ceil(log2 P) (alpha + bytes(x)/beta)
 *   source  Thakur, Rabenseifner, Gropp, IJHPCA 19(1), 2005
 *
 *   P = 6:   0 -> 2 (which has the larger subtree), then 0 -> 1 and 2 -> 4, then 2 -> 3 and 4 -> 5.
 */
#include "strategies/collectives/collective.h"

static void run(const ty_team *t, ty_tensor x)
{
    const ty_tree tree = ty_tree_place(t->n, t->me);
    if (t->me > 0)
        ty_team_recv(t, tree.parent, x);
    for (int i = tree.n - 1; i >= 0; i--)
        ty_team_send(t, tree.child[i], x);
}

static ty_cost cost(const ty_costing *c, int P, int me, size_t n)
{
    ty_cost r = {.messages = ty_tree_place(P, me).n,
                 .seconds = ty_log2_up(P) * ty_costing_message(c, n)};
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
