/* SPDX-License-Identifier: MIT
 *
 * allgather_ring - every rank gives chunk `me` of x; all ranks know all chunks afterwards.
 *   x       [n] fp32
 *   steps   P-1
 *   sends   (P-1)/P * bytes(x) per rank               (bandwidth optimal)
 *   time    (P-1) (alpha + bytes(x)/(P beta))
 *   source  Patarasuk & Yuan, JPDC 69(2), 2009
 *
 *   P = 3:   start: 0 has a, 1 has b, 2 has c; step 1: 0 a.c  1 ab.  2 .bc; step 2: all have abc.
 */
#include "strategies/collectives/collective.h"

static void run(const ty_team *t, ty_tensor x)
{
    const int P = t->n, me = t->me, right = (me + 1) % P, left = (me + P - 1) % P;
    for (int s = 0; s < P - 1; s++)
        ty_sendrecv(t, right, ty_chunk(x, P, me - s), left, ty_chunk(x, P, me - s - 1));
}

static ty_cost cost(const ty_costing *c, int P, int me, size_t n)
{
    ty_cost r = {.messages = P - 1};
    r.seconds = (P - 1) * ty_costing_message(c, ty_chunk_size(n, P, 0));
    r.bytes = (double)(n - ty_chunk_size(n, P, me + 1)) * sizeof(float);
    return P > 1 ? r : (ty_cost){0};
}

const ty_collective ty_allgather_ring = {
    .op = TY_ALLGATHER,
    .name = "ring",
    .summary = "around a ring: bandwidth optimal",
    .source = "Patarasuk & Yuan, JPDC 69(2), 2009",
    .run = run,
    .cost = cost,
};
