/* SPDX-License-Identifier: MIT */
#include "sim/platform.h"

#include "base/text.h"

#include <string.h>

const char *const ty_network_name[] = {"textbook", "shared", "tcp", NULL};
enum { NETWORKS = sizeof ty_network_name / sizeof *ty_network_name - 1 };

ty_err ty_network_find(const char *name, ty_network *mode)
{
    for (int i = 0; i < NETWORKS; i++)
        if (!strcmp(name, ty_network_name[i])) {
            *mode = (ty_network)i;
            return ty_ok();
        }
    return ty_unknown("network mode", name, ty_network_name, NETWORKS, NULL);
}
