/* SPDX-License-Identifier: MIT
 *
 * The benchmarks' own judgement: naive references that accept the kernels and nothing else, the roofline, bandwidth factors, what
 * several ranks measure together. No time is asserted.
 */
#include "base/file.h"
#include "experiments/bench_arena.h"
#include "experiments/bench_crossover.h"
#include "experiments/bench_fabric.h"
#include "kernels/kernels.h"
#include "sim/platform.h"
#include "tests/files.h"

#include <check.h>
#include <stdlib.h>

/* ---- kernels against their naive references ---- */

static size_t floats_of(const ty_bench_op *op, const size_t *s)
{
    ty_bench_array a[TY_BENCH_ARRAYS] = {{0}};
    size_t sum = 0;
    op->lay_out(s, a);
    for (int i = 0; i < TY_BENCH_ARRAYS; i++)
        sum += a[i].n;
    return sum;
}

/* The shape with the fewest numbers: enough to tell right from wrong. */
static const size_t *smallest(const ty_bench_op *op)
{
    const size_t *best = op->shape[0];
    for (size_t i = 1; i < op->shapes; i++)
        if (floats_of(op, op->shape[i]) < floats_of(op, best))
            best = op->shape[i];
    return best;
}

static int is_compared(ty_bench_role r)
{
    return r == TY_OUT || r == TY_BOTH;
}

/* The kernel, and then something that is not what it should be. */
static const ty_bench_op *spoilt;
static int spoilt_array;
static enum { A_LITTLE, NOT_A_NUMBER, LEFT_OUT } how;

static void spoil(const size_t *s, float *const *a)
{
    ty_bench_array array[TY_BENCH_ARRAYS] = {{0}};
    float before = a[spoilt_array][0], most = 0;
    spoilt->lay_out(s, array);
    spoilt->call(s, a);
    for (size_t i = 0; i < array[spoilt_array].n; i++)
        most = fmaxf(most, fabsf(a[spoilt_array][i]));
    a[spoilt_array][0] = how == A_LITTLE   ? a[spoilt_array][0] + most / 50
                         : how == LEFT_OUT ? before + most
                                           : NAN;
}

static size_t wrong_of(const ty_bench_op *op)
{
    ty_arena r;
    ty_kernel_line l = {0};
    ty_arena_open(&r, op, smallest(op));
    ty_arena_describe(&r, &l);
    ty_arena_check(&r, &l);
    ty_arena_close(&r);
    ck_assert_msg(l.elements > 0 && l.bytes > 0 && l.footprint > 0 && l.flops >= 0,
                  "%s %s says nothing of itself", op->name, l.shape);
    return l.wrong;
}

static void check_op(const ty_bench_op *op)
{
    ty_bench_array array[TY_BENCH_ARRAYS] = {{0}};
    ty_bench_op bad = *op;
    op->lay_out(smallest(op), array);
    ck_assert_msg(wrong_of(op) == 0, "%s differs from its naive reference", op->name);
    bad.call = spoil;
    spoilt = op;
    for (spoilt_array = 0; spoilt_array < TY_BENCH_ARRAYS; spoilt_array++)
        for (how = A_LITTLE; is_compared(array[spoilt_array].role) && how <= LEFT_OUT; how++)
            ck_assert_msg(wrong_of(&bad) == 1, "%s: a wrong element of array %d is not seen (%d)",
                          op->name, spoilt_array, how);
}

START_TEST(naive_references_accept_every_kernel_and_see_one_wrong_element)
{
    for (size_t i = 0; ty_bench_op_at(i); i++)
        check_op(ty_bench_op_at(i));
}
END_TEST

START_TEST(quick_and_typical_shapes_are_there)
{
    for (size_t k = 0; ty_bench_op_at(k); k++) {
        const ty_bench_op *op = ty_bench_op_at(k);
        ck_assert_msg(op->quick >= 1 && op->typical + op->quick <= op->shapes, "%s", op->name);
        ck_assert(ty_kernel_filter_check(op->name).code == TY_OK);
        ck_assert(ty_kernel_filter_check(op->kind).code == TY_OK);
    }
    ck_assert_int_eq(ty_kernel_filter_check("linear").code, TY_EUSAGE);
}
END_TEST

/* ---- the roofline ---- */

static const ty_roof roof = {.threads = 1,
                             .flops = 100e9,
                             .holds = {1e4, 1e6, 1e8, INFINITY},
                             .points = 3,
                             .bytes = {1e3, 1e5, 1e7},
                             .bandwidth = {80e9, 40e9, 20e9}};

START_TEST(bandwidth_lies_on_a_line_between_measured_footprints)
{
    ck_assert_double_eq_tol(ty_roof_bandwidth(&roof, 1), 80e9, 1);
    ck_assert_double_eq_tol(ty_roof_bandwidth(&roof, 1e3), 80e9, 1);
    ck_assert_double_eq_tol(ty_roof_bandwidth(&roof, 1e4), 60e9, 1);
    ck_assert_double_eq_tol(ty_roof_bandwidth(&roof, 1e6), 30e9, 1);
    ck_assert_double_eq_tol(ty_roof_bandwidth(&roof, 1e12), 20e9, 1);
}
END_TEST

START_TEST(roof_is_the_lower_of_arithmetic_and_memory_and_says_which)
{
    const char *bound;
    ck_assert_double_eq_tol(ty_roof_seconds(&roof, 100e9, 20e9, 1e9, &bound), 1, 1e-9);
    ck_assert_double_eq_tol(ty_roof_seconds(&roof, 300e9, 20e9, 1e9, &bound), 3, 1e-9);
    ck_assert_str_eq(bound, "FMA");
    ck_assert_double_eq_tol(ty_roof_seconds(&roof, 100e9, 80e9, 1e9, &bound), 4, 1e-9);
    ck_assert_str_eq(bound, "DRAM");
    ty_roof_seconds(&roof, 0, 1, 1e4, &bound);
    ck_assert_str_eq(bound, "L1");
    ty_roof_seconds(&roof, 0, 1, 1e4 + 1, &bound);
    ck_assert_str_eq(bound, "L2");
    ty_roof_seconds(&roof, 0, 1, 1e8, &bound);
    ck_assert_str_eq(bound, "L3");
}
END_TEST

START_TEST(roofline_plot_holds_a_point_for_each_line_with_arithmetic)
{
    const ty_kernel_line line[] = {
        {.kernel = "one",
         .kind = "product",
         .typical = 1,
         .flops = 4e9,
         .bytes = 1e9,
         .seconds = 1},
        {.kernel = "one", .kind = "product", .flops = 8e9, .bytes = 1e9, .seconds = 1},
        {.kernel = "none", .kind = "stream", .typical = 1, .bytes = 1e9, .seconds = 1},
        {.kernel = "bad", .kind = "product", .flops = 8e9, .bytes = 1e9, .wrong = 3},
    };
    char dir[PATH_MAX], *text;
    size_t size;
    dir_new(dir);
    ty_err e = ty_plot_roofline(dir, "a title", &roof, line, 4);
    ck_assert_msg(e.code == TY_OK || e.code == TY_EMISSING, "%s", e.msg); /* no gnuplot here */
    ck_assert(ty_read_text(dir_file(dir, "roofline.dat"), 1 << 20, &text, &size).code == TY_OK);
    ck_assert_msg(strstr(text, "\n4 4 one ") && strstr(text, "\n8 8 - "), "%s", text);
    ck_assert(!strstr(text, "none") && !strstr(text, "bad"));
    free(text);
    dir_free(dir);
}
END_TEST

/* ---- several ranks ---- */

START_TEST(bus_factors_are_those_of_nccl_tests)
{
    static const double both[] = {1, 1.5, 2 * 15. / 16}, one[] = {0.5, 0.75, 15. / 16};
    static const int n[] = {2, 4, 16};
    for (int i = 0; i < 3; i++) {
        ck_assert_double_eq_tol(ty_bus_factor(TY_ALLREDUCE, n[i]), both[i], 1e-12);
        ck_assert_double_eq_tol(ty_bus_factor(TY_REDUCE_SCATTER, n[i]), one[i], 1e-12);
        ck_assert_double_eq_tol(ty_bus_factor(TY_ALLGATHER, n[i]), one[i], 1e-12);
        ck_assert_double_eq_tol(ty_bus_factor(TY_ALLTOALL, n[i]), one[i], 1e-12);
        ck_assert_double_eq_tol(ty_bus_factor(TY_GATHER, n[i]), one[i], 1e-12);
        ck_assert_double_eq_tol(ty_bus_factor(TY_BROADCAST, n[i]), 1, 1e-12);
    }
}
END_TEST

/* What the factors are for: where an algorithm is as good as any can be and latency is nothing, busbw is the bandwidth of a link. */
START_TEST(bus_bandwidth_of_optimal_algorithms_is_that_of_a_link)
{
    const ty_costing c = {.net = {.alpha = 0, .beta = 1e9}};
    const ty_collective *best[] = {&ty_allreduce_ring, &ty_reduce_scatter_ring, &ty_allgather_ring,
                                   &ty_alltoall_pairwise};
    for (int i = 0; i < 4; i++) {
        const size_t floats = 1 << 20;
        const double seconds = ty_collective_closed_form(best[i], &c, 16, floats);
        ck_assert_double_eq_tol(ty_bus_factor(best[i]->op, 16) * 4 * floats / seconds, 1e9, 1e6);
    }
}
END_TEST

typedef struct pretended {
    ty_rank *r;
    int taken;
} pretended;

/* Rank 0 is fast in even samples and slow in odd ones, rank 1 the other way round: the slowest always takes 3 s. */
static double pretend(void *arg)
{
    pretended *p = arg;
    return (p->taken++ + p->r->id) % 2 ? 3 : 1;
}

static void measure(ty_rank *r, void *arg)
{
    ty_bench_rank b;
    ty_bench_times t;
    pretended p = {r, 0};
    ty_bench_rank_open(&b, r);
    ty_bench_rank_measure(&b, 11, pretend, &p, (size_t)r->id + 2, &t);
    ck_assert(r->ledger.messages == 0);
    if (r->id == 0)
        *(ty_bench_times *)arg = t;
}

START_TEST(slowest_rank_of_each_sample_counts_and_wrong_ones_add_up)
{
    ty_bench_times t = {0};
    const ty_job job = {.ranks = 2, .threads = 1, .busy = 2};
    ty_err e = ty_fabric_threads.run(&job, measure, &t);
    ck_assert_msg(e.code == TY_OK, "%s", e.msg);
    ck_assert(t.seconds == 3 && t.low == 3 && t.high == 3);
    ck_assert(t.wrong == 5);
}
END_TEST

/* ---- a collective that is wrong ---- */

static void forget_one(const ty_team *t, ty_tensor x)
{
    ty_allreduce_ring.run(t, x);
    if (t->me == 1 && x.n > 2)
        x.data[2] += 1;
}

static struct {
    size_t lines, wrong;
} seen;

static void note(void *arg, const void *line)
{
    (void)arg;
    seen.lines++;
    seen.wrong += ((const ty_collective_line *)line)->times.wrong;
}

START_TEST(every_collective_is_checked_on_every_size)
{
    const long bytes[] = {4, 64, 4096};
    seen.lines = seen.wrong = 0;
    ty_err e =
        ty_collective_bench_run(&(ty_collective_bench){.place = {&ty_fabric_threads, .ranks = 3},
                                                       .bytes = bytes,
                                                       .sizes = 3,
                                                       .quick = 1,
                                                       .each = note});
    ck_assert_msg(e.code == TY_OK, "%s", e.msg);
    ck_assert(seen.lines == 3 * (ty_collectives_n - 1) + 1); /* the barrier has no size */
    ck_assert(seen.wrong == 0);
}
END_TEST

/* ---- where two algorithms cross ---- */

/* Changes sign at 100, 1000 and 1e6 floats; between 300 and 400 there is no difference. */
static double stairs(void *arg, size_t n, double *scale)
{
    *scale = *(double *)arg;
    return n >= 300 && n < 400 ? 1e-12 : n < 100 || (n >= 1000 && n < 1000000) ? -1 : 1;
}

START_TEST(every_change_of_sign_is_found_to_the_float)
{
    double scale = 1;
    ty_crossings c;
    ty_crossings_find(stairs, &scale, (long[]){4, 1280, 3996, 4000, 40000000}, 5, 0, &c);
    ck_assert(c.first == 0 && c.n == 3);
    ck_assert(c.bytes[0] == 400 && c.bytes[1] == 4000 && c.bytes[2] == 4000000);
    ty_crossings_find(stairs, &scale, (long[]){40000, 400000}, 2, 0, &c);
    ck_assert(c.first == 0 && c.n == 0);
    ty_crossings_find(stairs, &scale, (long[]){400, 3996}, 2, 0, &c);
    ck_assert(c.first == 1 && c.n == 0);
    ty_crossings_find(stairs, &scale, (long[]){1200, 1400}, 2, 0, &c);
    ck_assert(c.first == -1 && c.n == 0);
    scale = 1e10; /* beside so long times it is nothing anywhere */
    ty_crossings_find(stairs, &scale, (long[]){4, 40000000}, 2, 0, &c);
    ck_assert(c.first == -1 && c.n == 0);
}
END_TEST

START_TEST(textbook_crossover_of_ring_and_tree)
{
    const ty_net net = {.alpha = 50e-6, .beta = 125e6};
    ck_assert_double_eq_tol(ty_crossover_textbook(net, 16), 22449, 0.5);
    ck_assert_double_eq_tol(ty_crossover_textbook(net, 8), 6250 * 4 / 2.125, 1e-6);
    ck_assert(ty_crossover_textbook(net, 2) == 0 && ty_crossover_textbook(net, 1) == 0);
}
END_TEST

static void cross(ty_crossover *q, int workers, const ty_machine *machine, size_t *run,
                  size_t *form)
{
    ty_platform p;
    ty_crossings c, f;
    ty_err e = ty_platform_open(&p, "cluster:bandwidth=1Gbps,latency=50us,cores=1,speed=100Gf",
                                TY_NET_TEXTBOOK, workers, 0, machine);
    ck_assert_msg(e.code == TY_OK, "%s", e.msg);
    q->place.platform = &p;
    q->place.machine = machine;
    q->place.ranks = workers;
    e = ty_crossover_run(q, &c);
    ck_assert_msg(e.code == TY_OK, "%s", e.msg);
    ck_assert(ty_crossover_form(q, &f));
    ck_assert(c.n == 1 && f.n == 1 && c.first == 1 && f.first == 1); /* below, the tree */
    *run = c.bytes[0];
    *form = f.bytes[0];
    ty_platform_close(&p);
}

START_TEST(simulated_crossover_of_ring_and_tree_is_the_closed_forms)
{
    const ty_net net = {.alpha = 50e-6, .beta = 125e6};
    ty_machine slow = {.cores = 1, .peak_flops = 100e9};
    ty_crossover q = {.place = {.ghost = 1},
                      .algorithm = {&ty_allreduce_ring, &ty_allreduce_tree},
                      .bytes = (long[]){4, 4000, 4000000},
                      .sizes = 3};
    slow.rate[TY_CLASS_STREAM].bandwidth = 1e9;
    if (ty_fabric_find("sim", &q.place.fabric).code)
        return; /* built without SimGrid */
    for (int workers = 8; workers <= 16; workers += 8) {
        size_t run, form, later, later_form;
        cross(&q, workers, NULL, &run, &form);
        ck_assert_double_eq_tol(run, form, 0.001 * form);
        ck_assert_double_eq_tol(run, ty_crossover_textbook(net, workers),
                                0.01 * ty_crossover_textbook(net, workers));
        cross(&q, workers, &slow, &later, &later_form);
        ck_assert_double_eq_tol(later, later_form, 0.001 * later_form);
        ck_assert_msg(later < 0.95 * run, "additions, of which the tree has more, change nothing");
    }
}
END_TEST

typedef struct verdict {
    const ty_collective *c;
    size_t wrong[2];
} verdict;

static void judge(ty_rank *r, void *arg)
{
    verdict *v = arg;
    const ty_team t = ty_team_new(r, 1, 0, 1, 2);
    ty_tensor x = ty_tensor_new(r, TY_PARAM, 1, 64);
    v->wrong[r->id] = ty_collective_check(&t, v->c, x);
    ty_drop(r, x);
}

START_TEST(one_wrong_element_of_one_member_is_seen)
{
    ty_collective bad = ty_allreduce_ring;
    verdict v = {&bad, {0}};
    const ty_job job = {.ranks = 2, .threads = 1, .busy = 2};
    bad.run = forget_one;
    ck_assert(ty_fabric_threads.run(&job, judge, &v).code == TY_OK);
    ck_assert(v.wrong[0] == 0 && v.wrong[1] == 1);
}
END_TEST

int main(void)
{
    ty_kernel_set_threads(1);
    Suite *suite = suite_create("bench");
    TCase *cases = tcase_create("bench");
    tcase_set_timeout(cases, 300);
    tcase_add_test(cases, naive_references_accept_every_kernel_and_see_one_wrong_element);
    tcase_add_test(cases, quick_and_typical_shapes_are_there);
    tcase_add_test(cases, bandwidth_lies_on_a_line_between_measured_footprints);
    tcase_add_test(cases, roof_is_the_lower_of_arithmetic_and_memory_and_says_which);
    tcase_add_test(cases, roofline_plot_holds_a_point_for_each_line_with_arithmetic);
    tcase_add_test(cases, bus_factors_are_those_of_nccl_tests);
    tcase_add_test(cases, bus_bandwidth_of_optimal_algorithms_is_that_of_a_link);
    tcase_add_test(cases, every_change_of_sign_is_found_to_the_float);
    tcase_add_test(cases, textbook_crossover_of_ring_and_tree);
    tcase_add_test(cases, simulated_crossover_of_ring_and_tree_is_the_closed_forms);
    tcase_add_test(cases, slowest_rank_of_each_sample_counts_and_wrong_ones_add_up);
    tcase_add_test(cases, every_collective_is_checked_on_every_size);
    tcase_add_test(cases, one_wrong_element_of_one_member_is_seen);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
