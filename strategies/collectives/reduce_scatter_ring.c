/* SPDX-License-Identifier: MIT
 *
 * reduce_scatter_ring - chunk `me` of x becomes its sum over the team, around a ring; the rest is left undefined.
 *   x       [n] fp32
 *   steps   P-1
 *   sends   (P-1)/P * bytes(x) per rank               (bandwidth optimal)
 *   time    (P-1) (alpha + bytes(x)/(P beta) + add(n/P))
 *   source  Patarasuk & Yuan, JPDC 69(2), 2009
 *
 *   P = 3:   chunk c starts at rank c+1, goes round to the right gathering summands, and ends at rank c.
 */
#include "kernels/kernels.h"
#include "strategies/collectives/collective.h"

static void run(const ty_team *t, ty_tensor x)
{
    const int P = t->n, me = t->me, right = (me + 1) % P, left = (me + P - 1) % P;
    if (P == 1)
        return;
    ty_tensor inbox = ty_scratch_like(t->rank, ty_chunk(x, P, 0));

    for (int s = 0; s < P - 1; s++) {
        ty_tensor mine = ty_chunk(x, P, me - s - 2);
        ty_tensor in = ty_slice(inbox, 0, mine.n);
        ty_sendrecv(t, right, ty_chunk(x, P, me - s - 1), left, in);
        ty_add(t->rank, mine, in);
    }
    ty_drop(t->rank, inbox);
}

static ty_cost cost(const ty_costing *c, int P, int me, size_t n)
{
    size_t chunk = ty_chunk_size(n, P, 0);
    ty_cost r = {.messages = P - 1, .peak_bytes = (double)chunk * sizeof(float)};
    r.compute_s = (P - 1) * ty_costing_work(c, ty_work_add(chunk));
    r.seconds = (P - 1) * ty_costing_message(c, chunk) + r.compute_s;
    r.bytes = (double)(n - ty_chunk_size(n, P, me)) * sizeof(float);
    return P > 1 ? r : (ty_cost){0};
}

const ty_collective ty_reduce_scatter_ring = {
    .op = TY_REDUCE_SCATTER,
    .name = "ring",
    .summary = "around a ring: bandwidth optimal",
    .source = "Patarasuk & Yuan, JPDC 69(2), 2009",
    .run = run,
    .cost = cost,
};
