/* SPDX-License-Identifier: MIT
 *
 * output - what a command leaves behind: a run folder with run.json, rows.csv, trace.json and plots. Every file appears
 * whole. An interrupted command leaves no half-written file and no empty folder.
 */
#ifndef TY_EXPERIMENTS_OUTPUT_H
#define TY_EXPERIMENTS_OUTPUT_H

#include "experiments/engine.h"

struct json_t;

/* A run folder being filled. */
typedef struct ty_output {
    char           dir[1024];   /* "" : nothing is written (MPI processes other than rank 0) */
    char           command[32], begun[32]; /* begun: UTC */
    struct json_t *json;        /* what run.json will say */
    ty_row        *row;         /* what rows.csv will hold */
    size_t         rows, room;
    int            traces;      /* timelines written so far */
    int            fresh;       /* the folder is this command's own: removed when nothing is in it */
} ty_output;

/* From here on Ctrl-C and the like remove what is half-written. main() calls it; ty_output_open, too. */
void ty_output_watch(void);

/* Make the folder out_dir, or runs/<UTC>-<command>-<id> when it is NULL, and try that it can be written: before any work.
 * An interrupt removes it when nothing is in it. TY_EUSAGE when it cannot be. */
ty_err ty_output_open(ty_output *o, const char *command, const char *out_dir);

/* Note an option of the command line for run.json ("workers", "1,2,4"). */
void ty_output_option(ty_output *o, const char *name, const char *value);

/* Add a run: its figures, ranks and loss history to run.json, its row to rows.csv; its timeline is written at once to
 * trace.json; where the command makes several, to trace-STRATEGY-WORKERSxTHREADS-FABRIC.json. r may be a failed run. */
ty_err ty_output_run(ty_output *o, const ty_point *p, const ty_result *r);

/* Add rows alone, for points whose history does not matter. */
void ty_output_rows(ty_output *o, const ty_row *rows, size_t n);

/* Write these as rows.csv, until ty_output_close does: what an interrupt leaves of a long command. */
ty_err ty_output_so_far(const ty_output *o, const ty_row *rows, size_t n);

/* Write run.json and, when there are rows, rows.csv, and copies to csv and json where these are not NULL ("-": standard output). Frees o
 * in every case. A folder that holds nothing is removed: ty_output_abandon after an error before the first run. */
ty_err ty_output_close(ty_output *o, const char *csv, const char *json);
void   ty_output_abandon(ty_output *o);

/* Run argv in folder dir (NULL: here) without its output and return its exit status; 127 when there is no such program.
 * It ends when this process is interrupted. */
int ty_output_exec(const char *dir, const char *const *argv);

/* ---- plots: NAME.dat, NAME.gp and NAME.svg in dir -----------------------------------------------------------------
 * `cd dir && gnuplot NAME.gp` draws them again. TY_EMISSING when gnuplot is missing or fails: .gp and .dat are there then,
 * and the message says how to get the plot. Rows that failed, and figures that are missing, are gaps. With no figure at
 * all nothing is written: TY_OK, and *.svg does not exist (ty_plot_exists). */

/* Speedup against workers, a colour a strategy: points where simulated (open) or measured (filled); the closed form, against
 * the serial row's closed form, as a line; the ideal dashed. Rows of different (platform, network, batch) make panels side
 * by side, at most four, in the order of their first row. Any order of rows within. */
ty_err ty_plot_speedup(const char *dir, const char *name, const char *title, const ty_row *rows, size_t n);

/* A bar a row, in the order given: compute, exposed communication and waiting stacked, hidden communication beside it. Bars
 * are labelled by strategy, and by workers or threads where these differ within a panel. Panels as above. */
ty_err ty_plot_breakdown(const char *dir, const char *name, const char *title, const ty_row *rows, size_t n);

/* Loss against step, one line a run (its strategy, and its threads where a strategy comes twice); runs without a loss
 * history are left out. */
ty_err ty_plot_loss(const char *dir, const char *name, const char *title, const ty_result *const *results, size_t n);

/* The same against seconds of training: loss of a batch, and beside it the score of the test set where some run has looked
 * twice: accuracy, or the loss where that is the target or there is no accuracy. */
ty_err ty_plot_time(const char *dir, const char *name, const char *title, const ty_result *const *results, size_t n);

/* True when dir/name.svg was written. */
int ty_plot_exists(const char *dir, const char *name);

#endif
