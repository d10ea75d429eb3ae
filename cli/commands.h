/* SPDX-License-Identifier: MIT
 *
 * commands - one function a command; each returns the exit status.
 */
#ifndef TY_CLI_COMMANDS_H
#define TY_CLI_COMMANDS_H

#include "cli/options.h"

int ty_main_run(const ty_options *o);
int ty_main_compare(const ty_options *o);
int ty_main_list(const ty_options *o);
int ty_main_doctor(const ty_options *o);
int ty_main_platform(const ty_options *o);
int ty_main_calibrate(const ty_options *o);
int ty_main_bench(const ty_options *o);
int ty_main_validate(const ty_options *o);
int ty_main_demo(const ty_options *o);

#endif
