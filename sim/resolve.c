/* SPDX-License-Identifier: MIT */
#include "sim/open.h"

#include "base/text.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef TY_PLATFORM_DIR
#define TY_PLATFORM_DIR "platforms"
#endif

enum { MAX_NAMES = 256, NAME = 64 };

static const char *search_dir(int i)
{
    return i == 0 ? getenv("TRAINYARD_PLATFORMS") : i == 1 ? TY_PLATFORM_DIR : "platforms";
}

static int ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), e = strlen(end);
    return n > e && !strcmp(s + n - e, end);
}

static void list_dir(const char *dir, char (*name)[NAME], size_t *n)
{
    DIR *d = dir ? opendir(dir) : NULL;
    struct dirent *e;
    while (d && (e = readdir(d)) && *n < MAX_NAMES)
        if (ends_with(e->d_name, ".xml") && strlen(e->d_name) < NAME)
            snprintf(name[(*n)++], NAME, "%.*s", (int)strlen(e->d_name) - 4, e->d_name);
    if (d)
        closedir(d);
}

static ty_err unknown(const char *spec)
{
    static char name[MAX_NAMES][NAME] = {"multicore", "cluster"};
    const char *known[MAX_NAMES];
    size_t n = 2;
    for (int i = 0; i < 3; i++)
        list_dir(search_dir(i), name, &n);
    for (size_t i = 0; i < n; i++)
        known[i] = name[i];
    const char *near = ty_nearest(spec, known, n);
    if (near)
        return ty_error(TY_EUSAGE, "there is no platform '%s'; did you mean %s?", spec, near);
    return ty_error(
        TY_EUSAGE,
        "there is no platform '%s'; use multicore, cluster:key=value,..., the name of a file in "
        "platforms/ or a path to an XML file",
        spec);
}

static ty_err check_file(const char *path)
{
    struct stat st;
    if (stat(path, &st))
        return ty_error(TY_EUSAGE, "there is no platform file %s", path);
    if (!S_ISREG(st.st_mode))
        return ty_error(TY_EUSAGE, "%s is not a file; a platform is an XML file", path);
    return ty_ok();
}

ty_err ty_platform_resolve(const char *spec, char *path, size_t size)
{
    if (strchr(spec, '/') || ends_with(spec, ".xml")) {
        snprintf(path, size, "%s", spec);
        return check_file(path);
    }
    for (int i = 0; *spec && i < 3; i++) {
        const char *dir = search_dir(i);
        if (dir && (size_t)snprintf(path, size, "%s/%s.xml", dir, spec) < size &&
            !access(path, F_OK))
            return check_file(path);
    }
    return unknown(spec);
}
