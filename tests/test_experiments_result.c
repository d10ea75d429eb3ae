/* SPDX-License-Identifier: MIT
 *
 * A row as CSV: the columns of the design in their order, quoted as RFC 4180 says, empty where there is no figure.
 */
#include "experiments/result.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Columns are added at the end, never moved: files of earlier versions stay readable. */
static const char columns[] =
    "strategy,workload,fabric,network,platform,workers,dp,tp,pp,steps,step_s,compute_s,comm_"
    "exposed_s,comm_hidden_s,wait_s,"
    "speedup,efficiency,serial_fraction,bytes_sent,messages,peak_bytes,fits,loss,accuracy,closed_"
    "form_s,energy_j,cost_usd,ok,"
    "message,batch,micro_batches,threads,seed,collective,fidelity,step_p10_s,step_p90_s,test_loss,"
    "until_s,settings,staleness_mean,staleness_max\n";
enum { COLUMNS = 42 };

static char text[8192];

static const char *written(const ty_row *r)
{
    memset(text, 0, sizeof text);
    FILE *f = fmemopen(text, sizeof text - 1, "w");
    if (r)
        ty_row_write(f, r);
    else
        ty_row_write_header(f);
    fclose(f);
    return text;
}

/* Take the next RFC 4180 field from *at into out; false at the end of the record. */
static int next_field(const char **at, char *out)
{
    const char *p = *at;
    int quoted = *p == '"';
    if (!*p)
        return 0;
    for (p += quoted; *p; p++) {
        if (quoted && p[0] == '"' && p[1] == '"')
            p++;
        else if (quoted ? *p == '"' : *p == ',' || *p == '\n')
            break;
        *out++ = *p;
    }
    *out = 0;
    p += quoted;
    ck_assert_msg(*p == ',' || *p == '\n', "a field ends in '%c'", *p);
    *at = p + 1;
    return 1;
}

static int fields(const char *line, char out[][512])
{
    int n = 0;
    while (next_field(&line, out[n]))
        n++;
    return n;
}

static ty_row full(void)
{
    return (ty_row){.strategy = "data-allreduce",
                    .workload = "digits-mlp",
                    .fabric = "sim",
                    .network = "textbook",
                    .platform = "cluster:nodes=4,bandwidth=10Gbps",
                    .workers = 4,
                    .dp = 2,
                    .tp = 1,
                    .pp = 3,
                    .steps = 17,
                    .step_s = 1.0 / 3,
                    .compute_s = 0.1,
                    .comm_exposed_s = 0.2,
                    .comm_hidden_s = 0.3,
                    .wait_s = 0.4,
                    .speedup = 3.9,
                    .efficiency = 0.975,
                    .serial_fraction = 0.0085,
                    .bytes_sent = 1e12,
                    .messages = 6,
                    .peak_bytes = 123456789,
                    .fits = 1,
                    .loss = 2.25,
                    .accuracy = 0.97,
                    .closed_form_s = 0.3334,
                    .energy_j = 5,
                    .cost_usd = 0.01,
                    .ok = 1,
                    .message = "said \"no\", then\nleft",
                    .batch = 128,
                    .micro_batches = 16,
                    .threads = 2,
                    .seed = 18446744073709551615u,
                    .collective = "ring",
                    .fidelity = "message",
                    .step_p10_s = 0.3,
                    .step_p90_s = 0.35,
                    .test_loss = 1.25,
                    .until_s = 12.5,
                    .settings = "staleness 3, slow 1:2",
                    .staleness_mean = 14,
                    .staleness_max = 17};
}

START_TEST(the_columns_are_those_of_the_design_in_their_order)
{
    ck_assert_str_eq(written(NULL), columns);
}
END_TEST

START_TEST(a_row_comes_back_as_it_was)
{
    char f[COLUMNS + 1][512];
    ty_row r = full();
    ck_assert_int_eq(fields(written(&r), f), COLUMNS);
    static const char *const want[COLUMNS] = {"data-allreduce",
                                              "digits-mlp",
                                              "sim",
                                              "textbook",
                                              "cluster:nodes=4,bandwidth=10Gbps",
                                              "4",
                                              "2",
                                              "1",
                                              "3",
                                              "17",
                                              "0.333333333",
                                              "0.1",
                                              "0.2",
                                              "0.3",
                                              "0.4",
                                              "3.9",
                                              "0.975",
                                              "0.0085",
                                              "1e+12",
                                              "6",
                                              "123456789",
                                              "1",
                                              "2.25",
                                              "0.97",
                                              "0.3334",
                                              "5",
                                              "0.01",
                                              "1",
                                              "said \"no\", then\nleft",
                                              "128",
                                              "16",
                                              "2",
                                              "18446744073709551615",
                                              "ring",
                                              "message",
                                              "0.3",
                                              "0.35",
                                              "1.25",
                                              "12.5",
                                              "staleness 3, slow 1:2",
                                              "14",
                                              "17"};
    for (int i = 0; i < COLUMNS; i++)
        ck_assert_str_eq(f[i], want[i]);
}
END_TEST

START_TEST(fields_are_quoted_only_where_they_must_be)
{
    ty_row r = full();
    written(&r);
    ck_assert_ptr_nonnull(strstr(text, ",\"cluster:nodes=4,bandwidth=10Gbps\","));
    ck_assert_ptr_nonnull(strstr(text, ",\"said \"\"no\"\", then\nleft\","));
    ck_assert_ptr_null(strstr(text, "\"ring\""));
}
END_TEST

START_TEST(a_missing_figure_is_an_empty_field)
{
    char f[COLUMNS + 1][512];
    ty_row r = full();
    r.loss = r.accuracy = r.energy_j = r.cost_usd = NAN;
    r.speedup = INFINITY; /* no figure either */
    r.step_p90_s = r.test_loss = r.until_s = r.staleness_mean = r.staleness_max = NAN;
    r.settings[0] = 0;
    r.message[0] = 0;
    ck_assert_int_eq(fields(written(&r), f), COLUMNS);
    static const int empty[] = {15, 22, 23, 25, 26, 28, 36, 37, 38, 39, 40, 41};
    for (int i = 0, k = 0; i < COLUMNS; i++) {
        int is_empty = k < 12 && empty[k] == i;
        ck_assert_msg((f[i][0] == 0) == is_empty, "field %d is '%s'", i, f[i]);
        k += is_empty;
    }
}
END_TEST

START_TEST(a_comparison_gives_speedup_efficiency_and_serial_fraction)
{
    ty_row r = full();
    r.step_s = 0.5;
    ty_row_compare(&r, 1.5); /* 3 times as fast on 4 */
    ck_assert_double_eq_tol(r.speedup, 3, 1e-12);
    ck_assert_double_eq_tol(r.efficiency, 0.75, 1e-12);
    ck_assert_double_eq_tol(r.serial_fraction, (1.0 / 3 - 0.25) / 0.75, 1e-12);
    r.workers = 1;
    ty_row_compare(&r, 1.5);
    ck_assert(isnan(r.serial_fraction));
    ty_row_compare(&r, NAN);
    ck_assert(isnan(r.speedup) && isnan(r.efficiency));
    r.step_s = 0;
    ty_row_compare(&r, 1);
    ck_assert(isnan(r.speedup));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("experiments_result");
    TCase *t = tcase_create("rows");
    tcase_add_test(t, the_columns_are_those_of_the_design_in_their_order);
    tcase_add_test(t, a_row_comes_back_as_it_was);
    tcase_add_test(t, fields_are_quoted_only_where_they_must_be);
    tcase_add_test(t, a_missing_figure_is_an_empty_field);
    tcase_add_test(t, a_comparison_gives_speedup_efficiency_and_serial_fraction);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
