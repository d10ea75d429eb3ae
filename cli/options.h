/* SPDX-License-Identifier: MIT
 *
 * options - every option of every command, from one table: names, kinds, defaults and help are
 * written once and drive parsing, --help and the list of what was given.
 */
#ifndef TY_CLI_OPTIONS_H
#define TY_CLI_OPTIONS_H

#include "experiments/engine.h"

#include <stdio.h>

enum { TY_LIST_MAX = 64, TY_OPTIONS_MAX = 96 };

/* Bits: which commands take an option. */
enum {
    TY_RUN = 1,
    TY_COMPARE = 2,
    TY_LIST = 4,
    TY_DOCTOR = 8,
    TY_PLATFORM = 16,
    TY_CALIBRATE = 32,
    TY_BENCH = 64,
    TY_DEMO = 128,
    TY_VALIDATE = 256,
    TY_ALL = 511
};

typedef struct ty_counts {
    long   v[TY_LIST_MAX];
    size_t n; /* 0: not given */
} ty_counts;

/* Everything the command line may say. NULL, 0, n == 0, or -1 of trace_steps, staleness and momentum: not
 * given. */
typedef struct ty_options {
    const char *words[TY_LIST_MAX]; /* arguments that are no options */
    int         words_n;
    const char *given[TY_OPTIONS_MAX]; /* by index in the table: as written; "" for a flag */

    const char *strategy[TY_LIST_MAX];
    size_t      strategies;
    const char *workload, *fabric, *platform, *network, *collective, *optimizer, *machine, *gemm;
    const char *data, *csv, *json, *out, *filter, *crossover;
    ty_counts   workers, bytes;
    long        workers_per_node, threads, dp, tp, pp, micro_batches, batch, steps, epochs, seed;
    long        layers, width, heads, context, samples, repeat, trace_steps;
    long        piece_bytes, evaluate_every, bucket_bytes, servers, local_steps, staleness, depth;
    double      rate, momentum, timeout_s, seconds, outer_momentum, keep, task_seconds;
    const char *compression, *slow, *jitter, *until;
    size_t      hidden[TY_MAX_HIDDEN];
    int         hidden_n;
    int         no_augment, ghost, real, quiet, quick, strict, help, version;
    char       *strategy_copy; /* what strategy[] points into */
} ty_options;

typedef struct ty_command {
    const char *name;
    int         bit;
    const char *words;   /* arguments that are no options, for the usage line; "" none */
    const char *summary; /* one line */
    const char *example; /* lines, each indented by two blanks */
    int       (*main)(const ty_options *o); /* returns the exit status */
} ty_command;

/* The table of commands, in cli/commands.c. */
extern const ty_command ty_commands[];
extern const size_t     ty_commands_n;

/* The command of a name; TY_EUSAGE with the nearest one. */
ty_err ty_command_find(const char *name, const ty_command **found);

/* Parse argv[1..] of a command. TY_EUSAGE names the option, what is wrong and what would do.
 * ty_options_free in every case. */
ty_err ty_options_parse(const ty_command *c, int argc, char **argv, ty_options *o);
void   ty_options_free(ty_options *o);

void ty_options_help(FILE *f, const ty_command *c);

/* Walk over what was given: i = 0, 1, ... until 0 comes back. Value "" for a flag. */
int ty_options_given(const ty_options *o, int i, const char **name, const char **value);

/* "trainyard COMMAND --a x ...": what was given, with the options named in `without`
 * (blank-separated) left out and `with` appended. Writes into buf, returns it. */
char *ty_options_line(const ty_options *o, const char *command, const char *without,
                      const char *with, char *buf, size_t size);

#endif
