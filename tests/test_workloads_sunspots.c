/* SPDX-License-Identifier: MIT
 *
 * sunspots-lstm: every way in which a series can be wrong, which months are forecast from which, what the simple forecasts
 * are worth, and that the network learns to do better. On a rank of this thread.
 */
#include "kernels/kernels.h"
#include "tests/files.h"
#include "workloads/workload.h"

#include <check.h>
#include <ctype.h>
#include <math.h>

enum { AHEAD = 12 };

static char dir[PATH_MAX];
static ty_job job;
static ty_rank rank;

static double now(ty_rank *r)
{
    (void)r;
    return 0;
}

static void charge(ty_rank *r, double seconds)
{
    (void)r, (void)seconds;
}

static const ty_fabric_ops alone = {.name = "alone", .now = now, .charge = charge};
static const ty_sequence shape = {.T = 12, .targets = 3, .ahead = 3, .stride = 1};

static void setup(void)
{
    dir_new(dir);
    ty_kernel_set_threads(1);
    job = (ty_job){.ranks = 1, .threads = 1, .busy = 1};
    ty_rank_init(&rank, 0, &alone, &job);
}

static void teardown(void)
{
    ty_rank_fini(&rank);
    dir_free(dir);
}

/* ---- files ------------------------------------------------------------------------------------------ */

/* A header and so many good months from 1999-11 on, value i % 7 - 1.5; line `bad` (from 1) is `text`. */
static void series(int months, int bad, const char *text)
{
    static char b[65536];
    size_t n = 0;
    for (int line = 1; line <= months + 1; line++) {
        const int i = line - 2, month = 1999 * 12 + 10 + i;
        if (line == bad)
            n += (size_t)sprintf(b + n, "%s\n", text);
        else if (line == 1)
            n += (size_t)sprintf(b + n, "year,month,value\n");
        else
            n += (size_t)sprintf(b + n, "%d,%d,%g\n", month / 12, month % 12 + 1, i % 7 - 1.5);
    }
    write_plain(dir, "s.csv", b, n);
}

static ty_err load(ty_dataset *d)
{
    return ty_dataset_load_series(d, dir_file(dir, "s.csv"), &shape);
}

static void ck_refused(const char *what)
{
    ty_dataset d;
    ty_err e = load(&d);
    ck_assert_int_eq(e.code, TY_EUSAGE);
    ck_assert_msg(strstr(e.msg, "s.csv") && strstr(e.msg, what), "'%s' in: %s", what, e.msg);
    ck_assert_uint_lt(strlen(e.msg), sizeof e.msg - 1);
    for (const char *p = e.msg; *p; p++)
        ck_assert(isprint((unsigned char)*p));
    ck_assert(!d.sequence.value && !d.train.n && !d.test.n);
}

START_TEST(a_good_series_is_standardised_by_the_first_four_fifths)
{
    ty_dataset d;
    series(100, 0, NULL);
    ty_err e = load(&d);
    ck_assert_msg(!e.code, "%s", e.msg);
    double mean = 0, squares = 0;
    for (int i = 0; i < 80; i++)
        mean += (i % 7 - 1.5) / 80;
    for (int i = 0; i < 80; i++)
        squares += (i % 7 - 1.5 - mean) * (i % 7 - 1.5 - mean) / 80;
    ck_assert_float_eq_tol(d.mean, mean, 1e-6);
    ck_assert_float_eq_tol(d.std, sqrt(squares), 1e-6);
    ck_assert_uint_eq(d.sequence.length, 100);
    for (int i = 0; i < 100; i++)
        ck_assert_float_eq_tol(d.sequence.value[i], (i % 7 - 1.5 - mean) / sqrt(squares), 1e-6);
    ck_assert_uint_eq(d.train.n, 80 - 15 + 1);
    ck_assert_uint_eq(d.test.n, 20 - 3 + 1);
    ty_dataset_free(&d);
}
END_TEST

START_TEST(gzip_line_ends_and_blank_lines_make_no_difference)
{
    char b[4096] = "year,month,sunspots\r\n";
    ty_dataset d;
    for (int i = 0; i < 60; i++)
        sprintf(b + strlen(b), "%d,%d,%de-1\r\n%s", 1749 + i / 12, i % 12 + 1, i,
                i % 9 ? "" : "\n");
    write_gzip(dir, "s.csv", b, strlen(b) - 2); /* the last line has no end */
    ty_err e = load(&d);
    ck_assert_msg(!e.code, "%s", e.msg);
    ck_assert_uint_eq(d.sequence.length, 60);
    ck_assert_float_eq_tol(d.sequence.value[59] * d.std + d.mean, 5.9, 1e-5);
    ty_dataset_free(&d);
}
END_TEST

START_TEST(a_wrong_line_is_named_and_told_what_is_wrong)
{
    static const struct {
        int line;
        const char *text, *what;
    } bad[] = {
        {1, "1999,10,3", "line 1 is no header"},
        {1, "", "line 1 has 1 columns"},
        {1, "year,month", "line 1 has 2 columns"},
        {5, "2000,2", "line 5 has 2 columns"},
        {5, "2000,2,3,4", "line 5 has 4 columns; write year,month,value"},
        {5, "2000,2,", "line 5: the value '' is not a number"},
        {5, "2000,2,12x", "line 5: the value '12x' is not a number"},
        {5, "2000,2,\377", "line 5: the value '?' is not a number"},
        {5, "2000,2,nan", "line 5: the value 'nan' is not finite"},
        {5, "2000,2,-inf", "line 5: the value '-inf' is not finite"},
        {5, "2000,2,1e39", "line 5: the value '1e39' is not finite or too large"},
        {5, "2000,2,2e30", "too large"},
        {5, "2000,13,1", "line 5: the month '13' is not one of 1 to 12"},
        {5, "2000,0,1", "line 5: the month '0'"},
        {5, "2000,feb,1", "line 5: the month 'feb'"},
        {5, "-200,2,1", "line 5: the year '-200' is not a whole number"},
        {5, "20000,2,1", "line 5: the year '20000'"},
        {5, "2000,3,1", "line 5: 2000-03 follows 2000-01; write every month once, in order"},
        {5, "2000,1,1", "line 5: 2000-01 follows 2000-01"},
        {5, "2001,2,1", "line 5: 2001-02 follows 2000-01"},
        {5, "1999,2,1", "line 5: 1999-02 follows 2000-01"},
        {61, "2004,10,1e", "line 61: the value '1e'"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        series(60, bad[i].line, bad[i].text);
        ck_refused(bad[i].what);
    }
}
END_TEST

START_TEST(a_line_too_long_or_no_text_is_refused)
{
    char line[400];
    memset(line, '1', sizeof line - 1);
    line[sizeof line - 1] = 0;
    series(60, 7, line);
    ck_refused("line 7 is longer than 254 characters");
    write_plain(dir, "s.csv", "year,month,v\n1749,1,2\0\n1749,2,3\n", 32);
    ck_refused("line 2");
}
END_TEST

START_TEST(a_series_too_short_for_a_window_of_each_part_is_refused)
{
    ty_dataset d;
    write_plain(dir, "s.csv", "", 0);
    ck_refused("has 0 values");
    series(0, 0, NULL);
    ck_refused("has 0 values");
    series(1, 0, NULL);
    ck_refused("has 1 values");
    series(17, 0, NULL); /* 14 to train on: a window and its labels are 15 */
    ck_refused("too short");
    series(18, 0, NULL); /* 15 and 3 */
    ty_err e = load(&d);
    ck_assert_msg(!e.code && d.train.n == 1 && d.test.n == 1, "%s", e.msg);
    ty_dataset_free(&d);
}
END_TEST

START_TEST(a_missing_or_damaged_file_is_named)
{
    ck_refused("cannot read");
    write_plain(dir, "s.csv", "\x1f\x8b\x08\0\0\0\0\0\0\3garbage", 17);
    ck_refused("gzip data");
}
END_TEST

START_TEST(equal_values_are_not_divided_by_their_deviation)
{
    ty_dataset d;
    char b[4096] = "year,month,value\n";
    for (int i = 0; i < 60; i++)
        sprintf(b + strlen(b), "%d,%d,41.3\n", 1749 + i / 12, i % 12 + 1);
    write_plain(dir, "s.csv", b, strlen(b));
    ck_assert_int_eq(load(&d).code, TY_OK);
    ck_assert_float_eq(d.std, 1);
    for (int i = 0; i < 60; i++)
        ck_assert_float_eq_tol(d.sequence.value[i], 0, 1e-5);
    ty_dataset_free(&d);
}
END_TEST

/* ---- the problem ------------------------------------------------------------------------------------ */

static ty_problem sunspots(long context, long width, long layers)
{
    ty_problem p;
    ty_workload_options o = {.context = context, .width = width, .layers = layers};
    ty_err e = ty_problem_open(&p, "sunspots-lstm", &o);
    ck_assert_msg(!e.code, "%s", e.msg);
    return p;
}

START_TEST(shipped_sunspots_have_their_length_mean_and_deviation)
{
    ty_problem p = sunspots(0, 0, 0);
    const ty_sequence *s = &p.data.sequence;
    ck_assert_uint_eq(s->length, 2820);
    ck_assert_float_eq_tol(p.data.mean, 44.664583f, 1e-4);
    ck_assert_float_eq_tol(p.data.std, 37.212941f, 1e-4);
    ck_assert_float_eq_tol(s->value[0] * p.data.std + p.data.mean, 58, 1e-4);
    ck_assert_float_eq_tol(s->value[2256] * p.data.std + p.data.mean, 132.5, 1e-4);
    ck_assert_float_eq_tol(s->value[2819] * p.data.std + p.data.mean, 33.4, 1e-4);
    ck_assert_uint_eq(p.targets, AHEAD);
    ck_assert_uint_eq(p.features, s->T);
    ty_problem_close(&p);
}
END_TEST

/* Nothing of the last fifth is ever trained on, and all forecasts of the test are of the last fifth. */
START_TEST(test_labels_are_the_last_fifth_and_training_ends_before_it)
{
    for (long context = 12; context <= 400; context += 194) {
        ty_problem p = sunspots(context, 4, 1);
        const ty_sequence *s = &p.data.sequence;
        const float *end = s->value + 2256;
        ty_loader l;
        ck_assert_uint_eq(p.data.train.n, 2256 - context - AHEAD + 1);
        ck_assert_uint_eq(p.data.test.n, 564 - AHEAD + 1);
        ty_loader_init(&l, &p.data, 1, p.data.train.n, 0);
        ty_tensor x = ty_tensor_new(&rank, TY_ACTIV, p.data.train.n, (size_t)context);
        ty_tensor y = ty_tensor_new(&rank, TY_ACTIV, p.data.train.n, AHEAD);
        ty_loader_train(&l, &rank, 0, 0, x, y);
        unsigned found = 0;
        for (size_t i = 0; i < p.data.train.n; i++) { /* each window is one of the first part */
            const float *at = s->value;
            while (at + context + AHEAD <= end &&
                   (memcmp(at, x.data + i * (size_t)context, (size_t)context * sizeof *at) ||
                    memcmp(at + context, y.data + i * AHEAD, AHEAD * sizeof *at)))
                at++;
            found += at + context + AHEAD <= end;
        }
        ck_assert_uint_eq(found, p.data.train.n);
        ty_tensor tx = ty_rows(x, 0, p.data.test.n), ty = ty_rows(y, 0, p.data.test.n);
        ty_loader_test(&l, &rank, 0, tx, ty);
        for (size_t i = 0; i < p.data.test.n; i++) {
            ck_assert_mem_eq(tx.data + i * (size_t)context, end + i - context,
                             (size_t)context * sizeof *end);
            ck_assert_mem_eq(ty.data + i * AHEAD, end + i, AHEAD * sizeof *end);
        }
        ty_drop(&rank, x);
        ty_drop(&rank, y);
        ty_loader_free(&l);
        ty_problem_close(&p);
    }
}
END_TEST

START_TEST(options_that_make_no_sense_are_refused)
{
    static const struct {
        ty_workload_options o;
        const char *what;
    } bad[] = {{{.hidden = {8}, .hidden_n = 1}, "--layers and --width"},
               {{.heads = 2}, "--heads"},
               {{.context = 11}, "use 12 or more"},
               {{.context = 2245}, "too short"},
               {{.layers = 65}, "at most 64"},
               {{.data = "/nowhere"}, "cannot read /nowhere"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ty_problem p;
        ty_err e = ty_problem_open(&p, "sunspots-lstm", &bad[i].o);
        ck_assert_msg(e.code == TY_EUSAGE && strstr(e.msg, bad[i].what), "'%s' in: %s", bad[i].what,
                      e.msg);
    }
}
END_TEST

/* ---- the network ------------------------------------------------------------------------------------ */

static void model(ty_model *m, const ty_problem *p, size_t rows)
{
    ty_model_init(m, &rank, p->blocks, p->blocks_n, rows, 1, 1, 1, 3);
    m->loss = ty_problem_loss(p);
}

/* Loss of one batch, and gradients when `back`. */
static double loss_of(ty_model *m, ty_tensor x, ty_tensor labels, int back)
{
    double loss = 0;
    ty_model_zero(m);
    ty_model_forward(m, 0, x);
    ty_tensor dy = ty_model_loss(m, 0, labels, 1.0f / (float)x.rows, &loss);
    if (back)
        ty_model_backward(m, 0, dy);
    return loss;
}

START_TEST(gradients_of_the_whole_network_are_the_slopes_of_its_loss)
{
    enum { ROWS = 5 };
    ty_problem p = sunspots(12, 3, 2);
    ty_loader l;
    ty_model m;
    model(&m, &p, ROWS);
    ty_loader_init(&l, &p.data, 1, ROWS, 0);
    ty_tensor x = ty_tensor_new(&rank, TY_ACTIV, ROWS, 12);
    ty_tensor labels = ty_tensor_new(&rank, TY_ACTIV, ROWS, AHEAD);
    ty_loader_train(&l, &rank, 0, 0, x, labels);
    const double at = loss_of(&m, x, labels, 1);
    float *gradient = malloc(ty_bytes(m.grads));
    memcpy(gradient, m.grads.data, ty_bytes(m.grads));

    double squares = 0;
    ty_tensor y = ty_model_forward(&m, 0, x);
    for (size_t i = 0; i < y.n; i++)
        squares += pow((double)y.data[i] - (double)labels.data[i], 2);
    ck_assert_double_eq_tol(at, squares / (ROWS * AHEAD), 1e-6 * at);

    for (size_t i = 0; i < m.params.n; i++) {
        const float step = 4e-3f, middle = m.params.data[i];
        m.params.data[i] = middle + step;
        const double up = loss_of(&m, x, labels, 0);
        m.params.data[i] = middle - step;
        const double slope = (up - loss_of(&m, x, labels, 0)) / (2 * (double)step);
        m.params.data[i] = middle;
        ck_assert_msg(fabs(slope - (double)gradient[i]) < 3e-4, "parameter %zu: %g, slope %g", i,
                      (double)gradient[i], slope);
    }
    free(gradient);
    ty_drop(&rank, x);
    ty_drop(&rank, labels);
    ty_loader_free(&l);
    ty_model_fini(&m);
    ty_problem_close(&p);
}
END_TEST

static void train(ty_model *m, const ty_problem *p, long steps, size_t batch)
{
    ty_loader l;
    ty_optimizer o = {.kind = TY_ADAMW, .rate = 0.01, .momentum = 0.9, .steps = steps};
    ty_loader_init(&l, &p->data, 1, batch, 0);
    ty_optimizer_init(&o, &rank, m->params.n);
    ty_tensor x = ty_tensor_new(&rank, TY_ACTIV, batch, p->features);
    ty_tensor labels = ty_tensor_new(&rank, TY_ACTIV, batch, AHEAD);
    for (long s = 0; s < steps; s++) {
        const size_t n = ty_loader_count(&l, s);
        ty_loader_train(&l, &rank, s, 0, ty_rows(x, 0, n), ty_rows(labels, 0, n));
        loss_of(m, ty_rows(x, 0, n), ty_slice(labels, 0, n * AHEAD), 1);
        ty_optimizer_step(&o, &rank, m->params, m->grads, s);
    }
    ty_drop(&rank, x);
    ty_drop(&rank, labels);
    ty_optimizer_fini(&o, &rank);
    ty_loader_free(&l);
}

enum { TEXT = 2048 };

/* What the report says. */
static void say(char text[TEXT], const ty_problem *p, ty_model *m)
{
    FILE *f = fmemopen(text, TEXT, "w");
    p->workload->report(p, m, 1, f);
    fclose(f);
}

/* The figure behind "RMSE " in the line that holds `what`. */
static double rmse(const char *text, const char *what)
{
    const char *found = strstr(text, what);
    ck_assert_msg(found, "'%s' in: %s", what, text);
    while (found > text && found[-1] != '\n')
        found--;
    return atof(strstr(found, "RMSE ") + 5);
}

/* The simple forecasts were computed by another program from the file. */
START_TEST(it_learns_to_beat_the_simple_forecasts_and_says_by_how_much)
{
    ty_problem p = sunspots(24, 16, 1);
    ty_model m;
    model(&m, &p, 64);
    char before[TEXT], after[TEXT];
    say(before, &p, &m);
    train(&m, &p, 250, 64);
    say(after, &p, &m);
    ck_assert_double_eq_tol(rmse(after, "a year earlier"), 40.56, 0.006);
    ck_assert_double_eq_tol(rmse(after, "a cycle of 132 months earlier"), 45.49, 0.006);
    ck_assert_double_eq_tol(rmse(after, "the last value"), 31.92, 0.006);
    ck_assert_double_gt(rmse(before, "forecast "), 60);
    ck_assert_double_lt(rmse(after, "forecast "), 30);
    ck_assert_msg(strstr(before, "% larger") && !strstr(after, "% larger"), "%s", after);
    ty_model_fini(&m);
    ty_problem_close(&p);
}
END_TEST

START_TEST(a_series_shorter_than_a_cycle_has_no_forecast_by_it)
{
    ty_problem p;
    ty_model m;
    series(100, 0, NULL);
    const ty_workload_options o = {.context = 12, .width = 4, .data = dir_file(dir, "s.csv")};
    ck_assert_int_eq(ty_problem_open(&p, "sunspots-lstm", &o).code, TY_OK);
    model(&m, &p, 8);
    char text[TEXT];
    say(text, &p, &m);
    ck_assert_msg(strstr(text, "not to be had"), "%s", text);
    ck_assert(rmse(text, "a year earlier") > 0);
    ty_model_fini(&m);
    ty_problem_close(&p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("workloads/sunspots");
    TCase *t = tcase_create("sunspots");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_good_series_is_standardised_by_the_first_four_fifths);
    tcase_add_test(t, gzip_line_ends_and_blank_lines_make_no_difference);
    tcase_add_test(t, a_wrong_line_is_named_and_told_what_is_wrong);
    tcase_add_test(t, a_line_too_long_or_no_text_is_refused);
    tcase_add_test(t, a_series_too_short_for_a_window_of_each_part_is_refused);
    tcase_add_test(t, a_missing_or_damaged_file_is_named);
    tcase_add_test(t, equal_values_are_not_divided_by_their_deviation);
    tcase_add_test(t, shipped_sunspots_have_their_length_mean_and_deviation);
    tcase_add_test(t, test_labels_are_the_last_fifth_and_training_ends_before_it);
    tcase_add_test(t, options_that_make_no_sense_are_refused);
    tcase_add_test(t, gradients_of_the_whole_network_are_the_slopes_of_its_loss);
    tcase_add_test(t, it_learns_to_beat_the_simple_forecasts_and_says_by_how_much);
    tcase_add_test(t, a_series_shorter_than_a_cycle_has_no_forecast_by_it);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
