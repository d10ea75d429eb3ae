/* SPDX-License-Identifier: MIT
 *
 * Every strategy under every law, on the fabric that TY_FABRIC names, with up to 4 workers; `test_conformance many`: with 5
 * to 16. The batch of 31 divides by no number of workers or
 * micro-batches here; an epoch of 98 samples ends in a batch of 5, fewer than there are workers or micro-batches.
 */
#include "tests/conformance_cases.h"

enum { BATCH = 31, SAMPLES = 3 * BATCH + 5, STEPS = 6 }; /* the last step is in the second epoch */

/* Seven layers, for seven stages. Inner widths: 30 divides among 1, 2, 3, 5.. workers, 28 among 1, 2, 4, 7.. */
static const size_t by_thirty[] = {30, 18, 30, 14, 30, 12}, by_28[] = {28, 10, 28, 12, 28, 16};
/* Sixteen layers, for sixteen stages, and widths for 8 and 16. */
static const size_t by_sixteen[] = {16, 10, 32, 12, 16, 10, 48, 14, 16, 12, 16, 10, 32, 14, 16};
static ty_problem thirty, twenty_eight, sixteen;

static int many;

enum { COUNTS = 4 };
static int counts_here(int *count)
{
    static const int few[COUNTS] = {1, 2, 3, 4}, large[COUNTS] = {5, 7, 8, 16};
    return many ? worker_counts(count, large, COUNTS, 1) : worker_counts(count, few, COUNTS, 1);
}

static const ty_problem *fitting(int workers)
{
    return workers > 7 ? &sixteen : workers % 3 && workers % 5 ? &twenty_eight : &thirty;
}

static double worst_serial, worst_time;

static void keeps(trial t)
{
    t.batch = BATCH;
    t.steps = STEPS;
    const verdicts v = must_hold(t);
    worst_serial = v.serial_deviation > worst_serial ? v.serial_deviation : worst_serial;
    worst_time = v.time_deviation > worst_time ? v.time_deviation : worst_time;
}

static void must_refuse(const ty_strategy *s, const ty_problem *q, int workers, size_t batch,
                        int micro, const char *legal);

/* Of each strategy: with each all-reduce, with few and many micro-batches. */
static void each_way(const ty_strategy *s, const ty_problem *q, int workers)
{
    static const char *const named[] = {"ring", "recursive",   "tree",        "rabenseifner",
                                        "star", "double-tree", "hierarchical"};
    trial t = {.strategy = s, .problem = q, .workers = workers, .per_node = 2};
    t.tuning.bucket_bytes =
        s->uses & TY_USES_BUCKETS ? 4096 : 0; /* auto decides from cost, and so from the threads */
    if (s == &ty_serial || s == &ty_task_pipeline) {
        keeps(t);
    } else if (s == &ty_pipeline_gpipe) {
        for (t.micro_batches = 0; t.micro_batches <= 5; t.micro_batches += 5)
            keeps(t);
    } else if (s == &ty_data_async) {
        if (workers > 1)
            keeps(t);
    } else if (s->uses & TY_USES_STALENESS) {
        for (t.tuning.staleness = TY_LOCKSTEP; workers > 1 && t.tuning.staleness <= 1;
             t.tuning.staleness += 1)
            keeps(t);
    } else if (s->shares_memory && !on("threads")) {
        must_refuse(s, q, workers, BATCH, 0, "--fabric threads");
    } else if (s->shares_memory) {
        keeps(t);
    } else if (
        s->uses &
        TY_USES_TASKS) { /* of little time, so that it hides no other; three stages of 7 executors */
        t.tuning.task_seconds = 1e-6;
        for (t.tuning.depth = 1; workers > 1 && t.tuning.depth <= 3; t.tuning.depth++)
            keeps(t);
    } else if (s->uses & TY_USES_COMPRESSION) {
        t.collective = "recursive";
        t.tuning.compression_ratio = 0.03;
        for (int how = 0; how < TY_COMPRESSIONS; how++) {
            t.tuning.compression = (ty_compression)how;
            keeps(t);
        }
    } else if (s->uses & TY_USES_LOCAL_STEPS) {
        for (t.tuning.local_steps = 1; t.tuning.local_steps <= 2; t.tuning.local_steps++)
            for (t.tuning.outer_momentum = 0; t.tuning.outer_momentum < 1;
                 t.tuning.outer_momentum += 0.5) {
                t.collective = "ring";
                keeps(t);
            }
    } else if (s->uses & TY_USES_SERVERS) {
        for (t.tuning.servers = 0; t.tuning.servers <= workers;
             t.tuning.servers += workers > 2 ? 2 : 1)
            keeps(t);
    } else { /* ZeRO scatters and gathers, by the first two; units of some layers, and of one */
        const int zero = s == &ty_data_zero1 || s == &ty_data_zero2 || s == &ty_data_zero3;
        for (int i = 0; i < (zero ? 2 : 7); i++) {
            t.collective = named[i];
            t.tuning.bucket_bytes = zero && i ? 0 : t.tuning.bucket_bytes;
            keeps(t);
        }
    }
}

START_TEST(every_strategy_keeps_every_law)
{
    const ty_strategy *s = ty_strategies[_i];
    int count[COUNTS], n = counts_here(count);
    for (int i = 0; i < n; i++)
        if (s != &ty_serial || count[i] == 1)
            each_way(s, fitting(count[i]), count[i]);
}
END_TEST

/* Shards of 11 and 10 samples in fours; those of the last batch have two samples and one. */
START_TEST(accumulated_gradients_keep_every_law)
{
    const ty_strategy *s = ty_strategies[_i];
    const int workers = s == &ty_serial ? 1 : 3;
    trial t = {.strategy = s, .problem = &thirty, .workers = workers, .micro_batches = 4};
    t.collective = s->uses & TY_USES_COLLECTIVE ? "ring" : NULL;
    t.tuning.bucket_bytes = s->uses & TY_USES_BUCKETS ? 4096 : 0;
    t.tuning.local_steps = s->uses & TY_USES_LOCAL_STEPS ? 2 : 0;
    const int can = s->uses & TY_USES_MICRO_BATCHES && (!s->shares_memory || on("threads"));
    if (can && s != &ty_pipeline_gpipe && ranks_or(workers) == workers)
        keeps(t);
}
END_TEST

static double activations(int micro_batches)
{
    outcome *o = perform((trial){.strategy = &ty_data_allreduce,
                                 .problem = &thirty,
                                 .fabric = "threads",
                                 .ghost = 1,
                                 .workers = 2,
                                 .micro_batches = micro_batches,
                                 .batch = 32,
                                 .steps = 2});
    ck_assert_msg(!o->error.code, "%s", o->error.msg);
    double bytes = (double)o->report[0].ledger.peak_bytes[TY_ACTIV];
    forget(o);
    return bytes;
}

START_TEST(accumulation_makes_room_for_one_micro_batch_only)
{
    if (on("threads"))
        for (int M = 2; M <= 16; M *= 2)
            ck_assert_double_eq(activations(M), activations(1) / M);
}
END_TEST

/* Averages of equal shards after every step: SGD with momentum is linear in the gradients. */
START_TEST(local_sgd_that_averages_in_every_step_is_serial)
{
    ty_strategy exact = ty_data_local;
    int count[COUNTS], n = counts_here(count);
    exact.inexact = 0;
    for (int i = 0; i < n; i++) {
        const size_t batch = 12 * (size_t)count[i];
        ty_problem whole_batches = digits(by_28, 6, 4 * (uint32_t)batch);
        verdicts v = apply_laws((trial){.strategy = &exact,
                                        .problem = &whole_batches,
                                        .fabric = fabric_name(),
                                        .workers = count[i],
                                        .batch = batch,
                                        .steps = STEPS,
                                        .tuning.local_steps = 1,
                                        .collective = "ring"});
        ck_assert_msg(!v.law[1].code, "%d workers: %s", count[i], v.law[1].msg);
        ty_problem_close(&whole_batches);
    }
}
END_TEST

/* All of the gradient, uncompressed, though in an order of its own. */
START_TEST(top_k_of_everything_is_serial)
{
    ty_strategy exact = ty_data_compressed;
    int count[COUNTS], n = counts_here(count);
    exact.inexact = 0;
    for (int i = 0; i < n; i++) {
        verdicts v = apply_laws((trial){.strategy = &exact,
                                        .problem = &thirty,
                                        .fabric = fabric_name(),
                                        .workers = count[i],
                                        .batch = BATCH,
                                        .steps = STEPS,
                                        .tuning.compression_ratio = 1,
                                        .collective = "ring"});
        ck_assert_msg(!v.law[1].code, "%d workers: %s", count[i], v.law[1].msg);
    }
}
END_TEST

START_TEST(one_worker_alone_in_shared_memory_is_serial_bit_for_bit)
{
    const ty_strategy *const s[] = {&ty_serial, &ty_data_hogwild};
    outcome *o[2];
    if (!on("threads"))
        return;
    for (int i = 0; i < 2; i++)
        o[i] = perform((trial){.strategy = s[i],
                               .problem = &thirty,
                               .fabric = "threads",
                               .workers = 1,
                               .batch = BATCH,
                               .steps = STEPS});
    ck_assert_msg(!law_ends_whole(o[1]).code, "%s", law_ends_whole(o[1]).msg);
    ty_err e = law_equal_across_fabrics(o[0], o[1]);
    ck_assert_msg(!e.code, "%s", e.msg);
    forget(o[0]);
    forget(o[1]);
}
END_TEST

START_TEST(adam_keeps_them_too)
{
    int count[COUNTS], n = counts_here(count);
    if (n > 0 && count[n > 2 ? 2 : 0] <= 3)
        keeps((trial){.strategy = &ty_data_allreduce,
                      .problem = &thirty,
                      .workers = count[n > 2 ? 2 : 0],
                      .optimizer = TY_ADAMW,
                      .collective = "ring"});
}
END_TEST

/* Large enough that every kernel of it shares its work out. */
START_TEST(a_seeded_run_has_the_same_bits_for_any_number_of_openmp_threads)
{
    static const size_t wide[] = {512, 250};
    const ty_strategy *const s[] = {&ty_serial, &ty_data_allreduce};
    if (!on("threads"))
        return;
    ty_problem q = digits(wide, 2, 0);
    outcome *o[3];
    for (int i = 0; i < 3; i++) {
        o[i] = perform((trial){.strategy = s[_i],
                               .problem = &q,
                               .fabric = "threads",
                               .workers = 1 + _i,
                               .batch = 255,
                               .steps = 3,
                               .threads = i + 1,
                               .collective = "ring"});
        ck_assert_msg(!law_ends_whole(o[i]).code, "%s", law_ends_whole(o[i]).msg);
        ty_err e = law_equal_for_any_threads(o[0], o[i]);
        e = e.code ? e : law_equal_across_fabrics(o[0], o[i]);
        ck_assert_msg(!e.code, "%s with %d threads: %s", s[_i]->name, i + 1, e.msg);
    }
    for (int i = 0; i < 3; i++)
        forget(o[i]);
    ty_problem_close(&q);
}
END_TEST

static void must_refuse(const ty_strategy *s, const ty_problem *q, int workers, size_t batch,
                        int micro, const char *legal)
{
    outcome *o = perform((trial){.strategy = s,
                                 .problem = q,
                                 .fabric = fabric_name(),
                                 .workers = workers,
                                 .micro_batches = micro,
                                 .batch = batch,
                                 .steps = STEPS});
    ck_assert_msg(o->error.code == TY_EUSAGE, "%s with %d workers is not refused", s->name,
                  workers);
    ck_assert_msg(strstr(o->error.msg, legal), "'%s' does not say '%s'", o->error.msg, legal);
    forget(o);
}

START_TEST(an_illegal_plan_is_refused_before_a_rank_starts_and_told_what_is_legal)
{
    must_refuse(&ty_serial, &thirty, 2, BATCH, 0, "--workers 1");
    must_refuse(&ty_data_allreduce, &thirty, 7, 5, 0, "--workers 5");
    must_refuse(&ty_tensor_parallel, &thirty, 4, BATCH, 0, "1, 2, 3, 5, 6, 10, 15, 30");
    must_refuse(&ty_tensor_parallel, &twenty_eight, 3, BATCH, 0, "1, 2, 4, 7, 14, 28");
    must_refuse(&ty_pipeline_gpipe, &thirty, 8, BATCH, 0, "--workers 1..7");
    must_refuse(&ty_pipeline_gpipe, &thirty, 2, BATCH, BATCH + 1, "1 to 31");
}
END_TEST

/* Those that need no second look with many workers. */
static void add_the_rest(TCase *t)
{
    tcase_add_loop_test(t, accumulated_gradients_keep_every_law, 0, (int)ty_strategies_n);
    tcase_add_test(t, accumulation_makes_room_for_one_micro_batch_only);
    tcase_add_test(t, local_sgd_that_averages_in_every_step_is_serial);
    tcase_add_test(t, top_k_of_everything_is_serial);
    tcase_add_test(t, one_worker_alone_in_shared_memory_is_serial_bit_for_bit);
    tcase_add_test(t, adam_keeps_them_too);
    tcase_add_loop_test(t, a_seeded_run_has_the_same_bits_for_any_number_of_openmp_threads, 0, 2);
    tcase_add_test(t, an_illegal_plan_is_refused_before_a_rank_starts_and_told_what_is_legal);
}

int main(int argc, char **argv)
{
    many = argc > 1 && !strcmp(argv[1], "many");
    thirty = digits(by_thirty, 6, SAMPLES);
    twenty_eight = digits(by_28, 6, SAMPLES);
    sixteen = digits(by_sixteen, 15, SAMPLES);
    Suite *s = suite_create("conformance");
    TCase *t = tcase_create(fabric_name());
    tcase_add_loop_test(t, every_strategy_keeps_every_law, 0, (int)ty_strategies_n);
    if (!many)
        add_the_rest(t);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    if (getenv("TY_TELL"))
        printf("largest part of the bound: law 1 %.3g, law 5 %.3g\n", worst_serial, worst_time);
    srunner_free(runner);
    ty_problem_close(&thirty);
    ty_problem_close(&twenty_eight);
    ty_problem_close(&sixteen);
    return failed ? 1 : 0;
}
