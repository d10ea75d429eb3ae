/* SPDX-License-Identifier: MIT
 *
 * A small sunspots-lstm under the laws, on the fabric that TY_FABRIC names: a loss of values, several labels a sample, and
 * blocks that keep something for their backward pass. The batch of 13 divides by no number of workers or micro-batches.
 */
#include "tests/conformance.h"
#include "tests/on_fabric.h"

enum { BATCH = 13, SAMPLES = 3 * BATCH + 2, STEPS = 6 }; /* the last step is in the second epoch */

static ty_problem problem; /* four blocks */

static ty_problem sunspots(void)
{
    ty_problem q;
    const ty_workload_options o = {.layers = 3, .width = 9, .context = 12};
    ty_err e = ty_problem_open(&q, "sunspots-lstm", &o);
    TY_CHECK(!e.code, "%s", e.msg);
    q.data.train.n = SAMPLES;
    return q;
}

static void must_hold(trial t)
{
    t.problem = &problem;
    t.fabric = fabric_name();
    t.batch = BATCH;
    t.steps = STEPS;
    verdicts v = apply_laws(t);
    ck_assert_msg(!*rejecting(&v), "%s, %d workers, %s, %d micro-batches on %s breaks law %s: %s",
                  t.strategy->name, t.workers, t.collective ? t.collective : "auto",
                  t.micro_batches, t.fabric, rejecting(&v), first_verdict(&v));
}

/* Worker counts from `least` on that are to be tried here. */
static int worker_counts(int *count, int least)
{
    static const int all[] = {1, 2, 3, 4};
    int n = 0;
    for (int i = 0; i < 4; i++)
        if (all[i] >= least && (!on("mpi") || all[i] == ranks_or(0)))
            count[n++] = all[i];
    return n;
}

START_TEST(serial_keeps_every_law)
{
    if (ranks_or(1) == 1)
        must_hold((trial){.strategy = &ty_serial, .workers = 1});
}
END_TEST

/* Not by a tree: where a sample is a large part of a shard, a rank with one less sends up the tree before the others want
 * it, and is faster than its closed form. */
START_TEST(data_allreduce_keeps_every_law)
{
    int count[4], n = worker_counts(count, 1);
    for (int i = 0; i < n; i++)
        must_hold((trial){.strategy = &ty_data_allreduce,
                          .workers = count[i],
                          .collective = count[i] == 3 ? "ring" : "recursive"});
}
END_TEST

START_TEST(pipeline_keeps_every_law)
{
    int count[4], n = worker_counts(count, 2);
    for (int i = 0; i < n; i++)
        for (int micro = 1; micro <= 5; micro += 2)
            must_hold((trial){
                .strategy = &ty_pipeline_gpipe, .workers = count[i], .micro_batches = micro});
}
END_TEST

START_TEST(task_pipeline_keeps_every_law)
{
    int count[4], n = worker_counts(count, 1);
    for (int i = 0; i < n; i++)
        must_hold((trial){.strategy = &ty_task_pipeline, .workers = count[i]});
}
END_TEST

int main(void)
{
    problem = sunspots();
    Suite *s = suite_create("conformance/sunspots");
    TCase *t = tcase_create(fabric_name());
    tcase_add_test(t, serial_keeps_every_law);
    tcase_add_test(t, data_allreduce_keeps_every_law);
    tcase_add_test(t, pipeline_keeps_every_law);
    tcase_add_test(t, task_pipeline_keeps_every_law);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    ty_problem_close(&problem);
    return failed ? 1 : 0;
}
