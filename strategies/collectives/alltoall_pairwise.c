/* SPDX-License-Identifier: MIT
 *
 * alltoall_pairwise - block j of x goes to member j, and what member j has for me becomes my block j: step s sends to the
 * member s to the right and hears from the member s to the left.
 *   x       [n] fp32 in P equal blocks of floor(n/P); the rest of x stays as it is
 *   steps   P-1
 *   sends   (P-1)/P * bytes(x) per rank               (optimal: nothing is sent twice)
 *   time    (P-1) (alpha + bytes(x)/(P beta)) + copy(n)
 *   source  Thakur, Rabenseifner, Gropp, IJHPCA 19(1), 2005
 */
#include "kernels/kernels.h"
#include "strategies/collectives/collective.h"

static ty_tensor block(ty_tensor x, int P, int i)
{
    size_t size = x.n / (size_t)P;
    return ty_slice(x, (size_t)i * size, size);
}

static void run(const ty_team *t, ty_tensor x)
{
    const int P = t->n, me = t->me;
    if (P == 1)
        return;
    ty_tensor out = ty_scratch_like(t->rank, x);
    ty_copy(t->rank, out, x);
    for (int s = 1; s < P; s++) {
        int to = (me + s) % P, from = (me + P - s) % P;
        ty_sendrecv(t, to, block(out, P, to), from, block(x, P, from));
    }
    ty_drop(t->rank, out);
}

static ty_cost cost(const ty_costing *c, int P, int me, size_t n)
{
    (void)me;
    ty_cost r = {.messages = P - 1, .peak_bytes = (double)n * sizeof(float)};
    r.bytes = (P - 1) * (double)(n / (size_t)P) * sizeof(float);
    r.compute_s = ty_costing_work(c, ty_work_copy(n));
    r.seconds = (P - 1) * ty_costing_message(c, n / (size_t)P) + r.compute_s;
    return P > 1 ? r : (ty_cost){0};
}

const ty_collective ty_alltoall_pairwise = {
    .op = TY_ALLTOALL,
    .name = "pairwise",
    .summary = "a different partner each step: nothing is sent twice",
    .source = "Thakur, Rabenseifner & Gropp, IJHPCA 19(1), 2005",
    .run = run,
    .cost = cost,
};
