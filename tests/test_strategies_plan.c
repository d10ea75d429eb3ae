/* SPDX-License-Identifier: MIT
 *
 * A plan finds every mistake of its user and says what to change; and what it decides is sensible.
 */
#include "base/err.h"

#include "machine/machine.h"
#include "strategies/strategy.h"

#include <check.h>
#include <math.h>
#include <string.h>

static ty_machine machine;
static ty_problem net; /* 64-30-18-30-14-10: five linear layers; pairs split 30 */

static ty_plan_options asked(const ty_strategy *s, int workers)
{
    return (ty_plan_options){
        .strategy = s,
        .problem = &net,
        .workers = workers,
        .batch = 32,
        .steps = 4,
        .seed = 1,
        .costing = {.net = {20e-6, 1.25e9}, .machine = &machine, .threads = 1, .busy = 1},
        .shared_memory = 1};
}

static void refused(ty_plan_options o, const char *what, const char *remedy)
{
    ty_plan p;
    ty_err e = ty_plan_make(&p, &o);
    ck_assert_msg(e.code == TY_EUSAGE, "%s is not refused", what);
    ck_assert_msg(strstr(e.msg, what), "'%s' does not say '%s'", e.msg, what);
    ck_assert_msg(strstr(e.msg, remedy), "'%s' does not say '%s'", e.msg, remedy);
    ck_assert_msg(!strchr(e.msg, '\n'), "more than a line: '%s'", e.msg);
}

static ty_plan made(ty_plan_options o)
{
    ty_plan p;
    ty_err e = ty_plan_make(&p, &o);
    ck_assert_msg(!e.code, "%s", e.msg);
    return p;
}

/* ---- mistakes --------------------------------------------------------------------------------------- */

START_TEST(numbers_out_of_range_are_refused_by_every_strategy)
{
    const ty_strategy *s = ty_strategies[_i];
    ty_plan_options o = asked(s, 0);
    refused(o, "--workers 0", "1 or more");
    o.workers = -3;
    refused(o, "--workers -3", "1 or more");
    o = asked(s, 1);
    o.batch = 0;
    refused(o, "--batch 0", "1 or more");
    o.batch = 1501;
    refused(o, "--batch 1501", "1500");
    o.batch = 32;
    o.micro_batches = 33;
    refused(o, "--micro-batches 33", "1 to 32");
    o.micro_batches = -1;
    refused(o, "--micro-batches -1", "1 to 32");
    o.micro_batches = 0;
    o.collective = "three";
    refused(o, "unknown allreduce 'three'", "'tree'");
}
END_TEST

START_TEST(serial_refuses_a_second_worker)
{
    refused(asked(&ty_serial, 2), "one worker", "--workers 1");
}
END_TEST

START_TEST(data_parallelism_refuses_workers_without_samples)
{
    ty_plan_options o = asked(&ty_data_allreduce, 33);
    refused(o, "33 workers cannot share a batch of 32", "--workers 32");
}
END_TEST

START_TEST(tensor_parallelism_names_the_degrees_that_divide_every_split_width)
{
    refused(asked(&ty_tensor_parallel, 4), "4 workers do not divide", "1, 2, 3, 5, 6, 10, 15, 30");
    refused(asked(&ty_tensor_parallel, 60), "60 workers", "1, 2, 3, 5, 6, 10, 15, 30");
    ty_problem one = net; /* its first layer only */
    one.blocks_n = 1;
    ty_plan_options o = asked(&ty_tensor_parallel, 2);
    o.problem = &one;
    refused(o, "one linear layer", "--workers 1");
}
END_TEST

START_TEST(a_pipeline_refuses_more_stages_than_layers)
{
    refused(asked(&ty_pipeline_gpipe, 6), "6 workers but only 5 layers", "--workers 1..5");
}
END_TEST

START_TEST(degrees_of_other_axes_are_refused)
{
    ty_plan_options o = asked(&ty_data_allreduce, 2);
    o.tp = 2;
    refused(o, "--tp 2", "--tp 1");
    o = asked(&ty_tensor_parallel, 2);
    o.tp = 3;
    refused(o, "--tp 3", "--tp 2");
    o = asked(&ty_pipeline_gpipe, 2);
    o.dp = 2;
    refused(o, "--dp 2", "--dp 1");
    o = asked(&ty_task_pipeline, 2);
    o.pp = 2;
    refused(o, "task-pipeline", "leave --dp, --tp and --pp out");
    o = asked(&ty_data_allreduce, 2);
    o.dp = 2;
    ty_plan p = made(o); /* saying what is so is no mistake */
    ck_assert_int_eq(p.dp, 2);
    ty_plan_free(&p);
}
END_TEST

START_TEST(an_unknown_strategy_is_refused_with_the_nearest_name)
{
    const ty_strategy *s;
    ty_err e = ty_strategy_find("data-alreduce", &s);
    ck_assert_int_eq(e.code, TY_EUSAGE);
    ck_assert_msg(strstr(e.msg, "did you mean 'data-allreduce'?"), "%s", e.msg);
    for (size_t i = 0; i < ty_strategies_n; i++) {
        ck_assert(!ty_strategy_find(ty_strategies[i]->name, &s).code);
        ck_assert_ptr_eq(s, ty_strategies[i]);
    }
}
END_TEST

/* ---- decisions -------------------------------------------------------------------------------------- */

START_TEST(every_legal_tensor_degree_covers_every_parameter_once)
{
    static const int legal[] = {1, 2, 3, 5, 6, 10, 15, 30};
    ty_block blocks[16];
    for (int i = 0; i < 8; i++) {
        ty_plan p = made(asked(&ty_tensor_parallel, legal[i]));
        size_t all = 0, whole = i ? ty_blocks_params(&net.blocks[8], 1)
                                  : 0; /* the fifth layer has no partner */
        for (int r = 0; r < legal[i]; r++)
            all += ty_blocks_params(blocks, ty_plan_blocks(&p, r, blocks));
        ck_assert_uint_eq(all, net.params + (size_t)(legal[i] - 1) * whole);
        ty_plan_free(&p);
    }
}
END_TEST

/* Seconds of a micro-batch on the blocks a .. b-1. */
static double seconds(const ty_plan *p, int a, int b)
{
    size_t rows = ty_chunk_size(p->batch, p->micro_batches, 0);
    return (a ? 0 : ty_plan_load_s(p, rows)) + ty_blocks_forward_s(p, net.blocks + a, b - a, rows) +
           ty_blocks_backward_s(p, net.blocks + a, b - a, rows, a == 0);
}

/* The slowest stage of the best cut of blocks from `a` on into n stages, by trying all. */
static double best_cut(const ty_plan *p, int a, int n)
{
    double best = INFINITY;
    if (n == 1)
        return seconds(p, a, net.blocks_n);
    for (int b = a + 2; b < net.blocks_n; b += 2) /* a linear block and its ReLU stay together */
        best = fmin(best, fmax(seconds(p, a, b), best_cut(p, b, n - 1)));
    return best;
}

START_TEST(no_other_cut_has_a_faster_slowest_stage)
{
    for (int n = 1; n <= 5; n++) {
        ty_plan p = made(asked(&ty_pipeline_gpipe, n));
        double slowest = 0;
        ck_assert_int_eq(p.stage[0], 0);
        ck_assert_int_eq(p.stage[n], net.blocks_n);
        for (int s = 0; s < n; s++) {
            ck_assert_int_lt(p.stage[s], p.stage[s + 1]);
            slowest = fmax(slowest, seconds(&p, p.stage[s], p.stage[s + 1]));
        }
        ck_assert_double_le(slowest, best_cut(&p, 0, n) * (1 + 1e-6));
        ty_plan_free(&p);
    }
}
END_TEST

START_TEST(micro_batches_are_four_a_stage_or_as_many_as_there_are_samples)
{
    ty_plan p = made(asked(&ty_pipeline_gpipe, 4));
    ck_assert_int_eq(p.micro_batches, 16);
    ty_plan_free(&p);
    ty_plan_options o = asked(&ty_pipeline_gpipe, 4);
    o.batch = 7;
    p = made(o);
    ck_assert_int_eq(p.micro_batches, 7);
    ty_plan_free(&p);
    o.micro_batches = 5;
    p = made(o);
    ck_assert_int_eq(p.micro_batches, 5);
    ty_plan_free(&p);
}
END_TEST

START_TEST(a_task_pipeline_has_one_trainer_and_from_three_workers_on_an_evaluator)
{
    for (int n = 1; n <= 7; n++) {
        ty_plan p = made(asked(&ty_task_pipeline, n));
        int role[3] = {0};
        for (int r = 0; r < n; r++)
            role[p.place[r].role]++;
        ck_assert_int_eq(role[TY_TRAIN], 1);
        ck_assert_int_eq(role[TY_EVALUATE], n > 2);
        ck_assert_int_eq(role[TY_PREPROCESS], n - 1 - (n > 2));
        ty_plan_free(&p);
    }
}
END_TEST

START_TEST(shards_of_a_batch_are_even_but_for_one_sample)
{
    for (int n = 1; n <= 32; n++) {
        ty_plan p = made(asked(&ty_data_allreduce, n));
        size_t all = 0;
        for (int r = 0; r < n; r++) {
            size_t rows = ty_plan_rows(&p, r);
            ck_assert(rows == 32 / (size_t)n || rows == 32 / (size_t)n + 1);
            all += rows;
        }
        ck_assert_uint_eq(all, 32);
        ty_plan_free(&p);
    }
}
END_TEST

int main(void)
{
    ty_workload_options o = {.hidden = {30, 18, 30, 14}, .hidden_n = 4};
    ty_err e = ty_problem_open(&net, "digits-mlp", &o);
    TY_CHECK(!e.code, "%s", e.msg);
    e = ty_machine_load(&machine, TY_TEST_DIR "/machine.yaml");
    TY_CHECK(!e.code, "%s", e.msg);
    Suite *s = suite_create("strategies_plan");
    TCase *t = tcase_create("mistakes");
    tcase_add_loop_test(t, numbers_out_of_range_are_refused_by_every_strategy, 0,
                        (int)ty_strategies_n);
    tcase_add_test(t, serial_refuses_a_second_worker);
    tcase_add_test(t, data_parallelism_refuses_workers_without_samples);
    tcase_add_test(t, tensor_parallelism_names_the_degrees_that_divide_every_split_width);
    tcase_add_test(t, a_pipeline_refuses_more_stages_than_layers);
    tcase_add_test(t, degrees_of_other_axes_are_refused);
    tcase_add_test(t, an_unknown_strategy_is_refused_with_the_nearest_name);
    suite_add_tcase(s, t);
    t = tcase_create("decisions");
    tcase_add_test(t, every_legal_tensor_degree_covers_every_parameter_once);
    tcase_add_test(t, no_other_cut_has_a_faster_slowest_stage);
    tcase_add_test(t, micro_batches_are_four_a_stage_or_as_many_as_there_are_samples);
    tcase_add_test(t, a_task_pipeline_has_one_trainer_and_from_three_workers_on_an_evaluator);
    tcase_add_test(t, shards_of_a_batch_are_even_but_for_one_sample);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    ty_problem_close(&net);
    return failed ? 1 : 0;
}
