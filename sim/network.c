/* SPDX-License-Identifier: MIT */
#include "sim/platform.h"

#include "base/text.h"

#include <string.h>

const char *const ty_network_name[] = {"textbook", "shared", "tcp", NULL};

ty_err ty_network_find(const char *name, ty_network *mode)
{
    for (int i = 0; ty_network_name[i]; i++)
        if (!strcmp(name, ty_network_name[i])) {
            *mode = (ty_network)i;
            return ty_ok();
        }
    const char *near = ty_nearest(name, ty_network_name, 3);
    if (near)
        return ty_error(TY_EUSAGE, "there is no network mode '%s'; did you mean %s?", name, near);
    return ty_error(TY_EUSAGE, "there is no network mode '%s'; use textbook, shared or tcp", name);
}
