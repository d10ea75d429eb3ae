/* SPDX-License-Identifier: MIT */
#include "tests/files.h"
#include "tests/fuzz/fuzz.h"
#include "workloads/dataset.h"

static char dir[PATH_MAX];

static void remove_dir(void)
{
    dir_free(dir);
}

static void check(const ty_images *im)
{
    unsigned sum = 0;
    for (size_t i = 0; i < (size_t)im->n * 64; i++)
        sum += im->pixels[i];
    for (size_t i = 0; i < im->n; i++)
        TY_CHECK(im->labels[i] < 10, "label %d of %u", im->labels[i], sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ty_dataset d;
    if (!*dir) {
        dir_new(dir);
        atexit(remove_dir);
    }
    write_plain(dir, "digits.csv", data, size);
    ty_err e = ty_dataset_load_digits(&d, dir_file(dir, "digits.csv"), 1);
    if (e.code) {
        fuzz_refused(e);
        TY_CHECK(!d.train.pixels && !d.test.pixels, "a refused set is not empty");
        return 0;
    }
    TY_CHECK(d.train.n > 0 && d.test.n == 1 && d.std > 0, "%u + %u samples", d.train.n, d.test.n);
    check(&d.train);
    check(&d.test);
    ty_dataset_free(&d);
    return 0;
}
