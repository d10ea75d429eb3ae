/* SPDX-License-Identifier: MIT
 *
 * report - the one screen that a run prints.
 */
#ifndef TY_CLI_REPORT_H
#define TY_CLI_REPORT_H

#include "cli/setup.h"

/* Header line; four numbers; verdict; where the time went; memory; loss. */
void ty_report_run(FILE *f, const ty_setup *s, const ty_result *r);

/* Exit status of a result. */
int ty_report_status(const ty_result *r);

#endif
