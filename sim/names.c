/* SPDX-License-Identifier: MIT
 *
 * names - the platform files that can be named: those of the search path.
 */
#include "sim/platform.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_xml(const struct dirent *d)
{
    size_t n = strlen(d->d_name);
    return n > 4 && !strcmp(d->d_name + n - 4, ".xml");
}

static int is_known(const ty_platform_file *file, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(file[i].name, name))
            return 1;
    return 0;
}

/* Append what `dir` holds and earlier folders do not. */
static ty_platform_file *append(ty_platform_file *file, size_t *n, const char *dir)
{
    struct dirent **entry;
    int found = dir ? scandir(dir, &entry, is_xml, alphasort) : -1;
    if (found < 0)
        return file;
    file = realloc(file, (*n + (size_t)found + 1) * sizeof *file);
    TY_CHECK(file, "out of memory");
    for (int i = 0; i < found; i++) {
        ty_platform_file *f = &file[*n];
        snprintf(f->path, sizeof f->path, "%s/%s", dir, entry[i]->d_name);
        snprintf(f->name, sizeof f->name, "%.*s", (int)strlen(entry[i]->d_name) - 4,
                 entry[i]->d_name);
        *n += !is_known(file, *n, f->name);
        free(entry[i]);
    }
    free(entry);
    return file;
}

ty_platform_file *ty_platform_files(size_t *n)
{
    ty_platform_file *file = NULL;
    *n = 0;
    file = append(file, n, getenv("TRAINYARD_PLATFORMS"));
    file = append(file, n, TY_PLATFORM_DIR);
    return append(file, n, "platforms");
}
