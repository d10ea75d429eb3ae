/* SPDX-License-Identifier: MIT
 *
 * optimizer - parameters from gradients: SGD with momentum, or AdamW.
 */
#ifndef TY_WORKLOADS_OPTIMIZER_H
#define TY_WORKLOADS_OPTIMIZER_H

#include "fabric/op.h"

typedef enum ty_optimizer_kind { TY_SGD, TY_ADAMW, TY_OPTIMIZERS } ty_optimizer_kind;
extern const char *const ty_optimizer_name[]; /* by ty_optimizer_kind, NULL at the end */
/* TY_EUSAGE with the nearest name. */
ty_err ty_optimizer_find(const char *name, ty_optimizer_kind *kind);

typedef struct ty_optimizer {
    ty_optimizer_kind kind;
    double    rate, momentum; /* AdamW: beta1 = momentum, beta2 = 0.999, eps = 1e-8, decay = 0.01 */
    long      steps;          /* of the whole run: the rate falls to a tenth after 70 % of them */
    ty_tensor state[2];       /* SGD: velocity; AdamW: first and second moment */
} ty_optimizer;

/* State for n parameters, zero. */
void   ty_optimizer_init(ty_optimizer *o, ty_rank *r, size_t n);
void   ty_optimizer_fini(ty_optimizer *o, ty_rank *r);
double ty_optimizer_bytes(ty_optimizer_kind kind, size_t n); /* [B] of that state */
ty_work ty_optimizer_work(ty_optimizer_kind kind, size_t n);

/* params -= what grads say; step counts from 0. */
void ty_optimizer_step(ty_optimizer *o, ty_rank *r, ty_tensor params, ty_tensor grads, long step);

#endif
