/* SPDX-License-Identifier: MIT
 *
 * gather_linear - everybody sends chunk `me` of x to member 0 at once; its port is what they share.
 *   x       [n] fp32
 *   steps   1
 *   sends   bytes(x)/P per rank, none by member 0
 *   time    alpha + (P-1)/P * bytes(x)/beta          (optimal for one port: all bytes must enter it)
 *   source  Chan, Heimlich, Purkayastha, van de Geijn, CCPE 19(13), 2007
 */
#include "strategies/collectives/collective.h"

static void run(const ty_team *t, ty_tensor x)
{
    if (t->me > 0) {
        ty_team_send(t, 0, ty_chunk(x, t->n, t->me));
        return;
    }
    for (int i = 1; i < t->n; i++)
        ty_team_recv(t, i, ty_chunk(x, t->n, i));
}

static ty_cost cost(const ty_costing *c, int P, int me, size_t n)
{
    size_t mine = ty_chunk_size(n, P, me), others = n - ty_chunk_size(n, P, 0);
    if (P == 1)
        return (ty_cost){0};
    return (ty_cost){.messages = me > 0,
                     .bytes = me > 0 ? (double)mine * sizeof(float) : 0,
                     .seconds = ty_costing_message(c, others)};
}

const ty_collective ty_gather_linear = {
    .op = TY_GATHER,
    .name = "linear",
    .summary = "everybody to the root at once",
    .source = "Chan, Heimlich, Purkayastha & van de Geijn, CCPE 19(13), 2007",
    .run = run,
    .cost = cost,
};
