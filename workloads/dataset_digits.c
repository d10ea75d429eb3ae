/* SPDX-License-Identifier: MIT
 *
 * The 8x8 digits: 64 pixels 0..16 and a label 0..9 a line, separated by commas.
 */
#include "workloads/dataset_file.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 8, PIXELS = SIDE * SIDE, COLUMNS = PIXELS + 1, INK = 16, DIGITS = 10, LINE = 1024 };

/* A whole number of at most three digits, or -1. */
static int small_number(const char *field)
{
    const size_t n = strspn(field, "0123456789");
    return n == 0 || n > 3 || field[n] ? -1 : atoi(field);
}

/* One line, without its end, into row [COLUMNS]. */
static ty_err parse_line(const char *name, unsigned long number, char *line, uint8_t *row)
{
    int columns = 1;
    for (char *p = line; *p; p++) {
        columns += *p == ',';
        *p = isprint((unsigned char)*p) ? *p : '?'; /* a message may quote it */
    }
    if (columns != COLUMNS)
        return ty_error(TY_EUSAGE, "%s line %lu has %d columns; write %d: %d pixels and a label",
                        name, number, columns, COLUMNS, PIXELS);
    for (int i = 0; i < COLUMNS; i++) {
        const char *field = strsep(&line, ",");
        const int v = small_number(field), max = i < PIXELS ? INK : DIGITS - 1;
        if (v < 0 || v > max)
            return ty_error(TY_EUSAGE,
                            "%s line %lu column %d: the %s '%.16s' is not a whole number from 0 to "
                            "%d; correct it",
                            name, number, i + 1, i < PIXELS ? "pixel" : "label", field, max);
        row[i] = (uint8_t)(i < PIXELS ? (v * 255 + INK / 2) / INK : v);
    }
    return ty_ok();
}

/* All lines into *rows [*n][COLUMNS] (free() it, also after an error). */
static ty_err read_rows(ty_source *s, uint8_t **rows, uint32_t *n)
{
    char line[LINE];
    size_t room = 0;
    for (unsigned long number = 1; gzgets(s->gz, line, LINE); number++) {
        const size_t len = strcspn(line, "\r\n"), used = (size_t)*n * COLUMNS;
        if (!line[len]) { /* no end of line: the file's end, or trouble */
            TY_TRY(ty_source_error(s, ty_ok()));
            if (!gzeof(s->gz))
                return ty_error(TY_EUSAGE,
                                "%s line %lu is longer than %d characters or is no text; write %d "
                                "columns",
                                s->name, number, LINE - 2, COLUMNS);
        }
        line[len] = 0;
        if (!len)
            continue;
        if (used + COLUMNS > TY_DATA_MAX)
            return ty_error(TY_EUSAGE, "%s has more than %u lines; use fewer", s->name, *n);
        if (used + COLUMNS > room)
            *rows = ty_source_grow(s, *rows, &room, used + COLUMNS, TY_DATA_MAX);
        TY_TRY(parse_line(s->name, number, line, *rows + used));
        ++*n;
    }
    return ty_source_error(s, ty_ok());
}

static void take_rows(ty_images *im, const uint8_t *rows, uint32_t n)
{
    *im = (ty_images){.n = n, .height = SIDE, .width = SIDE, .classes = DIGITS};
    im->pixels = ty_alloc((size_t)n * PIXELS);
    im->labels = ty_alloc(n);
    for (size_t i = 0; i < n; i++) {
        memcpy(im->pixels + i * PIXELS, rows + i * COLUMNS, PIXELS);
        im->labels[i] = rows[i * COLUMNS + PIXELS];
    }
}

static ty_err split_rows(ty_dataset *d, const char *name, const uint8_t *rows, uint32_t n,
                         uint32_t test)
{
    if (n == 0)
        return ty_error(TY_EUSAGE, "%s has no lines; take a file with %d columns a line", name,
                        COLUMNS);
    if (test >= n)
        return ty_error(TY_EUSAGE,
                        "%s has %u lines: %u test samples leave none to train on; use at most %u",
                        name, n, test, n - 1);
    take_rows(&d->train, rows, n - test);
    take_rows(&d->test, rows + (size_t)(n - test) * COLUMNS, test);
    return ty_ok();
}

ty_err ty_dataset_load_digits(ty_dataset *d, const char *path, uint32_t test)
{
    ty_source s;
    uint8_t *rows = NULL;
    uint32_t n = 0;
    *d = (ty_dataset){0};
    TY_TRY(ty_source_open(&s, path));
    ty_err e = read_rows(&s, &rows, &n);
    if (e.code == TY_OK)
        e = split_rows(d, s.name, rows, n, test);
    gzclose(s.gz);
    free(rows);
    return ty_dataset_finish(d, e);
}
