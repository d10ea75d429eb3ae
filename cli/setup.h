/* SPDX-License-Identifier: MIT
 *
 * setup - from options to a point that can run: workload, machine, platform and run folder, checked
 * in that order before any work; and what commands share when they print.
 */
#ifndef TY_CLI_SETUP_H
#define TY_CLI_SETUP_H

#include "cli/options.h"
#include "experiments/output.h"

typedef struct ty_progress {
    double begun, told; /* [s] */
    double last;        /* fraction */
    int    terminal, shown;
} ty_progress;

typedef struct ty_setup {
    ty_problem  problem;
    ty_machine  machine;
    int         has_machine; /* false: no closed form (an MPI job without a calibration) */
    ty_point    point;       /* of the first strategy and number of workers */
    ty_output   out;         /* dir "" on MPI processes other than rank 0 */
    ty_progress progress;
} ty_setup;

/* Check the options and open everything. What is wrong is found before work starts; ty_setup_close
 * in every case. */
ty_err ty_setup_open(ty_setup *s, const ty_options *o, const char *command);
void   ty_setup_close(ty_setup *s);

/* Note every option that was given in run.json. */
void ty_setup_note_options(ty_output *out, const ty_options *o);

/* Progress of something that begins now: `progress` is a ty_progress, loss 0 where there is none. */
void ty_progress_open(ty_progress *p);
void ty_progress_tell(void *progress, double fraction, double loss);
/* Take the line of progress off a terminal. */
void ty_progress_clear(ty_progress *p);

/* True on the process that prints: the only one, or MPI rank 0. */
int ty_setup_speaks(void);
/* Workers where --workers is not given. */
int ty_default_workers(const char *strategy, const char *fabric);

/* Where tables go: standard output, or standard error when --csv - or --json - want that. */
FILE *ty_screen(const ty_options *o);
/* "files    runs/...: run.json rows.csv ..." : what the folder holds now. */
void ty_print_files(FILE *f, const char *dir);
/* Print "trainyard: message" to stderr when e is an error; returns the exit status. */
int ty_report_error(ty_err e);

#endif
