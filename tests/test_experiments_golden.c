/* SPDX-License-Identifier: MIT
 *
 * Golden runs: a few simulations print, byte for byte, what tests/golden/ says. A change that is meant is written down by
 *
 *     TY_GOLDEN=write build/test/tests/test_experiments_golden     and read in the difference before it is kept.
 */
#include "experiments/engine.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 18 };

static ty_machine machine;
static ty_problem net, layers;

static ty_point point(const char *strategy, const ty_problem *q, const char *platform, int workers)
{
    return (ty_point){.strategy = strategy,
                      .problem = q,
                      .fabric = "sim",
                      .platform = platform,
                      .workers = workers,
                      .ghost = 1,
                      .machine = &machine};
}

static void add_row(FILE *f, ty_point p)
{
    ty_result r;
    ty_err e = ty_point_run(&p, &r);
    if (!e.code) /* what is refused has no row */
        ty_row_write(f, &r.row);
    ty_result_free(&r);
}

static void rows(FILE *f, const ty_problem *q, const char *platform, ty_network network,
                 size_t batch)
{
    ty_row_write_header(f);
    for (size_t s = 0; s < ty_strategies_n; s++)
        for (int workers = 1; workers <= 8; workers *= 2) {
            ty_point p = point(ty_strategies[s]->name, q, platform, workers);
            p.network = network;
            p.batch = batch;
            add_row(f, p);
        }
}

static void ideal(FILE *f)
{
    rows(f, &net, "ideal", TY_NET_TEXTBOOK, 128);
}

static void ethernet(FILE *f)
{
    rows(f, &layers, "ethernet", TY_NET_SHARED, 100);
}

static void multicore(FILE *f)
{
    rows(f, &net, "multicore", TY_NET_SHARED, 128);
}

static void tcp(FILE *f)
{
    rows(f, &layers, "cluster:nodes=8,cores=2,bandwidth=1Gbps,latency=50us", TY_NET_TCP, 100);
}

/* The first step of a pipeline of three stages, four micro-batches. */
static void timeline(FILE *f)
{
    ty_result r;
    int first = 1;
    size_t at = 0;
    ty_point p = point("pipeline-gpipe", &layers, "ideal", 3);
    p.micro_batches = 4;
    p.trace_steps = 1;
    ty_err e = ty_point_run(&p, &r);
    ck_assert_msg(!e.code, "%s", e.msg);
    fputs("{\"traceEvents\":[", f);
    for (int i = 0; i < r.ranks; i++) {
        ty_trace_write(f, i, r.event + at, r.report[i].events, &first);
        at += r.report[i].events;
    }
    fputs("\n]}\n", f);
    ty_result_free(&r);
}

static const struct {
    const char *file;
    void (*print)(FILE *f);
} runs[] = {{"ideal.csv", ideal},
            {"ethernet.csv", ethernet},
            {"multicore.csv", multicore},
            {"tcp.csv", tcp},
            {"pipeline.json", timeline}};
enum { RUNS = sizeof runs / sizeof *runs };

/* Where a and b part, for the message. */
static int line_of_difference(const char *a, const char *b)
{
    int line = 1;
    for (; *a && *a == *b; a++, b++)
        line += *a == '\n';
    return line;
}

START_TEST(a_simulation_prints_what_it_always_printed)
{
    char path[4096], *now = calloc(1, MOST), *then = calloc(1, MOST);
    snprintf(path, sizeof path, "%s/golden/%s", TY_TEST_DIR, runs[_i].file);
    FILE *f = fmemopen(now, MOST - 1, "w");
    runs[_i].print(f);
    fclose(f);
    const char *mode = getenv("TY_GOLDEN");
    if (mode && !strcmp(mode, "write")) {
        f = fopen(path, "w");
        ck_assert_msg(f && fputs(now, f) >= 0 && !fclose(f), "cannot write %s", path);
    }
    f = fopen(path, "r");
    ck_assert_msg(f, "%s is missing: TY_GOLDEN=write makes it", path);
    size_t n = fread(then, 1, MOST - 1, f);
    fclose(f);
    ck_assert_msg(n > 0 && !strcmp(now, then), "golden/%s differs from line %d on", runs[_i].file,
                  line_of_difference(now, then));
    free(now);
    free(then);
}
END_TEST

int main(void)
{
    const ty_fabric_ops *sim;
    if (ty_fabric_find("sim", &sim).code) {
        printf("without SimGrid there is nothing to print\n");
        return 0;
    }
    ty_workload_options small = {.hidden = {32, 16, 32}, .hidden_n = 3},
                        big = {.layers = 8, .width = 512};
    ty_err e = ty_problem_open(&net, "digits-mlp", &small);
    TY_CHECK(!e.code, "%s", e.msg);
    e = ty_problem_open(&layers, "synthetic-mlp", &big);
    TY_CHECK(!e.code, "%s", e.msg);
    e = ty_machine_load(&machine, TY_TEST_DIR "/machine.yaml");
    TY_CHECK(!e.code, "%s", e.msg);
    Suite *s = suite_create("experiments_golden");
    TCase *t = tcase_create("golden");
    tcase_add_loop_test(t, a_simulation_prints_what_it_always_printed, 0, RUNS);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    ty_problem_close(&net);
    ty_problem_close(&layers);
    return failed ? 1 : 0;
}
