/* SPDX-License-Identifier: MIT
 *
 * Training against the clock: stragglers and jitter, what asynchrony makes of them, and runs that end at a target.
 */
#include "tests/points.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static ty_machine machine;
static ty_problem net, digits;

static ty_point point(const char *strategy, int workers)
{
    return (ty_point){.strategy = strategy,
                      .problem = &net,
                      .fabric = "sim",
                      .platform = "ideal",
                      .workers = workers,
                      .batch = 64,
                      .steps = 4,
                      .ghost = -1,
                      .threads = 1,
                      .machine = &machine};
}

static ty_result done_well(ty_point p)
{
    ty_result r = done(p);
    ck_assert_msg(r.row.ok, "%s", r.row.message);
    return r;
}

/* ---- pace ------------------------------------------------------------------------------------ */

static double step_s(ty_pace pace)
{
    ty_point p = point("data-allreduce", 16);
    p.pace = pace;
    p.steps = 1500;
    ty_result r = done_well(p);
    const double s = r.row.step_s;
    ty_result_free(&r);
    return s;
}

START_TEST(sixteen_workers_wait_the_harmonic_number_of_mean_exponential_steps)
{
    ty_point p = point("data-allreduce", 16);
    ty_result steady = done_well(p);
    /* so long a delay is all that the step is made of */
    const double mean = 1000 * steady.row.compute_s,
                 ratio = step_s((ty_pace){TY_JITTER_EXP, 1000}) / mean;
    ck_assert_msg(fabs(ratio / 3.3807 - 1) < 0.02, "the barrier waits for %.3f mean steps", ratio);
    ty_result_free(&steady);
}
END_TEST

START_TEST(the_closed_form_knows_stragglers_and_jitter)
{
    const ty_pace pace[] = {{.slow_n = 1, .slow = {{3, 2.0}}},
                            {TY_JITTER_EXP, 0.5},
                            {TY_JITTER_UNIFORM, 0.3},
                            {TY_JITTER_EXP, 0.5, .slow_n = 1, .slow = {{0, 1.7}}}};
    for (size_t i = 0; i < 2 * sizeof pace / sizeof *pace; i++) {
        ty_point p = point(i % 2 ? "data-compressed" : "data-allreduce", 8);
        p.pace = pace[i / 2];
        p.tuning.local_steps = 2000;    /* of others in a comparison */
        p.tuning.compression = TY_1BIT; /* much to add up after the exchange */
        p.steps = 1500;
        p.collective = "ring"; /* others have early messages that share the slow rank's port */
        ty_result r = done_well(p);
        ck_assert(!strstr(r.row.message, "average"));
        ck_assert_msg(fabs(r.row.step_s / r.row.closed_form_s - 1) < 0.02,
                      "case %zu: %g s, closed form %g s", i, r.row.step_s, r.row.closed_form_s);
        ty_result_free(&r);
    }
}
END_TEST

START_TEST(where_only_some_wait_there_is_no_closed_form)
{
    ty_point p = point("data-async", 4);
    p.pace = (ty_pace){.slow_n = 1, .slow = {{2, 2.0}}};
    ty_result r = done_well(p);
    ck_assert(isnan(r.row.closed_form_s) && strstr(r.row.message, "no closed form"));
    ty_result_free(&r);
    p.strategy = "data-allreduce"; /* the straggler has more of the cores when the others wait */
    p.platform = "cluster:nodes=1,cores=2,bandwidth=10Gbps,latency=20us";
    p.workers_per_node = 4;
    r = done_well(p);
    ck_assert(isnan(r.row.closed_form_s) && strstr(r.row.message, "share cores"));
    ty_result_free(&r);
}
END_TEST

START_TEST(a_straggler_changes_the_time_and_not_the_sums)
{
    for (int threads = 0; threads < 2; threads++) {
        ty_point p = point("data-allreduce", 3);
        p.ghost = 0;
        p.keep_params = 1;
        p.fabric = threads ? "threads" : "sim";
        ty_result steady = done_well(p);
        p.pace = (ty_pace){TY_JITTER_EXP, 0.5, .slow_n = 1, .slow = {{1, 3.0}}};
        ty_result slow = done_well(p);
        ck_assert(!memcmp(steady.params, slow.params, steady.params_n * sizeof(float)));
        if (!threads)
            ck_assert_double_gt(slow.row.step_s, 1.5 * steady.row.step_s);
        ty_result_free(&steady);
        ty_result_free(&slow);
    }
}
END_TEST

START_TEST(a_straggler_that_no_plan_has_is_refused)
{
    ty_point p = point("data-allreduce", 3);
    p.pace = (ty_pace){.slow_n = 1, .slow = {{3, 2.0}}};
    refused(p, "ranks 0 to 2");
}
END_TEST

/* ---- asynchrony ------------------------------------------------------------------------------ */

START_TEST(the_mean_staleness_of_alike_workers_is_one_less_than_their_number)
{
    for (int workers = 2; workers <= 16; workers *= 2) {
        ty_point p = point("data-async", workers + 1); /* and their server */
        p.steps = 400;
        p.pace = (ty_pace){TY_JITTER_UNIFORM, 0.1};
        ty_result r = done_well(p);
        const ty_staleness *s = &r.report[0].stale;
        ck_assert_double_eq_tol(s->sum / (double)s->pushes, workers - 1, 0.02 * workers);
        ty_result_free(&r);
    }
}
END_TEST

typedef struct spans { /* of one rank's steps, from the timeline */
    double begin[64], computed[64];
} spans;

static void read_spans(const ty_result *r, spans *s)
{
    const ty_event *e = r->event;
    for (int rank = 0; rank < r->ranks; e += r->report[rank++].events)
        for (size_t i = 0; i < r->report[rank].events; i++) {
            if (e[i].kind != TY_EV_STEP)
                continue;
            s[rank].begin[e[i].name] = e[i].begin;
            for (size_t k = 0; k < r->report[rank].events; k++)
                if (e[k].kind == TY_EV_COMPUTE && e[k].begin >= e[i].begin && e[k].end <= e[i].end)
                    s[rank].computed[e[i].name] = fmax(s[rank].computed[e[i].name], e[k].end);
        }
}

/* Steps that a worker has ended when it begins another one, less those whose gradient the slowest has by then. */
static long most_ahead(const char *strategy, long bound)
{
    enum { STEPS = 40, WORKERS = 5 };
    spans s[WORKERS] = {0};
    long most = 0;
    ty_point p = point(strategy, WORKERS);
    p.steps = p.trace_steps = STEPS;
    p.pace = (ty_pace){TY_JITTER_EXP, 1, .slow_n = 1, .slow = {{2, 3.0}}};
    p.tuning.staleness = bound ? bound : TY_LOCKSTEP;
    ty_result r = done_well(p);
    read_spans(&r, s);
    for (int i = 1; i < WORKERS; i++)
        for (long k = 1; k < STEPS; k++)
            for (int j = 1; j < WORKERS; j++) {
                long has = 0;
                while (has < STEPS && s[j].computed[has] <= s[i].begin[k])
                    has++;
                most = k - has > most ? k - has : most;
            }
    if (r.report[0].stale.most_ahead > most) /* the server's own count is of when it answered */
        most = r.report[0].stale.most_ahead;
    ty_result_free(&r);
    return most;
}

START_TEST(bounded_staleness_never_exceeds_its_bound_in_the_timeline)
{
    for (long bound = 0; bound < 4; bound++)
        ck_assert_int_le(most_ahead("data-stale", bound), bound);
    ck_assert_int_eq(most_ahead("data-stale", 3),
                     3); /* the straggler makes the others run into it */
    ck_assert_int_gt(most_ahead("data-async", 0), 3); /* nobody holds these */
}
END_TEST

/* ---- targets --------------------------------------------------------------------------------- */

static ty_point race(const char *strategy, int workers, const char *fabric)
{
    ty_point p = point(strategy, workers);
    p.problem = &digits;
    p.fabric = fabric;
    p.ghost = 0;
    p.batch = 128;
    p.steps = 0;
    p.rate = 0.02;
    p.until = (ty_target){TY_TARGET_ACCURACY, 0.85};
    return p;
}

static void check_race(ty_point p)
{
    ty_result r = done_well(p);
    const ty_evaluation *last = &r.evaluation[r.evaluations - 1];
    ck_assert_msg(r.row.until_s > 0, "%s: %s", p.strategy, r.row.message);
    for (long i = 0; i + 1 < r.evaluations; i++) {
        ck_assert(!ty_target_reached(&p.until, r.evaluation[i].score));
        ck_assert(r.evaluation[i].seconds < r.evaluation[i + 1].seconds);
    }
    ck_assert_double_ge(last->score.accuracy, 0.85);
    ck_assert_double_eq(r.row.until_s, last->seconds);
    ck_assert_int_ge(r.steps, last->step); /* asynchronous workers end what they have begun */
    ck_assert_int_le(r.steps, last->step + 8);
    ck_assert_double_ge(r.end[r.steps - 1], last->seconds);
    ty_result_free(&r);
}

START_TEST(a_run_ends_when_its_target_is_reached)
{
    static const char *const strategy[] = {"data-allreduce", "data-async",      "data-stale",
                                           "data-local",     "data-compressed", "tensor"};
    for (size_t i = 0; i < sizeof strategy / sizeof *strategy; i++)
        for (int threads = 0; threads < 2; threads++) {
            ty_point p = race(strategy[i], i < 5 ? 3 : 2, threads ? "threads" : "sim");
            p.tuning.compression_ratio = i == 4 ? 0.1 : 0;
            check_race(p);
        }
}
END_TEST

START_TEST(asynchronous_workers_are_not_stopped_for_an_evaluation)
{
    ty_point p = race("data-async", 4, "sim");
    p.pace = (ty_pace){.slow_n = 1, .slow = {{3, 5.0}}};
    p.until = (ty_target){0};
    p.steps = 40;
    ty_result often, seldom;
    p.evaluate_every = 1;
    often = done_well(p);
    p.evaluate_every = 20;
    seldom = done_well(p);
    ck_assert_double_eq_tol(often.end[39], seldom.end[39], 1e-9 * seldom.end[39]);
    ck_assert_int_eq(often.report[0].stale.most_ahead, seldom.report[0].stale.most_ahead);
    ck_assert_double_eq(often.row.loss, seldom.row.loss);
    ty_result_free(&often);
    ty_result_free(&seldom);
}
END_TEST

START_TEST(a_target_that_is_not_reached_is_said)
{
    ty_point p = race("serial", 1, "sim");
    p.steps = 5;
    ty_result r = done_well(p);
    ck_assert(isnan(r.row.until_s) &&
              strstr(r.row.message, "accuracy 0.85 was not reached in 5 steps"));
    ty_result_free(&r);
}
END_TEST

START_TEST(targets_that_nobody_could_see_are_refused)
{
    ty_point p = race("serial", 1, "sim");
    p.ghost = 1;
    refused(p, "add --real");
    p = race("task-pipeline", 2, "threads");
    refused(p, "leave --until out");
    p.until = (ty_target){0};
    p.evaluate_every = 5;
    refused(p, "leave --evaluate-every out");
    p = race("serial", 1, "sim");
    p.steps = 5;
    p.evaluate_every = 6;
    refused(p, "every 6 steps, and there are 5");
    p = race("serial", 1, "sim");
    p.problem = &net;
    refused(p, "no test set");
}
END_TEST

START_TEST(targets_are_read_as_they_are_written)
{
    static const char *const bad[] = {"",        "loss",         "loss=",       "loss=x",
                                      "loss=-1", "loss=nan",     "accuracy=97", "accuracy=0",
                                      "speed=3", "accuracy=0.9x"};
    ty_target t;
    ck_assert_int_eq(ty_target_parse("loss=0.25", &t).code, 0);
    ck_assert(ty_target_reached(&t, (ty_score){.loss = 0.25}) &&
              !ty_target_reached(&t, (ty_score){.loss = 0.26}));
    ck_assert_int_eq(ty_target_parse("accuracy=0.9", &t).code, 0);
    ck_assert(ty_target_reached(&t, (ty_score){.accuracy = 0.9}) &&
              !ty_target_reached(&t, (ty_score){NAN, NAN}));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(ty_target_parse(bad[i], &t).code == TY_EUSAGE, "--until %s", bad[i]);
}
END_TEST

int main(void)
{
    const ty_fabric_ops *sim;
    if (ty_fabric_find("sim", &sim).code)
        return 0; /* all of these are simulated */
    const ty_workload_options small = {.layers = 3, .width = 64, .samples = 4096}, usual = {0};
    ty_err e = ty_machine_load(&machine, TY_TEST_DIR "/machine.yaml");
    TY_CHECK(!e.code, "%s", e.msg);
    e = ty_problem_open(&net, "synthetic-mlp", &small);
    TY_CHECK(!e.code, "%s", e.msg);
    e = ty_problem_open(&digits, "digits-mlp", &usual);
    TY_CHECK(!e.code, "%s", e.msg);
    Suite *suite = suite_create("experiments_race");
    TCase *t = tcase_create("race");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, sixteen_workers_wait_the_harmonic_number_of_mean_exponential_steps);
    tcase_add_test(t, the_closed_form_knows_stragglers_and_jitter);
    tcase_add_test(t, where_only_some_wait_there_is_no_closed_form);
    tcase_add_test(t, a_straggler_changes_the_time_and_not_the_sums);
    tcase_add_test(t, a_straggler_that_no_plan_has_is_refused);
    tcase_add_test(t, the_mean_staleness_of_alike_workers_is_one_less_than_their_number);
    tcase_add_test(t, bounded_staleness_never_exceeds_its_bound_in_the_timeline);
    tcase_add_test(t, a_run_ends_when_its_target_is_reached);
    tcase_add_test(t, asynchronous_workers_are_not_stopped_for_an_evaluation);
    tcase_add_test(t, a_target_that_is_not_reached_is_said);
    tcase_add_test(t, targets_that_nobody_could_see_are_refused);
    tcase_add_test(t, targets_are_read_as_they_are_written);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    ty_problem_close(&net);
    ty_problem_close(&digits);
    return failed != 0;
}
