/* SPDX-License-Identifier: MIT
 *
 * A law that could not reject anything would be worse than none: every deliberately wrong strategy is rejected, by exactly
 * the laws that it breaks. `test_conformance_wrong deadlock` runs only the strategy that ends no MPI job but by time-out.
 */
#include "tests/conformance.h"
#include "tests/on_fabric.h"
#include "tests/wrong_strategies.h"

enum { BATCH = 31, SAMPLES = 3 * BATCH + 5, STEPS = 6 };
static const size_t hidden[] = {30, 18};
static ty_problem problem;

static trial of(const ty_strategy *s)
{
    return (trial){.strategy = s,
                   .problem = &problem,
                   .fabric = fabric_name(),
                   .workers = ranks_or(3),
                   .batch = BATCH,
                   .steps = STEPS,
                   .collective = "ring",
                   .timeout_s = 1};
}

START_TEST(every_wrong_strategy_is_rejected_by_the_laws_that_it_breaks)
{
    const wrong *w = &wrongs[_i];
    const char *expected = on("sim")   ? w->rejected_on_sim
                           : on("mpi") ? w->rejected_on_mpi
                                       : w->rejected_on_threads;
    if (ranks_or(3) < 3 || !expected) /* with fewer ranks some mistakes make no difference */
        return;
    verdicts v = apply_laws(of(w->strategy));
    if (getenv("OMPI_COMM_WORLD_RANK") && atoi(getenv("OMPI_COMM_WORLD_RANK")) > 0)
        return; /* rank 0 knows */
    ck_assert_msg(!strcmp(rejecting(&v), expected),
                  "%s (%s) is rejected by the laws '%s', not '%s': %s", w->strategy->name,
                  w->strategy->summary, rejecting(&v), expected, first_verdict(&v));
    if (getenv("TY_TELL"))
        printf("%-18s law %-10s %s\n", w->strategy->name, rejecting(&v), first_verdict(&v));
}
END_TEST

START_TEST(the_right_one_is_not_rejected)
{
    verdicts v = apply_laws(of(&ty_data_allreduce));
    ck_assert_msg(!*rejecting(&v), "data-allreduce is rejected by law %s: %s", rejecting(&v),
                  first_verdict(&v));
}
END_TEST

/* The line with which law 7 rejects, or NULL. */
static const char *seventh(const ty_strategy *s, int ghost)
{
    static char line[240];
    trial t = of(s);
    t.ghost = ghost;
    outcome *o = perform(t);
    ty_err e = law_ends_whole(o);
    int says_so = o->error.code == TY_EWRONG;
    forget(o);
    snprintf(line, sizeof line, "%s", e.msg);
    return e.code && says_so ? line : NULL;
}

START_TEST(a_deadlock_ends_the_run_and_names_the_waiting_ranks)
{
    if (on("mpi")) /* ends the job: tests/test_conformance_mpi.sh */
        return;
    const char *line = seventh(&wrong_deadlock, _i);
    ck_assert_ptr_nonnull(line);
    ck_assert_msg(strstr(line, "rank 0 waits for 4 B from rank 1") &&
                      strstr(line, "rank 1 waits for 4 B from rank 2") &&
                      strstr(line, "rank 2 waits for 4 B from rank 0"),
                  "it says '%s'", line);
}
END_TEST

START_TEST(a_deadlock_of_lanes_names_their_ranks)
{
    if (on("mpi"))
        return;
    const char *line = seventh(&wrong_lane_deadlock, _i);
    ck_assert_ptr_nonnull(line);
    ck_assert_msg(strstr(line, "rank 0 waits for") && strstr(line, "rank 2 waits for"),
                  "it says '%s'", line);
}
END_TEST

START_TEST(a_crash_of_one_rank_ends_the_run_with_its_words)
{
    if (on("mpi"))
        return;
    const char *line = seventh(&wrong_crash, _i);
    ck_assert_ptr_nonnull(line);
    ck_assert_msg(strstr(line, "rank 1 @") && strstr(line, "on purpose"), "it says '%s'", line);
}
END_TEST

static int only_deadlock(void)
{
    const ty_fabric_ops *ops;
    ty_err e = ty_fabric_find(fabric_name(), &ops);
    if (!e.code) {
        outcome *o = perform(of(&wrong_deadlock));
        e = law_ends_whole(o);
        forget(o);
    }
    fprintf(stderr, "%s\n", e.msg);
    return e.code;
}

int main(int argc, char **argv)
{
    problem = digits(hidden, 2, SAMPLES);
    if (argc > 1 && !strcmp(argv[1], "deadlock"))
        return only_deadlock();
    Suite *s = suite_create("conformance_wrong");
    TCase *t = tcase_create(fabric_name());
    tcase_add_test(t, the_right_one_is_not_rejected);
    tcase_add_loop_test(t, every_wrong_strategy_is_rejected_by_the_laws_that_it_breaks, 0,
                        (int)wrongs_n);
    tcase_add_loop_test(t, a_deadlock_ends_the_run_and_names_the_waiting_ranks, 0, 2);
    tcase_add_loop_test(t, a_deadlock_of_lanes_names_their_ranks, 0, 2);
    tcase_add_loop_test(t, a_crash_of_one_rank_ends_the_run_with_its_words, 0, 2);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    ty_problem_close(&problem);
    return failed ? 1 : 0;
}
