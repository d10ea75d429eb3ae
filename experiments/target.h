/* SPDX-License-Identifier: MIT
 *
 * target - when training is good enough: on the test set, a mean loss of at most, or an accuracy of at least, so much.
 */
#ifndef TY_EXPERIMENTS_TARGET_H
#define TY_EXPERIMENTS_TARGET_H

#include "workloads/workload.h"

typedef enum ty_target_kind { TY_NO_TARGET, TY_TARGET_LOSS, TY_TARGET_ACCURACY } ty_target_kind;

typedef struct ty_target {
    ty_target_kind kind;
    double value;
} ty_target;

/* "loss=0.1" or "accuracy=0.97". TY_EUSAGE says what is wrong. */
ty_err ty_target_parse(const char *text, ty_target *t);

/* TY_EUSAGE when q has no test set, or no accuracy where one is wanted. */
ty_err ty_target_check(const ty_target *t, const ty_problem *q);

/* Never without a target. */
int ty_target_reached(const ty_target *t, ty_score score);

/* The figure that the target is about. */
double ty_target_figure(const ty_target *t, ty_score score);

/* "accuracy 0.97", "test loss 0.1"; into buf, which is returned. */
const char *ty_target_show(const ty_target *t, char *buf, size_t size);

#endif
