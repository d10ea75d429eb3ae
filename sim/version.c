/* SPDX-License-Identifier: MIT */
#include "fabric/fabric.h"

#include <simgrid/forward.h>
#include <simgrid/version.h>
#include <stdio.h>

void ty_sim_version(char *text, size_t size)
{
    int major, minor, patch;
    sg_version_get(&major, &minor, &patch);
    snprintf(text, size, "version %d.%d", major, minor);
}
