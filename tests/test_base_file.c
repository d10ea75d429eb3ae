/* SPDX-License-Identifier: MIT
 *
 * A file appears whole or not at all, and places that cannot be written are found out early.
 */
#include "base/file.h"
#include "tests/files.h"

#include <check.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char dir[PATH_MAX];

static void setup(void)
{
    dir_new(dir);
}

static void teardown(void)
{
    dir_free(dir);
}

/* dir/name; a copy, since dir_file has one buffer. */
static const char *path(const char *name)
{
    static char p[PATH_MAX];
    snprintf(p, sizeof p, "%.3000s", dir_file(dir, name));
    return p;
}

static void ck_holds(const char *name, const char *expected)
{
    char *text;
    size_t n;
    ty_err e = ty_read_text(path(name), 1000, &text, &n);
    ck_assert_msg(e.code == TY_OK, "%s", e.msg);
    ck_assert_str_eq(text, expected);
    ck_assert_uint_eq(n, strlen(expected));
    free(text);
}

static void ck_error(ty_err e, const char *piece, const char *what)
{
    ck_assert_int_eq(e.code, TY_EUSAGE);
    ck_assert_msg(strstr(e.msg, piece) && strstr(e.msg, what), "'%s' and '%s' in: %s", piece, what,
                  e.msg);
}

START_TEST(a_file_appears_whole_at_commit_and_not_before)
{
    ty_file w;
    ck_assert_int_eq(ty_file_open(&w, path("rows.csv")).code, TY_OK);
    fprintf(w.f, "strategy,workers\n");
    fflush(w.f);
    ck_assert_int_ne(access(path("rows.csv"), F_OK), 0);
    fprintf(w.f, "serial,1\n");
    ck_assert_int_eq(ty_file_commit(&w).code, TY_OK);
    ck_holds("rows.csv", "strategy,workers\nserial,1\n");
    ck_assert_int_eq(dir_count(dir), 1);
}
END_TEST

START_TEST(an_old_file_stays_until_the_new_one_is_whole)
{
    ty_file w;
    write_plain(dir, "a", "old", 3);
    ck_assert_int_eq(ty_file_open(&w, path("a")).code, TY_OK);
    fprintf(w.f, "new");
    ck_holds("a", "old");
    ck_assert_int_eq(ty_file_commit(&w).code, TY_OK);
    ck_holds("a", "new");
}
END_TEST

START_TEST(a_discarded_file_leaves_nothing)
{
    ty_file w;
    write_plain(dir, "a", "old", 3);
    ck_assert_int_eq(ty_file_open(&w, path("a")).code, TY_OK);
    fprintf(w.f, "half");
    ty_file_discard(&w);
    ty_file_discard(&w); /* again does no harm */
    ck_holds("a", "old");
    ck_assert_int_eq(dir_count(dir), 1);
}
END_TEST

START_TEST(all_open_files_are_removed_at_once)
{
    ty_file w[3];
    static const char *const name[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(ty_file_open(&w[i], path(name[i])).code, TY_OK);
    ck_assert_int_eq(ty_file_commit(&w[1]).code, TY_OK);
    ck_assert_int_eq(dir_count(dir), 3);
    ty_file_discard_all();
    ck_assert_int_eq(dir_count(dir), 1); /* b is complete and stays */
    ty_file_discard(&w[0]);
    ty_file_discard(&w[2]);
}
END_TEST

START_TEST(a_child_process_does_not_remove_the_files_of_its_parent)
{
    ty_file w;
    ck_assert_int_eq(ty_file_open(&w, path("a")).code, TY_OK);
    pid_t child = fork();
    if (child == 0) {
        ty_file_discard_all();
        _exit(0);
    }
    waitpid(child, NULL, 0);
    ck_assert_int_eq(dir_count(dir), 1);
    ck_assert_int_eq(ty_file_commit(&w).code, TY_OK);
    ck_holds("a", "");
}
END_TEST

START_TEST(more_files_than_are_remembered_still_work)
{
    ty_file w[20];
    char name[8];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "f%d", i);
        ck_assert_int_eq(ty_file_open(&w[i], path(name)).code, TY_OK);
    }
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(ty_file_commit(&w[i]).code, TY_OK);
    ck_assert_int_eq(dir_count(dir), 20);
}
END_TEST

START_TEST(places_that_cannot_be_written_are_refused_at_open)
{
    ty_file w;
    char longest[3000];
    memset(longest, 'a', sizeof longest);
    longest[2999] = 0;
    ck_error(ty_file_open(&w, "/nowhere/rows.csv"), "/nowhere/rows.csv", "No such file");
    ck_error(ty_file_open(&w, dir), dir, "directory");
    ck_error(ty_file_open(&w, path("new/")), "new/", "directory");
    ck_error(ty_file_open(&w, ""), "cannot write", "directory");
    ck_error(ty_file_open(&w, longest), "aaa", "too long");
    ty_file_discard(&w); /* after a failed open does no harm */
    ck_assert_int_eq(dir_count(dir), 0);
}
END_TEST

/* Never opens a path in /dev by itself: were ty_file_open wrong, root would rename a file over the
 * device. */
START_TEST(a_full_disk_is_reported)
{
    ty_file w;
    if (access("/dev/full", W_OK))
        return;
    ck_assert_int_eq(symlink("/dev/full", path("full")), 0);
    ck_assert_int_eq(ty_file_open(&w, path("full")).code, TY_OK);
    fprintf(w.f, "text");
    ck_error(ty_file_commit(&w), "full", "No space left");
}
END_TEST

START_TEST(links_are_written_through)
{
    struct stat st;
    ty_file w;
    ck_assert_int_eq(symlink("target", path("link")), 0);
    ck_assert_int_eq(ty_file_open(&w, path("link")).code, TY_OK);
    fprintf(w.f, "text");
    ck_assert_int_eq(ty_file_commit(&w).code, TY_OK);
    ck_assert(!lstat(path("link"), &st) && S_ISLNK(st.st_mode));
    ck_holds("target", "text");
}
END_TEST

START_TEST(what_is_no_regular_file_is_written_in_place)
{
    struct stat st;
    ty_file w;
    char got[5] = "";
    ck_assert_int_eq(mkfifo(path("pipe"), 0600), 0); /* stands for a device */
    int reader = open(path("pipe"), O_RDWR | O_NONBLOCK);
    ck_assert_int_eq(ty_file_open(&w, path("pipe")).code, TY_OK);
    fprintf(w.f, "text");
    ck_assert_int_eq(ty_file_commit(&w).code, TY_OK);
    ck_assert(!lstat(path("pipe"), &st) && S_ISFIFO(st.st_mode));
    ck_assert_int_eq(read(reader, got, 4), 4);
    ck_assert_str_eq(got, "text");
    close(reader);
}
END_TEST

START_TEST(a_dash_is_standard_output)
{
    ty_file w;
    ck_assert_int_eq(ty_file_open(&w, "-").code, TY_OK);
    ck_assert_ptr_eq(w.f, stdout);
    ck_assert_int_eq(ty_file_commit(&w).code, TY_OK);
    ty_file_discard(&w);
    ck_assert_int_ge(fcntl(1, F_GETFD), 0);
}
END_TEST

START_TEST(a_directory_is_made_with_its_parents)
{
    char deep[PATH_MAX];
    snprintf(deep, sizeof deep, "%.3000s/x/y//z/", dir);
    ck_assert_int_eq(ty_make_dir(deep).code, TY_OK);
    ck_assert_int_eq(ty_make_dir(deep).code, TY_OK); /* it exists: fine */
    ck_assert_int_eq(access(deep, W_OK), 0);
    static const char *const made[] = {"x/y/z", "x/y", "x"};
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(rmdir(path(made[i])), 0);
}
END_TEST

START_TEST(a_directory_that_cannot_be_made_is_refused)
{
    char longest[3000];
    memset(longest, 'a', sizeof longest);
    longest[2999] = 0;
    write_plain(dir, "file", "", 0);
    ck_error(ty_make_dir(path("file")), "file", "--out");
    ck_error(ty_make_dir(path("file/x")), "file/x", "--out");
    ck_error(ty_make_dir("/proc/nothing"), "/proc/nothing", "--out");
    ck_error(ty_make_dir(""), "cannot create", "--out");
    ck_error(ty_make_dir(longest), "path", "too long");
    if (getuid()) { /* root may write everywhere */
        ck_assert_int_eq(mkdir(path("closed"), 0500), 0);
        ck_error(ty_make_dir(path("closed")), "closed", "--out");
    }
}
END_TEST

START_TEST(texts_are_read_up_to_their_limit)
{
    char *text;
    size_t n;
    write_plain(dir, "t", "12345", 5);
    ck_assert_int_eq(ty_read_text(path("t"), 5, &text, &n).code, TY_OK);
    ck_assert_uint_eq(n, 5);
    ck_assert_str_eq(text, "12345");
    free(text);
    ck_error(ty_read_text(path("t"), 4, &text, &n), "t", "larger than 4 bytes");
    ck_error(ty_read_text(path("none"), 4, &text, &n), "none", "No such file");
    ck_error(ty_read_text(dir, 4, &text, &n), dir, "cannot read");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base_file");
    TCase *t = tcase_create("file");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_file_appears_whole_at_commit_and_not_before);
    tcase_add_test(t, an_old_file_stays_until_the_new_one_is_whole);
    tcase_add_test(t, a_discarded_file_leaves_nothing);
    tcase_add_test(t, all_open_files_are_removed_at_once);
    tcase_add_test(t, a_child_process_does_not_remove_the_files_of_its_parent);
    tcase_add_test(t, more_files_than_are_remembered_still_work);
    tcase_add_test(t, places_that_cannot_be_written_are_refused_at_open);
    tcase_add_test(t, a_full_disk_is_reported);
    tcase_add_test(t, links_are_written_through);
    tcase_add_test(t, what_is_no_regular_file_is_written_in_place);
    tcase_add_test(t, a_dash_is_standard_output);
    tcase_add_test(t, a_directory_is_made_with_its_parents);
    tcase_add_test(t, a_directory_that_cannot_be_made_is_refused);
    tcase_add_test(t, texts_are_read_up_to_their_limit);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
