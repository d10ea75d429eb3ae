/* SPDX-License-Identifier: MIT
 *
 * Monthly series: a header, then `year,month,value` a line, every month in its turn.
 */
#include "workloads/dataset_file.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 256, YEAR = 12, COLUMNS = 3 };
static const float MOST_VALUE = 1e30F; /* standardised it is still finite */

typedef struct series {
    ty_source source;
    unsigned long line; /* that was read last, from 1 */
    uint8_t *bytes;     /* [n] floats, in room for more */
    size_t n, room;
    long month; /* of the last value, counted from year 0 */
} series;

/* A whole number of at most four digits, or -1. */
static long small_number(const char *field)
{
    const size_t n = strspn(field, "0123456789");
    return n == 0 || n > 4 || field[n] ? -1 : strtol(field, NULL, 10);
}

/* One line of text into its columns; messages may quote them. */
static ty_err split_line(const series *s, char *line, char *column[COLUMNS])
{
    int columns = 1;
    for (char *p = line; *p; p++) {
        columns += *p == ',';
        *p = isprint((unsigned char)*p) ? *p : '?';
    }
    if (columns != COLUMNS)
        return ty_error(TY_EUSAGE, "%s line %lu has %d columns; write year,month,value",
                        s->source.name, s->line, columns);
    for (int i = 0; i < COLUMNS; i++)
        column[i] = strsep(&line, ",");
    return ty_ok();
}

static ty_err take_month(series *s, const char *year, const char *month)
{
    const long y = small_number(year), m = small_number(month), now = y * YEAR + m - 1;
    if (y < 0)
        return ty_error(TY_EUSAGE,
                        "%s line %lu: the year '%.16s' is not a whole number; correct it",
                        s->source.name, s->line, year);
    if (m < 1 || m > YEAR)
        return ty_error(TY_EUSAGE,
                        "%s line %lu: the month '%.16s' is not one of 1 to %d; correct it",
                        s->source.name, s->line, month, YEAR);
    if (s->n && now != s->month + 1)
        return ty_error(
            TY_EUSAGE, "%s line %lu: %ld-%02ld follows %ld-%02ld; write every month once, in order",
            s->source.name, s->line, y, m, s->month / YEAR, s->month % YEAR + 1);
    s->month = now;
    return ty_ok();
}

static ty_err take_value(series *s, const char *field)
{
    char *end;
    const float v = strtof(field, &end);
    const size_t need = (s->n + 1) * sizeof v;
    if (end == field || *end)
        return ty_error(TY_EUSAGE, "%s line %lu: the value '%.16s' is not a number; correct it",
                        s->source.name, s->line, field);
    if (!(fabsf(v) <= MOST_VALUE))
        return ty_error(
            TY_EUSAGE,
            "%s line %lu: the value '%.16s' is not finite or too large (1e30); correct it",
            s->source.name, s->line, field);
    if (need > s->room)
        s->bytes = ty_source_grow(&s->source, s->bytes, &s->room, need, TY_DATA_MAX);
    memcpy(s->bytes + s->n++ * sizeof v, &v, sizeof v);
    return ty_ok();
}

static ty_err take_line(series *s, char *line)
{
    char *column[COLUMNS];
    TY_TRY(split_line(s, line, column));
    if (s->line == 1) {
        if (small_number(column[0]) < 0)
            return ty_ok();
        return ty_error(TY_EUSAGE, "%s line 1 is no header; begin with year,month,value",
                        s->source.name);
    }
    TY_TRY(take_month(s, column[0], column[1]));
    return take_value(s, column[2]);
}

static ty_err read_lines(series *s)
{
    char line[LINE];
    while (gzgets(s->source.gz, line, LINE)) {
        const size_t len = strcspn(line, "\r\n");
        s->line++;
        if (!line[len]) { /* no end of line: the file's end, or trouble */
            TY_TRY(ty_source_error(&s->source, ty_ok()));
            if (!gzeof(s->source.gz))
                return ty_error(TY_EUSAGE,
                                "%s line %lu is longer than %d characters or is no text; write "
                                "year,month,value",
                                s->source.name, s->line, LINE - 2);
        }
        line[len] = 0;
        if (s->n * sizeof(float) >= TY_DATA_MAX)
            return ty_error(TY_EUSAGE, "%s has more than %zu values; use fewer", s->source.name,
                            s->n);
        if (len || s->line == 1)
            TY_TRY(take_line(s, line));
    }
    return ty_source_error(&s->source, ty_ok());
}

/* By mean and deviation of the first `train` values. */
static void standardise(ty_dataset *d, float *value, size_t n, size_t train)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < train; i++)
        sum += (double)value[i];
    const double mean = sum / (double)train;
    for (size_t i = 0; i < train; i++)
        squares += ((double)value[i] - mean) * ((double)value[i] - mean);
    const double std = sqrt(squares / (double)train);
    d->mean = (float)mean;
    d->std = std > 1e-6 * (1 + fabs(mean)) ? (float)std : 1; /* all equal: nothing to scale */
    for (size_t i = 0; i < n; i++)
        value[i] = (value[i] - d->mean) / d->std;
}

ty_err ty_dataset_load_series(ty_dataset *d, const char *path, const ty_sequence *shape)
{
    series s = {.n = 0};
    *d = (ty_dataset){0};
    TY_TRY(ty_source_open(&s.source, path));
    ty_err e = read_lines(&s);
    gzclose(s.source.gz);
    if (!e.code && s.n < 2)
        e = ty_error(TY_EUSAGE, "%s has %zu values; a series needs many", s.source.name, s.n);
    if (e.code) {
        free(s.bytes);
        return e;
    }
    float *value = (float *)(void *)s.bytes;
    const size_t train = s.n - s.n / 5;
    ty_dataset scaled = {0};
    standardise(&scaled, value, s.n, train);
    ty_sequence windows = *shape;
    windows.value = value;
    windows.length = s.n;
    TY_TRY(ty_dataset_sequence_take(d, s.source.name, windows, train));
    d->mean = scaled.mean;
    d->std = scaled.std;
    return ty_ok();
}
