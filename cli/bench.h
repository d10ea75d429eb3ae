/* SPDX-License-Identifier: MIT
 *
 * bench - the words that `bench` takes: one file each, one function each.
 */
#ifndef TY_CLI_BENCH_H
#define TY_CLI_BENCH_H

#include "cli/options.h"

/* Print a table, and rows for --csv; TY_EWRONG when a result is wrong. */
ty_err ty_bench_kernel(const ty_options *o);
ty_err ty_bench_step(const ty_options *o);
ty_err ty_bench_collective(const ty_options *o);
ty_err ty_bench_crossover(const ty_options *o); /* `bench collective` with --crossover */
ty_err ty_bench_fabric(const ty_options *o);

#endif
