/* SPDX-License-Identifier: MIT
 *
 * MNIST's IDX files: a magic number and the sizes, big-endian, then the bytes.
 * What a header promises is never believed before the bytes are there: memory grows with what was
 * read.
 */
#include "workloads/dataset_file.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { IMAGES_MAGIC = 0x0803, LABELS_MAGIC = 0x0801 }; /* unsigned bytes; 3 or 1 dimensions */

/* dir/stem.gz, or else dir/stem. */
static ty_err open_stem(ty_source *s, const char *dir, const char *stem)
{
    char path[1024];
    if (snprintf(path, sizeof path, "%s/%s.gz", dir, stem) >= (int)sizeof path)
        return ty_error(TY_EUSAGE, "the name of the data directory is too long; move it");
    if (access(path, F_OK))
        path[strlen(path) - 3] = 0;
    if (access(path, F_OK))
        return ty_error(TY_EUSAGE, "no %s.gz or %s in %.80s; put the four MNIST files there", stem,
                        stem, dir);
    return ty_source_open(s, path);
}

/* Reads `want` bytes into *out (free() it, also after an error); the file must end there. */
static ty_err read_body(ty_source *s, size_t want, uint8_t **out)
{
    size_t have = 0, room = 0;
    while (have < want) {
        if (have == room)
            *out = ty_source_grow(s, *out, &room, have + 1, want);
        int n = gzread(s->gz, *out + have, (unsigned)(room - have));
        if (n <= 0)
            return ty_source_error(
                s, ty_error(TY_EUSAGE,
                            "%s is too short: %zu bytes of data, %zu in its header; download it "
                            "again",
                            s->name, have, want));
        have += (size_t)n;
    }
    if (gzgetc(s->gz) >= 0)
        return ty_error(TY_EUSAGE,
                        "%s is too long: more data than the %zu bytes in its header; download it "
                        "again",
                        s->name, want);
    return ty_source_error(s, ty_ok()); /* reaching the end has checked the gzip checksum */
}

/* The next 32 bits, big-endian. */
static ty_err read_word(ty_source *s, uint32_t *word)
{
    uint8_t b[4];
    if (gzread(s->gz, b, sizeof b) != (int)sizeof b)
        return ty_source_error(
            s,
            ty_error(TY_EUSAGE, "%s is too short for the header of an IDX file; download it again",
                     s->name));
    *word = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    return ty_ok();
}

/* The magic number and dim[n]. */
static ty_err read_header(ty_source *s, uint32_t magic, uint32_t *dim, unsigned n)
{
    uint32_t v = 0;
    TY_TRY(read_word(s, &v));
    if (v != magic)
        return ty_error(TY_EUSAGE,
                        "%s is no IDX file of %s: it starts with 0x%08x, not 0x%08x; take MNIST's "
                        "own",
                        s->name, magic == IMAGES_MAGIC ? "images" : "labels", v, magic);
    for (unsigned i = 0; i < n; i++)
        TY_TRY(read_word(s, &dim[i]));
    return ty_ok();
}

static ty_err read_images(ty_source *s, ty_images *im)
{
    uint32_t dim[3] = {0};
    TY_TRY(read_header(s, IMAGES_MAGIC, dim, 3));
    if (!dim[0] || !dim[1] || !dim[2])
        return ty_error(TY_EUSAGE, "%s is empty: %u images of %u x %u pixels; take another file",
                        s->name, dim[0], dim[1], dim[2]);
    const uint64_t size = (uint64_t)dim[1] * dim[2];
    if (size > TY_DATA_MAX || dim[0] > TY_DATA_MAX / size)
        return ty_error(TY_EUSAGE,
                        "%s says %u images of %u x %u pixels: more than %d MiB; use fewer or "
                        "smaller ones",
                        s->name, dim[0], dim[1], dim[2], TY_DATA_MAX >> 20);
    im->n = dim[0];
    im->height = dim[1];
    im->width = dim[2];
    return read_body(s, (size_t)(size * im->n), &im->pixels);
}

static ty_err read_labels(ty_source *s, ty_images *im)
{
    uint32_t n = 0;
    TY_TRY(read_header(s, LABELS_MAGIC, &n, 1));
    if (n != im->n)
        return ty_error(TY_EUSAGE,
                        "%s has %u labels for %u images; take both files from the same place",
                        s->name, n, im->n);
    TY_TRY(read_body(s, n, &im->labels));
    for (uint32_t i = 0; i < n; i++)
        if (im->labels[i] >= im->classes)
            return ty_error(TY_EUSAGE,
                            "%s: sample %u (the first is 0) has label %u; use 0 to %u, or more "
                            "classes",
                            s->name, i, im->labels[i], im->classes - 1);
    return ty_ok();
}

typedef ty_err (*reader)(ty_source *s, ty_images *im);

static ty_err load_file(ty_images *im, const char *dir, const char *stem, reader read)
{
    ty_source s;
    TY_TRY(open_stem(&s, dir, stem));
    ty_err e = read(&s, im);
    gzclose(s.gz);
    return e;
}

static ty_err load_all(ty_dataset *d, const char *dir)
{
    const ty_images *a = &d->train, *b = &d->test;
    TY_TRY(load_file(&d->train, dir, "train-images-idx3-ubyte", read_images));
    TY_TRY(load_file(&d->train, dir, "train-labels-idx1-ubyte", read_labels));
    TY_TRY(load_file(&d->test, dir, "t10k-images-idx3-ubyte", read_images));
    TY_TRY(load_file(&d->test, dir, "t10k-labels-idx1-ubyte", read_labels));
    if (a->height != b->height || a->width != b->width)
        return ty_error(TY_EUSAGE,
                        "train-images-idx3-ubyte has %u x %u pixels, t10k-images-idx3-ubyte %u x "
                        "%u; take both from the same data set",
                        a->height, a->width, b->height, b->width);
    return ty_ok();
}

ty_err ty_dataset_load_idx(ty_dataset *d, const char *dir, uint32_t classes)
{
    TY_CHECK(classes > 0, "a data set needs classes");
    *d = (ty_dataset){.train.classes = classes, .test.classes = classes};
    return ty_dataset_finish(d, load_all(d, dir));
}
