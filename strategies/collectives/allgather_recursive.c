/* SPDX-License-Identifier: MIT
 *
 * allgather_recursive - every rank gives chunk `me` of x; all ranks know all chunks afterwards. What a rank knows doubles
 * in each step; members in any number.
 *   x       [n] fp32
 *   steps   ceil(log2 P)
 *   sends   (P-1)/P * bytes(x) per rank               (bandwidth optimal)
 *   time    ceil(log2 P) alpha + (P-1)/P * bytes(x)/beta
 *   source  Bruck, Ho, Kipnis, Upfal, Weathersby, IEEE TPDS 8(11), 1997
 *
 *   P = 5, what rank 0 knows:   a.... -> ab... (from 1) -> abcd. (from 2) -> abcde (from 4)
 *
 * Rank me knows `have` chunks from its own on; they wrap around the end of x, which makes two messages of one.
 */
#include "strategies/collectives/collective.h"

static void run(const ty_team *t, ty_tensor x)
{
    const int P = t->n, me = t->me;
    for (int have = 1; have < P; have *= 2) {
        int count = have < P - have ? have : P - have;
        int to = (me + P - have) % P, from = (me + have) % P;
        ty_exchange_chunks(t, to, ty_chunks(x, P, me, count), from, ty_chunks(x, P, from, count));
    }
}

static ty_cost cost(const ty_costing *c, int P, int me, size_t n)
{
    const ty_tensor x = {.rows = 1, .cols = n, .n = n};
    ty_cost r = {0};
    for (int have = 1; have < P; have *= 2) {
        int count = have < P - have ? have : P - have;
        r.messages += ty_chunks(x, P, me, count).pieces;
        r.bytes += (double)ty_chunks(x, P, me, count).n * sizeof(float);
        r.seconds += ty_costing_message(c, ty_chunks(x, P, 0, count).n);
    }
    return r;
}

const ty_collective ty_allgather_recursive = {
    .op = TY_ALLGATHER,
    .name = "recursive",
    .summary = "what a rank knows doubles each step: few steps, bandwidth optimal",
    .source = "Bruck et al., IEEE TPDS 8(11), 1997",
    .run = run,
    .cost = cost,
};
