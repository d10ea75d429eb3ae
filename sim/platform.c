/* SPDX-License-Identifier: MIT */
#include "sim/platform.h"

#include "base/file.h"
#include "sim/open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_XML = 256 << 20 };

/* What is assumed where no machine model says better. */
static const double assumed_speed = 1e9;           /* [flop/s] of a core */
static const ty_net assumed_handoff = {1e-6, 5e9}; /* [s], [B/s] */

typedef struct request {
    const char *spec;
    int ranks, per_host; /* per_host 0: to be chosen */
    host_facts host;     /* the machine's */
    ty_net handoff;
} request;

static int ceil_div(int a, int b)
{
    return (a + b - 1) / b;
}

/* Place the ranks: how many a host, and whether the hosts are enough. */
static ty_err place(ty_platform *p, const request *q)
{
    int per = q->per_host ? q->per_host : p->hosts == 1 ? q->ranks : 1;
    p->ranks_per_host = per;
    if (ceil_div(q->ranks, per) <= p->hosts)
        return ty_ok();
    if (p->hosts == 1)
        return ty_error(
            TY_EUSAGE,
            "%.80s has one host: leave --workers-per-node away to put all %d workers on it",
            p->name, q->ranks);
    return ty_error(
        TY_EUSAGE,
        "%.80s has %d hosts, too few for %d workers at %d a node; use --workers-per-node %d",
        p->name, p->hosts, q->ranks, per, ceil_div(q->ranks, p->hosts));
}

/* The textbook network: a port for every worker. */
static ty_err make_ports(ty_platform *p, const request *q, const host_facts *host, int same_hosts)
{
    if (p->ranks_per_host > p->cores)
        return ty_error(TY_EUSAGE,
                        "%d workers on a host of %d cores: the textbook network gives each worker "
                        "a port and cores "
                        "of its own; use --network shared or fewer workers per node",
                        p->ranks_per_host, p->cores);
    free(p->xml);
    p->host_per_rank = p->ranks_per_host > 1;
    if (p->host_per_rank) {
        p->hosts = ceil_div(q->ranks, p->ranks_per_host);
        p->xml = ty_generate_ports(q->ranks, p->ranks_per_host, host, p->net, p->local);
    } else if (same_hosts) {
        p->xml = ty_generate_cluster(p->hosts, host[0], p->net, p->local);
    } else {
        p->xml = ty_generate_mixed(p->hosts, host, p->net);
    }
    return ty_ok();
}

/* ---- the three kinds of platform ------------------------------------------------------------- */

static ty_err open_multicore(ty_platform *p, const request *q)
{
    p->hosts = 1;
    p->cores = q->host.cores;
    p->speed = q->host.speed;
    p->net = p->local = q->handoff;
    p->uniform = p->one_latency = 1;
    p->xml = ty_generate_multicore(p->cores, p->speed, q->handoff);
    return place(p, q);
}

static ty_err open_cluster(ty_platform *p, const request *q)
{
    cluster c = {.cores = q->host.cores, .speed = q->host.speed};
    TY_TRY(ty_cluster_parse(q->spec, &c));
    p->hosts = c.nodes ? (int)c.nodes : ceil_div(q->ranks, q->per_host ? q->per_host : 1);
    p->cores = (int)c.cores;
    p->speed = c.speed;
    p->local = q->handoff;
    p->net = (ty_net){c.latency, c.bandwidth};
    p->uniform = p->one_latency = 1;
    TY_TRY(place(p, q));
    host_facts host = {c.speed, p->cores};
    p->xml = ty_generate_cluster(p->hosts, host, p->net, p->local);
    if (p->network != TY_NET_TEXTBOOK || p->ranks_per_host == 1 || p->hosts == 1)
        return ty_ok();
    host_facts *all = ty_alloc((size_t)p->hosts * sizeof *all);
    for (int i = 0; i < p->hosts; i++)
        all[i] = host;
    ty_err e = make_ports(p, q, all, 1);
    free(all);
    return e;
}

static void describe(ty_platform *p, const request *q, const probe *f)
{
    for (int i = 0; f->as_machine && i < f->hosts; i++)
        f->host[i].speed = q->host.speed;
    p->hosts = f->hosts;
    p->cores = f->host[0].cores;
    p->speed = f->host[0].speed;
    for (int i = 1; i < f->hosts; i++) {
        p->cores = f->host[i].cores < p->cores ? f->host[i].cores : p->cores;
        p->speed = f->host[i].speed < p->speed ? f->host[i].speed : p->speed;
    }
    p->as_machine = f->as_machine;
    p->net = f->net;
    p->local = f->local;
    p->one_latency = f->one_latency;
    p->uniform = f->one_latency && f->one_bandwidth;
}

/* A file that ty_generate_ports wrote: its hosts are workers. */
static ty_err open_ports(ty_platform *p, request q, const probe *f)
{
    if (q.per_host && q.per_host != f->workers_per_host)
        return ty_error(TY_EUSAGE, "%.80s was written for %d workers per node, not %d", p->name,
                        f->workers_per_host, q.per_host);
    q.per_host = f->workers_per_host;
    p->hosts = ceil_div(f->hosts, f->workers_per_host);
    p->host_per_rank = p->uniform = p->one_latency = 1;
    TY_TRY(place(p, &q));
    return q.ranks <= f->hosts ? ty_ok()
                               : ty_error(TY_EUSAGE, "%.80s was written for %d workers, not %d",
                                          p->name, f->hosts, q.ranks);
}

static ty_err use_file(ty_platform *p, const request *q, const probe *f)
{
    describe(p, q, f);
    if (p->network == TY_NET_TEXTBOOK && f->workers_per_host > 0)
        return open_ports(p, *q, f);
    TY_TRY(place(p, q));
    if (p->network != TY_NET_TEXTBOOK || p->hosts == 1)
        return ty_ok();
    if (!p->uniform)
        return ty_error(
            TY_EUSAGE,
            "%.80s: its routes differ in latency or bandwidth, which the textbook network has "
            "no place for; use --network shared",
            p->name);
    return make_ports(p, q, f->host, f->same_hosts);
}

static ty_err open_file(ty_platform *p, const request *q)
{
    char path[1024];
    size_t size;
    probe found;
    TY_TRY(ty_platform_resolve(q->spec, path, sizeof path));
    TY_TRY(ty_read_text(path, MAX_XML, &p->xml, &size));
    if (size == 0 || strlen(p->xml) != size)
        return ty_error(TY_EUSAGE, "%.120s is %s", path,
                        size ? "not an XML file: it has zero bytes in it" : "empty");
    TY_TRY(ty_platform_probe(path, p->xml, &q->handoff, &found));
    ty_err e = use_file(p, q, &found);
    free(found.host);
    return e;
}

/* ---- what others call ------------------------------------------------------------------------ */

ty_err ty_platform_open(ty_platform *p, const char *spec, ty_network network, int ranks,
                        int ranks_per_host, const ty_machine *machine)
{
    request q = {spec, ranks, ranks_per_host, {assumed_speed, 1}, assumed_handoff};
    *p = (ty_platform){.network = network};
    TY_CHECK(ranks > 0 && ranks_per_host >= 0, "%d ranks, %d a host", ranks, ranks_per_host);
    if (strlen(spec) >= sizeof p->name)
        return ty_error(TY_EUSAGE, "the platform's name is longer than %zu characters",
                        sizeof p->name - 1);
    strcpy(p->name, spec);
    if (machine && machine->peak_flops > 0)
        q.host.speed = machine->peak_flops;
    if (machine && machine->cores > 0)
        q.host.cores = machine->cores;
    if (machine && machine->handoff.beta > 0)
        q.handoff = machine->handoff;
    int is_cluster = !strcmp(spec, "cluster") || !strncmp(spec, "cluster:", 8);
    ty_err e = !strcmp(spec, "multicore") ? open_multicore(p, &q)
               : is_cluster               ? open_cluster(p, &q)
                                          : open_file(p, &q);
    if (e.code != TY_OK)
        ty_platform_close(p);
    return e;
}

void ty_platform_close(ty_platform *p)
{
    free(p->xml);
    p->xml = NULL;
}

ty_err ty_platform_write(const ty_platform *p, const char *path)
{
    ty_file w;
    TY_TRY(ty_file_open(&w, path));
    fputs(p->xml, w.f);
    return ty_file_commit(&w);
}

int ty_platform_host(const ty_platform *p, int rank)
{
    return rank / p->ranks_per_host;
}
