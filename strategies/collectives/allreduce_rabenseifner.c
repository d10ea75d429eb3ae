/* SPDX-License-Identifier: MIT
 *
 * allreduce_rabenseifner - sum x over the team, in place: reduce-scatter by recursive halving, all-gather by recursive
 * doubling.
 *   x       [n] fp32, in Q chunks, Q = 2^k the largest power of two <= P
 *   steps   2 k; two more when P is no power of two (the rest folds onto a partner and is told the sum)
 *   sends   2 (Q-1)/Q * bytes(x) per rank of the first Q            (bandwidth optimal when P = Q)
 *   time    2 k alpha + 2 (Q-1)/Q bytes(x)/beta + add((Q-1)/Q n), plus 2 (alpha + bytes(x)/beta) + add(n) for the rest
 *           and k alpha for handshakes
 *   source  Rabenseifner, ICCS 2004; Thakur, Rabenseifner, Gropp, IJHPCA 19(1), 2005
 *
 *   Q = 4:   halving at distance 2, then 1: who sums which chunks   doubling at distance 1, then 2: who knows which
 *   rank 0   abcd -> ab.. -> a...                                   a... -> ab.. -> abcd
 *   rank 1   abcd -> ab.. -> .b..                                   .b.. -> ab.. -> abcd
 *   rank 2   abcd -> ..cd -> ..c.                                   ..c. -> ..cd -> abcd
 *   rank 3   abcd -> ..cd -> ...d                                   ...d -> ..cd -> abcd
 *
 * Handshakes as in allreduce_recursive: with a rest, members come to the first step at different times.
 */
#include "kernels/kernels.h"
#include "strategies/collectives/collective.h"

/* Before a step at distance d all of a group of 2 d members sum the same chunks: those of the group's numbers. Of them
 * `me` keeps the half with its own bit d, or the other one. */
static ty_tensor half(ty_tensor x, int Q, int me, int d, int other)
{
    int first = ((other ? me ^ d : me) / d) * d;
    size_t at = ty_chunk_first(x.n, Q, first),
           end = ty_chunk_first(x.n, Q, first + d - 1) + ty_chunk_size(x.n, Q, first + d - 1);
    return ty_slice(x, at, end - at);
}

static void halve_and_double(const ty_team *t, int Q, int rest, ty_tensor x, ty_tensor inbox)
{
    const int me = t->me;
    for (int d = Q / 2; d > 0; d /= 2) {
        ty_tensor mine = half(x, Q, me, d, 0), in = ty_slice(inbox, 0, mine.n);
        if (rest)
            ty_sendrecv(t, me ^ d, ty_slice(x, 0, 0), me ^ d, ty_slice(inbox, 0, 0));
        ty_sendrecv(t, me ^ d, half(x, Q, me, d, 1), me ^ d, in);
        ty_add(t->rank, mine, in);
    }
    for (int d = 1; d < Q; d *= 2)
        ty_sendrecv(t, me ^ d, half(x, Q, me, d, 0), me ^ d, half(x, Q, me, d, 1));
}

static void run(const ty_team *t, ty_tensor x)
{
    const int me = t->me, Q = ty_power_below(t->n, NULL), rest = t->n - Q;
    if (t->n == 1)
        return;
    if (me >= Q) { /* fold: my partner counts for me */
        ty_team_send(t, me - Q, x);
        ty_team_recv(t, me - Q, x);
        return;
    }
    ty_tensor inbox =
        me < rest ? ty_scratch_like(t->rank, x) : ty_scratch_like(t->rank, half(x, Q, 0, Q / 2, 0));
    if (me < rest) {
        ty_team_recv(t, me + Q, inbox);
        ty_add(t->rank, x, inbox);
    }
    halve_and_double(t, Q, rest, x, inbox);
    if (me < rest)
        ty_team_send(t, me + Q, x);
    ty_drop(t->rank, inbox);
}

static ty_cost cost(const ty_costing *c, int P, int me, size_t n)
{
    const int Q = ty_power_below(P, NULL), rest = P - Q;
    const double all = (double)n * sizeof(float);
    const ty_tensor x = {.rows = 1, .cols = n, .n = n};
    if (P == 1)
        return (ty_cost){0};
    double fold = rest ? 2 * ty_costing_message(c, n) + ty_costing_work(c, ty_work_add(n)) : 0;
    ty_cost r = {.seconds = fold};
    for (int d = Q / 2; d > 0; d /= 2) {
        /* the first member keeps and passes on the largest parts */
        size_t most = half(x, Q, 0, d, 0).n, mine = half(x, Q, me % Q, d, 0).n;
        double add = ty_costing_work(c, ty_work_add(most));
        r.seconds += 2 * ty_costing_message(c, most) + add + (rest ? c->net.alpha : 0);
        r.compute_s += me < Q ? ty_costing_work(c, ty_work_add(mine)) : 0;
        r.messages += me < Q ? 2 + (rest > 0) : 0;
        r.bytes += me < Q ? (double)(mine + half(x, Q, me, d, 1).n) * sizeof(float) : 0;
    }
    if (me >= Q || me < rest) {
        r.messages += 1;
        r.bytes += all;
        r.compute_s += me < Q ? ty_costing_work(c, ty_work_add(n)) : 0;
    }
    r.peak_bytes = me >= Q     ? 0
                   : me < rest ? all
                               : (double)half(x, Q, 0, Q / 2, 0).n * sizeof(float);
    return r;
}

const ty_collective ty_allreduce_rabenseifner = {
    .op = TY_ALLREDUCE,
    .name = "rabenseifner",
    .summary = "recursive halving, then doubling: few steps and few bytes",
    .source = "Rabenseifner, ICCS 2004",
    .run = run,
    .cost = cost,
};
