/* SPDX-License-Identifier: MIT
 *
 * probe - what a platform's text contains, asked of SimGrid itself in a child process: SimGrid
 * stops the process at the first mistake in a file, and can be started only once in a process.
 *
 * The child writes its findings into one memory file and its messages into another, which the
 * parent reads.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memfd_create */
#endif
#include "sim/hosts.h"
#include "sim/open.h"

#include "base/rng.h"

#include <math.h>
#include <signal.h>
#include <simgrid/actor.h>
#include <simgrid/engine.h>
#include <simgrid/zone.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ALL_PAIRS = 64, SAMPLES = 4096, MAX_HOSTS = 1000000, PATIENCE = 120 /* [s] */ };

/* ---- in the child ---------------------------------------------------------------------------- */

static struct {
    probe found;
    sg_host_t *host;
    int out;
} child;

static ty_net route(int i, int j)
{
    return (ty_net){sg_host_get_route_latency(child.host[i], child.host[j]),
                    sg_host_get_route_bandwidth(child.host[i], child.host[j])};
}

static int differ(double a, double b)
{
    return fabs(a - b) > 1e-9 * fmax(fabs(a), fabs(b));
}

static int carries(ty_net n)
{
    return isfinite(n.beta) && n.beta > 0 && isfinite(n.alpha) && n.alpha >= 0;
}

static void look_at(int i, int j)
{
    ty_net n = route(i, j);
    if (!carries(n))
        for (int k = 0; k < 2; k++)
            snprintf(child.found.broken[k], sizeof child.found.broken[k], "%s",
                     sg_host_get_name(child.host[k ? j : i]));
    if (differ(n.alpha, child.found.net.alpha))
        child.found.one_latency = 0;
    if (differ(n.beta, child.found.net.beta))
        child.found.one_bandwidth = 0;
}

static void look_at_routes(int n)
{
    if (n <= ALL_PAIRS) {
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++)
                if (i != j)
                    look_at(i, j);
        return;
    }
    for (int i = 0; i < n; i++)
        look_at(i, (i + 1) % n);
    for (int s = 0; s < SAMPLES; s++) {
        int i = (int)(ty_uniform(1, (uint64_t)s * 2) * n),
            j = (int)(ty_uniform(1, (uint64_t)s * 2 + 1) * n);
        if (i != j)
            look_at(i, j);
    }
}

static const char *property(const char *key)
{
    sg_netzone_t world = sg_zone_get_by_name("world");
    const char *value = world ? sg_zone_get_property_value(world, key) : NULL;
    return value ? value : "";
}

static void look(int argc, char **argv)
{
    (void)argc, (void)argv;
    probe *f = &child.found;
    int per = atoi(property("workers_per_host")), far = per > 0 && per < f->hosts ? per : 1;
    f->workers_per_host = per;
    f->as_machine = !strcmp(property("compute"), "machine");
    f->one_latency = f->one_bandwidth = 1;
    f->local = per > 1 ? route(0, 1) : route(0, 0);
    f->net = f->hosts > far ? route(0, far) : f->local;
    if (f->hosts > 1)
        look_at_routes(f->hosts);
}

static void put(const void *data, size_t n)
{
    if (write(child.out, data, n) != (ssize_t)n)
        _exit(1);
}

static void count_hosts(void)
{
    probe *f = &child.found;
    f->hosts = (int)sg_host_count();
    child.host = ty_sim_hosts();
    f->host = ty_zalloc((size_t)f->hosts, sizeof *f->host);
    f->same_hosts = 1;
    for (int i = 0; i < f->hosts; i++) {
        f->host[i] =
            (host_facts){sg_host_get_speed(child.host[i]), sg_host_core_count(child.host[i])};
        if (differ(f->host[i].speed, f->host[0].speed) || f->host[i].cores != f->host[0].cores)
            f->same_hosts = 0;
    }
}

static _Noreturn void probe_here(const char *xml, const ty_net *handoff, int out, int log)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    alarm(PATIENCE);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    child.out = out;
    ty_sim_start(TY_NET_SHARED, handoff);
    ty_sim_load(xml);
    if (sg_host_count() == 0 || sg_host_count() > MAX_HOSTS) {
        fprintf(stderr, "it has %zu hosts\n", sg_host_count());
        fflush(stderr);
        _exit(1);
    }
    count_hosts();
    fprintf(stderr, "a route is missing or broken\n"); /* what a crash from here on means */
    fflush(stderr);
    sg_actor_start(sg_actor_init("look", child.host[0]), look, 0, NULL);
    simgrid_run();
    put(&child.found, sizeof child.found);
    put(child.found.host, (size_t)child.found.hosts * sizeof *child.found.host);
    _exit(0);
}

/* ---- in the parent --------------------------------------------------------------------------- */

static void first_line(int log, char *line, size_t size)
{
    ssize_t n = pread(log, line, size - 1, 0);
    line[n > 0 ? n : 0] = 0;
    line[strcspn(line, "\n")] = 0;
}

/* "Parse error at /proc/self/fd/4:6: Invalid XML (XML input line 6, state 59): Bad attribute ..."
 * -> "line 6: Bad ..." */
static ty_err explain(const char *name, const char *line)
{
    static const char start[] = "Parse error at ";
    char shown[160];
    int at = 0;
    const char *what = line;
    if (!strncmp(line, start, sizeof start - 1)) {
        const char *colon = strchr(line + sizeof start - 1, ':');
        const char *state = strstr(line, "state ");
        const char *after = state ? strstr(state, "): ") : colon ? strstr(colon + 1, ": ") : NULL;
        at = colon ? atoi(colon + 1) : 0;
        what = after ? after + (state ? 3 : 2) : line;
    }
    size_t n = 0;
    for (const char *c = what; *c && n < sizeof shown - 1; c++) /* of a binary file, perhaps */
        shown[n++] = *c >= ' ' && *c <= '~' ? *c : '?';
    shown[n] = 0;
    if (at)
        return ty_error(TY_EUSAGE, "%.60s, line %d: %s", name, at, shown);
    return ty_error(TY_EUSAGE, "%.60s is not a platform that SimGrid can read: %s", name,
                    *shown ? shown : "it crashed while reading");
}

static ty_err read_findings(const char *name, int out, probe *found)
{
    ssize_t n = pread(out, found, sizeof *found, 0);
    TY_CHECK(n == (ssize_t)sizeof *found, "the probe of %s wrote nothing", name);
    size_t bytes = (size_t)found->hosts * sizeof *found->host;
    found->host = ty_alloc(bytes);
    n = pread(out, found->host, bytes, (off_t)sizeof *found);
    TY_CHECK(n == (ssize_t)bytes, "the probe of %s was cut short", name);
    ty_err e = ty_ok();
    if (*found->broken[0])
        e = ty_error(TY_EUSAGE, "%.60s: from %s to %s there is no route, or one without bandwidth",
                     name, found->broken[0], found->broken[1]);
    for (int i = 0; i < found->hosts; i++)
        if (!(found->host[i].speed > 0))
            e = ty_error(TY_EUSAGE, "%.60s: the speed of a host must be more than 0", name);
    if (e.code != TY_OK)
        free(found->host);
    return e;
}

ty_err ty_platform_probe(const char *name, const char *xml, const ty_net *handoff, probe *found)
{
    int out = memfd_create("findings", MFD_CLOEXEC), log = memfd_create("messages", MFD_CLOEXEC),
        status;
    TY_CHECK(out >= 0 && log >= 0, "cannot make a file in memory");
    fflush(NULL); /* what is buffered must not be written twice */
    pid_t pid = fork();
    TY_CHECK(pid >= 0, "cannot start a process");
    if (pid == 0)
        probe_here(xml, handoff, out, log);
    TY_CHECK(waitpid(pid, &status, 0) == pid, "lost the probe of %s", name);
    char line[512];
    first_line(log, line, sizeof line);
    ty_err e = status == 0 ? read_findings(name, out, found)
               : WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM
                   ? explain(name, "it takes minutes to read")
                   : explain(name, line);
    close(out);
    close(log);
    return e;
}
