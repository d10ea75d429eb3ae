/* SPDX-License-Identifier: MIT
 *
 * What ZeRO is for: a worker's share of parameters, gradients and optimizer state is as large as Rajbhandari et al. (SC 2020)
 * say, and what it learns is what serial learns. On the fabric that TY_FABRIC names.
 */
#include "tests/conformance_cases.h"

#include <math.h>

enum { BATCH = 64, SAMPLES = 3 * BATCH + 5, STEPS = 5, ZEROS = 3 };

static ty_problem problem; /* nine layers, seven of them equal */

/* Bytes a parameter, fp32 and AdamW: what every worker holds, and what the workers share. */
static const struct {
    const ty_strategy *strategy;
    double whole, shared;
} zero[ZEROS] = {{&ty_data_zero1, 8, 8}, {&ty_data_zero2, 4, 12}, {&ty_data_zero3, 0, 16}};

static trial of(const ty_strategy *s, int workers)
{
    return (trial){.strategy = s,
                   .problem = &problem,
                   .fabric = fabric_name(),
                   .workers = workers,
                   .batch = BATCH,
                   .steps = STEPS,
                   .collective = "ring"};
}

static void holds(const outcome *o, const char *name, double bytes)
{
    for (int i = 0; i < o->workers; i++) {
        const size_t *peak = o->report[i].ledger.peak_bytes;
        const double held = (double)(peak[TY_PARAM] + peak[TY_GRAD] + peak[TY_OPTIM]);
        ck_assert_msg(fabs(held / bytes - 1) <= 0.02, "%s: rank %d of %d holds %.0f B, not %.0f",
                      name, i, o->workers, held, bytes);
    }
}

START_TEST(a_worker_holds_what_the_paper_says)
{
    static const int all[] = {2, 4, 8};
    int count[3], n = worker_counts(count, all, 3, 2);
    for (int i = 0; i < n; i++) {
        trial t = of(zero[_i].strategy, count[i]);
        t.optimizer = TY_ADAMW;
        outcome *o = perform(t);
        ck_assert_msg(!o->error.code, "%s", o->error.msg);
        if (o->here)
            holds(o, zero[_i].strategy->name,
                  (zero[_i].whole + zero[_i].shared / count[i]) * (double)problem.params);
        forget(o);
    }
}
END_TEST

/* Of more workers than the other suites have, with accumulated gradients; the last batch has samples for five. */
START_TEST(it_learns_what_serial_learns)
{
    static const int all[] = {5, 8};
    int count[2], n = worker_counts(count, all, 2, 1);
    for (int i = 0; i < n; i++) {
        trial t = of(zero[_i].strategy, count[i]);
        t.micro_batches = 3;
        must_hold(t);
    }
}
END_TEST

int main(void)
{
    static const size_t equal[] = {96, 96, 96, 96, 96, 96, 96, 96};
    problem = digits(equal, 8, SAMPLES);
    Suite *s = suite_create("conformance/zero");
    TCase *t = tcase_create(fabric_name());
    tcase_add_loop_test(t, a_worker_holds_what_the_paper_says, 0, ZEROS);
    tcase_add_loop_test(t, it_learns_what_serial_learns, 0, ZEROS);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    ty_problem_close(&problem);
    return failed ? 1 : 0;
}
