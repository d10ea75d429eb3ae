/* SPDX-License-Identifier: MIT
 *
 * broadcast_chain - x of member 0 becomes everybody's: it flows down the chain 0, 1, .. P-1 in k pieces, each passed on
 * while the next one comes.
 *   x       [n] fp32
 *   steps   P - 2 + k
 *   sends   bytes(x) per rank in k messages, none by the last
 *   time    (P - 2 + k) (alpha + bytes(x)/(k beta)), least at k* = sqrt((P-2) bytes(x) / (alpha beta))
 *   source  Chan, Heimlich, Purkayastha, van de Geijn, CCPE 19(13), 2007 (section on pipelined algorithms)
 */
#include "strategies/collectives/collective.h"

static void run(const ty_team *t, ty_tensor x)
{
    const int P = t->n, me = t->me;
    if (P == 1)
        return;
    const int k = ty_pieces(t->rank->job->net, t->rank->job->piece_bytes, P - 2, x.n),
              last = me == P - 1;
    if (me > 0)
        ty_team_recv(t, me - 1, ty_chunk(x, k, 0));
    for (int i = 1; i < k; i++) {
        ty_tensor next = ty_chunk(x, k, i), before = ty_chunk(x, k, i - 1);
        if (me == 0)
            ty_team_send(t, 1, before);
        else if (last)
            ty_team_recv(t, me - 1, next);
        else
            ty_sendrecv(t, me + 1, before, me - 1, next);
    }
    if (!last)
        ty_team_send(t, me + 1, ty_chunk(x, k, k - 1));
}

static ty_cost cost(const ty_costing *c, int P, int me, size_t n)
{
    if (P == 1)
        return (ty_cost){0};
    const int k = ty_pieces(c->net, c->piece_bytes, P - 2, n), sends = me < P - 1;
    return (ty_cost){.messages = sends * k,
                     .bytes = sends * (double)n * sizeof(float),
                     .seconds = (P - 2 + k) * ty_costing_message(c, ty_chunk_size(n, k, 0))};
}

const ty_collective ty_broadcast_chain = {
    .op = TY_BROADCAST,
    .name = "chain",
    .summary = "down a chain in pieces, each passed on while the next one comes",
    .source = "Chan, Heimlich, Purkayastha & van de Geijn, CCPE 19(13), 2007",
    .run = run,
    .cost = cost,
};
