/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_OPEN = 16 };
static ty_file *volatile open_files[MAX_OPEN]; /* for ty_file_discard_all */

static void forget(ty_file *w)
{
    for (int i = 0; i < MAX_OPEN; i++)
        if (open_files[i] == w)
            open_files[i] = NULL;
}

ty_err ty_file_open(ty_file *w, const char *path)
{
    *w = (ty_file){.f = stdout};
    snprintf(w->path, sizeof w->path, "%s", path);
    if (!strcmp(path, "-"))
        return ty_ok();
    snprintf(w->temp, sizeof w->temp, "%s.%ld.tmp", path, (long)getpid());
    w->f = fopen(w->temp, "w");
    if (!w->f)
        return ty_error(TY_EUSAGE, "cannot write %s: %s; choose another place", path, strerror(errno));
    for (int i = 0; i < MAX_OPEN; i++)
        if (!open_files[i]) {
            open_files[i] = w;
            break;
        }
    return ty_ok();
}

ty_err ty_file_commit(ty_file *w)
{
    if (w->f == stdout)
        return fflush(stdout) ? ty_error(TY_EUSAGE, "cannot write to standard output") : ty_ok();
    int bad = fflush(w->f) || ferror(w->f);
    bad |= fclose(w->f) != 0;
    forget(w);
    if (bad || rename(w->temp, w->path)) {
        int why = errno;
        unlink(w->temp);
        return ty_error(TY_EUSAGE, "cannot write %s: %s", w->path, strerror(why));
    }
    return ty_ok();
}

void ty_file_discard(ty_file *w)
{
    if (w->f == stdout || !w->f)
        return;
    fclose(w->f);
    forget(w);
    unlink(w->temp);
}

void ty_file_discard_all(void)
{
    for (int i = 0; i < MAX_OPEN; i++)
        if (open_files[i])
            unlink(open_files[i]->temp);
}

ty_err ty_make_dir(const char *path)
{
    char part[1024];
    if (strlen(path) >= sizeof part)
        return ty_error(TY_EUSAGE, "the path of the results is too long");
    for (size_t i = 0;; i++) {
        part[i] = path[i];
        if ((path[i] == '/' && i) || !path[i]) {
            part[i] = 0;
            if (mkdir(part, 0777) && errno != EEXIST)
                return ty_error(TY_EUSAGE, "cannot create %s: %s; choose another place with --out", part,
                                strerror(errno));
            part[i] = path[i];
        }
        if (!path[i])
            break;
    }
    struct stat st;
    if (stat(path, &st) || !S_ISDIR(st.st_mode) || access(path, W_OK))
        return ty_error(TY_EUSAGE, "cannot write into %s; choose another place with --out", path);
    return ty_ok();
}

ty_err ty_read_text(const char *path, size_t max, char **text, size_t *size)
{
    FILE *f = fopen(path, "r");
    if (!f)
        return ty_error(TY_EUSAGE, "cannot read %s: %s", path, strerror(errno));
    char *buf = ty_alloc(max + 2);
    size_t n = fread(buf, 1, max + 1, f);
    int bad = ferror(f);
    fclose(f);
    if (bad || n > max) {
        free(buf);
        return bad ? ty_error(TY_EUSAGE, "cannot read %s", path)
                   : ty_error(TY_EUSAGE, "%s is larger than %zu bytes", path, max);
    }
    buf[n] = 0;
    *text = buf;
    *size = n;
    return ty_ok();
}
