/* SPDX-License-Identifier: MIT
 *
 * Law 5 of every collective alone: its simulated time is within 1 % of its closed form on platform `ideal` and on nodes of
 * several members, its messages and bytes are exact, for powers of two and other numbers of members, up to 256. Wrong ones are
 * rejected. What links that are shared do to a star.
 */
#include "experiments/child.h"
#include "tests/conformance.h"
#include "tests/wrong_collectives.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const size_t sizes[] = {0, 1, 3, 1001, 65536, 4000037}, few[] = {1, 1001, 200000};
enum { SIZES = sizeof sizes / sizeof *sizes, MOST = 256, KINDS = 32, TURN_S = 10 };

/* A run of some collectives, and what came of it. */
typedef struct measured {
    int workers, per_node;
    const ty_collective *kind[KINDS];
    size_t kinds, n, size[SIZES];
    const char *platform;
    ty_network network;
    ty_costing costing;
    ty_err error;
    double seconds[KINDS][SIZES][MOST], messages[KINDS][SIZES][MOST], bytes[KINDS][SIZES][MOST];
} measured;

/* Every collective with every size begins at its own full minute, on all ranks at once. */
static void each_collective(ty_rank *r, void *arg)
{
    measured *m = arg;
    ty_team all = ty_team_new(r, 3, 0, 1, m->workers);
    for (size_t c = 0; c < m->kinds; c++)
        for (size_t i = 0; i < m->n; i++) {
            double begin = TURN_S * (double)(c * m->n + i + 1);
            ty_tensor x = ty_tensor_new(r, TY_PARAM, 1, m->size[i]);
            ty_charge(r, begin - ty_now(r));
            ty_ledger_reset(r);
            m->kind[c]->run(&all, x);
            ty_ledger l = ty_ledger_read(r);
            m->seconds[c][i][r->id] = ty_now(r) - begin;
            m->messages[c][i][r->id] = (double)l.messages;
            m->bytes[c][i][r->id] = (double)l.bytes;
            ty_drop(r, x);
        }
}

static void collectives_here(void *platform, void *result)
{
    measured *m = result;
    ty_job job = {.ranks = m->workers,
                  .threads = 1,
                  .busy = 1,
                  .per_node = m->per_node,
                  .ghost = 1,
                  .machine = golden_machine(),
                  .platform = platform,
                  .net = ((const ty_platform *)platform)->net};
    m->error = ty_fabric_sim.run(&job, each_collective, m);
}

/* Nothing is measured yet. All collectives on `ideal`, one member a node, unless the caller says otherwise. */
static measured *prepare(int workers, const size_t *size, size_t n)
{
    measured *m = ty_child_share(sizeof *m);
    m->workers = workers;
    m->per_node = 1;
    m->platform = "ideal";
    m->network = TY_NET_TEXTBOOK;
    m->kinds = ty_collectives_n;
    memcpy(m->kind, ty_collectives, ty_collectives_n * sizeof *ty_collectives);
    m->n = n;
    memcpy(m->size, size, n * sizeof *size);
    return m;
}

static void measure(measured *m)
{
    ty_platform p;
    ck_assert(m->kinds <= KINDS && m->n <= SIZES && m->workers <= MOST);
    ty_err e =
        ty_platform_open(&p, m->platform, m->network, m->workers, m->per_node, golden_machine());
    ck_assert_msg(!e.code, "%s", e.msg);
    m->costing = (ty_costing){.net = p.net,
                              .local = p.local,
                              .per_node = m->per_node,
                              .machine = golden_machine(),
                              .threads = 1,
                              .busy = 1};
    e = ty_child_run(collectives_here, &p, m, NULL, NULL, NULL);
    ck_assert_msg(!e.code && !m->error.code, "%s%s", e.msg, m->error.msg);
    ty_platform_close(&p);
}

static double took(const measured *m, size_t c, size_t i)
{
    double s = 0;
    for (int me = 0; me < m->workers; me++)
        s = fmax(s, m->seconds[c][i][me]);
    return s;
}

static ty_err counts_as_it_says(const measured *m, size_t c, size_t i)
{
    const ty_collective *a = m->kind[c];
    for (int me = 0; me < m->workers; me++) {
        const ty_cost k = a->cost(&m->costing, m->workers, me, m->size[i]);
        if (k.messages != m->messages[c][i][me] || k.bytes != m->bytes[c][i][me])
            return ty_error(
                TY_EWRONG,
                "%s %s of %zu on %d: member %d sends %g messages, %g B; the formula says %g, %g",
                ty_operation_name[a->op], a->name, m->size[i], m->workers, me,
                m->messages[c][i][me], m->bytes[c][i][me], k.messages, k.bytes);
    }
    return ty_ok();
}

static double formula(const measured *m, size_t c, size_t i)
{
    double s = 0;
    for (int me = 0; me < m->workers; me++)
        s = fmax(s, m->kind[c]->cost(&m->costing, m->workers, me, m->size[i]).seconds);
    return s;
}

static ty_err takes_what_it_says(const measured *m, size_t c, size_t i, double *off)
{
    const ty_collective *a = m->kind[c];
    const double is = took(m, c, i), said = formula(m, c, i);
    *off = is == said ? 0 : fabs(is / said - 1);
    return *off <= 0.01
               ? ty_ok()
               : ty_error(TY_EWRONG, "%s %s of %zu elements on %d takes %.6g s, not %.6g s",
                          ty_operation_name[a->op], a->name, m->size[i], m->workers, is, said);
}

static double worst_of[KINDS]; /* by place in ty_collectives */

static void must_be_as_they_say(const measured *m)
{
    double off;
    for (size_t c = 0; c < m->kinds; c++)
        for (size_t i = 0; i < m->n; i++) {
            ty_err e = counts_as_it_says(m, c, i), t = takes_what_it_says(m, c, i, &off);
            ck_assert_msg(!e.code && !t.code, "%s %s", e.msg, t.msg);
            for (size_t k = 0; k < ty_collectives_n; k++)
                if (m->kind[c] == ty_collectives[k])
                    worst_of[k] = fmax(worst_of[k], off);
        }
}

START_TEST(every_collective_alone_takes_the_time_of_its_formula)
{
    static const int workers[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 22, 31};
    measured *m = prepare(workers[_i], sizes, SIZES);
    measure(m);
    must_be_as_they_say(m);
    ty_child_unshare(m, sizeof *m);
}
END_TEST

/* Its trees are of another shape with every number, and its pieces are cut for every size. */
START_TEST(a_double_tree_of_any_shape_takes_the_time_of_its_formula)
{
    static const size_t pieces[] = {0, 1001, 5000, 20000, 200000};
    measured *m = prepare(_i, pieces, sizeof pieces / sizeof *pieces);
    m->kind[0] = &ty_allreduce_double_tree;
    m->kinds = 1;
    measure(m);
    must_be_as_they_say(m);
    ty_child_unshare(m, sizeof *m);
}
END_TEST

START_TEST(hundreds_of_members_take_the_time_of_the_formula)
{
    static const int workers[] = {64, 100, 256};
    measured *m = prepare(workers[_i], few, sizeof few / sizeof *few);
    measure(m);
    must_be_as_they_say(m);
    ty_child_unshare(m, sizeof *m);
}
END_TEST

/* On a cluster of nodes with 2 and 4 members: powers of two and others, whole nodes and a last one that is not full. */
START_TEST(members_that_share_nodes_take_the_time_of_the_formula)
{
    static const int workers[] = {2, 3, 4, 5, 6, 7, 8, 12, 13, 16, 30, 64};
    for (int per_node = 2; per_node <= 4; per_node += 2) {
        measured *m = prepare(workers[_i], sizes, SIZES);
        m->per_node = per_node;
        m->platform = "cluster:nodes=32,cores=4,bandwidth=10Gbps,latency=20us";
        m->kind[0] = &ty_allreduce_hierarchical;
        m->kinds = 1;
        measure(m);
        must_be_as_they_say(m);
        ty_child_unshare(m, sizeof *m);
    }
}
END_TEST

START_TEST(a_wrong_collective_is_rejected_by_counters_or_time)
{
    measured *m = prepare(5, sizes, SIZES);
    m->kinds = wrong_collectives_n;
    for (size_t c = 0; c < m->kinds; c++)
        m->kind[c] = wrong_collectives[c].collective;
    measure(m);
    for (size_t c = 0; c < m->kinds; c++) {
        const wrong_collective *w = &wrong_collectives[c];
        int counters = 0, time = 0;
        double off;
        for (size_t i = 0; i < m->n; i++) {
            counters |= counts_as_it_says(m, c, i).code;
            time |= takes_what_it_says(m, c, i, &off).code;
        }
        ck_assert_msg(!counters == !(w->breaks & WRONG_COUNTERS), "%s: its counters are %s",
                      w->collective->name, counters ? "rejected" : "accepted");
        ck_assert_msg(!time == !(w->breaks & WRONG_TIME), "%s: its time is %s", w->collective->name,
                      time ? "rejected" : "accepted");
    }
    ty_child_unshare(m, sizeof *m);
}
END_TEST

/* Fifteen messages at once into one port: the star takes what the port takes for all their bytes, twice. The ring, whose
 * messages share no port, takes on links that are shared what it takes in the textbook. */
START_TEST(on_shared_links_the_star_queues_at_its_server_and_the_ring_nowhere)
{
    enum { P = 16 };
    static const size_t large[] = {1000000};
    measured *m[2];
    for (int shared = 0; shared < 2; shared++) {
        m[shared] = prepare(P, large, 1);
        m[shared]->network = shared ? TY_NET_SHARED : TY_NET_TEXTBOOK;
        m[shared]->kind[0] = &ty_allreduce_star;
        m[shared]->kind[1] = &ty_allreduce_ring;
        m[shared]->kinds = 2;
        measure(m[shared]);
    }
    const double port = (P - 1) * (double)(large[0] * sizeof(float)) / m[1]->costing.net.beta;
    const double star = took(m[1], 0, 0), ring = took(m[1], 1, 0);
    ck_assert_msg(star >= 2 * port, "the star takes %g s, its server's port %g s", star, 2 * port);
    ck_assert_msg(fabs(ring / took(m[0], 1, 0) - 1) < 0.01, "the ring takes %g s, not %g s", ring,
                  took(m[0], 1, 0));
    /* a ring's port carries 2 (P-1)/P of x, the server's 2 (P-1) */
    ck_assert_msg(star > 0.8 * P * ring, "the star takes %g s, the ring %g s", star, ring);
    for (int shared = 0; shared < 2; shared++)
        ty_child_unshare(m[shared], sizeof *m[shared]);
}
END_TEST

int main(void)
{
    const ty_fabric_ops *sim;
    if (ty_fabric_find("sim", &sim).code) {
        printf("without SimGrid there is nothing to compare with\n");
        return 0;
    }
    Suite *s = suite_create("strategies_alone");
    TCase *t = tcase_create("law 5");
    tcase_add_loop_test(t, every_collective_alone_takes_the_time_of_its_formula, 0, 13);
    tcase_add_loop_test(t, a_double_tree_of_any_shape_takes_the_time_of_its_formula, 10, 49);
    tcase_add_loop_test(t, hundreds_of_members_take_the_time_of_the_formula, 0, 3);
    tcase_add_loop_test(t, members_that_share_nodes_take_the_time_of_the_formula, 0, 12);
    tcase_add_test(t, a_wrong_collective_is_rejected_by_counters_or_time);
    tcase_add_test(t, on_shared_links_the_star_queues_at_its_server_and_the_ring_nowhere);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    for (size_t i = 0; i < ty_collectives_n; i++)
        printf("largest deviation: %-14s %-17s %.3g %%\n", ty_operation_name[ty_collectives[i]->op],
               ty_collectives[i]->name, 100 * worst_of[i]);
    return failed ? 1 : 0;
}
