/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memfd_create */
#endif
#include "sim/hosts.h"

#include <ctype.h>
#include <signal.h>
#include <simgrid/engine.h>
#include <simgrid/version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xbt/config.h>

#if SIMGRID_VERSION >= 33300
static const char precision[] = "precision/timing";
#else
static const char precision[] = "surf/precision";
#endif

void ty_sim_start(ty_network network, const ty_net *local)
{
    /* A deadlock is reported by ourselves; what else goes wrong is SimGrid's to say, plainly. */
    char *argv[] = {"trainyard", "--log=root.thresh:error", "--log=root.fmt:%m%n",
                    "--log=ker_engine.app:file:/dev/null", NULL};
    int argc = 4;
    struct sigaction interrupt;
    sigaction(SIGINT, NULL, &interrupt);
    simgrid_init(&argc, argv);
    sigaction(SIGINT, &interrupt, NULL); /* Ctrl-C stays the program's */
    if (network == TY_NET_TCP) {
        sg_cfg_set_string("network/model", "LV08");
    } else {
        sg_cfg_set_string("network/model", "CM02");
        sg_cfg_set_boolean("network/crosstraffic", "no");
        sg_cfg_set_double("network/TCP-gamma", 0);
        sg_cfg_set_double(precision, 1e-12);
    }
    if (local->beta > 0) {
        sg_cfg_set_double("network/loopback-lat", local->alpha);
        sg_cfg_set_double("network/loopback-bw", local->beta);
    }
}

void ty_sim_configure_stacks(int kib, int guards)
{
    sg_cfg_set_int("contexts/stack-size", kib);
    if (!guards)
        sg_cfg_set_int("contexts/guard-size", 0);
}

void ty_sim_load(const char *xml)
{
    char path[64];
    int fd = memfd_create("platform", 0);
    size_t n = strlen(xml), done = 0;
    TY_CHECK(fd >= 0, "cannot make a file in memory");
    while (done < n) {
        ssize_t w = write(fd, xml + done, n - done);
        TY_CHECK(w > 0, "cannot write the platform to memory");
        done += (size_t)w;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    simgrid_load_platform(path);
    close(fd);
}

static int compare_names(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            char *end_a, *end_b;
            unsigned long long x = strtoull(a, &end_a, 10), y = strtoull(b, &end_b, 10);
            if (x != y)
                return x < y ? -1 : 1;
            a = end_a - 1;
            b = end_b - 1;
        } else if (*a != *b) {
            break;
        }
    }
    return (unsigned char)*a - (unsigned char)*b;
}

static int compare_hosts(const void *a, const void *b)
{
    return compare_names(sg_host_get_name(*(const sg_host_t *)a),
                         sg_host_get_name(*(const sg_host_t *)b));
}

sg_host_t *ty_sim_hosts(void)
{
    sg_host_t *h = sg_host_list();
    qsort(h, sg_host_count(), sizeof *h, compare_hosts);
    return h;
}
