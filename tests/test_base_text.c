/* SPDX-License-Identifier: MIT
 *
 * Numbers with units, lists, and names with typing mistakes.
 */
#include "base/text.h"

#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- names
 * -----------------------------------------------------------------------------------------------
 */

static const char *const names[] = {"ring", "recursive_halving", "tree", "parameter_server", "dp"};

static const char *near(const char *word)
{
    const char *found = ty_nearest(word, names, sizeof names / sizeof *names);
    return found ? found : "none";
}

START_TEST(an_unknown_word_is_refused_with_what_would_do)
{
    static const char *const pets[] = {"cat", "dog", "canary"};
    ty_err e = ty_unknown("pet", "dgo", pets, 3, NULL);
    ck_assert_int_eq(e.code, TY_EUSAGE);
    ck_assert_str_eq(e.msg, "unknown pet 'dgo'; did you mean 'dog'? use cat, dog or canary");
    e = ty_unknown("pet", "elephant", pets, 1, NULL);
    ck_assert_str_eq(e.msg, "unknown pet 'elephant'; use cat");
    e = ty_unknown("pet", "elephant", pets, 3, "look around");
    ck_assert_str_eq(e.msg, "unknown pet 'elephant'; look around");
}
END_TEST

START_TEST(a_typing_mistake_finds_the_name)
{
    ck_assert_str_eq(near("ring"), "ring");
    ck_assert_str_eq(near("rign"), "ring");
    ck_assert_str_eq(near("RING"), "ring");
    ck_assert_str_eq(near("rin"), "ring");
    ck_assert_str_eq(near("recursve_halving"), "recursive_halving");
    ck_assert_str_eq(near("halving"), "recursive_halving"); /* a part of a name */
    ck_assert_str_eq(near("parameter-server"), "parameter_server");
    ck_assert_str_eq(near("d"), "dp");
    ck_assert_str_eq(near("parmeter"), "parameter_server"); /* a slip in how a name begins */
}
END_TEST

START_TEST(what_is_near_no_name_finds_none)
{
    ck_assert_str_eq(near("xylophone"), "none");
    ck_assert_str_eq(near(""), "none");
    ck_assert_str_eq(near("\xff\xfe\xfd\xfc\xfb\xfa"), "none");
    ck_assert_ptr_null(ty_nearest("ring", names, 0));
}
END_TEST

START_TEST(names_of_any_length_are_compared)
{
    char word[400];
    memset(word, 'a', sizeof word);
    word[399] = 0;
    ck_assert_str_eq(near(word), "none");
    const char *const longest[] = {word};
    ck_assert_ptr_null(ty_nearest("bbbb", longest, 1));
}
END_TEST

/* ---- quantities
 * -------------------------------------------------------------------------------------------- */

static double quantity(const char *text, const char *unit)
{
    double v = -1;
    ty_err e = ty_parse_quantity("--x", text, unit, &v);
    ck_assert_msg(e.code == TY_OK, "%s", e.msg);
    return v;
}

static void ck_near(double a, double b)
{
    ck_assert_msg(fabs(a - b) <= 1e-12 * fabs(b), "%.17g is not %.17g", a, b);
}

START_TEST(quantities_become_base_units)
{
    ck_near(quantity("10Gbps", "B/s"), 1.25e9);
    ck_near(quantity("25GBps", "B/s"), 25e9);
    ck_near(quantity("1.5kbps", "B/s"), 187.5);
    ck_near(quantity("8bps", "B/s"), 1);
    ck_near(quantity("20us", "s"), 20e-6);
    ck_near(quantity("1.3ms", "s"), 1.3e-3);
    ck_near(quantity("5ns", "s"), 5e-9);
    ck_near(quantity("2s", "s"), 2);
    ck_near(quantity("312Tf", "f"), 312e12);
    ck_near(quantity("1Gflops", "f"), 1e9);
    ck_near(quantity("4k", ""), 4000);
    ck_near(quantity("4K", ""), 4000);
    ck_near(quantity("0.5", ""), 0.5);
    ck_near(quantity(".5M", ""), 5e5);
    ck_near(quantity("1e3", ""), 1000);
    ck_near(quantity("0", ""), 0);
    ck_near(quantity("2P", ""), 2e15);
}
END_TEST

START_TEST(bad_quantities_name_the_option_the_text_and_an_example)
{
    static const char *const bad[][2] = {
        {"", "s"},       {"us", "s"},    {"20", "s"},       {"20m", "s"},   {"20uss", "s"},
        {"20 us", "s"},  {" 20us", "s"}, {"-20us", "s"},    {"+20us", "s"}, {"nan", ""},
        {"inf", ""},     {"1e999", ""},  {"1e308k", ""},    {"0x10", ""},   {"10Gb", "B/s"},
        {"10GB", "B/s"}, {"10", "B/s"},  {"10Gbit", "B/s"}, {"10G", "f"},   {"4x", ""},
        {"1,5k", ""},    {"4kk", ""},    {"20us\n", "s"},   {"1.2.3", ""},  {"k", ""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double v = -7;
        ty_err e = ty_parse_quantity("--latency", bad[i][0], bad[i][1], &v);
        ck_assert_msg(e.code == TY_EUSAGE, "'%s' as %s", bad[i][0], bad[i][1]);
        ck_assert(strstr(e.msg, "--latency") && strstr(e.msg, bad[i][0]) &&
                  strstr(e.msg, "example"));
        ck_assert_double_eq(v, -7);
    }
}
END_TEST

START_TEST(a_long_text_leaves_room_for_the_example)
{
    char text[1000];
    double v;
    memset(text, '9', sizeof text);
    text[999] = 0;
    ck_assert_ptr_nonnull(strstr(ty_parse_quantity("--latency", text, "s", &v).msg, "20us"));
}
END_TEST

/* ---- counts
 * ------------------------------------------------------------------------------------------------
 */

START_TEST(counts_are_whole_numbers_in_their_range)
{
    static const char *const bad[] = {
        "", "x", "4x", "4.0", "1e3", "0", "65", "-1", "99999999999999999999"};
    long v = -7;
    ck_assert_int_eq(ty_parse_count("--dp", "64", 1, 64, &v).code, TY_OK);
    ck_assert_int_eq(v, 64);
    ck_assert_int_eq(ty_parse_count("--dp", "-3", -5, 5, &v).code, TY_OK);
    ck_assert_int_eq(v, -3);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ty_err e = ty_parse_count("--dp", bad[i], 1, 64, &v);
        ck_assert_msg(e.code == TY_EUSAGE, "'%s'", bad[i]);
        ck_assert(strstr(e.msg, "--dp") == e.msg);
        ck_assert_int_eq(v, -3);
    }
    ck_assert_ptr_nonnull(strstr(ty_parse_count("--dp", "65", 1, 64, &v).msg, "use 1 to 64"));
}
END_TEST

static void ck_counts(const char *text, const long *expected, size_t count)
{
    long list[64];
    size_t n = 0;
    ty_err e = ty_parse_counts("--workers", text, 1, 1000, list, 64, &n);
    ck_assert_msg(e.code == TY_OK, "%s", e.msg);
    ck_assert_uint_eq(n, count);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(list[i], expected[i]);
}

START_TEST(lists_and_ranges_expand)
{
    ck_counts("7", (long[]){7}, 1);
    ck_counts("1,2,4", (long[]){1, 2, 4}, 3);
    ck_counts("4..7", (long[]){4, 5, 6, 7}, 4);
    ck_counts("5..5", (long[]){5}, 1);
    ck_counts("1..16*2", (long[]){1, 2, 4, 8, 16}, 5);
    ck_counts("1..20*3", (long[]){1, 3, 9}, 3);
    ck_counts("1,2,4..6,10..1000*10", (long[]){1, 2, 4, 5, 6, 10, 100, 1000}, 8);
    ck_counts("1k", (long[]){1000}, 1);
    ck_counts("250..1k*4,1k", (long[]){250, 1000, 1000}, 3);
}
END_TEST

START_TEST(bad_lists_are_refused)
{
    static const char *const bad[] = {
        "",       ",",    "1,",      "1,,2",    "..",       "1..",    "..4",
        "4..1",   "0..4", "1..1001", "1...4",   "1..4*",    "1..4*1", "1..4*-2",
        "1..4*0", "2*3",  "4*2..8",  "1..4..8", "1..2*2*2", "1-4",    "1 2",
        "k",      "2k",   "1m",      "1kk",     "1k..2k",   "1.5k",   "9223372036854775807k",
        "1..4*1k"};
    long list[64];
    size_t n;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ty_err e = ty_parse_counts("--workers", bad[i], 1, 1000, list, 64, &n);
        ck_assert_msg(e.code == TY_EUSAGE, "'%s'", bad[i]);
        ck_assert(strstr(e.msg, "--workers") == e.msg);
    }
    ck_assert_ptr_nonnull(
        strstr(ty_parse_counts("--workers", "1..65", 1, 1000, list, 64, &n).msg, "64"));
    ck_assert_uint_le(n, 64);
}
END_TEST

START_TEST(ranges_up_to_the_largest_number_end)
{
    long list[80];
    size_t n;
    char text[64];
    snprintf(text, sizeof text, "%ld..%ld", LONG_MAX - 1, LONG_MAX);
    ck_assert_int_eq(ty_parse_counts("x", text, 0, LONG_MAX, list, 80, &n).code, TY_OK);
    ck_assert_uint_eq(n, 2);
    snprintf(text, sizeof text, "1..%ld*2", LONG_MAX);
    ck_assert_int_eq(ty_parse_counts("x", text, 0, LONG_MAX, list, 80, &n).code, TY_OK);
    ck_assert_uint_eq(n, 63);
}
END_TEST

START_TEST(lists_too_long_to_copy_are_refused)
{
    char text[2000];
    long list[4];
    size_t n;
    memset(text, '1', sizeof text);
    text[1999] = 0;
    ck_assert_int_eq(ty_parse_counts("x", text, 0, 9, list, 4, &n).code, TY_EUSAGE);
}
END_TEST

/* ---- ty_show
 * -----------------------------------------------------------------------------------------------
 */

START_TEST(values_show_three_digits_and_a_prefix)
{
    static const struct {
        double value;
        const char *unit, *text;
    } c[] = {
        {1.4, "s", "1.40 s"},
        {23.5e-6, "s", "23.5 us"},
        {2.1e6, "B", "2.10 MB"},
        {215e9, "flop/s", "215 Gflop/s"},
        {0, "s", "0 s"},
        {512, "B", "512 B"},
        {999.4, "s", "999 s"},
        {999.6, "s", "1.00 ks"},
        {-1.5e-3, "s", "-1.50 ms"},
        {9.996, "s", "10.0 s"},
        {99.96, "s", "100 s"},
        {0.9996, "s", "1.00 s"},
        {1e-12, "s", "0.00 ns"},
        {5, "", "5.00"},
        {4000, "", "4.00 k"},
        {0, "", "0"},
        {3e18, "B", "3000 PB"},
    };
    char buf[64];
    for (size_t i = 0; i < sizeof c / sizeof *c; i++)
        ck_assert_str_eq(ty_show(buf, sizeof buf, c[i].value, c[i].unit), c[i].text);
}
END_TEST

START_TEST(a_small_buffer_is_not_overrun)
{
    char buf[8] = "1234567";
    ty_show(buf, 4, 1e300, "s");
    ck_assert_uint_eq(strlen(buf), 3);
    ck_assert_str_eq(buf + 4, "567");
    ty_show(buf, sizeof buf, NAN, "s");
    ty_show(buf, sizeof buf, INFINITY, "s");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base_text");
    TCase *t = tcase_create("text");
    tcase_add_test(t, an_unknown_word_is_refused_with_what_would_do);
    tcase_add_test(t, a_typing_mistake_finds_the_name);
    tcase_add_test(t, what_is_near_no_name_finds_none);
    tcase_add_test(t, names_of_any_length_are_compared);
    tcase_add_test(t, quantities_become_base_units);
    tcase_add_test(t, bad_quantities_name_the_option_the_text_and_an_example);
    tcase_add_test(t, a_long_text_leaves_room_for_the_example);
    tcase_add_test(t, counts_are_whole_numbers_in_their_range);
    tcase_add_test(t, lists_and_ranges_expand);
    tcase_add_test(t, bad_lists_are_refused);
    tcase_add_test(t, ranges_up_to_the_largest_number_end);
    tcase_add_test(t, lists_too_long_to_copy_are_refused);
    tcase_add_test(t, values_show_three_digits_and_a_prefix);
    tcase_add_test(t, a_small_buffer_is_not_overrun);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
