/* SPDX-License-Identifier: MIT
 *
 * Each is a collective of strategies/collectives with one mistake, the smallest that makes it wrong.
 */
#include "tests/wrong_collectives.h"

#include "kernels/kernels.h"

/* ---- numbers ------------------------------------------------------------------------------------------ */

/* Recursive doubling of as many members as are a power of two; the rest is left out, and waits for nobody. */
static void forget_the_rest(const ty_team *t, ty_tensor x)
{
    ty_team core = *t;
    core.n = ty_power_below(t->n, NULL);
    if (t->me < core.n)
        ty_allreduce_recursive.run(&core, x);
}

static ty_cost forget_the_rest_cost(const ty_costing *c, int P, int me, size_t n)
{
    const int core = ty_power_below(P, NULL);
    return me < core ? ty_allreduce_recursive.cost(c, core, me, n) : (ty_cost){0};
}

/* Up the tree, and nobody is told. */
static ty_cost up_cost(const ty_costing *c, int P, int me, size_t n)
{
    ty_cost k = ty_allreduce_tree.cost(c, P, me, n), down = ty_broadcast_binomial.cost(c, P, me, n);
    k.messages -= down.messages;
    k.bytes -= down.bytes;
    k.seconds -= down.seconds;
    return k;
}

/* One chunk of the sum counts twice. */
static void double_a_chunk(const ty_team *t, ty_tensor x)
{
    ty_allreduce_ring.run(t, x);
    ty_scale(t->rank, ty_chunk(x, t->n, 0), 2);
}

static ty_cost double_a_chunk_cost(const ty_costing *c, int P, int me, size_t n)
{
    ty_cost k = ty_allreduce_ring.cost(c, P, me, n);
    k.seconds += ty_costing_work(c, ty_work_scale(ty_chunk_size(n, P, 0)));
    return k;
}

/* Nobody is waited for. */
static void leave_at_once(const ty_team *t, ty_tensor x)
{
    (void)t, (void)x;
}

static ty_cost nothing(const ty_costing *c, int P, int me, size_t n)
{
    (void)c, (void)P, (void)me, (void)n;
    return (ty_cost){0};
}

/* ---- bits: every member adds up in an order of its own --------------------------------------------------- */

static void add_from_myself_on(const ty_team *t, ty_tensor x)
{
    const int P = t->n, me = t->me;
    ty_tensor all = ty_scratch(t->rank, (size_t)P * x.n), mine = ty_slice(all, 0, x.n);
    ty_copy(t->rank, mine, x);
    for (int s = 1; s < P; s++) {
        ty_tensor in = ty_slice(all, (size_t)s * x.n, x.n);
        ty_sendrecv(t, (me + P - s) % P, mine, (me + s) % P, in);
        ty_add(t->rank, x, in);
    }
    ty_drop(t->rank, all);
}

static ty_cost add_from_myself_on_cost(const ty_costing *c, int P, int me, size_t n)
{
    (void)me;
    const double adds = (P - 1) * ty_costing_work(c, ty_work_add(n));
    return (ty_cost){.messages = P - 1,
                     .bytes = (double)(P - 1) * (double)n * sizeof(float),
                     .seconds = ty_costing_work(c, ty_work_copy(n)) + adds +
                                (P - 1) * ty_costing_message(c, n)};
}

/* ---- counters ------------------------------------------------------------------------------------------- */

/* What the right neighbour has already; small enough that time does not show it. */
static void send_an_element_twice(const ty_team *t, ty_tensor x)
{
    const int P = t->n, me = t->me;
    ty_allreduce_ring.run(t, x);
    if (P > 1 && x.n)
        ty_sendrecv(t, (me + 1) % P, ty_slice(x, 0, 1), (me + P - 1) % P, ty_slice(x, 0, 1));
}

static ty_cost send_an_element_twice_cost(const ty_costing *c, int P, int me, size_t n)
{
    ty_cost k = ty_allreduce_ring.cost(c, P, me, n);
    k.seconds += P > 1 && n ? ty_costing_message(c, 1) : 0;
    return k;
}

/* Of a ring that every chunk goes round twice as a whole, without the one that stays. */
static ty_cost forget_what_stays(const ty_costing *c, int P, int me, size_t n)
{
    ty_cost k = ty_allreduce_ring.cost(c, P, me, n);
    k.bytes = 2 * (double)n * sizeof(float);
    return k;
}

/* ---- time ------------------------------------------------------------------------------------------------ */

static ty_cost forget_the_latency(const ty_costing *c, int P, int me, size_t n)
{
    ty_costing at_once = *c;
    at_once.net.alpha = 0;
    return ty_allreduce_ring.cost(&at_once, P, me, n);
}

/* Members beyond a power of two fold for nothing, says this closed form. */
static ty_cost forget_the_fold(const ty_costing *c, int P, int me, size_t n)
{
    ty_cost k = ty_allreduce_recursive.cost(c, P, me, n);
    k.seconds = ty_allreduce_recursive.cost(c, ty_power_below(P, NULL), 0, n).seconds;
    return k;
}

static void ring(const ty_team *t, ty_tensor x)
{
    ty_allreduce_ring.run(t, x);
}

static void recursive(const ty_team *t, ty_tensor x)
{
    ty_allreduce_recursive.run(t, x);
}

/* ---- the list ------------------------------------------------------------------------------------------- */

#define WRONG(title, op_, run_, cost_)                                                             \
    (&(const ty_collective){.op = op_,                                                             \
                            .name = title,                                                         \
                            .summary = "wrong",                                                    \
                            .source = "a mistake",                                                 \
                            .run = run_,                                                           \
                            .cost = cost_})

const wrong_collective wrong_collectives[] = {
    {WRONG("forget-the-rest", TY_ALLREDUCE, forget_the_rest, forget_the_rest_cost),
     WRONG_NUMBERS | WRONG_BITS},
    {WRONG("only-up", TY_ALLREDUCE, ty_tree_reduce, up_cost), WRONG_NUMBERS | WRONG_BITS},
    {WRONG("chunk-doubled", TY_ALLREDUCE, double_a_chunk, double_a_chunk_cost), WRONG_NUMBERS},
    {WRONG("no-barrier", TY_BARRIER, leave_at_once, nothing), WRONG_NUMBERS},
    {WRONG("own-order", TY_ALLREDUCE, add_from_myself_on, add_from_myself_on_cost), WRONG_BITS},
    {WRONG("sent-twice", TY_ALLREDUCE, send_an_element_twice, send_an_element_twice_cost),
     WRONG_COUNTERS},
    {WRONG("wrong-bytes", TY_ALLREDUCE, ring, forget_what_stays), WRONG_COUNTERS},
    {WRONG("no-latency", TY_ALLREDUCE, ring, forget_the_latency), WRONG_TIME},
    {WRONG("no-fold", TY_ALLREDUCE, recursive, forget_the_fold), WRONG_TIME},
};
const size_t wrong_collectives_n = sizeof wrong_collectives / sizeof *wrong_collectives;
