/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_OPEN = 16 };
static ty_file *volatile open_files[MAX_OPEN]; /* for ty_file_discard_all */
static volatile pid_t owner;                   /* a forked child must not remove them */

static void remember(ty_file *w)
{
    if (owner != getpid())
        for (int i = 0; i < MAX_OPEN; i++)
            open_files[i] = NULL;
    owner = getpid();
    for (int i = 0; i < MAX_OPEN; i++)
        if (!open_files[i]) {
            open_files[i] = w;
            break;
        }
}

static void forget(ty_file *w)
{
    for (int i = 0; i < MAX_OPEN; i++)
        if (open_files[i] == w)
            open_files[i] = NULL;
}

static ty_err cannot_write(const char *path, int why)
{
    return ty_error(TY_EUSAGE, "cannot write %.120s: %s; choose another place", path,
                    strerror(why ? why : EIO));
}

ty_err ty_file_open(ty_file *w, const char *path)
{
    struct stat st;
    *w = (ty_file){.f = stdout};
    if (strlen(path) >= sizeof w->path)
        return cannot_write(path, ENAMETOOLONG);
    memcpy(w->path, path, strlen(path) + 1);
    if (!strcmp(path, "-"))
        return ty_ok();
    w->f = NULL;
    if (*path == 0 || path[strlen(path) - 1] == '/')
        return cannot_write(path, EISDIR);
    if (lstat(path, &st) || S_ISREG(st.st_mode))
        snprintf(w->temp, sizeof w->temp, "%s.%ld.tmp", path, (long)getpid());
    else if (S_ISDIR(st.st_mode))
        return cannot_write(path, EISDIR);
    w->f = fopen(*w->temp ? w->temp : path, "w"); /* a rename would replace a device or a link */
    if (!w->f)
        return cannot_write(path, errno);
    if (*w->temp)
        remember(w);
    return ty_ok();
}

ty_err ty_file_commit(ty_file *w)
{
    if (w->f == stdout)
        return fflush(stdout) ? ty_error(TY_EUSAGE, "cannot write to standard output") : ty_ok();
    errno = 0;
    int bad = fflush(w->f) || ferror(w->f), why = errno;
    if (fclose(w->f)) {
        bad = 1;
        why = why ? why : errno;
    }
    w->f = NULL;
    forget(w);
    if (!bad && *w->temp && rename(w->temp, w->path)) {
        bad = 1;
        why = errno;
    }
    if (bad && *w->temp)
        unlink(w->temp);
    return bad ? cannot_write(w->path, why) : ty_ok();
}

void ty_file_discard(ty_file *w)
{
    if (w->f == stdout || !w->f)
        return;
    fclose(w->f);
    w->f = NULL;
    forget(w);
    if (*w->temp)
        unlink(w->temp);
}

void ty_file_discard_all(void)
{
    for (int i = 0; i < MAX_OPEN && owner == getpid(); i++)
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
                return ty_error(TY_EUSAGE, "cannot create %s: %s; choose another place with --out",
                                part, strerror(errno));
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
