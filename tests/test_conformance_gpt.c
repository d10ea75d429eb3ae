/* SPDX-License-Identifier: MIT
 *
 * A small jargon-gpt under the laws, on the fabric that TY_FABRIC names: many labels a sample, residual connections, and a
 * table that the first and the last block share, of which a pipeline holds two copies. The batch of 13 divides by no
 * number of workers or micro-batches.
 */
#include "tests/conformance_cases.h"

enum { BATCH = 13, SAMPLES = 3 * BATCH + 2, STEPS = 6 }; /* the last step is in the second epoch */

static ty_problem problem; /* five blocks: for stages of one each, at most */

static ty_problem gpt(void)
{
    ty_problem q;
    const ty_workload_options o = {.layers = 1, .width = 12, .heads = 3, .context = 9};
    ty_err e = ty_problem_open(&q, "jargon-gpt", &o);
    TY_CHECK(!e.code, "%s", e.msg);
    q.data.train.n = SAMPLES;
    return q;
}

/* Every law, of this problem in these batches. */
static void keeps(trial t)
{
    t.problem = &problem;
    t.batch = BATCH;
    t.steps = STEPS;
    must_hold(t);
}

static int from(int least, int *count)
{
    static const int all[] = {1, 2, 3, 4};
    return worker_counts(count, all, 4, least);
}

START_TEST(serial_keeps_every_law)
{
    if (ranks_or(1) == 1)
        keeps((trial){.strategy = &ty_serial, .workers = 1});
}
END_TEST

START_TEST(data_allreduce_keeps_every_law)
{
    int count[4], n = from(1, count);
    for (int i = 0; i < n; i++)
        keeps((trial){.strategy = &ty_data_allreduce, .workers = count[i], .collective = "ring"});
}
END_TEST

START_TEST(accumulated_gradients_keep_every_law)
{
    if (ranks_or(3) == 3)
        keeps((trial){.strategy = &ty_data_allreduce,
                      .workers = 3,
                      .micro_batches = 3,
                      .collective = "ring"});
}
END_TEST

/* The table's gradient comes from both ends: a bucket must not be reduced before it is whole. */
START_TEST(overlap_keeps_every_law_with_a_tied_table)
{
    int count[4], n = from(2, count);
    for (int i = 0; i < n; i++)
        keeps((trial){.strategy = &ty_data_overlap,
                      .workers = count[i],
                      .collective = "ring",
                      .tuning.bucket_bytes = 1024});
}
END_TEST

/* The output layer gathers the table of the embedding, and both add to its gradient; in one unit with it, in the next, and
 * far from it. */
START_TEST(sharded_parameters_keep_every_law_with_a_tied_table)
{
    static const size_t bytes[] = {0, 4096, 1 << 20};
    const ty_strategy *s = _i ? &ty_data_zero3 : &ty_data_zero2;
    int count[4], n = from(3, count);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            keeps((trial){.strategy = s,
                          .workers = count[i],
                          .micro_batches = k,
                          .collective = "ring",
                          .tuning.bucket_bytes = bytes[k]});
}
END_TEST

START_TEST(pipeline_keeps_every_law_with_the_table_at_both_ends)
{
    int count[4], n = from(2, count);
    for (int i = 0; i < n; i++)
        for (int micro = 1; micro <= 5; micro += 2)
            keeps((trial){
                .strategy = &ty_pipeline_gpipe, .workers = count[i], .micro_batches = micro});
}
END_TEST

START_TEST(task_pipeline_keeps_every_law)
{
    int count[4], n = from(1, count);
    for (int i = 0; i < n; i++)
        keeps((trial){.strategy = &ty_task_pipeline, .workers = count[i]});
}
END_TEST

START_TEST(tensor_parallelism_finds_no_pair_of_linear_layers)
{
    outcome *o = perform((trial){.strategy = &ty_tensor_parallel,
                                 .problem = &problem,
                                 .fabric = fabric_name(),
                                 .workers = 2,
                                 .batch = BATCH,
                                 .steps = STEPS});
    ck_assert_int_eq(o->error.code, TY_EUSAGE);
    ck_assert_msg(strstr(o->error.msg, "no pair to split"), "%s", o->error.msg);
    forget(o);
}
END_TEST

int main(void)
{
    problem = gpt();
    Suite *s = suite_create("conformance/gpt");
    TCase *t = tcase_create(fabric_name());
    tcase_add_test(t, serial_keeps_every_law);
    tcase_add_test(t, data_allreduce_keeps_every_law);
    tcase_add_test(t, accumulated_gradients_keep_every_law);
    tcase_add_test(t, overlap_keeps_every_law_with_a_tied_table);
    tcase_add_loop_test(t, sharded_parameters_keep_every_law_with_a_tied_table, 0, 2);
    tcase_add_test(t, pipeline_keeps_every_law_with_the_table_at_both_ends);
    tcase_add_test(t, task_pipeline_keeps_every_law);
    tcase_add_test(t, tensor_parallelism_finds_no_pair_of_linear_layers);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    ty_problem_close(&problem);
    return failed ? 1 : 0;
}
