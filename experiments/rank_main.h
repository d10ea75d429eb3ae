/* SPDX-License-Identifier: MIT
 *
 * rank_main - the program of every rank of a run: steps, evaluation, and the report that rank 0 collects by messages,
 * the same way on every fabric.
 */
#ifndef TY_EXPERIMENTS_RANK_MAIN_H
#define TY_EXPERIMENTS_RANK_MAIN_H

#include "experiments/result.h"
#include "strategies/worker.h"

enum { TY_CHECK_STEPS = 2 }; /* steps after which parameters are compared with serial's */

/* Shared by the ranks of one process; rank 0 fills what is below. */
typedef struct ty_course {
    const ty_plan *plan;
    long     every;       /* steps between two looks at the test set; 0: none */
    ty_target target;     /* ends the training */
    int      trace_steps;
    int      exact;       /* time is virtual: step_s is the mean, not a median */
    /* filled by rank 0: */
    int      collected;   /* all of this is here */
    double  *loss;        /* [steps] */
    double  *end;         /* [steps] seconds from the start, on rank 0, evaluations left out; or NULL */
    long     steps;       /* done */
    long     served_steps; /* > 0: what is left of the steps of workers that a server stops, under virtual time */
    ty_evaluation *evaluation; /* [evaluations]; room for steps / every, and for each epoch; or NULL */
    long     evaluations;
    ty_rank_report *report; /* [workers] */
    ty_event *event;      /* [room] */
    size_t   events, room;
    float   *early;       /* [params] after TY_CHECK_STEPS steps, or NULL */
    float   *params;      /* [params] at the end, or NULL */
    volatile double *progress; /* [2] fraction of steps done, newest loss of rank 0; or NULL */
} ty_course;

void ty_rank_main(ty_rank *r, void *course);

#endif
