/* SPDX-License-Identifier: MIT
 *
 * broadcast_scatter_allgather - x of member 0 becomes everybody's: its chunks are dealt out down a binomial tree, then
 * gathered around a ring. For long messages.
 *   x       [n] fp32
 *   steps   ceil(log2 P) + P-1
 *   sends   up to 2 (P-1)/P * bytes(x) per rank (member 0)
 *   time    (ceil(log2 P) + P-1) alpha + 2 (P-1)/P bytes(x)/beta, when P is a power of two
 *   source  van de Geijn's algorithm: Barnett et al., J. Parallel Distrib. Comput. 1995; Thakur et al., IJHPCA 19(1), 2005
 *
 *   P = 4:   0 sends chunks cd to 2; then 0 sends b to 1 while 2 sends d to 3; then the ring.
 */
#include "strategies/collectives/collective.h"

/* Members of the subtree under `me`, itself included: they have neighbouring numbers. */
static int subtree(int P, int me)
{
    ty_tree tree = ty_tree_place(P, me);
    int size = 1;
    for (int i = 0; i < tree.n; i++)
        size += subtree(P, tree.child[i]);
    return size;
}

/* The chunks of the members under `child`. */
static ty_tensor share(ty_tensor x, int P, int child)
{
    return ty_chunks(x, P, child, subtree(P, child)).piece[0];
}

static void run(const ty_team *t, ty_tensor x)
{
    const int P = t->n;
    const ty_tree tree = ty_tree_place(P, t->me);
    if (t->me > 0)
        ty_team_recv(t, tree.parent, share(x, P, t->me));
    for (int i = tree.n - 1; i >= 0; i--)
        ty_team_send(t, tree.child[i], share(x, P, tree.child[i]));
    ty_allgather_ring.run(t, x);
}

/* When the subtree under `me` has all its chunks, if `me` has them at once. */
static double deal(const ty_costing *c, ty_tensor x, int P, int me)
{
    const ty_tree tree = ty_tree_place(P, me);
    double now = 0, last = 0;
    for (int i = tree.n - 1; i >= 0; i--) {
        now += ty_costing_message(c, share(x, P, tree.child[i]).n);
        double done = now + deal(c, x, P, tree.child[i]);
        last = done > last ? done : last;
    }
    return last;
}

static ty_cost cost(const ty_costing *c, int P, int me, size_t n)
{
    const ty_tensor x = {.rows = 1, .cols = n, .n = n};
    const ty_tree tree = ty_tree_place(P, me);
    ty_cost r = ty_allgather_ring.cost(c, P, me, n);
    r.seconds += deal(c, x, P, 0);
    r.messages += tree.n;
    for (int i = 0; i < tree.n; i++)
        r.bytes += (double)share(x, P, tree.child[i]).n * sizeof(float);
    return r;
}

const ty_collective ty_broadcast_scatter_allgather = {
    .op = TY_BROADCAST,
    .name = "scatter-allgather",
    .summary = "deal the chunks down a tree, gather them around a ring: for long messages",
    .source = "Thakur, Rabenseifner & Gropp, IJHPCA 19(1), 2005",
    .run = run,
    .cost = cost,
};
