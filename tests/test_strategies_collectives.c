/* SPDX-License-Identifier: MIT
 *
 * Every collective against a plain reference, with up to 16 members and from no element to many, on nodes of several sizes;
 * wrong ones are rejected; and the tree and the choice of an algorithm.
 */
#include "strategies/collectives/collective.h"
#include "tests/wrong_collectives.h"

#include <check.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_RANKS = 16, MOST = 10007 };
static const int members[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, MOST_RANKS};
static const size_t sizes[] = {0, 1, 2, 3, 8, 9, 31, 1000, MOST};
static const int nodes[] = {0, 1, 2, 3, 4}; /* members on one; 0: all */
enum {
    TEAMS = sizeof members / sizeof *members,
    SIZES = sizeof sizes / sizeof *sizes,
    NODES = sizeof nodes / sizeof *nodes
};

/* What a test gives each rank and what each rank has afterwards. */
static struct {
    const ty_collective *collective;
    int ranks, per_node, fractions; /* fractions: numbers whose sum depends on the order */
    size_t n;
    atomic_int come, early;
    float in[MOST_RANKS][MOST], out[MOST_RANKS][MOST];
} bench;

static float given(int rank, size_t i)
{
    float whole = (float)((rank * 31 + (int)(i % 1009) * 7) % 101 -
                          50); /* sums of these are exact in any order */
    return bench.fractions ? whole / 7 : whole;
}

static void body(ty_rank *r, void *arg)
{
    (void)arg;
    ty_team all = ty_team_new(r, 3, 0, 1, bench.ranks);
    ty_tensor x = ty_tensor_new(r, TY_PARAM, 1, bench.n);
    if (bench.n)
        memcpy(x.data, bench.in[r->id], bench.n * sizeof(float));
    if (bench.collective->op == TY_BARRIER && r->id == bench.ranks - 1)
        nanosleep(&(struct timespec){0, 2000000}, NULL); /* who does not wait for it is seen */
    atomic_fetch_add(&bench.come, 1);
    bench.collective->run(&all, x);
    if (atomic_load(&bench.come) < bench.ranks)
        atomic_fetch_add(&bench.early, 1);
    if (bench.n)
        memcpy(bench.out[r->id], x.data, bench.n * sizeof(float));
    ty_drop(r, x);
}

static void run(const ty_collective *c, int ranks, int per_node, size_t n, int fractions)
{
    bench.collective = c;
    bench.ranks = ranks;
    bench.per_node = per_node;
    bench.n = n;
    bench.fractions = fractions;
    bench.come = bench.early = 0;
    for (int r = 0; r < ranks; r++)
        for (size_t i = 0; i < n; i++)
            bench.in[r][i] = given(r, i);
    ty_job job = {.ranks = ranks, .per_node = per_node, .threads = 1};
    ty_err e = ty_fabric_threads.run(&job, body, NULL);
    ck_assert_msg(!e.code, "%s", e.msg);
}

static int owner(size_t i) /* whose chunk element i is in */
{
    int r = 0;
    while (i >= ty_chunk_first(bench.n, bench.ranks, r) + ty_chunk_size(bench.n, bench.ranks, r))
        r++;
    return r;
}

/* What element i of rank r must be; 0 when it is undefined. */
static int expected(ty_operation op, int r, size_t i, double *value)
{
    double sum = 0;
    const size_t block = bench.n / (size_t)bench.ranks;
    if (op == TY_ALLTOALL) { /* block j of me is block me of j; the rest stays */
        size_t from = block ? i / block : 0;
        *value = i < block * (size_t)bench.ranks
                     ? (double)bench.in[from][(size_t)r * block + i % block]
                     : (double)bench.in[r][i];
        return 1;
    }
    for (int k = 0; k < bench.ranks; k++)
        sum += (double)bench.in[k][i];
    int mine = owner(i) == r;
    *value = op == TY_ALLREDUCE || op == TY_REDUCE_SCATTER ? sum
             : op == TY_BROADCAST                          ? (double)bench.in[0][i]
                                                           : (double)bench.in[owner(i)][i];
    return op == TY_ALLREDUCE || op == TY_ALLGATHER || op == TY_BROADCAST ||
           (op == TY_REDUCE_SCATTER && mine) || (op == TY_GATHER && r == 0);
}

static ty_err does_what_it_says(const ty_collective *c, int ranks, int per_node, size_t n)
{
    double want;
    run(c, ranks, per_node, n, 0);
    if (c->op == TY_BARRIER)
        return bench.early ? ty_error(TY_EWRONG, "%d of %d ranks left the barrier too early",
                                      bench.early, ranks)
                           : ty_ok();
    for (int r = 0; r < ranks; r++)
        for (size_t i = 0; i < n; i++)
            if (expected(c->op, r, i, &want) && (double)bench.out[r][i] != want)
                return ty_error(TY_EWRONG,
                                "%s %s of %zu on %d, %d a node: rank %d has x[%zu] = %g, not %g",
                                ty_operation_name[c->op], c->name, n, ranks, per_node, r, i,
                                (double)bench.out[r][i], want);
    return ty_ok();
}

static ty_err gives_all_the_same_bits(const ty_collective *c, int ranks, int per_node)
{
    run(c, ranks, per_node, 1000, 1);
    for (int r = 1; r < ranks; r++)
        if (memcmp(bench.out[0], bench.out[r], bench.n * sizeof(float)))
            return ty_error(TY_EWRONG, "%s on %d, %d a node: rank %d differs from rank 0", c->name,
                            ranks, per_node, r);
    return ty_ok();
}

/* Only hierarchical ones look at nodes. */
static int nodes_of(const ty_collective *c)
{
    return c == &ty_allreduce_hierarchical ? NODES : 1;
}

START_TEST(every_collective_does_what_its_operation_says)
{
    const ty_collective *c = ty_collectives[_i];
    for (int p = 0; p < TEAMS; p++)
        for (int r = 0; r < nodes_of(c); r++)
            for (int s = 0; s < SIZES; s++) {
                ty_err e = does_what_it_says(c, members[p], nodes[r], sizes[s]);
                ck_assert_msg(!e.code, "%s", e.msg);
            }
}
END_TEST

START_TEST(every_member_of_an_allreduce_holds_the_same_bits)
{
    const ty_collective *c = ty_collectives[_i];
    for (int p = 0; c->op == TY_ALLREDUCE && p < TEAMS; p++)
        for (int r = 0; r < nodes_of(c); r++) {
            ty_err e = gives_all_the_same_bits(c, members[p], nodes[r]);
            ck_assert_msg(!e.code, "%s", e.msg);
        }
}
END_TEST

START_TEST(a_wrong_collective_is_rejected_by_what_it_breaks)
{
    const wrong_collective *w = &wrong_collectives[_i];
    enum { RANKS = 5 };
    int numbers = does_what_it_says(w->collective, RANKS, 2, 1000).code,
        bits = w->collective->op == TY_ALLREDUCE &&
               gives_all_the_same_bits(w->collective, RANKS, 2).code;
    ck_assert_msg(!numbers == !(w->breaks & WRONG_NUMBERS), "%s: its numbers are %s",
                  w->collective->name, numbers ? "rejected" : "accepted");
    ck_assert_msg(!bits == !(w->breaks & WRONG_BITS), "%s: its bits are %s", w->collective->name,
                  bits ? "rejected" : "accepted");
}
END_TEST

START_TEST(a_tree_reaches_everybody_once_and_is_as_flat_as_it_can_be)
{
    for (int P = 1; P <= 300; P++) {
        int depth[300] = {0}, deepest = 0, edges = 0;
        ck_assert_int_eq(ty_tree_place(P, 0).parent, -1);
        for (int me = 0; me < P; me++) {
            ty_tree t = ty_tree_place(P, me);
            edges += t.n;
            for (int i = 0; i < t.n; i++)
                ck_assert_int_eq(ty_tree_place(P, t.child[i]).parent, me);
            if (me > 0) {
                ck_assert(t.parent >= 0 && t.parent < me);
                depth[me] = depth[t.parent] + 1;
                deepest = depth[me] > deepest ? depth[me] : deepest;
            }
        }
        ck_assert_int_eq(edges, P - 1);
        ck_assert_int_le(deepest, ty_log2_up(P));
    }
}
END_TEST

START_TEST(no_member_of_a_tree_is_sent_two_messages_in_one_step)
{
    for (int P = 2; P <= 300; P++)
        for (
            int me = 0; me < P;
            me++) { /* children are done 0, 1, 2 .. steps after the start, each later than the last */
            ty_tree t = ty_tree_place(P, me);
            for (int i = 1; i < t.n; i++) {
                ty_tree quick = ty_tree_place(P, t.child[i - 1]),
                        slow = ty_tree_place(P, t.child[i]);
                ck_assert_int_lt(quick.n, slow.n);
            }
        }
}
END_TEST

START_TEST(logarithms_are_rounded_up_and_powers_down)
{
    static const int up[] = {0, 1, 2, 2, 3, 3, 3, 3, 4}, below[] = {1, 2, 2, 4, 4, 4, 4, 8, 8};
    for (int p = 1; p <= 9; p++) {
        ck_assert_int_eq(ty_log2_up(p), up[p - 1]);
        ck_assert_int_eq(ty_power_below(p, NULL), below[p - 1]);
    }
}
END_TEST

START_TEST(auto_takes_the_cheapest_by_its_closed_form)
{
    const ty_costing c = {.net = {20e-6, 1.25e9}};
    const ty_collective *found;
    ck_assert(!ty_collective_find(TY_ALLREDUCE, "auto", &c, 64, 16, &found).code);
    ck_assert_str_eq(found->name, "recursive"); /* latency decides */
    ck_assert(!ty_collective_find(TY_ALLREDUCE, "auto", &c, 64, 100000000, &found).code);
    ck_assert_str_eq(found->name, "rabenseifner"); /* bandwidth decides, then steps */
    ck_assert(!ty_collective_find(TY_ALLREDUCE, "auto", &c, 63, 100000000, &found).code);
    ck_assert_str_eq(found->name, "ring"); /* nothing folds onto a partner */
    ck_assert(!ty_collective_find(TY_ALLREDUCE, "auto", &c, 63, 20000, &found).code);
    ck_assert_str_eq(found->name, "double-tree"); /* nor takes a step for every member */
    const ty_costing nodes_of_eight = {
        .net = {20e-6, 1.25e9}, .local = {1e-6, 1e10}, .per_node = 8};
    ck_assert(
        !ty_collective_find(TY_ALLREDUCE, "auto", &nodes_of_eight, 64, 100000000, &found).code);
    ck_assert_str_eq(found->name, "hierarchical"); /* few bytes leave a node */
}
END_TEST

START_TEST(an_unknown_algorithm_is_refused_with_the_nearest_name)
{
    const ty_costing c = {.net = {20e-6, 1.25e9}};
    const ty_collective *found;
    ty_err e = ty_collective_find(TY_ALLREDUCE, "rinf", &c, 4, 16, &found);
    ck_assert_int_eq(e.code, TY_EUSAGE);
    ck_assert_msg(strstr(e.msg, "unknown allreduce 'rinf'") && strstr(e.msg, "'ring'"), "%s",
                  e.msg);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("strategies_collectives");
    TCase *t = tcase_create("collectives");
    tcase_add_loop_test(t, every_collective_does_what_its_operation_says, 0, (int)ty_collectives_n);
    tcase_add_loop_test(t, every_member_of_an_allreduce_holds_the_same_bits, 0,
                        (int)ty_collectives_n);
    tcase_add_loop_test(t, a_wrong_collective_is_rejected_by_what_it_breaks, 0,
                        (int)wrong_collectives_n);
    tcase_add_test(t, a_tree_reaches_everybody_once_and_is_as_flat_as_it_can_be);
    tcase_add_test(t, no_member_of_a_tree_is_sent_two_messages_in_one_step);
    tcase_add_test(t, logarithms_are_rounded_up_and_powers_down);
    tcase_add_test(t, auto_takes_the_cheapest_by_its_closed_form);
    tcase_add_test(t, an_unknown_algorithm_is_refused_with_the_nearest_name);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
