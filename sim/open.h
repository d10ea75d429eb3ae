/* SPDX-License-Identifier: MIT
 *
 * open - the steps of ty_platform_open: find the text, probe it, generate another.
 */
#ifndef TY_SIM_OPEN_H
#define TY_SIM_OPEN_H

#include "sim/platform.h"

/* ---- resolve.c: from a name to a file ---- */

/* The path of platform file `spec` (a name in the search path, or a path); TY_EUSAGE with the
 * nearest name. */
ty_err ty_platform_resolve(const char *spec, char *path, size_t size);

/* ---- cluster.c: the keys of cluster: ---- */

typedef struct cluster {
    long   nodes, cores;
    double bandwidth, latency, speed; /* [B/s], [s] end to end, [flop/s] of a core */
} cluster;

/* Read "cluster:key=value,..." over the defaults in *c. */
ty_err ty_cluster_parse(const char *spec, cluster *c);

/* ---- probe.c: what a platform's text contains ---- */

typedef struct host_facts {
    double speed; /* [flop/s] of a core */
    int    cores;
} host_facts;

typedef struct probe {
    int         hosts;
    int         one_latency;      /* of all routes: all pairs up to 64 hosts, else a sample */
    int         one_bandwidth;    /* the same */
    int         same_hosts;       /* in cores and speed */
    int         as_machine;       /* property compute="machine" */
    int         workers_per_host; /* of a file that ty_generate_ports wrote; else 0 */
    ty_net      net, local;       /* between two hosts, and inside one */
    char        broken[2][64];    /* two hosts with no route that carries anything; else empty */
    host_facts *host;             /* [hosts], owned */
} probe;

/* Load xml in a child process and tell what is in it; `handoff` as for ty_sim_start, `name` for
 * messages. */
ty_err ty_platform_probe(const char *name, const char *xml, const ty_net *handoff, probe *found);

/* ---- generate.c: XML text, owned by the caller ---- */

/* One host whose ranks hand messages over. */
char *ty_generate_multicore(int cores, double speed, ty_net handoff);
/* Hosts with a private full-duplex port on a switch that never blocks. */
char *ty_generate_cluster(int hosts, host_facts host, ty_net net, ty_net handoff);
/* The same with a speed and cores for each host. */
char *ty_generate_mixed(int hosts, const host_facts *host, ty_net net);
/* A port for each of `ranks` workers, `per_host` of them on one of the hosts. */
char *ty_generate_ports(int ranks, int per_host, const host_facts *host, ty_net net,
                        ty_net handoff);

#endif
