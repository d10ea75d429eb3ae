/* SPDX-License-Identifier: MIT */
#include "sim/open.h"

#include "base/text.h"

#include <string.h>

static const char *const keys[] = {"nodes", "cores", "bandwidth", "latency", "speed"};
enum { NODES, CORES, BANDWIDTH, LATENCY, SPEED, KEYS };

static const char example[] = "cluster:nodes=16,cores=8,bandwidth=10Gbps,latency=20us";

static ty_err find_key(const char *key, int *k)
{
    for (*k = 0; *k < KEYS; ++*k)
        if (!strcmp(key, keys[*k]))
            return ty_ok();
    return ty_unknown("cluster key", key, keys, KEYS, NULL);
}

static ty_err positive(const char *what, double value)
{
    return value > 0 ? ty_ok() : ty_error(TY_EUSAGE, "%s: must be more than 0", what);
}

static ty_err set(cluster *c, int k, const char *value)
{
    switch (k) {
    case NODES:
        return ty_parse_count("cluster: nodes", value, 1, 1000000, &c->nodes);
    case CORES:
        return ty_parse_count("cluster: cores", value, 1, 4096, &c->cores);
    case BANDWIDTH:
        TY_TRY(ty_parse_quantity("cluster: bandwidth", value, "B/s", &c->bandwidth));
        return positive("cluster: bandwidth", c->bandwidth);
    case LATENCY:
        return ty_parse_quantity("cluster: latency", value, "s", &c->latency);
    default:
        TY_TRY(ty_parse_quantity("cluster: speed", value, "f", &c->speed));
        return positive("cluster: speed", c->speed);
    }
}

ty_err ty_cluster_parse(const char *spec, cluster *c)
{
    char copy[256], *rest = copy, *piece;
    int given[KEYS] = {0}, k;
    const char *colon = strchr(spec, ':');
    if (strlen(spec) >= sizeof copy)
        return ty_error(TY_EUSAGE, "cluster: the description is too long; write for example %s",
                        example);
    strcpy(copy, colon ? colon + 1 : "");
    while (*copy && (piece = strsep(&rest, ","))) {
        char *value = strchr(piece, '=');
        if (!value)
            return ty_error(TY_EUSAGE, "cluster: '%s' is not key=value; write for example %s",
                            piece, example);
        *value++ = 0;
        TY_TRY(find_key(piece, &k));
        if (given[k]++)
            return ty_error(TY_EUSAGE, "cluster: %s is given twice", keys[k]);
        TY_TRY(set(c, k, value));
    }
    if (!given[BANDWIDTH] || !given[LATENCY])
        return ty_error(TY_EUSAGE, "cluster: %s is missing; write for example %s",
                        given[BANDWIDTH] ? "latency" : "bandwidth", example);
    return ty_ok();
}
