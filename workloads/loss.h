/* SPDX-License-Identifier: MIT
 *
 * loss - how far the outputs of a network are from the labels of its samples: one definition for training, evaluation
 * and closed forms. A sample has `targets` labels, and the loss is the mean over all labels of all samples.
 *
 *   TY_LOSS_XENT      outputs [rows, targets * classes] are logits, labels [rows * targets] class indices: cross-entropy
 *                     of their softmax [nats]
 *   TY_LOSS_SQUARED   outputs [rows, targets] are values, labels [rows * targets] too: the mean squared error (no half),
 *                     so that its square root is the RMSE
 */
#ifndef TY_WORKLOADS_LOSS_H
#define TY_WORKLOADS_LOSS_H

#include "fabric/op.h"

typedef enum ty_loss_kind { TY_LOSS_XENT, TY_LOSS_SQUARED } ty_loss_kind;

typedef struct ty_loss {
    ty_loss_kind kind;
    size_t targets; /* labels of a sample, >= 1 */
    size_t classes; /* TY_LOSS_XENT: outputs of a label */
} ty_loss;

/* The work of the loss of so many samples, with its gradient. */
ty_work ty_loss_work(const ty_loss *l, size_t rows);

/* Writes dy [rows, outputs] = scale * (gradient of the sum over labels); dy may be y (in place).
 *   right   NULL, or out: labels that the largest logit names (TY_LOSS_SQUARED: 0)
 * Returns the sum over labels, 0 for ghosts. */
double ty_loss_sum(const ty_loss *l, ty_rank *r, ty_tensor dy, ty_tensor y, ty_tensor labels,
                   float scale, size_t *right);

#endif
