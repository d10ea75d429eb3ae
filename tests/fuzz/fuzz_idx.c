/* SPDX-License-Identifier: MIT
 *
 * The input stands once for the training images and once for the labels, beside three good files.
 */
#include "tests/files.h"
#include "tests/fuzz/fuzz.h"
#include "workloads/dataset.h"

enum { TRAIN = 6, TEST = 2, CLASSES = 3 }; /* of 5 x 4 pixels, as in seeds/idx */

static const char images_head[] = "\0\0\x08\x03\0\0\0\x06\0\0\0\x05\0\0\0\x04";
static const char labels_head[] = "\0\0\x08\x01\0\0\0\x06";
static char dir[PATH_MAX];

static void remove_dir(void)
{
    dir_free(dir);
}

static void put_images(const char *name, char n)
{
    char b[16 + TRAIN * 20] = {0};
    memcpy(b, images_head, 16);
    b[7] = n;
    write_plain(dir, name, b, 16 + (size_t)n * 20);
}

static void put_labels(const char *name, char n)
{
    char b[8 + TRAIN] = {0};
    memcpy(b, labels_head, 8);
    b[7] = n;
    write_plain(dir, name, b, 8 + (size_t)n);
}

static void four_good_files(void)
{
    dir_new(dir);
    atexit(remove_dir);
    put_images("train-images-idx3-ubyte", TRAIN);
    put_labels("train-labels-idx1-ubyte", TRAIN);
    put_images("t10k-images-idx3-ubyte", TEST);
    put_labels("t10k-labels-idx1-ubyte", TEST);
}

/* Touches all that was promised, so that a sanitizer sees what is not there. */
static void check(const ty_images *im)
{
    const size_t size = (size_t)im->n * im->height * im->width;
    unsigned sum = 0;
    TY_CHECK(im->n && size, "an empty set was accepted");
    for (size_t i = 0; i < size; i++)
        sum += im->pixels[i];
    for (size_t i = 0; i < im->n; i++)
        TY_CHECK(im->labels[i] < CLASSES, "label %d of %u", im->labels[i], sum);
}

static void load(void)
{
    ty_dataset d;
    ty_err e = ty_dataset_load_idx(&d, dir, CLASSES);
    if (e.code) {
        fuzz_refused(e);
        TY_CHECK(!d.train.pixels && !d.train.labels && !d.test.pixels,
                 "a refused set is not empty");
        return;
    }
    check(&d.train);
    check(&d.test);
    TY_CHECK(d.mean >= 0 && d.mean <= 1 && d.std > 0, "mean %g, deviation %g", (double)d.mean,
             (double)d.std);
    ty_dataset_free(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const name[] = {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"};
    if (!*dir)
        four_good_files();
    for (int i = 0; i < 2; i++) {
        write_plain(dir, name[i], data, size); /* goes before the plain file */
        load();
        remove(dir_file(dir, name[i]));
    }
    return 0;
}
