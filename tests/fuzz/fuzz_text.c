/* SPDX-License-Identifier: MIT */
#include "tests/files.h"
#include "tests/fuzz/fuzz.h"
#include "workloads/dataset.h"

static char dir[PATH_MAX];

static void remove_dir(void)
{
    dir_free(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { WINDOW = 5 };
    ty_dataset d;
    if (!*dir) {
        dir_new(dir);
        atexit(remove_dir);
    }
    write_plain(dir, "text", data, size);
    ty_err e = ty_dataset_load_text(&d, dir_file(dir, "text"), WINDOW);
    const ty_sequence *s = &d.sequence;
    if (e.code) {
        fuzz_refused(e);
        TY_CHECK(!s->value, "a refused set is not empty");
        return 0;
    }
    TY_CHECK(d.train.n > 0 && d.test.n > 0 && s->symbols > 0, "%u + %u samples of %d symbols",
             d.train.n, d.test.n, s->symbols);
    TY_CHECK(s->test_at + (d.test.n - 1) * s->stride + WINDOW + 1 <= s->length,
             "the end is outside");
    for (size_t i = 0; i < s->length; i++)
        TY_CHECK(s->value[i] >= 0 && s->value[i] < (float)s->symbols, "token %zu is %g", i,
                 (double)s->value[i]);
    ty_dataset_free(&d);
    return 0;
}
