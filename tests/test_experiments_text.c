/* SPDX-License-Identifier: MIT
 *
 * Training a language model as a point: what the test text says, what the workload itself says, and where a loss that is no
 * number came from.
 */
#include "experiments/engine.h"
#include "tests/files.h"

#include <check.h>
#include <math.h>
#include <string.h>

static ty_machine machine;
static ty_problem gpt;

/* An epoch is 13 samples here: a batch of 8 and one of 5. */
static ty_point point(const char *strategy, int workers)
{
    return (ty_point){.strategy = strategy,
                      .problem = &gpt,
                      .fabric = "threads",
                      .workers = workers,
                      .batch = 8,
                      .ghost = -1,
                      .threads = 1,
                      .optimizer = TY_ADAMW,
                      .rate = 0.01,
                      .machine = &machine};
}

static ty_result done(ty_point p)
{
    ty_result r;
    ty_err e = ty_point_run(&p, &r);
    ck_assert_msg(!e.code, "%s", e.msg);
    return r;
}

/* Larger than the share of the most frequent character, smaller than a guess of all. */
START_TEST(the_test_text_is_scored_after_every_epoch_by_whoever_trains)
{
    static const struct {
        const char *strategy;
        int workers;
    } way[] = {{"serial", 1}, {"data-allreduce", 2}, {"pipeline-gpipe", 3}, {"task-pipeline", 3}};
    double loss[4][2];
    for (int i = 0; i < 4; i++) {
        ty_point p = point(way[i].strategy, way[i].workers);
        p.epochs = 2;
        ty_result r = done(p);
        ck_assert_msg(r.row.ok, "%s", r.row.message);
        ck_assert_int_eq(r.evaluations, 2);
        for (int k = 0; k < 2; k++)
            loss[i][k] = r.evaluation[k].score.loss;
        ck_assert_double_gt(loss[i][0], loss[i][1]);
        ck_assert_double_lt(loss[i][0], log((double)gpt.classes));
        ck_assert_double_gt(loss[i][1], 2);
        ck_assert_double_eq(r.row.test_loss, loss[i][1]);
        ck_assert(r.row.accuracy > 0.01 && r.row.accuracy < 0.5);
        for (int k = 0; k < 2; k++)
            ck_assert_double_eq_tol(loss[i][k], loss[0][k], 1e-3);
        ty_result_free(&r);
    }
}
END_TEST

START_TEST(a_trained_network_speaks_and_says_the_same_again)
{
    ty_point p = point("serial", 1);
    p.epochs = 1;
    ty_result silent = done(p);
    ck_assert_ptr_null(silent.said);
    p.train = 1;
    ty_result r = done(p), again = done(p);
    ck_assert_ptr_nonnull(r.said);
    ck_assert_str_eq(r.said, again.said);
    ck_assert_ptr_nonnull(strstr(r.said, "nats a character"));
    const char *sample = strstr(r.said, "sample");
    ck_assert_ptr_nonnull(sample);
    ck_assert_uint_gt(strlen(sample), 300);
    double nats = 0;
    ck_assert_int_eq(sscanf(r.said, "test text %lf nats", &nats), 1);
    ck_assert_double_eq_tol(nats, r.row.test_loss, 6e-4);
    p.seed = 2;
    ty_result other = done(p);
    ck_assert_str_ne(strstr(other.said, "sample"), sample);
    ty_result_free(&silent);
    ty_result_free(&r);
    ty_result_free(&again);
    ty_result_free(&other);
}
END_TEST

/* The longest there is: each of them begins a line. */
START_TEST(a_sample_of_nothing_but_line_ends_is_said_to_its_end)
{
    char dir[PATH_MAX], ends[3000];
    ty_problem lines;
    memset(ends, '\n', sizeof ends);
    dir_new(dir);
    write_plain(dir, "ends", ends, sizeof ends);
    const ty_workload_options o = {
        .layers = 1, .width = 8, .heads = 1, .context = 16, .data = dir_file(dir, "ends")};
    ck_assert_int_eq(ty_problem_open(&lines, "jargon-gpt", &o).code, TY_OK);
    ty_point p = point("serial", 1);
    p.problem = &lines;
    p.steps = 2;
    p.train = 1;
    ty_result r = done(p);
    ck_assert_ptr_nonnull(r.said);
    const size_t n = strlen(r.said);
    ck_assert_uint_gt(n, 300 * 16);
    ck_assert_int_eq(r.said[n - 1], '\n');
    ty_result_free(&r);
    ty_problem_close(&lines);
    dir_free(dir);
}
END_TEST

START_TEST(training_takes_the_habits_of_the_workload_where_nothing_is_said)
{
    const ty_habits *usual = &gpt.workload->usual;
    ty_point p = point("serial", 1);
    p.batch = 0;
    p.rate = 0;
    gpt.data.train.n = (uint32_t)usual->batch + 1;
    ty_result r = done(p);
    ck_assert_uint_eq(r.row.batch, usual->batch);
    ck_assert_int_eq(r.steps, 2);
    double first = r.loss[1];
    ty_result_free(&r);
    p.rate = usual->rate;
    r = done(p);
    ck_assert_double_eq(r.loss[1], first);
    ty_result_free(&r);
    p.train = 1;
    r = done(p);
    ck_assert_int_eq(r.steps, 2 * usual->epochs);
    ty_result_free(&r);
    gpt.data.train.n = 13;
}
END_TEST

START_TEST(a_loss_that_is_no_number_names_rank_step_and_layer)
{
    ty_point p = point("serial", 1);
    p.optimizer = TY_SGD;
    p.rate = 1e30;
    p.steps = 20;
    ty_result r = done(p);
    int rank = -1, layer = -1;
    long step = 0;
    ck_assert_int_eq(r.row.ok, 0);
    const char *at = strstr(r.row.message, "the loss of step"),
               *which = strstr(r.row.message, "layer");
    ck_assert_msg(at && which, "%s", r.row.message);
    ck_assert_int_eq(sscanf(r.row.message, "rank %d", &rank), 1);
    ck_assert_int_eq(rank, 0);
    ck_assert(sscanf(at, "the loss of step %ld", &step) == 1 && step > 1 && step < 20);
    ck_assert(sscanf(which, "layer %d", &layer) == 1 && layer >= 0 && layer < gpt.blocks_n);
    ck_assert_ptr_nonnull(strstr(which, gpt.blocks[layer].ops->name));
    ck_assert_ptr_nonnull(strstr(r.row.message, "lower --rate"));
    ty_result_free(&r);
}
END_TEST

START_TEST(a_batch_that_cannot_be_addressed_is_refused_and_one_that_does_not_fit_is_not_run)
{
    ty_problem large;
    ty_result r;
    ty_workload_options o = {.width = 1L << 14, .heads = 1L << 14, .context = 1L << 16};
    ck_assert_int_eq(ty_problem_open(&large, "jargon-gpt", &o).code, TY_OK);
    large.data.train.n = 1U << 31;
    ty_point p = point("serial", 1);
    p.problem = &large;
    p.steps = 2;
    p.batch = 1U << 31;
    ty_err e = ty_point_run(&p, &r);
    ck_assert_msg(e.code == TY_EUSAGE && strstr(e.msg, "--batch"), "%s", e.msg);
    p.batch = 1;
    r = done(p);
    ck_assert(r.row.ok && !r.row.fits);
    ck_assert_msg(strstr(r.row.message, "does not fit, so it was not run"), "%s", r.row.message);
    ty_result_free(&r);
    ty_problem_close(&large);
}
END_TEST

int main(void)
{
    const ty_workload_options o = {.layers = 1, .width = 16, .heads = 2, .context = 32};
    ty_err e = ty_problem_open(&gpt, "jargon-gpt", &o);
    TY_CHECK(!e.code, "%s", e.msg);
    e = ty_machine_load(&machine, TY_TEST_DIR "/machine.yaml");
    TY_CHECK(!e.code, "%s", e.msg);
    gpt.data.train.n = 13;
    gpt.data.test.n = 20;
    Suite *s = suite_create("experiments_text");
    TCase *t = tcase_create("text");
    tcase_add_test(t, the_test_text_is_scored_after_every_epoch_by_whoever_trains);
    tcase_add_test(t, a_trained_network_speaks_and_says_the_same_again);
    tcase_add_test(t, a_sample_of_nothing_but_line_ends_is_said_to_its_end);
    tcase_add_test(t, training_takes_the_habits_of_the_workload_where_nothing_is_said);
    tcase_add_test(t, a_loss_that_is_no_number_names_rank_step_and_layer);
    tcase_add_test(
        t, a_batch_that_cannot_be_addressed_is_refused_and_one_that_does_not_fit_is_not_run);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    ty_problem_close(&gpt);
    return failed ? 1 : 0;
}
