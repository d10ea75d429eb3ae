/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "experiments/child.h"

#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void *ty_child_share(unsigned long bytes)
{
    void *p = mmap(NULL, bytes + 1, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    TY_CHECK(p != MAP_FAILED, "cannot share %lu bytes with a child: %s", bytes, strerror(errno));
    return p;
}

void ty_child_unshare(void *p, unsigned long bytes)
{
    munmap(p, bytes + 1);
}

/* The last line in a file of captured stderr, without "trainyard: ". */
static void last_line(int fd, char *line, size_t size)
{
    char text[2048];
    off_t end = lseek(fd, 0, SEEK_END),
          from = end > (off_t)sizeof text - 1 ? end - (off_t)sizeof text + 1 : 0;
    ssize_t n = pread(fd, text, sizeof text - 1, from);
    text[n > 0 ? n : 0] = 0;
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
        text[--n] = 0;
    char *start = strrchr(text, '\n');
    start = start ? start + 1 : text;
    if (!strncmp(start, "trainyard: ", 11))
        start += 11;
    snprintf(line, size, "%.200s", start);
}

static ty_err verdict(int status, int captured)
{
    char line[201];
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return ty_ok();
    last_line(captured, line, sizeof line);
    if (line[0])
        return ty_error(TY_EWRONG, "%s", line);
    if (WIFSIGNALED(status))
        return ty_error(TY_EWRONG, "the run was ended by signal %d (%s)", WTERMSIG(status),
                        strsignal(WTERMSIG(status)));
    return ty_error(TY_EWRONG, "the run ended with status %d", WEXITSTATUS(status));
}

/* Wait for pid; poll quickly at first, so that a short run costs no more than it lasts. */
static int await(pid_t pid, void (*progress)(void *, double, double), void *arg,
                 const volatile double *state)
{
    int status = 1 << 8; /* lost: as if it had exited with 1 */
    double start = ty_clock(), told = start;
    pid_t got;
    while ((got = waitpid(pid, &status, progress ? WNOHANG : 0)) == 0 ||
           (got < 0 && errno == EINTR)) {
        double now = ty_clock();
        struct timespec nap = {0, now - start < 0.1 ? 1000000 : 20000000};
        if (got < 0)
            continue;
        if (now - told > 0.5) {
            told = now;
            progress(arg, state[0], state[1]);
        }
        nanosleep(&nap, NULL);
    }
    return status;
}

ty_err ty_child_run(void (*fn)(void *a, void *b), void *a, void *b,
                    void (*progress)(void *arg, double fraction, double loss), void *arg,
                    const volatile double *state)
{
    int captured = memfd_create("stderr", MFD_CLOEXEC);
    if (captured < 0)
        return ty_error(TY_EWRONG, "cannot capture a child's messages: %s", strerror(errno));
    fflush(NULL);
    signal(SIGCHLD, SIG_DFL); /* an inherited "ignore" would lose the child's status */
    pid_t parent = getpid(), pid = fork();
    if (pid < 0) {
        close(captured);
        return ty_error(TY_EWRONG, "cannot start a process: %s", strerror(errno));
    }
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        dup2(captured, 2);
        fn(a, b);
        fflush(NULL);
        _exit(0); /* no exit handlers of the parent's libraries */
    }
    ty_err e = verdict(await(pid, progress, arg, state), captured);
    close(captured);
    return e;
}
