/* SPDX-License-Identifier: MIT
 *
 * The shipped data sets, and every way in which a file can be wrong.
 */
#include "tests/files.h"
#include "workloads/dataset.h"

#include <check.h>
#include <ctype.h>
#include <sys/resource.h>
#include <sys/wait.h>

static const char *const train_images = "train-images-idx3-ubyte";
static const char *const train_labels = "train-labels-idx1-ubyte";
static const char *const test_images = "t10k-images-idx3-ubyte";
static const char *const test_labels = "t10k-labels-idx1-ubyte";

enum { H = 5, W = 4, CLASSES = 3, TRAIN = 6, TEST = 2 };

static char dir[PATH_MAX];

/* An IDX file in a buffer: header, then a pattern or labels 0, 1, 2, 0, 1, 2, ... */
typedef struct idx {
    unsigned char b[4096];
    size_t n;
} idx;

static void put32(idx *x, uint32_t v)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        x->b[x->n++] = (unsigned char)(v >> shift);
}

static idx images(uint32_t n, uint32_t h, uint32_t w)
{
    idx x = {.n = 0};
    put32(&x, 0x803);
    put32(&x, n);
    put32(&x, h);
    put32(&x, w);
    for (uint32_t i = 0; i < n * h * w; i++)
        x.b[x.n++] = (unsigned char)(7 * i + 1);
    return x;
}

static idx labels(uint32_t n)
{
    idx x = {.n = 0};
    put32(&x, 0x801);
    put32(&x, n);
    for (uint32_t i = 0; i < n; i++)
        x.b[x.n++] = (unsigned char)(i % CLASSES);
    return x;
}

static void put(const char *name, idx x)
{
    write_plain(dir, name, x.b, x.n);
}

static void four_good_files(void)
{
    dir_new(dir);
    put(train_images, images(TRAIN, H, W));
    put(train_labels, labels(TRAIN));
    put(test_images, images(TEST, H, W));
    put(test_labels, labels(TEST));
}

static void empty_dir(void)
{
    dir_new(dir);
}

static void teardown(void)
{
    dir_free(dir);
}

/* One readable line that is not cut off, and nothing left to free. */
static void ck_refused(ty_err e, const ty_dataset *d, const char *file, const char *what)
{
    ck_assert_int_eq(e.code, TY_EUSAGE);
    ck_assert_msg(strstr(e.msg, file) && strstr(e.msg, what), "'%s' in: %s", what, e.msg);
    ck_assert_uint_lt(strlen(e.msg), sizeof e.msg - 1);
    for (const char *p = e.msg; *p; p++)
        ck_assert(isprint((unsigned char)*p));
    ck_assert(!d->train.pixels && !d->train.labels && !d->test.pixels && !d->test.labels);
    ck_assert_uint_eq(d->train.n, 0);
}

static void ck_idx_refused(const char *file, const char *what)
{
    ty_dataset d;
    ck_refused(ty_dataset_load_idx(&d, dir, CLASSES), &d, file, what);
}

static void ck_loads(void)
{
    ty_dataset d;
    ty_err e = ty_dataset_load_idx(&d, dir, CLASSES);
    ck_assert_msg(e.code == TY_OK, "%s", e.msg);
    ck_assert_uint_eq(d.train.n, TRAIN);
    ck_assert_uint_eq(d.test.n, TEST);
    ck_assert_uint_eq(d.train.height, H);
    ck_assert_uint_eq(d.train.width, W);
    ck_assert_uint_eq(d.test.classes, CLASSES);
    for (unsigned i = 0; i < TRAIN * H * W; i++)
        ck_assert_uint_eq(d.train.pixels[i], (uint8_t)(7 * i + 1));
    for (unsigned i = 0; i < TRAIN; i++)
        ck_assert_uint_eq(d.train.labels[i], i % CLASSES);
    ty_dataset_free(&d);
    ck_assert_ptr_null(d.train.pixels);
}

/* ---- what is shipped
 * ----------------------------------------------------------------------------------- */

static void ck_histogram(const ty_images *im, const unsigned *expected)
{
    unsigned count[10] = {0};
    for (uint32_t i = 0; i < im->n; i++)
        count[im->labels[i]]++;
    for (int c = 0; c < 10; c++)
        ck_assert_uint_eq(count[c], expected[c]);
}

START_TEST(shipped_mnist_has_its_counts_labels_mean_and_deviation)
{
    static const unsigned train[] = {809, 910, 787, 839, 777, 680, 789, 852, 788, 769};
    static const unsigned test[] = {192, 217, 204, 193, 203, 183, 225, 218, 156, 209};
    ty_dataset d;
    ty_err e = ty_dataset_load_idx(&d, TY_DATA_DIR "/mnist", 10);
    ck_assert_msg(e.code == TY_OK, "%s", e.msg);
    ck_assert_uint_eq(d.train.n, 8000);
    ck_assert_uint_eq(d.test.n, 2000);
    ck_assert_uint_eq(d.train.height * d.train.width, 784);
    ck_histogram(&d.train, train);
    ck_histogram(&d.test, test);
    ck_assert_float_eq_tol(d.mean, 0.13152965f, 1e-6f);
    ck_assert_float_eq_tol(d.std, 0.30918062f, 1e-6f);
    ty_dataset_free(&d);
}
END_TEST

START_TEST(shipped_digits_have_their_counts_labels_mean_and_deviation)
{
    static const unsigned train[] = {151, 151, 150, 153, 148, 152, 151, 149, 146, 149};
    static const unsigned test[] = {27, 31, 27, 30, 33, 30, 30, 30, 28, 31};
    static const uint8_t row[] = {0, 0, 80, 207, 143, 16, 0, 0}; /* 0,0,5,13,9,1,0,0 of 16 */
    ty_dataset d;
    ty_err e = ty_dataset_load_digits(&d, TY_DATA_DIR "/digits.csv.gz", 297);
    ck_assert_msg(e.code == TY_OK, "%s", e.msg);
    ck_assert_uint_eq(d.train.n, 1500);
    ck_assert_uint_eq(d.test.n, 297);
    ck_assert_uint_eq(d.train.height * d.train.width, 64);
    ck_histogram(&d.train, train);
    ck_histogram(&d.test, test);
    ck_assert_mem_eq(d.train.pixels, row, sizeof row);
    ck_assert_uint_eq(d.test.labels[296], 8);
    ck_assert_float_eq_tol(d.mean, 0.30515739f, 1e-6f);
    ck_assert_float_eq_tol(d.std, 0.37486354f, 1e-6f);
    ty_dataset_free(&d);
}
END_TEST

START_TEST(synthetic_data_has_a_shape_and_no_numbers)
{
    ty_dataset d;
    ty_dataset_synthetic(&d, 100, 30, 7);
    ck_assert_uint_eq(d.train.n, 100);
    ck_assert_uint_eq(d.train.height * d.train.width, 30);
    ck_assert_uint_eq(d.train.classes, 7);
    ck_assert_ptr_null(d.train.pixels);
    ty_dataset_free(&d);
}
END_TEST

/* ---- IDX files
 * ------------------------------------------------------------------------------------------- */

START_TEST(plain_files_load)
{
    ck_loads();
}
END_TEST

START_TEST(gzipped_files_load_and_come_before_plain_ones)
{
    idx x = images(TRAIN, H, W), y = labels(TRAIN);
    write_gzip(dir, "train-images-idx3-ubyte.gz", x.b, x.n);
    write_gzip(dir, "train-labels-idx1-ubyte.gz", y.b, y.n);
    put(train_images, labels(1)); /* wrong, and never looked at */
    ck_loads();
}
END_TEST

START_TEST(a_plain_file_under_a_gz_name_loads)
{
    remove(dir_file(dir, train_labels));
    put("train-labels-idx1-ubyte.gz", labels(TRAIN));
    ck_loads();
}
END_TEST

START_TEST(sixty_thousand_images_load_like_the_full_mnist)
{
    const size_t n = 60000, size = 784;
    unsigned char *x = calloc(16 + n * size, 1), *y = calloc(8 + n, 1);
    memcpy(x, "\0\0\x08\x03\0\0\xea\x60\0\0\0\x1c\0\0\0\x1c", 16);
    memcpy(y, "\0\0\x08\x01\0\0\xea\x60", 8);
    for (size_t i = 0; i < n; i++) {
        x[16 + i * size + i % size] = 255;
        y[8 + i] = (unsigned char)(i % 10);
    }
    write_gzip(dir, "train-images-idx3-ubyte.gz", x, 16 + n * size);
    write_gzip(dir, "train-labels-idx1-ubyte.gz", y, 8 + n);
    put(test_images, images(2, 28, 28));
    ty_dataset d;
    ty_err e = ty_dataset_load_idx(&d, dir, 10);
    ck_assert_msg(e.code == TY_OK, "%s", e.msg);
    ck_assert_uint_eq(d.train.n, n);
    ck_assert_mem_eq(d.train.pixels, x + 16, n * size);
    ck_assert_mem_eq(d.train.labels, y + 8, n);
    ty_dataset_free(&d);
    free(x);
    free(y);
}
END_TEST

START_TEST(a_missing_file_is_named_with_and_without_gz)
{
    remove(dir_file(dir, test_labels));
    ck_idx_refused("t10k-labels-idx1-ubyte.gz or t10k-labels-idx1-ubyte in", "put the four");
    ty_dataset d;
    ck_refused(ty_dataset_load_idx(&d, "/nowhere", 10), &d, train_images, "/nowhere");
}
END_TEST

START_TEST(a_directory_in_place_of_a_file_is_refused)
{
    remove(dir_file(dir, test_labels));
    ck_assert_int_eq(symlink("/", dir_file(dir, test_labels)), 0);
    ck_idx_refused(test_labels, "cannot read");
}
END_TEST

START_TEST(a_long_path_leaves_room_for_what_is_wrong)
{
    char deep[PATH_MAX] = "";
    for (int i = 0; i < 300; i++)
        strcat(deep, "/.");
    char path[2 * PATH_MAX];
    snprintf(path, sizeof path, "%s%s", dir, deep);
    put(test_labels, labels(TEST + 1));
    ty_dataset d;
    ck_refused(ty_dataset_load_idx(&d, path, CLASSES), &d, test_labels, "3 labels for 2 images");
    memset(path, 'a', 1500);
    path[1500] = 0;
    ck_refused(ty_dataset_load_idx(&d, path, CLASSES), &d, "directory", "too long");
}
END_TEST

/* The gzip'd training images, cut to `keep` bytes, with byte `flip` (if any) turned over. */
static void damage_gzip(size_t keep, long flip)
{
    static const char name[] = "train-images-idx3-ubyte.gz";
    idx x = images(TRAIN, H, W);
    unsigned char b[4096];
    write_gzip(dir, name, x.b, x.n);
    FILE *f = fopen(dir_file(dir, name), "rb");
    size_t n = fread(b, 1, sizeof b, f);
    fclose(f);
    if (flip >= 0)
        b[flip] ^= 0xff;
    write_plain(dir, name, b, keep < n ? keep : n);
}

START_TEST(a_truncated_gzip_is_refused_wherever_it_is_cut)
{
    for (size_t keep = 2; keep < 140; keep += 3) {
        damage_gzip(keep, -1);
        ck_idx_refused("train-images-idx3-ubyte.gz", "truncated");
    }
}
END_TEST

START_TEST(damaged_gzip_data_is_refused)
{
    damage_gzip(4096, 40);
    ck_idx_refused("train-images-idx3-ubyte.gz", "download it again");
}
END_TEST

START_TEST(garbage_is_no_idx_file)
{
    const char *text = "<html><body>404: the page was not found</body></html>";
    write_plain(dir, train_images, text, strlen(text));
    ck_idx_refused(train_images, "is no IDX file of images: it starts with 0x3c68746d");
}
END_TEST

START_TEST(labels_in_place_of_images_are_refused)
{
    put(train_images, labels(TRAIN));
    ck_idx_refused(train_images, "0x00000801, not 0x00000803");
    put(train_images, images(TRAIN, H, W));
    put(test_labels, images(TEST, H, W));
    ck_idx_refused(test_labels, "0x00000803, not 0x00000801");
}
END_TEST

START_TEST(a_file_shorter_than_its_header_is_refused)
{
    idx x = images(TRAIN, H, W);
    static const size_t cut[] = {0, 1, 3, 4, 15};
    for (size_t i = 0; i < 5; i++) {
        write_plain(dir, train_images, x.b, cut[i]);
        ck_idx_refused(train_images, "too short for the header");
    }
}
END_TEST

START_TEST(a_file_shorter_than_its_dimensions_is_refused)
{
    idx x = images(TRAIN, H, W);
    write_plain(dir, train_images, x.b, x.n - 1);
    ck_idx_refused(train_images, "too short: 119 bytes of data, 120 in its header");
    write_plain(dir, train_images, x.b, 16);
    ck_idx_refused(train_images, "too short: 0 bytes");
}
END_TEST

START_TEST(a_file_longer_than_its_dimensions_is_refused)
{
    idx x = images(TRAIN, H, W), y = labels(TRAIN);
    write_plain(dir, train_images, x.b, x.n + 1);
    ck_idx_refused(train_images, "too long");
    put(train_images, images(TRAIN, H, W));
    write_plain(dir, train_labels, y.b, y.n + 1);
    ck_idx_refused(train_labels, "too long");
}
END_TEST

static idx hostile(uint32_t n, uint32_t h, uint32_t w)
{
    idx x = {.n = 0};
    put32(&x, 0x803);
    put32(&x, n);
    put32(&x, h);
    put32(&x, w);
    return x;
}

START_TEST(dimensions_that_overflow_are_refused)
{
    static const uint32_t dim[][3] = {{UINT32_MAX, UINT32_MAX, UINT32_MAX}, /* 2^96 */
                                      {1u << 31, 1u << 31, 4},              /* 2^64 = 0 */
                                      {1, 1u << 16, 1u << 16},
                                      {1u << 24, 8, 9}};
    for (size_t i = 0; i < sizeof dim / sizeof *dim; i++) {
        put(train_images, hostile(dim[i][0], dim[i][1], dim[i][2]));
        ck_idx_refused(train_images, "more than 1024 MiB");
    }
}
END_TEST

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { ROOM = 0 }; /* a sanitizer needs terabytes of addresses: no limit */
#else
enum { ROOM = 256 << 20 };
#endif

/* In a child with little room, so that even memory that nobody touches counts. */
START_TEST(a_header_alone_takes_no_memory)
{
    put(train_images, hostile(1300000, 28, 28)); /* 1.02 GB promised, nothing there */
    pid_t child = fork();
    if (child == 0) {
        ty_dataset d;
        const struct rlimit room = {ROOM, ROOM};
        if (ROOM)
            setrlimit(RLIMIT_AS, &room);
        ty_err e = ty_dataset_load_idx(&d, dir, CLASSES);
        _exit(strstr(e.msg, "too short: 0 bytes") ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(an_empty_set_is_refused)
{
    put(test_images, images(0, H, W));
    put(test_labels, labels(0));
    ck_idx_refused(test_images, "is empty: 0 images of 5 x 4");
    put(test_images, images(TEST, 0, W));
    ck_idx_refused(test_images, "is empty");
}
END_TEST

START_TEST(different_counts_of_images_and_labels_are_refused)
{
    put(train_labels, labels(TRAIN - 1));
    ck_idx_refused(train_labels, "5 labels for 6 images");
}
END_TEST

START_TEST(a_label_out_of_range_names_the_sample_and_the_value)
{
    idx y = labels(TRAIN);
    y.b[8 + 4] = 200;
    put(train_labels, y);
    ck_idx_refused(train_labels, "sample 4 (the first is 0) has label 200; use 0 to 2");
    y.b[8 + 4] = CLASSES; /* the first that is too large */
    put(train_labels, y);
    ck_idx_refused(train_labels, "has label 3");
}
END_TEST

START_TEST(train_and_test_images_of_different_size_are_refused)
{
    put(test_images, images(TEST, W, H));
    ck_idx_refused(train_images, "5 x 4 pixels, t10k-images-idx3-ubyte 4 x 5");
    put(test_images, images(TEST, H + 1, W));
    ck_idx_refused(train_images, "6 x 4");
    put(test_images, images(TEST, H, W + 1));
    ck_idx_refused(train_images, "5 x 5");
}
END_TEST

START_TEST(images_of_one_colour_keep_a_usable_deviation)
{
    idx x = images(TRAIN, H, W);
    memset(x.b + 16, 51, x.n - 16);
    put(train_images, x);
    ty_dataset d;
    ck_assert_int_eq(ty_dataset_load_idx(&d, dir, CLASSES).code, TY_OK);
    ck_assert_float_eq_tol(d.mean, 0.2f, 1e-6f);
    ck_assert_float_eq(d.std, 1);
    ty_dataset_free(&d);
}
END_TEST

/* ---- CSV
 * -------------------------------------------------------------------------------------------------
 */

/* `lines` good lines, pixel value = column % 17, label = line % 10; line `bad` (from 1) is `text`.
 */
static void csv(int lines, int bad, const char *text)
{
    char b[65536];
    size_t n = 0;
    for (int i = 1; i <= lines; i++) {
        for (int c = 0; i != bad && c < 64; c++)
            n += (size_t)sprintf(b + n, "%d,", c % 17);
        n += i == bad ? (size_t)sprintf(b + n, "%s\n", text)
                      : (size_t)sprintf(b + n, "%d\n", i % 10);
    }
    write_plain(dir, "d.csv", b, n);
}

/* A good line with column `c` (from 0) replaced. */
static const char *line_with(int c, const char *field)
{
    static char b[400];
    size_t n = 0;
    for (int i = 0; i < 65; i++)
        n += (size_t)snprintf(b + n, sizeof b - n, "%s%s", i ? "," : "", i == c ? field : "3");
    return b;
}

static void ck_csv_refused(uint32_t test, const char *what)
{
    ty_dataset d;
    ck_refused(ty_dataset_load_digits(&d, dir_file(dir, "d.csv"), test), &d, "d.csv", what);
}

START_TEST(the_last_lines_are_the_test_set)
{
    csv(12, 0, "");
    ty_dataset d;
    ck_assert_int_eq(ty_dataset_load_digits(&d, dir_file(dir, "d.csv"), 5).code, TY_OK);
    ck_assert_uint_eq(d.train.n, 7);
    ck_assert_uint_eq(d.test.n, 5);
    ck_assert_uint_eq(d.test.labels[0], 8);
    ck_assert_uint_eq(d.train.pixels[16], 255);
    ck_assert_uint_eq(d.test.pixels[64 + 8], 128);
    ty_dataset_free(&d);
}
END_TEST

START_TEST(line_ends_of_other_systems_and_blank_lines_are_fine)
{
    char b[1024];
    int n = sprintf(b, "%s\r\n\r\n", line_with(64, "1"));
    n += sprintf(b + n, "%s", line_with(64, "2")); /* no end of line at all */
    write_gzip(dir, "d.csv", b, (size_t)n);
    ty_dataset d;
    ck_assert_int_eq(ty_dataset_load_digits(&d, dir_file(dir, "d.csv"), 1).code, TY_OK);
    ck_assert_uint_eq(d.test.labels[0], 2);
    ty_dataset_free(&d);
}
END_TEST

START_TEST(a_wrong_number_of_columns_names_the_line)
{
    csv(9, 4, "1,2,3");
    ck_csv_refused(1, "line 4 has 3 columns; write 65");
    char longer[512];
    snprintf(longer, sizeof longer, "%s,1", line_with(0, "1"));
    csv(9, 9, longer);
    ck_csv_refused(1, "line 9 has 66 columns");
}
END_TEST

START_TEST(what_is_not_a_number_names_line_and_column)
{
    static const char *const bad[] = {"x", "", " 3", "-1", "+1", "1.5", "1e1", "0x1", "00000003"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        csv(5, 2, line_with(7, bad[i]));
        ck_csv_refused(1, "line 2 column 8: the pixel");
    }
    csv(5, 1, line_with(0, "\033[2J\x80"));
    ck_csv_refused(1, "line 1 column 1: the pixel '?[2J?'");
}
END_TEST

START_TEST(a_pixel_or_label_out_of_range_names_the_value)
{
    csv(5, 3, line_with(63, "17"));
    ck_csv_refused(1, "line 3 column 64: the pixel '17' is not a whole number from 0 to 16");
    csv(5, 3, line_with(64, "10"));
    ck_csv_refused(1, "line 3 column 65: the label '10' is not a whole number from 0 to 9");
}
END_TEST

START_TEST(a_file_without_lines_is_refused)
{
    write_plain(dir, "d.csv", "", 0);
    ck_csv_refused(0, "no lines");
    write_plain(dir, "d.csv", "\n\n\n", 3);
    ck_csv_refused(0, "no lines");
}
END_TEST

START_TEST(a_test_set_of_everything_is_refused)
{
    csv(9, 0, "");
    ck_csv_refused(9, "9 lines: 9 test samples leave none to train on; use at most 8");
    ck_csv_refused(UINT32_MAX, "use at most 8");
}
END_TEST

START_TEST(endless_lines_and_binary_data_are_refused)
{
    char b[5000];
    memset(b, '1', sizeof b);
    write_plain(dir, "d.csv", b, sizeof b);
    ck_csv_refused(1, "line 1 is longer than");
    int n = sprintf(b, "%s", line_with(64, "1"));
    memcpy(b + n, "\0junk\n1", 7);
    write_plain(dir, "d.csv", b, (size_t)n + 7);
    ck_csv_refused(1, "is no text");
}
END_TEST

START_TEST(a_truncated_or_missing_csv_is_refused)
{
    char b[8192];
    FILE *f = fopen(TY_DATA_DIR "/digits.csv.gz", "rb");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(b, 1, sizeof b, f);
    fclose(f);
    write_plain(dir, "d.csv", b, n);
    ck_csv_refused(1, "truncated");
    ty_dataset d;
    ck_refused(ty_dataset_load_digits(&d, "/nowhere/d.csv", 1), &d, "/nowhere/d.csv",
               "No such file");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("workloads_dataset");
    TCase *shipped = tcase_create("shipped"), *idx_files = tcase_create("idx"),
          *lines = tcase_create("csv");
    tcase_add_test(shipped, shipped_mnist_has_its_counts_labels_mean_and_deviation);
    tcase_add_test(shipped, shipped_digits_have_their_counts_labels_mean_and_deviation);
    tcase_add_test(shipped, synthetic_data_has_a_shape_and_no_numbers);
    tcase_add_checked_fixture(idx_files, four_good_files, teardown);
    tcase_set_timeout(idx_files, 60);
    tcase_add_test(idx_files, plain_files_load);
    tcase_add_test(idx_files, a_header_alone_takes_no_memory);
    tcase_add_test(idx_files, gzipped_files_load_and_come_before_plain_ones);
    tcase_add_test(idx_files, a_plain_file_under_a_gz_name_loads);
    tcase_add_test(idx_files, sixty_thousand_images_load_like_the_full_mnist);
    tcase_add_test(idx_files, a_missing_file_is_named_with_and_without_gz);
    tcase_add_test(idx_files, a_directory_in_place_of_a_file_is_refused);
    tcase_add_test(idx_files, a_long_path_leaves_room_for_what_is_wrong);
    tcase_add_test(idx_files, a_truncated_gzip_is_refused_wherever_it_is_cut);
    tcase_add_test(idx_files, damaged_gzip_data_is_refused);
    tcase_add_test(idx_files, garbage_is_no_idx_file);
    tcase_add_test(idx_files, labels_in_place_of_images_are_refused);
    tcase_add_test(idx_files, a_file_shorter_than_its_header_is_refused);
    tcase_add_test(idx_files, a_file_shorter_than_its_dimensions_is_refused);
    tcase_add_test(idx_files, a_file_longer_than_its_dimensions_is_refused);
    tcase_add_test(idx_files, dimensions_that_overflow_are_refused);
    tcase_add_test(idx_files, an_empty_set_is_refused);
    tcase_add_test(idx_files, different_counts_of_images_and_labels_are_refused);
    tcase_add_test(idx_files, a_label_out_of_range_names_the_sample_and_the_value);
    tcase_add_test(idx_files, train_and_test_images_of_different_size_are_refused);
    tcase_add_test(idx_files, images_of_one_colour_keep_a_usable_deviation);
    tcase_add_checked_fixture(lines, empty_dir, teardown);
    tcase_add_test(lines, the_last_lines_are_the_test_set);
    tcase_add_test(lines, line_ends_of_other_systems_and_blank_lines_are_fine);
    tcase_add_test(lines, a_wrong_number_of_columns_names_the_line);
    tcase_add_test(lines, what_is_not_a_number_names_line_and_column);
    tcase_add_test(lines, a_pixel_or_label_out_of_range_names_the_value);
    tcase_add_test(lines, a_file_without_lines_is_refused);
    tcase_add_test(lines, a_test_set_of_everything_is_refused);
    tcase_add_test(lines, endless_lines_and_binary_data_are_refused);
    tcase_add_test(lines, a_truncated_or_missing_csv_is_refused);
    suite_add_tcase(s, shipped);
    suite_add_tcase(s, idx_files);
    suite_add_tcase(s, lines);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
