/* SPDX-License-Identifier: MIT
 *
 * hosts - SimGrid started, configured and loaded in the same way by a simulation and by a probe.
 */
#ifndef TY_SIM_HOSTS_H
#define TY_SIM_HOSTS_H

#include "sim/platform.h"

#include <simgrid/host.h>

/* simgrid_init, quiet, with the model of a network mode. `local` is what hosts that declare no
 * loopback get between two of their ranks; alpha and beta of 0 leave SimGrid's own. Once in a
 * process. */
void ty_sim_start(ty_network network, const ty_net *local);
/* Stacks of `kib` KiB, with a guard page each or without. */
void ty_sim_configure_stacks(int kib, int guards);

/* Load a platform from its text, through a file that lives in memory. */
void ty_sim_load(const char *xml);

/* All hosts, in the order in which ranks are placed: names compare with numbers in them by value
 * (h2 before h10). The caller frees the array. */
sg_host_t *ty_sim_hosts(void);

#endif
