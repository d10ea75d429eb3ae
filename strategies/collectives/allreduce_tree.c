/* SPDX-License-Identifier: MIT
 *
 * allreduce_tree - sum x over the team, in place: a binomial tree up to member 0, and the broadcast down again.
 *   x       [n] fp32
 *   steps   2 ceil(log2 P)
 *   sends   up to ceil(log2 P) * bytes(x) per rank (member 0, on the way down)
 *   time    ceil(log2 P) (2 (alpha + bytes(x)/beta) + add(n))
 *   source  Thakur, Rabenseifner, Gropp, IJHPCA 19(1), 2005
 *
 *   P = 6:   up 1 -> 0, 3 -> 2 and 5 -> 4, then 4 -> 2, then 2 -> 0; down the same edges in reverse.
 */
#include "kernels/kernels.h"
#include "strategies/collectives/collective.h"

void ty_tree_reduce(const ty_team *t, ty_tensor x)
{
    const ty_tree tree = ty_tree_place(t->n, t->me);
    if (tree.n) {
        ty_tensor in = ty_scratch_like(t->rank, x);
        for (int i = 0; i < tree.n; i++) {
            ty_team_recv(t, tree.child[i], in);
            ty_add(t->rank, x, in);
        }
        ty_drop(t->rank, in);
    }
    if (t->me > 0)
        ty_team_send(t, tree.parent, x);
}

static void run(const ty_team *t, ty_tensor x)
{
    ty_tree_reduce(t, x);
    ty_broadcast_binomial.run(t, x);
}

static ty_cost cost(const ty_costing *c, int P, int me, size_t n)
{
    const int children = ty_tree_place(P, me).n;
    const double add = ty_costing_work(c, ty_work_add(n)), bytes = (double)n * sizeof(float);
    ty_cost r = {.messages = children + (me > 0), .compute_s = children * add};
    r.bytes = r.messages * bytes;
    r.peak_bytes = children ? bytes : 0;
    r.seconds = ty_log2_up(P) * (2 * ty_costing_message(c, n) + add);
    return r;
}

const ty_collective ty_allreduce_tree = {
    .op = TY_ALLREDUCE,
    .name = "tree",
    .summary = "binomial tree up and down",
    .source = "Thakur, Rabenseifner & Gropp, IJHPCA 19(1), 2005",
    .run = run,
    .cost = cost,
};
