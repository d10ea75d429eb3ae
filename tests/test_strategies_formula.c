/* SPDX-License-Identifier: MIT
 *
 * Law 5: on platform `ideal` the closed form is within 1 % of the simulated time; of whole runs as a user starts them, and
 * of every collective alone, for powers of two and other numbers of members.
 */
#include "tests/conformance.h"

#include "experiments/child.h"
#include "experiments/engine.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double worst_run, worst_collective, longest_s;

/* ---- whole runs ------------------------------------------------------------------------------------- */

static void simulate(ty_point p)
{
    ty_result r;
    p.fabric = "sim";
    p.platform = "ideal";
    p.ghost = 1;
    p.machine = golden_machine();
    ty_err e = ty_point_run(&p, &r);
    ck_assert_msg(!e.code && r.row.ok, "%s, %d workers: %s%s", p.strategy, p.workers, e.msg,
                  r.row.message);
    longest_s = fmax(longest_s, p.workers == 64 ? r.wall_s : 0);
    if (getenv("TY_TELL"))
        printf("%-16s %-14s %2d %-9s %2d  step %9.3g s  off %+.4f %%  wall %.3f s\n", p.strategy,
               p.problem->workload->name, p.workers, r.row.collective, r.row.micro_batches,
               r.row.step_s, 100 * (r.row.step_s / r.row.closed_form_s - 1), r.wall_s);
    ty_err v = law_time_equals_formula(r.report, r.ranks, &worst_run);
    ck_assert_msg(!v.code, "%s of %s with %d workers, batch %zu, %s, %d micro-batches: %s",
                  p.strategy, p.problem->workload->name, p.workers, p.batch, r.row.collective,
                  p.micro_batches, v.msg);
    ty_result_free(&r);
}

/* A layer or more a unit, with and without accumulation. */
static void simulate_shards(const ty_problem *q, int workers, size_t batch)
{
    static const char *const strategy[] = {"data-zero2", "data-zero3"};
    for (int i = 0; i < 4; i++)
        simulate((ty_point){.problem = q,
                            .workers = workers,
                            .batch = batch,
                            .strategy = strategy[i % 2],
                            .collective = i < 2 ? "ring" : "recursive",
                            .tuning.bucket_bytes = i < 2 ? 0 : q->params,
                            .micro_batches = i < 2 || batch / (size_t)workers < 2 ? 1 : 2});
}

/* Legal ways to run a strategy with so many workers; what is refused is not simulated. */
static void simulate_each_way(const ty_problem *q, int workers, size_t batch)
{
    static const char *const collective[] = {"ring", "recursive", "tree"};
    ty_point p = {.problem = q, .workers = workers, .batch = batch};
    for (int i = 0; i < 3; i++) {
        p.collective = collective[i];
        p.strategy = "data-allreduce";
        simulate(p);
        p.strategy = "tensor";
        size_t width = q->blocks[0].out.n;
        if (width % (size_t)workers == 0)
            simulate(p);
    }
    p.collective = NULL;
    p.strategy = "task-pipeline";
    simulate(p);
    p.strategy = "pipeline-gpipe";
    for (int i = 0; i < 3 && 2 * workers - 1 <= q->blocks_n; i++) {
        p.micro_batches = (int[]){0, 1, 12}[i];
        simulate(p);
    }
}

START_TEST(small_networks_take_the_time_of_the_formula)
{
    static const int workers[] = {2, 3, 4, 7, 8, 64};
    static const size_t hidden[] = {168, 18, 168, 14, 168, 12, 168}; /* 168 divides by all but 64 */
    ty_problem q = digits(hidden, 7, 0);
    for (int batch = 64; batch <= 130; batch += 66) { /* 130: divides by 2 alone */
        simulate_each_way(&q, workers[_i], (size_t)batch);
        simulate_shards(&q, workers[_i], (size_t)batch);
    }
    ty_problem_close(&q);
}
END_TEST

START_TEST(sixty_four_equal_layers_take_the_time_of_the_formula)
{
    static const int workers[] = {2, 8, 64};
    ty_problem q;
    ck_assert(
        !ty_problem_open(&q, "synthetic-mlp", &(ty_workload_options){.layers = 64, .width = 1024})
             .code);
    simulate_each_way(&q, workers[_i], 128);
    simulate_shards(&q, workers[_i] / 4 + 1,
                    128 * 64); /* computing, not the network, takes the time */
    ty_problem_close(&q);
}
END_TEST

START_TEST(serial_takes_the_time_of_the_formula)
{
    static const size_t hidden[] = {30};
    ty_problem q = digits(hidden, 1, 0);
    simulate((ty_point){.strategy = "serial", .problem = &q, .workers = 1});
    simulate((ty_point){
        .strategy = "serial", .problem = &q, .workers = 1, .batch = 1, .optimizer = TY_ADAMW});
    ty_problem_close(&q);
}
END_TEST

/* ---- collectives alone ------------------------------------------------------------------------------ */

static const size_t sizes[] = {0, 1, 3, 1001, 65536, 4000037};
enum { SIZES = sizeof sizes / sizeof *sizes, MOST = 64, KINDS = 32, TURN_S = 10 };

typedef struct measured {
    int workers;
    ty_err error;
    double seconds[KINDS][SIZES][MOST], messages[KINDS][SIZES][MOST], bytes[KINDS][SIZES][MOST];
} measured;

/* Every collective with every size begins at its own full minute, on all ranks at once. */
static void each_collective(ty_rank *r, void *arg)
{
    measured *m = arg;
    ty_team all = ty_team_new(r, 3, 0, 1, m->workers);
    for (size_t c = 0; c < ty_collectives_n; c++)
        for (size_t i = 0; i < SIZES; i++) {
            double begin = TURN_S * (double)(c * SIZES + i + 1);
            ty_tensor x = ty_tensor_new(r, TY_PARAM, 1, sizes[i]);
            ty_charge(r, begin - ty_now(r));
            ty_ledger_reset(r);
            ty_collectives[c]->run(&all, x);
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
                  .ghost = 1,
                  .machine = golden_machine(),
                  .platform = platform,
                  .net = ((const ty_platform *)platform)->net};
    m->error = ty_fabric_sim.run(&job, each_collective, m);
}

static void compare(const measured *m, size_t c, size_t i, const ty_costing *costing)
{
    const ty_collective *a = ty_collectives[c];
    double took = 0, formula = 0;
    for (int me = 0; me < m->workers; me++) {
        ty_cost k = a->cost(costing, m->workers, me, sizes[i]);
        ck_assert_msg(
            k.messages == m->messages[c][i][me] && k.bytes == m->bytes[c][i][me],
            "%s %s of %zu on %d: member %d sends %g messages, %g B; the formula says %g, %g",
            ty_operation_name[a->op], a->name, sizes[i], m->workers, me, m->messages[c][i][me],
            m->bytes[c][i][me], k.messages, k.bytes);
        took = fmax(took, m->seconds[c][i][me]);
        formula = fmax(formula, k.seconds);
    }
    double off = took == formula ? 0 : fabs(took / formula - 1);
    worst_collective = fmax(worst_collective, off);
    ck_assert_msg(off <= 0.01, "%s %s of %zu elements on %d takes %.6g s, the formula says %.6g s",
                  ty_operation_name[a->op], a->name, sizes[i], m->workers, took, formula);
}

START_TEST(every_collective_alone_takes_the_time_of_its_formula)
{
    static const int workers[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 31, 64};
    ty_platform platform;
    measured *m = ty_child_share(sizeof *m);
    m->workers = workers[_i];
    ck_assert(
        !ty_platform_open(&platform, "ideal", TY_NET_TEXTBOOK, m->workers, 1, golden_machine())
             .code);
    ty_err e = ty_child_run(collectives_here, &platform, m, NULL, NULL, NULL);
    ck_assert_msg(!e.code && !m->error.code, "%s%s", e.msg, m->error.msg);
    ty_costing costing = {
        .net = platform.net, .machine = golden_machine(), .threads = 1, .busy = 1};
    for (size_t c = 0; c < ty_collectives_n; c++)
        for (size_t i = 0; i < SIZES; i++)
            compare(m, c, i, &costing);
    ty_platform_close(&platform);
    ty_child_unshare(m, sizeof *m);
}
END_TEST

int main(void)
{
    const ty_fabric_ops *sim;
    if (ty_fabric_find("sim", &sim).code) {
        printf("without SimGrid there is nothing to compare with\n");
        return 0;
    }
    Suite *s = suite_create("strategies_formula");
    TCase *t = tcase_create("law 5");
    tcase_add_loop_test(t, every_collective_alone_takes_the_time_of_its_formula, 0, 13);
    tcase_add_test(t, serial_takes_the_time_of_the_formula);
    tcase_add_loop_test(t, small_networks_take_the_time_of_the_formula, 0, 6);
    tcase_add_loop_test(t, sixty_four_equal_layers_take_the_time_of_the_formula, 0, 3);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    printf("largest deviation: collectives %.3g %%, runs %.3g %%; 64 machines take up to %.2f s\n",
           100 * worst_collective, worst_run, longest_s);
    return failed ? 1 : 0;
}
