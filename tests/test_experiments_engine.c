/* SPDX-License-Identifier: MIT
 *
 * The engine: a point is a result whatever happens to it, and its figures add up.
 */
#include "experiments/child.h"
#include "tests/points.h"

#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ty_machine machine;
static ty_problem net;
static int can_simulate;

static ty_point point(const char *strategy, const char *fabric, int workers)
{
    return (ty_point){.strategy = strategy,
                      .problem = &net,
                      .fabric = fabric,
                      .workers = workers,
                      .platform = "ideal",
                      .batch = 32,
                      .steps = 4,
                      .ghost = -1,
                      .threads = 1,
                      .machine = &machine};
}

/* ---- what goes wrong -------------------------------------------------------------------------------- */

START_TEST(a_run_that_fails_on_the_way_is_a_result_that_says_why)
{
    ty_point p = point("data-allreduce", "threads", 2);
    p.rate = 1e30; /* the loss is soon no number: the run stops */
    p.steps = 20;
    ty_result r = done(p);
    ck_assert_int_eq(r.row.ok, 0);
    ck_assert_msg(strstr(r.row.message, "loss of step") && strstr(r.row.message, "lower --rate"),
                  "%s", r.row.message);
    ck_assert_msg(isnan(r.row.step_s) && isnan(r.row.loss) && isnan(r.row.bytes_sent),
                  "a failed run has figures");
    ty_result_free(&r);
}
END_TEST

static void killed(void *a, void *b)
{
    (void)a, (void)b;
    raise(SIGKILL);
}

static void says_and_exits(void *a, void *b)
{
    (void)a;
    dprintf(2, "something else\ntrainyard: the last line\n");
    _exit(*(int *)b);
}

START_TEST(the_end_of_a_child_is_told_by_its_last_line_or_its_signal)
{
    int status = 7;
    ty_err e = ty_child_run(killed, NULL, NULL, NULL, NULL, NULL);
    ck_assert_msg(e.code == TY_EWRONG && strstr(e.msg, "signal 9"), "%s", e.msg);
    e = ty_child_run(says_and_exits, NULL, &status, NULL, NULL, NULL);
    ck_assert_int_eq(e.code, TY_EWRONG);
    ck_assert_str_eq(e.msg, "the last line");
    status = 0; /* words alone are no failure */
    ck_assert(!ty_child_run(says_and_exits, NULL, &status, NULL, NULL, NULL).code);
}
END_TEST

static double loss_with(double momentum)
{
    ty_point p = point("serial", "threads", 1);
    p.steps = 8;
    p.momentum = momentum;
    ty_result r = done(p);
    double loss = r.row.loss;
    ck_assert_int_eq(r.row.ok, 1);
    ty_result_free(&r);
    return loss;
}

START_TEST(momentum_can_be_none)
{
    double none = loss_with(TY_NO_MOMENTUM), usual = loss_with(0);
    ck_assert_double_eq(usual, loss_with(0.9));
    ck_assert_double_eq_tol(none, loss_with(1e-12), 1e-9);
    ck_assert_double_gt(fabs(none - usual), 1e-3);
}
END_TEST

START_TEST(what_does_not_fit_is_a_result_and_no_error)
{
    ty_machine small = machine;
    small.memory = 1e4;
    ty_point p = point("data-allreduce", "threads", 2);
    p.machine = &small;
    ty_result r = done(p);
    ck_assert_int_eq(r.row.ok, 1);
    ck_assert_int_eq(r.row.fits, 0);
    ck_assert_double_gt(r.row.peak_bytes, 1e4);
    ck_assert_msg(strstr(r.row.message, "does not fit"), "%s", r.row.message);
    ty_result_free(&r);
    r = done(point("data-allreduce", "threads", 2));
    ck_assert_int_eq(r.row.fits, 1);
    ty_result_free(&r);
}
END_TEST

START_TEST(a_mistake_is_refused_before_anything_runs)
{
    ty_point p = point("data-allreduce", "threads", 2);
    p.epochs = 1;
    refused(p, "--steps and --epochs exclude each other");
    p.epochs = 0;
    p.steps = 1;
    refused(p, "use 2 or more");
    p.steps = -4;
    refused(p, "--steps -4");
    refused(point("data-alreduce", "threads", 2), "data-allreduce");
    refused(point("serial", "thread", 1), "threads");
    refused(point("serial", "threads", 0), "--workers 0");
    refused(point("serial", "threads", 70000), "65536");
    p = point("serial", "threads", 1);
    p.threads = -1;
    refused(p, "--threads -1");
    if (can_simulate) {
        p = point("serial", "sim", 1);
        p.platform = "ideall";
        refused(p, "ideal");
    }
}
END_TEST

/* ---- how long --------------------------------------------------------------------------------------- */

START_TEST(a_run_is_as_long_as_asked)
{
    ty_point p = point("serial", "threads", 1);
    ty_result r = done(p);
    ck_assert_int_eq(r.steps, 4);
    ck_assert_int_eq(r.evaluations, 0);
    ck_assert_msg(isnan(r.row.accuracy) && isnan(r.row.test_loss), "a score without an epoch");
    ty_result_free(&r);
    p.steps = 0;
    p.epochs = 2;
    p.batch = 400; /* 1500 samples: three full batches and one of 300 */
    r = done(p);
    ck_assert_int_eq(r.steps, 8);
    ck_assert_int_eq(r.evaluations, 2);
    ck_assert(r.evaluation[0].score.accuracy > 0.05 && r.evaluation[1].score.accuracy <= 1);
    ck_assert_double_eq(r.row.accuracy, r.evaluation[1].score.accuracy);
    ck_assert(r.evaluation[0].score.loss > 0.1 && r.evaluation[0].score.loss < 4);
    ck_assert_double_eq(r.row.test_loss, r.evaluation[1].score.loss);
    ck_assert_double_eq(r.row.loss, r.loss[7]);
    ty_result_free(&r);
    p.epochs = 0; /* real runs: one epoch */
    r = done(p);
    ck_assert_int_eq(r.steps, 4);
    ty_result_free(&r);
    p.ghost = 1; /* ghosts: until it is steady */
    r = done(p);
    ck_assert_int_eq(r.steps, 3);
    ty_result_free(&r);
}
END_TEST

/* ---- figures ---------------------------------------------------------------------------------------- */

/* What is wrong with the figures of a run, or TY_OK. */
static ty_err adds_up(const char *strategy, const char *fabric, int workers, double within)
{
    ty_point p = point(strategy, fabric, workers);
    p.steps = 100; /* the first touch of a page counts less */
    ty_result r = done(p);
    const ty_row *w = &r.row;
    double sum = w->compute_s + w->comm_exposed_s + w->wait_s;
    ty_err e = ty_ok();
    ck_assert_msg(w->ok, "%s: %s", strategy, w->message);
    ck_assert(w->compute_s > 0 && w->comm_exposed_s >= 0 && w->comm_hidden_s >= 0 &&
              w->wait_s >= 0);
    ck_assert(w->closed_form_s > 0 || strstr(w->message, "no closed form"));
    ck_assert(w->step_p10_s <= w->step_s && w->step_s <= w->step_p90_s);
    for (int i = 0; i < r.ranks; i++)
        ck_assert_double_le(r.report[i].ledger.compute_s,
                            r.report[r.shown].ledger.compute_s * (1 + 1e-9));
    if (!(fabs(sum / w->step_s - 1) <= within))
        e = ty_error(TY_EWRONG, "%s on %s, %d workers: %g + %g + %g is not %g", strategy, fabric,
                     workers, w->compute_s, w->comm_exposed_s, w->wait_s, w->step_s);
    ty_result_free(&r);
    return e;
}

/* Real time passes between reading two clocks, much when others want the processor: chance may
 * spoil a run or two, a mistake in the account spoils all. */
static ty_err adds_up_for_real(const char *strategy, int workers)
{
    ty_err e = ty_ok();
    for (int i = 0; i < 5; i++)
        if (!(e = adds_up(strategy, "threads", workers, 0.05)).code)
            break;
    return e;
}

START_TEST(computing_communicating_and_waiting_make_up_a_step)
{
    const ty_strategy *s = ty_strategies[_i];
    const char *name = s->name;
    const int apart = s->order == TY_ARRIVAL || s->uses & TY_USES_TASKS; /* rank 0 only serves */
    const int least = apart ? 2 : 1;
    for (int workers = least; workers <= 3; workers += strcmp(name, "serial") ? 1 : 3) {
        ty_err e = adds_up_for_real(name, workers);
        if (!e.code && can_simulate && !s->shares_memory)
            e = adds_up(name, "sim", workers, 1e-9);
        ck_assert_msg(!e.code, "%s", e.msg);
    }
}
END_TEST

/* Equal workers come in turn: between a pull and its push everybody else has pushed once. */
START_TEST(asynchronous_gradients_are_as_old_as_there_are_other_workers)
{
    if (!can_simulate)
        return;
    for (int training = 2; training <= 8; training *= 2) {
        ty_point p = point("data-async", "sim", training + 1);
        p.steps = 50;
        ty_result r = done(p);
        const ty_staleness *s = &r.report[0].stale;
        ck_assert_int_eq(s->pushes, 50 * training);
        /* the first step of all begins together and is fresher */
        ck_assert_msg(fabs(s->sum / (double)s->pushes - (training - 1)) < 0.05 * training,
                      "%d workers: %g", training, s->sum / (double)s->pushes);
        ty_result_free(&r);
    }
}
END_TEST

START_TEST(nobody_gets_further_ahead_than_the_bound)
{
    for (long bound = 0; bound <= 2; bound++) {
        ty_point p = point("data-stale", "threads", 4);
        p.batch = 31; /* one worker has a sample more */
        p.steps = 40;
        p.tuning.staleness = bound ? bound : TY_LOCKSTEP;
        ty_result r = done(p);
        ck_assert_int_eq(r.report[0].stale.pushes, 3 * 40);
        ck_assert_int_le(r.report[0].stale.most_ahead, bound);
        ty_result_free(&r);
    }
}
END_TEST

/* Lost changes and old parameters and all: how much is lost differs from run to run. */
START_TEST(workers_without_a_lock_learn_what_serial_does)
{
    ty_point alone = point("serial", "threads", 1);
    alone.steps = 300;
    ty_result serial = done(alone);
    for (int workers = 1; workers <= 4; workers++) {
        ty_point p = point("data-hogwild", "threads", workers);
        p.steps = 300;
        ty_result r = done(p);
        ck_assert_int_eq(r.row.ok, 1);
        ck_assert_msg(r.row.loss < 0.25 * r.loss[0], "%d workers: loss %g, then %g", workers,
                      r.loss[0], r.row.loss);
        ck_assert_msg(r.row.accuracy > serial.row.accuracy - 0.05,
                      "%d workers: accuracy %g, serial %g", workers, r.row.accuracy,
                      serial.row.accuracy);
        ck_assert_msg(workers > 1 || r.row.loss == serial.row.loss, "%g is not serial's %g",
                      r.row.loss, serial.row.loss);
        ty_result_free(&r);
    }
    ty_result_free(&serial);
}
END_TEST

START_TEST(shared_memory_is_refused_where_there_is_none)
{
    refused(point("data-hogwild", "sim", 2), "use --fabric threads");
    ty_point p = point("data-hogwild", "threads", 33);
    refused(p, "--workers 32 or fewer");
}
END_TEST

START_TEST(a_real_run_is_compared_with_serial_and_brings_its_parameters)
{
    ty_point p = point("tensor", "threads", 2);
    p.keep_params = 1;
    ty_result r = done(p);
    ck_assert_int_eq(r.row.ok, 1);
    ck_assert(r.difference >= 0 && r.difference < 1e-5);
    ck_assert_uint_eq(r.params_n, net.params);
    ck_assert_ptr_nonnull(r.params);
    ck_assert(r.here && r.wall_s > 0);
    ty_result_free(&r);
}
END_TEST

START_TEST(a_ghost_has_no_loss_and_says_so)
{
    ty_point p = point("data-allreduce", "threads", 3);
    p.ghost = 1;
    p.keep_params = 1;
    p.collective = "ring"; /* where all send alike */
    ty_result r = done(p);
    ck_assert(r.row.ok && isnan(r.row.loss) && isnan(r.row.accuracy) && !r.loss && !r.params);
    ck_assert_msg(strstr(r.row.message, "ghost run: no loss"), "%s", r.row.message);
    ck_assert_double_eq(r.row.messages, r.report[0].closed_messages);
    ty_result_free(&r);
}
END_TEST

START_TEST(a_timeline_holds_the_traced_steps_and_no_more_events_than_there_is_room_for)
{
    ty_point p = point("data-allreduce", "threads", 2);
    p.trace_steps = 2;
    ty_result r = done(p);
    size_t all = 0;
    int steps = 0;
    for (int i = 0; i < r.ranks; i++)
        all += r.report[i].events;
    for (size_t i = 0; i < r.events; i++) {
        ck_assert(r.event[i].begin <= r.event[i].end);
        steps += r.event[i].kind == TY_EV_STEP;
    }
    ck_assert_uint_eq(all, r.events);
    ck_assert_int_eq(steps, 2 * 2);
    ty_result_free(&r);
    p = point("serial", "threads", 1);
    p.ghost = 1;
    p.steps = p.trace_steps = 20000;
    r = done(p);
    ck_assert_uint_eq(r.events, 200000);
    ck_assert_uint_eq(r.report[0].events, r.events);
    ck_assert_int_eq(r.row.ok, 1);
    ty_result_free(&r);
}
END_TEST

/* Of 4 workers, 2 a node: 1 + 2 + 1 messages each; a ring of them all would send 6. */
START_TEST(workers_per_node_group_hierarchical_sums_alike_on_every_fabric)
{
    const char *const fabric[] = {"threads", "sim"};
    ty_result r[2];
    for (int i = 0; i < 1 + can_simulate; i++) {
        ty_point p = point("data-allreduce", fabric[i], 4);
        p.workers_per_node = 2;
        p.collective = "hierarchical";
        p.ghost = 0;
        p.keep_params = 1;
        r[i] = done(p);
        ck_assert_double_eq(r[i].row.messages, 4);
        ck_assert(!memcmp(r[0].params, r[i].params, net.params * sizeof(float)));
    }
    for (int i = 0; i < 1 + can_simulate; i++)
        ty_result_free(&r[i]);
}
END_TEST

START_TEST(two_simulated_runs_print_the_same_row_and_timeline)
{
    char text[2][65536];
    for (int i = 0; can_simulate && i < 2; i++) {
        ty_point p = point("pipeline-gpipe", "sim", 3);
        p.ghost = 0;
        p.trace_steps = 1;
        ty_result r = done(p);
        memset(text[i], 0, sizeof text[i]);
        FILE *f = fmemopen(text[i], sizeof text[i], "w");
        int first = 1;
        ty_row_write(f, &r.row);
        size_t at = 0;
        for (int k = 0; k < r.ranks; k++) {
            ty_trace_write(f, k, r.event + at, r.report[k].events, &first);
            at += r.report[k].events;
        }
        fclose(f);
        ty_result_free(&r);
    }
    ck_assert_str_eq(text[0], text[1]);
    ck_assert(!can_simulate || strlen(text[0]) > 2000);
}
END_TEST

int main(void)
{
    const ty_fabric_ops *sim;
    ty_workload_options o = {.hidden = {30, 18, 30}, .hidden_n = 3};
    ty_err e = ty_problem_open(&net, "digits-mlp", &o);
    TY_CHECK(!e.code, "%s", e.msg);
    e = ty_machine_load(&machine, TY_TEST_DIR "/machine.yaml");
    TY_CHECK(!e.code, "%s", e.msg);
    can_simulate = !ty_fabric_find("sim", &sim).code;
    Suite *s = suite_create("experiments_engine");
    TCase *t = tcase_create("engine");
    tcase_add_test(t, a_run_that_fails_on_the_way_is_a_result_that_says_why);
    tcase_add_test(t, the_end_of_a_child_is_told_by_its_last_line_or_its_signal);
    tcase_add_test(t, momentum_can_be_none);
    tcase_add_test(t, what_does_not_fit_is_a_result_and_no_error);
    tcase_add_test(t, a_mistake_is_refused_before_anything_runs);
    tcase_add_test(t, a_run_is_as_long_as_asked);
    tcase_add_loop_test(t, computing_communicating_and_waiting_make_up_a_step, 0,
                        (int)ty_strategies_n);
    tcase_add_test(t, asynchronous_gradients_are_as_old_as_there_are_other_workers);
    tcase_add_test(t, nobody_gets_further_ahead_than_the_bound);
    tcase_add_test(t, workers_without_a_lock_learn_what_serial_does);
    tcase_add_test(t, shared_memory_is_refused_where_there_is_none);
    tcase_add_test(t, a_real_run_is_compared_with_serial_and_brings_its_parameters);
    tcase_add_test(t, a_ghost_has_no_loss_and_says_so);
    tcase_add_test(t, a_timeline_holds_the_traced_steps_and_no_more_events_than_there_is_room_for);
    tcase_add_test(t, workers_per_node_group_hierarchical_sums_alike_on_every_fabric);
    tcase_add_test(t, two_simulated_runs_print_the_same_row_and_timeline);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    ty_problem_close(&net);
    return failed ? 1 : 0;
}
