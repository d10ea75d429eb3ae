/* SPDX-License-Identifier: MIT
 *
 * platform - a machine to simulate: a SimGrid XML file, or
 * "cluster:nodes=64,cores=8,bandwidth=10Gbps,latency=20us". Nothing here starts SimGrid in this
 * process: ty_platform_open probes the file in a child.
 */
#ifndef TY_SIM_PLATFORM_H
#define TY_SIM_PLATFORM_H

#include "fabric/fabric.h"

typedef enum ty_network { TY_NET_TEXTBOOK, TY_NET_SHARED, TY_NET_TCP } ty_network;
ty_err ty_network_find(const char *name, ty_network *mode); /* TY_EUSAGE with the nearest name */
extern const char *const ty_network_name[];                 /* by ty_network, NULL at the end */

struct ty_platform {
    char       name[256]; /* as given: "multicore", "ideal", "cluster:...", a path */
    ty_network network;
    int        hosts, cores; /* cores of one host; the least where hosts differ */
    double     speed;        /* [flop/s] of one core; the least where hosts differ */
    int        ranks_per_host;
    ty_net     net;           /* between ranks of different hosts (of one where there is one) */
    ty_net     local;         /* between two ranks of one host */
    int        uniform;       /* every route between hosts has the same latency and bandwidth */
    int        one_latency;   /* they have at least the same latency: it stays in the links */
    int        host_per_rank; /* textbook, several ranks a host: host i of the XML is rank i */
    int        as_machine;    /* hosts compute as the calibrated machine does */
    char      *xml;           /* what SimGrid will load: the file's text, or generated */
};

/* A platform that can be named. */
typedef struct ty_platform_file {
    char name[256], path[1024]; /* of platforms/ideal.xml the name is "ideal" */
} ty_platform_file;

/* The platform files of $TRAINYARD_PLATFORMS, of the platforms/ this was built from and of
 * ./platforms, in this order and sorted within each; a name that comes twice is the first one's.
 * Fills *n; the caller frees the result, which may be NULL. */
ty_platform_file *ty_platform_files(size_t *n);

/* A file's hosts compute in proportion to their speed: a host of 2 x machine.peak_flops halves
 * every charged second. <prop id="compute" value="machine"/> in the zone called "world" says
 * instead that they are as the machine is.
 *
 * cluster: takes nodes (default: as many as the ranks need), cores (the machine's), bandwidth and
 * latency (of a route from host to host; required), speed (of a core, default the machine's).
 * Separated by commas.
 *
 * Names are those of ty_platform_files().
 *
 * Open platform `spec` for `ranks` ranks, `ranks_per_host` on a host (0: spread one a host; all on
 * one when the platform is a single host), under a network mode. `spec` is "multicore" (this
 * machine's cores and its hand-off, from the machine model), the name of a file in platforms/
 * without .xml, a path to an XML file, or cluster:key=value,... Errors: TY_EUSAGE (unknown name
 * with the nearest, syntax error in the XML with its line, too few hosts with the number there
 * are, textbook on a platform whose routes differ), TY_EMISSING when built without SimGrid. */
ty_err ty_platform_open(ty_platform *p, const char *spec, ty_network network, int ranks,
                        int ranks_per_host, const ty_machine *machine);
void   ty_platform_close(ty_platform *p);

/* The platform as an XML file that SimGrid and ty_platform_open read. */
ty_err ty_platform_write(const ty_platform *p, const char *path);

/* Host of a rank. */
int ty_platform_host(const ty_platform *p, int rank);

#endif
