/* SPDX-License-Identifier: MIT
 *
 * What the readers (dataset_idx.c, dataset_digits.c) share, the data set without numbers, and sequences as windows.
 */
#include "workloads/dataset_file.h"

#include "kernels/kernels.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void name_source(ty_source *s, const char *path)
{
    const size_t n = strlen(path), room = sizeof s->name - 1;
    if (n <= room)
        memcpy(s->name, path, n + 1);
    else
        snprintf(s->name, sizeof s->name, "...%s", path + n - (room - 3));
}

ty_err ty_source_open(ty_source *s, const char *path)
{
    name_source(s, path);
    errno = 0;
    s->gz = gzopen(path, "rb");
    if (!s->gz)
        return ty_error(TY_EUSAGE, "cannot read %s: %s; check the name, or put the file there",
                        s->name, strerror(errno ? errno : ENOMEM));
    gzbuffer(s->gz, 1 << 17);
    return ty_ok();
}

ty_err ty_source_error(const ty_source *s, ty_err otherwise)
{
    int why = Z_OK;
    gzerror(s->gz, &why);
    switch (why) {
    case Z_OK:
    case Z_STREAM_END:
        return otherwise;
    case Z_BUF_ERROR:
        return ty_error(TY_EUSAGE, "%s is truncated: its gzip data ends early; download it again",
                        s->name);
    case Z_ERRNO:
        return ty_error(TY_EUSAGE, "cannot read %s: %s; name a readable file", s->name,
                        strerror(errno));
    default:
        return ty_error(TY_EUSAGE, "%s has damaged gzip data; download it again", s->name);
    }
}

uint8_t *ty_source_grow(const ty_source *s, uint8_t *buf, size_t *room, size_t need, size_t most)
{
    size_t more = *room ? 2 * *room : 1 << 20;
    more = more < most ? more : most;
    more = more < need ? need : more;
    uint8_t *p = realloc(buf, more);
    TY_CHECK(p, "out of memory: %zu bytes of %s", more, s->name);
    *room = more;
    return p;
}

/* Sums of whole numbers: the same mean on every machine. */
static void measure(ty_dataset *d)
{
    const size_t n = (size_t)d->train.n * d->train.height * d->train.width;
    uint64_t sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += d->train.pixels[i];
        squares += (uint64_t)d->train.pixels[i] * d->train.pixels[i];
    }
    const double mean = (double)sum / (double)n, var = (double)squares / (double)n - mean * mean;
    d->mean = (float)(mean / 255);
    d->std = var > 1e-9 ? (float)(sqrt(var) / 255) : 1; /* all pixels equal: nothing to scale */
}

ty_err ty_dataset_finish(ty_dataset *d, ty_err e)
{
    if (e.code == TY_OK)
        measure(d);
    else
        ty_dataset_free(d);
    return e;
}

void ty_dataset_synthetic(ty_dataset *d, uint32_t n, uint32_t features, uint32_t classes)
{
    TY_CHECK(n > 0 && features > 0 && classes > 0, "%u samples, %u features, %u classes", n,
             features, classes);
    *d = (ty_dataset){.mean = 0, .std = 1};
    d->train = (ty_images){.n = n, .height = 1, .width = features, .classes = classes};
    d->test = d->train;
    d->test.n = 0;
}

/* Windows that fit into `room` elements with what lies `ahead` of them. */
static size_t windows(const ty_sequence *s, size_t room)
{
    const size_t span = s->T + s->ahead;
    return room < span ? 0 : (room - span) / s->stride + 1;
}

ty_err ty_dataset_sequence_take(ty_dataset *d, const char *name, ty_sequence s, size_t train)
{
    TY_CHECK(s.T > 0 && s.targets > 0 && s.targets <= s.T && s.stride > 0 && train <= s.length,
             "windows of %zu, %zu targets, %zu apart, %zu of %zu to train on", s.T, s.targets,
             s.stride, train, s.length);
    const size_t before = s.T - s.targets + s.ahead; /* of the first label in a window */
    s.test_at = train > before ? train - before : 0;
    const size_t n = windows(&s, train), m = windows(&s, s.length - s.test_at);
    *d = (ty_dataset){.sequence = s, .mean = 0, .std = 1};
    if (n && m && n <= UINT32_MAX && m <= UINT32_MAX) {
        d->train.n = (uint32_t)n;
        d->test.n = (uint32_t)m;
        return ty_ok();
    }
    ty_dataset_free(d);
    if (n && m)
        return ty_error(TY_EUSAGE, "%s is too long: %zu windows; use less of it", name, n + m);
    return ty_error(
        TY_EUSAGE,
        "%s is too short (%zu elements) for windows of %zu and their labels, to train on "
        "and to test; use a smaller --context or more data",
        name, s.length, s.T);
}

size_t ty_dataset_features(const ty_dataset *d)
{
    return d->sequence.value ? d->sequence.T : (size_t)d->train.height * d->train.width;
}

size_t ty_dataset_targets(const ty_dataset *d)
{
    return d->sequence.value ? d->sequence.targets : 1;
}

ty_work ty_dataset_load_work(const ty_dataset *d, size_t rows, int augment)
{
    const ty_images *im = &d->train;
    if (d->sequence.value)
        return ty_work_copy(rows * d->sequence.T);
    if (!im->pixels) /* made-up samples are copied */
        return ty_work_copy(rows * im->height * im->width);
    return ty_work_augment(rows, im->height, im->width, augment);
}

void ty_dataset_free(ty_dataset *d)
{
    free(d->sequence.value);
    free(d->train.pixels);
    free(d->train.labels);
    free(d->test.pixels);
    free(d->test.labels);
    *d = (ty_dataset){0};
}
