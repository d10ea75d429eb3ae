/* SPDX-License-Identifier: MIT
 *
 * allreduce_hierarchical - sum x over the team, in place: inside every node first, then across the nodes, then inside again, so
 * that of P members on nodes of R each only 1/R of x has to leave a member's node.
 *   x       [n] fp32
 *   steps   2 inside, 2 (P/R-1) across
 *   sends   2 (R-1)/R bytes(x) inside, 2 (P/R-1)/(P/R) bytes(x)/R across, per rank
 *   time    ring(R members, x, inside) + ring(P/R members, x/R, across)
 *   source  Thakur, Rabenseifner, Gropp, IJHPCA 19(1), 2005 (nodes of several processes); Jia et al., Highly Scalable Deep
 *           Learning Training System with Mixed-Precision, 2018 (hierarchical all-reduce)
 *
 *   R = 2, P = 4, halves a b:   start    reduce-scatter inside   all-reduce across   all-gather inside
 *     node 0   rank 0           a0 b0    a01 .                   a0123 .             a0123 b0123
 *              rank 1           a1 b1    .   b01                 .     b0123         a0123 b0123
 *     node 1   rank 2           a2 b2    a23 .                   a0123 .             a0123 b0123
 *              rank 3           a3 b3    .   b23                 .     b0123         a0123 b0123
 *
 * Where R does not divide P the last node is smaller, and the chunks of nodes do not meet: then the first member of each node
 * leads. Binomial tree up to the leaders, ring of the leaders, binomial tree down:
 *   time    tree(R members, x, inside) + ring(ceil(P/R) members, x, across)
 *
 * Members of neighbouring numbers share a node: R is per_node of the job. The members of a team
 * that begins in the middle of a node, or whose ranks are no neighbours (stride > 1), count as one a node each; closed forms of
 * such teams want per_node 1. With one node, or one member on each, this is the ring.
 */
#include "strategies/collectives/collective.h"

/* Members on a node. */
static int node_size(const ty_team *t)
{
    const int R = t->rank->job->per_node;
    if (R > 0 && R < t->rank->job->ranks && (t->stride != 1 || t->first % R))
        return 1;
    return R > 0 && R < t->n ? R : t->n;
}

/* The members first, first + stride, .. of t, n of them; t->me is number me of them. */
static ty_team part(const ty_team *t, int first, int stride, int n, int me)
{
    ty_team p = *t;
    p.first = ty_team_rank(t, first);
    p.stride = t->stride * stride;
    p.n = n;
    p.me = me;
    return p;
}

static void by_leaders(const ty_team *t, int R, ty_tensor x)
{
    const int node = t->me / R, first = node * R, left = t->n - first;
    const ty_team inside = part(t, first, 1, left < R ? left : R, t->me - first);
    ty_tree_reduce(&inside, x);
    if (inside.me == 0) {
        const ty_team leaders = part(t, 0, R, (t->n + R - 1) / R, node);
        ty_allreduce_ring.run(&leaders, x);
    }
    ty_broadcast_binomial.run(&inside, x);
}

static void run(const ty_team *t, ty_tensor x)
{
    const int R = node_size(t), node = t->me / R, local = t->me % R;
    if (R == 1 || R == t->n) {
        ty_allreduce_ring.run(t, x);
    } else if (t->n % R) {
        by_leaders(t, R, x);
    } else {
        const ty_team inside = part(t, node * R, 1, R, local),
                      across = part(t, local, R, t->n / R, node);
        ty_reduce_scatter_ring.run(&inside, x);
        ty_allreduce_ring.run(&across, ty_chunk(x, R, local));
        ty_allgather_ring.run(&inside, x);
    }
}

static ty_cost both(ty_cost a, ty_cost b)
{
    return (ty_cost){.seconds = a.seconds + b.seconds,
                     .compute_s = a.compute_s + b.compute_s,
                     .messages = a.messages + b.messages,
                     .bytes = a.bytes + b.bytes,
                     .peak_bytes = a.peak_bytes > b.peak_bytes ? a.peak_bytes : b.peak_bytes};
}

static ty_cost cost_by_leaders(const ty_costing *c, const ty_costing *inside, int P, int me,
                               size_t n)
{
    const int R = c->per_node, left = P - me / R * R, here = left < R ? left : R;
    ty_cost k = ty_allreduce_tree.cost(inside, here, me % R, n),
            ring = ty_allreduce_ring.cost(c, (P + R - 1) / R, me / R, n);
    const double seconds = ty_allreduce_tree.cost(inside, R, 0, n).seconds + ring.seconds;
    k = me % R ? k : both(k, ring);
    k.seconds = seconds;
    return k;
}

static ty_cost cost(const ty_costing *c, int P, int me, size_t n)
{
    const int R = c->per_node > 0 && c->per_node < P ? c->per_node : P;
    const ty_costing inside = ty_costing_inside(c);
    if (R == 1 || R == P)
        return ty_allreduce_ring.cost(R == 1 ? c : &inside, P, me, n);
    if (P % R)
        return cost_by_leaders(c, &inside, P, me, n);
    const int local = me % R;
    ty_cost k = both(ty_reduce_scatter_ring.cost(&inside, R, local, n),
                     ty_allgather_ring.cost(&inside, R, local, n)),
            ring = ty_allreduce_ring.cost(c, P / R, me / R, ty_chunk_size(n, R, local));
    return both(k, ring);
}

const ty_collective ty_allreduce_hierarchical = {
    .op = TY_ALLREDUCE,
    .name = "hierarchical",
    .summary = "inside the nodes, across them, and inside again: few bytes leave a node",
    .source = "Thakur, Rabenseifner & Gropp, IJHPCA 19(1), 2005; Jia et al., 2018",
    .run = run,
    .cost = cost,
};
