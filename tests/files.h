/* SPDX-License-Identifier: MIT
 *
 * files - a temporary directory for a test, and files in it.
 */
#ifndef TY_TESTS_FILES_H
#define TY_TESTS_FILES_H

#include "base/err.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

/* A new directory; its name goes into dir. */
static inline void dir_new(char dir[PATH_MAX])
{
    const char *place = getenv("TMPDIR");
    snprintf(dir, PATH_MAX, "%s/trainyard-XXXXXX", place && *place ? place : "/tmp");
    TY_CHECK(mkdtemp(dir), "no temporary directory %s", dir);
}

/* dir/name in a buffer that the next call overwrites. */
static inline const char *dir_file(const char *dir, const char *name)
{
    static char path[PATH_MAX + 256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

/* Entries in dir, without . and .. */
static inline int dir_count(const char *dir)
{
    DIR *d = opendir(dir);
    TY_CHECK(d, "no directory %s", dir);
    int n = -2;
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* Remove dir and the files in it. */
static inline void dir_free(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            remove(dir_file(dir, e->d_name));
    if (d)
        closedir(d);
    rmdir(dir);
}

static inline void write_plain(const char *dir, const char *name, const void *bytes, size_t n)
{
    remove(dir_file(dir, name)); /* to truncate a file and write it again is slow: ext4 flushes */
    FILE *f = fopen(dir_file(dir, name), "wb");
    TY_CHECK(f && fwrite(bytes, 1, n, f) == n && !fclose(f), "cannot write %s", name);
}

static inline void write_gzip(const char *dir, const char *name, const void *bytes, size_t n)
{
    gzFile f = gzopen(dir_file(dir, name), "wb");
    TY_CHECK(f && (!n || gzwrite(f, bytes, (unsigned)n) == (int)n) && gzclose(f) == Z_OK,
             "cannot write %s", name);
}

#endif
