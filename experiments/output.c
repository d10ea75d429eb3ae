/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "experiments/output.h"

#include "base/file.h"
#include "experiments/output_half.h"
#include "experiments/output_json.h"
#include "strategies/collectives/collective.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- interruption ---------------------------------------------------------------------------- */

static char own_dir[1024]; /* "" : nothing to remove */
static volatile sig_atomic_t owner;
char ty_output_half[1200];

/* Only what is safe in a signal handler. Children (own copies of this) end by themselves. */
static void interrupted(int sig)
{
    static const char text[] =
        "\ntrainyard: interrupted; what was finished is kept, nothing half-written\n";
    if (getpid() == owner) {
        ty_file_discard_all();
        if (*ty_output_half)
            unlink(ty_output_half);
        if (*own_dir && !rmdir(own_dir) && !strncmp(own_dir, "runs/", 5))
            rmdir("runs"); /* both fail when something is in them, as they should */
        if (sig != SIGABRT && write(2, text, sizeof text - 1) < 0) /* an abort has said why */
            _exit(128 + sig);
    }
    signal(sig, SIG_DFL);
    raise(sig); /* the shell sees what ended us: status 128 + sig */
}

void ty_output_watch(void)
{
    static const int sig[] = {SIGINT, SIGTERM, SIGHUP, SIGABRT};
    struct sigaction now, set = {.sa_handler = interrupted, .sa_flags = (int)SA_NODEFER};
    owner = getpid();
    for (size_t i = 0; i < sizeof sig / sizeof *sig; i++)
        if (!sigaction(sig[i], NULL, &now) && now.sa_handler != SIG_IGN)
            sigaction(sig[i], &set, NULL);
}

/* ---- the folder ------------------------------------------------------------------------------ */

static void utc(char *text, size_t size, const char *format)
{
    time_t now = time(NULL);
    struct tm t;
    gmtime_r(&now, &t);
    strftime(text, size, format, &t);
}

static void name_folder(ty_output *o)
{
    struct timespec t;
    char date[32];
    struct stat st;
    utc(date, sizeof date, "%Y%m%dT%H%M%SZ");
    for (unsigned i = 0;; i++) {
        clock_gettime(CLOCK_REALTIME, &t);
        unsigned id = ((unsigned)t.tv_nsec / 1000 ^ (unsigned)getpid() * 40503u) + i;
        snprintf(o->dir, sizeof o->dir, "runs/%s-%s-%04x", date, o->command, id & 0xffff);
        if (lstat(o->dir, &st))
            return;
    }
}

/* Write a file and remove it again. */
static ty_err try_folder(const char *dir)
{
    char path[1080];
    ty_file w;
    snprintf(path, sizeof path, "%s/run.json", dir);
    TY_TRY(ty_file_open(&w, path));
    ty_file_discard(&w);
    return ty_ok();
}

static void forget(const char *dir, const char *name)
{
    char pattern[1100];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/%s", dir, name);
    if (glob(pattern, GLOB_NOESCAPE, NULL, &found) == 0)
        for (size_t k = 0; k < found.gl_pathc; k++)
            unlink(found.gl_pathv[k]);
    globfree(&found);
}

static void forget_plot(const char *dir, const char *kind, const char *of)
{
    static const char *const ending[] = {"svg", "png", "dat", "gp"};
    char name[64];
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++) {
        snprintf(name, sizeof name, "%s%s.%s", kind, of, ending[i]);
        forget(dir, name);
    }
}

/* What an earlier command left in the folder would be taken for ours. Nothing else: the folder may be anybody's. */
static void clear_earlier(const char *dir)
{
    static const char *const ours[] = {"run.json", "rows.csv", "trace*.json", "collective.csv",
                                       "crossover.csv"},
                             *const plot[] = {"speedup", "breakdown", "loss", "time", "validate"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        forget(dir, ours[i]);
    for (size_t i = 0; i < sizeof plot / sizeof *plot; i++)
        forget_plot(dir, plot[i], "");
    for (int op = 0; op < TY_OPERATIONS; op++) {
        forget_plot(dir, "winners-", ty_operation_name[op]);
        forget_plot(dir, "times-", ty_operation_name[op]);
    }
}

ty_err ty_output_open(ty_output *o, const char *command, const char *out_dir)
{
    struct stat st;
    *o = (ty_output){0};
    snprintf(o->command, sizeof o->command, "%s", command);
    utc(o->begun, sizeof o->begun, "%Y-%m-%dT%H:%M:%SZ");
    if (!out_dir)
        name_folder(o);
    else if ((size_t)snprintf(o->dir, sizeof o->dir, "%s", out_dir) >= sizeof o->dir)
        return ty_error(TY_EUSAGE, "--out: the path is longer than %zu characters",
                        sizeof o->dir - 1);
    o->fresh = stat(o->dir, &st) != 0;
    ty_output_watch();
    TY_TRY(ty_make_dir(o->dir));
    if (o->fresh)
        memcpy(own_dir, o->dir, sizeof own_dir);
    ty_err e = try_folder(o->dir);
    if (!e.code)
        clear_earlier(o->dir);
    o->json = ty_json_header(o->command, o->begun);
    if (e.code)
        ty_output_abandon(o);
    return e;
}

void ty_output_abandon(ty_output *o)
{
    if (o->fresh && *o->dir && !rmdir(o->dir) && !strncmp(o->dir, "runs/", 5))
        rmdir("runs"); /* when nothing else is in it */
    json_decref(o->json);
    free(o->row);
    own_dir[0] = 0;
    *o = (ty_output){0};
}

/* ---- what is put into it --------------------------------------------------------------------- */

void ty_output_option(ty_output *o, const char *name, const char *value)
{
    if (*o->dir)
        json_object_set_new(json_object_get(o->json, "options"), name, json_string(value));
}

void ty_output_rows(ty_output *o, const ty_row *rows, size_t n)
{
    if (!*o->dir)
        return;
    if (o->rows + n > o->room) {
        o->room = 2 * (o->rows + n);
        o->row = realloc(o->row, o->room * sizeof *o->row);
        TY_CHECK(o->row, "out of memory for %zu rows", o->room);
    }
    memcpy(o->row + o->rows, rows, n * sizeof *rows);
    o->rows += n;
}

/* Chrome's trace event format: a process, and a thread a rank. */
static void write_trace(FILE *f, const ty_result *r)
{
    int first = 1;
    size_t at = 0;
    fprintf(f, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
    fprintf(f,
            "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":0,\"args\":{\"name\":\"%s, %s, %s\"}}",
            r->row.strategy, r->row.workload, r->row.fabric);
    for (int i = 0; i < r->ranks; i++)
        fprintf(f,
                ",\n{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":0,\"tid\":%d,\"args\":{\"name\":"
                "\"rank %d\"}}",
                i, i);
    first = 0;
    for (int i = 0; i < r->ranks && at < r->events; i++) {
        size_t n = r->report[i].events < r->events - at ? r->report[i].events : r->events - at;
        ty_trace_write(f, i, r->event + at, n, &first);
        at += n;
    }
    fprintf(f, "\n]}\n");
}

/* "trace.json" for the only run of a command; else named after the run, numbered where that is not enough. */
static void name_trace(const ty_output *o, const ty_row *r, char *name, size_t size, char *path,
                       size_t path_size)
{
    struct stat st;
    char number[16] = "";
    for (int i = 2; i < 1000; i++) {
        if (!strcmp(o->command, "run"))
            snprintf(name, size, "trace.json");
        else
            snprintf(name, size, "trace-%s-%dx%d-%s%s.json", r->strategy, r->workers, r->threads,
                     r->fabric, number);
        snprintf(path, path_size, "%s/%s", o->dir, name);
        if (!o->traces || stat(path, &st))
            return;
        snprintf(number, sizeof number, "-%d", i);
    }
}

static ty_err save_trace(ty_output *o, const ty_result *r, char *name, size_t size)
{
    char path[1200];
    ty_file w;
    name_trace(o, &r->row, name, size, path, sizeof path);
    TY_TRY(ty_file_open(&w, path));
    write_trace(w.f, r);
    TY_TRY(ty_file_commit(&w));
    o->traces++;
    return ty_ok();
}

ty_err ty_output_run(ty_output *o, const ty_point *p, const ty_result *r)
{
    char trace[120] = "";
    if (!*o->dir || !r->here)
        return ty_ok();
    ty_err e = ty_ok(); /* a timeline that cannot be written costs neither row nor figures */
    if (r->event && r->report && r->events)
        e = save_trace(o, r, trace, sizeof trace);
    ty_output_rows(o, &r->row, 1);
    json_array_append_new(json_object_get(o->json, "runs"), ty_json_run(p, r, e.code ? "" : trace));
    return e;
}

/* ---- closing --------------------------------------------------------------------------------- */

static ty_err save_rows(const char *path, const ty_row *row, size_t n)
{
    ty_file w;
    TY_TRY(ty_file_open(&w, path));
    ty_row_write_header(w.f);
    for (size_t i = 0; i < n; i++)
        ty_row_write(w.f, &row[i]);
    return ty_file_commit(&w);
}

ty_err ty_output_so_far(const ty_output *o, const ty_row *row, size_t n)
{
    char path[1080];
    snprintf(path, sizeof path, "%s/rows.csv", o->dir);
    return *o->dir ? save_rows(path, row, n) : ty_ok();
}

static ty_err save_json(const ty_output *o, const char *path)
{
    ty_file w;
    TY_TRY(ty_file_open(&w, path));
    json_dumpf(o->json, w.f, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    fputc('\n', w.f);
    return ty_file_commit(&w);
}

static ty_err save_all(const ty_output *o, const char *csv, const char *json)
{
    char path[1080];
    snprintf(path, sizeof path, "%s/run.json", o->dir);
    TY_TRY(save_json(o, path));
    snprintf(path, sizeof path, "%s/rows.csv", o->dir);
    if (o->rows || csv)
        TY_TRY(save_rows(path, o->row, o->rows));
    if (csv)
        TY_TRY(save_rows(csv, o->row, o->rows));
    return json ? save_json(o, json) : ty_ok();
}

ty_err ty_output_close(ty_output *o, const char *csv, const char *json)
{
    ty_err e = ty_ok();
    char now[32];
    if (*o->dir) {
        utc(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ");
        json_object_set_new(o->json, "ended", json_string(now));
        ty_json_rows(o->json, o->row, o->rows);
        e = save_all(o, csv, json);
    }
    ty_output_abandon(o); /* frees; the folder stays, as it is not empty */
    return e;
}

/* ---- other programs -------------------------------------------------------------------------- */

int ty_output_exec(const char *dir, const char *const *argv)
{
    int status;
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent || null < 0 || (dir && chdir(dir)))
            _exit(126);
        for (int fd = 0; fd < 3; fd++)
            dup2(null, fd);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(errno == ENOENT ? 127 : 126);
    }
    if (pid < 0)
        return 126;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 126;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}
