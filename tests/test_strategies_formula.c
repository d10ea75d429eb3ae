/* SPDX-License-Identifier: MIT
 *
 * Law 5 of whole runs as a user starts them: on platform `ideal`, and on nodes of several workers, the closed form is within 1 %
 * of the simulated time.
 */
#include "tests/conformance.h"

#include "experiments/engine.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double worst_run, longest_s;

/* ---- whole runs ------------------------------------------------------------------------------------- */

static void simulate(ty_point p)
{
    ty_result r;
    p.fabric = "sim";
    p.platform = p.platform ? p.platform : "ideal";
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
    p.strategy = "data-spark";
    p.tuning.task_seconds = 1e-6; /* so little that it hides nothing else */
    for (p.tuning.depth = 1; workers > 1 && p.tuning.depth <= 3; p.tuning.depth++)
        simulate(p);
    p.tuning = (ty_tuning){0};
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

START_TEST(runs_on_nodes_of_several_workers_take_the_time_of_the_formula)
{
    static const size_t hidden[] = {30};
    static const int workers[] = {4, 6, 8, 10}; /* 6 and 10 fill no nodes of 4 */
    ty_problem q = digits(hidden, 1, 0);
    for (int per_node = 2; per_node <= 4; per_node += 2)
        simulate((ty_point){.strategy = "data-allreduce",
                            .problem = &q,
                            .workers = workers[_i],
                            .workers_per_node = per_node,
                            .platform = "cluster:nodes=8,cores=4,bandwidth=10Gbps,latency=20us",
                            .threads = 1,
                            .batch = 120,
                            .collective = "hierarchical"});
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

int main(void)
{
    const ty_fabric_ops *sim;
    if (ty_fabric_find("sim", &sim).code) {
        printf("without SimGrid there is nothing to compare with\n");
        return 0;
    }
    Suite *s = suite_create("strategies_formula");
    TCase *t = tcase_create("law 5");
    tcase_add_test(t, serial_takes_the_time_of_the_formula);
    tcase_add_loop_test(t, runs_on_nodes_of_several_workers_take_the_time_of_the_formula, 0, 4);
    tcase_add_loop_test(t, small_networks_take_the_time_of_the_formula, 0, 6);
    tcase_add_loop_test(t, sixty_four_equal_layers_take_the_time_of_the_formula, 0, 3);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    printf("largest deviation %.3g %%; 64 machines take up to %.2f s\n", worst_run, longest_s);
    return failed ? 1 : 0;
}
