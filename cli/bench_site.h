/* SPDX-License-Identifier: MIT
 *
 * bench_site - where `bench collective` and `bench fabric` run their ranks: options to a fabric, a platform, a machine.
 */
#ifndef TY_CLI_BENCH_SITE_H
#define TY_CLI_BENCH_SITE_H

#include "base/file.h"
#include "cli/setup.h"
#include "experiments/bench_ranks.h"
#include "sim/platform.h"

typedef struct ty_site {
    ty_bench_place bench;
    ty_platform platform;
    ty_machine machine;
    const char *machine_says; /* whose model it is, or that there is none */
} ty_site;

/* Check the options that name a place and read the machine model: --machine FILE, else this user's calibration of this
 * machine, else none: nothing is calibrated for a benchmark.
 *   closed_form   the benchmark computes one from the machine model, also where nothing is simulated
 * TY_EUSAGE for an option that would change nothing. */
ty_err ty_site_open(ty_site *p, const ty_options *o, int closed_form);

/* Make it one of so many ranks. ty_site_close closes it again. */
ty_err ty_site_ranks(ty_site *p, const ty_options *o, int ranks);
void   ty_site_close(ty_site *p);

/* A line, "" where it is not so: ranks share hosts, which closed forms do not know. */
const char *ty_site_says_mixed(const ty_site *p);

/* Those of --workers, or 2; under mpirun as many as it started. What is wrong with a place for most of them is found here. */
ty_err ty_site_workers(ty_site *p, const ty_options *o, ty_counts *workers);

/* Progress of simulations of several numbers of workers: each counts as its square, as the messages of a ring do. */
typedef struct ty_site_progress {
    ty_progress line;
    double done, current, planned; /* before this simulation, in it, in all */
} ty_site_progress;
void ty_site_progress_open(ty_site_progress *p, const ty_counts *workers, int runs_of_each);
void ty_site_progress_next(ty_site_progress *p, int workers);
void ty_site_progress_tell(void *progress, double fraction, double none); /* of the current one */

/* "threads", "mpi", "sim ethernet shared". */
const char *ty_site_name(const ty_site *p, char *text, size_t size);

/* Close the rows of --csv, if there are any (csv->f may be NULL), after a benchmark that ended with e: they are kept unless it
 * did not come to its end (wrong results are rows, too). Returns e, or what is wrong with the file. */
ty_err ty_site_keep_rows(ty_file *csv, ty_err e);

/* Sizes of --bytes, or of the list `usual`; each at least `least`. */
ty_err ty_site_bytes(const ty_options *o, const char *usual, long least, ty_counts *bytes);

#endif
