/* SPDX-License-Identifier: MIT */
#include "sim/open.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), e = strlen(end);
    return n > e && !strcmp(s + n - e, end);
}

static ty_err unknown(const char *spec, const ty_platform_file *file, size_t n)
{
    const char **names = ty_alloc((n + 2) * sizeof *names);
    names[0] = "multicore"; /* known without a file, as is the next */
    names[1] = "cluster";
    for (size_t i = 0; i < n; i++)
        names[i + 2] = file[i].name;
    ty_err e = ty_unknown("platform", spec, names, n + 2,
                          "use multicore, cluster:key=value,..., a name that `trainyard list "
                          "platforms` shows or a path to an XML file");
    free(names);
    return e;
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
    size_t n, at = 0;
    ty_platform_file *file = ty_platform_files(&n);
    while (at < n && strcmp(file[at].name, spec))
        at++;
    if (at < n)
        snprintf(path, size, "%s", file[at].path);
    ty_err e = at < n ? check_file(path) : unknown(spec, file, n);
    free(file);
    return e;
}
