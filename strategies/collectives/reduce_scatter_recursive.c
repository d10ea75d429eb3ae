/* SPDX-License-Identifier: MIT
 *
 * reduce_scatter_recursive - chunk `me` of x becomes its sum over the team; the rest is left undefined. The steps of
 * allgather_recursive backwards: the number of chunks that a rank still sums halves in each; members in any number.
 *   x       [n] fp32
 *   steps   ceil(log2 P)
 *   sends   (P-1)/P * bytes(x) per rank               (bandwidth optimal)
 *   time    ceil(log2 P) alpha + (P-1)/P * bytes(x)/beta + add((P-1)/P n)
 *   source  Traff, Optimal, non-pipelined reduce-scatter and allreduce algorithms, arXiv 2410.14234, 2024
 *
 *   P = 5, what rank 0 still sums:   abcde -> abcd. (e goes to 4) -> ab... (cd go to 2) -> a.... (b goes to 1)
 */
#include "kernels/kernels.h"
#include "strategies/collectives/collective.h"

/* Distance of the first step, and how many chunks are passed on in the step of a distance. */
static int farthest(int P)
{
    return 1 << (ty_log2_up(P) - 1);
}

static int passed(int P, int distance)
{
    return distance < P - distance ? distance : P - distance;
}

/* The first chunks are the largest; a step may pass on more of them than the one before. */
static size_t most_passed(ty_tensor x, int P)
{
    size_t first = ty_chunks(x, P, 0, passed(P, farthest(P))).n,
           second = P > 2 ? ty_chunks(x, P, 0, passed(P, farthest(P) / 2)).n : 0;
    return first > second ? first : second;
}

static void run(const ty_team *t, ty_tensor x)
{
    const int P = t->n, me = t->me;
    if (P == 1)
        return;
    ty_tensor inbox = ty_scratch(t->rank, most_passed(x, P));
    for (int have = farthest(P); have > 0; have /= 2) {
        int count = passed(P, have), to = (me + have) % P, from = (me + P - have) % P;
        ty_chunk_run mine = ty_chunks(x, P, me, count), in = mine;
        in.piece[0] = ty_slice(inbox, 0, mine.piece[0].n);
        in.piece[1] = ty_slice(inbox, mine.piece[0].n, mine.piece[1].n);
        ty_exchange_chunks(t, to, ty_chunks(x, P, to, count), from, in);
        for (int i = 0; i < mine.pieces; i++)
            ty_add(t->rank, mine.piece[i], in.piece[i]);
    }
    ty_drop(t->rank, inbox);
}

/* Sums of a step, by the member to whom it means most work. */
static double slowest_add(const ty_costing *c, ty_tensor x, int P, int count)
{
    double most = 0;
    for (int me = 0; me < P; me++) {
        ty_chunk_run mine = ty_chunks(x, P, me, count);
        double s = 0;
        for (int i = 0; i < mine.pieces; i++)
            s += ty_costing_work(c, ty_work_add(mine.piece[i].n));
        most = s > most ? s : most;
    }
    return most;
}

static ty_cost cost(const ty_costing *c, int P, int me, size_t n)
{
    const ty_tensor x = {.rows = 1, .cols = n, .n = n};
    ty_cost r = {0};
    if (P == 1)
        return r;
    for (int have = farthest(P); have > 0; have /= 2) {
        int count = passed(P, have);
        ty_chunk_run out = ty_chunks(x, P, (me + have) % P, count),
                     mine = ty_chunks(x, P, me, count);
        for (int i = 0; i < mine.pieces; i++)
            r.compute_s += ty_costing_work(c, ty_work_add(mine.piece[i].n));
        r.messages += out.pieces;
        r.bytes += (double)out.n * sizeof(float);
        r.seconds +=
            ty_costing_message(c, ty_chunks(x, P, 0, count).n) + slowest_add(c, x, P, count);
    }
    r.peak_bytes = (double)most_passed(x, P) * sizeof(float);
    return r;
}

const ty_collective ty_reduce_scatter_recursive = {
    .op = TY_REDUCE_SCATTER,
    .name = "recursive",
    .summary = "what a rank still sums halves each step: few steps, bandwidth optimal",
    .source = "Traff, arXiv 2410.14234, 2024",
    .run = run,
    .cost = cost,
};
