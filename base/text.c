/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t edit_distance(const char *a, const char *b) /* Levenshtein, one row at a time */
{
    size_t row[64], n = strlen(b);
    if (n >= 64)
        return 64;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            int differ = tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]);
            size_t swap = diagonal + (size_t)differ, best = row[j] + 1;
            diagonal = row[j];
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = swap < best ? swap : best;
        }
    }
    return row[n];
}

/* 2 when the name begins with the word but for one slip ("mnst", "mnist-mlp"), else far away. */
static size_t starts_like(const char *word, const char *name)
{
    char begin[64];
    for (size_t n = strlen(word) - (*word != 0); n <= strlen(word) + 1 && n < sizeof begin; n++) {
        snprintf(begin, sizeof begin, "%.*s", (int)n, name);
        if (n > 2 && edit_distance(word, begin) <= 1)
            return 2;
    }
    return SIZE_MAX;
}

const char *ty_nearest(const char *word, const char *const *names, size_t n)
{
    const char *best = NULL;
    size_t least = *word ? strlen(word) / 2 + 2 : 0; /* further away is no typing mistake */
    for (size_t i = 0; i < n; i++) {
        size_t d = edit_distance(word, names[i]);
        if (strlen(word) > 2 && strstr(names[i], word))
            d = 1;
        size_t begun = starts_like(word, names[i]);
        d = begun < d ? begun : d;
        if (d < least) {
            least = d;
            best = names[i];
        }
    }
    return best;
}

/* "use a, b or c" */
static void list_names(char *buf, size_t size, const char *const *names, size_t n)
{
    size_t used = (size_t)snprintf(buf, size, "use ");
    for (size_t i = 0; i < n && used < size; i++)
        used += (size_t)snprintf(buf + used, size - used, "%s%s",
                                 i == 0      ? ""
                                 : i + 1 < n ? ", "
                                             : " or ",
                                 names[i]);
}

ty_err ty_unknown(const char *what, const char *word, const char *const *names, size_t n,
                  const char *advice)
{
    const char *near = ty_nearest(word, names, n);
    char all[160];
    list_names(all, sizeof all, names, n);
    return ty_error(TY_EUSAGE, "unknown %s '%.60s'; %s%s%s%s", what, word,
                    near ? "did you mean '" : "", near ? near : "", near ? "'? " : "",
                    advice ? advice : all);
}

/* The factor of a prefix, 0 when it is none. */
static double prefix(char c)
{
    const char *at = c ? strchr("numkKMGTP", c) : NULL;
    static const double factor[] = {1e-9, 1e-6, 1e-3, 1e3, 1e3, 1e6, 1e9, 1e12, 1e15};
    return at ? factor[at - "numkKMGTP"] : 0;
}

ty_err ty_parse_quantity(const char *what, const char *text, const char *unit, double *value)
{
    const char *example = !strcmp(unit, "B/s") ? "10Gbps or 1.25GBps"
                          : !strcmp(unit, "s") ? "20us"
                          : !strcmp(unit, "f") ? "100Gf"
                                               : "4k or 100M";
    char *end;
    double v = strtod(text, &end), scale = 1;
    int good = *text && strchr("0123456789.", *text) && end != text && !strpbrk(text, "xX");
    if (*end && prefix(*end) > 0) {
        scale = prefix(*end);
        end++;
    }
    if (!strcmp(unit, "B/s")) {
        if (!strcmp(end, "bps"))
            scale /= 8;
        else
            good = good && !strcmp(end, "Bps");
    } else if (!strcmp(unit, "f")) {
        good = good && (!strcmp(end, "f") || !strcmp(end, "flops"));
    } else {
        good = good && !strcmp(end, unit);
    }
    if (!good || !isfinite(v * scale))
        return ty_error(TY_EUSAGE, "%s: '%.60s' is not a quantity; write for example %s", what,
                        text, example);
    *value =
        scale < 1 ? v / round(1 / scale) : v * scale; /* 20us is 2e-05, not a neighbour of it */
    return ty_ok();
}

ty_err ty_parse_count(const char *what, const char *text, long lo, long hi, long *value)
{
    char *end;
    errno = 0;
    long v = strtol(text, &end, 10);
    if (end == text || *end)
        return ty_error(TY_EUSAGE, "%s: '%.60s' is not a whole number", what, text);
    if (errno)
        return ty_error(TY_EUSAGE, "%s: %.60s is out of range; use %ld to %ld", what, text, lo, hi);
    if (v < lo || v > hi)
        return ty_error(TY_EUSAGE, "%s: %ld is out of range; use %ld to %ld", what, v, lo, hi);
    *value = v;
    return ty_ok();
}

/* So many times `scale`: 4 of 4k. */
static ty_err scaled(const char *what, const char *text, long scale, long lo, long hi, long *value)
{
    long v;
    TY_TRY(ty_parse_count(what, text, LONG_MIN / scale, LONG_MAX / scale, &v));
    if (v * scale < lo || v * scale > hi)
        return ty_error(TY_EUSAGE, "%s: %ld is out of range; use %ld to %ld", what, v * scale, lo,
                        hi);
    *value = v * scale;
    return ty_ok();
}

/* A number with or without a prefix behind it: 4k is 4000. */
static ty_err parse_item(const char *what, char *text, long lo, long hi, long *value)
{
    const size_t length = strlen(text);
    const double scale = length > 1 ? prefix(text[length - 1]) : 0;
    if (scale < 1)
        return ty_parse_count(what, text, lo, hi, value);
    text[length - 1] = 0;
    return scaled(what, text, (long)scale, lo, hi, value);
}

/* One piece between commas: a number, a..b, or a..b*k. */
static ty_err parse_range(const char *what, char *piece, long lo, long hi, long *list, size_t max,
                          size_t *n)
{
    char *dots = strstr(piece, ".."), *star = dots ? strchr(dots, '*') : NULL;
    long a, b, k = 0;
    if (dots)
        *dots = 0;
    if (star)
        *star = 0;
    TY_TRY(parse_item(what, piece, lo, hi, &a));
    b = a;
    if (dots)
        TY_TRY(parse_item(what, dots + 2, lo, hi, &b));
    if (star)
        TY_TRY(ty_parse_count(what, star + 1, 2, 1000000, &k));
    if (b < a || (k && a <= 0))
        return ty_error(TY_EUSAGE, "%s: a range goes up, as in 1..8 or 1..64*2", what);
    for (long v = a;; v = k ? v * k : v + 1) {
        if (*n == max)
            return ty_error(TY_EUSAGE, "%s: more than %zu values", what, max);
        list[(*n)++] = v;
        if (k ? v > b / k : v == b) /* asked before the step: it could overflow */
            return ty_ok();
    }
}

ty_err ty_parse_counts(const char *what, const char *text, long lo, long hi, long *list, size_t max,
                       size_t *n)
{
    char copy[512], *rest = copy, *piece;
    *n = 0;
    if (strlen(text) >= sizeof copy)
        return ty_error(TY_EUSAGE, "%s: the list is too long", what);
    memcpy(copy, text, strlen(text) + 1);
    while ((piece = strsep(&rest, ",")))
        TY_TRY(parse_range(what, piece, lo, hi, list, max, n));
    return ty_ok();
}

char *ty_exact(char *buf, double value)
{
    if (value == floor(value) && fabs(value) < 1e15) {
        snprintf(buf, 32, "%.0f", value);
        return buf;
    }
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(buf, 32, "%.*g", digits, value);
        if (strtod(buf, NULL) == value)
            break;
    }
    return buf;
}

char *ty_show(char *buf, size_t size, double value, const char *unit)
{
    static const char *const prefixes[] = {"n", "u", "m", "", "k", "M", "G", "T", "P"};
    int p = 3;
    double v = fabs(value);
    while (v >= 999.5 && p < 8) {
        v /= 1000;
        p++;
    }
    while (v > 0 && v < 0.9995 && p > 0) {
        v *= 1000;
        p--;
    }
    int decimals = v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2;
    if (v == 0 || (!strcmp(unit, "B") && p == 3))
        decimals = 0;
    const char *pre = v == 0 ? "" : prefixes[p];
    snprintf(buf, size, "%s%.*f%s%s%s", value < 0 ? "-" : "", decimals, v, *pre || *unit ? " " : "",
             pre, unit);
    return buf;
}

ty_err ty_check_bytes(const char *what, double bytes)
{
    const double most = 0x1p56; /* room for a factor of 128 that is not looked at */
    if (bytes <= most)
        return ty_ok();
    return ty_error(TY_EUSAGE, "%s needs %.3g bytes, more than can be addressed; use less", what,
                    bytes);
}
