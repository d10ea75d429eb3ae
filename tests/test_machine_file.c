/* SPDX-License-Identifier: MIT
 *
 * machine.yaml: what is saved is read back digit for digit, and every bad file gets one line that names it and where.
 */
#include "machine/machine.h"
#include "tests/files.h"

#include <check.h>
#include <math.h>
#include <sys/stat.h>

static char dir[PATH_MAX];
static char good[32768]; /* a file that loads; each test spoils a copy */

static void setup(void)
{
    dir_new(dir);
    ty_machine m = {
        .host = "a \"quoted\" \\ host: #1", .date = "2025-01-01", .processor = "P", .cores = 2};
    m.peak_flops = 1e11 / 3;
    m.memory = 16e9;
    m.cache = 32e6;
    m.region_s = 1e-6 / 3;
    m.fork_s = 1e-5 / 3;
    m.barrier_s = 1e-6 / 7;
    m.handoff = (ty_net){1e-6 / 7, 8e9 / 7};
    m.origin = TY_FITTED;
    for (int c = 0; c < TY_CLASSES; c++)
        m.rate[c] = (ty_rate){.launch_s = 1e-6 / (c + 3),
                              .flops = 2e11 / (c + 3),
                              .bandwidth = 1e10 / (c + 7),
                              .near_bytes = 1e6,
                              .thread_from_s = 1e-6,
                              .thread_gain = 0.9,
                              .memory_gain = -0.1 / (c + 3),
                              .beside = 1 + 0.1 / (c + 3),
                              .residual = 0.01,
                              .worst = 0.02};
    ty_err e = ty_machine_save(&m, dir_file(dir, "good.yaml"));
    ck_assert_msg(e.code == TY_OK, "%s", e.msg);
    FILE *f = fopen(dir_file(dir, "good.yaml"), "r");
    good[fread(good, 1, sizeof good - 1, f)] = 0;
    fclose(f);
}

static void teardown(void)
{
    dir_free(dir);
}

static ty_err load_text(const char *text, size_t n)
{
    ty_machine m = {.cores = 77};
    write_plain(dir, "bad.yaml", text, n);
    ty_err e = ty_machine_load(&m, dir_file(dir, "bad.yaml"));
    if (e.code != TY_OK)
        ck_assert_int_eq(m.cores, 77);
    return e;
}

/* The 1-based line of the first `what` after the first `section` of the good file. */
static int line_in_good(const char *section, const char *what)
{
    const char *at = strstr(strstr(good, section), what);
    int line = 1;
    ck_assert_ptr_nonnull(at);
    for (const char *p = good; p < at; p++)
        line += *p == '\n';
    return line;
}

/* Put `to` where `from` stands first after `section`, load that, and expect a one-line error with `line` and `words`. */
static void spoil(const char *section, const char *from, const char *to, int line,
                  const char *words)
{
    static char bad[2 * sizeof good];
    char where[32];
    const char *at = strstr(strstr(good, section), from);
    ck_assert_msg(at != NULL, "%s in %s", from, section);
    snprintf(bad, sizeof bad, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
    ty_err e = load_text(bad, strlen(bad));
    ck_assert_msg(e.code == TY_EUSAGE, "%s -> %s loads", from, to);
    ck_assert_msg(strchr(e.msg, '\n') == NULL && strstr(e.msg, "bad.yaml") && strstr(e.msg, words),
                  "%s", e.msg);
    snprintf(where, sizeof where, "bad.yaml:%d:", line);
    ck_assert_msg(line == 0 || strstr(e.msg, where), "expected line %d: %s", line, e.msg);
}

START_TEST(what_is_saved_is_loaded_digit_for_digit)
{
    ty_machine a, b;
    ck_assert_int_eq(ty_machine_load(&a, dir_file(dir, "good.yaml")).code, TY_OK);
    ck_assert_int_eq(ty_machine_save(&a, dir_file(dir, "again.yaml")).code, TY_OK);
    ck_assert_int_eq(ty_machine_load(&b, dir_file(dir, "again.yaml")).code, TY_OK);
    ck_assert_mem_eq(&a, &b, sizeof a);
    ck_assert_str_eq(a.host, "a \"quoted\" \\ host: #1");
    ck_assert(a.peak_flops == 1e11 / 3 && a.handoff.beta == 8e9 / 7 &&
              a.rate[2].memory_gain == -0.1 / 5);
    ck_assert_int_eq(a.origin, TY_FITTED);
}
END_TEST

START_TEST(the_machine_of_the_golden_tests_loads)
{
    ty_machine m;
    ty_err e = ty_machine_load(&m, TY_TEST_DIR "/machine.yaml");
    ck_assert_msg(e.code == TY_OK, "%s", e.msg);
    ck_assert_int_eq(m.origin, TY_ASSUMED);
}
END_TEST

START_TEST(every_class_stands_in_the_file_under_its_name)
{
    for (ty_class c = 0; c < TY_CLASSES; c++) {
        char key[32];
        snprintf(key, sizeof key, "\n  %s:\n", ty_class_name(c));
        ck_assert_msg(strstr(good, key) != NULL, "%s", key);
    }
}
END_TEST

START_TEST(numbers_that_make_no_sense_are_refused_with_their_line)
{
    spoil("memory:", "memory: 16000000000", "memory: 0", line_in_good("memory:", "memory"),
          "memory is 0");
    spoil("memory:", "memory: 16000000000", "memory: nan", line_in_good("memory:", "memory"),
          "memory");
    spoil("memory:", "memory: 16000000000", "memory: inf", line_in_good("memory:", "memory"),
          "memory");
    spoil("peak_flops", "peak_flops: ", "peak_flops: -", line_in_good("peak_flops", "peak_flops"),
          "peak_flops");
    spoil("cores:", "cores: 2", "cores: 0", line_in_good("cores:", "cores"), "cores is 0");
    spoil("handoff", "beta: ", "beta: -", line_in_good("handoff", "beta"), "handoff.beta");
    spoil("  update:", "flops: ", "flops: -", line_in_good("  update:", "flops"), "update.flops");
    spoil("  gemm_tn:", "launch_s: ", "launch_s: -", line_in_good("  gemm_tn:", "launch_s"),
          "gemm_tn.launch_s");
    spoil("  augment:", "beside: 1", "beside: 0", line_in_good("  augment:", "beside"),
          "augment.beside");
    spoil("  stream:", "thread_gain: 0", "thread_gain: -9",
          line_in_good("  stream:", "thread_gain"), "stream.thread_gain");
}
END_TEST

START_TEST(a_class_that_costs_nothing_is_refused)
{
    ty_machine m;
    ck_assert_int_eq(ty_machine_load(&m, dir_file(dir, "good.yaml")).code, TY_OK);
    m.rate[TY_CLASS_SOFTMAX].flops = m.rate[TY_CLASS_SOFTMAX].bandwidth = 0;
    ck_assert_int_eq(ty_machine_save(&m, dir_file(dir, "free.yaml")).code, TY_OK);
    ty_err e = ty_machine_load(&m, dir_file(dir, "free.yaml"));
    ck_assert_msg(e.code == TY_EUSAGE && strstr(e.msg, "softmax needs flops, row_s or a bandwidth"),
                  "%s", e.msg);
}
END_TEST

START_TEST(keys_that_are_missing_unknown_or_twice_are_named)
{
    spoil("cores:", "cores: 2\n", "", 0, "cores");
    spoil("  softmax:", "    launch_s: ", "    lunch_s: ", line_in_good("  softmax:", "launch_s"),
          "lunch_s");
    spoil("  gemm_nt:", "  gemm_nt:", "  gemm_xx:", line_in_good("  gemm_nt:", "gemm_nt"),
          "gemm_xx");
    spoil("cores:", "cores: 2\n", "cores: 2\ncores: 2\n", 0, "cores");
}
END_TEST

START_TEST(values_of_the_wrong_kind_are_named_with_their_line)
{
    spoil("cores:", "cores: 2", "cores: two", line_in_good("cores:", "cores"), "two");
    spoil("memory:", "memory: 16000000000", "memory: much", line_in_good("memory:", "memory"),
          "much");
    spoil("origin:", "origin: fitted", "origin: guessed", line_in_good("origin:", "origin"),
          "guessed");
    spoil("handoff:", "handoff:\n", "handoff: 3\nx:\n", line_in_good("handoff:", "handoff"),
          "handoff");
    spoil("date:", "2025-01-01", "a date that is far too long for its place",
          line_in_good("date:", "date"), "length");
}
END_TEST

START_TEST(another_version_asks_for_a_new_calibration)
{
    spoil("version:", "version: 4", "version: 3", line_in_good("version:", "version"),
          "calibrate again");
}
END_TEST

/* As the first version wrote it: fewer classes, and keys that are gone. */
START_TEST(an_older_file_is_told_by_its_version_not_by_what_it_lacks)
{
    static const char old[] = "# A machine model\nversion: 1\nhost: \"a\"\nnear_bytes: 1e6\n";
    ty_err e = load_text(old, strlen(old));
    ck_assert_msg(e.code == TY_EUSAGE && strstr(e.msg, "bad.yaml:2: version 1") &&
                      strstr(e.msg, "calibrate again"),
                  "%s", e.msg);
}
END_TEST

/* The part of the good file from `first` up to `next`. */
static void without(const char *first, const char *next, const char *words)
{
    static char bad[sizeof good];
    const char *at = strstr(good, first), *end = strstr(at, next);
    snprintf(bad, sizeof bad, "%.*s%s", (int)(at - good), good, end);
    ty_err e = load_text(bad, strlen(bad));
    ck_assert_msg(e.code == TY_EUSAGE && strstr(e.msg, words) && strstr(e.msg, "calibrate again"),
                  "without %s: %s", first, e.msg);
}

START_TEST(a_class_that_is_missing_is_named)
{
    without("  softmax:", "  augment:", "softmax");
    without("  conv:", "  conv_w:", "conv");
    without("  gemm_tn:", "  stream:", "gemm_tn");
}
END_TEST

START_TEST(a_syntax_error_names_its_line)
{
    spoil("  stream:", "    launch_s: ", "    launch_s: [", 0, "launch_s");
    spoil("cores:", "cores: 2", "\tcores: 2", 0, "libyaml");
}
END_TEST

START_TEST(files_that_are_no_yaml_at_all_are_refused)
{
    static const struct {
        const char *text;
        size_t n;
    } file[] = {
        {"", 0},         {"\n\n", 2},       {"# only\n", 7}, {"\177ELF\001\0\0\0\377\376", 10},
        {"\0\0\0\0", 4}, {"- 1\n- 2\n", 8}, {"hello", 5},    {"{", 1},
        {"&a [*a]", 7},  {"---\n---\n", 8}};
    for (size_t i = 0; i < sizeof file / sizeof *file; i++) {
        ty_err e = load_text(file[i].text, file[i].n);
        ck_assert_msg(e.code == TY_EUSAGE && strstr(e.msg, "bad.yaml:"), "file %zu: %s", i, e.msg);
        ck_assert_msg(strchr(e.msg, '\n') == NULL && strlen(e.msg) > 20, "file %zu: %s", i, e.msg);
    }
}
END_TEST

START_TEST(a_file_cut_short_anywhere_never_loads)
{
    size_t n = strlen(good);
    while (n > 0 && good[n - 1] != ':') /* the last value: a shorter number is a number still */
        n--;
    for (; n > 0; n -= n > 60 ? 23 : 1) {
        ty_err e = load_text(good, n);
        ck_assert_msg(e.code == TY_EUSAGE && e.msg[0], "%zu bytes load", n);
    }
}
END_TEST

START_TEST(a_file_that_is_not_there_is_named)
{
    ty_machine m;
    ty_err e = ty_machine_load(&m, "/nowhere/machine.yaml");
    ck_assert_msg(e.code == TY_EUSAGE && strstr(e.msg, "/nowhere/machine.yaml"), "%s", e.msg);
    ck_assert_int_eq(ty_machine_load(&m, dir).code, TY_EUSAGE);
}
END_TEST

START_TEST(saving_makes_the_folders_on_the_way)
{
    ty_machine m;
    char path[PATH_MAX + 32], cache[PATH_MAX + 64];
    ck_assert_int_eq(ty_machine_load(&m, dir_file(dir, "good.yaml")).code, TY_OK);
    setenv("XDG_CACHE_HOME", dir, 1);
    ck_assert_int_eq(ty_machine_cache_path(cache, sizeof cache).code, TY_OK);
    snprintf(path, sizeof path, "%s/trainyard/machine.yaml", dir);
    ck_assert_str_eq(cache, path);
    ty_err e = ty_machine_save(&m, cache);
    ck_assert_msg(e.code == TY_OK, "%s", e.msg);
    ck_assert_int_eq(ty_machine_load(&m, cache).code, TY_OK);
    unlink(cache);
}
END_TEST

START_TEST(the_cache_is_found_from_the_environment_or_refused)
{
    char path[300], small[8];
    setenv("XDG_CACHE_HOME", "relative", 1); /* the specification says: ignore it */
    setenv("HOME", "/home/somebody", 1);
    ck_assert_int_eq(ty_machine_cache_path(path, sizeof path).code, TY_OK);
    ck_assert_str_eq(path, "/home/somebody/.cache/trainyard/machine.yaml");
    ck_assert_int_eq(ty_machine_cache_path(small, sizeof small).code, TY_EUSAGE);
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    ck_assert_int_eq(ty_machine_cache_path(path, sizeof path).code, TY_EUSAGE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("machine file");
    TCase *t = tcase_create("file");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, what_is_saved_is_loaded_digit_for_digit);
    tcase_add_test(t, the_machine_of_the_golden_tests_loads);
    tcase_add_test(t, every_class_stands_in_the_file_under_its_name);
    tcase_add_test(t, numbers_that_make_no_sense_are_refused_with_their_line);
    tcase_add_test(t, a_class_that_costs_nothing_is_refused);
    tcase_add_test(t, keys_that_are_missing_unknown_or_twice_are_named);
    tcase_add_test(t, values_of_the_wrong_kind_are_named_with_their_line);
    tcase_add_test(t, another_version_asks_for_a_new_calibration);
    tcase_add_test(t, an_older_file_is_told_by_its_version_not_by_what_it_lacks);
    tcase_add_test(t, a_class_that_is_missing_is_named);
    tcase_add_test(t, a_syntax_error_names_its_line);
    tcase_add_test(t, files_that_are_no_yaml_at_all_are_refused);
    tcase_add_test(t, a_file_cut_short_anywhere_never_loads);
    tcase_add_test(t, a_file_that_is_not_there_is_named);
    tcase_add_test(t, saving_makes_the_folders_on_the_way);
    tcase_add_test(t, the_cache_is_found_from_the_environment_or_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
