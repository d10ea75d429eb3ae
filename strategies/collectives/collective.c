/* SPDX-License-Identifier: MIT */
#include "strategies/collectives/collective.h"

#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const ty_operation_name[TY_OPERATIONS] = {
    "allreduce", "reduce-scatter", "allgather", "broadcast", "gather", "barrier", "alltoall"};

const ty_collective *const ty_collectives[] = {
    &ty_allreduce_ring,
    &ty_allreduce_recursive,
    &ty_allreduce_rabenseifner,
    &ty_allreduce_tree,
    &ty_allreduce_double_tree,
    &ty_allreduce_hierarchical,
    &ty_allreduce_star,
    &ty_reduce_scatter_ring,
    &ty_reduce_scatter_recursive,
    &ty_allgather_ring,
    &ty_allgather_recursive,
    &ty_broadcast_binomial,
    &ty_broadcast_scatter_allgather,
    &ty_broadcast_chain,
    &ty_gather_linear,
    &ty_alltoall_pairwise,
    &ty_barrier_dissemination,
};
enum { COLLECTIVES = sizeof ty_collectives / sizeof *ty_collectives };
const size_t ty_collectives_n = COLLECTIVES;

double ty_costing_message(const ty_costing *c, size_t n)
{
    return c->net.alpha + (double)n * sizeof(float) / c->net.beta;
}

double ty_costing_work(const ty_costing *c, ty_work w)
{
    double s = c->machine ? ty_machine_seconds(c->machine, w, c->threads, c->busy) : 0;
    s *= c->share > 1 ? c->share : 1;
    return c->slowest > 1 ? s * c->slowest : s;
}

ty_costing ty_costing_inside(const ty_costing *c)
{
    ty_costing inside = *c;
    inside.net = c->local.beta > 0 ? c->local : c->net;
    return inside;
}

ty_chunk_run ty_chunks(ty_tensor x, int P, int first, int count)
{
    const int wraps = first + count > P, upper = wraps ? P - first : count;
    const size_t at = ty_chunk_first(x.n, P, first);
    const size_t end = first + upper == P ? x.n : ty_chunk_first(x.n, P, first + upper);
    const size_t low = wraps ? ty_chunk_first(x.n, P, first + count) : 0;
    return (ty_chunk_run){.pieces = 1 + wraps,
                          .piece = {ty_slice(x, at, end - at), ty_slice(x, 0, low)},
                          .n = end - at + low};
}

void ty_exchange_chunks(const ty_team *t, int to, ty_chunk_run out, int from, ty_chunk_run in)
{
    ty_req *coming[2], *going[2];
    for (int i = 0; i < in.pieces; i++)
        coming[i] = ty_team_irecv(t, from, in.piece[i]);
    for (int i = 0; i < out.pieces; i++)
        going[i] = ty_team_isend(t, to, out.piece[i]);
    for (int i = 0; i < out.pieces; i++)
        ty_team_wait(t, going[i]);
    for (int i = 0; i < in.pieces; i++)
        ty_team_wait(t, coming[i]);
}

int ty_pieces(ty_net net, size_t piece, int fill, size_t n)
{
    enum { MOST_PIECES = 4096, PIECE = 16384 };
    const double bytes = (double)n * sizeof(float);
    const double best = piece ? ceil(bytes / (double)piece)
                        : net.alpha > 0 && net.beta > 0
                            ? round(sqrt(fill * bytes / (net.alpha * net.beta)))
                            : (double)(n / PIECE);
    const double most = n < MOST_PIECES ? (double)n : MOST_PIECES;
    return (int)fmax(1, fmin(best, most));
}

void ty_team_send_all(const ty_team *t, ty_tensor x)
{
    ty_req **going = ty_alloc((size_t)t->n * sizeof(ty_req *));
    for (int i = 0; i < t->n; i++)
        going[i] = i == t->me ? NULL : ty_team_isend(t, i, x);
    for (int i = 0; i < t->n; i++)
        if (going[i])
            ty_team_wait(t, going[i]);
    free(going);
}

int ty_power_below(int p, int *log2)
{
    int power = 1, k = 0;
    while (2 * power <= p) {
        power *= 2;
        k++;
    }
    if (log2)
        *log2 = k;
    return power;
}

/* First member of the subtree for bit j of P-1. */
static int subtree(int P, int j)
{
    return 1 + ((P - 1) & ((1 << j) - 1));
}

static ty_tree root_place(int P)
{
    ty_tree t = {.parent = -1};
    for (int j = 0; (P - 1) >> j; j++)
        if ((P - 1) >> j & 1)
            t.child[t.n++] = subtree(P, j);
    return t;
}

ty_tree ty_tree_place(int P, int me)
{
    int j = 0;
    if (me == 0)
        return root_place(P);
    while (!((P - 1) >> j & 1) || me >= subtree(P, j) + (1 << j))
        j++;
    int at = me - subtree(P, j); /* in a full tree of 2^j: its lowest bit leads to its parent */
    ty_tree t = {.parent = 0};
    for (int d = 1; d < 1 << j; d *= 2) {
        if (at & d) {
            t.parent = me - d;
            break;
        }
        t.child[t.n++] = me + d;
    }
    return t;
}

int ty_log2_up(int p)
{
    int k, core = ty_power_below(p, &k);
    return k + (p > core);
}

/* The slowest member decides. */
static double slowest(const ty_collective *a, const ty_costing *c, int P, size_t n)
{
    double most = 0;
    for (int me = 0; me < P; me++) {
        double s = a->cost(c, P, me, n).seconds;
        most = s > most ? s : most;
    }
    return most;
}

ty_err ty_collective_find(ty_operation op, const char *name, const ty_costing *c, int P, size_t n,
                          const ty_collective **found)
{
    const char *names[1 + COLLECTIVES] = {"auto"};
    size_t known = 1;
    double best = 0;
    *found = NULL;
    for (size_t i = 0; i < ty_collectives_n; i++) {
        const ty_collective *a = ty_collectives[i];
        if (a->op != op)
            continue;
        names[known++] = a->name;
        if (!strcmp(name, a->name))
            *found = a;
        if (!strcmp(name, "auto") && !a->by_name) {
            double s = slowest(a, c, P, n);
            if (!*found || s < best) {
                *found = a;
                best = s;
            }
        }
    }
    if (*found)
        return ty_ok();
    return ty_unknown(ty_operation_name[op], name, names, known, NULL);
}
