/* SPDX-License-Identifier: MIT */
#include "machine/machine.h"

#include "kernels/kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *ty_origin_name(ty_origin o)
{
    static const char *const name[] = {"measured", "fitted", "datasheet", "assumed"};
    return name[o];
}

static double far_bytes(const ty_rate *r, double bytes)
{
    if (bytes <= r->near_bytes)
        return 0;
    return bytes >= 2 * r->near_bytes ? bytes : bytes * (bytes / r->near_bytes - 1);
}

static double over(double amount, double rate)
{
    return rate > 0 ? amount / rate : 0;
}

/* How much slower a rank runs because `busy` ranks share the host; the measured state is one rank
 * on every core. */
static double slowdown(const ty_machine *m, const ty_rate *r, int busy)
{
    if (busy <= 1 || m->cores <= 1)
        return 1;
    double share = busy >= m->cores ? 1 : (double)(busy - 1) / (m->cores - 1);
    return 1 + (r->beside - 1) * share;
}

int ty_rate_grows(const ty_rate *r)
{
    return r->row_s > 0 || r->flops > 0 || r->bandwidth > 0 || r->far_bandwidth > 0;
}

ty_machine ty_machine_with(const ty_machine *m, double set)
{
    ty_machine with = *m;
    double share = m->cache > 0 ? fmax(0, fmin(1, 2 * (set / m->cache - 1))) : 0;
    for (int c = 0; c < TY_CLASSES && share > 0; c++) {
        ty_rate *r = &with.rate[c];
        double far = r->far_bandwidth > 0 ? r->far_bandwidth : r->bandwidth;
        double seconds = (1 - share) * over(1, far) + share * over(1, r->memory_bandwidth);
        if (r->memory_bandwidth > 0)
            r->far_bandwidth = seconds > 0 ? 1 / seconds : INFINITY;
    }
    return with;
}

double ty_machine_seconds(const ty_machine *m, ty_work w, int threads, int busy)
{
    const ty_rate *r = &m->rate[w.cls];
    double far_bandwidth = r->far_bandwidth > 0 ? r->far_bandwidth : r->bandwidth;
    double far = far_bytes(r, w.bytes), near = w.bytes - far, calls = ty_work_calls(w);
    double arithmetic = ty_work_rows(w) * r->row_s + over(ty_work_padded(w), r->flops);
    double traffic = over(near, r->bandwidth) + over(far, far_bandwidth);
    double work = arithmetic + traffic;

    if (threads > 1 && work >= calls * r->thread_from_s) {
        double doublings = log2(threads);
        work = calls * r->thread_launch_s + arithmetic * exp2(-doublings * r->thread_gain) +
               traffic * exp2(-doublings * r->memory_gain);
    }
    return calls * r->launch_s + work * slowdown(m, r, busy);
}

ty_err ty_machine_cache_path(char *path, unsigned long size)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n = -1;
    if (cache && *cache == '/')
        n = snprintf(path, size, "%s/trainyard/machine.yaml", cache);
    else if (home && *home)
        n = snprintf(path, size, "%s/.cache/trainyard/machine.yaml", home);
    else
        return ty_error(TY_EUSAGE, "no place for the calibration: set HOME or XDG_CACHE_HOME");
    if (n < 0 || (unsigned long)n >= size)
        return ty_error(TY_EUSAGE, "the path of the user's cache directory is too long");
    return ty_ok();
}

/* "model name : X" of the first processor; its architecture's name is enough where there is
 * none. */
static void read_processor(char *name, size_t size)
{
    char line[256];
    snprintf(name, size, "unknown");
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) || !colon)
            continue;
        colon[1 + strcspn(colon + 1, "\n")] = 0;
        snprintf(name, size, "%.*s", (int)size - 1, colon + 1 + strspn(colon + 1, " \t"));
        break;
    }
    if (f)
        fclose(f);
}

void ty_machine_name_here(ty_machine *m)
{
    if (gethostname(m->host, sizeof m->host))
        snprintf(m->host, sizeof m->host, "unknown");
    m->host[sizeof m->host - 1] = 0;
    read_processor(m->processor, sizeof m->processor);
    m->cores = ty_kernel_max_threads();
    m->memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
}

int ty_machine_is_here(const ty_machine *m)
{
    ty_machine here;
    ty_machine_name_here(&here);
    return m->cores == here.cores && !strcmp(m->host, here.host) &&
           !strcmp(m->processor, here.processor);
}
