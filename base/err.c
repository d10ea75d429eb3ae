/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void (*ty_whereami)(char *buf, unsigned long size) = NULL;
void (*ty_panic_end)(void) = NULL;

ty_err ty_ok(void)
{
    return (ty_err){.code = TY_OK};
}

ty_err ty_error(int code, const char *fmt, ...)
{
    ty_err e = {.code = code};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e.msg, sizeof e.msg, fmt, ap);
    va_end(ap);
    return e;
}

void ty_panic(const char *file, int line, const char *fmt, ...)
{
    char who[64] = "", what[400];
    if (ty_whereami)
        ty_whereami(who, sizeof who);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    const char *base = strrchr(file, '/');
    fprintf(stderr, "trainyard: %s%s%s:%d: %s\n", who, *who ? " " : "", base ? base + 1 : file,
            line, what);
    fflush(stderr);
    if (ty_panic_end)
        ty_panic_end();
    abort();
}

void *ty_alloc(unsigned long bytes)
{
    void *p = malloc(bytes ? bytes : 1);
    TY_CHECK(p, "out of memory: %lu bytes", bytes);
    return p;
}

void *ty_zalloc(unsigned long count, unsigned long bytes)
{
    void *p = calloc(count ? count : 1, bytes ? bytes : 1);
    TY_CHECK(p, "out of memory: %lu x %lu bytes", count, bytes);
    return p;
}
