/* SPDX-License-Identifier: MIT
 *
 * generate - platforms as XML text. Ports are split-duplex links of their own and there is never a
 * backbone: a link that all routes share would couple every flow with every other in SimGrid's
 * solver. The latency of a route is halved between the two ports it crosses. Numbers are written
 * so that reading them back gives the same bits.
 */
#include "base/text.h"
#include "sim/open.h"

#include <stdio.h>
#include <stdlib.h>

/* What is modelled, for who opens the file. */
static const char multicore_says[] =
    "One host. A message between two of its workers costs the machine model's hand-off, and\n"
    "     messages do not slow each other down.";
static const char cluster_says[] =
    "Equal hosts, each with a private full-duplex port on a switch that never blocks. A message\n"
    "     crosses two ports and pays half the latency at each; inside a host it costs the machine\n"
    "     model's hand-off.";
static const char mixed_says[] =
    "Hosts of different speed or size, each with a private full-duplex port on a switch that\n"
    "     never blocks. A message crosses two ports and pays half the latency at each.";
static const char ports_say[] =
    "Several workers a host, each with cores and a private full-duplex port of its own (the\n"
    "     textbook's network); a <host> here is one worker. Workers of one host hand over as the\n"
    "     machine model says.";

typedef struct text {
    FILE *f;
    char *buf;
    size_t size;
} text;

static FILE *begin(text *t, const char *comment)
{
    t->f = open_memstream(&t->buf, &t->size);
    TY_CHECK(t->f, "out of memory");
    fputs("<?xml version='1.0'?>\n", t->f);
    fputs("<!DOCTYPE platform SYSTEM \"https://simgrid.org/simgrid.dtd\">\n", t->f);
    fprintf(t->f, "<!-- %s -->\n<platform version=\"4.1\">\n", comment);
    return t->f;
}

static char *end(text *t)
{
    fprintf(t->f, "</zone>\n</platform>\n");
    TY_CHECK(!ferror(t->f) && !fclose(t->f), "out of memory");
    return t->buf;
}

static void link_tag(FILE *f, const char *name, int i, ty_net net, const char *policy)
{
    char a[32], b[32];
    fprintf(f, "<link id=\"%s%d\" bandwidth=\"%sBps\" latency=\"%ss\"", name, i,
            ty_exact(b, net.beta), ty_exact(a, net.alpha));
    fprintf(f, " sharing_policy=\"%s\"/>\n", policy);
}

static void host_tag(FILE *f, const char *name, int i, host_facts h)
{
    char speed[32];
    fprintf(f, "<host id=\"%s%d\" speed=\"%sf\" core=\"%d\"/>\n", name, i, ty_exact(speed, h.speed),
            h.cores);
}

static ty_net half(ty_net net)
{
    return (ty_net){net.alpha / 2, net.beta};
}

char *ty_generate_multicore(int cores, double speed, ty_net handoff)
{
    text t;
    FILE *f = begin(&t, multicore_says);
    fprintf(f, "<zone id=\"world\" routing=\"Full\">\n");
    host_tag(f, "host", 0, (host_facts){speed, cores});
    link_tag(f, "handoff", 0, handoff, "FATPIPE");
    fprintf(f, "<route src=\"host0\" dst=\"host0\"><link_ctn id=\"handoff0\"/></route>\n");
    return end(&t);
}

char *ty_generate_cluster(int hosts, host_facts host, ty_net net, ty_net handoff)
{
    text t;
    FILE *f = begin(&t, cluster_says);
    fprintf(f, "<zone id=\"world\" routing=\"Full\">\n");
    fprintf(f, "<cluster id=\"nodes\" prefix=\"node\" suffix=\"\" radical=\"0-%d\"", hosts - 1);
    char a[32], b[32];
    fprintf(f, " speed=\"%sf\" core=\"%d\"\n", ty_exact(a, host.speed), host.cores);
    fprintf(f, "         bw=\"%sBps\" lat=\"%ss\" sharing_policy=\"SPLITDUPLEX\"\n",
            ty_exact(b, net.beta), ty_exact(a, net.alpha / 2));
    fprintf(f, "         loopback_bw=\"%sBps\" loopback_lat=\"%ss\"/>\n", ty_exact(b, handoff.beta),
            ty_exact(a, handoff.alpha));
    return end(&t);
}

static void ports(FILE *f, const char *name, int n, ty_net net)
{
    for (int i = 0; i < n; i++)
        link_tag(f, "port", i, half(net), "SPLITDUPLEX");
    for (int i = 0; i < n; i++)
        fprintf(f, "<host_link id=\"%s%d\" up=\"port%d_UP\" down=\"port%d_DOWN\"/>\n", name, i, i,
                i);
}

char *ty_generate_mixed(int hosts, const host_facts *host, ty_net net)
{
    text t;
    FILE *f = begin(&t, mixed_says);
    fprintf(f, "<zone id=\"world\" routing=\"Cluster\">\n");
    for (int i = 0; i < hosts; i++)
        host_tag(f, "node", i, host[i]);
    ports(f, "node", hosts, net);
    return end(&t);
}

static void bypass(FILE *f, int i, int j, int host)
{
    fprintf(f, "<bypassRoute src=\"worker%d\" dst=\"worker%d\">", i, j);
    fprintf(f, "<link_ctn id=\"handoff%d\"/></bypassRoute>\n", host);
}

static void hand_over(FILE *f, int ranks, int per_host)
{
    for (int i = 0; i < ranks; i++)
        for (int j = i - i % per_host; j < ranks && j < i - i % per_host + per_host; j++)
            if (i != j)
                bypass(f, i, j, i / per_host);
}

char *ty_generate_ports(int ranks, int per_host, const host_facts *host, ty_net net, ty_net handoff)
{
    text t;
    FILE *f = begin(&t, ports_say);
    fprintf(f, "<zone id=\"world\" routing=\"Cluster\">\n");
    fprintf(f, "<prop id=\"workers_per_host\" value=\"%d\"/>\n", per_host);
    for (int i = 0; i < ranks; i++)
        host_tag(f, "worker", i, host[i / per_host]);
    for (int h = 0; h * per_host < ranks; h++)
        link_tag(f, "handoff", h, handoff, "FATPIPE");
    ports(f, "worker", ranks, net);
    hand_over(f, ranks, per_host);
    return end(&t);
}
