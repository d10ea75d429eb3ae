/* SPDX-License-Identifier: MIT
 *
 * options_table - the shape of a row of the option table; private to options.
 */
#ifndef TY_CLI_OPTIONS_TABLE_H
#define TY_CLI_OPTIONS_TABLE_H

#include "cli/options.h"

typedef enum ty_option_kind {
    TY_HEADING, /* starts a group of --help */
    TY_FLAG,    /* int = 1 */
    TY_TEXT,    /* const char * */
    TY_CHOICE,  /* const char *, one of `choices` */
    TY_NAMES,   /* strategy[], strategies */
    TY_COUNT,   /* long in [lo, hi] */
    TY_BYTES,   /* the same with a prefix (25M), or "auto": -1 */
    TY_COUNTS,  /* ty_counts, each in [lo, hi] */
    TY_WIDTHS,  /* hidden[], hidden_n */
    TY_REAL,    /* double in (lo, hi], or [lo, hi] where lo > 0 */
    TY_FRACTION /* double in [0, 1) */
} ty_option_kind;

typedef struct ty_option {
    const char *heading; /* of a group; the rest is empty then */
    const char *name;
    char        letter;  /* 0: none */
    const char *arg;     /* how the argument is called; NULL: none */
    ty_option_kind kind;
    size_t      at;      /* offset in ty_options */
    double      lo, hi;
    int         commands;
    const char *usual;   /* the default, for --help; NULL: none */
    const char *const *choices;
    const char *help;
} ty_option;

extern const ty_option ty_option_table[];
extern const int       ty_option_table_n;

#endif
