/* SPDX-License-Identifier: MIT
 *
 * allreduce_ring - sum x over the team, in place, around a ring.
 *   x       [n] fp32, same n on every rank; n < P is fine (some chunks are empty)
 *   steps   2 (P-1)
 *   sends   2 (P-1)/P * bytes(x) per rank               (bandwidth optimal)
 *   time    2 (P-1) (alpha + bytes(x)/(P beta)) + (P-1) * add(n/P)
 *   source  Patarasuk & Yuan, JPDC 69(2), 2009
 *
 *   P = 3, chunks a b c; 012 stands for the sum over ranks 0, 1 and 2:
 *            start        step 1        step 2        all-gather 1   all-gather 2
 *   rank 0   a0 b0 c0     . . c02       . b012 .      a012 b012 .    a012 b012 c012
 *   rank 1   a1 b1 c1     a01 . .       . . c012      . b012 c012    a012 b012 c012
 *   rank 2   a2 b2 c2     . b12 .       a012 . .      a012 . c012    a012 b012 c012
 */
#include "kernels/kernels.h"
#include "strategies/collectives/collective.h"

static void run(const ty_team *t, ty_tensor x)
{
    const int P = t->n, me = t->me, right = (me + 1) % P, left = (me + P - 1) % P;
    if (P == 1)
        return;
    ty_tensor inbox = ty_scratch_like(t->rank, ty_chunk(x, P, 0));

    for (int s = 0; s < P - 1; s++) { /* reduce-scatter: chunk me+1 ends up summed here */
        ty_tensor mine = ty_chunk(x, P, me - s - 1);
        ty_tensor in = ty_slice(inbox, 0, mine.n);
        ty_sendrecv(t, right, ty_chunk(x, P, me - s), left, in);
        ty_add(t->rank, mine, in);
    }
    for (int s = 0; s < P - 1; s++) /* all-gather: pass finished chunks on */
        ty_sendrecv(t, right, ty_chunk(x, P, me + 1 - s), left, ty_chunk(x, P, me - s));

    ty_drop(t->rank, inbox);
}

static ty_cost cost(const ty_costing *c, int P, int me, size_t n)
{
    size_t chunk =
        ty_chunk_size(n, P, 0); /* the largest: a step lasts as long as its longest message */
    ty_cost k = {.messages = 2.0 * (P - 1), .peak_bytes = (double)chunk * sizeof(float)};
    k.compute_s = (P - 1) * ty_costing_work(c, ty_work_add(chunk));
    k.seconds = 2.0 * (P - 1) * ty_costing_message(c, chunk) + k.compute_s;
    /* sends every chunk but me+1 once, and every chunk but me+2 once more */
    k.bytes =
        (double)(2 * n - ty_chunk_size(n, P, me + 1) - ty_chunk_size(n, P, me + 2)) * sizeof(float);
    return P > 1 ? k : (ty_cost){0};
}

const ty_collective ty_allreduce_ring = {
    .op = TY_ALLREDUCE,
    .name = "ring",
    .summary = "reduce-scatter, then all-gather, around a ring: bandwidth optimal",
    .source = "Patarasuk & Yuan, JPDC 69(2), 2009",
    .run = run,
    .cost = cost,
};
