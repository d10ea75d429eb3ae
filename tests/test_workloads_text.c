/* SPDX-License-Identifier: MIT
 *
 * Text as a data set: which characters a window holds, what its labels are, and what is refused.
 */
#include "tests/files.h"
#include "workloads/workload.h"

#include <check.h>
#include <math.h>

enum { WINDOW = 4 };

static void charge(ty_rank *r, double seconds)
{
    (void)r, (void)seconds;
}

static double now(ty_rank *r)
{
    (void)r;
    return 0;
}

static const ty_fabric_ops still = {.name = "still", .charge = charge, .now = now};
static char dir[PATH_MAX];

static ty_err load(ty_dataset *d, const char *name, const char *bytes, size_t n, size_t window)
{
    write_plain(dir, name, bytes, n);
    return ty_dataset_load_text(d, dir_file(dir, name), window);
}

static char letter(const ty_dataset *d, float token)
{
    ck_assert(token >= 0 && token < (float)d->sequence.symbols && token == floorf(token));
    return (char)d->sequence.symbol[(int)token];
}

/* Sample i of training or test and its labels as text. */
static void sample(const ty_dataset *d, int test, size_t i, char window[WINDOW + 1],
                   char next[WINDOW + 1])
{
    ty_job job = {.ranks = 1, .threads = 1, .busy = 1};
    ty_rank r;
    ty_loader l;
    ty_rank_init(&r, 0, &still, &job);
    ty_loader_init(&l, d, 1, d->train.n, 0);
    ty_tensor x = ty_tensor_new(&r, TY_ACTIV, 1, WINDOW),
              y = ty_tensor_new(&r, TY_ACTIV, 1, WINDOW);
    if (test)
        ty_loader_test(&l, &r, i, x, y);
    else
        ty_loader_train(&l, &r, 0, i, x, y);
    for (size_t j = 0; j < WINDOW; j++) {
        window[j] = letter(d, x.data[j]);
        next[j] = letter(d, y.data[j]);
    }
    window[WINDOW] = next[WINDOW] = 0;
    ty_drop(&r, x);
    ty_drop(&r, y);
    ty_loader_free(&l);
    ty_rank_fini(&r);
}

static const char text[] = "the quick brown fox jumps over the lazy dog; the five boxing wizards!";
enum { LENGTH = sizeof text - 1, TRAIN = LENGTH - LENGTH / 10 };

START_TEST(labels_are_the_next_characters_and_windows_do_not_overlap)
{
    ty_dataset d;
    char window[WINDOW + 1], next[WINDOW + 1];
    int seen[LENGTH] = {0};
    ck_assert_int_eq(load(&d, "text", text, LENGTH, WINDOW).code, TY_OK);
    ck_assert_uint_eq(d.train.n, (TRAIN - 1) / WINDOW);
    for (size_t i = 0; i < d.train.n; i++) { /* in the order of a shuffle */
        sample(&d, 0, i, window, next);
        const char *at = strstr(text, window);
        while (at && (at - text) % WINDOW)
            at = strstr(at + 1, window);
        ck_assert_ptr_nonnull(at);
        ck_assert_mem_eq(at + 1, next, WINDOW);
        seen[at - text]++;
    }
    for (size_t i = 0; i < d.train.n; i++)
        ck_assert_int_eq(seen[i * WINDOW], 1);
    ty_dataset_free(&d);
}
END_TEST

START_TEST(the_last_tenth_is_the_test_text)
{
    ty_dataset d;
    char window[WINDOW + 1], next[WINDOW + 1];
    ck_assert_int_eq(load(&d, "text", text, LENGTH, WINDOW).code, TY_OK);
    ck_assert_uint_eq(d.test.n, LENGTH / 10 / WINDOW);
    sample(&d, 1, 0, window, next);
    ck_assert_mem_eq(window, text + TRAIN - 1, WINDOW);
    ck_assert_mem_eq(next, text + TRAIN, WINDOW); /* the first label is the first test character */
    ty_dataset_free(&d);
}
END_TEST

START_TEST(the_vocabulary_is_the_bytes_that_occur)
{
    ty_dataset d, z;
    char bytes[60];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = "ba\n\xff"[i % 4];
    bytes[7] = 0; /* text is any bytes */
    ck_assert_int_eq(load(&d, "few", bytes, sizeof bytes, WINDOW).code, TY_OK);
    ck_assert_int_eq(d.sequence.symbols, 5);
    ck_assert_mem_eq(d.sequence.symbol, "\0\nab\xff", 5);
    write_gzip(dir, "few.gz", bytes, sizeof bytes);
    ck_assert_int_eq(ty_dataset_load_text(&z, dir_file(dir, "few.gz"), WINDOW).code, TY_OK);
    ck_assert_uint_eq(z.sequence.length, sizeof bytes);
    ck_assert_mem_eq(z.sequence.value, d.sequence.value, sizeof bytes * sizeof(float));
    ty_dataset_free(&d);
    ty_dataset_free(&z);
}
END_TEST

START_TEST(what_cannot_be_used_is_refused_with_what_to_change)
{
    ty_dataset d;
    ty_err e = ty_dataset_load_text(&d, dir_file(dir, "nothing"), WINDOW);
    ck_assert_int_eq(e.code, TY_EUSAGE);
    ck_assert_ptr_nonnull(strstr(e.msg, "nothing"));
    e = load(&d, "short", text, 30, WINDOW); /* its tenth is three characters */
    ck_assert_int_eq(e.code, TY_EUSAGE);
    ck_assert_msg(strstr(e.msg, "short") && strstr(e.msg, "--context"), "%s", e.msg);
    ck_assert_ptr_null(d.sequence.value);
    e = load(&d, "empty", text, 0, WINDOW);
    ck_assert_int_eq(e.code, TY_EUSAGE);
    write_gzip(dir, "whole.gz", text, LENGTH);
    char bytes[64];
    FILE *f = fopen(dir_file(dir, "whole.gz"), "rb");
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    ck_assert_uint_gt(n, 30);
    e = load(&d, "cut.gz", bytes, 30, WINDOW);
    ck_assert_int_eq(e.code, TY_EUSAGE);
    ck_assert_msg(strstr(e.msg, "truncated"), "%s", e.msg);
}
END_TEST

static ty_err open_with(ty_workload_options o)
{
    ty_problem p;
    ty_err e = ty_problem_open(&p, "jargon-gpt", &o);
    if (!e.code)
        ty_problem_close(&p);
    return e;
}

START_TEST(shapes_that_cannot_be_are_refused)
{
    ck_assert_int_eq(open_with((ty_workload_options){.width = 24, .heads = 6}).code, TY_OK);
    ty_err e = open_with((ty_workload_options){.width = 24, .heads = 5});
    ck_assert_int_eq(e.code, TY_EUSAGE);
    ck_assert_msg(strstr(e.msg, "heads"), "%s", e.msg);
    ck_assert_int_eq(open_with((ty_workload_options){.hidden_n = 1}).code, TY_EUSAGE);
    e = open_with((ty_workload_options){.width = 1L << 40, .heads = 1});
    ck_assert_int_eq(e.code, TY_EUSAGE);
    ck_assert_msg(strstr(e.msg, "--width"), "%s", e.msg);
    e = open_with((ty_workload_options){.context = 1L << 40});
    ck_assert_int_eq(e.code, TY_EUSAGE);
    ck_assert_msg(strstr(e.msg, "--context"), "%s", e.msg);
    e = open_with((ty_workload_options){.context = 1L << 20}); /* the text is shorter */
    ck_assert_int_eq(e.code, TY_EUSAGE);
}
END_TEST

START_TEST(the_network_ends_in_a_distribution_over_the_vocabulary_for_every_character)
{
    ty_problem p;
    ty_workload_options o = {.layers = 2, .width = 8, .heads = 2, .context = 16};
    ck_assert_int_eq(ty_problem_open(&p, "jargon-gpt", &o).code, TY_OK);
    const size_t V = (size_t)p.data.sequence.symbols;
    ck_assert_int_eq(p.blocks_n, 7);
    ck_assert_uint_eq(p.blocks[0].in.n, p.features);
    for (int i = 1; i < p.blocks_n; i++)
        ck_assert_uint_eq(p.blocks[i].in.n, p.blocks[i - 1].out.n);
    ck_assert_uint_eq(p.blocks[6].out.n, p.targets * p.classes);
    ck_assert_uint_eq(p.params, V * 8 + 16 * 8 + 2 * (12 * 64 + 13 * 8) + 2 * 8);
    ck_assert_uint_gt(p.data.sequence.length, 1000000);
    ty_problem_close(&p);
}
END_TEST

int main(void)
{
    dir_new(dir);
    Suite *s = suite_create("workloads/text");
    TCase *t = tcase_create("text");
    tcase_add_test(t, labels_are_the_next_characters_and_windows_do_not_overlap);
    tcase_add_test(t, the_last_tenth_is_the_test_text);
    tcase_add_test(t, the_vocabulary_is_the_bytes_that_occur);
    tcase_add_test(t, what_cannot_be_used_is_refused_with_what_to_change);
    tcase_add_test(t, shapes_that_cannot_be_are_refused);
    tcase_add_test(t, the_network_ends_in_a_distribution_over_the_vocabulary_for_every_character);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    dir_free(dir);
    return failed != 0;
}
