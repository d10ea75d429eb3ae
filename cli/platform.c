/* SPDX-License-Identifier: MIT
 *
 * platform - print or write the XML of a platform, with a line that sums it up.
 */
#include "base/text.h"
#include "cli/commands.h"
#include "cli/setup.h"

#include <string.h>

static void sum_up(FILE *f, const ty_platform *p)
{
    char a[32], b[32], c[32], d[32], e[32];
    fprintf(f, "%s: %d host%s of %d core%s at %s", p->name, p->hosts, p->hosts == 1 ? "" : "s",
            p->cores, p->cores == 1 ? "" : "s", ty_show(a, sizeof a, p->speed, "flop/s"));
    if (p->hosts > 1)
        fprintf(f, "; between hosts %s and %s", ty_show(b, sizeof b, p->net.alpha, "s"),
                ty_show(c, sizeof c, p->net.beta, "B/s"));
    fprintf(f, "; within a host %s and %s (network %s)\n",
            ty_show(d, sizeof d, p->local.alpha, "s"), ty_show(e, sizeof e, p->local.beta, "B/s"),
            ty_network_name[p->network]);
}

/* A calibration that is there, or else this host's cores: nothing is worth 10 s of
 * measuring here. */
static ty_err find_machine(ty_machine *m, const char *file)
{
    char cache[1024];
    *m = (ty_machine){0};
    if (file)
        return ty_machine_load(m, file);
    if (ty_machine_cache_path(cache, sizeof cache).code || ty_machine_load(m, cache).code)
        ty_machine_name_here(m);
    return ty_ok();
}

static ty_err write_platform(const ty_options *o)
{
    ty_platform p;
    ty_machine machine;
    ty_network network = TY_NET_SHARED;
    int workers = o->workers.n ? (int)o->workers.v[0] : 1;
    const char *to = o->out ? o->out : "-";
    if (o->words_n != 1)
        return ty_error(TY_EUSAGE, "platform takes one SPEC: multicore, a name, a file, or "
                                   "cluster:nodes=64,cores=8,bandwidth=10Gbps,latency=20us");
    if (o->network)
        TY_TRY(ty_network_find(o->network, &network));
    TY_TRY(find_machine(&machine, o->machine));
    TY_TRY(ty_platform_open(&p, o->words[0], network, workers, (int)o->workers_per_node, &machine));
    ty_err e = ty_platform_write(&p, to);
    if (!e.code)
        sum_up(strcmp(to, "-") ? stdout : stderr, &p); /* standard output holds the file alone */
    ty_platform_close(&p);
    return e;
}

int ty_main_platform(const ty_options *o)
{
    return ty_report_error(write_platform(o));
}
