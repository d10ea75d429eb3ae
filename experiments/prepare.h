/* SPDX-License-Identifier: MIT
 *
 * prepare - everything that is decided before a rank starts: defaults, platform, plan, what closed forms are made from.
 * Private to experiments/.
 */
#ifndef TY_EXPERIMENTS_PREPARE_H
#define TY_EXPERIMENTS_PREPARE_H

#include "experiments/engine.h"

typedef struct ty_prepared {
    const ty_point *point;
    const ty_fabric_ops *fabric;
    ty_platform platform;
    ty_plan plan;
    ty_machine machine; /* that plan.costing points to: the point's, with what a step uses */
    ty_job job;
    int sim;
    long every; /* steps between two looks at the test set */
} ty_prepared;

/* TY_EUSAGE for what a user can mend, TY_EMISSING for a component that is not here. ty_prepared_free it unless it failed. */
ty_err ty_prepare(ty_prepared *s, const ty_point *p);
void   ty_prepared_free(ty_prepared *s);

#endif
