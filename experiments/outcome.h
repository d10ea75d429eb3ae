/* SPDX-License-Identifier: MIT
 *
 * outcome - from what the child left behind to a result: row, history, verdict. Private to experiments/.
 */
#ifndef TY_EXPERIMENTS_OUTCOME_H
#define TY_EXPERIMENTS_OUTCOME_H

#include "experiments/prepare.h"

enum { TY_SAID_MAX = 8192 }; /* of a workload's report, with the zero at its end; what is longer is cut */

/* Where the child leaves its result: sizes are known before it starts. */
typedef struct ty_shared {
    double progress[2];
    double wall_s, difference;
    size_t events;
    long steps, evaluations;
    int here;
    ty_err error;
} ty_shared;

typedef struct ty_board { /* one mapping: shared, then the arrays */
    ty_shared *head;
    double *loss;
    double *end;
    ty_evaluation *evaluation;
    ty_rank_report *report;
    ty_event *event;
    float *early, *params;
    char *said; /* [TY_SAID_MAX] */
    size_t bytes, room;
} ty_board;

/* The row of a plan before it has run: names, sizes, no figures. */
void ty_outcome_describe(ty_row *row, const ty_prepared *s);
/* Everything of a run that ended well: figures, histories, and whether they are valid and fit. */
void ty_outcome_harvest(ty_result *out, const ty_prepared *s, const ty_board *b);

#endif
