/* SPDX-License-Identifier: MIT
 *
 * The parsers of base/text.h on the values of "name:key=value,key=value", and on the whole text.
 */
#include "base/text.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>

enum { LONGEST = 4096, MAX = 32 };

static void quantity(const char *text, const char *unit)
{
    double v = -1;
    char shown[32];
    ty_err e = ty_parse_quantity("bandwidth", text, unit, &v);
    if (e.code) {
        TY_CHECK(e.code == TY_EUSAGE && *e.msg && v == -1, "a refused quantity was written");
        return;
    }
    TY_CHECK(isfinite(v) && v >= 0 && !signbit(v), "'%s' gave %g", text, v);
    TY_CHECK(ty_show(shown, sizeof shown, v, unit) == shown && strlen(shown) < sizeof shown, "%g",
             v);
}

static void counts(const char *text, long lo, long hi)
{
    long list[MAX + 1], v = 0;
    size_t n = 0;
    list[MAX] = 12345;
    if (ty_parse_count("nodes", text, lo, hi, &v).code == TY_OK)
        TY_CHECK(v >= lo && v <= hi, "%ld is not in [%ld, %ld]", v, lo, hi);
    ty_err e = ty_parse_counts("nodes", text, lo, hi, list, MAX, &n);
    TY_CHECK(n <= MAX && list[MAX] == 12345, "%zu values of %d", n, MAX);
    for (size_t i = 0; e.code == TY_OK && i < n; i++)
        TY_CHECK(list[i] >= lo && list[i] <= hi, "%ld is not in [%ld, %ld]", list[i], lo, hi);
    TY_CHECK(e.code || n > 0, "'%s' gave no values", text);
}

static void value(const char *text)
{
    static const char *const keys[] = {"nodes", "cores", "bandwidth", "latency", "speed"};
    static const char *const units[] = {"B/s", "s", "f", ""};
    for (int i = 0; i < 4; i++)
        quantity(text, units[i]);
    counts(text, 1, 1024);
    counts(text, 0, __LONG_MAX__);
    counts(text, -5, 5);
    const char *near = ty_nearest(text, keys, 5);
    TY_CHECK(!near || *near, "the nearest name is empty");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[LONGEST + 1], *rest = text, *piece;
    size = size < LONGEST ? size : LONGEST;
    memcpy(text, data, size);
    text[size] = 0;
    value(text);
    while ((piece = strsep(&rest, ":=,")))
        value(piece);
    return 0;
}
